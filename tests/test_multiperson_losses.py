"""CrossModal's losses, and its moves of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napa_lib.multiperson import losses, moves
from napa_lib.multiperson.config import CAMERAS
from napa_lib.multiperson.representation import encode_scene
from napa_lib.multiperson.scenes import Scene, sample_scenes
from napa_lib.multiperson.targets import JOINTS, SHARED
from napa_lib.multiperson.teacher import maps_loss
from napa_lib.sampling import load_pretrained

CAMERA = CAMERAS["tiny"]


@pytest.fixture(scope="module")
def model():
    return load_pretrained("limits").double().requires_grad_(False)


def scene_of(model, n=3, seed=0):
    drawn = sample_scenes(n, load_pretrained("limits"), torch.Generator().manual_seed(seed), camera=CAMERA)
    return Scene(drawn.embeddings.double(), drawn.angles.double(), drawn.roots.double(), drawn.present)


# Losses --------------------------------------------------------------------------------------------------------------


def test_distillation_is_the_mean_distance_of_projected_joints(model, rng):
    scene = scene_of(model)
    poses, count, total = scene.poses(model).numpy(), 0, 0.0
    teacher = torch.tensor(rng.uniform(0, 112, (3, 4, 15, 2)))
    teacher[0, 0, 3] = torch.nan
    for b in range(3):
        for p in range(4):
            for j, joint in enumerate(SHARED):
                if not scene.present[b, p] or teacher[b, p, j].isnan().any():
                    continue
                flat = 150 * poses[b, p, joint, :2] / scene.roots[b, p, 2].item() + 55.5
                total += np.abs(flat - teacher[b, p, j].numpy()).sum()
                count += 2
    assert float(losses.distillation_loss(scene, teacher, model, CAMERA)) == pytest.approx(total / count, rel=1e-9)
    own = losses.project_people(scene, model, CAMERA)
    assert losses.distillation_loss(scene, own, model, CAMERA) == 0
    assert losses.distillation_loss(scene, torch.full_like(own, torch.nan), model, CAMERA) == 0


def test_reconstruction_is_in_metres_in_the_room(model):
    scene = scene_of(model)
    poses = scene.poses(model)
    assert losses.reconstruction_loss(scene, poses, model) == 0
    away = poses + torch.tensor([0.0, 0.0, 300.0])
    assert float(losses.reconstruction_loss(scene, away, model)) == pytest.approx(0.1)  # a third of 0.3 m


def test_the_losses_have_exact_gradients_through_the_decoding(model):
    """From the 39 maps to a loss, over Psi, FK, rotation, translation and projection: gradcheck."""
    scene = scene_of(model, 1, seed=3)
    maps = encode_scene(scene, CAMERA).maps
    roots = CAMERA.project(scene.roots).masked_fill(~scene.present[..., None], torch.nan)
    cell = ((roots[0, 0] + 0.5) * 14 / 112 - 0.5).round().long()
    generator = torch.Generator().manual_seed(0)
    other = losses.project_people(scene, model, CAMERA) + 3 * torch.randn(1, 4, 15, 2, generator=generator).double()
    poses = scene.poses(model) + 30 * torch.randn(1, 4, 17, 3, generator=generator).double()

    def of(values):
        filled = maps.clone()
        filled[0, :, cell[1], cell[0]] = values
        read = losses.read_people(filled, roots, CAMERA)
        distl = losses.distillation_loss(read, other, model, CAMERA)
        return torch.stack([distl, losses.reconstruction_loss(read, poses, model)])

    values = (0.9 * maps[0, :, cell[1], cell[0]]).requires_grad_()
    assert torch.autograd.gradcheck(of, (values,), eps=1e-7, atol=1e-4)
    assert of(values)[0] > 0


def test_adaptation_and_maps_losses_by_hand():
    found, maps = torch.zeros(2, 43, 28, 28), torch.zeros(2, 43, 28, 28)
    maps[0, 3, 5, 6] = 4.3
    assert float(losses.adaptation_loss(found, maps)) == pytest.approx(4.3**2 / (2 * 28 * 28))
    assert float(maps_loss((found, maps), maps)) == pytest.approx(4.3**2 / (2 * 28 * 28))  # the one error, twice
    with pytest.raises(ValueError, match="one shape"):
        losses.adaptation_loss(found[:1], maps)


def test_consistency_vanishes_for_an_answer_that_moves_with_the_picture(model):
    """In-place rotation by hand: a person rolled by the camera's roll has the moved joints."""
    scene = scene_of(model, 4, seed=5)
    flat = losses.project_people(scene, model, CAMERA)
    move = moves.draw_moves(4, 112, torch.Generator().manual_seed(2))
    moved = move.poses(flat)
    assert losses.consistency_loss(moved, moved) == 0
    shifted = moved + 1.5
    assert float(losses.consistency_loss(moved, shifted)) == pytest.approx(1.5)
    nobody = torch.full_like(moved, torch.nan)
    assert losses.consistency_loss(moved, nobody) == 0


# Moves ---------------------------------------------------------------------------------------------------------------


def test_a_picture_and_its_points_move_together():
    generator = torch.Generator().manual_seed(1)
    move = moves.draw_moves(64, 112, generator)
    assert set(move.mirrored.tolist()) == {True, False}
    places = torch.randint(35, 77, (64, 1, 2), generator=generator).float()
    images = torch.zeros(64, 3, 112, 112)
    for image, (place,) in zip(images, places, strict=True):
        x, y = place.long().tolist()
        image[:, y - 1 : y + 2, x - 1 : x + 2] = 1.0
    moved, points = move.pictures(images), move.points(places)[:, 0]
    mass = moved[:, 0].double()
    grid = torch.arange(112).double()
    total = mass.sum((1, 2))
    centre = torch.stack([(mass.sum(1) * grid).sum(1) / total, (mass.sum(2) * grid).sum(1) / total], 1)
    assert (total > 7).all() and (centre - points).norm(dim=1).max() < 0.15


def test_moves_cut_a_fifth_at_most_and_turn_by_fifteen_degrees():
    linear = moves.draw_moves(500, 112, torch.Generator().manual_seed(0)).matrices[:, :, :2].double()
    side = torch.linalg.det(linear).abs().sqrt()
    angle = torch.rad2deg(torch.atan2(linear[:, 0, 1], linear[:, 1, 1])).abs()
    assert 0.8 <= side.min() < 0.82 and 0.98 < side.max() <= 1
    assert 14 < angle.max() <= 15


def test_moves_of_some_pictures_are_those():
    move = moves.draw_moves(5, 112, torch.Generator().manual_seed(1))
    some = move.rows(torch.tensor([3, 1])).to(torch.device("cpu"))
    assert torch.equal(some.matrices, move.matrices[[3, 1]]) and torch.equal(some.mirrored, move.mirrored[[3, 1]])


def test_a_mirrored_pose_has_its_sides_exchanged():
    move = moves.Move(torch.tensor([[[-1.0, 0, 111], [0, 1, 0]]]), torch.tensor([True]), 112)
    pose = torch.rand(1, 1, 15, 2) * 100
    moved = move.poses(pose)
    left, right = JOINTS.index("l_wrist"), JOINTS.index("r_wrist")
    torch.testing.assert_close(moved[0, 0, right], torch.stack([111 - pose[0, 0, left, 0], pose[0, 0, left, 1]]))
    assert move.points(torch.tensor([[[-20.0, 5.0]]])).isnan().all()  # left the picture
