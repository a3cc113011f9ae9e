"""Chapter 7's trainings: they learn, stop cleanly, and go on bit for bit."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from napa_lib import results
from napa_lib.adaptation import (
    AdaptationConfig,
    AdaptedGenerator,
    GeneratorConfig,
    KeypointRegressor,
    Pool,
    PoseStyleGAN,
    SourceConfig,
    StyleTransfer,
    adapt,
    alpha,
    draw_pool,
    fit_square,
    load_pretrained,
    load_pretrained_reader,
    load_pretrained_transfer,
    pose_mixup,
    reading,
    recorded_target,
    sample_poses,
    source_poses,
    warm,
)
from napa_lib.adaptation import train as training
from napa_lib.adaptation.adapt import paired_noises, read_poses
from napa_lib.adaptation.measure import SAMPLES, distances
from napa_lib.adaptation.reading import ReadingConfig, refine_regressor
from napa_lib.adaptation.store import (
    TAUGHT,
    load_regressor,
    load_source,
    load_transfer,
    save_regressor,
    save_source,
    save_transfer,
)
from napa_lib.adaptation.train import deformed, train_regressor, train_source, worn
from napa_lib.adaptation.warm import COMPONENTS, pose_codes, warm_source
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


def test_the_generator_descends_what_fools_the_critic_and_the_critic_what_tells_them_apart(poses, monkeypatch):
    """Binary cross-entropy by hand, of what the critic says of generated pictures, real ones, and those again."""
    said, descended = [], []
    judge, descend = training.Discriminator.forward, training.descend

    def listen(critic, images):
        scores = judge(critic, images)
        said.append(scores.detach().double().numpy())
        return scores

    def follow(total, *words):
        descended.append(float(total.detach()))
        descend(total, *words)

    monkeypatch.setattr(training.Discriminator, "forward", listen)
    monkeypatch.setattr(training, "descend", follow)
    train_source(replace(CONFIG, steps=1, penalty=0.0), poses)
    fooling, real, fake = said[:3]
    np.testing.assert_allclose(fooling, fake, atol=0.1)  # the same pictures, before and after the generator's step
    assert descended[0] == pytest.approx(np.log1p(np.exp(-fooling)).mean(), rel=1e-5)
    assert descended[1] == pytest.approx(np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake)).mean(), rel=1e-5)


def test_the_critic_is_penalised_at_real_pictures_every_few_steps(poses, monkeypatch):
    penalised, totals = [], []

    def penalty(critic, real):
        penalised.append(real)
        return torch.tensor(7.0)

    def noted(total, optimizer, clip, losses):
        totals.append((float(total.detach()), {name: float(value.detach()) for name, value in losses.items()}))
        training_descend(total, optimizer, clip, losses)

    training_descend = training.descend
    monkeypatch.setattr(training, "gradient_penalty", penalty)
    monkeypatch.setattr(training, "descend", noted)
    train_source(replace(CONFIG, steps=5, penalty=0.5, lazy=2), poses)
    judged = [total - losses["judging"] for total, losses in totals if "judging" in losses]
    assert judged == pytest.approx([7.0, 0.0, 7.0, 0.0, 7.0], abs=1e-5)  # 2 steps of 0.5 times 7 at once
    drawn = alpha(poses, SMALL.size)
    for real in penalised:
        assert float((real[:, None] - drawn[None]).abs().amax((2, 3, 4)).amin(1).max()) == 0.0


def test_the_mapping_learns_at_a_tenth_of_the_rate_and_what_comes_out_is_an_average(poses):
    """Adam's first step is as long as its rate, whatever the gradient; the average has nine tenths of it."""
    network = PoseStyleGAN(SMALL)
    start = copy.deepcopy(network)
    trained, _ = train_source(replace(CONFIG, steps=1, learning_rate=1e-3), poses, start=network)
    for part, rate in (("mapping", 1e-4), ("affine", 1e-3), ("synthesis", 1e-3)):
        pairs = zip(getattr(start, part).parameters(), getattr(trained, part).parameters(), strict=True)
        assert max(float((a - b).detach().abs().max()) for a, b in pairs) == pytest.approx(0.9 * rate, rel=0.01)


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


