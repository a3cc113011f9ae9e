"""People of COCO and MPII: made-up predictions with known answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from napa_lib import cli
from napa_lib.evaluate.journal import Journal
from napa_lib.evaluate.people import coco_truth, measure_coco, measure_mpii
from napa_lib.pose import PoseEstimator
from napa_lib.skeletons import COCO17, MPII16, NAPA18, convert


class Knows:
    """An estimator that knows where people are: of each box, the figure in its middle, moved to the right."""

    def __init__(self, people: torch.Tensor, joint_set, shift: float = 0.0) -> None:
        self.people, self.joint_set, self.shift = people, joint_set, shift

    def predict(self, image, boxes=None, joint_set=None, crops=1):
        assert joint_set is self.joint_set and image.shape == (3, 80, 120)
        middles = torch.tensor([[60.0, 40.0]]) if boxes is None else (boxes[:, :2] + boxes[:, 2:]) / 2
        nearest = torch.cdist(middles, self.people.mean(1)).argmin(1)
        known = convert(torch.zeros(18, 2), NAPA18, joint_set) + torch.tensor([self.shift, 0.0])
        return [SimpleNamespace(keypoints=self.people[k] + known, mean_confidence=0.9) for k in nearest.tolist()]


def coco_file(folder: Path, people: torch.Tensor, **changes) -> Path:
    """Two people on the first of two pictures, one on the second."""
    for name in ("1.png", "2.png"):
        Image.new("RGB", (120, 80)).save(folder / name)
    annotations = []
    for k, points in enumerate(people.tolist()):
        x, y = zip(*points, strict=True)
        person = {"id": k, "image_id": 1 + k // 2, "category_id": 1, "iscrowd": 0, "area": 900.0, "num_keypoints": 17,
                  "bbox": [min(x), min(y), max(x) - min(x), max(y) - min(y)],
                  "keypoints": [v for p in points for v in (*p, 2)]}  # fmt: skip
        annotations.append({name: value for name, value in {**person, **changes}.items() if value is not None})
    images = [{"id": k, "file_name": f"{k}.png", "width": 120, "height": 80} for k in (1, 2)]
    names = [{"l_": "left_", "r_": "right_"}.get(n[:2], n[:2]) + n[2:] for n in COCO17.joints]
    content = {"images": images, "annotations": annotations,
               "categories": [{"id": 1, "name": "person", "keypoints": names}]}  # fmt: skip
    file = folder / "people.json"
    file.write_text(json.dumps(content))
    return file


@pytest.fixture
def three(rng) -> torch.Tensor:
    """(3, 17, 2) people about 30 px high, apart from each other."""
    places = torch.tensor([[20.0, 40.0], [90.0, 40.0], [60.0, 40.0]])
    return places[:, None] + torch.from_numpy(rng.uniform(-15, 15, (3, 17, 2))).float()


def test_coco_of_exact_poses(three, tmp_path):
    """All thirteen joints right: 1. Of seventeen, thirteen are right and four not given: a similarity of 13 / 17."""
    file = coco_file(tmp_path, three)
    scores = measure_coco(Knows(three, COCO17), file, tmp_path, boxes=True)
    assert scores["13 joints"]["AP"] == pytest.approx(1.0) and scores["13 joints"]["AR"] == pytest.approx(1.0)
    right = [t <= 13 / 17 for t in np.arange(0.5, 1, 0.05)]
    assert scores["17 joints"]["AP"] == pytest.approx(np.mean(right)) and scores["17 joints"]["AP75"] == 1.0


@pytest.mark.parametrize("shift", [2.0, 4.0])
def test_coco_is_what_the_similarity_says(three, tmp_path, shift):
    """Every joint off by the same distance: OKS from its definition, with COCO's own constants of the joints."""
    sigmas = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
    kept = sigmas[[0, *range(5, 17)]]
    similarity = np.exp(-(shift**2) / (2 * 900 * (2 * kept) ** 2)).mean()
    expected = np.mean([similarity >= t for t in np.arange(0.5, 1, 0.05)])
    scores = measure_coco(Knows(three, COCO17, shift), coco_file(tmp_path, three), tmp_path, boxes=True)
    assert scores["13 joints"]["AP"] == pytest.approx(expected) and 0 < expected < 1


