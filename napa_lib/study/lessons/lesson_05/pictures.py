"""Lesson 05's pictures: limits on a sphere, poses from any side, limits against limbs, interpolations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.sampling import (
    JOINT_LIMITS,
    SKELETON,
    JointLimits,
    PoseAutoencoder,
    implausible_share,
    intersects_itself,
    limbs_allowed,
    local_directions,
    mocap_poses,
    sample_canonical,
    share_inside,
)
from napa_lib.sampling.limits import angles_of, direction_of
from napa_lib.study.plots import draw_pose

SIDE = 35.0  # degrees by which we stand to the person's left of straight ahead
LOOK_DOWN, LOOK_ROUND = 25.0, -55.0  # degrees, the view of a sphere
REACH = 720.0  # mm to each side of a body that a picture shows
PATCH, DOTS, BAD = "#E69F00", "#0072B2", "#D55E00"


def draw_body(axis: Axes, pose: Tensor, azimuth: float = SIDE) -> None:
    """A canonical pose (17, 3) in mm as seen from the front, walked round by `azimuth` degrees."""
    turn = np.radians(azimuth)
    x, y, z = pose.detach().unbind(-1)
    flat = torch.stack([y * np.cos(turn) - x * np.sin(turn), z], -1)
    draw_pose(axis, flat, SKELETON, linewidth=1.8)
    (left, low), (right, high) = flat.amin(0).tolist(), flat.amax(0).tolist()
    across, up = (left + right) / 2, (low + high) / 2
    axis.set(xlim=(across - REACH, across + REACH), ylim=(up - 1.25 * REACH, up + 1.25 * REACH), aspect="equal")
    axis.axis("off")


def facing(pose: Tensor) -> Tensor:
    """A canonical pose (17, 3) as a camera sees it that stands in front: x right, y down, z away."""
    x, y, z = pose.unbind(-1)
    return torch.stack([y, -z, -x], -1)


def bodies_figure(poses: Tensor, titles: Sequence[str] = (), rows: int = 1, azimuth: float = SIDE) -> Figure:
    """Canonical poses (N, 17, 3) in rows; a title each, if there are titles."""
    columns = -(-len(poses) // rows)
    page, axes = plt.subplots(rows, columns, figsize=(7.2, 2.0 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for i, (axis, pose) in enumerate(zip(axes.flat, poses, strict=False)):
        draw_body(axis, pose, azimuth)
        if i < len(titles):
            axis.set_title(titles[i], fontsize=9)
    return page


def _view(points: np.ndarray) -> np.ndarray:
    """(…, 3) in a local frame -> right, up and towards us, for a viewer who looks down at the sphere."""
    around, down = np.radians(LOOK_ROUND), np.radians(LOOK_DOWN)
    x, y, z = np.moveaxis(points, -1, 0)
    right, near = y * np.cos(around) - x * np.sin(around), x * np.cos(around) + y * np.sin(around)
    return np.stack([right, z * np.cos(down) - near * np.sin(down), near * np.cos(down) + z * np.sin(down)], -1)


def draw_sphere(axis: Axes, limits: JointLimits, directions: Tensor | None = None) -> None:
    """The sphere of directions of one bone, its parent pointing up: limits as a patch, directions (N, 3) as dots.

    What lies on the far side is pale.
    """
    circle = np.linspace(0, 2 * np.pi, 200)
    axis.plot(np.cos(circle), np.sin(circle), linestyle="-", color="0.6", linewidth=1)
    thetas = np.linspace(limits.theta1, limits.theta2, 49)
    gammas = np.linspace(limits.gamma1, limits.gamma2, 25)
    grid = direction_of(*(torch.tensor(a) for a in np.meshgrid(thetas, gammas, indexing="ij"))).numpy()
    flat = _view(grid)
    corners = np.stack([flat[:-1, :-1], flat[1:, :-1], flat[1:, 1:], flat[:-1, 1:]], 2).reshape(-1, 4, 3)
    near = corners[..., 2].mean(1) > 0
    for part, alpha in ((~near, 0.18), (near, 0.6)):
        axis.add_collection(PolyCollection(corners[part][..., :2], facecolor=PATCH, edgecolor="none", alpha=alpha))
    for edge in (flat[0], flat[-1], flat[:, 0], flat[:, -1]):
        axis.plot(*edge[:, :2].T, linestyle="-", color="#9a6a00", linewidth=1)
    if directions is not None:
        dots = _view(directions.numpy())
        for part, alpha in ((dots[:, 2] <= 0, 0.15), (dots[:, 2] > 0, 0.7)):
            axis.plot(*dots[part, :2].T, ".", color=DOTS, markersize=2, alpha=alpha)
    for vector, word in (((0, 0, 1), "straight on"), ((1, 0, 0), "x"), ((0, 1, 0), "y")):
        right, up, _ = _view(np.array(vector, dtype=float)).tolist()
        axis.annotate("", (1.02 * right, 1.02 * up), (0, 0), arrowprops={"arrowstyle": "->", "color": "0.25"})
        axis.text(1.15 * right, 1.15 * up, word, ha="center", va="center", fontsize=8)
    axis.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
    axis.axis("off")


def opening_figure(poses: Tensor) -> Figure:
    """Above, the limits of some joints, with motion capture's bones as dots; below, poses drawn from limits alone."""
    directions = local_directions(mocap_poses("train"))[::4]
    joints = ("r_shoulder", "r_elbow", "r_knee", "nose")
    page = plt.figure(figsize=(7.2, 3.3), layout="constrained")
    panels: Any = page.subfigures(2, 1, height_ratios=(1.5, 1))
    above, below = panels
    for axis, name in zip(above.subplots(1, len(joints)), joints, strict=True):
        draw_sphere(axis, JOINT_LIMITS[name], directions[:, SKELETON.index(name)])
        axis.set_title(name, fontsize=10)
    for axis, pose in zip(below.subplots(1, len(poses)), poses, strict=True):
        draw_body(axis, pose)
    return page


