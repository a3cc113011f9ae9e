"""Bone vectors, the loops of the bone map, the fit, the depth network and its training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib.lifting import bone_loop, bone_vectors, depth_loss, joints_from_bone_vectors, place_in_map
from napa_lib.skeletons import NAPA18

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


# Bone vectors ------------------------------------------------------------------------------------------------------


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


# L_depth -----------------------------------------------------------------------------------------------------------


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


# Loops -------------------------------------------------------------------------------------------------------------


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


# The figure's place in the map ---------------------------------------------------------------------------------------


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
