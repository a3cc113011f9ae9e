"""A run's folder, gone on with: what belongs together, what is refused and says why, and what other commands take."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from PIL import Image
from test_napa import CHEAP, CONFIG, SIZE, quick, small_figures, small_model, small_styles  # noqa: F401
from test_napa_command import small, wanted  # noqa: F401

from napa_lib import cli
from napa_lib.engine import CheckpointError, load_tensors
from napa_lib.files import sha256
from napa_lib.lifting import BoneStandardizer, DepthNet, load_depth_net
from napa_lib.lifting.lift import save_depth_net
from napa_lib.networks import VGG19Features
from napa_lib.pose import PoseEstimator
from napa_lib.style import Measured, StylizationLoss
from napa_lib.style.networks import style_statistics
from napa_lib.training import command
from napa_lib.training.command import TrainCommand, train
from napa_lib.training.folder import read_metrics
from napa_lib.training.run import load_stage, load_styles, run_stage, style_target
from napa_lib.training.stages import stage_of
from napa_lib.training.system import NapaModel


def longer(asked: TrainCommand, steps: int, **more) -> TrainCommand:
    return replace(asked, config=replace(asked.config, steps=steps), **more)


def stop_at(monkeypatch, step: int) -> None:
    """Ctrl-C in a step of any stage."""

    def listen(number, *rest, stop=command.draw, **named):
        if number == step - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return stop(number, *rest, **named)

    monkeypatch.setattr("napa_lib.training.run.draw", listen)


# --- what other commands take ----------------------------------------------------------------------------------------


def test_networks_leave_with_the_size_they_learned_at_and_the_depth_network_that_learned(tmp_path, small):  # noqa: F811
    train(wanted(tmp_path, (1, 2)))
    estimator = PoseEstimator.from_pretrained(
        tmp_path / "pose_net.safetensors", "cpu", tmp_path / "depth_net.safetensors"
    )
    assert estimator.size == SIZE
    trained = small_model()
    load_stage(trained, tmp_path / "stage_2.safetensors", 2)
    own, start = estimator.depth_net.state_dict(), small_model().depth.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in trained.depth.state_dict().items())
    assert any(not torch.equal(own[name], tensor) for name, tensor in start.items())
    assert torch.equal(estimator.standardizer.std, trained.standardizer.std)
    assert float(estimator.standardizer.std[0, 0]) == 100.0  # not that of the network that ships
    settings = json.loads(load_tensors(tmp_path / "pose_net.safetensors")[1]["config"])
    assert (settings["size"], settings["stage"], settings["batch"]) == (SIZE, 2, CONFIG.batch)


def test_a_stage_without_pose_leaves_no_pose_network(tmp_path, small):  # noqa: F811
    train(wanted(tmp_path, (1,)))
    assert {file.name for file in tmp_path.glob("*net.safetensors")} == set()
    assert (tmp_path / "stylizer.safetensors").exists()


def test_what_ships_has_its_depth_network_unless_another_is_named():
    shipped = load_depth_net()[1]
    assert torch.equal(PoseEstimator.from_pretrained(device="cpu").standardizer.std, shipped.std)


# --- stages in their order -------------------------------------------------------------------------------------------


def test_an_earlier_stage_does_not_overwrite_what_a_later_one_left(tmp_path, small, capsys):  # noqa: F811
    train(wanted(tmp_path, (1, 2)))
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.safetensors")}
    train(wanted(tmp_path, (1,)))  # nothing left to do
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.safetensors")} == before
    assert "holds stage 2: its networks stay as they are" in capsys.readouterr().out


def test_a_stage_that_others_started_from_is_not_made_longer(tmp_path, small):  # noqa: F811
    train(wanted(tmp_path, (1, 2)))
    before = (tmp_path / "metrics.jsonl").read_text()
    for stages in ((1,), (1, 2)):
        with pytest.raises(CheckpointError, match="stage_2.safetensors started from stage 1 at step 3, .* at step 5"):
            train(longer(wanted(tmp_path, stages), 5))
    assert (tmp_path / "metrics.jsonl").read_text() == before
    train(longer(wanted(tmp_path), 5))  # the last one may be
    train(longer(wanted(tmp_path), 6))
    assert [e["step"] for e in read_metrics(tmp_path / "metrics.jsonl") if e["stage"] == 2] == [2, 3, 4, 5, 6]
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["2"]["start"] == 3 and config["2"]["steps"] == 6 and "start" not in config["1"]


def test_a_stage_that_was_stopped_is_no_start(tmp_path, small, monkeypatch):  # noqa: F811
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 2; .*stage_1.safetensors keeps step 2"):
            train(wanted(tmp_path, (1, 2)))
    with pytest.raises(CheckpointError, match="was stopped at step 2 of 3: finish stage 1 first, or .*--steps 2"):
        train(wanted(tmp_path))
    train(longer(wanted(tmp_path, (1,)), 2))
    train(wanted(tmp_path))
    assert json.loads((tmp_path / "config.json").read_text())["2"]["start"] == 2


def test_a_stage_stopped_at_a_step_may_end_there(tmp_path, small, monkeypatch):  # noqa: F811
    """Its last entry, which the stop left out, is made then: measured, on record and in the checkpoint."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(patch, 2)
        train(replace(longer(wanted(tmp_path, (1,)), 9), every=50))
    for _ in range(2):
        train(replace(longer(wanted(tmp_path, (1,)), 2), every=50))
        (entry,) = read_metrics(tmp_path / "metrics.jsonl")
        assert entry["step"] == 2 and entry["total"] > 0
    whole = run_stage(1, replace(CONFIG, steps=2), small_model(), small_figures(4), every=50, styles=small_styles())
    assert entry["total"] == whole[-1]["total"]


