"""The baselines of table 1, which see labels: the same network with supervision, and an hourglass."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from napa_lib.bottleneck.checks import check_clips
from napa_lib.bottleneck.config import BETAS, TrainingConfig
from napa_lib.bottleneck.losses import keypoint_loss
from napa_lib.bottleneck.model import KeypointGAN
from napa_lib.data.clips import Clips, labelled_frames
from napa_lib.engine import seed_everything
from napa_lib.loop import HERE, Losses, Record, Setup, Training, adam, descend, laid_out, on_device, run, settings_of
from napa_lib.networks.hourglass import HourglassNet, heatmap_loss
from napa_lib.networks.normalization import settle_normalization


def train_supervised(
    config: TrainingConfig,
    clips: Clips,
    setup: Setup = HERE,
) -> tuple[KeypointGAN, Record]:
    """Train Phi and eta together on labelled frames: the same network with supervision. Arguments as in `train_rung`.

    Source: KeypointGAN, table 1 ("ours supervised"), which does not say more; l2 on the keypoints, end to end.
    """
    check_clips(clips, config.model, labelled=True)
    generator = seed_everything(config.seed)
    model = on_device(setup.device, KeypointGAN(config.model))
    networks = nn.ModuleDict({"image": model.image_encoder, "skeleton": model.skeleton_encoder})
    optimizer = adam(networks.parameters(), config.learning_rate, BETAS)
    settings = settings_of("supervised", config, setup)
    training = Training({"network": networks}, {"adam": optimizer}, generator, settings)
    step = _step(training, clips, model.predict, keypoint_loss, config, setup)
    settle = _settle(networks, clips, model.predict, config, setup)
    record = run("supervised", training, step, config.steps, config.every, setup, model, settle=settle)
    return model.eval(), record


def train_hourglass(
    config: TrainingConfig,
    clips: Clips,
    setup: Setup = HERE,
) -> tuple[HourglassNet, Record]:
    """Train a one-stack hourglass on labelled frames: 8 times as wide as Phi begins, 256 channels in the paper's size.

    Source: KeypointGAN, table 1 ("hourglass").
    """
    check_clips(clips, config.model, labelled=True)
    generator = seed_everything(config.seed)
    network = on_device(setup.device, HourglassNet(config.model.num_keypoints, 8 * config.model.width))
    optimizer = adam(network.parameters(), config.learning_rate, BETAS)
    settings = settings_of("hourglass", config, setup)
    training = Training({"network": network}, {"adam": optimizer}, generator, settings)
    step = _step(training, clips, network, heatmap_loss, config, setup)
    settle = _settle(network, clips, network, config, setup)
    record = run("hourglass", training, step, config.steps, config.every, setup, settle=settle)
    return network.eval(), record


def _step(
    training: Training,
    clips: Clips,
    predict: Callable[[Tensor], Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
    config: TrainingConfig,
    setup: Setup,
) -> Callable[[int], Losses]:
    """One step on a batch of labelled frames."""

    def step(number: int) -> Losses:
        image, target = labelled_frames(clips, config.batch, training.generator)
        with setup.autocast():
            found = predict(laid_out(image, setup.device))
        losses = {"keypoints": loss(found, target.to(setup.device))}
        descend(losses["keypoints"], training.optimizers["adam"], config.clip, losses)
        return losses

    return step


def _settle(
    network: nn.Module,
    clips: Clips,
    predict: Callable[[Tensor], Tensor],
    config: TrainingConfig,
    setup: Setup,
) -> Callable[[], None]:
    """What takes batch normalisation's statistics anew, over frames of the clips."""

    def settle() -> None:
        generator = torch.Generator().manual_seed(config.seed)

        def forward() -> None:
            with setup.autocast():
                predict(laid_out(labelled_frames(clips, config.batch, generator)[0], setup.device))

        settle_normalization(network, forward)

    return settle
