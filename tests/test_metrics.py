"""Metrics against NumPy loops that follow the definitions word by word, and the laws they must obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib.metrics import (
    auc,
    better_sides,
    bootstrap_interval,
    mpjpe,
    mse_with_flips,
    normalized_landmark_error,
    pa_mpjpe,
    pck,
    pck3d,
    pckh,
)
from napa_lib.skeletons import ART14, FACE68, MPII16, flip

SEEDS = st.integers(0, 10_000)
NAN = float("nan")


def poses(seed: int, joints: int = 14, dims: int = 2, size: float = 100.0, holes: float = 0.2, batch: int = 6):
    """A prediction and a target some way off, both with holes, the last pose of the target all holes."""
    rng = np.random.default_rng(seed)
    target = size * rng.normal(size=(batch, joints, dims))
    prediction = target + 0.5 * size * rng.normal(size=(batch, joints, dims))
    prediction[rng.random((batch, joints)) < holes / 2] = np.nan
    target[rng.random((batch, joints)) < holes] = np.nan
    if holes:
        target[-1] = np.nan
    return torch.tensor(prediction), torch.tensor(target)


def by_hand(prediction, target, score):
    """Loop over poses and joints; score(pose, joint) of what is there. Sums and counts in plain Python."""
    prediction, target = prediction.numpy(), target.numpy()
    table = [[score(b, j) if not np.isnan(prediction[b, j] + target[b, j]).any() else None
              for j in range(target.shape[1])] for b in range(target.shape[0])]  # fmt: skip

    def mean(values):
        values = [v for v in values if v is not None]
        return sum(values) / len(values) if values else NAN

    return {
        "total": mean([v for row in table for v in row]),
        "per_joint": [mean(column) for column in zip(*table, strict=True)],
        "per_pose": [mean(row) for row in table],
        "counted": sum(v is not None for row in table for v in row),
        "joint_counts": [sum(v is not None for v in column) for column in zip(*table, strict=True)],
        "pose_counts": [sum(v is not None for v in row) for row in table],
    }


def assert_is(result, expected):
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(result, name), value, rtol=1e-9, atol=1e-9, err_msg=name)


def distance(prediction, target, b, j):
    return math.dist(prediction[b, j].tolist(), target[b, j].tolist())


# By hand ----------------------------------------------------------------------------------------------------------


@given(SEEDS, st.sampled_from([0.1, 0.25, 0.5]))
@settings(max_examples=15, deadline=None)
def test_pck_and_pckh_by_hand(seed, threshold):
    prediction, target = poses(seed)
    head = torch.tensor(np.random.default_rng(seed).uniform(50, 400, 6))

    def right(b, j):
        return float(distance(prediction, target, b, j) / head[b].item() < threshold)

    result = pckh(prediction, target, head, threshold)
    assert_is(result, by_hand(prediction, target, right))
    assert_is(pck(prediction, target, threshold, head), by_hand(prediction, target, right))
    np.testing.assert_allclose(result.normaliser, threshold * head)
    pixels = pck(prediction, target, 40.0)
    assert_is(pixels, by_hand(prediction, target, lambda b, j: float(distance(prediction, target, b, j) < 40)))
    assert pixels.normaliser.tolist() == [40.0] * 6


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_mpjpe_pck3d_and_auc_by_hand(seed):
    prediction, target = poses(seed, joints=17, dims=3)
    assert_is(mpjpe(prediction, target), by_hand(prediction, target, lambda b, j: distance(prediction, target, b, j)))
    p, t = prediction - prediction[:, 4:5], target - target[:, 4:5]
    assert_is(mpjpe(prediction, target, root=4), by_hand(p, t, lambda b, j: distance(p, t, b, j)))
    for limit in (150.0, 60.0):
        expected = by_hand(p, t, lambda b, j, limit=limit: float(distance(p, t, b, j) < limit))
        assert_is(pck3d(prediction, target, limit, root=4), expected)

    def area(b, j):
        return sum(distance(p, t, b, j) < limit for limit in range(0, 151, 5)) / 31

    assert_is(auc(prediction, target, root=4), by_hand(p, t, area))
    curve = [pck3d(prediction, target, float(limit), root=4).total.item() for limit in range(5, 151, 5)]
    np.testing.assert_allclose(auc(prediction, target, root=4).total, sum(curve) / 31)
    assert mpjpe(prediction, target).normaliser == 1 and pck3d(prediction, target).normaliser == 150


def procrustes_loop(x: np.ndarray, y: np.ndarray, scale: bool) -> np.ndarray:
    mx, my = x.mean(0), y.mean(0)
    u, s, vt = np.linalg.svd((y - my).T @ (x - mx))
    d = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    a = (s * d).sum() / ((x - mx) ** 2).sum() if scale else 1.0
    return a * (x - mx) @ (u @ np.diag(d) @ vt).T + my


@given(SEEDS, st.booleans())
@settings(max_examples=15, deadline=None)
def test_pa_mpjpe_by_hand(seed, scale):
    prediction, target = poses(seed, joints=17, dims=3)
    aligned = prediction.clone()
    for b in range(5):
        kept = ~(prediction[b] + target[b]).isnan().any(-1)
        aligned[b, kept] = torch.tensor(procrustes_loop(prediction[b, kept].numpy(), target[b, kept].numpy(), scale))
    expected = by_hand(aligned, target, lambda b, j: distance(aligned, target, b, j))
    assert_is(pa_mpjpe(prediction, target, scale), expected)


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_mse_with_flips_by_hand(seed):
    prediction, target = poses(seed)
    swapped = prediction.clone()
    for i, name in enumerate(ART14.joints):
        other = {"l": "r", "r": "l"}[name[0]] + name[1:] if name[1] == "_" else name
        swapped[:, ART14.index(other)] = prediction[:, i]
    best = prediction.clone()
    for b in range(5):
        as_is, other = (((p[b] - target[b]) ** 2).sum(-1) for p in (prediction, swapped))
        both = ~(as_is + other).isnan()  # joints that count either way
        best[b] = swapped[b] if bool(other[both].mean() < as_is[both].mean()) else prediction[b]
    expected = by_hand(best, target, lambda b, j: float(((best[b, j] - target[b, j]) ** 2).sum()))
    assert_is(mse_with_flips(prediction, target, "art14"), expected)


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_normalized_landmark_error_by_hand(seed):
    prediction, target = poses(seed, joints=68, holes=0.1)
    target[:4, [36, 45]] = torch.tensor([[10.0, 0.0], [90.0, 60.0]]).double()  # 100 px apart
    target[4, 36] = NAN

    def error(b, j):
        return distance(prediction, target, b, j) / 100.0

    result = normalized_landmark_error(prediction, target)
    assert_is(result, by_hand(prediction, target.index_fill(0, torch.tensor([4, 5]), NAN), error))
    assert result.normaliser.isnan().tolist() == [False] * 4 + [True] * 2
    pupils = (tuple(range(36, 42)), tuple(range(42, 48)))
    clean_p, clean_t = poses(seed, joints=68, holes=0.0)
    between = np.linalg.norm(clean_t[:, 36:42].numpy().mean(1) - clean_t[:, 42:48].numpy().mean(1), axis=-1)
    expected = by_hand(clean_p, clean_t, lambda b, j: distance(clean_p, clean_t, b, j) / between[b])
    assert_is(normalized_landmark_error(clean_p, clean_t, pupils), expected)
    assert FACE68.joints[36] == "r_eye_outer" and FACE68.joints[45] == "l_eye_outer"


# Laws -------------------------------------------------------------------------------------------------------------


def test_comparisons_are_strict():
    target = torch.zeros(1, 3, 3)
    prediction = torch.tensor([[[150.0, 0, 0], [0, 149.999, 0], [0, 0, 150.001]]])
    assert pck3d(prediction, target).per_joint.tolist() == [0.0, 1.0, 0.0]
    flat = torch.tensor([[[150.0, 0], [0, 149.999], [0, 150.001]]])
    assert pckh(flat, torch.zeros(1, 3, 2), 300.0, 0.5).per_joint.tolist() == [0.0, 1.0, 0.0]
    on_the_grid = auc(torch.tensor([[[145.0, 0, 0], [0, 0, 0], [0, 151.0, 0]]]), target).per_joint * 31
    np.testing.assert_allclose(on_the_grid, [1, 30, 0], atol=1e-5)


def test_mpii_mean_and_equal_mean():
    """Hand-made: each joint seen a different number of times, so that the two means differ."""
    target = torch.zeros(4, 16, 2)
    target[1:, 0] = NAN  # the ankle is seen once, and right; the wrist in all four, and right once
    prediction = torch.zeros(4, 16, 2)
    prediction[1:, 10] = 100.0
    prediction[:, [MPII16.index("pelvis"), MPII16.index("thorax")]] = 100.0
    scored = [i for i, name in enumerate(MPII16.joints) if name not in ("pelvis", "thorax")]
    result = pckh(prediction[:, scored], target[:, scored], 60.0)
    assert result.counted == 4 * 14 - 3
    assert result.total.item() == pytest.approx((4 * 14 - 3 - 3) / (4 * 14 - 3))
    assert result.per_joint.mean().item() == pytest.approx((13 + 0.25) / 14)
    assert pckh(prediction, target, 60.0).total < result.total


METRICS = {
    "pck": lambda p, t: pck(p, t, 0.5, 100.0),
    "pckh": lambda p, t: pckh(p[..., :2], t[..., :2], 100.0),
    "mpjpe": mpjpe,
    "mpjpe root": lambda p, t: mpjpe(p, t, root=0),
    "pa_mpjpe": pa_mpjpe,
    "pa_mpjpe rigid": lambda p, t: pa_mpjpe(p, t, scale=False),
    "pck3d": pck3d,
    "auc": auc,
    "mse_with_flips": lambda p, t: mse_with_flips(p, t, "NAPA18"),
    "normalized_landmark_error": lambda p, t: normalized_landmark_error(p, t, ((0,), (1,))),
}
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


@every_metric
def test_nothing_counted_is_nan_and_says_zero(metric):
    for p, t in ((torch.full((3, 18, 3), NAN), torch.zeros(3, 18, 3)), (torch.zeros(0, 18, 3), torch.zeros(0, 18, 3))):
        result = metric(p, t)
        assert result.counted == 0 and result.total.isnan() and result.per_joint.isnan().all()
        assert result.per_joint.shape == (18,) and result.per_pose.shape == (len(t),)


@every_metric
def test_empty_poses_and_batch_shape_change_nothing(metric):
    prediction, target = poses(0, 18, 3)
    result = metric(prediction, target)
    assert result.total.isfinite() and result.pose_counts[-1] == 0 and result.per_pose[-1].isnan()
    fewer = metric(prediction[:-1], target[:-1])
    assert fewer.counted == result.counted
    torch.testing.assert_close(fewer.total, result.total)
    grid = metric(prediction.reshape(2, 3, 18, 3), target.reshape(2, 3, 18, 3))
    torch.testing.assert_close(grid.total, result.total)
    torch.testing.assert_close(grid.per_pose, result.per_pose, equal_nan=True)
    single = [metric(prediction[i : i + 1], target[i : i + 1]) for i in range(6)]
    weighed = sum(r.total * r.counted for r in single if r.counted) / sum(r.counted for r in single)
    torch.testing.assert_close(weighed, result.total)


@every_metric
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(metric, dtype):
    """A thousand poses a few hundred pixels wide: their squares and sums are beyond float16's 65504."""
    prediction, target = (p.repeat(200, 1, 1).to(dtype) for p in poses(0, 18, 3, size=200.0))
    result, exact = metric(prediction, target), metric(prediction.double(), target.double())
    assert result.total.dtype == torch.float32
    torch.testing.assert_close(result.total.double(), exact.total, rtol=1e-2, atol=1e-2)


