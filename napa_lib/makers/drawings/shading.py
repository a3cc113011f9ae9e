"""Light on a finished figure: what lies on the ground as flat colour gets a shadow, a glow or folds."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from napa_lib.makers.drawings.colors import LIGHT

KINDS = ("rim", "light", "folds")


def shade_figure(before: Image.Image, after: Image.Image, rng: np.random.Generator) -> None:
    """Darken parts of what was drawn since `before`; `after` is changed in place.

    "rim": a shadow along one side of the outline, as in comics. "light": from one side to the other. "folds": soft
    irregular streaks, as in painted cloth.
    """
    red, green, blue = ImageChops.difference(before, after).split()
    mask = ImageChops.lighter(ImageChops.lighter(red, green), blue).point(lambda value: 255 if value > 8 else 0)
    box = mask.getbbox()
    if box is None:
        return
    kind = str(rng.choice(KINDS))
    part, inside = after.crop(box), mask.crop(box)
    if kind == "rim":
        step = max(part.size) * rng.uniform(0.01, 0.05)
        angle = rng.uniform(0, 2 * np.pi)
        dx, dy = round(step * np.cos(angle)), round(step * np.sin(angle))
        lit = inside.transform(inside.size, Image.Transform.AFFINE, (1, 0, dx, 0, 1, dy))
        lit = lit.filter(ImageFilter.BoxBlur(1)) if rng.random() < 0.5 else lit
        dark = round(255 * rng.uniform(0.45, 0.8))
        light = lit.point(lambda value: dark + (255 - dark) * value // 255)
    elif kind == "light":
        light = _ramp(part.size, rng)
    else:
        light = _folds(part.size, rng)
    shaded = ImageChops.multiply(part, Image.merge("RGB", [light] * 3))
    after.paste(shaded, box[:2], inside)


def _ramp(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    angle, dark = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.7)
    t = np.linspace(-0.7, 0.7, 32)
    ramp = dark + (1 - dark) * (t[:, None] * np.sin(angle) + t * np.cos(angle) + 0.5).clip(0, 1)
    return Image.fromarray(np.round(255 * ramp).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)


def _folds(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    cells = rng.integers(4, 30, 2)
    noise = 255 * (1 - np.abs(rng.normal(0, rng.uniform(0.12, 0.35), cells))).clip(0.2, 1)
    return Image.fromarray(noise.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def finish_sheet(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What paper and print do to a whole picture (S, S, 3) uint8: grey, sepia, grain, few tones, blur; mostly none."""
    kind = rng.random()
    if kind > 0.28:
        return pixels
    if kind > 0.24:
        soft = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.3)))
        return np.asarray(soft)
    values = pixels.astype(float)
    if kind < 0.10:
        tone = np.array([1.0, 1.0, 1.0]) if rng.random() < 0.6 else np.array([1.07, 0.98, 0.8])
        values = (values @ LIGHT)[..., None] * tone
    elif kind < 0.20:
        values = values + rng.normal(0, rng.uniform(4, 18), (*values.shape[:2], 1))
    else:
        step = 255 / rng.integers(2, 6)
        values = np.round(values / step) * step
    return values.clip(0, 255).astype(np.uint8)
