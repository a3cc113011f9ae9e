"""NAPA's bone maps: a pose drawn as one coloured oval a bone, hard as in the paper or soft and differentiable."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from napa_lib.rendering.inputs import (
    bone_indices,
    check_points,
    check_positive,
    image_size,
    without_missing,
    working_dtype,
)
from napa_lib.rendering.painting import (
    SPAN,
    BoneAxes,
    Spans,
    bone_axes,
    composite,
    ellipse_frames,
    paint_solid,
    plane_rows,
    reached_spans,
    span_frame,
    span_lines,
    split_by_bone,
)
from napa_lib.skeletons import Skeleton, get_skeleton


def render_bone_map(
    keypoints: Tensor, skeleton: str | Skeleton, size: int | Sequence[int], width: float, softness: float = 0.0
) -> Tensor:
    """A pose as NAPA's bone map: one oval a bone, coloured, on black.

    A point is all but lost in a picture that a network reads; an oval is not, and two of them show how bones hang
    together. With L the bone's length, d its width, and (along, perp) a pixel's distances from the oval's axes,

        r² = perp² / (d/2)² + along² / (L/2)²,  inside where r < 1

    is the hard map, the paper's; it is piecewise constant and carries no gradient. The soft map, differentiable in the
    keypoints, lets each oval cover a pixel by a fraction a that falls from 1 to 0 over its edge:

        a = o sigmoid((1 - r) (d/2) / softness),  with h = hypot(L/2, softness) for L/2 in r,  o = (L/2) / h

    (1 - r) d/2 is the distance to the edge in pixels at the bone's waist; at the tips the edge is L/d times as wide.
    The opacity o lets a bone shorter than the softness fade out, where a needle would have unbounded gradients. As
    softness goes to 0 the soft map goes to the hard one. Where ovals overlap, a later bone of the skeleton is painted
    over the earlier ones: colour = a c + (1 - a) below. Not twice differentiable.

    Args:
        keypoints: (B, J, 2) in pixels, the centre of the top-left pixel at (0, 0); they may lie outside the picture. A
            bone with a missing (NaN) joint or of zero length is not drawn and gets no gradient.
        skeleton: its bones, in drawing order, and their 8-bit colours.
        size: side, or (height, width), in pixels.
        width: d, the full width of a bone in pixels; 20 at 224 x 224 in NAPA's released code, the paper gives none.
        softness: width of the soft edge in pixels; 0 for the hard map. The time grows with it.

    Returns:
        (B, 3, H, W) in [0, 1]; an empty batch gives an empty picture.

    Raises:
        ValueError: if a shape, a size, the width or the softness is not as said.

    Source: NAPA, section 3 (bone map rendering function R) and Appendix K.

    >>> from napa_lib.skeletons import Skeleton
    >>> stick = Skeleton("stick", ("a", "b"), (-1, 0), (), ((0, 1),), ((255, 0, 0),))
    >>> pose = torch.tensor([[[0.0, 1.0], [4.0, 1.0]]])
    >>> render_bone_map(pose, stick, (3, 5), width=2.2)[0, 0].tolist()
    [[0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]]
    """
    skeleton = get_skeleton(skeleton)
    shape = image_size(size)
    check_points("keypoints", keypoints, joints=skeleton.num_joints)
    check_positive("width", width)
    if not 0.0 <= softness < math.inf:
        raise ValueError(f"softness must be >= 0 pixels, got {softness}")
    points, present = without_missing(keypoints.to(working_dtype(keypoints)))
    start, end = bone_indices(skeleton.bones, skeleton.num_joints, points.device)
    axes = bone_axes(points, present, start, end)
    colors = torch.tensor(skeleton.colors, dtype=points.dtype, device=points.device) / 255
    if softness == 0.0:
        return _hard_ovals(axes, colors, shape, width).to(keypoints.dtype)
    half = torch.hypot(0.5 * axes.length, torch.full_like(axes.length, softness))
    opacity = torch.where(axes.visible, 0.5 * axes.length / half, torch.zeros_like(half))
    frames = ellipse_frames(axes, half, 0.5 * width)
    keep = frames.requires_grad and torch.is_grad_enabled()
    picture, _ = _SoftOvals.apply(frames, opacity, colors, shape, 0.5 * width / softness, keep)
    return picture.to(keypoints.dtype)


def _hard_ovals(axes: BoneAxes, colors: Tensor, size: tuple[int, int], width: float) -> Tensor:
    """The hard map, (B, 3, H, W)."""
    frames = ellipse_frames(axes, 0.5 * axes.length, 0.5 * width).detach()
    spans = reached_spans(frames, axes.visible, size)
    u, v = span_frame(frames, spans)
    return paint_solid(spans, u.square_().addcmul_(v, v) < 1, colors, len(frames), size)


def _edge_profile(frames: Tensor, spans: Spans, steepness: float) -> tuple[Tensor, Tensor]:
    """r and sigmoid(steepness (1 - r)) at the spans' pixels, (n, SPAN) each."""
    u, v = span_frame(frames, spans)
    r = u.square_().addcmul_(v, v).sqrt_()
    return r, torch.rsub(r, steepness, alpha=steepness).sigmoid_()


