"""Read synthetic clips: labels at once, pictures when they are asked for. Needs no body model."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from napa_lib.data.assets import asset_path, list_assets
from napa_lib.data.shards import LOOKS, MOVEMENTS, RawClip, ShardError, read_labels, read_raw
from napa_lib.geometry.precision import in_full_precision

FOLDERS = {"anywhere": "synthetic", "studio": "studio"}  # of assets/
SPLITS = ("train", "validation", "test")
LABELS = {
    "offsets": ((None, None, 18, 3), torch.int16), "pelvis": ((None, None, 3), torch.float32),
    "visible": ((None, None, 18), torch.uint8), "boxes": ((None, None, 4), torch.float32),
    "camera": ((None, 3), torch.float32), "ids": ((3,), torch.int64),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class SyntheticClips:
    """N clips of F = 8 pictures of one person, S x S pixels; the main person's labels.

    `keypoints` (N, F, 18, 2) px, NAPA18, NaN where a joint lies outside the picture; `poses` (N, F, 18, 3) mm, camera
    axes, whole; `visible` (N, F, 18) bool; `boxes` (N, F, 4) x0, y0, x1, y1 of the figure's surface, px, also beyond
    the picture; `K` (N, F, 3, 3): keypoints are the projection of the poses by it. `person` (N,) identity; `movement`
    (N,) index into MOVEMENTS, -1 where the poses are independent; `look` (N,) index into LOOKS; `other_keypoints`
    (N, F, 18, 2) those of a second person, NaN where there is none or a joint is outside.

    Pictures stay packed until asked for: `pictures(rows)` and `masks_of(rows)` unpack some clips, `images`
    (N, F, 3, S, S) uint8 and `masks` (N, F, S, S) bool all of them, once.
    """

    keypoints: Tensor
    poses: Tensor
    visible: Tensor
    boxes: Tensor
    K: Tensor
    person: Tensor
    movement: Tensor
    look: Tensor
    other_keypoints: Tensor
    size: int
    packed: tuple[tuple[bytes, bytes], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.packed)

    def pictures(self, rows: Sequence[int] | Tensor) -> Tensor:
        """(n, F, 3, S, S) uint8 sRGB of the clips in `rows`."""
        frames = self.keypoints.shape[1]
        strips = [_unpack(self.packed[int(i)][0], "WEBP", "RGB", self.size, frames) for i in rows]
        found = (
            torch.from_numpy(np.stack(strips))
            if strips
            else torch.zeros(0, self.size, frames * self.size, 3, dtype=torch.uint8)
        )
        return found.unflatten(2, (frames, self.size)).permute(0, 2, 4, 1, 3).contiguous()

    def masks_of(self, rows: Sequence[int] | Tensor) -> Tensor:
        """(n, F, S, S) bool of the clips in `rows`: pixels that show the main person."""
        frames = self.keypoints.shape[1]
        strips = [_unpack(self.packed[int(i)][1], "PNG", "1", self.size, frames) for i in rows]
        found = (
            torch.from_numpy(np.stack(strips))
            if strips
            else torch.zeros(0, self.size, frames * self.size, dtype=torch.bool)
        )
        return found.unflatten(2, (frames, self.size)).permute(0, 2, 1, 3).contiguous()

    @cached_property
    def images(self) -> Tensor:
        """All pictures, (N, F, 3, S, S) uint8: 0.4 MB a clip at 128 pixels, 0.6 MB at 160."""
        return self.pictures(range(len(self)))

    @cached_property
    def masks(self) -> Tensor:
        """All masks, (N, F, S, S) bool."""
        return self.masks_of(range(len(self)))


def load_synthetic(split: str, setting: str = "anywhere") -> SyntheticClips:
    """The clips that ship: "anywhere" 128 x 128 pixels, "studio" 64 x 64.

    People are drawn at random for every clip and no motion-capture clip is in two splits, so neither a person nor a
    movement that is tested was trained on.

    Args:
        split: "train", "validation" or "test".
        setting: "anywhere", all poses and backgrounds, or "studio", people who stand or walk before a bare wall.

    Raises:
        ValueError: for another split or setting, or (AssetError, ShardError) if a file is missing or damaged.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    if setting not in FOLDERS:
        raise ValueError(f"setting must be one of {tuple(FOLDERS)}, got {setting!r}")
    names = [name for name in list_assets(FOLDERS[setting]) if f"-{split}-" in name]
    return read_shards([asset_path(name) for name in names])


