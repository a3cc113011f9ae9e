"""Drawn figures: the labels lie where the ink is, the sides are the drawn person's own, and shards can be resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napa_lib.data import list_paintings
from napa_lib.engine import load_tensors
from napa_lib.makers.drawings import colors, draw_figures, figures
from napa_lib.makers.drawings.__main__ import write_shards
from napa_lib.makers.drawings.bodies import LIMBS, J, Proportions, build_body, sample_proportions
from napa_lib.makers.drawings.colors import ground_paintings
from napa_lib.makers.drawings.figures import draw_figure, facing_viewer, place
from napa_lib.makers.drawings.pens import OVERSAMPLING, Canvas, Ink, Paint, capsule, circle, curve, hull, muscle
from napa_lib.makers.drawings.poses import sample_poses
from napa_lib.makers.drawings.sticks import draw_pictogram, draw_stick
from napa_lib.skeletons import NAPA18

SIZE = 160
WHITE = (255, 255, 255)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blank(rng: np.random.Generator, ink: float = 0.0) -> Canvas:
    side = SIZE * OVERSAMPLING
    return Canvas(Image.new("RGB", (side, side), WHITE), Ink((0, 0, 0), ink, 0.0), rng)


def whole_body(seed: int, sizes: Proportions | None = None):
    """A placed figure that is wholly in the picture, and the generator to draw it with."""
    for attempt in range(20):
        rng = np.random.default_rng(100 * seed + attempt)
        body = place(build_body(sample_poses(1, rng), 0, sizes or sample_proportions(rng)), SIZE, rng)
        if ((body.joints[:, :2] > 3) & (body.joints[:, :2] < SIZE - 4)).all():
            return body, rng
    raise AssertionError("no figure fits the picture")


def is_ink(pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether something is drawn within a pixel's distance of each point (N, 2)."""
    marked = np.abs(pixels.astype(int) - 255).sum(-1) > 20
    x, y = np.round(points).astype(int).T
    return np.stack([marked[y + dy, x + dx] for dx in (-1, 0, 1) for dy in (-1, 0, 1)]).any(0)


@pytest.mark.parametrize("seed", range(12))
def test_a_pictogram_has_ink_all_along_its_bones(seed):
    body, rng = whole_body(seed)
    canvas = blank(rng)
    draw_pictogram(canvas, body, WHITE, rng)
    bones = [(a, b) for line in LIMBS for a, b in zip(line[:2], line[1:], strict=True)]
    bones += [(J["thorax"], J["pelvis"]), (J["l_hip"], J["r_hip"]), (J["l_shoulder"], J["r_shoulder"])]
    t = np.linspace(0, 1, 9)[:, None]
    for a, b in bones:
        assert is_ink(canvas.finish(), body.joints[a, :2] * (1 - t) + body.joints[b, :2] * t).all(), (a, b)


@pytest.mark.parametrize("seed", range(12))
def test_a_stick_figure_has_ink_at_its_joints(seed):
    body, rng = whole_body(seed)
    canvas = blank(rng)
    draw_stick(canvas, body, WHITE, rng)
    centre = body["head"] - body.up[:2] * body.head / 2
    points = body.joints[[i for line in LIMBS for i in line], :2]
    free = np.linalg.norm(points - centre, axis=1) > body.head * 0.6  # a hollow head hides what lies behind it
    assert is_ink(canvas.finish(), points)[free].all()


@pytest.mark.parametrize("style", ["silhouette", "puppet", "mannequin"])
@pytest.mark.parametrize("seed", range(8))
def test_every_joint_lies_on_the_figure(style, seed):
    body, rng = whole_body(seed)
    canvas = blank(rng)
    draw_figure(canvas, body, style, WHITE, SIZE, rng)
    points = body.joints[:, :2].copy()
    points[J["head"]] -= body.up[:2] * body.head * 0.1  # labels on the outline, moved inside
    points[J["nose"]] -= body.face[:2] * body.head * 0.2
    missed = [NAPA18.joints[i] for i in np.flatnonzero(~is_ink(canvas.finish(), points))]
    assert not missed


