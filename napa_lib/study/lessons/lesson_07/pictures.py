"""Lesson 07's pictures: figures out of noise, shots and what lies between them, clouds, distances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor, nn

from napa_lib.adaptation import (
    AdaptedGenerator,
    KeypointRegressor,
    PoseStyleGAN,
    StyleTransfer,
    Target,
    alpha,
    coverage,
    read_poses,
)
from napa_lib.adaptation.neighbours import main_directions
from napa_lib.results import interval
from napa_lib.skeletons import SHARED15
from napa_lib.study.guesses import mark_guess
from napa_lib.study.lessons.lesson_07 import tables
from napa_lib.study.lessons.lesson_07.live import Posed, adapted_with, distance_to, only, paired_clouds
from napa_lib.study.plots import draw_pose

COLORS = {"source": "#0072B2", "mixup": "#E69F00", "adapted": "#D55E00", "target": "0.55"}
MARKS = {"source": "s", "mixup": "^", "adapted": "o", "pool": "x"}
ARM = ("l_shoulder", "l_elbow", "l_wrist")


def draw_figure(axis: Axes, pose: Tensor, linewidth: float = 1.8) -> None:
    """A pose (15, 2) in [-1, 1], without axes."""
    draw_pose(axis, pose, SHARED15, linewidth=linewidth)
    axis.set(xlim=(-1, 1), ylim=(1, -1), aspect="equal")
    axis.axis("off")


def rows_of_panels(names: Iterable[str], columns: int, height: float) -> tuple[Figure, list[np.ndarray]]:
    """A page with a row of panels without axes under each name, the row `height` inches high."""
    titles = list(names)
    page = plt.figure(figsize=(7.2, (height + 0.22) * len(titles)), layout="constrained")
    parts: Any = page.subfigures(len(titles), 1, squeeze=False)[:, 0]
    lines = []
    for part, title in zip(parts, titles, strict=True):
        part.suptitle(title, x=0.01, ha="left", fontsize=9)
        line = part.subplots(1, columns, squeeze=False)[0]
        for axis in line:
            axis.axis("off")
        lines.append(line)
    return page, lines


def poses_figure(rows: Mapping[str, Tensor], height: float = 1.0) -> Figure:
    """Rows of poses (N, 15, 2), each under its name."""
    page, lines = rows_of_panels(rows, max(map(len, rows.values())), height)
    for line, poses in zip(lines, rows.values(), strict=True):
        for axis, pose in zip(line, poses, strict=False):
            draw_figure(axis, pose)
    return page


@torch.no_grad()
def drawings_figure(rows: Mapping[str, nn.Module], noises: Tensor) -> Figure:
    """What generators draw of the same noises (N, latent), a row each: one column, one noise."""
    page, lines = rows_of_panels(rows, len(noises), 0.95)
    for line, network in zip(lines, rows.values(), strict=True):
        for axis, picture in zip(line, network(noises), strict=True):
            draw_picture(axis, picture)
    return page


def draw_picture(axis: Axes, picture: Tensor) -> None:
    """A skeleton image (3, S, S), without axes."""
    axis.imshow(picture.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="bilinear")
    axis.axis("off")


@torch.no_grad()
def bottleneck_figure(network: PoseStyleGAN, regressor: KeypointRegressor, noises: Tensor) -> Figure:
    """Three rows: the generator's drawings y, the joints beta(y) in the course's colours, and alpha(beta(y))."""
    drawn = network(noises)
    poses = regressor(drawn)
    page, lines = rows_of_panels(("the generator's drawing y", "joints beta(y)", "drawn anew"), len(noises), 1.2)
    for above, middle, below, y, pose, again in zip(*lines, drawn, poses, alpha(poses, 96), strict=True):
        draw_picture(above, y)
        draw_figure(middle, pose)
        draw_picture(below, again)
    return page


@torch.no_grad()
def faces_figure(network: AdaptedGenerator, regressor: KeypointRegressor, noises: Tensor) -> Figure:
    """Two rows of one noise a column: the source's drawings, and the adapted ones as beta reads them, drawn anew."""
    names = (
        "the source looks ahead",
        "the same noises, adapted to twelve faces turned to their left; read by beta, drawn anew",
    )
    again = alpha(regressor(network(noises)), 96)
    page, lines = rows_of_panels(names, len(noises), 1.2)
    for line, drawn in zip(lines, (network.source(noises), again), strict=True):
        for axis, picture in zip(line, drawn, strict=True):
            draw_picture(axis, picture)
    return page


