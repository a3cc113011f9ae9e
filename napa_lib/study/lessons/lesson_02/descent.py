"""Lesson 02: one bone goes downhill, sticks, and is cured; and the loss of one joint against its offset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18, Skeleton
from napa_lib.study.lessons.lesson_02.hero import dancer

BONE = Skeleton("bone", ("a", "b"), (-1, 0), (), ((0, 1),), ((255, 120, 0),))
SIZE, WIDTH = 64, 12.0  # of the bone's map, in px
TRUTH = torch.tensor([[14.0, 40.0], [50.0, 44.0]])
BEGIN = torch.tensor([[10.0, 14.0], [46.0, 18.0]])  # as long, and so far off that the ovals do not touch
CURE = ((8.0, 30), (4.0, 30), (1.0, 40))  # softness in px and steps, from coarse to fine
RATE = 0.06  # step size for each px of softness: a sharp edge has a steep slope, and wants small steps
OFFSETS = torch.linspace(-60, 60, 49)  # px of the dancer's map
HALF = 112  # px: the dancer is drawn at half size, which is faster


def draw_bone(pose: Tensor, softness: float) -> Tensor:
    """The soft map (3, 64, 64) of one bone (2, 2)."""
    return render_bone_map(pose[None], BONE, SIZE, WIDTH, softness)[0]


def descend(draw: Callable[[Tensor], Tensor], target: Tensor, pose: Tensor, steps: int, rate: float) -> Tensor:
    """Every pose of a plain descent of |draw(p) - target|², (steps + 1, *pose.shape)."""
    trajectory = [pose]
    for _ in range(steps):
        pose = pose.detach().requires_grad_()
        (gradient,) = torch.autograd.grad((draw(pose) - target).square().sum(), pose)
        pose = (pose - rate * gradient).detach()
        trajectory.append(pose)
    return torch.stack(trajectory)


def follow(levels: Sequence[tuple[float, int]]) -> Tensor:
    """The bone's way from `BEGIN`, (steps + 1, 2, 2): level after level of (softness, steps)."""
    way = BEGIN[None]
    for softness, steps in levels:

        def draw(pose: Tensor, softness: float = softness) -> Tensor:
            return draw_bone(pose, softness)

        way = torch.cat([way, descend(draw, draw(TRUTH), way[-1], steps, RATE * softness)[1:]])
    return way


def ways_figure(ways: Mapping[str, Tensor]) -> Figure:
    """Where each descent led: the bone's ends on their way over the target, and the error beside it."""
    page, axes = plt.subplots(1, len(ways) + 1, figsize=(7.2, 2.5), width_ratios=[1] * len(ways) + [1.3])
    target = draw_bone(TRUTH, 1.0).permute(1, 2, 0)
    for axis, (name, way) in zip(axes, ways.items(), strict=False):
        axis.imshow(target)
        for end, marker in ((0, "o"), (1, "s")):
            axis.plot(*way[:, end].T, "-", color="white", linewidth=2.5)
            axis.plot(*way[:, end].T, "-", color="black", linewidth=1)
            axis.plot(*way[-1, end], marker, color="black", markeredgecolor="white")
        axis.plot(*way[0].T, ":", color="white")
        axis.plot(*way[-1].T, "-", color="white", linewidth=2)
        axis.set(title=name, xlim=(-0.5, SIZE - 0.5), ylim=(SIZE - 0.5, -0.5), xticks=[], yticks=[])
    for name, way in ways.items():
        axes[-1].plot((way - TRUTH).norm(dim=-1).mean(-1), label=name)
    axes[-1].set(xlabel="step", ylabel="mean error (px)", ylim=(0, None))
    axes[-1].legend(fontsize=8)
    return page


@cache
def loss_along(softness: float) -> Tensor:
    """(49,) the loss of the dancer's map for each offset of the right wrist to the right, per pixel."""
    truth = dancer() / 2
    poses = truth.repeat(len(OFFSETS), 1, 1)
    poses[:, NAPA18.index("r_wrist"), 0] += OFFSETS / 2
    target = render_bone_map(truth, NAPA18, HALF, 10.0, softness / 2)
    return (render_bone_map(poses, NAPA18, HALF, 10.0, softness / 2) - target).square().mean((1, 2, 3))


def offset_figure(offset: float, softness: float) -> Figure:
    """One joint pulled to the side, and the loss against its offset; an arrow shows where its gradient pushes it."""
    wrist, truth = NAPA18.index("r_wrist"), dancer() / 2
    pose = truth.clone()
    pose[0, wrist, 0] += offset / 2
    drawn = render_bone_map(pose, NAPA18, HALF, 10.0, softness / 2)[0].permute(1, 2, 0)
    losses, place = loss_along(softness), int((OFFSETS - offset).abs().argmin())
    slope = torch.gradient(losses, spacing=(OFFSETS,))[0][place].item()
    page, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.9), width_ratios=[1, 1.4])
    left.imshow(drawn)
    for joint, marker in ((truth[0, wrist], "x"), (pose[0, wrist], "s")):
        left.plot(*joint, marker, color="white", markeredgecolor="white", markersize=7, markeredgewidth=2)
    left.axis("off")
    right.plot(OFFSETS, losses)
    right.plot(offset, losses[place], "s", color="black", markersize=8)
    reach = -slope / max(losses.max().item(), 1e-12) * 900  # px of the plot: long where the slope is steep
    if abs(reach) > 1:
        right.annotate("", (offset + reach, losses[place].item()), (offset, losses[place].item()),
                       arrowprops={"arrowstyle": "-|>", "linewidth": 2})  # fmt: skip
    right.set(xlabel="the wrist's offset (px)", ylabel="loss", title=f"softness {softness:g} px", xlim=(-62, 62))
    return page


def offset_words(offset: float, softness: float) -> str:
    """What `offset_figure` shows, in a sentence."""
    losses, place = loss_along(softness), int((OFFSETS - offset).abs().argmin())
    slope = torch.gradient(losses, spacing=(OFFSETS,))[0][place].item()
    strength = abs(slope) / max(float(torch.gradient(losses, spacing=(OFFSETS,))[0].abs().max()), 1e-12)
    push = "hardly pushes it" if strength < 0.1 else ("pushes it back" if slope * offset > 0 else "pushes it away")
    return f"The dancer's right wrist is {offset:g} px off; at a softness of {softness:g} px the gradient {push}."
