"""Chapter 7: what FlexPose computes, against independent statements of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib.adaptation import (
    STICKS,
    AdaptationConfig,
    GeneratorConfig,
    KeypointRegressor,
    alpha,
    choose_shots,
    coverage,
    energy_distance,
    fit_square,
    maximum_mean_discrepancy,
    nearest_pairs,
    pose_mixup,
    read_images,
    recorded_target,
    source_poses,
)
from napa_lib.adaptation import targets as sources
from napa_lib.adaptation.functional import nearest_share, smeared, told_apart, widened
from napa_lib.adaptation.targets import Target, artificial_poses
from napa_lib.data import load_body25_poses
from napa_lib.skeletons import BODY25, SHARED15, convert


def some_poses(count: int, seed: int = 0) -> torch.Tensor:
    return fit_square(torch.randn(count, 15, 2, generator=torch.Generator().manual_seed(seed)))


# alpha and the layout -------------------------------------------------------------------------------------------------


def test_every_bone_has_a_colour_of_its_own():
    assert len(set(STICKS.colors)) == len(STICKS.bones) == 14


def test_alpha_draws_each_bone_in_its_colour_where_it_lies():
    """Each pixel is the mean of four places a quarter of a pixel from its centre; a stroke is 3 px wide."""
    poses = some_poses(1)
    picture = alpha(poses, 48)[0].numpy()
    joints = (poses[0].double().numpy() + 1) * 47 / 2
    places = np.stack(np.meshgrid((np.arange(96) - 0.5) / 2, (np.arange(96) - 0.5) / 2), -1)  # [y, x] -> (x, y)
    expected = np.zeros((96, 96, 3))
    sure = np.ones((96, 96), dtype=bool)
    for (start, end), color in zip(STICKS.bones, STICKS.colors, strict=True):
        along = joints[end] - joints[start]
        share = np.clip((places - joints[start]) @ along / (along @ along), 0, 1)
        distance = np.linalg.norm(places - joints[start] - share[..., None] * along, axis=-1)
        expected[distance < 1.5] = np.array(color) / 255
        sure &= np.abs(distance - 1.5) > 1e-4
    mean, certain = expected.reshape(48, 2, 48, 2, 3).mean((1, 3)), sure.reshape(48, 2, 48, 2).all((1, 3))
    np.testing.assert_allclose(picture.transpose(1, 2, 0)[certain], mean[certain], atol=1e-6)
    assert certain.mean() > 0.98


def test_black_and_white_is_where_colour_is():
    poses = some_poses(3)
    grey, color = alpha(poses, 64, color=False), alpha(poses, 64)
    assert grey.shape == (3, 1, 64, 64)
    assert bool(((grey[:, 0] > 0) == (color.amax(1) > 0)).all())


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.01, 1000), x=st.floats(-1000, 1000), y=st.floats(-1000, 1000))
def test_fitting_forgets_place_and_size(scale, x, y):
    poses = torch.randn(2, 15, 2, generator=torch.Generator().manual_seed(3)).double()
    moved = poses * scale + torch.tensor([x, y], dtype=torch.float64)
    torch.testing.assert_close(fit_square(moved), fit_square(poses), atol=1e-6, rtol=0)


def test_fitted_poses_fill_eight_tenths():
    fitted = some_poses(5)
    extent = fitted.amax(1) - fitted.amin(1)
    torch.testing.assert_close(extent.amax(1), torch.full((5,), 1.6))
    torch.testing.assert_close((fitted.amax(1) + fitted.amin(1)), torch.zeros(5, 2), atol=1e-6, rtol=0)


# pose-mixup and the pairing -------------------------------------------------------------------------------------------


def test_mixed_poses_lie_between_two_different_shots():
    shots = some_poses(4).double()
    mixed = pose_mixup(shots, 200, torch.Generator().manual_seed(0)).numpy()
    flat, pairs = shots.flatten(1).numpy(), set()
    for pose in mixed.reshape(200, -1):
        found = []
        for i in range(4):
            for j in range(i + 1, 4):
                step = flat[i] - flat[j]
                ratio = (pose - flat[j]) @ step / (step @ step)
                if np.abs(flat[j] + ratio * step - pose).max() < 1e-9 and 0 <= ratio <= 1:
                    found.append((i, j))
        assert found
        pairs.update(found)
    assert len(pairs) == 6  # every pair is mixed


@pytest.mark.parametrize(
    ("shots", "words"),
    [
        (torch.zeros(1, 15, 2), "M >= 2"),
        (torch.zeros(0, 15, 2), "M >= 2"),
        (torch.zeros(15, 2), "M >= 2"),
        (torch.full((3, 15, 2), torch.nan), "missing joint"),
    ],
)
def test_shots_that_cannot_be_mixed(shots, words):
    with pytest.raises(ValueError, match=words):
        pose_mixup(shots, 5)


def test_pairs_are_all_different_and_near():
    generator = torch.Generator().manual_seed(1)
    candidates = torch.randn(60, 5, 2, generator=generator)
    order = torch.randperm(60, generator=generator)[:20]
    assert nearest_pairs(candidates[order] + 1e-3, candidates).tolist() == order.tolist()
    same = nearest_pairs(candidates[:1].expand(7, -1, -1), candidates)
    nearest = torch.cdist(candidates[:1].flatten(1), candidates.flatten(1))[0].argsort()[:7]
    assert sorted(same.tolist()) == sorted(nearest.tolist())
    with pytest.raises(ValueError, match="at least as many"):
        nearest_pairs(candidates, candidates[:5])
    # both are nearest to the candidate at 0: the one that is farther from it chooses first
    row = torch.tensor([0.0, 10.0]).view(2, 1, 1).expand(2, 1, 2)
    assert nearest_pairs(torch.tensor([1.0, 2.0]).view(2, 1, 1).expand(2, 1, 2), row).tolist() == [1, 0]


# distances between distributions --------------------------------------------------------------------------------------


def test_widened_poses_differ_as_the_shots_do_and_keep_their_mean():
    generator = torch.Generator().manual_seed(0)
    shots, poses = source_poses(12, generator), source_poses(200, generator)
    wide = widened(pose_mixup(shots, 4000, generator), shots)
    middle = shots.mean(0)
    variance = (shots - middle).square().sum() / 11
    torch.testing.assert_close((wide - wide.mean(0)).square().sum() / (len(wide) - 1), variance)
    mixed = pose_mixup(shots, 20000, generator)
    torch.testing.assert_close(mixed.mean(0), middle, atol=0.02, rtol=0)
    kept = 2 / 3 - 1 / 3 / 11  # E(l² + (1 - l)²) of the shots' variance, and two different shots lean apart
    expected = kept * float((shots - middle).square().sum()) / 12
    assert float((mixed - mixed.mean(0)).square().sum() / len(mixed)) == pytest.approx(expected, rel=0.03)
    torch.testing.assert_close(widened(poses, poses), poses)
    torch.testing.assert_close(widened(poses + 3, shots).mean(0), poses.mean(0) + 3)
    with pytest.raises(ValueError, match="M >= 2"):
        widened(poses, shots[:1])


def test_smeared_poses_are_given_the_residual_of_one_that_lies_near():
    rng = np.random.default_rng(0)
    poses, fitted, residuals = (rng.normal(size=(n, 3, 2)) for n in (40, 25, 25))
    found = smeared(*map(torch.from_numpy, (poses, fitted, residuals)), 4, torch.Generator().manual_seed(0)).numpy()
    ranks = []
    for pose, moved in zip(poses, found, strict=True):
        order = np.argsort([((pose - other) ** 2).sum() for other in fitted])
        ranks.append(int(np.argmin([np.abs(moved - pose - residuals[row]).sum() for row in order])))
        np.testing.assert_allclose(moved, pose + residuals[order[ranks[-1]]], atol=1e-12)
    assert set(ranks) == {0, 1, 2, 3}  # any of the four nearest, and no other
    nearest = smeared(*map(torch.from_numpy, (poses, fitted, residuals)), 1).numpy()
    rows = [np.argmin(((pose - fitted) ** 2).sum((1, 2))) for pose in poses]
    np.testing.assert_allclose(nearest, poses + residuals[rows])
    for bad in ((residuals[:-1], 4), (residuals, 0), (residuals, 26)):
        with pytest.raises(ValueError, match="one a fitted pose, and neighbours from 1"):
            smeared(torch.from_numpy(poses), torch.from_numpy(fitted), torch.from_numpy(bad[0]), bad[1])


def test_smearing_gives_back_mean_and_spread_where_they_are_missing():
    generator = torch.Generator().manual_seed(0)
    side = torch.where(torch.rand(6000, 1, 1, generator=generator) < 0.5, -1.0, 1.0)
    answers = 10 * side + 0.1 * torch.randn(6000, 1, 2, generator=generator, dtype=torch.float64)
    # on the left the answers are 2 too low in x and miss a spread of 3 in y; on the right they are right
    left = (side < 0).double()[..., 0]
    missing = torch.stack([2 * left, 3 * left * torch.randn(6000, 1, generator=generator)], -1)
    found = smeared(answers[3000:], answers[:3000], missing[:3000], 20, generator)
    there = side[3000:].flatten() < 0
    change = found - answers[3000:]
    torch.testing.assert_close(
        change[there].mean(0), torch.tensor([[2.0, 0.0]], dtype=torch.float64), atol=0.25, rtol=0
    )
    assert float(found[there][..., 1].std()) == pytest.approx(3.0, rel=0.06)
    assert float(change[~there].abs().max()) == 0.0


def test_the_share_that_lies_nearest_stays_in_order():
    others = source_poses(30, torch.Generator().manual_seed(1))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    poses = others + 0.1 * order[:, None, None]
    kept = nearest_share(poses, others, 0.8)
    assert len(kept) == 24
    distance = torch.cdist(poses.flatten(1), others.flatten(1)).amin(1)
    rows = [row for row in range(30) if distance[row] <= distance.sort().values[23]]
    torch.testing.assert_close(kept, poses[rows])
    torch.testing.assert_close(nearest_share(poses, others, 1.0), poses)


def test_mmd_is_its_formula():
    x, y = some_poses(6).double(), some_poses(9, 1).double()
    a, b = x.flatten(1).numpy(), y.flatten(1).numpy()
    inner = [((b[i] - b[j]) ** 2).sum() for i in range(9) for j in range(9) if i != j]
    scale = 2 * np.sort(inner)[(len(inner) - 1) // 2]

    def k(p, q):
        return np.exp(-((p - q) ** 2).sum() / scale)

    xx = np.mean([k(p, q) for i, p in enumerate(a) for j, q in enumerate(a) if i != j])
    yy = np.mean([k(p, q) for i, p in enumerate(b) for j, q in enumerate(b) if i != j])
    xy = np.mean([k(p, q) for p in a for q in b])
    assert maximum_mean_discrepancy(x, y) == pytest.approx(xx + yy - 2 * xy, abs=1e-12)


def test_mmd_is_near_zero_for_one_distribution_and_grows_with_the_distance():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(300, 3, 2, generator=generator), torch.randn(300, 3, 2, generator=generator)
    found = [maximum_mean_discrepancy(x + shift, y) for shift in (0.0, 0.3, 1.0)]
    assert abs(found[0]) < 0.01 < found[1] < found[2]


def test_coverage_sees_a_collapse():
    generator = torch.Generator().manual_seed(0)
    targets, same = torch.randn(200, 3, 2, generator=generator), torch.randn(200, 3, 2, generator=generator)
    assert coverage(same, targets) > 0.9
    assert coverage(targets.mean(0, keepdim=True).expand(200, -1, -1), targets) < 0.35
    assert coverage(same + 10, targets) == 0.0
    within = np.sort(np.linalg.norm((targets[:, None] - targets[None]).flatten(2), axis=2), 1)[:, 5]  # 0 is its own
    nearest = np.linalg.norm((targets[:, None] - same[None]).flatten(2), axis=2).min(1)
    assert coverage(same, targets) == pytest.approx((nearest < within).mean())


def test_sets_that_cannot_be_compared():
    poses = some_poses(8)
    lame = poses.clone()
    lame[3, 2] = torch.nan
    for measure in (maximum_mean_discrepancy, energy_distance, coverage, told_apart):
        for first, second in ((poses[:, :14], poses), (poses, poses[:0])):
            with pytest.raises(ValueError, match="poses of one form"):
                measure(first, second)
        for first, second in ((lame, poses), (poses, lame)):
            with pytest.raises(ValueError, match="no missing joint"):
                measure(first, second)
    for neighbours in (0, 8):
        with pytest.raises(ValueError, match="more than the neighbours, from 1 on, got 8"):
            coverage(poses, poses, neighbours)


# sources and targets --------------------------------------------------------------------------------------------------


def test_sources_and_targets_are_whole_and_fitted():
    generator = torch.Generator().manual_seed(0)
    target = recorded_target("T")
    for poses in (source_poses(50, generator), target.pool, target.held_out):
        assert poses.shape[1:] == (15, 2)
        torch.testing.assert_close((poses.amax(1) - poses.amin(1)).amax(1), torch.full((len(poses),), 1.6))
    assert abs(len(target.pool) - len(target.held_out)) <= 1


def test_artificial_poses_stand_upright_and_have_the_bodys_bones():
    poses = artificial_poses(300, torch.Generator().manual_seed(0))
    assert poses.shape == (300, 15, 2)
    torch.testing.assert_close((poses.amax(1) - poses.amin(1)).amax(1), torch.full((300,), 1.6))
    middle, head = (poses[:, SHARED15.index(name), 1] for name in ("pelvis", "head_center"))
    assert float((head < middle).float().mean()) > 0.95  # y points down
    mocap = source_poses(300, torch.Generator().manual_seed(0))
    assert energy_distance(poses, mocap) > 2 * energy_distance(mocap[:150], mocap[150:])


def test_of_an_artificial_pose_what_is_nearer_looks_larger(monkeypatch):
    world = torch.zeros(8, 15, 3)
    world[:, :2, 0], world[:, 0, 2], world[:, 1, 2] = 1000.0, -900.0, 900.0  # one joint before, one behind, in mm
    world[:, 2:, 1] = torch.linspace(0, 1000, 13)
    monkeypatch.setattr(sources, "to_camera", lambda *given: world)
    near, far = artificial_poses(8, torch.Generator().manual_seed(0))[:, :2, 0].T
    assert bool((near > far + 0.1).all())


def test_pool_and_held_out_do_not_share_moments():
    target = recorded_target("Stand")
    nearest = torch.cdist(target.pool.flatten(1), target.held_out.flatten(1)).amin()
    assert float(nearest) > 0


def test_shots_are_of_a_recordings_first_half():
    keypoints = convert(load_body25_poses("Stand").keypoints, BODY25, SHARED15)
    whole = fit_square(keypoints[~keypoints.isnan().flatten(1).any(1)])
    target = recorded_target("Stand")
    torch.testing.assert_close(torch.cat([target.pool, target.held_out]), whole)


def test_targets_that_cannot_be():
    with pytest.raises(ValueError, match="label must be one of"):
        recorded_target("Handstand")
    with pytest.raises(ValueError, match="at least 40 poses with all 15 joints, got 18"):
        recorded_target("Plank")


def test_shots_are_spread_over_the_pool():
    target = Target("toy", torch.arange(60.0).view(60, 1, 1).expand(60, 15, 2), torch.zeros(5, 15, 2))
    shots = choose_shots(target, 12, torch.Generator().manual_seed(0))
    rows = shots[:, 0, 0].tolist()
    assert all(5 * i <= row < 5 * i + 5 for i, row in enumerate(rows))
    others = [choose_shots(target, 12, torch.Generator().manual_seed(seed))[:, 0, 0] for seed in range(60)]
    assert sorted(set(torch.cat(others).tolist())) == list(range(60))  # anywhere in its stretch
    for count in (0, 1, 61):
        with pytest.raises(ValueError, match="count must be from 2 to the 60 poses"):
            choose_shots(target, count, torch.Generator())


@pytest.mark.parametrize(
    "bad",
    [{"pairing": "best"}, {"layers": ()}, {"layers": (0,)}, {"layers": (3, 3)}, {"mixed": 0}, {"learning_rate": 0.0}],
)
def test_configurations_that_cannot_be(bad):
    with pytest.raises(ValueError):
        AdaptationConfig(**bad)


@pytest.mark.parametrize("bad", [{"size": 48}, {"channels": ()}, {"latent": 0}])
def test_generators_that_cannot_be(bad):
    with pytest.raises(ValueError):
        GeneratorConfig(**bad)


def test_energy_distance_is_a_mean_of_lengths():
    first, second = some_poses(7, 1), some_poses(9, 2)
    x, y = (poses.double().numpy().reshape(len(poses), -1) / np.sqrt(15) for poses in (first, second))

    def mean(a, b, skip):
        pairs = [np.linalg.norm(p - q) for i, p in enumerate(a) for j, q in enumerate(b) if not (skip and i == j)]
        return np.mean(pairs)

    expected = np.sqrt(max(2 * mean(x, y, False) - mean(x, x, True) - mean(y, y, True), 0))
    assert energy_distance(first, second) == pytest.approx(expected, abs=1e-9)
    assert energy_distance(first, second) == pytest.approx(energy_distance(second, first), abs=1e-12)
    far = energy_distance(first, second + 100)
    assert far == pytest.approx(np.sqrt(2 * np.sqrt(2) * 100), rel=0.01)  # of two points d apart: the root of 2 d
    with pytest.raises(ValueError, match="at least 2 poses of one form"):
        energy_distance(first[:1], second)


def test_images_without_a_figure_are_refused():
    torch.manual_seed(0)
    regressor = KeypointRegressor(3, 8, 1).eval()
    images = alpha(some_poses(3), 16)
    with torch.no_grad():
        torch.testing.assert_close(read_images(regressor, images, 2), regressor(images))
    images[1] = 0.05
    with pytest.raises(ValueError, match="image 1 shows none"):
        read_images(regressor, images)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        read_images(regressor, images * 30)
    with pytest.raises(ValueError, match="must be"):
        read_images(regressor, images[:, :1])
