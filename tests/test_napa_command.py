"""`napa train` and what it reads and writes: figures of several sources, a run's folder, plans, words for bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_napa import CONFIG, SIZE, quick, small_figures, small_model, small_styles  # noqa: F401

from napa_lib import cli, engine, results
from napa_lib.annotate import Edit
from napa_lib.annotate.desk import Desk
from napa_lib.data.known import READERS
from napa_lib.data.sources import open_clips
from napa_lib.data.synthetic import LOOKS, load_synthetic
from napa_lib.engine import CheckpointError
from napa_lib.lifting import bone_vectors, load_depth_net
from napa_lib.loop import HERE, Setup
from napa_lib.pose import PoseEstimator
from napa_lib.sampling import mocap_poses
from napa_lib.skeletons import NAPA18, convert
from napa_lib.style import load_stylizer
from napa_lib.training import command, contributions, measure
from napa_lib.training.command import TrainCommand, stages_from, strip, train
from napa_lib.training.figures import FigureSet, open_figures
from napa_lib.training.folder import RunFolder, read_metrics
from napa_lib.training.measure import flat, measure_pose, measure_style, stylised
from napa_lib.training.pictures import PictureSet, write_pictures
from napa_lib.training.plan import plan_stage, plan_table
from napa_lib.training.run import run_stage
from napa_lib.training.stages import Ratios, TrainingConfig
from napa_lib.training.system import Styles

# --- figures ---------------------------------------------------------------------------------------------------------


def test_figures_that_ship_have_exact_labels():
    """Each figure fills four fifths of its crop, as the test protocol has it, and 3D and 2D tell of the same bones."""
    figures = open_figures(["synthetic:validation"], 64, most=16)
    assert len(figures) == 16 and figures.images.shape[2:] == (64, 64)
    clips = load_synthetic("validation")
    lit = int((clips.look == LOOKS.index("photo")).sum()) * clips.keypoints.shape[1]
    assert 0.9 * lit < len(open_figures(["synthetic:validation"], 16)) <= lit < clips.keypoints.shape[:2].numel()
    low, high = figures.keypoints.nan_to_num(torch.inf).amin(1), figures.keypoints.nan_to_num(-torch.inf).amax(1)
    np.testing.assert_allclose((high - low).amax(1), 64 / 1.25, atol=0.01)
    for flat_pose, pose in zip(figures.keypoints, figures.poses, strict=True):
        seen = ~flat_pose.isnan().any(-1)
        a, b = (x[seen] - x[seen].mean(0) for x in (flat_pose, pose[:, :2]))
        assert float((a * b).sum() / a.norm() / b.norm()) > 0.95  # perspective bends it a little


def test_figures_of_shards_and_data_sets(tmp_path):
    images = torch.randint(256, (5, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    keypoints = 8 + 32 * torch.rand(5, 18, 2, generator=torch.Generator().manual_seed(1))
    keypoints[4, 3:] = torch.nan  # three joints are too few
    write_pictures(tmp_path / "a.safetensors", PictureSet(images, keypoints))
    found = open_figures([str(tmp_path), str(tmp_path)], SIZE, most=2)
    assert len(found) == 4 and bool(found.poses.isnan().all())
    whole = open_figures([str(tmp_path)], SIZE)
    assert len(whole) == 4 and torch.equal(found.keypoints[:2], whole.keypoints[[0, 2]])  # spread evenly

    folder = tmp_path / "mine"
    folder.mkdir()
    _coco(folder)
    mine = open_figures([f"coco:{folder}"], SIZE)
    assert len(mine) == 1 and mine.images.shape[2:] == (SIZE, SIZE)
    assert int((~mine.keypoints.isnan().any(-1)).sum()) >= 12
    assert {"human36m", "mpii", "coco", "human-art"} <= set(READERS)


def test_what_was_annotated_teaches_all_joints_and_their_depth(tmp_path):
    """Pseudo-3D labels (section 4.4.3): a body seen from afar, marked with its depths in pixels, has its own bones'
    depth in mm again, up to how large it is; a figure without depths teaches none, and other chapters get no 3D."""
    body = convert(mocap_poses("test")[40].float()[None], "CROSSMODAL17", NAPA18)[0]
    body = body[:, [1, 2, 0]] - body[0, [1, 2, 0]]
    points, depths = body[:, :2] / 8 + 150, body[:, 2] / 8 + 30
    noise = torch.randint(256, (300, 300, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for name in ("a.png", "b.png"):
        Image.fromarray(noise.numpy()).save(tmp_path / name)
    desk = Desk(tmp_path)
    joints = {joint: (x, y, 2) for joint, (x, y) in zip(NAPA18.joints, points.tolist(), strict=True)}
    desk.keep(Edit("a.png", 0, joints, dict(zip(NAPA18.joints, depths.tolist(), strict=True))))
    desk.keep(Edit("b.png", 0, joints))
    desk.write()
    desk.journal.close()
    figures = open_figures([f"coco:{tmp_path}"], SIZE)
    assert not figures.keypoints.isnan().any() and bool(figures.poses[1].isnan().all())
    scale = torch.linalg.vector_norm(bone_vectors(figures.poses[0])) / torch.linalg.vector_norm(bone_vectors(body))
    torch.testing.assert_close(figures.poses[0], scale * body, atol=2.0, rtol=0)  # tenths of a pixel are 0.8 mm
    length = load_depth_net()[1].length
    assert float(bone_vectors(figures.poses[0]).square().sum()) == pytest.approx(float(length.square().sum()), rel=1e-3)
    assert open_clips(f"coco:{tmp_path}", SIZE).poses is None


def test_a_picture_of_one_colour_is_left_out(tmp_path):
    """The gradient through F of such a picture is not finite, and would end a training at the step that draws it."""
    _coco(tmp_path, marked=False)
    with pytest.raises(ValueError, match="of more than one colour"):
        open_figures([f"coco:{tmp_path}"], SIZE)


def _coco(folder, marked=True):
    """One picture with one person, as COCO has it."""
    picture = Image.new("RGB", (80, 80), (200, 30, 30))
    if marked:
        picture.paste((30, 30, 200), (20, 20, 60, 60))
    picture.save(folder / "one.png")
    points = [v for i in range(17) for v in (10 + 3 * i, 70 - 3 * i, 2)]
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 70, 70], "area": 4900, "iscrowd": 0,
              "num_keypoints": 17, "keypoints": points}  # fmt: skip
    joints = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
              "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee",
              "left_ankle", "right_ankle"]  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": joints}
    entry = {"id": 1, "file_name": "one.png", "width": 80, "height": 80}
    text = json.dumps({"images": [entry], "annotations": [person], "categories": [category]})
    (folder / "annotations.json").write_text(text)


@pytest.mark.parametrize(("names", "words"), [
    ([], "at least one source"), (["synthetic:everything"], "split must be one of"),
    (["nowhere"], "no folder of shards"), (["coco:nowhere"], "nowhere"),
])  # fmt: skip
def test_sources_that_are_not_there(names, words):
    with pytest.raises((ValueError, OSError), match=words):
        open_figures(names, SIZE)


def test_figure_sets_of_wrong_shapes():
    good = small_figures(2)
    for images, keypoints, poses in (
        (good.images.float(), good.keypoints, good.poses), (good.images, good.keypoints[:, :17], good.poses),
        (good.images, good.keypoints, good.poses[:1]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="must be"):
            FigureSet(images, keypoints, poses)


# --- measurements ----------------------------------------------------------------------------------------------------


def test_measurements_of_a_network_that_knows_the_answer(monkeypatch):
    model, figures = small_model(), small_figures(6)
    monkeypatch.setattr(model, "keypoints_of", lambda prediction: figures.keypoints + torch.tensor([0.03 * SIZE, 0.0]))
    found = measure_pose(model, figures.images.float() / 255, figures, batch=6)
    assert (found["near"], found["far"]) == (0.0, 100.0)  # 3 % away: not within 2, within 4
    assert set(found["joints"].values()) == {0.0} and found["pa_mpjpe"] > 0
    assert measure_pose(model, figures.images, figures, batch=6) == found  # bytes are as good
    assert flat({"a": {"b": 1.0}, "c": 2.0}) == {"a/b": 1.0, "c": 2.0}


def test_depth_is_measured_a_few_pictures_at_a_time(monkeypatch):
    model, figures, asked, lift = small_model(), small_figures(6), [], measure.lift

    def listen(keypoints, *rest):
        asked.append(len(keypoints))
        return lift(keypoints, *rest)

    whole = measure_pose(model, figures.images, figures, batch=6)
    for turn, right in (([[0.0, -2, 0], [2, 0, 0], [0, 0, 2]], True), ([[1.0, 0, 0], [0, 1, 0], [0, 0, -1]], False)):
        monkeypatch.setattr(measure, "lift", lambda *_, turn=turn: figures.poses @ torch.tensor(turn) + 70)
        found = measure_pose(model, figures.images, figures, batch=6)["pa_mpjpe"]
        assert (found == 0) == right  # turned, shifted and larger, and a mirror image
    monkeypatch.setattr(measure, "lift", listen)
    assert measure_pose(model, figures.images, figures, batch=4)["pa_mpjpe"] == pytest.approx(
        whole["pa_mpjpe"], abs=0.1
    )
    assert asked == [4, 2]


CUT_OUT = """
import resource, torch
from napa_lib.training import figures
from napa_lib.training.pictures import PictureSet

