"""How many real pictures among the stylised? `python -m napa_lib.training.mixing --seed 0 --results FOLDER`.

The warmed-up network's head is trained from its start for as many steps on each mixture, and measured on validation
people as they are and as the pool's stylizer paints them, and on the figures in art.

Source: NAPA, section 4.5 and table 3.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from napa_lib import results
from napa_lib.data import ArtFigure, load_art_figures
from napa_lib.loop import Setup, command
from napa_lib.networks.warm_pose_net import load_warm_backbone
from napa_lib.options import add_comparison, read_comparison
from napa_lib.training.claim import both_looks
from napa_lib.training.own_art import LOOK, TUNING, look, rates, score
from napa_lib.training.pictures import PictureSet
from napa_lib.training.validate import validate
from napa_lib.training.warm_start import WarmConfig, labelled, train_warm_head

PROGRAM = "python -m napa_lib.training.mixing"
REAL = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)  # shares of real pictures; the paper has 10, 30, 50 and 70 %
LOOKS = ("real", "stylised")
PEOPLE = 200  # validation pictures of each look
NARROW = (32, 48, 64, 80)  # a head of half the width: a quarter of the time, for so many trainings


def measure_mixtures(
    train: Sequence[PictureSet],
    validation: Sequence[PictureSet],
    art: Sequence[ArtFigure],
    config: WarmConfig,
    setup: Setup,
) -> list[dict]:
    """Train on each mixture and measure on both looks and on art.

    Args:
        train: real pictures, and the same stylised.
        validation: other people, in the same order.
        art: annotated figures, on which nothing is chosen.
        config: of each training; nothing but the mixture differs.
        setup: where and how to compute.

    Returns:
        one entry a mixture: {"real": share, "seconds", "on": {"real": …, "stylised": …}, "art": …}, as `validate` and
        `own_art.rates` give them.
    """
    seen = look(load_warm_backbone().to(setup.device), art, setup)
    found = []
    for share in REAL:
        shares = [(p, s) for p, s in zip(train, (share, 1.0 - share), strict=True) if s]
        started = time.monotonic()
        network, _ = train_warm_head(config, [labelled(p, s) for p, s in shares], setup, every=config.steps)
        seconds = round(time.monotonic() - started, 1)
        on = {name: validate(network, p, LOOK, setup.half) for name, p in zip(LOOKS, validation, strict=True)}
        found.append({"real": share, "seconds": seconds, "on": on, "art": rates(score(network, seen, setup))})
        setup.tell(found[-1])
    return found


def spread(pictures: PictureSet, most: int) -> PictureSet:
    """At most so many of the pictures, evenly spread."""
    count = min(most, len(pictures))
    return pictures.kept(torch.arange(count) * len(pictures) // count)


def main(arguments: list[str] | None = None) -> None:
    """Train one head a mixture of real and stylised pictures, and measure each on both and on art."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/claim"), help="keeps the stylised pictures")
    add_comparison(parser, "mixing", 1500)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with command():
        setup = read_comparison(options)
        config = replace(TUNING, widths=NARROW, steps=options.steps, seed=options.seed)
        train, validation = (both_looks(split, options.work, setup) for split in ("train", "validation"))
        rows = measure_mixtures(train, [spread(p, PEOPLE) for p in validation], load_art_figures(), config, setup)
        results.write(
            options.results / f"mixing_{options.seed}.json", {"rows": rows}, results.command_line(PROGRAM, arguments),
            time.monotonic() - started, config, options.seed, config.steps, setup.device,
        )  # fmt: skip


if __name__ == "__main__":
    main()
