"""What pseudo-3D labels are worth: what is made up, what a hand puts right, and that each kind of label is learned."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from napa_lib.data import load_art_figures, load_mocap
from napa_lib.data.views import random_views
from napa_lib.lifting import bone_vectors
from napa_lib.lifting.config import TrainingConfig
from napa_lib.lifting.train import fit_standardizer
from napa_lib.training import art_depths, pseudo_labels

CONFIG = TrainingConfig("coordinates", steps=2, batch=4)


@pytest.fixture(scope="module")
def pictures():
    """Far cameras, so that the projection is nearly the weak one that the fit assumes."""
    poses = load_mocap("dance_b").poses[::40]
    far = TrainingConfig(nearest=200_000.0, farthest=200_000.0)
    return random_views(poses, far, torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def length():
    return fit_standardizer(pseudo_labels.everyday_frames(), CONFIG).length


def test_a_true_guess_is_made_up_into_nearly_the_truth(pictures, length):
    keypoints, truth = pictures
    made = pseudo_labels.made_up(keypoints, truth, length)
    known = truth.isfinite().all(-1) & made.isfinite().all(-1)
    assert float((made - truth).norm(dim=-1)[known].median()) < 40


def test_a_hand_turns_bones_and_keeps_their_depths(pictures, length):
    keypoints, truth = pictures
    mirrored = truth * torch.tensor([1.0, 1.0, -1.0])
    turned = pseudo_labels.turned_right(keypoints, mirrored, truth, length)
    depths, true = bone_vectors(turned)[..., 2], bone_vectors(truth)[..., 2]
    assert torch.allclose(depths, true, atol=0.5)


def test_pictures_hold_no_everyday_pose_and_their_keypoints_are_the_poses_projections():
    keypoints, poses = pseudo_labels.pictures_of_others(CONFIG)
    rest, _ = pseudo_labels.pictures_of_others(CONFIG, rest=True)
    assert len(keypoints) + len(rest) == 890 * pseudo_labels.PICTURES and 1.9 < len(keypoints) / len(rest) < 2.1
    across = (poses[..., :2] * keypoints).sum(-1)  # seen on the side of the axis where it is
    assert bool((across[:, 1:] > 0).float().mean() > 0.99)


def test_each_kind_of_label_has_its_network(tmp_path, monkeypatch):
    few = pseudo_labels.pictures_of_others(CONFIG)
    monkeypatch.setattr(pseudo_labels, "pictures_of_others", lambda config, rest=False: tuple(part[:4] for part in few))
    taught = []
    train = pseudo_labels.train_depth

    def listen(config, standardizer, pictures, setup):
        taught.append(None if pictures is None else pictures[1])
        return train(config, standardizer, pictures, setup)

    monkeypatch.setattr(pseudo_labels, "train_depth", listen)
    pseudo_labels.main(["--steps", "2", "--results", str(tmp_path)])
    found = json.loads((tmp_path / "pseudo_0.json").read_text())
    assert list(found["others"]) == ["none", "guess", "pseudo", "revised", "true"] and taught[0] is None
    assert torch.equal(taught[-1], few[1][:4]) and found["labels"]["true"] < 0.01
    for other in range(1, 4):
        assert not torch.equal(taught[other], taught[other + 1])
    for where in ("rest", "others"):
        assert found[where].keys() == found["others"].keys() and all(0 < e < 1000 for e in found[where].values())


def test_a_step_descends_the_distance_of_depths(monkeypatch, pictures):
    """By hand: half of a batch are the pictures given, all of one pose, so that its depths are the second half's."""
    heard, targets = [], []
    real = pseudo_labels.depth_loss

    def listen(found, target):
        targets.append(target)
        return real(found, target)

    monkeypatch.setattr(pseudo_labels, "depth_loss", listen)
    monkeypatch.setattr(pseudo_labels, "descend", lambda total, optimizer, clip, losses: heard.append((total, losses)))
    standardizer = fit_standardizer(pseudo_labels.everyday_frames(), CONFIG)
    one = tuple(part[:1] for part in pictures[:2])
    pseudo_labels.train_depth(replace(CONFIG, steps=2, batch=6), standardizer, one)
    assert len(heard) == len(targets) == 2
    depths = standardizer.standardize(bone_vectors(one[1]))[..., 2:]
    for (total, losses), target in zip(heard, targets, strict=True):
        assert float(total.detach()) == float(losses["depth"].detach()) > 0
        torch.testing.assert_close(target[3:], depths.expand(3, -1, -1))
        assert not torch.allclose(target[:3], depths.expand(3, -1, -1))


def test_figures_in_art_keep_their_joints_and_differ_in_depth_alone(monkeypatch):
    """The joints are given, so both networks' poses are the picture's up to one scale each; the farthest come first."""
    few = pseudo_labels.pictures_of_others(CONFIG)
    monkeypatch.setattr(art_depths, "pictures_of_others", lambda config: tuple(part[:4] for part in few))
    figures = load_art_figures()[:5]
    found = art_depths.compare(figures, CONFIG)
    joints = dict(zip([figure.name for figure in figures], art_depths.joints_of(figures), strict=True))
    apart = [entry["apart"] for entry in found["figures"]]
    assert len(apart) == art_depths.SHOWN and apart == sorted(apart, reverse=True) and apart[0] >= found["apart"] > 0
    for entry in found["figures"]:
        flat = joints[entry["name"]] - joints[entry["name"]][0]
        poses = [torch.tensor(entry[name]).double() for name in ("none", "pseudo")]
        for pose in poses:
            across = pose[:, :2] - pose[0, :2]
            scale = float((across * flat).sum() / flat.square().sum())
            assert scale > 0 and float((across - scale * flat).abs().max()) < 2  # whole millimetres
        assert not torch.equal(poses[0][:, 2], poses[1][:, 2])


def test_rows_that_are_most_apart():
    one = torch.zeros(3, 2, 3)
    other = torch.stack([one[0] + 1, one[1], torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]])])
    assert art_depths.most_apart(one, other, 2) == [(2, 2.5), (0, pytest.approx(3**0.5))]
