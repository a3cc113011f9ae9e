"""Lesson 05: the picture at its top."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from napa_lib.sampling import JOINT_LIMITS, sample_canonical
from napa_lib.study.lessons.lesson_05.pictures import draw_body, draw_sphere


def hero() -> Figure:
    """Four spheres of limits, and poses drawn from them that a body could take."""
    poses = sample_canonical(12, generator=torch.Generator().manual_seed(5), conditioned=True)
    page = plt.figure(figsize=(9.6, 2.6), layout="constrained")
    panels: Any = page.subfigures(1, 2, width_ratios=(1, 2.6))
    left, right = panels
    for axis, name in zip(left.subplots(2, 2).flat, ("r_shoulder", "r_elbow", "r_knee", "nose"), strict=True):
        draw_sphere(axis, JOINT_LIMITS[name])
    for axis, pose in zip(right.subplots(2, 6).flat, poses, strict=True):
        draw_body(axis, pose)
    return page
