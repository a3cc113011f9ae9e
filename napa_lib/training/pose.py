"""Train the pose network G on labelled pictures (stage 2): `python -m napa_lib.training.pose --help`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.engine import (
    CheckpointError,
    choose_device,
    learning_rate_factor,
    load_checkpoint,
    load_tensors,
    progress,
    save_checkpoint,
    seed_everything,
)
from napa_lib.networks.heatmaps import cells_to_pixels, soft_argmax
from napa_lib.networks.pose_net import PoseNet2D, PosePrediction, load_pose_net, save_pose_net
from napa_lib.processes import average_gradients, join_processes, step_seed
from napa_lib.training.augment import Augmentation, change_colors, color_changes, hide_patches, random_crops
from napa_lib.training.config import PoseTrainingConfig
from napa_lib.training.echo import EchoBuffer
from napa_lib.training.losses import confidence_loss, heatmap_loss, integral_loss
from napa_lib.training.pictures import PictureSet, draw_batch, open_sources, split_share, without_figures
from napa_lib.training.updates import Trained, parameter_groups, update_average
from napa_lib.training.validate import validate


def train_pose_net(
    config: PoseTrainingConfig,
    sources: Sequence[PictureSet],
    shares: Sequence[float],
    checkpoint: str | Path | None = None,
    start_from: nn.Module | None = None,
    validation: dict[str, PictureSet] | None = None,
    save_every: int = 250,
    device: torch.device | str = "cpu",
    half: bool = False,
) -> tuple[PoseNet2D, list[dict]]:
    """Train on random crops of labelled pictures.

    Args:
        config: what to train and how.
        sources: the picture sets, and with them
        shares: how often each is drawn: raw and stylised pictures mix by these.
        checkpoint: file to write every `save_every` steps, and to go on from if it is there.
        start_from: a network whose weights to begin with.
        validation: named sets to measure on at each checkpoint.
        device: where the network computes.
        half: compute in bfloat16 where that is safe (`torch.autocast`).

    Returns:
        the network with averaged weights, in `eval()` mode, and a record of losses and validation errors.

    Raises:
        ValueError: if the checkpoint is corrupt or belongs to another config.
        FloatingPointError: if the loss is no longer finite; the last checkpoint is kept.

    Started by `torchrun`, each process draws batches of its own, and all take the mean gradient's step; the first one
    measures and saves.

    Source: NAPA, sections 3.2 (L_2d) and 3.3 (stage 2).
    """
    rank, world = join_processes()
    generator = seed_everything(config.seed)
    network, average = build(config, start_from).to(device), build(config, start_from).to(device)
    optimizer = torch.optim.AdamW(parameter_groups(network, config), weight_decay=config.weight_decay)
    state = {"network": Trained(network), "average": Trained(average)}, {"optimizer": optimizer}, generator
    settings = {"config": json.dumps(asdict(config))}
    start = resume(checkpoint, state, settings)
    change, record, buffer = color_changes(), [], EchoBuffer(config.kept)
    clock, running = time.monotonic(), torch.zeros(3)
    for step in progress(range(start, config.steps), "pose network"):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate_factor(step, config.steps, longest_warm_up=300)
        generator.manual_seed(step_seed(config.seed, step, rank))
        torch.manual_seed(step_seed(config.seed, step, rank))
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half):
            if step % config.echo == 0 or not len(buffer):
                crops, target = training_batch(sources, shares, config, change, generator)
                target = target.to(device)
                features = network.features(crops.to(device).contiguous(memory_format=torch.channels_last))
                if config.echo > 1:
                    buffer.push(features, target)
            else:
                features, target = buffer.draw(config.batch, generator)
            found = network.predict(features)
        parts = loss_terms(found, target, config.size)
        loss = parts @ parts.new_tensor([1.0, config.integral, config.confidence])
        if not bool(loss.isfinite()):
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}; lower the learning rate and go on")
        optimizer.zero_grad()
        loss.backward()
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        average_gradients(trained, world)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        update_average(average, network, min(config.average, (step + 1) / (step + 10)))
        running += parts.detach().cpu()
        if rank == 0 and ((step + 1) % save_every == 0 or step + 1 == config.steps):
            steps = save_every if (step + 1) % save_every == 0 else (step + 1) % save_every
            entry = {"step": step + 1, "losses": (running / steps).tolist(), "seconds": time.monotonic() - clock}
            running.zero_()
            for name, pictures in (validation or {}).items():
                entry[name] = validate(average, pictures, config.size, half)
            record.append(entry)
            print(json.dumps(entry), flush=True)
            if checkpoint is not None:
                save_checkpoint(checkpoint, step + 1, *state, settings)
    return average.eval(), record


def loss_terms(found: PosePrediction, target: Tensor, size: int) -> Tensor:
    """(3,): the heat maps' cross-entropy, L_2d and the confidence loss of a prediction."""
    expected = cells_to_pixels(soft_argmax(found.heatmaps))
    maps, integral = heatmap_loss(found.heatmaps, target), integral_loss(expected, target, size)
    return torch.stack([maps, integral, confidence_loss(found.confidence, found.keypoints, target, size)])


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
    settings: Augmentation | None = None,
) -> tuple[Tensor, Tensor]:
    """One batch of augmented crops (B, 3, S, S) and their keypoints (B, 18, 2)."""
    settings = settings or Augmentation()
    images, keypoints = draw_batch(sources, shares, config.batch, generator)
    crops, keypoints = random_crops(images, keypoints, config.size, settings, generator)
    empty = torch.rand(config.batch, generator=generator) < config.empty
    crops = torch.where(empty[:, None, None, None], without_figures(crops, generator), crops)
    keypoints = keypoints.masked_fill(empty[:, None, None], torch.nan)
    crops = hide_patches(crops, settings.hidden, generator)
    return change_colors(crops, settings.colors, change, generator), keypoints


def resume(checkpoint: str | Path | None, state, settings: dict[str, str]) -> int:
    """The step to go on from: a checkpoint's, or 0."""
    if checkpoint is None or not Path(checkpoint).exists():
        return 0
    found = load_tensors(checkpoint)[1].get("config")
    if found != settings["config"]:
        raise CheckpointError(f"{checkpoint} belongs to another training: {found}, expected {settings['config']}")
    return load_checkpoint(checkpoint, *state)


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
    parser.add_argument("--checkpoint", help="file to keep the run's state in; an interrupted run goes on from it")
    parser.add_argument("--start-from", help="a trained network to begin with")
    parser.add_argument("--save-every", type=int, default=250, help="steps between two checkpoints")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16 where that is safe")
    for field in fields(PoseTrainingConfig):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    options = vars(parser.parse_args(arguments))
    config = PoseTrainingConfig(**{field.name: options[field.name] for field in fields(PoseTrainingConfig)})
    names, shares = zip(*map(split_share, options["data"]), strict=True)
    side = 3 * config.size // 2  # of pictures cut out of data sets
    begin = load_pose_net(options["start_from"]) if options["start_from"] else None
    network, record = train_pose_net(
        config,
        open_sources(names, side, *join_processes()),
        shares,
        options["checkpoint"],
        begin,
        {Path(name).name: open_sources([name], side)[0] for name in options["validation"]},
        options["save_every"],
        choose_device(options["device"]),
        options["half"],
    )
    if join_processes()[0] > 0:
        return
    save_pose_net(options["out"], network, {"config": json.dumps(asdict(config)), "data": " ".join(options["data"])})
    Path(options["out"]).with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options['out']}")


if __name__ == "__main__":
    main()
