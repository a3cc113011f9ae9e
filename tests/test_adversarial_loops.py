"""Chapter 4's trainings step by step: which batches, which rates, which gradients, and what a row's runs begin with."""

from __future__ import annotations

import math
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napa_lib import adversarial as a
from napa_lib import results
from napa_lib.adversarial import experiments, lambdas
from napa_lib.adversarial.domains import batches
from napa_lib.loop import HERE, on_device
from napa_lib.networks.heatmaps import local_soft_argmax
from tests.adversarial_world import CONFIG, SMALL, world

ONE = replace(
    CONFIG, steps=1, every=1, learning_rate=0.02, critic_learning_rate=0.05, adversarial=0.7, clip=1e9, seed=3
)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Namespace:
    """Plain gradient descent in place of Adam; the batches that are drawn, and what Adam would have been told."""
    found = Namespace(batches=[], adams=[])

    def drawn(domains, count, generator):
        for batch in batches(domains, count, generator):
            found.batches.append(batch.to(torch.device("cpu")))
            yield batch

    def descent(parameters, rate, betas):
        found.adams.append((rate, betas))
        return torch.optim.SGD(parameters, lr=rate)

    monkeypatch.setattr("napa_lib.adversarial.train.batches", drawn)
    monkeypatch.setattr("napa_lib.adversarial.train.adam", descent)
    monkeypatch.setattr("napa_lib.adversarial.train.SETTLING", 1)
    return found


def networks(sources=a.SOURCES, seed: int = ONE.seed):
    """The networks with which a training of that seed begins, laid out as there: rounding is then the same, too."""
    torch.manual_seed(seed)
    both = a.Generator(SMALL), a.MultiSourceDiscriminator(sources, SMALL)
    return [on_device(torch.device("cpu"), network) for network in both]


def take(network: torch.nn.Module, rate: float) -> None:
    """One step of plain gradient descent."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= rate * parameter.grad


def assert_moved_alike(network: torch.nn.Module, expected: torch.nn.Module, before: torch.nn.Module) -> None:
    """Every parameter went as far, and where it should have."""
    triples = zip(network.named_parameters(), expected.parameters(), before.parameters(), strict=True)
    for (name, one), two, start in triples:
        way, should = (one - start).detach(), (two - start).detach()
        torch.testing.assert_close(way, should, rtol=0, atol=1e-6 + 2e-3 * float(should.abs().max()), msg=name)


def distance(one: torch.nn.Module, other: torch.nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return math.sqrt(sum(float((p - q).detach().double().square().sum()) for p, q in pairs))


def bumps(keypoints: torch.Tensor) -> torch.Tensor:
    """Heat maps of one cell's deviation, (B, J, 16, 16), of keypoints in pictures of 64 pixels."""
    cells = (torch.arange(16) * 4 + 1.5) / 31.5 - 1
    x, y = keypoints[..., 0, None, None], keypoints[..., 1, None, None]
    off = (cells[None] - x).square() + (cells[:, None] - y).square()
    return (-off * (31.5 / 4) ** 2 / 2).exp()


def test_the_2d_module_goes_down_the_errors_of_all_its_stacks_and_the_regressor_stays(seen):
    model, _ = a.pretrain_2d(ONE, world(8))
    twin, before = networks()[0], networks()[0]
    batch = seen.batches[0]
    errors = [(maps - bumps(batch.keypoints)).square().mean() for maps in twin.hourglass(batch.image).heatmaps]
    (errors[0] + errors[1]).backward()
    take(twin, ONE.learning_rate)
    assert_moved_alike(model, twin, before)
    assert seen.adams == [(ONE.learning_rate, (0.9, 0.999))]


@pytest.mark.parametrize("sources", [(), a.SOURCES])
def test_a_training_s_step_is_eq_5_and_eq_3_and_never_sees_depths_of_the_wild(seen, sources):
    """The wild world has 3D labels here; they are not to be looked at."""
    model, critic, _ = a.train_estimator(replace(ONE, sources=sources), world(8), world(8, seed=1))
    (twin, judge), before = networks(), networks()
    batch = seen.batches[0]
    assert all(drawn.depths[4:].isnan().all() for drawn in seen.batches) and batch.depths[:4].isfinite().all()
    found = twin(batch.image)
    maps = torch.stack([(maps - bumps(batch.keypoints)).square().mean() for maps in found.heatmaps]).sum()
    loss = maps + ONE.depth * (found.depths[:4] - batch.depths[:4]).square().mean()
    if sources:
        last = found.heatmaps[-1]
        pose = torch.cat([found.keypoints, found.depths[..., None]], -1)
        away = pose[:, :, None] - pose[:, None]
        descriptor = torch.cat([away, away**2], -1).permute(0, 3, 1, 2)
        fake = a.Evidence(batch.image, descriptor, torch.cat([last, last * found.depths[..., None, None]], 1))
        loss = loss - ONE.adversarial * judge(fake).sigmoid().log().mean()
    loss.backward()
    take(twin, ONE.learning_rate)
    assert_moved_alike(model, twin, before[0])
    if not sources:
        assert critic is None and seen.adams == [(ONE.learning_rate, (0.9, 0.999))]
        return
    judge.zero_grad()
    z = batch.depths[:4, :, None, None]
    away = (pose := torch.cat([batch.keypoints, batch.depths[..., None]], -1)[:4])[:, :, None] - pose[:, None]
    true = bumps(batch.keypoints[:4])
    real = a.Evidence(
        batch.image[:4], torch.cat([away, away**2], -1).permute(0, 3, 1, 2), torch.cat([true, true * z], 1)
    )
    estimates = a.Evidence(*(getattr(fake, name)[[0, 2, 4, 6]].detach() for name in a.SOURCES))
    (-judge(real).sigmoid().log().mean() - (1 - judge(estimates).sigmoid()).log().mean()).backward()
    take(judge, ONE.critic_learning_rate)
    assert_moved_alike(critic, judge, before[1])
    assert seen.adams == [(ONE.learning_rate, (0.9, 0.999)), (ONE.critic_learning_rate, (0.5, 0.999))]


