"""Lesson 03: the one diagram of the method, drawn from its running parts; it grows by a stage a section."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from napa_lib.bottleneck import KeypointGAN, to_pixels
from napa_lib.skeletons import get_skeleton
from napa_lib.study.plots import draw_pose

WIDE, HIGH, PICTURE, BOX = 100.0, 33.0, 12.5, 5.0  # units of the drawing
OLD, NEW = "#555555", "#D55E00"
# where each part stands: its middle; pictures are named as in the lesson, networks by their letters
PLACES: dict[str, tuple[float, float]] = {
    "x": (7, 23), "Φ": (17, 23), "y": (27.5, 23), "η": (38, 23), "p": (48.5, 23), "β": (59, 23), "y*": (69.5, 23),
    "Ψ": (81, 23), "x̂": (93, 23), "ȳ": (11, 7), "D": (27.5, 7), "x′": (93, 7),
}  # fmt: skip
NETWORKS = ("Φ", "η", "β", "Ψ", "D")
ARROWS = (
    ("x", "Φ"), ("Φ", "y"), ("y", "η"), ("η", "p"), ("p", "β"), ("β", "y*"), ("y*", "Ψ"), ("Ψ", "x̂"), ("y", "D"),
    ("ȳ", "D"), ("x′", "Ψ"),
)  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """What the diagram shows, what of it is new in this section, and whether Psi is given y past the keypoints."""

    parts: str
    new: str
    bypass: bool = False


STAGES = {
    "draw": Stage("p β y*", "p β y*"),
    "read": Stage("y η p β y*", "y η"),
    "translate": Stage("x Φ y ȳ D Ψ x̂", "x Φ ȳ D Ψ x̂", bypass=True),
    "whole": Stage("x Φ y η p β y* Ψ x̂ ȳ D x′", "η p β y* x′"),
}


@torch.no_grad()
def diagram(model: KeypointGAN, stage: str, frame: Tensor, other: Tensor, pose: Tensor) -> Figure:
    """The method so far, each picture in it made by the model from the one before it.

    Args:
        model: in evaluation mode; whether y goes on to Psi or its clean drawing is as the model has it.
        stage: one of `STAGES`.
        frame: x, (1, 3, S, S) in [0, 1].
        other: x', the same person in another pose, the same shape.
        pose: an unpaired pose, (1, K, 2) in [-1, 1].

    Raises:
        ValueError: for a stage that does not exist.

    Source: KeypointGAN, fig. 3.
    """
    if stage not in STAGES:
        raise ValueError(f"stage must be one of {', '.join(STAGES)}, got {stage!r}")
    now, one = STAGES[stage], model(frame, other)
    shown = now.parts.split()
    low = 0.0 if "D" in shown else PLACES["y"][1] - PICTURE / 2 - 1
    page, axis = plt.subplots(figsize=(7.2, 7.2 * (HIGH - low) / WIDE))
    axis.set(xlim=(0, WIDE), ylim=(low, HIGH), aspect="equal")
    axis.axis("off")
    for start, end in ARROWS:
        if start in shown and end in shown:
            _arrow(axis, start, end, NEW if {start, end} & set(now.new.split()) else OLD)
    if now.bypass:
        _bypass(axis)
    drawing = one.skeleton if stage != "read" else model.draw(pose)
    keypoints = pose if stage in ("draw", "read") else model.skeleton_encoder(drawing)
    pictures = {"x": frame, "y": drawing, "y*": model.draw(keypoints), "x̂": one.image, "ȳ": model.draw(pose)}
    for name in shown:
        color = NEW if name in now.new.split() else OLD
        if name in NETWORKS:
            _box(axis, name, color)
        elif name == "p":
            _keypoints(axis, to_pixels(keypoints[0], model.config.size), model, color)
        else:
            _picture(axis, name, (pictures | {"x′": other})[name][0], color)
    return page


def _picture(axis: Axes, name: str, picture: Tensor, color: str) -> None:
    x, y = PLACES[name]
    half = PICTURE / 2
    values = picture.clamp(0, 1).permute(1, 2, 0).numpy()
    axis.imshow(
        values[..., 0] if values.shape[2] == 1 else values, cmap="gray", vmin=0, vmax=1,
        extent=(x - half, x + half, y - half, y + half), interpolation="bilinear", zorder=2,
    )  # fmt: skip
    _frame(axis, name, color)


def _frame(axis: Axes, name: str, color: str) -> None:
    x, y = PLACES[name]
    half = PICTURE / 2
    corner = x - half, y - half
    axis.add_patch(Rectangle(corner, PICTURE, PICTURE, fill=False, edgecolor=color, linewidth=1.5, zorder=3))
    axis.text(x, y + half + 0.6, name, ha="center", va="bottom", fontsize=11, color=color)


def _keypoints(axis: Axes, keypoints: Tensor, model: KeypointGAN, color: str) -> None:
    """The pose in a field of its own, as a picture's pixels would lie."""
    (x, y), half = PLACES["p"], PICTURE / 2
    inset = axis.inset_axes((x - half, y - half, PICTURE, PICTURE), transform=axis.transData, zorder=2)
    draw_pose(inset, keypoints, get_skeleton(model.config.skeleton), linewidth=1.2)
    size = model.config.size
    inset.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xticks=[], yticks=[], aspect="equal")
    inset.spines[:].set_visible(False)
    _frame(axis, "p", color)


def _box(axis: Axes, name: str, color: str) -> None:
    x, y = PLACES[name]
    axis.text(
        x, y, "D$_Y$" if name == "D" else name, ha="center", va="center", fontsize=13, color="white", zorder=4,
        bbox={"boxstyle": "round,pad=0.35", "facecolor": color, "edgecolor": color},
    )  # fmt: skip


def _reach(name: str) -> float:
    """How far from its middle a part reaches."""
    return (BOX / 2 if name in NETWORKS else PICTURE / 2) + 0.4


def _arrow(axis: Axes, start: str, end: str, color: str) -> None:
    (x0, y0), (x1, y1) = PLACES[start], PLACES[end]
    along = 1 if x1 > x0 else -1 if x1 < x0 else 0
    if y0 == y1:
        ends = (x0 + along * _reach(start), y0), (x1 - along * _reach(end), y1)
    elif x0 == x1:
        ends = (x0, y0 - _reach(start)), (x1, y1 + _reach(end))
    else:
        ends = (x0 + along * _reach(start), y0), (x1, y1 - _reach(end))
    style = "arc3" if y0 == y1 or x0 == x1 else "angle,angleA=0,angleB=90,rad=2"
    axis.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=11, color=color, connectionstyle=style))


def _bypass(axis: Axes) -> None:
    """From y to Psi, past the keypoints that are not there yet."""
    (x0, y0), (x1, _) = PLACES["y"], PLACES["Ψ"]
    ends = (x0 + _reach("y"), y0), (x1 - _reach("Ψ"), y0)
    axis.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=11, color=NEW))
    axis.text((ends[0][0] + ends[1][0]) / 2, y0 + 1, "every pixel of y passes", ha="center", fontsize=10, color=NEW)
