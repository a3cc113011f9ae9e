"""A page of overlays that stands alone: the figures that an estimator got best, those in the middle, the worst."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from napa_lib.data import ArtFigure
from napa_lib.files import write_text
from napa_lib.pose import open_picture
from napa_lib.skeletons import ART14

if TYPE_CHECKING:
    from napa_lib.evaluate.art import ArtScore

SHOWN = 6  # figures in each of the three groups
SIDE = 420  # pixels of an overlay's side
FINER = 2  # drawn so many times larger, for smooth lines
CSS = """
:root { color-scheme: light dark; --ground: #fbf8f2; --ink: #231f1a; --soft: #5d554a }
@media (prefers-color-scheme: dark) { :root { --ground: #191714; --ink: #ece6da; --soft: #b3a999 } }
body { margin: 0 auto; max-width: 64rem; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif }
h1, h2 { line-height: 1.2 }
.figures { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)) }
figure { margin: 0 }
img { width: 100%; height: auto; background: #fff }
figcaption { font-size: .9rem }
small { color: var(--soft); display: block; overflow-wrap: anywhere }
"""


def page_file(path: Path) -> Path:
    """Where the page goes: the file itself, or `art.html` in a folder."""
    return path / "art.html" if path.is_dir() else path


def write_page(path: Path, score: ArtScore) -> Path:
    """Write the page to `page_file(path)`.

    Figures are ordered by the mean distance of their limb joints in head sizes.

    Returns:
        where the page lies.

    Raises:
        ValueError: if a picture cannot be read any more.
        OSError: that names the file, if it cannot be written; an earlier page then stays whole.
    """
    groups = _groups(score)
    sections = "".join(
        f"<h2>{title}</h2><div class='figures'>{''.join(_figure(score, i) for i in chosen)}</div>"
        for title, chosen in groups.items()
    )
    total = {t: 100 * score.pckh(t).total.item() for t in (0.25, 0.5)}
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Poses of figures in art</title><style>{CSS}</style><h1>Poses of figures in art</h1>"
        f"<p>{len(score.figures)} figures, limb joints: PCKh@0.25 {total[0.25]:.1f} %, PCKh@0.5 {total[0.5]:.1f} %. "
        "Coloured lines are the estimate: the figure's own left side blue, its right side orange, the rest green. "
        "White dots are the annotated joints that are visible; a black line leads from each to an estimate that is "
        f"more than half a head away.</p>{sections}</html>"
    )
    file = page_file(path)
    write_text(file, page)
    return file


def _mean_errors(score: ArtScore) -> Tensor:
    """(F,) mean distance of the limb joints in head sizes; a missed joint counts as ten heads away."""
    return score.limb_errors.nan_to_num(nan=torch.nan, posinf=10.0).nanmean(1)


def _groups(score: ArtScore) -> dict[str, list[int]]:
    """Title -> figures, best first."""
    order = _mean_errors(score).argsort().tolist()
    count = min(SHOWN, len(order) // 3 or 1)
    middle = (len(order) - count) // 2
    return {"Best": order[:count], "In the middle": order[middle : middle + count], "Worst": order[-count:]}


def _figure(score: ArtScore, index: int) -> str:
    figure, limbs = score.figures[index], score.limb_errors[index]
    right, counted = int((limbs < 0.5).sum()), int((~limbs.isnan()).sum())
    name = figure.name.replace("_", " ")
    words = f"{right} of {counted} limb joints within half a head"
    alt = f"{name}, a {figure.kind}, with its estimated and its annotated joints; {words}."
    picture = overlay(figure, score.predictions[index], score.errors[index])
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82, optimize=True)
    code = base64.b64encode(buffer.getvalue()).decode()
    return (
        f"<figure><img alt='{html.escape(alt, quote=True)}' width='{picture.width}' height='{picture.height}' "
        f"src='data:image/jpeg;base64,{code}'><figcaption><b>{html.escape(name)}</b> "
        f"({html.escape(figure.kind)}): {words}, mean distance {_mean_errors(score)[index]:.2f} heads"
        f"<small>{html.escape(figure.source)}. Licence: {html.escape(figure.licence)}</small></figcaption></figure>"
    )


def overlay(figure: ArtFigure, keypoints: Tensor, errors: Tensor) -> Image.Image:
    """The figure's box of its picture, white outside it, with both poses drawn.

    Args:
        figure: the figure.
        keypoints: (14, 2) estimated, in pixels of the picture; NaN or inf for a missing joint.
        errors: (14,) in head sizes, NaN where not counted.
    """
    side = SIDE * FINER
    x0, y0, x1, y1 = figure.box
    scale = side / max(x1 - x0, 1)
    picture = open_picture(figure.path, [figure.box])  # upright and as bright as the estimator saw it
    canvas = Image.new("RGB", (side, side), "white")
    width, height = (reduced * picture.factor for reduced in picture.pixels.size)
    left, right = (min(max(round(x), 0), width) for x in (x0 - 1, x1 + 1))
    top, bottom = (min(max(round(y), 0), height) for y in (y0 - 1, y1 + 1))
    if right > left and bottom > top:
        size = [max(round(pixels * scale), 1) for pixels in (right - left, bottom - top)]
        area = (left / picture.factor, top / picture.factor, right / picture.factor, bottom / picture.factor)
        part = picture.pixels.resize((size[0], size[1]), Image.Resampling.LANCZOS, box=area)
        canvas.paste(part, (round((left - x0) * scale), round((top - y0) * scale)))
    corner = torch.tensor([x0, y0])
    estimate, truth = (((points - corner + 0.5) * scale).tolist() for points in (keypoints, figure.keypoints))
    _draw_bones(ImageDraw.Draw(canvas), estimate, keypoints.isfinite().all(-1).tolist())
    draw = ImageDraw.Draw(canvas)
    for joint in figure.visible.nonzero()[:, 0].tolist():
        x, y = truth[joint]
        if 0.5 <= errors[joint] < torch.inf:
            draw.line((x, y, *estimate[joint]), fill="black", width=FINER)
        r = 4 * FINER
        draw.ellipse((x - r, y - r, x + r, y + r), fill="white", outline="black", width=2 * FINER)
    return canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _draw_bones(draw: ImageDraw.ImageDraw, points: list[list[float]], present: list[bool]) -> None:
    """Bones in their colours on a white casing, those that end in a missing joint left out."""
    bones = [(b, c) for b, c in zip(ART14.bones, ART14.colors, strict=True) if present[b[0]] and present[b[1]]]
    for width, casing in ((8 * FINER, "white"), (4 * FINER, None)):
        for (a, b), color in bones:
            draw.line((*points[a], *points[b]), fill=casing or color, width=width)
            for x, y in (points[a], points[b]):
                r = width / 2
                draw.ellipse((x - r, y - r, x + r, y + r), fill=casing or color)
