"""Lesson 09's pictures: figures with poses on them, how sure a rate is, and what a few annotated figures bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.data import ArtFigure
from napa_lib.results import interval
from napa_lib.skeletons import ART14, NAPA18
from napa_lib.study.figures import PALETTE, to_array
from napa_lib.study.guesses import mark_guess
from napa_lib.study.lessons.lesson_09.live import Measured, place, resampled
from napa_lib.study.plots import draw_pose

Runs = Sequence[Mapping[str, Any]]  # the stored results of the seeds


def poses_figure(rows: Mapping[str, Sequence[tuple[ArtFigure, Tensor]]]) -> Figure:
    """Figures with a pose on each: a row for each name, (14, 2) pixels of the pictures."""
    columns = max(len(row) for row in rows.values())
    page, axes = plt.subplots(len(rows), columns, figsize=(1.45 * columns, 1.6 * len(rows)), squeeze=False)
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        for axis, (figure, pose) in zip(line, row, strict=False):
            picture = to_array(figure.load())
            axis.imshow(picture)
            draw_pose(axis, pose, ART14, linewidth=1.5)
            x0, y0, x1, y1 = figure.box
            axis.set(xlim=(max(x0, 0), min(x1, picture.shape[1])), ylim=(min(y1, picture.shape[0]), max(y0, 0)))
        for axis in line:
            axis.axis("off")
        line[0].set_title(name, fontsize=9, loc="left")
    return page


def read_poses(measured: Measured) -> list[tuple[ArtFigure, Tensor]]:
    """Each figure with the pose that was read."""
    return list(zip(measured.found.figures, measured.found.predictions, strict=True))


def parts_figure(measured: Measured, guess: float | None) -> Figure:
    """PCKh@0.5 by part, and of all limb joints, with what was expected of these."""
    rates = {"all limb joints": measured.rate(), **measured.by_part()}
    page, axis = plt.subplots(figsize=(5.4, 2.4))
    bars = axis.barh(list(rates), list(rates.values()), color=[PALETTE[1]] + [PALETTE[0]] * (len(rates) - 1))
    axis.bar_label(bars, [f"{rate:.0f}" for rate in rates.values()], padding=3)
    axis.invert_yaxis()
    axis.set(xlim=(0, 100), xlabel="PCKh@0.5, %")
    mark_guess(axis, guess, None if guess is None else 0)
    return page


def interval_figure(draws: Tensor, ends: tuple[float, float], guess: float | None) -> Figure:
    """Where the rates of resampled figures fall, the interval's ends, and what was expected of its width."""
    page, axis = plt.subplots(figsize=(5.0, 2.1))
    axis.hist(draws.numpy(), bins=30, color=PALETTE[0])
    for end in ends:
        axis.axvline(end, color="black", linestyle="--")
    axis.set(xlabel="PCKh@0.5 of figures drawn anew, %", yticks=[], title=f"95 %: {ends[0]:.0f} to {ends[1]:.0f}")
    if guess is not None:
        middle = float(draws.mean())
        axis.axvspan(middle - guess, middle + guess, alpha=0.25, color=PALETTE[1], label="your prediction")
        axis.legend(fontsize=8)
    return page


def ends_of(right: Tensor, counted: Tensor, count: int) -> tuple[Tensor, tuple[float, float]]:
    """The resampled rates of the first figures, and the ends of their 95 % interval."""
    draws = resampled(right[:count], counted[:count], 0)
    low, high = torch.quantile(draws.double(), torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return draws, (low, high)


def fewer_figure(right: Tensor, counted: Tensor, count: int) -> Figure:
    """`interval_figure` of the first `count` figures, on an axis from 0 to 100 %."""
    page = interval_figure(*ends_of(right, counted, count), None)
    page.axes[0].set_xlim(0, 100)
    return page


def fewer_words(right: Tensor, counted: Tensor, count: int) -> str:
    """What it shows, in a sentence."""
    _, (low, high) = ends_of(right, counted, count)
    return f"With {count} figures the rate lies between {low:.0f} and {high:.0f} %: {high - low:.0f} points apart."


def opinions_figure(crop: Tensor, maps: Mapping[str, Tensor], joints: Sequence[str], guess: str | None) -> Figure:
    """Heat maps side by side over the picture, a row for each joint; a ring round each map's likeliest cell.

    Args:
        crop: (3, S, S).
        maps: title -> (18, h, w) log heat maps, each shown from none to its own highest chance.
        joints: names of `NAPA18`.
        guess: the title that the reader chose.
    """
    page, axes = plt.subplots(len(joints), len(maps), figsize=(7.2, 1.6 * len(joints)), squeeze=False)
    for line, joint in zip(axes, joints, strict=True):
        for axis, log_p in zip(line, maps.values(), strict=True):
            height, width = log_p.shape[1:]
            chance = (log_p[NAPA18.index(joint)] - log_p[NAPA18.index(joint)].amax()).exp()
            extent = (-0.5, width - 0.5, height - 0.5, -0.5)
            axis.imshow(0.6 + 0.4 * to_array(crop).mean(-1), cmap="gray", vmin=0, vmax=1, extent=extent)
            axis.imshow(chance.numpy(), cmap=ListedColormap([PALETTE[1]]), alpha=chance.numpy())
            axis.plot(*place(log_p, joint).tolist(), "o", color="black", markersize=13, fillstyle="none", clip_on=False)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(joint, fontsize=9)
    for axis, title in zip(axes[0], maps, strict=True):
        axis.set_title(title + ("\n(your prediction)" if title == guess else ""), fontsize=9)
    return page


def shots_figure(runs: Runs, guess: float | None) -> Figure:
    """PCKh on held-out figures against the number to learn from, a thin line a seed; and what became of people."""
    page, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.7))
    shots = [row["shots"] for row in runs[0]["rows"]]
    for axis, keys, scale, title in (
        (left, ("pckh", "0.5"), 1.0, "held-out figures: PCKh@0.5, %"),
        (right, ("people", "far"), 100.0, "synthetic people: joints within 4 % of the box, %"),
    ):
        values = [[scale * row[keys[0]][keys[1]] for row in run["rows"]] for run in runs]
        for line in values:
            axis.plot(shots, line, color=PALETTE[0], linestyle="-", linewidth=0.8, alpha=0.5)
        means = [interval(column) for column in zip(*values, strict=True)]
        axis.errorbar(shots, [m.mean for m in means], [m.half for m in means], color="black", marker="o", capsize=3)
        axis.set(xticks=shots, xlabel="figures to learn from", ylim=(0, 1.15 * max(map(max, values))))
        axis.set_title(title, fontsize=9)
    if guess is not None:
        mark_guess(left, 12, guess)
    return page
