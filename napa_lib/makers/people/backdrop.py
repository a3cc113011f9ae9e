"""Backgrounds: plain, gradients, rooms, noise, and crops of paintings that no test or validation figure is from."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from napa_lib.data.assets import asset_path
from napa_lib.data.paintings import list_paintings
from napa_lib.makers.people.turns import Array
from napa_lib.makers.people.wardrobe import from_hsv


def backdrop(rng: np.random.Generator, size: int, drawn: bool) -> Array:
    """One background (size, size, 3) in sRGB [0, 1]; for drawings mostly white paper or one colour."""
    odds = [0.5, 0.22, 0.08, 0.08, 0.05, 0.07] if drawn else [0.03, 0.1, 0.12, 0.3, 0.15, 0.3]
    kind = int(rng.choice(6, p=odds))
    picture = (_paper, _plain, _gradient, _room, _clouds, _painting)[kind](rng, size)
    return picture.clip(0, 1).astype(np.float32)


def studio(rng: np.random.Generator, size: int) -> Array:
    """A studio's bare wall and floor (size, size, 3) in sRGB [0, 1]: pale, of one tint, lit a little from one side."""
    tint = from_hsv(*(np.array(v) for v in (rng.random(), rng.uniform(0, 0.15), rng.uniform(0.75, 1))))
    x, y = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    light = 1 + rng.uniform(-0.08, 0.08) * x + rng.uniform(-0.08, 0.08) * y
    return (tint * light[..., None]).clip(0, 1).astype(np.float32)


def _colour(rng: np.random.Generator) -> Array:
    return from_hsv(*(np.array(v) for v in (rng.random(), rng.beta(1.2, 3), rng.uniform(0.1, 1))))


def _paper(rng: np.random.Generator, size: int) -> Array:
    white = (
        np.ones((size, size, 3)) if rng.random() < 0.6 else np.ones((size, size, 3)) * rng.uniform([0.85, 0.8, 0.7], 1)
    )
    return white + rng.normal(0, rng.uniform(0, 0.03) if rng.random() < 0.3 else 0.0, (size, size, 1))


def _plain(rng: np.random.Generator, size: int) -> Array:
    return np.broadcast_to(_colour(rng), (size, size, 3)).copy()


def _gradient(rng: np.random.Generator, size: int) -> Array:
    a, b, angle = _colour(rng), _colour(rng), rng.uniform(0, 2 * np.pi)
    x, y = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    share = (np.cos(angle) * x + np.sin(angle) * y if rng.random() < 0.7 else np.hypot(x, y)) / 2.6 + 0.5
    return a + share[..., None] * (b - a)


def _noise(rng: np.random.Generator, size: int, cells: int) -> Array:
    grid = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
    return np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC))


def _clouds(rng: np.random.Generator, size: int) -> Array:
    share = (_noise(rng, size, 4) + _noise(rng, size, 9) / 2 + _noise(rng, size, 23) / 3)[..., None] / 1.83
    a, b, c = _colour(rng), _colour(rng), _colour(rng)
    return a + share * (b - a) + (_noise(rng, size, 13)[..., None] > 0.6) * (c - a) * rng.uniform(0, 0.6)


def _room(rng: np.random.Generator, size: int) -> Array:
    """Wall above, floor below, each with a pattern; boxes of one colour in between."""
    wall, floor = _textured(rng, size), _textured(rng, size) * rng.uniform(0.6, 1.1)
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    horizon = size * rng.uniform(0.45, 0.85) + (x - size / 2) * rng.normal(0, 0.05)
    picture = np.where((y > horizon)[..., None], floor, wall)
    for _ in range(rng.integers(0, 5)):
        left, top = rng.uniform(-0.2, 0.9, 2) * size
        wide, tall = rng.uniform(0.08, 0.5, 2) * size
        box = (x > left) & (x < left + wide) & (y > top) & (y < top + tall)
        picture[box] = picture[box] * 0.2 + 0.8 * _colour(rng)
    return picture * (1 - rng.uniform(0, 0.4) * (_noise(rng, size, 4)[..., None] - 0.5))


def _textured(rng: np.random.Generator, size: int) -> Array:
    a, b = _colour(rng), _colour(rng)
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    angle, period = rng.uniform(0, np.pi), size * rng.uniform(0.04, 0.3)
    u, v = (np.cos(angle) * x + np.sin(angle) * y) / period, (np.cos(angle) * y - np.sin(angle) * x) / period
    share = ((u % 1 < 0.5) * 1.0, ((u % 1 < 0.5) ^ (v % 1 < 0.5)) * 1.0, _noise(rng, size, 30), np.zeros((size, size)))[
        rng.integers(4)
    ]
    return a + share[..., None] * rng.uniform(0.1, 1) * (b - a)


@cache
def _usable() -> tuple[str, ...]:
    return tuple(p.asset for p in list_paintings() if not p.kept_aside)


@cache
def _shrunk(asset: str) -> Image.Image:
    with Image.open(asset_path(asset)) as picture:
        scale = 480 / min(picture.size)
        return picture.convert("RGB").resize((round(picture.width * scale), round(picture.height * scale)))


def _painting(rng: np.random.Generator, size: int) -> Array:
    picture = _shrunk(_usable()[rng.integers(len(_usable()))])
    side = int(rng.uniform(0.35, 1.0) * 480)
    left, top = (int(rng.integers(0, total - side + 1)) for total in picture.size)
    crop = picture.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)
    if rng.random() < 0.3:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.3:
        crop = crop.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3)))
    return np.asarray(crop, np.float32) / 255