torch.set_num_threads(1)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

def some(count):
    return PictureSet(torch.zeros(count, 3, 64, 64, dtype=torch.uint8), torch.rand(count, 18, 2) * 64)

figures._cut(some(64), 64, torch.zeros(64, 18, 3))  # what torch loads when it is first used
pictures = some(4000)
before = peak()
found = figures._cut(pictures, 64, torch.zeros(4000, 18, 3))
print((peak() - before) / found.images.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts the peak in kilobytes, as Linux does")
def test_cutting_figures_out_takes_a_few_times_the_memory_of_what_is_kept():
    done = subprocess.run([sys.executable, "-c", CUT_OUT], capture_output=True, check=True)
    assert float(done.stdout) < 8  # in floats it would be 4 times as much, several times over


def test_style_is_measured_on_the_same_styles_each_time():
    model, figures, styles = small_model(), small_figures(3), small_styles()
    output = stylised(model.stylizer, figures, styles)
    assert output.shape == (3, 3, SIZE, SIZE) and torch.equal(output, stylised(model.stylizer, figures, styles))
    seen = measure_style(output, figures, styles, model.features)
    assert seen["style"] > 0 and measure_style(output, figures, styles, model.features) == seen


def test_style_is_measured_against_the_styles_that_were_given(monkeypatch):
    """A stylizer that answers with the style picture itself has that style, whatever it drew."""
    model, figures, styles = small_model(), small_figures(6), small_styles()

    def answer(network, images, statistics):
        return styles.pictures[[int((styles.statistics == row).all(1).nonzero()) for row in statistics]]

    monkeypatch.setattr(measure, "restyle", answer)
    for seed in (0, 1):
        seen = measure_style(
            stylised(model.stylizer, figures, styles, seed=seed), figures, styles, model.features, seed
        )
        assert seen["style"] < 1e-6 and seen["cosine"] < 1e-5 < seen["content"]
    one = Styles(styles.pictures[:1], styles.statistics[:1])
    output = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3)).expand(3, -1, -1, -1)
    alone, thrice = (
        measure_style(output[:n], figures.take(torch.zeros(n).long()), one, model.features) for n in (1, 3)
    )
    assert thrice == pytest.approx(alone, rel=1e-4)


