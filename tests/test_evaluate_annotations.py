"""Annotations of one's own: what is scored, what is odd, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napa_lib import cli
from napa_lib.data import load_art_figures
from napa_lib.evaluate.page import overlay
from napa_lib.pose import PoseEstimator
from tests.test_evaluate import Oracle


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
    monkeypatch.setattr(PoseEstimator, "from_pretrained", lambda weights, device, depth: oracle)
    page = tmp_path / "page.html"
    assert cli.main(["evaluate", "--annotations", str(file), "--page", str(page)]) == 0
    said = capsys.readouterr().out
    assert "3 figures of" in said and re.search(r"  frescos +100\.0", said) and page.exists()
    assert oracle.boxes[0] == [(-10.75, -5.25, 61.75, 67.25)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"box": [500, 500, 600, 600]}, "its box must overlap the picture of 60 x 80 pixels"),
        ({"sides_ambiguous": "false"}, "sides_ambiguous must be true or false, got 'false'"),
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
    (figure,) = load_art_figures(annotated(tmp_path, entry("a.png")))
    picture = overlay(dataclasses.replace(figure, given_box=box), torch.full((14, 2), 9e4), torch.full((14,), 9e4))
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


def test_the_overlay_shows_the_picture_that_the_estimator_saw(tmp_path):
    """Turned by its EXIF, and 16-bit grey, which Pillow alone would show unturned and white."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.new("RGB", (80, 60), "red")
    stored.paste("blue", (0, 0, 40, 60))  # the upper half, once it is upright
    stored.save(tmp_path / "a.png", exif=exif)
    Image.fromarray(np.full((80, 60), 20_000, np.uint16)).save(tmp_path / "b.png")
    turned, deep = load_art_figures(
        annotated(tmp_path, {**entry("a.png"), "box": [0, 0, 60, 80]}, {**entry("b.png"), "box": [0, 0, 60, 80]})
    )
    nothing, nowhere = torch.full((14, 2), torch.nan), torch.full((14,), torch.nan)
    picture = overlay(dataclasses.replace(turned, visible=torch.zeros(14, dtype=torch.bool)), nothing, nowhere)
    above, below = np.asarray(picture)[130, 210], np.asarray(picture)[290, 210]
    assert above[2] > 200 > 100 > above[0] and below[0] > 200 > 100 > below[2]
    picture = overlay(dataclasses.replace(deep, visible=torch.zeros(14, dtype=torch.bool)), nothing, nowhere)
    assert abs(int(np.asarray(picture)[210, 210, 0]) - 78) <= 1  # 20000 / 257
