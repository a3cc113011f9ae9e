"""Distances between poses: MPJPE and its relatives."""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.geometry import procrustes_align
from napa_lib.metrics.results import MetricResult, check_pair, joint_distances, relative_to, summarize
from napa_lib.skeletons import Skeleton, get_skeleton


def mpjpe(prediction: Tensor, target: Tensor, root: int | None = None) -> MetricResult:
    """Mean per-joint position error: the mean Euclidean distance, in the unit of the poses (mm).

    Args:
        prediction: (..., J, 3), or 2D poses in pixels.
        target: the same shape and unit.
        root: index of the joint that is laid at the origin in both first (the pelvis, as Protocol #1 of Human3.6M
            mostly is; AdvPose aligns the root's depth alone, `napa_lib.adversarial.Domain.to_millimetres`); its own
            distance, zero, is counted as the protocol does. A pose whose root is missing is left out. None compares the
            poses where they are.

    Returns:
        Distances in the unit of the poses; `normaliser` is 1.

    Raises:
        ValueError: if the shapes do not fit.

    Source: AdvPose, section 5, "Evaluation protocols" (Protocol #1).

    >>> target = torch.zeros(1, 2, 3)
    >>> mpjpe(target + torch.tensor([3.0, 4.0, 0.0]), target).total.item()
    5.0
    >>> mpjpe(target + torch.tensor([3.0, 4.0, 0.0]), target, root=0).total.item()
    0.0
    """
    check_pair(prediction, target)
    return summarize(joint_distances(relative_to(prediction, root), relative_to(target, root)), target.new_ones(()))


def pa_mpjpe(prediction: Tensor, target: Tensor, scale: bool = True) -> MetricResult:
    """MPJPE after each pose is laid over its target by the best similarity (`napa_lib.geometry.procrustes_align`).

    Args:
        prediction: (..., J, 3).
        target: the same shape.
        scale: whether the alignment may change the size: True is the usual PA-MPJPE (P-MPJPE), False aligns by rotation
            and translation alone, as one lineage of papers does (AdvPose's Protocol #2 too). Say which you report.

    Returns:
        Distances in the target's unit; `normaliser` is 1. A pose with one visible joint is aligned exactly: distance 0.

    Raises:
        ValueError: if the shapes do not fit or the poses are not 3D.

    Source: AdvPose, section 5, "Evaluation protocols" (Protocol #2, with `scale=False`); NAPA, table 3 (H36M PA MPJPE).

    >>> target = torch.eye(4)[:, :3] * 100.0
    >>> pa_mpjpe(2.0 * target, target).total.item() < 1e-3
    True
    >>> pa_mpjpe(2.0 * target, target, scale=False).total.item() > 10
    True
    """
    return summarize(joint_distances(procrustes_align(prediction, target, scale), target), target.new_ones(()))


def better_sides(
    prediction: Tensor, target: Tensor, skeleton: str | Skeleton, ambiguous: Tensor | None = None, power: int = 1
) -> Tensor:
    """Predictions with left and right exchanged in each pose where that brings them closer to the truth.

    A figure in a drawing, or one that an unsupervised model found, may face us or turn its back: its sides cannot be
    told. Joints trade names here; nothing is mirrored.

    Args:
        prediction: (..., J, D).
        target: the same shape.
        skeleton: joint set of both, or its name.
        ambiguous: (...) bool, the poses whose sides may be exchanged; None for all.
        power: closer in the mean distance (1) or the mean squared distance (2) over the joints that count both ways.

    Returns:
        (..., J, D).

    Raises:
        ValueError: if the shapes do not fit each other or the skeleton, or `ambiguous` is not as said.

    Source: KeypointGAN, section 5.1 ("with flips"), after Zhang et al. (2018).
    """
    skeleton = get_skeleton(skeleton)
    check_pair(prediction, target)
    if target.shape[-2] != skeleton.num_joints:
        raise ValueError(f"target must have {skeleton.name}'s {skeleton.num_joints} joints, got {tuple(target.shape)}")
    if ambiguous is not None and (ambiguous.dtype != torch.bool or ambiguous.shape != target.shape[:-2]):
        found = f"{ambiguous.dtype} {tuple(ambiguous.shape)}"
        raise ValueError(f"ambiguous must be bool {tuple(target.shape[:-2])}, got {found}")
    order = list(range(skeleton.num_joints))
    for left, right in skeleton.flip_pairs:
        order[left], order[right] = right, left
    swapped = prediction[..., order, :]
    with torch.no_grad():
        ways = torch.stack([joint_distances(p, target).pow(power) for p in (prediction, swapped)])
        lost = ways.isnan().any(0)  # left out both ways: exchanging sides must not pay by hiding a joint
        as_is, other = ways.masked_fill(lost, torch.nan).nanmean(-1)
        exchange = (other < as_is).reshape(target.shape[:-2])
    if ambiguous is not None:
        exchange = exchange & ambiguous
    return torch.where(exchange[..., None, None], swapped, prediction)