# --- the run's folder ------------------------------------------------------------------------------------------------


def test_the_record_of_a_killed_run_is_cut_at_its_checkpoint(tmp_path):
    folder = RunFolder(tmp_path)
    tell = folder.begin(1, 0)
    for step in (2, 4, 6):
        tell({"step": step, "total": 1.0, "validation": {"near": 2.0}})
    with folder.metrics.open("a") as file:
        file.write('{"stage": 1, "st')  # killed while writing
    folder.begin(1, 4)({"step": 6, "total": 3.0})
    entries = read_metrics(folder.metrics)
    assert [(entry["step"], entry["total"]) for entry in entries] == [(2, 1.0), (4, 1.0), (6, 3.0)]
    assert entries[0]["validation/near"] == 2.0 and read_metrics(tmp_path / "none") == []
    folder.begin(2, 0)
    assert len(read_metrics(folder.metrics)) == 3  # another stage's entries stay
    folder.metrics.write_text('{"stage": 1}\n' + folder.metrics.read_text())
    with pytest.raises(CheckpointError, match="line 1"):
        read_metrics(folder.metrics)


def test_a_stage_on_other_data_needs_another_folder(tmp_path):
    folder = RunFolder(tmp_path)
    folder.describe(1, CONFIG, {"data": ["a"]}, torch.device("cpu"))
    folder.describe(1, CONFIG, {"data": ["b"]}, torch.device("cpu"))  # nothing trained yet
    folder.checkpoint(1).touch()
    with pytest.raises(CheckpointError, match="trained stage 1 with --data b, not with --data c; choose another"):
        folder.describe(1, CONFIG, {"data": ["c"]}, torch.device("cpu"))
    assert json.loads((tmp_path / "config.json").read_text())["1"]["data"] == ["b"]
    for foreign in ("[]", "{", '{"1": 7}'):
        (tmp_path / "config.json").write_text(foreign)
        with pytest.raises(CheckpointError, match="config.json is not of napa train"):
            folder.describe(1, CONFIG, {"data": ["b"]}, torch.device("cpu"))
        assert (tmp_path / "config.json").read_text() == foreign
    assert {"torch", "hardware", "processes"} <= json.loads((tmp_path / "environment.json").read_text()).keys()


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """The command with a small system and few figures."""
    monkeypatch.setattr(command, "build_model", lambda pose, depth: small_model())
    monkeypatch.setattr(command, "load_styles", lambda size, names: small_styles())
    monkeypatch.setattr(command, "open_figures", lambda names, size, most: small_figures(most or 4))


