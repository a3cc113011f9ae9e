"""Bone vectors, the loops of the bone map, the fit, the depth network and its training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib import results
from napa_lib.data import asset_path, list_mocap_clips, load_mocap
from napa_lib.engine import save_tensors
from napa_lib.lifting import (
    BoneStandardizer,
    CoordinateNet,
    DepthNet,
    TrainingConfig,
    bone_loop,
    bone_vectors,
    compose_pose,
    depth_loss,
    exchange_limbs,
    experiments,
    fit_pose_to_bone_map,
    joints_from_bone_vectors,
    lift,
    load_depth_net,
    network_input,
    place_in_map,
    random_views,
    recover_scale,
    render_point_map,
)
from napa_lib.lifting.evaluate import evaluate
from napa_lib.lifting.experiments import hidden_share
from napa_lib.lifting.fitting import distinct_palettes, gaussian_blur, repaint
from napa_lib.lifting.networks import PRESETS
from napa_lib.lifting.train import fit_standardizer, train_depth_net
from napa_lib.loop import Setup
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18, convert, get_skeleton

SEEDS = st.integers(0, 10_000)

# NAPA's regression tree in words, written down from the joints' names rather than from the library's table.
CHAINS = [
    "thorax pelvis r_hip r_knee r_ankle",
    "thorax pelvis l_hip l_knee l_ankle",
    "thorax neck head",
    "thorax r_shoulder r_elbow r_wrist",
    "thorax l_shoulder l_elbow l_wrist",
]
BONES_BY_NAME = {pair for chain in CHAINS for pair in zip(chain.split()[1:], chain.split()[:-1], strict=True)}
UNREACHED = [NAPA18.index("torso"), NAPA18.index("nose")]


def random_pose(seed: int, *batch: int, size: int = 3) -> torch.Tensor:
    return 300.0 * torch.randn(*batch, 18, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Bone vectors -------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, size=st.sampled_from([2, 3]))
def test_bone_vectors_are_child_minus_parent(seed, size):
    pose = random_pose(seed, 2, size=size)
    vectors = bone_vectors(pose)
    found = set()
    for bone in range(15):
        for child, parent in BONES_BY_NAME:
            expected = pose[:, NAPA18.index(child)].numpy() - pose[:, NAPA18.index(parent)].numpy()
            if np.allclose(vectors[:, bone].numpy(), expected, atol=1e-9):
                found.add((child, parent))
    assert vectors.shape == (2, 15, size) and found == BONES_BY_NAME and len(found) == 15


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_joints_come_back_from_bones(seed):
    pose = random_pose(seed, 3)
    joints = joints_from_bone_vectors(bone_vectors(pose))
    expected = pose - pose[:, NAPA18.index("thorax")][:, None]
    reached = [j for j in range(18) if j not in UNREACHED]
    torch.testing.assert_close(joints[:, reached], expected[:, reached], rtol=0, atol=1e-9)
    assert joints[:, UNREACHED].isnan().all()


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, missing=st.integers(0, 17))
def test_a_missing_joint_takes_only_what_hangs_on_it(seed, missing):
    """Walked by hand down the chains: a joint is known if every joint between it and the thorax is."""
    pose = random_pose(seed, 1)
    pose[0, missing] = torch.nan
    name = NAPA18.joints[missing]
    joints = joints_from_bone_vectors(bone_vectors(pose))[0]
    for chain in CHAINS:
        names = chain.split()
        for i, joint in enumerate(names):
            lost = name in names[: i + 1] and joint != "thorax"
            assert bool(joints[NAPA18.index(joint)].isnan().all()) == lost, (name, joint)
            assert bool(joints[NAPA18.index(joint)].isnan().any()) == lost


def test_gradients_reach_every_joint_and_no_nan():
    pose = random_pose(0, 2).requires_grad_()
    with_gap = torch.where(torch.arange(18)[:, None] == NAPA18.index("l_elbow"), torch.nan, pose)
    joints = joints_from_bone_vectors(bone_vectors(with_gap))
    joints.where(~joints.isnan(), 0.0).square().sum().backward()
    assert pose.grad.isfinite().all()
    assert pose.grad[:, NAPA18.index("r_wrist")].abs().min() > 0
    gone = [NAPA18.index("l_elbow"), NAPA18.index("l_wrist"), *UNREACHED]
    assert (pose.grad[:, gone] == 0).all()


def test_bad_poses_and_bones_are_named():
    with pytest.raises(ValueError, match="pose must be"):
        bone_vectors(torch.zeros(1, 17, 3))
    with pytest.raises(ValueError, match=r"bones must be \(..., 15, D\), got \(1, 14, 3\)"):
        joints_from_bone_vectors(torch.zeros(1, 14, 3))


# L_depth ------------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, size=st.sampled_from([1, 3]), holes=st.integers(0, 30))
def test_depth_loss_against_numpy(seed, size, holes):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 4, 15, size))
    seen = np.ones((4, 15), bool)
    seen.flat[rng.choice(60, holes, replace=False)] = False
    expected = np.sqrt(((a - b) ** 2).sum(-1))[seen].mean()
    target = np.where(seen[..., None], b, np.nan)
    assert depth_loss(torch.tensor(a), torch.tensor(target)).item() == pytest.approx(expected, rel=1e-12)


def test_depth_loss_gradient_is_finite_at_its_minimum_and_with_nothing_known():
    prediction = torch.zeros(2, 15, 3, requires_grad=True)
    target = torch.zeros(2, 15, 3)
    target[1] = torch.nan
    depth_loss(prediction, target).backward()
    assert (prediction.grad == 0).all()
    assert depth_loss(prediction, target * torch.nan).item() == 0
    with pytest.raises(ValueError, match="prediction and target must both be"):
        depth_loss(torch.zeros(2, 15), torch.zeros(2, 15, 1))


# Loops --------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, width=st.floats(0.5, 40.0), n_loops=st.integers(1, 6))
def test_every_point_of_a_loop_is_on_its_oval(seed, width, n_loops):
    """The oval equation in float64 NumPy, distances to the two axes as cross products with their directions."""
    rng = np.random.default_rng(seed)
    start, end = rng.uniform(-50, 250, size=(2, 2))
    loops = bone_loop(torch.tensor(start), torch.tensor(end), width, n_loops, 41).numpy()
    centre, bone = (start + end) / 2, end - start
    length = np.hypot(*bone)
    to_bone_axis = np.abs((loops - centre)[..., 0] * bone[1] - (loops - centre)[..., 1] * bone[0]) / length
    to_cross_axis = np.abs((loops - centre) @ bone) / length
    semi_axes = [width / 2 * i / (n_loops - 1) for i in range(n_loops)] if n_loops > 1 else [width / 2]
    for i, a in enumerate(semi_axes):
        if a == 0:
            np.testing.assert_allclose(to_bone_axis[i], 0, atol=1e-9)
        else:
            value = to_bone_axis[i] ** 2 / a**2 + to_cross_axis[i] ** 2 / (length / 2) ** 2
            np.testing.assert_allclose(value, 1, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_the_four_cases_of_appendix_k(seed):
    """From a point of the loop back to its t, by the paper's four formulas with the distance to the bone's axis."""
    rng = np.random.default_rng(seed)
    start, end = rng.uniform(0, 224, size=(2, 2))
    a, t = 10.0, np.linspace(0, 1, 81)
    (loop,) = bone_loop(torch.tensor(start), torch.tensor(end), 2 * a, 1, 81).numpy()
    unit = (end - start) / np.hypot(*(end - start))
    dist = np.abs((loop - start)[:, 0] * unit[1] - (loop - start)[:, 1] * unit[0])
    cases = [dist / (4 * a), 0.25 + 0.25 * (1 - dist / a), 0.5 + dist / (4 * a), 0.75 + 0.25 * (1 - dist / a)]
    paper = np.choose(np.searchsorted([0.25, 0.5, 0.75], t), cases)
    np.testing.assert_allclose(paper, t, atol=1e-9)
    np.testing.assert_allclose(loop[[0, 40, 80]], [start, end, start], atol=1e-9)
    side = (loop - start)[:, 0] * unit[1] - (loop - start)[:, 1] * unit[0]
    assert (side[1:40] < 0).all() and (side[41:80] > 0).all()
    first_quarter = (loop[:21] - start) @ unit
    assert (np.diff(first_quarter) > 0).all()


def test_loops_are_batched_and_checked():
    points = torch.rand(2, 3, 2)
    assert bone_loop(points, points + 5, 4.0, 2, 9).shape == (2, 3, 2, 9, 2)
    assert bone_loop(points, points, 4.0, 2, 9).isfinite().all()
    for bad in [(0.0, 2, 9), (-1.0, 2, 9), (4.0, 0, 9), (4.0, 2, 1)]:
        with pytest.raises(ValueError, match="width must be > 0, n_loops >= 1, n_points >= 2"):
            bone_loop(points, points, *bad)
    with pytest.raises(ValueError, match="start and end must both be floating"):
        bone_loop(points, points[:1], 4.0, 2, 9)


# The figure's place in the map --------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, missing=st.integers(0, 17), size=st.integers(16, 256))
def test_place_in_map_fills_the_longer_side(seed, missing, size):
    keypoints = random_pose(seed, 2, size=2)
    keypoints[0, :missing] = torch.nan
    placed, factor = place_in_map(keypoints, size, margin=3.0)
    for before, after, scale in zip(keypoints.numpy(), placed.numpy(), factor.numpy(), strict=True):
        seen = ~np.isnan(before[:, 0])
        assert (np.isnan(after[:, 0]) == ~seen).all()
        after = after[seen]
        np.testing.assert_allclose(after - after[0], (before[seen] - before[seen][0]) * scale, atol=1e-6)
        if seen.sum() > 1:
            assert np.ptp(after, axis=0).max() == pytest.approx(size - 1 - 6.0)
        np.testing.assert_allclose((after.min(0) + after.max(0)) / 2, (size - 1) / 2, atol=1e-6)


def test_place_in_map_of_nothing():
    placed, factor = place_in_map(torch.full((1, 18, 2), torch.nan), 64, 3.0)
    assert placed.isnan().all() and factor.tolist() == [1.0]
    placed, _ = place_in_map(torch.full((1, 18, 2), 7.0), 64, 3.0)
    assert (placed == 31.5).all()
    with pytest.raises(ValueError, match="margin must be"):
        place_in_map(torch.zeros(1, 18, 2), 6, 3.0)
    with pytest.raises(ValueError, match=r"keypoints must be \(B, J, 2\)"):
        place_in_map(torch.zeros(18, 2), 64, 3.0)


# Fitting a pose to a bone map ---------------------------------------------------------------------------------------


def mocap_views(count: int, seed: int, split: str = "test") -> torch.Tensor:
    """(count, 18, 2) motion-capture poses seen from random sides, as they lie in a 224 x 224 map."""
    generator = torch.Generator().manual_seed(seed)
    poses = torch.cat([load_mocap(clip).poses for clip in list_mocap_clips(split)])
    poses = poses[torch.randint(len(poses), (count,), generator=generator)]
    keypoints, _ = random_views(poses, TrainingConfig(), generator)
    return place_in_map(convert(keypoints[:, :17], "H36M17", NAPA18), 224, margin=10.0)[0]


def pushed(keypoints: torch.Tensor, distance: float, seed: int) -> torch.Tensor:
    """Every joint moved by `distance` pixels, each in its own random direction."""
    angle = 2 * torch.pi * torch.rand(keypoints.shape[:2], generator=torch.Generator().manual_seed(seed))
    return keypoints + distance * torch.stack([angle.cos(), angle.sin()], -1)


def determined(keypoints: torch.Tensor) -> torch.Tensor:
    """The poses that their bone map determines, by what can be seen of each bone in the hard map.

    Every bone shows 30 % of its oval, is longer than 6 px, and not within 3 px as long as it is wide: such an oval is a
    disc and has no direction.
    """
    starts, ends = torch.tensor(NAPA18.bones).T
    length = (keypoints[:, starts] - keypoints[:, ends]).norm(dim=-1)
    keypoints = keypoints[((length > 6) & ((length - 20).abs() > 3)).all(1)]
    whole = render_bone_map(keypoints, NAPA18, 224, 20.0)
    good = torch.ones(len(keypoints), dtype=torch.bool)
    for bone, color in zip(NAPA18.bones, NAPA18.colors, strict=True):
        alone = render_bone_map(keypoints, replace(NAPA18, bones=(bone,), colors=(color,)), 224, 20.0)
        inside = alone.amax(1) > 0
        seen = inside & ((whole - alone).abs().amax(1) == 0)
        good &= seen.sum((1, 2)) >= 0.3 * inside.sum((1, 2))
    return keypoints[good]


def test_fit_from_15_px_off_to_under_1_px():
    """Motion-capture poses of several draws; each joint starts 15 px away in its own direction."""
    truth = determined(torch.cat([mocap_views(60, seed) for seed in range(8)]))[:8]
    assert len(truth) == 8
    start = pushed(truth, 15.0, seed=0)
    fit = fit_pose_to_bone_map(render_bone_map(truth, NAPA18, 224, 20.0), start, NAPA18, 20.0)
    error = (fit.keypoints - truth).norm(dim=-1)
    assert error.shape == (8, 18)
    assert error.mean(1).max() < 1.0, error.mean(1)
    assert torch.equal(fit.trajectory[-1], fit.keypoints)
    begin = (fit.trajectory[0] - truth).norm(dim=-1)
    torch.testing.assert_close(begin[:, :17], torch.full_like(begin[:, :17], 15.0))
    jumps = fit.trajectory.diff(dim=0).norm(dim=-1).flatten(1).amax(1)
    assert (jumps < 3.0).sum() >= len(jumps) - 1  # a film: only turning an end round may jump


def test_fit_keeps_missing_joints_missing_and_others_finite():
    truth = mocap_views(1, 3)
    truth[:, NAPA18.index("l_wrist")] = torch.nan
    fit = fit_pose_to_bone_map(render_bone_map(truth, NAPA18, 224, 20.0), truth + 2.0, NAPA18, 20.0)
    missing = fit.keypoints.isnan().any(-1)[0]
    assert missing.nonzero().flatten().tolist() == [NAPA18.index("l_wrist")]
    assert fit.loss.isfinite().all()


def test_fit_names_bad_input():
    pose, target = torch.zeros(1, 18, 2), torch.zeros(1, 3, 224, 224)
    for bad_map, bad_pose, word in [
        (target[0], pose, "target_map must be"),
        (torch.zeros(1, 3, 2, 224), pose, "target_map must be"),
        (target, torch.zeros(2, 18, 2), r"initial must be \(1, J, 2\)"),
        (target, torch.zeros(1, 17, 2), "initial must be"),
    ]:
        with pytest.raises(ValueError, match=word):
            fit_pose_to_bone_map(bad_map, bad_pose, NAPA18, 20.0)


@pytest.mark.parametrize("name", ["NAPA18", "COCO17", "BlazePose33", "FACE68"])
def test_palettes_are_far_apart(name):
    skeleton = get_skeleton(name)
    words = np.concatenate([np.array(palette.colors) for palette in distinct_palettes(skeleton)], 1) / 255
    for i, a in enumerate(skeleton.colors):
        assert (words[i] ** 2).sum() >= 3
        for j, b in enumerate(skeleton.colors):
            distance = ((words[i] - words[j]) ** 2).sum()
            assert (distance == 0) if a == b else (distance >= 2)


def test_repainting_a_map_is_drawing_it_in_other_colours():
    keypoints = mocap_views(3, 0)
    for palette in distinct_palettes(NAPA18):
        again = repaint(render_bone_map(keypoints, NAPA18, 224, 20.0), NAPA18, palette)
        torch.testing.assert_close(again, render_bone_map(keypoints, palette, 224, 20.0), rtol=0, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(sigma=st.floats(0.5, 4.0), x=st.integers(14, 25), y=st.integers(14, 25))
def test_blur_of_a_dot_is_a_gaussian(sigma, x, y):
    dot = torch.zeros(1, 2, 40, 40, dtype=torch.float64)
    dot[0, 1, y, x] = 1.0
    blurred = gaussian_blur(dot, sigma)[0].numpy()
    ys, xs = np.mgrid[:40, :40]
    gauss = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2))
    near = (np.abs(xs - x) <= 3 * sigma) & (np.abs(ys - y) <= 3 * sigma)
    np.testing.assert_allclose(blurred[1][near], (gauss / gauss.sum())[near], rtol=0.02)
    assert blurred[1].sum() == pytest.approx(1.0) and (blurred[0] == 0).all()


def test_point_map_is_a_disc_a_joint():
    keypoints = mocap_views(1, 5)
    points = render_point_map(keypoints, NAPA18, 224, 20.0)[0].numpy()
    ys, xs = np.mgrid[:224, :224]
    near = np.zeros((224, 224), bool)
    for x, y in keypoints[0].numpy():
        near |= (xs - x) ** 2 + (ys - y) ** 2 < 100
    assert ((points > 0).any(0) == near).mean() > 0.9999
    white, colored = (network_input(keypoints, TrainingConfig(sees=sees)) for sees in ("white points", "points"))
    assert torch.equal(white, (colored.amax(1, keepdim=True) > 0).float().expand_as(white))
    x, y = keypoints[0, NAPA18.index("thorax")].round().int().tolist()  # drawn last, so it is on top
    assert (points[:, y, x] == 1).all()


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
    torch.testing.assert_close(fitted.unstandardize(fitted.standardize(bones)), bones, equal_nan=True)
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
    with pytest.raises(ValueError, match=r"preset must be one of \['paper', 'tiny'\], got 'huge'"):
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


# What the measurements count -----------------------------------------------------------------------------------------


def test_hidden_share_of_sixteen_ovals_on_top_of_each_other():
    """Joints an even number of bones from the pelvis at one place, the others at another: 15 of 16 ovals are hidden."""
    place = {0: 0}
    for _ in NAPA18.bones:
        for a, b in NAPA18.bones:
            if a in place:
                place[b] = 1 - place[a]
            elif b in place:
                place[a] = 1 - place[b]
    ends = torch.tensor([[20.0, 30.0], [45.0, 30.0]])
    keypoints = torch.stack([ends[place.get(joint, 0)] for joint in range(18)])[None]
    assert hidden_share(keypoints, 64, 9.0).item() == pytest.approx(15 / 16)


def test_the_inputs_are_compared_by_a_command(tmp_path):
    path, folder = tmp_path / "depth.json", tmp_path / "runs"
    arguments = ["--steps", "1", "--inputs", "coordinates", "--seeds", "0", "1", "--runs", str(folder)]
    experiments.main(["depth", *arguments, "--out", str(path)])
    found = results.read(path)
    assert found["seed"] == [0, 1] and found["steps"] == 1 and len(list(folder.iterdir())) == 2
    assert found["command"].startswith("python -m napa_lib.lifting.experiments depth --steps 1")
    errors = found["inputs"]["coordinates"]["summary"]["clean"]["mpjpe"]
    expected = results.interval(errors["values"])
    assert (errors["mean"], errors["half_width_95"]) == expected and len(errors["values"]) == 2
