"""The similarity that lays one 3D point set over another (Procrustes).

The rotation comes from a closed form, not from an SVD per pose: it is several times faster in a batch, and it has the
gradient of the rotation itself, where an SVD's is infinite as soon as two singular values are equal. Inside, 3 x 3
matrices stand as (3, 3, N), the batch last, so that each operation runs over N contiguous numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.geometry.precision import check_floating, common_precision, in_full_precision, widened

FARTHEST = 1e18  # what is farther away counts as infinite: sums of its squares overflow float32


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    return (a[:, :, None] * b[None]).sum(1)


def _cofactor(m: Tensor) -> Tensor:
    a, b, c = m
    return torch.stack([torch.linalg.cross(u, v, dim=0) for u, v in ((b, c), (c, a), (a, b))])


def _nearest_orthogonal(m: Tensor) -> Tensor:
    """One Newton step towards the rotation nearest to m, which must be close to one: the error e becomes e²/2."""
    cofactor = _cofactor(m)
    return (m + cofactor / (m[0] * cofactor[0]).sum(0)) / 2


def _largest_root(squares: Tensor, det: Tensor, minors: Tensor) -> Tensor:
    """Largest root of (l² - squares)² - 8 det l - 4 minors: Newton's method from above, where it cannot overshoot.

    Quadratic at a simple root; towards a double one the distance halves a step, so that 20 settle any gap above 1e-4.
    """
    root = (3 * squares).sqrt()
    for _ in range(20):
        excess = root * root - squares
        slope = 4 * (root * excess - 2 * det)
        value = excess * excess - 8 * det * root - 4 * minors
        root = root - torch.where(slope > 0, value / torch.where(slope > 0, slope, 1.0), 0.0)
    return root


def _svd_rotation(h: Tensor) -> Tensor:
    """The same as `_best_rotation` for any H, slower: U diag(1, 1, det UV) V^T of H = U S V^T (Kabsch)."""
    u, _, vh = torch.linalg.svd(h.permute(2, 0, 1))
    u[..., 2] = u[..., 2] * torch.linalg.det(u @ vh)[:, None]
    return (u @ vh).permute(1, 2, 0)


def _best_rotation(h: Tensor) -> Tensor:
    """Rotation R that maximises trace(R^T H), for H as (3, 3, N), in float64 where there is that; no gradient.

    With l = trace(R^T H) at the optimum, the largest root of a quartic in the invariants of H (s1 + s2 + s3 in singular
    values, s3 negative if H mirrors), R is a polynomial in H:

        R = [(k + |H|²) H + l cof H - H H^T H] / (k l - det H),  k = (l² - |H|²) / 2

    The denominator is (s1 + s2)(s2 + s3)(s3 + s1): zero where many rotations are equally good (points on one line, the
    mirror image of a ball). The few matrices near that take the SVD instead.

    Source: Markley (1993), "Attitude determination using vector observations: a fast optimal matrix algorithm" (FOAM).
    """
    cofactor = _cofactor(h)
    squares, det = h.square().sum((0, 1)), (h[0] * cofactor[0]).sum(0)
    root = _largest_root(squares, det, cofactor.square().sum((0, 1)))
    k = (root * root - squares) / 2
    denominator = k * root - det
    hard = denominator <= 1e-4 * root**3
    rotation = (k + squares) * h + root * cofactor - _matmul(_matmul(h, h.transpose(0, 1)), h)
    rotation = _nearest_orthogonal(rotation / torch.where(hard, 1.0, denominator))
    if hard.any():
        rotation[..., hard] = _svd_rotation(h[..., hard])
    return rotation


def _refine(rotation: Tensor, h: Tensor) -> Tensor:
    """One Newton step from a near-optimal, constant rotation: it squares the error and carries the gradient.

    R is optimal where S = R^T H is symmetric. Turning R by a small w changes S - S^T by [(tr(S) I - S) w]x, so that
    w = (tr(S) I - S)^-1 axial(S - S^T): zero in value at the optimum, but with dR/dH as its derivative. Where the
    matrix is singular R is not unique; it is left as it is and is a constant for the gradient.
    """
    s = _matmul(rotation.transpose(0, 1), h)
    axial = torch.stack([s[2, 1] - s[1, 2], s[0, 2] - s[2, 0], s[1, 0] - s[0, 1]])
    fixed = (s + s.transpose(0, 1)).detach() / 2
    trace = fixed[0, 0] + fixed[1, 1] + fixed[2, 2]
    stiffness = trace * torch.eye(3, dtype=h.dtype, device=h.device)[..., None] - fixed
    cofactor = _cofactor(stiffness)
    det = (stiffness[0] * cofactor[0]).sum(0)
    unique = det > 1e-6 * trace.abs() ** 3
    w = (cofactor * axial).sum(1) / torch.where(unique, det, 1.0)
    x, y, z = torch.where(unique, w, 0.0)
    zero = torch.zeros_like(x)
    turn = torch.stack([torch.stack([zero, -z, y]), torch.stack([z, zero, -x]), torch.stack([-y, x, zero])])
    return _nearest_orthogonal(rotation + _matmul(rotation, turn))


def _check_pair(prediction: Tensor, target: Tensor) -> None:
    for name, value in (("prediction", prediction), ("target", target)):
        check_floating(name, value)
        if value.ndim < 2 or value.shape[-1] != 3:
            raise ValueError(f"{name} must be floating (..., J, 3), got {value.dtype} {tuple(value.shape)}")
    if prediction.shape != target.shape:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"prediction and target must have the same shape, got {shapes}")


def _components(pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates as (3, N, J), zero where not finite; which joints are missing, and which (as good as) infinite."""
    parts = pose.reshape(-1, *pose.shape[-2:]).permute(2, 0, 1).contiguous()
    missing = parts.isnan().any(0)
    infinite = (parts.abs() > FARTHEST).any(0) & ~missing
    return parts.masked_fill(missing | infinite, 0.0), missing, infinite


