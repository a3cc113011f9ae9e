"""The network of drawn figures: it begins as MoveNet, every weight of it learns, and it comes back from its file."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napa_lib.engine import CheckpointError, load_tensors, save_tensors
from napa_lib.loop import Setup
from napa_lib.networks.drawn_pose_net import (
    DrawnPoseNet,
    load_drawn_pose_net,
    save_drawn_pose_net,
    start_drawn_pose_net,
)
from napa_lib.networks.movenet import load_movenet
from napa_lib.skeletons import COCO17, NAPA18
from napa_lib.training import drawn
from napa_lib.training.drawn import DrawnConfig, train_drawn
from napa_lib.training.warm_start import labelled
from tests.cutouts import some_cutouts
from tests.descents import check_descents, hear_descents
from tests.test_mixing import some_pictures

SMALL = DrawnConfig(size=64, batch=2, steps=2, scenes=1)
DATA = [labelled(some_pictures(0), 1.0)], [labelled(some_pictures(1), 1.0)], [some_cutouts()]


def test_it_begins_with_what_photographs_taught(rng):
    images = torch.tensor(rng.random((2, 3, 64, 96)), dtype=torch.float32)
    with torch.no_grad():
        maps, theirs = start_drawn_pose_net()(images).heatmaps, load_movenet()(images).heatmaps
    for joint, name in enumerate(NAPA18.joints):
        known = theirs[:, COCO17.index(name)] if name in COCO17.joints else theirs.mean(1)
        torch.testing.assert_close(maps[:, joint], known, atol=1e-4, rtol=1e-4)


def test_every_weight_learns_and_the_running_average_is_kept():
    before = start_drawn_pose_net().state_dict()
    after, record = train_drawn(SMALL, *DATA)
    assert not after.training and record[-1]["step"] == 2
    assert not any(torch.equal(weights, before[name]) for name, weights in after.state_dict().items())


def test_training_learns_what_it_sees():
    _, record = train_drawn(replace(SMALL, steps=24), *DATA, every=8)
    assert record[-1]["heatmaps"] < record[0]["heatmaps"]


def test_what_is_kept_is_the_average_of_the_weights(monkeypatch):
    seen = []
    real = drawn.update_average

    def listen(average, network, decay):
        real(average, network, decay)
        seen.append((network.trunk.stem.weight.detach().clone(), decay))

    monkeypatch.setattr(drawn, "update_average", listen)
    kept, _ = train_drawn(replace(SMALL, steps=4), *DATA)
    expected = start_drawn_pose_net().trunk.stem.weight.detach()
    for step, (weights, decay) in enumerate(seen):
        assert decay == pytest.approx((step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * weights
    torch.testing.assert_close(kept.trunk.stem.weight, expected)


def test_a_step_descends_all_losses_by_a_rate_that_rises_and_falls(monkeypatch):
    seen = hear_descents(monkeypatch, drawn)
    train_drawn(replace(SMALL, steps=20), *DATA)
    check_descents(seen, SMALL.learning_rate)


def test_a_training_goes_on_from_a_network_that_is_left_as_it_is():
    begin = start_drawn_pose_net().eval().requires_grad_(False)
    with torch.no_grad():
        begin.trunk.stem.weight += 0.01
    before = begin.trunk.stem.weight.clone()
    after, _ = train_drawn(replace(SMALL, learning_rate=1e-6), *DATA, start_from=begin)
    assert torch.equal(begin.trunk.stem.weight, before)
    torch.testing.assert_close(after.trunk.stem.weight, before, atol=1e-4, rtol=0)
    assert not torch.equal(after.trunk.stem.weight, before)


def test_saved_and_loaded(tmp_path, rng):
    network = start_drawn_pose_net()
    pictures = torch.tensor(rng.random((4, 3, 64, 96)), dtype=torch.float32)
    save_drawn_pose_net(tmp_path / "n.safetensors", network, pictures, {"command": "train"})
    again = load_drawn_pose_net(tmp_path / "n.safetensors")
    assert load_tensors(tmp_path / "n.safetensors")[1]["command"] == "train"
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    for name, weights in network.state_dict().items():
        if weights.ndim == 1:
            continue
        fine, levels = name.startswith(("trunk.stem.", "trunk.to_4.")), 63 if ".to_32." in name else 127
        channels = weights.abs().amax((1, 2, 3), keepdim=True)
        step = weights.abs() * 2.0**-11 + 2.0**-25 if fine else channels / levels / 2
        assert ((again.state_dict()[name] - weights).abs() <= step + 1e-7).all(), name
    with torch.no_grad():
        ours, theirs = (n.trunk(pictures) for n in (again, network))
    for said, meant in ((ours.centres, theirs.centres), (ours.heatmaps, theirs.heatmaps)):
        torch.testing.assert_close(said.mean((0, -2, -1)), meant.mean((0, -2, -1)), atol=0.02, rtol=0)
    save_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(1)}, {"format": "something"})
    with pytest.raises(CheckpointError, match="its format is 'something'"):
        load_drawn_pose_net(tmp_path / "other.safetensors")


def test_training_goes_on_bit_for_bit(tmp_path):
    config = replace(SMALL, steps=4)
    whole, record = train_drawn(config, *DATA, every=2)

    class Killed(RuntimeError):
        pass

    def kill(entry):
        raise Killed

    checkpoint = tmp_path / "drawn.safetensors"
    with pytest.raises(Killed):
        train_drawn(config, *DATA, Setup(checkpoint=checkpoint, tell=kill), every=2)
    again, other = train_drawn(config, *DATA, Setup(checkpoint=checkpoint), every=2)
    assert all(bool((a == b).all()) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    assert [entry["centre"] for entry in record] == [entry["centre"] for entry in other]


def test_the_confidence_is_the_highest_of_a_map():
    with torch.no_grad():
        found = DrawnPoseNet()(torch.rand(1, 3, 64, 64))
    p = torch.softmax(found.heatmaps.flatten(2), -1).amax(-1)
    torch.testing.assert_close(found.confidence.exp(), p)
