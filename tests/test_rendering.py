"""Renderers against NumPy loops over pixels and bones that follow the papers word by word, and the laws they obey."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib.rendering import (
    render_blobs,
    render_bone_map,
    render_depth_maps,
    render_heatmaps,
    render_part_affinity_fields,
    render_people_maps,
    render_skeleton,
    render_stick_figure,
)
from napa_lib.skeletons import COCO17, NAPA18, Skeleton

SEEDS = st.integers(0, 10_000)
NAN = float("nan")
few = settings(max_examples=15, deadline=None)

# A chain of four joints whose bones overlap at every joint, each bone of another colour.
COLORS_8BIT = ((255, 0, 51), (0, 204, 0), (102, 51, 255))
CHAIN = Skeleton("chain", ("a", "b", "c", "d"), (-1, 0, 1, 2), (), ((0, 1), (1, 2), (2, 3)), COLORS_8BIT)
COLORS = np.array(COLORS_8BIT) / 255


def chains(seed: int, size=(20, 45), batch: int = 2, spread: float = 1.2) -> np.ndarray:
    """(batch, 4, 2) joints in a picture of (height, width) and a little beyond it, all pairs at least a pixel apart."""
    rng = np.random.default_rng(seed)
    side = np.array(size[::-1])
    while True:
        poses = side / 2 + spread * side * (rng.random((batch, 4, 2)) - 0.5)
        if all(np.hypot(*(poses[:, i] - poses[:, j]).T).min() > 1 for i, j in itertools.combinations(range(4), 2)):
            return poses


def pixels(size):
    return itertools.product(range(size[0]), range(size[1]))


def oval_radius(x, y, start, end, width, half=None):
    """r of the paper: perpendicular and parallel distance from the oval's axes, by projections."""
    centre, bone = (start + end) / 2, end - start
    length = math.hypot(*bone)
    parallel = np.dot([x, y] - centre, bone) / length
    perpendicular = math.sqrt(max(((np.array([x, y]) - centre) ** 2).sum() - parallel**2, 0))
    return math.sqrt((perpendicular / (width / 2)) ** 2 + (parallel / (half or length / 2)) ** 2)


def loop_bone_map(poses, size, width, softness):
    """(B, 3, H, W) painted from the back, and (B, H, W) how near r comes to 1 in any bone."""
    picture, margin = np.zeros((len(poses), 3, *size)), np.full((len(poses), *size), np.inf)
    for (n, pose), ((i, j), color) in itertools.product(enumerate(poses), zip(CHAIN.bones, COLORS, strict=True)):
        length = math.dist(pose[i], pose[j])
        half = math.hypot(length / 2, softness)
        for y, x in pixels(size):
            r = oval_radius(x, y, pose[i], pose[j], width, half)
            cover = float(r < 1)
            if softness:
                cover = length / 2 / half / (1 + math.exp(min((r - 1) * width / 2 / softness, 700)))
            picture[n, :, y, x] = cover * color + (1 - cover) * picture[n, :, y, x]
            margin[n, y, x] = min(margin[n, y, x], abs(r - 1))
    return picture, margin


@few
@given(seed=SEEDS, width=st.sampled_from([3.0, 8.0, 20.0]))
def test_hard_ovals_follow_the_definition(seed, width):
    poses = chains(seed)
    expected, margin = loop_bone_map(poses, (20, 45), width, 0.0)
    picture = render_bone_map(torch.tensor(poses), CHAIN, (20, 45), width).numpy()
    wrong = np.abs(picture - expected).max(1)
    assert wrong[margin > 1e-9].max() < 1e-12


@few
@given(seed=SEEDS, width=st.sampled_from([3.0, 20.0]), softness=st.sampled_from([0.3, 1.0, 5.0]))
def test_soft_ovals_follow_the_definition(seed, width, softness):
    poses = chains(seed)
    expected, _ = loop_bone_map(poses, (20, 45), width, softness)
    picture = render_bone_map(torch.tensor(poses), CHAIN, (20, 45), width, softness)
    np.testing.assert_allclose(picture, expected, atol=1e-12)


