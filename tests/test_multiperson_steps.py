"""CrossModal's training steps: each goes down the loss that the paper names, stated here person by person."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from napa_lib.loop import adam, descend
from napa_lib.multiperson import train
from napa_lib.multiperson.composed import compose, load_cutouts
from napa_lib.multiperson.config import CAMERAS, PRESETS
from napa_lib.multiperson.losses import adaptation_loss
from napa_lib.multiperson.networks import Lifter, MapEncoder
from napa_lib.multiperson.scenes import sample_scenes, turn
from napa_lib.multiperson.seen import look, pad
from napa_lib.multiperson.store import load_teacher
from napa_lib.multiperson.targets import HEAT, JOINTS, SHARED, scene_targets
from napa_lib.multiperson.train import StudentConfig
from napa_lib.sampling import load_pretrained

CAMERA = CAMERAS["tiny"]
CONFIG = StudentConfig(batch=6, people=3, clip=1e9, consistency=False)
ROWS = torch.tensor([4, 1, 0, 5, 3, 2])


@pytest.fixture(scope="module")
def seen():
    """Six pictures, the true people in place of the teacher's, the first without one joint and the second alone."""
    pictures = compose(load_cutouts("validation", "drawn"), 6, CAMERA, torch.Generator().manual_seed(0))
    found = look(load_teacher(), pictures, CAMERA, torch.Generator().manual_seed(0))
    assert found.move.mirrored.any() and not found.move.mirrored.all()
    people = pad([k[there][:, SHARED] for k, there in zip(pictures.keypoints, pictures.present, strict=True)])
    people[0, 0, 3] = torch.nan
    return dataclasses.replace(found, people=people)


def parts(rate: float = 0.0):
    """H, G, F, Psi as they begin, and optimizers that leave them there."""
    torch.manual_seed(0)
    model, teacher = load_pretrained("limits").requires_grad_(False), load_teacher().requires_grad_(False)
    student = train.Student(Lifter(PRESETS["tiny"]), MapEncoder(PRESETS["tiny"]), teacher.decoder, model, CAMERA)
    both = [*student.lifter.parameters(), *student.encoder.parameters()]
    adams = {
        name: adam(student.lifter.parameters(), rate, (0.9, 0.999)) for name in ("distl", "ss", "poses", "recon_2")
    }
    adams |= {"recon": adam(both, rate, (0.9, 0.999)), "adapt": adam(student.encoder.parameters(), rate, (0.9, 0.999))}
    return student, adams


def person(student, maps, pixel):
    """One person's pose (17, 3) mm in the room, and its 15 joints in the picture, out of one picture's maps."""
    column, row = ((pixel + 0.5) / 8 - 0.5).round().long().tolist()
    numbers = maps[:, row, column]
    depth = 4000 + 1500 * numbers[38]
    root = torch.cat([(pixel - 55.5) * depth / 150, depth[None]])
    angles = torch.atan2(numbers[32:35], numbers[35:38])
    pose = turn(student.model.decode(numbers[None, :32]), angles[None])[0] + root
    return pose, 150 * pose[list(SHARED), :2] / depth + 55.5


def moved(seen, row, points, sides=False):
    """T_s of one picture's points (..., 2): the matrix leads from new pixels to old ones."""
    matrix = seen.move.matrices[row]
    new = (points - matrix[:, 2]) @ torch.linalg.inv(matrix[:, :2]).T
    if not sides or not seen.move.mirrored[row]:
        return new
    exchanged = new.clone()
    for left, right in JOINTS.flip_pairs:
        exchanged[left], exchanged[right] = new[right], new[left]
    return exchanged


def inside(pixel):
    return bool(((pixel > -0.5) & (pixel < 111.5)).all())  # neither out of the picture nor NaN


def mean(differences):
    values = torch.cat([d.flatten() for d in differences])
    return values[~values.isnan()].abs().mean()


def assert_same_gradient(network, expected):
    for (name, one), two in zip(network.named_parameters(), expected.parameters(), strict=True):
        scale = float(two.grad.abs().max())
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-3, atol=1e-6 + 1e-3 * scale, msg=name)


# On pictures ---------------------------------------------------------------------------------------------------------


def distances_to_teacher(student, seen):
    """k_p - k_q of everybody; every second picture is the moved one, with everything that belongs to it."""
    for place, row in enumerate(ROWS.tolist()):
        still = place % 2 == 0
        maps = student.lifter((seen.latent if still else seen.moved)[row : row + 1].float())[0]
        for known in seen.people[row]:
            pixel = known[JOINTS.root] if still else moved(seen, row, known[JOINTS.root])
            if inside(pixel):
                yield person(student, maps, pixel)[1] - (known if still else moved(seen, row, known, sides=True))