def test_beta_sees_poses_deformed_and_pictures_worn(poses, monkeypatch):
    drawn, seen = torch.Generator().manual_seed(0), []
    small = poses / 2  # so that nothing leaves the picture
    before, after = (part[..., 1] - part[..., 1].mean(1, keepdim=True) for part in (small, deformed(small, drawn)))
    stretch = (before * after).sum(1) / before.square().sum(1)  # up to 30 %, evenly, and the joints' moving
    assert float(stretch.mean()) == pytest.approx(1, abs=0.08) and 0.14 < float(stretch.std()) < 0.23
    light = worn(torch.ones(300, 3, 16, 16), drawn).mean((1, 2, 3))
    assert 0.55 < float(light.min()) < 0.65 and float(light.max()) > 0.95  # from faint to full
    for name in ("deformed", "worn"):
        was = getattr(training, name)
        monkeypatch.setattr(training, name, lambda x, g, was=was, name=name: seen.append(name) or was(x, g))
    train_regressor(replace(CONFIG, steps=2), poses)
    assert seen == ["deformed", "worn"] * 2


def test_what_beta_sees_stays_inside(poses):
    generator = torch.Generator().manual_seed(0)
    assert float(deformed(poses, generator).abs().max()) <= 1
    image = worn(torch.rand(5, 3, 16, 16), generator)
    assert image.shape == (5, 3, 16, 16) and 0 <= float(image.min()) <= float(image.max()) <= 1


@pytest.fixture(scope="module")
def adapted_parts(poses):
    torch.manual_seed(0)
    source, regressor = PoseStyleGAN(SMALL).eval(), KeypointRegressor(3, 8).eval()
    return source, regressor, draw_pool(source, regressor, 60, torch.Generator().manual_seed(1)), VGG19Features()


def test_adapting_lowers_the_loss_and_leaves_the_source_alone(adapted_parts, poses):
    source, regressor, pool, features = adapted_parts
    before = [p.clone() for p in source.parameters()]
    config = AdaptationConfig(layers=(2, 3), mixed=40, steps=24, batch=8, learning_rate=2e-2)
    found = adapt(config, source, pool, poses[:12], features)
    assert found.record[-1]["perceptual"] < found.record[0]["perceptual"]
    assert all(bool((a == b).all()) for a, b in zip(before, source.parameters(), strict=True))
    assert all(weight.grad is None for weight in found.generator.source.parameters())  # no time is lost on these
    assert found.mixed.shape == (40, 15, 2)
    tau = found.generator.transfer
    assert tau.layers == (2, 3) and not bool((tau.blocks["2"] == torch.eye(tau.widths[1])).all())
    sampled = sample_poses(found.generator, regressor, 7, torch.Generator().manual_seed(0))
    assert sampled.shape == (7, 15, 2) and float(sampled.abs().max()) <= 1


def test_taus_first_step_is_as_long_as_the_rate(adapted_parts, poses):
    source, _, pool, features = adapted_parts
    config = AdaptationConfig(layers=(2,), mixed=20, steps=1, batch=4, learning_rate=1e-3)
    block = adapt(config, source, pool, poses[:5], features).generator.transfer.blocks["2"].detach()
    assert float((block - torch.eye(len(block))).abs().max()) == pytest.approx(1e-3, rel=0.01)


def test_tau_follows_a_mean_of_its_gradients(adapted_parts, poses, monkeypatch):
    """Two steps of Adam by hand: the mean over about ten gradients, by the root of that over a thousand squares."""
    source, _, pool, features = adapted_parts
    module, gradients = sys.modules["napa_lib.adaptation.adapt"], []
    descend = module.descend

    def noted(loss, optimizer, *rest):
        descend(loss, optimizer, *rest)
        gradients.append(optimizer.param_groups[0]["params"][0].grad.double().numpy().copy())

    monkeypatch.setattr(module, "descend", noted)
    config = AdaptationConfig(layers=(2,), mixed=20, steps=2, batch=4, learning_rate=1e-3)
    block = adapt(config, source, pool, poses[:5], features).generator.transfer.blocks["2"].detach().double().numpy()
    first, second = gradients
    mean, square = (0.9 * first + second) / 1.9, (0.999 * first**2 + second**2) / 1.999
    moved = first / (np.abs(first) + 1e-8) + mean / (np.sqrt(square) + 1e-8)
    np.testing.assert_allclose(block, np.eye(len(block)) - 1e-3 * moved, atol=2e-6)


