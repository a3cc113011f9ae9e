"""CrossModal's composed pictures, the two phases of its training, the measures and the second stage."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from napa_lib.loop import Setup
from napa_lib.multiperson import losses, refine, train
from napa_lib.multiperson.composed import Cutouts, _lay, compose, join, lean_of, load_cutouts, universal_factor
from napa_lib.multiperson.config import CAMERAS, PRESETS
from napa_lib.multiperson.evaluate import Found, read_maps, read_pictures, score_2d, score_3d, with_pose
from napa_lib.multiperson.grouping import group_people
from napa_lib.multiperson.networks import Lifter, MapDecoder, MapEncoder, Teacher
from napa_lib.multiperson.scenes import sample_scenes
from napa_lib.multiperson.seen import look, pad
from napa_lib.multiperson.store import load_teacher
from napa_lib.multiperson.targets import JOINTS, SHARED, scene_targets
from napa_lib.multiperson.teacher import TeacherConfig
from napa_lib.multiperson.train import StudentConfig, train_student
from napa_lib.sampling import BONE_LENGTHS, SKELETON, PoseAutoencoder, load_pretrained

CAMERA = CAMERAS["tiny"]


@pytest.fixture(scope="module")
def model():
    return load_pretrained("limits").double().requires_grad_(False)


@pytest.fixture(scope="module")
def figures():
    return load_cutouts("validation", "drawn")


@pytest.fixture(scope="module")
def pictures(figures):
    return compose(figures, 12, CAMERA, torch.Generator().manual_seed(0))


# Pictures ------------------------------------------------------------------------------------------------------------


def test_composed_pictures_have_labels_that_agree(pictures):
    present = pictures.present
    assert pictures.images.shape == (12, 3, 112, 112) and present.any(1).all() and not present.all()
    roots = pictures.poses[..., 0, :]
    flat = CAMERA.project_weakly(pictures.poses, roots)
    off = (flat - pictures.keypoints).norm(dim=-1)
    assert off[present].mean() < 1.5  # of 112 px: what the camera's perspective is in the figures' own pictures
    assert off[..., 0][present].max() < 1e-3
    lengths = (pictures.poses[..., 1:, :] - pictures.poses[..., list(SKELETON.parents[1:]), :]).norm(dim=-1).sum(-1)
    torch.testing.assert_close(lengths[present], BONE_LENGTHS.sum().expand(int(present.sum())))
    assert ((roots[present][:, 2] >= 2500) & (roots[present][:, 2] <= 5500)).all()
    height = (pictures.keypoints[present][:, 0, 1] + 0.5) / 112
    assert height.min() >= 0.35 and height.max() <= 0.65


def test_about_half_of_the_people_are_mirrored(figures):
    drawn = compose(figures, 60, CAMERA, torch.Generator().manual_seed(1), people=2)
    relative = (drawn.poses - drawn.poses[..., :1, :])[drawn.present]
    as_cut_out = torch.cdist(relative.flatten(1), figures.relative.flatten(1)).min(1).values < 1
    assert 0.35 < as_cut_out.float().mean() < 0.65


def test_a_figure_lies_where_its_label_says(figures):
    """One figure made white on black: the middle of what is white is the middle of its joints' box, roughly."""
    white = dataclasses.replace(figures, images=255 * figures.masks[:, None].expand(-1, 3, -1, -1).to(torch.uint8))
    drawn = compose(white, 20, CAMERA, torch.Generator().manual_seed(3), people=1)
    lit = drawn.images[:, 0] > 128
    points = drawn.keypoints[:, 0].round().long()
    hits = []
    for image, joints in zip(lit, points, strict=True):
        inside = ((joints >= 0) & (joints < 112)).all(1)
        hits.append(image[joints[inside, 1], joints[inside, 0]].float().mean())
    assert torch.stack(hits).mean() > 0.85  # joints lie on the figure
    assert lit.float().mean() < 0.4


def test_only_those_are_drawn_who_have_labels(figures, monkeypatch):
    laid = []
    monkeypatch.setattr("napa_lib.multiperson.composed._lay", lambda *given: laid.append(given[-1].isfinite()))
    drawn = compose(figures, 20, CAMERA, torch.Generator().manual_seed(3))
    assert torch.equal(laid[0], drawn.present) and not drawn.present.all()


