"""Lesson 04's pictures: three worlds, the descriptor, estimates beside the truth, and a limb that the reader bends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.adversarial import (
    Domain,
    Generator,
    MultiSourceDiscriminator,
    estimate_poses,
    evidence_of_pose,
    geometric_descriptor,
)
from napa_lib.data.clips import to_pixels
from napa_lib.skeletons import H36M17
from napa_lib.study.lessons.lesson_04.judge import bend, scores
from napa_lib.study.plots import draw_pose

CHANNELS = ("dx", "dy", "dz", "dx²", "dy²", "dz²")


def worlds_figure(worlds: Mapping[str, Domain], count: int = 5) -> Figure:
    """Some pictures of each world, a row each, with the 2D labels drawn in."""
    page, axes = _grid(len(worlds), count, 7.2)
    for row, (name, world) in zip(axes, worlds.items(), strict=True):
        step = max(1, len(world) // count)
        for axis, i in zip(row, range(0, step * count, step), strict=True):
            _picture(axis, world, i)
            _overlay(axis, to_pixels(world.keypoints[i], world.size))
        row[0].set_ylabel(name, fontsize=10)
    return page


def descriptor_figure(pose: Tensor) -> Figure:
    """The six channels of a pose's descriptor as pictures: blue below zero, red above; rows i, columns j."""
    page, axes = _grid(1, 6, 7.2, titled=True)
    _descriptor(axes[0], pose)
    return page


def judge_figure(critic: MultiSourceDiscriminator, world: Domain, row: int) -> Figure:
    """Figure 2 of the paper with its running parts: a picture and its true pose, the three sources, and the score."""
    one = world.take(slice(row, row + 1))
    pose = torch.cat([one.keypoints, one.depths[..., None]], -1)
    shown = evidence_of_pose(one.images / 255, pose)
    score = float(scores(critic, one.images / 255, pose).sigmoid())
    places: list[Any] = [["picture", "layers 0", "all", "end"], ["descriptor", "layers 1", "all", "end"],
              ["maps", "layers 2", "all", "end"]]  # fmt: skip
    page, axes = plt.subplot_mosaic(places, figsize=(7.2, 3.9), width_ratios=[1.6, 1.2, 1.2, 1.0])
    for axis in axes.values():
        _bare(axis)
    _picture(axes["picture"], one, 0)
    tiles = shown.descriptor[0].unflatten(0, (2, 3)).transpose(1, 2).flatten(2).flatten(0, 1)
    axes["descriptor"].imshow(tiles.numpy(), cmap="RdBu_r", vmin=-1.5, vmax=1.5, interpolation="nearest")
    joints = H36M17.num_joints
    heat, depth = shown.maps[0, :joints].amax(0), shown.maps[0, joints:].sum(0)
    axes["maps"].imshow(torch.cat([heat - 0.5, 2 * depth], 1).numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
    for name in ("picture", "descriptor", "maps"):
        axes[name].set_title({"maps": "maps: where, and how deep"}.get(name, name), fontsize=9)
    for i, text in enumerate(("convolutions", "two full layers", "convolutions")):
        _box(axes[f"layers {i}"], text)
        _arrow(axes[f"layers {i}"], (-0.05, 0.5), (0.08, 0.5))
        _arrow(axes[f"layers {i}"], (0.92, 0.5), (1.3, 0.5 + 0.9 * (i - 1)))
    _box(axes["all"], "three fully\nconnected\nlayers")
    _arrow(axes["all"], (0.9, 0.5), (1.1, 0.5))
    axes["end"].patch.set_visible(False)
    axes["end"].text(0.5, 0.5, f"{score:.0%}\ntrue", ha="center", va="center", fontsize=16)
    return page


def _box(axis: Axes, text: str) -> None:
    """A box with words."""
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.patch.set_visible(False)  # arrows of the neighbours end here
    box = {"boxstyle": "round,pad=0.5", "facecolor": "0.93", "edgecolor": "0.4"}
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, bbox=box)


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    arrow = {"arrowstyle": "->", "color": "0.3"}
    axis.annotate("", end, start, arrowprops=arrow, annotation_clip=False)


def estimates_figure(model: Generator, world: Domain, rows: Sequence[int]) -> Figure:
    """Pictures, the estimate from the front and from the side, and the truth from the side.

    Args:
        model: in evaluation mode.
        world: with 3D labels.
        rows: which pictures.
    """
    chosen = world.take(torch.tensor(list(rows)))
    found = estimate_poses(model, chosen.images)
    truth = torch.cat([chosen.keypoints, chosen.depths[..., None]], -1)
    page, axes = _grid(len(rows), 4, 6.4, titled=True)
    for i, row in enumerate(axes):
        _picture(row[0], chosen, i)
        _overlay(row[0], to_pixels(found[i, :, :2], chosen.size))
        reach = _reach(found[i], truth[i])
        _seen(row[1], found[i], 0, reach)
        _seen(row[2], found[i], 2, reach)
        _seen(row[3], truth[i], 2, reach)
    for axis, title in zip(axes[0], ("found", "estimate, front", "estimate, side", "truth, side"), strict=True):
        axis.set_title(title, fontsize=9)
    return page