@cache
def _reference() -> Tensor:
    return mocap_poses("train")


def limits_page(theta1: float, width: float, gamma1: float, gamma2: float, joint: str = "r_ankle") -> Figure:
    """One joint's limits on its sphere, what they keep of motion capture, and five poses drawn from them."""
    limits = JOINT_LIMITS | {joint: chosen_limits(theta1, width, gamma1, gamma2)}
    real, drawn = _reference(), sample_canonical(800, limits, torch.Generator().manual_seed(0))
    page, axes = plt.subplots(1, 6, figsize=(7.2, 2.0), width_ratios=(1.8, 1, 1, 1, 1, 1), layout="constrained")
    draw_sphere(axes[0], limits[joint], local_directions(real)[::4, SKELETON.index(joint)])
    kept, refused = share_inside(real, limits)[joint], implausible_share(drawn)["leg"]
    for axis, pose in zip(axes[1:], drawn, strict=False):
        draw_body(axis, pose)
    page.suptitle(f"{joint}: {kept:.0%} of real poses inside, {refused:.0%} of drawn legs impossible", fontsize=10)
    return page


def limits_words(theta1: float, width: float, gamma1: float, gamma2: float) -> str:
    """What `limits_page` shows, in words."""
    end = theta1 + width
    return (
        f"The ankle's limits on a sphere, azimuth {theta1:.0f} to {end:.0f} and elevation {min(gamma1, gamma2):.0f} to "
        f"{max(gamma1, gamma2):.0f} degrees, with real poses as dots; five poses drawn from them."
    )


def chosen_limits(theta1: float, width: float, gamma1: float, gamma2: float) -> JointLimits:
    """Limits from four sliders, whose elevations may stand in either order."""
    return JointLimits(theta1, theta1 + width, min(gamma1, gamma2), max(gamma1, gamma2))


