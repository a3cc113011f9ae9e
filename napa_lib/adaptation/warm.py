"""A source generator's first lessons, without an adversary: noises that stand for poses, and the pictures of these.

The paper's StyleGAN learns skeleton images from its adversary alone, on GPUs. On a CPU ours still drew blots after a
thousand steps of that. Here each pose of the source is given a noise of its own first, so that all noises together are
spread as noise is, and the generator learns to draw the pose of each: a regression, which takes minutes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from napa_lib import loop
from napa_lib.adaptation.config import SourceConfig
from napa_lib.adaptation.networks import PoseStyleGAN
from napa_lib.adaptation.sticks import alpha, check_source
from napa_lib.engine import learning_rate_factor, seed_everything
from napa_lib.loop import HERE, Losses, Record, Setup, Training, descend, laid_out, on_device, settings_of

COMPONENTS = 28  # of a body's 30 numbers; the box that it is fitted into takes the freedom of two
SHARPNESS = 0.1  # weight of the absolute difference beside the squared one


def pose_codes(poses: Tensor, latent: int, generator: torch.Generator) -> Tensor:
    """A noise for each pose, (K, latent), of length sqrt(latent): spread as normalised noise is.

    The first numbers are the pose's principal components (as many as there are poses, `COMPONENTS` at most), each
    brought to a normal distribution by its rank; the others are random, as long as they must be.

    Args:
        poses: (K, J, 2), K at least 2.
        latent: of the generator, more than `COMPONENTS`.
        generator: source of the random numbers.

    Raises:
        ValueError: for fewer than two poses, or if `latent` is too small for the components.
    """
    if latent <= COMPONENTS:
        raise ValueError(f"latent must be more than {COMPONENTS}, got {latent}")
    flat = check_source(poses).flatten(1).double()
    centred = flat - flat.mean(0)
    scores = centred @ torch.linalg.svd(centred, full_matrices=False)[2][:COMPONENTS].T
    share = (scores.argsort(0).argsort(0) + 0.5) / len(poses)
    code = math.sqrt(2) * torch.erfinv(2 * share - 1).float()
    code = code * (0.95 * latent / code.square().sum(1, keepdim=True)).sqrt().clamp_max(1)
    rest = torch.randn(len(poses), latent - code.shape[1], generator=generator)
    room = latent - code.square().sum(1, keepdim=True)
    return torch.cat([code, rest * (room / rest.square().sum(1, keepdim=True)).sqrt()], 1)


def warm_source(config: SourceConfig, poses: Tensor, setup: Setup = HERE) -> tuple[PoseStyleGAN, Record]:
    """Teach a generator to draw each pose of the source from its code.

    Args:
        config: what to train and how; what is the critic's plays no part.
        poses: (K, J, 2) in [-1, 1].
        setup: where and how to compute, and the checkpoint.

    Returns:
        the generator, in evaluation mode, and the record.

    Raises:
        ValueError: for poses with missing joints or of another set, or a checkpoint that does not fit.
    """
    generator, model = seed_everything(config.seed), config.model
    codes = pose_codes(poses, model.latent, generator)
    network = on_device(setup.device, PoseStyleGAN(model))
    optimizer = loop.adam(network.parameters(), config.learning_rate, (0.9, 0.999))

    def step(number: int) -> Losses:
        rows = torch.randint(len(poses), (config.batch,), generator=generator)
        wanted = laid_out(alpha(poses[rows], model.size, model.color), setup.device)
        with setup.autocast():
            drawn = network(codes[rows].to(setup.device))
        losses = {"squared": mse_loss(drawn, wanted), "absolute": l1_loss(drawn, wanted)}
        descend(losses["squared"] + SHARPNESS * losses["absolute"], optimizer, 100.0, losses)
        return losses

    training = Training({"network": network}, {"adam": optimizer}, generator, settings_of("warm", config, setup))
    record = loop.run(
        "first lessons", training, step, config.steps, config.every, setup, network,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return network.cpu().eval(), record