def test_the_inside_is_open_and_exact_on_ties():
    pose = torch.tensor([[[2.0, 8.0], [18.0, 8.0], [NAN, 0], [NAN, 0]]])  # semi-axes 8 along x and 4 along y
    inside = render_bone_map(pose, CHAIN, 21, 8.0)[0, 0] > 0
    assert not inside[8, 2] and not inside[8, 18] and not inside[4, 10] and not inside[12, 10]
    assert inside[8, 3] and inside[8, 17] and inside[5, 10] and inside[11, 10]


@few
@given(length=st.floats(40, 150), width=st.floats(20, 60), angle=st.floats(0, 3.1))
def test_an_oval_has_the_area_and_the_centre_of_an_ellipse(length, width, angle):
    end = 0.5 * length * torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    hole = torch.full((2, 2), NAN)
    pose = torch.cat([100.25 - end[None], 100.25 + end[None], hole])[None]
    inside = render_bone_map(pose, CHAIN, 200, width)[0, 0].numpy()
    y, x = np.mgrid[:200, :200]
    assert inside.sum() == pytest.approx(math.pi / 4 * length * width, rel=0.02)
    assert (inside * x).sum() / inside.sum() == pytest.approx(100.25, abs=0.3)
    assert (inside * y).sum() / inside.sum() == pytest.approx(100.25, abs=0.3)


@few
@given(seed=SEEDS, dx=st.integers(0, 9), dy=st.integers(0, 7), softness=st.sampled_from([0.0, 1.0]))
def test_bone_maps_move_turn_and_mirror_with_the_pose(seed, dx, dy, softness):
    pose = torch.tensor(chains(seed))
    picture = render_bone_map(pose, CHAIN, (30, 50), 7.0, softness)
    moved = render_bone_map(pose + torch.tensor([dx, dy]), CHAIN, (30, 50), 7.0, softness)
    torch.testing.assert_close(moved[..., dy:, dx:], picture[..., : 30 - dy, : 50 - dx], atol=1e-9, rtol=0)
    mirrored = render_bone_map(torch.tensor([49.0, 0]) - pose * torch.tensor([1.0, -1]), CHAIN, (30, 50), 7.0, softness)
    torch.testing.assert_close(mirrored.flip(-1), picture, atol=1e-9, rtol=0)
    turned = render_bone_map(pose.flip(-1), CHAIN, (50, 30), 7.0, softness)
    torch.testing.assert_close(turned.transpose(-1, -2), picture, atol=1e-9, rtol=0)


@pytest.mark.parametrize("softness", [0.0, 1.0])
def test_the_order_of_a_bones_ends_does_not_matter(softness):
    backwards = Skeleton("back", CHAIN.joints, CHAIN.parents, (), tuple((j, i) for i, j in CHAIN.bones), CHAIN.colors)
    pose = torch.tensor(chains(3))
    a, b = (render_bone_map(pose, s, 40, 9.0, softness) for s in (CHAIN, backwards))
    torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_a_later_bone_lies_over_an_earlier_one():
    twice = Skeleton("twice", ("a", "b"), (-1, 0), (), ((0, 1), (0, 1)), ((255, 0, 0), (0, 0, 255)))
    pose = torch.tensor([[[5.0, 10.0], [15.0, 10.0]]], dtype=torch.float64)
    hard, soft = (render_bone_map(pose, twice, 21, 10.0, s)[0, :, 10, 12] for s in (0.0, 1.0))
    assert hard.tolist() == [0, 0, 1]
    cover = soft[2].item()  # the front one's; the back one shows through what it leaves
    assert 0.5 < cover < 1
    assert soft.tolist() == pytest.approx([(1 - cover) * cover, 0, cover])


def test_soft_becomes_hard_as_softness_goes_to_zero():
    poses = chains(11)
    _, margin = loop_bone_map(poses, (20, 45), 8.0, 0.0)
    hard = render_bone_map(torch.tensor(poses), CHAIN, (20, 45), 8.0)
    steps = (1.0, 0.1, 1e-2, 1e-4)
    gaps = [(render_bone_map(torch.tensor(poses), CHAIN, (20, 45), 8.0, s) - hard).abs() for s in steps]
    means = [gap.mean().item() for gap in gaps]
    assert means == sorted(means, reverse=True)
    assert gaps[-1].amax(1).numpy()[margin > 1e-3].max() < 1e-6


