"""Pictures with words: every figure of the course reaches the reader with alt text and a caption."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's palette: told apart with any kind of colour vision. Line styles change with it, so that colour is
# never the only cue.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))

PLOT_COLOURS, SAME = 64, 0.8  # how many colours, and the mean change of 255 that nobody sees
MAX_WIDTH = 720  # px: a notebook column
MAX_BYTES = 25_000  # of one encoded picture; base64 makes a third more of it in a notebook
MAX_FALLBACK_BYTES, MAX_PHOTO_BYTES = 8_000, 5_000  # of its coarser copy, a PNG, or a JPEG where that is larger


def use_style() -> None:
    """Set matplotlib's colours, sizes and resolution for the course."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=PALETTE) + plt.cycler(linestyle=LINES),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "figure.figsize": (6.4, 3.4),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "image.cmap": "cividis",
            "image.interpolation": "nearest",
            "lines.linewidth": 2.0,
        }
    )


def to_picture(picture: Any) -> Image.Image:
    """A matplotlib figure, a tensor (3, H, W) or (1, 3, H, W), an array (H, W, 3) or a PIL image, as an RGB PIL image.

    Raises:
        ValueError: if it is none of these.
    """
    if isinstance(picture, Figure):
        buffer = io.BytesIO()
        picture.savefig(buffer, format="png", dpi=picture.dpi, facecolor="white")
        return Image.open(buffer).convert("RGB")
    if isinstance(picture, Image.Image):
        return picture.convert("RGB")
    return Image.fromarray((np.clip(to_array(picture), 0, 1) * 255).round().astype(np.uint8))


def to_array(picture: Any) -> np.ndarray:
    """A picture in [0, 1] as an array (H, W, 3): a tensor is (3, H, W) or (1, 3, H, W), an array (H, W, 3).

    Raises:
        ValueError: if its shape is not a picture's.
    """
    if hasattr(picture, "detach"):
        array = picture.detach().cpu().float().numpy()
        array = array[0] if array.ndim == 4 and array.shape[0] == 1 else array
        if array.ndim == 3 and array.shape[0] == 3 and array.size:
            return array.transpose(1, 2, 0)
    else:
        array = np.asarray(picture)
        if array.ndim == 3 and array.shape[2] == 3 and array.size:
            return array / 255 if array.dtype == np.uint8 else array
    raise ValueError(
        f"picture must be a figure, a (3, H, W) tensor or an (H, W, 3) array, got {type(picture).__name__} "
        f"of shape {np.shape(picture)}"
    )


def encode(picture: Image.Image) -> bytes:
    """The picture as WebP of at most `MAX_BYTES`: without loss if that fits, else quality and then size give way.

    A plot has few colours but for the soft edges of its lines: `PLOT_COLOURS` of them are as good, in half the bytes.
    """
    picture = _narrowed(picture, MAX_WIDTH)
    plain = picture.quantize(PLOT_COLOURS, dither=Image.Dither.NONE).convert("RGB")
    change = np.abs(np.asarray(plain, dtype=np.int16) - np.asarray(picture, dtype=np.int16)).mean()
    exact = _bytes(plain if change < SAME else picture, format="WEBP", lossless=True, quality=50)
    return exact if len(exact) <= MAX_BYTES else _lossy(picture, "WEBP", MAX_BYTES)


