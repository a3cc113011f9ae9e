"""The person detector: its geometry, its training targets, and how its boxes become figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from napa_lib.evaluate.finding import figure_boxes
from napa_lib.loop import Setup
from napa_lib.networks.person_detector import GRIDS, SIZE, PersonDetector, load_detector, save_detector, spread
from napa_lib.pose import PoseResult, open_picture, people
from napa_lib.pose.people import MOST, find_people, intersection_over_union, suppress
from napa_lib.skeletons import NAPA18
from napa_lib.training.detector import (
    DetectorConfig,
    answers,
    detection_losses,
    generalised_iou,
    joint_boxes,
    scenes,
    train_detector,
    without_people,
)
from napa_lib.training.pictures import PictureSet


def pictures(count: int = 12, size: int = 64) -> PictureSet:
    generator = torch.Generator().manual_seed(0)
    keypoints = size * (0.3 + 0.4 * torch.rand(count, 18, 2, generator=generator))
    return PictureSet((255 * torch.rand(count, 3, size, size, generator=generator)).to(torch.uint8), keypoints)


def test_anchors_lie_in_the_middle_of_their_cells():
    centers = PersonDetector().centers
    assert len(centers) == sum(cells**2 * anchors for cells, anchors in GRIDS) == 2254
    assert centers[0].tolist() == centers[1].tolist() == [4.0, 4.0]
    assert centers[2].tolist() == [12.0, 4.0]  # along a row first
    assert centers[-1].tolist() == [SIZE - 16.0, SIZE - 16.0]


def test_spread_puts_channels_side_by_side():
    x = torch.randn(2, 8, 3, 5)
    out = spread(x)
    for channel, row, column, dy, dx in ((0, 1, 2, 0, 0), (1, 2, 4, 0, 1), (0, 0, 0, 1, 0), (1, 1, 1, 1, 1)):
        source = x[:, (2 * dy + dx) * 2 + channel, row, column]
        assert bool((out[:, channel, 2 * row + dy, 2 * column + dx] == source).all())


def test_pictures_of_one_size_only():
    torch.manual_seed(0)
    network = PersonDetector().eval()
    image = torch.rand(1, 3, SIZE, SIZE)
    with pytest.raises(ValueError, match="images must be"):
        network(image[..., :200])
    with torch.no_grad():
        scores, boxes = network(image)
    assert scores.shape == (1, 2254) and boxes.shape == (1, 2254, 4)


def test_detector_survives_its_file(tmp_path):
    torch.manual_seed(0)
    network = PersonDetector().eval()
    save_detector(tmp_path / "detector.safetensors", network)
    back = load_detector(tmp_path / "detector.safetensors")
    image = torch.rand(1, 3, SIZE, SIZE)
    with torch.no_grad():
        torch.testing.assert_close(back(image)[0], network(image)[0], atol=0.05, rtol=0.05)
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="safetensors"):
        load_detector(tmp_path / "other.safetensors")


def test_an_anchor_answers_for_the_smallest_figure_in_whose_middle_it_lies():
    centers = PersonDetector().centers
    boxes = torch.tensor([[[20.0, 20, 60, 50], [10, 10, 214, 214], [torch.nan] * 4, [100, 100, 112, 116]]])
    which = answers(boxes, centers)[0].numpy()
    starts = np.cumsum([0] + [c * c * a for c, a in GRIDS])
    for grid in range(3):
        for anchor in range(starts[grid], starts[grid + 1]):
            x, y = centers[anchor].tolist()
            fit = []
            for figure in (0, 1, 3):
                limits = ((0.0, 64.0), (44.0, 128.0), (90.0, 1e9))[grid]
                x0, y0, x1, y1 = boxes[0, figure].tolist()
                side = max(x1 - x0, y1 - y0)
                reach = max(4.0, 0.25 * side)
                inside = abs(x - (x0 + x1) / 2) <= reach and abs(y - (y0 + y1) / 2) <= reach
                if inside and limits[0] <= side <= limits[1]:
                    fit.append((side, figure))
            assert which[anchor] == (min(fit)[1] if fit else -1)
    assert {0, 1, 3} <= set(which.tolist())


def test_generalised_iou_of_known_boxes():
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 2, 2]])
    b = torch.tensor([[0.0, 0, 2, 2], [3, 0, 4, 1], [1, 1, 3, 3]])
    torch.testing.assert_close(generalised_iou(a, b), torch.tensor([1.0, -0.5, 1 / 7 - 2 / 9]))


def test_losses_are_least_for_the_truth():
    centers = PersonDetector().centers
    boxes = torch.tensor([[[40.0, 30, 160, 200]]])
    which = answers(boxes, centers)
    truth = torch.tensor([100.0, 115, 120, 170]).expand(1, len(centers), 4)
    right = torch.where(which >= 0, 12.0, -12.0)
    good = detection_losses(right, truth, boxes, centers)
    assert float(good["score"]) < 1e-3 and float(good["box"]) == pytest.approx(0, abs=1e-6)
    bad = detection_losses(-right, truth + 10, boxes, centers)
    assert float(bad["score"]) > 1 and float(bad["box"]) > 0.1
    nobody = detection_losses(torch.full((1, len(centers)), -12.0), truth, boxes * torch.nan, centers)
    assert float(nobody["box"]) == 0 and float(nobody["score"]) < 1e-3


def test_scenes_hold_their_figures_where_the_boxes_say():
    keypoints = torch.rand(6, 18, 2, generator=torch.Generator().manual_seed(1)) * 20 + 22
    images = torch.zeros(6, 3, 64, 64, dtype=torch.uint8)
    for image, points in zip(images, keypoints, strict=True):
        (x0, y0), (x1, y1) = points.amin(0).floor().int().tolist(), points.amax(0).ceil().int().tolist()
        image[0, y0 : y1 + 1, x0 : x1 + 1] = 255
    config = DetectorConfig(batch=4, empty=0.0)
    generator = torch.Generator().manual_seed(3)
    for _ in range(6):
        scene, boxes = scenes([PictureSet(images, keypoints)], [1.0], config, lambda x: x, generator)
        assert scene.shape == (4, 3, SIZE, SIZE)
        for picture, found in zip(scene, boxes, strict=True):
            for x0, y0, x1, y1 in found[~found.isnan().any(1)].tolist():
                middle = picture[:, int((y0 + y1) / 2), int((x0 + x1) / 2)]
                assert float(middle[0]) > 0.5 > float(middle[1])


def test_pictures_of_nobody_have_no_boxes(tmp_path):
    Image.new("RGB", (90, 30), (255, 0, 0)).save(tmp_path / "wide.png")
    nobody = without_people(tmp_path)
    assert nobody.images.shape == (1, 3, SIZE, SIZE) and bool(nobody.keypoints.isnan().all())
    assert nobody.images[0, :, SIZE // 2, SIZE // 2].tolist() == [255, 0, 0]
    generator = torch.Generator().manual_seed(0)
    config = DetectorConfig(batch=8, empty=0.0)
    scene, boxes = scenes([nobody], [1.0], config, lambda x: x, generator)
    assert bool(boxes.isnan().all()) and float(scene[:, 0].min()) > 0.99 > 0.01 > float(scene[:, 1:].max())
    _, boxes = scenes([pictures(), nobody], [0.5, 0.5], config, lambda x: x, generator)
    assert bool(boxes.isnan().any()) and not bool(boxes.isnan().all())
    (tmp_path / "wide.png").unlink()
    with pytest.raises(ValueError, match="holds no pictures"):
        without_people(tmp_path)


def test_boxes_of_joints():
    keypoints = torch.full((2, 18, 2), torch.nan)
    keypoints[0, :9] = torch.tensor([[float(i), 2.0 * i] for i in range(9)])
    keypoints[1, :7] = 1.0
    boxes = joint_boxes(keypoints)
    assert boxes[0].tolist() == [0.0, 0.0, 8.0, 16.0]
    assert bool(boxes[1].isnan().all())


def test_training_goes_on_bit_for_bit(tmp_path):
    torch.manual_seed(0)
    start, config = PersonDetector(), DetectorConfig(steps=4, batch=2)
    arguments = [pictures()], [1.0], start, 2
    whole, record = train_detector(config, *arguments)
    checkpoint = tmp_path / "detector.safetensors"

    class Killed(RuntimeError):
        pass

    def kill(entry):
        raise Killed

    with pytest.raises(Killed):
        train_detector(config, *arguments, Setup(checkpoint=checkpoint, tell=kill))
    again, other = train_detector(config, *arguments, Setup(checkpoint=checkpoint))
    assert all(bool((a == b).all()) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    assert [entry["score"] for entry in record] == [entry["score"] for entry in other]


# from anchors to figures ----------------------------------------------------------------------------------------------


class Finds(torch.nn.Module):
    """Finds every pure red pixel's square: an anchor for each known figure, told by its colour."""

    size, threshold = SIZE, 0.3

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        scores = torch.full((len(images), 3), -9.0)
        boxes = torch.ones(len(images), 3, 4)
        for row, image in enumerate(images):
            for anchor in range(3):
                others = [c for c in range(3) if c != anchor]
                y, x = ((image[anchor] > 0.8) & (image[others] < 0.4).all(0)).nonzero(as_tuple=True)
                if len(x) > 4:
                    low = torch.tensor([x.min(), y.min()]).float()
                    high = torch.tensor([x.max() + 1, y.max() + 1]).float()
                    boxes[row, anchor] = torch.cat([(low + high) / 2, high - low])
                    scores[row, anchor] = 3.0
        return scores, boxes