@every_metric
def test_perfect_predictions(metric):
    _, target = poses(0, 18, 3)
    total = metric(target, target).total.item()
    assert total == pytest.approx(30 / 31 if metric is auc else 1.0 if metric in RATES else 0.0, abs=1e-9)


RATES = [METRICS[name] for name in ("pck", "pckh", "pck3d")]


@every_metric
def test_shapes_that_do_not_fit_are_named(metric):
    with pytest.raises(ValueError, match="prediction and target must have the same shape"):
        metric(torch.zeros(2, 18, 3), torch.zeros(3, 18, 3))
    with pytest.raises(ValueError, match="prediction must be floating"):
        metric(torch.zeros(2, 18, 3, dtype=torch.int64), torch.zeros(2, 18, 3))
    with pytest.raises(ValueError, match="target must be floating"):
        metric(torch.zeros(18, 3), torch.zeros(18))


@pytest.mark.parametrize("metric", [mpjpe, pck3d, auc])
def test_a_root_that_is_not_there_is_named(metric):
    pose = torch.rand(2, 18, 3)
    for root in (18, -19):
        with pytest.raises(ValueError, match=f"root must be the index of a joint of poses .*, got {root}"):
            metric(pose, pose, root=root)
    with pytest.raises(ValueError, match="floating tensor, got ndarray"):
        metric(pose.numpy(), pose, root=0)
    assert metric(pose, pose, root=-1).counted == 36


