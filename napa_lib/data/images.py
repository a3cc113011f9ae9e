"""Pictures from files to tensors and back: one way in for every odd format, one way out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from napa_lib.data.decoding import PictureError, decode, picture_endings
from napa_lib.files import write_atomically

__all__ = ["PictureError", "crop_square", "load_image", "resize", "save_image"]

MAX_PIXELS = 50_000_000  # 600 MB as float32; larger pictures must be asked for


def load_image(path: str | os.PathLike, max_pixels: int = MAX_PIXELS, turn: bool = True, factor: int = 1) -> Tensor:
    """Read a picture as it is meant to be seen: see `decode`.

    Args:
        path: a JPEG, PNG, TIFF, WebP, GIF, BMP … (`picture_endings()` lists them).
        max_pixels: refuse pictures with more pixels than this before decoding them.
        turn: apply the EXIF orientation.
        factor: a power of two by which the picture is reduced while it is decoded.

    Returns:
        (3, H, W) float32 in [0, 1], sRGB; 16-bit grey is divided by 65535.

    Raises:
        PictureError: a ValueError that names the file, if it is missing, empty, truncated, too large or no picture.
        ValueError: if `factor` is no power of two.

    >>> from napa_lib.data import asset_path
    >>> load_image(asset_path("paintings/monalisa.jpg")).shape
    torch.Size([3, 500, 322])
    """
    if factor < 1 or factor != 1 << int(factor).bit_length() - 1:
        raise ValueError(f"factor must be a power of two, got {factor}")
    pixels = decode(path, max_pixels * factor**2, lambda size: factor, turn).pixels
    if pixels.mode == "F":
        return torch.from_numpy(np.array(pixels)).expand(3, -1, -1).contiguous()
    return torch.from_numpy(np.asarray(pixels, dtype=np.float32) / 255.0).permute(2, 0, 1).contiguous()


def save_image(image: Tensor, path: str | os.PathLike) -> None:
    """Write a picture; the file appears whole or not at all.

    Args:
        image: (3, H, W) in [0, 1], sRGB; rounded to 8 bits.
        path: where to; the ending chooses the format (.png, .jpg, .webp …). JPEG is written with quality 92.

    Raises:
        ValueError: if the shape, the values (NaN included) or the ending do not fit. Nothing is clipped.
    """
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ValueError(f"image must be (3, H, W) with H, W > 0, got {tuple(image.shape)}")
    if not ((image >= 0) & (image <= 1)).all():
        raise ValueError(
            f"image must lie in [0, 1], got {image.min().item():.4g} to {image.max().item():.4g}; clamp it first"
        )
    path = Path(path)
    if path.suffix.lower() not in picture_endings(writable=True):
        raise ValueError(f"path must end in a picture format such as .png or .jpg, got {path.name!r}")
    pixels = (image.detach().cpu().permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    write_atomically(path, lambda temporary: Image.fromarray(pixels).save(temporary, quality=92))


def resize(image: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Resize with an antialiasing filter, so that fine brush strokes do not alias when a picture shrinks.

    Args:
        image: (B, 3, H, W) or (3, H, W).
        size: (height, width), or one number for the shorter side (the aspect ratio stays).

    Returns:
        The same number of dimensions, with the new height and width; values stay in the input's range.

    Raises:
        ValueError: if the picture is not of that shape or empty, or a side of `size` is under 1.

    >>> resize(torch.rand(3, 30, 40), 15).shape
    torch.Size([3, 15, 20])
    """
    if image.ndim not in (3, 4) or 0 in image.shape:
        raise ValueError(f"image must be (B, 3, H, W) or (3, H, W) and not empty, got {tuple(image.shape)}")
    height, width = image.shape[-2:]
    if isinstance(size, int):
        scale = size / min(height, width)
        size = (max(size, round(height * scale)), max(size, round(width * scale))) if size > 0 else (size, size)
    if min(size) < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    batch = image if image.ndim == 4 else image[None]
    if size != (height, width):
        wide = batch.float() if batch.dtype in (torch.float16, torch.bfloat16) else batch  # no CPU has that filter
        batch = interpolate(wide, size=size, mode="bilinear", antialias=True, align_corners=False).to(batch)
    return batch if image.ndim == 4 else batch[0]


def crop_square(image: Tensor, size: int) -> Tensor:
    """The largest centred square of a picture, resized to `size` x `size`: what a batch of mixed pictures needs.

    Args:
        image: (B, 3, H, W) or (3, H, W).
        size: side of the result in pixels.

    Returns:
        (B, 3, size, size) or (3, size, size).

    Raises:
        ValueError: as `resize`.

    >>> crop_square(torch.rand(3, 30, 40), 16).shape
    torch.Size([3, 16, 16])
    """
    if image.ndim not in (3, 4) or 0 in image.shape:
        raise ValueError(f"image must be (B, 3, H, W) or (3, H, W) and not empty, got {tuple(image.shape)}")
    side = min(image.shape[-2:])
    top, left = (image.shape[-2] - side) // 2, (image.shape[-1] - side) // 2
    return resize(image[..., top : top + side, left : left + side], (size, size))
