"""All of G fine-tuned: what it answers, that every weight learns, that a training is made once, and where it stops."""

from __future__ import annotations

from dataclasses import replace

import torch

from napa_lib.data import load_art_figures
from napa_lib.evaluate.art import GROUPS
from napa_lib.loop import Setup
from napa_lib.networks.movenet import Depthwise, load_movenet
from napa_lib.networks.pose_ensemble import KNOWN, THEIRS
from napa_lib.skeletons import ART14, COCO17, NAPA18, convert
from napa_lib.training import whole
from napa_lib.training.validate import LIMBS
from napa_lib.training.warm_start import labelled
from napa_lib.training.whole import (
    UNUSED,
    WHOLE,
    Judges,
    on_art,
    start_network,
    train_once,
    train_whole,
)
from tests.descents import check_descents, hear_descents
from tests.test_mixing import some_pictures

SMALL = replace(WHOLE, size=64, batch=2, steps=2)


def test_the_answer_is_movenets_in_the_order_of_napa18(rng):
    images = torch.tensor(rng.random((2, 3, 64, 64)), dtype=torch.float32)
    with torch.no_grad():
        found, maps = start_network()(images), load_movenet()(images).heatmaps
    for joint, name in enumerate(NAPA18.joints):
        if name in COCO17.joints:
            theirs = maps[:, COCO17.index(name)]
            assert torch.allclose(found.heatmaps[:, joint], theirs, atol=1e-5)
            assert torch.allclose(found.confidence[:, joint], theirs.amax((1, 2)), atol=1e-5)
        else:
            assert found.keypoints[:, joint].isnan().all() and found.confidence[:, joint].isnan().all()
    assert set(LIMBS) <= set(KNOWN) and len(KNOWN) == len(THEIRS) == 13


def test_each_weight_behind_the_heat_maps_learns_and_no_other():
    before = load_movenet().state_dict()
    after, record = train_whole(SMALL, [labelled(some_pictures(0), 1.0)])
    assert not after.training and record[-1]["step"] == 2
    for name, weights in after.network.state_dict().items():
        assert torch.equal(weights, before[name]) == name.startswith(UNUSED), name


def test_training_learns_what_it_sees():
    pictures = some_pictures(0)
    _, record = train_whole(replace(SMALL, steps=24, learning_rate=3e-4), [labelled(pictures, 1.0)], every=8)
    assert record[-1]["heatmaps"] < record[0]["heatmaps"]


def test_a_step_descends_both_losses_by_a_rate_that_rises_and_falls(monkeypatch):
    seen = hear_descents(monkeypatch, whole)
    train_whole(replace(SMALL, steps=20), [labelled(some_pictures(0), 1.0)])
    check_descents(seen, WHOLE.learning_rate)


def test_the_same_seed_trains_the_same_network_and_another_seed_another_one():
    sources = [labelled(some_pictures(0), 1.0)]
    one, same, other = (train_whole(replace(SMALL, seed=seed), sources)[0].network.stem.weight for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_in_bfloat16_a_strided_depthwise_convolution_learns_in_single_precision():
    image = torch.rand(1, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        learned = Depthwise(4, 2)(image.requires_grad_(True))
        assert Depthwise(4, 2)(image.detach()).dtype == Depthwise(4)(image).dtype == torch.bfloat16
    assert learned.dtype == torch.float32


def test_art_is_measured_in_the_pictures_pixels_by_limb_joint():
    figures = load_art_figures()[:2]
    poses = Judges({}, figures, 64).poses_on_art(start_network())
    found = on_art(poses, figures)
    assert set(found["joints"]) == {name for name, rows in GROUPS.items() if len(rows) == 2}
    truth = torch.stack([figure.scored_keypoints for figure in figures]).float()
    assert on_art(truth, figures)["art"] == {"0.25": 100.0, "0.5": 100.0}
    seen = convert(poses, ART14, ART14)[:, [ART14.index("l_hip"), ART14.index("r_wrist")]]
    boxes = torch.tensor([figure.box for figure in figures])
    middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).amax(1)
    assert ((seen - middle[:, None]).abs() <= side[:, None, None]).all()


def test_a_training_is_made_once_and_again_for_another_config(tmp_path):
    judges = Judges({"people": some_pictures(1)}, load_art_figures()[:2], 64)
    sources, path = [labelled(some_pictures(0), 1.0)], tmp_path / "end.safetensors"
    row, poses = train_once(path, SMALL, sources, judges)
    assert set(row) == {"seconds", "on", "art", "joints"} and 0 <= row["on"]["people"]["near"] <= 1
    assert poses.shape == (2, 14, 2)
    made = path.read_bytes()
    again, kept = train_once(path, SMALL, sources, judges)
    assert again == row and torch.equal(kept.nan_to_num(), poses.nan_to_num()) and path.read_bytes() == made
    train_once(path, replace(SMALL, seed=1), sources, judges)
    other = path.read_bytes()
    assert other != made
    train_once(path, replace(SMALL, seed=1), sources, judges, Setup(half=True))
    assert path.read_bytes() != other