def wanted(out, stages=(2,), **more) -> TrainCommand:
    data = more.pop("data", ("synthetic:train",))
    return TrainCommand(out, stages, replace(CONFIG, seed=more.pop("seed", 0)), data, every=2, device="cpu", **more)


def test_stages_two_and_three_in_one_folder(tmp_path, small, capsys):
    """A run leaves what other commands take; a longer one goes on; a stage whose start is missing is refused."""
    with pytest.raises(ValueError, match="stage 2 starts from .*stage_1.safetensors, which is not there"):
        train(wanted(tmp_path))
    train(wanted(tmp_path, (1, 2), validation=("synthetic:validation",)))
    entries = read_metrics(tmp_path / "metrics.jsonl")
    assert [(e["stage"], e["step"]) for e in entries] == [(1, 2), (1, 3), (2, 2), (2, 3)]
    assert entries[-1]["validation/near"] >= 0 and entries[-1]["keypoints"] > 0
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 4
    estimator = PoseEstimator.from_pretrained(tmp_path / "pose_net.safetensors", "cpu")
    assert estimator.predict(torch.rand(3, 64, 64))[0].keypoints.shape == (18, 2)
    assert load_stylizer(tmp_path / "stylizer.safetensors").norm == "pool"
    before = (tmp_path / "metrics.jsonl").read_text()
    train(wanted(tmp_path, (1, 2), validation=("synthetic:validation",)))  # nothing left to do
    assert (tmp_path / "metrics.jsonl").read_text() == before
    with pytest.raises(CheckpointError, match="seed is 0, expected 1"):
        train(wanted(tmp_path, seed=1))
    assert "stage 2, pose" in capsys.readouterr().out


def test_a_later_stage_that_does_not_fit_is_refused_before_the_first_one_starts(tmp_path, small):
    train(wanted(tmp_path, (1, 2)))
    (tmp_path / "stage_1.safetensors").rename(tmp_path / "kept")
    for other in ({"seed": 1}, {"half": True}):
        with pytest.raises(CheckpointError, match="stage_2.safetensors belongs to another training"):
            train(wanted(tmp_path, (1, 2), **other))
    shorter = replace(wanted(tmp_path, (1, 2)), config=replace(CONFIG, steps=2))
    with pytest.raises(CheckpointError, match="stage_2.safetensors stands at step 3, beyond the 2"):
        train(shorter)
    with pytest.raises(CheckpointError, match="trained stage 2 with --data synthetic:train, not with --data mine"):
        train(replace(wanted(tmp_path, (1, 2)), data=("mine",)))
    (tmp_path / "kept").rename(tmp_path / "stage_2.safetensors")  # of stage 1
    with pytest.raises(CheckpointError, match="stage is napa 1, expected napa 2"):
        train(wanted(tmp_path, (1, 2)))
    assert not (tmp_path / "stage_1.safetensors").exists()


def test_the_command_keeps_freed_memory_and_a_call_from_a_notebook_does_not(tmp_path, small, monkeypatch):
    asked = []
    monkeypatch.setattr(engine.platform, "libc_ver", lambda: asked.append("libc") or ("", ""))
    train(wanted(tmp_path, plan=True))
    assert asked == []
    monkeypatch.setattr(command, "train", lambda asked_for: None)
    assert cli.main(["train", "--out", str(tmp_path)]) == 0 and asked == ["libc"]