def test_ctrl_c_says_what_is_kept(tmp_path, small, monkeypatch, capsys):  # noqa: F811
    stop_at(monkeypatch, 1)
    assert cli.main(["train", "--out", str(tmp_path), "--stage", "1", "--steps", "3", "--device", "cpu"]) == 130
    said = capsys.readouterr().err.strip()
    assert said.startswith("napa train: stopped after step 1; ") and "keeps step 1; the same call goes on" in said


# --- what a run was trained with -------------------------------------------------------------------------------------


def test_the_folder_says_what_a_stage_was_trained_with(tmp_path, small):  # noqa: F811
    own = tmp_path / "own.safetensors"
    save_depth_net(own, DepthNet("tiny"), small_model().standardizer, {"sees": "bones", "preset": "tiny"})
    run = tmp_path / "run"
    asked = wanted(run, (1, 2), most=4, validation=("synthetic:validation",), depth=own)
    train(asked)
    found = json.loads((run / "config.json").read_text())
    for stage in ("1", "2"):
        assert (found[stage]["data"], found[stage]["most"], found[stage]["every"]) == (["synthetic:train"], 4, 2)
        assert (found[stage]["validation"], found[stage]["half"]) == (["synthetic:validation"], False)
    assert "depth" not in found["1"]  # which has no part in it
    assert found["2"]["depth"] == {"file": "own.safetensors", "sha256": sha256(own)} and found["2"]["pose"] is None

    with pytest.raises(CheckpointError, match="trained stage 1 with --most 4, not with --most 5"):
        train(replace(asked, most=5))
    with pytest.raises(CheckpointError, match=r"stage 2 with --depth own.safetensors \(SHA-256 .*, not with no --dep"):
        train(replace(asked, depth=None))
    with pytest.raises(CheckpointError, match="stage 2 with no --pose, not with --pose own.safetensors"):
        train(replace(asked, pose=own))
    with pytest.raises(CheckpointError, match="stage 3 goes on with that: name the same file"):
        train(replace(asked, stages=(3,), depth=None))
    own.rename(tmp_path / "renamed.safetensors")
    train(replace(asked, depth=tmp_path / "renamed.safetensors"))  # what is in it decides


