"""3DPCK of several people: who is whom first, then joint by joint, relative to each pelvis or in the camera's room.

Source: CrossModal, section 4.3; the protocol is MuPoTS-3D's (Mehta et al., 2018): over all people of the truth, of whom
those not found count as wrong, or over the matched ones only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RELATIVE, ABSOLUTE = 150.0, 250.0  # mm


@dataclass(frozen=True, eq=False)
class PeopleResult:
    """Rates as fractions: over all people of the truth, over those matched, by joint over all; and how many there were.

    Attributes:
        over_all: share of correct joints, the joints of people who were not found being wrong.
        over_matched: share of correct joints of matched people; NaN where nobody is matched.
        per_joint: (J,) as over_all; NaN for a joint that the truth never has.
        people, matched, false: of the truth, matched, and predicted but matched to nobody.
    """

    over_all: float
    over_matched: float
    per_joint: Tensor
    people: int
    matched: int
    false: int


def match_people(prediction: Tensor, truth: Tensor, reach: float) -> list[tuple[int, int]]:
    """Pairs (predicted, true) of one picture, the closest first, each person at most once.

    Args:
        prediction: (P, J, D), any unit, such as pixels.
        truth: (T, J, D); NaN joints are left out of the mean distance.
        reach: mean distance beyond which two are not the same person.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if prediction.ndim != 3 or truth.ndim != 3 or prediction.shape[1:] != truth.shape[1:]:
        raise ValueError(
            "prediction and truth must be (P, J, D) and (T, J, D), "
            f"got {tuple(prediction.shape)} and {tuple(truth.shape)}"
        )
    if not len(prediction) or not len(truth):
        return []
    distance = (prediction[:, None] - truth[None]).norm(dim=-1).nanmean(-1).nan_to_num(torch.inf)
    pairs: list[tuple[int, int]] = []
    for index in distance.flatten().argsort().tolist():  # a few people a picture
        i, j = divmod(index, len(truth))
        if distance[i, j] > reach:
            break
        if all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return pairs


def pck3d_people(
    predictions: list[Tensor],
    truths: list[Tensor],
    matches: list[list[tuple[int, int]]],
    root: int,
    absolute: bool = False,
) -> PeopleResult:
    """3DPCK_rel (15 cm, each person's root laid on the truth's) or 3DPCK_abs (25 cm, in the camera's room).

    All joints are counted, the root too, which in 3DPCK_rel is right for everybody who is found.

    Args:
        predictions: of each picture, (P, J, 3) in mm, camera axes.
        truths: of each picture, (T, J, 3); NaN joints are not counted.
        matches: of each picture, pairs from `match_people`, found in the picture plane.
        root: index of the root joint.
        absolute: in the camera's room rather than relative to the root.

    Raises:
        ValueError: if the lists differ in length or are empty.
    """
    if not len(predictions) == len(truths) == len(matches) or not truths:
        lengths = f"{len(predictions)}, {len(truths)} and {len(matches)}"
        raise ValueError(f"predictions, truths and matches must be lists of one length, not empty, got {lengths}")
    limit = ABSOLUTE if absolute else RELATIVE
    right, counted, found = [], [], []
    for prediction, truth, pairs in zip(predictions, truths, matches, strict=True):
        partner = {j: i for i, j in pairs}
        for j, person in enumerate(truth):
            known = ~person.isnan().any(-1)
            hit = torch.zeros_like(known)
            if j in partner:
                guess = prediction[partner[j]]
                off = guess - person if absolute else (guess - guess[root]) - (person - person[root])
                hit = (off.norm(dim=-1) < limit) & known
            right.append(hit)
            counted.append(known)
            found.append(j in partner)
    total_right = torch.stack(right).double() if right else torch.zeros(0, truths[0].shape[1])
    total = torch.stack(counted).double() if counted else torch.zeros(0, truths[0].shape[1])
    mask = torch.tensor(found, dtype=torch.bool)
    matched = sum(found)
    return PeopleResult(
        over_all=_share(total_right, total),
        over_matched=_share(total_right[mask], total[mask]),
        per_joint=total_right.sum(0) / total.sum(0),
        people=len(found),
        matched=matched,
        false=sum(len(p) for p in predictions) - matched,
    )


def _share(right: Tensor, counted: Tensor) -> float:
    return float(right.sum() / counted.sum()) if counted.sum() > 0 else float("nan")


def box_iou(prediction: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union of the boxes round two poses (..., J, 2), NaN joints left out; (...)."""

    def box(pose: Tensor) -> tuple[Tensor, Tensor]:
        low = torch.where(pose.isnan(), torch.inf, pose).amin(-2)
        return low, torch.where(pose.isnan(), -torch.inf, pose).amax(-2)

    (low, high), (low_true, high_true) = box(prediction), box(truth)
    shared = (torch.minimum(high, high_true) - torch.maximum(low, low_true)).clamp_min(0).prod(-1)
    return shared / ((high - low).prod(-1) + (high_true - low_true).prod(-1) - shared)