def test_a_plan_changes_nothing_and_counts_what_it_says(tmp_path):
    model, styles = small_model(), small_styles()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    plan = plan_stage(2, CONFIG, model, small_figures(), styles, HERE)
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    head = sum(p.numel() for p in [*model.pose.head.parameters(), *model.depth.parameters()])
    assert plan.trained == 4 * head and plan.seconds > 0
    more = plan_stage(2, replace(CONFIG, batch=4), model, small_figures(), styles, HERE)
    assert 1.9 < more.kept / plan.kept < 2.1  # twice the pictures
    parts = plan_stage(2, replace(CONFIG, batch=4, passes=2), model, small_figures(), styles, HERE)
    assert parts.kept == pytest.approx(plan.kept, rel=1e-3)
    again = plan_stage(2, CONFIG, model, small_figures(), styles, HERE)
    assert again.kept == pytest.approx(plan.kept, rel=1e-3)  # of other crops, with a joint more or less in sight
    joint = plan_stage(3, CONFIG, model, small_figures(), styles, HERE)
    sides = ((64, 1), (128, 2), (256, 4), (512, 8), (512, 8), (512, 16))  # channels and reduction of relu1_1 … relu5_1
    assert joint.maps == 3 * 4 * sum(channels * (SIZE // side) ** 2 for channels, side in sides) and plan.maps == 0
    assert joint.memory == joint.weights + 3 * joint.trained + joint.kept + joint.maps
    path = tmp_path / "c.safetensors"
    run_stage(2, replace(CONFIG, steps=1), small_model(), small_figures(), Setup(checkpoint=path), styles=styles)
    assert path.stat().st_size == pytest.approx(plan.checkpoint, rel=0.01)
    table = plan_table([plan])
    assert "2 pose" in table and "MB" in table and table.splitlines()[-1].startswith("about ")


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be locked there")
def test_two_trainings_do_not_share_a_folder(tmp_path, small):
    with RunFolder(tmp_path / "run").held(), pytest.raises(CheckpointError, match="run is in use: another napa train"):
        train(wanted(tmp_path / "run", (1,)))
    assert list((tmp_path / "run").iterdir()) == []
    with RunFolder(tmp_path / "run").held():  # the one before let it go
        pass


def test_the_plan_of_the_command_writes_nothing(tmp_path, small, capsys):
    train(wanted(tmp_path / "new", (1, 4), plan=True))
    assert not (tmp_path / "new").exists() and "4 self supervision" in capsys.readouterr().out


def test_pictures_of_the_system():
    assert strip(small_model(), small_figures(), small_styles(), HERE).shape == (3, 5 * SIZE, 3 * SIZE)


@pytest.mark.parametrize(("words", "said"), [
    (["--stage", "5"], "--stage must be 'all' or numbers from 1 to 4"), (["--stage", "one"], "--stage must be"),
    (["--stage", "1", "3"], "must follow one another"), (["--data", "nowhere"], "no folder of shards"),
    (["--styles", "nowhere"], "no such painting"),
    (["--stage", "3"], "run stage 2 first"), (["--steps", "0"], "at least 1"),
    (["--supervision", "-1"], "finite number"), (["--real", "2"], "real must be from 0 to 1, got 2.0"),
    (["--batch", "0"], "batch must be at least 1, got 0"), (["--learning-rate", "nan"], "below 1, got nan"),
    (["--device", "cuda:9"], "not on this machine"), (["--most", "-1"], "most must be at least 1"),
    (["--every", "0"], "every must be at least 1"), (["--seed", "-1"], "seed must be an integer from 0"),
    (["--patience", "0"], "patience must be at least 1"),
    (["--passes", "3"], "passes must share 2 pictures evenly"), (["--depth", "nowhere"], "nowhere"),
])  # fmt: skip
def test_what_cannot_be_trained_is_one_line(words, said, tmp_path, capsys):
    assert cli.main(["train", "--out", str(tmp_path / "run"), "--most", "2", *words]) == 1
    captured = capsys.readouterr()
    assert said in captured.err and len(captured.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_the_command_hands_on_what_it_is_asked_for(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(command, "train", asked.append)
    words = "--steps 7 --batch 4 --passes 2 --patience 9 --learning-rate 0.01 --real 0.3 --seed 5 --supervision 0.1"
    more = ["--fixed-features", "--fine-tune", "before", "--styles", "mine", "pool"]
    assert cli.main(["train", "--out", str(tmp_path), *words.split(), *more]) == 0
    assert asked[0].fine_tune == Path("before") and asked[0].styles == ("mine", "pool")
    assert asked[0].config == TrainingConfig(
        steps=7, batch=4, passes=2, patience=9, learning_rate=0.01, real=0.3, seed=5, fixed_features=True,
        ratios=Ratios(supervision=0.1),
    )  # fmt: skip


def test_stages_in_words():
    assert stages_from(["all"]) == (1, 2, 3, 4) and stages_from(["4"]) == (4,)


def test_without_tensorboard_the_command_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    assert cli.main(["train", "--out", str(tmp_path / "run"), "--tensorboard", "--most", "2"]) == 1
    assert capsys.readouterr().err.strip() == (
        "napa train: the package tensorboard is missing: pip install 'napa_lib[tensorboard]'"
    )


def test_tensorboard_gets_scalars_and_pictures(tmp_path, monkeypatch):
    seen = []

    class Board:
        def __init__(self, folder):
            seen.append(Path(folder).name)

        def add_scalar(self, name, value, step):
            seen.append((name, value, step))

        def add_image(self, name, picture, step):
            seen.append((name, tuple(picture.shape), step))

        def flush(self):
            seen.append("flush")

    monkeypatch.setattr("napa_lib.training.folder._summary_writer", lambda: Board)
    folder = RunFolder(tmp_path, tensorboard=True)
    assert seen == []  # nothing is written for a run that is refused
    folder.begin(3, 0)({"step": 5, "total": 1.5})
    folder.picture(3, 5, torch.rand(3, 8, 8))
    scalars = [("stage 3/step", 5, 5), ("stage 3/total", 1.5, 5)]
    assert seen == ["tensorboard", *scalars, "flush", ("stage 3", (3, 8, 8), 5)]


# --- what each stage adds --------------------------------------------------------------------------------------------


def test_parts_follow_one_another_and_differ_in_one_thing():
    """A part starts from one of the stage before; the arms of table 2 have the same start and differ as they say."""
    for name, part in contributions.PARTS.items():
        before = contributions.PARTS[part.after].stage if part.after else 0
        assert before == part.stage - 1, name
    arms = {name: contributions.PARTS[name] for name in ("supervised", "unsupervised", "supervised_fixed")}
    assert {part.after for part in arms.values()} == {"joint"}
    supervised = arms["supervised"].config
    assert arms["supervised_fixed"].config == replace(supervised, fixed_features=True)
    assert arms["unsupervised"].config == replace(supervised, ratios=Ratios(supervision=0.0))


def test_the_command_of_a_part_makes_those_before_it(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(contributions, "make", lambda name, *rest: made.append((name, rest[-1])))
    contributions.main(["--parts", "start", "supervised", "--seed", "2", "--results", str(tmp_path), "--half"])
    assert [name for name, _ in made] == ["start", "supervised"]
    assert "--parts start --seed 2" in made[0][1] and made[1][1].endswith("--half")
    assert "--parts style pose joint supervised --seed 2" in made[1][1]


def test_a_part_is_made_from_the_one_before_and_measured(tmp_path, monkeypatch):
    fast = {"style": contributions.Part(1, "", CONFIG), "pose": contributions.Part(2, "style", CONFIG)}
    monkeypatch.setattr(contributions, "PARTS", fast)
    monkeypatch.setattr(contributions, "build_model", small_model)
    monkeypatch.setattr(contributions, "load_styles", lambda size, device: small_styles())
    monkeypatch.setattr(contributions, "open_figures", lambda names, size, most: small_figures(3))
    with pytest.raises(CheckpointError, match="style_0.checkpoint"):
        contributions.make("pose", 0, tmp_path, tmp_path, HERE, 3, "pose alone")
    for name in ("style", "pose"):
        contributions.make(name, 0, tmp_path, tmp_path, HERE, 3, "both")
    found = {name: results.read(tmp_path / f"{name}_0.json") for name in ("style", "pose")}
    assert found["style"]["real"] != found["pose"]["real"]  # only stage 2 trains G
    assert found["style"]["style"] == found["pose"]["style"]  # and only stage 1 trains F
    assert found["pose"]["steps"] == 3 and found["pose"]["record"][-1]["step"] == 3
