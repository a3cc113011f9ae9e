"""Lesson 09's own computing: a folder of figures, what the network makes of them, a fitted pose, a short training."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.annotate.pseudo_depth import pseudo_depth
from napa_lib.data import ArtFigure, asset_path, load_art_figures
from napa_lib.data.crops import crop_matrices, square_boxes
from napa_lib.evaluate.art import GROUPS, ArtScore
from napa_lib.lifting import load_depth_net
from napa_lib.loop import Setup
from napa_lib.networks.pose_ensemble import KNOWN, load_pose_ensemble, multiplied
from napa_lib.networks.pose_tree import CELLS
from napa_lib.networks.warm_pose_net import SIZE, WarmPoseNet, load_warm_pose_net
from napa_lib.skeletons import ART14, NAPA18, convert
from napa_lib.training.own_art import FOLDER, TUNING, Looked, crops_of, fine_tune, look, score, split

RUNNER = "blueman_207_01"  # a stick man whose two ankles the product of the networks finds on one leg
NETWORKS = ("WarmPoseNet", "DrawnPoseNet", "MoveNet")
LEAST = 8  # figures of a folder with which the lesson makes sense
PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def open_folder(path: str | os.PathLike = "") -> list[ArtFigure]:
    """The figures that `napa annotate` wrote for a folder; where there are too few, say so and open those that ship."""
    if os.fspath(path):
        try:
            figures = load_art_figures(Path(os.path.expanduser(path)) / "figures.json")
            if len(figures) >= LEAST:
                return figures
            print(f"{path} has {len(figures)} annotated figures; with fewer than {LEAST} nothing can be said.")
        except ValueError as error:
            print(error)
        print("Until that is mended, our own pictures are shown below.")
    return load_art_figures(asset_path(f"{FOLDER}/figures.json"))


@cache
def network() -> WarmPoseNet:
    """G as it ships."""
    return load_warm_pose_net()


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures, what the backbone sees of them, and how good the poses are that the network reads there."""

    seen: Looked
    found: ArtScore

    def counts(self, threshold: float = 0.5) -> tuple[Tensor, Tensor]:
        """Of each figure how many limb joints are right, and how many are counted; (F,) each."""
        errors = self.found.limb_errors
        return (errors < threshold).sum(1), (~errors.isnan()).sum(1)

    def rate(self, threshold: float = 0.5) -> float:
        """PCKh of the limb joints, per cent."""
        right, counted = self.counts(threshold)
        return 100 * float(right.sum() / counted.sum())

    def by_part(self, threshold: float = 0.5) -> dict[str, float]:
        """The same of each part, both sides together."""
        return {name: 100 * float(self.found.pckh(threshold, GROUPS[name]).total) for name in PARTS}


def measure(figures: list[ArtFigure], other: WarmPoseNet | None = None, seen: Looked | None = None) -> Measured:
    """How good a network is on figures; `seen` spares the look at them, for all have one backbone."""
    seen = seen or look(network(), figures, Setup(half=True))
    return Measured(seen, score(other or network(), seen, Setup(half=True)))


def fitted(figure: ArtFigure) -> tuple[Tensor, dict[str, bool]]:
    """Pseudo-3D of a figure's annotated joints: (14, 3) mm, and which limbs a body could bring there."""
    keypoints = convert(figure.keypoints[None], ART14, NAPA18)[0]
    found = pseudo_depth(keypoints, *load_depth_net())
    limbs = ("right leg", "left leg", "right arm", "left arm")
    pose = convert(found.pose[None], NAPA18, ART14)[0]
    neck, thorax = (found.pose[NAPA18.index(name)] for name in ("neck", "thorax"))
    pose[ART14.index("upper_neck")] = 2 * neck - thorax  # NAPA18's neck was made from these two
    return pose, dict(zip(limbs, found.allowed.tolist(), strict=True))


def runner() -> ArtFigure:
    """A stick man, validation figure of the estimator."""
    figures = load_art_figures(asset_path("stick_men/figures.json"))
    return next(figure for figure in figures if figure.name == RUNNER)


@torch.no_grad()
def opinions(figure: ArtFigure) -> tuple[Tensor, dict[str, Tensor]]:
    """What the estimator that ships makes of a figure, part by part.

    Returns:
        the crop at which it looks, (3, SIZE, SIZE), and log heat maps (18, CELLS, CELLS) of the three `NETWORKS`,
        their "product", and "with the tree". MoveNet's are zero for the joints that it does not know.
    """
    matrices = crop_matrices(square_boxes(torch.tensor([figure.box])), SIZE)
    crops = crops_of([figure], matrices, SIZE)
    whole = load_pose_ensemble()
    warm = whole.warm(crops, mirror=True).heatmaps
    second, logits = whole.second_opinion(crops, CELLS, mirror=True), whole.third_opinion(crops, CELLS, mirror=True)
    product, strength = multiplied(warm, second, logits)
    third = torch.zeros_like(warm)
    third[:, KNOWN] = logits.sigmoid().log()
    maps = (*zip(NETWORKS, (warm, second, third), strict=True), ("product", product))
    return crops[0], {name: m[0] for name, m in (*maps, ("with the tree", whole.tree(strength * product)))}


def place(log_p: Tensor, joint: str) -> Tensor:
    """The likeliest cell of a joint of `NAPA18` as (x, y), from (18, H, W) log heat maps."""
    row, column = divmod(int(log_p[NAPA18.index(joint)].argmax()), log_p.shape[-1])
    return torch.tensor([column, row])


def tune(figures: list[ArtFigure], shots: int, steps: int, seed: int) -> tuple[WarmPoseNet, list[int]]:
    """The network fine-tuned on some of the figures, and the rows of the others."""
    few, rest = split(figures, shots, seed)
    config = replace(TUNING, steps=steps, batch=8, seed=seed)
    return fine_tune(network(), [figures[i] for i in few], config, Setup(half=True)), rest


def resampled(right: Tensor, counted: Tensor, seed: int, times: int = 1000) -> Tensor:
    """Pooled rates, per cent, of figures drawn anew with replacement; (times,)."""
    rows = torch.randint(len(right), (times, len(right)), generator=torch.Generator().manual_seed(seed))
    return 100 * right[rows].sum(1) / counted[rows].sum(1)
