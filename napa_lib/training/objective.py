"""NAPA's joint loss: every term of every group, its ratio, and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.lifting.functional import bone_vectors, depth_loss
from napa_lib.skeletons import NAPA18
from napa_lib.style import Measured, StylizationLoss
from napa_lib.training.figures import FigureSet
from napa_lib.training.losses import integral_loss
from napa_lib.training.stages import Ratios, Stage
from napa_lib.training.supervision import supervision_losses
from napa_lib.training.system import NapaModel, Passed

COORDINATES = 2 * NAPA18.num_joints
GROUPS = {
    "style": ("style", "feature", "total_variation", "style_entropy", "srgb", "hsv", "cosine", "content",
              "content_entropy"),
    "pose": ("keypoints", "depth"),
    "supervision": ("style_sup", "cosine_sup", "feature_sup"),
}  # fmt: skip
SYMBOLS = {
    "style": "L_style", "feature": "L_feat", "total_variation": "L_tv", "style_entropy": "L_sent", "srgb": "L_srgb",
    "hsv": "L_hsv", "cosine": "L_cos", "content": "L_content", "content_entropy": "L_cent", "keypoints": "L_2d",
    "depth": "L_depth", "style_sup": "L_style_sup", "cosine_sup": "L_cos_sup", "feature_sup": "L_feat_sup",
}  # fmt: skip


@dataclass(frozen=True)
class NapaLosses:
    """Every term, a mean over the batch before its ratio, and the ratios."""

    terms: Mapping[str, Tensor]
    ratios: Mapping[str, float]

    @property
    def weighted(self) -> dict[str, Tensor]:
        """Each term times its ratio."""
        return {name: self.ratios[name] * value for name, value in self.terms.items()}

    @property
    def total(self) -> Tensor:
        """Their sum, which a step descends."""
        return torch.stack(list(self.weighted.values())).sum()


def ratio_table(ratios: Ratios) -> dict[str, float]:
    """The ratio of every term by its name, as appendix table 2 lists them."""
    table = {name: getattr(ratios.style, name) for name in GROUPS["style"]}
    table |= {"keypoints": ratios.keypoints, "depth": ratios.depth}
    return table | dict.fromkeys(GROUPS["supervision"], ratios.supervision)


def napa_losses(
    model: NapaModel,
    passed: Passed,
    figures: FigureSet,
    content: Tensor,
    style: Tensor | Measured,
    stage: Stage,
    ratios: Ratios,
) -> NapaLosses:
    """The terms that a stage descends.

    Args:
        model: the system.
        passed: what it made of the pictures.
        figures: their labels: keypoints in pixels, poses in mm; missing ones are NaN.
        content: I (B, 3, S, S) in [0, 1].
        style: the style pictures (B, 3, S, S), or what the VGG measured on them.
        stage: says which groups.
        ratios: a term whose ratio is 0 is left out.

    Raises:
        ValueError: if that leaves none.

    Source: NAPA, section 3.2 and appendix B.
    """
    terms: dict[str, Tensor] = {}
    if "style" in stage.losses:
        found = StylizationLoss(model.features, ratios.style)(passed.output, style, content)
        terms |= {name: value.mean() for name, value in found.terms.items()}
    if "pose" in stage.losses:
        terms |= _pose_terms(model, passed, figures, ratios, content.shape[-1])
    if "supervision" in stage.losses and ratios.supervision:
        assert passed.reconstruction is not None
        terms |= supervision_losses(model.own_features, passed.reconstruction, passed.output)
    if not terms:
        raise ValueError(f"every ratio of stage {stage.number} is 0: there is nothing to descend")
    return NapaLosses(terms, ratio_table(ratios))


def _pose_terms(model: NapaModel, passed: Passed, figures: FigureSet, ratios: Ratios, size: int) -> dict[str, Tensor]:
    """L_2d and L_depth, as far as their ratios are not 0.

    Table 2 gives their ratios and not their units, and a ratio means nothing without. L_depth is the mean over bones of
    a standardised distance. L_2d is the sum over the 36 coordinates of the distance in pixels, means over what is
    labelled: then its gradient on O is of the order of L_style's (0.07 to 7.6 times as long, median 0.8, on 16 batches
    of two pictures before training), and on the keypoints 5 to 47 times that of the self supervision (median 10), which
    "slightly refines" them. As a mean share of the picture's side, the way `integral_loss` has it, L_2d would weigh
    three thousand times less, and G follow the self supervision alone.
    """
    assert passed.keypoints is not None and passed.depths is not None
    device = passed.keypoints.device
    terms: dict[str, Tensor] = {}
    if ratios.keypoints:
        distance = integral_loss(passed.keypoints, figures.keypoints.to(device), size)
        terms["keypoints"] = distance * size * COORDINATES
    if ratios.depth:
        bones = model.standardizer.standardize(bone_vectors(figures.poses.to(device)))
        terms["depth"] = depth_loss(passed.depths[..., None], bones[..., 2:])
    return terms
