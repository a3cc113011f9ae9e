"""Calibrate the estimator's confidence: `python -m napa_lib.training.calibrate --help`.

    logit = max(people . evidence, drawings . evidence), what `PoseEnsemble.weigh` gives beside its heat maps

Both are fitted by logistic regression to whether a joint is right to half a head's size, one on annotated figures of
people, the other on stick men and signs, none of which was trained on; both on pictures without anybody, where no joint
is. How good that is is measured on what was left out of the fit: each figure in turn, and every second picture without
anybody.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from napa_lib import results
from napa_lib.data import ArtFigure, load_art_figures
from napa_lib.data.crops import crop, crop_matrices, to_picture
from napa_lib.data.images import load_image
from napa_lib.evaluate import score_art
from napa_lib.files import prepare_file
from napa_lib.loop import command
from napa_lib.networks.heatmaps import cells_to_pixels, local_soft_argmax
from napa_lib.networks.pose_ensemble import PoseEnsemble, load_pose_ensemble, save_calibration
from napa_lib.networks.warm_pose_net import SIZE
from napa_lib.skeletons import ART14, NAPA18, convert

RIGHT = 0.5  # of the head's size
BINS = 10
UNLIKELY = 0.2  # mean confidence below which nobody is likely
PEOPLE, DRAWINGS = [0, 1, 3], [2, 3]  # columns of the evidence by which people and drawings are told


def fit(evidence: Tensor, right: Tensor) -> Tensor:
    """(K,) the weights of logistic regression: (N, K) evidence, (N,) whether the joint is right."""
    weights = torch.zeros(evidence.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = binary_cross_entropy_with_logits(evidence @ weights, right) + 1e-4 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    return weights.detach()


def reliability(chance: Tensor, right: Tensor) -> list[dict[str, float]]:
    """The curve: in each tenth of the confidence that occurs, its mean, the share of right joints, and how many.

    >>> reliability(torch.tensor([0.92, 0.98]), torch.tensor([1.0, 0.0]))
    [{'confidence': 0.95, 'right': 0.5, 'joints': 2}]
    """
    bins = (chance * BINS).long().clamp(max=BINS - 1)
    rows = [(chance[bins == i], right[bins == i]) for i in range(BINS)]
    return [
        {"confidence": round(float(c.mean()), 4), "right": round(float(r.mean()), 4), "joints": len(c)}
        for c, r in rows
        if len(c)
    ]


def expected_error(curve: Sequence[dict[str, float]]) -> float:
    """Expected calibration error: the mean gap between confidence and share of right joints, by joints.

    >>> expected_error([{"confidence": 0.95, "right": 0.5, "joints": 2}])
    0.45
    """
    gaps = sum(abs(row["confidence"] - row["right"]) * row["joints"] for row in curve)
    return round(gaps / sum(row["joints"] for row in curve), 4)


@dataclass(frozen=True, eq=False)
class Judged:
    """Figures' joints in the order of `ART14`: `evidence` (F, 14, 4), and (F, 14) `right`, NaN where nobody can see."""

    evidence: Tensor
    right: Tensor


@torch.no_grad()
def judge(network: PoseEnsemble, figures: Sequence[ArtFigure]) -> Judged:
    """What the network knows of each figure's joints, its box given, and which of them it finds."""
    matrices = crop_matrices(torch.tensor([figure.box for figure in figures]), SIZE)
    crops = torch.cat([crop(f.load(), m[None], SIZE) for f, m in zip(figures, matrices, strict=True)])
    heatmaps, evidence = network.weigh(crops, mirror=True)
    points = to_picture(cells_to_pixels(local_soft_argmax(heatmaps)), matrices)
    found = {f.name: p for f, p in zip(figures, convert(points, NAPA18, ART14), strict=True)}
    errors = score_art(found, figures).errors
    return Judged(_art_joints(evidence), (errors < RIGHT).float().masked_fill(errors.isnan(), torch.nan))


@torch.no_grad()
def nobody_evidence(network: PoseEnsemble, pictures: Sequence[Path]) -> Tensor:
    """(N, 14, 4) evidence of pictures without anybody, each looked at as if a figure filled it."""
    found = []
    for path in pictures:
        picture = load_image(path)
        height, width = picture.shape[1:]
        half, x, y = 1.25 * max(height, width) / 2, width / 2, height / 2
        matrices = crop_matrices(torch.tensor([[x - half, y - half, x + half, y + half]]), SIZE)
        found.append(_art_joints(network.weigh(crop(picture, matrices, SIZE), mirror=True)[1]))
    return torch.cat(found)


