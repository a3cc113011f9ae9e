"""Bodies in their own frame: view-invariant canonical poses, bone directions relative to the parent bone, and back.

Two frames, both right-handed, after CrossModal's supplement (section 1):

- *canonical*: the root at the origin; z from the hips' midpoint to the neck (the shoulders' midpoint), x along the
  normal of the plane through the neck and both hips, pointing where the chest faces, y to the person's left.
- *local*, one for each bone that hangs from another: z along the parent bone, x the canonical x axis made orthogonal to
  it, y = z cross x. Bones that start at the root stay in the canonical frame, whose z is then their "parent bone".

The paper fixes the normal on +x and the neck on a fixed axis (it has no degree of freedom, and a hip has one); that z
is that axis and that x points forward, not back, is our reading.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from napa_lib.geometry.precision import in_full_precision
from napa_lib.skeletons import Skeleton, check_pose


def _unit(vector: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors along the last dimension, and where there is none: (..., 1) True for zero and NaN vectors."""
    clean = vector.masked_fill(vector.isnan().any(-1, keepdim=True), 0.0)  # before the NaN gets a gradient
    squared = clean.square().sum(-1, keepdim=True)
    none = squared == 0
    return clean * squared.masked_fill(none, 1.0).rsqrt(), none


def _check_3d(pose: Tensor, skeleton: Skeleton, name: str) -> None:
    check_pose(pose, skeleton, name)
    if pose.shape[-1] != 3:
        raise ValueError(f"{name} must be 3D, (..., {skeleton.num_joints}, 3), got {tuple(pose.shape)}")


