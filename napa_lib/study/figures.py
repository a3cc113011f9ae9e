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

MAX_WIDTH = 720  # px: a notebook column
MAX_BYTES = 40_000  # of one encoded picture; the notebook stores it about 2.7 times (base64, and once for each format)


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


def encode(picture: Image.Image) -> tuple[str, bytes]:
    """The picture small enough for a notebook in git: PNG with a palette, or JPEG where that is clearly smaller.

    Returns:
        MIME type and bytes, at most `MAX_BYTES` (quality and, last, size give way).
    """
    if picture.width > MAX_WIDTH:
        height = max(1, round(picture.height * MAX_WIDTH / picture.width))
        picture = picture.resize((MAX_WIDTH, height), Image.Resampling.LANCZOS)
    png = _bytes(picture.quantize(128, dither=Image.Dither.NONE), format="PNG", optimize=True)
    for scale in (1.0, 0.8, 0.6, 0.4, 0.2):
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        small = picture if scale == 1.0 else picture.resize(size, Image.Resampling.LANCZOS)
        for quality in (85, 75, 65):
            jpeg = _bytes(small, format="JPEG", quality=quality, optimize=True)
            if len(png) <= MAX_BYTES and len(png) < 1.5 * len(jpeg):
                return "image/png", png
            if len(jpeg) <= MAX_BYTES:
                return "image/jpeg", jpeg
    return "image/jpeg", jpeg


def _bytes(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()


def figure_html(mime: str, data: bytes, alt: str, caption: str) -> str:
    """`<figure>` with the picture inside, its alt text and, if there is one, its caption."""
    source = f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="{source}" alt="{html.escape(alt, quote=True)}" style="max-width:100%">{below}</figure>'


def bundle(picture: Any, alt: str, caption: str = "") -> dict[str, Any]:
    """The MIME bundle of a picture: HTML with alt text and caption, the bare picture, and plain text.

    JupyterLab and nbconvert show the HTML; whatever cannot shows the picture or the words.

    Raises:
        ValueError: if `alt` says nothing, or `picture` is not a picture.
    """
    if not alt.strip():
        raise ValueError("alt must say in a sentence what the picture shows, got an empty text")
    mime, data = encode(to_picture(picture))
    text = f"[picture: {alt}]" + (f" {caption}" if caption else "")
    return {"text/html": figure_html(mime, data, alt, caption), mime: data, "text/plain": text}


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
