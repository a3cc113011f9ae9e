"""Read clips of faces. Needs no body model.

A shard is one of `napa_lib.data.shards`: its masks are the pixels that show the person, and its labels

    landmarks (F, 68, 2) int16     hundredths of a pixel
    turns (F, 3) float32           yaw, pitch, roll of the head, degrees
    person (1,) int64
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from napa_lib.data.assets import asset_path, list_assets
from napa_lib.data.shards import RawClip, ShardError, read_labels, read_raw

SPLITS = ("train", "validation", "test")
LABELS = {
    "landmarks": ((None, 68, 2), torch.int16), "turns": ((None, 3), torch.float32), "person": ((1,), torch.int64),
}  # fmt: skip
STEP = 0.01  # pixels


@dataclass(frozen=True, eq=False)
class FaceClips:
    """N clips of F = 8 pictures of one person's face, S x S pixels.

    Attributes:
        images: (N, F, 3, S, S) uint8, sRGB.
        masks: (N, F, S, S) bool, pixels that show the person.
        landmarks: (N, F, 68, 2) pixels, FACE68; hidden points are at their place, too, and points may lie outside.
        turns: (N, F, 3) yaw (to the person's left is positive), pitch (down) and roll (the person's left ear down) of
            the head before the camera, degrees.
        person: (N,) identity.
    """

    images: Tensor
    masks: Tensor
    landmarks: Tensor
    turns: Tensor
    person: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return self.images.shape[-1]


def load_faces(split: str) -> FaceClips:
    """The clips that ship, 64 x 64 pixels; no person is in two splits.

    Args:
        split: "train", "validation" or "test".

    Raises:
        ValueError: for another split, or (AssetError, ShardError) if a file is missing or damaged.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    return read_faces([asset_path(name) for name in list_assets("faces") if f"faces-{split}-" in name])


def read_faces(paths: Sequence[str | Path]) -> FaceClips:
    """Read clips from shards that `python -m napa_lib.makers.faces` wrote, in the order given, pictures and all.

    Args:
        paths: the files; all of one picture size.

    Raises:
        ShardError: a ValueError that names the file, if one is missing or damaged, or if there are no clips.
    """
    clips = [_clip(path, raw) for path in map(Path, paths) for raw in read_raw(path)]
    if not clips:
        raise ShardError(f"paths must name shards with at least one clip, got {list(map(str, paths))[:3]}")
    shapes = {tuple(clip[0].shape) for clip in clips}
    if len(shapes) > 1:
        raise ShardError(f"paths must hold clips of one size, got pictures of {sorted(shapes)}")
    images, masks, landmarks, turns, person = (torch.stack(part) for part in zip(*clips, strict=True))
    return FaceClips(images, masks, landmarks, turns, person)


def _clip(path: Path, raw: RawClip) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    labels = _labels(path, raw)
    frames = len(labels["turns"])
    images = _unpack(path, raw.name, raw.webp, "WEBP", "RGB", frames)
    masks = _unpack(path, raw.name, raw.mask, "PNG", "1", frames)
    if images.shape[:3] != masks.shape:
        raise ShardError(f"{path}: pictures and masks of {raw.name!r} differ in size")
    return images.movedim(3, 1).contiguous(), masks, labels["landmarks"] * STEP, labels["turns"], labels["person"][0]


def _labels(path: Path, raw: RawClip) -> dict[str, Tensor]:
    found = read_labels(path, raw, LABELS)
    if len(found["landmarks"]) != len(found["turns"]):
        raise ShardError(f"{path}: landmarks and turns of {raw.name!r} differ in their number of pictures")
    return found


def _unpack(path: Path, name: str, data: bytes, kind: str, mode: str, frames: int) -> Tensor:
    """A strip of pictures side by side as (F, S, S) or (F, S, S, 3)."""
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as picture:
            width, height = picture.size
            if width != frames * height:
                raise ShardError(f"{path}: a strip of {name!r} is {picture.size} pixels, expected {frames} squares")
            strip = torch.from_numpy(np.array(picture.convert(mode)))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ShardError(f"{path}: pictures of {name!r} are damaged: {error}") from error
    return strip.unflatten(1, (frames, height)).movedim(1, 0).contiguous()
