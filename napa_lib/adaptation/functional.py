"""Pose-mixup, the pairing of noise with poses, and how far apart two sets of poses are."""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.engine import made_on_cpu


@made_on_cpu
def pose_mixup(shots: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n poses between two shots each: t* = lambda t_i + (1 - lambda) t_j, lambda uniform in [0, 1], i and j different.

    Args:
        shots: (M, J, 2), at least two poses without missing joints.
        n: how many.
        generator: source of randomness, on the CPU.

    Returns:
        (n, J, 2), in the shots' dtype and on their device.

    Raises:
        ValueError: for fewer than two shots, a missing joint or n < 1.

    Source: FlexPose, eq. 7.

    >>> mixed = pose_mixup(torch.tensor([[[0.0, 0.0]], [[1.0, 2.0]]]), 4, torch.Generator().manual_seed(0))
    >>> bool((mixed[..., 1] == 2 * mixed[..., 0]).all()), bool(mixed.min() >= 0), bool(mixed[..., 0].max() <= 1)
    (True, True, True)
    """
    check_shots(shots)
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    first = torch.randint(len(shots), (n,), generator=generator)
    other = (first + torch.randint(1, len(shots), (n,), generator=generator)) % len(shots)
    ratio = torch.rand(n, 1, 1, generator=generator, dtype=torch.float64).to(shots)
    return ratio * shots[first] + (1 - ratio) * shots[other]


def check_shots(shots: Tensor) -> Tensor:
    """The shots, if they are (M >= 2, J, 2) and finite; ValueError if not."""
    if shots.ndim != 3 or shots.shape[-1] != 2 or len(shots) < 2 or shots.shape[1] < 1:
        raise ValueError(f"shots must be (M, J, 2) with M >= 2, to be mixed, got {tuple(shots.shape)}")
    bad = ~torch.isfinite(shots).flatten(1).all(1)
    if bool(bad.any()):
        raise ValueError(f"shots must have no missing joint, shot {int(bad.nonzero()[0])} has one")
    return shots


def nearest_share(poses: Tensor, others: Tensor, share: float) -> Tensor:
    """The share of poses (N, J, 2) that lie nearest to any of the others (M, J, 2), in their old order.

    >>> nearest_share(torch.tensor([[[9.0, 0.0]], [[1.0, 0.0]], [[0.0, 2.0]]]), torch.zeros(1, 1, 2), 0.7).tolist()
    [[[1.0, 0.0]], [[0.0, 2.0]]]
    """
    distance = torch.cdist(poses.flatten(1).double(), others.flatten(1).double()).amin(1)
    return poses[distance.argsort()[: round(share * len(poses))].sort().values]


def widened(poses: Tensor, shots: Tensor) -> Tensor:
    """Poses (N, J, 2) stretched about their mean until they differ as much from it as the shots differ from theirs.

    Poses between two shots lie nearer to the mean than the shots: a third of the variance is gone if all ratios are
    as likely; and what learns by a mean distance shrinks its answers further. The shots (M, J, 2), M >= 2, say how
    wide the target is: their variance is summed over all joints, and divided by M - 1.

    >>> widened(torch.tensor([[[-1.0, 0.0]], [[1.0, 0.0]]]), torch.tensor([[[3.0, 5.0]], [[3.0, 1.0]]])).tolist()
    [[[-2.0, 0.0]], [[2.0, 0.0]]]
    """
    spreads = [part.double().var(0).sum().sqrt() for part in (poses, check_shots(shots))]
    middle = poses.mean(0)
    return middle + (poses - middle) * (spreads[1] / spreads[0].clamp_min(1e-12)).to(poses)


@made_on_cpu
def smeared(
    poses: Tensor, fitted: Tensor, residuals: Tensor, neighbours: int, generator: torch.Generator | None = None
) -> Tensor:
    """Poses with errors as their like were seen to have: to each the residual of one of its nearest fitted ones.

    What is fitted by a mean distance answers with a kind of average, and a set of averages is narrower than the truth.
    Where the truth is known, so is what the average leaves out; drawn at random and given back, it makes the set as
    wide again, where and in the direction in which it is missing.

    Args:
        poses: (N, J, 2), answers whose truth is unknown.
        fitted: (E, J, 2), answers whose truth is known.
        residuals: (E, J, 2), the truth minus `fitted`.
        neighbours: from 1 to E, how many of the fitted that lie nearest to a pose are drawn from.
        generator: source of randomness, on the CPU.

    Returns:
        (N, J, 2).

    Raises:
        ValueError: if fitted and residuals are not one to one, or for other neighbours.

    Source: Duan, 1983 (the smearing estimate), here with the residuals of the neighbourhood.

    >>> fitted, residuals = torch.tensor([[[0.0, 0.0]], [[9.0, 9.0]]]), torch.tensor([[[0.5, 0.0]], [[0.0, -3.0]]])
    >>> smeared(torch.tensor([[[1.0, 0.0]], [[8.0, 9.0]]]), fitted, residuals, 1).tolist()
    [[[1.5, 0.0]], [[8.0, 6.0]]]
    """
    if fitted.shape != residuals.shape or not 1 <= neighbours <= len(fitted):
        raise ValueError(
            f"residuals must be one a fitted pose, and neighbours from 1 to their number, got {tuple(fitted.shape)}, "
            f"{tuple(residuals.shape)} and {neighbours}"
        )
    distance = torch.cdist(poses.flatten(1).double(), fitted.flatten(1).double())
    near = distance.topk(neighbours, largest=False).indices  # (N, neighbours)
    drawn = torch.randint(neighbours, (len(poses), 1), generator=generator).to(near)
    return poses + residuals[near.gather(1, drawn)[:, 0]]


@made_on_cpu
def nearest_pairs(targets: Tensor, candidates: Tensor) -> Tensor:
    """For each target a candidate of its own, near to it: the nearest that no earlier target has taken.

    The targets that are farthest from all candidates choose first, so that the hard ones are not left what others
    have refused.

    Args:
        targets: (E, J, 2).
        candidates: (N, J, 2), N >= E.

    Returns:
        (E,) indices into candidates, all different.

    Raises:
        ValueError: if there are fewer candidates than targets.
    """
    if len(candidates) < len(targets):
        raise ValueError(f"candidates must be at least as many as targets, {len(targets)}, got {len(candidates)}")
    distance = torch.cdist(targets.flatten(1).double(), candidates.flatten(1).double())
    chosen = torch.full((len(targets),), -1)
    for row in distance.amin(1).argsort(descending=True).tolist():
        chosen[row] = distance[row].argmin()
        distance[:, chosen[row]] = torch.inf
    return chosen


def check_sets(first: Tensor, second: Tensor, fewest: int = 2) -> None:
    """ValueError unless both are sets of at least so many poses of one form, no joint missing."""
    if min(len(first), len(second)) < fewest or first.ndim != 3 or first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"both sets must hold at least {fewest} poses of one form, got {tuple(first.shape)}, {tuple(second.shape)}"
        )
    if not bool(torch.isfinite(first).all() & torch.isfinite(second).all()):
        raise ValueError("both sets must have no missing joint")


def maximum_mean_discrepancy(first: Tensor, second: Tensor) -> float:
    """Squared maximum mean discrepancy of two sets of poses, unbiased: near 0 where their distributions agree.

        MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y),  k(a, b) = exp(-|a - b|² / (2 s²))

    s is the median distance within the second set, so that the scale is the target's. The estimate leaves out the
    diagonal and may be a little below 0.

    Args:
        first: (N, J, 2), N >= 2.
        second: (M, J, 2), M >= 2, in the same units: the one to be compared with.

    Source: Gretton et al., 2012, lemma 6 (MMD²_u) and section 8 (the median heuristic).
    """
    check_sets(first, second)
    x, y = first.flatten(1).double(), second.flatten(1).double()
    xx, yy, xy = (torch.cdist(a, b).square() for a, b in ((x, x), (y, y), (x, y)))
    off = ~torch.eye(len(y), dtype=torch.bool, device=y.device)
    scale = 2 * yy[off].median().clamp_min(1e-12)
    kxx, kyy, kxy = ((-d / scale).exp() for d in (xx, yy, xy))

    def mean_off_diagonal(k: Tensor) -> Tensor:
        return (k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1))

    return float(mean_off_diagonal(kxx) + mean_off_diagonal(kyy) - 2 * kxy.mean())


def coverage(generated: Tensor, targets: Tensor, neighbours: int = 5) -> float:
    """Share of the targets that have a generated pose nearer than their own `neighbours`-th nearest target.

    Raises:
        ValueError: if a set is none of poses (N, J, 2), or there are not more targets than `neighbours`.

    Source: Naeem et al., 2020, eq. 6 (coverage).

    >>> poses = torch.arange(12.0).view(6, 1, 2)
    >>> coverage(poses + 0.1, poses, neighbours=1), coverage(poses[:1], poses, neighbours=1)
    (1.0, 0.16666666666666666)
    """
    check_sets(generated, targets, 1)
    if not 1 <= neighbours < len(targets):
        raise ValueError(f"targets must be more than the neighbours, from 1 on, got {len(targets)} and {neighbours}")
    y = targets.flatten(1).double()
    within = torch.cdist(y, y).fill_diagonal_(torch.inf).kthvalue(neighbours, 1).values
    nearest = torch.cdist(y, generated.flatten(1).double()).amin(1)
    return float((nearest < within).double().mean())


def energy_distance(first: Tensor, second: Tensor) -> float:
    """How far two sets of poses are from each other, in the units of the poses; near 0 where they agree.

        E² = 2 E |x - y| - E |x - x'| - E |y - y'|,  |.| the length over all joints, divided by sqrt(J)

    It is the maximum mean discrepancy with the kernel -|a - b|. It has no scale to choose, and so it still tells far
    from farther where the other is at its limit. Like the other it leaves out the diagonal; the root of what is below
    0 is 0.

    Args:
        first: (N, J, 2), N >= 2.
        second: (M, J, 2), M >= 2, in the same units.

    Source: Székely and Rizzo, 2013; Sejdinovic et al., 2013 (that it is an MMD).
    """
    check_sets(first, second)
    x, y = (poses.flatten(1).double() / first.shape[1] ** 0.5 for poses in (first, second))
    within = sum(torch.cdist(a, a).sum() / (len(a) * (len(a) - 1)) for a in (x, y))
    return float((2 * torch.cdist(x, y).mean() - within).clamp_min(0).sqrt())


@made_on_cpu
def told_apart(first: Tensor, second: Tensor) -> float:
    """Share of poses whose nearest other pose, of both sets together, is of their own set.

    A half where nobody can tell the sets apart; 1 where they lie asunder; and nearly 0 where one is a copy of the
    other. Of the larger set as many are taken as the smaller has, spread evenly over it, so that chance is a half.
    Neighbouring moments of a recording are nearly the same pose, and so its poses find each other: compare with what
    another part of the recording gets.

    Args:
        first: (N, J, 2), N >= 2.
        second: (M, J, 2), M >= 2, in the same units.

    Source: Lopez-Paz and Oquab, 2017, section 3 (the two-sample test of a nearest-neighbour classifier).

    >>> poses = torch.arange(6.0).view(6, 1, 1).expand(6, 1, 2)
    >>> told_apart(poses, poses + 100), told_apart(poses, poses + 0.1)
    (1.0, 0.0)
    """
    check_sets(first, second)
    count = min(len(first), len(second))
    rows = [torch.linspace(0, len(poses) - 1, count).round().long() for poses in (first, second)]
    both = torch.cat([first[rows[0]], second[rows[1]]]).flatten(1).double()
    nearest = torch.cdist(both, both).fill_diagonal_(torch.inf).argmin(1)
    side = torch.arange(2 * count) < count
    return float((side[nearest.cpu()] == side).double().mean())