def test_coco_without_boxes_and_from_the_wild(three, tmp_path):
    """One figure a picture is found: of three people one, and one wrongly. Missing boxes and areas are made up for."""
    lone = measure_coco(Knows(three, COCO17), coco_file(tmp_path, three), tmp_path, boxes=False)
    assert lone["13 joints"]["AR"] == pytest.approx(1 / 3)
    bare = coco_file(tmp_path, three, bbox=None, area=None, num_keypoints=None, iscrowd=None)
    assert measure_coco(Knows(three, COCO17), bare, tmp_path, boxes=True)["13 joints"]["AP"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "change", [{"area": float("nan")}, {"area": -5}, {"area": None, "bbox": [0, 0, float("nan"), 9]},
               {"area": None, "bbox": [50, 50, -20, 20]}, {"iscrowd": "0"}, {"area": "900", "iscrowd": 0.0}],
)  # fmt: skip
def test_numbers_that_cannot_be_are_no_better_score(three, tmp_path, change):
    """An area of NaN made every similarity count as reached: 100 per cent of poses half a body away."""
    file = coco_file(tmp_path, three, **change)
    scores = measure_coco(Knows(three, COCO17, shift=60.0), file, tmp_path, boxes=True)
    assert scores["13 joints"]["AP"] == scores["13 joints"]["AR"] == 0.0
    assert measure_coco(Knows(three, COCO17), file, tmp_path, boxes=True)["13 joints"]["AP"] == pytest.approx(1.0)


def test_a_box_without_its_person_is_made_anew_from_the_joints(three, tmp_path):
    file = coco_file(tmp_path, three, bbox=[5000, 5000, 40, 40])
    assert measure_coco(Knows(three, COCO17), file, tmp_path, boxes=True)["13 joints"]["AP"] == pytest.approx(1.0)


def test_a_picture_that_cannot_be_estimated_is_named(three, tmp_path):
    class Refuses(Knows):
        def predict(self, *words):
            raise ValueError("boxes must overlap the picture")

    with pytest.raises(ValueError, match=r"picture '1\.png': boxes must overlap"):
        measure_coco(Refuses(three, COCO17), coco_file(tmp_path, three), tmp_path, boxes=True)


def test_what_the_reader_leaves_out_of_a_coco_file_is_counted_or_named(three):
    person = {"id": 7, "image_id": 1, "keypoints": [v for x, y in three[0, :17].tolist() for v in (x, y, 2)]}
    picture = {"id": 1, "file_name": "a.png"}
    content = {"images": [picture, "x", {"file_name": "a.png"}], "annotations": [person, {**person, "keypoints": 3}],
               "categories": []}  # fmt: skip
    (one,), numbers = coco_truth(content, ("a.png",))
    assert numbers == {"a.png": 1} and one["area"] > 0 and one["iscrowd"] == 0
    for odd in ({"bbox": [1, 2, 3]}, {"bbox": 5.0}, {"area": [1]}, {"iscrowd": [1]}, {"keypoints": [[1]] * 51}):
        with pytest.raises(ValueError, match="annotation 7 cannot be counted"):
            coco_truth({**content, "annotations": [{**person, **odd}]}, ("a.png",))


def test_joints_in_another_order_are_the_same_people(three, tmp_path):
    document = json.loads(coco_file(tmp_path, three).read_text())
    truth = coco_truth(document, ("1.png", "2.png"))
    document["categories"][0]["keypoints"].reverse()
    for person in document["annotations"]:
        person["keypoints"] = np.array(person["keypoints"]).reshape(17, 3)[::-1].ravel().tolist()
    assert coco_truth(document, ("1.png", "2.png")) == truth and len(truth[0]) == 3


