"""Chapter 3's trainings: they learn, resume bit for bit, stop when a loss breaks, and the command runs them all."""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from napa_lib import bottleneck as b
from napa_lib.bottleneck import measure, train
from napa_lib.bottleneck.pretraining import Plateau
from napa_lib.bottleneck.store import load_encoder
from napa_lib.data.sources import open_unpaired
from napa_lib.engine import CheckpointError
from napa_lib.networks import VGG19Features
from napa_lib.networks.normalization import settle_normalization
from napa_lib.rendering import render_skeleton
from napa_lib.skeletons import NAPA18

MODEL = b.ModelConfig(size=32, width=4, discriminator_width=4, picture_width=4, discriminator_layers=1)
CONFIG = b.TrainingConfig(MODEL, steps=4, batch=4, every=2, learning_rate=2e-3, perceptual_size=16)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, vgg: VGG19Features) -> None:
    """One VGG-19 for all trainings: to unpack it takes longer than to train."""
    monkeypatch.setattr("napa_lib.bottleneck.ladder.VGG19Features", lambda: vgg)


def poses(count: int, seed: int = 0) -> torch.Tensor:
    return b.mocap_poses(count, torch.Generator().manual_seed(seed))


def stick_clips(count: int = 8, frames: int = 4, size: int = 32, seed: int = 0) -> b.Clips:
    """Clips of glowing stick figures, each clip in a colour of its own."""
    pose = poses(count * frames, seed)
    color = torch.rand(count, 1, 3, 1, 1, generator=torch.Generator().manual_seed(seed))
    drawn = render_skeleton(pose, NAPA18.bones, size, 60.0).view(count, frames, 1, size, size)
    images = (255 * (0.2 + 0.8 * drawn * color)).round().to(torch.uint8)
    keypoints = b.to_pixels(pose, size).view(count, frames, 18, 2)
    return b.Clips(images, keypoints, motions=("turn", "stand") * (count // 2))


def run_stage(stage: str, config: b.TrainingConfig, setup: b.Setup) -> tuple[nn.Module, list[dict]]:
    if stage == "pretrain":
        return b.pretrain(config, poses(50), setup)
    if stage in b.RUNGS:
        config = replace(config, model=replace(config.model, **b.RUNGS[stage]))
        torch.manual_seed(1)
        return b.train_rung(config, stick_clips(), poses(50), b.SkeletonEncoder(18, 4), setup)
    if stage == "hourglass":
        config = replace(config, model=replace(config.model, size=64))
        return b.train_hourglass(config, stick_clips(size=64), setup)
    return b.train_supervised(config, stick_clips(), setup)


def without_seconds(record: list[dict]) -> list[dict]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in record]


@pytest.mark.parametrize("stage", ["pretrain", *b.RUNGS, "supervised", "hourglass"])
def test_an_interrupted_run_ends_as_if_it_had_not_been(stage, tmp_path):
    whole, record = run_stage(stage, CONFIG, b.Setup())
    setup = b.Setup(checkpoint=tmp_path / "c.safetensors")
    run_stage(stage, replace(CONFIG, steps=2), setup)
    torch.manual_seed(99)  # whatever happens in between
    resumed, found = run_stage(stage, CONFIG, setup)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())
    assert without_seconds(found) == without_seconds(record) and [e["step"] for e in found] == [2, 4]
    again, found = run_stage(stage, CONFIG, setup)  # done already: nothing happens
    assert without_seconds(found) == without_seconds(record)
    with pytest.raises(CheckpointError, match="another training"):
        run_stage(stage, replace(CONFIG, seed=1), setup)


def test_a_broken_loss_stops_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    setup = b.Setup(checkpoint=tmp_path / "c.safetensors")
    _, record = run_stage("pretrain", replace(CONFIG, steps=2), setup)
    before = setup.checkpoint.read_bytes()
    monkeypatch.setattr("napa_lib.bottleneck.pretraining.keypoint_loss", lambda found, target: found.sum() * torch.nan)
    with pytest.raises(FloatingPointError, match=r"loss is nan .*at step 2; stopped\. .*keeps step 2"):
        run_stage("pretrain", CONFIG, setup)
    assert setup.checkpoint.read_bytes() == before
    with pytest.raises(FloatingPointError, match="No checkpoint was kept"):
        run_stage("pretrain", CONFIG, b.Setup())


