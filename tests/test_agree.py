"""Which pictures and joints `napa_lib.training.agree` labels, and what it says before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from napa_lib.pose.estimator import PoseResult
from napa_lib.skeletons import NAPA18
from napa_lib.training import agree

BOX = (20.0, 20.0, 120.0, 120.0)


def said(keypoints, confidence):
    return PoseResult(keypoints, torch.zeros(18, 3), confidence, BOX, NAPA18)


def test_joints_are_labelled_where_the_first_look_is_sure_and_the_second_says_the_same():
    first, second, sure = torch.rand(18, 2) * 100, torch.zeros(18, 2), torch.full((18,), 0.9)
    second[:, 0] = 30.0  # pixels away, of a box of 100
    second[:3, 0] = torch.tensor([0.0, 1.9, 2.1])
    sure[0] = 0.4
    found = agree.agreed_joints(said(first, sure), said(first + second, torch.zeros(18)))
    assert (~found.isnan().any(1)).nonzero().flatten().tolist() == [1] and torch.equal(found[1], first[1])


def test_figures_with_three_agreed_limb_joints_are_kept_with_room_round_them(tmp_path):
    asked, sure = [], torch.ones(18)
    limbs = [NAPA18.index(name) for name in ("l_wrist", "r_knee", "l_elbow", "r_ankle")]

    class First:
        def predict(self, image):
            return [said(torch.full((18, 2), 70.0), sure)]  # all in the box's middle

    class Second:
        def predict(self, image, boxes):
            asked.append(boxes)
            other = torch.full((18, 2), 90.0)
            other[limbs[: 4 - len(asked)]] = 70.0  # three limb joints in the first picture, two in the second
            return [said(other, sure)]

    files = [tmp_path / f"{name}.png" for name in "ab"]
    for file in files:
        Image.new("RGB", (140, 140), "red").save(file)
    (kept,) = agree.label_figures(files, First(), Second())
    assert asked == [[agree.moved(BOX)]] * 2
    assert kept.images.shape == (1, 3, 320, 320) and kept.images.dtype == torch.uint8
    assert sorted((~kept.keypoints[0].isnan().any(1)).nonzero().flatten().tolist()) == sorted(limbs[:3])
    torch.testing.assert_close(kept.keypoints[0, limbs[0]], torch.full((2,), 159.5), atol=1.1, rtol=0)
    assert float(kept.boxes[0, 2] - kept.boxes[0, 0]) == pytest.approx(320 / 1.5)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("Mona Lisa.jpg", "Lisa.jpg", "b.png", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(b"")
    return tmp_path / "in"


def test_names_with_spaces_are_left_out(pictures, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Mona Lisa.jpg\n\nb.png\n", "utf-8")
    assert [file.name for file in agree.chosen_pictures([pictures], names)] == ["Lisa.jpg"]
    assert len(agree.chosen_pictures([pictures], None)) == 3


def test_a_name_of_no_picture_is_an_error(pictures, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Mona Liza.jpg\nb.png\n", "utf-8")
    with pytest.raises(ValueError, match="1 that are of no picture, such as 'Mona Liza.jpg'"):
        agree.chosen_pictures([pictures], names)


def test_what_is_mistyped_is_one_sentence(pictures, tmp_path):
    out = tmp_path / "a.safetensors"
    for words, said in (
        (["--pictures", str(pictures), "--leave-out", str(tmp_path / "no.txt"), "--out", str(out)], "no.txt"),
        (["--pictures", str(tmp_path / "gone"), "--out", str(out)], "no folder"),
        (["--pictures", str(pictures), "--out", str(tmp_path)], "cannot write"),
        (["--pictures", str(pictures), "--one", str(tmp_path / "no"), "--out", str(out)], "no"),
    ):  # fmt: skip
        with pytest.raises(SystemExit, match=said):
            agree.main(words)
    assert not out.exists()
