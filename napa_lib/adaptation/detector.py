"""What a set of annotations is worth to a detector: one that must guess the half of a figure that it does not see.

The paper trains a KeypointGAN on pictures and unpaired poses, for each set of poses anew. This stand-in takes seconds.
It sees white stick figures of which a box is hidden, left and right look alike, and what it cannot see it
fills in from the poses that it was trained with: the same question, asked of the poses alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib import loop
from napa_lib.adaptation.networks import KeypointRegressor, halvings_for
from napa_lib.adaptation.sticks import FILL, alpha, check_poses
from napa_lib.engine import learning_rate_factor, seed_everything
from napa_lib.loop import HERE, Losses, Record, Setup, Training, descend, laid_out, on_device, settings_of
from napa_lib.metrics import mpjpe, pck

PAPER_SIDE = 128  # px of the paper's pictures: errors are given on this side


@dataclass(frozen=True)
class DetectorConfig:
    """One training of the detector."""

    size: int = 32  # side of its pictures in pixels
    width: int = 16  # channels of its first layer
    steps: int = 150
    batch: int = 16
    learning_rate: float = 3e-3  # Adam's
    seed: int = 0


def hide(images: Tensor, generator: torch.Generator) -> Tensor:
    """Black out a box of each picture, half as wide and half as high, at a random place.

    Args:
        images: (B, C, S, S).
        generator: draws the places.

    Returns:
        the same shape; what was given stays as it is.
    """
    side = images.shape[-1]
    first = (torch.rand(2, len(images), 1, generator=generator) * (side // 2 + 1)).long()
    rows = torch.arange(side)
    across, down = ((rows >= start) & (rows < start + side // 2) for start in first)
    return images.masked_fill((down[:, None, :, None] & across[:, None, None, :]), 0.0)


def pictures(poses: Tensor, config: DetectorConfig, generator: torch.Generator) -> Tensor:
    """What the detector sees of poses (B, J, 2) in [-1, 1]: (B, 1, S, S)."""
    return hide(alpha(poses, config.size, color=False), generator)


def train_detector(config: DetectorConfig, poses: Tensor, setup: Setup = HERE) -> tuple[KeypointRegressor, Record]:
    """Train a detector with annotations (N, J, 2) in [-1, 1]; in evaluation mode, with its record."""
    check_poses("poses", poses)
    generator = seed_everything(config.seed)
    network = on_device(setup.device, KeypointRegressor(1, config.width, halvings_for(config.size), poses.shape[1]))
    optimizer = loop.adam(network.parameters(), config.learning_rate, (0.9, 0.999))

    def step(number: int) -> Losses:
        target = poses[torch.randint(len(poses), (config.batch,), generator=generator)]
        with setup.autocast():
            found = network(laid_out(pictures(target, config, generator), setup.device))
        losses = {"distance": (found - target.to(found)).norm(dim=-1).mean()}
        descend(losses["distance"], optimizer, 1.0, losses)
        return losses

    training = Training({"detector": network}, {"adam": optimizer}, generator, settings_of("detector", config, setup))
    record = loop.run(
        "detector", training, step, config.steps, config.steps, setup, network,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return network.cpu().eval(), record


@torch.no_grad()
def detector_errors(network: KeypointRegressor, config: DetectorConfig, poses: Tensor) -> dict:
    """Its errors on poses (N, J, 2): `px`, the mean distance on the paper's side, and `pck10` and `pck20`.

    A joint is found where it is nearer than 10 or 20 % of the longer side of the figure's box.
    """
    images = pictures(poses, config, torch.Generator().manual_seed(0))
    found = torch.cat([network(part) for part in images.split(64)])
    return {
        "px": float(mpjpe(found, poses).total) * (PAPER_SIDE - 1) / 2,
        "pck10": float(pck(found, poses, 0.1, 2 * FILL).total),
        "pck20": float(pck(found, poses, 0.2, 2 * FILL).total),
    }
