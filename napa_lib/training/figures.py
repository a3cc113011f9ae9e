"""Figures to train the whole system on: one person a picture, with 2D labels and, where there are any, 3D ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.annotate.pseudo_depth import in_millimetres
from napa_lib.data.crops import crop, crop_matrices, edge_color, is_varied, to_crop
from napa_lib.data.datasets import Annotations
from napa_lib.data.known import from_annotations, is_known, open_known
from napa_lib.data.synthetic import LOOKS, SPLITS, SyntheticClips, load_synthetic, read_shards
from napa_lib.lifting import load_depth_net
from napa_lib.skeletons import NAPA18
from napa_lib.training.augment import figure_boxes
from napa_lib.training.pictures import PictureSet, list_shards, read_pictures, usable

SHIPPED = "synthetic:"  # and a split


@dataclass(frozen=True, eq=False)
class FigureSet:
    """N figures, cut out as the test protocol does: `images` (N, 3, S, S) uint8; `keypoints` (N, 18, 2) pixels and
    `poses` (N, 18, 3) mm in camera axes, missing joints NaN."""

    images: Tensor
    keypoints: Tensor
    poses: Tensor

    def __post_init__(self) -> None:
        count, joints = len(self.images), NAPA18.num_joints
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ValueError(f"images must be uint8 (N, 3, S, S), got {self.images.dtype} {tuple(self.images.shape)}")
        if self.keypoints.shape != (count, joints, 2) or self.poses.shape != (count, joints, 3):
            raise ValueError(
                f"keypoints and poses must be ({count}, 18, 2) and ({count}, 18, 3), "
                f"got {tuple(self.keypoints.shape)} and {tuple(self.poses.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Tensor | slice) -> FigureSet:
        """Some of the figures."""
        return FigureSet(self.images[rows], self.keypoints[rows], self.poses[rows])


def open_figures(names: Sequence[str], size: int, most: int | None = None) -> FigureSet:
    """Figures of one size from several sources.

    Args:
        names: "synthetic:train" (the people that ship, lit like photographs), folders of shards that
            `napa_lib.makers` or `napa_lib.training.stylize` wrote, and data sets: "human36m:FOLDER", "mpii:FOLDER",
            "coco:FOLDER", "human-art:FOLDER" …, all of `napa_lib.data.known`.
        size: side of the pictures in pixels.
        most: how many figures of each source at most, spread evenly over it.

    Returns:
        the figures that show at least eight joints, in pictures of more than one colour. Without 3D labels, poses are
        NaN, and L_depth leaves them out. Depths that `napa annotate` gave are pseudo-3D labels (section 4.4.3).

    Raises:
        ValueError: for a source that is not there, is damaged, or has nobody with eight joints.
    """
    if not names:
        raise ValueError("name at least one source of figures, such as synthetic:train")
    if most is not None and most < 1:
        raise ValueError(f"most must be at least 1 figure of each source, got {most}")
    parts = [_open(name, size, most) for name in names]
    return FigureSet(*(torch.cat([getattr(p, field) for p in parts]) for field in ("images", "keypoints", "poses")))


def _open(name: str, size: int, most: int | None) -> FigureSet:
    if name.startswith(SHIPPED):
        split = name.removeprefix(SHIPPED)
        if split not in SPLITS:
            raise ValueError(f"source {name!r}: the split must be one of {', '.join(SPLITS)}")
        found = _of_clips(load_synthetic(split), size, most, "photo")
    elif is_known(name):
        found = _of_known(name, size, most)
    else:
        found = _of_shards(name, size, most)
    shown = usable(found.keypoints) & is_varied(found.images)
    if not bool(shown.any()):
        raise ValueError(f"source {name!r} has no figure with 8 joints of NAPA18 in a picture of more than one colour")
    return found.take(shown)


def _of_clips(clips: SyntheticClips, size: int, most: int | None, look: str | None = None) -> FigureSet:
    frames = clips.keypoints.shape[1]
    chosen = torch.ones(len(clips), dtype=torch.bool) if look is None else clips.look == LOOKS.index(look)
    rows = _spread(chosen.nonzero().flatten(), None if most is None else -(-most // frames))
    images, keypoints, poses = clips.pictures(rows), clips.keypoints[rows], clips.poses[rows]
    found = _cut(PictureSet(images.flatten(0, 1), keypoints.flatten(0, 1)), size, poses.flatten(0, 1))
    return found if most is None else found.take(slice(most))


def _of_known(name: str, size: int, most: int | None) -> FigureSet:
    found = open_known(name)
    if not isinstance(found, Annotations):
        raise ValueError(f"{name!r} has no labels to train on")
    if found.depths is not None:  # pseudo-3D labels, which are for training alone
        length = load_depth_net()[1].length
        found = replace(found, poses=in_millimetres(found.keypoints, found.depths, length))
    clips = from_annotations(found, size, "NAPA18", most=most)
    keypoints = clips.keypoints.flatten(0, 1)
    poses = _unknown(keypoints) if clips.poses is None else clips.poses.flatten(0, 1)
    return FigureSet(clips.images.flatten(0, 1), keypoints, poses)


def _of_shards(name: str, size: int, most: int | None) -> FigureSet:
    files = list_shards(name) if Path(name).exists() else []
    if not files:
        raise ValueError(f"source {name!r} is no folder of shards, no synthetic:SPLIT and no FORMAT:FOLDER")
    if all(file.name.endswith(".tar.gz") for file in files):
        return _of_clips(read_shards(files), size, most)
    pictures = read_pictures(name)
    pictures = pictures.kept(_spread(torch.arange(len(pictures)), most))
    return _cut(pictures, size, _unknown(pictures.keypoints))


def _cut(pictures: PictureSet, size: int, poses: Tensor) -> FigureSet:
    """Cut each figure out of its picture by the test protocol's box; figures without a joint are left out."""
    there = (~pictures.keypoints.isnan().any(-1)).any(-1)
    pictures, poses = pictures.kept(there), poses[there]
    matrices = crop_matrices(figure_boxes(pictures.keypoints), size)
    pairs = zip(pictures.images.split(64), matrices.split(64), strict=True)
    images = torch.cat([_crops(part.float() / 255, matrix, size) for part, matrix in pairs])
    return FigureSet(images, to_crop(pictures.keypoints, matrices), poses)


def _crops(images: Tensor, matrices: Tensor, size: int) -> Tensor:
    """Crops in bytes: those of thousands of pictures in floats would be the most that a training ever holds."""
    return (crop(images, matrices, size, edge_color(images)).clamp(0, 1) * 255).round().byte()


def _spread(rows: Tensor, most: int | None) -> Tensor:
    """At most so many of the rows, evenly spread."""
    if most is None or len(rows) <= most:
        return rows
    return rows[torch.arange(most) * len(rows) // most]


def _unknown(keypoints: Tensor) -> Tensor:
    return torch.full((*keypoints.shape[:-1], 3), torch.nan)
