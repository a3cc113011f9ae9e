"""Postures that drawings show often, as angles of the limbs round which poses are drawn at random."""

from __future__ import annotations

import numpy as np

from napa_lib.makers.drawings.bodies import LIMBS, J

# Degrees: (forward, outward) of the upper part, then of the lower part, of one limb. Forward 0 hangs down, 90 points to
# the front, 180 up; outward 90 points to the side, negative to the other side of the body.
ARMS = np.array([
    (0, 10, 10, 5), (-10, 15, 30, 5), (-5, 20, 0, 12), (-15, 45, 20, -50), (-5, 55, 10, -40), (170, 8, 175, 4),
    (0, 135, 0, 150), (0, 120, 0, 165), (0, 90, 0, 90), (0, 75, 0, 80), (85, 5, 90, 0), (0, 90, 0, 170),
    (0, 60, 0, 165), (25, 10, 60, -70), (0, 120, 0, 215), (20, 15, 80, -20), (-35, 10, -10, 5), (40, 8, 75, 0),
    (30, 15, 110, -35), (45, 60, 45, 60), (-60, 20, -60, 20), (60, 20, 140, 0), (0, 40, 0, 35), (30, 30, 90, 20),
    (10, 20, 90, 0), (110, 10, 120, 0), (0, 30, 0, 100), (0, 100, 0, 20),
], dtype=float)  # fmt: skip
# One leg, the other leg.
LEGS = np.array([
    (0, 4, 0, 3, 0, 4, 0, 3), (0, 4, 0, 3, 0, 4, 0, 3), (0, 18, 0, 16, 0, 18, 0, 16), (25, 2, 10, 1, -20, 2, -35, 2),
    (30, 3, 20, 2, -15, 3, -50, 2), (65, 3, -15, 2, -25, 2, -95, 2), (0, 8, 0, 0, 10, 12, -5, 8),
    (88, 10, 0, 5, 88, 10, 0, 5), (85, 20, 0, 0, 85, 20, 10, 0), (80, 45, 40, -60, 80, 45, 40, -60),
    (85, 8, 80, 5, 85, 8, 80, 5), (0, 8, -90, 5, 0, 8, -90, 5), (85, 5, 0, 3, 0, 5, -90, 3),
    (110, 35, -30, 5, 110, 35, -30, 5), (90, 10, 85, 8, 0, 5, 0, 4), (0, 90, 0, 90, 0, 5, 0, 5),
    (70, 5, 0, 3, -40, 5, -60, 5), (0, 50, 0, 0, 0, 40, 0, 42), (60, 25, -40, 15, 60, 25, -40, 15),
    (0, 60, 0, -60, 0, 2, 0, 0), (0, 75, 0, 78, 0, 75, 0, 78), (-70, 5, -75, 5, 0, 4, 0, 3),
    (45, 45, -20, -50, 0, 4, 0, 3), (60, 10, 0, 5, 0, 4, -5, 3), (0, 35, -20, 20, 0, 10, -60, 5),
], dtype=float)  # fmt: skip
# Parts of the stature (Drillis and Contini, 1966), half widths for shoulders and hips.
TRUNK, SHOULDER, HIP = 0.29, 0.115, 0.055
UPPER, LOWER = (0.175, 0.175, 0.245, 0.245), (0.15, 0.15, 0.245, 0.245)


def posture_joints(count: int, rng: np.random.Generator) -> np.ndarray:
    """Random poses round common postures, (N, 18, 3), for a figure that faces the viewer; pelvis at the origin.

    Only pelvis, thorax, shoulders, hips and limbs are set; the unit is the stature.
    """
    joints = np.zeros((count, 18, 3))
    lean = np.radians([4.0, 0.0] + rng.normal(0, 1, (count, 2)) * [10.0, 8.0])
    bend = rng.random(count) < 0.12
    lean[bend, 0] += np.radians(rng.uniform(20, 100, int(bend.sum())))
    spine = -_direction(-lean[:, 0], lean[:, 1], 1.0)
    joints[:, J["thorax"]] = spine * TRUNK
    across = np.stack([np.cos(lean[:, 1]), np.sin(lean[:, 1]), rng.normal(0, 0.2, count)], -1)
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    angles = _limb_angles(count, rng)
    for limb, (start, middle, end) in enumerate(LIMBS):
        side = -1.0 if limb % 2 == 0 else 1.0
        if limb < 2:
            joints[:, start] = joints[:, J["thorax"]] + side * across * SHOULDER
        else:
            joints[:, start, 0] = side * HIP
        angle = angles[:, limb]
        joints[:, middle] = joints[:, start] + _direction(angle[:, 0], angle[:, 1], side) * UPPER[limb]
        joints[:, end] = joints[:, middle] + _direction(angle[:, 2], angle[:, 3], side) * LOWER[limb]
    return joints


def _limb_angles(count: int, rng: np.random.Generator) -> np.ndarray:
    """(N, 4, 4) radians: right arm, left arm, right leg, left leg."""
    right, left = rng.integers(len(ARMS), size=(2, count))
    left = np.where(rng.random(count) < 0.5, right, left)
    legs = LEGS[rng.integers(len(LEGS), size=count)].reshape(count, 2, 4)
    swapped = np.where((rng.random(count) < 0.5)[:, None, None], legs[:, ::-1], legs)
    angles = np.concatenate([ARMS[right][:, None], ARMS[left][:, None], swapped], 1)
    spread = np.array([16.0, 16.0, 9.0, 9.0])[:, None]
    return np.radians(angles + rng.normal(0, 1, angles.shape) * spread)


def _direction(forward: np.ndarray, outward: np.ndarray, side: float) -> np.ndarray:
    """Unit vectors (N, 3) of hanging limbs raised forward and outward; `side` is 1 on the person's left."""
    return np.stack([side * np.sin(outward), np.cos(outward) * np.cos(forward), -np.cos(outward) * np.sin(forward)], -1)