def test_faces_look_where_the_chest_does():
    """Mirroring and seeing from behind must keep left, right, up and front a right-handed set."""
    poses = sample_poses(2000, np.random.default_rng(0))
    left = poses.joints[:, J["l_shoulder"]] - poses.joints[:, J["r_shoulder"]]
    spine = poses.joints[:, J["thorax"]] - poses.joints[:, J["pelvis"]]
    chest = np.cross(left, spine)
    chest /= np.linalg.norm(chest, axis=1, keepdims=True)
    assert ((chest * poses.face).sum(1) > 0).mean() > 0.95
    upright = (spine[:, 1] < -0.2) & (np.abs(chest[:, 2]) > 0.7)
    front = chest[:, 2] < 0
    assert (front == (left[:, 0] > 0))[upright].all()  # facing the viewer, the person's left is on the picture's right
    assert 0.5 < front[upright].mean() < 0.9


def test_the_near_shoulder_of_a_profile_is_the_one_on_the_viewers_side():
    poses = sample_poses(4000, np.random.default_rng(1))
    spine = poses.joints[:, J["thorax"]] - poses.joints[:, J["pelvis"]]
    profile = (np.abs(poses.face[:, 0]) > 0.9) & (spine[:, 1] < -0.25)
    right_is_near = poses.joints[:, J["r_shoulder"], 2] < poses.joints[:, J["l_shoulder"], 2]
    looks_right = poses.face[:, 0] > 0
    assert profile.sum() > 100
    assert (right_is_near == looks_right)[profile].mean() > 0.9


def test_proportions_keep_the_directions_of_bones():
    rng = np.random.default_rng(2)
    poses = sample_poses(20, rng)
    for index in range(20):
        body = build_body(poses, index, sample_proportions(rng))
        for start, middle, end in LIMBS:
            for a, b in ((start, middle), (middle, end)):
                old, new = poses.joints[index, b] - poses.joints[index, a], body.joints[b] - body.joints[a]
                np.testing.assert_allclose(np.cross(old, new), 0, atol=1e-9)
                assert old @ new >= 0
        np.testing.assert_allclose(body["neck"], (body["thorax"] + body.chin) / 2, atol=1e-9)
        np.testing.assert_allclose(body["pelvis"], (body["l_hip"] + body["r_hip"]) / 2, atol=1e-9)
        np.testing.assert_allclose(body["thorax"], (body["l_shoulder"] + body["r_shoulder"]) / 2, atol=1e-9)


def test_labels_are_nan_exactly_outside_the_picture():
    drawn = draw_figures(60, 64, seeded(3))
    assert drawn.images.dtype == torch.uint8 and drawn.images.shape == (60, 3, 64, 64)
    assert drawn.keypoints.shape == (60, 18, 2) and drawn.visible.shape == (60, 18)
    inside = drawn.keypoints.isfinite().all(-1)
    assert not inside.all() and inside.sum(1).min() >= 4
    found = drawn.keypoints[inside]
    assert (found > -0.5).all() and (found < 63.5).all()
    assert not drawn.visible[~inside].any()
    hidden = inside & ~drawn.visible
    assert hidden[:, J["nose"]].any() and hidden.sum() == hidden[:, J["nose"]].sum()


def test_a_seed_gives_the_same_pictures():
    one, same, other = (draw_figures(6, 48, seeded(seed)) for seed in (4, 4, 5))
    assert torch.equal(one.images, same.images)
    assert torch.equal(one.keypoints.nan_to_num(-1), same.keypoints.nan_to_num(-1))
    assert not torch.equal(one.images, other.images)
    assert len(draw_figures(0, 48, seeded(4)).images) == 0


def test_no_test_figures_painting_is_a_ground():
    flagged = {p.asset for p in list_paintings() if p.in_art_figures}
    assert flagged and not flagged & set(ground_paintings())


def test_one_who_is_alone_is_the_only_figure(monkeypatch, tmp_path):
    """Nobody stands by, and no painting behind shows anybody."""
    drawn, grounds, behind = [], [], []
    draw, read, sample = figures.draw_figure, colors._paintings, colors.sample_ground
    monkeypatch.setattr(figures, "draw_figure", lambda *words: drawn.append(draw(*words)))
    monkeypatch.setattr(colors, "_paintings", lambda alone: grounds.append(alone) or read(alone))

    def listen(side, rng, alone):
        grounds.clear()
        ground = sample(side, rng, alone)
        behind.extend(grounds)
        return ground

    monkeypatch.setattr(figures, "sample_ground", listen)
    draw_figures(150, 32, torch.Generator().manual_seed(1))
    assert len(drawn) > 150 and behind and not any(behind)
    drawn.clear(), behind.clear()
    draw_figures(150, 32, torch.Generator().manual_seed(1), alone=True)
    assert len(drawn) == 150 and behind and all(behind)
    assert len(read(True)) == len(colors.DESERTED) < len(read(False)) == len(ground_paintings())
    (path,) = write_shards(tmp_path, 3, 48, 7, alone=True)
    assert path.name == "size48_seed7_alone_0000_3.safetensors"
    alone = load_tensors(path)[0]["images"]
    (other,) = write_shards(tmp_path, 3, 48, 7)
    assert other != path and torch.equal(alone, load_tensors(path)[0]["images"])


