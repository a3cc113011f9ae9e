"""What the pose network G is trained to make small; a missing joint (NaN) is left out everywhere."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from napa_lib.networks.heatmaps import STRIDE, cells_to_pixels, soft_argmax
from napa_lib.networks.pose_net import PosePrediction


def integral_loss(prediction: Tensor, target: Tensor, size: int) -> Tensor:
    """L_2d: the mean absolute difference between expected and true positions, as a share of the crop's side.

    Args:
        prediction: (B, J, 2) pixels, from `soft_argmax`.
        target: (B, J, 2) pixels; missing joints NaN.
        size: side of the crop in pixels.

    Returns:
        scalar; 0 where no joint is labelled.

    Source: NAPA, section 3.2, L_2d: the integral loss of Sun et al., 2018 (their L1 variant).

    >>> integral_loss(torch.zeros(1, 2, 2), torch.tensor([[[8.0, 0.0], [torch.nan, 0.0]]]), size=32)
    tensor(0.1250)
    """
    seen = ~target.isnan().any(-1, keepdim=True)
    difference = (prediction - target.where(seen, 0.0)).abs().where(seen, 0.0)
    return difference.sum() / (2 * seen.sum().clamp(min=1)) / size


def heatmap_loss(heatmaps: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy between a Gaussian of one cell round the true position and the heat map's softmax.

    The integral alone leaves open what a map looks like: two half peaks left and right of a joint have the right
    expectation. This term asks for one peak; and it starts training where the integral's gradient is still small.

    Args:
        heatmaps: (B, J, H, W) scores.
        target: (B, J, 2) pixels of the picture, `STRIDE` times as fine as the cells; missing joints NaN.

    Returns:
        scalar, in nats above the Gaussian's own entropy on the grid (so that 0 is perfect).
    """
    height, width = heatmaps.shape[2:]
    seen = ~target.isnan().any(-1)
    cells = (target.where(seen[..., None], 0.0) - (STRIDE - 1) / 2) / STRIDE
    x = torch.arange(width, dtype=heatmaps.dtype, device=heatmaps.device) - cells[..., :1]
    y = torch.arange(height, dtype=heatmaps.dtype, device=heatmaps.device) - cells[..., 1:]
    qx, qy = (-x.square() / 2).softmax(-1), (-y.square() / 2).softmax(-1)
    q = (qy[..., :, None] * qx[..., None, :]).flatten(2)
    entropy = -(qx * qx.clamp_min(1e-12).log()).sum(-1) - (qy * qy.clamp_min(1e-12).log()).sum(-1)
    cross = -(q * heatmaps.flatten(2).log_softmax(-1)).sum(-1)
    return (cross - entropy).where(seen, 0.0).sum() / seen.sum().clamp(min=1)


def confidence_loss(confidence: Tensor, prediction: Tensor, target: Tensor, size: int) -> Tensor:
    """Binary cross-entropy of "the joint is there, and this is about where": within 5 % of the crop's side.

    A joint without a label counts as not there: it lies outside the crop, or the crop shows nobody.

    Args:
        confidence: (B, J) logits.
        prediction: (B, J, 2) pixels; no gradient flows into it.
        target: (B, J, 2) pixels; missing joints NaN.
        size: side of the crop in pixels.
    """
    distance = (prediction.detach() - target).norm(dim=-1)
    hit = (distance < 0.05 * size).to(confidence)  # NaN compares false
    return binary_cross_entropy_with_logits(confidence, hit)


def map_losses(heatmaps: Tensor, target: Tensor, size: int) -> dict[str, Tensor]:
    """The heat maps' cross-entropy and L_2d of scores (B, J, H, W); target (B, J, 2) pixels, missing joints NaN."""
    return {
        "heatmaps": heatmap_loss(heatmaps, target),
        "integral": integral_loss(cells_to_pixels(soft_argmax(heatmaps)), target, size),
    }


def pose_losses(found: PosePrediction, target: Tensor, size: int) -> dict[str, Tensor]:
    """The heat maps' cross-entropy, L_2d and the confidence loss of a prediction.

    Args:
        found: of the network.
        target: (B, J, 2) pixels: NaN for a joint that is not in the crop, inf for one of which nobody knows.
        size: side of the crop in pixels.
    """
    known = ~target.isinf().any(-1)
    placed = target.where(known[..., None], torch.nan)
    confidence = confidence_loss(found.confidence[known], found.keypoints[known], target[known], size)
    return map_losses(found.heatmaps, placed, size) | {"confidence": confidence}
