"""What a lesson shows: pictures and their sizes, widgets, poses in 3D, estimated poses, lesson 02's descent."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from napa_lib import study
from napa_lib.course.notebook_check import PLOTLY
from napa_lib.data import asset_path, load_art_figures, load_mocap
from napa_lib.evaluate import score_art
from napa_lib.pose import PoseResult, open_picture
from napa_lib.pose.drawing import MIDDLE, SIDES
from napa_lib.skeletons import ART14, NAPA18, convert, get_skeleton
from napa_lib.study import poses, turning, widgets
from napa_lib.study.figures import MAX_BYTES, MAX_FALLBACK_BYTES, MAX_PHOTO_BYTES, MAX_WIDTH, bundle
from napa_lib.study.lessons.lesson_00 import pictures as first_lesson
from napa_lib.study.lessons.lesson_02 import descent
from napa_lib.study.widgets import Explorable

ROOT = Path(__file__).parents[1]


# Pictures


@pytest.fixture
def figure():
    figure, axis = plt.subplots(figsize=(4, 3))
    axis.plot([0, 1], [0, 1])
    return figure


def embedded(data: dict) -> bytes:
    """The picture inside the bundle's HTML."""
    return base64.b64decode(data["text/html"].partition("data:image/webp;base64,")[2].partition('"')[0])


def test_bundle_says_what_it_shows(figure):
    data = bundle(figure, alt='A line with "quotes" & <tags>.', caption="Rising.")
    assert 'alt="A line with &quot;quotes&quot; &amp; &lt;tags&gt;."' in data["text/html"]
    assert "<figure>" in data["text/html"] and "<figcaption>Rising.</figcaption>" in data["text/html"]
    assert Image.open(io.BytesIO(embedded(data))).size == (400, 300)
    assert Image.open(io.BytesIO(data["image/png"])).size == (360, 270)
    assert "A line" in data["text/plain"]
    with pytest.raises(ValueError, match="alt"):
        bundle(figure, alt="  ")


def test_show_sends_the_bundle_and_closes_the_figure(figure, monkeypatch):
    sent = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: sent.append(data))
    study.show(alt="A line.")
    assert not plt.fignum_exists(figure.number)
    assert base64.b64decode(sent[0]["image/png"]).startswith(b"\x89PNG") and embedded(sent[0])[8:12] == b"WEBP"


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (5000, 3), (900, 1000)])
def test_encoded_noise_is_small(size, rng):
    data = bundle(Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)), alt="Noise.")
    (mime,) = [kind for kind in data if kind.startswith("image/")]
    most = MAX_PHOTO_BYTES if mime == "image/jpeg" else MAX_FALLBACK_BYTES
    bounds = ((embedded(data), MAX_BYTES, MAX_WIDTH), (data[mime], most, MAX_WIDTH / 2))
    for encoded, limit, width in bounds:
        assert len(encoded) <= limit and Image.open(io.BytesIO(encoded)).width <= width
    assert mime == f"image/{Image.open(io.BytesIO(data[mime])).format.lower()}"


def test_flat_pictures_keep_their_colours():
    picture = torch.zeros(3, 40, 60)
    picture[0, :, :30], picture[2, :, 30:] = 1.0, 1.0
    data = bundle(picture, alt="Red and blue.")
    for encoded in (embedded(data), data["image/png"]):
        array = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
        assert (array[:, :30] == [255, 0, 0]).all() and (array[:, 30:] == [0, 0, 255]).all()


NO_PICTURES = [torch.zeros(2, 3, 4, 4), torch.zeros(4, 4), np.zeros((3, 4, 4)), torch.zeros(3, 0, 4), "x"]


@pytest.mark.parametrize("picture", NO_PICTURES)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ValueError, match="picture must be"):
        bundle(picture, alt="Nothing.")


def test_pictures_makes_a_grid():
    figure = study.pictures([torch.rand(3, 8, 8), np.zeros((4, 9, 3))] * 3, titles=list("abcdef"), columns=4)
    assert len(figure.axes) == 8 and [axis.get_title() for axis in figure.axes[:6]] == list("abcdef")
    with pytest.raises(ValueError, match="images"):
        study.pictures([])
    with pytest.raises(ValueError, match="title"):
        study.pictures([torch.rand(3, 8, 8)], titles=["a", "b"])


# Widgets