def test_what_the_reader_leaves_out_is_no_miss(three, tmp_path):
    """People who stand there twice, other categories: a perfect estimator stays perfect. Crowds stay."""
    file = coco_file(tmp_path, three)
    content = json.loads(file.read_text())
    first = content["annotations"][0]
    moved = [v + 9 * (k % 3 < 2) for k, v in enumerate(first["keypoints"])]
    dog = {**first, "id": 8, "category_id": 2, "keypoints": moved}
    content["annotations"] += [{**first, "id": 7}, dog, {**first, "id": 9, "iscrowd": 1}]
    content["categories"].append({"id": 2, "name": "dog"})
    file.write_text(json.dumps(content))
    scores = measure_coco(Knows(three, COCO17), file, tmp_path, boxes=True)
    assert scores["13 joints"]["AP"] == scores["13 joints"]["AR"] == pytest.approx(1.0)
    truth, _ = coco_truth(content, ("1.png", "2.png"))
    assert [person["iscrowd"] for person in truth] == [0, 0, 0, 1]


@pytest.mark.parametrize(("change", "words"), [({"file_name": "3.png"}, "3.png"), ({"width": 60}, "another picture")])
def test_what_cannot_be_measured_is_said_before_the_first_prediction(three, tmp_path, change, words):
    class Refuses:
        def predict(self, *words):
            raise AssertionError("predicted")

    file = coco_file(tmp_path, three)
    content = json.loads(file.read_text())
    content["images"][1].update(change)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=words):
        measure_coco(Refuses(), file, tmp_path, boxes=True)
    file = coco_file(tmp_path, three, area=[1])
    with pytest.raises(ValueError, match="cannot be counted"):
        measure_coco(Refuses(), file, tmp_path, boxes=True)


def mpii_folder(root: Path, people: torch.Tensor, head: float) -> None:
    (root / "annot").mkdir(), (root / "images").mkdir()
    Image.new("RGB", (120, 80)).save(root / "images" / "a.png")
    listed = [{"image": "a.png", "joints": (p + 1).tolist(), "joints_vis": [1] * 16,
               "center": (p.mean(0) + 1).tolist(), "scale": 0.2} for p in people]  # fmt: skip
    (root / "annot" / "valid.json").write_text(json.dumps(listed))
    corners = np.zeros((2, 2, len(people)))
    corners[1, 0] = head / 0.6
    joints = (people + 1).numpy().transpose(1, 2, 0)
    savemat(root / "annot" / "gt_valid.mat", {"headboxes_src": corners, "pos_gt_src": joints})


@pytest.mark.parametrize(("shift", "rate"), [(4.9, 1.0), (5.1, 0.0)])
def test_mpii_counts_half_a_head(three, tmp_path, shift, rate, capsys, monkeypatch):
    people = three[:, :16]
    mpii_folder(tmp_path, people, head=10.0)
    found = measure_mpii(Knows(people, MPII16, shift), tmp_path, "valid", boxes=True)
    given = 16 - 2 - int(convert(torch.zeros(18, 2), NAPA18, MPII16).isnan().any(-1).sum())
    assert found.total == rate and found.joint_counts[MPII16.index("pelvis")] == 0 and found.counted == 3 * given
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda *_: Knows(people, MPII16, shift))
    assert cli.main(["evaluate", "--mpii", str(tmp_path), "--json", str(tmp_path / "r.json")]) == 0
    assert re.search(rf"all joints +{100 * rate:.1f} +{3 * given}", capsys.readouterr().out)
    assert json.loads((tmp_path / "r.json").read_text())["PCKh@0.5"] == rate
    (tmp_path / "annot" / "gt_valid.mat").unlink()
    assert cli.main(["evaluate", "--mpii", str(tmp_path)]) == 1
    assert "put gt_valid.mat into" in capsys.readouterr().err


def test_coco_by_the_command(three, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda *_: Knows(three, COCO17))
    words = ["evaluate", "--coco", str(coco_file(tmp_path, three)), "--pictures", str(tmp_path)]
    assert cli.main([*words, "--json", str(tmp_path / "r.json")]) == 0
    assert re.search(r"13 joints +100\.0", capsys.readouterr().out)
    assert json.loads((tmp_path / "r.json").read_text())["oks"]["13 joints"]["AP"] == 1.0
    assert cli.main(["evaluate", "--coco", str(tmp_path / "no.json"), "--pictures", str(tmp_path)]) == 1
    assert "no.json" in capsys.readouterr().err