@pytest.mark.parametrize("size", [(600, 600), (900, 500), (300, 1200), (2400, 1800)])
def test_figures_are_found_where_they_are_each_once(size):
    width, height = size
    picture = np.full((height, width, 3), 128, np.uint8)
    long = max(size)
    wanted = []
    for channel, (x, y, share) in enumerate([(0.1, 0.1, 0.25), (0.6, 0.2, 0.1), (0.3, 0.7, 0.12)]):
        side = round(share * min(long, 2 * min(size)))
        x0, y0 = round(x * width), round(y * height)
        x1, y1 = min(x0 + side, width - 20), min(y0 + side, height - 20)
        picture[y0:y1, x0:x1] = 0
        picture[y0:y1, x0:x1, channel] = 255
        wanted.append([x0, y0, x1, y1])
    ((boxes, scores),) = find_people(Finds(), [open_picture(Image.fromarray(picture))])
    overlap = intersection_over_union(torch.tensor(wanted).float(), boxes)
    assert len(boxes) == 3 and len(scores) == 3
    assert float(overlap.amax(1).min()) > 0.7


def test_nobody():
    ((boxes, scores),) = find_people(Finds(), [open_picture(Image.new("RGB", (300, 200)))])
    assert boxes.shape == (0, 4) and scores.shape == (0,)


