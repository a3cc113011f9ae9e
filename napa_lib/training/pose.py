"""Train the pose network G on labelled pictures (stage 2): `python -m napa_lib.training.pose --help`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.data.crops import without_figures
from napa_lib.engine import learning_rate_factor, seed_everything
from napa_lib.files import prepare_file, write_text
from napa_lib.loop import (
    HERE,
    Losses,
    Record,
    Setup,
    Training,
    command,
    descend,
    run,
    settings_of,
    update_average,
)
from napa_lib.networks.pose_net import PoseNet2D, load_pose_net, save_pose_net
from napa_lib.options import add_config, add_setup, read_config, read_setup, tell
from napa_lib.processes import join_processes, step_seed
from napa_lib.results import to_json
from napa_lib.training.augment import Augmentation, change_colors, color_changes, hide_patches, random_crops
from napa_lib.training.config import PoseTrainingConfig
from napa_lib.training.echo import EchoBuffer
from napa_lib.training.losses import pose_losses
from napa_lib.training.pictures import PictureSet, draw_batch, open_sources, split_share
from napa_lib.training.updates import Trained, parameter_groups
from napa_lib.training.validate import validate


def train_pose_net(
    config: PoseTrainingConfig,
    sources: Sequence[PictureSet],
    shares: Sequence[float],
    setup: Setup = HERE,
    start_from: nn.Module | None = None,
    validation: dict[str, PictureSet] | None = None,
    every: int = 250,
) -> tuple[PoseNet2D, Record]:
    """Train on random crops of labelled pictures.

    Args:
        config: what to train and how.
        sources: the picture sets, and with them
        shares: how often each is drawn: raw and stylised pictures mix by these.
        setup: where and how to compute, and where to keep the state.
        start_from: a network whose weights to begin with.
        validation: named sets to measure on with each entry of the record.
        every: steps between two entries of the record, and two checkpoints.

    Returns:
        the network with averaged weights, in `eval()` mode, and a record of losses and validation errors.

    Raises:
        ValueError: if the checkpoint is corrupt or belongs to another config.
        FloatingPointError: if a loss is no longer finite; the last checkpoint is kept.

    Source: NAPA, sections 3.2 (L_2d) and 3.3 (stage 2).
    """
    rank, _ = join_processes(setup.device)
    generator = seed_everything(config.seed)
    network, average = (build(config, start_from).to(setup.device) for _ in range(2))
    optimizer = torch.optim.AdamW(parameter_groups(network, config), weight_decay=config.weight_decay)
    change, buffer = color_changes(), EchoBuffer(config.kept)

    def step(number: int) -> Losses:
        generator.manual_seed(step_seed(config.seed, number, rank))
        torch.manual_seed(step_seed(config.seed, number, rank))
        with setup.autocast():
            if number % config.echo == 0 or not len(buffer):
                crops, target = training_batch(sources, shares, config, change, generator)
                target = target.to(setup.device)
                features = network.features(crops.to(setup.device).contiguous(memory_format=torch.channels_last))
                if config.echo > 1:
                    buffer.push(features, target)
            else:
                features, target = buffer.draw(config.batch, generator)
            found = network.predict(features)
        losses = pose_losses(found, target, config.size)
        total = losses["heatmaps"] + config.integral * losses["integral"] + config.confidence * losses["confidence"]
        descend(total, optimizer, 1.0, losses)
        update_average(average, network, min(config.average, (number + 1) / (number + 10)))
        return losses

    def measure(model: Trained) -> dict:
        return {name: validate(average, pictures, config.size, setup.half) for name, pictures in sets.items()}

    sets = validation or {}
    models = {"network": Trained(network), "average": Trained(average)}
    training = Training(models, {"optimizer": optimizer}, generator, settings_of("pose", config, setup))
    record = run(
        "pose network", training, step, config.steps, every, replace(setup, measure=measure),
        rate=lambda number: learning_rate_factor(number, config.steps, longest_warm_up=300),
    )  # fmt: skip
    return average.eval(), record


def build(config: PoseTrainingConfig, start_from: nn.Module | None) -> PoseNet2D:
    """The network of a config, with fresh weights or another network's."""
    network = PoseNet2D(config.backbone, config.width, tuple(name for name in config.tuned.split(",") if name))
    if start_from is not None:
        network.load_state_dict(start_from.state_dict())
    return network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def training_batch(
    sources: Sequence[PictureSet],
    shares: Sequence[float],
    config: PoseTrainingConfig,
    change,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """One batch of augmented crops (B, 3, S, S) and their keypoints (B, 18, 2)."""
    settings = Augmentation()
    images, keypoints = draw_batch(sources, shares, config.batch, generator)
    crops, keypoints = random_crops(images, keypoints, config.size, settings, generator)
    empty = torch.rand(config.batch, generator=generator) < config.empty
    crops = torch.where(empty[:, None, None, None], without_figures(crops, generator), crops)
    keypoints = keypoints.masked_fill(empty[:, None, None], torch.nan)
    crops = hide_patches(crops, settings.hidden, generator)
    return change_colors(crops, settings.colors, change, generator), keypoints


def main(arguments: list[str] | None = None) -> None:
    """Train one network and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.pose", description=main.__doc__)
    parser.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="SOURCE[:SHARE]",
        help="folders of picture shards, or data sets: coco:FOLDER, mpii:FOLDER#valid …",
    )
    parser.add_argument("--validation", nargs="*", default=[], help="the same, to measure on")
    parser.add_argument("--out", required=True, help="safetensors file to write")
    parser.add_argument("--start-from", help="a trained network to begin with")
    add_setup(parser, every=250)
    add_config(parser, PoseTrainingConfig)
    options = parser.parse_args(arguments)
    with command():
        _train(options)


def _train(options: argparse.Namespace) -> None:
    config = read_config(options, PoseTrainingConfig)
    for file in (Path(options.out), Path(options.out).with_suffix(".json")):
        prepare_file(file)
    setup = replace(read_setup(options), tell=tell, inputs={"data": options.data, "start_from": options.start_from})
    rank, world = join_processes(setup.device)
    names, shares = zip(*map(split_share, options.data), strict=True)
    side = 3 * config.size // 2  # of pictures cut out of data sets
    network, record = train_pose_net(
        config,
        open_sources(names, side, rank, world),
        shares,
        setup,
        load_pose_net(options.start_from) if options.start_from else None,
        {Path(name).name: open_sources([name], side)[0] for name in options.validation},
        options.every,
    )
    if rank > 0:
        return
    save_pose_net(options.out, network, {"config": json.dumps(asdict(config)), "data": " ".join(options.data)})
    write_text(Path(options.out).with_suffix(".json"), to_json(record) + "\n")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
