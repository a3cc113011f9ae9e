"""Lesson 00's pictures: what the data look like, a mirror gone wrong, how noise lowers a score."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.data import ArtFigure, MocapClip
from napa_lib.metrics import pckh
from napa_lib.skeletons import ART14, NAPA18, flip
from napa_lib.study.guesses import mark_guess
from napa_lib.study.plots import draw_pose

THRESHOLDS = (0.5, 0.25)  # of PCKh: what others report, what NAPA reports
CUT = (130, 460, 480, 150)  # of the painter: left, right, bottom, top in pixels


def figures_row(figures: Sequence[ArtFigure]) -> Figure:
    """Figures in art side by side with their annotated joints."""
    page, axes = plt.subplots(1, len(figures), figsize=(7.2, 1.7), squeeze=False)
    for axis, figure in zip(axes[0], figures, strict=True):
        axis.imshow(figure.load().permute(1, 2, 0), interpolation="bilinear")
        draw_pose(axis, figure.scored_keypoints, ART14, linewidth=1.5)
        axis.axis("off")
    return page


def clip_strip(clip: MocapClip, moments: int) -> Figure:
    """Moments of a clip, evenly spread, seen from the side and set beside each other."""
    poses = clip.poses[torch.linspace(0, len(clip.poses) - 1, moments).long()]  # (moments, 18, 3) mm
    page, axis = plt.subplots(figsize=(7.2, 1.6))
    for place, pose in enumerate(poses):
        side = pose[:, [2, 1]] - pose[:1, [2, 1]] * torch.tensor([1.0, 0.0])
        draw_pose(axis, side + torch.tensor([1600.0 * place, 0.0]), NAPA18, linewidth=1.5)
    axis.set(aspect="equal", yticks=[0, 1000], ylabel="height (mm)", xticks=[])
    return page


def mirror_figure(figure: ArtFigure) -> Figure:
    """A mirrored picture twice: with its pose mirrored in x and names, and in x alone."""
    width = figure.size[0]
    right_way = flip(figure.keypoints, ART14, width)
    wrong_way = figure.keypoints * torch.tensor([-1.0, 1.0]) + torch.tensor([width - 1.0, 0.0])
    page, axes = plt.subplots(1, 2, figsize=(6.4, 3.4))
    for axis, pose, title in zip(axes, (right_way, wrong_way), ("x and names", "x alone"), strict=True):
        axis.imshow(figure.load().flip(-1).permute(1, 2, 0))
        draw_pose(axis, pose, ART14)
        for name in ("l_wrist", "r_wrist"):
            x, y = pose[ART14.index(name)].tolist()
            aside = (10, "left") if x > pose[:, 0].mean() else (-10, "right")
            axis.annotate(name, (x, y), (aside[0], -4), textcoords="offset points", ha=aside[1], fontsize=9,
                          bbox={"boxstyle": "round", "facecolor": "white", "alpha": 0.9})  # fmt: skip
        axis.set(xlim=(100, 430), ylim=(480, 150), title=f"mirrored: {title}", xticks=[], yticks=[])
    return page


def scored_figure(figure: ArtFigure, pose: Tensor, threshold: float) -> Figure:
    """A pose over its picture, with a circle round each annotated joint in which it counts as right; dashed if not."""
    left, right, bottom, top = CUT
    score = pckh(pose, figure.keypoints, figure.head_size, threshold).total
    missed = (pose - figure.keypoints).norm(dim=-1) >= threshold * figure.head_size
    page, axis = plt.subplots(figsize=(3.6, 3.6))
    axis.imshow(figure.load()[:, top:bottom, left:right].permute(1, 2, 0), extent=CUT)
    draw_pose(axis, pose, ART14, linewidth=2)
    for point, miss in zip(figure.keypoints, missed, strict=True):
        look = {"color": "white", "linestyle": "--", "linewidth": 2.5} if miss else {"color": "black", "linewidth": 1.5}
        axis.add_patch(plt.Circle(point, threshold * figure.head_size, fill=False, **look))
    axis.set(title=f"PCKh@{threshold:.2f} = {score:.2f}", xlim=CUT[:2], ylim=CUT[2:], xticks=[], yticks=[])
    return page


def noisy_scores(target: Tensor, heads: Tensor, sigma: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """PCKh of poses that are off at random, (2, S, draws) for both thresholds.

    Args:
        target: (N, J, 2) in pixels.
        heads: (N,) in pixels.
        sigma: (S,) standard deviations of the error in x and in y, in heads.
        draws: how often.
        generator: of the errors.
    """
    scores = torch.empty(len(THRESHOLDS), len(sigma), draws)
    for place, deviation in enumerate(sigma):
        for draw in range(draws):
            step = deviation * heads[:, None, None] * torch.randn(target.shape, generator=generator)
            for row, threshold in enumerate(THRESHOLDS):
                scores[row, place, draw] = pckh(target + step, target, heads, threshold).total
    return scores


def noise_figure(sigma: Tensor, scores: Tensor, guess: float | None = None) -> Figure:
    """Measured scores with their 95 % range on the curves of the formula.

    Args:
        sigma: (S,) errors in heads.
        scores: (2, S, draws), from `noisy_scores`.
        guess: the reader's prediction at a quarter of a head, from 0 to 1.
    """
    page, axis = plt.subplots()
    fine = torch.linspace(0.02, 0.85, 200)
    for row, threshold in enumerate(THRESHOLDS):
        low, middle, high = scores[row].quantile(torch.tensor([0.025, 0.5, 0.975]), dim=-1)
        axis.plot(fine, 1 - torch.exp(-(threshold**2) / (2 * fine**2)), label=f"formula, t = {threshold}")
        axis.errorbar(
            sigma, middle, torch.stack([middle - low, high - middle]), fmt="os"[row], color="black", capsize=3
        )
    axis.set(xlabel="error in x and in y (heads, one standard deviation)", ylabel="PCKh", ylim=(0, 1.02))
    axis.legend()
    if guess is not None:
        mark_guess(axis, 0.25, guess)
    return page
