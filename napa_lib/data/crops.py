"""From a box in a picture to the square that a network looks at, and back: one cut for training and testing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from napa_lib.geometry.precision import check_floating, common_precision, in_full_precision


def square_boxes(boxes: Tensor) -> Tensor:
    """The square round each box's centre, with the box's longer side.

    Args:
        boxes: (B, 4) as (x0, y0, x1, y1) in pixels.

    Returns:
        (B, 4).

    Raises:
        ValueError: if `boxes` is not (B, 4), not finite, or a box is inverted or has no area.

    >>> square_boxes(torch.tensor([[10.0, 0.0, 20.0, 30.0]])).tolist()
    [[0.0, 0.0, 30.0, 30.0]]
    """
    _check_boxes(boxes)
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2
    return torch.cat([middle - half, middle + half], 1)


@in_full_precision
def crop_matrices(boxes: Tensor, size: int, rotation: Tensor | None = None, flip: Tensor | None = None) -> Tensor:
    """The maps from a crop's pixels to the picture's: x = A u + b.

    A crop of `size` pixels covers the square box. It is turned about the box's centre and mirrored left to right
    where asked; labels of a mirrored crop need their sides exchanged, too (`napa_lib.skeletons.flip`).

    Args:
        boxes: (B, 4) square boxes in the picture's pixels.
        size: side of the crops.
        rotation: (B,) radians, clockwise as seen; None for none.
        flip: (B,) bool; None for none.

    Returns:
        (B, 2, 3), [A | b].

    >>> to_picture(torch.tensor([[[0.5, 0.5]]]), crop_matrices(torch.tensor([[10.0, 20.0, 30.0, 40.0]]), 2)).tolist()
    [[[20.0, 30.0]]]
    """
    _check_boxes(boxes)
    boxes = boxes.to(torch.promote_types(boxes.dtype, torch.float32))  # from whole numbers and halves, too
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    angle = boxes.new_zeros(len(boxes)) if rotation is None else rotation.to(boxes)
    sign = torch.ones_like(angle) if flip is None else 1.0 - 2.0 * flip.to(boxes)
    scale = (boxes[:, 2:] - boxes[:, :2]).amax(1) / size
    cos, sin = scale * angle.cos(), scale * angle.sin()
    turn = torch.stack([torch.stack([cos * sign, -sin], -1), torch.stack([sin * sign, cos], -1)], -2)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    start = middle - turn @ boxes.new_full((2,), (size - 1) / 2)
    return torch.cat([turn, start[..., None]], -1)


@in_full_precision
def to_picture(points: Tensor, matrices: Tensor) -> Tensor:
    """Points (B, J, 2) in crops' pixels -> the picture's pixels; NaN stays NaN."""
    points, matrices = common_precision(points, matrices)
    return points @ matrices[:, :, :2].mT + matrices[:, None, :, 2]


@in_full_precision
def to_crop(points: Tensor, matrices: Tensor) -> Tensor:
    """Points (B, J, 2) in the picture's pixels -> crops' pixels; NaN stays NaN."""
    points, matrices = common_precision(points, matrices)
    return (points - matrices[:, None, :, 2]) @ torch.linalg.inv(matrices[:, :, :2]).mT


def edge_color(image: Tensor) -> Tensor:
    """The median colour of a picture's outermost pixels: (..., 3, H, W) -> (..., 3, 1, 1).

    What a crop shows outside the picture. Black would be an object to a network, and on white paper, or a plain
    ground, this cannot be told from a wider sheet.
    """
    sides = image[..., :, 0], image[..., :, -1], image[..., 0, :], image[..., -1, :]
    return torch.cat(sides, -1).median(-1).values[..., None, None]


def is_varied(images: Tensor) -> Tensor:
    """Which pictures (B, 3, H, W) are not of a single colour, (B,) bool.

    A network of instance normalisations cannot be trained on one that is: where all is equal each of them multiplies
    the gradient by hundreds, and after fifteen it is infinite.
    """
    pixels = images.flatten(2)
    return (pixels.amax(2) > pixels.amin(2)).any(1)


@in_full_precision
def crop(image: Tensor, matrices: Tensor, size: int, fill: Tensor | None = None) -> Tensor:
    """Cut square crops out of a picture, or one out of each of several.

    Where the picture is shrunk, it is averaged first, down to the last power of two, so that thin lines do not break.

    Args:
        image: (3, H, W), or (B, 3, H, W) with a matrix each.
        matrices: (B, 2, 3) from `crop_matrices`.
        size: side of the crops.
        fill: colour outside the picture, (3, 1, 1) or (B, 3, 1, 1); `edge_color(image)` if None.

    Returns:
        (B, 3, size, size).

    Raises:
        ValueError: for wrong shapes, or a picture that is not floating.
    """
    check_floating("image", image)
    many = image.ndim == 4
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or 0 in image.shape:
        raise ValueError(f"image must be (3, H, W) or (B, 3, H, W), got {tuple(image.shape)}")
    if matrices.ndim != 3 or matrices.shape[1:] != (2, 3) or (many and len(matrices) != len(image)):
        raise ValueError(f"matrices must be (B, 2, 3), one a picture, got {tuple(matrices.shape)}")
    ground = edge_color(image) if fill is None else fill.to(image)
    scales = matrices[:, :, :2].det().abs().sqrt()
    levels = scales.clamp(min=1.0, max=float(min(image.shape[-2:]))).log2().floor().long()
    crops = image.new_empty(len(matrices), 3, size, size)
    for level in levels.unique().tolist():
        chosen = levels == level
        source = image[chosen.to(image.device)] if many else image[None]
        colour = ground[chosen.to(image.device)] if many and ground.ndim == 4 else ground
        crops[chosen] = _sample(source - colour, matrices[chosen], size, 2**level) + colour
    return crops


def _sample(image: Tensor, matrices: Tensor, size: int, factor: int) -> Tensor:
    """Bilinear samples of a picture shrunk by `factor`; zero outside."""
    if factor > 1:
        image = avg_pool2d(image, factor, ceil_mode=True)
    height, width = image.shape[-2:]
    pixel = torch.arange(size, dtype=matrices.dtype, device=matrices.device)
    grid = torch.stack(torch.meshgrid(pixel, pixel, indexing="xy"), -1).reshape(1, -1, 2)
    points = to_picture(grid.expand(len(matrices), -1, -1), matrices).reshape(-1, size, size, 2)
    extent = points.new_tensor([width, height]) * factor
    normalised = (2 * points + 1) / extent - 1  # grid_sample's (-1, 1) are the picture's outer edges
    image = image.expand(len(matrices), -1, -1, -1)
    return grid_sample(image, normalised.to(image), align_corners=False)


def _check_boxes(boxes: Tensor) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be (B, 4) as x0, y0, x1, y1, got {tuple(boxes.shape)}")
    if not bool(boxes.isfinite().all()) or not bool((boxes[:, 2:] > boxes[:, :2]).all()):
        good = boxes.isfinite().all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
        raise ValueError(f"boxes must be finite with x1 > x0 and y1 > y0, got {boxes[~good][0].tolist()}")


def without_figures(images: Tensor, generator: torch.Generator) -> Tensor:
    """Cut pictures into tiles and shuffle these: the same colours and lines, and nobody there."""
    (count, channels, height, width), tiles = images.shape, 4
    if height % tiles or width % tiles:
        raise ValueError(f"images must have sides that {tiles} divides, got {height} x {width}")
    grid = images.reshape(count, channels, tiles, height // tiles, tiles, width // tiles).permute(0, 2, 4, 1, 3, 5)
    order = torch.rand(count, tiles * tiles, generator=generator).argsort(1)
    shuffled = grid.flatten(1, 2)[torch.arange(count)[:, None], order].unflatten(1, (tiles, tiles))
    return shuffled.permute(0, 3, 1, 4, 2, 5).reshape(images.shape)