def test_eyes_that_are_not_there_are_named():
    face = torch.rand(2, 18, 2)
    for eyes in (((36,), (45,)), ((0,), ())):
        with pytest.raises(ValueError, match="eyes must be two lists of landmarks of the 18"):
            normalized_landmark_error(face, face, eyes)


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_order_of_the_means(seed):
    """Aligning more freely never raises the squared error; PCK grows with its threshold; both ignore a common shift."""
    prediction, target = poses(seed, 17, 3, holes=0.0)
    squares = [r.per_pose for r in (mse_with_flips(p, target, "H36M17") for p in aligned_versions(prediction, target))]
    # The flips may help any of them, so compare the plain squared errors.
    plain = [(p - target).square().sum(-1).mean(-1) for p in aligned_versions(prediction, target)]
    assert (plain[0] <= plain[1] + 1e-9).all() and (plain[1] <= plain[2] + 1e-9).all()
    assert all((s <= p + 1e-9).all() for s, p in zip(squares, plain, strict=True))
    rates = [pck3d(prediction, target, t).total for t in (50.0, 100.0, 150.0, 1e6)]
    assert rates == sorted(rates) and rates[-1] == 1
    torch.testing.assert_close(mpjpe(prediction + 5.0, target + 5.0).total, mpjpe(prediction, target).total)


