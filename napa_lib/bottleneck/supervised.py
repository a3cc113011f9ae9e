"""The baselines of table 1, which see labels: the same network with supervision, and an hourglass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.bottleneck.config import TrainingConfig
from napa_lib.bottleneck.data import Clips, check_clips, labelled_frames
from napa_lib.bottleneck.hourglass import HourglassNet, heatmap_loss
from napa_lib.bottleneck.loop import (
    Losses,
    Measure,
    Record,
    Training,
    adam,
    bound,
    descend,
    laid_out,
    on_device,
    run,
    settings_of,
)
from napa_lib.bottleneck.losses import keypoint_loss
from napa_lib.bottleneck.model import KeypointGAN
from napa_lib.engine import seed_everything


def train_supervised(
    config: TrainingConfig,
    clips: Clips,
    device: torch.device,
    half: bool = False,
    checkpoint: Path | None = None,
    measure: Measure | None = None,
) -> tuple[KeypointGAN, Record]:
    """Train Phi and eta together on labelled frames: the same network with supervision. Arguments as in `train_rung`.

    Source: KeypointGAN, table 1 ("ours supervised"), which does not say more; l2 on the keypoints, end to end.
    """
    check_clips(clips, config.model, labelled=True)
    generator = seed_everything(config.seed)
    model = on_device(device, KeypointGAN(config.model))
    networks = nn.ModuleDict({"image": model.image_encoder, "skeleton": model.skeleton_encoder})
    record = _supervised(config, clips, networks, model.predict, keypoint_loss, "supervised", generator, device, half,
                         checkpoint, bound(measure, model))  # fmt: skip
    return model.eval(), record


def train_hourglass(
    config: TrainingConfig,
    clips: Clips,
    device: torch.device,
    half: bool = False,
    checkpoint: Path | None = None,
    measure: Measure | None = None,
) -> tuple[HourglassNet, Record]:
    """Train a one-stack hourglass on labelled frames: 8 times as wide as Phi begins, 256 channels in the paper's size.

    Source: KeypointGAN, table 1 ("hourglass").
    """
    check_clips(clips, config.model, labelled=True)
    generator = seed_everything(config.seed)
    network = on_device(device, HourglassNet(config.model.num_keypoints, 8 * config.model.width))
    record = _supervised(config, clips, network, network, heatmap_loss, "hourglass", generator, device, half,
                         checkpoint, bound(measure, network))  # fmt: skip
    return network.eval(), record


def _supervised(
    config: TrainingConfig,
    clips: Clips,
    network: nn.Module,
    predict: Callable[[Tensor], Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
    stage: str,
    generator: torch.Generator,
    device: torch.device,
    half: bool,
    checkpoint: Path | None,
    measure: Callable[[], dict] | None,
) -> Record:
    optimizer = adam(network.parameters(), config)

    def step() -> Losses:
        image, target = labelled_frames(clips, config.batch, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            found = predict(laid_out(image, device))
        losses = {"keypoints": loss(found, target.to(device))}
        descend(losses["keypoints"], optimizer, config.clip, losses)
        return losses

    training = Training({"network": network}, {"adam": optimizer}, generator, settings_of(stage, config, half))
    return run(f"training, {stage}", training, step, config.steps, checkpoint, measure)