def test_the_learning_rate_falls_once_when_the_error_does_not():
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=1.0)
    plateau, rates = Plateau(patience=200), []
    for step in range(1200):
        plateau.see(torch.tensor(max(1.0, 2.0 - step / 250)), optimizer)
        rates.append(optimizer.param_groups[0]["lr"])
    fall = rates.index(0.1)
    assert 250 + 200 <= fall < 250 + 400 and set(rates) == {1.0, 0.1}


@pytest.mark.parametrize("factor, falls", [(0.97, False), (0.995, True)])
def test_a_plateau_is_less_than_one_per_cent(factor, falls):
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1.0)
    plateau = Plateau(patience=200)
    for step in range(1000):
        plateau.see(torch.tensor(factor ** (step // 100)), optimizer)
    assert (optimizer.param_groups[0]["lr"] < 1) is falls


def test_settled_statistics_are_the_mean_over_the_batches_and_change_nothing_else():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4)))
    network[2].eval()  # frozen: left alone
    batches = [torch.randn(2, 3, 5, 5) * scale for scale in (1.0, 3.0, 0.2)]
    for batch in batches:
        network(batch)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    waiting = iter(batches)
    settle_normalization(network, lambda: network(next(waiting)), 3)
    with torch.no_grad():
        maps = [network[0](batch).movedim(1, 0).flatten(1).double().numpy() for batch in batches]
    mean = np.mean([m.mean(1) for m in maps], 0)
    variance = np.mean([m.var(1, ddof=1) for m in maps], 0)
    np.testing.assert_allclose(network[1].running_mean, mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(network[1].running_var, variance, rtol=1e-4)
    after = network.state_dict()
    assert all(torch.equal(after[n], v) for n, v in before.items() if n not in ("1.running_mean", "1.running_var"))
    assert network[1].momentum == 0.1 and network.training and not network[2].training


def test_settling_does_not_change_how_training_goes_on(monkeypatch):
    whole, record = run_stage("ours", CONFIG, b.Setup())
    for module in ("ladder", "supervised"):
        monkeypatch.setattr(f"napa_lib.bottleneck.{module}.settle_normalization", lambda model, forward: None)
    other, found = run_stage("ours", CONFIG, b.Setup())
    weights = dict(other.named_parameters())
    assert all(torch.equal(value, weights[name]) for name, value in whole.named_parameters())
    assert without_seconds(found) == without_seconds(record)
    name = "image_encoder.down.blocks.0.1.running_var"
    assert not torch.equal(whole.state_dict()[name], other.state_dict()[name])


@pytest.mark.parametrize("half", [False, True])
def test_losses_fall_within_twenty_steps(half):
    config = replace(CONFIG, steps=20, every=5, batch=8, learning_rate=5e-3)
    _, record = run_stage("pretrain", config, b.Setup(half=half))
    assert record[-1]["keypoints"] < 0.8 * record[0]["keypoints"]
    _, record = run_stage("hourglass", replace(config, steps=10), b.Setup(half=half))
    assert record[-1]["keypoints"] < 0.5 * record[0]["keypoints"]
    _, record = run_stage("ours", config, b.Setup(half=half))
    assert record[-1]["perceptual"] < 0.8 * record[0]["perceptual"]
    assert record[-1]["discriminator"] < record[0]["discriminator"]


class Noted(nn.Module):
    """A network that keeps what it was given."""

    def __init__(self, network: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self.given = network, []

    def forward(self, *given):
        self.given.append(given)
        return self.network(*given)


def parts(change: dict, clip: float = 1e9):
    """A model and its critics, a batch, and a config in which no weight is its default, or another's."""
    model_config = replace(MODEL, **change)
    config = replace(CONFIG, model=model_config, adversarial=0.7, second_cycle=3.0, clip=clip)
    torch.manual_seed(3)
    model, critics = b.KeypointGAN(model_config), b.Critics(model_config)
    model.freeze_encoder()
    image, style = (x / 255.0 for x in stick_clips(4, 2).images.unbind(1))
    mine = [*model.image_encoder.parameters(), *model.image_generator.parameters()]
    adams = {"generators": torch.optim.Adam(mine), "critics": torch.optim.Adam(critics.parameters())}
    return model, critics, adams, (image, style, poses(4, seed=9)), config


def apart(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    return (one - two).abs().mean()


def misses(scores: list[torch.Tensor], wanted: float) -> torch.Tensor:
    return sum(((score - wanted) ** 2).mean() for score in scores) / len(scores)


@pytest.mark.parametrize("change", [*b.RUNGS.values(), {"limb_masks": True, "second_cycle": True}], ids=str)
def test_phi_and_psi_go_down_eq_6_and_the_critics_down_eq_5(change):
    model, critics, adams, (image, style, pose), config = parts(change)
    twin, judge = copy.deepcopy(model), copy.deepcopy(critics)
    other = style if config.model.conditional else None
    real = render_skeleton(pose, NAPA18.bones, 32, 25.0)
    limbs = config.model.limb_masks
    y = twin.image_encoder(image)
    p = twin.skeleton_encoder(y)
    clean = b.draw_limbs(p, NAPA18.bones, 32) if limbs else render_skeleton(p, NAPA18.bones, 32, 25.0)
    found = twin.image_generator(clean if config.model.bottleneck else y, other)
    total = apart(found, image) + 0.7 * misses(judge.skeletons(y), 1)
    if config.model.second_cycle:
        drawn = twin.image_generator(b.draw_limbs(pose, NAPA18.bones, 32) if limbs else real, other)
        back = (twin.image_encoder(drawn) - real).abs().mean()
        total = total + 0.7 * misses(judge.pictures(drawn, other), 1) + 3.0 * back
    total.backward()
    judge.zero_grad()
    judged = misses(judge.skeletons(real), 1) + misses(judge.skeletons(y.detach()), 0)
    if config.model.second_cycle:
        pair = judge.pictures(image, other), judge.pictures(drawn.detach(), other)
        judged = judged + misses(pair[0], 1) + misses(pair[1], 0)
    judged.backward()

    perceptual = Noted(apart)
    losses = b.ladder.adversarial_step(model, critics, perceptual, adams, (image, style, pose), config)
    [(reconstruction, target)] = perceptual.given
    assert torch.equal(target, image) and torch.equal(reconstruction, found)
    for mine, expected in ((model, twin), (critics, judge)):
        for (name, one), two in zip(mine.named_parameters(), expected.parameters(), strict=True):
            if two.grad is None:
                assert one.grad is None, name
                continue
            scale = float(two.grad.abs().max())
            torch.testing.assert_close(one.grad, two.grad, rtol=1e-3, atol=1e-6 + 1e-3 * scale, msg=name)
    unweighted = {"perceptual": apart(found, image), "fooling": misses(judge.skeletons(y), 1)}
    unweighted["discriminator"] = misses(judge.skeletons(real), 1) + misses(judge.skeletons(y), 0)
    if config.model.second_cycle:
        unweighted |= {"fooling_pictures": misses(judge.pictures(drawn, other), 1), "second_cycle": back}
        unweighted["discriminator_pictures"] = misses(pair[0], 1) + misses(pair[1], 0)
    assert {n: float(v.detach()) for n, v in losses.items()} == pytest.approx(
        {n: float(v.detach()) for n, v in unweighted.items()}, rel=1e-4
    )


def test_the_critics_see_what_phi_drew_and_not_its_clean_copy():
    model, critics, adams, (image, style, pose), config = parts(b.RUNGS["bottleneck"])
    critics.skeletons, critics.pictures = Noted(critics.skeletons), Noted(critics.pictures)
    with torch.no_grad():
        twin = copy.deepcopy(model)(image, style)
        drawn = copy.deepcopy(model).generate(model.draw(pose), style)
    b.ladder.adversarial_step(model, critics, Noted(apart), adams, (image, style, pose), config)
    (fooled,), (real,), (judged,) = critics.skeletons.given
    assert torch.equal(fooled, twin.skeleton) and torch.equal(judged, twin.skeleton)
    assert fooled.requires_grad and not judged.requires_grad  # the critic's step ends at the drawing
    assert torch.equal(real, render_skeleton(pose, NAPA18.bones, 32, 25.0))
    assert all(torch.equal(beside, style) for _, beside in critics.pictures.given)
    for (judged, _), expected in zip(critics.pictures.given, (drawn, image, drawn), strict=True):
        assert torch.equal(judged, expected)
    assert [judged.requires_grad for judged, _ in critics.pictures.given] == [True, False, False]


def test_each_gradient_of_a_step_is_clipped():
    model, critics, adams, batch, config = parts(b.RUNGS["bottleneck"], clip=1e-3)
    b.ladder.adversarial_step(model, critics, Noted(apart), adams, batch, config)
    for optimizer in adams.values():
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        assert float(torch.cat([g.flatten() for g in gradients]).norm()) == pytest.approx(1e-3, rel=1e-2)


def test_a_rung_gives_each_step_pairs_of_frames_unpaired_poses_and_the_papers_optimizers(monkeypatch):
    given = []

    def noted(*arguments):
        given.append(arguments)
        return {"perceptual": torch.zeros(())}

    monkeypatch.setattr("napa_lib.bottleneck.ladder.adversarial_step", noted)
    clips, heap = stick_clips(), poses(9)
    config = replace(CONFIG, learning_rate=3e-3, perceptual_size=32)
    b.train_rung(config, clips, heap, b.SkeletonEncoder(18, 4))
    assert len(given) == config.steps
    frames = clips.images / 255
    for model, critics, perceptual, adams, (image, style, pose), used, _ in given:
        places = [[(frames == x).all((2, 3, 4)).nonzero().tolist() for x in batch] for batch in (image, style)]
        for [[clip, frame]], [[same, other]] in zip(*places, strict=True):
            assert clip == same and frame != other
        assert all((heap == p).all((1, 2)).any() for p in pose)
        assert used == config and perceptual.size == 32
        expected = {"generators": [*model.image_encoder.parameters(), *model.image_generator.parameters()],
                    "critics": [*critics.parameters()]}  # fmt: skip
        for name, adam in adams.items():
            [group] = adam.param_groups
            assert {id(p) for p in group["params"]} == {id(p) for p in expected[name]}
            assert (group["lr"], group["betas"]) == (3e-3, (0.5, 0.999))


def test_recoloured_pairs_keep_the_colours_of_one_another(monkeypatch):
    given = []
    monkeypatch.setattr("napa_lib.bottleneck.ladder.adversarial_step",
                        lambda *arguments: given.append(arguments[4]) or {"perceptual": torch.zeros(())})  # fmt: skip
    colors = 40 + torch.arange(8)[:, None] * torch.tensor([20, 5, 11])
    images = colors[:, None, :, None, None].to(torch.uint8).expand(8, 4, 3, 32, 32)
    clips = replace(stick_clips(), images=images.contiguous())
    b.train_rung(replace(CONFIG, recolour=True), clips, poses(9), b.SkeletonEncoder(18, 4))
    assert all(torch.equal(image, style) for image, style, _ in given)
    seen = torch.cat([image[:, :, 0, 0] for image, _, _ in given])
    assert not (seen[:, None] == colors / 255).all(2).any()


def test_the_ladder_sees_no_label():
    """The same frames with other keypoints give the same weights."""
    clips = stick_clips()
    blind = b.Clips(clips.images, torch.full_like(clips.keypoints, torch.nan))
    encoder = b.SkeletonEncoder(18, 4)
    one, other = (b.train_rung(replace(CONFIG, steps=1), c, poses(9), encoder)[0] for c in (clips, blind))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    assert all(torch.equal(v, encoder.state_dict()[k]) for k, v in one.skeleton_encoder.state_dict().items())


def test_the_second_cycle_may_be_dropped_on_the_way_but_no_network_changed():
    encoder, both = b.SkeletonEncoder(18, 4), replace(CONFIG, steps=1, model=replace(MODEL, second_cycle=True))
    start, _ = b.train_rung(both, stick_clips(), poses(9), encoder)
    model, _ = b.train_rung(replace(CONFIG, steps=1), stick_clips(), poses(9), encoder, start=start)
    step = model.image_generator.up.layers[-1].weight - start.image_generator.up.layers[-1].weight
    assert 0 < float(step.detach().abs().max()) <= 1.01 * CONFIG.learning_rate  # Adam's first step
    assert not model.config.second_cycle
    with pytest.raises(ValueError, match="start must be"):
        b.train_rung(replace(CONFIG, model=replace(MODEL, width=8)), stick_clips(), poses(9), encoder, start=start)


@pytest.mark.parametrize("change", ["recolour", "stir"])
def test_changed_frames_and_poses_train_another_model(change):
    encoder, done = b.SkeletonEncoder(18, 4), []
    for on in (False, True):
        config = replace(CONFIG, steps=2, **{change: on})  # poses reach the networks by way of a critic's step
        model, _ = b.train_rung(config, stick_clips(), poses(9), encoder)
        done.append(model.image_encoder.state_dict())
    assert not all(torch.equal(value, done[1][name]) for name, value in done[0].items())


def test_what_cannot_be_trained_on():
    clips, p = stick_clips(), poses(9)
    encoder = b.SkeletonEncoder(18, 4)
    unseen = p.clone()
    unseen[4] = torch.nan
    hidden = replace(clips, keypoints=torch.full_like(clips.keypoints, torch.nan))
    for wrong, text in [
        (lambda: b.train_rung(CONFIG, stick_clips(frames=1), p, encoder), "at least 2 frames"),
        (lambda: b.train_rung(CONFIG, stick_clips(size=64), p, encoder), "32 pixels"),
        (lambda: b.train_rung(CONFIG, clips, unseen, encoder), "pose 4"),
        (lambda: b.train_rung(CONFIG, clips, p[:, :17], encoder), "poses must be"),
        (lambda: b.pretrain(CONFIG, unseen), "pose 4"),
        (lambda: b.train_supervised(CONFIG, hidden), "visible joint"),
        (lambda: b.train_supervised(replace(CONFIG, model=replace(MODEL, skeleton="H36M17")), clips), "H36M17"),
    ]:
        with pytest.raises(ValueError, match=text):
            wrong()


def test_the_command_runs_every_stage(tmp_path, monkeypatch):
    monkeypatch.setitem(b.PRESETS, "tiny", replace(MODEL, size=64))
    monkeypatch.setitem(train.PERCEPTUAL_SIZE, "tiny", 16)
    for name, seed in (("train", 0), ("test", 1)):
        b.save_clips(tmp_path / f"{name}.safetensors", stick_clips(size=64, seed=seed))
    common = ["--data", str(tmp_path / "train.safetensors"), "--validation", str(tmp_path / "test.safetensors"),
              "--steps", "2", "--batch", "2"]  # fmt: skip
    eta = str(tmp_path / "eta.safetensors")
    train.main(["--stage", "pretrain", *common, "--poses", "mocap:studio", "--pose-count", "20", "--out", eta])
    assert isinstance(load_encoder(eta, replace(MODEL, size=64)), b.SkeletonEncoder)
    runs = [["ladder", "--rung", "cyclegan", "--encoder", eta, "--perceptual-size", "32"]]
    runs += [["ladder", "--rung", "ours", "--encoder", eta, "--recolour"]]
    runs += [["supervised"], ["hourglass", "--half"]]
    for number, stage in enumerate(runs):
        out, results = tmp_path / f"{number}.safetensors", tmp_path / f"{number}.json"
        train.main(["--stage", *stage, *common, "--out", str(out), "--results", str(results)])
        document = json.loads(results.read_text())
        names = {"all", "turn", "stand", "mean pose", "regressor on top"}
        names |= {"leak"} if stage[0] != "hourglass" else set()
        names |= {"carried"} if "ours" in stage or stage[0] == "supervised" else set()
        assert set(document["errors"]) == names
        assert document["errors"]["all"]["px_flips"] <= document["errors"]["all"]["px"]
        assert document["record"][-1]["step"] == 2 and document["record"][-1]["px"] == document["errors"]["all"]["px"]
        assert b.load_model(out).predict(torch.rand(1, 3, 64, 64)).shape == (1, 18, 2)
    # on from a trained model, on a real video, with poses of other clips, measured on frames held out
    monkeypatch.setattr(train, "EXAMPLES", 2)
    ours, results = tmp_path / "1.safetensors", tmp_path / "video.json"
    train.main(["--stage", "ladder", "--encoder", eta, "--data", "video:train", "--validation", "video:train",
                "--test", "video:test", "--poses", str(tmp_path / "train.safetensors"), "--start", str(ours),
                "--steps", "1", "--batch", "2", "--out", str(tmp_path / "video.safetensors"),
                "--results", str(results)])  # fmt: skip
    document = json.loads(results.read_text())
    assert set(document["errors"]) == {
        "all",
        "walking",
        "mean pose",
    }  # some joints have no label: no regressor, no leak
    assert document["errors"]["all"]["px"] != document["record"][-1]["px"]
    assert np.array(document["record"][-1]["examples"]).shape == (2, 18, 2)
    one, other = b.load_model(ours), b.load_model(tmp_path / "video.safetensors")
    step = (one.image_encoder.up.layers[-1].weight - other.image_encoder.up.layers[-1].weight).abs().max()
    assert 0 < step < 1e-3  # Adam's first step is of the learning rate's size, 2e-4, and files hold halves
    with pytest.raises(SystemExit, match="hourglass"):
        train.main(
            ["--stage", "ladder", *common, "--encoder", eta, "--start", str(tmp_path / "3.safetensors"), "--out", eta]
        )
    monkeypatch.setattr("napa_lib.bottleneck.supervised.heatmap_loss", lambda found, target: found.sum() * torch.inf)
    with pytest.raises(SystemExit, match="at step 0; stopped"):
        train.main(["--stage", "hourglass", *common, "--out", str(tmp_path / "broken.safetensors")])
    assert not (tmp_path / "broken.safetensors").exists()
    with pytest.raises(SystemExit, match="pose_count"):
        train.main(["--stage", "pretrain", *common, "--pose-count", "9999", "--out", eta])
    with pytest.raises(SystemExit, match="encoder"):
        train.main(["--stage", "ladder", *common, "--out", eta])
    with pytest.raises(CheckpointError, match="width"):
        load_encoder(eta, b.ModelConfig(size=64, discriminator_layers=1))
    with pytest.raises(CheckpointError, match="hourglass"):
        load_encoder(tmp_path / "3.safetensors", MODEL)


def test_a_trained_model_is_measured_on_other_clips(tmp_path, capsys):
    b.save_clips(tmp_path / "clips.safetensors", stick_clips())
    model = b.KeypointGAN(MODEL).eval()
    b.save_model(tmp_path / "m.safetensors", model, MODEL)
    clips = str(tmp_path / "clips.safetensors")
    results = tmp_path / "r.json"
    measure.main([str(tmp_path / "m.safetensors"), "--data", clips, "--poses", clips, "--results", str(results)])
    document = json.loads(results.read_text())
    found = b.predict_clips(b.load_model(tmp_path / "m.safetensors").predict, stick_clips())
    expected = (found - stick_clips().keypoints.flatten(0, 1)).norm(dim=-1).mean()
    assert document["errors"]["all"]["px"] == pytest.approx(float(expected))
    assert set(document["errors"]) == {"all", "turn", "stand", "mean pose"}
    assert f"all: {document['errors']['all']['percent']:.2f} %" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"h2\.safetensors is not a readable"):
        measure.main([str(tmp_path / "h2.safetensors"), "--data", clips])


def test_a_short_test_set_does_not_end_a_training_after_its_last_step():
    model, whole = b.KeypointGAN(MODEL).eval(), stick_clips()
    errors = train.final_errors(model, whole, whole.take(slice(1)), poses(9), torch.device("cpu"))
    assert "leak" in errors and "carried" not in errors  # one clip of four frames
    one = replace(whole, images=whole.images[:1, :1], keypoints=whole.keypoints[:1, :1], motions=("turn",))
    errors = train.final_errors(model, whole, one, poses(9), torch.device("cpu"))
    assert set(errors) == {"all", "turn", "mean pose", "regressor on top"}


def asked(*options: str) -> argparse.Namespace:
    return train.parser().parse_args(["--stage", "ladder", "--data", "studio:validation", "--out", "x", *options])


def test_unpaired_poses_are_all_of_another_set_and_never_the_labels_of_the_pictures():
    rest = b.halves(b.open_clips("studio:validation", 64))[1]

    def chosen(*options: str) -> torch.Tensor:
        return train.choose_poses(asked(*options), rest, None, torch.Generator())

    every = b.unpaired_poses(b.open_clips("studio:test", 64))
    own = open_unpaired("studio:validation", 64)[1]
    torch.testing.assert_close(own, b.unpaired_poses(rest), equal_nan=True)
    assert train.choose_poses(asked(), rest, own, torch.Generator()) is own
    torch.testing.assert_close(chosen("--poses", "studio:test"), every, equal_nan=True)
    torch.testing.assert_close(chosen("--poses", "rest:studio:test"), every[len(every) // 2 :], equal_nan=True)
    for same in ("studio:validation", "rest:studio:validation"):
        with pytest.raises(ValueError, match="labels of the pictures, got studio:validation"):
            chosen("--poses", same)


def test_fewer_poses_are_drawn_at_random_and_always_the_same():
    rest = poses(40)

    def chosen(seed: int) -> torch.Tensor:
        return train.choose_poses(asked("--pose-count", "8"), stick_clips(), rest, torch.Generator().manual_seed(seed))

    places = [(rest == p).all((1, 2)).nonzero().item() for p in chosen(0)]
    assert len(set(places)) == 8 and max(places) > 15 and torch.equal(chosen(0), chosen(0))
    assert not torch.equal(chosen(0), chosen(1))


def test_the_record_follows_the_first_frames_of_the_first_clips():
    clips, model = stick_clips(), nn.Module()
    model.predict = lambda image: image.mean((1, 2, 3))[:, None, None].expand(-1, 18, 2)
    entry = train.measurement(clips, torch.device("cpu"))(model)
    brightness = clips.images[: train.EXAMPLES, 0].float().mean((1, 2, 3)) / 255
    for pose, bright in zip(entry["examples"], brightness, strict=True):
        np.testing.assert_allclose(pose, b.to_pixels(bright, 32), atol=0.051)
    assert entry["px"] == b.errors_by_motion(b.predict_clips(model.predict, clips), clips)["all"]["px"]


def test_the_baselines_clip_their_gradients_too(monkeypatch):
    clips, given = stick_clips(size=64), []
    monkeypatch.setattr("napa_lib.bottleneck.supervised.descend", lambda *arguments: given.append(arguments[2]))
    config = replace(CONFIG, steps=1, clip=0.25, model=replace(MODEL, size=64))
    b.train_supervised(config, clips)
    b.train_hourglass(config, clips)
    assert given == [0.25, 0.25]


def test_a_joint_that_no_pose_shows_is_named_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setitem(b.PRESETS, "tiny", replace(MODEL, size=64))
    clips = stick_clips(size=64)
    clips.keypoints[:, :, [NAPA18.index("neck"), NAPA18.index("nose")]] = torch.nan
    b.save_clips(tmp_path / "clips.safetensors", clips)
    with pytest.raises(SystemExit, match="none has neck, nose"):
        train.main(["--stage", "pretrain", "--data", str(tmp_path / "clips.safetensors"), "--steps", "1",
                    "--out", str(tmp_path / "eta.safetensors")])  # fmt: skip
    assert not (tmp_path / "eta.safetensors").exists()


def test_the_regressor_learns_from_labelled_clips_where_those_of_the_training_have_no_labels(tmp_path, monkeypatch):
    """Table 3: frames of VoxCeleb, poses of Multi-PIE, a regressor from 300-W."""
    monkeypatch.setitem(b.PRESETS, "tiny", replace(MODEL, size=64))
    monkeypatch.setitem(train.PERCEPTUAL_SIZE, "tiny", 16)
    clips = {
        "blind": stick_clips(size=64),
        "labelled": stick_clips(size=64, seed=1),
        "test": stick_clips(size=64, seed=2),
    }
    clips["blind"].keypoints[:] = torch.nan
    files = {name: str(tmp_path / f"{name}.safetensors") for name in (*clips, "eta", "model")}
    for name, some in clips.items():
        b.save_clips(files[name], some)
    b.save_model(files["eta"], b.KeypointGAN(replace(MODEL, size=64)), replace(MODEL, size=64))
    results = tmp_path / "r.json"
    common = ["--stage", "ladder", "--encoder", files["eta"], "--data", files["blind"], "--poses", files["labelled"],
              "--test", files["test"], "--steps", "1", "--batch", "2", "--scored", "SHARED15",
              "--out", files["model"]]  # fmt: skip
    train.main([*common, "--regress", files["labelled"], "--results", str(results)])
    errors = json.loads(results.read_text())["errors"]
    model = b.load_model(files["model"])
    found, of_labelled = (b.predict_clips(model.predict, clips[name]) for name in ("test", "labelled"))
    regress = b.regress_keypoints(of_labelled, clips["labelled"].keypoints.flatten(0, 1))
    expected = b.errors_by_motion(regress(found), clips["test"], "SHARED15")["all"]["px"]
    assert errors["regressor on top"]["px"] == pytest.approx(expected, rel=0.01)  # files hold halves
    assert "leak" not in errors
    measure.main([files["model"], "--data", files["test"], "--poses", files["labelled"], "--scored", "SHARED15",
                  "--regress", files["labelled"], "--results", str(results)])  # fmt: skip
    measured = json.loads(results.read_text())["errors"]
    assert measured["regressor on top"]["px"] == pytest.approx(expected, rel=1e-4)
    assert measured["all"]["px"] == pytest.approx(errors["all"]["px"], rel=0.01)
    with pytest.raises(SystemExit, match="at least 3 frames that have all labels"):
        train.main([*common, "--regress", files["blind"]])
