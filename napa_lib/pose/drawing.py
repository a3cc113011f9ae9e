"""A pose drawn over its picture, readable on any ground, and as a bone map of the same cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from napa_lib.pose.estimator import PoseResult
from napa_lib.pose.pictures import Picture
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import Skeleton

SMALLEST, LARGEST = 640, 1600  # longer side of what is drawn, in pixels
ROOM = 2.5  # a picture more than so many times as long as its figure is cut round it
FINE = 3  # lines are drawn so many times as large and shrunk
SURE = 0.5  # a joint of this confidence or more is drawn in full
FAINT = 0.35  # brightness of a bone map's bones with an end that is less sure
BONE_WIDTH = 0.1  # of the bone map's ovals, as a share of the figure's extent: 20 of 204 px, as in NAPA's code
# Okabe and Ito's colours: the figure's left in blues, its right in oranges, the middle green.
SIDES = {"l_arm": (0, 114, 178), "l_leg": (86, 180, 233), "r_arm": (213, 94, 0), "r_leg": (230, 159, 0)}
MIDDLE, DARK = (0, 178, 130), (16, 16, 20)


@dataclass(frozen=True)
class Cut:
    """The part of the picture that is drawn: its place in the original and the drawing's scale."""

    low: tuple[float, float]  # its top-left corner in pixels of the original
    high: tuple[float, float]
    size: tuple[int, int]  # width and height of the drawing

    def place(self, keypoints: Tensor) -> Tensor:
        """(J, 2) in the original's pixels -> the drawing's pixels."""
        low, high, size = (keypoints.new_tensor(v) for v in (self.low, self.high, self.size))
        return (keypoints + 0.5 - low) * (size / (high - low)) - 0.5


def cut_round(result: PoseResult, picture: Picture) -> Cut:
    """The whole picture, or, where the figure is small in it, the part round the figure."""
    width, height = picture.size
    x0, y0, x1, y1 = result.box
    side = ROOM * max(x1 - x0, y1 - y0)
    if max(width, height) > side:
        low = tuple(max(0.0, (a + b - side) / 2) for a, b in ((x0, x1), (y0, y1)))
        high = tuple(min(float(e), (a + b + side) / 2) for a, b, e in ((x0, x1, width), (y0, y1, height)))
    else:
        low, high = (0.0, 0.0), (float(width), float(height))
    return _cut(low, high, picture)  # type: ignore[arg-type]


def _cut(low: tuple[float, float], high: tuple[float, float], picture: Picture) -> Cut:
    """The part from `low` to `high`, drawn about as large as it is in the picture."""
    longest = max(high[0] - low[0], high[1] - low[1])
    scale = min(max(longest / picture.factor, SMALLEST), LARGEST) / longest
    size = tuple(max(1, round(scale * (b - a))) for a, b in zip(low, high, strict=True))
    return Cut(low, high, size)  # type: ignore[arg-type]


def draw_overlay(result: PoseResult, picture: Picture, cut: Cut) -> Image.Image:
    """The figure's bones and joints over the picture: dark-edged so that they show on any ground, faint where the
    network is unsure, the left in blues and the right in oranges.

    Returns:
        RGB, `cut.size`.
    """
    base = cut_out(picture, cut)
    _draw_on(base, result, cut)
    return base


def draw_figures(results: Sequence[PoseResult], picture: Picture) -> Image.Image:
    """All figures over the whole picture, each with its number, counted from 1, above it.

    Returns:
        RGB, at most `LARGEST` pixels wide and high.
    """
    cut = _cut((0.0, 0.0), (float(picture.size[0]), float(picture.size[1])), picture)
    base = cut_out(picture, cut)
    for result in results:
        _draw_on(base, result, cut)
    pen, height = ImageDraw.Draw(base), max(14.0, 0.025 * max(cut.size))
    font = ImageFont.load_default(height)
    for number, result in enumerate(results, 1):
        points = cut.place(result.keypoints)
        points = points[~points.isnan().any(-1)]
        x, y = points[points[:, 1].argmin()].tolist() if len(points) else (0.0, 0.0)
        place = min(max(x, 8.0), cut.size[0] - 8.0), min(max(y - 0.6 * height, height), cut.size[1] - 2.0)
        pen.text(place, str(number), (255, 255, 255), font, "mb", stroke_width=3, stroke_fill=DARK)
    return base