def test_the_nearer_hides_the_farther():
    """A white figure as large as the picture and a black one, in both orders of depth."""
    images = torch.stack([torch.full((3, 112, 112), 255), torch.zeros(3, 112, 112)]).to(torch.uint8)
    both = Cutouts(images, torch.ones(2, 112, 112).bool(), torch.zeros(2, 17, 2), torch.zeros(2, 17, 3), torch.ones(2))
    drawn, same = torch.full((2, 3, 112, 112), 0.5), torch.eye(2, 3).expand(2, 2, 2, 3)
    _lay(drawn, both, torch.tensor([[0, 1], [0, 1]]), same, torch.tensor([[3000.0, 4000.0], [4000.0, 3000.0]]))
    assert drawn[0].min() == 1 and drawn[1].max() == 0


def test_who_leans_is_left_out():
    upright = torch.zeros(3, 17, 3)
    upright[:, SKELETON.index("thorax")] = torch.tensor([[0.0, -500, 0], [500, 0, 0], [0, 400, 0]])
    torch.testing.assert_close(lean_of(upright), torch.tensor([0.0, 90, 180]))
    standing = load_cutouts("validation", "drawn", 30.0)
    assert 0 < len(standing) < len(load_cutouts("validation", "drawn"))
    assert lean_of(standing.relative).max() <= 30


def test_universal_scale_and_bad_input(figures):
    pose = figures.relative[:3]
    torch.testing.assert_close(universal_factor(pose), torch.ones(3))
    torch.testing.assert_close(universal_factor(2 * pose), torch.full((3,), 0.5))
    assert len(compose(figures, 0, CAMERA, torch.Generator())) == 0
    for options in ({"count": -1}, {"count": 1, "people": 0}):
        with pytest.raises(ValueError, match="count must be"):
            compose(figures, camera=CAMERA, generator=torch.Generator(), **options)
    with pytest.raises(ValueError, match="look must be"):
        load_cutouts("train", "oil")


# Trainings -----------------------------------------------------------------------------------------------------------


def test_phases_and_bad_configurations():
    config = StudentConfig(pretraining=2, first=4, steps=6)
    assert [config.phase(n) for n in range(6)] == [0, 0, 1, 1, 2, 2]
    assert StudentConfig(consistency=False).phase(399) == 1
    for bad in ({"recon": False}, {"first": 10}, {"supervision": "4d"}, {"preset": "huge"}):
        with pytest.raises(ValueError, match=r"must|need"):
            StudentConfig(**bad)
    with pytest.raises(ValueError, match="positive"):
        TeacherConfig(steps=0)


@pytest.fixture(scope="module")
def seen(pictures):
    torch.manual_seed(0)
    teacher = Teacher(PRESETS["tiny"]).eval()
    found = look(teacher, pictures, CAMERA, torch.Generator().manual_seed(0))
    people = pad([k[there][:, SHARED] for k, there in zip(pictures.keypoints, pictures.present, strict=True)])
    return dataclasses.replace(found, people=people), teacher


