"""Chapter 4's trainings: labels stay where they belong, steps do what eq. 3 and 5 say."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from napa_lib import adversarial as a
from napa_lib import results
from napa_lib.adversarial import experiments
from napa_lib.adversarial.train import CollapseWatch
from napa_lib.engine import load_tensors
from napa_lib.experiments import chain
from napa_lib.loop import Setup, adam
from tests.adversarial_world import CONFIG, SMALL, world


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of normalisation from two batches: their passes are most of a short training."""
    monkeypatch.setattr("napa_lib.adversarial.train.SETTLING", 2)


def parts(sources=a.SOURCES, seed: int = 0):
    torch.manual_seed(seed)
    model, critic = a.Generator(SMALL).train(), a.MultiSourceDiscriminator(sources, SMALL)
    adams = {"generator": adam(model.parameters(), 1e-3, (0.9, 0.999)),
             "critic": adam(critic.parameters(), 1e-3, (0.5, 0.999))}  # fmt: skip
    batch = next(a.batches([world(8), world(8, seed=1).without_3d()], 8, torch.Generator().manual_seed(1)))
    return model, critic, adams, batch


def test_without_lambda_the_adversarial_step_is_the_supervised_one():
    model, critic, adams, batch = parts()
    other, _, others, _ = parts()
    a.adversarial_step(model, critic, adams, batch, replace(CONFIG, adversarial=0.0))
    a.supervised_step(other, others, batch, CONFIG)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_the_estimator_goes_down_eq_5_and_the_discriminator_down_eq_3():
    config = replace(CONFIG, adversarial=0.7, clip=1e9)
    model, critic, adams, batch = parts()
    twin, judge = copy.deepcopy(model), copy.deepcopy(critic)
    found = twin(batch.image)
    shown = a.evidence_of_estimate(batch.image, found)
    p = judge(shown).sigmoid()
    heatmaps, depths = a.pose_losses(found, batch.keypoints, batch.depths)
    (heatmaps + config.depth * depths - 0.7 * p.log().mean()).backward()
    half = a.evidence_of_pose(batch.image[:4], batch.pose[:4])
    fakes = a.Evidence(*(getattr(shown, name)[::2].detach() for name in a.SOURCES))
    spread = torch.cat([judge(half), judge(fakes)]).std()
    judge.zero_grad()
    (-judge(half).sigmoid().log().mean() - (1 - judge(fakes).sigmoid()).log().mean()).backward()

    losses = a.adversarial_step(model, critic, adams, batch, config)
    for mine, expected in ((model, twin), (critic, judge)):
        for (name, one), two in zip(mine.named_parameters(), expected.parameters(), strict=True):
            scale = float(two.grad.abs().max())
            torch.testing.assert_close(one.grad, two.grad, rtol=1e-3, atol=1e-5 + 1e-3 * scale, msg=name)
    assert float(losses["fooling"].detach()) == pytest.approx(-float(p.log().mean().detach()), rel=1e-4)
    assert float(losses["spread"]) == pytest.approx(float(spread.detach()), rel=1e-3)


def test_the_discriminator_learns_to_tell_and_the_estimator_to_fool():
    model, critic, adams, batch = parts(("descriptor",))
    adams["critic"].param_groups[0]["lr"] = 5e-3
    for _ in range(20):
        losses = a.adversarial_step(model, critic, adams, batch, replace(CONFIG, adversarial=0.0))
    assert losses["true"] > 0.9 > 0.1 > losses["estimated"]
    adams["critic"].param_groups[0]["lr"] = 0.0
    before = float(losses["fooling"].detach())
    for _ in range(20):
        losses = a.adversarial_step(model, critic, adams, batch, replace(CONFIG, adversarial=1.0))
    assert float(losses["fooling"].detach()) < 0.8 * before


def test_trainings_learn_and_the_2d_module_can_be_kept():
    lab, wild = world(12), world(12, seed=1).without_3d()
    model, record = a.pretrain_2d(replace(CONFIG, steps=16, every=8, learning_rate=5e-3), wild)
    assert record[-1]["heatmaps"] < 0.7 * record[0]["heatmaps"]
    kept, critic, record = a.train_estimator(
        replace(CONFIG, steps=16, every=8, fix_2d=True, sources=(), learning_rate=5e-3), lab, wild, start=model
    )
    assert critic is None and record[-1]["depths"] < record[0]["depths"]
    for one, two in zip(kept.hourglass.parameters(), model.hourglass.parameters(), strict=True):
        assert torch.equal(one, two)
    with pytest.raises(ValueError, match="start must be"):
        a.train_estimator(replace(CONFIG, model=replace(SMALL, channels=4)), lab, wild, start=model)
    with pytest.raises(ValueError, match="wild must be of 64 px"):
        a.train_estimator(CONFIG, lab, world(2, size=128))


@pytest.mark.parametrize("sources", [(), ("picture", "descriptor")])
def test_an_interrupted_training_ends_the_same(tmp_path, sources):
    lab, wild = world(8), world(8, seed=1).without_3d()
    config = replace(CONFIG, sources=sources, every=1, batch=4, steps=3)
    whole, judge, _ = a.train_estimator(config, lab, wild)
    setup = Setup(checkpoint=tmp_path / "c.safetensors", tell=Stop(2))
    with pytest.raises(KeyboardInterrupt):
        a.train_estimator(config, lab, wild, setup)
    again, critic, record = a.train_estimator(config, lab, wild, replace(setup, tell=lambda entry: None))
    assert [entry["step"] for entry in record] == [1, 2, 3]
    for one, two in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    for one, two in zip(judge.parameters() if judge else (), critic.parameters() if critic else (), strict=True):
        assert torch.equal(one, two)