def test_moving_a_slider_redraws_the_picture():
    seen = []

    def draw(width, style):
        seen.append((width, style))
        return torch.full((3, 6, 6), width / 10)

    controls = {"width": study.slider("Width (px)", 2, 0, 10, 1), "style": study.choice("Style", ["wave", "night"])}
    explorable = Explorable(draw, lambda width, style: f"{style}, {width} px wide", controls)
    before = explorable.picture.value
    explorable.controls["width"].value = 7
    explorable.controls["style"].value = "night"
    assert seen == [(2, "wave"), (7, "wave"), (7, "night")]
    assert before != explorable.picture.value and 'alt="night, 7 px wide"' in explorable.picture.value


def test_sliders_wait_until_they_are_let_go_and_are_labelled():
    for slider in (study.slider("Whole", 2, 0, 10, 1), study.slider("Part", 0.5, 0, 1, 0.1)):
        assert slider.continuous_update is False and slider.description
    assert isinstance(study.slider("Whole", 2, 0, 10, 1).value, int)


def test_no_control_gives_its_keys_to_the_notebook():
    assert type(study.choice("Style", ["wave", "night"])).__name__ == "ToggleButtons"
    assert f".{widgets.CONTROLS}" in widgets.KEEP_KEYS and "data-lm-suppress-shortcuts" in widgets.KEEP_KEYS
    widgets.keep_keys()  # outside a notebook there is nothing to do
    for path in (ROOT / "napa_lib" / "study").rglob("*.py"):
        assert "Dropdown(" not in path.read_text(encoding="utf-8"), path


def test_explore_shows_a_static_twin_beside_the_widget(monkeypatch):
    sent = []
    monkeypatch.setattr("napa_lib.study.widgets.display", lambda data, raw: sent.append(data))
    slider = study.slider("x", 1, 0, 2, 1)
    explorable = study.explore(lambda x: torch.zeros(3, 4, 4), alt=lambda x: f"x is {x}", x=slider)
    view = sent[0]["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == explorable.box.model_id
    assert widgets.CONTROLS in explorable.box._dom_classes
    assert 'alt="x is 1"' in sent[0]["text/html"] and "image/png" in sent[0]
    with pytest.raises(ValueError, match="controls"):
        study.explore(lambda: None, alt=lambda: "x")


# Poses in 3D


@pytest.fixture
def standing():
    pose = load_mocap("walk").poses[0] * torch.tensor([1.0, -1.0, -1.0])
    pose[NAPA18.index("l_wrist")] = math.nan
    return pose


def test_a_pose_can_be_turned_beside_a_still_picture(standing, monkeypatch):
    sent = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: sent.append(data))
    study.show_3d({"a": standing, "b": standing}, NAPA18, alt="Two figures.", faint=["b"])
    still, live = sent
    assert 'alt="Two figures."' in still["text/html"] and set(live) == {PLOTLY, "text/plain"}
    bones = [trace for trace in live[PLOTLY]["data"] if trace.get("mode") == "lines"]
    drawn = [bone for bone in NAPA18.bones if NAPA18.index("l_wrist") not in bone]
    assert len(bones) == 2 * len(drawn) and not np.isnan([bone[axis] for bone in bones for axis in "xyz"]).any()
    lengths = [math.dist(*zip(*(bone[axis] for axis in "xyz"), strict=True)) for bone in bones[: len(drawn)]]
    expected = [(standing[a] - standing[b]).norm().item() for a, b in drawn]
    np.testing.assert_allclose(lengths, expected, atol=0.3)  # written to a tenth of a millimetre
    assert {bone["line"]["color"] for bone in bones[len(drawn) :]} == {turning.FAINT}


def test_titles_of_the_three_sides_are_whole(standing):
    page = turning.three_sides({"lifted, 103 mm off": standing, "": standing}, NAPA18)
    page.canvas.draw()
    row = [axis.title.get_window_extent() for axis in page.axes[:3]]
    assert row[0].x0 >= 0 and row[2].x1 <= page.bbox.width and row[0].y1 <= page.bbox.height
    assert row[0].x1 < row[1].x0 and row[1].x1 < row[2].x0
    assert page.axes[0].get_title() == "lifted, 103 mm off\nfrom the front"
    assert page.axes[5].get_title() == "from the side"


def test_poses_stand_upright_side_by_side(standing):
    page = turning.turnable({"a": standing, "b": standing}, NAPA18)
    joints = [trace for trace in page.data if trace.type == "scatter3d" and trace.mode == "markers"]
    head, foot = (list(joints[0].text).index(f"a: {name}") for name in ("head", "l_ankle"))
    assert joints[0].z[head] > joints[0].z[foot] >= 0
    np.testing.assert_allclose(np.subtract(joints[1].x, joints[0].x), turning.GAP, atol=0.2)
    np.testing.assert_allclose([joints[1].y, joints[1].z], [joints[0].y, joints[0].z])


