"""Pinhole cameras with lens distortion, weak perspective, and points from several views.

Camera axes: x right, y down, z away from the viewer. Pixels: the centre of the top-left one is (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.geometry.precision import check_floating, in_full_precision, widened


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera, or a batch of them in the leading dimensions of K, R and t.

    A world point x_w has camera coordinates x_c = R x_w + t.

    Attributes:
        K: (..., 3, 3) intrinsics in pixels, last row (0, 0, 1).
        R: (..., 3, 3) rotation from world to camera axes.
        t: (..., 3) in the world's unit, mm throughout this library. The camera's centre is -R^T t.
        distortion: Brown's (k1, k2, p1, p2) or (k1, k2, p1, p2, k3), radial and tangential, in OpenCV's order.
            (Human3.6M's files have k1, k2, k3 and p1, p2 apart.)
        size: (width, height) of its pictures in pixels.
    """

    K: Tensor
    R: Tensor
    t: Tensor
    distortion: tuple[float, ...]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        for name, last in (("K", (3, 3)), ("R", (3, 3)), ("t", (3,))):
            value = getattr(self, name)
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            if shape[-len(last) :] != last:
                raise ValueError(f"{name} must end in {last}, got {shape}")
        if len(self.distortion) not in (4, 5):
            raise ValueError(f"distortion must be (k1, k2, p1, p2) or (k1, k2, p1, p2, k3), got {self.distortion}")
        if len(self.size) != 2 or min(self.size) <= 0:
            raise ValueError(f"size must be a positive (width, height), got {self.size}")


def _check_points(points: Tensor, name: str, last: int) -> None:
    check_floating(name, points)
    if points.ndim < 2 or points.shape[-1] != last:
        raise ValueError(f"{name} must be floating (..., N, {last}), got {points.dtype} {tuple(points.shape)}")


