"""Every figure of a picture: the detector's boxes, from the whole picture and from tiles of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napa_lib.data.crops import square_boxes
from napa_lib.networks.movenet import PeopleDetector
from napa_lib.pose.finding import MARGIN, box_round, extent, tiles
from napa_lib.pose.pictures import Picture
from napa_lib.pose.views import cut, look

OVERLAP = 0.45  # of two boxes with a larger intersection over union the likelier one is kept
MOST = 40  # figures of one picture, the likeliest
SURE, RELATIVE = 0.3, 0.6  # mean confidence of a figure's joints: least, and as a share of the surest figure's
INSIDE = 0.8  # a box of which so much lies in a surer one is a part of that figure
EDGE = 0.02  # share of a window's side: a box nearer than this to an inner edge may be a part of a figure


@torch.no_grad()
def find_people(
    detector: PeopleDetector, pictures: Sequence[Picture], closely: bool = True
) -> list[tuple[Tensor, Tensor]]:
    """The figures of each picture.

    The detector looks at the whole picture, in a square, and at overlapping tiles half as large, in which a figure
    that takes a tenth of the picture's side is large enough. Boxes that a tile's edge may have cut are left to the
    other tiles; of boxes of one figure the likeliest stays.

    Args:
        detector: of MoveNet or the network of drawn figures.
        pictures: opened pictures.
        closely: look at the tiles, too.

    Returns:
        for each picture boxes (N, 4) as x0, y0, x1, y1 in its original's pixels and scores (N,) in [0, 1], the
        likeliest first; N is 0 where nobody is found, and at most `MOST`.
    """
    return [_of_picture(detector, picture, closely) for picture in pictures]


def proposed(detector: PeopleDetector, pictures: Sequence[Picture], closely: bool = True) -> list[Tensor]:
    """Square boxes (N, 4) with room to spare round what `find_people` finds in each picture."""
    return [square_boxes(with_margin(boxes)) for boxes, _ in find_people(detector, pictures, closely)]


def _of_picture(detector: PeopleDetector, picture: Picture, closely: bool) -> tuple[Tensor, Tensor]:
    windows = tiles(*picture.size) if closely else tiles(*picture.size)[:1]
    device, size = next(detector.parameters()).device, detector.size
    crops = [cut(picture, window[None], size)[0] for window in windows]  # one by one: each touches its part alone
    scores, boxes = (x.cpu() for x in detector(torch.cat(crops).to(device)))
    scores = scores.sigmoid()
    side = windows[:, 2] - windows[:, 0]
    centre, sides = boxes.chunk(2, -1)
    corners = torch.cat([centre - sides / 2, centre + sides / 2], -1)  # (W, A, 4) in pixels of the crops' edges
    whole = ~_cut_off(corners / size, windows, picture.size)
    likely = (scores >= detector.threshold) & whole & (sides > 0).all(-1)
    window, anchor = likely.nonzero(as_tuple=True)
    placed = corners[window, anchor] * side[window, None] / size + windows[window, :2].repeat(1, 2)
    kept = suppress(placed, scores[window, anchor])[:MOST]
    return placed[kept], scores[window, anchor][kept]


def _cut_off(corners: Tensor, windows: Tensor, size: tuple[int, int]) -> Tensor:
    """Which boxes (W, A, 4), in shares of their window's side, reach an edge of it inside the picture, (W, A)."""
    width, height = size
    low = corners[..., :2] < EDGE
    high = corners[..., 2:] > 1 - EDGE
    inner_low = windows[:, None, :2] > 0
    inner_high = windows[:, None, 2:] < windows.new_tensor([width, height])
    return (low & inner_low).any(-1) | (high & inner_high).any(-1)


