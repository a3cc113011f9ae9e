"""From one joint set to another, and to the mirror."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from napa_lib.skeletons.sets import Skeleton, get_skeleton

# How `convert` finds a joint that the source set lacks: the mean of the listed joints, by the first row that the source
# can serve; a joint listed twice counts twice.
#   "is":   true by the joint's definition.
#   "near": the two sets mark nearly the same place and the literature uses one for the other; or the joint is put at
#           the height it has on a standing adult, a quarter or half of the way between two others (shoulders at 0.82
#           of the stature, chin 0.87, eyes and ears 0.94: Drillis and Contini, 1966; the base of the neck is taken half
#           way between shoulders and chin).
_SHOULDERS, _HIPS, _EARS = ("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"), ("l_ear", "r_ear")
DERIVED_JOINTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("pelvis", _HIPS, "is"),
    ("thorax", _SHOULDERS, "is"),
    ("chest", (*_SHOULDERS, *_HIPS), "is"),
    ("spine_base", ("pelvis",), "is"),
    ("spine_base", _HIPS, "is"),
    ("l_collar", ("neck",), "is"),
    ("r_collar", ("neck",), "is"),
    ("l_thumb", ("l_wrist",), "is"),
    ("r_thumb", ("r_wrist",), "is"),
    ("head_center", _EARS, "is"),
    ("head_center", ("nose", "head"), "near"),
    ("head_center", ("upper_neck", "head_top"), "near"),
    ("head_center", ("head_joint", "head_top"), "near"),
    ("head", ("head_top",), "near"),
    ("head_top", ("head",), "near"),
    ("nose", ("head_joint",), "near"),
    ("head_joint", ("nose",), "near"),
    ("torso", ("spine",), "near"),
    ("torso", (*_SHOULDERS, *_HIPS), "near"),
    ("spine", ("torso",), "near"),
    ("neck", (*_SHOULDERS, "upper_neck", "upper_neck"), "near"),
    ("neck", (*_SHOULDERS, *_SHOULDERS, *_SHOULDERS, *_EARS), "near"),
    ("upper_neck", ("neck", "nose"), "near"),
    ("upper_neck", ("neck", "head_joint"), "near"),
    ("upper_neck", (*_SHOULDERS, *_EARS), "near"),
)


def check_pose(pose: Tensor, skeleton: Skeleton, name: str = "pose") -> None:
    """Raise ValueError unless `pose` is a floating (..., J, D) tensor with the skeleton's J joints and D of 2 or 3."""
    if not isinstance(pose, Tensor):
        raise ValueError(f"{name} must be a floating tensor, got {type(pose).__name__}")
    shape = tuple(pose.shape)
    if not pose.is_floating_point() or len(shape) < 2 or shape[-2] != skeleton.num_joints or shape[-1] not in (2, 3):
        expected = f"floating (..., {skeleton.num_joints}, 2 or 3) for {skeleton.name}"
        raise ValueError(f"{name} must be {expected}, got {pose.dtype} {shape}")


@cache
def _sources(source: Skeleton, target: Skeleton) -> tuple[tuple[int, ...], ...]:
    """For each target joint eight source indices whose mean it is; none where it cannot be had."""

    def find(joint: str) -> tuple[int, ...]:
        rows = [(joint,), *(parts for name, parts, _ in DERIVED_JOINTS if name == joint)]
        for parts in rows:
            if all(part in source.joints for part in parts):
                return tuple(source.joints.index(part) for part in parts) * (8 // len(parts))
        return ()

    return tuple(find(joint) for joint in target.joints)


def convert(pose: Tensor, source: str | Skeleton, target: str | Skeleton) -> Tensor:
    """Re-list a pose in another joint set.

    A joint that both sets have is copied. One that only the target has is derived by the rules in `DERIVED_JOINTS`, all
    means of other joints, so that they serve 2D and 3D poses alike (a perspective picture of a midpoint is the midpoint
    of the pictures up to the foreshortening of that bone). Any other is NaN. What is derived from a missing (NaN) joint
    is missing. The map is linear, so gradients flow to the source.

    Args:
        pose: (..., J, D) floating, in the order of `source`; D of 2 or 3; any units.
        source: joint set of `pose`, or its name.
        target: joint set wanted, or its name.

    Returns:
        (..., J', D) in the order of `target`, same units and dtype.

    Raises:
        ValueError: for an unknown joint set, or a pose that does not fit `source`.

    Source: the sets' own definitions, listed at the top of `napa_lib.skeletons.sets`.

    >>> from napa_lib.skeletons import COCO17, NAPA18
    >>> pose = torch.zeros(17, 2); pose[COCO17.index("l_hip")] = torch.tensor([8.0, 4.0])
    >>> convert(pose, "COCO17", "NAPA18")[NAPA18.index("pelvis")].tolist()
    [4.0, 2.0]
    """
    source, target = get_skeleton(source), get_skeleton(target)
    check_pose(pose, source)
    rows = _sources(source, target)
    index = torch.tensor([row or (0,) * 8 for row in rows], device=pose.device)
    known = torch.tensor([bool(row) for row in rows], device=pose.device)
    return torch.where(known[:, None], pose[..., index, :].mean(-2), torch.nan)


def flip(pose: Tensor, skeleton: str | Skeleton, width: int | None) -> Tensor:
    """The pose of the mirrored picture: left and right joints trade places and x is mirrored. An involution.

    Args:
        pose: (..., J, D) floating, D of 2 or 3.
        skeleton: joint set of `pose`, or its name.
        width: the picture's width in pixels; its mirror is x -> width - 1 - x, since the top-left pixel's centre is at
            (0, 0). None mirrors about 0, x -> -x, for 3D poses and for 2D ones in [-1, 1].

    Returns:
        (..., J, D), same units.

    Raises:
        ValueError: for an unknown joint set, a pose that does not fit it, or a width that is not positive.

    >>> from napa_lib.skeletons import NAPA18
    >>> pose = torch.zeros(18, 2); pose[NAPA18.index("l_wrist"), 0] = 2.0
    >>> flip(pose, NAPA18, width=224)[NAPA18.index("r_wrist")].tolist()
    [221.0, 0.0]
    """
    skeleton = get_skeleton(skeleton)
    check_pose(pose, skeleton)
    if width is not None and not 0 < width < float("inf"):
        raise ValueError(f"width must be positive or None, got {width}")
    swap = list(range(skeleton.num_joints))
    for left, right in skeleton.flip_pairs:
        swap[left], swap[right] = right, left
    swapped = pose[..., swap, :]
    x = -swapped[..., :1] if width is None else width - 1 - swapped[..., :1]
    return torch.cat([x, swapped[..., 1:]], -1)
