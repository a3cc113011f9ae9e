"""Scenes of several people, their representation as maps, and their scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napa_lib import multiperson
from napa_lib.multiperson import Camera, Representation, Scene
from napa_lib.sampling import SKELETON, PoseAutoencoder

SEEDS = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return PoseAutoencoder().double().eval()


def scenes(model, n=6, seed=0, **options):
    drawn = multiperson.sample_scenes(n, PoseAutoencoder(), torch.Generator().manual_seed(seed), **options)
    return Scene(drawn.embeddings.double(), drawn.angles.double(), drawn.roots.double(), drawn.present)


def test_scenes_hold_from_one_to_four_people_in_the_room_and_in_the_picture(model):
    scene, camera = scenes(model, 400), Camera()
    counts = scene.present.sum(1)
    assert set(counts.tolist()) == {1, 2, 3, 4}
    assert ((scene.roots[..., 2] >= camera.nearest) & (scene.roots[..., 2] <= camera.farthest)).all()
    pixels = camera.project(scene.roots)
    assert ((pixels > 0) & (pixels < camera.size - 1)).all()
    cell = ((pixels + 0.5) // 16).long()
    numbers = (cell[..., 1] * 14 + cell[..., 0]).sort(1).values
    assert (numbers[:, 1:] != numbers[:, :-1]).all()  # no two in one cell
    assert scene.poses(model)[~scene.present].isnan().all()
    lean, turn = scene.angles[..., :2].abs().max(), scene.angles[..., 2].abs().max()  # upright, whichever way they face
    assert 0.25 < lean < np.radians(15) and 3.1 < turn < np.pi


def test_scenes_are_the_same_for_the_same_seed(model):
    single = PoseAutoencoder()
    a, b, other = (multiperson.sample_scenes(5, single, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(a.roots, b.roots) and torch.equal(a.embeddings, b.embeddings)
    assert not torch.equal(other.roots, a.roots)
    assert len(scenes(model, 0)) == 0


def test_bad_scenes_are_refused(model):
    for options in ({"n": -1}, {"people": 0}, {"people": 145}):
        with pytest.raises(ValueError, match="must be"):
            scenes(model, **options)
    with pytest.raises(ValueError, match="farthest beyond nearest"):
        Camera(nearest=8000, farthest=2500)


def test_who_stands_straight_faces_the_camera(model):
    canonical = torch.zeros(17, 3).double()
    canonical[SKELETON.index("nose")] = torch.tensor([100.0, 0, 600])  # ahead and up
    canonical[SKELETON.index("l_hip")] = torch.tensor([0.0, 85, 0])
    seen = multiperson.turn(canonical, torch.zeros(3).double())
    np.testing.assert_allclose(seen[SKELETON.index("nose")], [0, -600, -100])  # up is -y, ahead towards us
    np.testing.assert_allclose(seen[SKELETON.index("l_hip")], [85, 0, 0])  # the left hip at our right
    angles = torch.tensor([0.1, -0.2, 2.0]).double()
    turned = Rotation.from_euler("xyz", angles).apply(canonical)
    np.testing.assert_allclose(multiperson.turn(canonical, angles), turned @ [[0, 0, -1], [1, 0, 0], [0, -1, 0]])


def test_projection_by_hand_and_weakly():
    camera = Camera(size=101, focal=100.0)
    points = torch.tensor([[[100.0, -50, 1000], [0, 0, -5]]])
    assert camera.project(points)[0, 0].tolist() == [60.0, 45.0] and camera.project(points)[0, 1].isnan().all()
    weak = camera.project_weakly(points, torch.tensor([[0.0, 0, 2000]]))
    assert weak[0, 0].tolist() == [55.0, 47.5]
    back = camera.unproject(camera.project(points)[:, :1], points[:, :1, 2])
    torch.testing.assert_close(back, points[:, :1])


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_scenes_to_maps_and_back(seed):
    torch.manual_seed(0)
    model = PoseAutoencoder().double()
    scene, camera = scenes(model, 4, seed), Camera()
    maps = multiperson.encode_scene(scene)
    assert maps.maps.shape == (4, 39, 14, 14) and maps.heat.shape == (4, 1, 14, 14)
    back = multiperson.decode_scene(maps, roots=camera.project(scene.roots), present=scene.present)
    found, expected = back.poses(model), scene.poses(model)
    assert (found - expected)[scene.present].abs().max() < 1e-6 and found[~scene.present].isnan().all()


def test_people_are_found_in_the_heat_where_they_stand_apart(model):
    cells = torch.tensor([[[2.3, 3.4], [9.8, 4.1], [6.2, 10.7]]]).double()
    camera = Camera()
    depth = torch.tensor([[3000.0, 4000, 5000]]).double()
    roots = camera.unproject((cells + 0.5) * camera.size / 14 - 0.5, depth)
    scene = Scene(torch.rand(1, 3, 32).double(), torch.rand(1, 3, 3).double(), roots, torch.ones(1, 3).bool())
    back = multiperson.decode_scene(multiperson.encode_scene(scene))
    assert back.present.tolist() == [[True, True, True, False]]
    order = [int((scene.roots[0] - root).norm(dim=-1).argmin()) for root in back.roots[0, :3]]
    assert sorted(order) == [0, 1, 2]
    pixels, expected = camera.project(back.roots[0, :3]), camera.project(scene.roots[0, order])
    assert (pixels - expected).abs().max() < 1e-3 * 16
    torch.testing.assert_close(back.embeddings[0, :3], scene.embeddings[0, order])


def test_equal_neighbours_are_one_peak():
    """In bfloat16 the two highest cells of a bump are often equal; they are one person, between them."""
    heat = torch.zeros(1, 1, 6, 6)
    heat[0, 0, 2, 2:4] = 0.9
    roots, found = multiperson.find_roots(heat)
    assert found.tolist() == [[True, False, False, False]] and roots[0, 0].tolist() == [2.5, 2.0]
    heat[0, 0, 3, 2] = heat[0, 0, 5, 5] = 0.9
    assert int(multiperson.find_roots(heat)[1].sum()) == 2


def test_of_two_people_in_one_cell_the_nearer_is_kept(model):
    roots = torch.tensor([[[60.0, 60, 5000], [40.0, 40, 3000]]]).double()
    scene = Scene(torch.tensor([[[0.2] * 32, [0.7] * 32]]).double(), torch.zeros(1, 2, 3).double(), roots,
                  torch.ones(1, 2).bool())  # fmt: skip
    back = multiperson.decode_scene(multiperson.encode_scene(scene), roots=Camera().project(roots))
    torch.testing.assert_close(back.embeddings, scene.embeddings[:, 1:].expand(1, 2, 32))


def test_people_behind_the_camera_or_out_of_the_picture_are_refused(model):
    scene = scenes(model, 1)
    for root in ([0.0, 0, -3000], [9000.0, 0, 3000]):
        moved = Scene(scene.embeddings, scene.angles, torch.tensor(root).double().expand(1, 4, 3), scene.present)
        with pytest.raises(ValueError, match="before the camera and in the picture"):
            multiperson.encode_scene(moved)
    many = Scene(
        *(part.repeat_interleave(3, 1) for part in (scene.embeddings, scene.angles, scene.roots, scene.present))
    )
    with pytest.raises(ValueError, match="at most 9 people, one a cell, got 12"):
        multiperson.encode_scene(many, cells=3)
    with pytest.raises(ValueError, match="heat and maps must be"):
        Representation(torch.zeros(1, 1, 14, 14), torch.zeros(1, 40, 14, 14))
    with pytest.raises(ValueError, match="people from 1"):
        multiperson.find_roots(torch.zeros(1, 1, 4, 4), 17)


def test_decoding_has_a_gradient(model):
    scene = scenes(model, 2)
    maps = multiperson.encode_scene(scene)
    free = maps.maps.clone().requires_grad_()
    back = multiperson.decode_scene(Representation(maps.heat, free), roots=Camera().project(scene.roots),
                                    present=scene.present)  # fmt: skip
    back.poses(model)[scene.present].square().sum().backward()
    assert free.grad.isfinite().all()
    touched = (free.grad != 0).any(1).sum()
    assert touched == scene.present.sum()  # one cell a person


# Scores ------------------------------------------------------------------------------------------------------------


def test_people_are_matched_closest_first_and_once():
    truth = torch.tensor([0.0, 10.0, 100.0])[:, None, None].expand(3, 4, 2)
    prediction = torch.tensor([9.0, 2.0, 11.0])[:, None, None].expand(3, 4, 2)
    assert sorted(multiperson.match_people(prediction, truth, reach=20)) in ([(0, 1), (1, 0)], [(1, 0), (2, 1)])
    assert (
        multiperson.match_people(prediction[:0], truth, 20) == []
        and multiperson.match_people(truth, truth[:0], 1) == []
    )
    with pytest.raises(ValueError, match="prediction and truth"):
        multiperson.match_people(prediction, truth[:, :3], 20)


def test_3dpck_by_hand():
    truth = torch.zeros(2, 4, 3)
    truth[1] = 3000
    truth[0, 3] = torch.nan
    guess = truth[:1].nan_to_num().clone()
    guess[0, :, 2] += 240  # the whole person 24 cm too far away
    guess[0, 1, 0] += 149  # one joint 14.9 cm off besides
    guess[0, 2, 0] += 151
    stranger = torch.full((1, 4, 3), 9000.0)
    predictions, truths, matches = [torch.cat([guess, stranger])], [truth], [[(0, 0)]]
    relative = multiperson.pck3d_people(predictions, truths, matches, root=0)
    assert (relative.people, relative.matched, relative.false) == (2, 1, 1)
    assert relative.over_matched == pytest.approx(2 / 3) and relative.over_all == pytest.approx(2 / 7)
    np.testing.assert_allclose(relative.per_joint, [1 / 2, 1 / 2, 0, 0])
    absolute = multiperson.pck3d_people(predictions, truths, matches, root=0, absolute=True)
    # 240 mm is within 25 cm; with 149 or 151 mm across it is not
    assert absolute.over_matched == pytest.approx(1 / 3)
    nobody = multiperson.pck3d_people([guess[:0]], truths, [[]], root=0)
    assert nobody.over_all == 0 and np.isnan(nobody.over_matched)
    with pytest.raises(ValueError, match="lists of one length"):
        multiperson.pck3d_people(predictions, truths, [], root=0)


def test_boxes_overlap():
    a = torch.tensor([[0.0, 0], [2, 2], [torch.nan, torch.nan]])
    b = a + torch.tensor([1.0, 0])
    assert float(multiperson.box_iou(a, b)) == pytest.approx(2 / 6) and float(multiperson.box_iou(a, a)) == 1
    assert float(multiperson.box_iou(a, a + 10)) == 0
