"""The four coordinate systems of a pose and the steps between neighbours; each step has its inverse.

    p_g  global: a camera's or a room's axes
     | global_to_relative, relative_to_global: the pelvis, as T_G
    p_r  root-relative: the same axes, the pelvis at the origin
     | relative_to_canonical, canonical_to_relative: a rotation, as T_R
    p_c  canonical: x forward along the normal of neck and hips, y to the person's left, z up to the neck
     | canonical_to_local, local_to_canonical (in `napa_lib.geometry`): T_L, and FK back
    p_l  local: each bone in the frame of the bone it hangs from; divided by its length, a unit vector

All are differentiable. Source: CrossModal, supplement, sections 1a, 1b and 2.1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.geometry import canonical_to_local, local_to_canonical, to_canonical
from napa_lib.geometry.precision import check_floating
from napa_lib.sampling.limits import SKELETON


def global_to_relative(pose: Tensor) -> tuple[Tensor, Tensor]:
    """p_g (..., 17, 3) to p_r and the pelvis (..., 3)."""
    _check(pose, "pose")
    root = pose[..., SKELETON.root, :]
    return pose - root[..., None, :], root


def relative_to_global(relative: Tensor, root: Tensor) -> Tensor:
    """p_r (..., 17, 3) and the pelvis (..., 3) to p_g."""
    _check(relative, "relative")
    return relative + root[..., None, :]


def relative_to_canonical(relative: Tensor) -> tuple[Tensor, Tensor]:
    """p_r (..., 17, 3) to p_c and the rotation R (..., 3, 3) with p_r = R p_c.

    Raises:
        ValueError: if a pose's neck and hips lie on one line or a hip or shoulder is missing: it has no such frame.
            `napa_lib.geometry.to_canonical` returns NaN for such poses instead.
    """
    _check(relative, "relative")
    canonical, rotation = to_canonical(relative, SKELETON)
    if bool(rotation.isnan().any()):
        count = int(rotation.isnan().flatten(-2).any(-1).sum())
        raise ValueError(
            f"relative must have neck and hips that span a plane, which {count} pose(s) lack: the canonical frame is "
            "undefined where they lie on one line or one is missing"
        )
    return canonical, rotation


def canonical_to_relative(canonical: Tensor, rotation: Tensor) -> Tensor:
    """p_c (..., 17, 3) and R (..., 3, 3) to p_r = R p_c."""
    _check(canonical, "canonical")
    return canonical @ rotation.mT


def global_to_local(pose: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All steps down: p_g to unit vectors p_l (..., 17, 3), bone lengths (..., 17), rotation and pelvis.

    Raises:
        ValueError: as for `relative_to_canonical`, or if a bone has no length.
    """
    relative, root = global_to_relative(pose)
    canonical, rotation = relative_to_canonical(relative)
    bones = canonical_to_local(canonical, SKELETON)
    lengths = bones.norm(dim=-1)
    if bool((lengths[..., 1:] == 0).any()):
        raise ValueError("pose must have bones of positive length, got one whose two joints are in one place")
    unit = bones / torch.where(lengths > 0, lengths, 1.0)[..., None]
    return unit, lengths, rotation, root


def local_to_global(local: Tensor, lengths: Tensor, rotation: Tensor, root: Tensor) -> Tensor:
    """All steps up: the inverse of `global_to_local`."""
    _check(local, "local")
    canonical = local_to_canonical(local * lengths[..., None], SKELETON)
    return relative_to_global(canonical_to_relative(canonical, rotation), root)


def _check(pose: Tensor, name: str) -> None:
    check_floating(name, pose)
    shape = tuple(pose.shape)
    if shape[-2:] != (SKELETON.num_joints, 3):
        raise ValueError(f"{name} must be floating (..., {SKELETON.num_joints}, 3), got {pose.dtype} {shape}")
