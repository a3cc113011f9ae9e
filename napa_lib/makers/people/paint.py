"""Which material shows at a point of the body, and its pattern: textures by body part and rest coordinate."""

from __future__ import annotations

import numpy as np

from napa_lib.makers.people.body import REGIONS
from napa_lib.makers.people.turns import Array
from napa_lib.makers.people.wardrobe import PATTERNS, M, Outfit

TRUNK, HEAD, ARM, HAND, LEG, FOOT = range(len(REGIONS))
EYE = np.array([31.0, 902.0])  # on the average adult, mm
MOUTH, BROW = 845.0, 927.0
# the hairline: height against depth, from the nape to the forehead
LINE_Z, LINE_Y = (
    np.array([-60.0, 5.0, 40.0, 60.0, 92.0, 115.0, 150.0]),
    np.array([842.0, 862.0, 880.0, 912.0, 935.0, 966.0, 974.0]),
)


def above_hairline(outfit: Outfit, canon: Array) -> Array:
    """Height over the hairline, mm (P,)."""
    return canon[:, 1] - np.interp(canon[:, 2], LINE_Z, LINE_Y) - outfit.hairline * np.clip(canon[:, 2] / 100, 0, 1)


def materials(outfit: Outfit, region: Array, canon: Array, along: Array) -> Array:
    """Index into MATERIALS (P,) at points of the body: `region` (P,), `canon` (P, 3), `along` (P,)."""
    x, y, z = canon.T
    trunk, arm, leg = region == TRUNK, region == ARM, region == LEG
    neckline = 735 - outfit.collar * np.where(z > -10, np.exp(-((x / (45 + outfit.collar * 0.4)) ** 2)), 0)
    bare = (np.abs(x) > 125) & (y > 590) if outfit.sleeve < 0 else np.zeros_like(trunk)
    top = (trunk & (y > outfit.hem) & (y < neckline) & ~bare) | (arm & (along < outfit.sleeve))
    bottom = (trunk & (y < outfit.waist)) | (leg & (along < outfit.legs))
    found = np.full(len(canon), M["skin"], np.int8)
    found[leg & (along > outfit.socks)] = M["sock"]
    found[bottom] = M["bottom"]
    found[top] = M["top"]
    if not outfit.bare_feet:
        found[(region == FOOT) | (leg & (along > outfit.boots))] = M["shoe"]
    head = region == HEAD
    line = above_hairline(outfit, canon)
    if outfit.hair:
        found[head & (line > 0)] = M["hair"]
    if outfit.beard:
        jaw = (y < 815 + outfit.beard) & (z > 40) & (y > 770) & ~((np.abs(x) < 24) & (np.abs(y - MOUTH) < 10))
        found[head & jaw] = M["hair"]
    if outfit.hat == 1:
        found[head & (line > np.where(z > 60, -18, 12))] = M["hat"]
    found[region == len(REGIONS)] = M["bottom"]
    found[region == len(REGIONS) + 1] = M["hair"]
    found[region == len(REGIONS) + 2] = M["hat"]
    return found


def paint_face(found: Array, region: Array, canon: Array, eyes: float, mouth: float) -> Array:
    """The same materials with eyes, brows and lips; `eyes` and `mouth` scale them (1 is a photograph's, 0 none)."""
    x, y, z = canon.T
    front = (region == HEAD) & (z > 85)
    found = found.copy()
    if mouth:
        smile = MOUTH + (np.abs(x) / 30) ** 2 * 6 * (mouth - 1)
        found[front & (np.abs(x) < 24 * mouth) & (np.abs(y - smile) < 6.5)] = M["lip"]
    if eyes:
        dx, dy = (np.abs(x) - EYE[0]) / eyes, (y - EYE[1]) / eyes
        found[front & (np.abs(dx) < 19) & (np.abs(y - BROW - 8 * (eyes - 1) + dx * dx * 0.02) < 3.5 + eyes)] = M["brow"]
        tall = 7.0 if eyes <= 1 else 14.0
        found[front & ((dx / 15) ** 2 + (dy / tall) ** 2 < 1)] = M["white"]
        found[front & ((dx / 7) ** 2 + (dy / min(tall, 8)) ** 2 < 1)] = M["dark"]
    return found


def colours(outfit: Outfit, found: Array, canon: Array, along: Array, region: Array) -> Array:
    """sRGB (P, 3) of the materials with their patterns."""
    limb = (region == ARM) | (region == LEG)
    height = np.where(limb, along * 650, canon[:, 1])
    share = np.zeros(len(found))
    for material in np.unique(found):
        kind = PATTERNS[outfit.patterns[material]]
        if kind != "plain":
            rows = found == material
            share[rows] = _pattern(kind, canon[rows], height[rows], float(outfit.scales[material]))
    pair = outfit.colours[found]
    return pair[:, 0] + share[:, None] * (pair[:, 1] - pair[:, 0])


def _pattern(kind: str, canon: Array, height: Array, period: float) -> Array:
    x, _, z = canon.T
    u, v = (x + 0.6 * z) / period, height / period
    if kind == "rings":
        return (v % 1 < 0.5).astype(float)
    if kind == "stripes":
        return (u * 1.6 % 1 < 0.5).astype(float)
    if kind == "checks":
        return ((u * 2 % 1 < 0.5).astype(float) + (v * 2 % 1 < 0.5)) / 2
    if kind == "dots":
        return ((u * 2 % 1 - 0.5) ** 2 + (v * 2 % 1 - 0.5) ** 2 < 0.09).astype(float)
    if kind == "halves":
        return (x > 0).astype(float)
    waves = np.sin(u * 9 + 3 * np.sin(v * 5)) + np.sin(v * 11 + 2 * np.sin(u * 7)) + np.sin((u + v) * 5)
    return np.clip(waves / 4 + 0.5, 0, 1) if kind == "noise" else (waves > 0.4).astype(float)
