"""Eyes, lashes, brows, lips, nostrils and the inside of the mouth, painted where the landmarks are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napa_lib.makers.faces.head import EYE, MOUTH, HeadModel
from napa_lib.makers.people.paint import HEAD
from napa_lib.makers.people.turns import Array, unit
from napa_lib.makers.people.wardrobe import M, Outfit

# A head needs no shoes, socks or trousers: their places among the materials are these.
IRIS, CAVITY, LASH = M["sock"], M["shoe"], M["bottom"]
IRIS_COLOURS = np.array([(70, 45, 30), (95, 65, 40), (110, 105, 70), (95, 120, 140), (110, 130, 150)]) / 255
NOSTRIL = np.array([10.8, 857.0, 161.0])  # the left hole on the average adult, mm
BROW = slice(17, 22)  # of FACE68, the right one
UPPER_LID = slice(36, 40)
LIPS = slice(48, 60)


@dataclass(frozen=True, eq=False)
class Features:
    """Sizes in mm, and colours: what `paint_features` needs beside the outfit."""

    brow: float  # half a brow's height
    lash: float  # how far lashes reach from the lid's edge
    iris: float  # radians that the iris takes of the eyeball, from its centre
    colour: Array  # (3,) of the iris


def sample_features(rng: np.random.Generator, woman: bool) -> Features:
    """Thicker brows for men, longer lashes for women."""
    brow = rng.uniform(1.3, 2.6) if woman else rng.uniform(2.0, 4.0)
    lash = rng.uniform(0.5, 1.6) if woman else rng.uniform(0.2, 0.7)
    colour = IRIS_COLOURS[rng.integers(len(IRIS_COLOURS))] * rng.uniform(0.7, 1.2)
    return Features(float(brow), float(lash), float(rng.uniform(0.46, 0.54)), colour.clip(0, 1))


def colour_features(outfit: Outfit, features: Features) -> None:
    """Write the colours of iris, lashes and mouth into the outfit's."""
    outfit.colours[IRIS] = features.colour
    outfit.colours[CAVITY] = outfit.colours[M["lip"]] * [0.45, 0.3, 0.3]
    outfit.colours[LASH] = outfit.colours[M["brow"]] * 0.4
    outfit.colours[M["dark"]] = 0.04
    outfit.patterns[[IRIS, CAVITY, LASH]] = 0  # plain


def paint_features(
    material: Array, region: Array, canon: Array, head: HeadModel, features: Features, gaze: Array
) -> Array:
    """The materials (P,) with the face's features on: `region` (P,), `canon` (P, 3) mm; `gaze` (3,) unit, body axes."""
    found = material.copy()
    x, y, z = canon.T
    front = np.flatnonzero((region == HEAD) & (z > 85))
    flat = np.stack([np.abs(x[front]), y[front]], -1)
    points = np.abs(head.canon[:, :2])  # those of the right side, mirrored to the left
    found[front[_distance(flat, points[BROW]) < features.brow]] = M["brow"]
    found[front[_distance(flat, points[UPPER_LID]) < features.lash]] = LASH
    found[front[_inside(np.stack([x[front], y[front]], -1), head.canon[LIPS, :2])]] = M["lip"]
    hole = np.concatenate([flat, z[front][:, None]], -1) - NOSTRIL
    found[front[(hole * hole).sum(-1) < 4.5**2]] = M["dark"]
    found[region == MOUTH] = CAVITY
    eye = np.flatnonzero(region == EYE)
    side = head.eyes[(x[eye] > 0).astype(int)]
    angle = np.arccos((unit(canon[eye] - side) @ gaze).clip(-1, 1))
    found[eye] = np.where(angle < 0.42 * features.iris, M["dark"], np.where(angle < features.iris, IRIS, M["white"]))
    return found


def _distance(points: Array, line: Array) -> Array:
    """How far points (P, 2) are from a line of straight pieces (N, 2), (P,)."""
    nearest = np.full(len(points), np.inf)
    for a, b in zip(line[:-1], line[1:], strict=True):
        along = ((points - a) @ (b - a) / ((b - a) @ (b - a))).clip(0, 1)
        nearest = np.minimum(nearest, np.hypot(*(points - a - along[:, None] * (b - a)).T))
    return nearest


def _inside(points: Array, polygon: Array) -> Array:
    """Which points (P, 2) lie inside a polygon (N, 2): a ray to the right crosses its sides an odd number of times."""
    x, y = points.T
    odd = np.zeros(len(points), bool)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        if ay != by:
            odd ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return odd