def shares_figure(guess: float | None = None) -> Figure:
    """Of poses drawn from the limits, the share that a body could take: limb by limb, and all at once.

    Args:
        guess: a reader's per cent for all four limbs, drawn as a cross.
    """
    drawn = sample_canonical(2000, generator=torch.Generator().manual_seed(0))
    allowed, real = limbs_allowed(drawn), limbs_allowed(_reference())
    names = ("right leg", "left leg", "right arm", "left arm", "all four")
    shares, truth = ([*a.float().mean(0).tolist(), float(a.all(-1).float().mean())] for a in (allowed, real))
    page, axis = plt.subplots(figsize=(6.4, 2.6), layout="constrained")
    places = np.arange(len(names))
    axis.bar(places - 0.2, [100 * v for v in truth], 0.36, color="0.75", hatch="//", label="real poses")
    bars = axis.bar(places + 0.2, [100 * v for v in shares], 0.36, color=DOTS, label="drawn from the limits")
    axis.bar_label(bars, fmt="%.0f", fontsize=9)
    if guess is not None:
        axis.plot(4.2, guess, "X", color=BAD, markersize=10, markeredgecolor="white", label="your guess")
    axis.set(xticks=places, ylabel="possible (%)", ylim=(0, 112))
    axis.set_xticklabels(names, fontsize=9)
    axis.legend(fontsize=9, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.22))
    return page


def trade_figure(widths: Sequence[float]) -> Figure:
    """For ranges of the ankle's azimuth about 90 degrees: real poses inside against drawn legs that a body could take.

    Args:
        widths: of the range in degrees, at most 360.
    """
    real = _reference()
    inside, possible = [], []
    for width in widths:
        start = 90 - width / 2
        limits = JOINT_LIMITS | {"r_ankle": JointLimits(start, start + width, 0, 155)}
        inside.append(100 * share_inside(real, limits)["r_ankle"])
        drawn = sample_canonical(1000, limits, torch.Generator().manual_seed(0))
        possible.append(100 * float(limbs_allowed(drawn)[:, :2].float().mean()))
    page, axis = plt.subplots(figsize=(5.6, 2.6), layout="constrained")
    axis.plot(widths, inside, marker="o", label="real poses inside the limits")
    axis.plot(widths, possible, marker="s", label="drawn legs that a body could take")
    axis.set(xlabel="width of the ankle's azimuth range (degrees)", ylabel="%", ylim=(0, 103))
    axis.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, 1.28), ncols=2)
    return page


def flip_figure() -> Figure:
    """A thigh that is raised past the line of sight forward: where its local frame puts a shank that hangs down."""
    raised = torch.arange(40.0, 141.0, 2.0)
    azimuths, bends = angles_of(_hanging_shank(raised))
    page, axes = plt.subplots(1, 2, figsize=(7.2, 2.6), layout="constrained", width_ratios=(1, 1.3))
    for angle, style in ((60, "-"), (120, "--")):
        f = np.radians(angle)
        knee = np.array([np.sin(f), -np.cos(f)])
        axes[0].plot([0, knee[0], knee[0]], [0, knee[1], knee[1] - 1], style, marker="o", label=f"raised {angle}°")
    axes[0].plot([0, 0], [0, 0.8], linestyle="-", color="0.6", linewidth=5)
    axes[0].set(aspect="equal", xlim=(-0.9, 1.3), ylim=(-1.9, 1.0))
    axes[0].legend(fontsize=8, loc="lower left")
    axes[0].axis("off")
    for part, marker in ((raised < 90, "o"), (raised > 90, "s")):
        axes[1].plot(raised[part], azimuths[part] % 360, marker, color=DOTS, markersize=4)
    axes[1].plot(raised, bends, color=BAD, label="elevation")
    axes[1].set(xlabel="thigh raised (degrees)", ylabel="degrees", ylim=(0, 300))
    axes[1].plot([], [], "o", color=DOTS, label="azimuth")
    axes[1].legend(fontsize=9)
    return page


def _hanging_shank(raised: Tensor) -> Tensor:
    """Local direction of a right shank that hangs straight down from a thigh raised by some degrees."""
    f = torch.deg2rad(raised)
    pose = torch.zeros(len(raised), SKELETON.num_joints, 3)
    at = {name: pose[:, j] for j, name in enumerate(SKELETON.joints)}
    at["r_hip"][:] = torch.tensor([0.0, -85, 0])
    at["r_knee"][:] = at["r_hip"] + 420 * torch.stack([f.sin(), 0 * f, -f.cos()], -1)
    at["r_ankle"][:] = at["r_knee"] + torch.tensor([0.0, 0, -410])
    return local_directions(pose)[:, SKELETON.index("r_ankle")]