@few
@given(seed=SEEDS, spread=st.sampled_from([2.0, 30.0, 300.0]))
def test_no_pixel_of_a_large_picture_is_missed(seed, spread):
    rng = np.random.default_rng(seed)
    pose = torch.tensor(rng.uniform(0, 200, (2, 1, 2)) + spread * rng.normal(size=(2, 18, 2)))
    start, end = (pose[:, list(ends), None, None] for ends in zip(*NAPA18.bones, strict=True))  # (2, K, 1, 1, 2)
    ys, xs = torch.meshgrid(torch.arange(150.0), torch.arange(203.0), indexing="ij")
    away, bone = torch.stack([xs, ys], -1) - (start + end) / 2, end - start
    along = (away * bone).sum(-1) / bone.square().sum(-1) * 2
    across = (away[..., 0] * bone[..., 1] - away[..., 1] * bone[..., 0]) / bone.norm(dim=-1) / 6.0
    r = along.square() + across.square()
    expected = torch.zeros(2, 3, 150, 203, dtype=torch.float64)
    for k, color in enumerate(NAPA18.colors):
        tint = torch.tensor(color, dtype=torch.float64)[:, None, None] / 255
        expected = torch.where(r[:, k, None] < 1, tint, expected)
    torch.testing.assert_close(render_bone_map(pose, NAPA18, (150, 203), 12.0), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("softness", [0.7, 4.0])
def test_soft_gradients_are_right(softness):
    free = torch.tensor(chains(2, (9, 36)), requires_grad=True)
    weights = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 9, 36)))

    def loss(points):
        gone = points.index_fill(1, torch.tensor([3]), NAN)  # the first picture whole, the second with a joint missing
        return (weights * render_bone_map(torch.cat([points[:1], gone[1:]]), CHAIN, (9, 36), 6.0, softness)).sum()

    assert torch.autograd.gradcheck(loss, free)


def test_float32_gradients_match_float64_on_a_whole_figure(rng):
    pose = torch.tensor(48 + 25 * rng.normal(size=(3, 18, 2)))
    weights = torch.tensor(rng.normal(size=(3, 3, 96, 96)))
    results = []
    for dtype in (torch.float32, torch.float64):
        points = pose.to(dtype).requires_grad_()
        (weights.to(dtype) * render_bone_map(points, NAPA18, 96, 8.0, 1.0)).sum().backward()
        results.append(points.grad.double())
    torch.testing.assert_close(*results, atol=1e-3, rtol=1e-3)


HARD_CASES = {
    "zero length": [[5, 5], [5, 5], [9, 9], [9, 9]],
    "all joints in one place": [[5, 5]] * 4,
    "tiny length": [[5, 5], [5 + 1e-5, 5], [9, 9], [9, 9 + 1e-7]],
    "outside": [[-50, 3], [3, 400], [1e6, -1e6], [7, 7]],
    "missing joint": [[5, 5], [NAN, NAN], [9, 9], [2, 8]],
    "half a missing joint": [[5, 5], [3, NAN], [9, 9], [2, 8]],
    "infinite": [[5, 5], [float("inf"), 3], [9, 9], [2, 8]],
    "nobody": [[NAN, NAN]] * 4,
}


