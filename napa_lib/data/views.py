"""Cameras round poses: motion capture as pictures show it, from all sides, with limbs exchanged between frames."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from napa_lib.data.mocap import load_mocap_poses, mocap_to_joints
from napa_lib.engine import made_on_cpu
from napa_lib.geometry import look_at, rotation_from_euler
from napa_lib.geometry.precision import in_full_precision
from napa_lib.skeletons import NAPA18, Skeleton, check_pose, convert, flip

FOCAL = 1000.0  # pixels; only the unit of the keypoints, for a figure is scaled to its map anyway
OFF_CENTRE = 0.15  # how far from the middle a figure of `mocap_poses` is put at most, in the units of [-1, 1]

# Columns of a motion-capture frame that move together: trunk, right leg, right arm, left leg, left arm.
PARTS = ((8, 16), (16, 25), (25, 30), (30, 39), (39, 44))


class CameraBounds(Protocol):
    """Where cameras may stand: pitch and roll in degrees each way, nearest and farthest in mm from the pelvis."""

    @property
    def pitch(self) -> float: ...
    @property
    def roll(self) -> float: ...
    @property
    def nearest(self) -> float: ...
    @property
    def farthest(self) -> float: ...


@in_full_precision
def to_camera(poses: Tensor, azimuth: Tensor | float, elevation: Tensor | float = 0.0) -> Tensor:
    """Poses as a camera sees them that looks at the pelvis from a given side; add a distance to z to project them.

    The camera stands in the direction (cos a cos e, sin e, sin a cos e) of the world, upright: for a person who looks
    along x, azimuth 0 is the view from the front.

    Args:
        poses: (B, J, 3) world axes, y up; joint 0 is the pelvis.
        azimuth: a in radians, one number or (B,).
        elevation: e in radians above the horizon, one number or (B,).

    Returns:
        (B, J, 3) in the same unit, the pelvis at the origin, camera axes x right, y down, z away from the viewer.

    Raises:
        ValueError: if `poses` is not (B, J, 3).

    >>> to_camera(torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]]), 0.0)[0, 1:].tolist()
    [[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]
    """
    if poses.ndim != 3 or poses.shape[-1] != 3:
        raise ValueError(f"poses must be (B, J, 3), got {tuple(poses.shape)}")
    a = torch.as_tensor(azimuth, dtype=poses.dtype, device=poses.device).expand(len(poses))
    e = torch.as_tensor(elevation, dtype=poses.dtype, device=poses.device).expand(len(poses))
    direction = torch.stack([a.cos() * e.cos(), e.sin(), a.sin() * e.cos()], -1)
    camera = look_at(direction, direction.new_zeros(3), direction.new_tensor([0.0, 1.0, 0.0]), focal=1.0, size=(1, 1))
    return (poses - poses[:, :1]) @ camera.R.mT


@in_full_precision
def random_views(poses: Tensor, bounds: CameraBounds, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each pose, mirrored or not, through a pinhole camera at a random place round it.

    The camera looks at the pelvis from a direction uniform on the circle; elevation, roll and distance are uniform in
    the bounds.

    Args:
        poses: (B, 18, 3) NAPA18 in mm, world axes with y up.
        bounds: of the cameras; a `lifting.TrainingConfig`, or anything that has these four numbers.
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
    pitch, roll = math.radians(bounds.pitch), math.radians(bounds.roll)
    seen = to_camera(poses, uniform(-math.pi, math.pi), uniform(-pitch, pitch))
    angles = torch.nn.functional.pad(uniform(-roll, roll)[:, None], (2, 0))  # about z, the camera's line of sight
    seen = seen @ rotation_from_euler(angles).mT
    return _project(seen, uniform(bounds.nearest, bounds.farthest)[:, None, None], FOCAL), seen


def _project(seen: Tensor, distance: Tensor, focal: float = 1.0) -> Tensor:
    """Poses (B, J, 3) about the origin of a camera's axes, moved away by (B, 1, 1), in its picture: (B, J, 2)."""
    return focal * seen[..., :2] / (seen[..., 2:] + distance)


@made_on_cpu
def mocap_poses(
    count: int,
    generator: torch.Generator,
    split: str = "train",
    skeleton: str | Skeleton = "NAPA18",
    fill: tuple[float, float] = (0.6, 0.9),
    studio: bool = False,
) -> Tensor:
    """Poses of motion capture as a camera sees them, laid out as figures lie in crops.

    Cameras stand all round, at most 20 degrees above or below, 3 to 8 m away. Each figure is then
    scaled until the longer side of its bounding box is a random share of the picture, and put near the middle, its box
    in the picture.

    Args:
        count: how many.
        generator: source of randomness.
        split: which clips of motion capture.
        skeleton: joint set wanted.
        fill: smallest and largest share of the picture that a figure's longer side takes.
        studio: only figures that stand upright, seen from within 60 degrees of their front.

    Returns:
        (count, K, 2) as (x, y) in [-1, 1].

    Raises:
        ValueError: for an unknown split or joint set, or shares outside (0, 1].
    """
    if not 0 < fill[0] <= fill[1] <= 1:
        raise ValueError(f"fill must be two shares in (0, 1], the smaller first, got {fill}")

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    poses = load_mocap_poses(split)
    poses = poses[_upright(poses)] if studio else poses
    poses = poses[torch.randint(len(poses), (count,), generator=generator)]
    pitch, turn = math.radians(20.0), math.radians(60.0 if studio else 180.0)
    seen = to_camera(poses, _facing(poses) + uniform(-turn, turn), uniform(-pitch, pitch))
    flat = _project(seen, uniform(3000.0, 8000.0, 1, 1))
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    half = (high - low) / 2
    scale = uniform(*fill, 1, 1) / half.amax(-1, keepdim=True)
    centre = uniform(-1, 1, 1, 2) * (1 - half * scale).clamp_max(OFF_CENTRE)
    return convert((flat - (low + high) / 2) * scale + centre, "NAPA18", skeleton)


def _joints(poses: Tensor, *names: str) -> tuple[Tensor, ...]:
    return tuple(poses[:, NAPA18.index(name)] for name in names)


def _upright(poses: Tensor) -> Tensor:
    """Whose trunk leans by less than about 30 degrees and who stands on a leg, (B,); poses (B, 18, 3) mm, y up."""
    thorax, pelvis, *ankles = _joints(poses, "thorax", "pelvis", "r_ankle", "l_ankle")
    trunk = thorax - pelvis
    standing = torch.stack([pelvis[:, 1] - ankle[:, 1] for ankle in ankles]).amax(0) > 500
    return (trunk[:, 1] > 0.85 * trunk.norm(dim=-1)) & standing


def _facing(poses: Tensor) -> Tensor:
    """The direction in which hips and shoulders face, (B,) radians from x to z; poses (B, 18, 3), y up."""
    r_hip, l_hip, r_shoulder, l_shoulder = _joints(poses, "r_hip", "l_hip", "r_shoulder", "l_shoulder")
    right = r_hip - l_hip + r_shoulder - l_shoulder
    return torch.atan2(-right[:, 0], right[:, 2])


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
