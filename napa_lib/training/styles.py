"""One style, or many? `python -m napa_lib.training.styles --seed 0 --results FOLDER`.

All of G, a network that photographs taught, is fine-tuned on the same people untouched, painted in one style (a network
of its own for each of twelve), and each in a random mixture of the twelve. All are measured on other people, untouched,
in the twelve styles and in twelve others, and on figures in art; so are the start, and the mean of several styles'
predictions.

Source: NAPA, sections 4.1 and 4.4.1 and table 1. The paper has one stylizer a style; ours is the pool's network, given
one painting.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import results
from napa_lib.data import ArtFigure, load_art_figures
from napa_lib.loop import Setup, command
from napa_lib.options import add_comparison, read_comparison
from napa_lib.style import POOL, load_stylizer
from napa_lib.training.claim import photo_pictures
from napa_lib.training.pictures import PictureSet, read_pictures, spread, write_pictures
from napa_lib.training.stylize import style_codes, stylize_pictures
from napa_lib.training.warm_start import labelled
from napa_lib.training.whole import WHOLE, Judges, on_art, start_network, train_once

PROGRAM = "python -m napa_lib.training.styles"
NOTHING, UNTOUCHED, MANY = "nothing", "untouched", "many"
STYLES = POOL[::2]  # twelve, as many as the paper has
OTHERS = POOL[1::2]  # twelve that no network learns from
COUNTS = (1, 3, 5, 9, 12)  # of styles whose networks' predictions are averaged
PEOPLE = 600  # pictures of every training; validation has a third of them


def people(split: str) -> PictureSet:
    """The untouched people to train on, or a third as many to validate on."""
    return spread(photo_pictures(split), PEOPLE if split == "train" else PEOPLE // 3)


def painted(split: str, styles: Sequence[str], name: str, work: Path, setup: Setup) -> PictureSet:
    """The same people in some styles, one or a mixture of two for each; a file in the folder `work` keeps them."""
    path = work / f"{split}_{name}.safetensors"
    if not path.exists():
        network = load_stylizer("pool").to(setup.device)
        chosen = _codes()[[POOL.index(style) for style in styles]]
        generator = torch.Generator().manual_seed(0)
        write_pictures(path, stylize_pictures(people(split), network, chosen, generator, half=setup.half))
    return read_pictures(path)


def judges(size: int, work: Path, setup: Setup) -> Judges:
    """Validation people untouched, in mixtures of the twelve styles and of the twelve others; and figures in art."""
    looks = {name: painted("validation", styles, name, work, setup) for name, styles in
             ((MANY, STYLES), ("others", OTHERS))}  # fmt: skip
    return Judges({UNTOUCHED: people("validation")} | looks, load_art_figures(), size)


def kept_end(work: Path, seed: int, name: str) -> Path:
    """Where the end of a training is kept."""
    return work / f"seed{seed}_{name}.safetensors"


@cache
def _codes() -> Tensor:
    """The pool's styles, (24, 3200): a VGG-19 looks at twenty-four paintings for them."""
    return style_codes("pool")


def averaged(poses: Mapping[str, Tensor], figures: Sequence[ArtFigure]) -> list[dict]:
    """The mean prediction of the first 1, 3, 5, 9 and 12 styles' networks, on art: the columns of the paper's table.

    "median" is PCKh of the networks' median in its place: where they see a joint in two places, the mean is in neither.
    """
    found = []
    for count in COUNTS:
        several = torch.stack([poses[style] for style in STYLES[:count]])
        median = on_art(several.quantile(0.5, 0), figures)["art"]
        found.append({"styles": count} | on_art(several.mean(0), figures) | {"median": median})
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train one network a style, and measure each; trainings that the folder of work holds are not made again."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/styles"), help="keeps pictures, and each training's end"
    )
    add_comparison(parser, "styles", WHOLE.steps)
    options = parser.parse_args(arguments)
    with command():
        run_all(options, read_comparison(options), results.command_line(PROGRAM, arguments))


def run_all(options: argparse.Namespace, setup: Setup, made_by: str) -> None:
    """Train and measure what is not kept yet, and write the results."""
    config = replace(WHOLE, steps=options.steps, seed=options.seed)
    seen = judges(config.size, options.work, setup)
    rows = [{"trained_on": NOTHING, "seconds": 0.0} | seen.measure(start_network(setup), setup)[0]]
    arms = {UNTOUCHED: (), **{style: (style,) for style in STYLES}, MANY: STYLES}
    poses = {}
    for name, styles in arms.items():
        pictures = painted("train", styles, name, options.work, setup) if styles else people("train")
        end = kept_end(options.work, config.seed, name)
        found, poses[name] = train_once(end, config, [labelled(pictures, 1.0)], seen, setup)
        rows.append({"trained_on": name} | found)
        setup.tell(rows[-1])
    results.write(
        options.results / f"styles_{config.seed}.json", {"rows": rows, "averaged": averaged(poses, seen.figures)},
        made_by, sum(row["seconds"] for row in rows), config, config.seed, config.steps, setup.device,
    )  # fmt: skip


if __name__ == "__main__":
    main()
