"""How boxes become figures: from tiles of a picture to each figure once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from napa_lib.evaluate.finding import figure_boxes
from napa_lib.networks.movenet import SIZE
from napa_lib.pose import PoseResult, open_picture, people
from napa_lib.pose.people import MOST, find_people, intersection_over_union, suppress
from napa_lib.skeletons import NAPA18


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
