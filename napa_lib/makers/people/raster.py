"""A rasteriser without display or graphics library: triangles to a depth buffer, in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
EDGE = -1e-5  # shares this far below zero count as inside: rounding must not open cracks between neighbours
PIECE = 1 << 21  # pixels tested at a time


@dataclass(frozen=True, eq=False)
class Buffers:
    """What each covered pixel shows, P pixels in all: `pixel` (P,) flat index, `face` (P,), `weight` (P, 3) and
    `depth` (P,).

    `weight` are the corners' shares, right in perspective: any quantity of the corners is interpolated by them.
    """

    size: tuple[int, int]  # height, width
    pixel: Array
    face: Array
    weight: Array
    depth: Array

    def image(self, values: Array, empty: float) -> Array:
        """Values (P,) or (P, C) of the covered pixels as a picture (H, W) or (H, W, C)."""
        height, width = self.size
        flat = np.full((height * width, *values.shape[1:]), empty, values.dtype)
        flat[self.pixel] = values
        return flat.reshape(height, width, *values.shape[1:])


def rasterize(points: Array, faces: Array, size: tuple[int, int], both_sides: Array | None = None) -> Buffers:
    """Which triangle is nearest at the centre of every pixel.

    Triangles are tested against the pixels of their bounding box, all boxes of about one size at once; the nearest of
    those that cover a pixel stays. Faces with a corner at depth 0 or less are left out, not clipped.

    Args:
        points: (V, 3) x and y in pixels (the centre of the top-left pixel is (0, 0)), z the depth, positive.
        faces: (F, 3) corners, counter-clockwise as seen on the picture where the front shows.
        size: height and width of the picture.
        both_sides: (F,) which faces are seen from behind, too; None for none.

    Returns:
        The buffers, pixels in rising order.

    Raises:
        ValueError: if `points` is not (V, 3), or `faces` not (F, 3) with indices of points.
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points must be (V, 3), got {points.shape}")
    if faces.ndim != 2 or faces.shape[1] != 3 or (faces.size and not 0 <= faces.min() <= faces.max() < len(points)):
        raise ValueError(f"faces must be (F, 3) with indices below {len(points)}, got {faces.shape}")
    chosen, low, extent, area = _boxes(points, faces, size, both_sides)
    found = [_cover(points, faces, *group, size) for group in _groups(chosen, low, extent, area)]
    pixel, face, inverse, weight = (np.concatenate(part) for part in zip(*found, _nothing(), strict=True))
    nearest = np.zeros(size[0] * size[1], np.float32)
    np.maximum.at(nearest, pixel, inverse)
    wins = np.flatnonzero(inverse == nearest[pixel])
    first = np.unique(pixel[wins], return_index=True)[1]  # two faces at one depth: the first stays
    kept = wins[first]
    depth = 1.0 / inverse[kept]
    shares = weight[kept] / points[faces[face[kept]], 2] * depth[:, None]
    return Buffers(size, pixel[kept], face[kept], shares.astype(np.float32), depth)


def _nothing() -> tuple[Array, Array, Array, Array]:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 3), np.float32)


def _boxes(
    points: Array, faces: Array, size: tuple[int, int], both_sides: Array | None
) -> tuple[Array, Array, Array, Array]:
    """Faces that may show, the top left pixel of each one's box, its longer side, and twice the face's area."""
    x, y, z = (points[:, c].astype(np.float32)[faces] for c in range(3))
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    shown = area < -1e-9 if both_sides is None else (area < -1e-9) | (both_sides & (area > 1e-9))
    low_x, low_y = (np.maximum(np.ceil(_each(np.minimum, c)), 0) for c in (x, y))
    wide, tall = (np.minimum(np.floor(_each(np.maximum, c)), n - 1) for c, n in ((x, size[1]), (y, size[0])))
    wide, tall = wide - low_x + 1, tall - low_y + 1
    chosen = np.flatnonzero(shown & (wide > 0) & (tall > 0) & (_each(np.minimum, z) > 0))
    low = np.stack([low_x[chosen], low_y[chosen]], -1).astype(np.int32)
    return chosen, low, np.maximum(wide, tall)[chosen].astype(np.int32), area[chosen]


def _each(least: np.ufunc, corners: Array) -> Array:
    """Smallest or largest of three columns: NumPy is slow at reducing short rows."""
    return least(least(corners[:, 0], corners[:, 1]), corners[:, 2])


def _groups(chosen: Array, low: Array, extent: Array, area: Array) -> Iterator[tuple[Array, Array, Array, int]]:
    side = np.searchsorted(SIZES, extent)
    for i in np.unique(side):
        rows, step = np.flatnonzero(side == i), max(1, PIECE // SIZES[i] ** 2)
        for part in (rows[j : j + step] for j in range(0, len(rows), step)):
            yield chosen[part], low[part], area[part], SIZES[i]


def _cover(points: Array, faces: Array, rows: Array, low: Array, area: Array, side: int, size: tuple[int, int]):
    corners = points[faces[rows]].astype(np.float32)
    step = np.arange(side, dtype=np.int32)
    px = (low[:, :1] + step)[:, None, :]  # (n, 1, side)
    py = (low[:, 1:] + step)[:, :, None]
    shares = []
    for a, b in ((1, 2), (2, 0)):
        p, q = corners[:, a, :2], corners[:, b, :2]
        dx, dy = ((q - p) / area[:, None]).T[:, :, None, None]
        shares.append(dx * (py - p[:, 1, None, None]) - dy * (px - p[:, 0, None, None]))
    third = 1 - shares[0] - shares[1]
    inside = (shares[0] >= EDGE) & (shares[1] >= EDGE) & (third >= EDGE) & (px < size[1]) & (py < size[0])
    n, j, i = np.nonzero(inside)
    weight = np.stack([shares[0][n, j, i], shares[1][n, j, i], third[n, j, i]], -1)
    third = weight / corners[n, :, 2]
    inverse = third[:, 0] + third[:, 1] + third[:, 2]
    pixel = (low[n, 1] + j).astype(np.int64) * size[1] + low[n, 0] + i
    return pixel, rows[n], inverse.astype(np.float32), weight
