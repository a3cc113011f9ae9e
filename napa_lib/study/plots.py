"""Poses on pictures: line drawings whose sides are told apart by marker as well as by colour."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.pose.drawing import side_color
from napa_lib.skeletons import Skeleton
from napa_lib.study.figures import to_array

MARKERS = {"l": "o", "r": "s"}  # the person's left joints are discs, the right ones squares, the others diamonds


def pose_over(picture: Any, keypoints: Tensor, skeleton: Skeleton) -> Figure:
    """A picture with a pose drawn over it, two inches wide: hand it to `study.show`.

    Args:
        picture: a tensor (3, H, W) or an array (H, W, 3) in [0, 1].
        keypoints: (J, 2) in its pixels.
        skeleton: their joint set.
    """
    array = to_array(picture)
    page, axis = plt.subplots(figsize=(2.0, 2.0 * array.shape[0] / array.shape[1]))
    axis.imshow(array, interpolation="bilinear")
    draw_pose(axis, keypoints, skeleton, linewidth=2)
    axis.axis("off")
    return page


def draw_pose(axis: Axes, keypoints: Tensor, skeleton: Skeleton, linewidth: float = 3.0) -> None:
    """Draw a pose into a plot: a line for each bone, a disc, square or diamond for a left, right or middle joint.

    Args:
        axis: whose data coordinates are the pose's; after `imshow`, pixels.
        keypoints: (J, 2); a missing joint (NaN) is left out with its bones.
        skeleton: names the joints and lists the bones. Left is drawn in blues, right in oranges, as everywhere in the
            course; what has no sides, as a face, in its own colours.
        linewidth: of a bone in points.

    Raises:
        ValueError: if `keypoints` does not fit the skeleton.
    """
    points = np.asarray(keypoints.detach().cpu() if hasattr(keypoints, "detach") else keypoints, dtype=float)
    if points.shape != (skeleton.num_joints, 2):
        raise ValueError(f"keypoints must be ({skeleton.num_joints}, 2) for {skeleton.name}, got {points.shape}")
    casing = [patheffects.withStroke(linewidth=linewidth + 2, foreground="white")]
    sided = any(name.startswith(("l_", "r_")) for name in skeleton.joints)
    for (start, end), color in zip(skeleton.bones, skeleton.colors, strict=True):
        bone, shade = points[[start, end]], np.divide(side_color(skeleton, start, end) if sided else color, 255)
        axis.plot(*bone.T, linestyle="-", color=shade, linewidth=linewidth, path_effects=casing, solid_capstyle="round")
    for point, name in zip(points, skeleton.joints, strict=True):
        axis.plot(*point, MARKERS.get(name[0] if name[1] == "_" else "", "D"), color="black", markeredgecolor="white",
                  markersize=1.6 * linewidth, markeredgewidth=linewidth / 3)  # fmt: skip
