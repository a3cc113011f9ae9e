"""From heat maps to positions: the expectation over a whole map, or round its highest peak."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

STRIDE = 4  # pixels of the picture a cell of the heat maps
NEAR = 2  # cells round a peak that have a say in where it is


def soft_argmax(heatmaps: Tensor) -> Tensor:
    """Expected position of each joint under its heat map (integral regression).

    The maximum of a heat map has no gradient and snaps to its grid; its expectation has a gradient everywhere and
    sub-pixel precision. A flat map gives the centre: confidence must come from elsewhere.

        p = softmax(heatmap),  x = sum_u p(u) u

    Args:
        heatmaps: (B, J, H, W) unnormalised scores; half precision is computed in float32.

    Returns:
        (B, J, 2) as (x, y) in cells, the centre of the top-left cell at (0, 0).

    Raises:
        ValueError: if `heatmaps` is not four-dimensional or has an empty side.

    Source: NAPA, section 3.2, L_2d (after Sun et al., 2018).

    >>> scores = torch.full((1, 1, 3, 5), -1e4); scores[0, 0, 2, 3] = 0.0
    >>> soft_argmax(scores).tolist()
    [[[3.0, 2.0]]]
    """
    if heatmaps.ndim != 4 or 0 in heatmaps.shape[2:]:
        raise ValueError(f"heatmaps must be (B, J, H, W) with H, W > 0, got {tuple(heatmaps.shape)}")
    height, width = heatmaps.shape[2:]
    heatmaps = heatmaps.to(torch.promote_types(heatmaps.dtype, torch.float32))
    p = heatmaps.flatten(2).softmax(-1).unflatten(-1, (height, width))
    x = torch.arange(width, dtype=p.dtype, device=p.device)
    y = torch.arange(height, dtype=p.dtype, device=p.device)
    return torch.stack([(p.sum(2) * x).sum(-1), (p.sum(3) * y).sum(-1)], -1)  # no matmul: autocast would round it


def local_soft_argmax(heatmaps: Tensor) -> Tensor:
    """Expected position under the heat map's highest peak: the expectation over the cells within `NEAR` of it.

    Over the whole map, every faint doubt elsewhere draws the expectation towards the middle, and of two equal peaks it
    takes the point between. Training wants that gradient; an answer wants the peak.

    Args:
        heatmaps: (B, J, H, W) unnormalised scores.

    Returns:
        (B, J, 2) as (x, y) in cells.

    Raises:
        ValueError: as `soft_argmax`.

    Source: ours; the peak's neighbourhood is what DARK and other decoders of heat maps look at.

    >>> scores = torch.full((1, 1, 9, 9), -1e4); scores[0, 0, 4, 2] = 1.0; scores[0, 0, 4, 8] = 0.9
    >>> local_soft_argmax(scores).tolist()
    [[[2.0, 4.0]]]
    """
    if heatmaps.ndim != 4 or 0 in heatmaps.shape[2:]:
        raise ValueError(f"heatmaps must be (B, J, H, W) with H, W > 0, got {tuple(heatmaps.shape)}")
    height, width = heatmaps.shape[2:]
    peak = heatmaps.flatten(2).argmax(-1)[..., None, None]
    rows = torch.arange(height, device=heatmaps.device)[:, None]
    columns = torch.arange(width, device=heatmaps.device)
    near = ((rows - peak // width).abs() <= NEAR) & ((columns - peak % width).abs() <= NEAR)
    return soft_argmax(heatmaps.masked_fill(~near, -torch.inf))


def cells_to_pixels(cells: Tensor) -> Tensor:
    """Positions in heat-map cells -> pixels of the picture: a cell's centre is the centre of its 4 x 4 pixels."""
    return cells * STRIDE + (STRIDE - 1) / 2


def doubled(maps: Tensor) -> Tensor:
    """Maps (B, C, H, W) twice as fine, (B, C, 2 H, 2 W), bilinear."""
    return interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
