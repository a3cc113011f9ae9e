"""Lesson 02: the picture at its top."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.data import load_mocap, to_camera
from napa_lib.lifting import fit_pose_to_bone_map, place_in_map
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18, convert


def dancer() -> Tensor:
    """(1, 18, 2): the pose that the lesson draws again and again, a dancer in a map of 224 x 224 pixels."""
    pose = to_camera(load_mocap("dance_a").poses[65:66], azimuth=0.6, elevation=0.15)
    keypoints = convert(pose[:, :17, :2], "H36M17", NAPA18)
    return place_in_map(keypoints, 224, margin=10.0)[0]


def scattered(keypoints: Tensor, distance: float, seed: int) -> Tensor:
    """Every joint moved by `distance` pixels, each in its own random direction."""
    angle = 2 * torch.pi * torch.rand(keypoints.shape[:2], generator=torch.Generator().manual_seed(seed))
    return keypoints + distance * torch.stack([angle.cos(), angle.sin()], -1)


def hero() -> Figure:
    """Six frames of a film: scattered joints find back to the dancer whose bone map they were given."""
    truth = dancer()
    target = render_bone_map(truth, NAPA18, 224, 20.0)
    fit = fit_pose_to_bone_map(target, scattered(truth, 15.0, seed=0), NAPA18, 20.0)
    page, axes = plt.subplots(1, 7, figsize=(9.6, 1.6), layout="constrained")
    for axis, step in zip(axes, (0, 5, 10, 20, 40, 220), strict=False):
        axis.imshow(render_bone_map(fit.trajectory[step], NAPA18, 224, 20.0, softness=1.0)[0].permute(1, 2, 0))
        off = (fit.trajectory[step] - truth).norm(dim=-1).mean()
        axis.set_title(f"step {step}: {off:.1f} px", fontsize=9)
    axes[-1].imshow(target[0].permute(1, 2, 0))
    axes[-1].set_title("the target", fontsize=9)
    for axis in axes:
        axis.axis("off")
    return page
