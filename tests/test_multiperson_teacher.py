"""CrossModal's teacher: the pictures that it is trained on, what it descends, and its rate and that of its students."""

from __future__ import annotations

import pytest
import torch

from napa_lib.multiperson import teacher, train
from napa_lib.multiperson.composed import compose, load_cutouts
from napa_lib.multiperson.config import CAMERAS, PRESETS
from napa_lib.multiperson.networks import Teacher
from napa_lib.multiperson.seen import look
from napa_lib.multiperson.store import load_teacher
from napa_lib.multiperson.targets import SHARED, render_targets
from napa_lib.multiperson.teacher import TeacherConfig, train_teacher
from napa_lib.multiperson.train import StudentConfig, train_student
from napa_lib.sampling import load_pretrained

CAMERA = CAMERAS["tiny"]


@pytest.fixture(scope="module")
def figures():
    return load_cutouts("validation", "drawn")


def test_a_teacher_descends_the_error_of_its_maps(figures, monkeypatch):
    drawn = []

    def note(*options):
        drawn.append(compose(*options))
        return drawn[-1]

    monkeypatch.setattr(teacher, "compose", note)
    _, record = train_teacher(TeacherConfig(steps=1, batch=2, people=3, seed=1), figures, every=1)
    torch.manual_seed(1)
    twin = Teacher(PRESETS["tiny"])
    assert drawn[0].keypoints.shape == (2, 3, 17, 2)
    target = render_targets(drawn[0].keypoints[:, :, SHARED], CAMERA)
    with torch.no_grad():
        one, two = twin.decoder.stages(twin.encoder(drawn[0].images / 255))
    expected = (((one - target) ** 2).sum() + ((two - target) ** 2).sum()) / (2 * 28 * 28)
    assert record[0]["maps"] == pytest.approx(float(expected), rel=1e-4)


def test_the_rate_of_the_teacher_rises_to_its_peak_and_falls_to_nothing(figures, monkeypatch):
    rates, picture = [], compose(figures, 1, CAMERA, torch.Generator().manual_seed(0))
    monkeypatch.setattr(teacher, "compose", lambda *_: picture)
    monkeypatch.setattr(teacher, "descend", lambda total, optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    config = TeacherConfig(steps=50, batch=1)
    train_teacher(config, figures, every=50)
    assert_warmed_up_and_cooled_down(rates, 50, config.learning_rate)


def test_the_teacher_is_trained_on_training_figures_like_photographs(figures, monkeypatch, tmp_path):
    """Those of the other look are what its student learns without labels, those of other splits what is measured."""
    asked = []

    def note(*options):
        asked.append(options)
        return figures

    monkeypatch.setattr(teacher, "load_cutouts", note)
    teacher.main(["--out", str(tmp_path / "teacher.safetensors"), "--steps", "1", "--batch", "1", "--device", "cpu"])
    assert asked == [("train", "photo")] and not load_teacher(tmp_path / "teacher.safetensors").training


def test_a_teacher_learns(figures):
    config = TeacherConfig(steps=6, batch=2, learning_rate=3e-4)
    trained, record = train_teacher(config, figures, every=1)
    assert record[-1]["maps"] < record[0]["maps"] and not trained.training


def assert_warmed_up_and_cooled_down(rates, steps, peak):
    top = rates.index(max(rates))
    assert len(rates) == steps and rates[top] == pytest.approx(peak) and 0 < top < steps / 5
    assert rates[0] < peak / 2 and rates[-1] < peak / 100 and rates[top:] == sorted(rates[top:], reverse=True)


def test_the_rate_of_every_loss_rises_to_its_peak_and_falls_to_nothing(figures, monkeypatch):
    known, rates = load_teacher(), []
    pictures = compose(figures, 4, CAMERA, torch.Generator().manual_seed(0))
    found = look(known, pictures, CAMERA, torch.Generator().manual_seed(0))

    def note(student, adams, *_):
        rates.append({group["lr"] for optimizer in adams.values() for group in optimizer.param_groups})
        return {"distl": torch.zeros(())}

    monkeypatch.setattr(train, "picture_step", note)
    config = StudentConfig(recon=False, adapt=False, consistency=False, pretraining=0, first=50, steps=50, batch=2)
    train_student(config, found, known.decoder, load_pretrained("limits"), 50)
    assert all(len(rate) == 1 for rate in rates)
    assert_warmed_up_and_cooled_down([rate.pop() for rate in rates], 50, config.learning_rate)
