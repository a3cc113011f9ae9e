"""From bones to a pose in space: standardised bones, scale, the networks, and their training."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lifting import SEEDS, UNREACHED, mocap_views, random_pose

from napa_lib.annotate.pseudo_depth import pseudo_depth
from napa_lib.data import asset_path, list_mocap_clips, load_mocap
from napa_lib.engine import save_tensors
from napa_lib.lifting import (
    BoneStandardizer,
    CoordinateNet,
    DepthNet,
    TrainingConfig,
    bone_vectors,
    compose_pose,
    exchange_limbs,
    lift,
    load_depth_net,
    network_input,
    random_views,
    recover_scale,
)
from napa_lib.lifting.evaluate import estimate_poses, evaluate
from napa_lib.lifting.networks import PRESETS
from napa_lib.lifting.train import draw_views, fit_standardizer, train_depth_net
from napa_lib.loop import Setup
from napa_lib.skeletons import NAPA18, REGRESSION_BONES

# Standardised bones, scale, and the pose pieced together ------------------------------------------------------------


@pytest.fixture(scope="module")
def frames():
    return torch.cat([load_mocap(clip).frames for clip in list_mocap_clips("train")])


@pytest.fixture(scope="module")
def standardizer(frames):
    return fit_standardizer(frames, TrainingConfig())


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, missing=st.integers(0, 40))
def test_standardized_bones_have_mean_0_and_deviation_1(seed, missing):
    poses = random_pose(seed, 50) + 500.0
    poses.view(-1, 3)[np.random.default_rng(seed).choice(900, missing, replace=False)] = torch.nan
    fitted = BoneStandardizer.fit(poses)
    bones = bone_vectors(poses)
    z = fitted.standardize(bones).numpy()
    np.testing.assert_allclose(np.nanmean(z, 0), 0, atol=1e-9)
    np.testing.assert_allclose(np.nanstd(z, 0), 1, atol=1e-9)
    np.testing.assert_allclose(fitted.length, np.sqrt(np.nanmean((bones.numpy() ** 2).sum(-1), 0)))


def test_standardizer_is_saved_and_loaded(tmp_path, standardizer):
    standardizer.save(tmp_path / "bones.safetensors")
    again = BoneStandardizer.load(tmp_path / "bones.safetensors")
    for name in ("mean", "std", "length"):
        assert torch.equal(getattr(again, name), getattr(standardizer, name))
    save_tensors(tmp_path / "other.safetensors", {"bones/mean": torch.zeros(14, 3)})
    with pytest.raises(ValueError, match=r"bones/mean must be \(15, 3\), got \(14, 3\)"):
        BoneStandardizer.load(tmp_path / "other.safetensors")


def test_standardizer_refuses_what_it_cannot_divide_by():
    poses = random_pose(0, 5)
    with pytest.raises(ValueError, match="vary"):
        BoneStandardizer.fit(poses[:1])
    poses[:, NAPA18.index("head")] = torch.nan
    with pytest.raises(ValueError, match="every bone at least once"):
        BoneStandardizer.fit(poses)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, scale=st.floats(0.5, 20.0), missing=st.sampled_from([None, "l_wrist", "r_knee", "torso"]))
def test_scale_and_pose_come_back_from_a_weak_perspective_picture(seed, scale, missing):
    pose = random_pose(seed, 2)
    for joint, (a, b) in {"torso": ("pelvis", "thorax"), "nose": ("neck", "head")}.items():
        pose[:, NAPA18.index(joint), 2] = (pose[:, NAPA18.index(a), 2] + pose[:, NAPA18.index(b), 2]) / 2
    pose = pose[:1] + 0 * pose  # one body, so that its bones' lengths are known exactly
    keypoints = pose[..., :2] / scale + torch.tensor([100.0, 80.0])
    if missing:
        keypoints[:, NAPA18.index(missing)] = torch.nan
    depths, length = bone_vectors(pose)[..., 2], bone_vectors(pose[0]).norm(dim=-1)
    found = recover_scale(keypoints, depths, length)
    np.testing.assert_allclose(found, scale, rtol=1e-9)
    expected = (pose - pose[:, :1]).clone()
    if missing:
        expected[:, NAPA18.index(missing)] = torch.nan
    torch.testing.assert_close(compose_pose(keypoints, depths, found), expected, equal_nan=True)


def test_a_bone_deeper_than_it_is_long_says_nothing_of_the_scale():
    """One forearm of 250 mm, 200 deep and 30 px long; the upper arm is said to go 400 of its 300 mm deep."""
    keypoints, depths, length = torch.full((1, 18, 2), torch.nan), torch.zeros(1, 15), torch.full((15,), 250.0)
    for joint, x in (("l_shoulder", 0.0), ("l_elbow", 0.0), ("l_wrist", 30.0)):
        keypoints[0, NAPA18.index(joint)] = torch.tensor([x, 0.0])
    upper, lower = (REGRESSION_BONES.index((NAPA18.index(a), NAPA18.index(b))) for a, b in
                    (("l_elbow", "l_shoulder"), ("l_wrist", "l_elbow")))  # fmt: skip
    depths[0, [upper, lower]], length[upper] = torch.tensor([400.0, 200.0]), 300.0
    assert recover_scale(keypoints, depths, length).item() == pytest.approx(5.0)
    deep = length[None].clone().requires_grad_()  # every bone points at the viewer
    recover_scale(keypoints, deep, length).sum().backward()
    assert deep.grad.isfinite().all()


def test_joints_in_one_place_have_no_scale(standardizer):
    network = DepthNet("tiny").eval()
    heap = torch.full((2, 18, 2), 50.0)
    heap[1] = mocap_views(1, 0)[0]
    scale = recover_scale(heap, torch.zeros(2, 15), standardizer.length)
    assert scale[0].isnan() and scale[1] > 0
    pose = lift(heap, network, standardizer)
    assert pose[0, :, :2].isnan().all() and pose[1].isfinite().all()
    with pytest.raises(ValueError, match="apart from each other"):
        pseudo_depth(heap[0], network, standardizer)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_lift_takes_any_dtype(dtype, standardizer):
    keypoints = (mocap_views(2, 0) * 4).round() / 4
    network = DepthNet("tiny").eval()
    pose = lift(keypoints.to(dtype), network, standardizer)
    assert pose.dtype == dtype
    expected = lift(keypoints.to(dtype).float(), network, standardizer).to(dtype)
    torch.testing.assert_close(pose, expected, atol=1e-2, rtol=1e-5)  # mm


def test_lift_in_half_precision_keeps_millimetres(standardizer):
    keypoints, network = mocap_views(2, 0), DepthNet("tiny").eval()
    depths = torch.randn(2, 15, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        lift(keypoints, network, standardizer)  # the network itself may round
        pose = lift(keypoints, Oracle(depths), standardizer)
    torch.testing.assert_close(pose, lift(keypoints, Oracle(depths), standardizer))


@pytest.mark.parametrize("odd", [torch.inf, torch.nan])
def test_a_coordinate_that_is_not_finite_is_a_missing_joint(odd, standardizer):
    network, gone, half = DepthNet("tiny").eval(), mocap_views(1, 0), mocap_views(1, 0)
    gone[0, NAPA18.index("r_wrist")], half[0, NAPA18.index("r_wrist"), 1] = torch.nan, odd
    expected = lift(gone, network, standardizer)
    torch.testing.assert_close(lift(half, network, standardizer), expected, equal_nan=True)
    assert expected.isnan().any(-1).sum() == 1


def test_lift_shows_a_network_what_it_was_trained_on(standardizer):
    """A figure from the middle of the training loop and the same figure lifted: one picture, and so one pose."""
    network, keypoints = DepthNet("tiny").eval(), mocap_views(3, 0)
    oracle = Oracle(torch.zeros(1, 15))
    lift(keypoints, oracle, standardizer)
    assert torch.equal(oracle.seen[0], network_input(keypoints, TrainingConfig()))
    estimate = estimate_poses(network, standardizer, TrainingConfig(), keypoints)
    torch.testing.assert_close(lift(keypoints, network, standardizer), estimate)


def test_a_pose_without_its_pelvis():
    keypoints = random_pose(1, 1, size=2)
    keypoints[:, 0] = torch.nan
    pose = compose_pose(keypoints, torch.zeros(1, 15, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    assert pose[0, 0].isnan().all() and pose[0, 1:].isfinite().all()
    np.testing.assert_allclose(pose[0, 1:, :2].mean(0), 0, atol=1e-9)
    assert recover_scale(keypoints * torch.nan, torch.zeros(1, 15), torch.ones(15)).isnan().all()


class Oracle(torch.nn.Module):
    """A depth network that knows the answer, to test everything round it."""

    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.preset, self.answer, self.seen = PRESETS["tiny"], answer, []

    def forward(self, bone_map: torch.Tensor) -> torch.Tensor:
        self.seen.append(bone_map)
        return self.answer.expand(len(bone_map), 15)


def test_lift_round_a_perfect_network(standardizer):
    """With true depths, lift returns the pose of a weak-perspective picture, wherever and however large it is."""
    pose = load_mocap("cartwheel").poses[::20]
    pose = (pose - pose[:, :1]) @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # a camera that looks along -z
    oracle = Oracle(standardizer.standardize(bone_vectors(pose))[..., 2])
    chained = [j for j in range(18) if j not in UNREACHED]
    for scale, shift in [(5.0, 200.0), (9.0, -30.0)]:
        keypoints = pose[..., :2] / scale + shift
        lifted = lift(keypoints, oracle, standardizer, scale=torch.full((len(pose),), scale))
        torch.testing.assert_close(lifted[:, chained], pose[:, chained], rtol=0, atol=0.01)
        torch.testing.assert_close(lifted[..., :2], pose[..., :2], rtol=0, atol=0.01)
        by_itself = lift(keypoints, oracle, standardizer)  # the trunk's length changes as it bends, so nearly
        torch.testing.assert_close(by_itself[..., :2], pose[..., :2], rtol=0.02, atol=0.01)
    torch.testing.assert_close(oracle.seen[0], oracle.seen[-1], atol=0.05, rtol=0)
    assert oracle.seen[0].shape == (len(pose), 3, 64, 64)


def test_lift_draws_a_missing_nose_between_neck_and_head(standardizer):
    keypoints = mocap_views(1, 0)
    without, middle = keypoints.clone(), keypoints.clone()
    nose, neck, head = (NAPA18.index(joint) for joint in ("nose", "neck", "head"))
    without[:, nose], middle[:, nose] = torch.nan, (keypoints[:, neck] + keypoints[:, head]) / 2
    oracle = Oracle(torch.zeros(1, 15))
    assert lift(without, oracle, standardizer)[0, nose].isnan().all()
    lift(middle, oracle, standardizer)
    assert torch.equal(oracle.seen[0], oracle.seen[1])


def test_the_shipped_network(tmp_path):
    """It loads, is small, and lifts unseen poses far better than flat ones."""
    assert asset_path("weights/depthnet_tiny.safetensors").stat().st_size < 1e6
    network, standardizer = load_depth_net()
    score = evaluate(network, standardizer, TrainingConfig(), "validation", views=1)["all"]
    flat = evaluate(Oracle(torch.zeros(1, 15)), standardizer, TrainingConfig(), "validation", views=1)["all"]
    assert score["mpjpe"] < 0.7 * flat["mpjpe"] and score["pa_mpjpe"] < 0.7 * flat["pa_mpjpe"]
    save_tensors(tmp_path / "foreign", {"a": torch.zeros(1)})
    with pytest.raises(ValueError, match="holds no depth network"):
        load_depth_net(tmp_path / "foreign")


def test_lift_with_a_missing_joint_and_bad_shapes(standardizer):
    network = DepthNet("tiny").eval()
    keypoints = mocap_views(2, 0)
    keypoints[0, NAPA18.index("r_elbow")] = torch.nan
    pose = lift(keypoints, network, standardizer)
    assert pose.isnan().any(-1).nonzero().tolist() == [[0, NAPA18.index("r_elbow")]]
    with pytest.raises(ValueError, match=r"keypoints_2d must be"):
        lift(keypoints[:, :17], network, standardizer)
    with pytest.raises(ValueError, match=r"keypoints_2d must be \(B, 18, 2\)"):
        lift(keypoints[0], network, standardizer)


# Networks -----------------------------------------------------------------------------------------------------------


def test_depth_net_presets():
    paper, tiny = DepthNet(), DepthNet("tiny")
    resnet50_without_head, head = 23_508_032, 2048 * 15 + 15
    assert sum(p.numel() for p in paper.parameters()) == resnet50_without_head + head
    assert paper(torch.zeros(2, 3, 224, 224)).shape == (2, 15)
    assert 2 * sum(v.numel() for v in tiny.state_dict().values()) < 4e6  # bytes in float16
    with pytest.raises(ValueError, match=r"preset must be one of \['paper', 'tiny', 'wide'\], got 'huge'"):
        DepthNet("huge")
    with pytest.raises(ValueError, match=r"bone_map must be \(B, 3, 64, 64\), got \(1, 3, 224, 224\)"):
        tiny(torch.zeros(1, 3, 224, 224))


def test_coordinate_net_takes_missing_joints():
    network = CoordinateNet(hidden=8).eval()
    keypoints = torch.rand(2, 18, 2)
    keypoints[0, 3] = torch.nan
    assert network(keypoints).isfinite().all()
    with pytest.raises(ValueError, match="keypoints must be"):
        network(keypoints[0])


# Motion capture seen by random cameras ------------------------------------------------------------------------------


def test_views_are_rigid_and_pinhole(frames):
    config = TrainingConfig()
    poses = exchange_limbs(frames, torch.arange(0, 1200, 30), 0.0, torch.Generator())
    keypoints, seen = random_views(poses, config, torch.Generator().manual_seed(0))
    distances = lambda p: np.linalg.norm(p[:, :, None] - p[:, None], axis=-1)  # noqa: E731
    mirror = [NAPA18.index(j.replace("l_", "R_").replace("r_", "l_").replace("R_", "r_")) for j in NAPA18.joints]
    same = np.abs(distances(seen.numpy()) - distances(poses.numpy())).max((1, 2)) < 0.1
    swapped = np.abs(distances(seen.numpy()) - distances(poses[:, mirror].numpy())).max((1, 2)) < 0.1
    assert (same | swapped).all() and 5 < (swapped & ~same).sum() < 35
    # x = f X / (Z + D): the distance D that each joint implies is one number a view
    wide = seen[..., :2].abs() > 50
    implied = 1000 * seen[..., :2].where(wide, torch.nan).numpy() / keypoints.where(wide, 1.0).numpy()
    implied = implied - seen[..., 2:].numpy()
    assert np.nanmax(np.nanmax(implied, (1, 2)) - np.nanmin(implied, (1, 2))) < 1.0
    centre = np.nanmean(implied, (1, 2))
    assert centre.min() >= config.nearest - 1 and centre.max() <= config.farthest + 1 and np.ptp(centre) > 3000


def test_views_turn_up_to_up(frames):
    """A walker's head is above his feet in every picture, by nearly his height: y points down, cameras tilt little."""
    walk = load_mocap("walk").poses
    keypoints, seen = random_views(walk, TrainingConfig(), torch.Generator().manual_seed(1))
    head, ankle = NAPA18.index("head"), NAPA18.index("l_ankle")
    assert (seen[:, ankle, 1] - seen[:, head, 1] > 900).all()
    assert (keypoints[:, ankle, 1] > keypoints[:, head, 1]).all()
    facing = seen[:, NAPA18.index("nose"), 2] - seen[:, NAPA18.index("neck"), 2]
    assert (facing > 0).any() and (facing < 0).any()


