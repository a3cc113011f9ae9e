"""Chapter 7's trainings: they learn, stop cleanly, and go on bit for bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napa_lib.adaptation import (
    AdaptationConfig,
    GeneratorConfig,
    KeypointRegressor,
    PoseStyleGAN,
    SourceConfig,
    adapt,
    fit_square,
    sample_poses,
    source_poses,
    train_regressor,
    train_source,
)
from napa_lib.adaptation.train import deformed, worn
from napa_lib.loop import Setup
from napa_lib.networks import VGG19Features

SMALL = GeneratorConfig(size=16, latent=8, mapping_layers=2, channels=(12, 8, 6))
CONFIG = SourceConfig(SMALL, steps=6, batch=4, every=3, lazy=2)


@pytest.fixture(scope="module")
def poses():
    return source_poses(64, torch.Generator().manual_seed(0))


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(bool((a == b).all()) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_source_goes_on_bit_for_bit(tmp_path, poses):
    whole, record = train_source(CONFIG, poses)
    checkpoint = tmp_path / "source.safetensors"
    train_source(replace(CONFIG, steps=3), poses, Setup(checkpoint=checkpoint))
    resumed, again = train_source(CONFIG, poses, Setup(checkpoint=checkpoint))
    assert same(whole, resumed)
    assert [e["step"] for e in again] == [3, 6]
    assert [e["fooling"] for e in again] == [e["fooling"] for e in record]


def test_another_source_is_refused(tmp_path, poses):
    checkpoint = tmp_path / "source.safetensors"
    train_source(replace(CONFIG, steps=2), poses, Setup(checkpoint=checkpoint))
    with pytest.raises(ValueError, match="belongs to another training"):
        train_source(replace(CONFIG, seed=1), poses, Setup(checkpoint=checkpoint))


def test_beta_learns_to_read(poses):
    config = SourceConfig(SMALL, steps=120, batch=8, every=20, learning_rate=3e-3)
    network, record = train_regressor(config, poses)
    assert record[-1]["distance"] < 0.85 * record[0]["distance"]  # 16 px are few for fifteen joints
    assert not network.training


def test_what_beta_sees_stays_inside(poses):
    generator = torch.Generator().manual_seed(0)
    assert float(deformed(poses, generator).abs().max()) <= 1
    image = worn(torch.rand(5, 3, 16, 16), generator)
    assert image.shape == (5, 3, 16, 16) and 0 <= float(image.min()) <= float(image.max()) <= 1


@pytest.fixture(scope="module")
def adapted_parts(poses):
    torch.manual_seed(0)
    return PoseStyleGAN(replace(SMALL, size=16)).eval(), KeypointRegressor(3, 8).eval(), VGG19Features()


def test_adapting_lowers_the_loss_and_leaves_the_source_alone(adapted_parts, poses):
    source, regressor, features = adapted_parts
    before = [p.clone() for p in source.parameters()]
    config = AdaptationConfig(layers=(2, 3), mixed=40, steps=24, batch=8, learning_rate=2e-2)
    found = adapt(config, source, regressor, poses[:12], features)
    assert found.record[-1]["perceptual"] < found.record[0]["perceptual"]
    assert all(bool((a == b).all()) for a, b in zip(before, source.parameters(), strict=True))
    assert found.mixed.shape == (40, 15, 2)
    tau = found.generator.transfer
    assert tau.layers == (2, 3) and not bool((tau.blocks["2"] == torch.eye(tau.widths[1])).all())
    sampled = sample_poses(found.generator, regressor, 7, torch.Generator().manual_seed(0))
    assert sampled.shape == (7, 15, 2) and float(sampled.abs().max()) <= 1


def test_adapting_goes_on_bit_for_bit(adapted_parts, poses, tmp_path):
    config = AdaptationConfig(mixed=20, steps=6, batch=4)
    whole = adapt(config, *adapted_parts[:2], poses[:5], adapted_parts[2])
    checkpoint = tmp_path / "tau.safetensors"

    class Killed(RuntimeError):
        pass

    def kill(entry):
        if entry["step"] == 3:
            raise Killed

    with pytest.raises(Killed):
        adapt(config, *adapted_parts[:2], poses[:5], adapted_parts[2], Setup(checkpoint=checkpoint, tell=kill))
    resumed = adapt(config, *adapted_parts[:2], poses[:5], adapted_parts[2], Setup(checkpoint=checkpoint))
    assert same(whole.generator.transfer, resumed.generator.transfer)


def test_bad_input_to_adapting(adapted_parts, poses):
    source, regressor, features = adapted_parts
    config = AdaptationConfig(steps=1)
    with pytest.raises(ValueError, match="M >= 2"):
        adapt(config, source, regressor, poses[:1], features)
    with pytest.raises(ValueError, match="M >= 2"):
        adapt(config, source, regressor, poses[:0], features)
    with pytest.raises(ValueError, match="missing joint"):
        adapt(config, source, regressor, torch.full((3, 15, 2), torch.nan), features)
    with pytest.raises(ValueError, match="layers must be different numbers from 1 to 6"):
        adapt(replace(config, layers=(7,)), source, regressor, poses[:3], features)
    with pytest.raises(ValueError, match="n must be at least 1"):
        sample_poses(source, regressor, 0, torch.Generator())


def test_sources_without_poses(poses):
    with pytest.raises(ValueError, match="at least 2"):
        train_source(CONFIG, poses[:1])
    with pytest.raises(ValueError, match="must be"):
        train_source(CONFIG, torch.zeros(4, 17, 2))
    with pytest.raises(ValueError, match="one point"):
        fit_square(torch.zeros(2, 15, 2))
