"""Pictures from files to tensors and back: one way in for every odd format, one way out."""

from __future__ import annotations

import os
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

MAX_PIXELS = 50_000_000  # 600 MB as float32; larger pictures must be asked for


class PictureError(ValueError):
    """A file cannot be read as a picture; the message names the file and the reason."""


def load_image(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Read a picture as it is meant to be seen.

    Museum scans, phone photographs and clip art come as CMYK, 16-bit grey, palettes, with alpha or turned by an
    EXIF flag; a network wants RGB. Alpha is composited on white (in sRGB), grey is repeated, the EXIF orientation is
    applied, 16 bits are divided by 65535. Colour profiles are not applied: values are taken as sRGB. Of an
    animation the first frame is read.

    Args:
        path: a file that Pillow can read (JPEG, PNG, TIFF, WebP, GIF, BMP …).
        max_pixels: refuse pictures with more pixels than this before decoding them.

    Returns:
        (3, H, W) float32 in [0, 1], sRGB.

    Raises:
        PictureError: a ValueError that names the file, if it is missing, empty, truncated, too large or no picture.

    >>> from napa_lib.data import asset_path
    >>> load_image(asset_path("paintings/monalisa.jpg")).shape
    torch.Size([3, 500, 322])
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's notes on large or odd files; the size is checked here
            with Image.open(path) as picture:
                if picture.width * picture.height > max_pixels:
                    raise ValueError(f"{picture.width} x {picture.height} is more than max_pixels = {max_pixels}")
                pixels = _to_rgb(ImageOps.exif_transpose(picture))
    except (
        OSError, ValueError, TypeError, SyntaxError, EOFError, KeyError, IndexError, OverflowError, AttributeError,
        struct.error, zlib.error, MemoryError, Image.DecompressionBombError,
    ) as error:  # what Pillow's decoders raise on damaged files  # fmt: skip
        raise PictureError(f"cannot read picture {str(path)!r}: {type(error).__name__}: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _to_rgb(picture: Image.Image) -> np.ndarray:
    """A Pillow picture of any mode -> (H, W, 3) float32 in [0, 1]."""
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        grey = np.asarray(picture).astype(np.float32) / (1.0 if mode == "F" else 65535.0)
        if not ((grey >= 0) & (grey <= 1)).all():
            raise ValueError(f"values of mode {mode} must lie in {'[0, 1]' if mode == 'F' else '[0, 65535]'}")
        return np.repeat(grey[:, :, None], 3, axis=2)
    if mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in picture.info:
        rgba = np.asarray(picture.convert("RGBA"), dtype=np.float32) / 255.0
        alpha = rgba[:, :, 3:]
        return rgba[:, :, :3] * alpha + (1.0 - alpha)
    return np.asarray(picture.convert("RGB"), dtype=np.float32) / 255.0


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
    if path.suffix.lower() not in Image.registered_extensions():
        raise ValueError(f"path must end in a picture format such as .png or .jpg, got {path.name!r}")
    pixels = (image.detach().cpu().permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving") as folder:
        temporary = Path(folder) / path.name
        Image.fromarray(pixels).save(temporary, quality=92)
        os.replace(temporary, path)


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
        batch = interpolate(batch, size=size, mode="bilinear", antialias=True, align_corners=False)
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
