"""The look "drawn": clip art, drawings in ink or pencil, silhouettes, from the same buffers as photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from napa_lib.makers.people.paint import colours
from napa_lib.makers.people.photo import composite
from napa_lib.makers.people.scene import Figure, Surface, average
from napa_lib.makers.people.turns import Array, unit
from napa_lib.makers.people.wardrobe import M

FILLS = ("flat", "two tone", "soft", "paper", "hatched", "silhouette", "wash")
FACE = [M[name] for name in ("white", "dark", "lip", "brow")]
FILL_ODDS = (0.28, 0.22, 0.1, 0.14, 0.1, 0.08, 0.08)


@dataclass(frozen=True, eq=False)
class DrawnStyle:
    """How one clip is drawn."""

    fill: str  # one of FILLS
    ink: Array  # (3,) colour of lines and hatching
    width: float  # of lines, in samples for a picture of 160 pixels
    lines: bool
    wobble: float  # pixels by which lines stray
    sun: Array
    levels: Array  # (2,) brightness of shade and light
    spacing: float  # of hatching
    colour: Array  # (3,) of a silhouette
    folds: bool


def sample_drawn(rng: np.random.Generator) -> DrawnStyle:
    """A style; silhouettes have no inner lines, paper and hatching always have lines."""
    fill = str(rng.choice(FILLS, p=FILL_ODDS))
    ink = np.zeros(3) + rng.uniform(0, 0.15) if rng.random() < 0.7 else rng.uniform(0, 0.5, 3)
    lines = fill in ("paper", "hatched") or (fill != "silhouette" and rng.random() < 0.75)
    sun = unit(np.array([rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 1), -rng.uniform(0.2, 1), -rng.uniform(0.2, 0.8)]))
    return DrawnStyle(
        fill, ink, float(rng.choice([1.0, 1.6, 2.4, 3.6, 5.0], p=[0.35, 0.35, 0.2, 0.07, 0.03])), lines,
        float(rng.choice([0.0, 0.5, 1.2])), sun, np.array([rng.uniform(0.55, 0.85), 1.0]), rng.uniform(4, 9),
        rng.uniform(0, 0.4, 3) if rng.random() < 0.5 else rng.uniform(0, 0.1) + np.zeros(3), bool(rng.random() < 0.5),
    )  # fmt: skip


def shade_drawn(
    surface: Surface, figures: list[Figure], style: DrawnStyle, ground: Array, rng: np.random.Generator
) -> Array:
    """The picture (size, size, 3) in [0, 1], over the background `ground`."""
    size = len(ground)
    fill, alpha = _fill(surface, figures, style)
    picture = composite(surface, fill, alpha, ground)
    if style.lines:
        ink = _stray(_lines(surface, style, size), style.wobble, rng)[..., None]
        picture = picture * (1 - ink) + style.ink * ink
    return picture.clip(0, 1)


def _fill(surface: Surface, figures: list[Figure], style: DrawnStyle) -> tuple[Array, Array]:
    count = len(surface.person)
    if style.fill == "silhouette":
        return np.broadcast_to(style.colour, (count, 3)), np.ones(count)
    colour = np.ones((count, 3))
    if style.fill not in ("paper", "hatched"):
        for i, figure in enumerate(figures):
            rows = surface.person == i
            colour[rows] = colours(
                figure.outfit, surface.material[rows], surface.canon[rows], surface.along[rows], surface.region[rows]
            )
    marks = np.isin(surface.material, [M["dark"], M["lip"], M["brow"]])
    if style.fill in ("paper", "hatched"):
        colour[marks] = style.ink
        colour[(surface.material == M["hair"]) & style.folds] = style.ink
    lit = surface.normal @ style.sun
    if style.fill == "two tone":
        colour = colour * np.where(lit > 0.25, style.levels[1], style.levels[0])[:, None]
    elif style.fill == "soft":
        colour = colour * (style.levels[0] + (1 - style.levels[0]) * lit.clip(0, 1))[:, None]
    elif style.fill == "hatched":
        row, column = np.divmod(surface.buffers.pixel, surface.buffers.size[1])
        stroke = ((row + column) / (style.spacing * surface.buffers.size[0] / 320)) % 1 < 0.35
        colour = np.where((stroke & (lit < 0.15))[:, None], style.ink, colour)
    alpha = np.where(marks, 1.0, 0.55) if style.fill == "wash" else np.ones(count)
    return colour, alpha


def _lines(surface: Surface, style: DrawnStyle, size: int) -> Array:
    """Coverage of ink (size, size): where person, part or depth changes, or the surface folds away, made thick."""
    buffers = surface.buffers
    material = np.where(np.isin(surface.material, FACE), M["skin"], surface.material)
    group = (surface.person * 64 + material).astype(np.int32)
    label = buffers.image(group, -1)
    near = buffers.image(buffers.depth.astype(np.float32), 1e6)
    places = [buffers.image(surface.canon[:, c].astype(np.float32), 9e3) for c in (0, 1)]
    limit = np.median(buffers.depth) * 0.012 if len(buffers.depth) else 1.0
    edge = np.zeros(buffers.size, bool)
    for axis in (0, 1):
        first = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        second = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        gap = np.abs(near[first] - near[second])
        apart = (np.abs(places[0][first] - places[0][second]) > 80) | (
            np.abs(places[1][first] - places[1][second]) > 80
        )
        edge[first] |= (label[first] != label[second]) | ((gap > limit) & apart) | (gap > 6 * limit)
    rows = buffers.pixel // buffers.size[1]
    tall = (rows[-1] - rows[0]) / buffers.size[0] if len(rows) else 0.0
    wide = style.width * size / 160 * min(tall / 0.7, 1.2)
    thick = _grow(edge, int(round(wide / 2)) if wide > 1.3 else 0)
    return np.minimum(average(thick.astype(np.float32)) * 1.4, 1)


def _grow(edge: Array, radius: int) -> Array:
    """Every sample within `radius` samples of an edge, along rows and columns."""
    for axis in (0, 1):
        grown = edge.copy()
        for step in range(1, radius + 1):
            first = (slice(step, None),) if axis == 0 else (slice(None), slice(step, None))
            last = (slice(None, -step),) if axis == 0 else (slice(None), slice(None, -step))
            grown[first] |= edge[last]
            grown[last] |= edge[first]
        edge = grown
    return edge


def _stray(ink: Array, wobble: float, rng: np.random.Generator) -> Array:
    """Move lines by a smooth random field of about `wobble` pixels, as a hand does."""
    if not wobble:
        return ink
    size = len(ink)
    fields = [
        np.asarray(
            Image.fromarray(rng.normal(0, wobble, (9, 9)).astype(np.float32)).resize(
                (size, size), Image.Resampling.BICUBIC
            )
        )
        for _ in range(2)
    ]
    rows, columns = np.indices(ink.shape)
    moved = [
        np.clip(np.round(grid + field), 0, size - 1).astype(int)
        for grid, field in zip((rows, columns), fields, strict=True)
    ]
    moved_ink = Image.fromarray((ink[moved[0], moved[1]] * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.4))
    return np.asarray(moved_ink, np.float32) / 255
