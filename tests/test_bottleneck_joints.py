"""KeypointGAN on a joint set of one's own: a horse's leg learns, is saved with its joints, and is read again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from napa_lib import bottleneck as b
from napa_lib.bottleneck import measure, train
from napa_lib.bottleneck.store import load_encoder
from napa_lib.data.pose_files import read_poses, save_poses
from napa_lib.data.sources import open_clips
from napa_lib.engine import CheckpointError, load_tensors, save_tensors
from napa_lib.networks import VGG19Features
from napa_lib.rendering import render_skeleton
from napa_lib.skeletons import NAPA18, Skeleton

LEG = Skeleton(
    "horse leg", ["elbow", "knee", "l_fetlock", "r_fetlock"], [-1, 0, 1, 1], [(2, 3)],
    bones=[(0, 1), (1, 2), (1, 3)], colors=[(0, 114, 178)] * 3,
)  # fmt: skip
MODEL = b.ModelConfig(LEG, size=32, width=4, discriminator_width=4, discriminator_layers=1, picture_width=4)
CONFIG = b.TrainingConfig(MODEL, steps=2, batch=2, every=1, perceptual_size=32, stir=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, vgg: VGG19Features) -> None:
    monkeypatch.setattr("napa_lib.bottleneck.ladder.VGG19Features", lambda: vgg)


def legs(count: int, frames: int) -> b.Clips:
    pose = torch.rand(count, frames, 4, 2, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    drawn = render_skeleton(pose.flatten(0, 1), LEG.bones, 32, 60.0).expand(-1, 3, -1, -1)
    return b.Clips((255 * drawn).byte().view(count, frames, 3, 32, 32), b.to_pixels(pose, 32), LEG)


def trained(tmp_path) -> b.KeypointGAN:
    clips = legs(4, 2)
    poses = b.to_unit(clips.keypoints.flatten(0, 1), 32)
    encoder = b.pretrain(CONFIG, poses, b.Setup())[0].skeleton_encoder
    setup = b.Setup(checkpoint=tmp_path / "c.safetensors")
    b.train_rung(replace(CONFIG, steps=1), clips, poses, encoder, setup)
    model, record = b.train_rung(CONFIG, clips, poses, encoder, setup)  # goes on from step 1
    assert [entry["step"] for entry in record] == [1, 2]
    return model


def test_it_learns_and_is_read_again(tmp_path):
    model, path = trained(tmp_path), tmp_path / "leg.safetensors"
    b.save_model(path, model, MODEL)
    again = b.load_model(path)
    assert again.config == MODEL and again.config.skeleton == LEG
    image = legs(2, 2).images[0].float() / 255
    with torch.no_grad():
        found, expected = again.predict(image), model.half().float().eval().predict(image)
    assert found.shape == (2, 4, 2)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    errors = b.landmark_errors(b.to_pixels(found, 32), b.to_pixels(expected, 32), LEG, 32)
    assert errors["mse"] < 1e-3


def test_only_its_own_frames_and_encoder_fit(tmp_path):
    config = b.model_config("tiny", skeleton=LEG)
    assert config.num_keypoints == 4 and config.edges == LEG.bones
    other = Skeleton(LEG.name, LEG.joints, LEG.parents, LEG.flip_pairs, LEG.bones[:2], LEG.colors[:2])
    b.save_model(tmp_path / "m.safetensors", b.KeypointGAN(MODEL), MODEL)
    with pytest.raises(CheckpointError, match="has skeleton"):
        load_encoder(tmp_path / "m.safetensors", replace(MODEL, skeleton=other))
    with pytest.raises(ValueError, match=r"floating \(4, 2, 4, 2\) for horse leg"):
        b.Clips(torch.zeros(4, 2, 3, 32, 32, dtype=torch.uint8), torch.zeros(4, 2, 18, 2), LEG)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"parents": [-1, 0, 1]}, "parents"),
        ({"bones": [[0, 9], [1, 2], [1, 3]]}, "bones"),
        ({"joints": ["elbow", "elbow", "a", "b"]}, "no two joints"),
        ({"joints": [1, 2, 3, 4]}, "must be words"),
        ({"colors": [[0, 0, 300]] * 3}, "colors"),
        ({"shape": 3}, "shape"),
        ({"joints": NAPA18.joints, "parents": NAPA18.parents}, "does not fit"),
    ],
    ids=str,
)
def test_a_damaged_joint_set_is_refused(tmp_path, change, said):
    b.save_model(tmp_path / "m.safetensors", b.KeypointGAN(MODEL), MODEL)
    tensors, header = load_tensors(tmp_path / "m.safetensors")
    config = json.loads(header["config"])
    config["skeleton"] |= change
    save_tensors(tmp_path / "m.safetensors", tensors, {**header, "config": json.dumps(config)})
    with pytest.raises(CheckpointError, match=said):
        b.load_model(tmp_path / "m.safetensors")


def test_the_command_takes_them_from_a_file_of_clips(tmp_path, monkeypatch):
    """Pictures, poses, and clips to measure on; what it leaves is measured by the other command."""
    monkeypatch.setitem(b.PRESETS, "tiny", MODEL)
    monkeypatch.setitem(train.PERCEPTUAL_SIZE, "tiny", 16)
    clips = legs(12, 4)
    b.save_clips(tmp_path / "legs.safetensors", clips)
    save_poses(tmp_path / "poses.safetensors", b.to_unit(clips.keypoints.flatten(0, 1), 32), LEG)
    assert b.read_clips(tmp_path / "legs.safetensors").skeleton == LEG
    with pytest.raises(ValueError, match="must hold poses of NAPA18"):
        read_poses(tmp_path / "poses.safetensors", "NAPA18")
    with pytest.raises(ValueError, match="must be labelled with NAPA18 or be of a known format, it has horse leg"):
        open_clips(str(tmp_path / "legs.safetensors"), 32, skeleton="NAPA18")
    common = ["--data", str(tmp_path / "legs.safetensors"), "--validation", str(tmp_path / "legs.safetensors"),
              "--pose-file", str(tmp_path / "poses.safetensors"), "--steps", "1", "--batch", "2"]  # fmt: skip
    eta, out, results = (tmp_path / name for name in ("eta.safetensors", "out.safetensors", "r.json"))
    train.main(["--stage", "pretrain", *common, "--out", str(eta)])
    train.main(["--stage", "ladder", *common, "--encoder", str(eta), "--out", str(out), "--results", str(results)])
    errors = json.loads(results.read_text())["errors"]
    assert set(errors) == {"all", "mean pose", "regressor on top"}
    again = ["--data", str(tmp_path / "legs.safetensors"), "--poses", str(tmp_path / "legs.safetensors")]
    measure.main([str(out), *again, "--results", str(tmp_path / "m.json")])
    measured = json.loads((tmp_path / "m.json").read_text())["errors"]["all"]
    assert measured["px"] == pytest.approx(errors["all"]["px"], rel=0.05)
