"""Differences between estimators on the figures in art, with paired intervals, and a sheet of where one fails.

    python tools/compare_art.py            # writes assets/results/pose/paired.json and assets/figures/failures.jpg

Figures are resampled, and every estimator is scored on the same ones: what they have in common is no noise.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from napa_lib import results
from napa_lib.data import load_art_figures
from napa_lib.evaluate import score_art
from napa_lib.evaluate.page import overlay

OURS, OTHERS = "napa_art", ("frozen_vgg_art", "blazepose_art", "movenet_art")
KINDS = (None, "drawing", "stick figure", "painting")
RESAMPLES, SHOWN, SIDE = 20_000, 6, 300
ASSETS = Path(__file__).parents[1] / "assets"


def difference(ours: dict, other: dict, threshold: str, kind: str | None, generator: torch.Generator) -> dict:
    """The difference of PCKh in points, and its 95 % interval."""
    names = [name for name in sorted(ours) if kind in (None, ours[name]["kind"])]
    counts = torch.tensor(
        [[ours[n][threshold], other[n][threshold], ours[n]["limb_joints"]] for n in names], dtype=torch.float64
    )

    def points(sums: Tensor) -> Tensor:
        return 100 * (sums[..., 0] - sums[..., 1]) / sums[..., 2]

    drawn = torch.randint(len(names), (RESAMPLES, len(names)), generator=generator)
    low, high = points(counts[drawn].sum(1)).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return {"points": round(float(points(counts.sum(0))), 1), "interval": [round(low, 1), round(high, 1)]}


def failures(ours: dict) -> Image.Image:
    """The figures with the smallest shares of right joints, their estimates drawn on them."""
    figures = load_art_figures()
    found = {name: torch.tensor([[v if v is not None else torch.nan for v in p] for p in record["keypoints"]])
             for name, record in ours.items()}  # fmt: skip
    score = score_art(found, figures)
    worst = (score.limb_errors < 0.5).sum(1).div((~score.limb_errors.isnan()).sum(1)).argsort()[:SHOWN].tolist()
    sheet = Image.new("RGB", (SHOWN * SIDE // 2, 2 * SIDE), "white")
    for place, i in enumerate(worst):
        picture = overlay(score.figures[i], score.predictions[i], score.errors[i])
        picture.thumbnail((SIDE - 8, SIDE - 8))
        column, row = place % (SHOWN // 2), place // (SHOWN // 2)
        sheet.paste(picture, (column * SIDE + (SIDE - picture.width) // 2, row * SIDE + (SIDE - picture.height) // 2))
    return sheet


def main() -> None:
    """Write both."""
    start, generator = time.monotonic(), torch.Generator().manual_seed(0)
    read = {
        name: json.loads((ASSETS / f"results/pose/{name}.json").read_text("utf-8"))["per_figure"]
        for name in (OURS, *OTHERS)
    }
    found = {
        f"{OURS} - {other}": {
            kind or "all": {
                f"PCKh@{t}": difference(read[OURS], read[other], f"right@{t}", kind, generator) for t in (0.25, 0.5)
            }
            for kind in KINDS
        }
        for other in OTHERS
    }
    command = "python tools/compare_art.py"
    results.write(ASSETS / "results/pose/paired.json", found, command, time.monotonic() - start, seed=0)
    failures(read[OURS]).save(ASSETS / "figures/failures.jpg", quality=85)


if __name__ == "__main__":
    main()
