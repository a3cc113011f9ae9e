"""KeypointGAN's skeleton images: an exponential of the distance to the nearest edge, and blobs for faces.

Both live in the paper's coordinates: x and y from -1 at the centre of the first column or row to 1 at the centre of
the last, so a point (x, y) lies at pixel ((x + 1) (W - 1) / 2, (y + 1) (H - 1) / 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from napa_lib.geometry.precision import in_full_precision
from napa_lib.rendering.inputs import (
    bone_indices,
    check_points,
    check_positive,
    image_size,
    without_missing,
    working_dtype,
)

TILE = 8  # pixels
POINT = 1e-6  # length below which an edge is a point


def render_skeleton(
    points: Tensor, edges: Sequence[Sequence[int]], size: int | Sequence[int], gamma: float = 25.0
) -> Tensor:
    """A skeleton as its distance transform, exponentially weighted: 1 on the bones, fading to 0 away from them.

        beta(p)_u = exp(-gamma min_{(i,j) in E, r in [0,1]} |u - r p_i - (1 - r) p_j|²)

    Overlaps need no rule: the nearest edge decides, whatever the order. An edge of zero length is a point and drawn as
    one; an edge with a missing (NaN) end is not drawn and gets no gradient. Not twice differentiable.

    Args:
        points: (B, K, 2) as (x, y) in [-1, 1]; -1 and 1 are the centres of the picture's outermost pixels.
        edges: pairs (i, j) of points, such as `skeleton.bones`.
        size: side, or (height, width), in pixels.
        gamma: fall-off per squared distance in the points' units; 1 / 0.04 in the paper.

    Returns:
        (B, 1, H, W) in [0, 1]; an empty batch gives an empty picture.

    Raises:
        ValueError: if a shape, a size, an edge or gamma is not as said.

    Source: KeypointGAN, eq. 1.

    >>> line = torch.tensor([[[-1.0, 0.0], [1.0, 0.0]]])
    >>> render_skeleton(line, [(0, 1)], 3)[0, 0, :, 1].log().tolist()
    [-25.0, 0.0, -25.0]
    """
    height, width = image_size(size)
    check_points("points", points, "(B, K, 2)")
    check_positive("gamma", gamma)
    clean, present = without_missing(points.to(working_dtype(points)))
    start, end = bone_indices(edges, points.shape[1], points.device)
    visible = present[:, start] & present[:, end]
    track = clean.requires_grad and torch.is_grad_enabled()
    picture, _ = _SkeletonImage.apply(clean[:, start], clean[:, end], visible, (height, width), gamma, track)
    return picture.to(points.dtype)


class _Tiles:
    """A picture's pixels in tiles of `TILE` x `TILE`, in the paper's coordinates: x, y are (tiles, TILE²)."""

    def __init__(self, size: tuple[int, int], like: Tensor) -> None:
        self.height, self.width = size
        self.down, self.across = (-(-side // TILE) for side in size)
        x = unit_axis(self.width, like, self.across * TILE)
        y = unit_axis(self.height, like, self.down * TILE)
        self.x = x.view(1, self.across, 1, TILE).expand(self.down, -1, TILE, -1).reshape(-1, TILE * TILE)
        self.y = y.view(self.down, 1, TILE, 1).expand(-1, self.across, -1, TILE).reshape(-1, TILE * TILE)

    def to_picture(self, tiles: Tensor) -> Tensor:
        """(B, tiles, TILE²) to (B, 1, H, W)."""
        grid = tiles.view(-1, self.down, self.across, TILE, TILE).transpose(2, 3)
        return grid.reshape(-1, 1, self.down * TILE, self.across * TILE)[..., : self.height, : self.width].contiguous()

    def to_tiles(self, picture: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, tiles, TILE²), the pixels beyond the picture zero."""
        missing = (0, self.across * TILE - self.width, 0, self.down * TILE - self.height)
        grid = torch.nn.functional.pad(picture, missing).view(-1, self.down, TILE, self.across, TILE)
        return grid.transpose(2, 3).reshape(-1, self.down * self.across, TILE * TILE)


