"""The first stage: eta learns to read keypoints off drawings of unpaired poses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napa_lib.bottleneck.config import BETAS, TrainingConfig
from napa_lib.bottleneck.losses import keypoint_loss
from napa_lib.bottleneck.model import KeypointGAN
from napa_lib.data.clips import check_poses, draw_poses, stir_poses
from napa_lib.engine import seed_everything
from napa_lib.loop import HERE, Losses, Record, Setup, Training, adam, descend, on_device, run, settings_of


class Plateau(nn.Module):
    """Lowers a learning rate once, by 10, when the error has not fallen by 1 % for a while.

    The error is the mean over windows of 100 steps. The state is in buffers, so that checkpoints hold it.

    Source: KeypointGAN, section 4 ("The learning rate is decreased once by a factor of 10 when the error plateaus").
    """

    best: Tensor
    total: Tensor
    steps: Tensor
    waited: Tensor
    lowered: Tensor
    window = 100

    def __init__(self, patience: int) -> None:
        super().__init__()
        self.patience = patience
        self.register_buffer("best", torch.tensor(torch.inf, dtype=torch.float64))
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))
        for name in ("steps", "waited", "lowered"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))

    def see(self, error: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Take note of one step's error, and lower the optimizer's learning rate if it is time."""
        self.total += error.detach().double().cpu()
        self.steps += 1
        if int(self.steps) % self.window:
            return
        mean = self.total / self.window
        self.total.zero_()
        better = bool(mean < 0.99 * self.best)
        self.waited.copy_(torch.tensor(0 if better else int(self.waited) + self.window))
        self.best.copy_(torch.minimum(self.best, mean))
        if int(self.waited) >= self.patience and not int(self.lowered):
            self.lowered.fill_(1)
            for group in optimizer.param_groups:
                group["lr"] /= 10


def pretrain(
    config: TrainingConfig,
    poses: Tensor,
    setup: Setup = HERE,
) -> tuple[KeypointGAN, Record]:
    """Train eta to read keypoints off drawings of unpaired poses: eta(beta(p)) = p.

    The poses are stirred (`stir_poses`), which the paper, with a thousand times as many, has no need of.

    Args:
        config: what to train.
        poses: (M, K, 2) in [-1, 1], NaN where a keypoint is missing.
        setup: where and how to compute.

    Returns:
        a model of which eta is trained, and the record.

    Raises:
        ValueError: for poses of another joint set or without a visible joint, or a checkpoint that does not fit.
        FloatingPointError: if the loss is not finite; the last checkpoint is kept.

    Source: KeypointGAN, section 3.1 and section 4 ("Training details").
    """
    check_poses(poses, config.model.num_keypoints)
    generator = seed_everything(config.seed)
    model = on_device(setup.device, KeypointGAN(config.model))
    encoder = model.skeleton_encoder
    optimizer = adam(encoder.parameters(), config.learning_rate, BETAS)
    plateau = Plateau(config.plateau)

    def step(number: int) -> Losses:
        target = stir_poses(draw_poses(poses, config.batch, generator), config.model.skeleton, generator)
        target = target.to(setup.device)
        with setup.autocast():
            found = encoder(model.draw(target))
        losses = {"keypoints": keypoint_loss(found, target)}
        descend(losses["keypoints"], optimizer, config.clip, losses)
        plateau.see(losses["keypoints"], optimizer)
        return losses

    training = Training(
        {"encoder": encoder, "plateau": plateau}, {"adam": optimizer}, generator, settings_of("pretrain", config, setup)
    )
    record = run("pre-training eta", training, step, config.steps, config.every, setup, model)
    return model.eval(), record
