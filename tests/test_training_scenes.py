"""Scenes from which a network learns where figures are: where they say that figures are, and the losses of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napa_lib.networks.movenet import SIZE, STRIDE, People
from napa_lib.training import scenes
from napa_lib.training.pictures import PictureSet
from napa_lib.training.scenes import (
    centre_losses,
    centre_targets,
    crowds,
    draw_scenes,
    generalised_iou,
    joint_boxes,
    tiled,
    without_people,
)
from napa_lib.training.warm_start import labelled
from tests.cutouts import some_cutouts
from tests.test_mixing import some_pictures

NOBODY = [torch.nan] * 4


def same(images: torch.Tensor) -> torch.Tensor:
    return images


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_tiles_hold_their_figures_where_the_boxes_say(monkeypatch):
    monkeypatch.setattr(scenes, "EMPTY", 0.0)
    keypoints = torch.rand(6, 18, 2, generator=seeded(1)) * 20 + 22
    images = torch.zeros(6, 3, 64, 64, dtype=torch.uint8)
    for image, points in zip(images, keypoints, strict=True):
        (x0, y0), (x1, y1) = points.amin(0).floor().int().tolist(), points.amax(0).ceil().int().tolist()
        image[0, y0 : y1 + 1, x0 : x1 + 1] = 255
    generator = seeded(3)
    for _ in range(6):
        scene, boxes = tiled([PictureSet(images, keypoints)], [1.0], 4, same, generator)
        assert scene.shape == (4, 3, SIZE, SIZE)
        for picture, found in zip(scene, boxes, strict=True):
            for x0, y0, x1, y1 in found[~found.isnan().any(1)].tolist():
                middle = picture[:, int((y0 + y1) / 2), int((x0 + x1) / 2)]
                assert float(middle[0]) > 0.5 > float(middle[1])


def test_pictures_of_nobody_have_no_boxes(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "EMPTY", 0.0)
    Image.new("RGB", (90, 30), (255, 0, 0)).save(tmp_path / "wide.png")
    nobody = without_people(tmp_path)
    assert nobody.images.shape == (1, 3, SIZE, SIZE) and bool(nobody.keypoints.isnan().all())
    assert nobody.images[0, :, SIZE // 2, SIZE // 2].tolist() == [255, 0, 0]
    generator = seeded(0)
    scene, boxes = tiled([nobody], [1.0], 8, same, generator)
    assert bool(boxes.isnan().all()) and float(scene[:, 0].min()) > 0.99 > 0.01 > float(scene[:, 1:].max())
    _, boxes = tiled([some_pictures(0), nobody], [0.5, 0.5], 8, same, generator)
    assert bool(boxes.isnan().any()) and not bool(boxes.isnan().all())
    (tmp_path / "wide.png").unlink()
    with pytest.raises(ValueError, match="holds no pictures"):
        without_people(tmp_path)


def test_some_figures_are_taken_away_and_their_boxes_with_them(monkeypatch):
    monkeypatch.setattr(scenes, "EMPTY", 1.0)
    _, boxes = tiled([some_pictures(0)], [1.0], 4, same, seeded(0))
    assert bool(boxes.isnan().all())


def test_boxes_of_joints():
    keypoints = torch.full((2, 18, 2), torch.nan)
    keypoints[0, :9] = torch.tensor([[float(i), 2.0 * i] for i in range(9)])
    keypoints[1, :7] = 1.0
    boxes = joint_boxes(keypoints)
    assert boxes[0].tolist() == [0.0, 0.0, 8.0, 16.0]
    assert bool(boxes[1].isnan().all())


def test_people_of_a_crowd_are_where_the_boxes_say():
    """Figures are red on grey: red is in every box, and outside of all boxes, with room for limbs' width, is none."""
    images, boxes = crowds(some_cutouts(), 6, same, seeded(2))
    assert images.shape == (6, 3, SIZE, SIZE) and boxes.shape == (6, scenes.CROWD, 4)
    assert 6 < int((~boxes.isnan().any(-1)).sum()) < 6 * scenes.CROWD
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    for image, found in zip(images, boxes, strict=True):
        red = (image[0] > 0.8) & (image[1] < 0.2)
        near = torch.zeros(SIZE, SIZE, dtype=torch.bool)
        for x0, y0, x1, y1 in found[~found.isnan().any(1)].tolist():
            assert 0 <= x0 < x1 <= SIZE - 1 and 0 <= y0 < y1 <= SIZE - 1
            inside = (x >= x0 - 1) & (x <= x1 + 1) & (y >= y0 - 1) & (y <= y1 + 1)
            assert bool((red & inside).any())
            near |= (x >= x0 - 6) & (x <= x1 + 6) & (y >= y0 - 6) & (y <= y1 + 6)
        assert not bool((red & ~near).any())


def test_a_third_of_the_scenes_is_composed():
    alone, crowd = [labelled(some_pictures(0), 1.0)], [some_cutouts()]
    generator, counts = seeded(0), []
    for _ in range(60):
        images, boxes = draw_scenes(alone, crowd, 1, same, generator)
        assert images.shape == (1, 3, SIZE, SIZE)
        counts.append(boxes.shape[1])
    assert set(counts) == {1, 4, 9, scenes.CROWD}
    assert 10 <= counts.count(scenes.CROWD) <= 32  # 20 expected, six standard deviations