def test_bad_input():
    with pytest.raises(ValueError, match="count .* -1"):
        draw_figures(-1, 64, seeded(0))
    with pytest.raises(ValueError, match="size .* 16"):
        draw_figures(1, 16, seeded(0))
    with pytest.raises(ValueError, match="count .* 0"):
        write_shards(Path("nowhere"), 0, 64, 0)
    with pytest.raises(ValueError, match="seed .* -3"):
        write_shards(Path("nowhere"), 1, 64, -3)


def test_shards_resume_to_the_same_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("napa_lib.makers.drawings.__main__.SHARD", 4)
    paths = write_shards(tmp_path, 10, 48, 7)
    whole = [load_tensors(path)[0] for path in paths]
    assert [len(shard["images"]) for shard in whole] == [4, 4, 2]
    kept = paths[0].stat().st_mtime_ns
    paths[1].unlink()
    assert write_shards(tmp_path, 10, 48, 7) == paths
    assert paths[0].stat().st_mtime_ns == kept
    assert torch.equal(load_tensors(paths[1])[0]["images"], whole[1]["images"])
    assert not torch.equal(whole[0]["images"], whole[1]["images"])


def test_a_filled_shape_covers_its_area():
    """Coordinates are pixel centres: a square from 9.5 to 19.5 covers pixels 10 to 19."""
    canvas = blank(np.random.default_rng(0))
    canvas.fill(np.array([[9.5, 9.5], [19.5, 9.5], [19.5, 19.5], [9.5, 19.5]]), Paint((0, 0, 0)))
    y, x = np.nonzero(canvas.finish()[..., 0] < 128)
    np.testing.assert_allclose([x.mean(), y.mean()], 14.5, atol=0.26)
    assert x.min() in (9, 10) and x.max() in (19, 20)


def test_capsules_hulls_and_curves():
    a, b = np.array([10.0, 20.0]), np.array([40.0, 5.0])
    shape = capsule(a, b, 6.0, 3.0)
    along = np.clip((shape - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)[:, None]
    gap = np.linalg.norm(shape - a - along * (b - a), axis=1)
    assert gap.min() > 2.9 and gap.max() < 6.1
    np.testing.assert_allclose(np.linalg.norm(capsule(a, a, 2.0, 2.0) - a, axis=1), 2.0)
    assert np.linalg.norm(muscle(a, b, 6.0, 3.0, 0.5) - a, axis=1).max() == pytest.approx(
        np.linalg.norm(shape - a, axis=1).max()
    )
    square = hull(np.array([[0, 0], [4, 0], [4, 4], [0, 4], [2, 2], [1, 3], [4, 2]], dtype=float))
    assert sorted(map(tuple, square.tolist())) == [(0, 0), (0, 4), (4, 0), (4, 4)]
    points = np.array([[0.0, 0.0], [5.0, 8.0], [10.0, 0.0]])
    bent = curve(points)
    assert all((np.linalg.norm(bent - point, axis=1) < 1e-9).any() for point in points)
    assert len(circle(a, 1.0)) == 24


@pytest.mark.parametrize("turn", [0.0, 1.0, np.pi])
def test_a_figure_without_a_face_is_taken_to_face_the_viewer(turn):
    """An upright figure's left is on the right; turned with the page it still is, and names do not matter."""
    pose = np.random.default_rng(0).normal(0, 3, size=(18, 2))
    pose[NAPA18.index("thorax")], pose[NAPA18.index("pelvis")] = (0, -50), (0, 0)
    for left, right in NAPA18.flip_pairs:
        pose[left, 0], pose[right, 0] = 10, -10
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = pose @ rotation.T
    np.testing.assert_array_equal(facing_viewer(turned), turned)
    exchanged = turned.copy()
    for left, right in NAPA18.flip_pairs:
        exchanged[[left, right]] = turned[[right, left]]
    np.testing.assert_array_equal(facing_viewer(exchanged), turned)
