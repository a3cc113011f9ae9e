"""Pictures of one's own in the form of composed ones: MuCo-3DHP, MuPoTS-3D, 3DPW, COCO …, or a folder without labels.

Each picture is put whole into a square, and its people are told in the fixed camera's room: a person gets the bones'
length of `BONE_LENGTHS`, and the depth at which the fixed camera would show it as large. What a real camera's focal
length was, keypoints and poses of a picture tell together.

Source: CrossModal, section 4.3 (the paper's sets) and supplement, section 2.2 (a camera fixed by the pictures' size).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from napa_lib.data.crops import crop, crop_matrices, square_boxes, to_crop
from napa_lib.data.datasets import Annotations
from napa_lib.data.datasets.files import folder_of_pictures, picture_path
from napa_lib.data.decoding import stored_size
from napa_lib.data.images import load_image
from napa_lib.data.known import is_known, open_known
from napa_lib.engine import progress
from napa_lib.multiperson.composed import Composed, universal_factor
from napa_lib.multiperson.scenes import Camera
from napa_lib.sampling import SKELETON

T = TypeVar("T")
U = TypeVar("U")


def open_pictures(name: str, camera: Camera, most: int) -> tuple[Composed, tuple[str, ...]]:
    """Pictures of a data set, or of a folder without labels.

    Args:
        name: FORMAT:FOLDER#SPLIT as in `napa_lib.data.known.open_known`, or a folder of pictures.
        camera: the fixed one.
        most: pictures, spread evenly over the set.

    Returns:
        the pictures that can be read, without poses where the set has none, and the sequence or action of each, ""
        where it has none.

    Raises:
        ValueError: if there is nothing of that name, it is damaged, no picture can be read, its people have no pelvis,
            or `most` is below 1.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1 picture, got {most}")
    if not is_known(name):
        files = _spread(folder_of_pictures(name), most)
        _, images = _readable(files, lambda file: _square(file, camera.size, partial(load_image, file))[0])
        nobody = torch.full((len(images), 1, SKELETON.num_joints, 3), torch.nan)
        return Composed(torch.stack(images), nobody[..., :2], nobody), ("",) * len(images)
    found = open_known(name)
    if not isinstance(found, Annotations):
        raise ValueError(f"{name} must have annotated people")
    return from_annotations(found, camera, most)


def from_annotations(annotations: Annotations, camera: Camera, most: int) -> tuple[Composed, tuple[str, ...]]:
    """The annotated people of a data set, picture by picture; arguments, result and errors as `open_pictures`."""
    people = annotations.to(SKELETON)
    rows: dict[str, list[int]] = {}
    for row in (~people.keypoints[:, 0].isnan().any(-1)).nonzero()[:, 0].tolist():
        rows.setdefault(people.images[row], []).append(row)
    chosen = _spread(list(rows.values()), most)
    if not chosen:
        raise ValueError("annotations must have a person whose pelvis is known")
    chosen, read = _readable(chosen, lambda rows: _picture(people, rows, camera))
    most_people = max(len(some) for some in chosen)
    images, keypoints, poses = zip(*read, strict=True)
    names = tuple(people.actions[some[0]] if people.actions else "" for some in chosen)
    return Composed(torch.stack(images), _padded(keypoints, most_people), _padded(poses, most_people)), names


def _readable(items: list[T], read: Callable[[T], U]) -> tuple[list[T], list[U]]:
    """The items whose pictures can be read, and what is read; of the others one warning, and an error if it is all."""
    kept, errors = [], []
    for item in progress(items, "pictures read"):
        try:
            kept.append((item, read(item)))
        except ValueError as error:  # one bad picture must not take the set along
            errors.append(error)
    if not kept:
        raise ValueError(f"no picture can be read: {errors[0]}") from errors[0]
    if errors:
        warnings.warn(f"{len(errors)} of {len(items)} pictures are left out: {errors[0]}", stacklevel=4)
    return [item for item, _ in kept], [found for _, found in kept]


def _picture(people: Annotations, rows: list[int], camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """A picture (3, S, S) uint8, and its P people's keypoints (P, 17, 2) px and poses (P, 17, 3) mm."""
    path = picture_path(people.root, people.images[rows[0]])
    image, matrix = _square(path, camera.size, partial(people.load, rows[0]))
    keypoints = to_crop(people.keypoints[rows], matrix.expand(len(rows), -1, -1))
    if people.poses is None:
        return image, keypoints, torch.full((*keypoints.shape[:2], 3), torch.nan)
    own = people.poses[rows]
    relative = own - own[:, :1]
    factor = universal_factor(relative)
    depth = own[:, 0, 2] * factor * camera.focal / focal_length(keypoints, own)
    poses = relative * factor[:, None, None] + camera.unproject(keypoints[:, 0], depth)[:, None]
    return image, keypoints, poses


def focal_length(keypoints: Tensor, poses: Tensor) -> Tensor:
    """The focal length of a camera in pixels, by least squares, from poses (..., J, 3) and keypoints (..., J, 2).

        x = f X / Z + c, with a centre c of its own on each axis

    NaN joints are left out. The joints must not all be on one line of sight.
    """
    rays = (poses[..., :2] / poses[..., 2:]).flatten(0, -2)
    pixels = keypoints.flatten(0, -2)
    known = ~(rays.isnan() | pixels.isnan()).any(-1)
    rays, pixels = rays[known] - rays[known].mean(0), pixels[known] - pixels[known].mean(0)
    return (rays * pixels).sum() / rays.square().sum()


def _square(path: Path, size: int, load: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    """A picture whole in a square, (3, S, S) uint8, and the map from there to its pixels, (1, 2, 3).

    Args:
        path: of the picture.
        size: S.
        load: reads it as (3, H, W), made smaller by `factor` while it is decoded, which a large one gains much time by.
    """
    factor = 2 ** int(math.log2(max(1.0, max(stored_size(path)[0]) / size)))
    image = load(factor=factor)
    height, width = image.shape[1:]
    matrix = crop_matrices(square_boxes(torch.tensor([[-0.5, -0.5, width - 0.5, height - 0.5]])), size)
    square = (255 * crop(image, matrix, size)[0].clamp(0, 1)).round().to(torch.uint8)
    return square, factor * matrix + (factor - 1) / 2 * matrix.new_tensor([0.0, 0.0, 1.0])


def _spread(items: list, most: int) -> list:
    """At most so many items, evenly over the list."""
    if len(items) <= most:
        return items
    return [items[i * len(items) // most] for i in range(most)]


def _padded(parts: Iterable[Tensor], most: int) -> Tensor:
    """Parts (P, …) as one tensor (N, most, …), NaN where there is nobody."""
    return torch.stack([torch.cat([p, p.new_full((most - len(p), *p.shape[1:]), torch.nan)]) for p in parts])


def room(camera: Camera, focal: float | None, nearest: float | None, farthest: float | None) -> Camera:
    """A camera with some of its numbers changed, for pictures that were taken with another."""
    own = (camera.focal, camera.nearest, camera.farthest)
    chosen = (known if asked is None else asked for known, asked in zip(own, (focal, nearest, farthest), strict=True))
    return Camera(camera.size, *chosen)
