"""Chapter 6's command: a row from pictures to results, and its measures of the gap between two worlds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from napa_lib import results
from napa_lib.data.assets import asset_path
from napa_lib.loop import HERE
from napa_lib.multiperson import experiments, known, made_up, second
from napa_lib.multiperson.config import CAMERAS, PRESETS
from napa_lib.multiperson.networks import Lifter, Teacher
from napa_lib.multiperson.refine import single_person
from napa_lib.multiperson.representation import Representation, decode_scene, encode_scene
from napa_lib.multiperson.scenes import sample_scenes
from napa_lib.multiperson.seen import look
from napa_lib.multiperson.store import load_lifter, load_network, load_teacher, save_network
from napa_lib.multiperson.targets import SHARED, render_targets
from napa_lib.multiperson.train import Student
from napa_lib.sampling import load_pretrained


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Few pictures, and the teacher that ships."""
    for split in ("validation", "test"):
        monkeypatch.setitem(experiments.MEASURED, split, 4)
    monkeypatch.setattr(experiments, "DISTL", replace(experiments.DISTL, pictures=8))
    (tmp_path / "teacher.safetensors").write_bytes(asset_path("weights/multiperson_teacher.safetensors").read_bytes())
    return tmp_path


def test_a_row_is_trained_measured_and_kept(small, monkeypatch):
    row = experiments.StudentConfig(consistency=False, pretraining=0, first=1, steps=2, batch=2, pictures=8)
    monkeypatch.setitem(experiments.ROWS, "adapt", row)
    place = ["--teacher", str(small / "teacher.safetensors"), "--runs", str(small / "runs"), "--models", str(small)]
    experiments.main(["--row", "adapt", "--seed", "1", "--results", str(small / "out"), *place])
    found = results.read(small / "out/adapt_1.json")
    assert found["seed"] == 1 and found["3d"]["people"] > 3 and set(found["gap"]) == {"distance", "told_apart"}
    assert set(found["scenes"]) == {"pck", "mean_pose", "adapt", "empty", "heat"}
    assert found["record"][-1]["step"] == 2 and "validation" in found["record"][-1]
    assert (small / "adapt_1_lifter.safetensors").exists() and len([*small.glob("runs/seen_train_*")]) == 1
    assert json.loads(json.dumps(found["teacher"])) == found["teacher"]
    with pytest.raises(SystemExit, match="nowhere"):
        experiments.main(["--row", "adapt", "--results", str(small), "--runs", str(small), "--teacher", "nowhere"])


def test_a_row_has_the_sizes_of_its_teacher(small, monkeypatch):
    """The paper's, on two pictures; and so has its second stage."""
    for split in ("validation", "test"):
        monkeypatch.setitem(experiments.MEASURED, split, 2)
    row = replace(experiments.DISTL, supervision="3d", pretraining=0, first=1, steps=1, batch=2, pictures=2)
    monkeypatch.setitem(experiments.ROWS, "labels", row)
    torch.manual_seed(0)
    save_network(small / "teacher.safetensors", "teacher", Teacher(PRESETS["paper"]), {"config": '{"preset": "paper"}'})
    place = ["--row", "labels", "--runs", str(small), "--results", str(small)]
    experiments.main([*place, "--teacher", str(small / "teacher.safetensors"), "--models", str(small)])
    second.main(place)
    for name in ("labels_0", "second_labels_0"):
        assert results.read(small / f"{name}.json")["config"]["preset"] == "paper"
    assert load_network(small / "labels_0_lifter.safetensors", "lifter").latent == 1024


def test_what_another_teacher_taught_is_not_gone_on_with(small, monkeypatch):
    row = replace(experiments.DISTL, pretraining=0, first=1, steps=2, batch=2)
    monkeypatch.setitem(experiments.ROWS, "distl", row)
    place = ["--runs", str(small / "runs"), "--results", str(small), "--row", "distl", "--teacher"]
    experiments.main([*place, str(small / "teacher.safetensors")])
    changed, other = load_teacher(), small / "other.safetensors"
    changed.decoder.first[0].bias.data += 0.01
    save_network(other, "teacher", changed, {"config": '{"preset": "tiny"}'})
    with pytest.raises(SystemExit, match="belongs to another training .teacher is"):
        experiments.main([*place, str(other)])


