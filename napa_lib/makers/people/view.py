"""Cameras that frame a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napa_lib.makers.people.turns import Array, about


@dataclass(frozen=True, eq=False)
class View:
    """A camera: `R` (3, 3) and `offset` (3,) mm from the world (y up) to camera axes, `K` (3, 3) in pixels."""

    R: Array
    offset: Array
    K: Array

    def to_camera(self, points: Array) -> Array:
        """World points (..., 3) in mm in camera axes: x right, y down, z away."""
        return points @ self.R.T + self.offset

    def project(self, points: Array) -> Array:
        """Points (..., 3) in camera axes to (..., 3): x, y in pixels and the depth in mm."""
        xy = points[..., :2] / points[..., 2:] * self.K[[0, 1], [0, 1]] + self.K[:2, 2]
        return np.concatenate([xy, points[..., 2:]], -1)


def sample_direction(rng: np.random.Generator, level: bool = False) -> tuple[Array, float]:
    """Rotation world to camera and distance: any side, the front most; eye height most; slight roll; 2.4 to 12 m.

    A `level` camera stands within about 45 degrees of the front, at eye height, without roll.
    """
    yaw = rng.normal(0, 0.7) if rng.random() < 0.65 else rng.uniform(-np.pi, np.pi)
    pitch = rng.normal(0.08, 0.14) if rng.random() < 0.85 else rng.uniform(-0.6, 1.0)
    roll = rng.normal(0, 0.06)
    if level:
        yaw, pitch, roll = rng.normal(0, 0.4), 0.3 * pitch, 0.0
    upright = np.diag([1.0, -1.0, -1.0])  # a camera in front of a person that looks along z
    rotation = about(2, np.array(roll)) @ upright @ about(0, np.array(pitch)) @ about(1, np.array(yaw))
    return rotation, float(np.exp(rng.uniform(np.log(2400), np.log(12000))))


def frame_points(rotation: Array, distance: float, points: Array, size: int, fill: float, shift: Array) -> View:
    """The camera whose picture is filled to a share `fill` by the points' box, its centre moved by `shift` sizes."""
    offset = np.array([0.0, 0.0, distance])
    camera = points @ rotation.T + offset
    flat = camera[..., :2] / camera[..., 2:]
    low, high = flat.reshape(-1, 2).min(0), flat.reshape(-1, 2).max(0)
    focal = fill * size / (high - low).max()
    middle = (size - 1) / 2 + shift * size - focal * (low + high) / 2
    return View(rotation, offset, np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1.0]]))
