"""FlexPose's skeleton images: a stick figure, one colour a limb."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from napa_lib.rendering.inputs import (
    bone_indices,
    check_points,
    check_positive,
    image_size,
    without_missing,
    working_dtype,
)
from napa_lib.rendering.painting import bone_axes, ellipse_frames, paint_solid, reached_spans, span_frame
from napa_lib.skeletons import Skeleton, get_skeleton


def render_stick_figure(keypoints: Tensor, skeleton: str | Skeleton, size: int | Sequence[int], width: float) -> Tensor:
    """A pose as straight strokes with round ends, each limb in its own colour, on black.

    A pixel belongs to a limb where its centre is less than width / 2 from the segment between the limb's joints. Where
    limbs overlap, a later bone of the skeleton lies over an earlier one. The picture is piecewise constant in the
    keypoints and carries no gradient; the paper uses it as a target only.

    Args:
        keypoints: (B, J, 2) in pixels. A limb with a missing (NaN) joint is left out; one of zero length is a disc.
        skeleton: its bones and colours.
        size: side, or (height, width), in pixels.
        width: of a stroke in pixels.

    Returns:
        (B, 3, H, W) in [0, 1]; an empty batch gives an empty picture.

    Raises:
        ValueError: if a shape, a size or the width is not as said.

    Source: FlexPose, section 3.2 (alpha, "each bone is assigned a unique colour") and eq. 8.
    """
    skeleton = get_skeleton(skeleton)
    shape = image_size(size)
    check_points("keypoints", keypoints, joints=skeleton.num_joints)
    check_positive("width", width)
    points, present = without_missing(keypoints.detach().to(working_dtype(keypoints)))
    start, end = bone_indices(skeleton.bones, skeleton.num_joints, points.device)
    axes, radius = bone_axes(points, present, start, end), 0.5 * width
    shown = present[:, start] & present[:, end]
    half = torch.where(axes.visible, 0.5 * axes.length, torch.zeros_like(axes.length))
    frames, ends = ellipse_frames(axes, radius, radius), half / radius
    around = ellipse_frames(axes, math.sqrt(2) * (half + radius), math.sqrt(2) * radius)
    spans = reached_spans(around, shown, shape)
    u, v = span_frame(frames, spans)
    beyond = u.abs_().sub_(ends[spans.pose, spans.bone, None]).clamp_min_(0)
    colors = torch.tensor(skeleton.colors, dtype=points.dtype, device=points.device) / 255
    inside = beyond.square_().addcmul_(v, v) < 1
    return paint_solid(spans, inside, colors, len(points), shape).to(keypoints.dtype)
