"""Painting bones over one another, touching only the pixels that a bone can reach.

A bone covers a few per cent of a picture, so testing every pixel against every bone is mostly waste. Each row of the
picture is cut into spans of 32 pixels; for each bone, the spans that its ellipse crosses follow from one quadratic a
row. Only those are computed.

A bone is described by its frame, the affine map from a pixel (x, y, 1) to the plane (u, v) in which its ellipse is the
unit disc.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

SPAN = 32  # pixels; long enough for vector units, short enough to waste little at a bone's ends
SHORTEST = 1e-6  # pixels; a bone below this has no direction


class BoneAxes(NamedTuple):
    """Where the bones lie: all in pixels, a batch of B poses with K bones."""

    centre: Tensor  # (B, K, 2)
    direction: Tensor  # (B, K, 2), unit length, from start to end
    length: Tensor  # (B, K)
    visible: Tensor  # (B, K), false for a bone with a missing end or no length


class Spans(NamedTuple):
    """The spans that bones reach in a batch: n rows of `SPAN` pixels."""

    row: Tensor  # (n,) index into the batch's spans, (B * H * spans a row)
    bone: Tensor  # (n,)
    pose: Tensor  # (n,)
    x: Tensor  # (n,) first pixel, in the working dtype
    y: Tensor  # (n,)


def bone_axes(points: Tensor, present: Tensor, start: Tensor, end: Tensor) -> BoneAxes:
    """Centre, direction, length and visibility of each bone; a bone that cannot be seen gets a harmless stand-in.

    Args:
        points: (B, J, 2) in pixels, missing ones at 0.
        present: (B, J) whether the joint is there.
        start: (K,) index of each bone's first joint.
        end: (K,) index of its second joint.
    """
    difference = points[:, end] - points[:, start]
    length = torch.hypot(*difference.detach().unbind(-1))
    visible = present[:, start] & present[:, end] & (length > SHORTEST) & length.isfinite()
    stand_in = torch.tensor([1.0, 0.0], dtype=points.dtype, device=points.device)
    difference = torch.where(visible[..., None], difference, stand_in)
    length = torch.hypot(*difference.unbind(-1))
    return BoneAxes(0.5 * (points[:, start] + points[:, end]), difference / length[..., None], length, visible)


def ellipse_frames(axes: BoneAxes, along: Tensor | float, across: float) -> Tensor:
    """(B, K, 2, 3) frames: u runs along the bone in units of `along`, v across it in units of `across`, both pixels."""
    ex, ey = axes.direction.unbind(-1)
    rotation = torch.stack([torch.stack([ex, ey], -1), torch.stack([-ey, ex], -1)], -2)
    along = torch.as_tensor(along, dtype=ex.dtype, device=ex.device).expand_as(ex)
    scale = torch.stack([along, torch.full_like(ex, across)], -1)[..., None]
    offset = (rotation * axes.centre[..., None, :]).sum(-1, keepdim=True)
    return torch.cat([rotation, -offset], -1) / scale


def reached_spans(frames: Tensor, visible: Tensor, size: tuple[int, int]) -> Spans:
    """The spans, bone after bone, that hold a pixel with u² + v² < 1, and here and there one that just misses.

    On a row, u = ux x + p and v = vx x + q, so u² + v² < 1 is a quadratic in x: the reached pixels are an interval.

    Args:
        frames: (B, K, 2, 3).
        visible: (B, K); other bones reach nothing.
        size: (height, width) of the picture.
    """
    height, width = size
    per_row = -(-width // SPAN)
    (ux, uy, u0), (vx, vy, v0) = frames.detach().permute(2, 3, 1, 0)[..., None].unbind(0)  # each (K, B, 1)
    y = torch.arange(height, dtype=frames.dtype, device=frames.device)
    p, q = uy * y + u0, vy * y + v0  # (K, B, H)
    square = (ux.square() + vx.square()).clamp_min(torch.finfo(frames.dtype).tiny)
    room = square - (ux * q - vx * p).square()
    half = room.clamp_min(0).sqrt() / square + 1  # a pixel to spare for rounding
    middle = -(ux * p + vx * q) / square
    bone, pose, line = ((room > 0) & visible.T[..., None]).nonzero(as_tuple=True)
    right, left = (middle + half)[bone, pose, line, None], (middle - half)[bone, pose, line, None]
    first = SPAN * torch.arange(per_row, dtype=y.dtype, device=y.device)
    interval, piece = ((right >= first) & (left <= first + SPAN - 1)).nonzero(as_tuple=True)
    bone, pose, line = bone[interval], pose[interval], line[interval]
    return Spans((pose * height + line) * per_row + piece, bone, pose, first[piece], y[line])


def split_by_bone(spans: Spans, bones: int) -> list[Spans]:
    """The spans of each bone."""
    counts = spans.bone.bincount(minlength=bones).tolist()
    return [Spans(*parts) for parts in zip(*(part.split(counts) for part in spans), strict=True)]


def span_frame(frames: Tensor, spans: Spans) -> tuple[Tensor, Tensor]:
    """(u, v), each (n, SPAN): the bones' frames (B, K, 2, 3) evaluated at the pixels of their spans."""
    slope, offset = span_lines(frames, spans)
    step = torch.arange(SPAN, dtype=frames.dtype, device=frames.device)
    u, v = ((slope[:, i, None] * step).add_(offset[:, i, None]) for i in (0, 1))
    return u, v