def test_suppression_keeps_the_likeliest_and_is_bounded():
    generator = torch.Generator().manual_seed(0)
    corner = 100 * torch.rand(500, 2, generator=generator)
    boxes = torch.cat([corner, corner + 5 + 20 * torch.rand(500, 2, generator=generator)], 1)
    scores = torch.rand(500, generator=generator)
    kept = suppress(boxes, scores)
    assert int(kept[0]) == int(scores.argmax())
    inner = intersection_over_union(boxes[kept], boxes[kept]).fill_diagonal_(0)
    assert float(inner.max()) <= 0.45
    left = [i for i in range(500) if i not in kept.tolist()]
    better = scores[kept][None] >= scores[left][:, None]
    assert bool(((intersection_over_union(boxes[left], boxes[kept]) > 0.45) & better).any(1).all())
    assert len(kept) > MOST


def test_a_found_figures_box_is_drawn_as_annotators_draw_it():
    """Round all joints, the unsure ones too, cut at the picture's edges."""

    class Finder:
        def predict(self, picture, many):
            points = torch.tensor([[10.0, 20.0], [90.0, 40.0], [-5.0, 70.0]])
            return [PoseResult(points, torch.zeros(3, 3), torch.tensor([0.9, 0.8, 0.01]), (0, 0, 1, 1), NAPA18)] * many

    assert figure_boxes(Finder(), torch.zeros(3, 60, 80)).tolist() == [[0.0, 20.0, 79.0, 59.0]]


def test_a_box_is_drawn_anew_where_that_makes_the_network_no_less_sure(monkeypatch):
    """Two figures of which the network is sure, the second cut by its new box, and nobody."""
    candidates = torch.tensor([[0.0, 0, 100, 100], [200, 0, 300, 100], [400, 0, 500, 100]])
    spread = torch.linspace(-20, 20, 18)
    joints = torch.stack([spread, spread], 1) + torch.tensor([[[50.0, 50]], [[250, 50]], [[450, 50]]])
    before, after = torch.tensor([0.9, 0.8, 0.1]), torch.tensor([0.9, 0.7])
    looks = iter([(joints, before[:, None].expand(3, 18)), (joints[:2], after[:, None].expand(2, 18))])
    shown = []

    def look(network, pictures, boxes, size):
        shown.append((pictures, boxes[0]))
        return [next(looks)]

    monkeypatch.setattr(people, "look", look)
    (kept,) = people.refine(torch.nn.Identity(), ["picture"], [candidates], 64)
    assert kept.tolist() == [[25.0, 25, 75, 75], [200, 0, 300, 100]]
    assert shown[1][0] == ["picture"] and shown[1][1].tolist() == [[25.0, 25, 75, 75], [225, 25, 275, 75]]


def test_where_nobody_is_no_box_stays(monkeypatch):
    nobody = torch.zeros(1, 18, 2), torch.full((1, 18), 0.1)
    monkeypatch.setattr(people, "look", lambda *arguments: [nobody])
    (kept,) = people.refine(torch.nn.Identity(), ["picture"], [torch.tensor([[0.0, 0, 9, 9]])], 64)
    assert kept.shape == (0, 4)
