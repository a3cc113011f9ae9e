"""Lesson 06's figures: people in pictures and in the room, maps, two worlds in one space, and failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.multiperson import Found, Scene, encode_scene, match_people
from napa_lib.multiperson.composed import Composed
from napa_lib.multiperson.config import CAMERAS
from napa_lib.multiperson.targets import HEAT, JOINTS, SHARED
from napa_lib.sampling import SKELETON, PoseAutoencoder
from napa_lib.study.plots import draw_pose

CAMERA = CAMERAS["tiny"]
ONES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def picture_axis(axis: Axes, image: Tensor, title: str = "") -> None:
    """A picture (3, S, S) of bytes, without ticks."""
    axis.imshow(image.permute(1, 2, 0).numpy(), interpolation="bilinear")
    axis.set(xlim=(-0.5, CAMERA.size - 0.5), ylim=(CAMERA.size - 0.5, -0.5))
    axis.axis("off")
    if title:
        axis.set_title(title, fontsize=9)


def draw_people(axis: Axes, keypoints: Tensor) -> None:
    """The joints (P, 15, 2) of people in a picture; NaN joints are left out."""
    for person in keypoints:
        draw_pose(axis, person, JOINTS, linewidth=1.4)


def from_above(axis: Axes, truth: Tensor, found: Tensor) -> None:
    """The room from above: where people stand (open) and where they were put (filled), with the way to the truth.

    Args:
        axis: of the figure.
        truth, found: (T, 17, 3) and (P, 17, 3) mm in the camera's axes.
    """
    near, far = CAMERA.nearest / 1000, CAMERA.farthest / 1000
    edge = CAMERA.centre / CAMERA.focal
    axis.plot([0, -edge * far], [0, far], linestyle="-", color="0.7", linewidth=1)
    axis.plot([0, edge * far], [0, far], linestyle="-", color="0.7", linewidth=1)
    axis.plot(truth[:, 0, 0] / 1000, truth[:, 0, 2] / 1000, "o", markerfacecolor="none", color="black", markersize=9)
    axis.plot(found[:, 0, 0] / 1000, found[:, 0, 2] / 1000, "X", color="#D55E00", markersize=7)
    for i, j in match_people(found[..., :2], truth[..., :2], 1e9):
        pair = torch.stack([found[i, 0], truth[j, 0]]) / 1000
        axis.plot(pair[:, 0], pair[:, 2], linestyle="-", color="#D55E00", linewidth=1)
    axis.set(xlim=(-edge * far, edge * far), ylim=(0, far + 0.3), aspect="equal", yticks=[0, near, far])
    axis.tick_params(labelsize=7)


def opening_figure(pictures: Composed, found: Sequence[Found], rows: Sequence[int]) -> Figure:
    """Pictures, the people read out of them, and the room from above."""
    page, axes = plt.subplots(3, len(rows), figsize=(7.2, 5.0), layout="constrained")
    for column, row in enumerate(rows):
        there = pictures.present[row]
        picture_axis(axes[0, column], pictures.images[row])
        picture_axis(axes[1, column], 255 - (255 - pictures.images[row]) // 3)
        draw_people(axes[1, column], found[row].keypoints)
        from_above(axes[2, column], pictures.poses[row, there], found[row].poses)
    axes[2, 0].set_ylabel("depth (m)", fontsize=8)
    for axis in axes[2]:
        axis.set_xlabel("to the right (m)", fontsize=8)
    return page


def scheme_figure() -> Figure:
    """The two ways through the shared space: pictures on the left, artificial scenes on the right."""
    page, axis = plt.subplots(figsize=(7.2, 2.3), layout="constrained")
    boxes = {
        "picture I": (0.4, 1.6), "E": (1.7, 1.6), "V": (3.3, 1.0), "G": (1.7, 0.4), "maps m\nof 3D scenes": (0.4, 0.4),
        "F": (4.7, 1.6), "H": (4.7, 0.4), "maps": (6.0, 1.6), "39 maps, then\nM: people in 3D": (6.3, 0.4),
    }  # fmt: skip
    for name, (x, y) in boxes.items():
        module = len(name) == 1 and name != "V"
        frozen = name in "EF"
        style = {"facecolor": "#ffe9c7" if not frozen else "0.88", "hatch": "//" if frozen else None} if module else {}
        style = style or {"facecolor": "#cfe6f5" if name == "V" else "white"}
        axis.text(x, y, name, ha="center", va="center", fontsize=11 if module or name == "V" else 9,
                  bbox={"boxstyle": "round,pad=0.45", "edgecolor": "black", **style})  # fmt: skip
    ways = (("picture I", "E"), ("E", "V"), ("maps m\nof 3D scenes", "G"), ("G", "V"), ("V", "F"), ("V", "H"),
            ("F", "maps"), ("H", "39 maps, then\nM: people in 3D"))  # fmt: skip
    for start, end in ways:  # from one box's side to the other's
        (x, y), (u, v) = boxes[start], boxes[end]
        near, far = (0.75 if len(name) > 4 else 0.32 if name != "maps" else 0.4 for name in (start, end))
        axis.annotate("", (u - far, v), (x + near, y), arrowprops={"arrowstyle": "->"})
    axis.text(3.3, 1.75, "must look alike", ha="center", fontsize=9, style="italic")
    axis.set(xlim=(-0.3, 7.2), ylim=(0, 2.1))
    axis.axis("off")
    return page


def heat_figure(heat: Mapping[str, Tensor]) -> Figure:
    """What F sees of all joints of one picture, (28, 28) each, from 0 to 1, under its title."""
    page, axes = plt.subplots(1, len(heat), figsize=(7.2, 2.1), layout="constrained")
    for axis, (title, seen) in zip(axes, heat.items(), strict=True):
        drawn = axis.imshow(seen.numpy(), vmin=0, vmax=1, cmap="magma")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    page.colorbar(drawn, ax=axes, label="heat", shrink=0.8)
    return page


def clouds_figure(real: Tensor, made: Mapping[str, Tensor]) -> Figure:
    """V of pictures and of maps on the two main directions of the pictures' V, one panel for each G.

    Args:
        real: (B, C) means over cells of E's V.
        made: for each panel's title, the same of G's V.
    """
    mean, spread = real.mean(0), real.std(0).clamp_min(1e-3)
    scaled = (real - mean) / spread
    directions = torch.linalg.svd(scaled, full_matrices=False)[2][:2].T
    page, axes = plt.subplots(1, len(made), figsize=(7.2, 2.8), sharex=True, sharey=True, layout="constrained")
    for axis, (title, other) in zip(np.atleast_1d(axes), made.items(), strict=True):
        one, two = scaled @ directions, ((other - mean) / spread) @ directions
        for a, b in zip(one, two, strict=True):
            axis.plot(*torch.stack([a, b]).T, linestyle="-", color="0.8", linewidth=0.8, zorder=1)
        axis.plot(*one.T, "o", color=ONES[0], markersize=5, label="E of pictures", zorder=2)
        axis.plot(*two.T, "s", color=ONES[1], markersize=4, label="G of their true maps", zorder=3)
        axis.set_title(title, fontsize=10)
        axis.set(xticks=[], yticks=[])
    np.atleast_1d(axes)[0].legend(fontsize=8)
    return page


def cell_page(x: float, y: float, depth: float, turn: float, model: PoseAutoencoder, pose: Tensor) -> Figure:
    """One cell under one's hands: the heat and the cell, the picture, and the room from above.

    Args:
        x, y: pelvis in pixels.
        depth: mm.
        turn: degrees about the upright.
        model: Psi.
        pose: (32,) embedding.
    """
    place = CAMERA.unproject(torch.tensor([[x, y]]), torch.tensor([depth]))
    angles = torch.tensor([[[0.0, 0.0, np.radians(turn)]]]).float()
    scene = Scene(pose[None, None], angles, place[None], torch.ones(1, 1, dtype=torch.bool))
    heat = encode_scene(scene, CAMERA).heat[0, 0]
    person = scene.poses(model).detach()[0]
    page, axes = plt.subplots(1, 3, figsize=(7.2, 2.5), layout="constrained")
    axes[0].imshow(heat.numpy(), cmap="viridis", vmin=0, vmax=1)
    axes[0].set(xticks=np.arange(-0.5, 14), yticks=np.arange(-0.5, 14), xticklabels=[], yticklabels=[])
    axes[0].grid(color="white", linewidth=0.3)
    axes[0].set_title("heat, 14 x 14 cells", fontsize=9)
    blank = torch.full((3, CAMERA.size, CAMERA.size), 245, dtype=torch.uint8)
    picture_axis(axes[1], blank, "the picture")
    draw_people(axes[1], CAMERA.project_weakly(person, place)[:, SHARED])
    from_above(axes[2], person[:0], person)
    axes[2].set_title("from above (m)", fontsize=9)
    return page


def cell_words(x: float, y: float, depth: float, turn: float) -> str:
    """What `cell_page` shows, in words."""
    place = f"near pixel ({x:.0f}, {y:.0f})"
    return f"A bump of heat {place}, a stick figure turned by {turn:.0f} degrees, {depth:.0f} mm away."


def maps_figure(image: Tensor, maps: Tensor, people: Tensor) -> Figure:
    """A picture, the teacher's heat of all joints, the field of the left thigh, and its people after grouping.

    Args:
        image: (3, S, S) bytes.
        maps: (43, 28, 28).
        people: (P, 15, 2) px.
    """
    page, axes = plt.subplots(1, 4, figsize=(7.2, 2.1), layout="constrained")
    picture_axis(axes[0], image, "picture")
    axes[1].imshow(maps[HEAT].amax(0).numpy(), cmap="viridis", vmin=0, vmax=1)
    axes[1].set_title("heat, 15 joints", fontsize=9)
    number = [JOINTS.joints[end] for _, end in JOINTS.bones].index("l_knee")
    x, y = maps[15 + 2 * number], maps[16 + 2 * number]
    axes[2].imshow(torch.hypot(x, y).numpy(), cmap="Greys", vmin=0, vmax=0.6)
    rows, columns = (torch.hypot(x, y) > 0.15).nonzero(as_tuple=True)
    axes[2].quiver(columns, rows, x[rows, columns], -y[rows, columns], color="#D55E00", scale=8, width=0.015)
    axes[2].set_title("field to the left knee", fontsize=9)
    picture_axis(axes[3], 255 - (255 - image) // 3, "grouped")
    draw_people(axes[3], people)
    for axis in axes[1:3]:
        axis.set(xticks=[], yticks=[])
    return page


def failures(pictures: Composed, found: Sequence[Found]) -> dict[str, int]:
    """A picture of each kind of failure: a person missed, one invented, a good 2D pose that is a wrong 3D one.

    Returns:
        kind -> row; kinds that do not happen are left out.
    """
    rows: dict[str, int] = {}
    worst = 0.0
    for row, one in enumerate(found):
        there = pictures.present[row]
        truth, flat = pictures.poses[row, there], pictures.keypoints[row, there][:, SHARED]
        pairs = match_people(one.keypoints, flat, 0.2 * CAMERA.size)
        if len(pairs) < len(truth):
            rows.setdefault("a person is missed", row)
        if len(one.poses) > len(pairs):
            rows.setdefault("a person is invented", row)
        for i, j in pairs:
            off = (one.keypoints[i] - flat[j]).norm(dim=-1).mean()
            wrong = ((one.poses[i] - one.poses[i, :1]) - (truth[j] - truth[j, :1])).norm(dim=-1).mean()
            if off < 6 and wrong > worst:
                worst, rows["right in 2D, wrong in 3D"] = float(wrong), row
    return rows


def failures_figure(pictures: Composed, found: Sequence[Found]) -> Figure:
    """One picture of each kind with what the student reads, and the people from the side."""
    rows = failures(pictures, found)
    page, axes = plt.subplots(2, len(rows), figsize=(7.2, 4.2), layout="constrained", squeeze=False)
    for column, (kind, row) in enumerate(rows.items()):
        picture_axis(axes[0, column], 255 - (255 - pictures.images[row]) // 3, kind)
        draw_people(axes[0, column], found[row].keypoints)
        truth = pictures.poses[row][pictures.present[row]]
        for people, color, line in ((truth, "0.6", "--"), (found[row].poses, ONES[1], "-")):
            for person in people:
                for start, end in SKELETON.bones:
                    side = person[[start, end]][:, [2, 1]] / 1000
                    axes[1, column].plot(*side.T, linestyle=line, color=color, linewidth=1.2)
        axes[1, column].set(aspect="equal", xlabel="depth (m)")
        axes[1, 0].set_ylabel("down (m)")
        axes[1, column].invert_yaxis()
        axes[1, column].tick_params(labelsize=7)
    return page


def losses_figure(record: list[dict]) -> Figure:
    """The three losses of phase 1 against steps, beside L_adapt that of maps of zeros."""
    page, axes = plt.subplots(1, 3, figsize=(7.2, 2.2), layout="constrained")
    steps = [entry["step"] for entry in record]
    names = (("distl", "L_distl (px)"), ("recon", "L_recon (m)"), ("adapt", "L_adapt"))
    for axis, (key, title) in zip(axes, names, strict=True):
        values = [entry[key] for entry in record]
        axis.plot(steps, values, marker="o")
        axis.set(xlabel="step", ylim=(0, 1.1 * max(values)))
        axis.set_title(title, fontsize=10)
    axes[-1].plot(steps, [entry["empty"] for entry in record], "--", color="0.5", label="of empty maps")
    axes[-1].set(ylim=(0, 1.1 * max(entry[key] for entry in record for key in ("adapt", "empty"))))
    axes[-1].legend(fontsize=8, loc="lower right")
    return page