def read_shards(paths: Sequence[str | Path]) -> SyntheticClips:
    """Read clips from shards that `python -m napa_lib.makers.people` wrote, in the order given.

    Args:
        paths: the files; all of one picture size.

    Raises:
        ShardError: a ValueError that names the file, if one is missing or damaged, or if there are no clips.
    """
    clips = [(path, raw) for path in map(Path, paths) for raw in read_raw(path)]
    if not clips:
        raise ShardError(f"paths must name shards with at least one clip, got {list(map(str, paths))[:3]}")
    labels = [_labels(path, raw) for path, raw in clips]
    sizes = {_size(path, raw) for path, raw in clips}
    if len(sizes) > 1:
        raise ShardError(f"paths mix pictures of {sorted(sizes)} pixels, expected one size")
    size = sizes.pop()
    poses = _stack([(x["offsets"].float() / 10 + x["pelvis"][:, :, None])[:2] for x in labels], 2)
    camera = torch.stack([x["camera"] for x in labels])
    K = _intrinsics(camera)
    flat = _project(poses, K[:, None])
    inside = ((flat > -0.5) & (flat < size - 0.5)).all(-1, keepdim=True)
    keypoints = torch.where(inside, flat, torch.nan)
    person, movement, look = torch.stack([x["ids"] for x in labels]).unbind(-1)
    return SyntheticClips(
        keypoints[:, 0], poses[:, 0], torch.stack([x["visible"][0] for x in labels]).bool(),
        torch.stack([x["boxes"][0] for x in labels]), K, person, movement, look, keypoints[:, 1], size,
        tuple((raw.webp, raw.mask) for _, raw in clips),
    )  # fmt: skip


def _intrinsics(camera: Tensor) -> Tensor:
    """Focal length and principal point (..., 3) to (..., 3, 3)."""
    K = camera.new_zeros(*camera.shape[:-1], 3, 3)
    K[..., 0, 0] = K[..., 1, 1] = camera[..., 0]
    K[..., :2, 2] = camera[..., 1:]
    K[..., 2, 2] = 1.0
    return K


@in_full_precision
def _project(points: Tensor, K: Tensor) -> Tensor:
    seen = points @ K.mT
    return seen[..., :2] / seen[..., 2:]


def _stack(tensors: list[Tensor], people: int) -> Tensor:
    """(P, ...) tensors with P = 1 or 2 to (N, people, ...), NaN where there is nobody."""
    whole = tensors[0].new_full((len(tensors), people, *tensors[0].shape[1:]), torch.nan)
    for row, tensor in zip(whole, tensors, strict=True):
        row[: len(tensor)] = tensor
    return whole


def _labels(path: Path, raw: RawClip) -> dict[str, Tensor]:
    found = read_labels(path, raw, LABELS)
    frames = len(found["camera"])
    for name in ("offsets", "pelvis", "visible", "boxes"):
        if found[name].shape[1] != frames:
            raise ShardError(f"{path}: {name} of {raw.name!r} is {tuple(found[name].shape)}, expected {frames} frames")
    if not -1 <= found["ids"][1] < len(MOVEMENTS) or not 0 <= found["ids"][2] < len(LOOKS):
        raise ShardError(f"{path}: ids of {raw.name!r} are {found['ids'].tolist()}, which name no movement or look")
    return found


def _size(path: Path, raw: RawClip) -> int:
    """Height of a packed strip, from its header."""
    try:
        with Image.open(io.BytesIO(raw.webp), formats=["WEBP"]) as picture:
            return picture.height
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ShardError(f"{path}: pictures of {raw.name!r} are damaged: {error}") from error


def _unpack(data: bytes, kind: str, mode: str, size: int, frames: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as picture:
            if picture.size != (size * frames, size):
                raise ShardError(f"a strip is {picture.size} pixels, expected {(size * frames, size)}")
            return np.array(picture.convert(mode))
    except (OSError, Image.DecompressionBombError) as error:
        raise ShardError(f"a packed picture is damaged: {error}") from error
