"""Figures in art, lifted with and without pseudo-3D labels: `python -m napa_lib.training.art_depths --results FOLDER`.

Two depth networks of `pseudo_labels`, one that saw everyday motion alone and one that was also shown pictures of wilder
poses with made-up depth, look at the annotated joints of figures in art. Nobody knows these figures' true depth: they
can be looked at, not measured.

Source: NAPA, section 4.4.3 and figure 9.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from napa_lib import results
from napa_lib.data import ArtFigure, load_art_figures
from napa_lib.lifting.config import TrainingConfig
from napa_lib.lifting.evaluate import estimate_poses
from napa_lib.lifting.lift import fill_between
from napa_lib.lifting.train import fit_standardizer
from napa_lib.loop import command
from napa_lib.skeletons import ART14, NAPA18, convert
from napa_lib.training.pseudo_labels import everyday_frames, made_up, pictures_of_others, read_options, train_depth

PROGRAM = "python -m napa_lib.training.art_depths"
SHOWN = 3  # figures, as many as the paper shows


def joints_of(figures: Sequence[ArtFigure]) -> Tensor:
    """The figures' annotated joints (N, 18, 2) in pixels of their pictures, without gaps."""
    return fill_between(convert(torch.stack([figure.keypoints for figure in figures]).float(), ART14, NAPA18))


def most_apart(one: Tensor, other: Tensor, count: int) -> list[tuple[int, float]]:
    """Rows of two sets of poses (N, J, 3) that differ most, the farthest first, and their joints' mean distance."""
    apart = (one - other).norm(dim=-1).mean(-1)
    return [(int(row), float(apart[row])) for row in apart.argsort(descending=True)[:count]]


def compare(figures: Sequence[ArtFigure], config: TrainingConfig) -> dict:
    """Train without and with made-up labels, and keep the poses of the figures on which the two differ most.

    Returns:
        "apart", the mean distance over all figures, mm; "figures", of each that is kept its "name", "apart", and the
        poses "none" and "pseudo", lists (18, 3) of mm in camera axes.
    """
    standardizer = fit_standardizer(everyday_frames(), config)
    pictures, _ = pictures_of_others(config)
    networks = {"none": train_depth(config, standardizer)}
    guess = estimate_poses(networks["none"], standardizer, config, pictures)
    labels = made_up(pictures, guess, standardizer.length)
    networks["pseudo"] = train_depth(config, standardizer, (pictures, labels))
    joints = joints_of(figures)
    poses = {name: estimate_poses(network, standardizer, config, joints) for name, network in networks.items()}
    ranked = most_apart(poses["none"], poses["pseudo"], len(figures))
    kept = [
        {"name": figures[row].name, "apart": round(apart, 1)}
        | {name: found[row].round().int().tolist() for name, found in poses.items()}
        for row, apart in ranked[:SHOWN]
    ]
    return {"apart": round(sum(apart for _, apart in ranked) / len(ranked), 1), "figures": kept}


def main(arguments: list[str] | None = None) -> None:
    """Lift figures in art by a network that learned from made-up depths and by one that did not."""
    options, config = read_options(PROGRAM, main.__doc__, "art_depths", arguments)
    started = time.monotonic()
    with command():
        found = compare(load_art_figures(), config)
        results.write(
            options.results / f"art_depths_{options.seed}.json", found, results.command_line(PROGRAM, arguments),
            time.monotonic() - started, config, options.seed, config.steps,
        )  # fmt: skip
    print(f"{found['apart']} mm apart; most so: {', '.join(figure['name'] for figure in found['figures'])}")


if __name__ == "__main__":
    main()
