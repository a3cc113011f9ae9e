"""What a metric returns, the steps that all metrics share, and the interval of a mean."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from napa_lib.geometry.precision import check_floating, common_precision


@dataclass(frozen=True, eq=False)
class MetricResult:
    """What a metric found.

    Attributes:
        total: mean over the counted joints of all poses; 0-dimensional.
        per_joint: (J,) mean of each joint over the poses; NaN for a joint that was never counted.
        per_pose: (B,) mean of each pose over its joints, leading dimensions flattened; NaN for a pose without any.
        counted: how many joints were counted, over all poses.
        joint_counts: (J,) in how many poses each joint was counted.
        pose_counts: (B,) how many joints of each pose were counted.
        normaliser: what distances were divided by or compared with, a 0-dimensional tensor or one entry a pose (B,).
    """

    total: Tensor
    per_joint: Tensor
    per_pose: Tensor
    counted: int
    joint_counts: Tensor
    pose_counts: Tensor
    normaliser: Tensor


def check_pair(prediction: Tensor, target: Tensor) -> None:
    for name, value in (("prediction", prediction), ("target", target)):
        check_floating(name, value)
        if value.ndim < 2 or value.shape[-1] not in (2, 3):
            raise ValueError(f"{name} must be floating (..., J, 2 or 3), got {value.dtype} {tuple(value.shape)}")
    if prediction.shape != target.shape:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"prediction and target must have the same shape, got {shapes}")


def relative_to(pose: Tensor, root: int | None) -> Tensor:
    """A pose with one joint laid at the origin. What is infinite, or relative to that, stays infinite: no NaN of it."""
    if root is None:
        return pose
    check_floating("pose", pose)
    if pose.ndim < 2 or not isinstance(root, Integral) or not -pose.shape[-2] <= root < pose.shape[-2]:
        raise ValueError(
            f"root must be the index of a joint of poses (..., J, D), got {root!r} for {tuple(pose.shape)}"
        )
    origin = pose[..., root, None, :]
    away = (pose.isinf() | origin.isinf()) & ~(pose.isnan() | origin.isnan())
    return torch.where(away, torch.inf, pose - origin)


def joint_distances(prediction: Tensor, target: Tensor) -> Tensor:
    """Euclidean distance of each joint, (B, J); NaN where the joint is missing, without a NaN gradient.

    Infinite where a coordinate is: a prediction that ran away is wrong, not missing. In float32 at least: the square of
    a picture's width, or a sum over a test set, overflows half precision.
    """
    check_pair(prediction, target)
    prediction, target = common_precision(prediction, target)
    missing = (prediction.isnan() | target.isnan()).any(-1, keepdim=True)
    infinite = (prediction.isinf() | target.isinf()).any(-1, keepdim=True)
    offsets = (prediction - target).masked_fill(missing | infinite, 0.0)
    distance = torch.linalg.vector_norm(offsets, dim=-1)
    distance = distance.masked_fill(infinite.squeeze(-1), torch.inf).masked_fill(missing.squeeze(-1), torch.nan)
    return distance.reshape(-1, target.shape[-2])


def summarize(values: Tensor, normaliser: Tensor) -> MetricResult:
    """Means of (B, J) values with NaN for what is not counted."""
    counted = ~values.isnan()
    values = values.masked_fill(~counted, 0.0)

    def mean(dims: tuple[int, ...]) -> Tensor:
        count = counted.sum(dims)
        return (values.sum(dims) / count.clamp(min=1)).masked_fill(count == 0, torch.nan)

    joint_counts, pose_counts = counted.sum(0), counted.sum(1)
    number = int(pose_counts.sum())
    return MetricResult(mean((0, 1)), mean((0,)), mean((1,)), number, joint_counts, pose_counts, normaliser)


def bootstrap_interval(
    values: Tensor, generator: torch.Generator, weights: Tensor | None = None, confidence: float = 0.95
) -> tuple[float, float, float]:
    """The weighted mean of a sample and its percentile bootstrap interval, from 1000 resamples.

    For a metric's total, resampling the poses: `bootstrap_interval(result.per_pose, generator, result.pose_counts)`.

    Args:
        values: (N,); NaN entries are left out.
        generator: source of the resamples.
        weights: (N,) not negative; None for equal ones.
        confidence: in (0, 1).

    Returns:
        (mean, low, high); all NaN when nothing is left.

    Raises:
        ValueError: if the shapes are not (N,), a weight is negative, or confidence is not in (0, 1).

    Source: Efron and Tibshirani (1993), chapter 13.

    >>> bootstrap_interval(torch.tensor([2.0, 2.0, torch.nan]), torch.Generator().manual_seed(0))
    (2.0, 2.0, 2.0)
    """
    weights = torch.ones_like(values) if weights is None else weights.to(values)
    if values.ndim != 1 or weights.shape != values.shape:
        raise ValueError(f"values and weights must be (N,), got {tuple(values.shape)} and {tuple(weights.shape)}")
    if bool((weights < 0).any()):
        raise ValueError(f"weights must not be negative, got {weights.min().item():.4g}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    kept = ~values.isnan() & (weights > 0)
    values, weights = values[kept].cpu().double(), weights[kept].cpu().double()
    if not len(values):
        return (float("nan"),) * 3
    weighted, means = values * weights, []
    for _ in range(1000):
        chosen = torch.randint(len(values), (len(values),), generator=generator)
        means.append(weighted[chosen].sum() / weights[chosen].sum())
    tail = (1 - confidence) / 2
    # between two infinities there is nothing to interpolate
    way = "linear" if bool(values.isfinite().all()) else "nearest"
    ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
    low, high = torch.stack(means).quantile(ends, interpolation=way).tolist()
    return (weighted.sum() / weights.sum()).item(), low, high
