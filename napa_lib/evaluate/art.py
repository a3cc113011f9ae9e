"""PCKh on figures in art: the protocol, its table, and an estimator's poses.

The protocol: every figure with its box; visible joints only; a joint is right if it is closer to the annotated one than
a share of the head's size (strictly), where the head's size is 0.6 x the diagonal of the head box; where left and right
cannot be told in the picture, the assignment with the smaller sum of distances counts; rates are pooled over joints.
The headline is that of the twelve limb joints, which every body model has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.data import ArtFigure
from napa_lib.engine import progress
from napa_lib.metrics import MetricResult, better_sides, bootstrap_interval, pckh
from napa_lib.pose import PoseEstimator
from napa_lib.skeletons import ART14

THRESHOLDS = (0.25, 0.5)  # of the head's size
LIMBS = tuple(j for j, name in enumerate(ART14.joints) if name[:2] in ("l_", "r_"))  # twelve
GROUPS = {  # rows of the table: both sides of a joint together
    name: tuple(j for j, joint in enumerate(ART14.joints) if joint.removeprefix("l_").removeprefix("r_") == name)
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "upper_neck", "head_top")
}


@dataclass(frozen=True, eq=False)
class ArtScore:
    """Estimated poses beside the annotated ones, F figures in the order of their names."""

    figures: tuple[ArtFigure, ...]
    predictions: Tensor  # (F, 14, 2) pixels, sides exchanged where that is allowed and better; inf for a missed joint

    @property
    def errors(self) -> Tensor:
        """(F, 14) distances in head sizes; NaN where the joint is not visible, or none that the method gives."""
        return (self.predictions - self._targets()).norm(dim=-1) / self._head_sizes()[:, None]

    @property
    def limb_errors(self) -> Tensor:
        """(F, 12) `errors` of the limb joints."""
        return self.errors[:, list(LIMBS)]

    def pckh(self, threshold: float, joints: Sequence[int] = LIMBS, kind: str | None = None) -> MetricResult:
        """PCKh of some joints (all figures, or those of one kind: "painting", "drawing" or "stick figure")."""
        chosen = torch.tensor([kind in (None, figure.kind) for figure in self.figures])
        estimate, truth = (x[chosen][:, list(joints)] for x in (self.predictions, self._targets()))
        return pckh(estimate, truth, self._head_sizes()[chosen], threshold)

    def _targets(self) -> Tensor:
        return torch.stack([figure.scored_keypoints for figure in self.figures]).double()

    def _head_sizes(self) -> Tensor:
        return torch.tensor([figure.head_size for figure in self.figures], dtype=torch.float64)


@dataclass(frozen=True)
class Rate:
    """A share of right joints with the 95 % bootstrap interval over figures, and how many joints were counted."""

    rate: float
    low: float
    high: float
    counted: int


def score_art(predictions: Mapping[str, Tensor], figures: Sequence[ArtFigure]) -> ArtScore:
    """Bring estimated poses beside the annotated ones.

    A joint that is NaN in all predictions is one that the method does not have: it is not counted. One that is NaN in
    some counts as wrong there.

    Args:
        predictions: name of a figure -> (14, 2) keypoints in pixels of its picture, in the order of `ART14`.
        figures: the figures to score; each needs a prediction.

    Raises:
        ValueError: if a prediction is missing, left over or not (14, 2).

    >>> from napa_lib.data import load_art_figures
    >>> figures = load_art_figures()
    >>> score = score_art({figure.name: figure.keypoints for figure in figures}, figures)
    >>> score.pckh(0.25).total.item(), score.pckh(0.25).counted
    (1.0, 626)
    """
    figures = tuple(sorted(figures, key=lambda figure: figure.name))
    if set(predictions) != {figure.name for figure in figures} or not figures:
        odd = sorted(set(predictions) ^ {figure.name for figure in figures})
        raise ValueError(f"predictions must have one entry for each of {len(figures)} figures; these differ: {odd}")
    if bad := {name: tuple(p.shape) for name, p in predictions.items() if p.shape != (ART14.num_joints, 2)}:
        raise ValueError(f"predictions must be (14, 2), got {bad}")
    points = torch.stack([predictions[figure.name] for figure in figures]).double()
    targets = torch.stack([figure.scored_keypoints for figure in figures]).double()
    ambiguous = torch.tensor([figure.sides_ambiguous for figure in figures])
    points = better_sides(points, targets, ART14, ambiguous)
    unknown = points.isnan().any(-1)
    missed = unknown & ~unknown.all(0)
    return ArtScore(figures, points.masked_fill(missed[..., None], torch.inf))


def art_rates(score: ArtScore, generator: torch.Generator) -> dict[str, dict[float, Rate]]:
    """The rows of the table: what is counted -> threshold -> rate.

    Args:
        score: from `score_art`.
        generator: source of the bootstrap's resamples.
    """
    kinds = sorted({figure.kind for figure in score.figures})
    rows: dict[str, tuple[Sequence[int], str | None]] = {"12 limb joints": (LIMBS, None)}
    rows |= {f"  {kind}s": (LIMBS, kind) for kind in kinds}
    rows |= {f"  {name}": (joints, None) for name, joints in GROUPS.items() if set(joints) <= set(LIMBS)}
    rows |= {"all 14 joints": (range(ART14.num_joints), None)}
    rows |= {f"  {name.replace('_', ' ')}": (joints, None) for name, joints in GROUPS.items() if len(joints) == 1}
    return {
        label: {t: _rate(score.pckh(t, joints, kind), generator) for t in THRESHOLDS}
        for label, (joints, kind) in rows.items()
    }


def _rate(result: MetricResult, generator: torch.Generator) -> Rate:
    return Rate(*bootstrap_interval(result.per_pose, generator, result.pose_counts), result.counted)


def format_rates(rates: Mapping[str, Mapping[float, Rate]]) -> str:
    """The table as text: rates in per cent, [low, high] of the 95 % interval."""
    width = max(16, 2 + max(map(len, rates)))
    lines = [" " * width + "".join(f"{f'PCKh@{t}':^22}" for t in THRESHOLDS) + "joints"]
    for label, row in rates.items():
        cells = [f"{100 * r.rate:6.1f} [{100 * r.low:4.1f}, {100 * r.high:4.1f}]" if r.counted else "     -"
                 for r in row.values()]  # fmt: skip
        lines.append(f"{label:{width}}" + "".join(f"{cell:22}" for cell in cells) + f"{row[THRESHOLDS[0]].counted:6}")
    return "\n".join(lines)


def predict_art(
    estimator: PoseEstimator, figures: Sequence[ArtFigure], boxes: bool = True, crops: int = 1
) -> dict[str, Tensor]:
    """An estimator's poses of art figures: name -> (14, 2) in pixels.

    Args:
        estimator: see `PoseEstimator`.
        figures: from `load_art_figures`.
        boxes: give it the figures' boxes, or let it look for the figure in the picture.
        crops: as in `PoseEstimator.predict`.
    """
    found = {}
    for figure in progress(figures, "figures in art"):
        given = [figure.box] if boxes else None
        found[figure.name] = estimator.predict(figure.path, given, ART14, crops)[0].keypoints
    return found


def art_record(score: ArtScore, rates: Mapping[str, Mapping[float, Rate]]) -> dict:
    """What the JSON file says: the table, and each figure's keypoints and count of right limb joints."""
    hits = {t: (score.limb_errors < t).sum(1).tolist() for t in THRESHOLDS}
    counted = (~score.limb_errors.isnan()).sum(1).tolist()
    points = score.predictions.where(score.predictions.isfinite(), torch.nan)
    return {
        "protocol": "visible joints, head size 0.6 x the head box's diagonal, strict, pooled over joints",
        "figures": len(score.figures),
        "rates": {
            label.strip(): {
                f"PCKh@{t}": {
                    "percent": _per_cent(r.rate), "interval": [_per_cent(r.low), _per_cent(r.high)],
                    "joints": r.counted,
                } for t, r in row.items()
            } for label, row in rates.items()
        },
        "joints": list(ART14.joints),
        "per_figure": {
            figure.name: {
                "kind": figure.kind,
                "limb_joints": counted[i],
                **{f"right@{t}": hits[t][i] for t in THRESHOLDS},
                "keypoints": [[None if v != v else round(v, 1) for v in point] for point in points[i].tolist()],
            } for i, figure in enumerate(score.figures)
        },
    }  # fmt: skip


def _per_cent(share: float) -> float | None:
    return None if share != share else round(100 * share, 1)