@cache
def _levels(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    """The joints by their distance from the root: the root, its children, their children ..."""
    levels: list[tuple[int, ...]] = [(skeleton.root,)]
    while levels[-1]:
        levels.append(tuple(j for j, parent in enumerate(skeleton.parents) if parent in levels[-1]))
    return tuple(levels[:-1])


@in_full_precision
def to_canonical(pose: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Turn and shift poses into the canonical frame, where every view of a posture is the same pose.

        pose = canonical R^T + root  (rows),  that is  p_r = R p_c  for each root-relative joint

    Args:
        pose: (..., J, 3) in any right-handed frame and unit.
        skeleton: joint set of `pose`; it must have hips and shoulders.

    Returns:
        canonical (..., J, 3) in the same unit, root joint at the origin; rotation R (..., 3, 3), whose columns are the
        body's forward, left and up axes in the frame of `pose`. Both are NaN for a pose whose orientation is not
        defined: a hip or shoulder is missing, or neck and hips lie on one line.

    Raises:
        ValueError: if `pose` does not fit `skeleton` or is not 3D, or the set lacks hips or shoulders.

    Source: CrossModal, supplement, section 1a (p_r to p_c).
    """
    _check_3d(pose, skeleton, "pose")
    names = ("l_hip", "r_hip", "l_shoulder", "r_shoulder")
    landmarks = pose[..., [skeleton.index(name) for name in names], :]
    lost = landmarks.isnan().any(-1, keepdim=True).any(-2, keepdim=True)
    l_hip, r_hip, l_shoulder, r_shoulder = landmarks.masked_fill(lost, 0.0).unbind(-2)
    up, no_up = _unit((l_shoulder + r_shoulder - l_hip - r_hip) / 2)
    forward, no_forward = _unit(torch.linalg.cross(l_hip - r_hip, up))
    undefined = (no_up | no_forward)[..., None]
    rotation = torch.stack([forward, torch.linalg.cross(up, forward), up], -1)
    rotation = torch.where(undefined, torch.eye(3, dtype=pose.dtype, device=pose.device), rotation)
    relative = pose - pose[..., skeleton.root, None, :]
    missing = relative.isnan().any(-1, keepdim=True)
    canonical = (relative.masked_fill(missing, 0.0) @ rotation).masked_fill(missing | undefined, torch.nan)
    return canonical, rotation.masked_fill(undefined, torch.nan)


def _local_frames(parent_bone: Tensor) -> Tensor:
    """Axes of the local frame below each parent bone, as columns: (..., 3) canonical vectors -> (..., 3, 3).

    Where the parent bone runs along the canonical x axis, y takes its place; below a bone of zero length the frame is
    the canonical one.
    """
    z, none = _unit(parent_bone)
    eye = torch.eye(3, dtype=z.dtype, device=z.device)
    along_x = z[..., :1].abs() > 1 - 1e-6
    normal = torch.where(along_x, eye[1], eye[0])
    x, _ = _unit(normal - (normal * z).sum(-1, keepdim=True) * z)
    return torch.where(none[..., None], eye, torch.stack([x, torch.linalg.cross(z, x), z], -1))


@in_full_precision
def canonical_to_local(canonical: Tensor, skeleton: Skeleton) -> Tensor:
    """Each bone as a vector in the local frame of the bone it hangs from.

    Args:
        canonical: (..., J, 3) poses in the canonical frame.
        skeleton: their joint set.

    Returns:
        (..., J, 3): row j is the bone from j's parent to j, with its length; the root's row is zero. Divided by its
        length it is the paper's local pose p_l: invariant to the view and to the body's proportions. A bone is NaN when
        one of its ends is missing, or an end of its parent bone.

    Raises:
        ValueError: if `canonical` does not fit `skeleton` or is not 3D.

    Source: CrossModal, supplement, section 1b (T_L: p_c to p_l), after Akhter and Black (2015).
    """
    _check_3d(canonical, skeleton, "canonical")
    parents = [parent if parent >= 0 else j for j, parent in enumerate(skeleton.parents)]
    bones = canonical - canonical[..., parents, :]
    missing = bones.isnan().any(-1, keepdim=True)
    bones = bones.masked_fill(missing, 0.0)
    frames = _local_frames(bones[..., parents, :])
    local = (frames.mT @ bones[..., None]).squeeze(-1)
    return local.masked_fill(missing | missing[..., parents, :], torch.nan)


@in_full_precision
def local_to_canonical(local: Tensor, skeleton: Skeleton) -> Tensor:
    """The inverse of `canonical_to_local`: put the bones together again, from the root outwards.

    Args:
        local: (..., J, 3) bone vectors with their lengths, each in the local frame of its parent bone. The root's row
            is not read.
        skeleton: the joint set.

    Returns:
        (..., J, 3) canonical pose, the root at the origin. What hangs from a NaN bone is NaN, all else is not.

    Raises:
        ValueError: if `local` does not fit `skeleton` or is not 3D.

    Source: CrossModal, supplement, section 2a (forward kinematics, p_l to p_c).
    """
    _check_3d(local, skeleton, "local")
    missing = local.isnan().any(-1, keepdim=True)
    local = local.masked_fill(missing, 0.0)
    order = [skeleton.root]
    joints = torch.zeros_like(local[..., :1, :])
    bones, lost = joints, torch.zeros_like(missing[..., :1, :])
    for level in _levels(skeleton)[1:]:  # a handful of steps: the depth of the tree
        above = [order.index(skeleton.parents[j]) for j in level]
        vector = (_local_frames(bones[..., above, :]) @ local[..., level, :, None]).squeeze(-1)
        joints = torch.cat([joints, joints[..., above, :] + vector], -2)
        bones = torch.cat([bones, vector], -2)
        lost = torch.cat([lost, lost[..., above, :] | missing[..., level, :]], -2)
        order.extend(level)
    back = [order.index(j) for j in range(skeleton.num_joints)]
    return joints.masked_fill(lost, torch.nan)[..., back, :]


@in_full_precision
def forward_kinematics(local_directions: Tensor, skeleton: Skeleton, bone_lengths: Tensor) -> Tensor:
    """A canonical pose from the direction and the length of each bone.

    Args:
        local_directions: (..., J, 3); row j points from j's parent to j in the parent bone's local frame. Directions
            are scaled to unit length here; the root's row is not read. A zero direction has no bone: its joint is
            missing.
        skeleton: the joint set.
        bone_lengths: (J,) or (..., J), any unit; entry j belongs to the bone that ends in j, the root's is not read.

    Returns:
        (..., J, 3) in the unit of `bone_lengths`, root at the origin.

    Raises:
        ValueError: if `local_directions` does not fit `skeleton`, or `bone_lengths` does not fit it.

    Source: CrossModal, supplement, section 2a.

    >>> from napa_lib.skeletons import SHARED15
    >>> up = torch.tensor([0.0, 0.0, 1.0]).expand(15, 3)
    >>> forward_kinematics(up, SHARED15, torch.full((15,), 10.0))[SHARED15.index("l_wrist")].tolist()
    [0.0, 0.0, 40.0]
    """
    _check_3d(local_directions, skeleton, "local_directions")
    if bone_lengths.ndim < 1 or bone_lengths.shape[-1] != skeleton.num_joints:
        expected = f"(..., {skeleton.num_joints}) for {skeleton.name}"
        raise ValueError(f"bone_lengths must be {expected}, got {tuple(bone_lengths.shape)}")
    direction, none = _unit(local_directions)
    local = (direction * bone_lengths[..., None]).masked_fill(none, torch.nan)
    return local_to_canonical(local, skeleton)
