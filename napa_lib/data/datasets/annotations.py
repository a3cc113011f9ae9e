"""What every reader returns: paths of pictures with the points on them, and nothing opened yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napa_lib.data.datasets.files import picture_path
from napa_lib.data.decoding import stored_size
from napa_lib.data.images import load_image
from napa_lib.skeletons import Skeleton, convert, get_skeleton


@dataclass(frozen=True, eq=False)
class Annotations:
    """N annotated pictures of one person each; a picture of several persons is listed once for each.

    Attributes:
        root: the dataset's folder.
        images: N paths below root.
        keypoints: (N, J, 2) float32 pixels of the picture, the centre of its top-left pixel at (0, 0); NaN if missing.
        visible: (N, J) bool, false for a joint that is missing or marked as hidden.
        skeleton: the joint set, None where the library has none.
        boxes: (N, 4) float32 pixels, (left, top, right, bottom), or None.
        poses: (N, J, 3) float32 mm, camera axes (x right, y down, z away), or None.
        depths: (N, J) float32 pixels of the picture, away from the viewer, of pseudo-3D labels; NaN where nobody gave
            one, or None.
        subjects: N names of persons, or none.
        actions: N names of actions, or none.
        clips: N names of the videos that the pictures are frames of, in order of time, or none.
        masks: N paths below root of pictures that are white on the person, or none.
        sizes: (N, 2) width and height that the annotation gives its picture, NaN where it does not, or None.
        head_sizes: (N,) px, what PCKh divides by (0.6 x the head box's diagonal), NaN where not known, or None.
        cropped: whether the pictures are cut out round their persons already, and `boxes` are the whole of each.
        as_stored: whether the pixels are counted in the picture as it is stored, whatever its EXIF says of turning it,
            as MATLAB does, which most datasets were made with. False where only the sizes can tell.
    """

    root: Path
    images: tuple[str, ...]
    keypoints: Tensor
    visible: Tensor
    skeleton: Skeleton | None
    boxes: Tensor | None = None
    poses: Tensor | None = None
    depths: Tensor | None = None
    subjects: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    sizes: Tensor | None = None
    head_sizes: Tensor | None = None
    as_stored: bool = False
    cropped: bool = False

    def __post_init__(self) -> None:
        count, joints = len(self.images), self.keypoints.shape[-2]
        if not count or (self.skeleton is not None and joints != self.skeleton.num_joints):
            raise ValueError(f"annotations must hold a picture and the joints of the set, got {count} with {joints}")
        shapes = {"keypoints": (joints, 2), "visible": (joints,), "boxes": (4,), "poses": (joints, 3), "sizes": (2,),
                  "depths": (joints,), "head_sizes": ()}  # fmt: skip
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != (count, *shape):
                raise ValueError(f"{name} must be {(count, *shape)}, got {tuple(value.shape)}")
        for name in ("subjects", "actions", "clips", "masks"):
            if len(getattr(self, name)) not in (0, count):
                raise ValueError(f"{name} must list {count} or none, got {len(getattr(self, name))}")

    def __len__(self) -> int:
        return len(self.images)

    def load(self, index: int, factor: int = 1) -> Tensor:
        """Picture `index` as (3, H, W) float in [0, 1], turned as its keypoints are.

        Args:
            index: which one.
            factor: a power of two by which the picture is reduced while it is decoded; a keypoint at x then lies at
                (x + 0.5) / factor - 0.5.

        Raises:
            ValueError: if it is missing, damaged, or lies outside of root; if it has another size than the annotation
                says, or its EXIF turns it and nothing tells whether the keypoints were marked before or after that.
        """
        path = picture_path(self.root, self.images[index])
        return load_image(path, turn=self._turned(path, index), factor=factor)

    def check_pictures(self) -> None:
        """See by their headers that all pictures are there and as large as annotated, before long work on them.

        Raises:
            ValueError: as `load`, but for damage behind the header.
        """
        for picture, index in {picture: index for index, picture in enumerate(self.images)}.items():
            self._turned(picture_path(self.root, picture), index)

    def _turned(self, path: Path, index: int) -> bool:
        """Whether picture `index` is to be turned as its EXIF says."""
        stored, orientation = stored_size(path)
        upright = stored[::-1] if orientation in (5, 6, 7, 8) else stored
        told = None if self.sizes is None else tuple(self.sizes[index].tolist())
        if told is None or any(side != side for side in told):
            if orientation == 1 or self.as_stored:
                return False
        elif (told == upright) != (told == stored):
            return told == upright
        elif told != stored:
            sizes = f"{stored[0]} x {stored[1]} pixels, its annotation says {told[0]:.0f} x {told[1]:.0f}"
            raise ValueError(f"picture {self.images[index]!r} has {sizes}: the keypoints are of another picture")
        elif orientation == 1:
            return False
        raise ValueError(
            f"picture {self.images[index]!r} is turned by its EXIF orientation {orientation}, and the annotation does "
            "not tell whether its keypoints were marked before or after: save the picture upright, without that flag"
        )

    def load_mask(self, index: int, factor: int = 1) -> Tensor:
        """Mask `index` as (1, H, W) float in [0, 1], 1 on the person; the picture times it has no background. Arguments
        as `load`.

        Raises:
            ValueError: if the dataset has no masks, or as `load`.
        """
        if not self.masks:
            raise ValueError("this dataset has no masks")
        path = picture_path(self.root, self.masks[index])
        return load_image(path, turn=not self.as_stored, factor=factor)[:1]

    def take(self, chosen: list[int]) -> Annotations:
        """Some of the pictures, by their indices.

        Raises:
            ValueError: if none is chosen.
        """

        if not chosen:
            raise ValueError("chosen must list at least one picture")
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value[chosen] for name, value in values.items() if isinstance(value, Tensor)}
        lists = {name: tuple(v[i] for i in chosen) for name, v in values.items() if isinstance(v, tuple) and v}
        return replace(self, **{**tensors, **lists})  # type: ignore[arg-type]

    def to(self, skeleton: str | Skeleton) -> Annotations:
        """The same pictures with the joints of another set. A joint that is derived from a hidden one is hidden.

        Raises:
            ValueError: for an unknown joint set, or if the dataset's joints have none.
        """
        if self.skeleton is None:
            raise ValueError("these annotations have no joint set to convert from")
        target = get_skeleton(skeleton)
        hidden = torch.where(self.visible[..., None], 0.0, torch.nan).expand(-1, -1, 2)
        depths = None if self.depths is None else self.depths[..., None].expand(-1, -1, 2)
        return replace(
            self,
            skeleton=target,
            keypoints=convert(self.keypoints, self.skeleton, target),
            visible=convert(hidden, self.skeleton, target)[..., 0].isfinite(),
            poses=None if self.poses is None else convert(self.poses, self.skeleton, target),
            depths=None if depths is None else convert(depths, self.skeleton, target)[..., 0],
        )


def halves_of_clips(annotations: Annotations) -> tuple[Annotations, Annotations]:
    """The first half of every video, for pictures, and the second, for poses.

    Raises:
        ValueError: if there are no clips, or none has two frames.

    Source: KeypointGAN, section 5.1 (Human3.6M).
    """
    frames = _group(annotations.clips)
    return _two(annotations, {i for rows in frames.values() for i in rows[: len(rows) // 2]})


def halves_of_actions(annotations: Annotations) -> tuple[Annotations, Annotations]:
    """Of every action the first half of its videos, for pictures, and the others, for poses.

    Raises:
        ValueError: if there are no clips or actions, or no action has two videos.

    Source: KeypointGAN, section 5.1 (PennAction).
    """
    if not annotations.clips:
        raise ValueError("annotations must have clips to be split in halves")
    frames = _group(annotations.clips)
    videos = [list(_group(annotations.clips[i] for i in rows)) for rows in _group(annotations.actions).values()]
    return _two(annotations, {i for names in videos for clip in names[: len(names) // 2] for i in frames[clip]})


def _group(names: Iterable[str]) -> dict[str, list[int]]:
    """For each name, in the order of their first appearance, where it stands."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        groups.setdefault(name, []).append(i)
    return groups


def _two(annotations: Annotations, first: set[int]) -> tuple[Annotations, Annotations]:
    rest = [i for i in range(len(annotations)) if i not in first]
    if not annotations.clips or not first or not rest:
        raise ValueError("annotations must have clips, and enough of them or of their frames, to be split in halves")
    return annotations.take(sorted(first)), annotations.take(rest)


def to_tensor(array: np.ndarray | list[np.ndarray]) -> Tensor:
    """An array, or arrays to be joined along their first side, as a float32 tensor."""
    joined = np.concatenate(array) if isinstance(array, list) else array
    return torch.from_numpy(joined.astype(np.float32))
