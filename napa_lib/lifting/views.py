"""Motion capture as training material: limbs exchanged between frames, seen by cameras from all sides."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napa_lib.data import mocap_to_joints, to_camera
from napa_lib.geometry import rotation_from_euler
from napa_lib.geometry.precision import in_full_precision
from napa_lib.lifting.config import TrainingConfig
from napa_lib.skeletons import NAPA18, check_pose, flip

FOCAL = 1000.0  # pixels; only the unit of the keypoints, for a figure is scaled to its map anyway

# Columns of a motion-capture frame that move together: trunk, right leg, right arm, left leg, left arm.
PARTS = ((8, 16), (16, 25), (25, 30), (30, 39), (39, 44))


def exchange_limbs(frames: Tensor, index: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """New poses out of old ones: each limb, and the trunk, may do what it does in another frame.

    Fifteen clips hold few poses, and a network learns them by heart. Joint rotations are relative to the parent, so
    any arm can be put on any trunk: nothing is stretched or torn.

    Args:
        frames: (T, 44) motion-capture frames.
        index: (B,) the frames to start from.
        share: chance that a part is taken from another frame, drawn for each part by itself.
        generator: source of randomness.

    Returns:
        (B, 18, 3) NAPA18 joints in mm, world axes, y up.

    Source: ours.
    """
    mixed = frames[index].clone()
    for first, last in PARTS:
        other = torch.randint(len(frames), index.shape, generator=generator)
        taken = torch.rand(index.shape, generator=generator) < share
        mixed[:, first:last] = torch.where(taken[:, None], frames[other, first:last], mixed[:, first:last])
    return mocap_to_joints(mixed).float()


@in_full_precision
def random_views(poses: Tensor, config: TrainingConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each pose, mirrored or not, through a pinhole camera at a random place round it.

    The camera looks at the pelvis from a direction uniform on the circle; elevation, roll and distance are uniform in
    the config's bounds.

    Args:
        poses: (B, 18, 3) NAPA18 in mm, world axes with y up.
        config: bounds of the cameras.
        generator: source of randomness.

    Returns:
        (B, 18, 2) keypoints in pixels of a camera with focal length `FOCAL`, the pelvis at (0, 0); and (B, 18, 3) the
        pose in that camera's axes (x right, y down, z away), mm, the pelvis at the origin.

    Raises:
        ValueError: if `poses` is not (B, 18, 3).
    """
    check_pose(poses, NAPA18, "poses")
    if poses.ndim != 3 or poses.shape[-1] != 3:
        raise ValueError(f"poses must be (B, 18, 3), got {tuple(poses.shape)}")

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(poses), generator=generator).to(poses)

    mirrored = (uniform(0, 1) < 0.5)[:, None, None]
    poses = torch.where(mirrored, flip(poses, NAPA18, None), poses)
    pitch, roll = math.radians(config.pitch), math.radians(config.roll)
    seen = to_camera(poses, uniform(-math.pi, math.pi), uniform(-pitch, pitch))
    angles = torch.nn.functional.pad(uniform(-roll, roll)[:, None], (2, 0))  # about z, the camera's line of sight
    seen = seen @ rotation_from_euler(angles).mT
    depth = seen[..., 2:] + uniform(config.nearest, config.farthest)[:, None, None]
    return FOCAL * seen[..., :2] / depth, seen
