"""Chapter 3's trainings: they learn, resume bit for bit, and stop when a loss breaks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from napa_lib import bottleneck as b
from napa_lib.bottleneck.pretraining import Plateau
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