def posed_figure(rows: Mapping[str, Posed]) -> Figure:
    """Under each name the poses' skeleton images, below them the pictures, and before them a person's frame, if any."""
    first = int(any(posed.person is not None for posed in rows.values()))
    columns = first + max(len(posed.drawn) for posed in rows.values())
    names = [line for name in rows for line in (name, "")]
    page, lines = rows_of_panels(names, columns, 0.85)
    for above, below, posed in zip(lines[::2], lines[1::2], rows.values(), strict=True):
        if posed.person is not None:
            draw_picture(below[0], posed.person)
        for panel, drawn in zip(above[first:], posed.drawn, strict=False):
            panel.imshow(drawn[0].numpy(), cmap="gray", vmin=0, vmax=1)
        for panel, picture in zip(below[first:], posed.pictures, strict=False):
            draw_picture(panel, picture)
    return page


def mixup_page(shots: Tensor, first: int, second: int, ratio: float) -> Figure:
    """Two shots, counted from 1, and the pose between them; above it the length of its left arm."""
    mixed = ratio * shots[first - 1] + (1 - ratio) * shots[second - 1]
    page, axes = plt.subplots(1, 3, figsize=(5.4, 2.1), layout="constrained")
    for axis, pose, name in zip(
        axes, (shots[first - 1], mixed, shots[second - 1]), (f"shot {first}", "mixed", f"shot {second}"), strict=True
    ):
        draw_figure(axis, pose, 2.4)
        axis.set_title(f"{name}: left arm {arm_length(pose):.2f}", fontsize=9)
    return page


def mixup_words(first: int, second: int, ratio: float) -> str:
    """What `mixup_page` shows, in words."""
    return f"Shot {first}, shot {second}, and between them the pose that is {ratio:.0%} of the first."


def arm_length(pose: Tensor) -> float:
    """From the left shoulder over the elbow to the wrist, in units of half the picture's side."""
    joints = pose[[SHARED15.index(name) for name in ARM]]
    return float(joints.diff(dim=0).norm(dim=1).sum())


def clouds_figure() -> Figure:
    """The toy: styles, wanted points, and where the best linear map sends the styles, for two pairings."""
    clouds = paired_clouds()
    page, axes = plt.subplots(1, 2, figsize=(7.2, 2.8), sharex=True, sharey=True, layout="constrained")
    for axis, (name, mapped) in zip(axes, clouds.mapped.items(), strict=True):
        for points, mark, color, label in (
            (clouds.styles, "s", COLORS["source"], "styles"),
            (clouds.wanted, "x", COLORS["target"], "wanted"),
            (mapped, "o", COLORS["adapted"], "styles, mapped"),
        ):
            axis.plot(*points.T, mark, color=color, markersize=4, alpha=0.8, label=label, linestyle="none")
        axis.set_title(f"paired {'at random' if name == 'random' else 'by nearness'}", fontsize=10)
        axis.set(aspect="equal")
    axes[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5))
    return page


def layer_switches(
    source: PoseStyleGAN, regressor: KeypointRegressor, transfer: StyleTransfer, target: Target, noises: Tensor
) -> Callable[..., Figure]:
    """A picture for switches called layers12, layers34, …, "on" or "off": what a tau's blocks make of fixed noises.

    Eight poses are drawn; the distance above them from the target's held-out poses is that of all noises.
    """

    def draw(**switches: str) -> Figure:
        network = adapted_with(source, only(transfer, switched_on(switches)))
        poses = read_poses(network, regressor, noises)
        page, axes = plt.subplots(1, 8, figsize=(7.2, 1.5), layout="constrained")
        for axis, pose in zip(axes, poses, strict=False):
            draw_figure(axis, pose)
        page.suptitle(f"{layers_words(**switches)} Energy distance {distance_to(poses, target):.3f}", fontsize=10)
        return page

    return draw


def switched_on(switches: Mapping[str, str]) -> tuple[int, ...]:
    """The layers whose switch is on, by the digits of its name: {"layers12": "on", "layers34": "off"} gives (1, 2)."""
    names = [name.removeprefix("layers") for name, word in switches.items() if word == "on"]
    return tuple(int(digit) for name in names for digit in name)


def layers_words(**switches: str) -> str:
    """What a picture of `layer_switches` shows, in words."""
    layers = switched_on(switches)
    return f"Blocks that are on: {', '.join(map(str, layers)) or 'none, this is the source'}."