def test_an_estimate_s_parts_come_from_the_last_heat_maps():
    model = networks()[0]
    found = model(torch.rand(2, 3, 64, 64))
    cells = local_soft_argmax(2 * found.heatmaps[-1].clamp_min(1e-3).log())
    torch.testing.assert_close(found.keypoints, 2 * (4 * cells + 1.5) / 63 - 1)
    (pull,) = torch.autograd.grad(found.depths.sum(), model.hourglass.heads[-1].weight)
    assert pull.abs().sum() > 0


def test_no_step_is_longer_than_its_clip(seen):
    config = replace(ONE, clip=1e-3, sources=a.SOURCES)
    lab, wild = world(8), world(8, seed=1)
    start, judge = networks()
    model, critic, _ = a.train_estimator(config, lab, wild)
    alone, _ = a.pretrain_2d(config, wild)
    plain, _, _ = a.train_estimator(replace(config, sources=()), lab, wild)
    for network in (model, alone, plain):
        assert distance(network, start) == pytest.approx(1e-3 * ONE.learning_rate, rel=0.05)
    assert distance(critic, judge) == pytest.approx(1e-3 * ONE.critic_learning_rate, rel=0.05)


@pytest.mark.parametrize("sources", [(), ("descriptor",)])
def test_rates_rise_and_fall_with_the_steps(seen, monkeypatch, sources):
    rates = []

    def step(*arguments):
        adams = arguments[2 if sources else 1]
        rates.append({name: adam.param_groups[0]["lr"] for name, adam in adams.items()})
        return {"spread": torch.tensor(1.0)}

    monkeypatch.setattr(f"napa_lib.adversarial.train.{'adversarial' if sources else 'supervised'}_step", step)
    a.train_estimator(replace(ONE, sources=sources, steps=20, every=20), world(8), world(8))
    for name, full in (("generator", 0.02), ("critic", 0.05))[: 1 + bool(sources)]:
        went = [rate[name] / full for rate in rates]
        np.testing.assert_allclose(went[:3], [0.5, 1.0, 1.0], atol=1e-6)
        assert went[11] == pytest.approx(0.5) and went[-1] < 0.01 and went[1:] == sorted(went[1:], reverse=True)


# --- rows of table 2 --------------------------------------------------------------------------------------------------


def calls_of_row(monkeypatch: pytest.MonkeyPatch, name: str, seed: int, *arguments: str) -> list[tuple]:
    """(configuration, checkpoint's name, start, judge) of each training that a row takes; each hands on its number, a
    judge's negative."""
    calls: list[tuple] = []

    def train(config, lab, wild, setup, start, judge=None):
        calls.append((config, setup.checkpoint.name.removesuffix(".checkpoint.safetensors"), start, judge))
        return len(calls), -len(calls) if config.sources else None, [{"step": config.steps}]

    def pretrain(config, wild, setup):
        return train(config, None, wild, setup, None)[::2]

    monkeypatch.setattr(experiments, "train_estimator", train)
    monkeypatch.setattr(experiments, "pretrain_2d", pretrain)
    options = experiments.parser().parse_args(arguments)
    model, _, record = experiments.train_row(name, seed, experiments.Means(options, world(2), world(2), HERE, HERE))
    assert model == len(calls) and record[-1]["step"] == options.steps_pretraining + options.steps
    return calls


