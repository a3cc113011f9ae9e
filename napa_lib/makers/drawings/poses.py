"""Where the figures' poses come from: recorded 2D poses, motion capture seen from all sides, and drawn postures."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from napa_lib.data.body25 import load_body25_poses
from napa_lib.data.mocap import load_mocap_poses
from napa_lib.data.views import to_camera
from napa_lib.makers.drawings.bodies import LIMBS, TOES, J, Poses, unit
from napa_lib.makers.drawings.postures import posture_joints
from napa_lib.skeletons import BODY25, convert

MOCAP_STATURE = 1620.0  # mm
SHARES = (0.35, 0.2, 0.45)  # recorded 2D, motion capture, postures


def sample_poses(count: int, rng: np.random.Generator) -> Poses:
    """Draw poses from the three sources, in random order."""
    kinds = rng.choice(3, count, p=SHARES)
    parts = [
        source(int((kinds == kind).sum()), rng)
        for kind, source in enumerate((_recorded, _captured, _postures))
    ]  # fmt: skip
    order = np.argsort(np.argsort(kinds, kind="stable"), kind="stable")
    fields = (np.concatenate([getattr(part, name) for part in parts])[order] for name in Poses.__annotations__)
    return Poses(*fields)


def _captured(count: int, rng: np.random.Generator) -> Poses:
    clips = load_mocap_poses("train")
    chosen = clips[torch.from_numpy(rng.integers(len(clips), size=count))]
    azimuth, elevation = rng.uniform(0, 2 * np.pi, count), rng.normal(0.1, 0.2, count)
    seen = to_camera(chosen, torch.from_numpy(azimuth).float(), torch.from_numpy(elevation).float()).double().numpy()
    joints = seen / MOCAP_STATURE
    return _with_directions(joints, unit(joints[:, J["head"]] - joints[:, J["neck"]]))


def _postures(count: int, rng: np.random.Generator) -> Poses:
    joints = posture_joints(count, rng)
    tilt = unit(
        joints[:, J["thorax"]] * rng.uniform(0.3, 1.0, (count, 1)) + [0, -0.15, 0] + rng.normal(0, 0.03, (count, 3))
    )
    turn = _view(count, rng)
    return _with_directions(joints @ turn, np.einsum("ni,nij->nj", tilt, turn), rng)


def _view(count: int, rng: np.random.Generator) -> np.ndarray:
    """Rotations (N, 3, 3), for row vectors: any side, mostly front, side or back; some tumbled or upside down."""
    sides = rng.choice([0.0, 0.5, 1.0, 1.5], count, p=[0.45, 0.2, 0.15, 0.2]) * np.pi
    yaw = sides + rng.normal(0, 0.35, count)
    pitch = rng.normal(0.05, 0.12, count)
    roll = np.where(rng.random(count) < 0.08, rng.uniform(-np.pi, np.pi, count), rng.normal(0, 0.08, count))
    roll = np.where(rng.random(count) < 0.04, np.pi + rng.normal(0, 0.1, count), roll)
    return _rotation(yaw, 1) @ _rotation(pitch, 0) @ _rotation(roll, 2)


def _rotation(angle: np.ndarray, axis: int) -> np.ndarray:
    c, s, turn = np.cos(angle), np.sin(angle), np.zeros((len(angle), 3, 3))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn[:, axis, axis] = 1.0
    turn[:, a, a], turn[:, b, b], turn[:, a, b], turn[:, b, a] = c, c, s, -s
    return turn


def _with_directions(joints: np.ndarray, up: np.ndarray, rng: np.random.Generator | None = None) -> Poses:
    """Face and feet follow the body: the face from the nose or the chest, the feet from the hips and shins."""
    left, spine = (
        joints[:, J["l_shoulder"]] - joints[:, J["r_shoulder"]],
        joints[:, J["thorax"]] - joints[:, J["pelvis"]],
    )
    if rng is None:
        face = joints[:, J["nose"]] - (joints[:, J["head"]] + joints[:, J["neck"]]) / 2
    else:
        face = unit(np.cross(left, spine)) + rng.normal(0, 0.35, up.shape)  # heads turn
    face = unit(face - up * (face * up).sum(-1, keepdims=True))
    hips = joints[:, J["l_hip"]] - joints[:, J["r_hip"]]
    return Poses(joints, up, face, _feet(joints, unit(np.cross(hips, spine))))


def _feet(joints: np.ndarray, forward: np.ndarray) -> np.ndarray:
    feet = []
    for _, knee, ankle in LIMBS[2:]:
        shin = unit(joints[:, ankle] - joints[:, knee])
        ahead = unit(forward - shin * (forward * shin).sum(-1, keepdims=True) * 0.9)
        feet.append(unit(ahead + 0.35 * shin))
    return np.stack(feet, 1)


def _recorded(count: int, rng: np.random.Generator) -> Poses:
    """Recorded 2D poses, half of them mirrored, a quarter seen from behind (the mirror image with the same sides)."""
    poses = _recorded_poses()
    rows = rng.integers(len(poses.joints), size=count)
    joints, up, face, toes = (getattr(poses, n)[rows].copy() for n in Poses.__annotations__)
    noise = rng.normal(0, 0.06, (count, 18))
    joints[..., 2] += np.where(np.isin(np.arange(18), [i for limb in LIMBS[:2] for i in limb[1:]]), noise, 0.0)
    mirror, behind = rng.random(count) < 0.5, rng.random(count) < 0.25
    swap = [J[n.replace("l_", "r_") if n[:2] == "l_" else n.replace("r_", "l_") if n[:2] == "r_" else n] for n in J]
    joints[mirror] = joints[mirror][:, swap] * [-1, 1, 1]
    toes[mirror] = toes[mirror][:, ::-1] * [-1, 1, 1]
    for vectors in (up, face):
        vectors[mirror] *= [-1, 1, 1]
    for vectors in (joints, up, face, toes):
        vectors[behind] *= [-1, 1, -1]
    return Poses(joints, up, face, toes)


@cache
def _recorded_poses() -> Poses:
    points = load_body25_poses().keypoints.double()
    named = {n: points[:, BODY25.index(n)].numpy() for n in BODY25.joints}
    joints = convert(points, BODY25, "NAPA18").numpy()
    sides = np.stack([named["r_ear"], named["l_ear"]])
    heard = np.isfinite(sides).all(-1, keepdims=True)
    ears = np.nan_to_num(sides).sum(0) / np.maximum(heard.sum(0), 1)  # in profile one ear is hidden
    needed = [J[n] for n in J if n not in ("neck", "head", "torso", "nose")]
    whole = np.isfinite(joints[:, needed]).all((1, 2)) & heard.any((0, 2)) & np.isfinite(named["nose"]).all(1)
    joints, ears, nose = joints[whole], ears[whole], named["nose"][whole]
    toes = np.stack([(named[s + "big_toe"] - named[s + "ankle"])[whole] for s in ("r_", "l_")], 1)

    joints = joints - joints[:, :1]
    origin = points[:, BODY25.index("pelvis")].numpy()[whole]
    trunk = np.linalg.norm(joints[:, J["thorax"]], axis=-1)
    legs = sum(
        np.linalg.norm(joints[:, m] - joints[:, a], axis=-1)
        for limb in LIMBS[2:]
        for a, m in zip(limb[:2], limb[1:], strict=True)
    )
    stature = np.maximum(trunk / 0.29, legs / 2 / 0.49)[:, None]
    joints, toes = joints / stature[..., None], toes / stature[..., None]
    lift = (ears - origin) / stature - joints[:, J["thorax"]]
    up = _lengthened(lift / 0.11, 0.0)
    out = (nose - ears) / stature / 0.075
    left = joints[:, J["l_shoulder"]] - joints[:, J["r_shoulder"]]
    front = np.where(left[:, 0] * joints[:, J["thorax"], 1] < left[:, 1] * joints[:, J["thorax"], 0], -1.0, 1.0)
    face = _lengthened(out, front)
    return _with_depth(joints, up, face, toes / TOES, front)


def _lengthened(flat: np.ndarray, sign: np.ndarray | float) -> np.ndarray:
    """Flat vectors (N, 2) as unit 3-vectors, z of the given sign; those longer than one stay flat."""
    flat = flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1.0)
    z = np.sqrt(np.maximum(1.0 - (flat**2).sum(-1), 0.0)) * sign
    return unit(np.concatenate([flat, z[:, None]], -1))


def _with_depth(joints: np.ndarray, up: np.ndarray, face: np.ndarray, toes: np.ndarray, front: np.ndarray) -> Poses:
    """Guess what a flat pose hides: the near side of a figure seen from the side, and hands in front of the body."""
    z = np.zeros(joints.shape[:2])
    for start, width, parts in (("shoulder", 0.2, (0, 1)), ("hip", 0.1, (2, 3))):
        across = np.linalg.norm(joints[:, J["l_" + start]] - joints[:, J["r_" + start]], axis=-1)
        half = np.sqrt(np.maximum(width**2 - across**2, 0.0)) / 2 * np.sign(face[:, 0])
        for part, sign in zip(parts, (-1, 1), strict=True):
            z[:, list(LIMBS[part])] = (half * sign)[:, None]
    for limb in LIMBS[:2]:
        z[:, limb[1]] += 0.03 * front
        z[:, limb[2]] += 0.08 * front
    solid = np.concatenate([joints, z[..., None]], -1)
    hips = solid[:, J["l_hip"]] - solid[:, J["r_hip"]]
    guess = _feet(solid, unit(np.cross(hips, solid[:, J["thorax"]])))
    seen = _lengthened(np.nan_to_num(toes).reshape(-1, 2), np.repeat(front, 2)).reshape(-1, 2, 3)
    return Poses(solid, up, face, np.where(np.isfinite(toes).all(-1, keepdims=True), seen, guess))