@pytest.mark.parametrize("case", HARD_CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("renderer", ["soft", "skeleton", "blobs", "heatmaps", "fields", "depth"])
def test_pictures_and_gradients_are_finite(case, dtype, renderer):
    draw = {
        "soft": lambda p: render_bone_map(p, CHAIN, 12, 4.0, 1.0),
        "skeleton": lambda p: render_skeleton(p / 6 - 1, CHAIN.bones, 12),
        "blobs": lambda p: render_blobs(p / 6 - 1, 12, 0.3),
        "heatmaps": lambda p: render_heatmaps(p, 12, 2.0),
        "fields": lambda p: render_part_affinity_fields(p, CHAIN, 12, 3.0),
        "depth": lambda p: render_depth_maps(p, p[..., 0], 12, 2.0),
    }[renderer]
    points = torch.tensor([HARD_CASES[case]], dtype=dtype, requires_grad=True)
    picture = draw(points)
    assert picture.isfinite().all()
    picture.sum().backward()
    assert points.grad.isfinite().all()
    missing = ~points.detach().isfinite().all(-1)
    assert (points.grad[missing] == 0).all()


def test_gradients_stay_bounded_as_a_bone_shrinks():
    steepest = []
    for length in (4.0, 1.0, 0.1, 1e-2, 1e-4):
        tail = [[NAN, NAN]] * 2
        points = torch.tensor([[[10 - length / 2, 10.0], [10 + length / 2, 10.0], *tail]], requires_grad=True)
        picture = render_bone_map(points, CHAIN, 21, 10.0, 1.0)
        (picture[0, 0, 5] * torch.arange(21)).sum().backward()
        steepest.append(points.grad.abs().max().item())
    assert max(steepest) < 10 * steepest[0]


@pytest.mark.parametrize("softness", [0.0, 1.0])
def test_a_missing_joint_takes_its_bones_and_no_others(softness):
    pose = torch.tensor(chains(7))
    gone = pose.clone()
    gone[:, 3, 0] = NAN
    fewer = Skeleton("fewer", CHAIN.joints, CHAIN.parents, (), CHAIN.bones[:2], CHAIN.colors[:2])
    whole = render_bone_map(pose, fewer, 40, 9.0, softness)
    torch.testing.assert_close(render_bone_map(gone, CHAIN, 40, 9.0, softness), whole, atol=0, rtol=0)


@few
@given(seed=SEEDS, people=st.integers(1, 3))
def test_stick_figures_are_thick_segments_painted_in_order(seed, people):
    poses, size = chains(seed, batch=people, size=(14, 38)), (14, 38)
    picture = render_stick_figure(torch.tensor(poses), CHAIN, size, 4.0).numpy()
    for n, (y, x) in itertools.product(range(people), pixels(size)):
        expected, near = np.zeros(3), np.inf
        for (i, j), color in zip(CHAIN.bones, COLORS, strict=True):
            distance = segment_distance(np.array([x, y]), poses[n, i], poses[n, j])
            expected = color if distance < 2 else expected
            near = min(near, abs(distance - 2))
        assert near < 1e-9 or picture[n, :, y, x] == pytest.approx(expected)


def segment_distance(u, a, b):
    """Distance of u from the segment, by trying the ends and the foot of the perpendicular."""
    best = min(math.dist(u, a), math.dist(u, b))
    length = math.dist(a, b)
    if length > 0 and 0 <= np.dot(u - a, b - a) <= length**2:
        best = min(best, abs((b - a)[0] * (u - a)[1] - (b - a)[1] * (u - a)[0]) / length)
    return best


def test_a_limb_of_no_length_is_a_disc():
    pose = torch.tensor([[[5.0, 5.0], [5.0, 5.0], [NAN, 0], [NAN, 0]]])
    inside = render_stick_figure(pose, CHAIN, 11, 5.0)[0, 0] > 0
    y, x = np.mgrid[:11, :11]
    assert (inside.numpy() == (np.hypot(x - 5, y - 5) < 2.5)).all()


@few
@given(seed=SEEDS, gamma=st.sampled_from([2.0, 25.0]))
def test_skeleton_images_follow_equation_1(seed, gamma):
    rng = np.random.default_rng(seed)
    height, width = 19, 26
    points = rng.uniform(-1.3, 1.3, (2, 5, 2))
    points[0, 1] = points[0, 0]  # an edge of zero length: a point
    points[1, 2] = np.nan
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]
    picture = render_skeleton(torch.tensor(points), edges, (height, width), gamma)
    assert picture.shape == (2, 1, height, width)
    for n, (y, x) in itertools.product(range(2), pixels((height, width))):
        u = np.array([-1 + 2 * x / (width - 1), -1 + 2 * y / (height - 1)])
        there = [(points[n, i], points[n, j]) for i, j in edges if np.isfinite(points[n, [i, j]]).all()]
        near = min(segment_distance(u, a, b) for a, b in there)
        assert picture[n, 0, y, x].item() == pytest.approx(math.exp(-gamma * near**2), abs=1e-12)


def test_only_near_edges_are_tried_and_none_is_missed(rng):
    points = torch.tensor(rng.uniform(-0.9, 0.9, (4, 18, 2)))
    start, end = (points[:, list(ends)][:, :, None, None] for ends in zip(*NAPA18.bones, strict=True))
    axis = torch.linspace(-1, 1, 77, dtype=torch.float64)
    u = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    along = (((u - start) * (end - start)).sum(-1) / (end - start).square().sum(-1)).clamp(0, 1)
    square = (u - start - along[..., None] * (end - start)).square().sum(-1)
    expected = torch.exp(-25 * square.amin(1))
    torch.testing.assert_close(render_skeleton(points, NAPA18.bones, 77)[:, 0], expected, atol=1e-12, rtol=1e-9)


