"""Pictures as a pose estimator wants them: upright, RGB, 8 bits, no larger than what a figure needs, decoded ahead."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from napa_lib.data.decoding import PictureError, decode

MAX_PIXELS = 150_000_000  # a file that claims more is refused before it is decoded
KEPT_PIXELS = 6_000_000  # a larger picture is halved until it has no more
KEPT_SIDE = 512  # but not below this on its shorter side, so that long panoramas keep their figures
FIGURE_SIDE = 256  # nor so far that a figure's box has fewer pixels: twice what the network looks at


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture that remembers the size it had.

    Attributes:
        pixels: upright, RGB, 8 bits a channel.
        factor: how many pixels of the original one of these is wide and high, a power of two.
        size: width and height of the original, upright.
        ground: (3, 1, 1) median colour of the edge, in [0, 1]: what crops show outside the picture.
    """

    pixels: Image.Image
    factor: int
    size: tuple[int, int]
    ground: Tensor


ImageLike = str | os.PathLike | Image.Image | np.ndarray | Tensor | Picture


def open_picture(image: ImageLike, boxes: Sequence[Sequence[float]] | None = None) -> Picture:
    """Read any kind of picture, reduced as far as its figures allow.

    A 12,000 x 9,000 scan would be 1.3 GB in float32; a figure needs a few hundred pixels. JPEGs are decoded at reduced
    size, others reduced right after decoding, as 8-bit values. `napa_lib.data.decoding.decode` says how odd formats are
    read.

    Args:
        image: a path; a PIL picture; an array (H, W, 3) uint8 or floating in [0, 1]; a tensor (3, H, W), the same.
        boxes: of the figures in the original's pixels, where known: a small figure in a large picture keeps its pixels.

    Raises:
        ValueError: if it is none of these, empty, or has values that are NaN or out of range.
        PictureError: a ValueError that names the file, if it cannot be read, or has more than `MAX_PIXELS` pixels.

    >>> open_picture(torch.zeros(3, 3000, 4000)).pixels.size
    (2000, 1500)
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, str) and image.startswith(("http://", "https://")):
        raise PictureError(f"cannot read picture {image!r}: fetch it first; `napa pose` does so by itself")
    if isinstance(image, (str, os.PathLike, Image.Image)):
        return _read(image, boxes)
    return _read(Image.fromarray(_to_bytes(image)), boxes)


def opened(images: Iterable[ImageLike], ahead: int = 4) -> Iterator[Picture | ValueError]:
    """Read pictures one after the other, the next ones in the background; one that cannot be read gives its error.

    Args:
        images: what `open_picture` takes.
        ahead: how many to have ready at most.
    """

    def attempt(image: ImageLike) -> Picture | ValueError:
        try:
            return open_picture(image)
        except ValueError as error:
            return error

    waiting: deque[Future] = deque()
    reader = ThreadPoolExecutor(1, thread_name_prefix="decode")
    try:
        for image in images:
            waiting.append(reader.submit(attempt, image))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        reader.shutdown(wait=False, cancel_futures=True)


def reduction(size: tuple[int, int], boxes: Sequence[Sequence[float]] | None = None) -> int:
    """By which power of two a picture of (width, height) is reduced.

    >>> reduction((12000, 9000)), reduction((20000, 500)), reduction((12000, 9000), [(0, 0, 700, 300)])
    (8, 1, 2)
    """
    by_area = math.ceil(math.log2(max(1.0, size[0] * size[1] / KEPT_PIXELS)) / 2)
    by_side = math.floor(math.log2(max(1.0, min(size) / KEPT_SIDE)))
    sides = [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes or ()]
    by_box = math.floor(math.log2(max(1.0, min(sides) / FIGURE_SIDE))) if sides else by_area
    return 2 ** min(by_area, by_side, by_box)


def _read(source: str | os.PathLike | Image.Image, boxes: Sequence[Sequence[float]] | None) -> Picture:
    """Decode, reduced as far as the figures allow, to 8 bits."""
    found = decode(source, MAX_PIXELS, lambda size: reduction(size, boxes))
    pixels = found.pixels
    if pixels.mode == "F":
        pixels = Image.fromarray((np.asarray(pixels) * 255).round().astype(np.uint8)).convert("RGB")
    return Picture(pixels, found.factor, found.size, _ground(pixels))


def _to_bytes(image: np.ndarray | Tensor) -> np.ndarray:
    """An array (H, W, 3) or tensor (3, H, W) to (H, W, 3) uint8."""
    if isinstance(image, Tensor):
        kind, shape = "a tensor (3, H, W)", tuple(image.shape)
        good = len(shape) == 3 and shape[0] == 3
        tensor = image.detach().cpu()
        array = (tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).numpy()
        array = array.transpose(1, 2, 0) if good else array
    elif isinstance(image, np.ndarray):
        kind, shape, array = "an array (H, W, 3)", image.shape, image
        good = len(shape) == 3 and shape[2] == 3
    else:
        several = "; several go through predict_many" if isinstance(image, (list, tuple)) else ""
        raise ValueError(
            f"image must be a path, a PIL picture, an array or a tensor, got {type(image).__name__}{several}"
        )
    if not good or 0 in shape:
        several = "; several go through predict_many" if len(shape) == 4 else ""
        raise ValueError(f"image must be {kind} with H, W > 0, got {shape}{several}")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"image must be uint8 or floating, got {array.dtype}")
    if not ((array >= 0) & (array <= 1)).all():  # NaN compares false
        raise ValueError(f"image must lie in [0, 1] where it is floating, got {array.min():.4g} to {array.max():.4g}")
    return (array * 255).round().astype(np.uint8)


def _ground(pixels: Image.Image) -> Tensor:
    """The median colour of the outermost pixels, (3, 1, 1)."""
    width, height = pixels.size
    strips = (0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height)
    edge = np.concatenate([np.asarray(pixels.crop(strip)).reshape(-1, 3) for strip in strips])
    return torch.from_numpy(edge).median(0).values.view(3, 1, 1) / 255
