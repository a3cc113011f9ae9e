"""How many joints are right: PCK and its relatives."""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.metrics.results import MetricResult, check_pair, joint_distances, relative_to, summarize


def _per_pose(scale: Tensor | float, name: str, target: Tensor) -> Tensor:
    """`scale` as (B,), one a pose. Raises ValueError unless it is positive and fits the leading dimensions."""
    precise = torch.promote_types(target.dtype, torch.float32)
    try:
        scale = torch.as_tensor(scale, dtype=precise, device=target.device)
    except (TypeError, ValueError, RuntimeError) as error:  # None, for a data set that does not tell it
        raise ValueError(f"{name} must be a number or a tensor, got {scale!r:.80}: {error}") from None
    if scale.ndim and scale.shape != target.shape[:-2]:
        raise ValueError(f"{name} must be a number or {tuple(target.shape[:-2])}, got {tuple(scale.shape)}")
    if (scale <= 0).any() or scale.isinf().any():
        odd = scale[(scale <= 0) | scale.isinf()].flatten()[0].item()
        raise ValueError(f"{name} must be {'finite' if odd > 0 else 'positive'}, got {odd}")
    return scale.expand(target.shape[:-2]).reshape(-1)


def _check_dimensions(prediction: Tensor, target: Tensor, dims: int, unit: str) -> None:
    """Raise ValueError for other than (..., J, dims): x, y and a confidence, as COCO has them, are no 3D pose."""
    check_pair(prediction, target)
    if target.shape[-1] != dims:
        raise ValueError(f"prediction and target must be (..., J, {dims}) {unit}, got {tuple(target.shape)}")


def _check_threshold(threshold: float) -> None:
    if not 0 < threshold < float("inf"):
        raise ValueError(f"threshold must be {'finite' if threshold > 0 else 'positive'}, got {threshold}")


def _rate(distances: Tensor, limit: Tensor) -> MetricResult:
    """Fraction of distances below the limit (strictly), which is one number or one a pose."""
    lost = (distances + limit[:, None] if limit.ndim else distances).isnan()
    hits = (distances < (limit[:, None] if limit.ndim else limit)).to(distances.dtype)
    return summarize(hits.masked_fill(lost, torch.nan), limit)


def pck(prediction: Tensor, target: Tensor, threshold: float, scale: Tensor | float = 1.0) -> MetricResult:
    """Percentage of correct keypoints, as a fraction: joints closer to the truth than threshold x scale (strictly).

    Args:
        prediction: (..., J, 2 or 3).
        target: the same shape and unit.
        threshold: the fraction of the scale; with a scale of 1, a distance in the unit of the poses.
        scale: a length for each pose (...), or one for all: head size, torso length, box size; NaN leaves the pose out.

    Returns:
        Rates in [0, 1]; `normaliser` is threshold x scale, (B,).

    Raises:
        ValueError: if the shapes do not fit, or threshold or scale is not positive.

    Source: FlexPose, section 4 (PCK-rho, scale 1); Yang and Ramanan (2013).

    >>> target = torch.tensor([[[0.0, 0.0], [4.0, 0.0], [9.0, 9.0]]])
    >>> prediction = torch.tensor([[[0.0, 4.9], [9.0, 0.0], [torch.nan, torch.nan]]])
    >>> result = pck(prediction, target, threshold=0.5, scale=10.0)
    >>> result.total.item(), result.counted
    (0.5, 2)
    """
    _check_threshold(threshold)
    distances = joint_distances(prediction, target)
    return _rate(distances, threshold * _per_pose(scale, "scale", target))


def pckh(prediction: Tensor, target: Tensor, head_size: Tensor | float, threshold: float = 0.5) -> MetricResult:
    """PCK against the size of the head: joints closer than threshold x head size (strictly). PCKh@0.5, PCKh@0.25.

    MPII's head size is 0.6 x the diagonal of the head box. MPII's "mean" leaves pelvis and thorax out and weighs joints
    by their count: give it the other 14 joints and read `total`. Other toolkits average joints equally:
    `per_joint.mean()`.

    Args:
        prediction: (..., J, 2) pixels.
        target: the same shape.
        head_size: (...) pixels, one a pose; NaN leaves the pose out.
        threshold: fraction of the head size.

    Returns:
        Rates in [0, 1]; `normaliser` is threshold x head size, (B,).

    Raises:
        ValueError: if the shapes do not fit, or threshold or head_size is not positive.

    Source: Andriluka et al. (2014); NAPA, section 4 (PCKh@0.25).

    >>> target = torch.zeros(1, 2, 2)
    >>> prediction = torch.tensor([[[30.0, 0.0], [29.9, 0.0]]])
    >>> pckh(prediction, target, head_size=torch.tensor([60.0])).per_joint.tolist()
    [0.0, 1.0]
    """
    _check_threshold(threshold)
    _check_dimensions(prediction, target, 2, "pixels")
    distances = joint_distances(prediction, target)
    return _rate(distances, threshold * _per_pose(head_size, "head_size", target))


def pck3d(prediction: Tensor, target: Tensor, threshold: float = 150.0, root: int | None = None) -> MetricResult:
    """3DPCK: joints closer to the truth than `threshold` millimetres (strictly).

    Args:
        prediction: (..., J, 3) mm.
        target: the same shape.
        threshold: mm; 150 for MPI-INF-3DHP and MuPoTS-3D root-relative, 250 for MuPoTS-3D's absolute variant.
        root: as in `mpjpe`.

    Returns:
        Rates in [0, 1]; `normaliser` is the threshold.

    Raises:
        ValueError: if the shapes do not fit or threshold is not positive.

    Source: CrossModal, section 4 (3DPCK_rel, 15 cm; 3DPCK_abs, 25 cm); Mehta et al. (2017).

    >>> target = torch.zeros(1, 2, 3)
    >>> pck3d(target + torch.tensor([[150.0, 0.0, 0.0], [149.0, 0.0, 0.0]]), target).per_joint.tolist()
    [0.0, 1.0]
    """
    _check_threshold(threshold)
    _check_dimensions(prediction, target, 3, "mm")
    distances = joint_distances(relative_to(prediction, root), relative_to(target, root))
    return _rate(distances, distances.new_tensor(threshold))


def auc(prediction: Tensor, target: Tensor, root: int | None = None) -> MetricResult:
    """Area under the 3DPCK curve: its mean over the 31 thresholds 0, 5, ..., 150 mm.

    At 0 no joint is correct, since the comparison is strict, so that the highest value is 30/31.

    Args:
        prediction: (..., J, 3) mm.
        target: the same shape.
        root: as in `mpjpe`.

    Returns:
        Values in [0, 1]; `normaliser` is the 31 thresholds in mm.

    Raises:
        ValueError: if the shapes do not fit.

    Source: Mehta et al. (2017), MPI-INF-3DHP's evaluation.

    >>> target = torch.zeros(1, 1, 3)
    >>> round(auc(target, target).total.item() * 31, 4)
    30.0
    """
    _check_dimensions(prediction, target, 3, "mm")
    distances = joint_distances(relative_to(prediction, root), relative_to(target, root))
    thresholds = torch.arange(0, 151, 5, dtype=distances.dtype, device=distances.device)
    failed = torch.bucketize(distances.nan_to_num(), thresholds, right=True)  # thresholds at or below the distance
    return summarize(((31 - failed).to(distances.dtype) / 31).masked_fill(distances.isnan(), torch.nan), thresholds)
