"""Pseudo-3D labels: depth for joints that were marked in a picture, from how long a body's bones are.

A bone of length l that is p long in the picture goes sqrt(l² - p²) into it or out of it: the picture does not say
which. Over both bones of both arms and both legs that leaves 256 poses, all with the same projection and the same
bones. Those that no body could take are put last, and of the rest the one nearest to what a depth network guesses is
taken. Whoever marked the joints can turn a bone over by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.lifting import BoneStandardizer, DepthNet, bone_vectors, lift
from napa_lib.lifting.lift import compose_pose, recover_scale
from napa_lib.sampling import SKELETON, global_to_relative, limbs_allowed, relative_to_canonical
from napa_lib.sampling.anatomy import LIMBS
from napa_lib.skeletons import NAPA18, REGRESSION_BONES, check_pose, convert

TURNED = tuple(  # regression bones whose sign is looked for: of both arms and both legs, the upper and the lower one
    i for i, (child, _) in enumerate(REGRESSION_BONES)
    if NAPA18.joints[child][2:] in ("knee", "ankle", "elbow", "wrist")
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class PseudoDepth:
    """A pose fitted to 2D joints."""

    pose: Tensor  # (18, 3) mm, camera axes, the pelvis at the origin; NaN where the joint is missing
    depths: Tensor  # (18,) the same depths in pixels of the picture
    scale: float  # mm per pixel
    allowed: Tensor  # (4,) bool: right leg, left leg, right arm, left arm could be brought there; False if unknown
    too_long: Tensor  # (15,) bool: regression bones that are longer in the picture than on a body of this scale


def bone_depths(keypoints: Tensor, length: Tensor, scale: Tensor) -> Tensor:
    """How far each bone goes into the picture or out of it.

        |z_b| = sqrt(max(l_b² - (s p_b)², 0))

    Args:
        keypoints: (18, 2) NAPA18, pixels.
        length: (15,) mm, of the regression bones.
        scale: () mm per pixel.

    Returns:
        (15,) mm, not negative; NaN where a bone's joint is missing.

    Source: Taylor, Reconstruction of articulated objects from point correspondences (2000).
    """
    across = scale * bone_vectors(keypoints).norm(dim=-1)
    return (length.to(across).square() - across.square()).clamp_min(0.0).sqrt()


def pseudo_depth(keypoints: Tensor, depth_net: DepthNet, standardizer: BoneStandardizer) -> PseudoDepth:
    """Give 2D joints depth: projection and bone lengths are kept, joint limits decide, then a network's guess.

    Args:
        keypoints: (18, 2) NAPA18, pixels, NaN where missing.
        depth_net, standardizer: as `napa_lib.lifting.lift` takes them.

    Raises:
        ValueError: if keypoints are not (18, 2), or fewer than two joints of one bone are there.

    Source: NAPA, section 4.4.3 (pseudo-3D labels); which fit, the paper leaves open.
    """
    _check(keypoints)
    with torch.no_grad():
        guess = bone_vectors(lift(keypoints[None], depth_net, standardizer))[0, :, 2]
    return nearest_pose(keypoints, guess, standardizer.length)


def nearest_pose(keypoints: Tensor, guess: Tensor, length: Tensor) -> PseudoDepth:
    """Of all poses with these keypoints and bone lengths that a body can take, the one nearest to a guess.

    Bones that lie in the picture's plane or are drawn longer than a body's get depth 0. The signs of hips, shoulders,
    trunk and head are the guess's.

    Args:
        keypoints: (18, 2) NAPA18, pixels, NaN where missing.
        guess: (15,) mm, how far each regression bone goes into the picture.
        length: (15,) mm, of the regression bones.

    Raises:
        ValueError: if keypoints are not (18, 2), or fewer than two joints of one bone are there.
    """
    _check(keypoints)
    scale = recover_scale(keypoints[None], guess.nan_to_num()[None], length)[0]
    if not bool(scale > 0):
        raise ValueError("keypoints must hold both joints of some bone, apart from each other, to have a scale")
    sizes = bone_depths(keypoints, length, scale)
    signs = torch.where(guess < 0, -1.0, 1.0).repeat(2 ** len(TURNED), 1)
    signs[:, TURNED] = torch.cartesian_prod(*[torch.tensor([1.0, -1.0])] * len(TURNED))
    candidates = signs * sizes.nan_to_num()
    poses = compose_pose(keypoints.expand(len(candidates), -1, -1), candidates, scale.expand(len(candidates)))
    allowed = _allowed(poses)
    far = (candidates - guess).nan_to_num().abs().sum(1)
    best = int(((~allowed).sum(1) * 1e6 + far).argmin())
    pose = poses[best]
    too_long = scale * bone_vectors(keypoints).norm(dim=-1) > 1.05 * length.to(scale)
    return PseudoDepth(pose, pose[:, 2] / scale, float(scale), allowed[best], too_long)


def in_millimetres(keypoints: Tensor, depths: Tensor, length: Tensor) -> Tensor:
    """Joints with depths in pixels, as large as a body: its bones have a body's root mean square length.

    Args:
        keypoints: (..., 18, 2) NAPA18, pixels, NaN where missing.
        depths: (..., 18) pixels, NaN where nobody said.
        length: (15,) mm, of the regression bones.

    Returns:
        (..., 18, 3) mm, the pelvis at the origin, or the middle of what is there where it has no depth; all NaN where
        no bone has both ends.
    """
    body = torch.cat([keypoints, depths[..., None]], -1)
    squares = bone_vectors(body).square().sum(-1)
    known = squares.isfinite()
    drawn, wanted = squares.where(known, 0.0).sum(-1), length.to(squares).square().where(known, 0.0).sum(-1)
    pelvis = body[..., :1, :]
    root = pelvis.where(pelvis.isfinite().all(-1, keepdim=True), body.nanmean(-2, keepdim=True))
    return (body - root) * (wanted / drawn.where(drawn > 0, torch.nan)).sqrt()[..., None, None]


def _check(keypoints: Tensor) -> None:
    check_pose(keypoints, NAPA18, "keypoints")
    if keypoints.shape != (NAPA18.num_joints, 2):
        raise ValueError(f"keypoints must be (18, 2), got {tuple(keypoints.shape)}")


def strained_limbs(pose: Tensor) -> list[str]:
    """The limbs of a pose (18, 3), in any unit, that no body could bring there.

    Those of which nothing is known, for a joint is missing or the trunk has no direction, are not among them.
    """
    canonical = _canonical(pose[None])
    if canonical is None:
        return []
    allowed, strained = iter(limbs_allowed(canonical)[0].tolist()), []
    for limb, names in LIMBS.items():
        for side, word in (("r", "right"), ("l", "left")):
            known = canonical[0, [SKELETON.index(f"{side}_{name}") for name in names]].isfinite().all()
            if not next(allowed) and bool(known):
                strained.append(f"{word} {limb}")
    return strained


def _allowed(poses: Tensor) -> Tensor:
    """Which limbs of poses (N, 18, 3) a body could bring there, (N, 4); all False where the trunk has no frame."""
    canonical = _canonical(poses)
    return torch.zeros(len(poses), 4, dtype=torch.bool) if canonical is None else limbs_allowed(canonical)


def _canonical(poses: Tensor) -> Tensor | None:
    """Poses (N, 18, 3) in the trunk's frame, (N, 17, 3); None where neck and hips are in line, or one is missing."""
    try:
        return relative_to_canonical(global_to_relative(convert(poses, NAPA18, SKELETON).double())[0])[0]
    except ValueError:
        return None
