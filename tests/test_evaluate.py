"""Scoring of figures in art, on made-up predictions with known answers."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from napa_lib import cli, results
from napa_lib.data import ArtFigure, load_art_figures
from napa_lib.evaluate import (
    art_rates,
    predict_art,
    predict_video,
    score_art,
)
from napa_lib.evaluate.art import GROUPS, LIMBS, art_record, format_rates
from napa_lib.evaluate.page import overlay, write_page
from napa_lib.evaluate.record import check_writable, write_record
from napa_lib.evaluate.video import BOXES
from napa_lib.pose import PoseEstimator
from napa_lib.skeletons import ART14

NAMES = [f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in "lr"]


@pytest.fixture(scope="module")
def figures() -> list[ArtFigure]:
    return load_art_figures()


def truth(figures: list[ArtFigure]) -> dict[str, torch.Tensor]:
    return {figure.name: figure.keypoints.clone() for figure in figures}


def peer_errors(points: np.ndarray, figure: ArtFigure) -> dict[str, float]:
    """The protocol again, joint by joint: the assignment of sides with the smaller sum over the visible limb joints."""

    def errors(exchange: bool) -> dict[str, float]:
        found = {}
        for name in NAMES:
            j = ART14.joints.index(name)
            if figure.visible[j]:
                own = ("l" if name[0] == "r" else "r") + name[1:] if exchange else name
                offset = points[ART14.joints.index(own)] - figure.keypoints[j].double().numpy()
                found[name] = float(np.hypot(*offset)) / figure.head_size
        return found

    as_is, exchanged = errors(False), errors(True)
    return exchanged if figure.sides_ambiguous and sum(exchanged.values()) < sum(as_is.values()) else as_is


def test_the_limbs_are_twelve():
    assert sorted(ART14.joints[j] for j in LIMBS) == sorted(NAMES)
    assert sorted(j for joints in GROUPS.values() for j in joints) == list(range(14))


def test_exact_keypoints_are_all_right(figures):
    rates = art_rates(score_art(truth(figures), figures), torch.Generator().manual_seed(0))
    counted = {label.strip(): row[0.5].counted for label, row in rates.items()}
    assert all(r.rate == r.low == r.high == 1.0 for row in rates.values() for r in row.values())
    assert counted["12 limb joints"] == 626 and counted["all 14 joints"] == 746
    assert counted["drawings"] + counted["paintings"] + counted["stick figures"] == 626


@pytest.mark.parametrize(
    ("shift", "at_quarter", "at_half"), [(0.2499, 1, 1), (0.2501, 0, 1), (0.4999, 0, 1), (0.6, 0, 0)]
)
def test_a_shift_by_a_known_share_of_the_head(figures, shift, at_quarter, at_half):
    sure = [figure for figure in figures if not figure.sides_ambiguous]
    moved = {f.name: f.keypoints.double() + torch.tensor([0.6, -0.8]).double() * shift * f.head_size for f in sure}
    score = score_art(moved, sure)
    assert score.pckh(0.25).total == at_quarter and score.pckh(0.5).total == at_half
    assert score.errors[~score.errors.isnan()] == pytest.approx(shift, abs=1e-6)


def test_strictly_closer():
    """A joint exactly at the limit is wrong."""
    figure = next(f for f in load_art_figures() if not f.sides_ambiguous)
    figure = ArtFigure(**{**figure.__dict__, "head_size": 64.0, "keypoints": figure.keypoints.round()})
    moved = figure.keypoints + torch.tensor([16.0, 0.0])
    assert score_art({figure.name: moved}, [figure]).pckh(0.25).total == 0


def test_exchanged_sides_cost_nothing_where_the_picture_does_not_tell(figures):
    order = list(range(14))
    for left, right in ART14.flip_pairs:
        order[left], order[right] = right, left
    score = score_art({name: points[order] for name, points in truth(figures).items()}, figures)
    for figure, errors in zip(score.figures, score.errors[:, list(LIMBS)], strict=True):
        worst = errors[~errors.isnan()].max()
        assert (worst == 0) == figure.sides_ambiguous
    assert sum(figure.sides_ambiguous for figure in figures) > 5


@pytest.mark.parametrize("noise", [0.1, 0.5, 3.0])
def test_rates_again_in_numpy(figures, rng, noise):
    """Random predictions, sides exchanged in half of them: each row against the protocol joint by joint."""
    swap = list(range(14))
    for left, right in ART14.flip_pairs:
        swap[left], swap[right] = right, left
    found = {}
    for figure in figures:
        points = figure.keypoints.double().numpy() + rng.normal(size=(14, 2)) * noise * figure.head_size
        found[figure.name] = points[swap] if rng.random() < 0.5 else points
    expected = {figure.name: peer_errors(found[figure.name], figure) for figure in figures}
    kinds = {figure.name: figure.kind for figure in figures}
    score = score_art({name: torch.from_numpy(points) for name, points in found.items()}, figures)
    rates = {k.strip(): row for k, row in art_rates(score, torch.Generator().manual_seed(0)).items()}

    def check(label: str, errors: list[float]) -> None:
        for threshold in (0.25, 0.5):
            assert rates[label][threshold].counted == len(errors)
            assert rates[label][threshold].rate == pytest.approx(np.mean(np.array(errors) < threshold), abs=1e-12)

    check("12 limb joints", [e for errors in expected.values() for e in errors.values()])
    for kind in ("drawing", "painting", "stick figure"):
        check(kind + "s", [e for name, errors in expected.items() if kinds[name] == kind for e in errors.values()])
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        check(joint, [e for errors in expected.values() for name, e in errors.items() if name[2:] == joint])


def test_a_joint_the_method_lacks_is_not_counted_but_a_missed_one_is_wrong(figures):
    found = truth(figures)
    for points in found.values():
        points[ART14.index("head_top")] = torch.nan
    name = next(f.name for f in figures if f.visible[ART14.index("r_knee")])
    found[name][ART14.index("r_knee")] = torch.nan
    score = score_art(found, figures)
    everything = score.pckh(0.5, range(14))
    assert everything.joint_counts[ART14.index("head_top")] == 0
    assert score.pckh(0.5).counted == 626
    assert score.pckh(0.5).total.item() == pytest.approx(625 / 626)
    rates = art_rates(score, torch.Generator().manual_seed(0))
    assert format_rates(rates).splitlines()[-1].split() == ["head", "top", "-", "-", "0"]
    per_figure = json.loads(json.dumps(art_record(score, rates), allow_nan=False))["per_figure"][name]
    assert per_figure["keypoints"][ART14.index("r_knee")] == [None, None]
    assert per_figure["right@0.5"] == per_figure["limb_joints"] - 1


def test_score_refuses_what_does_not_fit(figures):
    found = truth(figures)
    with pytest.raises(ValueError, match="predictions must have one entry for each of 60 figures.*monalisa"):
        score_art({**found, "monalisa": torch.zeros(14, 2)}, figures)
    with pytest.raises(ValueError, match="predictions must have one entry"):
        score_art({}, figures)
    with pytest.raises(ValueError, match=r"predictions must be \(14, 2\).*\(18, 2\)"):
        score_art({**found, figures[0].name: torch.zeros(18, 2)}, figures)


class Oracle:
    """An estimator that knows the answers, and remembers which boxes it was given."""

    def __init__(self, answers: dict[str, torch.Tensor]) -> None:
        self.answers, self.boxes = answers, []

    def predict(self, image, boxes=None, joint_set=None, crops=1):
        self.boxes.append(boxes)
        assert joint_set is ART14
        if isinstance(image, torch.Tensor):
            return [SimpleNamespace(keypoints=torch.zeros(14, 2), confidence=torch.ones(14))]
        return [SimpleNamespace(keypoints=self.answers[image.stem])]


def test_predict_art_hands_on_the_figures_boxes(figures):
    oracle = Oracle(truth(figures))
    assert score_art(predict_art(oracle, figures), figures).pckh(0.25).total == 1
    assert oracle.boxes == [[figure.box] for figure in figures]
    predict_art(oracle, figures[:1], boxes=False)
    assert oracle.boxes[-1] is None


def test_predict_video_uses_one_box_a_camera():
    oracle = Oracle({})
    points, sure = predict_video(oracle)
    assert points.shape == (4, 20, 14, 2) and sure.shape == (4, 20, 14)
    assert [boxes[0] for boxes in oracle.boxes[::20]] == list(BOXES.values())


def test_the_page_stands_alone(figures, tmp_path):
    noisy = {f.name: f.keypoints + 0.02 * i * f.head_size * torch.rand(14, 2) for i, f in enumerate(figures)}
    score = score_art(noisy, figures)
    page = write_page(tmp_path, score)
    text = page.read_text("utf-8")
    assert page == tmp_path / "art.html"
    assert len(re.findall("<img ", text)) == 18 == len(re.findall("<img alt='[^']{20,}'", text))
    assert not re.findall(r"(?:src|href)='(?!data:)", text)
    for figure in (figures[0], figures[1]):  # hardly moved: among the best
        assert figure.name.replace("_", " ") in text.split("In the middle")[0]
    assert text.count("Licence:") == 18


def test_what_an_annotation_says_is_text_on_the_page(figures, tmp_path):
    tag = "<script>alert(1)</script>"
    figure = dataclasses.replace(figures[0], name=tag, kind=tag, source=tag, licence=tag, outside=figures[0].path)
    text = write_page(tmp_path, score_art(truth([figure]), [figure])).read_text("utf-8")
    assert "<script" not in text
    assert text.count("&lt;script") == 6 * text.count("<img ") > 0  # name and kind once more as alternative text


def test_the_overlay_shows_the_estimate(figures):
    figure = figures[0]
    score = score_art(truth([figure]), [figure])
    without = overlay(figure, torch.full((14, 2), torch.nan), score.errors[0])
    with_pose = overlay(figure, figure.keypoints, score.errors[0])
    assert isinstance(with_pose, Image.Image) and with_pose.size == (420, 420)
    changed = np.abs(np.asarray(with_pose, float) - np.asarray(without, float)).max(-1) > 30
    assert 0.005 < changed.mean() < 0.3


def test_a_page_that_cannot_be_written_is_named_and_the_one_before_stays(figures, tmp_path, monkeypatch):
    score = score_art(truth(figures[:3]), figures[:3])
    page = write_page(tmp_path / "page.html", score)
    before = page.read_bytes()

    def full(self, *words, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"page\.html: No space left"):
        write_page(page, score)
    assert page.read_bytes() == before


def test_a_closed_pipe_costs_no_result(figures, tmp_path, monkeypatch):
    """`napa evaluate … | head` may end the reader before anything is printed."""

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda *_: Oracle(truth(figures)))
    monkeypatch.setattr("sys.stdout", Closed())
    words = ["evaluate", "--art", "--json", str(tmp_path / "r.json"), "--page", str(tmp_path / "p.html")]
    assert cli.main(words) == 141
    assert results.read(tmp_path / "r.json")["figures"] and (tmp_path / "p.html").stat().st_size > 1e5


@pytest.mark.parametrize("lost", ["write_record", "write_page"])
def test_a_disk_that_fills_up_costs_no_result(figures, tmp_path, capsys, monkeypatch, lost):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda *_: Oracle(truth(figures)))
    monkeypatch.setattr(f"napa_lib.evaluate.command.{lost}", full)
    words = ["evaluate", "--art", "--json", str(tmp_path / "r.json"), "--page", str(tmp_path / "p.html")]
    assert cli.main(words) == 1
    out, err = capsys.readouterr()
    assert "No space left" in err and "12 limb joints" in out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_folder_that_takes_no_new_file_is_found_before_the_measurement(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "r.json").write_text("{}")
    for place, mode in ((tmp_path, 0o755), (folder, 0o755), (folder / "r.json", 0o666)):
        place.chmod(mode)
    for place in list(tmp_path.parents)[:3]:
        place.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(ValueError, match="cannot write .*r.json"):
            check_writable(folder / "r.json")
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("what", ["--art", "--video"])
def test_commands_report_what_is_wrong(what, tmp_path, capsys):
    assert cli.main(["evaluate", what, "--weights", str(tmp_path / "none.safetensors")]) == 1
    assert "none.safetensors" in capsys.readouterr().err
    assert cli.main(["evaluate", what, "--json", str(tmp_path / "no" / "r.json")]) == 1
    assert "there is no folder" in capsys.readouterr().err


def test_another_depth_network_goes_with_video(tmp_path, capsys):
    assert cli.main(["evaluate", "--video", "--depth", str(tmp_path / "none.safetensors")]) == 1
    assert "none.safetensors is not a readable" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "--art", "--depth", str(tmp_path / "none.safetensors")])
    assert "--depth goes with --video" in capsys.readouterr().err


def test_a_record_is_written_as_a_file_and_to_a_pipe(tmp_path):
    write_record(tmp_path / "r.json", ["napa", "evaluate", "a b"], {"rate": 1}, time.monotonic() - 3)
    record = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert record["rate"] == 1 and record["command"] == "napa evaluate 'a b'" and 2.9 < record["seconds"] < 9
    with pytest.raises(OSError):
        results.write(tmp_path, {}, "napa", 0.0)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    results.write(tmp_path / "pipe", {"rate": 2}, "napa", 0.0)
    assert json.loads(os.read(reader, 10_000))["rate"] == 2 and (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_what_cannot_be_written_is_found_before_the_measurement(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda *_: pytest.fail("measured"))
    (tmp_path / "file").write_text("mine")
    for bad in (tmp_path, tmp_path / "no" / "r.json", tmp_path / "file" / "r.json", tmp_path / ("x" * 300)):
        with pytest.raises(ValueError, match="cannot write"):
            check_writable(bad)
        assert cli.main(["evaluate", "--art", "--json", str(bad)]) == 1
        assert "cannot write" in capsys.readouterr().err
    check_writable(tmp_path / "file", tmp_path / "new.json", None, Path("/dev/null"))
    assert [p.name for p in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "mine"


def test_the_command_prints_and_writes(figures, tmp_path, capsys, monkeypatch):
    oracle = Oracle(truth(figures))
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda weights, device, depth: oracle)
    assert (
        cli.main(["evaluate", "--art", "--json", str(tmp_path / "my art.json"), "--page", str(tmp_path / "page.html")])
        == 0
    )
    printed = capsys.readouterr().out
    assert re.search(r"12 limb joints +100\.0 \[100\.0, 100\.0\] +100\.0 \[100\.0, 100\.0\] +626", printed)
    record = results.read(tmp_path / "my art.json")
    assert record["rates"]["12 limb joints"]["PCKh@0.25"] == {"percent": 100.0, "interval": [100, 100], "joints": 626}
    assert (
        record["command"].startswith("napa evaluate --art --json '/") and (tmp_path / "page.html").stat().st_size > 1e5
    )
    assert cli.main(["evaluate", "--art", "--no-boxes"]) == 0
    assert "found without boxes" in capsys.readouterr().out and oracle.boxes[-1] is None