def test_exchanged_limbs_keep_every_bone_and_come_from_other_frames(frames):
    index = torch.arange(0, 1200, 40)
    plain = exchange_limbs(frames, index, 0.0, torch.Generator().manual_seed(0))
    mixed = exchange_limbs(frames, index, 1.0, torch.Generator().manual_seed(0))
    expected = torch.cat([load_mocap(clip).poses for clip in list_mocap_clips("train")])[index]
    torch.testing.assert_close(plain, expected)
    rigid = [b for b in range(15) if b not in (6, 7, 11, 12)]  # the trunk bends between pelvis and thorax
    lengths = lambda p: bone_vectors(p).norm(dim=-1)[:, rigid]  # noqa: E731
    torch.testing.assert_close(lengths(mixed), lengths(plain), rtol=1e-4, atol=0.1)
    assert (mixed - plain).norm(dim=-1)[:, NAPA18.index("l_wrist")].median() > 50
    torch.testing.assert_close(mixed[:, NAPA18.index("r_hip")], plain[:, NAPA18.index("r_hip")])  # the root stays


def test_a_batch_mixes_limbs_as_the_config_says(frames):
    """One generator, so the same frames, parts and cameras: only what is exchanged differs."""
    poses = [
        draw_views(frames, TrainingConfig(exchange=share), torch.Generator().manual_seed(0))[1] for share in (0.0, 1.0)
    ]
    pelvis_to_hip = [NAPA18.index(joint) for joint in ("pelvis", "r_hip", "l_hip")]
    torch.testing.assert_close(poses[0][:, pelvis_to_hip], poses[1][:, pelvis_to_hip])
    assert (poses[0] - poses[1]).norm(dim=-1)[:, NAPA18.index("l_wrist")].median() > 50