@few
@given(seed=SEEDS)
def test_the_order_of_edges_does_not_matter_to_a_skeleton_image(seed):
    rng = np.random.default_rng(seed)
    points = torch.tensor(rng.uniform(-1, 1, (1, 18, 2)))
    shuffled = [NAPA18.bones[k][::-1] for k in rng.permutation(16)]
    a, b = (render_skeleton(points, edges, 20) for edges in (NAPA18.bones, shuffled))
    torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_skeleton_gradients_are_right(rng):
    points = torch.tensor(rng.uniform(-1, 1, (2, 4, 2)), requires_grad=True)
    weights = torch.tensor(rng.normal(size=(2, 1, 9, 11)))
    assert torch.autograd.gradcheck(lambda p: weights * render_skeleton(p, CHAIN.bones, (9, 11), 5.0), points)
    assert torch.autograd.gradcheck(lambda p: weights * render_blobs(p, (9, 11), 0.4), points)
    assert torch.autograd.gradcheck(lambda p: render_heatmaps(4 * p, (9, 11), 1.5), points)


def test_blobs_follow_equation_2(rng):
    points = rng.uniform(-1, 1, (2, 5, 2))
    points[1, 3] = np.nan
    picture = render_blobs(torch.tensor(points), (7, 12), 0.2)
    assert picture.shape == (2, 1, 7, 12)
    for n, (y, x) in itertools.product(range(2), pixels((7, 12))):
        u = np.array([-1 + 2 * x / 11, -1 + 2 * y / 6])
        expected = sum(math.exp(-(math.dist(u, p) ** 2) / 0.08) for p in points[n] if np.isfinite(p).all())
        assert picture[n, 0, y, x].item() == pytest.approx(expected, abs=1e-12)


def test_heat_maps_of_several_people_take_the_strongest(rng):
    people = rng.uniform(0, 10, (2, 3, 4, 2))
    people[0, 1, 2] = np.nan
    people[1, :, 0] = np.nan
    maps = render_heatmaps(torch.tensor(people), (8, 10), 1.3)
    assert maps.shape == (2, 4, 8, 10)
    for n, j, (y, x) in itertools.product(range(2), range(4), pixels((8, 10))):
        bumps = [math.exp(-(math.dist(p, (x, y)) ** 2) / 2 / 1.69) for p in people[n, :, j] if np.isfinite(p).all()]
        assert maps[n, j, y, x].item() == pytest.approx(max(bumps, default=0.0), abs=1e-12)
    alone, listed = (render_heatmaps(torch.tensor(people[:, who]), (8, 10), 1.3) for who in (0, [0]))
    torch.testing.assert_close(alone, listed)


def test_affinity_fields_average_the_limbs_of_several_people():
    people = np.stack([chains(s, (14, 16)) for s in (1, 2, 3)], 1)  # (2, 3, 4, 2)
    people[0, 1, 2] = np.nan
    people[1, 2, 1] = people[1, 2, 0]
    fields = render_part_affinity_fields(torch.tensor(people), CHAIN, (14, 16), 5.0)
    assert fields.shape == (2, 6, 14, 16)
    overlaps = 0
    for n, (k, (i, j)), (y, x) in itertools.product(range(2), enumerate(CHAIN.bones), pixels((14, 16))):
        vectors = []
        for person in people[n]:
            a, b = person[i], person[j]
            length = math.dist(a, b)
            if length > 0:  # false for NaN too
                v = (b - a) / length
                if 0 <= np.dot(v, [x, y] - a) <= length and abs(np.dot([-v[1], v[0]], [x, y] - a)) <= 2.5:
                    vectors.append(v)
        overlaps += len(vectors) > 1
        np.testing.assert_allclose(fields[n, 2 * k : 2 * k + 2, y, x], np.mean(vectors or [[0, 0]], 0), atol=1e-12)
    assert overlaps > 10


