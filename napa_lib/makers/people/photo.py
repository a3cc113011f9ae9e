"""The look "photo": lit surfaces, folds and grain, blended over a background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from napa_lib.makers.people.paint import colours
from napa_lib.makers.people.scene import Figure, Surface, average
from napa_lib.makers.people.turns import Array, unit
from napa_lib.makers.people.view import View
from napa_lib.makers.people.wardrobe import M


@dataclass(frozen=True, eq=False)
class PhotoStyle:
    """Light and lens of one clip."""

    sun: Array  # (3,) unit, towards the light, camera axes
    ambient: float
    strength: float
    tint: Array  # (3, 3) what each axis of the normal adds to red, green, blue
    folds: float
    shine: float
    blur: float
    grain: float
    shadow: float


def sample_photo(rng: np.random.Generator) -> PhotoStyle:
    """Light from above mostly, sometimes from the side or behind."""
    sun = unit(np.array([rng.normal(0, 0.8), -abs(rng.normal(0.7, 0.4)), rng.normal(-0.6, 0.5)]))
    ambient = rng.uniform(0.25, 0.7)
    return PhotoStyle(
        sun, ambient, rng.uniform(0.8, 1.25) - 0.5 * ambient, rng.normal(0, 0.06, (3, 3)), rng.uniform(0, 0.5),
        rng.uniform(0, 0.25), float(rng.choice([0.0, 0.5, 0.9])), rng.uniform(0, 0.025), rng.uniform(0, 0.6),
    )  # fmt: skip


def shade_photo(
    surface: Surface, figures: list[Figure], style: PhotoStyle, ground: Array, view: View, rng: np.random.Generator
) -> Array:
    """The picture (size, size, 3) in [0, 1], over the background `ground`."""
    size = len(ground)
    colour = np.zeros((len(surface.person), 3))
    for i, figure in enumerate(figures):
        rows = surface.person == i
        colour[rows] = colours(
            figure.outfit, surface.material[rows], surface.canon[rows], surface.along[rows], surface.region[rows]
        )
    normal = unit(surface.normal + style.folds * _folds(surface)[:, None] * np.array([0.7, 0.5, 0.2]))
    lit = np.maximum(normal @ style.sun, 0)
    light = style.ambient + style.strength * lit[:, None] + normal @ style.tint
    half = unit(style.sun + [0, 0, -1.0])
    gloss = (
        style.shine * np.maximum(normal @ half, 0) ** 20 * np.isin(surface.material, [M["skin"], M["hair"], M["shoe"]])
    )
    linear = colour**2.2 * light.clip(0.03) + gloss[:, None] * style.strength
    shown = linear.clip(0, 1) ** (1 / 2.2)
    ground = _cast_shadow(ground, figures, view, style.shadow)
    picture = composite(surface, shown, np.ones(len(shown)), ground)
    if style.blur:
        blurred = Image.fromarray((picture * 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(style.blur * size / 200)
        )
        picture = np.asarray(blurred, np.float32) / 255
    return (picture + rng.normal(0, style.grain, picture.shape)).clip(0, 1)


def composite(surface: Surface, colour: Array, alpha: Array, ground: Array) -> Array:
    """Average the samples of each pixel, the uncovered ones showing the background (size, size, 3)."""
    layer = surface.buffers.image(np.concatenate([colour * alpha[:, None], alpha[:, None]], -1).astype(np.float32), 0)
    layer = average(layer)
    return layer[..., :3] + (1 - layer[..., 3:]) * ground


def _folds(surface: Surface) -> Array:
    """Wrinkles of cloth and strands of hair, as a tilt of the normals (P,)."""
    x, y, z = (surface.canon / 1000).T
    cloth = np.isin(surface.material, [M["top"], M["bottom"]])
    hair = surface.material == M["hair"]
    wave = np.sin(38 * y + 9 * np.sin(21 * x + 13 * z)) * np.sin(25 * x + 8 * np.sin(17 * y))
    strand = np.sin(260 * np.arctan2(x, z - 0.05) / 6 + 40 * y)
    return cloth * wave + hair * strand


def _cast_shadow(ground: Array, figures: list[Figure], view: View, depth: float) -> Array:
    """A soft shadow on the floor below the lowest point: the vertices, dropped on the floor, darken where they fall."""
    size = len(ground)
    weight = np.zeros((size, size), np.float32)
    for figure in figures:
        flat = figure.vertices[::3].copy()
        drop = flat[:, 1] - flat[:, 1].min()
        flat[:, 1] -= drop
        flat[:, 0] += 0.25 * drop
        seen = view.to_camera(flat)
        column, row = np.round(view.project(seen)[:, :2]).astype(int).T
        inside = (seen[:, 2] > 0) & (column >= 0) & (row >= 0) & (column < size) & (row < size)
        np.add.at(weight, (row[inside], column[inside]), 1.0)
    soft = Image.fromarray((np.minimum(weight, 3) * 80).astype(np.uint8)).filter(ImageFilter.GaussianBlur(size / 70))
    return ground * (1 - depth * np.asarray(soft, np.float32)[..., None] / 255)
