"""Content pictures: what the stylizers are trained on and, apart from it, what they are measured on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napa_lib.data import crop_square, list_paintings, load_paintings, load_video_frames, resize

CAMERAS = ("cam01", "cam02", "cam03")


def training_pictures() -> list[Tensor]:
    """Pictures to cut content crops from: the paintings that hold no test figure, and every 24th frame of a film of
    two people in a street, which is not among the held-out ones."""
    paintings = load_paintings(names=[painting.name for painting in list_paintings() if not painting.in_art_figures])
    return paintings + list(load_video_frames("street", "cam01")[::24])


def held_out_pictures(size: int) -> Tensor:
    """Content that no stylizer was trained on, (12, 3, size, size): six frames of real video and six paintings."""
    names = [painting.name for painting in list_paintings() if painting.in_art_figures]
    frames = [load_video_frames(sequence, camera)[10] for sequence in ("single", "multi") for camera in CAMERAS]
    return torch.stack([crop_square(frame, size) for frame in frames] + load_paintings(size, names))


def random_crops(pictures: Sequence[Tensor], count: int, size: int, generator: torch.Generator) -> Tensor:
    """Square crops of random pictures, places, scales (from 0.4 of the shorter side to all of it) and sides.

    Returns:
        (count, 3, size, size) in [0, 1].
    """
    crops = []
    for _ in range(count):  # pictures differ in size, so each crop is cut by itself
        picture = pictures[int(torch.randint(len(pictures), (1,), generator=generator))]
        u = torch.rand(4, generator=generator)
        side = max(1, round(min(picture.shape[1:]) * float(0.4 + 0.6 * u[0])))
        top = int(u[1] * (picture.shape[1] - side + 1))
        left = int(u[2] * (picture.shape[2] - side + 1))
        crop = resize(picture[:, top : top + side, left : left + side], size)
        crops.append(crop.flip(-1) if u[3] < 0.5 else crop)
    return torch.stack(crops)