class _SoftOvals(torch.autograd.Function):
    """The soft map, (B, 3, H, W), and its gradient, bone by bone on the spans that matter.

    Spans are left out where the coverage is below the dtype's epsilon. With G the gradient of the loss, w_k the light
    that reaches bone k and s_k = c_k · G, the loss changes with the coverage a_k by w_k (s_k - S_k), where S_k is the
    picture of s_1 ... s_{k-1}, painted from the back as the colours are. Along a span u and v are linear in the pixel's
    number j, so the sums of da/du and da/dv over it, as da/dr times u / r and v / r, follow from three moments in j.
    At the oval's very centre, the apex of r, the gradient is taken as 0.
    """

    @staticmethod
    def forward(frames, opacity, colors, size, steepness, keep):
        """The picture, and where kept the bones' spans and the light that reaches them."""
        reach = 1 - math.log(torch.finfo(frames.dtype).eps) / steepness
        bones = split_by_bone(reached_spans(frames / reach, opacity > 0, size), len(colors))

        def coverage(spans: Spans) -> Tensor:
            return _edge_profile(frames, spans, steepness)[1].mul_(opacity[spans.pose, spans.bone, None])

        light: list[Tensor] | None = [] if keep else None
        picture = composite(bones, coverage, colors, len(frames), size, light)
        return picture, (bones, light) if keep else None

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, _, ctx.steepness, keep = inputs
        if keep:
            ctx.save_for_backward(*tensors)
            ctx.bones, ctx.light = output[1]

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient, _):
        frames, opacity, colors = ctx.saved_tensors
        planes = torch.nn.functional.pad(gradient, (0, -gradient.shape[-1] % SPAN)).reshape(-1, SPAN)
        rows = len(planes) // max(3 * len(frames), 1)
        behind = torch.zeros_like(planes[: len(frames) * rows])  # S
        grad_frames, grad_opacity = torch.zeros_like(frames), torch.zeros_like(opacity)
        for k, (spans, light) in enumerate(zip(ctx.bones, reversed(ctx.light), strict=True)):
            r, profile = _edge_profile(frames, spans, ctx.steepness)
            fade = opacity[spans.pose, k, None]
            back = behind.index_select(0, spans.row)
            gain = -back  # becomes s - S, then dL/do, then -(dL/dr) / (r steepness fade)
            for channel, value in enumerate(colors[k].tolist()):
                gain.add_(planes.index_select(0, plane_rows(spans.row, spans.pose, channel, rows)), alpha=value)
            behind.index_copy_(0, spans.row, back.addcmul_(profile * fade, gain))
            gain.mul_(light).mul_(profile)
            grad_opacity[:, k].index_add_(0, spans.pose, gain.sum(1))
            gain.mul_(profile.sub_(1)).div_(r.clamp_min_(math.sqrt(torch.finfo(r.dtype).eps)))
            pull = _frame_gradient(gain, frames, spans, ctx.steepness * fade)
            grad_frames[:, k].index_add_(0, spans.pose, pull)
        return grad_frames, grad_opacity, None, None, None, None


def _frame_gradient(pull: Tensor, frames: Tensor, spans: Spans, scale: Tensor) -> Tensor:
    """(n, 2, 3) gradient of each span's sum to its frame, given (dL/dr) / r = scale pull, (n, 1) and (n, SPAN)."""
    step = torch.arange(SPAN, dtype=pull.dtype, device=pull.device)
    with torch.autocast(pull.device.type, enabled=False):
        moments = pull @ torch.stack([torch.ones_like(step), step, step * step], 1)
    m0, m1, m2 = (moments * scale).T[..., None]
    slope, offset = span_lines(frames, spans)
    total, first = offset * m0 + slope * m1, offset * m1 + slope * m2
    return torch.stack([first + total * spans.x[:, None], total * spans.y[:, None], total], -1)