def refine(network: nn.Module, pictures: Sequence[Picture], candidates: Sequence[Tensor], size: int) -> list[Tensor]:
    """The candidates that the pose network takes for figures, of those that show one figure the surest.

    Args:
        network: from crops to a `PosePrediction`.
        pictures: opened pictures.
        candidates: for each picture square boxes (N, 4) with room to spare, N from 0 on.
        size: side of the crops that the network looks at.

    Returns:
        for each picture square boxes (M, 4) with room to spare, the surest figure first. Boxes whose joints come to lie
        on one another, or within those of a surer one, are one figure. A box is drawn anew round the joints if the
        network is then no less sure of them: else it would cut off what is in doubt.
    """
    seen = look(network, pictures, candidates, size)
    kept = [_surest(*found, boxes) for found, boxes in zip(seen, candidates, strict=True)]
    closer = look(network, pictures, [redrawn for _, redrawn, _ in kept], size)
    return [
        torch.where((confidence.mean(1) >= sure)[:, None], redrawn, boxes)
        for (boxes, redrawn, sure), (_, confidence) in zip(kept, closer, strict=True)
    ]


def _surest(keypoints: Tensor, confidence: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The figures of which the network is sure, of keypoints (N, 18, 2) and confidence (N, 18) in N boxes.

    Returns:
        their boxes (M, 4), boxes drawn anew round their joints (M, 4), and how sure it is (M,).
    """
    if not len(boxes):
        return boxes, boxes, boxes.new_zeros(0)
    redrawn = torch.stack([box_round(*row) for row in zip(keypoints, confidence, boxes, strict=True)])
    figures = torch.stack([extent(*row) for row in zip(keypoints, confidence, strict=True)])
    sure = confidence.mean(1)
    order = [i for i in suppress(figures, sure).tolist() if sure[i] >= max(SURE, RELATIVE * float(sure.max()))]
    kept: list[int] = []
    for i in order:
        inside = [_share_inside(figures[i], figures[j]) for j in kept]
        if not inside or max(inside) < INSIDE:
            kept.append(i)
    chosen = torch.tensor(kept, dtype=torch.long)
    return boxes[chosen], redrawn[chosen], sure[chosen]


def _share_inside(box: Tensor, other: Tensor) -> float:
    """The share of a box's area that lies in another."""
    common = (torch.minimum(box[2:], other[2:]) - torch.maximum(box[:2], other[:2])).clamp_min(0).prod()
    return float(common / (box[2:] - box[:2]).prod().clamp_min(1e-9))


def with_margin(boxes: Tensor) -> Tensor:
    """Boxes (N, 4) of figures, `MARGIN` times as large: what a pose network is shown.

    >>> with_margin(torch.tensor([[0.0, 0.0, 80.0, 160.0]])).tolist()
    [[-20.0, -20.0, 100.0, 180.0]]
    """
    room = (MARGIN - 1) / 2 * (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)
    return torch.cat([boxes[:, :2] - room, boxes[:, 2:] + room], 1)


def suppress(boxes: Tensor, scores: Tensor) -> Tensor:
    """Indices of the boxes that stay, the likeliest first: none overlaps a likelier one by more than `OVERLAP`.

    Args:
        boxes: (N, 4) corners.
        scores: (N,).

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
    >>> suppress(boxes, torch.tensor([0.5, 0.9, 0.4])).tolist()
    [1, 2]
    """
    order = scores.argsort(descending=True, stable=True)[: 20 * MOST]
    overlap = intersection_over_union(boxes[order], boxes[order])
    kept: list[int] = []
    free = torch.ones(len(order), dtype=torch.bool)
    for row in range(len(order)):
        if free[row]:
            kept.append(row)
            free &= overlap[row] <= OVERLAP
    return order[torch.tensor(kept, dtype=torch.long)]


def intersection_over_union(a: Tensor, b: Tensor) -> Tensor:
    """(N, M) of corner boxes (N, 4) and (M, 4).

    >>> intersection_over_union(torch.tensor([[0.0, 0, 2, 1]]), torch.tensor([[1.0, 0, 3, 1]])).item()
    0.3333333432674408
    """
    low, high = torch.maximum(a[:, None, :2], b[None, :, :2]), torch.minimum(a[:, None, 2:], b[None, :, 2:])
    common = (high - low).clamp_min(0).prod(-1)
    areas = [(x[:, 2:] - x[:, :2]).clamp_min(0).prod(-1) for x in (a, b)]
    return common / (areas[0][:, None] + areas[1][None] - common).clamp_min(1e-9)
