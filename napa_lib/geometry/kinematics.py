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

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from napa_lib.geometry.precision import check_floating, in_full_precision
from napa_lib.skeletons import Skeleton, check_pose, get_skeleton

CHUNK = 4096  # poses at a time


def _unit(vector: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors along the last dimension, and where there is none: (..., 1) True for zero and NaN vectors."""
    clean = vector.masked_fill(vector.isnan().any(-1, keepdim=True), 0.0)  # before the NaN gets a gradient
    inverse, none = _inverse_lengths(clean, -1)
    return clean * inverse, none


def _inverse_lengths(vector: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """One over each vector's length, the dimension kept, and where there is none: there it is 1.

    Squared millimetres overflow float16, so they are summed in float32. (`vector_norm` would do, and takes four times
    as long along the first dimension.)
    """
    wide = vector.float() if vector.dtype == torch.float16 else vector
    squared = wide.square().sum(dim, keepdim=True)
    none = squared == 0
    return squared.masked_fill(none, 1.0).rsqrt().to(vector.dtype), none


def _check_3d(pose: Tensor, skeleton: Skeleton, name: str) -> None:
    check_floating(name, pose)
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
def to_canonical(pose: Tensor, skeleton: str | Skeleton) -> tuple[Tensor, Tensor]:
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
    skeleton = get_skeleton(skeleton)
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


def _components(pose: Tensor) -> tuple[Tensor, Tensor]:
    """(..., J, 3) -> x, y, z as (3, J, N), the batch last, so that each step runs along memory; and which are NaN."""
    parts = pose.reshape(-1, *pose.shape[-2:]).permute(2, 1, 0).contiguous()
    missing = parts.isnan().any(0)
    return parts.masked_fill(missing, 0.0), missing


def _poses(parts: Tensor, lost: Tensor, shape: torch.Size) -> Tensor:
    return parts.masked_fill(lost, torch.nan).permute(2, 1, 0).reshape(shape)


def _local_axes(bone: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Axes x, y, z of the local frame below each parent bone: (3, ...) canonical vectors -> three of the same shape.

    With z the bone's direction and s the length of its part across the canonical x axis, Gram-Schmidt comes to

        x = (s, -z1 z2 / s, -z1 z3 / s),  y = (0, z3 / s, -z2 / s)

    Where the parent bone runs along the canonical x axis, y takes its place; below a bone of zero length the frame is
    the canonical one.
    """
    inverse, none = _inverse_lengths(bone, 0)
    z = bone * inverse
    none = none[0]
    along_x = (z[0].abs() > 1 - 1e-6) | none
    across = (z[1].square() + z[2].square()).masked_fill(along_x, 1.0).sqrt()
    p, q = z[1] / across, z[2] / across
    x, y = torch.stack([across, -z[0] * p, -z[0] * q]), torch.stack([torch.zeros_like(p), q, -p])
    if bool(along_x.any()):
        x, y = _axes_along_x(z, x, y, along_x)
        eye = torch.eye(3, dtype=z.dtype, device=z.device).reshape(3, 3, *(1,) * none.ndim)
        x, y, z = (torch.where(none, unit, axis) for unit, axis in zip(eye, (x, y, z), strict=True))
    return x, y, z


def _axes_along_x(z: Tensor, x: Tensor, y: Tensor, along_x: Tensor) -> tuple[Tensor, Tensor]:
    """The axes with the canonical y axis in place of x, where that is asked for."""
    across = (z[0].square() + z[2].square()).masked_fill(~along_x, 1.0)
    across = across.masked_fill(across == 0, 1.0).sqrt()
    p, q = z[0] / across, z[2] / across
    spare_x = torch.stack([-z[1] * p, across, -z[1] * q])
    spare_y = torch.stack([-q, torch.zeros_like(q), p])
    return torch.where(along_x, spare_x, x), torch.where(along_x, spare_y, y)


@in_full_precision
def canonical_to_local(canonical: Tensor, skeleton: str | Skeleton) -> Tensor:
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
    skeleton = get_skeleton(skeleton)
    _check_3d(canonical, skeleton, "canonical")
    return _in_chunks(canonical, lambda chunk: _to_local(chunk, skeleton))


def _to_local(canonical: Tensor, skeleton: Skeleton) -> Tensor:
    joints, missing = _components(canonical)
    parents = [parent if parent >= 0 else j for j, parent in enumerate(skeleton.parents)]
    lost = missing | missing[parents]
    bones = (joints - joints[:, parents]).masked_fill(lost, 0.0)
    inner = sorted(set(parents))  # the joints that a bone hangs from
    axes = _local_axes(bones[:, inner])
    place = [inner.index(parent) for parent in parents]
    local = torch.stack([(axis[:, place] * bones).sum(0) for axis in axes])
    return _poses(local, lost | lost[parents], canonical.shape)


@in_full_precision
def local_to_canonical(local: Tensor, skeleton: str | Skeleton) -> Tensor:
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
    skeleton = get_skeleton(skeleton)
    _check_3d(local, skeleton, "local")
    return _in_chunks(local, lambda chunk: _to_canonical(chunk, skeleton))


def _to_canonical(local: Tensor, skeleton: Skeleton) -> Tensor:
    vectors, missing = _components(local)
    steps, back = _assembly(skeleton, local.device)
    lost = torch.zeros_like(missing[:1])
    for step in steps:
        lost = torch.cat([lost, lost[step.above] | missing[step.joints]])
    return _poses(assemble_bones(vectors, skeleton), lost[back], local.shape)


class _Step(NamedTuple):
    """The joints of one level, placed after all that are nearer to the root."""

    joints: Tensor  # their numbers in the skeleton
    above: Tensor  # of each its parent's place among those that are placed before
    inner: Tensor  # the parents, each once
    place: Tensor  # of each joint its parent among `inner`


@cache
@torch.inference_mode(False)  # what is made in that mode could not be used in a gradient later on
def _assembly(skeleton: Skeleton, device: torch.device) -> tuple[list[_Step], Tensor]:
    """How a skeleton is put together from the root outwards, and how to find its own order again."""
    levels = _levels(skeleton)
    order = [j for level in levels for j in level]
    steps = []
    for level in levels[1:]:
        above = [order.index(skeleton.parents[j]) for j in level]
        inner = sorted(set(above))
        lists = (list(level), above, inner, [inner.index(parent) for parent in above])
        steps.append(_Step(*(torch.tensor(numbers, device=device) for numbers in lists)))
    return steps, torch.tensor([order.index(j) for j in range(skeleton.num_joints)], device=device)


def assemble_bones(bones: Tensor, skeleton: Skeleton) -> Tensor:
    """`local_to_canonical` for many poses at once, with the batch last and no joint missing.

    Args:
        bones: (3, J, N) x, y and z of each bone in the local frame of its parent bone.
        skeleton: the joint set.

    Returns:
        (3, J, N) the canonical poses.
    """
    steps, back = _assembly(skeleton, bones.device)
    joints = torch.zeros_like(bones[:, :1])
    placed = joints
    for step in steps:  # a handful: the depth of the tree
        bone = bones[:, step.joints]
        if joints.shape[1] > 1:  # bones that start at the root stay in the canonical frame
            x, y, z = (axis[:, step.place] for axis in _local_axes(placed[:, step.inner]))
            bone = bone[0] * x + bone[1] * y + bone[2] * z
        joints = torch.cat([joints, joints[:, step.above] + bone], 1)
        placed = torch.cat([placed, bone], 1)
    return joints[:, back]


def _in_chunks(poses: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `change` to a few thousand poses at a time, which stay in the processor's cache."""
    if poses.numel() <= CHUNK * poses.shape[-2] * 3:
        return change(poses)
    flat = poses.reshape(-1, *poses.shape[-2:])
    return torch.cat([change(chunk) for chunk in flat.split(CHUNK)]).reshape(poses.shape)


@in_full_precision
def forward_kinematics(local_directions: Tensor, skeleton: str | Skeleton, bone_lengths: Tensor) -> Tensor:
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
    skeleton = get_skeleton(skeleton)
    _check_3d(local_directions, skeleton, "local_directions")
    check_floating("bone_lengths", bone_lengths)
    if bone_lengths.ndim < 1 or bone_lengths.shape[-1] != skeleton.num_joints:
        expected = f"(..., {skeleton.num_joints}) for {skeleton.name}"
        raise ValueError(f"bone_lengths must be {expected}, got {tuple(bone_lengths.shape)}")
    direction, none = _unit(local_directions)
    local = (direction * bone_lengths[..., None]).masked_fill(none, torch.nan)
    return local_to_canonical(local, skeleton)
