"""NAPA's claim, measured: does training on stylised pictures help on art? `python -m napa_lib.training.claim -h`."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import torch

from napa_lib.data import ArtFigure, load_art_figures
from napa_lib.data.synthetic import LOOKS, load_synthetic
from napa_lib.evaluate import predict_art, score_art
from napa_lib.lifting import load_depth_net
from napa_lib.networks.pose_net import PoseNet2D
from napa_lib.pose import PoseEstimator
from napa_lib.style import load_stylizer
from napa_lib.training.pictures import PictureSet, read_pictures, usable, write_pictures
from napa_lib.training.pose import PoseTrainingConfig, train_pose_net
from napa_lib.training.stylize import style_codes, stylize_pictures
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


def photo_pictures(split: str) -> PictureSet:
    """The shipped synthetic people that are lit like photographs, picture by picture."""
    clips = load_synthetic(split)
    rows = (clips.look == LOOKS.index("photo")).nonzero().flatten()
    pictures = PictureSet(clips.pictures(rows).flatten(0, 1), clips.keypoints[rows].flatten(0, 1))
    return pictures.kept(usable(pictures.keypoints))


def both_looks(split: str, work: Path, half: bool) -> tuple[PictureSet, PictureSet]:
    """A split's pictures, raw and stylised; the stylised ones are kept in the folder `work`."""
    raw, path = photo_pictures(split), work / f"stylised_{split}.safetensors"
    if not path.exists():
        generator = torch.Generator().manual_seed(0)
        write_pictures(path, stylize_pictures(raw, load_stylizer("pool"), style_codes("pool"), generator, half=half))
    return raw, read_pictures(path)


def main(arguments: list[str] | None = None) -> None:
    """Train the same network on raw, stylised and mixed pictures, several seeds each; runs already listed are kept."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.claim", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON file of results, added to run by run")
    parser.add_argument("--work", type=Path, default=Path("runs/claim"), help="folder for the stylised pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--half", action="store_true", help="compute in bfloat16 where that is safe")
    options = parser.parse_args(arguments)
    sources = both_looks("train", options.work, options.half)
    names = ("raw", "stylised")
    validation = dict(zip(names, both_looks("validation", options.work, options.half), strict=True))
    figures = load_art_figures()
    for seed in options.seeds:
        for name, shares in MIXTURES.items():
            if any((run["trained on"], run["seed"]) == (name, seed) for run in _read(options.out)["runs"]):
                continue
            config = PoseTrainingConfig(size=options.size, steps=options.steps, echo=4, average=0.99, seed=seed)
            start = time.monotonic()
            network, _ = train_pose_net(config, sources, shares, save_every=options.steps, half=options.half)
            seconds = round(time.monotonic() - start)
            run = {"trained on": name, "seed": seed, "steps": options.steps, "seconds": seconds}
            run |= measure(network, options.size, figures, validation)
            print(run, flush=True)
            record = _read(options.out)
            record["runs"].append(run)
            record["command"] = (
                f"python -m napa_lib.training.claim --out {options.out} --steps {options.steps} --size {options.size}"
                + " --half" * options.half
            )
            record["hardware"] = f"CPU, {torch.get_num_threads()} thread(s)"
            _write(options.out, record)


def _read(path: Path) -> dict:
    return json.loads(path.read_text("utf-8")) if path.exists() else {"runs": []}


def _write(path: Path, record: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


if __name__ == "__main__":
    main()
