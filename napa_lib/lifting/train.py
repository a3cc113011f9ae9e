"""Train a depth network on motion capture: `python -m napa_lib.lifting.train --help`."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from napa_lib import loop
from napa_lib.data import list_mocap_clips, load_mocap
from napa_lib.data.views import exchange_limbs, random_views
from napa_lib.engine import learning_rate_factor, seed_everything
from napa_lib.files import prepare_file
from napa_lib.lifting.config import TrainingConfig
from napa_lib.lifting.drawing import network_input
from napa_lib.lifting.functional import bone_vectors, depth_loss
from napa_lib.lifting.lift import BoneStandardizer, save_depth_net
from napa_lib.lifting.networks import CoordinateNet, DepthNet
from napa_lib.loop import HERE, Losses, Record, Setup, Training, settings_of
from napa_lib.options import add_config, add_setup, read_config, read_setup


@dataclass(frozen=True)
class TrainedDepth:
    """A trained network, the bone statistics it was trained with, and the record of its losses, called `depth`."""

    network: nn.Module
    standardizer: BoneStandardizer
    record: Record


def build_network(config: TrainingConfig) -> nn.Module:
    """The network that `config.sees` asks for, with fresh weights."""
    return CoordinateNet() if config.sees == "coordinates" else DepthNet(config.preset)


def train_depth_net(config: TrainingConfig, setup: Setup = HERE, every: int | None = None) -> TrainedDepth:
    """Train one network on the training clips.

    Each step draws `batch` frames, exchanges limbs, turns the figures before random cameras, shows the network the
    keypoints and compares the depth of the bones.

    Args:
        config: what to train and how.
        setup: where and how to compute, and where to keep the state.
        every: steps between two entries of the record, and two checkpoints; a twentieth of all if not given.

    Returns:
        the network, on the CPU and in `eval()` mode, its standardizer, and the record.

    Raises:
        ValueError: if the checkpoint is corrupt or belongs to another config.
        FloatingPointError: if the loss is not finite; the last checkpoint is kept.

    Source: NAPA, section 3.2 (L_depth) and 3.3 (stage 2).
    """
    frames = torch.cat([load_mocap(clip).frames for clip in list_mocap_clips("train")])
    standardizer = fit_standardizer(frames, config)
    generator = seed_everything(config.seed)
    network = loop.on_device(setup.device, build_network(config))
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)

    def step(number: int) -> Losses:
        keypoints, poses = draw_views(frames, config, generator)
        target = standardizer.standardize(bone_vectors(poses))[..., 2:]
        shown = network_input(keypoints.to(setup.device), config)
        with setup.autocast():
            prediction = network(shown if config.sees == "coordinates" else loop.laid_out(shown, setup.device))
        losses = {"depth": depth_loss(prediction.float()[..., None], target.to(setup.device))}
        loop.descend(losses["depth"], optimizer, math.inf, losses)
        return losses

    settings = settings_of("depth", config, setup)
    training = Training({"network": network}, {"optimizer": optimizer}, generator, settings)
    record = loop.run(
        f"depth from {config.sees}", training, step, config.steps, every or max(1, config.steps // 20), setup,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return TrainedDepth(network.cpu().eval(), standardizer, record)


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


def main(arguments: list[str] | None = None) -> None:
    """Train one network and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.lifting.train", description=main.__doc__)
    parser.add_argument("--out", required=True, help="safetensors file to write")
    parser.add_argument("--small", action="store_true", help="write the weights in 8 bits")
    add_setup(parser, every=500)
    add_config(parser, TrainingConfig)
    options = parser.parse_args(arguments)
    with loop.command():
        prepare_file(options.out)
        config = read_config(options, TrainingConfig)
        trained = train_depth_net(config, read_setup(options), options.every)
        save_depth_net(options.out, trained.network, trained.standardizer, asdict(config), options.small)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
