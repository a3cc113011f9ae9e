"""Train a depth network on motion capture: `python -m napa_lib.lifting.train --help`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.data import list_mocap_clips, load_mocap
from napa_lib.data.views import exchange_limbs, random_views
from napa_lib.engine import (
    CheckpointError,
    choose_device,
    learning_rate_factor,
    load_checkpoint,
    load_tensors,
    progress,
    save_checkpoint,
    save_tensors,
    seed_everything,
)
from napa_lib.lifting.config import TrainingConfig
from napa_lib.lifting.drawing import network_input
from napa_lib.lifting.functional import bone_vectors, depth_loss
from napa_lib.lifting.lift import BoneStandardizer
from napa_lib.lifting.networks import CoordinateNet, DepthNet
from napa_lib.quantization import quantize


@dataclass(frozen=True)
class TrainedDepth:
    """A trained network, the bone statistics it was trained with, and the loss of every step since the last start."""

    network: nn.Module
    standardizer: BoneStandardizer
    losses: list[float]


def build_network(config: TrainingConfig) -> nn.Module:
    """The network that `config.sees` asks for, with fresh weights."""
    return CoordinateNet() if config.sees == "coordinates" else DepthNet(config.preset)


def train_depth_net(
    config: TrainingConfig,
    checkpoint: str | Path | None = None,
    save_every: int = 500,
    device: torch.device | str = "cpu",
) -> TrainedDepth:
    """Train one network on the training clips.

    Each step draws `batch` frames, exchanges limbs, turns the figures before random cameras, shows the network the
    keypoints and compares the depth of the bones. On a CPU the same config gives the same weights, bit for bit, also
    when the run was stopped at any moment and started again with the same checkpoint.

    Args:
        config: what to train and how.
        checkpoint: file to write every `save_every` steps, and to go on from if it is there.
        save_every: steps between two checkpoints.
        device: where the network computes; the views are drawn on the CPU, so that they are the same everywhere.

    Returns:
        the network, on the CPU and in `eval()` mode, its standardizer, and the losses.

    Raises:
        ValueError: if the checkpoint is corrupt or belongs to another config.

    Source: NAPA, section 3.2 (L_depth) and 3.3 (stage 2).
    """
    frames = torch.cat([load_mocap(clip).frames for clip in list_mocap_clips("train")])
    standardizer = fit_standardizer(frames, config)
    generator = seed_everything(config.seed)
    network = build_network(config).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    state = {"network": network}, {"optimizer": optimizer}, generator
    settings = {"config": json.dumps(asdict(config))}
    start = 0
    if checkpoint is not None and Path(checkpoint).exists():
        found = load_tensors(checkpoint)[1].get("config")
        if found != settings["config"]:
            raise CheckpointError(f"{checkpoint} belongs to another training: {found}, expected {settings['config']}")
        start = load_checkpoint(checkpoint, *state)
    losses = []
    for step in progress(range(start, config.steps), f"depth from {config.sees}"):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(step, config.steps)
        keypoints, poses = draw_views(frames, config, generator)
        target = standardizer.standardize(bone_vectors(poses))
        prediction = network(network_input(keypoints.to(device), config))
        loss = depth_loss(prediction[..., None], target[..., 2:].to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if checkpoint is not None and (step + 1) % save_every == 0:
            save_checkpoint(checkpoint, step + 1, *state, settings)
    return TrainedDepth(network.cpu().eval(), standardizer, losses)


def draw_views(frames: Tensor, config: TrainingConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One batch: (B, 18, 2) keypoints in pixels and (B, 18, 3) poses in camera axes, mm."""
    index = torch.randint(len(frames), (config.batch,), generator=generator)
    return random_views(exchange_limbs(frames, index, config.exchange, generator), config, generator)


def fit_standardizer(frames: Tensor, config: TrainingConfig) -> BoneStandardizer:
    """Bone statistics over 20 random views of each frame, as training draws them; the same for every seed."""
    generator = torch.Generator().manual_seed(0)
    index = torch.arange(len(frames)).repeat(20)
    poses = exchange_limbs(frames, index, config.exchange, generator)
    return BoneStandardizer.fit(random_views(poses, config, generator)[1])


def save_depth_net(path: str | Path, trained: TrainedDepth, config: TrainingConfig, small: bool = False) -> None:
    """Write network, bone statistics and config to one safetensors file; `small` is a quarter of it, in 8 bits."""
    weights = {f"network/{name}": value for name, value in trained.network.state_dict().items()}
    if small:
        weights = quantize(weights)
    save_tensors(path, weights | trained.standardizer.tensors(), {"config": json.dumps(asdict(config))})


def main(arguments: list[str] | None = None) -> None:
    """Train one network and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.lifting.train", description=main.__doc__)
    parser.add_argument("--out", required=True, help="safetensors file to write")
    parser.add_argument("--checkpoint", help="file to keep the run's state in; an interrupted run goes on from it")
    parser.add_argument("--save-every", type=int, default=500, help="steps between two checkpoints")
    parser.add_argument("--small", action="store_true", help="write the weights in 8 bits")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps")
    for field in fields(TrainingConfig):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    options = vars(parser.parse_args(arguments))
    config = TrainingConfig(**{field.name: options[field.name] for field in fields(TrainingConfig)})
    device = choose_device(options["device"])
    trained = train_depth_net(config, options["checkpoint"], options["save_every"], device)
    save_depth_net(options["out"], trained, config, options["small"])
    print(f"wrote {options['out']}")


if __name__ == "__main__":
    main()
