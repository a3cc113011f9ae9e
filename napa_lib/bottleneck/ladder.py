"""The second stage: pictures and unpaired poses, on each rung of the paper's ablation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from napa_lib.bottleneck.checks import check_clips
from napa_lib.bottleneck.config import BETAS, TrainingConfig
from napa_lib.bottleneck.losses import PerceptualLoss
from napa_lib.bottleneck.model import Critics, KeypointGAN
from napa_lib.data.clips import Clips, check_poses, draw_poses, frame_pairs, recolour, stir_poses
from napa_lib.engine import seed_everything
from napa_lib.loop import HERE, Losses, Record, Setup, Training, adam, descend, laid_out, on_device, run, settings_of
from napa_lib.networks import VGG19Features
from napa_lib.networks.gan import lsgan_discriminator_loss, lsgan_generator_loss
from napa_lib.networks.normalization import settle_normalization


def train_rung(
    config: TrainingConfig,
    clips: Clips,
    poses: Tensor,
    encoder: nn.Module,
    setup: Setup = HERE,
    start: KeypointGAN | None = None,
) -> tuple[KeypointGAN, Record]:
    """Train one rung of table 5 on pairs of frames and unpaired poses; no picture has a label.

    Args:
        config: what to train; `config.model` says which rung.
        clips: frames; their keypoints are not looked at.
        poses: (M, K, 2) in [-1, 1], from elsewhere.
        encoder: a pre-trained eta; it stays as it is.
        setup: where and how to compute.
        start: a model to go on from, trained on other clips, or on these with or without the second cycle; None to
            begin at random.

    Returns:
        the model and the record.

    Raises:
        ValueError: if poses, clips, encoder, start or checkpoint do not fit the config.
        FloatingPointError: if a loss is not finite; the last checkpoint is kept.

    Source: KeypointGAN, section 3.3 (eq. 6), section 4 and table 5.
    """
    check_poses(poses, config.model.num_keypoints)
    check_clips(clips, config.model, labelled=False)
    generator = seed_everything(config.seed)
    model, critics = on_device(setup.device, KeypointGAN(config.model)), on_device(setup.device, Critics(config.model))
    if start is not None:
        # the second cycle adds a critic, and no network to the model
        if replace(start.config, second_cycle=config.model.second_cycle) != config.model:
            raise ValueError(f"start must be of the config's model {config.model}, got {start.config}")
        model.load_state_dict(start.state_dict())
    model.skeleton_encoder.load_state_dict(encoder.state_dict())
    model.freeze_encoder()
    perceptual = PerceptualLoss(on_device(setup.device, VGG19Features()), config.perceptual_size).to(setup.device)
    rate = config.learning_rate
    adams = {
        "generators": adam([*model.image_encoder.parameters(), *model.image_generator.parameters()], rate, BETAS),
        "critics": adam(critics.parameters(), rate, BETAS),
    }

    def frames(generator: torch.Generator) -> Iterator[Tensor]:
        pair: Sequence[Tensor] = frame_pairs(clips, config.batch, generator)
        return (laid_out(x, setup.device) for x in (recolour(pair, generator) if config.recolour else pair))

    def step(number: int) -> Losses:
        image, style = frames(generator)
        pose = draw_poses(poses, config.batch, generator)
        if config.stir:
            pose = stir_poses(pose, config.model.skeleton, generator)
        pose = pose.to(setup.device)
        return adversarial_step(model, critics, perceptual, adams, (image, style, pose), config, setup)

    def settle() -> None:
        pairs = torch.Generator().manual_seed(config.seed)  # one of its own: training goes on as if nothing had been

        def forward() -> None:
            with setup.autocast():
                model(*frames(pairs))

        settle_normalization(model, forward)

    training = Training(
        {"model": model, "critics": critics, "perceptual": perceptual}, adams, generator,
        settings_of("ladder", config, setup),
    )  # fmt: skip
    record = run("KeypointGAN", training, step, config.steps, config.every, setup, model, settle=settle)
    return model.eval(), record


def adversarial_step(
    model: KeypointGAN,
    critics: Critics,
    perceptual: PerceptualLoss,
    adams: Mapping[str, torch.optim.Optimizer],
    batch: tuple[Tensor, Tensor, Tensor],
    config: TrainingConfig,
    setup: Setup = HERE,
) -> Losses:
    """One step of Phi and Psi against the critics, then one of the critics; the losses, unweighted.

    Args:
        model, critics, perceptual, adams: what is trained.
        batch: x and x' (B, 3, S, S), and unpaired poses (B, K, 2).
        config: weights of the losses.
        setup: where and how to compute.

    Source: KeypointGAN, eq. 6; with a second cycle, section 4 ("Second cycle constraint and discriminator").
    """
    image, style, pose = batch
    real, drawn = model.draw(pose), None
    critics.requires_grad_(False)
    with setup.autocast():
        found = model(image, style)
        losses = {
            "perceptual": perceptual(found.image, image),
            "fooling": lsgan_generator_loss(critics.skeletons(found.skeleton)),
        }
        total = losses["perceptual"] + config.adversarial * losses["fooling"]
        if critics.pictures is not None:
            drawn = model.generate(model.draw_for_generator(pose), style)
            losses["fooling_pictures"] = lsgan_generator_loss(critics.judge_pictures(drawn, style))
            losses["second_cycle"] = (model.image_encoder(drawn).float() - real).abs().mean()
            total = total + config.adversarial * losses["fooling_pictures"]
            total = total + config.second_cycle * losses["second_cycle"]
    descend(total, adams["generators"], config.clip, losses)

    critics.requires_grad_(True)
    with setup.autocast():
        judged = lsgan_discriminator_loss(critics.skeletons(real), critics.skeletons(found.skeleton.detach()))
        losses["discriminator"] = total = judged
        if drawn is not None:
            pair = critics.judge_pictures(image, style), critics.judge_pictures(drawn.detach(), style)
            losses["discriminator_pictures"] = lsgan_discriminator_loss(*pair)
            total = judged + losses["discriminator_pictures"]
    descend(total, adams["critics"], config.clip, losses)
    return losses
