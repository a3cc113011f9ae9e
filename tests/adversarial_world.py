"""A small world for chapter 4's tests, and a small training."""

from __future__ import annotations

import torch

from napa_lib import adversarial as a
from napa_lib.data import load_mocap_poses, to_camera
from napa_lib.data.clips import to_unit
from napa_lib.rendering import render_skeleton
from napa_lib.skeletons import H36M17, convert

SMALL = a.ModelConfig(size=64, channels=8, critic_channels=4, embedding=16)
CONFIG = a.TrainingConfig(SMALL, steps=4, batch=8, every=2, learning_rate=2e-3)


def world(count: int = 12, seed: int = 0, size: int = 64) -> a.Domain:
    """White stick figures from motion capture, seen by a camera of focal length 2 sides, 3 to 6 m away."""
    generator = torch.Generator().manual_seed(seed)
    poses = load_mocap_poses("validation")
    poses = poses[torch.randint(len(poses), (count,), generator=generator)]
    seen = convert(to_camera(poses, 6.28 * torch.rand(count, generator=generator)), "NAPA18", "H36M17")
    seen = seen + torch.tensor([0.0, 0.0, 1.0]) * (4500 + 1500 * torch.rand(count, 1, 1, generator=generator))
    camera = torch.tensor([1.7 * size, 0.52 * size, 0.49 * size]).expand(count, 3)
    pixels = camera[:, None, :1] * seen[..., :2] / seen[..., 2:] + camera[:, None, 1:]
    keypoints = to_unit(pixels, size)
    drawn = render_skeleton(keypoints, H36M17.bones, size, 150.0).expand(-1, 3, -1, -1)
    return a.Domain((255 * drawn).round().to(torch.uint8), keypoints, "H36M17", seen, camera)