def map_figure(sets: Mapping[str, Tensor], target: Tensor) -> Figure:
    """Poses in the plane in which all sets and a target's held-out poses (N, 15, 2) differ most, and how much it shows.

    Args:
        sets: at least one set of poses, the source's first.
    """
    mean, directions, share = main_directions(torch.cat([*sets.values(), target]))
    page, axes = plt.subplots(
        1, len(sets), figsize=(7.2, 2.5), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    clouds: dict[str, Line2D] = {}
    for axis, (name, poses) in zip(axes.flat, sets.items(), strict=True):
        for points, of, mark in ((target, "target", "x"), (poses, name, MARKS[name])):
            on_plane = (points.flatten(1) - mean) @ directions.T
            (clouds[of],) = axis.plot(*on_plane.T, mark, color=COLORS[of], markersize=3, linestyle="none")
        axis.set(xticks=[], yticks=[])
    page.legend(
        clouds.values(), clouds, loc="outside upper center", ncols=len(clouds), fontsize=9, markerscale=2, frameon=False
    )
    page.supxlabel(f"two main directions: {share:.0%} of all variance", fontsize=9)
    return page


def distances_figure(runs: tables.Runs, guess: float | None = None) -> Figure:
    """Energy distance from held-out poses, a line a target: means over seeds, bars from the least to the greatest.

    Args:
        runs: of the chapter, as `napa_lib.results.shipped_runs("adaptation")` gives them.
        guess: a reader's prediction of the adapted poses' mean, drawn as a line.
    """
    names = tables.targets_of(runs)
    names.sort(key=lambda name: fmean(tables.values(runs, name, "distances", "adapted", "energy")))
    page, axis = plt.subplots(figsize=(6.8, 3.0), layout="constrained")
    for offset, kind in zip((0.22, 0.0, -0.22), ("source", "mixup", "adapted"), strict=True):
        found = np.array([tables.values(runs, name, "distances", kind, "energy") for name in names])
        mean = found.mean(1)
        span = np.stack([mean - found.min(1), found.max(1) - mean]).clip(min=0)  # of equal values, a rounding
        axis.errorbar(mean, np.arange(len(names)) + offset, xerr=span, fmt=MARKS[kind], color=COLORS[kind],
                      markersize=5, elinewidth=1, label=tables.KINDS[kind])  # fmt: skip
    axis.set(yticks=range(len(names)), xlim=(0, 1.02), xlabel="energy distance from held-out poses (half sides)")
    axis.set_yticklabels(names, fontsize=8)
    axis.legend(fontsize=8)
    mark_guess(axis, x=guess)
    return page


def layers_figure(runs: tables.Runs, guess: float | None = None) -> Figure:
    """Adapting one layer alone: the loss that is left, and the poses' distance; means of the seeds with intervals.

    Args:
        runs: of the chapter.
        guess: the layer that a reader predicted to leave most of the loss, drawn as a line.

    Source: FlexPose, fig. 4 (the loss).
    """
    page, axes = plt.subplots(1, 2, figsize=(6.6, 2.2), layout="constrained")
    names = {"loss": "perceptual loss at the end", "energy": "energy distance (half sides)"}
    for axis, (key, name) in zip(axes, names.items(), strict=True):
        means, halves = zip(*(interval(found) for found in tables.curve(runs, key)), strict=True)
        axis.errorbar(range(1, 9), means, yerr=halves, fmt="o-", color=COLORS["adapted"], capsize=3)
        whole = fmean(tables.variant_values(runs, "all", key))
        axis.axhline(whole, color=COLORS["target"], linestyle="--")
        axis.annotate("all layers", (8, whole), xytext=(0, 4), textcoords="offset points", ha="right", fontsize=8)
        axis.set_title(name, fontsize=10)  # on its side it would be longer than the axis
        axis.set(xlabel="the one layer that is adapted", xticks=range(1, 9), ylim=(0, None))
    mark_guess(axes[0], x=guess)
    return page


def crowds_figure(crowds: Mapping[str, Tensor], target: Target) -> Figure:
    """Sets of generated poses, four of each, and what three measures say of them."""
    rows = {}
    for name, poses in crowds.items():
        near = float(torch.cdist(poses.flatten(1), target.held_out.flatten(1)).amin(1).mean())
        words = f"{name}: nearest {near:.2f}, coverage {coverage(poses, target.held_out):.0%}, energy "
        rows[words + f"{distance_to(poses, target):.2f}"] = poses[:4]
    return poses_figure(rows)