@pytest.mark.parametrize("name", experiments.ALL_ROWS)
def test_a_row_goes_on_from_what_it_shares(monkeypatch, name):
    calls = calls_of_row(monkeypatch, name, 5, "--steps-2d", "7", "--steps-pretraining", "30", "--steps", "20")
    fixed, alone = name.endswith("fix_2d"), name == "full_without_pretraining"
    before = f"{name}_first_5" if alone else "pretrained_fix_2d_5" if fixed else "pretrained_5"
    assert [(config.steps, file, start, judge) for config, file, start, judge in calls] == [
        (7, "2d", None, None), (30, before, 1, None), (20, f"{name}_5", 2, -2 if alone else None),
    ]  # fmt: skip
    shared, first, last = (call[0] for call in calls)
    sources = experiments.ALL_ROWS[name].sources
    assert shared.seed == 0 and shared.learning_rate == 1e-3  # one 2D module for all seeds
    assert (first.sources, last.sources) == (sources if alone else (), sources)
    for config, rate in ((first, 1e-3), (last, 5e-4)):  # the same for every row
        assert (config.fix_2d, config.seed, config.learning_rate) == (fixed, 5, rate)
        if config.sources:
            assert config.critic_learning_rate == 1e-3 and config.adversarial == pytest.approx(1.6e-3)


def test_what_is_watched_is_spread_over_the_validation_pictures(monkeypatch):
    whole = world(170)
    monkeypatch.setattr(experiments, "open_domain", lambda name, size: whole)
    some = experiments.watched(experiments.parser().parse_args([]), {})
    assert set(some) == {"lab", "wild"} and torch.equal(some["lab"].images, whole.images[::2])


def test_final_errors_stand_beside_those_of_no_depth_and_the_truth_s_plausibility():
    torch.manual_seed(0)
    some = world(4)
    bodies = some.poses.numpy()
    root = bodies[:, :1, 2:]
    flat = np.concatenate([bodies[..., :2] / bodies[..., 2:] * root, np.broadcast_to(root, (4, 17, 1))], -1)
    found = experiments.final_errors(a.Generator(SMALL).eval(), {"lab": some}, False)["lab"]
    assert found["flat"]["mpjpe"] == pytest.approx(np.linalg.norm(flat - bodies, axis=-1).mean(), rel=1e-3)
    assert found["truth"]["lopsided"] == pytest.approx(1, abs=0.02) and found["plausibility"]["lopsided"] > 1.1


def test_lambda_follows_the_size_of_the_maps_unless_it_is_given(monkeypatch):
    for arguments, expected in (((), 1.6e-3), (("--preset", "paper"), 1e-4), (("--adversarial", "0.5"), 0.5)):
        assert calls_of_row(monkeypatch, "geo", 0, *arguments)[-1][0].adversarial == pytest.approx(expected)


# --- other lambdas ----------------------------------------------------------------------------------------------------


def test_the_sweep_is_the_row_but_for_its_lambda(monkeypatch):
    row = calls_of_row(monkeypatch, "geo_fix_2d", 2)[-1][0]
    assert replace(lambdas.configuration(row.adversarial, 2, row.steps), every=row.every) == row
    assert lambdas.LAMBDAS[-1] == pytest.approx(row.adversarial) and lambdas.LAMBDAS[0] == 0


def test_the_sweep_measures_every_lambda_with_every_seed(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    start = a.Generator(SMALL).eval()
    monkeypatch.setattr("napa_lib.adversarial.train.SETTLING", 1)
    monkeypatch.setattr(lambdas, "open_domain", lambda name, size: world(8, seed=len(name)))
    monkeypatch.setattr(lambdas, "load_pretrained", lambda row: (start, None))
    monkeypatch.setitem(lambdas.PRESETS, "tiny", SMALL)
    file = tmp_path / "lambdas.json"
    lambdas.main(["--out", str(file), "--lambdas", "0", "50", "--seeds", "0", "1", "--steps", "2"])
    found = results.read(file)
    assert found["seed"] == [0, 1] and found["config"]["adversarial"] == [0, 50] and found["split"] == "validation"
    none, loud = found["lambdas"]
    assert (none["lambda"], loud["lambda"]) == (0, 50) and len(none["lab"]) == len(loud["fooling"]) == 2
    pose = a.estimate_poses(start, world(8, seed=len("lab:validation")).images)
    errors = a.measure(pose, world(8, seed=len("lab:validation")))
    assert found["start"]["lab"] == pytest.approx(errors["mpjpe_true_2d"]["all"], rel=1e-5)
    config = replace(lambdas.configuration(0.0, 1, 2), sources=())  # without a judge
    model, _, _ = a.train_estimator(
        config, world(8, seed=len("lab:train")), world(8, seed=len("wild:train")), start=start
    )
    wild = world(8, seed=len("wild:validation"))
    expected = a.measure(a.estimate_poses(model, wild.images), wild)["mpjpe_true_2d"]["all"]
    assert none["wild"][1] == pytest.approx(expected, rel=1e-4) and loud["wild"][1] != none["wild"][1]
    assert "lambda 50, seed 1" in capsys.readouterr().out


def test_the_sweep_that_ships_is_that_of_the_command():
    found = results.shipped("adversarial/lambdas")
    assert [row["lambda"] for row in found["lambdas"]] == list(lambdas.LAMBDAS) and found["seed"] == [0, 1, 2]
    assert found["command"] == f"python -m {experiments.EXPERIMENTS['lambdas'].command}"
    assert Path(experiments.EXPERIMENTS["lambdas"].makes).name == "lambdas.json"
