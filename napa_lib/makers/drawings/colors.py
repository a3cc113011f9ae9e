"""Colours, fill patterns and grounds for drawn figures."""

from __future__ import annotations

import colorsys
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from napa_lib.data.assets import asset_path
from napa_lib.data.paintings import list_paintings
from napa_lib.makers.drawings.pens import OVERSAMPLING, Color, Paint

SKIN = ((255, 224, 196), (241, 194, 155), (224, 172, 120), (198, 134, 88), (141, 85, 48), (88, 56, 36), (255, 205, 170),
        (253, 217, 140))  # fmt: skip
HAIR = ((40, 26, 18), (20, 20, 22), (92, 58, 30), (150, 98, 44), (222, 184, 96), (170, 60, 26), (150, 150, 150),
        (235, 235, 230))  # fmt: skip
DESERTED = ("bazille_rampart", "gogh_auvert", "gogh_entrance_hall", "greatwave", "hiroshigehorseprawns",
            "hokusaipoppies", "kandinky")  # paintings that show nobody, or nobody larger than a fly  # fmt: skip
LIGHT = np.array([0.299, 0.587, 0.114])


def sample_color(rng: np.random.Generator) -> Color:
    """Any colour; greys, black and white are common in drawings."""
    if rng.random() < 0.2:
        grey = int(rng.choice([20, 60, 120, 190, 235, 250]))
        return grey, grey, grey
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.25, 1.0), rng.uniform(0.3, 1.0))
    return round(255 * red), round(255 * green), round(255 * blue)


def shade(color: Color, factor: float) -> Color:
    """Towards black below 1, towards white above."""
    target = 0.0 if factor < 1 else 255.0
    part = min(abs(factor - 1.0), 1.0)
    red, green, blue = (round(c + (target - c) * part) for c in color)
    return red, green, blue


def differs(a: Color, b: Color) -> bool:
    """Whether one colour can be seen on the other."""
    step = np.subtract(a, b)
    return abs(float(step @ LIGHT)) > 45 or float(np.abs(step).max()) > 110


def contrasting(ground: Color, rng: np.random.Generator) -> Color:
    """A random colour that can be seen on the ground."""
    for _ in range(20):
        color = sample_color(rng)
        if differs(color, ground):
            return color
    return (0, 0, 0) if float(np.dot(ground, LIGHT)) > 127 else (255, 255, 255)


def sample_paint(color: Color, side: int, rng: np.random.Generator, patterned: float = 0.3) -> Paint:
    """A colour as cloth: flat, a gradient, a piece of a painting, or a pattern; `side` in final pixels."""
    if rng.random() > patterned:
        return Paint(color)
    pixels, kind = side * OVERSAMPLING, rng.choice(6)
    if kind == 0:
        return Paint(color, gradient(shade(color, 1.35), shade(color, 0.6), pixels, rng))
    if kind == 1:
        texture, mean = _painted(pixels, rng)
        return Paint(mean, texture)
    return Paint(color, _pattern(color, ("stripes", "checks", "dots", "hatch")[kind - 2], pixels, rng))


