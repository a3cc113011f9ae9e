"""Poses in a file: what one chapter makes for another to learn from."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from napa_lib.data.clips import check_poses
from napa_lib.engine import CheckpointError, load_tensors, save_tensors
from napa_lib.skeletons import Skeleton, get_skeleton, skeleton_text

FORMAT = "napa-poses-1"


def save_poses(path: str | Path, poses: Tensor, skeleton: str | Skeleton) -> None:
    """Write poses (M, K, 2) in [-1, 1], NaN where a keypoint is missing, and their joint set.

    Raises:
        ValueError: for another shape, or a pose without a visible joint.
    """
    check_poses(poses, get_skeleton(skeleton).num_joints)
    save_tensors(path, {"poses": poses.float().contiguous()}, {"format": FORMAT, "skeleton": skeleton_text(skeleton)})


def read_poses(path: str | Path, skeleton: str | Skeleton) -> Tensor:
    """Read what `save_poses` wrote, (M, K, 2) in [-1, 1].

    Raises:
        ValueError: if the file is missing, corrupt, holds something else, or poses of another joint set.
    """
    tensors, header = load_tensors(path)
    if header.get("format") != FORMAT or set(tensors) != {"poses"}:
        raise CheckpointError(f"{path} holds no poses: its format is {header.get('format')!r}, not {FORMAT!r}")
    wanted = get_skeleton(skeleton)
    if header.get("skeleton") != skeleton_text(wanted):
        raise ValueError(f"{path} must hold poses of {wanted.name}, it holds {header.get('skeleton')!r:.80}")
    return check_poses(tensors["poses"], wanted.num_joints)