def test_what_cannot_be_turned_is_named(standing):
    with pytest.raises(ValueError, match=r"poses\['a'\] must be \(18, 3\)"):
        study.show_3d({"a": standing[:3]}, NAPA18, alt="x")
    with pytest.raises(ValueError, match="faint"):
        study.show_3d({"a": standing}, NAPA18, alt="x", faint=["b"])
    with pytest.raises(ValueError, match="poses must be one or more"):
        study.show_3d({}, NAPA18, alt="x")


def test_sides_have_one_palette():
    page, axis = plt.subplots()
    study.draw_pose(axis, torch.rand(18, 2), NAPA18)
    shades = {to_hex(line.get_color()) for line in axis.lines if len(line.get_xdata()) == 2}
    assert shades == {to_hex(np.divide(color, 255)) for color in (*SIDES.values(), MIDDLE)}


# Estimated poses


@pytest.fixture
def estimate(rng) -> PoseResult:
    """A pose of random places in a picture of 60 x 80 pixels, whose l_wrist is unsure."""
    sure = torch.full((18,), 0.8)
    sure[NAPA18.index("l_wrist")] = 0.1
    points, pose = torch.tensor(rng.uniform(5, 55, (18, 2))), torch.tensor(rng.normal(0, 300, (18, 3)))
    return PoseResult(points.float(), pose.float(), sure, (0.0, 0.0, 60.0, 80.0), NAPA18)


def in_coco(result: PoseResult) -> PoseResult:
    points, pose = (convert(x, "NAPA18", "COCO17") for x in (result.keypoints, result.pose))
    sure = torch.full((17,), 0.7).masked_fill(points.isnan().any(-1), 0.0)
    return PoseResult(points, pose, sure, result.box, get_skeleton("COCO17"))


def joint_markers(axis) -> np.ndarray:
    """(J, 2) places of the joints in a plot: the lines of a single point."""
    return np.concatenate([line.get_xydata() for line in axis.lines if len(line.get_xydata()) == 1])


@pytest.mark.parametrize(("angle", "right", "away"), [(0, [1, 0, 0], [0, 0, 1]), (90, [0, 0, 1], [-1, 0, 0])])
def test_a_pose_in_3d_is_seen_from_where_it_is_said(estimate, angle, right, away):
    page, axis = plt.subplots()
    poses.draw_pose_3d(axis, estimate.pose, estimate.skeleton, angle)
    pose, tilt = estimate.pose.double().numpy(), math.radians(poses.TILT)
    down = pose[:, 1] * math.cos(tilt) - pose @ away * math.sin(tilt)  # seen from above, what is far away is higher
    np.testing.assert_allclose(joint_markers(axis), np.stack([pose @ right, down], -1), atol=1e-2)
    assert axis.yaxis_inverted()


def test_pose_pictures_hold_their_parts_and_leave_missing_joints_out(estimate):
    picture = open_picture(Image.new("RGB", (60, 80), "white"))
    page = study.pose_figure(estimate, picture)
    assert len(joint_markers(page.axes[1])) == 18
    card = study.pose_card(in_coco(estimate), picture)
    titles = [axis.get_title() for axis in card.axes]
    front, bars = (card.axes[titles.index(title)] for title in ("3D, as in the picture", "confidence"))
    assert np.isfinite(joint_markers(front)).all(-1).sum() == 13  # COCO17 without eyes and ears
    np.testing.assert_allclose([bar.get_width() for bar in bars.patches], in_coco(estimate).confidence)
    assert "17 of 18" in study.pose_words(estimate) and "l_wrist with 0.10" in study.pose_words(estimate)
    assert study.pose_words(in_coco(estimate)).startswith("13 of 13")


def test_comparison_marks_the_joint_that_counts_as_missed():
    figures = [figure for figure in load_art_figures() if figure.name in ("man02", "kid_01")]
    guesses = {figure.name: figure.keypoints.clone() for figure in figures}
    seen = int(figures[1].visible.nonzero()[0])
    guesses[figures[1].name][seen, 0] += 0.6 * figures[1].head_size
    guesses[figures[0].name][seen, 0] += 0.4 * figures[0].head_size  # near enough
    page = study.art_comparison(score_art(guesses, figures))
    crosses = [[line.get_xydata()[0] for line in axis.lines if line.get_marker() == "x"] for axis in page.axes]
    assert [len(found) for found in crosses] == [0, 0, 0, 1]
    np.testing.assert_allclose(crosses[3][0], figures[1].keypoints[seen], atol=1e-3)
    counted = int(figures[1].visible[[j for j, n in enumerate(ART14.joints) if n[1] == "_"]].sum())
    assert f"{100 * (counted - 1) / counted:.0f} %" in page.axes[3].get_title() and "100 %" in page.axes[2].get_title()