def _pattern(color: Color, kind: str, pixels: int, rng: np.random.Generator) -> Image.Image:
    other = shade(color, rng.uniform(0.3, 0.75)) if rng.random() < 0.5 else sample_color(rng)
    texture = Image.new("RGB", (pixels, pixels), color)
    draw, step = ImageDraw.Draw(texture), int(rng.integers(6, 22))
    if kind in ("stripes", "checks"):
        width, level = max(1, int(step * rng.uniform(0.15, 0.6))), rng.random() < 0.6
        for at in range(0, pixels, step):
            if level or kind == "checks":
                draw.line([(0, at), (pixels, at)], fill=other, width=width)
            if not level or kind == "checks":
                draw.line([(at, 0), (at, pixels)], fill=other, width=width)
    elif kind == "dots":
        radius = max(1.0, step * rng.uniform(0.12, 0.3))
        for row, y in enumerate(range(0, pixels, step)):
            for x in range(step // 2 * (row % 2), pixels, step):
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=other)
    else:
        slope = int(rng.integers(-pixels, pixels))
        for at in range(-pixels, 2 * pixels, step // 2 + 2):
            draw.line([(at, 0), (at + slope, pixels)], fill=shade(color, 0.5), width=1)
    return texture


def gradient(a: Color, b: Color, pixels: int, rng: np.random.Generator) -> Image.Image:
    """From one colour to the other across a square, in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(-0.5, 0.5, 64)
    at = (ramp[:, None] * np.sin(angle) + ramp * np.cos(angle) + 0.5).clip(0, 1)[..., None]
    return Image.fromarray(np.round((1 - at) * a + at * b).astype(np.uint8)).resize((pixels, pixels))


def sample_ground(side: int, rng: np.random.Generator, alone: bool = False) -> tuple[Image.Image, Color]:
    """A ground to draw on, enlarged, and its main colour; if `alone`, one that shows nobody."""
    pixels = side * OVERSAMPLING
    kind = rng.choice(8, p=[0.46, 0.13, 0.09, 0.04, 0.08, 0.05, 0.05, 0.10])
    color = (255, 255, 255) if kind == 0 else _pale(rng)
    plain = Image.new("RGB", (pixels, pixels), color)
    if kind < 2:
        return plain, color
    if kind == 2:
        return gradient(color, _pale(rng), pixels, rng), color
    if kind == 3:
        coarse = int(rng.integers(4, 60))
        noise = rng.normal(0, rng.uniform(5, 35), (coarse, coarse, int(rng.choice([1, 3]))))
        grain = Image.fromarray((noise + np.array(color)).clip(0, 255).astype(np.uint8))
        return grain.resize((pixels, pixels), Image.Resampling.BICUBIC), color
    if kind == 4:
        return _landscape(plain, rng), color
    if kind == 5:
        return _room(plain, rng), color
    if kind == 6:
        return _clutter(plain, rng), color
    return _painted(pixels, rng, alone)


def is_busy(ground: Image.Image) -> bool:
    """Whether a ground varies so much that thin lines on it cannot be seen."""
    return float((np.asarray(ground.resize((32, 32))) @ LIGHT).std()) > 30


def _pale(rng: np.random.Generator) -> Color:
    color = sample_color(rng)
    return shade(color, rng.uniform(1.2, 1.95)) if rng.random() < 0.65 else color


def _landscape(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    draw, side = ImageDraw.Draw(picture), picture.width
    if rng.random() < 0.4:
        x, y, r = rng.uniform(0, side), rng.uniform(0, side * 0.4), rng.uniform(8, 40)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=sample_color(rng))
    across = np.linspace(0, side, 24)
    level = rng.uniform(0.35, 0.75) * side
    for _ in range(rng.integers(1, 4)):
        waves = np.sin(across / side * rng.uniform(0, 14) + rng.uniform(0, 6)) * rng.uniform(0, 0.08) * side
        hills = zip(across.tolist(), (level + waves).tolist(), strict=True)
        draw.polygon([*hills, (side, side), (0, side)], fill=_pale(rng))
        level += rng.uniform(0.08, 0.25) * side
    for _ in range(rng.integers(0, 4)):
        left, top = rng.uniform(0, side), rng.uniform(0.1, 0.6) * side
        width, height = rng.uniform(0.05, 0.2, 2) * side
        draw.rectangle([left, top + height, left + width / 5, top + 2.5 * height], fill=_pale(rng))
        draw.ellipse([left - width / 2, top, left + width, top + 1.5 * height], fill=_pale(rng))
    return picture


def _room(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    draw, side = ImageDraw.Draw(picture), picture.width
    floor = rng.uniform(0.55, 0.85) * side
    draw.rectangle([0, floor, side, side], fill=_pale(rng))
    for _ in range(rng.integers(1, 4)):
        left, top = rng.uniform(0, side), rng.uniform(0, 0.5) * side
        right, low = left + rng.uniform(0.1, 0.35) * side, top + rng.uniform(0.1, 0.4) * side
        draw.rectangle([left, top, right, low], fill=_pale(rng), outline=_pale(rng), width=int(rng.integers(1, 7)))
    return picture


def _clutter(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A few shapes and strokes that mean nothing."""
    draw, side = ImageDraw.Draw(picture), picture.width
    for _ in range(rng.integers(2, 8)):
        corners = rng.uniform(0, side, 2) + rng.normal(0, rng.uniform(0.03, 0.2) * side, (rng.integers(2, 6), 2))
        points = [(x, y) for x, y in corners.tolist()]
        if len(points) == 2 or rng.random() < 0.4:
            draw.line(points, fill=_pale(rng), width=int(rng.integers(1, 9)))
        else:
            draw.polygon(points, fill=_pale(rng))
    return picture


def _painted(pixels: int, rng: np.random.Generator, alone: bool = False) -> tuple[Image.Image, Color]:
    pictures = _paintings(alone)
    picture = pictures[rng.integers(len(pictures))]
    side = int(rng.uniform(0.3, 1.0) * min(picture.size))
    left, top = (int(rng.integers(length - side + 1)) for length in picture.size)
    cut = picture.resize((pixels, pixels), box=(left, top, left + side, top + side))
    red, green, blue = (int(c) for c in np.asarray(cut.resize((1, 1)))[0, 0])
    return cut, (red, green, blue)


def ground_paintings() -> list[str]:
    """Assets of the shipped paintings that no test figure was cut from."""
    return [p.asset for p in list_paintings() if not p.kept_aside]


@cache
def _paintings(alone: bool) -> tuple[Image.Image, ...]:
    names = [name for name in ground_paintings() if not alone or Path(name).stem in DESERTED]
    return tuple(Image.open(asset_path(name)).convert("RGB") for name in names)
