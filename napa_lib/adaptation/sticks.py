"""Poses as FlexPose lays them out, bodies of 15 joints or faces of 68 points in a square; and alpha, their drawing."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from napa_lib.rendering import render_stick_figure
from napa_lib.skeletons import FACE68, SHARED15, Skeleton

FILL = 0.8  # of the picture's side that the longer side of a pose's box takes
FINER = 2  # times as many pixels a side are drawn and averaged: a generator learns soft edges sooner than stairs


def _unlike(count: int) -> tuple[tuple[int, int, int], ...]:
    """Colours round the hue circle, neighbours three apart, by turns light and dark."""
    return tuple(
        tuple(round(255 * c) for c in colorsys.hsv_to_rgb(5 * i % count / count, 1.0 if i % 2 else 0.7, 1.0))  # type: ignore[misc]
        for i in range(count)
    )


# "each bone in the skeleton image is assigned with an unique color" (section 3.2)
STICKS: Skeleton = replace(SHARED15, name="FlexPose15", colors=_unlike(len(SHARED15.bones)))
FACE: Skeleton = replace(FACE68, name="FlexPose68", colors=_unlike(len(FACE68.bones)))
DRAWN = {STICKS.num_joints: STICKS, FACE.num_joints: FACE}  # what so many points are
STROKES = {STICKS.num_joints: 1 / 16, FACE.num_joints: 1 / 40}  # width of a bone, of the picture's side


def fit_square(poses: Tensor) -> Tensor:
    """Centre each pose's box in the square [-1, 1]² and scale it until its longer side takes `FILL` of the side.

    Args:
        poses: (N, J, 2) in any units, J 15 or 68, no joint missing.

    Returns:
        (N, J, 2) in [-1, 1].

    Raises:
        ValueError: for another shape, a missing joint, or a pose that is a single point.

    Source: FlexPose, section 4.1 ("crop them into a compact rectangle skeleton image").
    """
    check_poses("poses", poses)
    low, high = poses.amin(1, keepdim=True), poses.amax(1, keepdim=True)
    side = (high - low).amax(-1, keepdim=True)
    if bool((side <= 0).any()):
        raise ValueError(f"poses must have an extent, pose {int((side <= 0).flatten().nonzero()[0])} is one point")
    return (poses - (low + high) / 2) * (2 * FILL / side)


def alpha(poses: Tensor, size: int, color: bool = True) -> Tensor:
    """Skeleton images: straight bones on black, their edges soft.

    Args:
        poses: (N, J, 2) in [-1, 1], the centres of the outermost pixels; J 15 or 68.
        size: side in pixels.
        color: a colour for each bone, or white ones in one channel.

    Returns:
        (N, 3 or 1, size, size) in [0, 1].

    Source: FlexPose, sections 3.2 and 3.4 (alpha), eq. 8.
    """
    check_poses("poses", poses)
    fine = FINER * size
    places = (poses + 1) * (size - 1) / 2 * FINER + (FINER - 1) / 2
    joints = poses.shape[1]
    pictures = render_stick_figure(places, DRAWN[joints], fine, fine * STROKES[joints])
    if not color:
        pictures = (pictures.amax(1, keepdim=True) > 0).to(pictures.dtype)
    return avg_pool2d(pictures, FINER)


def check_source(poses: Tensor) -> Tensor:
    """The poses, if they are whole and at least two; ValueError if not."""
    if len(check_poses("poses", poses)) < 2:
        raise ValueError(f"poses must be at least 2 to learn a distribution from, got {len(poses)}")
    return poses


def check_poses(name: str, poses: Tensor) -> Tensor:
    """The poses, if they are (N, 15, 2), bodies, or (N, 68, 2), faces, and whole; ValueError if not."""
    if poses.ndim != 3 or poses.shape[1] not in DRAWN or poses.shape[2] != 2:
        raise ValueError(f"{name} must be (N, 15, 2) or (N, 68, 2), got {tuple(poses.shape)}")
    bad = ~torch.isfinite(poses).flatten(1).all(1)
    if bool(bad.any()):
        raise ValueError(f"{name} must have no missing joint, pose {int(bad.nonzero()[0])} has one")
    return poses