def test_a_folder_that_was_moved_goes_on_with_its_data_elsewhere(tmp_path, small, monkeypatch):  # noqa: F811
    """As from a laptop to a machine with a GPU: the data's name counts, and how many figures it has."""
    train(wanted(tmp_path / "here", (1,), data=("coco:/home/her/mine#train", "/home/her/shards")))
    moved = (tmp_path / "here").rename(tmp_path / "there")
    asked = longer(wanted(moved, (1,), data=("coco:/mnt/1/mine#train", "C:\\shards")), 4)
    train(asked)
    for other in ("mpii:/mnt/1/mine#train", "coco:/mnt/1/mine#val", "coco:/mnt/1/yours#train", "/mnt/mine#train"):
        with pytest.raises(CheckpointError, match=f"not with --data {other}"):
            train(replace(asked, data=(other, "shards/")))
    with pytest.raises(CheckpointError, match="not with --data coco:/mnt/mine#train others/"):
        train(replace(asked, data=("coco:/mnt/mine#train", "others/")))
    monkeypatch.setattr(command, "open_figures", lambda *_: small_figures(5))
    with pytest.raises(CheckpointError, match="trained stage 1 with 4 figures, not with 5 figures"):
        train(longer(asked, 5))


def test_people_are_painted_in_styles_of_ones_own(tmp_path, small, monkeypatch):  # noqa: F811
    """What is in the pictures and how many they are decides; the next stage may go on with others."""
    folder, asked = tmp_path / "mine", []
    folder.mkdir()
    paint = torch.rand(3, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(0)).mul(255).byte().numpy()
    for number in (0, 1):
        Image.fromarray(paint[number]).save(folder / f"{number}.png")
    names = (str(folder / "0.png"), str(folder / "1.png"))
    found = load_styles(SIZE, names=names)
    assert torch.equal((found.pictures * 255).round().byte(), torch.from_numpy(paint[:2]).permute(0, 3, 1, 2))
    torch.testing.assert_close(found.statistics, style_statistics(found.pictures, VGG19Features()), rtol=1e-4, atol=0)
    monkeypatch.setattr(command, "load_styles", lambda size, names: asked.append(names) or small_styles())
    train(wanted(tmp_path / "run", (1,), styles=(str(folder),)))
    assert asked == [names]
    assert load_tensors(tmp_path / "run/stylizer.safetensors")[1]["styles"] == "0,1"
    folder = folder.rename(tmp_path / "renamed")
    train(longer(wanted(tmp_path / "run", (1,), styles=(str(folder),)), 4))
    Image.fromarray(paint[2]).save(folder / "2.png")
    for other in (str(folder), "greatwave", "pool"):
        with pytest.raises(
            CheckpointError, match=r"stage 1 with --styles .*renamed \(SHA-256 .*, not with (no )?--styles"
        ):
            train(longer(wanted(tmp_path / "run", (1,), styles=(other,)), 5))
    train(wanted(tmp_path / "run", (2,), styles=(str(folder), "greatwave")))
    assert asked[-1][2:] == (str(folder / "2.png"), "greatwave")


@pytest.mark.parametrize("number", [3, 4])
def test_maps_of_many_styles_are_not_kept_and_say_the_same(number, monkeypatch):
    model, styles, rows = small_model(), small_styles(), torch.tensor([2, 0])
    stage = stage_of(number)
    kept = style_target(model, styles, stage, CONFIG)(rows)
    monkeypatch.setattr("napa_lib.training.run.KEPT", 1)
    many = style_target(model, styles, stage, CONFIG)(rows)
    assert isinstance(kept, Measured) and isinstance(many, torch.Tensor)
    output, content = torch.rand(2, 2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    one, other = (StylizationLoss(model.features, CHEAP)(output, style, content).total for style in (kept, many))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=0)


def test_bone_statistics_go_with_the_depth_network(tmp_path, small):  # noqa: F811
    """A system that was built with other statistics takes those of the stage that it goes on from."""
    train(wanted(tmp_path, (1, 2)))
    before = small_model()
    spread = torch.ones(15, 3)
    other = NapaModel(before.stylizer, before.pose, before.depth, BoneStandardizer(spread, 7 * spread, spread[:, 0]))
    load_stage(other, tmp_path / "stage_2.safetensors", 2)
    assert torch.equal(other.standardizer.std, before.standardizer.std)
    assert torch.equal(other.standardizer.mean, before.standardizer.mean)