def aligned_versions(prediction: torch.Tensor, target: torch.Tensor) -> list[torch.Tensor]:
    from napa_lib.geometry import procrustes_align

    return [procrustes_align(prediction, target), procrustes_align(prediction, target, scale=False), prediction]


@given(SEEDS, st.floats(0.1, 10))
@settings(max_examples=15, deadline=None)
def test_pa_mpjpe_ignores_similarities_of_the_prediction(seed, size):
    prediction, target = poses(seed, 17, 3)
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    rotation = torch.tensor(q * np.sign(np.linalg.det(q)))
    moved = size * prediction @ rotation + 1000.0
    torch.testing.assert_close(pa_mpjpe(moved, target).total, pa_mpjpe(prediction, target).total)
    rigid = [pa_mpjpe(p, target, scale=False).total for p in (prediction @ rotation - 50.0, prediction)]
    torch.testing.assert_close(rigid[0], rigid[1])


def test_better_sides_only_where_allowed():
    _, target = poses(0, holes=0.0)
    swapped = flip(target, ART14, None) * torch.tensor([-1.0, 1.0])  # sides exchanged, nothing mirrored
    allowed = torch.tensor([True, False, True, False, True, False])
    out = better_sides(swapped, target, ART14, allowed)
    assert torch.equal(out[allowed], target[allowed]) and torch.equal(out[~allowed], swapped[~allowed])
    assert torch.equal(better_sides(target, target, ART14), target)
    with pytest.raises(ValueError, match="ART14's 14 joints"):
        better_sides(torch.zeros(2, 3), torch.zeros(2, 3), ART14)


