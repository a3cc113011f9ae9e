"""What training pictures go through before the network sees them: another cut, other colours, something in front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.data.crops import crop, crop_matrices, edge_color, to_crop
from napa_lib.networks import import_torchvision
from napa_lib.skeletons import NAPA18, flip

CHUNK = 4  # pictures that share one draw of the colour changes


@dataclass(frozen=True)
class Augmentation:
    """How strongly pictures are changed. A test crop is the figure's box, 1.25 times as large as the figure."""

    smallest: float = 0.80  # side of the crop as a share of the figure's test box
    largest: float = 1.45
    shift: float = 0.12  # of the crop's side, each way
    rotation: float = 30.0  # degrees, standard deviation
    upside_down: float = 0.04  # chance to turn by any angle
    hidden: float = 0.3  # chance that patches of one colour hide parts of the figure
    colors: float = 0.8  # chance that the colours of a picture are changed


def figure_boxes(keypoints: Tensor, margin: float = 1.25) -> Tensor:
    """The square box round each figure that the test protocol would use: (B, J, 2) keypoints -> (B, 4).

    Raises:
        ValueError: if a figure has no joint.
    """
    if bool(keypoints.isnan().all(-1).all(-1).any()):
        raise ValueError("keypoints must hold at least one joint of every figure")
    low = keypoints.nan_to_num(nan=torch.inf).amin(1)
    high = keypoints.nan_to_num(nan=-torch.inf).amax(1)
    middle, half = (low + high) / 2, margin * (high - low).amax(1, keepdim=True).clamp(min=8.0) / 2
    return torch.cat([middle - half, middle + half], 1)


def random_crops(
    images: Tensor,
    keypoints: Tensor,
    size: int,
    settings: Augmentation,
    generator: torch.Generator,
    boxes: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cut each figure out at random: shifted, scaled, turned, mirrored.

    Args:
        images: (B, 3, H, W) in [0, 1].
        keypoints: (B, 18, 2) pixels, missing joints NaN.
        size: side of the crops.
        settings: how far to shift, scale and turn.
        generator: draws all of it.
        boxes: (B, 4) the figures' square test boxes, where not all joints are labelled; `figure_boxes` if None.

    Returns:
        crops (B, 3, size, size) and keypoints (B, 18, 2) in their pixels; joints outside the crop are NaN.
    """
    count = len(images)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    boxes = figure_boxes(keypoints) if boxes is None else boxes
    middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2] - boxes[:, 0]
    side = side * uniform(settings.smallest**0.5, settings.largest**0.5).square()
    middle = middle + side[:, None] * uniform(-settings.shift, settings.shift, 2)
    half = side[:, None] / 2
    angle = torch.deg2rad(settings.rotation * torch.randn(count, generator=generator))
    anywhere = torch.rand(count, generator=generator) < settings.upside_down
    angle = torch.where(anywhere, uniform(-torch.pi, torch.pi), angle)
    mirrored = torch.rand(count, generator=generator) < 0.5
    matrices = crop_matrices(torch.cat([middle - half, middle + half], 1), size, angle, mirrored)
    crops = crop(images, matrices, size, edge_color(images))
    found = to_crop(keypoints, matrices)
    found = torch.where(mirrored[:, None, None], exchange_sides(found), found)
    inside = ((found >= 0) & (found <= size - 1)).all(-1, keepdim=True)
    return crops, found.where(inside, torch.nan)


def exchange_sides(keypoints: Tensor) -> Tensor:
    """The same points with the names of left and right exchanged."""
    swapped = flip(keypoints, NAPA18, width=1)
    return torch.stack([-swapped[..., 0], swapped[..., 1]], -1)


def hide_patches(images: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Cover parts of some pictures with one to three boxes of one colour: what is hidden must be inferred."""
    count, _, height, width = images.shape
    y, x = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
    for _ in range(3):
        chosen = torch.rand(count, generator=generator) < chance / 2
        centre = torch.rand(count, 2, 1, 1, generator=generator) * height
        half = height * (0.03 + 0.12 * torch.rand(count, 2, 1, 1, generator=generator))
        inside = ((x - centre[:, 0]).abs() < half[:, 0]) & ((y - centre[:, 1]).abs() < half[:, 1])
        colour = torch.rand(count, 3, 1, 1, generator=generator)
        images = torch.where((inside & chosen[:, None, None])[:, None], colour, images)
    return images


def color_changes() -> Callable[[Tensor], Tensor]:
    """The chain of torchvision's colour transforms; it draws from torch's global random state."""
    import_torchvision()
    from torchvision.transforms import v2

    return v2.Compose([
        v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.5, 0.3)], 0.6),
        v2.RandomGrayscale(0.2),
        v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], 0.25),
        v2.RandomInvert(0.04),
        v2.RandomSolarize(0.6, 0.04),
        v2.RandomAutocontrast(0.1),
        v2.RandomApply([v2.GaussianNoise(0.0, 0.06)], 0.25),
    ])  # fmt: skip


def change_colors(
    images: Tensor, chance: float, change: Callable[[Tensor], Tensor], generator: torch.Generator
) -> Tensor:
    """Apply `change` to groups of `CHUNK` pictures, each group with its own draw."""
    groups = images.clamp(0, 1).split(CHUNK)  # interpolation may leave [0, 1] by a rounding error
    drawn = (torch.rand(len(groups), generator=generator) < chance).tolist()
    return torch.cat([change(g) if yes else g for g, yes in zip(groups, drawn, strict=True)]).clamp(0, 1)