def encode_fallback(picture: Image.Image) -> tuple[str, bytes]:
    """A coarser copy for what cannot show HTML, its MIME type and bytes: a PNG of at most `MAX_FALLBACK_BYTES`, or of
    what is no plot a JPEG of at most `MAX_PHOTO_BYTES`."""
    picture = _narrowed(picture, MAX_WIDTH // 2)
    png = _bytes(picture.quantize(64, dither=Image.Dither.NONE), format="PNG", optimize=True)
    if len(png) <= MAX_FALLBACK_BYTES:
        return "image/png", png
    return "image/jpeg", _lossy(picture, "JPEG", MAX_PHOTO_BYTES)


def _narrowed(picture: Image.Image, width: int) -> Image.Image:
    scale = min(1.0, width / picture.width)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if scale == 1.0 else picture.resize(size, Image.Resampling.LANCZOS)


def _lossy(picture: Image.Image, format: str, limit: int) -> bytes:
    for scale in (1.0, 0.8, 0.6, 0.5, 0.4, 0.2, 0.1):
        for quality in (75, 65, 50):
            data = _bytes(_narrowed(picture, max(1, round(picture.width * scale))), format=format, quality=quality)
            if len(data) <= limit:
                return data
    raise ValueError(f"picture must fit into {limit} bytes, got one of {picture.width} x {picture.height} pixels")


def _bytes(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()


def figure_html(webp: bytes, alt: str, caption: str) -> str:
    """`<figure>` with the picture inside, its alt text and, if there is one, its caption."""
    source = f"data:image/webp;base64,{base64.b64encode(webp).decode('ascii')}"
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="{source}" alt="{html.escape(alt, quote=True)}" style="max-width:100%">{below}</figure>'


def bundle(picture: Any, alt: str, caption: str = "") -> dict[str, Any]:
    """The MIME bundle of a picture: HTML with alt text and caption, a coarser bare picture, and plain text.

    JupyterLab and the course's pages show the HTML; whatever cannot shows the bare picture or the words.

    Raises:
        ValueError: if `alt` says nothing, or `picture` is not a picture.
    """
    if not alt.strip():
        raise ValueError("alt must say in a sentence what the picture shows, got an empty text")
    image = to_picture(picture)
    text = f"[picture: {alt}]" + (f" {caption}" if caption else "")
    mime, small = encode_fallback(image)
    return {"text/html": figure_html(encode(image), alt, caption), mime: small, "text/plain": text}


def show(picture: Any = None, *, alt: str, caption: str = "") -> None:
    """Show a picture with its alt text and caption; every picture of a lesson goes through here.

    Args:
        picture: a matplotlib figure (the current one if left out), which is closed; a tensor (3, H, W) in [0, 1]; an
            array (H, W, 3); a PIL image.
        alt: what a reader who cannot see it needs to know, in a sentence.
        caption: printed below it; artworks name artist, title, year and licence here.

    Raises:
        ValueError: if `alt` says nothing, or `picture` is not a picture.
    """
    from IPython.display import display

    figure = plt.gcf() if picture is None else picture
    display(to_protocol(bundle(figure, alt, caption)), raw=True)
    if isinstance(figure, Figure):
        plt.close(figure)


def to_protocol(data: dict[str, Any]) -> dict[str, Any]:
    """Bytes as base64 text, as the Jupyter protocol wants them."""
    return {k: base64.b64encode(v).decode("ascii") if isinstance(v, bytes) else v for k, v in data.items()}


def pictures(
    images: Sequence[Any], titles: Sequence[str] | None = None, columns: int = 4, width: float = 7.2
) -> Figure:
    """A grid of pictures, each with its title: hand it to `show`.

    Args:
        images: tensors (3, H, W) or arrays (H, W, 3) in [0, 1], of any sizes.
        titles: one a picture.
        columns: how many side by side.
        width: of the whole grid in inches, 100 px each.

    Raises:
        ValueError: if there is no picture, or not one title a picture.
    """
    if len(images) == 0 or (titles is not None and len(titles) != len(images)):
        raise ValueError(f"images must be at least one, with a title each, got {len(images)} and {titles}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    arrays = [to_array(image) for image in images]
    tallest = max(array.shape[0] / array.shape[1] for array in arrays)
    height = rows * (width / columns * min(tallest, 1.4) + (0.25 if titles else 0.0))
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for index, (axis, array) in enumerate(zip(axes.flat, arrays, strict=False)):
        axis.imshow(np.clip(array, 0, 1), interpolation="bilinear")
        if titles is not None:
            axis.set_title(titles[index], fontsize=9)
    return figure
