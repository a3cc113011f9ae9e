"""From the ranges of two body models to `JOINT_LIMITS`: turn every joint of a body at random, and see where bones go.

Whoever knows the axes of hips, knees, shoulders and elbows (`anatomy`) knows where a bone may point in the local frame
of its parent: draw the anatomical angles uniformly from their ranges, look at the directions, and take the shortest arc
that holds 99 % of their azimuths and the middle 99 % of their elevations. Both hold for 98.7 % and more of each bone's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napa_lib.engine import made_on_cpu
from napa_lib.geometry import axis_angle_to_matrix, canonical_to_local
from napa_lib.sampling.anatomy import ANGLES, LIMBS, joint_ranges, limb_directions, limb_ranges
from napa_lib.sampling.limits import FREE, SKELETON, JointLimits, angles_of

SHARE = 0.99
STEP = 5  # degrees to which limits are rounded, outwards
AXES = {"forward": (1.0, 0.0, 0.0), "left": (0.0, 1.0, 0.0), "up": (0.0, 0.0, 1.0)}
# mm, canonical axes, of the body of the motion-capture clips: the neck's joint, the ball of the head and its radius
NECK_JOINT, HEAD_CENTRE, HEAD_RADIUS = (24.05, 0.0, -19.61), 175.0, 102.5
HIP = JointLimits(180, 180, 60, 120)
# The paper prints the hip's limits and the shoulder's azimuth. The shoulder's elevation it does not give; we take the
# hip's, as the trunk is the parent of both.
PUBLISHED = {"r_hip": HIP, "r_shoulder": JointLimits(120, 240, HIP.gamma1, HIP.gamma2)}


@made_on_cpu
def anatomical_poses(n: int, generator: torch.Generator) -> Tensor:
    """Canonical poses of a body whose trunk stands straight and whose joints turn at random within their ranges.

    Args:
        n: how many.
        generator: of the angles, each uniform in its range.

    Returns:
        (n, 17, 3) float64 in mm, each of a limb's bones 400 long.
    """
    pose = torch.zeros(n, SKELETON.num_joints, 3, dtype=torch.float64)
    at = {name: pose[:, j] for j, name in enumerate(SKELETON.joints)}
    at["thorax"][:] = pose.new_tensor([0, 0, 470])
    for part, reach in (("hip", 85.0), ("shoulder", 183.0)):
        middle = at["pelvis" if part == "hip" else "thorax"]
        for side, sign in (("r", -1.0), ("l", 1.0)):
            at[f"{side}_{part}"][:] = middle + pose.new_tensor([0, sign * reach, 0])
    for limb, (start, middle_name, end) in LIMBS.items():
        low, high = torch.tensor([limb_ranges(limb)[name] for name in ANGLES], dtype=torch.float64).T
        for side in "rl":
            angles = low + (high - low) * torch.rand(n, 4, generator=generator, dtype=torch.float64)
            upper, lower = limb_directions(angles, limb, side)
            at[f"{side}_{middle_name}"][:] = at[f"{side}_{start}"] + 400 * upper
            at[f"{side}_{end}"][:] = at[f"{side}_{middle_name}"] + 400 * lower
    head = _head_turns(n, generator)
    centre = at["thorax"] + pose.new_tensor(NECK_JOINT) + HEAD_CENTRE * head[..., 2]
    at["neck"][:], at["head"][:] = centre - HEAD_RADIUS * head[..., 2], centre + HEAD_RADIUS * head[..., 2]
    at["nose"][:] = centre + HEAD_RADIUS * head[..., 0]
    return pose


def _head_turns(n: int, generator: torch.Generator) -> Tensor:
    turn = torch.eye(3, dtype=torch.float64).expand(n, 3, 3)
    for hinge in joint_ranges()["neck"]:
        low, high = (math.radians(degrees) for degrees in hinge["range"])
        angle = low + (high - low) * torch.rand(n, 1, generator=generator, dtype=torch.float64)
        turn = turn @ axis_angle_to_matrix(angle * angle.new_tensor(AXES[hinge["axis"]]))
    return turn


def derive_limits(n: int = 200_000, seed: int = 0) -> dict[str, JointLimits]:
    """The limits of the right side and the middle, from the published ones (see `PUBLISHED`) and the body models.

    Args:
        n: poses to draw.
        seed: of the drawing.
    """
    local = canonical_to_local(anatomical_poses(n, torch.Generator().manual_seed(seed)), SKELETON)
    limits = {}
    for name in FREE:
        if name.startswith("l_"):
            continue
        limits[name] = PUBLISHED.get(name) or enclosing_limits(local[:, SKELETON.index(name)])
        if not name.startswith("r_"):
            limits[name] = _symmetric(limits[name])
    return limits


def _symmetric(limits: JointLimits) -> JointLimits:
    """A middle joint's limits, widened until they are their own mirror image; it turns about the front or the back."""
    middle = (limits.theta1 + limits.theta2) / 2
    axis = 90 + 180 * round((middle - 90) / 180)
    reach = min(max(axis - limits.theta1, limits.theta2 - axis), 180)
    start = axis - reach
    start += 360 * ((start <= -180) - (start > 180))
    return JointLimits(start, start + 2 * reach, limits.gamma1, limits.gamma2)


def enclosing_limits(directions: Tensor, share: float = SHARE) -> JointLimits:
    """Limits in whole steps of 5 degrees that hold a share of directions (N, 3) in each angle: the shortest arc of
    azimuths, and the middle of the elevations.

    Azimuths of bones within 5 degrees of their parent's line are left out: there, all azimuths are nearly the same
    direction.
    """
    theta, gamma = angles_of(directions)
    tails = torch.quantile(gamma, gamma.new_tensor([(1 - share) / 2, (1 + share) / 2])).tolist()
    gamma1, gamma2 = STEP * math.floor(tails[0] / STEP), STEP * math.ceil(tails[1] / STEP)
    start, width = _smallest_arc(theta[(gamma > 5) & (gamma < 175)], share)
    theta1 = STEP * math.floor(start / STEP)
    theta2 = min(STEP * math.ceil((start + width) / STEP), theta1 + 360)
    theta1, theta2 = (theta1, theta2) if theta1 > -180 else (theta1 + 360, theta2 + 360)
    return JointLimits(theta1, theta2, gamma1, min(gamma2, 180))


def _smallest_arc(degrees: Tensor, share: float) -> tuple[float, float]:
    """Start and width of the shortest arc of the circle that holds a share of some angles."""
    ordered = degrees.sort().values
    count = math.ceil(share * len(ordered))
    ends = torch.cat([ordered, ordered + 360])[count - 1 : count - 1 + len(ordered)]
    widths = ends - ordered
    best = int(widths.argmin())
    return float(ordered[best]), float(widths[best])
