"""Poses in a file: what one chapter makes for another to learn from."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from napa_lib.data.clips import check_poses
from napa_lib.engine import CheckpointError, load_tensors, save_tensors
from napa_lib.skeletons import get_skeleton

FORMAT = "napa-poses-1"


def save_poses(path: str | Path, poses: Tensor, skeleton: str) -> None:
    """Write poses (M, K, 2) in [-1, 1], NaN where a keypoint is missing, and the name of their joint set.

    Raises:
        ValueError: for another shape, or a pose without a visible joint.
    """
    check_poses(poses, get_skeleton(skeleton).num_joints)
    save_tensors(path, {"poses": poses.float().contiguous()}, {"format": FORMAT, "skeleton": skeleton})


def read_poses(path: str | Path, skeleton: str) -> Tensor:
    """Read what `save_poses` wrote, (M, K, 2) in [-1, 1].

    Raises:
        ValueError: if the file is missing, corrupt, holds something else, or poses of another joint set.
    """
    tensors, header = load_tensors(path)
    if header.get("format") != FORMAT or set(tensors) != {"poses"}:
        raise CheckpointError(f"{path} holds no poses: its format is {header.get('format')!r}, not {FORMAT!r}")
    if header.get("skeleton") != skeleton:
        raise ValueError(f"{path} must hold poses of {skeleton}, it holds {header.get('skeleton')!r}")
    return check_poses(tensors["poses"], get_skeleton(skeleton).num_joints)
