"""Lesson 09: what it shows is what was measured, and a folder that cannot be used is said to be one."""

from __future__ import annotations

import json

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch

from napa_lib.course.notebooks import FOLDER, find_notebooks
from napa_lib.data import asset_path, load_art_figures
from napa_lib.data.art_figures import ArtFigure
from napa_lib.data.crops import crop_matrices, square_boxes, to_crop
from napa_lib.evaluate.art import score_art
from napa_lib.networks.pose_ensemble import load_pose_ensemble
from napa_lib.networks.pose_tree import CELLS
from napa_lib.results import interval, paired_interval, shipped, shipped_runs
from napa_lib.skeletons import ART14
from napa_lib.study.lessons.lesson_09 import live, pictures, tables
from napa_lib.study.plans import COURSE
from napa_lib.training.own_art import Looked

matplotlib.use("agg")


def words_of(number: str) -> str:
    """All that a lesson's Markdown says."""
    notebook = nbformat.read(find_notebooks(FOLDER, number)[0], as_version=4)
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.fixture(scope="module")
def figures() -> list[ArtFigure]:
    return live.open_folder()


@pytest.fixture(scope="module")
def measured(figures) -> live.Measured:
    """Every second wrist far away, all else exact."""
    poses = {figure.name: figure.keypoints.clone() for figure in figures}
    for figure in figures[::2]:
        poses[figure.name][ART14.index("l_wrist")] += 500
    return live.Measured(Looked(tuple(figures), torch.empty(0), ()), score_art(poses, figures))


def test_rates_are_those_of_the_poses(measured, figures):
    right, counted = measured.counts()
    assert counted.tolist() == [12] * 60 and right.tolist() == [11, 12] * 30
    assert measured.rate() == pytest.approx(100 * 23 / 24)
    assert measured.by_part() == {part: 100.0 if part != "wrist" else 75.0 for part in live.PARTS}
    page = pictures.parts_figure(measured, 50.0)
    assert [bar.get_width() for bar in page.axes[0].patches][:4] == pytest.approx([measured.rate(), 100, 100, 75])
    assert [line.get_xdata()[0] for line in page.axes[0].lines] == [50.0]
    plt.close(page)
    assert len(pictures.read_poses(measured)) == 60


def test_resampled_rates_are_pooled():
    right, counted = torch.tensor([4, 0, 9]), torch.tensor([4, 2, 12])
    draws = live.resampled(right, counted, 0, times=4000)
    assert set(draws[(draws > 99.9)].tolist()) == {100.0} and float(draws.min()) == 0.0
    assert float(draws.mean()) == pytest.approx(100 * 13 / 18, abs=4)
    page = pictures.interval_figure(draws, (10.0, 90.0), 5.0)
    assert sorted(line.get_xdata()[0] for line in page.axes[0].lines) == [10.0, 90.0]
    plt.close(page)


def test_fewer_figures_make_a_wider_interval(measured):
    right, counted = measured.counts()
    right = (right * (torch.arange(60) % 3)).clamp(max=12)
    widths = []
    for count in (12, 48):
        draws, (low, high) = pictures.ends_of(right, counted, count)
        widths.append(high - low)
        said = pictures.fewer_words(right, counted, count)
        assert f"With {count} figures" in said and f"{high - low:.0f} points" in said
        page = pictures.fewer_figure(right, counted, count)
        assert page.axes[0].get_xlim() == (0, 100) and low < float(draws.mean()) < high
        plt.close(page)
    assert widths[1] < 0.75 * widths[0]


def test_a_fitted_pose_keeps_the_projection(figures):
    figure = figures[0]
    pose, possible = live.fitted(figure)
    flat, seen = pose[:, :2] - pose[0, :2], figure.keypoints - figure.keypoints[0]
    scale = (flat * seen).sum() / seen.square().sum()
    torch.testing.assert_close(flat, scale * seen, atol=1.0, rtol=0)
    assert set(possible) == {"right leg", "left leg", "right arm", "left arm"}


def test_a_folder_of_ones_own(tmp_path, capsys):
    ships = load_art_figures(asset_path("own_art/figures.json"))
    document = json.loads(asset_path("own_art/figures.json").read_text())
    for figure in ships[:9]:
        (tmp_path / figure.path.name).write_bytes(figure.path.read_bytes())
    for count, said in ((9, ""), (3, "3 annotated figures")):
        (tmp_path / "figures.json").write_text(json.dumps({**document, "figures": document["figures"][:count]}))
        found = live.open_folder(tmp_path)
        assert len(found) == (9 if count == 9 else 60) and said in capsys.readouterr().out
    assert len(live.open_folder(tmp_path / "nowhere")) == 60
    assert "cannot read" in capsys.readouterr().out