def test_what_is_seen_is_what_e_gives(seen, pictures):
    found, teacher = seen
    with torch.no_grad():
        latent = teacher.encoder(pictures.images[3:4].float() / 255)
    torch.testing.assert_close(found.latent[3:4].float(), latent, atol=1e-2, rtol=1e-2)
    many = torch.arange(8.0)[:, None, None].expand(8, 15, 2)  # the strongest stand first
    assert pad([many])[0, :, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert found.roots(False).shape == (12, 6, 2) and found.roots(True).shape == (12, 4, 2)
    assert found.keypoints(True).shape == (12, 4, 15, 2)
    for place in (-1.0, 112.0):  # nobody's cell is in the picture
        away = dataclasses.replace(pictures, keypoints=torch.full_like(pictures.keypoints, place))
        assert dataclasses.replace(found, truth=away).roots(True).isnan().all()


def test_the_moved_pictures_and_the_teachers_people_are_seen_too(pictures):
    known, images = load_teacher(), pictures.images[:4] / 255
    found = look(known, pictures.rows(slice(4)), CAMERA, torch.Generator().manual_seed(0))
    with torch.no_grad():
        moved = known.encoder(found.move.pictures(images))
        people = group_people(known.decoder(known.encoder(images)), CAMERA)
    torch.testing.assert_close(found.moved.float(), moved, atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(found.people, pad(people), equal_nan=True, atol=1e-2, rtol=0)
    assert found.people[:, 0, 0].isfinite().any()


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_each_loss_changes_what_it_should(seen):
    """G learns in phase 1 alone, by L_recon and L_adapt; H in all phases; F and Psi never."""
    found, teacher = seen
    model = load_pretrained("limits")
    before = {"F": weights(teacher.decoder).clone(), "Psi": weights(model).clone()}

    def parts(**options):
        config = StudentConfig(steps=2, batch=4, seed=1, **options)
        student, record = train_student(config, found, teacher.decoder, model, every=1)
        return weights(student.lifter), weights(student.encoder), record

    torch.manual_seed(1)
    start_h, start_g = weights(Lifter(PRESETS["tiny"])), weights(MapEncoder(PRESETS["tiny"]))
    h, g, record = parts(pretraining=2, first=2)
    assert not torch.equal(h, start_h) and torch.equal(g, start_g)
    assert set(record[0]) >= {"distl"} and "recon" not in record[0]
    h, g, record = parts(pretraining=0, first=2)
    assert not torch.equal(g, start_g) and {"distl", "recon", "adapt"} <= set(record[0])
    h, g, record = parts(pretraining=0, first=2, adapt=False, consistency=False)
    assert not torch.equal(g, start_g) and "adapt" not in record[0]  # the row "recon": by L_recon alone
    h, g, record = parts(pretraining=0, first=0)
    assert torch.equal(g, start_g) and not torch.equal(h, start_h) and {"ss", "recon"} <= set(record[0])
    assert "adapt" not in record[0]
    h, g, record = parts(pretraining=0, first=2, adapt=False, consistency=False, recon=False, supervision="3d")
    assert torch.equal(g, start_g) and {"distl", "poses"} <= set(record[0])
    assert torch.equal(weights(teacher.decoder), before["F"]) and torch.equal(weights(model), before["Psi"])


def test_every_step_of_h_is_in_half_precision_if_asked_for(seen, monkeypatch):
    found, teacher = seen
    forward, half = Lifter.forward, []

    def note(self, latent):
        half.append(torch.is_autocast_enabled("cpu"))
        return forward(self, latent)

    monkeypatch.setattr(Lifter, "forward", note)
    config = StudentConfig(supervision="3d", pretraining=1, first=2, steps=3, batch=2)
    train_student(config, found, teacher.decoder, load_pretrained("limits"), 3, Setup(half=True))
    assert half == [True] * 8  # L_2D and L_3D; again, and L_recon; L_ss of both pictures, and L_recon


def test_training_without_labels_never_looks_at_them(seen):
    found, teacher = seen
    truth = dataclasses.replace(found.truth, keypoints=torch.full_like(found.truth.keypoints, torch.nan),
                                poses=torch.full_like(found.truth.poses, torch.nan))  # fmt: skip
    blind = dataclasses.replace(found, truth=truth)
    config = StudentConfig(pretraining=1, first=2, steps=3, batch=4)
    one, other = (
        train_student(config, s, teacher.decoder, load_pretrained("limits"), 3)[0].lifter for s in (found, blind)
    )
    assert torch.equal(weights(one), weights(other))


@pytest.mark.parametrize("supervision", ["2d", "3d"])
def test_training_with_labels_never_looks_at_the_teachers_people(seen, supervision):
    found, teacher = seen
    alone = dataclasses.replace(found, people=torch.full_like(found.people, torch.nan))
    config = StudentConfig(supervision=supervision, consistency=False, pretraining=1, first=1, steps=1, batch=4)
    one, other = (
        train_student(config, s, teacher.decoder, load_pretrained("limits"), 1)[0].lifter for s in (found, alone)
    )
    assert torch.equal(weights(one), weights(other))


def test_an_interrupted_training_goes_on(seen, tmp_path):
    found, teacher = seen
    model = load_pretrained("limits")

    def run(steps, file):
        config = StudentConfig(pretraining=1, first=2, steps=4, batch=2)
        setup = Setup(checkpoint=file)
        if steps < 4:
            calls = []

            def stop(entry):
                calls.append(entry)
                if len(calls) == steps:
                    raise KeyboardInterrupt

            setup = Setup(checkpoint=file, tell=stop)
            with pytest.raises(KeyboardInterrupt):
                train_student(config, found, teacher.decoder, model, 1, setup)
            return None
        return weights(train_student(config, found, teacher.decoder, model, 1, setup)[0].lifter)

    whole = run(4, tmp_path / "a.safetensors")
    run(3, tmp_path / "b.safetensors")
    torch.testing.assert_close(run(4, tmp_path / "b.safetensors"), whole, rtol=0, atol=0)


def test_pictures_in_which_nobody_is_seen_are_refused(seen):
    found, teacher = seen
    nobody = dataclasses.replace(found, people=torch.full_like(found.people, torch.nan))
    with pytest.raises(ValueError, match="nobody was found in any"):
        train_student(StudentConfig(), nobody, teacher.decoder, load_pretrained("limits"))


def test_h_learns_to_undo_the_maps_of_one_scene():
    """G and H, given one batch of artificial scenes, must be able to say where and how its people stand."""
    torch.manual_seed(0)
    model, tiny = load_pretrained("limits").requires_grad_(False), PRESETS["tiny"]
    scene = sample_scenes(2, model, torch.Generator().manual_seed(4), 2, CAMERA)
    maps, poses = scene_targets(scene, model, CAMERA)
    roots = CAMERA.project(scene.roots).masked_fill(~scene.present[..., None], torch.nan)
    student = train.Student(Lifter(tiny), MapEncoder(tiny), MapDecoder(tiny), model, CAMERA)
    both = [*student.lifter.parameters(), *student.encoder.parameters()]
    adam, values = torch.optim.Adam(both, 2e-3), []
    for _ in range(60):
        read = train.read_latent(student, student.encoder(maps), roots, Setup())
        loss = losses.reconstruction_loss(read, poses, model)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(both, 1.0)
        adam.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.25 * values[0]


# Measures ------------------------------------------------------------------------------------------------------------


def found_in(pictures, change=0.0):
    return [
        Found(p[there] + change, k[there][:, SHARED])
        for p, k, there in zip(pictures.poses, pictures.keypoints, pictures.present, strict=True)
    ]


def test_the_truth_scores_full_marks_and_a_shift_costs_absolute_ones(pictures):
    score = score_3d(found_in(pictures), pictures, CAMERA)
    assert score["pck"] == score["pck_absolute"] == 100 and score["mpjpe"] == 0 and score["pmpjpe"] < 1e-2
    assert score["false"] == 0 and score["matched"] == score["people"]
    far = score_3d(found_in(pictures, torch.tensor([0.0, 0, 260])), pictures, CAMERA)
    assert far["pck"] == 100 and far["pck_absolute"] == 0 and far["mpjpe"] < 1e-3  # the pelvises are laid together
    flat = score_2d([f.keypoints for f in found_in(pictures)], pictures, CAMERA)
    full = {"pck": 100.0, "pck_all": 100.0, "pck_15": 100.0, "pck_10": 100.0}
    assert flat == {"iou": pytest.approx(100), "mpjpe": 0.0, **full}


def test_who_is_not_found_counts_as_wrong(pictures):
    found = found_in(pictures)
    first = [Found(f.poses[:1], f.keypoints[:1]) for f in found]
    score, people = score_3d(first, pictures, CAMERA), int(pictures.present.sum())
    assert score["pck_matched"] == 100 and score["pck"] == pytest.approx(100 * 12 / people)
    shifted = [f.keypoints[:1] + 7.0 for f in found]  # by 9.9 of 112 px: 19.8 of 224
    flat = score_2d(shifted, pictures, CAMERA)
    assert flat["mpjpe"] == pytest.approx(14 * 2**0.5, abs=1e-3) and flat["pck"] == 100
    assert flat["pck_all"] == pytest.approx(100 * 12 / people)
    assert flat["pck_15"] == flat["pck_10"] == 0
    near = score_2d([f.keypoints + torch.tensor([6.0, 0]) for f in found], pictures, CAMERA)  # 12 of 224 px
    assert near["pck_15"] == near["pck"] == 100 and near["pck_10"] == 0
    nobody = score_2d([k[:0] for k in shifted], pictures, CAMERA)
    assert nobody["pck_all"] == 0 and np.isnan(nobody["iou"])


def test_the_mean_pose_stands_in_mid_room_at_the_pelvis_that_was_found(pictures):
    first = found_in(pictures)[0]
    (placed,) = with_pose([first], torch.ones(17, 3), CAMERA)
    assert ((placed.poses - placed.poses[:, :1]) == 0).all() and (placed.poses[:, 0, 2] == 4001).all()
    root = CAMERA.project(placed.poses[:, :1] - 1)[:, 0]
    torch.testing.assert_close(root, first.keypoints[:, 0], atol=1e-3, rtol=0)


def test_who_is_a_fifth_of_the_picture_away_is_somebody_else(pictures):
    alone = pictures.rows((pictures.present.sum(1) == 1).nonzero()[:, 0])
    for away, matched in ((0.19, len(alone)), (0.21, 0)):
        shifted = [Found(f.poses, f.keypoints + torch.tensor([away * 112, 0])) for f in found_in(alone)]
        assert len(alone) and score_3d(shifted, alone, CAMERA)["matched"] == matched


def test_a_pelvis_needs_a_heat_of_three_tenths():
    heat = torch.zeros(1, 1, 28, 28)
    heat[0, 0, 4, 9], heat[0, 0, 20, 9] = 0.31, 0.29
    (found,) = read_maps(heat, torch.zeros(1, 39, 14, 14), load_pretrained(), CAMERA)
    assert found.keypoints[:, 0].tolist() == [[pytest.approx(37.5), pytest.approx(17.5)]]


def test_joints_that_the_truth_lacks_are_not_counted(pictures):
    lacking = dataclasses.replace(pictures, keypoints=pictures.keypoints.clone(), poses=pictures.poses.clone())
    wrist = SKELETON.index("l_wrist")
    lacking.keypoints[:, :, wrist], lacking.poses[:, :, wrist] = torch.nan, torch.nan
    found = found_in(pictures)
    for one in found:
        one.keypoints[:, JOINTS.index("l_wrist")] += 500
        one.poses[:, wrist] += 500
    assert torch.equal(lacking.present, pictures.present)
    whole, flat = (
        score_3d(found, lacking, CAMERA),
        score_2d([one.keypoints for one in found], lacking, CAMERA),
    )
    assert whole["pck"] == whole["pck_absolute"] == 100 and whole["mpjpe"] == 0
    assert flat["pck"] == flat["pck_all"] == flat["pck_10"] == 100 and flat["iou"] == pytest.approx(100)


def test_reading_needs_no_roots(seen):
    found, teacher = seen
    people = read_pictures(
        found.latent[:2].float(), teacher.decoder, Lifter(PRESETS["tiny"]), PoseAutoencoder(), CAMERA
    )
    assert len(people) == 2 and all(f.poses.shape[1:] == (17, 3) and len(f.poses) == len(f.keypoints) for f in people)


# The second stage ----------------------------------------------------------------------------------------------------


def test_cut_people_are_whole_and_keep_their_pose(pictures):
    cut = refine.cut_people(pictures, CAMERA, torch.Generator().manual_seed(0))
    assert len(cut) == int(pictures.present.sum())
    flat = CAMERA.project_weakly(cut.poses, cut.poses[..., 0, :])
    assert (flat - cut.keypoints).norm(dim=-1).mean() < 3
    assert (cut.keypoints > -0.5).all() and (cut.keypoints < 111.5).all()
    relative = pictures.poses[pictures.present]
    torch.testing.assert_close(cut.poses[:, 0] - cut.poses[:, 0, :1], relative - relative[:, :1], atol=1e-2, rtol=1e-3)


def test_refining_keeps_places_and_takes_the_second_pose(pictures):
    first = found_in(pictures)[0]
    asked = []

    def second(images, pelvis):
        asked.append((images.shape, pelvis))
        return torch.full((len(images), 17, 3), 7.0) + torch.arange(17)[None, :, None]

    better = refine.refine(pictures.images[0].float() / 255, first, CAMERA, second)
    torch.testing.assert_close(better.poses[:, 0], first.poses[:, 0])
    torch.testing.assert_close(better.poses[:, 5] - better.poses[:, 0], torch.full((len(first.poses), 3), 5.0))
    assert asked[0][0] == (len(first.poses), 3, 112, 112) and ((asked[0][1] > 0) & (asked[0][1] < 112)).all()
    nobody = Found(first.poses[:0], first.keypoints[:0])
    assert refine.refine(pictures.images[0].float() / 255, nobody, CAMERA, second) is nobody


def test_sets_of_pictures_are_joined(pictures):
    both = join([pictures, pictures.rows(slice(0, 2))])
    assert len(both) == 14 and torch.equal(both.images[12:], pictures.images[:2])