def _paired(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both in one dtype as (3, N, J), and the joints that cannot be used, (N, J)."""
    (x, *lost_x), (y, *lost_y) = (_components(pose) for pose in common_precision(prediction, target))
    return x, y, lost_x[0] | lost_x[1] | lost_y[0] | lost_y[1]


def _solve(x: Tensor, y: Tensor, missing: Tensor, scale: bool) -> tuple[Tensor, Tensor, Tensor]:
    """`similarity_transform` in components: scale (N), rotation (3, 3, N), translation (3, N)."""
    count = (~missing).sum(-1).clamp(min=1)
    x, y = x.masked_fill(missing, 0.0), y.masked_fill(missing, 0.0)
    mean_x, mean_y = x.sum(-1) / count, y.sum(-1) / count
    x = (x - mean_x[..., None]).masked_fill(missing, 0.0)
    y = (y - mean_y[..., None]).masked_fill(missing, 0.0)
    h = widened((y[:, None] * x[None]).sum(-1))
    rotation = _refine(_best_rotation(h.detach()), h)
    size = torch.ones_like(mean_x[0])
    if scale:
        spread, gain = x.square().sum((0, -1)), (rotation * h).sum((0, 1)).to(x.dtype)
        size = torch.where(spread > 0, gain / torch.where(spread > 0, spread, 1.0), 1.0)
    rotation = rotation.to(x.dtype)
    return size, rotation, mean_y - size * (rotation * mean_x).sum(1)


@in_full_precision
def similarity_transform(prediction: Tensor, target: Tensor, scale: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """The similarity that brings `prediction` closest to `target` in the least-squares sense, without mirroring.

        minimise over a, R, t:  sum_j |a R x_j + t - y_j|²,  det R = +1

    Joints that are NaN or infinite (or beyond 1e18) on either side are left out. Where the joints do not determine the
    answer (all equal, on one line, fewer than three) one of the best answers is returned, always finite: with nothing
    to go by, a = 1 and R is the identity.

    Args:
        prediction: (..., J, 3) the points x to move.
        target: (..., J, 3) where they should come to lie, y.
        scale: whether a may differ from 1.

    Returns:
        a (...), R (..., 3, 3), t (..., 3): x goes to a R x + t.

    Raises:
        ValueError: if the shapes differ or are not (..., J, 3).

    Source: Umeyama (1991), eq. 40-42.
    """
    _check_pair(prediction, target)
    x, y, unused = _paired(prediction, target)
    size, rotation, translation = _solve(x, y, unused, scale)
    batch, dtype = prediction.shape[:-2], torch.promote_types(prediction.dtype, target.dtype)
    rotation, translation = rotation.permute(2, 0, 1).reshape(*batch, 3, 3), translation.T.reshape(*batch, 3)
    return size.reshape(batch).to(dtype), rotation.to(dtype), translation.to(dtype)


@in_full_precision
def procrustes_align(prediction: Tensor, target: Tensor, scale: bool = True) -> Tensor:
    """`prediction` after the similarity that brings it closest to `target` (see `similarity_transform`).

    Args:
        prediction: (..., J, 3). A NaN joint stays NaN and an infinite one infinite; neither moves anything else.
        target: (..., J, 3). A NaN joint is not used; the prediction's joint is moved with the others.
        scale: whether the prediction's size may change; one lineage of papers aligns without.

    Returns:
        (..., J, 3) in the target's units; of two dtypes, the wider.

    Raises:
        ValueError: if the shapes differ or are not (..., J, 3).

    Source: NAPA, "MPJPE (w/ Procrustes Alignment)"; AdvPose, Protocol #2 ("aligned via a rigid transform").

    >>> target = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    >>> turned = 5.0 + 2.0 * target[:, [1, 2, 0]]
    >>> torch.allclose(procrustes_align(turned, target), target, atol=1e-5)
    True
    """
    _check_pair(prediction, target)
    x, y, unused = _paired(prediction, target)
    _, missing, infinite = _components(prediction)
    size, rotation, translation = _solve(x, y, unused, scale)
    dtype = torch.promote_types(prediction.dtype, target.dtype)
    matrix = (size * rotation)[..., None]
    aligned = matrix[:, 0] * x[0] + matrix[:, 1] * x[1] + matrix[:, 2] * x[2] + translation[..., None]
    aligned = aligned.masked_fill(infinite, torch.inf).masked_fill(missing, torch.nan)
    return aligned.permute(1, 2, 0).reshape(prediction.shape).to(dtype)
