"""MoveNet answers as the original does; its middles become boxes; and the ensemble multiplies what its networks say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from napa_lib.data import load_paintings
from napa_lib.data.paintings import list_paintings
from napa_lib.engine import CheckpointError, save_tensors
from napa_lib.networks.movenet import MoveNet, PeopleDetector, load_movenet, save_movenet
from napa_lib.networks.pose_ensemble import (
    EVEN,
    FLOOR,
    KNOWN,
    MOST,
    SECOND_WEIGHT,
    STEEPNESS,
    STRENGTH,
    SWAPPED,
    THEIRS,
    THIRD_WEIGHT,
    PoseEnsemble,
    drawn_rather,
    load_pose_ensemble,
    save_calibration,
)
from napa_lib.networks.pose_net import MIRRORED, PosePrediction
from napa_lib.networks.pose_tree import PoseTree
from napa_lib.skeletons import COCO17, NAPA18

REFERENCE = Path(__file__).parent / "movenet_reference.npz"


@pytest.fixture(scope="module")
def movenet() -> MoveNet:
    return load_movenet()


def test_it_answers_as_the_original_program(movenet):
    """`tools/reference_movenet.mjs` ran that on ten paintings; every second cell is kept, in 16 bits.

    In 16 bits throughout, the largest difference of a logit is 0.007, of a range of 17, and that of a box's middle
    0.003 px.
    """
    reference = torch.tensor(np.load(REFERENCE)["answers"]).float()
    names = [painting.name for painting in list_paintings()][:10]
    pictures = torch.stack([(p * 255).round() / 255 for p in load_paintings(128, names)])
    with torch.no_grad():
        people = movenet(pictures)
    for found, expected in (
        (people.centres[:, ::2, ::2], reference[:, 0]),
        (people.heatmaps[:, :, ::2, ::2], reference[:, 1:18]),
    ):
        difference = (found - expected).abs()
        assert difference.mean() < 0.07 and difference.max() < 0.6
    low, high = people.boxes[:, ::2, ::2].chunk(2, -1)
    cells = torch.arange(0, 32, 2)
    for axis, place in ((0, cells[None, None, :]), (1, cells[None, :, None])):  # x, then y; the original has y first
        size, shift = reference[:, 19 - axis].clamp_min(0), reference[:, 21 - axis]
        np.testing.assert_allclose(((low + high) / 2)[..., axis], 4 * (place + shift), atol=0.4)
        assert ((high - low)[..., axis] - 4 * size).abs().mean() < 0.7


def test_pictures_have_sides_of_whole_cells():
    for shape in ((1, 3, 64, 60), (3, 64, 64), (1, 1, 64, 64), (1, 3, 0, 64)):
        with pytest.raises(ValueError, match="images must be"):
            MoveNet()(torch.zeros(shape))


def test_every_layer_takes_part():
    torch.manual_seed(0)
    network = MoveNet()
    people = network(torch.rand(1, 3, 64, 64))
    (people.centres.sum() + people.boxes.sum() + people.heatmaps.sum()).backward()
    silent = {name for name, p in network.named_parameters() if p.grad is None}
    assert not silent


def test_only_the_highest_middle_of_its_neighbours_is_a_person(movenet):
    detector = PeopleDetector(movenet)
    picture = torch.stack(load_paintings(256, [list_paintings()[0].name]))
    with torch.no_grad():
        people, (scores, boxes) = movenet(picture), detector(picture)
    kept = scores[0].isfinite().nonzero()[:, 0]
    assert 0 < len(kept) < 64 * 64 / 9
    grid = people.centres[0]
    for index in kept.tolist():
        y, x = divmod(index, 64)
        around = grid[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        assert grid[y, x] == around.max() == scores[0, index]
    low, high = people.boxes[0].flatten(0, 1)[kept].chunk(2, 1)
    np.testing.assert_allclose(boxes[0, kept], torch.cat([(low + high) / 2, high - low], 1), atol=1e-4)


def test_saved_and_loaded(tmp_path, movenet):
    torch.manual_seed(0)
    network, pictures = MoveNet(), torch.rand(4, 3, 64, 64)
    save_movenet(tmp_path / "m.safetensors", network, pictures)
    again = load_movenet(tmp_path / "m.safetensors").state_dict()
    for name, weights in network.state_dict().items():
        if weights.ndim > 1 and name.startswith("to_32."):
            step = weights.abs().amax((1, 2, 3), keepdim=True) / 126
        elif weights.ndim > 1:
            step = weights.abs() * 2.0**-11 + 2.0**-25  # what 16 bits round by
        else:
            continue
        assert ((again[name] - weights).abs() <= step + 1e-7).all(), name
    save_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(1)}, {"format": "something"})
    for load in (load_movenet, load_pose_ensemble):
        with pytest.raises(CheckpointError, match="its format is 'something'"):
            load(tmp_path / "other.safetensors")


def test_the_joints_that_movenet_knows():
    names = [NAPA18.joints[j] for j in KNOWN]
    assert names == [COCO17.joints[j] for j in THEIRS] and len(names) == 13
    assert [KNOWN[i] for i in SWAPPED] == [int(MIRRORED[j]) for j in KNOWN]


class One(torch.nn.Module):
    """A pose network that says the same of a crop and of its mirror image; `floor`: the logits but at peaks."""

    def __init__(self, cells: int, *peaks: tuple[int, int], floor: float = -20.0) -> None:
        super().__init__()
        self.maps = torch.full((1, 18, cells, cells), floor)
        for row, column in peaks:
            self.maps[:, :, row, column] = 0.0

    def forward(self, images, mirror=False):
        maps = self.maps.flip(-1) if turned(images) else self.maps
        return PosePrediction(torch.zeros(1, 18, 2), torch.full((1, 18), 2.0), maps)


def turned(images: torch.Tensor) -> bool:
    """Whether these are mirror images of `crops`, of which the left is brighter."""
    return bool(images[0, 0, 0, 0] < images[0, 0, 0, -1])


class Three(torch.nn.Module):
    """A MoveNet that sees every joint in the same columns, and in a mirror image in their mirror images."""

    def __init__(self, *columns: int) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, images):
        maps = torch.full((1, 17, 48, 48), -9.0)
        for column in self.columns:
            maps[:, :, :, column] = 3.0

        class Found:
            heatmaps = maps.flip(-1) if turned(images) else maps

        return Found


def crops() -> torch.Tensor:
    return torch.linspace(1, 0, 224).expand(1, 3, 224, 224).clone()


def test_an_ensemble_multiplies_its_opinions():
    """Of four places that the first holds equally likely, the second's opinion leaves two, the third's one of these."""
    first = One(56, (7, 7), (42, 21), (42, 49), (14, 49))
    network = PoseEnsemble(first, One(32, (24, 12), (24, 28), floor=-9.0), Three(42, 6), PoseTree())
    known, others = list(KNOWN), [j for j in range(18) if j not in KNOWN]
    place = np.array([49 * 4 + 1.5, 42 * 4 + 1.5])
    for found in (network(crops(), mirror=True), network(crops())):
        np.testing.assert_allclose(found.keypoints[0, known], np.tile(place, (13, 1)), atol=1.5)
        assert (found.keypoints[0, others, 1] - 42 * 4).abs().max() < 4  # as the second says


def test_strokes_that_movenet_does_not_know_are_left_to_the_network_of_drawn_figures():
    """Two networks that name different places: which of them is followed tells MoveNet, which sees a figure or none."""
    first, second = One(56, (7, 7), floor=-8.0), One(32, (24, 12), floor=-7.0)  # as sure as they are of figures
    for third, (row, column) in ((Three(), (42, 21)), (Three(*range(48)), (7, 7))):
        found = PoseEnsemble(first, second, third, PoseTree())(crops(), mirror=True)
        place = np.array([column * 4 + 1.5, row * 4 + 1.5])
        np.testing.assert_allclose(found.keypoints[0], np.tile(place, (18, 1)), atol=4)


@pytest.mark.parametrize("floor", [-9.0, -4.0])
def test_the_tree_hears_the_networks_the_less_the_more_it_is_a_drawing(floor):
    """At a strength that falls as the weight of the network of drawn figures grows; without mirror it is not asked."""

    class Listening(torch.nn.Module):
        def forward(self, log_p):
            self.heard = log_p
            return log_p + torch.linspace(0, 1, 56)

    tree, first, second = Listening(), One(56, (7, 7)), One(32, (24, 12), (24, 13), (25, 12), (25, 13), floor=floor)
    network = PoseEnsemble(first, second, Three(20, 21), tree)
    found = network(crops(), mirror=True)
    other, looked = network.second_opinion(crops(), 56, True), network.third_opinion(crops(), 56, True)
    q = drawn_rather(other, looked).item()
    assert (q > 1) == (floor == -9.0)
    expected = first.maps + q * SECOND_WEIGHT * other
    expected[:, KNOWN] += THIRD_WEIGHT / max(q, 1) * torch.log((1 - FLOOR) / (1 + torch.exp(-looked)) + FLOOR)
    torch.testing.assert_close(tree.heard, STRENGTH / max(q, 1) * expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found.heatmaps, tree.heard + torch.linspace(0, 1, 56))
    del tree.heard
    network(crops())
    assert not hasattr(tree, "heard")


@pytest.mark.parametrize("seen", [-4.0, -1.5, 3.0])
def test_how_much_rather_a_drawing_follows_its_formula(seen):
    generator = np.random.default_rng(0)
    second = generator.normal(0, 0.4, (2, 18, 6, 6))  # a largest chance near EVEN
    second -= np.log(np.exp(second).sum((2, 3), keepdims=True))
    third = generator.normal(seen, 1, (2, 13, 6, 6))
    sure, there = np.exp(second).max((2, 3)).mean(1), (1 / (1 + np.exp(-third))).max((2, 3)).mean(1)
    expected = np.minimum((sure / EVEN) ** STEEPNESS / there, MOST)
    assert (expected < MOST).any()
    np.testing.assert_allclose(drawn_rather(torch.tensor(second), torch.tensor(third)), expected, rtol=1e-9)


def test_the_confidence_weighs_what_movenet_sees_where_the_joint_is():
    network = PoseEnsemble(One(56, (7, 7)), One(32, (4, 4)), Three(4, 5, 6, 7, 8), PoseTree())
    network.calibration.copy_(torch.tensor([[0.5, 2.0, 0.0, -1.0], [0.0, 0.0, 0.0, -90.0]]))
    found = network(crops(), mirror=True)
    np.testing.assert_allclose(found.confidence, 0.5 * 2.0 + 2.0 * 3.0 - 1.0, atol=0.2)  # 3.0 in the joint's column
    nowhere = PoseEnsemble(One(56, (7, 7)), One(32, (4, 4)), Three(), PoseTree())
    nowhere.calibration.copy_(network.calibration)
    np.testing.assert_allclose(nowhere(crops(), mirror=True).confidence, 1.0 - 18.0 - 1.0, atol=0.2)


def test_a_drawing_that_nobody_photographed_is_somebody_where_the_second_is_sure():
    """The higher of two judgements counts; the second's sureness is that of its maps as they are weighed."""
    network = PoseEnsemble(One(56, (7, 7)), One(32, (4, 4)), Three(), PoseTree())
    network.calibration.copy_(torch.tensor([[0.5, 2.0, 0.0, -1.0], [0.0, 0.0, 2.0, 9.0]]))
    sure = network.second_opinion(crops(), 56, True).exp().flatten(2).amax(-1).mean(1)
    assert 0 < sure.item() < 0.9
    for mirror in (True, False):
        np.testing.assert_allclose(network(crops(), mirror).confidence, 2 * np.log(sure.item()) + 9, atol=1e-4)