def cut_out(picture: Picture, cut: Cut) -> Image.Image:
    """The part of the picture that is drawn, at the drawing's size."""
    (x0, y0), (x1, y1) = cut.low, cut.high
    part = x0 / picture.factor, y0 / picture.factor, x1 / picture.factor, y1 / picture.factor
    return picture.pixels.resize(cut.size, Image.Resampling.LANCZOS, box=part, reducing_gap=2.0)


def _draw_on(base: Image.Image, result: PoseResult, cut: Cut) -> None:
    """Draw one figure's lines on the picture."""
    points = cut.place(result.keypoints)
    seen = ~points.isnan().any(-1)
    if not bool(seen.any()):
        return
    extent = float((points[seen].amax(0) - points[seen].amin(0)).amax())
    thick = min(max(0.018 * extent, 2.5), 9.0)
    low = [max(0, int(v - 3 * thick)) for v in points[seen].amin(0).tolist()]
    high = [min(e, int(v + 3 * thick) + 1) for v, e in zip(points[seen].amax(0).tolist(), cut.size, strict=True)]
    if low[0] >= high[0] or low[1] >= high[1]:
        return  # every joint lies outside
    layer = _lines((points - points.new_tensor(low) + 0.5) * FINE, result, (high[0] - low[0], high[1] - low[1]), thick)
    base.paste(layer, (low[0], low[1]), layer)


def _lines(points: Tensor, result: PoseResult, size: tuple[int, int], thick: float) -> Image.Image:
    """Bones and joints on a transparent ground of `size`, drawn `FINE` times as large and shrunk."""
    layer = Image.new("RGBA", (size[0] * FINE, size[1] * FINE), (*DARK, 0))
    pen = ImageDraw.Draw(layer)
    strength = (result.confidence / SURE).clamp(0.0, 1.0) * 0.72 + 0.28
    places, alpha = points.tolist(), (255 * strength).round().int().tolist()
    shown = [not bool(p.isnan().any()) for p in points]
    bones = [(a, b) for a, b in result.skeleton.bones if shown[a] and shown[b]]
    for a, b in sorted(bones, key=lambda bone: min(alpha[bone[0]], alpha[bone[1]])):
        faint = min(alpha[a], alpha[b])
        for color, width in ((DARK, 1.9 * thick), (side_color(result.skeleton, a, b), thick)):
            _line(pen, places[a], places[b], width * FINE, (*color, faint))
    for joint in sorted(range(len(places)), key=lambda j: alpha[j]):
        if shown[joint]:
            for color, radius in ((DARK, 1.15), ((255, 255, 255), 0.85), (side_color(result.skeleton, joint), 0.5)):
                _disc(pen, places[joint], radius * thick * FINE, (*color, alpha[joint]))
    return layer.resize(size, Image.Resampling.BOX)


def side_color(skeleton: Skeleton, *joints: int) -> tuple[int, int, int]:
    """Blues for the figure's left, oranges for its right, green for what is neither."""
    names = [skeleton.joints[j] for j in joints]
    sides = {name[:2] for name in names if name[:2] in ("l_", "r_")}
    if len(sides) != 1 or (len(joints) == 1 and names[0][:2] not in sides):
        return MIDDLE
    leg = any(part in name for name in names for part in ("hip", "knee", "ankle", "foot", "toe", "heel"))
    return SIDES[f"{sides.pop()}{'leg' if leg else 'arm'}"]


def draw_bone_map(result: PoseResult, cut: Cut) -> Image.Image:
    """NAPA's bone map of the figure, in the overlay's cut; bones with an unsure end are faint, below the others."""
    points = cut.place(result.keypoints)
    seen = ~points.isnan().any(-1)
    extent = float((points[seen].amax(0) - points[seen].amin(0)).amax())

    def drawn(some: Tensor) -> Tensor:
        return render_bone_map(some[None], result.skeleton, cut.size[::-1], width=max(2.0, BONE_WIDTH * extent))[0]

    bones, unsure = drawn(points), seen & (result.confidence < SURE)
    if bool(unsure.any()):
        sure = drawn(points.masked_fill(unsure[:, None], torch.nan))
        bones = torch.where(sure.amax(0, keepdim=True) > 0, sure, FAINT * bones)
    return Image.fromarray((bones.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy().astype(np.uint8))


def _line(pen: ImageDraw.ImageDraw, start: list[float], end: list[float], width: float, color: tuple) -> None:
    pen.line([tuple(start), tuple(end)], fill=color, width=max(1, round(width)))
    for point in (start, end):
        _disc(pen, point, width / 2, color)


def _disc(pen: ImageDraw.ImageDraw, centre: list[float], radius: float, color: tuple) -> None:
    x, y = centre
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