def test_each_noise_is_to_become_the_pose_that_it_is_paired_with(adapted_parts, poses, monkeypatch):
    source, _, _, features = adapted_parts
    config = AdaptationConfig(layers=(2,), mixed=24, steps=3, batch=8, seed=4)
    mixed = pose_mixup(poses[:6], 24, torch.Generator().manual_seed(4))
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    pool = Pool(source.noise(24, torch.Generator().manual_seed(1)), mixed[order])  # so that each has a perfect partner
    pictures = alpha(mixed, SMALL.size)
    seen = []

    class Stub(torch.nn.Module):
        def __init__(self, source, transfer):
            super().__init__()
            self.source, self.transfer = source, transfer

        def forward(self, noises):
            seen.append([noises])
            return sum(block.sum() for block in self.transfer.blocks.values())

    def caught(features, drawn, wanted):
        seen[-1].append(wanted)
        return drawn

    module = sys.modules["napa_lib.adaptation.adapt"]
    monkeypatch.setattr(module, "AdaptedGenerator", Stub)
    monkeypatch.setattr(module, "perceptual_loss", caught)
    found = adapt(config, source, pool, poses[:6], features)
    torch.testing.assert_close(found.mixed, mixed)
    assert len(seen) == 3
    for noises, wanted in seen:
        rows = (wanted[:, None] - pictures[None]).abs().amax((2, 3, 4)).argmin(1)
        torch.testing.assert_close(wanted, pictures[rows])
        assert len(set(rows.tolist())) > 3
        partners = torch.stack([pool.noises[int((order == row).nonzero()[0])] for row in rows])
        torch.testing.assert_close(noises, partners)


def test_beta_learns_what_an_adapted_generators_drawings_are_to_be_read_as(adapted_parts, poses):
    source, regressor, pool, features = adapted_parts
    adapted = adapt(AdaptationConfig(layers=(2,), mixed=30, steps=2, batch=4), source, pool, poses[:5], features)
    noises = paired_noises("nearest", pool, adapted.mixed)

    def errs(reader):
        return float((read_poses(adapted.generator, reader, noises) - adapted.mixed).norm(dim=-1).mean())

    before = [p.clone() for p in regressor.parameters()]
    taught, record = refine_regressor(ReadingConfig(60, 16, 3e-3), regressor, adapted, noises, poses)
    assert errs(taught) < 0.8 * errs(regressor) and len(record) == 1 and not taught.training
    assert all(bool((a == b).all()) for a, b in zip(before, regressor.parameters(), strict=True))
    for wrong in (noises[:-1], pool.noises):
        with pytest.raises(ValueError, match="one a mixed pose, 30"):
            refine_regressor(ReadingConfig(1), regressor, adapted, wrong, poses)
    with pytest.raises(ValueError, match="same points, got 15, 68 and 15"):
        refine_regressor(ReadingConfig(1), regressor, adapted, noises, torch.zeros(4, 68, 2))
    with pytest.raises(ValueError, match="batch >= 2"):
        ReadingConfig(batch=1)


def test_each_drawing_is_to_be_read_as_its_own_pose(adapted_parts, poses, monkeypatch):
    source, regressor, pool, features = adapted_parts
    adapted = adapt(AdaptationConfig(layers=(2,), mixed=30, steps=1, batch=4), source, pool, poses[:5], features)
    noises = paired_noises("nearest", pool, adapted.mixed)
    seen = {}
    for name in ("deformed", "laid_out"):
        was = getattr(reading, name)
        monkeypatch.setattr(reading, name, lambda *x, was=was, name=name: seen.setdefault(name, was(*x)))
    _, record = refine_regressor(ReadingConfig(1, 6), regressor, adapted, noises, poses)
    sticks, drawn = seen["laid_out"].split(3)
    with torch.no_grad():
        all_drawn = adapted.generator(noises)
        rows = torch.cdist(drawn.flatten(1), all_drawn.flatten(1)).argmin(1)
        apart = regressor(torch.cat([sticks, drawn])) - torch.cat([seen["deformed"], adapted.mixed[rows]])
    assert record[0]["distance"] == pytest.approx(float(apart.norm(dim=-1).mean()), rel=1e-4)


