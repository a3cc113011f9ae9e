"""Pictures out of files, the one place where that is done: upright, in sRGB, in the size that they really have."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

# Formats that hold a picture, and the endings of their files. Pillow also registers data sets (.h5), video (.mpg),
# documents and formats whose reading starts another program (.eps); these are no pictures here.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "PNG": (".png", ".apng"), "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"), "GIF": (".gif",), "BMP": (".bmp",), "DIB": (".dib",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".j2c"),
    "AVIF": (".avif",), "HEIF": (".heic", ".heif", ".hif"), "TGA": (".tga",), "PSD": (".psd",),
}  # fmt: skip
DAMAGED = (
    OSError, ValueError, TypeError, SyntaxError, EOFError, KeyError, IndexError, OverflowError, AttributeError,
    struct.error, zlib.error, MemoryError, Image.DecompressionBombError,
)  # fmt: skip  # what Pillow's decoders raise on damaged files
ORIENTATION = 0x0112  # EXIF
PHOTOMETRIC = 262  # TIFF
TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")

Source = str | os.PathLike | BinaryIO | Image.Image


class PictureError(ValueError):
    """A file cannot be read as a picture; the message names the file and the reason."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture, perhaps reduced, that remembers the size it had.

    Attributes:
        pixels: upright; mode "RGB", or "F" with grey in [0, 1] where the file has more than 8 bits a pixel.
        factor: how many pixels of the original one of these is wide and high.
        size: width and height of the original, upright.
    """

    pixels: Image.Image
    factor: int
    size: tuple[int, int]


@cache
def readable_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that can be read here; HEIC (iPhones) where pillow-heif is installed."""
    try:
        import pillow_heif
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def picture_endings(writable: bool = False) -> tuple[str, ...]:
    """Endings of the files that can be read as pictures, or written.

    >>> ".jpg" in picture_endings(), ".h5" in picture_endings(), ".psd" in picture_endings(writable=True)
    (True, False, False)
    """
    names = [name for name in readable_formats() if not writable or name in Image.SAVE]
    return tuple(ending for name in names for ending in FORMATS[name])


