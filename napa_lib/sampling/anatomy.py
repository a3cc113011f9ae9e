"""What a body cannot do, though each of its joints could: limits that depend on the pose, and limbs inside one another.

A thigh and a shank are moved by four angles: the hip's flexion f, abduction a and axial rotation r, and the knee's bend
k. With the thigh hanging along -z, x forward and y to the person's left, a right leg has

    thigh = R_y(-f) R_x(-a) (0, 0, -1),   shank = R_y(-f) R_x(-a) R_z(r) (-sin k, 0, -cos k)

and an arm the same with an elbow that bends forwards (+sin k). Which way a shank may leave its thigh is therefore tied
to where the thigh points: limits of one bone at a time, such as `JointLimits`, cannot say that.

Source: the idea is Akhter and Black (2015), to which CrossModal compares its samples; the ranges are those of the two
body models in `assets/joint_limits/ranges.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from napa_lib.data import asset_path
from napa_lib.sampling.limits import SKELETON
from napa_lib.skeletons import check_pose

LIMBS = {"leg": ("hip", "knee", "ankle"), "arm": ("shoulder", "elbow", "wrist")}
BEND = {"leg": -1.0, "arm": 1.0}  # a knee bends backwards, an elbow forwards
ANGLES = ("flexion", "abduction", "rotation", "bend")
STRAIGHT = 15.0  # degrees of bend below which a limb shows no axial rotation
Range = tuple[float, float]

# Radii in mm of the capsules that stand for the body: the limbs' are those of `mocap/humanoid.urdf`; the head's is less
# than that of its ball, which is as long as the capsule, and the trunk's lies between those of hips and chest.
CAPSULES = {
    "head": ("neck", "head", 80.0),
    "trunk": ("pelvis", "thorax", 100.0),
    **{f"{s}_thigh": (f"{s}_hip", f"{s}_knee", 55.0) for s in "lr"},
    **{f"{s}_shank": (f"{s}_knee", f"{s}_ankle", 50.0) for s in "lr"},
    **{f"{s}_upper_arm": (f"{s}_shoulder", f"{s}_elbow", 45.0) for s in "lr"},
    **{f"{s}_forearm": (f"{s}_elbow", f"{s}_wrist", 40.0) for s in "lr"},
}
# Flesh gives way: capsules are said to intersect where they overlap by more than this share of their radii.
SOFTNESS = 0.35


@cache
def joint_ranges() -> Mapping[str, Any]:
    """What `assets/joint_limits/ranges.json` holds: "limbs", the ranges in use, "models", those of each, and "neck"."""
    return json.loads(asset_path("joint_limits/ranges.json").read_text("utf-8"))


def limb_ranges(limb: str) -> dict[str, Range]:
    """Degrees of the four angles of "leg" or "arm"; ValueError for another limb."""
    if limb not in LIMBS:
        raise ValueError(f"limb must be one of {tuple(LIMBS)}, got {limb!r}")
    return {angle: (float(low), float(high)) for angle, (low, high) in joint_ranges()["limbs"][limb].items()}


def limb_directions(angles: Tensor, limb: str, side: str) -> tuple[Tensor, Tensor]:
    """Upper and lower bone of a limb in the trunk's frame from its four angles.

    Args:
        angles: (..., 4) flexion, abduction, inward rotation and bend in degrees.
        limb: "leg" or "arm".
        side: "l" or "r".

    Returns:
        two (..., 3) unit vectors in the canonical frame.
    """
    f, a, r, k = torch.deg2rad(angles).unbind(-1)
    zero = torch.zeros_like(f)
    lower = torch.stack([BEND[limb] * k.sin() * r.cos(), BEND[limb] * k.sin() * r.sin(), -k.cos()], -1)
    upper = torch.stack([zero, zero, zero - 1], -1)
    return tuple(_mirror(_turn(v, f, a), side) for v in (upper, lower))  # type: ignore[return-value]


def _turn(v: Tensor, f: Tensor, a: Tensor) -> Tensor:
    """R_y(-f) R_x(-a) v."""
    x, y, z = v.unbind(-1)
    y, z = y * a.cos() + z * a.sin(), z * a.cos() - y * a.sin()
    return torch.stack([x * f.cos() - z * f.sin(), y, x * f.sin() + z * f.cos()], -1)


def _mirror(v: Tensor, side: str) -> Tensor:
    if side not in ("l", "r"):
        raise ValueError(f"side must be 'l' or 'r', got {side!r}")
    return v if side == "r" else v * v.new_tensor([1.0, -1.0, 1.0])


def limb_angles(upper: Tensor, lower: Tensor, limb: str, side: str) -> Tensor:
    """The inverse of `limb_directions`: the four angles of two unit vectors, with abduction within 90 degrees.

    Every pair of directions has a second set of angles, beyond a quarter turn to the side: (f + 180, 180 - a, r + 180,
    k). The rotation of a straight limb is arbitrary.

    Returns:
        (..., 4) degrees, each within (-180, 180].
    """
    upper, lower = _mirror(upper, side), _mirror(lower, side)
    a = torch.asin(-upper[..., 1].clamp(-1, 1))
    f = torch.atan2(upper[..., 0], -upper[..., 2])
    # R_x(a) R_y(f) lower: back into the frame of the hanging limb
    x, y, z = lower.unbind(-1)
    x, z = x * f.cos() + z * f.sin(), z * f.cos() - x * f.sin()
    y, z = y * a.cos() - z * a.sin(), z * a.cos() + y * a.sin()
    k = torch.atan2(torch.hypot(x, y), -z)
    r = torch.atan2(BEND[limb] * y, BEND[limb] * x)
    return torch.rad2deg(torch.stack([f, a, r, k], -1))


def limb_allowed(upper: Tensor, lower: Tensor, limb: str, side: str) -> Tensor:
    """Which pairs of directions (..., 3) some set of the limb's angles within `limb_ranges` gives; (...) bool."""
    first = limb_angles(upper, lower, limb, side)
    second = torch.stack([first[..., 0] + 180, 180 - first[..., 1], first[..., 2] + 180, first[..., 3]], -1)
    return _within(first, limb) | _within(second, limb)


