"""Ten thousand real 2D poses in twenty classes, as OpenPose detected them: yoga, squats, traffic signals …"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napa_lib.data.assets import asset_path

MISSING = -32768  # in the file; a stored coordinate is a whole number of STEPs
STEP = 1e-4


@dataclass(frozen=True, eq=False)
class Body25Poses:
    """`keypoints` (N, 25, 2) with NaN for undetected joints, `labels` (N,) into `classes`."""

    keypoints: Tensor
    labels: Tensor
    classes: tuple[str, ...]


def load_body25_poses(label: str | None = None) -> Body25Poses:
    """Read the poses, all or those of one class.

    Each pose is centred on its bounding box and scaled to about unit size (a standing person is 1.08 tall), x to
    the right of the picture and y down. Coordinates are stored in steps of 0.0001, so they are within 0.00005 of the
    source's. They come from recordings: neighbouring rows of a class are often nearly the same pose.

    Args:
        label: one of the twenty classes, such as "Plank"; None for all.

    Raises:
        ValueError: if there is no such class.

    >>> poses = load_body25_poses()
    >>> poses.keypoints.shape, len(poses.classes)
    (torch.Size([10681, 25, 2]), 20)
    """
    with np.load(asset_path("poses2d/body25_poses.npz"), allow_pickle=False) as file:
        stored, labels = torch.from_numpy(file["keypoints"]), torch.from_numpy(file["labels"]).long()
        classes = tuple(file["classes"].tolist())
    keypoints = (stored.double() * STEP).float().masked_fill(stored == MISSING, torch.nan)
    if label is None:
        return Body25Poses(keypoints, labels, classes)
    if label not in classes:
        raise ValueError(f"label must be one of {list(classes)}, got {label!r}")
    chosen = labels == classes.index(label)
    return Body25Poses(keypoints[chosen], labels[chosen], classes)