# --- a finished stage, fine-tuned ------------------------------------------------------------------------------------


def test_a_finished_stage_4_is_fine_tuned_on_real_pictures(tmp_path, small):  # noqa: F811
    """Section 4.5: the weights that stylised pictures taught go on, F' and its VGG among them."""
    train(wanted(tmp_path / "run", (1, 2, 3, 4)))
    before = (tmp_path / "run/stage_4.safetensors").read_bytes()
    asked = wanted(tmp_path / "real", (4,), fine_tune=tmp_path / "run")
    asked = replace(asked, config=replace(CONFIG, real=1.0))
    train(asked)
    assert (tmp_path / "run/stage_4.safetensors").read_bytes() == before
    assert PoseEstimator.from_pretrained(tmp_path / "real/pose_net.safetensors", "cpu").size == SIZE

    by_hand = small_model()
    load_stage(by_hand, tmp_path / "run/stage_4.safetensors", 4)
    run_stage(4, asked.config, by_hand, small_figures(4), every=2, styles=small_styles(), again=True)
    found = small_model()
    load_stage(found, tmp_path / "real/stage_4.safetensors", 4)
    for name, tensor in by_hand.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
    train(asked)  # nothing left to do
    train(longer(asked, 5))
    with pytest.raises(CheckpointError, match=r"trained stage 4 with --fine-tune stage_4.safetensors \(SHA"):
        train(replace(longer(asked, 5), fine_tune=None))


def test_fine_tuning_begins_where_the_stage_ended(tmp_path, small, monkeypatch):  # noqa: F811
    train(wanted(tmp_path / "run", (1, 2, 3, 4)))
    ended, seen = small_model(), []
    load_stage(ended, tmp_path / "run/stage_4.safetensors", 4)

    def stop(_title, _training, _step, _steps, _every, _setup, model, **_rest):
        seen.append(model.reconstructor.state_dict())
        raise KeyboardInterrupt

    monkeypatch.setattr("napa_lib.training.run.run", stop)
    with pytest.raises(KeyboardInterrupt):
        train(wanted(tmp_path / "more", (4,), fine_tune=tmp_path / "run"))
    assert all(torch.equal(seen[0][name], tensor) for name, tensor in ended.reconstructor.state_dict().items())


@pytest.mark.parametrize(("out", "stages", "said"), [
    ("run", (2,), "would overwrite what it starts from: choose another --out"),
    ("real", (1, 2), "goes on with one stage: --stage 2"), ("real", (3,), "holds no stage 3"),
])  # fmt: skip
def test_what_cannot_be_fine_tuned_is_refused_before_the_first_step(out, stages, said, tmp_path, small):  # noqa: F811
    train(wanted(tmp_path / "run", (1, 2)))
    with pytest.raises(ValueError, match=said):
        train(wanted(tmp_path / out, stages, fine_tune=tmp_path / "run"))
    assert not (tmp_path / "real").exists()


def test_only_a_finished_stage_is_fine_tuned(tmp_path, small, monkeypatch):  # noqa: F811
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(patch, 2)
        train(wanted(tmp_path / "run", (1,)))
    with pytest.raises(CheckpointError, match="was stopped at step 2 of 3: finish stage 1 first"):
        train(wanted(tmp_path / "more", (1,), fine_tune=tmp_path / "run"))


def test_other_settings_in_a_finished_folder_name_the_way(tmp_path, small):  # noqa: F811
    train(wanted(tmp_path, (1,)))
    with pytest.raises(CheckpointError, match="real is 0.0, expected 0.5.*; choose another --out; with --fine-tune"):
        train(replace(wanted(tmp_path, (1,)), config=replace(CONFIG, real=0.5)))


def test_what_is_no_checkpoint_is_no_start(tmp_path, small):  # noqa: F811
    train(wanted(tmp_path, (1,)))
    (tmp_path / "stylizer.safetensors").rename(tmp_path / "stage_1.safetensors")
    with pytest.raises(CheckpointError, match="stage_1.safetensors is no checkpoint of a training"):
        train(wanted(tmp_path))