def test_adapting_goes_on_bit_for_bit(adapted_parts, poses, tmp_path):
    source, _, pool, features = adapted_parts
    config = AdaptationConfig(mixed=20, steps=6, batch=4)
    whole = adapt(config, source, pool, poses[:5], features)
    checkpoint = tmp_path / "tau.safetensors"

    class Killed(RuntimeError):
        pass

    def kill(entry):
        if entry["step"] == 3:
            raise Killed

    with pytest.raises(Killed):
        adapt(config, source, pool, poses[:5], features, Setup(checkpoint=checkpoint, tell=kill))
    resumed = adapt(config, source, pool, poses[:5], features, Setup(checkpoint=checkpoint))
    assert same(whole.generator.transfer, resumed.generator.transfer)


def test_bad_input_to_adapting(adapted_parts, poses):
    source, regressor, pool, features = adapted_parts
    config = AdaptationConfig(mixed=20, steps=1)
    with pytest.raises(ValueError, match="M >= 2"):
        adapt(config, source, pool, poses[:1], features)
    with pytest.raises(ValueError, match="M >= 2"):
        adapt(config, source, pool, poses[:0], features)
    with pytest.raises(ValueError, match="missing joint"):
        adapt(config, source, pool, torch.full((3, 15, 2), torch.nan), features)
    with pytest.raises(ValueError, match="the source's 15 points, got 68"):  # faces, to a source of bodies
        adapt(replace(config, pairing="random"), source, pool, torch.zeros(3, 68, 2), features)
    with pytest.raises(ValueError, match="layers must be different numbers from 1 to 6"):
        adapt(replace(config, layers=(7,)), source, pool, poses[:3], features)
    with pytest.raises(ValueError, match="a noise for each of 61 mixed poses, got 60"):
        adapt(replace(config, mixed=61), source, pool, poses[:3], features)
    for draw in (sample_poses, draw_pool):
        with pytest.raises(ValueError, match="at least 1 noise, got 0"):
            draw(source, regressor, 0, torch.Generator())


def test_sources_without_poses(poses):
    with pytest.raises(ValueError, match="at least 2"):
        train_source(CONFIG, poses[:1])
    with pytest.raises(ValueError, match="must be"):
        train_source(CONFIG, torch.zeros(4, 17, 2))
    with pytest.raises(ValueError, match="one point"):
        fit_square(torch.zeros(2, 15, 2))


def test_pairs_are_noises_that_lie_near():
    pool = Pool(torch.arange(4.0)[:, None], torch.arange(4.0)[:, None, None].expand(4, 15, 2))
    mixed = torch.tensor([2.9, 0.2])[:, None, None].expand(2, 15, 2)
    assert paired_noises("nearest", pool, mixed).flatten().tolist() == [3, 0]
    assert paired_noises("random", pool, mixed).flatten().tolist() == [0, 1]


def test_networks_in_files(adapted_parts, tmp_path):
    source, regressor, _, _ = adapted_parts
    transfer = StyleTransfer(source.widths, (2, 5))
    with torch.no_grad():
        transfer.blocks["5"].mul_(2)
    path = tmp_path / "part.safetensors"
    z, styles = torch.randn(3, 8), [torch.randn(3, width) for width in source.widths]
    save_source(path, source)
    with torch.no_grad():
        assert float((load_source(path)(z) - source(z)).abs().max()) < 0.01  # halves
    with pytest.raises(ValueError, match="no FlexPose beta"):
        load_regressor(path)
    save_regressor(path, regressor)
    with torch.no_grad():
        image = source(z)
        assert float((load_regressor(path)(image) - regressor(image)).abs().max()) < 0.01
    save_transfer(path, transfer)
    found = load_transfer(path)
    assert found.layers == (2, 5)
    assert all(bool((a == b).all()) for a, b in zip(found(styles), transfer(styles), strict=True))
    save_transfer(path, transfer, small=True)
    assert all(torch.allclose(a, b, atol=0.05) for a, b in zip(load_transfer(path)(styles), found(styles), strict=True))
    save_source(path, source, small=True)
    with torch.no_grad():
        assert float((load_source(path)(z) - source(z)).abs().max()) < 0.05  # 8 bits
    with pytest.raises(ValueError):
        load_source(tmp_path / "none.safetensors")