def test_a_cell_is_as_much_a_middle_as_a_gaussian_of_the_box_says():
    boxes = torch.tensor([[[40.0, 30, 160, 200], [44.0, 100, 60, 110], NOBODY], [NOBODY] * 3])
    target, which = centre_targets(boxes, 64, 64)
    assert bool((target[1] == 0).all())
    expected = np.zeros((3, 64, 64))
    for figure, (x0, y0, x1, y1) in enumerate(boxes[0, :2].tolist()):
        column, row = math.floor((x0 + x1) / 2 / STRIDE), math.floor((y0 + y1) / 2 / STRIDE)
        wide, high = (max(0.08 * side / STRIDE, 0.7) for side in (x1 - x0, y1 - y0))
        for y in range(64):
            for x in range(64):
                away = ((x - column) / wide) ** 2 + ((y - row) / high) ** 2
                expected[figure, y, x] = math.exp(-away / 2)
    np.testing.assert_allclose(target[0], expected.max(0), atol=1e-6)
    clear = expected.max(0) > 1e-6
    assert (which[0].numpy()[clear] == expected.argmax(0)[clear]).all()
    assert int((target[0] == 1).sum()) == 2


def test_the_focal_loss_of_the_middles_by_hand(rng):
    boxes = torch.tensor([[[40.0, 30, 160, 200], NOBODY], [[80.0, 60, 90, 120], [200.0, 8, 240, 250]]])
    scores = rng.normal(size=(2, 64, 64))
    target, _ = centre_targets(boxes.double(), 64, 64)
    found = centre_losses(People(torch.tensor(scores), torch.ones(2, 64, 64, 4), torch.zeros(0)), boxes.double())
    p, y = 1 / (1 + np.exp(-scores)), target.numpy()
    total = np.where(y == 1, (1 - p) ** 2 * -np.log(p), (1 - y) ** 4 * p**2 * -np.log(1 - p)).sum()
    assert float(found["centre"]) == pytest.approx(total / 3, rel=1e-5)  # three figures


def test_losses_are_least_for_the_truth():
    boxes = torch.tensor([[[40.0, 30, 160, 200]]])
    target, _ = centre_targets(boxes, 64, 64)
    truth = boxes[0, 0].expand(1, 64, 64, 4)
    sure = torch.where(target == 1, 12.0, -12.0)
    good = centre_losses(People(sure, truth, torch.zeros(0)), boxes)
    assert float(good["centre"]) < 1e-3 and float(good["box"]) == pytest.approx(0, abs=1e-6)
    bad = centre_losses(People(-sure, truth + 10, torch.zeros(0)), boxes)
    assert float(bad["centre"]) > 1
    moved = 10 / 170 + 1 - float(generalised_iou(boxes[0] + 10, boxes[0]))
    assert float(bad["box"]) == pytest.approx(moved, rel=1e-4)
    far = torch.where(target[..., None] > 0.5, truth, truth + 100)  # cells that are hardly a middle say what they like
    assert float(centre_losses(People(sure, far, torch.zeros(0)), boxes)["box"]) == pytest.approx(0, abs=1e-6)
    nobody = centre_losses(People(torch.full((1, 64, 64), -12.0), truth, torch.zeros(0)), boxes * torch.nan)
    assert float(nobody["box"]) == 0 and float(nobody["centre"]) < 1e-3


def test_boxes_near_a_middle_are_weighed_by_how_near(rng):
    boxes = torch.tensor([[[40.0, 30, 160, 200], [150.0, 60, 250, 240]]])
    target, which = centre_targets(boxes, 64, 64)
    found = boxes[0][which] + torch.tensor(rng.uniform(-9, 9, (1, 64, 64, 4))).float()
    loss = centre_losses(People(torch.zeros(1, 64, 64), found, torch.zeros(0)), boxes)["box"]
    total = weights = 0.0
    for y, x in (target[0] > 0.5).nonzero().tolist():
        truth, box = boxes[0, which[0, y, x]], found[0, y, x]
        side = max(float(truth[2] - truth[0]), float(truth[3] - truth[1]))
        off = float((box - truth).abs().mean()) / side + 1 - float(generalised_iou(box[None], truth[None]))
        total, weights = total + float(target[0, y, x]) * off, weights + float(target[0, y, x])
    assert weights > 4 and float(loss) == pytest.approx(total / weights, rel=1e-4)


def test_generalised_iou_of_known_boxes():
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 2, 2]])
    b = torch.tensor([[0.0, 0, 2, 2], [3, 0, 4, 1], [1, 1, 3, 3]])
    torch.testing.assert_close(generalised_iou(a, b), torch.tensor([1.0, -0.5, 1 / 7 - 2 / 9]))


@given(st.lists(st.floats(0, 100, width=32), min_size=8, max_size=8))
def test_generalised_iou_is_symmetric_and_between_its_bounds(values):
    corners = torch.tensor(values).view(2, 2, 2)
    a, b = torch.cat([corners.amin(1), corners.amax(1) + 1], 1)
    one, other = generalised_iou(a[None], b[None]), generalised_iou(b[None], a[None])
    assert torch.equal(one, other) and -1 < float(one) <= 1.000001