def test_where_results_cannot_go_nothing_is_begun(small):
    (small / "file").write_text("")
    for command in (experiments, known):
        with pytest.raises(SystemExit, match="cannot write"):
            command.main(["--row", "labels", "--runs", str(small / "runs"), "--results", str(small / "file")])
    assert not (small / "runs").exists()


def test_a_student_is_measured_on_figures_that_it_knows_and_on_others(small, monkeypatch):
    row = replace(experiments.DISTL, supervision="3d", pretraining=0, first=1, steps=2, batch=2)
    monkeypatch.setitem(experiments.ROWS, "labels", row)
    runs = small / "runs"
    place = ["--teacher", str(small / "teacher.safetensors"), "--runs", str(runs), "--models", str(runs)]
    experiments.main(["--row", "labels", "--results", str(small / "out"), *place])
    (runs / "teacher.safetensors").write_bytes((small / "teacher.safetensors").read_bytes())
    known.main(["--row", "labels", "--runs", str(runs), "--results", str(small / "out")])
    found, row_found = (results.read(small / "out" / f"{name}_0.json") for name in ("known_labels", "labels"))
    assert found["others"]["matched"] == row_found["3d"]["matched"]  # weights in 8 bits move poses a little
    assert found["known"]["people"] != found["others"]["people"] or found["known"] != found["others"]
    new, train = known.new_pictures_of_known_figures(4), experiments.pictures("train", 4)
    assert not torch.equal(new.images, train.images)


def test_the_mean_pose_is_put_on_every_pelvis_that_was_found(small):
    place = ["--teacher", str(small / "teacher.safetensors"), "--runs", str(small / "runs")]
    experiments.main(["--row", "mean_pose", "--results", str(small / "out"), *place])
    found = results.read(small / "out/mean_pose_0.json")
    truth = experiments.pictures("test", 4)
    assert found["3d"]["people"] == int(truth.present.sum()) and found["steps"] is None


def test_more_pictures_begin_with_the_same(small, monkeypatch):
    few = experiments.pictures("train", 4)
    monkeypatch.setattr(experiments, "CHUNK", 4)
    many = experiments.pictures("train", 10)
    assert (
        len(many) == 10 and torch.equal(many.images[:4], few.images) and not torch.equal(many.images[4:8], few.images)
    )


def test_two_clouds_are_told_apart_where_they_are_apart(rng):
    one, other = (torch.tensor(rng.normal(size=(200, 5))) for _ in range(2))
    assert 0.35 < experiments.told_apart(one, other) < 0.65
    assert experiments.told_apart(one, other + 4) > 0.97


def test_rows_add_one_loss_after_another():
    rows = experiments.ROWS
    flags = [(rows[n].recon, rows[n].adapt, rows[n].consistency) for n in ("distl", "recon", "adapt", "unsupervised")]
    np.testing.assert_array_equal(np.diff(np.array(flags, int), axis=0), np.eye(3, dtype=int))
    ladder = [row for name, row in rows.items() if not name.endswith(("_longer", "_many"))]
    assert len({(row.steps, row.batch, row.learning_rate) for row in ladder}) == 1


def test_scenes_are_read_back_whole_by_who_knows_all():
    """G and F that hand on what they are given, and an H that knows the scenes."""
    model, camera = load_pretrained(), CAMERAS["tiny"]
    whole = encode_scene(sample_scenes(200, model, torch.Generator().manual_seed(98), camera=camera), camera)
    same = torch.nn.Identity()
    found = made_up.score_scenes(Student(lambda latent: whole.maps, same, same, model, camera))
    assert found["pck"] == 100 and 20 < found["mean_pose"] < 50
    assert found["adapt"] == 0 < found["empty"] and 0.8 < found["heat"] < 1
    halved = made_up.score_scenes(Student(lambda latent: whole.maps, same, lambda latent: latent / 2, model, camera))
    assert halved["heat"] == pytest.approx(found["heat"] / 2) and halved["empty"] == found["empty"]
    assert halved["adapt"] == pytest.approx(found["empty"] / 4)  # a squared error: that of nothing at all, of half


