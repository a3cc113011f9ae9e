"""Chapter 3's commands: every stage, what they refuse, and what they write down."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napa_lib import bottleneck as b
from napa_lib.bottleneck import measure, train
from napa_lib.bottleneck.store import load_encoder
from napa_lib.data.sources import open_unpaired
from napa_lib.engine import CheckpointError
from napa_lib.skeletons import NAPA18
from tests.test_bottleneck_training import CONFIG, MODEL, poses, quick, stick_clips  # noqa: F401


def test_the_command_runs_every_stage(tmp_path, monkeypatch):
    monkeypatch.setitem(b.PRESETS, "tiny", replace(MODEL, size=64))
    monkeypatch.setitem(train.PERCEPTUAL_SIZE, "tiny", 16)
    for name, seed in (("train", 0), ("test", 1)):
        b.save_clips(tmp_path / f"{name}.safetensors", stick_clips(size=64, seed=seed))
    common = ["--data", str(tmp_path / "train.safetensors"), "--validation", str(tmp_path / "test.safetensors"),
              "--steps", "2", "--batch", "2"]  # fmt: skip
    eta = str(tmp_path / "eta.safetensors")
    train.main(["--stage", "pretrain", *common, "--poses", "mocap:studio", "--pose-count", "20", "--out", eta])
    assert isinstance(load_encoder(eta, replace(MODEL, size=64)), b.SkeletonEncoder)
    runs = [["ladder", "--rung", "cyclegan", "--encoder", eta, "--perceptual-size", "32"]]
    runs += [["ladder", "--rung", "ours", "--encoder", eta, "--recolour"]]
    runs += [["supervised"], ["hourglass", "--half"]]
    for number, stage in enumerate(runs):
        out, results = tmp_path / f"{number}.safetensors", tmp_path / f"{number}.json"
        train.main(["--stage", *stage, *common, "--out", str(out), "--results", str(results)])
        document = json.loads(results.read_text())
        names = {"all", "turn", "stand", "mean pose", "regressor on top"}
        names |= {"leak"} if stage[0] != "hourglass" else set()
        names |= {"carried"} if "ours" in stage or stage[0] == "supervised" else set()
        assert set(document["errors"]) == names
        assert document["errors"]["all"]["px_flips"] <= document["errors"]["all"]["px"]
        assert document["record"][-1]["step"] == 2 and document["record"][-1]["px"] == document["errors"]["all"]["px"]
        assert b.load_model(out).predict(torch.rand(1, 3, 64, 64)).shape == (1, 18, 2)
    # on from a trained model, on a real video, with poses of other clips, measured on frames held out
    monkeypatch.setattr(train, "EXAMPLES", 2)
    ours, results = tmp_path / "1.safetensors", tmp_path / "video.json"
    train.main(["--stage", "ladder", "--encoder", eta, "--data", "video:train", "--validation", "video:train",
                "--test", "video:test", "--poses", str(tmp_path / "train.safetensors"), "--start", str(ours),
                "--steps", "1", "--batch", "2", "--out", str(tmp_path / "video.safetensors"),
                "--results", str(results)])  # fmt: skip
    document = json.loads(results.read_text())
    assert set(document["errors"]) == {
        "all",
        "walking",
        "mean pose",
    }  # some joints have no label: no regressor, no leak
    assert document["errors"]["all"]["px"] != document["record"][-1]["px"]
    assert np.array(document["record"][-1]["examples"]).shape == (2, 18, 2)
    one, other = b.load_model(ours), b.load_model(tmp_path / "video.safetensors")
    step = (one.image_encoder.up.layers[-1].weight - other.image_encoder.up.layers[-1].weight).abs().max()
    assert 0 < step < 1e-3  # Adam's first step is of the learning rate's size, 2e-4, and files hold halves
    with pytest.raises(SystemExit, match="hourglass"):
        train.main(
            ["--stage", "ladder", *common, "--encoder", eta, "--start", str(tmp_path / "3.safetensors"), "--out", eta]
        )
    monkeypatch.setattr("napa_lib.bottleneck.supervised.heatmap_loss", lambda found, target: found.sum() * torch.inf)
    with pytest.raises(SystemExit, match="at step 0; stopped"):
        train.main(["--stage", "hourglass", *common, "--out", str(tmp_path / "broken.safetensors")])
    assert not (tmp_path / "broken.safetensors").exists()
    with pytest.raises(SystemExit, match="pose_count"):
        train.main(["--stage", "pretrain", *common, "--pose-count", "9999", "--out", eta])
    with pytest.raises(SystemExit, match="encoder"):
        train.main(["--stage", "ladder", *common, "--out", eta])
    with pytest.raises(CheckpointError, match="width"):
        load_encoder(eta, b.ModelConfig(size=64, discriminator_layers=1))
    with pytest.raises(CheckpointError, match="hourglass"):
        load_encoder(tmp_path / "3.safetensors", MODEL)


def test_a_trained_model_is_measured_on_other_clips(tmp_path, capsys):
    b.save_clips(tmp_path / "clips.safetensors", stick_clips())
    model = b.KeypointGAN(MODEL).eval()
    b.save_model(tmp_path / "m.safetensors", model, MODEL)
    clips = str(tmp_path / "clips.safetensors")
    results = tmp_path / "r.json"
    measure.main([str(tmp_path / "m.safetensors"), "--data", clips, "--poses", clips, "--results", str(results)])
    document = json.loads(results.read_text())
    found = b.predict_clips(b.load_model(tmp_path / "m.safetensors").predict, stick_clips())
    expected = (found - stick_clips().keypoints.flatten(0, 1)).norm(dim=-1).mean()
    assert document["errors"]["all"]["px"] == pytest.approx(float(expected))
    assert set(document["errors"]) == {"all", "turn", "stand", "mean pose"}
    assert f"all: {document['errors']['all']['percent']:.2f} %" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"h2\.safetensors is not a readable"):
        measure.main([str(tmp_path / "h2.safetensors"), "--data", clips])


def test_a_short_test_set_does_not_end_a_training_after_its_last_step():
    model, whole = b.KeypointGAN(MODEL).eval(), stick_clips()
    errors = train.final_errors(model, whole, whole.take(slice(1)), poses(9), torch.device("cpu"))
    assert "leak" in errors and "carried" not in errors  # one clip of four frames
    one = replace(whole, images=whole.images[:1, :1], keypoints=whole.keypoints[:1, :1], motions=("turn",))
    errors = train.final_errors(model, whole, one, poses(9), torch.device("cpu"))
    assert set(errors) == {"all", "turn", "mean pose", "regressor on top"}


def asked(*options: str) -> argparse.Namespace:
    return train.parser().parse_args(["--stage", "ladder", "--data", "studio:validation", "--out", "x", *options])


def test_unpaired_poses_are_all_of_another_set_and_never_the_labels_of_the_pictures():
    rest = b.halves(b.open_clips("studio:validation", 64))[1]

    def chosen(*options: str) -> torch.Tensor:
        return train.choose_poses(asked(*options), rest, None, torch.Generator())

    every = b.unpaired_poses(b.open_clips("studio:test", 64))
    own = open_unpaired("studio:validation", 64)[1]
    torch.testing.assert_close(own, b.unpaired_poses(rest), equal_nan=True)
    assert train.choose_poses(asked(), rest, own, torch.Generator()) is own
    torch.testing.assert_close(chosen("--poses", "studio:test"), every, equal_nan=True)
    torch.testing.assert_close(chosen("--poses", "rest:studio:test"), every[len(every) // 2 :], equal_nan=True)
    for same in ("studio:validation", "rest:studio:validation"):
        with pytest.raises(ValueError, match="labels of the pictures, got studio:validation"):
            chosen("--poses", same)


def test_fewer_poses_are_drawn_at_random_and_always_the_same():
    rest = poses(40)

    def chosen(seed: int) -> torch.Tensor:
        return train.choose_poses(asked("--pose-count", "8"), stick_clips(), rest, torch.Generator().manual_seed(seed))

    places = [(rest == p).all((1, 2)).nonzero().item() for p in chosen(0)]
    assert len(set(places)) == 8 and max(places) > 15 and torch.equal(chosen(0), chosen(0))
    assert not torch.equal(chosen(0), chosen(1))


def test_the_record_follows_the_first_frames_of_the_first_clips():
    clips, model = stick_clips(), nn.Module()
    model.predict = lambda image: image.mean((1, 2, 3))[:, None, None].expand(-1, 18, 2)
    entry = train.measurement(clips, torch.device("cpu"))(model)
    brightness = clips.images[: train.EXAMPLES, 0].float().mean((1, 2, 3)) / 255
    for pose, bright in zip(entry["examples"], brightness, strict=True):
        np.testing.assert_allclose(pose, b.to_pixels(bright, 32), atol=0.051)
    assert entry["px"] == b.errors_by_motion(b.predict_clips(model.predict, clips), clips)["all"]["px"]


def test_the_baselines_clip_their_gradients_too(monkeypatch):
    clips, given = stick_clips(size=64), []
    monkeypatch.setattr("napa_lib.bottleneck.supervised.descend", lambda *arguments: given.append(arguments[2]))
    config = replace(CONFIG, steps=1, clip=0.25, model=replace(MODEL, size=64))
    b.train_supervised(config, clips)
    b.train_hourglass(config, clips)
    assert given == [0.25, 0.25]


def test_a_joint_that_no_pose_shows_is_named_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setitem(b.PRESETS, "tiny", replace(MODEL, size=64))
    clips = stick_clips(size=64)
    clips.keypoints[:, :, [NAPA18.index("neck"), NAPA18.index("nose")]] = torch.nan
    b.save_clips(tmp_path / "clips.safetensors", clips)
    with pytest.raises(SystemExit, match="none has neck, nose"):
        train.main(["--stage", "pretrain", "--data", str(tmp_path / "clips.safetensors"), "--steps", "1",
                    "--out", str(tmp_path / "eta.safetensors")])  # fmt: skip
    assert not (tmp_path / "eta.safetensors").exists()


def test_the_regressor_learns_from_labelled_clips_where_those_of_the_training_have_no_labels(tmp_path, monkeypatch):
    """Table 3: frames of VoxCeleb, poses of Multi-PIE, a regressor from 300-W."""
    monkeypatch.setitem(b.PRESETS, "tiny", replace(MODEL, size=64))
    monkeypatch.setitem(train.PERCEPTUAL_SIZE, "tiny", 16)
    clips = {
        "blind": stick_clips(size=64),
        "labelled": stick_clips(size=64, seed=1),
        "test": stick_clips(size=64, seed=2),
    }
    clips["blind"].keypoints[:] = torch.nan
    files = {name: str(tmp_path / f"{name}.safetensors") for name in (*clips, "eta", "model")}
    for name, some in clips.items():
        b.save_clips(files[name], some)
    b.save_model(files["eta"], b.KeypointGAN(replace(MODEL, size=64)), replace(MODEL, size=64))
    results = tmp_path / "r.json"
    common = ["--stage", "ladder", "--encoder", files["eta"], "--data", files["blind"], "--poses", files["labelled"],
              "--test", files["test"], "--steps", "1", "--batch", "2", "--scored", "SHARED15",
              "--out", files["model"]]  # fmt: skip
    train.main([*common, "--regress", files["labelled"], "--results", str(results)])
    errors = json.loads(results.read_text())["errors"]
    model = b.load_model(files["model"])
    found, of_labelled = (b.predict_clips(model.predict, clips[name]) for name in ("test", "labelled"))
    regress = b.regress_keypoints(of_labelled, clips["labelled"].keypoints.flatten(0, 1))
    expected = b.errors_by_motion(regress(found), clips["test"], "SHARED15")["all"]["px"]
    assert errors["regressor on top"]["px"] == pytest.approx(expected, rel=0.01)  # files hold halves
    assert "leak" not in errors
    measure.main([files["model"], "--data", files["test"], "--poses", files["labelled"], "--scored", "SHARED15",
                  "--regress", files["labelled"], "--results", str(results)])  # fmt: skip
    measured = json.loads(results.read_text())["errors"]
    assert measured["regressor on top"]["px"] == pytest.approx(expected, rel=1e-4)
    assert measured["all"]["px"] == pytest.approx(errors["all"]["px"], rel=0.01)
    with pytest.raises(SystemExit, match="at least 3 frames that have all labels"):
        train.main([*common, "--regress", files["blind"]])
