"""Poses out of nothing but joint limits: draw two angles a bone, walk down the tree, turn the body.

Source: CrossModal, section 3.1.1 and supplement, section 3.1 ("artificial pose sampling").
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from napa_lib.engine import made_on_cpu
from napa_lib.geometry import assemble_bones, local_to_canonical, quaternion_to_matrix
from napa_lib.sampling.anatomy import LIMBS, intersects_itself, limbs_allowed
from napa_lib.sampling.limits import FREE, OPPOSITE, SKELETON, JointLimits, complete_limits

CHUNK = 4096  # poses at a time: they stay in the processor's cache
MOST_ROUNDS = 300
# mm, of the bone that ends in each joint: means over the motion-capture body's training poses.
_HALF = {"hip": 84.9, "knee": 421.5, "ankle": 409.9, "shoulder": 183.1, "elbow": 274.8, "wrist": 258.9}
_MIDDLE = {"pelvis": 0.0, "thorax": 470.9, "neck": 60.8, "head": 205.0, "nose": 145.0}
BONE_LENGTHS = torch.tensor([_MIDDLE[name] if name in _MIDDLE else _HALF[name[2:]] for name in SKELETON.joints])
Limits = Mapping[str, JointLimits]
Ranges = tuple[Tensor, Tensor]


@made_on_cpu
def sample_poses(
    n: int,
    limits: Limits | None = None,
    generator: torch.Generator | None = None,
    bone_lengths: Tensor | None = None,
    conditioned: bool = False,
) -> Tensor:
    """Draw artificial poses and turn each at random.

    Each bone's azimuth and elevation are uniform in its limits and independent of all others; the left hip and shoulder
    lie opposite the right ones; the rotation is uniform over all rotations.

    Args:
        n: how many; 0 gives an empty batch.
        limits: see `complete_limits`; None for `JOINT_LIMITS`.
        generator: source of the random numbers, on the CPU; None for torch's global one.
        bone_lengths: (17,) mm; None for `BONE_LENGTHS`.
        conditioned: draw limbs anew that a body could not bring there, and poses with limbs inside one another (see
            `anatomy`). The paper does not: it accepts such poses.

    Returns:
        (n, 17, 3) of `SKELETON` in mm, the pelvis at the origin.

    Raises:
        ValueError: for n below 0, limits that do not hold together, lengths that are not positive, or (conditioned)
            limits that no body could keep.

    >>> sample_poses(2, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([2, 17, 3])
    """
    canonical = sample_canonical(n, limits, generator, bone_lengths, conditioned)
    quaternions = torch.randn(n, 4, generator=generator)
    rotation = quaternion_to_matrix(quaternions)
    parts = [pose @ turn.mT for pose, turn in zip(canonical.split(CHUNK), rotation.split(CHUNK), strict=True)]
    return torch.cat(parts) if parts else canonical


@made_on_cpu
def sample_canonical(
    n: int,
    limits: Limits | None = None,
    generator: torch.Generator | None = None,
    bone_lengths: Tensor | None = None,
    conditioned: bool = False,
) -> Tensor:
    """`sample_poses` without the last step: (n, 17, 3) mm in the canonical frame, x forward, y left, z up.

    Raises:
        ValueError: likewise.
    """
    if n < 0:
        raise ValueError(f"n must be at least 0, got {n}")
    lengths = _checked(BONE_LENGTHS if bone_lengths is None else bone_lengths)
    ranges = _range_table(complete_limits(limits))
    counts = [min(CHUNK, n - start) for start in range(0, n, CHUNK)]
    draw = _draw_conditioned if conditioned else _draw
    poses = [draw(count, ranges, lengths, generator) for count in counts]
    return torch.cat(poses) if poses else torch.zeros(0, SKELETON.num_joints, 3)


def _checked(lengths: Tensor) -> Tensor:
    if lengths.shape != BONE_LENGTHS.shape or not bool((lengths[1:] > 0).all()):
        raise ValueError(f"bone_lengths must be 17 numbers in mm, positive but for the root's, got {lengths}")
    return lengths.float()


def _range_table(limits: Limits) -> Ranges:
    """Start and width of each angle in radians: two (2, 13), azimuth and elevation of the joints in `FREE`."""
    rows = [(limits[name].theta1, limits[name].gamma1, limits[name].theta2, limits[name].gamma2) for name in FREE]
    table = torch.deg2rad(torch.tensor(rows, dtype=torch.float32)).T
    return table[:2], table[2:] - table[:2]


def _draw_bones(n: int, ranges: Ranges, generator: torch.Generator | None) -> Tensor:
    """(3, 17, n) local directions."""
    start, width = ranges
    theta, gamma = start[..., None] + width[..., None] * torch.rand(2, len(FREE), n, generator=generator)
    sine = gamma.sin()
    bones = torch.zeros(3, SKELETON.num_joints, n)
    bones[2, SKELETON.index("thorax")] = 1.0
    bones[:, [SKELETON.index(name) for name in FREE]] = torch.stack(
        [-sine * theta.sin(), sine * theta.cos(), gamma.cos()]
    )
    bones[:, [SKELETON.index(name) for name in OPPOSITE]] = -bones[:, [SKELETON.index(n) for n in OPPOSITE.values()]]
    return bones


def _draw(n: int, ranges: Ranges, lengths: Tensor, generator: torch.Generator | None) -> Tensor:
    return _assemble(_draw_bones(n, ranges, generator), lengths)


def _assemble(bones: Tensor, lengths: Tensor) -> Tensor:
    return assemble_bones(bones * lengths[:, None], SKELETON).permute(2, 1, 0).contiguous()


def _draw_conditioned(n: int, ranges: Ranges, lengths: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw limbs until each could be brought where it is, and whole poses until no two parts are in one place."""
    limbs = [[SKELETON.index(f"{s}_{name}") for name in names[1:]] for names in LIMBS.values() for s in "rl"]
    bones = _draw_bones(n, ranges, generator)
    poses, rows = torch.empty(n, SKELETON.num_joints, 3), torch.arange(n)
    for _ in range(MOST_ROUNDS):
        current = _assemble(bones[..., rows], lengths)
        poses[rows] = current
        refused = ~limbs_allowed(current)
        clash = ~refused.any(-1) & intersects_itself(current)
        left = refused.any(-1) | clash
        rows, refused, clash = rows[left], refused[left], clash[left]
        if not len(rows):
            return poses
        fresh = _draw_bones(len(rows), ranges, generator)
        renewed = clash.expand(SKELETON.num_joints, -1).clone()
        for limb, joints in enumerate(limbs):
            renewed[joints] |= refused[:, limb]
        bones[..., rows] = torch.where(renewed, fresh, bones[..., rows])
    raise ValueError(f"limits must leave every limb a position that a body could take; {len(rows)} poses found none")


def join_local(local: Tensor, bone_lengths: Tensor | None = None) -> Tensor:
    """Canonical poses (..., 17, 3) in mm from unit local directions, differentiable: FK of the paper."""
    lengths = BONE_LENGTHS if bone_lengths is None else bone_lengths
    return local_to_canonical(local * lengths.to(local)[:, None], SKELETON)
