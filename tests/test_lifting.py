"""Bone vectors, L_depth, the loops of the bone map, a figure's place in it, and the fit of a pose to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib.data import list_mocap_clips, load_mocap
from napa_lib.lifting import (
    TrainingConfig,
    bone_loop,
    bone_vectors,
    depth_loss,
    fit_pose_to_bone_map,
    joints_from_bone_vectors,
    lift,
    load_depth_net,
    network_input,
    place_in_map,
    random_views,
    render_point_map,
)
from napa_lib.lifting.fitting import Level, descend, distinct_palettes, draw_with, gaussian_blur, repaint
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


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_lift_takes_coordinates_of_any_precision(dtype):
    """The network stays in its own; of float16, whose squares of millimetres overflow, only the end is rounded."""
    network, standardizer = load_depth_net()
    keypoints = mocap_views(3, seed=0).to(dtype)
    with torch.no_grad():
        pose, exact = (lift(points, network, standardizer) for points in (keypoints, keypoints.float()))
    assert pose.dtype == dtype
    torch.testing.assert_close(pose.float(), exact, rtol=1e-2, atol=8.0 if dtype is torch.bfloat16 else 1.0)


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


def test_a_small_map_lies_where_the_large_one_does():
    """From the truth a descent on maps at a quarter of the size has no reason to drift to one side."""
    truth = mocap_views(4, 1)
    level = Level(4, blur=2.0, softness=1.0, steps=25, step_size=0.2)
    path, _ = descend(render_bone_map(truth, NAPA18, 224, 20.0), truth, draw_with([NAPA18]), 20.0, level)
    assert (path[-1] - truth)[:, :17].median(1).values.abs().max() < 0.2


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


@pytest.mark.parametrize("preset", ["tiny", "paper"])
def test_coordinates_reach_from_margin_to_margin(preset):
    """The middle of a map is 0, its outermost pixels' centres are -1 and 1, and half a bone's width is kept free."""
    shown = network_input(mocap_views(3, 2), TrainingConfig(sees="coordinates", preset=preset))
    width, size = (20.0, 224) if preset == "paper" else (20.0 * 64 / 224, 64)
    np.testing.assert_allclose(shown.abs().amax((1, 2)), 1 - width / (size - 1), rtol=1e-5)


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
