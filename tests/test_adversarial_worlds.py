"""Chapter 4's worlds: what is labelled, what fits together, and what a batch holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napa_lib import adversarial as a
from napa_lib.data.clips import to_unit
from napa_lib.data.synthetic import load_synthetic
from napa_lib.metrics import mpjpe
from napa_lib.skeletons import H36M17
from tests.adversarial_world import CONFIG, world


def test_true_keypoints_and_depths_are_the_true_pose():
    domain = world()
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    torch.testing.assert_close(domain.to_millimetres(pose), domain.poses, atol=0.05, rtol=1e-5)
    assert not domain.depths[:, H36M17.root].any()
    further = domain.poses[0, 3, 2] - domain.poses[0, 0, 2]  # mm
    pixels = further * domain.cameras[0, 0] / domain.poses[0, 0, 2]
    assert float(domain.depths[0, 3]) == pytest.approx(float(pixels) / 31.5, rel=1e-4)


def test_protocol_1_aligns_the_depth_of_the_root_and_nothing_else():
    domain, away = world(6), torch.tensor([0.1, -0.05])
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    nearer = pose - torch.tensor([0.0, 0.0, 0.4])  # the whole body, estimated root included
    torch.testing.assert_close(domain.to_millimetres(nearer), domain.poses, atol=0.05, rtol=1e-5)
    assert a.measure(nearer, domain)["mpjpe"]["all"] < 0.1
    beside = torch.cat([domain.keypoints + away, domain.depths[..., None]], -1)
    off = float((float(away.norm()) * 31.5 * domain.poses[..., 2] / domain.cameras[:, :1]).mean())  # mm, root included
    assert a.measure(beside, domain)["mpjpe"]["all"] == pytest.approx(off, rel=1e-3)


def test_protocol_2_turns_and_moves_a_pose_and_does_not_scale_it():
    domain = world(6)
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    found = a.measure(pose, domain)
    assert found["rigid_mpjpe"]["all"] < 0.1 and found["pa_mpjpe"]["all"] < 0.1
    middle = domain.poses.mean(1, keepdim=True)
    seen = domain.poses + 0.3 * (domain.poses - middle)  # 1.3 times as large, round the same place
    root = seen[:, :1, 2]
    xy = to_unit(domain.cameras[:, None, :1] * seen[..., :2] / seen[..., 2:] + domain.cameras[:, None, 1:], 64)
    moved = replace(
        domain, poses=domain.poses + torch.tensor([0.0, 0.0, 1.0]) * (root - domain.poses[:, :1, 2])[..., None]
    )
    z = (seen[..., 2] - root) * (domain.cameras[:, 0] / root[:, 0] / 31.5)[:, None]
    found = a.measure(torch.cat([xy, z[..., None]], -1), moved)
    assert found["pa_mpjpe"]["all"] < 0.5
    size = float((domain.poses - middle).norm(dim=-1).mean())
    assert found["rigid_mpjpe"]["all"] == pytest.approx(0.3 * size, rel=0.01)


def test_the_head_and_the_trunk_are_no_part_of_pckh():
    domain = world(6)
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    pose[:, [H36M17.index(name) for name in ("head", "nose", "neck", "torso", "pelvis")], :2] += 5.0
    assert a.measure(pose, domain)["pckh"] == 100
    pose[:, H36M17.index("l_wrist"), :2] += 5.0
    assert a.keypoint_rate(pose[..., :2], domain) == pytest.approx(100 * 11 / 12)


def test_a_head_is_as_large_as_it_would_be_at_the_root_s_distance():
    domain = world(3)
    neck, head = (domain.poses[:, H36M17.index(name)] for name in ("neck", "head"))
    pixels = domain.cameras[:, 0] * (head - neck).norm(dim=-1) / domain.poses[:, H36M17.root, 2]
    torch.testing.assert_close(domain.head_sizes, pixels / 31.5)  # 63 pixels from -1 to 1


@pytest.mark.parametrize("rows", [torch.tensor([3, 1]), slice(1, None, 2), torch.tensor([False, True, False, True])])
def test_what_is_taken_keeps_its_action(rows):
    some = replace(world(4), actions=("a", "b", "c", "d")).take(rows)
    expected = world(4).keypoints[["abcd".index(action) for action in some.actions]]
    assert len(some.actions) == 2 and torch.equal(some.keypoints, expected)


def test_a_world_without_3d_labels_says_so():
    domain = world(2).without_3d()
    assert domain.depths.isnan().all()
    for ask in (lambda: domain.head_sizes, lambda: domain.to_millimetres(torch.zeros(2, 17, 3))):
        with pytest.raises(ValueError, match="3D|cameras"):
            ask()
    with pytest.raises(ValueError, match="lab must have 3D labels"):
        a.train_estimator(CONFIG, domain, domain)


@pytest.mark.parametrize(
    "change",
    [{"images": torch.zeros(0, 3, 64, 64, dtype=torch.uint8)}, {"images": torch.zeros(2, 3, 64, 64)},
     {"keypoints": torch.zeros(2, 16, 2)}, {"cameras": None}, {"poses": torch.zeros(3, 17, 3)}],
)  # fmt: skip
def test_worlds_that_are_empty_or_do_not_fit_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(world(2), **change)


def test_the_worlds_that_ship():
    lab, unseen = a.open_domain("lab:validation", 64), a.open_domain("unseen:validation", 64)
    assert len(lab) == 639 and len(unseen) == 232 and not lab.keypoints.isnan().any()
    for shipped in (lab, unseen):  # of 64 pixels, and of 128 made smaller
        truth = torch.cat([shipped.keypoints, shipped.depths[..., None]], -1)
        assert float(mpjpe(shipped.to_millimetres(truth), shipped.poses).total) < 0.2
    for name in ("unseen:train", "lab", "lab:all", "forest:test"):
        with pytest.raises(ValueError, match="name must be one of lab:train"):
            a.open_domain(name, 64)


def test_nothing_in_the_wild_is_labelled_in_3d(monkeypatch):
    monkeypatch.setattr(
        "napa_lib.adversarial.domains.load_synthetic", lambda split, setting: load_synthetic("validation", setting)
    )  # the training split takes seconds to unpack
    assert a.open_domain("wild:train", 64).poses is None and a.open_domain("lab:train", 64).poses is not None


def test_a_batch_is_half_from_the_lab_and_labels_follow_their_mirrored_pictures():
    lab, wild = world(6), world(6, seed=1).without_3d()
    batch = next(a.batches([lab, wild], 12, torch.Generator().manual_seed(3)))
    assert batch.depths[:6].isfinite().all() and batch.depths[6:].isnan().all()
    x, y = ((batch.keypoints + 1) * 31.5).round().long().clamp(0, 63).unbind(-1)
    at_joints = batch.image[torch.arange(12)[:, None], 0, y, x]
    assert at_joints.min() > 0.6  # bones are white, and joints lie on them
    right = H36M17.index("r_wrist"), H36M17.index("l_wrist")
    original = torch.cat([lab.keypoints, wild.keypoints])
    mirrored = 0
    for pose in batch.keypoints:
        as_is = (original - pose).abs().amax((1, 2)).min() < 1e-6
        other = (original[:, right[1]] * torch.tensor([-1.0, 1.0]) - pose[right[0]]).abs().amax(1).min() < 1e-6
        assert as_is != other
        mirrored += int(other)
    assert 0 < mirrored < 12


@pytest.mark.parametrize("domains, count, word", [([], 8, "domains"), ([0, 1], 7, "count"), ([0, 2], 8, "one size")])
def test_batches_need_domains_that_fit(domains, count, word):
    made = world(2), world(2, seed=1), world(2, size=128)
    with pytest.raises(ValueError, match=word):
        next(a.batches([made[i] for i in domains], count, torch.Generator()))