DEFAULT = "art_figures/kid_01.webp"


def test_own_picture_opens_what_there_is(tmp_path, capsys):
    Image.new("RGB", (33, 44)).save(tmp_path / "mine.png")
    assert study.own_picture(str(tmp_path / "mine.png"), DEFAULT).size == (33, 44)
    with Image.open(asset_path(DEFAULT)) as ours:
        assert study.own_picture("", DEFAULT).size == ours.size
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mime.png", ["no file 'mime.png'", "mine.png, other.JPG"]),
        ("broken.txt", ["broken.txt"]),
        ("empty/mine.png", ["no picture in that folder"]),
        ("nowhere/mine.png", ["no folder", "nowhere"]),
    ],
)
def test_own_picture_says_what_is_missing_and_shows_ours(name, words, tmp_path, capsys):
    for there in ("mine.png", "other.JPG"):
        Image.new("RGB", (33, 44)).save(tmp_path / there)
    (tmp_path / "broken.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    with Image.open(asset_path(DEFAULT)) as ours:
        assert study.own_picture(tmp_path / name, DEFAULT).size == ours.size
    said = capsys.readouterr().out
    assert all(word in said for word in words) and "our own picture" in said


def test_table_repeats_the_result_file_and_says_what_is_not_measured():
    name = "results/pose/blazepose_art.json"
    record = json.loads(asset_path(name).read_text("utf-8"))
    lines = study.art_table({"one": name, "two": "results/pose/none.json"}).splitlines()
    rows = {line[:17].strip(): line[17:] for line in lines[1:11]}
    assert len(rows) == 10
    for label, row in rows.items():
        entry = record["rates"][label]["PCKh@0.5"]
        assert row.startswith(f"{entry['percent']} [{entry['interval'][0]}, {entry['interval'][1]}]")
        assert row.endswith("not measured yet")
    assert lines[-1] == f"one: {record['command']}"


# Lesson 02's descent


def test_one_bone_sticks_with_sharp_edges_and_arrives_from_coarse_to_fine():
    sharp, cured = descent.follow([(1.0, 60)]), descent.follow(descent.CURE)
    off = [(way[-1] - descent.TRUTH).norm(dim=-1).mean().item() for way in (sharp, cured)]
    begin = (descent.BEGIN - descent.TRUTH).norm(dim=-1).mean().item()
    assert off[0] > begin > 20 and off[1] < 0.5


def test_the_library_descends_as_the_learner_does():
    generator = torch.Generator().manual_seed(0)
    matrix, target, begin = (torch.randn(s, generator=generator) for s in ((5, 2), (5,), (2,)))
    way = descent.descend(lambda p: matrix @ p, target, begin, 3, 0.05)
    expected = begin.double().numpy()
    for pose in way:
        np.testing.assert_allclose(pose, expected, atol=1e-5)
        expected = expected - 0.05 * 2 * matrix.numpy().T @ (matrix.numpy() @ expected - target.numpy())


def test_words_and_arrow_follow_the_gradient():
    assert "pushes it back" in descent.offset_words(30.0, 8.0) and "hardly" in descent.offset_words(0.0, 8.0)
    losses = descent.loss_along(8.0)
    assert int(losses.argmin()) == len(losses) // 2 and losses.min() == 0
    descent.offset_figure(30.0, 8.0)


def test_the_first_lesson_marks_misses_and_names_the_wrists():
    (painter,) = (figure for figure in load_art_figures() if figure.name == "gogh_painter_on_road")
    pose = painter.keypoints.clone()
    pose[[0, 5]] += painter.head_size  # both ankles
    axis = first_lesson.scored_figure(painter, pose, 0.5).axes[0]
    dashed = [circle.get_linestyle() == "--" for circle in axis.patches]
    assert dashed == [j in (0, 5) for j in range(14)]
    names = [[text.get_text() for text in axis.texts] for axis in first_lesson.mirror_figure(painter).axes]
    left = [axis.texts[0].xy[0] < axis.texts[1].xy[0] for axis in first_lesson.mirror_figure(painter).axes]
    assert names == 2 * [["l_wrist", "r_wrist"]] and left == [False, True]  # another hand each time
    plt.close("all")