@torch.no_grad()
def most_shrunken(pose: Tensor, body: Tensor) -> float:
    """Length of that bone of a pose (17, 3) which is shortest beside its own in `body` (17, 3), in per cent of it."""
    ends = torch.tensor(SKELETON.bones)
    here, own = ((joints[ends[:, 1]] - joints[ends[:, 0]]).norm(dim=-1) for joints in (pose, body))
    return 100 * float((here / own).min())


def interpolation_figure(
    model: PoseAutoencoder, first: Tensor, last: Tensor, guess: float | None = None, count: int = 7
) -> Figure:
    """Two canonical poses (17, 3) and what is between: above, their embeddings mixed; below, their joints mixed.

    Args:
        model: the autoencoder.
        first, last: the poses.
        guess: a reader's per cent for the shortest bone half way between the joints.
        count: figures a row, an odd number: the middle one is half way.
    """
    ends = model.encode(local_directions(torch.stack([first, last])))
    mix = torch.linspace(0, 1, count)[:, None]
    decoded = model.decode(ends[:1] + mix * (ends[1:] - ends[:1]))
    straight = first + mix[..., None] * (last - first)
    page = bodies_figure(torch.cat([decoded, straight]), rows=2)
    said = "" if guess is None else f" (your prediction: {guess:.0f} %)"
    rows = {"embeddings": (decoded, ""), "joints": (straight, said)}
    for axis, (name, (poses, more)) in zip(page.axes[::count], rows.items(), strict=False):
        shortest = most_shrunken(poses[count // 2], first)
        title = f"{name}; half way the shortest bone has {shortest:.0f} % of its length{more}"
        words = axis.text(0, 1.04, title, fontsize=9, transform=axis.transAxes)
        words.set_in_layout(False)  # they are longer than their column is wide
    return page


@torch.no_grad()
def cube_figure(models: Mapping[str, PoseAutoencoder], count: int = 7) -> Figure:
    """A row a network: what the same random embeddings decode to, with a cross where no body could take the pose."""
    drawn = [model.sample(count, torch.Generator().manual_seed(0)) for model in models.values()]
    page = bodies_figure(torch.cat(drawn), rows=len(models))
    possible = torch.cat([limbs_allowed(poses).all(-1) & ~intersects_itself(poses) for poses in drawn])
    for axis, fine in zip(page.axes, possible, strict=True):
        if not fine:
            axis.plot(0.9, 0.93, "X", color=BAD, markersize=7, transform=axis.transAxes)
    for axis, name in zip(page.axes[::count], models, strict=True):
        axis.text(0, 1.02, name, fontsize=9, transform=axis.transAxes).set_in_layout(False)
    return page


@torch.no_grad()
def embedding_page(model: PoseAutoencoder, axes: Mapping[int, Tensor], values: Sequence[float]) -> Figure:
    """The pose of an embedding that is moved along some directions from the middle of the cube, from two sides."""
    start = torch.zeros(32)
    for direction, value in zip(axes.values(), values, strict=True):
        start = start + value * direction
    pose = model.decode(start.clamp(-1, 1))
    page, panels = plt.subplots(1, 2, figsize=(4.6, 2.6), layout="constrained")
    for panel, azimuth, word in ((panels[0], 0.0, "from the front"), (panels[1], 80.0, "from the left")):
        draw_body(panel, pose, azimuth)
        panel.set_title(word, fontsize=9)
    return page


@torch.no_grad()
def main_directions(model: PoseAutoencoder) -> dict[int, Tensor]:
    """Three directions (32,) in which embeddings of motion capture differ most, each as long as twice their spread."""
    embeddings = model.encode(local_directions(_reference()))
    _, spread, directions = torch.linalg.svd(embeddings - embeddings.mean(0), full_matrices=False)
    scale = 2 * spread / len(embeddings) ** 0.5
    signs = torch.sign(directions[torch.arange(3), directions[:3].abs().argmax(1)])
    return {i: signs[i] * scale[i] * directions[i] for i in range(3)}