def test_the_maps_of_people_are_heat_maps_and_fields(rng):
    people = torch.tensor(rng.uniform(-3, 16, (2, 3, 4, 2)), requires_grad=True)
    with torch.no_grad():
        people[0, 1, 2], people[1, 0, 3, 1] = NAN, torch.inf
    whole = render_people_maps(people, CHAIN, (14, 12), 1.3, 3.0)
    parts = render_heatmaps(people, (14, 12), 1.3), render_part_affinity_fields(people, CHAIN, (14, 12), 3.0)
    assert (whole == torch.cat(parts, 1)).all()
    weights = torch.tensor(rng.normal(size=whole.shape))
    (whole_grad,) = torch.autograd.grad((weights * whole).sum(), people)
    (parts_grad,) = torch.autograd.grad((weights * torch.cat(parts, 1)).sum(), people)
    assert whole_grad.abs().sum() > 0
    torch.testing.assert_close(whole_grad, parts_grad)
    assert (whole_grad[0, 1, 2] == 0).all() and (whole_grad[1, 0, 3] == 0).all()


def test_depth_maps_hold_the_depth_where_the_joint_is():
    pose = torch.tensor([[[3.0, 2.0], [5.0, 1.0], [NAN, 1.0], [2.0, 2.0]]])
    depths = torch.tensor([[-80.0, 40.0, 9.0, NAN]])
    maps = render_depth_maps(pose, depths, (4, 7), 1.0)
    assert maps[0, 0, 2, 3] == -80 and maps[0, 1, 1, 5] == 40
    assert maps[0, 0, 2, 4].item() == pytest.approx(-80 * math.exp(-0.5))
    assert (maps[0, 2:] == 0).all()


RENDERERS = {
    "hard": lambda p: render_bone_map(p, CHAIN, (9, 40), 6.0),
    "soft": lambda p: render_bone_map(p, CHAIN, (9, 40), 6.0, 1.0),
    "sticks": lambda p: render_stick_figure(p, CHAIN, (9, 40), 3.0),
    "skeleton": lambda p: render_skeleton(p / 20 - 1, CHAIN.bones, (9, 40)),
    "blobs": lambda p: render_blobs(p / 20 - 1, (9, 40), 0.3),
    "heatmaps": lambda p: render_heatmaps(p, (9, 40), 2.0),
    "fields": lambda p: render_part_affinity_fields(p, CHAIN, (9, 40), 3.0),
    "people": lambda p: render_people_maps(p, CHAIN, (9, 40), 2.0, 3.0),
    "depth": lambda p: render_depth_maps(p, p[..., 0], (9, 40), 2.0),
}
CHANNELS = {
    "hard": 3, "soft": 3, "sticks": 3, "skeleton": 1, "blobs": 1, "heatmaps": 4, "fields": 6, "people": 10, "depth": 4
}  # fmt: skip


@pytest.mark.parametrize("renderer", RENDERERS)
def test_shapes_types_and_batches(renderer):
    draw, poses = RENDERERS[renderer], torch.tensor(chains(9, (9, 40), batch=3)).round()
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        picture = draw(poses.to(dtype))
        assert picture.dtype == dtype and picture.shape == (3, CHANNELS[renderer], 9, 40)
        if dtype.itemsize == 2 and renderer not in ("skeleton", "blobs"):  # their test scales in half precision
            assert (picture == draw(poses.to(dtype).float()).to(dtype)).all()
    torch.testing.assert_close(torch.cat([draw(pose[None]) for pose in poses]), draw(poses), atol=1e-12, rtol=1e-12)
    empty = poses[:0].requires_grad_()
    picture = draw(empty)
    assert picture.shape == (0, CHANNELS[renderer], 9, 40)
    if picture.requires_grad:
        picture.sum().backward()
        assert empty.grad.shape == empty.shape
    nobody = draw(torch.full((2, 4, 2), NAN))
    assert nobody.shape == (2, CHANNELS[renderer], 9, 40) and (nobody == 0).all()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = draw(poses.float())
    if renderer != "blobs":  # a matrix product of the user's own choosing
        torch.testing.assert_close(mixed, draw(poses.float()), atol=1e-6, rtol=0)