def test_the_second_looks_at_the_mirror_image_too():
    """Of a network whose maps are multiples of the picture, the mean of both looks is a joint's and its twin's mean."""

    class Multiples(torch.nn.Module):
        def __init__(self, factors):
            super().__init__()
            self.factors = factors

        def forward(self, images):
            maps = self.factors[:, None, None] * avg_pool2d(images[:, :1], 4)
            return PosePrediction(torch.zeros(1, 18, 2), torch.zeros(1, 18), maps)

    factors = torch.linspace(1, 9, 18)
    one, both = (
        PoseEnsemble(One(56), Multiples(f), Three(), PoseTree()) for f in (factors, (factors + factors[MIRRORED]) / 2)
    )
    expected = both.second_opinion(crops(), 56, False)
    torch.testing.assert_close(one.second_opinion(crops(), 56, True), expected)
    assert not torch.allclose(one.second_opinion(crops(), 56, False), expected)


def test_a_calibration_is_saved_and_loaded(tmp_path):
    network = PoseEnsemble(One(4), One(4), Three(), PoseTree())
    calibration = [[0.5, 2.0, 0.0, -1.0], [0.0, 0.0, 3.0, 1.0]]
    network.calibration.copy_(torch.tensor(calibration))
    save_calibration(tmp_path / "c.safetensors", network)
    assert load_pose_ensemble(tmp_path / "c.safetensors").calibration.tolist() == calibration