def fit_columns(figures: Judged, columns: list[int], empty: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (4,) of some columns of the evidence, and each figure's logits (F, 14) by those fitted without it.

    Args:
        figures: what to fit to.
        columns: of the evidence; the others' weights are 0.
        empty: (N, 4) evidence of joints of pictures without anybody.
    """
    seen = ~figures.right.isnan()

    def weights_of(chosen: Tensor) -> Tensor:
        evidence = torch.cat([figures.evidence[chosen], empty])
        right = torch.cat([figures.right[chosen], torch.zeros(len(empty))])
        weights = torch.zeros(evidence.shape[1])
        weights[columns] = fit(evidence[:, columns], right)
        return weights

    logits = torch.zeros_like(figures.right)
    for i, evidence in enumerate(figures.evidence):
        rest = seen.clone()
        rest[i] = False
        logits[i] = evidence @ weights_of(rest)
    return weights_of(seen), logits


def calibrate(people: Judged, drawings: Judged, nobody: Tensor) -> tuple[Tensor, dict]:
    """The weights (2, 4) of people and of drawings, and how good they are on what is left out.

    Args:
        people: annotated figures of people.
        drawings: annotated stick men and signs.
        nobody: (N, 14, 4) from `nobody_evidence`, of which every second picture is fitted to. Of what tells drawings
            all joints of a picture say the same, so that all are taken there; of the others a quarter.
    """
    fitted, other = nobody[::2], nobody[1::2]
    for_people, of_people = fit_columns(people, PEOPLE, fitted[:, ::4].flatten(0, 1))
    for_drawings, of_drawings = fit_columns(drawings, DRAWINGS, fitted.flatten(0, 1))
    weights = torch.stack([for_people, for_drawings])
    on_people = measured(torch.maximum(of_people, people.evidence @ for_drawings).sigmoid(), people.right)
    on_drawings = measured(torch.maximum(of_drawings, drawings.evidence @ for_people).sigmoid(), drawings.right)
    empty = (other @ weights.T).amax(-1).sigmoid().mean(1)
    return weights, on_people | {
        "drawings": on_drawings,
        "mean_confidence_of_nobody": sorted(round(v, 3) for v in empty.tolist()),
        "false_alarms": f"{int((empty >= UNLIKELY).sum())} of {len(empty)}",
    }


def measured(chance: Tensor, right: Tensor) -> dict:
    """How far confidences (F, 14) can be relied upon, and of how many figures nobody seems likely."""
    seen, mean = ~right.isnan(), chance.mean(1)
    curve = reliability(chance[seen], right[seen])
    return {
        "expected_calibration_error": expected_error(curve),
        "reliability": curve,
        "mean_confidence_of_figures": sorted(round(v, 3) for v in mean.tolist()),
        "missed": f"{int((mean < UNLIKELY).sum())} of {len(mean)}",
    }


def _art_joints(values: Tensor) -> Tensor:
    """(B, 18, 4) -> (B, 14, 4) in the order of `ART14`."""
    return convert(values.unflatten(-1, (2, 2)).transpose(1, 2), NAPA18, ART14).transpose(1, 2).flatten(2)  # as points


def main(arguments: list[str] | None = None) -> None:
    """Fit the confidence's calibration, write it, and what was measured."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.calibrate", description=main.__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="figures to fit on, never trained on")
    parser.add_argument("--drawings", type=Path, nargs="+", required=True, help="stick men and signs, likewise")
    parser.add_argument("--nobody", type=Path, required=True, help="folder of pictures without a person")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--json", type=Path, help="file for what was measured")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    with command():
        for file in (options.out, options.json):
            if file:
                prepare_file(file)
        network = load_pose_ensemble()
        drawings = [figure for file in options.drawings for figure in load_art_figures(file)]
        people, drawn = (judge(network, figures) for figures in (load_art_figures(options.annotations), drawings))
        nobody = nobody_evidence(network, sorted(p for p in options.nobody.iterdir() if p.is_file()))
        weights, found = calibrate(people, drawn, nobody)
        found |= {"weights": [[round(w, 4) for w in row] for row in weights.tolist()], "unlikely": UNLIKELY}
        print(results.to_json(found))
        network.calibration.copy_(weights)
        save_calibration(options.out, network)
        if options.json:
            made_by = results.command_line(parser.prog, arguments)
            results.write(options.json, found, made_by, time.monotonic() - start)


if __name__ == "__main__":
    main()