# Training -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sees", ["bones", "points", "coordinates", "white bones"])
def test_training_learns_and_repeats(sees):
    config = TrainingConfig(sees=sees, steps=25, batch=16)
    trained = train_depth_net(config, every=5)
    assert trained.record[-1]["depth"] < 0.93 * trained.record[0]["depth"]
    assert not trained.network.training
    again = train_depth_net(replace(config, steps=25))
    for a, b in zip(trained.network.state_dict().values(), again.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_what_is_learned_is_depth(standardizer):
    """200 steps on coordinates: far from done, and yet nearer than each bone's mean depth on clips never seen."""
    config = TrainingConfig(sees="coordinates", steps=200, batch=32, learning_rate=1e-3)
    trained = train_depth_net(config)
    score = evaluate(trained.network, standardizer, config, "validation", views=1)["all"]
    flat = evaluate(Oracle(torch.zeros(1, 15)), standardizer, TrainingConfig(), "validation", views=1)["all"]
    assert score["mpjpe"] < 0.85 * flat["mpjpe"] and score["pa_mpjpe"] < 0.85 * flat["pa_mpjpe"]


def test_no_setting_is_ignored():
    config = TrainingConfig(sees="coordinates", steps=3, batch=4)
    changed = {"preset": "paper", "batch": 5, "learning_rate": 1e-4, "weight_decay": 0.5, "exchange": 0.0, "seed": 1,
               "pitch": 60.0, "roll": 60.0, "nearest": 7999.0, "farthest": 3001.0, "sees": "bones"}  # fmt: skip
    assert changed.keys() | {"steps"} == set(asdict(config))

    def weights(config: TrainingConfig) -> torch.Tensor:
        return torch.cat([p.flatten() for p in train_depth_net(config).network.parameters()])

    plain = weights(config)
    assert torch.equal(plain, weights(config))
    for name, value in changed.items():
        other = weights(replace(config, **{name: value}))
        assert other.shape != plain.shape or not torch.equal(other, plain), name


def test_evaluation_against_the_truth_and_the_mean(standardizer):
    """Mean depth scores as computed by hand; the true depths score (nearly) nothing."""
    config = TrainingConfig(sees="coordinates")

    class Zero(torch.nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 15)

    scores = evaluate(Zero(), standardizer, config, "validation", views=1)
    assert list(scores) == ["kick", "spinkick", "all"] and scores["all"]["frames"] == 125
    generator = torch.Generator().manual_seed(1)
    keypoints, truth = random_views(load_mocap("kick").poses, config, generator)
    depths = standardizer.mean[:, 2].expand(len(truth), 15)
    flat = compose_pose(keypoints, depths, recover_scale(keypoints, depths, standardizer.length)).numpy()
    by_hand = np.linalg.norm((flat - flat[:, :1]) - truth.numpy(), axis=-1).mean()
    assert scores["kick"]["mpjpe"] == pytest.approx(by_hand, rel=1e-4)
    assert scores["kick"]["pa_mpjpe"] < scores["kick"]["mpjpe"]
    noisy = evaluate(Zero(), standardizer, config, "validation", views=1, jitter=3.0)
    assert noisy["all"]["mpjpe"] > scores["all"]["mpjpe"]


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    config = TrainingConfig(sees="coordinates", steps=2, batch=4)
    setup = Setup(checkpoint=tmp_path / "checkpoint")
    train_depth_net(config, setup)
    with pytest.raises(ValueError, match="belongs to another training.*batch is 4, expected 8"):
        train_depth_net(replace(config, batch=8), setup)
    longer = train_depth_net(replace(config, steps=3), setup)
    assert [entry["step"] for entry in longer.record] == [1, 2, 3]
    (tmp_path / "checkpoint").write_bytes(b"cut")
    with pytest.raises(ValueError, match="checkpoint"):
        train_depth_net(config, setup)


@pytest.mark.parametrize(
    "change, word",
    [({"sees": "smoke"}, "sees"), ({"preset": "huge"}, "preset"), ({"steps": 0}, "steps"), ({"batch": 1}, "batch"),
     ({"exchange": 1.5}, "exchange"), ({"nearest": 100.0}, "nearest")],
)  # fmt: skip
def test_bad_configs_are_named(change, word):
    with pytest.raises(ValueError, match=f"{word}.* got"):
        TrainingConfig(**change)