def test_better_sides_by_distance_or_by_its_square():
    """One hip exact and one far off, against both half off: distances prefer the first, squares the second."""
    target = torch.full((1, 14, 2), NAN)
    prediction = torch.zeros(1, 14, 2)
    left, right = ART14.index("l_hip"), ART14.index("r_hip")
    target[0, left], target[0, right] = torch.tensor([-3.5, 0.0]), torch.tensor([3.5, 0.0])
    prediction[0, left], prediction[0, right] = torch.tensor([-3.5, 0.0]), torch.tensor([-4.0, 8.0])
    as_is = [0.0, math.dist((-4, 8), (3.5, 0))]
    exchanged = [math.dist((-4, 8), (-3.5, 0)), math.dist((-3.5, 0), (3.5, 0))]
    assert sum(as_is) < sum(exchanged) and sum(np.square(exchanged)) < sum(np.square(as_is))
    assert torch.equal(better_sides(prediction, target, ART14), prediction)
    squares = better_sides(prediction, target, ART14, power=2)
    assert torch.equal(squares[0, [left, right]], prediction[0, [right, left]])


@pytest.mark.parametrize("name", ["mpjpe", "mpjpe root", "pa_mpjpe", "pa_mpjpe rigid", "mse_with_flips"])
def test_errors_have_finite_gradients_with_holes_and_at_zero(name):
    prediction, target = poses(1, 18, 3)
    prediction[0] = target[0]
    prediction.requires_grad_()
    METRICS[name](prediction, target).total.backward()
    assert prediction.grad is not None and prediction.grad.isfinite().all() and prediction.grad.abs().sum() > 0


def test_metric_gradients():
    prediction, target = (p[:2] for p in poses(2, 5, 3, size=1.0, holes=0.0))
    for metric in (mpjpe, pa_mpjpe, lambda p, t: pa_mpjpe(p, t, scale=False)):
        assert torch.autograd.gradcheck(lambda p, m=metric: m(p, target).total, prediction.clone().requires_grad_())


@pytest.mark.parametrize("bad", [0.0, -0.5])
def test_thresholds_and_scales_must_be_positive(bad):
    zeros, flat = torch.zeros(2, 14, 3), torch.zeros(2, 14, 2)
    calls = (lambda: pck(zeros, zeros, bad), lambda: pckh(flat, flat, 1.0, bad), lambda: pck3d(zeros, zeros, bad))
    for call in calls:
        with pytest.raises(ValueError, match=f"threshold must be positive, got {bad}"):
            call()
    with pytest.raises(ValueError, match=f"head_size must be positive, got {bad}"):
        pckh(flat, flat, torch.tensor([1.0, bad]))
    with pytest.raises(ValueError, match=r"scale must be a number or \(2,\), got \(3,\)"):
        pck(zeros, zeros, 0.5, torch.ones(3))


def test_a_pose_without_a_head_size_is_left_out():
    zeros = torch.zeros(2, 14, 2)
    result = pckh(zeros, zeros, torch.tensor([60.0, NAN]))
    assert result.pose_counts.tolist() == [14, 0] and result.total == 1


# Intervals --------------------------------------------------------------------------------------------------------


def test_bootstrap_is_near_the_normal_interval_and_weighs():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(400, generator=generator) * 2 + 10
    mean, low, high = bootstrap_interval(values, generator)
    half = 1.96 * values.std().item() / 20
    assert mean == pytest.approx(values.mean().item(), abs=1e-5)
    assert high - low == pytest.approx(2 * half, rel=0.15) and low < mean < high
    assert bootstrap_interval(values, generator, confidence=0.5)[2] < high
    prediction, target = poses(0, 14, batch=50)
    result = pckh(prediction, target, 100.0)
    mean, low, high = bootstrap_interval(result.per_pose, generator, result.pose_counts)
    assert mean == pytest.approx(result.total.item()) and low < mean < high


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    """60 samples of an exponential with mean 1: a 90 % interval should miss it in about 6, and rarely in 15."""
    generator = torch.Generator().manual_seed(1)
    misses = 0
    for _ in range(60):
        values = torch.empty(80).exponential_(generator=generator)
        _, low, high = bootstrap_interval(values, generator, confidence=0.9)
        misses += not low < 1 < high
    assert 0 < misses < 15