def test_the_command_trains_both(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SCALE", 64)
    monkeypatch.setitem(training.PRESETS, "tiny", SMALL)
    for stage, load in (("source", load_source), ("beta", load_regressor)):
        out = tmp_path / f"{stage}.safetensors"
        arguments = ["--stage", stage, "--steps", "2", "--batch", "4", "--out", str(out)]
        training.main([*arguments, "--results", str(tmp_path / f"{stage}.json")])
        load(out)
        found = results.read(tmp_path / f"{stage}.json")
        assert found["steps"] == 2 and found["record"][-1]["step"] == 2
        assert ("held_out" in found) == (stage == "beta")
    with pytest.raises(SystemExit, match="at least 1|>= 1"):
        training.main(["--stage", "beta", "--steps", "0", "--out", str(tmp_path / "x.safetensors")])


def test_networks_that_ship_are_as_near_to_their_target_as_was_stored():
    source = load_pretrained()[0]
    generator = AdaptedGenerator(source, load_pretrained_transfer(TAUGHT)).eval()
    noises = source.noise(SAMPLES, torch.Generator().manual_seed(1))
    found = distances(read_poses(generator, load_pretrained_reader(), noises), recorded_target(TAUGHT).held_out)
    assert found == pytest.approx(results.shipped("adaptation/taught")["shipped"]["taught"], abs=0.04)


# First lessons -----------------------------------------------------------------------------------------------------


def test_codes_are_spread_as_noise_is():
    poses = source_poses(4000, torch.Generator().manual_seed(0))
    codes = pose_codes(poses, 64, torch.Generator().manual_seed(1))
    assert codes.shape == (4000, 64)
    torch.testing.assert_close(codes.square().mean(1), torch.ones(4000), atol=1e-4, rtol=0)  # on the sphere
    assert float(codes.mean(0).abs().max()) < 0.1
    assert float((codes.var(0) - 1).abs().max()) < 0.25
    correlation = torch.corrcoef(codes.T).fill_diagonal_(0)
    assert float(correlation.abs().max()) < 0.25  # principal components do not go together


def test_a_code_knows_its_pose_and_not_the_others_order():
    poses = source_poses(200, torch.Generator().manual_seed(0))
    codes = pose_codes(poses, 64, torch.Generator().manual_seed(1))
    order = torch.randperm(200, generator=torch.Generator().manual_seed(2))
    again = pose_codes(poses[order], 64, torch.Generator().manual_seed(1))
    same_sign = torch.sign((codes[order, :COMPONENTS] * again[:, :COMPONENTS]).sum(0))  # a component's sign is open
    torch.testing.assert_close(codes[order, :COMPONENTS], same_sign * again[:, :COMPONENTS], atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="latent must be more than 28, got 28"):
        pose_codes(poses, 28, torch.Generator())
    few = pose_codes(poses[:5], 64, torch.Generator())  # they have five components
    assert few.shape == (5, 64)
    torch.testing.assert_close(few.square().mean(1), torch.ones(5), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="at least 2"):
        pose_codes(poses[:1], 64, torch.Generator())


def test_first_lessons_mind_absolute_differences_a_little(poses, monkeypatch):
    seen, descend = [], warm.descend

    def noted(total, optimizer, clip, losses):
        seen.append((float(total.detach()), {name: float(value.detach()) for name, value in losses.items()}))
        descend(total, optimizer, clip, losses)

    monkeypatch.setattr(warm, "descend", noted)
    warm_source(SourceConfig(replace(SMALL, latent=32), steps=2, batch=4), poses)
    for total, losses in seen:
        assert total == pytest.approx(losses["squared"] + 0.1 * losses["absolute"], rel=1e-5)


def test_first_lessons_lower_the_loss_and_the_critic_goes_on_from_them(poses):
    model = replace(SMALL, latent=32)
    config = SourceConfig(model, steps=60, batch=8, every=20)
    network, record = warm_source(config, poses)
    assert record[-1]["squared"] < 0.8 * record[0]["squared"]
    whole, _ = warm_source(replace(config, steps=4, every=2), poses)
    again, _ = warm_source(replace(config, steps=4, every=2), poses)
    assert same(whole, again)
    start = [p.clone() for p in network.parameters()]
    trained, _ = train_source(replace(config, steps=1, learning_rate=1e-6), poses, start=network)
    assert all(bool((a == b).all()) for a, b in zip(start, network.parameters(), strict=True))
    pairs = zip(trained.parameters(), network.parameters(), strict=True)
    assert all(float((a - b).detach().abs().max()) < 1e-4 for a, b in pairs)
    with pytest.raises(ValueError, match="start must be of the configuration"):
        train_source(CONFIG, poses, start=network)
