"""Shapes and strokes on a picture that is drawn enlarged and reduced at the end, which smooths the edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

OVERSAMPLING = 2
Color = tuple[int, int, int]
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 24, endpoint=False)),
                    np.sin(np.linspace(0, 2 * np.pi, 24, endpoint=False))], -1)  # fmt: skip


@dataclass(frozen=True)
class Paint:
    """A flat colour, or a picture of the canvas' size to fill with; `color` is then its main colour."""

    color: Color
    texture: Image.Image | None = None


@dataclass(frozen=True)
class Ink:
    """The outline: `width` in the picture's pixels, 0 for none; `rough` is how far the hand strays, in pixels."""

    color: Color
    width: float
    rough: float
    strokes: int = 1
    filled: bool = True  # without, shapes are outlines that one sees through


class Canvas:
    """An enlarged picture with the pens to draw on it; all points and widths are in the final picture's pixels."""

    def __init__(self, ground: Image.Image, ink: Ink, rng: np.random.Generator) -> None:
        """`ground` is a square RGB picture, already enlarged by OVERSAMPLING; it is drawn over."""
        self.image, self.ink, self.rng = ground, ink, rng
        self.draw = ImageDraw.Draw(ground)

    def finish(self) -> np.ndarray:
        """(S, S, 3) uint8, reduced to the final size."""
        return np.asarray(self.image.reduce(OVERSAMPLING))

    def group(self, *shapes: tuple[np.ndarray, Paint]) -> None:
        """Closed shapes that are outlined as one: all outlines first, then all fills."""
        rough = [(self.wobble(points), paint) for points, paint in shapes]
        if self.ink.width > 0:
            for points, _ in rough:
                closed = np.concatenate([points, points[:2]])
                self._stroke(
                    closed, self.ink.color, 2 * self.ink.width + 1 / OVERSAMPLING
                )  # fills reach half a pixel out
                for _ in range(self.ink.strokes - 1):
                    beside = self.rng.normal(0, self.ink.width, 2)
                    self._stroke(closed + beside, self.ink.color, self.ink.width)
        if self.ink.filled:
            for points, paint in rough:
                self.fill(points, paint)

    def fill(self, points: np.ndarray, paint: Paint) -> None:
        """A closed shape without an outline."""
        corners = self._corners(points)
        if paint.texture is None:
            self.draw.polygon(corners, fill=paint.color)
            return
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon(corners, fill=255)
        box = mask.getbbox()
        if box is not None:
            self.image.paste(paint.texture.crop(box), box[:2], mask.crop(box))

    def line(self, points: np.ndarray, color: Color, width: float) -> None:
        """An open stroke with round ends through (N, 2) points."""
        self._stroke(self.wobble(points), color, width)
        radius = width / 2
        if radius * OVERSAMPLING > 1:
            for end in (points[0], points[-1]):
                self.draw.ellipse(self._corners(np.stack([end - radius, end + radius])), fill=color)

    def wobble(self, points: np.ndarray) -> np.ndarray:
        """The points as an unsteady hand draws them."""
        if self.ink.rough == 0:
            return points
        noise = self.rng.normal(0, self.ink.rough, points.shape)
        smooth = noise + np.roll(noise, 1, 0) + np.roll(noise, -1, 0)  # a hand drifts, it does not tremble
        return points + smooth * 0.7

    def _stroke(self, points: np.ndarray, color: Color, width: float) -> None:
        self.draw.line(self._corners(points), fill=color, width=max(1, round(width * OVERSAMPLING)), joint="curve")

    @staticmethod
    def _corners(points: np.ndarray) -> list[tuple[float, float]]:
        """From pixel centres to Pillow's enlarged grid."""
        enlarged = (points + 0.5) * OVERSAMPLING - 0.5
        return [(x, y) for x, y in enlarged.tolist()]


def circle(centre: np.ndarray, radius: float) -> np.ndarray:
    """(24, 2) points."""
    return centre + _CIRCLE * radius


def ellipse(centre: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(24, 2) points of the ellipse with two conjugate half axes, vectors (2,); the first point is centre + along."""
    return centre + _CIRCLE[:, :1] * along + _CIRCLE[:, 1:] * across


def capsule(a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float) -> np.ndarray:
    """A tapered limb: the outline round two circles and what lies between, (26, 2) points."""
    axis = b - a
    length = float(np.hypot(*axis))
    if length <= abs(radius_a - radius_b) + 1e-6:
        return circle(a, radius_a) if radius_a > radius_b else circle(b, radius_b)
    along = axis / length
    across = np.array([-along[1], along[0]])
    half = np.arccos((radius_a - radius_b) / length)
    start = np.linspace(half, 2 * np.pi - half, 13)
    end = np.linspace(-half, half, 13)
    cap_a = a + radius_a * (np.cos(start)[:, None] * along + np.sin(start)[:, None] * across)
    cap_b = b + radius_b * (np.cos(end)[:, None] * along + np.sin(end)[:, None] * across)
    return np.concatenate([cap_a, cap_b])


def muscle(a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float, bulge: float) -> np.ndarray:
    """A capsule whose sides swell near its start, as calves and forearms do; `bulge` in parts of the start's radius."""
    shape = capsule(a, b, radius_a, radius_b)
    axis = b - a
    length = float(np.hypot(*axis))
    if bulge == 0 or len(shape) < 26:
        return shape
    along = axis / length
    across = np.array([-along[1], along[0]])
    t = np.array([0.15, 0.35, 0.55, 0.75])
    width = radius_a + (radius_b - radius_a) * t + bulge * radius_a * np.sin(np.pi * t**0.8)
    centre = a + t[:, None] * axis
    low, high = centre - width[:, None] * across, centre + width[:, None] * across
    return np.concatenate([shape[:13], low, shape[13:], high[::-1]])


def curve(points: np.ndarray) -> np.ndarray:
    """A smooth line through (N, 2) points (Catmull and Rom, 1974), 6 steps a piece; it passes every point."""
    ends = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    p0, p1, p2, p3 = (ends[i : len(ends) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, 6, endpoint=False)[:, None]
    pieces = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.concatenate([pieces.reshape(-1, 2), points[-1:]])


def hull(points: np.ndarray) -> np.ndarray:
    """The convex hull of (N, 2) points, by Andrew's monotone chain."""
    ordered = sorted(map(tuple, points.tolist()))

    def chain(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for x, y in corners:
            while len(kept) > 1 and (kept[-1][0] - kept[-2][0]) * (y - kept[-2][1]) <= (kept[-1][1] - kept[-2][1]) * (
                x - kept[-2][0]
            ):
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    return np.array(chain(ordered) + chain(ordered[::-1]))
