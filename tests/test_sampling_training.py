"""The pose autoencoder's training: what its step descends, what it is shown, and at which rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from test_adversarial_loops import assert_moved_alike, take

from napa_lib import sampling
from napa_lib.sampling.networks import TreeEncoder
from napa_lib.sampling.train import TrainingConfig, mirror, train_autoencoder, training_poses, training_step


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def networks() -> tuple[sampling.PoseAutoencoder, TreeEncoder]:
    torch.manual_seed(0)
    return sampling.PoseAutoencoder(), TreeEncoder(1)


def one_step(model, critic, config: TrainingConfig, rates: dict[str, float]):
    """A step of plain gradient descent on eight poses; them, their local directions, the prior and the losses."""
    sgd = {n: torch.optim.SGD(m.parameters(), lr=rates[n]) for n, m in (("model", model), ("critic", critic))}
    canonical, prior = sampling.sample_canonical(8, generator=generator()), sampling.draw_embeddings(8, generator())
    local = sampling.local_directions(canonical)
    return canonical, local, prior, training_step(model, critic, canonical, local, prior, sgd, config)


def test_the_critic_goes_down_its_loss_and_then_phi_and_psi_down_eq_1_and_l_adv():
    rates = {"model": 0.3, "critic": 0.2}
    (model, critic), (twin, judge), before = networks(), networks(), networks()
    config = TrainingConfig(batch=8, adversarial=0.7, clip=1e9)
    canonical, local, prior, losses = one_step(model, critic, config, rates)

    drawn = twin.decoder(prior)
    real, fake = judge(local), judge(drawn.detach())
    (torch.ones(8, 1) - real).pow(2).add(fake.pow(2)).sum().div(8).backward()
    take(judge, rates["critic"])
    assert_moved_alike(critic, judge, before[1])
    off = sampling.join_local(twin.decoder(torch.tanh(twin.encoder(local)))) - canonical
    pose = off.pow(2).sum(-1).add(1e-12).sqrt().sum() / (8 * 17 * 1000)
    embedding = (torch.tanh(twin.encoder(drawn)) - prior).abs().sum() / (8 * 32)
    fooling = (judge(drawn) - 1).pow(2).sum() / 8
    (pose + embedding + 0.7 * fooling).backward()
    take(twin, rates["model"])
    assert_moved_alike(model, twin, before[0])
    for name, value in {"pose": pose, "embedding": embedding, "adversarial": fooling}.items():
        assert float(losses[name].detach()) == pytest.approx(float(value.detach()), rel=1e-4), name


def test_no_step_is_longer_than_its_clip():
    networks_, before = networks(), networks()
    one_step(*networks_, TrainingConfig(batch=8, clip=1e-3), {"model": 1.0, "critic": 1.0})
    for network, start in zip(networks_, before, strict=True):
        pairs = zip(network.parameters(), start.parameters(), strict=True)
        way = math.sqrt(sum(float((p - q).detach().double().square().sum()) for p, q in pairs))
        assert way == pytest.approx(1e-3, rel=0.05)


def test_steps_are_shown_poses_with_their_own_directions_and_all_of_the_cube(monkeypatch):
    shown, rates, told = [], [], []

    def step(model, critic, canonical, local, prior, optimizers, config):
        shown.append((canonical, local, prior))
        rates.append([optimizers[name].param_groups[0]["lr"] for name in ("model", "critic")])
        return {"pose": torch.tensor(0.0)}

    def adam(parameters, rate, betas):
        told.append((rate, betas))
        return torch.optim.SGD(parameters, lr=rate)

    monkeypatch.setattr("napa_lib.sampling.train.training_step", step)
    monkeypatch.setattr("napa_lib.sampling.train.adam", adam)
    pool = sampling.sample_canonical(50, generator=generator())
    train_autoencoder(TrainingConfig(steps=20, batch=32, every=20, learning_rate=0.02), poses=pool)
    for canonical, local, _ in shown:
        torch.testing.assert_close(local, sampling.local_directions(canonical))
        assert all(any(torch.equal(pose, known) for known in pool) for pose in canonical)
    poses, priors = torch.cat([s[0] for s in shown]), torch.cat([s[2] for s in shown])
    assert len(poses.unique(dim=0)) == 50 and len(priors.unique(dim=0)) == 20 * 32  # 640 draws leave none out
    assert priors.min() < -0.99 and priors.max() > 0.99 and priors.abs().max() <= 1
    assert float(priors.abs().mean()) == pytest.approx(0.5, abs=0.01)
    went = np.array(rates) / 0.02
    np.testing.assert_allclose(went[:3], [[0.5] * 2, [1.0] * 2, [1.0] * 2], atol=1e-6)
    np.testing.assert_allclose(went[11], 0.5, atol=1e-6)
    assert went[-1].max() < 0.01 and told == [(0.02, (0.5, 0.999))] * 2


def test_motion_capture_is_shown_mirrored_as_well():
    poses = training_poses("mocap", generator())
    half = len(poses) // 2
    torch.testing.assert_close(poses[half:], mirror(poses[:half]))
    torch.testing.assert_close(poses[:half], sampling.mocap_poses("train"))
    assert half == len(sampling.mocap_poses("train"))
