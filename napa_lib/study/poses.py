"""Estimated poses to look at: over their picture, as a bone map, in 3D, with how sure each joint is."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.evaluate import ArtScore
from napa_lib.pose import Picture, PoseResult
from napa_lib.pose.drawing import SURE, cut_round, draw_bone_map, draw_overlay, side_color
from napa_lib.skeletons import ART14, Skeleton
from napa_lib.study.plots import MARKERS, draw_pose

CELL = 250.0  # a cell of the floor's grid, in mm
FADED = 0.6  # how far a picture is faded to white under two poses that are compared
GREY = (0.59, 0.59, 0.59)
TILT = 12.0  # degrees by which the viewer looks down


def pose_figure(result: PoseResult, picture: Picture) -> Figure:
    """A picture with the estimated pose drawn over it, beside the same pose in 3D, turned: hand it to `study.show`.

    Args:
        result: from `PoseEstimator.predict`.
        picture: the picture it was found in, from `napa_lib.pose.open_picture` or `study.own_picture`.
    """
    page, axes = plt.subplots(1, 2, figsize=(7.2, 4.0))
    overlay = draw_overlay(result, picture, cut_round(result, picture))
    _show_image(axes[0], np.asarray(overlay), "found in the picture")
    draw_pose_3d(axes[1], result.pose, result.skeleton, 40.0)
    axes[1].set_title("the same pose in 3D, turned by 40°", fontsize=10)
    return page


def pose_card(result: PoseResult, picture: Picture) -> Figure:
    """All that is known of one figure: overlay, bone map, 3D from two sides, a bar for each joint's confidence.

    Args:
        result, picture: as in `pose_figure`.
    """
    places: list[Any] = [["overlay", "bones", "sure"], ["front", "side", "sure"]]
    page, axes = plt.subplot_mosaic(places, figsize=(7.2, 5.2), width_ratios=[1, 1, 0.75])
    cut = cut_round(result, picture)
    _show_image(axes["overlay"], np.asarray(draw_overlay(result, picture, cut)), "the pose in the picture")
    _show_image(axes["bones"], np.asarray(draw_bone_map(result, cut)), "its bone map")
    for name, angle, title in (("front", 0.0, "3D, as in the picture"), ("side", 90.0, "3D, from the picture's right")):
        draw_pose_3d(axes[name], result.pose, result.skeleton, angle)
        axes[name].set_title(title, fontsize=10)
    draw_confidence(axes["sure"], result)
    return page


def art_comparison(score: ArtScore) -> Figure:
    """Annotated poses above estimated ones; a line leads from each joint that counts as missed to where it is.

    Args:
        score: of a few figures, from `napa_lib.evaluate.score_art`.
    """
    rates = score.pckh(0.5).per_pose.tolist()
    page, axes = plt.subplots(2, len(score.figures), figsize=(5.7, 4.2), squeeze=False)
    for column, figure in enumerate(score.figures):
        x0, y0, x1, y1 = figure.box
        truth, estimate = figure.scored_keypoints, score.predictions[column].float()
        image = torch.lerp(figure.load(), torch.tensor(1.0), FADED).permute(1, 2, 0).numpy()
        for axis, pose, title in (
            (axes[0, column], truth, f"{figure.kind}: annotated"),
            (axes[1, column], estimate, f"PCKh@0.5 = {100 * rates[column]:.0f} %"),
        ):
            axis.imshow(image, interpolation="bilinear")
            draw_pose(axis, pose, ART14, linewidth=1.8)
            axis.set(xlim=(x0, x1), ylim=(y1, y0))
            axis.axis("off")
            axis.set_title(title, fontsize=10)
        _draw_misses(axes[1, column], estimate, truth, score.errors[column] >= 0.5)
    return page


def pose_words(result: PoseResult) -> str:
    """What a picture of the pose shows, for its alt text: how sure the estimator is, and where it is least sure.

    >>> from napa_lib.skeletons import NAPA18
    >>> sure = torch.full((18,), 0.9).index_fill(0, torch.tensor([3]), 0.2)
    >>> pose_words(PoseResult(torch.zeros(18, 2), torch.zeros(18, 3), sure, (0, 0, 9, 9), NAPA18))
    '17 of 18 joints have a confidence of 0.5 or more; the least sure is r_ankle with 0.20.'
    """
    found = ~result.keypoints.isnan().any(-1)
    sure = int((found & (result.confidence >= SURE)).sum())
    least = int(result.confidence.masked_fill(~found, torch.inf).argmin())
    return (
        f"{sure} of {int(found.sum())} joints have a confidence of {SURE} or more; the least sure is "
        f"{result.skeleton.joints[least]} with {float(result.confidence[least]):.2f}."
    )


def draw_pose_3d(axis: Axes, joints: Tensor, skeleton: Skeleton, angle: float, faint: bool = False) -> None:
    """Draw a 3D pose above a floor with its shadow, without perspective; nearer bones are thicker.

    Args:
        axis: an empty plot; its ticks and frame are removed.
        joints: (J, 3) in mm, camera axes; a missing joint (NaN) is left out with its bones.
        skeleton: names the joints and lists the bones.
        angle: degrees by which the viewer walks round to the picture's right: 0 sees what the picture shows.
        faint: in grey instead of the sides' colours.
    """
    pose = joints[~joints.isnan().any(-1)]
    level = pose[:, 1].max()
    _draw_floor(axis, pose, level, angle)
    flat = joints.clone()
    flat[:, 1] = level
    shadow, points = _project(flat, angle).numpy(), _project(joints, angle).numpy()
    depth = points[:, 2]
    near = 1 - (depth - np.nanmin(depth)) / max(np.nanmax(depth) - np.nanmin(depth), 1.0)
    bones = [(a, b) for a, b in skeleton.bones if not np.isnan(points[[a, b]]).any()]
    for a, b in bones:
        axis.plot(*shadow[[a, b], :2].T, linestyle="-", color="0.7", linewidth=3, solid_capstyle="round")
    for a, b in sorted(bones, key=lambda bone: near[list(bone)].mean()):
        width = 2.5 + 2.5 * near[[a, b]].mean()
        color = GREY if faint else np.divide(side_color(skeleton, a, b), 255)
        casing = [patheffects.withStroke(linewidth=width + 1.5, foreground="white")]
        axis.plot(*points[[a, b], :2].T, linestyle="-", color=color, linewidth=width, path_effects=casing,
                  solid_capstyle="round")  # fmt: skip
    for point, name in zip(points, skeleton.joints, strict=True):
        axis.plot(*point[:2], MARKERS.get(name[0] if name[1] == "_" else "", "D"), color="black", markersize=4,
                  markeredgecolor="white", markeredgewidth=0.6)  # fmt: skip
    axis.set_aspect("equal")
    axis.invert_yaxis()
    axis.axis("off")


def draw_confidence(axis: Axes, result: PoseResult) -> None:
    """Draw a bar for each joint's confidence, in the order of the joint set; a joint that it cannot have has none."""
    names, rows = result.skeleton.joints, range(result.skeleton.num_joints)
    colors = [np.divide(side_color(result.skeleton, j), 255) for j in rows]
    axis.barh(rows, result.confidence.numpy(), color=colors)
    axis.axvline(SURE, color="black", linestyle=":", linewidth=1)
    axis.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6), xticks=[0, 0.5, 1], yticks=rows)
    axis.set_yticklabels(names, fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.set_title("confidence", fontsize=10)


def _show_image(axis: Axes, image: np.ndarray, title: str) -> None:
    axis.imshow(image, interpolation="bilinear")
    axis.set_title(title, fontsize=10)
    axis.axis("off")


def _draw_misses(axis: Axes, estimate: Tensor, truth: Tensor, missed: Tensor) -> None:
    """A line from each missed joint to its place, where a cross stands."""
    casing = [patheffects.withStroke(linewidth=3, foreground="white")]
    for start, end in zip(estimate[missed].tolist(), truth[missed].tolist(), strict=True):
        axis.plot([start[0], end[0]], [start[1], end[1]], ":", color="black", linewidth=1.5, path_effects=casing)
        axis.plot(*end, "x", color="black", markersize=6, markeredgewidth=2, path_effects=casing)


def _draw_floor(axis: Axes, pose: Tensor, level: Tensor, angle: float) -> None:
    """A square grid below the figure, as large as its shadow needs."""
    middle, low, high = (v[[0, 2]] for v in (pose.mean(0), pose.amin(0), pose.amax(0)))
    cells = max(2, math.ceil(float(torch.maximum(high - middle, middle - low).amax()) / CELL))
    reach = cells * CELL
    for offset in np.linspace(-reach, reach, 2 * cells + 1).tolist():
        for ends in ([[offset, -reach], [offset, reach]], [[-reach, offset], [reach, offset]]):
            place = middle + torch.tensor(ends)
            line = _project(torch.stack([place[:, 0], level.expand(2), place[:, 1]], -1), angle)
            axis.plot(*line[:, :2].T.numpy(), linestyle="-", color="0.87", linewidth=0.8)


def _project(points: Tensor, angle: float) -> Tensor:
    """(..., 3) mm in camera axes -> right, down and away for a viewer who walked round by `angle`, looking down."""
    turn, tilt = math.radians(angle), math.radians(TILT)
    x, y, z = points.unbind(-1)
    right, away = x * math.cos(turn) + z * math.sin(turn), z * math.cos(turn) - x * math.sin(turn)
    down = y * math.cos(tilt) - away * math.sin(tilt)
    return torch.stack([right, down, away * math.cos(tilt) + y * math.sin(tilt)], -1)