class Stops(Knows):
    """An estimator in a process that is stopped at a picture."""

    def __init__(self, people: torch.Tensor, joint_set, stops_at: int) -> None:
        super().__init__(people, joint_set, shift=3.0)
        self.left = stops_at

    def predict(self, *arguments):
        self.left -= 1
        if self.left == 0:
            raise SystemExit(9)
        return super().predict(*arguments)


@pytest.mark.parametrize("unfinished", ["", '{"picture": "2.p'])
def test_a_stopped_measurement_goes_on(three, tmp_path, monkeypatch, capsys, unfinished):
    file = coco_file(tmp_path, three)
    words = ["evaluate", "--coco", str(file), "--pictures", str(tmp_path), "--json"]

    def run(name: str, estimator: Knows, *more: str) -> int:
        monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda *_: estimator)
        return cli.main([*words, str(tmp_path / name), *more])

    assert run("whole.json", Knows(three, COCO17, 3.0)) == 0
    with pytest.raises(SystemExit):
        run("r.json", Stops(three, COCO17, stops_at=2))
    part = tmp_path / "r.json.part"
    assert len(part.read_text().splitlines()) == 2 and not (tmp_path / "r.json").exists()
    with part.open("a") as journal:
        journal.write(unfinished)
    assert run("r.json", Stops(three, COCO17, stops_at=2), "--no-boxes") == 1
    assert "r.json.part is of another measurement" in capsys.readouterr().err
    assert run("r.json", Stops(three, COCO17, stops_at=2)) == 0  # one picture is left
    whole, resumed = (json.loads((tmp_path / name).read_text())["oks"] for name in ("whole.json", "r.json"))
    assert resumed == whole and not part.exists() and not (tmp_path / "whole.json.part").exists()


@pytest.mark.parametrize("line", ["no JSON", '{"picture": "1.png"}', '{"picture": 1, "keypoints": "a"}'])
def test_a_damaged_journal_is_named(three, tmp_path, line):
    journal = Journal(tmp_path / "j.part", {"boxes": True})
    journal.add("1.png", three[:1], torch.tensor([0.25]))
    again = Journal(tmp_path / "j.part", {"boxes": True}).get("1.png")
    assert again is not None and torch.equal(again[0], three[:1]) and again[1].tolist() == [0.25]
    with (tmp_path / "j.part").open("a") as file:
        file.write('{"picture": "2.p')
    Journal(tmp_path / "j.part", {"boxes": True}).add("2.png", three[1:], torch.tensor([0.5, 0.75]))
    again = Journal(tmp_path / "j.part", {"boxes": True}).get("2.png")  # what was not finished is not in its way
    assert again is not None and torch.equal(again[0], three[1:])
    with (tmp_path / "j.part").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match="j.part is damaged, remove it"):
        Journal(tmp_path / "j.part", {"boxes": True})


@pytest.mark.parametrize("content", ["my notes", "my notes\n", '{"boxes": false}\n{"picture'])
def test_another_file_is_no_journal_and_stays_as_it_is(tmp_path, content):
    (tmp_path / "r.json.part").write_text(content)
    with pytest.raises(ValueError, match="of another measurement"):
        Journal(tmp_path / "r.json.part", {"boxes": True})
    assert (tmp_path / "r.json.part").read_text() == content


def test_a_journal_whose_first_line_was_cut_short_is_begun_anew(tmp_path, three):
    for start in ("", '{"bo'):
        (tmp_path / "j.part").write_text(start)
        Journal(tmp_path / "j.part", {"boxes": True}).add("1.png", three, torch.tensor([0.5, 0.5, 0.5]))
        assert Journal(tmp_path / "j.part", {"boxes": True}).get("1.png") is not None
