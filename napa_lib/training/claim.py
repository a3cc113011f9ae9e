"""NAPA's claim, measured: does training on stylised pictures help on art? `python -m napa_lib.training.claim -h`."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import torch

from napa_lib.data import ArtFigure, load_art_figures
from napa_lib.evaluate import predict_art, score_art
from napa_lib.lifting import load_depth_net
from napa_lib.networks.pose_net import PoseNet2D
from napa_lib.pose import PoseEstimator
from napa_lib.training.pictures import PictureSet, read_pictures
from napa_lib.training.pose import PoseTrainingConfig, train_pose_net
from napa_lib.training.validate import validate

MIXTURES = {"raw": (1.0, 0.0), "stylised": (0.0, 1.0), "mixed": (0.5, 0.5)}  # shares of raw and stylised pictures


def measure(network: PoseNet2D, size: int, figures: list[ArtFigure], validation: dict[str, PictureSet]) -> dict:
    """PCKh on art with the figures' boxes, by threshold and kind, and the validation sets' shares, in per cent."""
    estimator = PoseEstimator(network, *load_depth_net(), size=size, device="cpu")
    score = score_art(predict_art(estimator, figures), figures)
    kinds = [None, *sorted({figure.kind for figure in figures})]
    art = {
        f"{kind or 'all'} @{threshold}": round(100 * float(score.pckh(threshold, kind=kind).total), 2)
        for kind in kinds
        for threshold in (0.25, 0.5)
    }
    return {"art": art, "validation": {name: validate(network, p, size) for name, p in validation.items()}}


def main(arguments: list[str] | None = None) -> None:
    """Train the same network on raw, stylised and mixed pictures, several seeds each; runs already listed are kept."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.claim", description=main.__doc__)
    parser.add_argument("--raw", required=True, help="folder of raw picture shards")
    parser.add_argument("--stylised", required=True, help="folder of their stylised copies")
    parser.add_argument("--validation", nargs="*", default=[], help="folders of picture shards to measure on as well")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of results, added to run by run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--half", action="store_true", help="compute in bfloat16 where that is safe")
    options = parser.parse_args(arguments)
    sources = [read_pictures(options.raw), read_pictures(options.stylised)]
    validation = {Path(folder).name: read_pictures(folder) for folder in options.validation}
    figures = load_art_figures()
    for seed in options.seeds:
        for name, shares in MIXTURES.items():
            record = _read(options.out)
            if any((run["trained on"], run["seed"]) == (name, seed) for run in record["runs"]):
                continue
            config = PoseTrainingConfig(size=options.size, steps=options.steps, echo=4, average=0.99, seed=seed)
            start = time.monotonic()
            network, _ = train_pose_net(config, sources, shares, save_every=options.steps, half=options.half)
            seconds = round(time.monotonic() - start)
            run = {"trained on": name, "seed": seed, "steps": options.steps, "seconds": seconds}
            record["runs"].append({**run, **measure(network, options.size, figures, validation)})
            record["hardware"] = f"CPU, {torch.get_num_threads()} thread(s)"
            record["command"] = (
                f"python -m napa_lib.training.claim --raw {options.raw} --stylised {options.stylised} "
                f"--steps {options.steps} --size {options.size} --seeds {' '.join(map(str, options.seeds))}"
            )
            _write(options.out, record)
            print(record["runs"][-1], flush=True)


def _read(path: Path) -> dict:
    return json.loads(path.read_text("utf-8")) if path.exists() else {"runs": []}


def _write(path: Path, record: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


if __name__ == "__main__":
    main()