def mse_with_flips(prediction: Tensor, target: Tensor, skeleton: str | Skeleton) -> MetricResult:
    """Mean squared distance, each pose scored with the better of its two side assignments.

    Args:
        prediction: (..., J, 2), pixels; for the paper's figure in per cent, divided by the picture's side first.
        target: the same shape.
        skeleton: joint set of both, or its name.

    Returns:
        Squared distances |x - y|² (the squares of both coordinates together) in the unit of the poses squared;
        `normaliser` is 1. For the paper's "no flips" column use `mpjpe`'s distances squared, or no flip pairs.

    Raises:
        ValueError: if the shapes do not fit each other or the skeleton.

    Source: KeypointGAN, section 5.1 and tables 1 and 2; the papers do not write the formula out.

    >>> target = torch.zeros(1, 14, 2); target[0, 0] = 8.0  # ART14: r_ankle at (8, 8), all else at the origin
    >>> swapped = torch.zeros(1, 14, 2); swapped[0, 5] = 8.0  # the ankle predicted there is called the left one
    >>> mse_with_flips(swapped, target, "ART14").total.item()
    0.0
    """
    best = better_sides(prediction, target, skeleton, power=2)
    return summarize(joint_distances(best, target).square(), target.new_ones(()))


def normalized_landmark_error(
    prediction: Tensor, target: Tensor, eyes: tuple[tuple[int, ...], tuple[int, ...]] = ((36,), (45,))
) -> MetricResult:
    """Mean distance of face landmarks, divided by the distance between the eyes in the truth.

    Args:
        prediction: (..., J, 2) pixels.
        target: the same shape.
        eyes: the landmarks whose mean is one eye, and those of the other. The default are FACE68's outer corners, the
            inter-ocular distance of 300-W; `(tuple(range(36, 42)), tuple(range(42, 48)))` are the eyes' centres, the
            inter-pupil distance.

    Returns:
        Fractions of the inter-ocular distance (papers print per cent); `normaliser` is that distance, (B,). A face
        whose eyes are missing or coincide is left out; one whose eyes are infinite has infinite errors.

    Raises:
        ValueError: if the shapes do not fit, or an eye has a landmark that is not there.

    Source: KeypointGAN, section 5.2 and table 3; Sagonas et al. (2016).

    >>> target = torch.zeros(1, 68, 2); target[0, 45, 0] = 50.0
    >>> round(normalized_landmark_error(target + 3.0, target).total.item(), 4)
    0.0849
    """
    distances = joint_distances(prediction, target)
    joints = target.shape[-2]
    if not all(eye and all(-joints <= j < joints for j in eye) for eye in eyes):
        raise ValueError(f"eyes must be two lists of landmarks of the {joints} that there are, got {eyes}")
    one, other = (target.detach()[..., list(eye), :].mean(-2) for eye in eyes)
    between = torch.linalg.vector_norm(one - other, dim=-1).reshape(-1)
    unknown = ~(between > 0)
    errors = distances / between.masked_fill(unknown | between.isinf(), 1.0)[:, None]
    errors = errors.masked_fill((between.isinf()[:, None]) & ~errors.isnan(), torch.inf)
    return summarize(errors.masked_fill(unknown[:, None], torch.nan), between.masked_fill(unknown, torch.nan))
