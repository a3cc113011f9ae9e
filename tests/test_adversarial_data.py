"""Chapter 4 on data sets of one's own: Human3.6M and MPII in their layouts, cut out, measured and trained on."""

from __future__ import annotations

import json
import weakref

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from test_adversarial_training import quick  # noqa: F401

from napa_lib import adversarial as a
from napa_lib import results
from napa_lib.adversarial import experiments
from napa_lib.data.crops import crop
from napa_lib.data.datasets import read_human36m, read_mpii
from napa_lib.skeletons import H36M17, H36M32, MPII16, convert
from tests.adversarial_world import SMALL


def human36m(root, rng, size=(200, 160), subjects=("S9", "S11")):
    """Two frames in Human3.6M's layout whose 2D positions are the projection of the 3D ones; returns the camera."""
    focal, centre = 1150.0, np.array([90.0, 70.0])
    poses = rng.normal(size=(2, 32, 3)) * [70, 70, 90] + [0, 0, 5000]
    points = focal * poses[..., :2] / poses[..., 2:] + centre
    for kind, values in (("D2_Positions", points), ("D3_Positions_mono", poses)):
        for subject in subjects:
            file = root / subject / "MyPoseFeatures" / kind / "Posing.54138969.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, values.reshape(2, -1))
    for subject in subjects:
        for frame in (1, 2):
            file = root / subject / f"Images/Posing.54138969/{frame:06d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (30 * frame, 99, 0)).save(file)
    return focal, centre, poses


def test_human36m_becomes_a_lab(tmp_path, rng):
    focal, _, poses = human36m(tmp_path, rng)
    frames = read_human36m(tmp_path, "test")
    lab = a.domain_from_annotations(frames, 64)
    assert len(lab) == 4 and lab.images.shape == (4, 3, 64, 64)
    truth = torch.cat([lab.keypoints, lab.depths[..., None]], -1)
    torch.testing.assert_close(lab.to_millimetres(truth), lab.poses, atol=0.5, rtol=1e-4)
    expected = convert(torch.tensor(poses[:2]).float(), H36M32, "H36M17")
    torch.testing.assert_close(lab.poses[:2], expected, atol=1e-2, rtol=1e-5)
    box = lab.keypoints.amax(1) - lab.keypoints.amin(1)
    torch.testing.assert_close(box.amax(1), torch.full((4,), 2 * 64 / 63 / 1.25), atol=1e-3, rtol=0)
    assert (lab.cameras[:, 0] < focal).all()  # the crop is smaller than the picture


def test_some_of_a_data_set_are_spread_over_it(tmp_path, rng):
    human36m(tmp_path, rng)
    name = f"human36m:{tmp_path}#test"
    every, some = a.open_domain(name, 64), a.open_domain(name, 64, 2)
    assert torch.equal(some.keypoints, every.keypoints[::2]) and len(a.open_domain(name, 64, 9)) == 4


def mpii(root, joints, seen, split="valid"):
    """Somebody in MPII's layout for each of the joints (N, 16, 2), of whom as many joints are marked as `seen` says."""
    people = [{"image": "a.jpg", "joints": points.tolist(), "joints_vis": [1] * known + [0] * (16 - known),
               "center": [80.0, 80.0], "scale": 0.6} for points, known in zip(joints, seen, strict=True)]  # fmt: skip
    for folder in ("annot", "images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / f"annot/{split}.json").write_text(json.dumps(people), "utf-8")
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)  # a plain picture has no gradient
    Image.fromarray(noise).save(root / "images/a.jpg")


def test_heads_that_a_data_set_measured_are_those_of_pckh(tmp_path, rng):
    joints = rng.uniform(20, 140, (2, 16, 2))
    mpii(tmp_path, joints, (16, 16))
    boxes = np.stack([np.zeros((2, 2)), [[30.0, 60.0], [40.0, 80.0]]])  # (2, 2, 2) corners: diagonals 50 and 100
    savemat(tmp_path / "annot/gt_valid.mat", {"headboxes_src": boxes, "pos_gt_src": joints.transpose(1, 2, 0)})
    wild = a.open_domain(f"mpii:{tmp_path}#valid", 64)
    found = read_mpii(tmp_path, "valid").to("H36M17").keypoints
    ankles = [H36M17.index(name) for name in ("r_ankle", "l_ankle")]
    both = [points[:, ankles[0]] - points[:, ankles[1]] for points in (wild.keypoints, found)]  # half sides, pixels
    torch.testing.assert_close(
        wild.head_sizes, torch.tensor([30.0, 60.0]) * both[0].norm(dim=-1) / both[1].norm(dim=-1)
    )
    off = wild.keypoints + torch.stack([0.45 * wild.head_sizes, 0 * wild.head_sizes], -1)[:, None]
    assert a.keypoint_rate(off, wild) == 100
    assert a.keypoint_rate(off + 0.1 * (off - wild.keypoints) / 0.45 + 1e-4, wild) == 0
    assert wild.take(slice(1, 2)).head_sizes.tolist() == wild.head_sizes[1:].tolist()


def test_people_of_whom_one_joint_is_known_are_left_out(tmp_path, rng):
    mpii(tmp_path, rng.uniform(20, 140, (3, 16, 2)), (16, 1, 12))
    assert len(a.domain_from_annotations(read_mpii(tmp_path, "valid"), 64)) == 2
    assert len(a.open_domain(f"mpii:{tmp_path}#valid", 64, most=1)) == 1
    mpii(tmp_path, rng.uniform(20, 140, (1, 16, 2)), (1,))
    with pytest.raises(ValueError, match="somebody with two joints"):
        a.domain_from_annotations(read_mpii(tmp_path, "valid"), 64)


