"""NAPA's claim, measured: does training on stylised pictures help on art? `python -m napa_lib.training.claim -h`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from napa_lib.data import ArtFigure, load_art_figures
from napa_lib.data.synthetic import LOOKS, load_synthetic
from napa_lib.engine import choose_device
from napa_lib.evaluate import predict_art, score_art
from napa_lib.files import prepare_file
from napa_lib.lifting import load_depth_net
from napa_lib.loop import Setup, command
from napa_lib.networks.pose_net import PoseNet2D
from napa_lib.options import add_device
from napa_lib.pose import PoseEstimator
from napa_lib.results import command_line, read, write
from napa_lib.style import load_stylizer
from napa_lib.training.pictures import PictureSet, read_pictures, usable, write_pictures
from napa_lib.training.pose import PoseTrainingConfig, train_pose_net
from napa_lib.training.stylize import style_codes, stylize_pictures
from napa_lib.training.validate import validate

PROGRAM = "python -m napa_lib.training.claim"
MIXTURES = {"raw": (1.0, 0.0), "stylised": (0.0, 1.0), "mixed": (0.5, 0.5)}  # shares of raw and stylised pictures


def measure(network: PoseNet2D, size: int, figures: list[ArtFigure], validation: dict[str, PictureSet]) -> dict:
    """PCKh on art with the figures' boxes, by threshold and kind, and the validation sets' shares, in per cent."""
    device = str(next(network.parameters()).device)
    estimator = PoseEstimator(network, *load_depth_net(), size=size, device=device)
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


def both_looks(split: str, work: Path, setup: Setup) -> tuple[PictureSet, PictureSet]:
    """A split's pictures, raw and stylised; the stylised ones are kept in the folder `work`."""
    raw, path = photo_pictures(split), work / f"stylised_{split}.safetensors"
    if not path.exists():
        generator = torch.Generator().manual_seed(0)
        network = load_stylizer("pool").to(setup.device)
        write_pictures(path, stylize_pictures(raw, network, style_codes("pool"), generator, half=setup.half))
    return raw, read_pictures(path)


def main(arguments: list[str] | None = None) -> None:
    """Train the same network on raw, stylised and mixed pictures, several seeds each; runs already listed are kept."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON file of results, added to run by run")
    parser.add_argument("--work", type=Path, default=Path("runs/claim"), help="folder for pictures and checkpoints")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--size", type=int, default=96)
    add_device(parser)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    with command():
        prepare_file(options.out)
        run_all(options, command_line(PROGRAM, arguments))


def run_all(options: argparse.Namespace, made_by: str) -> None:
    """Train and measure what is not in the file yet, and write the file anew after each run."""
    asked = {"steps": options.steps, "size": options.size, "half": options.half}
    runs = []
    if options.out.exists():
        before = read(options.out)
        if before["config"] != asked:
            raise ValueError(f"{options.out} holds runs with {before['config']}, not with {asked}; name another --out")
        runs = before["runs"]
    setup = Setup(choose_device(options.device), options.half)
    sources = both_looks("train", options.work, setup)
    validation = dict(zip(("raw", "stylised"), both_looks("validation", options.work, setup), strict=True))
    figures = load_art_figures()
    for seed in options.seeds:
        for name, shares in MIXTURES.items():
            if any((run["trained on"], run["seed"]) == (name, seed) for run in runs):
                continue
            config = PoseTrainingConfig(size=options.size, steps=options.steps, echo=4, average=0.99, seed=seed)
            network, record = train_pose_net(config, sources, shares, setup, every=options.steps)
            seconds = round(record[-1]["seconds"])
            run = {"trained on": name, "seed": seed, "steps": options.steps, "seconds": seconds}
            run |= measure(network, options.size, figures, validation)
            print(run, flush=True)
            runs.append(run)
            seeds, seconds = sorted({run["seed"] for run in runs}), sum(run["seconds"] for run in runs)
            write(options.out, {"runs": runs}, made_by, seconds, asked, seeds, options.steps, setup.device)


if __name__ == "__main__":
    main()