def test_bootstrap_edges():
    generator = torch.Generator().manual_seed(0)
    assert all(math.isnan(v) for v in bootstrap_interval(torch.tensor([NAN]), generator))
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_interval(torch.ones(3), generator, confidence=1.0)
    with pytest.raises(ValueError, match="weights must not be negative, got -1"):
        bootstrap_interval(torch.ones(2), generator, torch.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match=r"must be \(N,\), got \(3, 1\)"):
        bootstrap_interval(torch.ones(3, 1), generator)
    again = [bootstrap_interval(torch.arange(5.0), torch.Generator().manual_seed(7)) for _ in range(2)]
    assert again[0] == again[1]


def test_what_a_data_set_does_not_tell_is_named():
    pose = torch.rand(2, 14, 2)
    with pytest.raises(ValueError, match="head_size must be a number or a tensor, got None"):
        pckh(pose, pose, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"ambiguous must be bool \(2,\), got torch.bool \(3,\)"):
        better_sides(pose, pose, ART14, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="root must be the index of a joint.*'pelvis'"):
        mpjpe(pose, pose, root="pelvis")  # type: ignore[arg-type]
    assert mpjpe(pose, pose, root=np.int64(3)).total == 0


def test_half_a_joint_is_missing_and_spoils_no_gradient():
    target = torch.rand(2, 14, 2)
    target[0, 3, 1] = NAN
    prediction = (target.nan_to_num() + 1).requires_grad_()
    result = mpjpe(prediction, target)
    assert result.counted == 27 and result.joint_counts[3] == 1
    gradient = torch.autograd.grad(result.total, prediction)[0]
    assert bool(gradient.isfinite().all()) and bool(gradient[0, 3].eq(0).all())


def test_sides_are_exchanged_by_what_is_measured():
    """Distances 0 and 10 as they are called, 6 and 6 the other way: the better mean is not the better mean square."""
    left, right = ART14.index("l_knee"), ART14.index("r_knee")
    target, prediction = torch.zeros(1, 14, 2), torch.zeros(1, 14, 2)
    target[0, right] = torch.tensor([6.0, 0.0])
    prediction[0, right] = 6 * torch.tensor([-28 / 72, (1 - (28 / 72) ** 2) ** 0.5])
    torch.testing.assert_close(mpjpe(prediction, target).per_joint[[left, right]], torch.tensor([0.0, 10.0]))
    torch.testing.assert_close(mse_with_flips(prediction, target, ART14).total, torch.tensor(72 / 14))
    assert torch.equal(better_sides(prediction, target, ART14), prediction)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("lacking", ["same", "other"])
def test_a_joint_that_is_missing_does_not_decide_the_sides(turned, lacking):
    """A knee that neither has, or each another one: exchanging sides hides the other knee or shows it. The ankles,
    which both have, tell which way is right."""
    left, right = ART14.index("l_knee"), ART14.index("r_knee")
    target = 10.0 * torch.arange(14.0)[None, :, None].expand(1, 14, 2)
    prediction = (flip(target, ART14, None) * torch.tensor([-1.0, 1.0]) if turned else target) + 1
    prediction, target = prediction.clone(), target.clone()
    prediction[0, left] += 500
    prediction[0, right] += 500
    target[0, right] = prediction[0, right if lacking == "same" else left] = NAN
    expected = prediction
    if turned:
        expected = flip(prediction, ART14, None) * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(better_sides(prediction, target, ART14), expected, equal_nan=True)


@pytest.mark.parametrize("metric, dims", [
    (lambda p: pckh(p, p, 60.0), 3), (lambda p: pck3d(p, p), 2), (lambda p: auc(p, p), 2),
])  # fmt: skip
def test_a_third_column_that_is_no_coordinate_is_refused(metric, dims):
    with pytest.raises(ValueError, match=rf"must be \(\.\.\., J, {5 - dims}\)"):
        metric(torch.zeros(4, 17, dims))
