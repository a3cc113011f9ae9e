"""One style, or many? `python -m napa_lib.training.styles --seed 0 --results FOLDER`.

The warmed-up network's head is trained from its start on the same people untouched, painted in one style (a network of
its own for each of twelve), and each in a random mixture of the pool's styles; all are measured on figures in art, and
so are the start, whose answer is the photograph-trained backbone's alone, and the mean of several styles' predictions.

Source: NAPA, sections 4.1 and 4.4.1 and table 1. The paper has one stylizer a style; ours is the pool's network, given
one painting.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import results
from napa_lib.data import load_art_figures
from napa_lib.engine import load_tensors, save_tensors
from napa_lib.evaluate.art import GROUPS, ArtScore, score_art
from napa_lib.loop import Setup, command
from napa_lib.networks.warm_pose_net import WarmPoseNet, load_warm_backbone
from napa_lib.options import add_comparison, read_comparison
from napa_lib.style import POOL, load_stylizer
from napa_lib.training.claim import photo_pictures
from napa_lib.training.mixing import NARROW, spread
from napa_lib.training.own_art import LOOK, TUNING, Looked, look, poses_in, rates
from napa_lib.training.pictures import PictureSet, read_pictures, write_pictures
from napa_lib.training.stylize import style_codes, stylize_pictures
from napa_lib.training.validate import validate
from napa_lib.training.warm_start import labelled, train_warm_head

PROGRAM = "python -m napa_lib.training.styles"
NOTHING, UNTOUCHED, MANY = "nothing", "untouched", "pool"
STYLES = POOL[::2]  # twelve, as many as the paper has
COUNTS = (1, 3, 5, 9, 12)  # of styles whose networks' predictions are averaged
PEOPLE = 600  # pictures of every training; validation has a third of them

Measured = tuple[dict, Tensor]  # numbers, and the art figures' poses (N, 14, 2)


def painted(split: str, styles: Sequence[str], count: int, work: Path, setup: Setup) -> dict[str, PictureSet]:
    """The same people untouched and in each style; "pool" is mixtures of all. The folder `work` keeps them."""
    pictures = {UNTOUCHED: spread(photo_pictures(split), count)}
    network, codes = load_stylizer("pool").to(setup.device), style_codes("pool")
    for style in styles:
        path = work / f"{split}_{style}.safetensors"
        if not path.exists():
            code = codes if style == MANY else codes[[POOL.index(style)]]
            generator = torch.Generator().manual_seed(0)
            write_pictures(path, stylize_pictures(pictures[UNTOUCHED], network, code, generator, half=setup.half))
        pictures[style] = read_pictures(path)
    return pictures


def by_joint(found: ArtScore) -> dict[str, float]:
    """PCKh@0.25 of the rows of the paper's table 1, both sides together, per cent."""
    return {name: round(100 * float(found.pckh(0.25, joints).total), 2) for name, joints in GROUPS.items()}


def on_art(poses: Tensor, seen: Looked) -> dict:
    """Art figures' poses (N, 14, 2) against what was annotated, in all and by joint."""
    found = score_art({figure.name: pose for figure, pose in zip(seen.figures, poses, strict=True)}, seen.figures)
    return {"art": rates(found), "joints": by_joint(found)}


def measured(network: WarmPoseNet, seen: Looked, validation: Mapping[str, PictureSet], setup: Setup) -> Measured:
    """A network on art, and on validation people untouched and in the pool's styles."""
    poses = poses_in(network, seen, setup)
    on = {name: validate(network, pictures, LOOK, setup.half) for name, pictures in validation.items()}
    return on_art(poses, seen) | {"on": on}, poses


def averaged(poses: Mapping[str, Tensor], seen: Looked) -> list[dict]:
    """The mean prediction of the first 1, 3, 5, 9 and 12 styles' networks, on art: the columns of the paper's table."""
    return [
        {"styles": count} | on_art(torch.stack([poses[style] for style in STYLES[:count]]).mean(0), seen)
        for count in COUNTS
    ]


def main(arguments: list[str] | None = None) -> None:
    """Train one head a style, and measure each on art; trainings that the folder of work holds are not made again."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/styles"), help="keeps pictures, and each training's end"
    )
    add_comparison(parser, "styles", 200)
    options = parser.parse_args(arguments)
    with command():
        run_all(options, read_comparison(options), results.command_line(PROGRAM, arguments))


def run_all(options: argparse.Namespace, setup: Setup, made_by: str) -> None:
    """Train and measure what is not kept yet, and write the results."""
    config = replace(TUNING, widths=NARROW, steps=options.steps, seed=options.seed)
    train = painted("train", (*STYLES, MANY), PEOPLE, options.work, setup)
    validation = painted("validation", (MANY,), PEOPLE // 3, options.work, setup)
    start = load_warm_backbone(NARROW).to(setup.device)
    seen = look(start, load_art_figures(), setup)
    rows = [{"trained_on": NOTHING, "seconds": 0.0} | measured(start, seen, validation, setup)[0]]
    poses = {}
    for name, pictures in train.items():
        kept = options.work / f"seed{config.seed}_steps{config.steps}_{name}.safetensors"
        if not kept.exists():
            started = time.monotonic()
            network, _ = train_warm_head(config, [labelled(pictures, 1.0)], setup, every=config.steps)
            row = {"trained_on": name, "seconds": round(time.monotonic() - started, 1)}
            found, predicted = measured(network, seen, validation, setup)
            save_tensors(kept, {"poses": predicted}, {"row": json.dumps(row | found)})
        tensors, metadata = load_tensors(kept)
        poses[name] = tensors["poses"]
        rows.append(json.loads(metadata["row"]))
        setup.tell(rows[-1])
    results.write(
        options.results / f"styles_{config.seed}.json", {"rows": rows, "averaged": averaged(poses, seen)}, made_by,
        sum(row["seconds"] for row in rows), config, config.seed, config.steps, setup.device,
    )  # fmt: skip


if __name__ == "__main__":
    main()