class _SkeletonImage(torch.autograd.Function):
    """Eq. 1 and its gradient: by the envelope theorem, r and the edge may be held at their optimum."""

    @staticmethod
    def forward(a, b, visible, size, gamma, track):
        """The picture (B, 1, H, W), and by tiles: the picture, and where tracked each pixel's nearest edge."""
        tiles = _Tiles(size, a)
        square, nearest = _nearest_edge(a, b, visible, tiles, track)
        picture = square.mul_(-gamma).exp_()
        return tiles.to_picture(picture), (picture, nearest)

    @staticmethod
    def setup_context(ctx, inputs, output):
        a, b, _, ctx.size, ctx.gamma, _ = inputs
        ctx.save_for_backward(a, b, *output[1])

    @staticmethod
    def vmap(info, in_dims, *inputs):
        """Its axis taken into the batch's, and back."""
        folded = [
            (x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)).flatten(0, 1)
            for x, dim in zip(inputs[:3], in_dims, strict=False)
        ]
        *rest, track = inputs[3:]
        image, kept = _SkeletonImage.apply(*folded, *rest, track or folded[0].requires_grad)
        whole, *tiles = (x.unflatten(0, (info.batch_size, len(x) // info.batch_size)) for x in (image, *kept))
        return (whole, tuple(tiles)), (0, (0, 0))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient, _):
        a, b, picture, nearest = ctx.saved_tensors
        tiles = _Tiles(ctx.size, a)
        index = nearest.long().flatten(1)

        def own(table: Tensor) -> Tensor:
            return table.gather(1, index).view_as(picture)

        ax, ay = (own(a[..., i]) for i in (0, 1))
        dx, dy = (own((b - a)[..., i]) for i in (0, 1))
        rx, ry = tiles.x - ax, tiles.y - ay
        square = dx * dx + dy * dy
        r = ((rx * dx + ry * dy) / torch.where(square > POINT**2, square, torch.ones_like(square))).clamp_(0, 1)
        pull = 2 * ctx.gamma * tiles.to_tiles(gradient) * picture
        parts = []
        for offset in (pull * (rx - r * dx), pull * (ry - r * dy)):
            at_b = torch.zeros_like(a[..., 0]).scatter_add_(1, index, (r * offset).flatten(1))
            both = torch.zeros_like(at_b).scatter_add_(1, index, offset.flatten(1))
            parts.append((both - at_b, at_b))
        grad_a, grad_b = (torch.stack(ends, -1) for ends in zip(*parts, strict=True))
        return grad_a, grad_b, None, None, None, None


def _nearest_edge(a: Tensor, b: Tensor, visible: Tensor, tiles: _Tiles, track: bool) -> tuple[Tensor, Tensor]:
    """Squared distance of each pixel to the nearest edge, (B, tiles, TILE²), and where tracked that edge's number.

    Between a tile's centre and its pixels, distances change by at most R, its half diagonal. An edge that lies 2 R
    further from the centre than the nearest one is nearest nowhere in the tile, and is not tried there: of 16 bones,
    three or four remain.
    """
    (batch, edges), (count, pixels) = visible.shape, tiles.x.shape
    cx, cy = tiles.x.mean(1), tiles.y.mean(1)
    offsets = torch.stack([torch.ones_like(tiles.x[0]), tiles.x[0] - cx[0], tiles.y[0] - cy[0]])
    along, across, axis, half = _edge_frames(a, b, cx, cy)
    shown = visible.T[..., None]
    distance = torch.hypot((along.abs() - half).clamp_min(0), across).masked_fill_(~shown, torch.inf)
    slack = 2.001 * torch.hypot(offsets[1, 0], offsets[2, 0])
    edge, pose, tile = (distance <= distance.amin(0) + slack).logical_and_(shown).nonzero(as_tuple=True)
    ex, ey = axis[edge, pose].unbind(-1)
    lines = torch.stack([along[edge, pose, tile], ex, ey, across[edge, pose, tile], -ey, ex], 1)
    with torch.autocast(a.device.type, enabled=False):
        s, q = lines[:, :3] @ offsets, lines[:, 3:] @ offsets
    square = s.abs_().sub_(half[edge, pose]).clamp_min_(0).square_().addcmul_(q, q)
    row = (pose * count + tile)[:, None].expand_as(square)
    best = a.new_full((batch * count, pixels), torch.inf).scatter_reduce_(0, row, square, "amin")
    nearest = best[:0]
    if track:
        wins = square <= best.index_select(0, row[:, 0])
        number = torch.where(wins, edge[:, None].to(a.dtype), edges - 1)
        nearest = torch.full_like(best, edges - 1).scatter_reduce_(0, row, number, "amin")
    return best.view(batch, count, pixels), nearest.view(-1, count, pixels)


def _edge_frames(a: Tensor, b: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Signed distances of the places (x, y), (N,), along and across each edge from its middle, (E, B, N) each, the
    edge's direction (E, B, 2) and half its length (E, B, 1)."""
    a, b = a.transpose(0, 1), b.transpose(0, 1)
    length = torch.hypot(*(b - a).unbind(-1))[..., None]
    axis = torch.where(length > POINT, (b - a) / length.clamp_min(POINT), a.new_tensor([1.0, 0.0]))
    ex, ey = axis[..., None].unbind(2)
    mx, my = (0.5 * (a + b))[..., None].unbind(2)
    along = (x - mx) * ex + (y - my) * ey
    return along, (y - my) * ex - (x - mx) * ey, axis, 0.5 * length


@in_full_precision
def render_blobs(points: Tensor, size: int | Sequence[int], sigma: float = 0.02) -> Tensor:
    """Points as the sum of their Gaussian blobs: the "skeleton" of a face, which has no bones.

        beta(p)_u = sum_i exp(-|u - p_i|² / (2 sigma²))

    A Gaussian of the distance is a product of one of x and one of y, so the sum is a matrix product (H, K) (K, W).

    Args:
        points: (B, K, 2) as (x, y) in [-1, 1]; -1 and 1 are the centres of the picture's outermost pixels. A missing
            (NaN) point is left out.
        size: side, or (height, width), in pixels.
        sigma: standard deviation of a blob in the points' units.

    Returns:
        (B, 1, H, W), at least 0; above 1 where blobs overlap.

    Raises:
        ValueError: if a shape, a size or sigma is not as said.

    Source: KeypointGAN, eq. 2.

    >>> render_blobs(torch.zeros(1, 1, 2), 3)[0, 0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    height, width = image_size(size)
    check_points("points", points, "(B, K, 2)")
    check_positive("sigma", sigma)
    clean, present = without_missing(points.to(working_dtype(points)))
    columns = torch.exp(-((unit_axis(width, clean) - clean[..., 0, None]) ** 2) / (2 * sigma**2))
    rows = torch.exp(-((unit_axis(height, clean) - clean[..., 1, None]) ** 2) / (2 * sigma**2))
    return ((rows * present[..., None]).transpose(1, 2) @ columns)[:, None].to(points.dtype)


def unit_axis(length: int, like: Tensor, count: int | None = None) -> Tensor:
    """The first `count` pixel centres (all where None) of an axis that runs from -1 to 1; a lone pixel lies at 0."""
    index = torch.arange(length if count is None else count, dtype=like.dtype, device=like.device)
    return (2 * index - (length - 1)) / max(length - 1, 1)