class Stop:
    """Somebody who presses Ctrl-C at a certain step, once the entry before it is in the checkpoint."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, entry: dict) -> None:
        if entry["step"] == self.step:
            raise KeyboardInterrupt


def test_a_collapsed_discriminator_is_reported_and_the_training_can_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("napa_lib.adversarial.train.CollapseWatch", lambda: CollapseWatch(3))
    lab, wild, file = world(4), world(4, seed=1).without_3d(), tmp_path / "c.safetensors"
    config = replace(CONFIG, steps=4, batch=4, every=1)
    silent = a.MultiSourceDiscriminator.forward
    monkeypatch.setattr(a.MultiSourceDiscriminator, "forward", lambda self, shown: 0.0 * silent(self, shown))
    with pytest.raises(FloatingPointError, match="has collapsed.*at step 2.*keeps step 2"):
        a.train_estimator(config, lab, wild, Setup(checkpoint=file))
    monkeypatch.setattr(a.MultiSourceDiscriminator, "forward", silent)
    _, _, record = a.train_estimator(config, lab, wild, Setup(checkpoint=file))
    assert record[-1]["step"] == 4 and load_tensors(file)[1]["step"] == "4"


def test_the_watch_starts_anew_when_poses_are_told_apart():
    watch = CollapseWatch(2)
    for spread in (0.0, 1.0, 0.0, 1.0, 0.0):
        watch({"spread": torch.tensor(spread)})
    with pytest.raises(a.CollapseError):
        watch({"spread": torch.tensor(0.0)})


def test_the_command_trains_a_row_and_what_it_shares(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "open_domain", lambda name, size, most=None: world(8, seed=len(name)))
    monkeypatch.setitem(experiments.PRESETS, "tiny", SMALL)
    common = [f"--runs={tmp_path}", "--steps-2d=2", "--steps-pretraining=2", "--steps=2", "--batch=4", "--every=2",
              "--split=validation", "--seeds", "0", "--rows"]  # fmt: skip
    experiments.main([*common, "geo", f"--results={tmp_path}", f"--models={tmp_path}"])
    found = results.read(tmp_path / "geo_0.json")
    assert found["row"] == "Geo" and found["errors"]["wild"]["mpjpe"]["lower legs"] > 0
    assert [entry["step"] for entry in found["record"]] == [2, 4] and found["record"][-1]["mpjpe_lab"] > 0
    assert a.load_model(tmp_path / "geo_0.safetensors")[1].sources == ("picture", "descriptor")
    times = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.checkpoint.safetensors")}
    experiments.main([*common, "baseline", "full_without_pretraining", f"--models={tmp_path}"])
    later = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.checkpoint.safetensors")}
    assert all(later[name] == time for name, time in times.items())
    parts = ("baseline_0", "full_without_pretraining_first_0", "full_without_pretraining_0")
    assert set(later) - set(times) == {f"{name}.checkpoint.safetensors" for name in parts}
    for name in parts:
        assert load_tensors(tmp_path / f"{name}.checkpoint.safetensors")[1]["step"] == "2"
    assert a.load_model(tmp_path / "full_without_pretraining_0.safetensors")[1].sources == a.SOURCES
    assert "Geo, seed 0: lab" in capsys.readouterr().out


def test_what_rows_share_has_results_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "open_domain", lambda name, size, most=None: world(8, seed=len(name)))
    monkeypatch.setitem(experiments.PRESETS, "tiny", SMALL)
    experiments.main([
        f"--runs={tmp_path}", "--steps-2d=3", "--steps-pretraining=2", "--steps=2", "--batch=4", "--every=2",
        "--split=validation", f"--results={tmp_path}", "--seeds", "1", "2", "--rows", "pretrained", "module_2d",
    ])  # fmt: skip
    assert {p.name for p in tmp_path.glob("*.json")} == {"module_2d.json", "pretrained_1.json", "pretrained_2.json"}
    module, depths = results.read(tmp_path / "module_2d.json"), results.read(tmp_path / "pretrained_2.json")
    assert (module["seed"], module["steps"], depths["seed"], depths["steps"]) == (0, 3, 2, 2)
    assert (
        module["record"][-1]["pckh_wild"] == module["errors"]["wild"]["pckh"] and "mpjpe" not in module["errors"]["lab"]
    )
    assert depths["errors"]["lab"]["rigid_mpjpe"]["all"] > 0 and "mpjpe_lab" in depths["record"][-1]
    assert capsys.readouterr().out.count("2D module, seed 0: lab PCKh") == 1


def test_what_a_run_starts_from_is_listed_before_it():
    runs = [run.name for run in chain(experiments.EXPERIMENTS)]
    assert runs[0] == "module_2d" and runs.index("pretrained_fix_2d 2") < runs.index("baseline_fix_2d 0")
    for name, row in experiments.ALL_ROWS.items():
        expected = "pretrained_fix_2d" if row.fix_2d else "pretrained" if row.pretrained else "module_2d"
        assert experiments.EXPERIMENTS[name].after == (expected,)
    assert "--seeds 0 --results" in experiments.EXPERIMENTS["module_2d"].command


def test_a_judge_can_go_on_if_it_sees_the_same():
    lab, wild = world(8), world(8, seed=1)
    torch.manual_seed(5)
    judge = a.MultiSourceDiscriminator(("descriptor",), SMALL)
    config = replace(CONFIG, sources=("descriptor",), steps=1, every=1, critic_learning_rate=1e-9)
    _, critic, _ = a.train_estimator(config, lab, wild, judge=judge)
    for one, two in zip(critic.parameters(), judge.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="judge must see the config's sources"):
        a.train_estimator(replace(config, sources=("picture",)), lab, wild, judge=judge)