def test_a_picture_of_one_pixel():
    pose = torch.tensor([[[-2.0, 0.0], [2.0, 0.0], [NAN, 0], [NAN, 0]]])
    assert render_bone_map(pose, CHAIN, 1, 4.0)[0, 0].tolist() == [[1.0]]
    assert render_skeleton(pose, CHAIN.bones, (1, 1)).tolist() == [[[[1.0]]]]
    assert render_heatmaps(pose + torch.tensor([2.0, 0.0]), 1, 1.0)[0, 0].tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("keypoints", lambda p: render_bone_map(p[0], CHAIN, 9, 3.0)),
        ("keypoints", lambda p: render_bone_map(p, NAPA18, 9, 3.0)),
        ("keypoints", lambda p: render_bone_map(p.long(), CHAIN, 9, 3.0)),
        ("keypoints", lambda p: render_bone_map(p.numpy(), CHAIN, 9, 3.0)),
        ("keypoints", lambda p: render_bone_map(torch.cat([p, p], -1), CHAIN, 9, 3.0)),
        ("size", lambda p: render_bone_map(p, CHAIN, 0, 3.0)),
        ("size", lambda p: render_bone_map(p, CHAIN, (9, 9, 3), 3.0)),
        ("size", lambda p: render_bone_map(p, CHAIN, 9.5, 3.0)),
        ("width", lambda p: render_bone_map(p, CHAIN, 9, 0.0)),
        ("width", lambda p: render_bone_map(p, CHAIN, 9, NAN)),
        ("softness", lambda p: render_bone_map(p, CHAIN, 9, 3.0, -1.0)),
        ("keypoints", lambda p: render_stick_figure(p[:, :3], CHAIN, 9, 3.0)),
        ("width", lambda p: render_stick_figure(p, CHAIN, 9, -3.0)),
        ("points", lambda p: render_skeleton(p[..., :1], CHAIN.bones, 9)),
        ("edges", lambda p: render_skeleton(p, [(0, 4)], 9)),
        ("edges", lambda p: render_skeleton(p, [], 9)),
        ("edges", lambda p: render_skeleton(p, [(0, 1, 2)], 9)),
        ("gamma", lambda p: render_skeleton(p, CHAIN.bones, 9, 0.0)),
        ("sigma", lambda p: render_blobs(p, 9, 0.0)),
        ("size", lambda p: render_blobs(p, -4)),
        ("sigma", lambda p: render_heatmaps(p, 9, -1.0)),
        ("keypoints", lambda p: render_heatmaps(p[:, None][:, :0], 9, 1.0)),
        ("width", lambda p: render_part_affinity_fields(p, CHAIN, 9, 0.0)),
        ("sigma", lambda p: render_people_maps(p, CHAIN, 9, 0.0, 3.0)),
        ("width", lambda p: render_people_maps(p, CHAIN, 9, 1.0, -3.0)),
        ("depths", lambda p: render_depth_maps(p, p[:, :2, 0], 9, 1.0)),
    ],
)
def test_bad_input_is_named(name, call):
    with pytest.raises(ValueError, match=rf"^{name} must .*got"):
        call(torch.zeros(2, 4, 2))


def test_a_stroke_ends_just_inside_half_its_width():
    stick = Skeleton("stick", ("a", "b"), (-1, 0), (), ((0, 1),), ((255, 0, 0),))
    pose = torch.tensor([[[2.0, 2.0], [4.0, 2.0]]])
    exact = render_stick_figure(pose, stick, (5, 7), width=2.0)[0, 0]  # its edge passes through pixels' centres
    assert exact.nonzero().tolist() == [[2, 2], [2, 3], [2, 4]]
    wider = render_stick_figure(pose, stick, (5, 7), width=2.01)[0, 0]
    assert wider.sum() == 3 + 6 + 2


@pytest.mark.parametrize("draw", [
    lambda skeleton, points: render_bone_map(points, skeleton, 32, 4.0),
    lambda skeleton, points: render_stick_figure(points, skeleton, 32, 4.0),
    lambda skeleton, points: render_part_affinity_fields(points, skeleton, 32, 4.0),
    lambda skeleton, points: render_people_maps(points, skeleton, 32, 1.0, 4.0),
])  # fmt: skip
def test_a_skeleton_may_be_named(draw):
    points = 32 * torch.rand(1, 17, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw("coco17", points), draw(COCO17, points))
    with pytest.raises(ValueError, match="name must be one of"):
        draw("coco", points)
