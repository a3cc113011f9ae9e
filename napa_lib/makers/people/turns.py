"""Rotations in NumPy for the generator, many small batches: (..., 3) vectors and (..., 3, 3) matrices."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def unit(vectors: Array) -> Array:
    """Scaled to length one; a zero vector stays zero."""
    square = vectors[..., :1] ** 2  # summed by hand: NumPy is slow at sums over three
    for c in range(1, vectors.shape[-1]):
        square = square + vectors[..., c : c + 1] ** 2
    return vectors / np.sqrt(np.maximum(square, 1e-18))


def across(vectors: Array, axis: Array) -> Array:
    """The part of `vectors` at a right angle to the unit vectors `axis`."""
    return vectors - axis * (vectors * axis).sum(-1, keepdims=True)


def turn(axis: Array, angle: Array | float) -> Array:
    """Rotation about unit vectors by angles in radians (Rodrigues)."""
    axis = np.asarray(axis, np.float64)
    angle = np.asarray(angle, np.float64)[..., None, None]
    x, y, z = np.moveaxis(axis, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*axis.shape[:-1], 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def frame(first: Array, second: Array) -> Array:
    """Right-handed frames: column 0 along `first`, column 1 towards `second`, column 2 across both."""
    x = unit(first)
    y = unit(across(second, x))
    return np.stack([x, y, np.cross(x, y)], -1)


def swing(start: Array, end: Array) -> Array:
    """The smallest rotation from one unit vector to another; opposite ones turn about any axis across them."""
    axis = np.cross(start, end)
    length = np.linalg.norm(axis, axis=-1, keepdims=True)
    spare = unit(np.cross(start, np.where(np.abs(start[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0])))
    axis = np.where(length > 1e-6, axis / np.maximum(length, 1e-9), spare)
    return turn(axis, np.arctan2(length[..., 0], (start * end).sum(-1)))


def part_way(rotation: Array, share: Array | float, limit: float = np.pi) -> Array:
    """A rotation's share: about the same axis by `share` times its angle, at most `limit` radians."""
    trace = np.trace(rotation, axis1=-2, axis2=-1)
    angle = np.arccos(np.clip((trace - 1) / 2, -1, 1))
    vector = np.stack([rotation[..., i, j] - rotation[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0))], -1)
    return turn(unit(vector), np.minimum(angle * share, limit))


def about(axis: int, angle: Array | float) -> Array:
    """Rotation about x, y or z (0, 1, 2)."""
    angle = np.asarray(angle, np.float64)
    return turn(np.broadcast_to(np.eye(3)[axis], (*angle.shape, 3)), angle)