def span_lines(frames: Tensor, spans: Spans) -> tuple[Tensor, Tensor]:
    """(n, 2) slope and (n, 2) offset: along a span, at its pixel 0 <= j < SPAN, (u, v) = offset + slope j."""
    frame = frames.flatten(0, 1).index_select(0, spans.pose * frames.shape[1] + spans.bone)
    return frame[..., 0], frame[..., 0] * spans.x[:, None] + frame[..., 1] * spans.y[:, None] + frame[..., 2]


def paint_solid(spans: Spans, inside: Tensor, colors: Tensor, batch: int, size: tuple[int, int]) -> Tensor:
    """Painter's algorithm for solid bones, each over the earlier ones, on black: the highest number inside wins.

    Args:
        spans: of all bones.
        inside: (n, SPAN) whether a pixel is in its bone.
        colors: (K, 3).
        batch: number of pictures.
        size: (height, width).

    Returns:
        (batch, 3, height, width).
    """
    height, width = size
    rows = height * -(-width // SPAN)
    number = inside * (spans.bone[:, None] + 1).to(colors.dtype)
    top = colors.new_zeros(batch * rows, SPAN)
    top.scatter_reduce_(0, spans.row[:, None].expand_as(number), number, "amax")
    touched = top.amax(1).nonzero()[:, 0]
    index = top.index_select(0, touched).int().flatten()
    picture = colors.new_zeros(batch * 3 * rows, SPAN)
    for channel, palette in enumerate(torch.cat([torch.zeros_like(colors[:1]), colors]).T.contiguous()):
        tint = palette.index_select(0, index).view(-1, SPAN)
        picture.index_copy_(0, plane_rows(touched, touched // rows, channel, rows), tint)
    return to_picture(picture, batch, size)


def composite(
    bones: Sequence[Spans],
    coverage: Callable[[Spans], Tensor],
    colors: Tensor,
    batch: int,
    size: tuple[int, int],
    light: list[Tensor] | None = None,
) -> Tensor:
    """Painter's algorithm for bones that cover a pixel by a fraction a, computed from the front to the back.

    A pixel's colour is sum_k w_k c_k with w_k = a_k prod_{j > k} (1 - a_j), the light that bone k stops.

    Args:
        bones: the spans of each bone.
        coverage: gives a, (n, SPAN), on a bone's spans.
        colors: (K, 3).
        batch: number of pictures.
        size: (height, width).
        light: where given, filled with the light that reaches each bone, (n, SPAN) a bone, the last bone first.

    Returns:
        (batch, 3, height, width).
    """
    height, width = size
    rows = height * -(-width // SPAN)
    picture = colors.new_zeros(batch * 3 * rows, SPAN)
    left = colors.new_ones(batch * rows, SPAN)
    for spans, color in reversed(list(zip(bones, colors.tolist(), strict=True))):
        incoming = left.index_select(0, spans.row)
        weight = coverage(spans) * incoming
        left.index_copy_(0, spans.row, incoming - weight)
        for channel, value in enumerate(color):
            picture.index_add_(0, plane_rows(spans.row, spans.pose, channel, rows), weight, alpha=value)
        if light is not None:
            light.append(incoming)
    return to_picture(picture, batch, size)


def plane_rows(row: Tensor, pose: Tensor, channel: int, rows: int) -> Tensor:
    """Where a colour channel's spans lie in a picture (B, 3, rows) seen as B * 3 * rows rows."""
    return row + (2 * pose + channel) * rows


def to_picture(spans: Tensor, batch: int, size: tuple[int, int]) -> Tensor:
    """(B * 3 * H * spans a row, SPAN) as (B, 3, H, W), without the spans' ends that overhang it."""
    height, width = size
    return spans.view(batch, 3, height, -(-width // SPAN) * SPAN)[..., :width].contiguous()