def compare_figure(models: Mapping[str, Generator], world: Domain, rows: Sequence[int]) -> Figure:
    """The same pictures through several estimators, each seen from the side, where depth is; the truth last."""
    chosen = world.take(torch.tensor(list(rows)))
    found = {name: estimate_poses(model, chosen.images) for name, model in models.items()}
    truth = torch.cat([chosen.keypoints, chosen.depths[..., None]], -1)
    page, axes = _grid(len(rows), 2 + len(models), 7.2, titled=True)
    for i, row in enumerate(axes):
        _picture(row[0], chosen, i)
        poses = [*(found[name][i] for name in models), truth[i]]
        for axis, pose in zip(row[1:], poses, strict=True):
            _seen(axis, pose, 2, _reach(*poses))
    for axis, title in zip(axes[0], ("picture", *(f"{name}, side" for name in models), "truth, side"), strict=True):
        axis.set_title(title, fontsize=9)
    return page


def bend_figure(
    critics: Mapping[str, MultiSourceDiscriminator], world: Domain, row: int, joint: str, degrees: float
) -> Figure:
    """A true pose with a limb bent: in the picture, from the side, its descriptor, and what each judge says.

    Args:
        critics: name -> discriminator in evaluation mode.
        world: with 3D labels.
        row: which picture.
        joint: the limb begins here.
        degrees: as in `bend`.
    """
    one = world.take(slice(row, row + 1))
    true = torch.cat([one.keypoints, one.depths[..., None]], -1)
    bent = bend(true, joint, degrees)
    places: list[Any] = [["picture", "picture", "side", "side", "judges", "judges"], list("abcdef")]
    page, axes = plt.subplot_mosaic(places, figsize=(7.2, 4.3), height_ratios=[2, 1])
    for name in ("picture", "side", *"abcdef"):
        _bare(axes[name])
    _picture(axes["picture"], one, 0)
    _overlay(axes["picture"], to_pixels(bent[0, :, :2], one.size))
    axes["picture"].set_title("the pose in the picture", fontsize=9)
    _seen(axes["side"], bent[0], 2, 1.1)
    axes["side"].set_title("from the side", fontsize=9)
    _descriptor([axes[name] for name in "abcdef"], bent[0])
    image = one.images / 255
    for place, (critic_name, critic) in enumerate(critics.items()):
        before, after = (float(scores(critic, image, pose)) for pose in (true, bent))
        axes["judges"].plot([before, after], [place, place], "-", color="0.6", zorder=1)
        axes["judges"].plot(before, place, "o", color="#0072B2", label="true pose" if place == 0 else None)
        axes["judges"].plot(after, place, "D", color="#D55E00", label="bent" if place == 0 else None)
        axes["judges"].text((before + after) / 2, place - 0.12, critic_name, fontsize=8, ha="center")
    axes["judges"].set(title="score (logit)", yticks=[], ylim=(len(critics) - 0.1, -0.6))
    axes["judges"].margins(x=0.25)
    axes["judges"].tick_params(labelsize=8)
    axes["judges"].locator_params(axis="x", nbins=4)
    axes["judges"].title.set_fontsize(9)
    axes["judges"].legend(fontsize=8, loc="lower center", ncols=2, handletextpad=0.1, columnspacing=0.8)
    return page


def scores_figure(critic: MultiSourceDiscriminator, model: Generator, worlds: Mapping[str, Domain]) -> Figure:
    """How a judge scores true poses and estimates on each world: boxes of the logits."""
    page, axis = plt.subplots(figsize=(6.4, 2.6))
    labels, data = [], []
    for name, world in worlds.items():
        truth = torch.cat([world.keypoints, world.depths[..., None]], -1)
        image = world.images / 255
        labels += [f"{name}: true", f"{name}: estimated"]
        data += [
            scores(critic, image, truth).numpy(),
            scores(critic, image, estimate_poses(model, world.images)).numpy(),
        ]
    axis.boxplot(data, orientation="horizontal", showfliers=False, medianprops={"color": "black"})
    axis.set_yticks(range(1, len(labels) + 1), labels, fontsize=9)
    axis.axvline(0, linestyle=":", color="0.4")
    axis.set_xlabel("score (logit): above 0 the judge says 'true'")
    axis.invert_yaxis()
    return page


def _descriptor(axes: Sequence[Axes], pose: Tensor) -> None:
    channels = geometric_descriptor(pose[None])[0]
    for axis, channel, name in zip(axes, channels, CHANNELS, strict=True):
        axis.imshow(channel.numpy(), cmap="RdBu_r", vmin=-1.5, vmax=1.5, interpolation="nearest")
        axis.set_title(name, fontsize=9)


def _grid(rows: int, columns: int, width: float, titled: bool = False):
    height = width * rows / columns + (0.35 if titled else 0.1)
    page, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for axis in axes.flat:
        _bare(axis)
    return page, axes


def _bare(axis: Axes) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def _picture(axis: Axes, world: Domain, row: int) -> None:
    axis.imshow(world.images[row].permute(1, 2, 0).numpy(), interpolation="bilinear")


def _overlay(axis: Axes, keypoints: Tensor) -> None:
    limits = axis.get_xlim(), axis.get_ylim()
    draw_pose(axis, keypoints, H36M17, linewidth=1.4)
    axis.set(xlim=limits[0], ylim=limits[1])


def _reach(*poses: Tensor) -> float:
    """How far poses (17, 3) reach from their pelvis along an axis, and a little more."""
    return 1.1 * max(float((pose - pose[H36M17.root]).abs().max()) for pose in poses)


def _seen(axis: Axes, pose: Tensor, across: int, reach: float) -> None:
    """A pose (17, 3) from the front (across 0: x) or from the side (across 2: depth to the right)."""
    root = pose[H36M17.root]
    flat = torch.stack([(pose - root)[:, across], (pose - root)[:, 1]], -1)
    draw_pose(axis, flat, H36M17, linewidth=1.4)
    axis.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal")