def decode(
    source: Source,
    max_pixels: int,
    reduction: Callable[[tuple[int, int]], int] = lambda size: 1,
    turn: bool = True,
) -> Decoded:
    """Read a picture as it is meant to be seen.

    Museum scans, phone photographs and clip art come as CMYK, 16-bit grey, palettes, with alpha, with a colour profile
    or turned by an EXIF flag; a network wants sRGB. Alpha is composited on white (in sRGB), grey is repeated, the EXIF
    orientation and the colour profile are applied; a profile that is damaged, or of another colour space than the
    picture, is passed over, as browsers do. Of an animation, and of a photograph with others inside (MPO), the first
    picture is read.

    Args:
        source: a path, a file open for reading bytes, or a PIL picture, which stays as it is.
        max_pixels: refuse a picture with more pixels before decoding it.
        reduction: from (width, height) as stored to the power of two by which the picture is reduced. JPEGs are then
            decoded at reduced size, others reduced right after decoding.
        turn: apply the EXIF orientation; False for labels that were counted in the picture as it is stored.

    Raises:
        PictureError: a ValueError that names the file, if it is missing, empty, truncated, too large or no picture.

    >>> decode(Image.new("L", (40, 30)), 10**6, lambda size: 4).pixels.size
    (10, 8)
    """
    name = _name(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's notes on large or odd files; the size is checked here
            if isinstance(source, Image.Image):
                return _decode(source, max_pixels, reduction, turn, ours=False)
            with Image.open(source, formats=readable_formats()) as picture:
                return _decode(picture, max_pixels, reduction, turn, ours=True)
    except DAMAGED as error:
        raise PictureError(f"cannot read picture {name}: {_reason(error)}") from error


def stored_size(path: str | os.PathLike) -> tuple[tuple[int, int], int]:
    """Width and height of a picture's file as it is stored, and its EXIF orientation (1 to 8), from its header.

    Raises:
        PictureError: as `decode`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=readable_formats()) as picture:
                if picture.format == "TIFF":  # which Pillow turns by itself: its size is that of the turned picture
                    return picture.size, 1
                return picture.size, _orientation(picture)
    except DAMAGED as error:
        raise PictureError(f"cannot read picture {_name(path)}: {_reason(error)}") from error


def _name(source: Source) -> str:
    return repr(str(source)) if isinstance(source, (str, os.PathLike)) else "the picture"


def _reason(error: BaseException) -> str:
    words = str(error).strip("\0 \n")  # libheif ends its own with a zero byte
    return words if type(error) is ValueError else f"{type(error).__name__}: {words}"


def _decode(
    picture: Image.Image, limit: int, reduction: Callable[[tuple[int, int]], int], turn: bool, ours: bool
) -> Decoded:
    width, height = picture.size
    if width * height > limit:
        raise ValueError(f"it is {width} x {height}, more than max_pixels = {limit}; make it smaller first")
    if width * height == 0:
        raise ValueError(f"it is {width} x {height} pixels: empty")
    factor = reduction((width, height))
    if ours and factor > 1:  # JPEG alone can decode at reduced size; the others leave this undone
        picture.draft(None, (max(1, width // factor), max(1, height // factor)))
    drafted = max(1, round(width / picture.width))
    picture.load()
    orientation = _orientation(picture) if turn else 1  # after loading: TIFFs are turned by then
    if drafted == 1:
        width, height = picture.size
    pixels = _upright(_to_srgb(picture, factor // drafted), orientation)
    return Decoded(pixels, factor, (height, width) if orientation in (5, 6, 7, 8) else (width, height))


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where EXIF is damaged or says something else, which browsers pass over, too."""
    try:
        value = picture.getexif().get(ORIENTATION, 1)
    except DAMAGED:
        return 1
    return int(value) if value in range(1, 9) else 1


def _to_srgb(picture: Image.Image, factor: int) -> Image.Image:
    """Any mode to "RGB" or "F" (see `Decoded`), reduced by `factor` as early as that mode allows."""
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I;16") and getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == 0:
        picture = Image.fromarray(65535 - np.asarray(picture))  # 0 is white there, which Pillow turns in 8 bits alone
    if picture.mode.startswith("I") and isinstance(picture.info.get("transparency"), int):
        picture = _on_white(picture)
    if picture.mode.startswith("I;16") and factor > 1:  # Pillow cannot reduce these; 8 bits are left of an average
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode in ("P", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA" if picture.mode == "PA" or "transparency" in picture.info else "RGB")
    small = picture.reduce(factor) if factor > 1 else picture
    if small.mode.startswith("I") or small.mode == "F":
        return _deep_grey(small, profile)
    if small.mode not in TRANSPARENT:
        return _apply(profile, small)
    small = small.convert("LA" if small.mode in ("LA", "La") else "RGBA")
    opaque, alpha = small.convert(small.mode.removesuffix("A")), small.getchannel("A")
    return Image.composite(_apply(profile, opaque), Image.new("RGB", small.size, "white"), alpha)


def _on_white(picture: Image.Image) -> Image.Image:
    """16-bit grey with white where it has the value that its file calls transparent; Pillow's `convert` would clip."""
    values = np.array(picture)
    values[values == picture.info["transparency"]] = 65535
    return Image.fromarray(values)


def _deep_grey(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Grey of more than 8 bits as mode "F" in [0, 1], through its profile's curve."""
    largest = 1.0 if picture.mode == "F" else 65535.0
    grey = np.asarray(picture).astype(np.float32) / largest
    if not ((grey >= 0) & (grey <= 1)).all():
        raise ValueError(f"values of mode {picture.mode} must lie in [0, {largest:.0f}]")
    if profile is not None:
        ramp = np.asarray(_apply(profile, Image.fromarray(np.arange(256, dtype=np.uint8)[None])))[0, :, 1]
        if (ramp != np.arange(256)).any():
            grey = np.interp(grey, np.linspace(0, 1, 256), ramp / 255).astype(np.float32)
    return Image.fromarray(grey)


def _apply(profile: bytes | None, picture: Image.Image) -> Image.Image:
    """An "L", "RGB", "CMYK", "YCbCr" … picture to sRGB, by its colour profile if it has one that fits."""
    if profile is None or picture.mode not in ("L", "RGB", "CMYK", "LAB"):
        return picture.convert("RGB")
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if own.profile.profile_description in ("sRGB IEC61966-2.1", "sRGB built-in", "sRGB"):
            return picture.convert("RGB")  # already there; a transformation would only round
        found = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        found = None
    return picture.convert("RGB") if found is None else found


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture by an EXIF orientation; Pillow wants it in the picture."""
    if orientation == 1:
        return picture
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    plain = picture.copy()
    plain.info = {"exif": exif.tobytes()}
    return ImageOps.exif_transpose(plain)
