"""Fitting tau to a few target poses, and sampling from what comes out."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napa_lib import loop
from napa_lib.adaptation.config import AdaptationConfig
from napa_lib.adaptation.functional import check_shots, nearest_pairs, pose_mixup
from napa_lib.adaptation.losses import perceptual_loss
from napa_lib.adaptation.networks import KeypointRegressor, PoseStyleGAN
from napa_lib.adaptation.sticks import alpha, check_poses
from napa_lib.adaptation.transfer import AdaptedGenerator, StyleTransfer
from napa_lib.engine import seed_everything
from napa_lib.loop import HERE, Losses, Record, Setup, Training, descend, laid_out, on_device, settings_of
from napa_lib.networks import VGG19Features

BATCH = 32  # of noises that are read at once: larger ones do not fit into a processor's cache


@dataclass(frozen=True, eq=False)
class Pool:
    """Noises of a source and the poses that it makes of them: drawn once, and used for any number of targets."""

    noises: Tensor  # (N, latent)
    poses: Tensor  # (N, J, 2) in [-1, 1]


@dataclass(frozen=True)
class Adapted:
    """A target's generator g_t, the mixed poses that it was fitted to, and the record of the fitting."""

    generator: AdaptedGenerator
    mixed: Tensor  # (E, J, 2) in [-1, 1]
    record: Record


def draw_pool(source: PoseStyleGAN, regressor: KeypointRegressor, count: int, generator: torch.Generator) -> Pool:
    """`count` noises, and where in the space of poses the source puts them, as beta reads it."""
    noises = source.noise(count, generator)
    return Pool(noises, read_poses(source, regressor, noises))


def adapt(
    config: AdaptationConfig,
    source: PoseStyleGAN,
    pool: Pool,
    shots: Tensor,
    features: VGG19Features | None = None,
    setup: Setup = HERE,
) -> Adapted:
    """Fit tau so that noises of the source become the shots and the poses between them.

    The paper pairs random noises with random poses, and a linear map cannot follow a random pairing: it learns the
    poses' mean. By default each mixed pose is therefore paired with a noise that the source already turns into
    something near it, so that tau has to learn how the two distributions differ, and no more.

    Args:
        config: which layers, how many mixed poses, how long.
        source: g_s; it stays as it is.
        pool: noises to choose from, at least as many as mixed poses, from `draw_pool`.
        shots: (M, J, 2) in [-1, 1], at least two poses of the target, no joint missing.
        features: Gamma of eq. 5; None for the VGG-19 that ships.
        setup: where and how to compute, and the checkpoint.

    Returns:
        the target's generator, on the CPU and in evaluation mode, with the mixed poses and the record.

    Raises:
        ValueError: for fewer than two shots, missing joints, other points than the source's, layers that it does not
            have, a pool that is too small, or a checkpoint that does not fit.
        FloatingPointError: if the loss is not finite; the last checkpoint is kept.

    Source: FlexPose, section 3.3 (eq. 4 to 7).
    """
    shots = check_shots(check_poses("shots", shots)).cpu()
    if shots.shape[1] != pool.poses.shape[1]:
        raise ValueError(f"shots must have the source's {pool.poses.shape[1]} points, got {shots.shape[1]}")
    generator = seed_everything(config.seed)
    device = setup.device
    source = on_device(device, copy.deepcopy(source)).eval().requires_grad_(False)
    features = on_device(device, features or VGG19Features())
    model = AdaptedGenerator(source, StyleTransfer(source.widths, config.layers)).to(device)
    mixed = pose_mixup(shots.float(), config.mixed, generator)
    noises = paired_noises(config.pairing, pool, mixed)
    optimizer = loop.adam(model.transfer.parameters(), config.learning_rate, (0.9, 0.999))

    def step(number: int) -> Losses:
        rows = torch.randint(len(mixed), (config.batch,), generator=generator)
        wanted = laid_out(alpha(mixed[rows], source.config.size, source.config.color), device)
        with setup.autocast():
            losses = {"perceptual": perceptual_loss(features, model(noises[rows].to(device)), wanted)}
        descend(losses["perceptual"], optimizer, 100.0, losses)
        return losses

    training = Training(
        {"tau": model.transfer}, {"adam": optimizer}, generator, settings_of("adapt", config, setup)
    )  # fmt: skip
    record = loop.run("adapting", training, step, config.steps, max(1, config.steps // 6), setup)
    return Adapted(model.cpu().eval(), mixed, record)


def paired_noises(pairing: str, pool: Pool, mixed: Tensor) -> Tensor:
    """The noise of the pool that is to become each of the mixed poses, (E, latent).

    Raises:
        ValueError: if the pool has fewer noises than there are mixed poses.
    """
    if len(pool.noises) < len(mixed):
        raise ValueError(f"pool must hold a noise for each of {len(mixed)} mixed poses, got {len(pool.noises)}")
    if pairing == "random":  # the pool's noises are in random order, and so are the mixed poses
        return pool.noises[: len(mixed)]
    return pool.noises[nearest_pairs(mixed, pool.poses)]


@torch.no_grad()
def read_poses(network: nn.Module, regressor: KeypointRegressor, noises: Tensor) -> Tensor:
    """beta(g(z)): the poses that a generator draws, (N, J, 2) in [-1, 1], on the CPU.

    Source: FlexPose, eq. 8; `alpha` of it is the re-rendered skeleton image.
    """
    device = next(network.parameters()).device
    return torch.cat([regressor(network(part.to(device))).float().cpu() for part in noises.split(BATCH)])


def sample_poses(
    network: AdaptedGenerator | PoseStyleGAN, regressor: KeypointRegressor, n: int, generator: torch.Generator
) -> Tensor:
    """n poses of a generator's distribution, read through the bottleneck beta, (n, J, 2) in [-1, 1].

    Raises:
        ValueError: for n < 1.

    Source: FlexPose, section 3.4.
    """
    source = network.source if isinstance(network, AdaptedGenerator) else network
    return read_poses(network, regressor, source.noise(n, generator))