def test_the_gap_is_between_what_e_makes_and_what_g_makes_of_the_same_pictures():
    camera, read = CAMERAS["tiny"], []
    seen = look(load_teacher(), experiments.pictures("test", 4), camera, torch.Generator())

    def double(maps):
        read.append(maps)
        return 2 * seen.latent.float()

    student = Student(torch.nn.Identity(), double, torch.nn.Identity(), load_pretrained(), camera)
    assert experiments.gap(student, seen, HERE)["distance"] == pytest.approx(1, rel=1e-3)
    torch.testing.assert_close(read[0], render_targets(seen.truth.keypoints[:, :, SHARED], camera))


# The second stage ----------------------------------------------------------------------------------------------------


def test_figures_of_the_second_stage_are_single_and_those_of_the_training_pictures():
    cut, whole = second.single_figures(6), experiments.pictures("train", 6)
    assert cut.keypoints.shape == (6, 1, 17, 2) and torch.equal(cut.images, second.single_figures(6).images)
    relative = whole.poses[whole.present]
    mine = cut.poses[:, 0] - cut.poses[:, 0, :1]
    off = (mine[:, None] - (relative - relative[:, :1])[None]).abs().amax((2, 3))
    assert bool((off.min(1).values < 0.1).all()) and len(off.argmin(1).unique()) == 6


def test_a_single_person_is_read_at_its_pelvis():
    torch.manual_seed(0)
    teacher, lifter, model = load_teacher(), Lifter(PRESETS["tiny"]), load_pretrained()
    images, pelvis = torch.rand(2, 3, 112, 112), torch.tensor([[20.0, 90.0], [60.0, 50.0]])
    found = single_person(teacher.encoder, lifter, model, second.CAMERA)(images, pelvis)
    with torch.no_grad():
        maps = lifter(teacher.encoder(images))
    scene = decode_scene(Representation(maps[:, :1], maps), second.CAMERA, pelvis[:, None])
    whole = scene.poses(model)[:, 0]
    torch.testing.assert_close(found, (whole - whole[:, :1]).detach(), atol=1e-2, rtol=1e-4)
    assert not torch.allclose(found[0], found[1], atol=1.0)


def test_both_stages_are_measured_and_one_network_twice_is_h_twice(small, monkeypatch):
    runs = small / "runs"
    runs.mkdir()
    for name, asset in (("teacher", "multiperson_teacher"), ("full_0_lifter", "multiperson_lifter")):
        (runs / f"{name}.safetensors").write_bytes(asset_path(f"weights/{asset}.safetensors").read_bytes())
    monkeypatch.setattr(second, "train_second", lambda *_: load_lifter())
    second.main(["--row", "full", "--runs", str(runs), "--results", str(small)])
    found = results.read(small / "second_full_0.json")
    assert found["two stages"] == found["H twice"] != found["one stage"]
    assert found["one stage"]["matched"] > 2 and found["config"]["supervision"] == "3d"
    torch.manual_seed(0)
    monkeypatch.setattr(second, "train_second", lambda *_: Lifter(PRESETS["tiny"]).eval())
    second.main(["--row", "full", "--runs", str(runs), "--results", str(small)])
    other = results.read(small / "second_full_0.json")
    assert other["H twice"] == found["H twice"] and other["two stages"] != found["two stages"]


def test_the_second_stage_is_trained_as_its_row_on_figures_of_its_own():
    row = replace(experiments.ROWS["full"], pretraining=0, first=1, steps=2, batch=2, pictures=4)
    network = second.train_second(row, load_teacher(), load_pretrained(), HERE)
    torch.manual_seed(row.seed)
    fresh = Lifter(PRESETS["tiny"])
    assert isinstance(network, Lifter) and not network.training
    assert not torch.equal(network.last.weight, fresh.last.weight)
