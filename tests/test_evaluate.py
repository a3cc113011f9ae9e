"""Scoring of figures in art and of calibrated video, on made-up predictions with known answers."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from napa_lib import cli, results
from napa_lib.data import ArtFigure, load_art_figures, load_cameras
from napa_lib.evaluate import (
    art_rates,
    predict_art,
    predict_video,
    score_art,
    score_video,
)
from napa_lib.evaluate.art import GROUPS, LIMBS, art_record, format_rates
from napa_lib.evaluate.page import overlay, write_page
from napa_lib.evaluate.people import coco_truth, measure_coco, measure_mpii
from napa_lib.evaluate.record import check_writable, write_record
from napa_lib.evaluate.video import BONES, BOXES, HEIGHTS, video_record
from napa_lib.geometry import project_perspective, triangulate
from napa_lib.pose import PoseEstimator
from napa_lib.skeletons import ART14, COCO17, MPII16, NAPA18, convert

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


@pytest.mark.parametrize("what", ["--art", "--video"])
def test_commands_report_what_is_wrong(what, tmp_path, capsys):
    assert cli.main(["evaluate", what, "--weights", str(tmp_path / "none.safetensors")]) == 1
    assert "none.safetensors" in capsys.readouterr().err
    assert cli.main(["evaluate", what, "--json", str(tmp_path / "no" / "r.json")]) == 1
    assert "there is no folder" in capsys.readouterr().err


def test_a_record_is_written_as_a_file_and_to_a_pipe(tmp_path):
    write_record(tmp_path / "r.json", ["napa", "evaluate", "--json", "a b.json"], {"rate": 1}, 0.0)
    record = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert record["command"] == "napa evaluate --json 'a b.json'" and record["rate"] == 1
    with pytest.raises(OSError):
        write_record(tmp_path, ["napa"], {}, 0.0)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_record(tmp_path / "pipe", ["napa"], {"rate": 2}, 0.0)
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
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda weights, device: oracle)
    assert (
        cli.main(["evaluate", "--art", "--json", str(tmp_path / "art.json"), "--page", str(tmp_path / "page.html")])
        == 0
    )
    printed = capsys.readouterr().out
    assert re.search(r"12 limb joints +100\.0 \[100\.0, 100\.0\] +100\.0 \[100\.0, 100\.0\] +626", printed)
    record = results.read(tmp_path / "art.json")
    assert record["rates"]["12 limb joints"]["PCKh@0.25"] == {"percent": 100.0, "interval": [100, 100], "joints": 626}
    assert record["command"].startswith("napa evaluate --art --json") and (tmp_path / "page.html").stat().st_size > 1e5
    assert cli.main(["evaluate", "--art", "--no-boxes"]) == 0
    assert "found without boxes" in capsys.readouterr().out and oracle.boxes[-1] is None


# ---- annotations of one's own


def entry(file: str, size=(60, 80), box=None, **others) -> dict:
    joints = [[10 + 3 * j, 20 + 2 * j, 1] for j in range(14)]
    found = {"file": file, "size": list(size), "head_box": [0, 0, 30, 40], "joints": joints, "kind": "fresco", **others}
    return found if box is None else {**found, "box": box}


def annotated(folder: Path, *entries: dict) -> Path:
    names = ["r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle", "r_wrist", "r_elbow", "r_shoulder",
             "l_shoulder", "l_elbow", "l_wrist", "neck", "head_top"]  # fmt: skip
    file = folder / "annotations.json"
    file.write_text(json.dumps({"joint_names": names, "figures": entries}))
    return file


def test_annotations_of_ones_own_are_scored(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        Image.new("RGB", (60, 80)).save(folder / name)
    one, two = entry("mine/a.png", box=[1, 2, 50, 60]), entry("b.jpg", joints=[[9, 9, 0]] * 13 + [[20, 30, 1]])
    file = annotated(folder, one, two, {**two, "head_size": 25.0})
    figures = load_art_figures(file)
    assert [f.name for f in figures] == ["a", "b-1", "b-2"] and figures[0].box == (-10.75, -5.25, 61.75, 67.25)
    assert figures[1].head_size == pytest.approx(0.6 * 50) and figures[2].head_size == 25
    assert figures[0].load().shape == (3, 80, 60) and figures[1].path == folder / "b.jpg"
    oracle = Oracle({"a": figures[0].keypoints, "b": figures[1].keypoints})
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda weights, device: oracle)
    page = tmp_path / "page.html"
    assert cli.main(["evaluate", "--annotations", str(file), "--page", str(page)]) == 0
    said = capsys.readouterr().out
    assert "3 figures of" in said and re.search(r"  frescos +100\.0", said) and page.exists()
    assert oracle.boxes[0] == [(-10.75, -5.25, 61.75, 67.25)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file": "gone.png"}, "gone.png.*no such picture"), ({"file": "../a.png"}, "without '..'"),
        ({"size": [80, 60]}, "60 x 80 upright.*80, 60"), ({"joints": [[1, 2, 1]] * 13}, r"\(14, 3\).*\(13, 3\)"),
        ({"joints": [[10**400, 2, 1]] * 14}, "OverflowError"),
        ({"box": [5, 5, 5, 9]}, "box must be"), ({"joints": [[float("nan"), 2, 1]] * 14}, "finite"),
        ({"head_box": [0, 0, 0, 0]}, "head_box must be"), ({"head_size": 0}, "head_size must be positive"),
        ({"joints": [[1e9, 2, 0]] * 14}, r"joints must lie within 100000 pixels, got 1e\+09"),
        ({"box": [5, 5, 1e9, 1e9]}, "box must be.*within 100000"), ({"head_box": [5, 5, 1e300, 1e9]}, "within 100000"),
    ],
)  # fmt: skip
def test_odd_annotations_are_named(tmp_path, change, words):
    Image.new("RGB", (60, 80)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=words):
        load_art_figures(annotated(tmp_path, {**entry("a.png"), **change}))


@pytest.mark.parametrize(
    "box", [(5, 5, 5.0001, 5.0001), (-9e4, -9e4, -8e4, -8e4), (0, 0, 9e4, 9e4), (-60, -80, 120, 160)]
)
def test_a_page_shows_any_box_in_little_memory(tmp_path, box):
    """Within a pixel, far outside the picture, a thousand times as large as it: a square of one size, white outside."""
    Image.new("RGB", (60, 80), "red").save(tmp_path / "a.png")
    (figure,) = load_art_figures(annotated(tmp_path, {**entry("a.png"), "box": box}))
    picture = overlay(figure, torch.full((14, 2), 9e4), torch.full((14,), 9e4))
    assert picture.size == (420, 420)
    inside = {(5, 5, 5.0001, 5.0001): "red", (-60, -80, 120, 160): "red"}.get(box, "white")
    colors = dict((c, n) for n, c in picture.getcolors(420 * 420))
    assert colors.get((255, 0, 0) if inside == "red" else (255, 255, 255), 0) > 100


def test_each_figure_has_a_name_of_its_own(tmp_path):
    for name in ("a.png", "a-1.png"):
        Image.new("RGB", (60, 80)).save(tmp_path / name)
    figures = load_art_figures(annotated(tmp_path, entry("a.png"), entry("a.png"), entry("a-1.png")))
    assert [(f.name, f.path.name) for f in figures] == [("a-1", "a-1.png"), ("a-2", "a.png"), ("a-3", "a.png")]


def test_a_turned_tiff_is_measured_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: 80 x 60 as it is stored
    Image.new("RGB", (80, 60)).save(tmp_path / "a.tif", exif=exif)
    (figure,) = load_art_figures(annotated(tmp_path, entry("a.tif")))
    assert figure.load().shape == (3, 80, 60)


def test_what_claims_to_be_a_huge_picture_is_named(tmp_path, monkeypatch):
    Image.new("RGB", (60, 80)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="figure 'a.png' of"):
        load_art_figures(annotated(tmp_path, entry("a.png")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"joint_names": 3, "figures": [{"file": "a.png"}]}',
        '{"joint_names": ["nose"], "figures": [{"file": "a.png"}]}',
    ],
)
def test_files_that_are_no_annotations(tmp_path, text, capsys):
    (tmp_path / "x.json").write_text(text)
    assert cli.main(["evaluate", "--annotations", str(tmp_path / "x.json")]) == 1
    assert "annotations" in capsys.readouterr().err
    with pytest.raises(ValueError, match="cannot read annotations"):
        load_art_figures(tmp_path / "none.json")


# ---- people of COCO and MPII


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


def test_what_the_reader_leaves_out_of_a_coco_file_is_counted_or_named(three):
    person = {"id": 7, "image_id": 1, "keypoints": [v for x, y in three[0, :17].tolist() for v in (x, y, 2)]}
    picture = {"id": 1, "file_name": "a.png"}
    content = {"images": [picture, "x", {"file_name": "a.png"}], "annotations": [person, {**person, "keypoints": 3}]}
    (one,), numbers = coco_truth(content, ("a.png",))
    assert numbers == {"a.png": 1} and one["area"] > 0 and one["iscrowd"] == 0
    for odd in ({"bbox": [1, 2, 3]}, {"bbox": 5.0}, {"area": [1]}, {"iscrowd": [1]}, {"keypoints": [[1]] * 51}):
        with pytest.raises(ValueError, match="annotation 7 cannot be counted"):
            coco_truth({**content, "annotations": [{**person, **odd}]}, ("a.png",))


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


# ---- video


@pytest.fixture(scope="module")
def cameras():
    found = load_cameras("single")
    return [found[name] for name in sorted(found)]


def body(rng: np.random.Generator, frames: int = 5) -> torch.Tensor:
    """Points (T, 14, 3) in mm about where the man of the video stands."""
    return torch.from_numpy(rng.normal(size=(frames, 14, 3)) * 300 + [0, 0, 900])


def test_triangulation_is_exact_and_robust_to_missing_views(rng, cameras):
    points = body(rng)
    pixels = torch.stack([project_perspective(points, camera) for camera in cameras])
    assert not pixels.isnan().any()
    sure = torch.from_numpy(rng.uniform(0.05, 1, pixels.shape[:-1]))
    torch.testing.assert_close(triangulate(pixels, cameras, sure), points, atol=1e-4, rtol=0)
    pixels[0, 0, 0] = pixels[1, 0, 0] = torch.nan  # two views are left
    pixels[:3, 1, 1] = torch.nan  # one
    sure[:, 2, 2] = 0
    found = triangulate(pixels, cameras, sure)
    lost = found.isnan().any(-1)
    assert lost.nonzero().tolist() == [[1, 1], [2, 2]]
    torch.testing.assert_close(found[~lost], points[~lost], atol=1e-4, rtol=0)


def test_equal_weights_are_the_unweighted_solution(rng, cameras):
    pixels = torch.stack([project_perspective(body(rng), camera) for camera in cameras])
    pixels = pixels + torch.from_numpy(rng.normal(size=pixels.shape)) * 2
    sure = torch.full(pixels.shape[:-1], 0.37, dtype=torch.float64)
    expected = triangulate(pixels, cameras)
    torch.testing.assert_close(triangulate(pixels, cameras, sure), expected, atol=1e-6, rtol=0)


def test_weights_are_those_of_least_squares(rng, cameras):
    """The weighted sum of squared errors on the image plane is about as small as SciPy-free descent can make it."""
    pixels = torch.stack([project_perspective(body(rng, 1), camera) for camera in cameras])
    pixels = pixels + torch.from_numpy(rng.normal(size=pixels.shape)) * 2
    sure = torch.from_numpy(rng.uniform(0.1, 1, pixels.shape[:-1]))

    def cost(points: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for view, trust, camera in zip(pixels, sure, cameras, strict=True):
            error = (project_perspective(points, camera) - view) / camera.K[0, 0]
            total = total + (trust**2 * error.square().sum(-1)).sum()
        return total

    found = triangulate(pixels, cameras, sure)
    unweighted = triangulate(pixels, cameras)
    assert cost(found) < 0.97 * cost(unweighted)
    better = found.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([better], max_iter=100, tolerance_grad=1e-14, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = 1e4 * cost(better)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert cost(found) <= 1.01 * cost(better.detach())


def test_video_score_of_exact_views(rng, cameras):
    points = body(rng)
    points[1:] = points[:1] + torch.arange(1, 5)[:, None, None] * 10.0  # the same body elsewhere: rigid
    pixels = torch.stack([project_perspective(points, camera) for camera in cameras])
    score = score_video(pixels, torch.ones(4, 5, 14), cameras, list(HEIGHTS.values()))
    assert score.median_error < 1e-5 and score.bone_spread < 1e-6
    for start, end in BONES:
        expected = np.linalg.norm(points[0, ART14.index(start)] - points[0, ART14.index(end)])
        assert score.bones[f"{start} - {end}"][0] == pytest.approx(expected, abs=1e-3)


def test_bone_spread_and_error_of_known_size(rng, cameras):
    """A body that is scaled by 0.9 and 1.1 in turn has bones that spread by a tenth; noise shows as error."""
    points = body(rng, 1) * torch.tensor([0.9, 1.1, 0.9, 1.1])[:, None, None].double()
    pixels = torch.stack([project_perspective(points, camera) for camera in cameras])
    score = score_video(pixels, torch.ones(4, 4, 14), cameras, [100.0] * 4)
    assert score.bone_spread == pytest.approx(0.1, abs=1e-6)
    noisy = pixels + torch.from_numpy(rng.normal(size=pixels.shape)) * 3
    score = score_video(noisy, torch.ones(4, 4, 14), cameras, [100.0] * 4)
    assert 1.5 < score.median_error < 4
    assert score.median_error_of_height == pytest.approx(score.median_error / 100)
    assert json.loads(json.dumps(video_record(score)))["reprojection_error_px"] == round(score.median_error, 3)


def test_video_score_refuses_what_does_not_fit(cameras):
    with pytest.raises(ValueError, match=r"keypoints must be \(V, T, 14, 2\).*\(4, 5, 18, 2\)"):
        score_video(torch.zeros(4, 5, 18, 2), torch.ones(4, 5, 18), cameras, [100.0] * 4)
    with pytest.raises(ValueError, match="confidence must be"):
        triangulate(torch.zeros(2, 5, 2), cameras[:2], torch.ones(2, 4))
