"""Chapter 7 with data of one's own: poses from labels alone, two shots of each action, and a file for chapter 3."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_data_datasets import h36m
from test_data_known import figure

from napa_lib import results
from napa_lib.adaptation import (
    GeneratorConfig,
    KeypointRegressor,
    PoseStyleGAN,
    choose_shots,
    energy_distance,
    fit_square,
    measure,
    own,
    source_poses,
)
from napa_lib.adaptation import train as training
from napa_lib.adaptation.functional import widened
from napa_lib.adaptation.reading import ReadingConfig
from napa_lib.adaptation.store import load_regressor, save_regressor, save_source
from napa_lib.adaptation.targets import labelled_poses, labelled_target
from napa_lib.bottleneck.train import choose_poses, parser
from napa_lib.data.pose_files import read_poses
from napa_lib.data.sources import open_clips
from napa_lib.skeletons import COCO17, SHARED15
from tests.small_files import picture, pts, write

SMALL = GeneratorConfig(size=16, latent=8, mapping_layers=2, channels=(12, 8, 6))
VIDEOS = (("S9", "Sitting.54138969", 9), ("S11", "Eating.60457274", 4))
H36M = {"pelvis": 0, "l_wrist": 19}  # where Human3.6M's 32 have them


@pytest.fixture
def coco(tmp_path, rng):
    """A COCO folder of fourteen figures, of which the second lacks a wrist; its pictures cannot be opened."""
    joints = [figure(rng) for _ in range(14)]
    flags = np.full((14, 17, 1), 2)
    flags[1, COCO17.index("l_wrist")] = 0
    people = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": [0, 0, 400, 400],
         "keypoints": np.concatenate([where * (flag > 0), flag], 1).ravel().tolist()}
        for i, (where, flag) in enumerate(zip(joints, flags, strict=True))
    ]  # fmt: skip
    names = [n.replace("l_", "left_").replace("r_", "right_") if n[1] == "_" else n for n in COCO17.joints]
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 400, "height": 400} for i in range(14)],
        "annotations": people, "categories": [{"id": 1, "name": "person", "keypoints": names}],
    }  # fmt: skip
    write(tmp_path / "annotations/mine_train.json", json.dumps(content))
    for i in range(14):
        write(tmp_path / f"{i}.png", "no picture")
    return tmp_path, joints


@pytest.fixture
def human36m(tmp_path, rng):
    """Nine frames of one action, four of another."""
    found = {}
    for subject, video, frames in VIDEOS:
        found[video] = h36m(tmp_path, subject, video, frames, rng)["D2_Positions"].reshape(-1, 32, 2)
    return f"human36m:{tmp_path}#test", found


def test_whole_poses_come_from_labels_alone(coco):
    folder, joints = coco
    poses, actions = labelled_poses(f"coco:{folder}")
    assert poses.shape == (13, 15, 2) and actions == ()
    hips = [COCO17.index("l_hip"), COCO17.index("r_hip")]
    for pose, where in zip(poses.double().numpy(), [joints[0], *joints[2:]], strict=True):
        at = {name: pose[SHARED15.index(name)] for name in ("pelvis", "l_wrist", "r_ankle", "l_knee")}
        wrist, ankle, knee = (where[COCO17.index(name)] for name in ("l_wrist", "r_ankle", "l_knee"))
        ours = np.stack([at["l_wrist"] - at["pelvis"], at["r_ankle"] - at["pelvis"], at["l_knee"] - at["pelvis"]])
        theirs = np.stack([point - where[hips].mean(0) for point in (wrist, ankle, knee)])
        scale = (ours * theirs).sum() / (theirs**2).sum()
        np.testing.assert_allclose(ours, scale * theirs, atol=1e-5)


def test_each_action_gives_two_shots(human36m):
    name, positions = human36m
    target = labelled_target(name, name)
    assert (target.activities, len(target.pool), len(target.held_out)) == (2, 8, 13)  # four frames of either action
    shots = choose_shots(target, measure.shots_for(target), torch.Generator().manual_seed(0))

    def mine(video):
        joints = torch.from_numpy(positions[video])
        spans = (joints[None, :, H36M["l_wrist"]] - joints[None, :, H36M["pelvis"]]).double()
        ours = (shots[:, SHARED15.index("l_wrist")] - shots[:, SHARED15.index("pelvis")]).double()
        cosine = torch.cosine_similarity(spans, ours[:, None], dim=-1)  # a shot is a frame, moved and scaled
        return int((cosine > 1 - 1e-6).any(1).sum())

    assert len(shots) == 4 and mine("Eating.60457274") == mine("Sitting.54138969") == 2


def test_sources_and_targets_that_cannot_be(coco, human36m, tmp_path, rng):
    folder, _ = coco
    write(tmp_path / "w/afw/image_1.pts", pts(rng.uniform(1, 400, (68, 2))))
    for more in ("helen/trainset", "lfpw/trainset"):
        write(tmp_path / "w" / more / "image_2.pts", pts(rng.uniform(1, 400, (68, 2))))
        picture(tmp_path / "w" / more / "image_2.jpg")
    picture(tmp_path / "w/afw/image_1.jpg")
    faces = f"300w:{tmp_path / 'w'}"
    assert labelled_poses(faces)[0].shape == (3, 68, 2)
    with pytest.raises(ValueError, match="figures of 15 points, 300w:.* of 68"):
        labelled_target(f"coco:{folder}", faces)
    for number in (1, 2):
        picture(tmp_path / f"v/person/video/{number}.jpg")
    with pytest.raises(ValueError, match="no labels"):
        labelled_poses(f"voxceleb:{tmp_path / 'v'}")
    file = folder / "annotations/mine_train.json"
    content = json.loads(file.read_text("utf-8"))
    write(file, json.dumps({**content, "annotations": content["annotations"][1:2]}))
    with pytest.raises(ValueError, match="a figure with all 15 points, none of 1"):
        labelled_poses(f"coco:{folder}")


def test_a_source_is_trained_on_labels_of_ones_own(coco, tmp_path, monkeypatch):
    folder, _ = coco
    monkeypatch.setitem(training.PRESETS, "tiny", SMALL)
    words = ["--steps", "2", "--batch", "4", "--out", str(tmp_path / "beta.safetensors")]
    seen, read = [], training.train_regressor
    monkeypatch.setattr(
        training, "train_regressor", lambda c, poses, setup: seen.append(poses) or read(c, poses, setup)
    )
    training.main(["--stage", "beta", "--poses", f"coco:{folder}", *words, "--results", str(tmp_path / "b.json")])
    assert load_regressor(tmp_path / "beta.safetensors").joints == 15
    torch.testing.assert_close(seen[0], labelled_poses(f"coco:{folder}")[0])
    monkeypatch.setattr(training, "MOST", 5)
    some = training.open_source(f"coco:{folder}", torch.Generator())
    torch.testing.assert_close(some, seen[0][[0, 2, 5, 7, 10]])  # of thirteen, evenly spread
    assert "held_out" not in results.read(tmp_path / "b.json")  # motion capture is none of its source
    for bad, message in ((["--poses", "mine"], "mocap, artificial.*coco:FOLDER, got 'mine'"),
                         (["--start", "x.safetensors"], "--start is for --stage source")):  # fmt: skip
        with pytest.raises(SystemExit, match=message):
            training.main(["--stage", "warm", *words, *bad])


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(measure, "ADAPTATION", replace(measure.ADAPTATION, mixed=30, steps=2, batch=4))
    monkeypatch.setattr(own, "POOL", 40)
    config = ReadingConfig
    monkeypatch.setattr(own, "ReadingConfig", lambda seed: config(2, 4, seed=seed))
    torch.manual_seed(0)
    return PoseStyleGAN(SMALL).eval(), KeypointRegressor(3, 8, 1).eval()


def test_made_poses_are_as_wide_as_the_shots(small):
    shots = source_poses(5, torch.Generator().manual_seed(0))
    made = own.make_poses(shots, *small, 47, 3)
    assert {kind: len(poses) for kind, poses in made.items()} == {"source": 40, "mixup": 30, "wide": 47}
    variance = [float(poses.double().var(0).sum()) for poses in (made["wide"], shots)]
    assert variance[0] == pytest.approx(variance[1], rel=0.1)  # 47 of the 48 that were widened
    torch.testing.assert_close(widened(made["wide"], shots).mean(0), made["wide"].mean(0))


def test_the_command_writes_poses_that_lie_as_chapter_3s_crops_show_them(human36m, small, tmp_path, capsys):
    name, _ = human36m
    for subject, video, frames in VIDEOS:
        for i in range(frames):
            picture(tmp_path / subject / f"Images/{video}/{i + 1:06d}.jpg", size=(1000, 1000))
    save_source(tmp_path / "g.safetensors", small[0])
    save_regressor(tmp_path / "b.safetensors", small[1])
    out, found = tmp_path / "ours.safetensors", tmp_path / "ours.json"
    words = f"--shots {name} --count 70 --out {out} --source {tmp_path / 'g.safetensors'}".split()
    networks = [*words, "--beta", str(tmp_path / "b.safetensors")]
    own.main([*networks, "--held-out", name, "--results", str(found), "--seed", "2"])
    told = results.read(found)
    table = [line.split() for line in capsys.readouterr().out.splitlines() if line.split()[0] in ("mmd", "wide")]
    assert table == [["mmd", "energy", "coverage"], ["wide", *(f"{v:.4f}" for v in told["distances"]["wide"].values())]]
    assert told["shots"] == 4 and set(told["distances"]) == {"source", "mixup", "wide", "pool"}
    assert told["config"]["seed"] == told["seed"] == 2 and told["config"]["layers"] == [1, 2, 3, 4, 5, 6]
    clips = open_clips(name, 64, skeleton="SHARED15")
    asked = parser().parse_args(["--stage", "pretrain", "--data", "x", "--out", "y", "--pose-file", str(out)])
    poses = choose_poses(asked, clips, None, torch.Generator())
    assert poses.shape == (70, 15, 2)
    shown = clips.keypoints.flatten(0, 1) / 63 * 2 - 1
    torch.testing.assert_close(shown, fit_square(shown), atol=0.03, rtol=0)  # crops hold figures as squares do
    mixed = read_poses(out, "SHARED15")[-30:]
    assert energy_distance(mixed, fit_square(shown)) < energy_distance(source_poses(60, torch.Generator()), mixed)
    save_regressor(tmp_path / "white.safetensors", KeypointRegressor(1, 8, 1))
    for bad, message in (
        ([*words, "--beta", str(tmp_path / "white.safetensors")], "white.safetensors reads pictures of another size"),
        (words, "--source and --beta go together"), ([*networks, "--results", str(found)], "needs --held-out"),
        ([*networks, "--count", "30"], "more than the 30 mixed"), ([*networks, "--number", "1"], "from 2 to the 8"),
        ([*networks, "--shots", "mine"], "FORMAT:FOLDER"),
    ):  # fmt: skip
        with pytest.raises(SystemExit, match=message):
            own.main(bad)


def test_networks_that_ship_are_those_of_the_shots_points():
    for joints in (15, 68):
        source, beta = own.open_networks(joints, None, None)
        assert beta.joints == joints and source.config.planes == 3
