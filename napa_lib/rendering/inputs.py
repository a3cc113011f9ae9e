"""What every renderer asks of its input, checked once: shapes, sizes, bones, and what counts as a missing joint."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napa_lib.geometry.precision import check_floating


def image_size(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) of a picture given as one side or as (height, width); ValueError if a side is not an int > 0."""
    sides = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(sides) != 2 or not all(isinstance(s, int) and not isinstance(s, bool) and s > 0 for s in sides):
        raise ValueError(f"size must be an int > 0 or (height, width) of such, got {size!r}")
    return sides


def check_points(name: str, points: Tensor, layout: str = "(B, J, 2)", joints: int | None = None) -> None:
    """ValueError unless `points` is a floating tensor of the given layout and, where told, with that many joints."""
    dims = layout.count(",") + 1
    check_floating(name, points)
    if points.ndim != dims or points.shape[-1] != 2:
        raise ValueError(f"{name} must be {layout}, got {tuple(points.shape)}")
    if joints is not None and points.shape[-2] != joints:
        raise ValueError(f"{name} must have the skeleton's {joints} joints, got {points.shape[-2]}")


def check_positive(name: str, value: float) -> None:
    """ValueError unless `value` is a finite number above zero."""
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{name} must be > 0, got {value}")


def bone_indices(edges: Sequence[Sequence[int]], num_joints: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Start and end joint of each edge, two (K,) index tensors; ValueError for a joint that is not there."""
    pairs = [tuple(edge) for edge in edges]
    if not pairs or any(len(pair) != 2 or not all(0 <= joint < num_joints for joint in pair) for pair in pairs):
        raise ValueError(f"edges must be pairs of joints in 0..{num_joints - 1}, at least one, got {pairs}")
    start, end = torch.tensor(pairs, device=device).T
    return start, end


def without_missing(points: Tensor) -> tuple[Tensor, Tensor]:
    """(points with missing ones at 0, (..., J) mask of those present): a coordinate that is not finite is missing.

    The zeros are constants, so no gradient, and no NaN, reaches a missing point.
    """
    present = points.isfinite().all(-1)
    return torch.where(present[..., None], points, torch.zeros_like(points)), present


def working_dtype(points: Tensor) -> torch.dtype:
    """float32 for half precision, which cannot tell neighbouring pixels of a large picture apart; else the own one."""
    return torch.promote_types(points.dtype, torch.float32)