def test_the_table_says_what_the_results_say():
    runs = shipped_runs("training")["own_art"]
    lines = tables.shots_table(runs).splitlines()
    assert len(runs) == 3 and len({run["seed"] for run in runs}) == 3
    for number, row in enumerate(runs[0]["rows"]):
        line = lines[number + 1]
        rates = [run["rows"][number]["pckh"]["0.5"] for run in runs]
        assert line.startswith(str(row["shots"])) and f"{interval(rates).mean:.1f} ± {interval(rates).half:.1f}" in line
        if number:
            change = paired_interval([run["rows"][0]["pckh"]["0.5"] for run in runs], rates)
            assert f"{change.mean:+.1f} ± {change.half:.1f}{' *' if change.excludes_zero else ''}" in line
    page = pictures.shots_figure(runs, 40.0)
    means = np.mean([[row["pckh"]["0.5"] for row in run["rows"]] for run in runs], 0)
    np.testing.assert_allclose(np.asarray(page.axes[0].lines[3].get_ydata(), float), means)
    plt.close(page)
    assert {number for _, numbers, _, _ in tables.SYSTEMS for number in numbers.split(", ")} <= set(COURSE)


def test_poses_are_drawn_on_their_figures(figures):
    page = pictures.poses_figure(
        {"a": [(f, f.keypoints) for f in figures[:3]], "b": [(figures[3], figures[3].keypoints)]}
    )
    assert len(page.axes) == 6 and page.axes[0].get_title(loc="left") == "a"
    assert sum(len(axis.images) for axis in page.axes) == 4
    plt.close(page)


def test_a_short_training_leaves_the_network_as_it_was(figures, monkeypatch):
    monkeypatch.setenv("NAPA_PROGRESS_BAR", "off")
    before = {name: value.clone() for name, value in live.network().head.state_dict().items()}
    tuned, rest = live.tune(figures[:10], 2, 1, 0)
    assert len(rest) == 8 and all(torch.equal(before[n], v) for n, v in live.network().head.state_dict().items())
    one = live.measure([figures[i] for i in rest])
    other = live.measure([], tuned, one.seen)
    assert len(other.found.figures) == 8 and not torch.equal(one.found.predictions, other.found.predictions)


def test_the_rates_on_art_in_the_lessons_words_are_the_stored_ones():
    rates = shipped("pose/napa_art")["rates"]
    drawings, paintings = (rates[kind]["PCKh@0.5"] for kind in ("drawings", "paintings"))
    ends = " and ".join("{:.0f} to {:.0f}".format(*rate["interval"]) for rate in (drawings, paintings))
    words = f"{drawings['percent']:.0f} %, on paintings {paintings['percent']:.0f} % (95 % intervals {ends})"
    assert words in words_of("09")


def test_the_lesson_shows_what_the_estimator_does():
    """The last maps are the estimator's own, and its words about the runner's ankles hold."""
    crop, maps = live.opinions(live.runner())
    with torch.no_grad():
        whole = load_pose_ensemble()(crop[None], mirror=True).heatmaps[0]
    torch.testing.assert_close(maps["with the tree"], whole, atol=1e-3, rtol=1e-4)
    left, right = ({name: live.place(m, f"{side}_ankle").float() for name, m in maps.items()} for side in "lr")
    apart = {name: float((left[name] - right[name]).norm()) for name in maps}
    assert apart["product"] < 2 and apart["DrawnPoseNet"] < 2 and apart["with the tree"] > 15
    matrix = crop_matrices(square_boxes(torch.tensor([live.runner().box])), 4 * CELLS)
    truth = to_crop(live.runner().keypoints[None], matrix)[0, ART14.index("l_ankle")] / 4
    near = {name for name in maps if float((left[name] - truth).norm()) < 5}
    assert near == {"WarmPoseNet", "with the tree"}
    page = pictures.opinions_figure(crop, maps, ("l_ankle", "r_ankle"), "MoveNet")
    assert [axis.get_title() for axis in page.axes[:5]] == [*maps][:2] + ["MoveNet\n(your prediction)"] + [*maps][3:]
    rings = [axis.lines[0].get_xydata()[0].tolist() for axis in page.axes]
    assert rings == [place.tolist() for side in (left, right) for place in side.values()]
    plt.close(page)
