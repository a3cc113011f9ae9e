"""Train the network of drawn figures, all of it: `python -m napa_lib.training.drawn --help`."""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data.shards import LOOKS
from napa_lib.engine import learning_rate_factor, seed_everything
from napa_lib.files import prepare_file
from napa_lib.loop import (
    HERE,
    Record,
    Setup,
    Training,
    command,
    descend,
    laid_out,
    on_device,
    run,
    settings_of,
    update_average,
)
from napa_lib.multiperson.composed import Cutouts, load_cutouts
from napa_lib.networks.drawn_pose_net import (
    SIZE,
    DrawnPoseNet,
    load_drawn_pose_net,
    save_drawn_pose_net,
    start_drawn_pose_net,
)
from napa_lib.options import add_config, add_setup, read_config, read_setup, tell
from napa_lib.results import command_line
from napa_lib.training.augment import change_colors, color_changes, hide_patches
from napa_lib.training.losses import map_losses
from napa_lib.training.pictures import read_pictures, split_share
from napa_lib.training.scenes import centre_losses, draw_scenes, without_people
from napa_lib.training.validate import validate
from napa_lib.training.warm_start import SETTINGS, WarmSource, draw_crops, labelled

TYPICAL = 64  # crops on which the biases of the file are corrected
PROGRAM = "python -m napa_lib.training.drawn"


@dataclass(frozen=True)
class DrawnConfig:
    """How the network is trained, every weight of it."""

    size: int = SIZE  # side of the crops in pixels
    steps: int = 8000
    batch: int = 16
    learning_rate: float = 3e-4  # of AdamW at its peak
    weight_decay: float = 0.02
    integral: float = 20.0  # weight of L_2d beside the heat maps' cross-entropy
    scenes: int = 6  # pictures of several figures beside each batch
    average: float = 0.998  # decay of the running average of the weights, which is what is kept
    seed: int = 0


def train_drawn(
    config: DrawnConfig,
    sources: Sequence[WarmSource],
    alone: Sequence[WarmSource],
    crowd: Sequence[Cutouts],
    setup: Setup = HERE,
    start_from: DrawnPoseNet | None = None,
    every: int = 250,
) -> tuple[DrawnPoseNet, Record]:
    """Train every weight, from MoveNet's or another network's: on crops where joints are, on scenes where figures are.

    Args:
        config: how.
        sources: to learn joints from.
        alone, crowd: to learn from where figures are, as for `draw_scenes`.
        setup: where and how to compute, the checkpoint, and what to measure.
        start_from: a network to begin with.
        every: steps between two entries of the record, with each of which a checkpoint is written.

    Returns:
        the network with averaged weights in `eval()` mode, and the record.

    Raises:
        ValueError: if the checkpoint is corrupt or belongs to another config.
        FloatingPointError: if the loss is no longer finite; the last checkpoint is kept.
    """
    generator = seed_everything(config.seed)
    network = on_device(setup.device, copy.deepcopy(start_from) if start_from else start_drawn_pose_net())
    network.requires_grad_(True)
    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    change = color_changes()

    def step(number: int) -> dict[str, Tensor]:
        crops, target = draw_crops(sources, config.batch, config.size, generator)
        crops = hide_patches(crops, SETTINGS.hidden, generator)
        crops, target = change_colors(crops, SETTINGS.colors, change, generator), target.to(setup.device)
        pictures, boxes = draw_scenes(alone, crowd, config.scenes, change, generator)
        with setup.autocast():
            maps = network.maps(laid_out(crops, setup.device))
            people = network.trunk(laid_out(pictures, setup.device))
        losses = map_losses(maps, target, config.size) | centre_losses(people, boxes.to(setup.device))
        total = losses["heatmaps"] + config.integral * losses["integral"] + losses["centre"] + losses["box"]
        descend(total, optimizer, 1.0, losses)
        update_average(average, network, min(config.average, (number + 1) / (number + 10)))
        return losses

    training = Training(
        {"network": network, "average": average}, {"optimizer": optimizer}, generator,
        settings_of("drawn figures", config, setup),
    )  # fmt: skip
    record = run(
        "network of drawn figures", training, step, config.steps, every, setup, average,
        rate=lambda number: learning_rate_factor(number, config.steps, longest_warm_up=200),
    )  # fmt: skip
    return average.eval(), record


def main(arguments: list[str] | None = None) -> None:
    """Train the network of drawn figures and write it to a file."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument(
        "--data", nargs="+", required=True, metavar="FOLDER[:SHARE]", help="shards of labelled pictures"
    )
    parser.add_argument("--validation", nargs="*", default=[], help="folders of picture shards to measure on")
    parser.add_argument(
        "--alone", nargs="+", required=True, metavar="FOLDER[:SHARE]", help="shards with nobody but the labelled figure"
    )
    parser.add_argument("--nobody", metavar="FOLDER[:SHARE]", help="folder of pictures that show nobody")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--start-from", type=Path, help="a trained network to begin with")
    add_setup(parser, every=250)
    add_config(parser, DrawnConfig)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    with command():
        prepare_file(options.out)
        config = read_config(options, DrawnConfig)
        sets = {Path(folder).name: read_pictures(folder) for folder in options.validation}

        def measure(network: DrawnPoseNet) -> dict:
            return {name: validate(network, pictures, config.size, options.half) for name, pictures in sets.items()}

        start = options.start_from and str(options.start_from)
        inputs = {"data": options.data, "start_from": start, "alone": options.alone, "nobody": options.nobody}
        setup = replace(read_setup(options), measure=measure, tell=tell, inputs=inputs)
        sources, alone = (
            [labelled(read_pictures(folder), share) for folder, share in map(split_share, named)]
            for named in (options.data, options.alone)
        )
        if options.nobody:
            folder, share = split_share(options.nobody)
            alone.append(WarmSource(without_people(Path(folder)), torch.empty(0, 4), share))
        crowd = [load_cutouts("train", look) for look in LOOKS]
        begin = load_drawn_pose_net(options.start_from) if options.start_from else None
        network, _ = train_drawn(config, sources, alone, crowd, setup, begin, options.every)
        typical, _ = draw_crops(sources, TYPICAL, config.size, seed_everything(config.seed))
        save_drawn_pose_net(options.out, network.cpu(), typical, {"command": command_line(PROGRAM, arguments)})


if __name__ == "__main__":
    main()
