"""Lesson 03's pictures: what goes in and comes out, the leak, other people's poses, and a training as a film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.bottleneck import (
    Clips,
    KeypointGAN,
    draw_in_pose,
    local_contrast_normalize,
    move_keypoints,
    swap_appearance,
    to_pixels,
)
from napa_lib.data.clips import to_float
from napa_lib.skeletons import Skeleton, get_skeleton
from napa_lib.study.plots import draw_pose

CONTRAST = 3.0  # deviations at which the local contrast is black or white


def first_frames(clips: Clips, count: int, frame: int = 0) -> Tensor:
    """One frame of each of the first clips, (count, 3, S, S) in [0, 1].

    Raises:
        ValueError: if there are fewer clips, or their films are shorter.
    """
    if not (1 <= count <= len(clips) and 0 <= frame < clips.images.shape[1]):
        have = f"{len(clips)} clips of {clips.images.shape[1]} frames"
        raise ValueError(f"count and frame must be within the {have}, got {count} and {frame}")
    return to_float(clips.images[:count, frame])


@torch.no_grad()
def opening_figure(model: KeypointGAN, frames: Tensor, poses: Tensor, people: Tensor) -> Figure:
    """Frames without labels, poses without frames, and what the model finds in people it has never seen.

    Args:
        model: in evaluation mode.
        frames: (N, 3, S, S) in [0, 1].
        poses: (N, K, 2) in [-1, 1].
        people: (N, 3, S, S) in [0, 1].
    """
    body = get_skeleton(model.config.skeleton)
    found = to_pixels(model.predict(people), model.config.size)
    page, axes = picture_grid(3, len(frames), 1.0 * len(frames))
    for column in range(len(frames)):
        show_on(axes[0, column], frames[column])
        axes[1, column].imshow(model.draw(poses[column : column + 1])[0, 0].numpy(), cmap="gray", vmin=0, vmax=1)
        show_on(axes[2, column], people[column])
        _pose(axes[2, column], found[column], body)
    for row, name in enumerate(("frames", "poses", "found")):
        _name(axes[row, 0], name)
    return page


@torch.no_grad()
def leak_figure(models: Mapping[str, KeypointGAN], image: Tensor, style: Tensor) -> Figure:
    """What each generator is given of a picture, its local contrast brought out, and what it draws (fig. 2).

    A row for each of the three, a column for each model, the picture beside them; large enough to see faint traces.

    Args:
        models: name -> model in evaluation mode.
        image: (1, 3, S, S) in [0, 1], to be reconstructed.
        style: (1, 3, S, S), another frame of the same person; an unconditional generator does not look at it.
    """
    columns = 1 + len(models)
    widths = {"width_ratios": [0.5] + [1.0] * len(models)}
    page, axes = plt.subplots(3, columns, figsize=(6.7, 8.7), squeeze=False, gridspec_kw=widths, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, picture, title in ((axes[0, 0], image, "picture"), (axes[1, 0], style, "another frame,\nfor ours alone")):
        show_on(axis, picture[0])
        axis.set_title(title, fontsize=10)
    for column, (name, model) in enumerate(models.items(), 1):
        one = model(image, style)
        grey = {"cmap": "gray", "interpolation": "bilinear"}
        axes[0, column].imshow(one.seen[0, 0].numpy(), vmin=0, vmax=1, **grey)
        contrast = local_contrast_normalize(one.seen)[0, 0].numpy()
        axes[1, column].imshow(contrast, vmin=-CONTRAST, vmax=CONTRAST, **grey)
        show_on(axes[2, column], one.image[0])
        for axis, title in zip(axes[:, column], ("skeleton image", "its local contrast", "drawn again"), strict=True):
            axis.set_title(f"{name}: {title}", fontsize=10)
    return page


def swap_figure(model: KeypointGAN, poses: Tensor, styles: Tensor) -> Figure:
    """Every person in every pose (fig. 9): poses from the top row, looks from the left column.

    Args:
        model: with a conditional generator, in evaluation mode.
        poses: (P, 3, S, S) in [0, 1], pictures whose pose is taken.
        styles: (M, 3, S, S), pictures whose look is taken.
    """
    page, axes = picture_grid(1 + len(styles), 1 + len(poses), 5.6)
    for column, picture in enumerate(poses):
        show_on(axes[0, 1 + column], picture)
    for row, style in enumerate(styles, 1):
        show_on(axes[row, 0], style)
        for axis, picture in zip(axes[row, 1:], swap_appearance(model, poses, style.expand_as(poses)), strict=True):
            show_on(axis, picture)
    axes[0, 0].text(0.5, 0.5, "pose →\nlook ↓", ha="center", va="center", fontsize=10, transform=axes[0, 0].transAxes)
    return page


@torch.no_grad()
def edit_figure(model: KeypointGAN, image: Tensor, joint: str, right: float, down: float) -> Figure:
    """A person with one keypoint moved (fig. 10): found pose, moved pose, and the person drawn in it.

    Args:
        model: with a conditional generator, in evaluation mode.
        image: (1, 3, S, S) in [0, 1].
        joint: name of the keypoint.
        right, down: how far to move it, in pixels of the picture.

    Raises:
        ValueError: if the model's skeleton has no such joint.
    """
    body, size = get_skeleton(model.config.skeleton), model.config.size
    found = model.predict(image)
    offset = torch.tensor([right, down]) * 2 / (size - 1)
    moved = move_keypoints(found, [body.index(joint)], offset)
    page, axes = picture_grid(1, 4, 5.6, titled=True)
    for axis, pose, title in ((axes[0, 0], found, "found"), (axes[0, 1], moved, f"{joint} moved")):
        show_on(axis, image[0])
        _pose(axis, to_pixels(pose[0], size), body, width=2.0)
        axis.set_title(title, fontsize=10)
    for axis, pose, title in ((axes[0, 2], found, "drawn as found"), (axes[0, 3], moved, "drawn as moved")):
        show_on(axis, draw_in_pose(model, pose, image)[0])
        axis.set_title(title, fontsize=10)
    return page


@dataclass(frozen=True, eq=False)
class Film:
    """A training in snapshots: what the model found in the same frames at several steps.

    Attributes:
        frames: (F, 3, S, S) in [0, 1].
        keypoints: (T, F, K, 2) in pixels.
        steps: (T,) when.
        skeleton: joint set of the keypoints.
    """

    frames: Tensor
    keypoints: Tensor
    steps: tuple[int, ...]
    skeleton: str | Skeleton = "NAPA18"

    def __post_init__(self) -> None:
        expected = (len(self.steps), len(self.frames), get_skeleton(self.skeleton).num_joints, 2)
        if tuple(self.keypoints.shape) != expected or 0 in expected:
            raise ValueError(f"keypoints must be {expected}, got {tuple(self.keypoints.shape)}")


def film_of(report: dict, clips: Clips) -> Film:
    """The film in a stored result: what was found in the first frames of the validation clips at each record.

    Args:
        report: a result, as `results.read` gives it.
        clips: the validation clips of that training, `report["config"]["validation"]`.

    Raises:
        ValueError: if the result holds no such keypoints.
    """
    shots = [(entry["step"], entry["examples"]) for entry in report["record"] if "examples" in entry]
    if not shots:
        raise ValueError(f"report must hold examples in its record, that of {report['command']!r} has none")
    steps, examples = zip(*shots, strict=True)
    keypoints = torch.tensor(examples)
    return Film(first_frames(clips, keypoints.shape[1]), keypoints, steps, clips.skeleton)


def film_frame(film: Film, index: int) -> Figure:
    """One snapshot of a film."""
    page, axes = picture_grid(1, len(film.frames), min(6.0, 1.3 * len(film.frames)), titled=True)
    _draw_snapshot(axes[0], film, index)
    page.suptitle(f"after {film.steps[index]:,} steps", fontsize=11)
    return page


def _draw_snapshot(axes, film: Film, index: int) -> None:
    for axis, frame, pose in zip(axes, film.frames, film.keypoints[index], strict=True):
        show_on(axis, frame)
        _pose(axis, pose, get_skeleton(film.skeleton))


def picture_grid(rows: int, columns: int, width: float, titled: bool = False):
    """A page of square axes without ticks, and its axes (rows, columns)."""
    height = width * rows / columns + (0.35 if titled else 0.1)
    page, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return page, axes


def show_on(axis: Axes, picture: Tensor) -> None:
    """A picture (3, S, S) on an axis."""
    axis.imshow(picture.clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="bilinear")


def _pose(axis: Axes, keypoints: Tensor, body: Skeleton, width: float = 1.2) -> None:
    """The pose over a picture that is shown already; what lies outside is cut off."""
    limits = axis.get_xlim(), axis.get_ylim()
    draw_pose(axis, keypoints, body, linewidth=width)
    axis.set(xlim=limits[0], ylim=limits[1])


def _name(axis: Axes, text: str) -> None:
    axis.set_ylabel(text, fontsize=9, rotation=90)