def test_pictures_draw_h_to_the_teachers_joints(seen):
    student, adams = parts()
    twin = copy.deepcopy(student)
    expected = mean(distances_to_teacher(twin, seen))
    expected.backward()
    losses = train.picture_step(
        student, adams, CONFIG, seen, seen.roots(False)[ROWS], seen.keypoints(False)[ROWS], ROWS
    )
    assert float(losses["distl"].detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    assert_same_gradient(student.lifter, twin.lifter)


def test_with_3d_labels_pictures_draw_h_to_the_true_poses_where_they_are_not_moved(seen):
    student, adams = parts()
    twin = copy.deepcopy(student)
    differences = []
    for row in ROWS[::2].tolist():
        maps = twin.lifter(seen.latent[row : row + 1].float())[0]
        for pixel, true in zip(seen.truth.keypoints[row, :, 0], seen.truth.poses[row], strict=True):
            if inside(pixel):
                differences.append((person(twin, maps, pixel)[0] - true) / 1000)
    expected = mean(differences)
    expected.backward()
    config = dataclasses.replace(CONFIG, supervision="3d")
    losses = train.picture_step(student, adams, config, seen, seen.roots(True)[ROWS], seen.keypoints(True)[ROWS], ROWS)
    assert float(losses["poses"].detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    assert_same_gradient(student.lifter, twin.lifter)


def test_moved_pictures_draw_h_to_moved_answers(seen):
    student, adams = parts()
    twin = copy.deepcopy(student)
    differences = []
    for row in ROWS.tolist():
        still = twin.lifter(seen.latent[row : row + 1].float())[0]
        after = twin.lifter(seen.moved[row : row + 1].float())[0]
        for pixel in seen.people[row, :, JOINTS.root]:
            other = moved(seen, row, pixel)
            if inside(other):
                answer = moved(seen, row, person(twin, still, pixel)[1], sides=True)
                differences.append(answer - person(twin, after, other)[1])
    expected = mean(differences)
    expected.backward()
    losses = train.consistency_step(student, adams, CONFIG, seen, seen.roots(False), ROWS)
    assert float(losses["ss"].detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    assert_same_gradient(student.lifter, twin.lifter)


# On scenes -----------------------------------------------------------------------------------------------------------


def drawn_scene(student):
    """The scene that a step draws with the seed 5, its maps and poses."""
    scene = sample_scenes(CONFIG.batch, student.model, torch.Generator().manual_seed(5), CONFIG.people, CAMERA)
    return scene, *scene_targets(scene, student.model, CAMERA)


def reconstruction(student, latent):
    """The mean difference in metres of everybody in a scene from what is read at its pelvis."""
    scene, _, poses = drawn_scene(student)
    differences = []
    for maps, roots, true, present in zip(student.lifter(latent), scene.roots, poses, scene.present, strict=True):
        for root, pose, there in zip(roots, true, present, strict=True):
            if there:
                differences.append((person(student, maps, 150 * root[:2] / root[2] + 55.5)[0] - pose) / 1000)
    return mean(differences)


def test_in_phase_1_scenes_draw_g_and_h_to_the_poses():
    student, adams = parts()
    twin = copy.deepcopy(student)
    expected = reconstruction(twin, twin.encoder(drawn_scene(twin)[1]))
    expected.backward()
    config = dataclasses.replace(CONFIG, adapt=False)
    losses = train.scene_step(student, adams, config, True, torch.Generator().manual_seed(5))
    assert set(losses) == {"recon"} and float(losses["recon"].detach()) == pytest.approx(
        float(expected.detach()), rel=1e-4
    )
    assert_same_gradient(student.lifter, twin.lifter)
    assert_same_gradient(student.encoder, twin.encoder)


def test_in_phase_2_scenes_draw_h_alone():
    student, adams = parts()
    twin = copy.deepcopy(student)
    reconstruction(twin, twin.encoder(drawn_scene(twin)[1]).detach()).backward()
    losses = train.scene_step(student, adams, CONFIG, False, torch.Generator().manual_seed(5))
    assert set(losses) == {"recon"} and all(p.grad is None for p in student.encoder.parameters())
    assert_same_gradient(student.lifter, twin.lifter)


def test_in_phase_1_scenes_draw_g_to_what_f_knows():
    student, adams = parts()
    twin = copy.deepcopy(student)
    _, maps, _ = drawn_scene(twin)
    expected = ((twin.decoder(twin.encoder(maps)) - maps) ** 2).sum() / (CONFIG.batch * 28 * 28)
    expected.backward()
    losses = train.scene_step(student, adams, CONFIG, True, torch.Generator().manual_seed(5))
    assert float(losses["adapt"].detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    assert float(losses["empty"]) == pytest.approx(float((maps**2).sum() / (CONFIG.batch * 28 * 28)), rel=1e-4)
    assert_same_gradient(student.encoder, twin.encoder)
    assert all(p.grad is None for p in student.decoder.parameters())


def test_l_recon_moves_g_in_phase_1_and_has_a_new_adam_in_phase_2():
    student, adams = parts(1e-3)
    config, before = dataclasses.replace(CONFIG, adapt=False), copy.deepcopy(student.encoder)
    train.scene_step(student, adams, config, False, torch.Generator().manual_seed(5))
    assert adams["recon_2"].state and not adams["recon"].state
    train.scene_step(student, adams, config, True, torch.Generator().manual_seed(5))
    moved_weights = [
        not torch.equal(*pair) for pair in zip(student.encoder.parameters(), before.parameters(), strict=True)
    ]
    assert any(moved_weights)


def test_f_sees_joints_in_what_g_makes():
    """The maps are nearly all zero: an error that is least where nothing is said leaves F's heat at 0."""
    student, adams = parts(2e-3)
    scene = sample_scenes(2, student.model, torch.Generator().manual_seed(1), 2, CAMERA)
    maps, _ = scene_targets(scene, student.model, CAMERA)
    for _ in range(25):
        found = student.decoder(student.encoder(maps))
        loss = adaptation_loss(found, maps)
        descend(loss, adams["adapt"], 1.0, {"adapt": loss})
    assert float(found[:, HEAT][maps[:, HEAT] > 0.8].mean().detach()) > 0.1
    assert float(loss.detach()) < 0.95 * float(adaptation_loss(torch.zeros_like(maps), maps))