def test_neither_joints_in_one_column_nor_a_damaged_picture_end_the_reading(tmp_path, rng):
    joints = rng.uniform(20, 140, (3, 16, 2))
    joints[1, :2, 0] = 50.0
    mpii(tmp_path, joints, (16, 2, 16))
    people = json.loads((tmp_path / "annot/valid.json").read_text("utf-8"))
    people[0]["image"] = "b.jpg"
    (tmp_path / "annot/valid.json").write_text(json.dumps(people), "utf-8")
    (tmp_path / "images/b.jpg").write_bytes((tmp_path / "images/a.jpg").read_bytes()[:3000])
    with pytest.warns(UserWarning, match=r"1 of 3 clips are left out.*b\.jpg"):
        wild = a.open_domain(f"mpii:{tmp_path}#valid", 64)
    assert len(wild) == 2 and [int((~k.isnan().any(-1)).sum()) for k in wild.keypoints] == [2, 16]
    side = 1.25 * 120  # MPII's box, 200 x 0.6 about (79, 79), and the joints in it
    for name in ("r_ankle", "r_knee"):
        expected = (torch.tensor(joints[1, MPII16.index(name)]).float() - 1 - 79) / side * 2 * 64 / 63
        torch.testing.assert_close(wild.keypoints[0, H36M17.index(name)], expected, atol=1e-4, rtol=0)


def test_more_pictures_than_there_is_memory_for_are_refused_in_words(tmp_path, rng, monkeypatch):
    mpii(tmp_path, rng.uniform(20, 140, (2, 16, 2)), [16] * 2)

    def full(*sides, dtype):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("napa_lib.data.known.torch.empty", full)
    with pytest.raises(ValueError, match="2 crops of 64 pixels need 0 GB of memory: take fewer"):
        a.open_domain(f"mpii:{tmp_path}#valid", 64)


def test_a_data_set_s_crops_become_bytes_one_by_one(tmp_path, rng, monkeypatch):
    mpii(tmp_path, rng.uniform(20, 140, (6, 16, 2)), [16] * 6)
    alive, most = weakref.WeakSet(), []

    def cut(*arguments):
        most.append(len(alive))
        found = crop(*arguments)
        alive.add(found)
        return found

    monkeypatch.setattr("napa_lib.data.known.crop", cut)
    assert a.domain_from_annotations(read_mpii(tmp_path, "valid"), 64).images.dtype == torch.uint8
    assert len(most) == 6 and max(most) <= 1


def test_the_command_takes_the_data_sets_of_the_paper(tmp_path, rng, monkeypatch):
    monkeypatch.setitem(experiments.PRESETS, "tiny", SMALL)
    monkeypatch.setattr(experiments, "art_rate", lambda model: 1.0)
    for subjects in (("S1", "S5", "S6", "S7", "S8"), ("S9", "S11")):
        human36m(tmp_path / "h36m", rng, subjects=subjects)
    joints = rng.uniform(20, 140, (3, 16, 2))
    for split in ("train", "valid"):
        mpii(tmp_path / "mpii", joints, [16] * 3, split)
    common = ["--lab", f"human36m:{tmp_path}/h36m#train", "--wild", f"mpii:{tmp_path}/mpii#train", "--most", "6",
              f"--runs={tmp_path}", f"--results={tmp_path}", "--steps-2d=1", "--steps-pretraining=1", "--steps=1",
              "--batch=4", "--every=1", "--seeds", "0", "--rows", "geo", "module_2d", "--device=auto"]  # fmt: skip
    human, people = f"human36m:{tmp_path}/h36m#test", f"mpii:{tmp_path}/mpii#valid"
    with pytest.raises(SystemExit, match="sizes of heads"):
        experiments.main([*common, "--test", human, people])
    boxes = np.stack([np.zeros((2, 3)), np.full((2, 3), 30.0)])
    savemat(tmp_path / "mpii/annot/gt_valid.mat", {"headboxes_src": boxes, "pos_gt_src": joints.transpose(1, 2, 0)})
    experiments.main([*common, "--test", human, people])
    found = results.read(tmp_path / "geo_0.json")
    assert set(found["errors"]) == {"human36m", "mpii", "art"} and set(found["errors"]["mpii"]) == {"pckh"}
    assert found["errors"]["human36m"]["rigid_mpjpe"]["all"] > 0 and found["record"][-1]["mpjpe_human36m"] > 0
    assert set(results.read(tmp_path / "module_2d.json")["errors"]) == {"human36m", "mpii", "art"}
    with pytest.raises(SystemExit, match="each format once"):
        experiments.main([*common, "--test", human, human])


def test_mpii_becomes_a_wild_world_with_holes_where_it_has_no_joint(tmp_path, rng):
    mpii(tmp_path, rng.uniform(20, 140, (1, 16, 2)), (15,))
    wild = a.domain_from_annotations(read_mpii(tmp_path, "valid"), 64)
    missing = {H36M17.joints[j] for j in wild.keypoints[0].isnan().any(-1).nonzero()[:, 0]}
    assert "l_wrist" in missing and "r_wrist" not in missing and wild.poses is None
    model = a.Generator(SMALL).eval()
    losses = a.pose_losses(model(wild.images / 255), wild.keypoints, wild.depths)
    assert losses.heatmaps.isfinite() and losses.depths == 0