def _distort(x: Tensor, y: Tensor, distortion: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    k1, k2, p1, p2, k3 = (*distortion, 0.0)[:5]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


@in_full_precision
def project_perspective(points: Tensor, camera: Camera) -> Tensor:
    """Where world points appear in the camera's picture.

        (X, Y, Z) = R x_w + t,  (x, y) = distort(X / Z, Y / Z),  (u, v) = K (x, y, 1)

    Args:
        points: (..., N, 3) in the world frame, mm.
        camera: its leading dimensions, if any, broadcast against those of `points`.

    Returns:
        (..., N, 2) pixels, inside the picture or not. A NaN point, and one that is not in front of the camera (Z <= 0),
        gives NaN.

    Raises:
        ValueError: if `points` is not floating (..., N, 3).

    Source: Brown (1971), in OpenCV's notation.

    >>> camera = Camera(torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]]), torch.eye(3), torch.zeros(3),
    ...                 (0.0, 0.0, 0.0, 0.0), (101, 81))
    >>> project_perspective(torch.tensor([[1.0, -1.0, 10.0], [0.0, 0.0, -5.0]]), camera).tolist()
    [[60.0, 30.0], [nan, nan]]
    """
    _check_points(points, "points", 3)
    missing = points.isnan().any(-1, keepdim=True)
    x_c = points.masked_fill(missing, 0.0) @ camera.R.to(points).mT + camera.t.to(points)[..., None, :]
    unseen = missing | (x_c[..., 2:] <= 0)
    depth = torch.where(unseen, 1.0, x_c[..., 2:])
    x, y = (x_c[..., :2].masked_fill(unseen, 0.0) / depth).unbind(-1)
    xy = torch.stack(_distort(x, y, camera.distortion), -1)
    intrinsics = camera.K.to(points)
    pixels = xy @ intrinsics[..., :2, :2].mT + intrinsics[..., None, :2, 2]
    return pixels.masked_fill(unseen, torch.nan)


def project_weak_perspective(points: Tensor, scale: Tensor | float, offset: Tensor | float = 0.0) -> Tensor:
    """Projection along z with one scale for the whole body: x = s X + o, y = s Y + o.

    It is the perspective picture of a body whose depth is small against its distance.

    Args:
        points: (..., N, 3) in camera axes, mm.
        scale: pixels per mm, a number or (...).
        offset: where the origin goes, in pixels, a number or (..., 2).

    Returns:
        (..., N, 2) pixels; NaN points stay NaN.

    Raises:
        ValueError: if `points` is not floating (..., N, 3).

    >>> project_weak_perspective(torch.tensor([[10.0, -20.0, 5.0]]), 0.5, torch.tensor([100.0, 100.0])).tolist()
    [[105.0, 90.0]]
    """
    _check_points(points, "points", 3)
    scale = torch.as_tensor(scale, dtype=points.dtype, device=points.device)
    offset = torch.as_tensor(offset, dtype=points.dtype, device=points.device)
    missing = points.isnan().any(-1, keepdim=True)
    xy = points[..., :2].masked_fill(missing, 0.0) * scale[..., None, None]
    return (xy + (offset[..., None, :] if offset.ndim else offset)).masked_fill(missing, torch.nan)


@in_full_precision
def look_at(position: Tensor, target: Tensor, up: Tensor, focal: float, size: tuple[int, int]) -> Camera:
    """An undistorted camera at `position` that sees `target` in the middle of its picture.

    Args:
        position: (..., 3) the camera's centre in the world, mm.
        target: (..., 3) the point it looks at.
        up: (..., 3) the world's upward direction, which the picture shows as up (-y). Where it is the line of sight,
            some other direction is taken.
        focal: focal length in pixels.
        size: (width, height) in pixels.

    Returns:
        A `Camera` with the leading dimensions of `position`.

    Raises:
        ValueError: if a vector is not floating or does not end in 3, position and target coincide, or focal or size is
            not positive.

    >>> position, up = torch.tensor([0.0, -3000.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    >>> camera = look_at(position, torch.zeros(3), up, focal=500.0, size=(201, 201))
    >>> project_perspective(torch.tensor([[0.0, 0.0, 0.0], [300.0, 0.0, 300.0]]), camera).tolist()
    [[100.0, 100.0], [150.0, 50.0]]
    """
    for name, vector in (("position", position), ("target", target), ("up", up)):
        check_floating(name, vector)
        if vector.ndim < 1 or vector.shape[-1] != 3:
            raise ValueError(f"{name} must end in 3, got {tuple(vector.shape)}")
    if not 0 < focal < float("inf"):
        raise ValueError(f"focal must be positive, got {focal}")
    dtype = torch.promote_types(torch.promote_types(position.dtype, target.dtype), up.dtype)
    position, target, up = torch.broadcast_tensors(position.to(dtype), target.to(dtype), up.to(dtype))
    if (position == target).all(-1).any():
        raise ValueError("position and target must differ")
    forward = torch.nn.functional.normalize(target - position, dim=-1)
    spare = torch.eye(3, dtype=forward.dtype, device=forward.device)[forward.abs().argmin(-1)]
    right = torch.linalg.cross(forward, torch.nn.functional.normalize(up, dim=-1))
    right = torch.where(right.norm(dim=-1, keepdim=True) > 1e-4, right, torch.linalg.cross(forward, spare))
    right = torch.nn.functional.normalize(right, dim=-1)
    rotation = torch.stack([right, torch.linalg.cross(forward, right), forward], -2)
    translation = -(rotation @ position[..., None]).squeeze(-1)
    centre = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    intrinsics = rotation.new_tensor([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])
    return Camera(intrinsics.expand_as(rotation), rotation, translation, (0.0, 0.0, 0.0, 0.0), size)


@in_full_precision
def undistort(pixels: Tensor, camera: Camera) -> Tensor:
    """Lines of sight of pixels: the (X / Z, Y / Z) that `project_perspective` sends there.

    Brown's distortion has no closed inverse; x <- x + (observed - distort(x)) is iterated, which converges to rounding
    for lenses whose distortion is a few per cent of the picture.

    Args:
        pixels: (..., N, 2).
        camera: its leading dimensions broadcast against those of `pixels`.

    Returns:
        (..., N, 2) without unit; NaN stays NaN.

    Raises:
        ValueError: if `pixels` is not floating (..., N, 2).
    """
    _check_points(pixels, "pixels", 2)
    missing = pixels.isnan().any(-1, keepdim=True)
    pixels, intrinsics = pixels.masked_fill(missing, 0.0), camera.K.to(pixels)
    inverse = torch.linalg.inv(widened(intrinsics[..., :2, :2])).to(pixels)
    observed = (pixels - intrinsics[..., None, :2, 2]) @ inverse.mT
    estimate = observed
    for _ in range(20 if any(camera.distortion) else 0):
        x, y = estimate.unbind(-1)
        estimate = estimate + observed - torch.stack(_distort(x, y, camera.distortion), -1)
    return estimate.masked_fill(missing, torch.nan)


def _lines_of_sight(pixels: Tensor, camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """What one view says of a point p, as rows p = right, and how to read its depth; `pixels` has no NaN."""
    xy = undistort(pixels, camera)[..., None]  # (..., N, 2, 1)
    rotation, translation = camera.R.to(xy), camera.t.to(xy)
    rows = rotation[:2] - xy * rotation[2]  # (..., N, 2, 3)
    right = xy.squeeze(-1) * translation[2] - translation[:2]  # (..., N, 2)
    return rows, right, torch.cat([rotation[2], translation[2:]])


@in_full_precision
def triangulate(pixels: Tensor, cameras: Sequence[Camera], confidence: Tensor | None = None) -> Tensor:
    """World points from their pictures in several cameras: linear least squares (DLT), reweighted by depth.

    A view at (x, y) after undistortion says (r1 - x r3) p + t1 - x t3 = 0 and the same for y. The left side is the
    error in the picture times the point's depth, so three further solutions divide each view's rows by the depth of the
    last one: the point then has the least squared error in the pictures (x and y, not pixels) but for second-order
    terms, each error times its view's confidence. A pixel that is NaN (a joint missing in that view) or infinite is
    left out.

    Args:
        pixels: (V, ..., N, 2), one entry a camera.
        cameras: V cameras, not batched.
        confidence: (V, ..., N) finite, not negative: how far each view is trusted; 0 or NaN leaves it out. None for
            equally.

    Returns:
        (..., N, 3) in the world's unit; NaN where fewer than two views see the point, or their lines of sight are
        parallel.

    Raises:
        ValueError: if the number of cameras is not V, or below two, one is a batch, or the confidence has another
            shape, is negative or infinite.

    Source: Hartley and Sturm (1997), Iterative-LS; the confidences as in Iskakov et al. (2019), section 3.1.
    """
    _check_points(pixels, "pixels", 2)
    if len(cameras) < 2 or len(cameras) != pixels.shape[0]:
        raise ValueError(f"cameras must be as many as views, at least 2; got {len(cameras)} for {tuple(pixels.shape)}")
    if any(camera.K.ndim > 2 or camera.R.ndim > 2 or camera.t.ndim > 1 for camera in cameras):
        raise ValueError("cameras must not be batches: give each camera's K (3, 3), R (3, 3) and t (3,)")
    exact = widened(pixels)
    trust = torch.ones_like(exact[..., 0]) if confidence is None else confidence.to(exact)
    if trust.shape != exact.shape[:-1]:
        raise ValueError(f"confidence must be {tuple(exact.shape[:-1])}, got {tuple(trust.shape)}")
    if bool(((trust < 0) | trust.isinf()).any()):
        raise ValueError(f"confidence must be finite and not negative, got {trust.min():.3g} to {trust.max():.3g}")
    missing = ~exact.isfinite().all(-1)
    trust = trust.nan_to_num(0.0).masked_fill(missing, 0.0)
    filled = exact.masked_fill(missing[..., None], 0.0)
    views = [_lines_of_sight(view, camera) for view, camera in zip(filled, cameras, strict=True)]
    rows, right, depth = (torch.stack(parts) for parts in zip(*views, strict=True))  # (V, ..., N, 2, 3) ...
    seen = trust > 0
    told = rows * seen[..., None, None]
    unknown = (seen.sum(0) < 2) | (torch.linalg.det((told.mT @ told).sum(0)) <= 1e-12 * seen.sum(0) ** 3)
    spare = unknown[..., None, None] * torch.eye(3, dtype=rows.dtype, device=rows.device)
    weight = trust[..., None]
    for _ in range(4):
        a, b = rows * weight[..., None], right * weight
        left, known = (a.mT @ a).sum(0) + spare, (a.mT @ b[..., None]).sum(0).squeeze(-1)
        points = torch.linalg.solve_ex(left, known).result  # a view far out of the picture takes no other point along
        direction = depth.reshape(-1, *(1,) * (points.ndim - 1), 4)
        z = (points * direction[..., :3]).sum(-1, keepdim=True) + direction[..., 3:]
        weight = trust[..., None] / torch.where(z.abs() > 1e-6, z, 1.0)
    lost = unknown[..., None] | ~points.isfinite().all(-1, keepdim=True)
    return points.masked_fill(lost, torch.nan).to(pixels.dtype)
