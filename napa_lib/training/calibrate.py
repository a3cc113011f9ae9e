"""Calibrate the estimator's confidence: `python -m napa_lib.training.calibrate --help`.

    logit = weights . evidence, what `PoseEnsemble.weigh` gives beside its heat maps

is fitted by logistic regression to whether a joint is right to half a head's size, on annotated figures that nothing
was trained on, and on pictures without anybody, where no joint is. How good that is is measured on what was left out
of the fit: each figure in turn, and every second picture without anybody.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
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


@torch.no_grad()
def figure_evidence(network: PoseEnsemble, figures: Sequence[ArtFigure]) -> tuple[Tensor, Tensor]:
    """(F, 14, 3) evidence of the joints of `ART14`, and (F, 14) whether each is right; NaN where nobody can see it."""
    matrices = crop_matrices(torch.tensor([figure.box for figure in figures]), SIZE)
    crops = torch.cat([crop(f.load(), m[None], SIZE) for f, m in zip(figures, matrices, strict=True)])
    heatmaps, evidence = network.weigh(crops, mirror=True)
    points = to_picture(cells_to_pixels(local_soft_argmax(heatmaps)), matrices)
    found = {f.name: p for f, p in zip(figures, convert(points, NAPA18, ART14), strict=True)}
    errors = score_art(found, figures).errors
    return _art_joints(evidence), (errors < RIGHT).float().masked_fill(errors.isnan(), torch.nan)


@torch.no_grad()
def nobody_evidence(network: PoseEnsemble, pictures: Sequence[Path]) -> Tensor:
    """(N, 14, 3) evidence of pictures without anybody, each looked at as if a figure filled it."""
    found = []
    for path in pictures:
        picture = load_image(path)
        height, width = picture.shape[1:]
        half, x, y = 1.25 * max(height, width) / 2, width / 2, height / 2
        matrices = crop_matrices(torch.tensor([[x - half, y - half, x + half, y + half]]), SIZE)
        found.append(_art_joints(network.weigh(crop(picture, matrices, SIZE), mirror=True)[1]))
    return torch.cat(found)


def calibrate(figures: Tensor, right: Tensor, nobody: Tensor) -> tuple[Tensor, dict]:
    """The weights, and how good they are on what is left out.

    Args:
        figures, right: from `figure_evidence`.
        nobody: from `nobody_evidence`; half of its joints' weight goes to the fit.
    """
    fitted, other = nobody[::2, ::4].flatten(0, 1), nobody[1::2]

    def weights_of(chosen: Tensor) -> Tensor:
        return fit(torch.cat([figures[chosen], fitted]), torch.cat([right[chosen], torch.zeros(len(fitted))]))

    seen = ~right.isnan()
    chance = torch.zeros_like(right)
    for i in range(len(figures)):
        rest = seen.clone()
        rest[i] = False
        chance[i] = (figures[i] @ weights_of(rest)).sigmoid()
    weights = weights_of(seen)
    curve = reliability(chance[seen], right[seen])
    return weights, {
        "expected_calibration_error": expected_error(curve),
        "reliability": curve,
        "mean_confidence_of_figures": sorted(round(v, 3) for v in chance.mean(1).tolist()),
        "mean_confidence_of_nobody": sorted(round(v, 3) for v in (other @ weights).sigmoid().mean(1).tolist()),
    }


def _art_joints(values: Tensor) -> Tensor:
    """(B, 18, 3) -> (B, 14, 3) in the order of `ART14`."""
    pairs = torch.cat([values, values[..., :1]], -1).unflatten(-1, (2, 2)).transpose(1, 2)  # as 2D points
    return convert(pairs, NAPA18, ART14).transpose(1, 2).flatten(2)[..., :3]


def main(arguments: list[str] | None = None) -> None:
    """Fit the confidence's calibration, write it, and what was measured."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.calibrate", description=main.__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="figures to fit on, never trained on")
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
        figures, right = figure_evidence(network, load_art_figures(options.annotations))
        nobody = nobody_evidence(network, sorted(p for p in options.nobody.iterdir() if p.is_file()))
        weights, measured = calibrate(figures, right, nobody)
        people, empty = (torch.tensor(measured[f"mean_confidence_of_{name}"]) for name in ("figures", "nobody"))
        measured |= {
            "weights": [round(w, 4) for w in weights.tolist()],
            "unlikely": UNLIKELY,
            "missed": f"{int((people < UNLIKELY).sum())} of {len(people)}",
            "false_alarms": f"{int((empty >= UNLIKELY).sum())} of {len(empty)}",
        }
        print(results.to_json(measured))
        network.calibration.copy_(weights)
        save_calibration(options.out, network)
        if options.json:
            made_by = results.command_line(parser.prog, arguments)
            results.write(options.json, measured, made_by, time.monotonic() - start)


if __name__ == "__main__":
    main()