def _within(angles: Tensor, limb: str) -> Tensor:
    ranges = limb_ranges(limb)
    fits = [
        torch.remainder(angles[..., i] - ranges[name][0], 360) <= ranges[name][1] - ranges[name][0]
        for i, name in enumerate(ANGLES)
    ]
    return fits[0] & fits[1] & (fits[2] | (angles[..., 3] < STRAIGHT)) & fits[3]


def limbs_allowed(canonical: Tensor) -> Tensor:
    """Which limbs of canonical poses (..., 17, 3) a body could bring into that position given the trunk.

    Returns:
        (..., 4) bool: right leg, left leg, right arm, left arm; false for a limb with a NaN.

    Raises:
        ValueError: if the poses are not of `SKELETON`'s joints.
    """
    check_pose(canonical, SKELETON, "canonical")
    verdicts = []
    for limb, names in LIMBS.items():
        for side in "rl":
            start, middle, end = (canonical[..., SKELETON.index(f"{side}_{name}"), :] for name in names)
            upper = torch.nn.functional.normalize(middle - start, dim=-1)
            lower = torch.nn.functional.normalize(end - middle, dim=-1)
            verdicts.append(limb_allowed(upper, lower, limb, side))
    return torch.stack(verdicts, -1)


@cache
def _pairs() -> tuple[tuple[str, str], ...]:
    """Parts that may meet: all pairs but neighbours, which share a joint, and thighs and upper arms with the trunk."""
    names = tuple(CAPSULES)
    hung = {"l_thigh", "r_thigh", "l_upper_arm", "r_upper_arm", "head"}
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return tuple(
        (a, b)
        for a, b in pairs
        if not set(CAPSULES[a][:2]) & set(CAPSULES[b][:2]) and not (a == "trunk" and b in hung) and b != "trunk"
    )


def intersects_itself(poses: Tensor) -> Tensor:
    """Which poses (..., 17, 3) in mm have two parts of the body in one place; (...) bool.

    Each part is a capsule round its bone. Neighbours are left out, for they always overlap at their joint. A missing
    (NaN) joint is nowhere, and its parts in nobody's way.

    Raises:
        ValueError: if the poses are not of `SKELETON`'s joints.
    """
    check_pose(poses, SKELETON, "poses")
    starts, ends, radii = _capsules(poses)
    place = {name: i for i, name in enumerate(CAPSULES)}
    first = [place[a] for a, _ in _pairs()]
    second = [place[b] for _, b in _pairs()]
    gap = segment_distance(starts[..., first, :], ends[..., first, :], starts[..., second, :], ends[..., second, :])
    return (gap < (radii[first] + radii[second]) * (1 - SOFTNESS)).any(-1)


def _capsules(poses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    starts = [SKELETON.index(start) for start, _, _ in CAPSULES.values()]
    ends = [SKELETON.index(end) for _, end, _ in CAPSULES.values()]
    return poses[..., starts, :], poses[..., ends, :], poses.new_tensor([radius for _, _, radius in CAPSULES.values()])


def segment_distance(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Shortest distance between the segments a-b and c-d, (..., 3) each, of positive length; (...).

    The points a + s (b - a) and c + t (d - c) are nearest where both derivatives vanish; s and t are clamped to [0, 1]
    one after the other, which is exact (Ericson, "Real-Time Collision Detection", 5.1.9).
    """
    u, v, w = b - a, d - c, a - c
    uu, vv, uv, uw, vw = ((p * q).sum(-1) for p, q in ((u, u), (v, v), (u, v), (u, w), (v, w)))
    across = uu * vv - uv * uv
    s = torch.where(across > 1e-9 * uu * vv, (uv * vw - uw * vv) / across.clamp_min(1e-30), 0.0).clamp(0, 1)
    t = (uv * s + vw) / vv
    s = torch.where(t < 0, -uw / uu, torch.where(t > 1, (uv - uw) / uu, s)).clamp(0, 1)
    t = t.clamp(0, 1)
    return (w + s[..., None] * u - t[..., None] * v).norm(dim=-1)
