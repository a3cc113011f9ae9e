"""Where is the figure? The most likely single figure of a picture without a box, from coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napa_lib.pose.pictures import Picture
from napa_lib.pose.views import look

MAX_WINDOWS = 32  # of a picture; one of 4:3 has 9, where nothing is proposed
SMALLEST = 2 / 3  # side of the smallest windows as a share of the picture's shorter side
OVERLAP = 0.5  # of neighbouring windows, at least, as a share of their side
MARGIN = 1.25  # side of a box as a multiple of its figure's
REFINEMENTS = 2
LOSS = 0.9  # a closer look that keeps less than this share of the confidence is not taken


def find_figures(
    network: nn.Module, pictures: Sequence[Picture], size: int, proposed: Sequence[Tensor] | None = None
) -> list[Tensor]:
    """The square box of the most likely single figure of each picture.

    1. The network looks at the whole picture and at what is proposed, or, where nothing is, at overlapping square
       windows at up to three scales (`search_windows`), of all pictures in one batch. The box with the highest mean
       confidence of its joints wins.
    2. A new box is put round its confident joints, 1.25 times as large (`box_round`), and looked at; this is
       done twice. A box in which the joints are clearly less sure than before is not taken.

    The cost: a crop for each proposal and one more, or 9 for a picture of 4:3 and 5 for a square one, at most
    `MAX_WINDOWS`; and 2 for the refinements, where the pose itself takes 2. Among windows, figures smaller than about
    two fifths of the picture's shorter side are not found.

    Args:
        network: from crops to a `PosePrediction`.
        pictures: opened pictures.
        size: side of the crops that the network looks at.
        proposed: for each picture square boxes (K, 4) with room to spare, K from 0 on; by default none.

    Returns:
        for each picture a box (1, 4) in its original's pixels. There always is one, also where nobody is: the pose's
        confidences say so.
    """
    if not pictures:
        return []
    windows = [search_windows(*picture.size) for picture in pictures]
    if proposed is not None:
        windows = [torch.cat([w[:1], p])[:MAX_WINDOWS] if len(p) else w for w, p in zip(windows, proposed, strict=True)]
    seen = [(k, c, w) for (k, c), w in zip(look(network, pictures, windows, size), windows, strict=True)]
    best = [(k[i], c[i], w[i]) for k, c, w in seen for i in [int(c.mean(-1).argmax())]]
    for _ in range(REFINEMENTS):
        closer = [box_round(k, c, w)[None] for k, c, w in best]
        found = look(network, pictures, closer, size)
        for i, ((k, c), box) in enumerate(zip(found, closer, strict=True)):
            if c.mean() >= LOSS * best[i][1].mean():
                best[i] = k[0], c[0], box[0]
    return [box[None] for _, _, box in best]


def search_windows(width: int, height: int) -> Tensor:
    """Square windows over a picture: one round all of it, then overlapping ones as large as its shorter side, and two
    thirds as large.

    Where a long panorama would need more than `MAX_WINDOWS`, a scale's windows are made larger until they are few
    enough; a scale whose windows would be no smaller than those before is left out.

    Returns:
        (K, 4) boxes in pixels, K from 1 to `MAX_WINDOWS`.

    >>> search_windows(400, 400).shape, search_windows(400, 300).shape, search_windows(1, 1000).shape
    (torch.Size([5, 4]), torch.Size([9, 4]), torch.Size([32, 4]))
    """
    short, long = min(width, height), max(width, height)
    scales, side = [_grid(width, height, float(long))], float(long)
    for wanted in (float(short), SMALLEST * short):
        room = MAX_WINDOWS - sum(len(scale) for scale in scales)
        while wanted < 0.99 * side and _count(width, wanted) * _count(height, wanted) > room:
            wanted *= 1.05
        if wanted < 0.99 * side:
            side = wanted
            scales.append(_grid(width, height, side))
    return torch.cat(scales)


def tiles(width: int, height: int) -> Tensor:
    """Square windows for the detector: one round the whole picture, then overlapping ones half as large.

    Returns:
        (K, 4) boxes in pixels, K from 1 to `MAX_WINDOWS`.

    >>> tiles(400, 400).shape, tiles(400, 300).shape
    (torch.Size([10, 4]), torch.Size([7, 4]))
    """
    long = float(max(width, height))
    return torch.cat([_grid(width, height, long), _grid(width, height, long / 2)])


def box_round(keypoints: Tensor, confidence: Tensor, before: Tensor) -> Tensor:
    """The square box round the joints that are at least half as sure as the surest, `MARGIN` times as large.

    Args:
        keypoints: (18, 2) in pixels.
        confidence: (18,).
        before: (4,) the box in which they were found; kept where the joints have next to no extent in it.

    Returns:
        (4,).
    """
    low, high = extent(keypoints, confidence).chunk(2)
    middle, half = (low + high) / 2, MARGIN * (high - low).amax() / 2
    return torch.cat([middle - half, middle + half]) if half > 0.05 * (before[2] - before[0]) else before


def extent(keypoints: Tensor, confidence: Tensor) -> Tensor:
    """Corners (4,) of the smallest box that holds the joints that are at least half as sure as the surest.

    >>> extent(torch.tensor([[0.0, 5.0], [2.0, 1.0], [9.0, 9.0]]), torch.tensor([0.9, 0.5, 0.2])).tolist()
    [0.0, 1.0, 2.0, 5.0]
    """
    sure = keypoints[confidence >= 0.5 * confidence.max()]
    return torch.cat([sure.amin(0), sure.amax(0)])


def _count(length: int, side: float) -> int:
    """How many windows of `side` cover `length` with the overlap."""
    return max(1, math.ceil((length / side - 1) / (1 - OVERLAP) - 1e-6) + 1)


def _grid(width: int, height: int, side: float) -> Tensor:
    """(K, 4): evenly spread windows; across a direction that is shorter than a window, one in the middle."""

    def starts(length: int) -> Tensor:
        count = _count(length, side)
        return torch.linspace(0, length - side, count) if count > 1 else torch.tensor([(length - side) / 2])

    y, x = torch.meshgrid(starts(height), starts(width), indexing="ij")
    corner = torch.stack([x.flatten(), y.flatten()], 1)
    return torch.cat([corner, corner + side], 1)
