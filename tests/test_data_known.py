"""A user's own data set in a known format: cut out of its pictures, as clips, and trained from."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from test_data_datasets import h36m, penn

from napa_lib.bottleneck.evaluate import errors_by_motion
from napa_lib.data.clips import Clips, frame_pairs, halves, labelled_frames, read_clips, save_clips, to_unit
from napa_lib.data.datasets import Annotations, read_coco
from napa_lib.data.known import figure_squares, from_annotations, open_known
from napa_lib.data.sources import open_clips, open_halves, open_poses, open_unpaired
from napa_lib.engine import save_tensors
from napa_lib.skeletons import COCO17, H36M32, NAPA18
from napa_lib.training import pose
from napa_lib.training.pictures import open_sources, split_share
from tests.small_files import mat, picture, pts, write

SIDE = 10  # of the squares that mark the joints


def figure(rng, low=60, high=340) -> np.ndarray:
    """Seventeen joints (17, 2) that keep apart."""
    grid = np.stack(np.meshgrid(np.linspace(low, high, 5), np.linspace(low, high, 4)), -1).reshape(-1, 2)[:17]
    return grid + rng.uniform(-5, 5, (17, 2))


def drawn(path, joints, size=(400, 400), **more):
    """A white picture with a mark at each joint, whose red is the joint's number."""
    image = np.full((size[1], size[0], 3), 255, np.uint8)
    for number, (x, y) in enumerate(joints):
        x, y = round(x), round(y)
        image[max(0, y - SIDE) : y + SIDE + 1, max(0, x - SIDE) : x + SIDE + 1] = (10 * number, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **more)


@pytest.fixture
def mine(tmp_path, rng):
    """A COCO folder of six people in five pictures, one of which is damaged."""
    people, pictures = [], []
    for i in range(5):
        joints = figure(rng)
        drawn(tmp_path / f"images/{i}.png", joints)
        pictures.append({"id": i, "file_name": f"{i}.png", "width": 400, "height": 400})
        flat = np.concatenate([joints, np.full((17, 1), 2)], 1).ravel().tolist()
        people.append({"id": i, "image_id": i, "category_id": 1, "bbox": [40, 40, 320, 320], "keypoints": flat})
    half = [v if i % 3 < 2 else 2 * (i // 3 < 11) for i, v in enumerate(people[1]["keypoints"])]
    people.append({"id": 9, "image_id": 1, "category_id": 1, "keypoints": half})
    (tmp_path / "images/3.png").write_bytes(b"\x89PNG damaged")
    names = [n.replace("l_", "left_").replace("r_", "right_") if n[1] == "_" else n for n in COCO17.joints]
    content = {
        "images": pictures,
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
    }
    write(tmp_path / "annotations/mine_train.json", json.dumps(content))
    return tmp_path


def marks_are_right(clips: Clips, joints: dict[str, int]) -> None:
    """At each labelled joint the crop shows the mark of that joint."""
    for images, keypoints in zip(clips.images.flatten(0, 1), clips.keypoints.flatten(0, 1), strict=True):
        for name, number in joints.items():
            x, y = keypoints[NAPA18.index(name)].tolist()
            if x == x:
                assert abs(int(images[0, round(y), round(x)]) - 10 * number) <= 6, name
                assert int(images[1, round(y), round(x)]) <= 40


LIMBS = {name: COCO17.index(name) for name in NAPA18.joints if name in COCO17.joints and name != "nose"}


@pytest.mark.parametrize("size", [64, 200])
def test_figures_are_cut_out_with_their_joints(mine, size):
    with pytest.warns(UserWarning, match=r"1 of 6 clips are left out.*3\.png"):
        clips = open_clips(f"coco:{mine}", size)
    assert clips.images.shape == (5, 1, 3, size, size) and clips.skeleton == "NAPA18" and clips.poses is None
    marks_are_right(clips, LIMBS)
    inside = (clips.keypoints >= 0) & (clips.keypoints <= size - 1)
    assert bool((inside | clips.keypoints.isnan()).all())
    labelled = labelled_frames(clips, 8, torch.Generator().manual_seed(0))
    assert labelled[0].shape == (8, 3, size, size)


def test_large_pictures_are_reduced_while_they_are_decoded(tmp_path, rng):
    joints = figure(rng) * 8
    image = np.full((3200, 3200, 3), 255, np.uint8)
    for number, (x, y) in enumerate(joints.round().astype(int)):
        image[y - 80 : y + 81, x - 80 : x + 81] = (10 * number, 0, 0)
    Image.fromarray(image).save(tmp_path / "1.jpg", quality=95)
    people = Annotations(
        tmp_path, ("1.jpg",), torch.tensor(joints[None]).float(), torch.ones(1, 17, dtype=torch.bool), COCO17
    )
    sizes, load = [], people.load
    object.__setattr__(people, "load", lambda i, f: sizes.append(load(i, f).shape[-1]) or load(i, f))
    clips = from_annotations(people.to("NAPA18"), 64)
    marks_are_right(clips, LIMBS)
    assert people.load(0, 16).shape == (3, 200, 200)


def test_known_formats_by_name(tmp_path, rng):
    joints = np.linspace(20, 380, 16)[:, None] + np.array([[0.0, 3.0]])
    person = {
        "image": "1.png",
        "joints": (joints + 1).tolist(),
        "joints_vis": [1] * 16,
        "center": [201, 201],
        "scale": 2,
    }
    write(tmp_path / "annot/valid.json", json.dumps([person]))
    drawn(tmp_path / "images/1.png", joints)
    assert open_clips(f"mpii:{tmp_path}#val", 32).images.shape == (1, 1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"train\.json"):
        open_clips(f"mpii:{tmp_path}", 32)
    for folder in ("helen/testset", "lfpw/testset", "ibug"):
        write(tmp_path / folder / "a.pts", pts(rng.uniform(1, 390, (68, 2))))
        picture(tmp_path / folder / "a.JPG", size=(400, 400))
    faces = open_clips(f"300w:{tmp_path}#test", 32)
    assert faces.skeleton == "FACE68" and len(faces) == 3 and bool(faces.keypoints.isfinite().all())
    for i in range(10):
        picture(tmp_path / f"voices/person/clip/{i}.jpg", size=(60, 40))
    voices = open_clips(f"voxceleb:{tmp_path / 'voices'}", 16)
    assert voices.images.shape == (1, 8, 3, 16, 16) and bool(voices.keypoints.isnan().all())
    with pytest.raises(ValueError, match="format of coco, human-art, mpii"):
        open_known("coca:here")
    with pytest.raises(ValueError, match="no split of voxceleb"):
        open_known(f"voxceleb:{tmp_path / 'voices'}#test")
    for split, file in {"train": "annot.mat", "test": "annot_data.npz"}.items():
        with pytest.raises(ValueError, match=f"has no {file}"):
            open_known(f"mpi-inf-3dhp:{tmp_path}#{split}")
    with pytest.raises(ValueError, match="split must be one of train, test"):
        open_known(f"mpi-inf-3dhp:{tmp_path}#val")


def test_videos_become_clips_with_their_poses(tmp_path, rng):
    for subject in ("S9", "S11"):
        flat = h36m(tmp_path, subject, "Posing.54138969", 20, rng)
        for i in range(20):
            picture(tmp_path / subject / f"Images/Posing.54138969/{i + 1:06d}.jpg", shade=10 * i, size=(300, 300))
    clips = open_clips(f"human36m:{tmp_path}#test", 32)
    assert clips.images.shape == (4, 8, 3, 32, 32) and clips.motions == ("Posing",) * 4
    seen = clips.images[:, :, 0].float().mean((-1, -2)) / 10  # the frame's number
    assert bool((seen.diff(dim=1) > 1.5).all())  # frames lie apart, in order of time
    first, second = frame_pairs(clips, 20, torch.Generator().manual_seed(0))
    assert bool(((first - second).abs().amax((1, 2, 3)) > 0.05).all())
    poses = torch.tensor(flat["D3_Positions_mono"].reshape(-1, 32, 3))
    torch.testing.assert_close(clips.poses[3, 0, NAPA18.index("r_knee")], poses[1, 2].float())
    save_clips(tmp_path / "a.safetensors", clips)
    again = read_clips(tmp_path / "a.safetensors")
    assert torch.equal(again.poses.nan_to_num(), clips.poses.nan_to_num()) and again.motions == clips.motions
    assert halves(clips)[1].poses.shape == (2, 8, 18, 3)
    penn(tmp_path, "0001", rng, 1, frames=3)
    for i in range(3):
        picture(tmp_path / f"frames/0001/{i + 1:06d}.jpg", size=(400, 400))
    assert open_clips(f"penn-action:{tmp_path}", 16).images.shape[:2] == (1, 3)


def numbers(clips: Clips) -> set[int]:
    """The shades of a set's pictures, (N, T) in tens."""
    return set((clips.images[:, :, 0, 8, 8].float() / 10).round().int().flatten().tolist())


def test_half_of_each_actions_videos_goes_to_either_side(tmp_path, rng):
    """Section 5.1, PennAction: not the first half of the list, which lacks an action that the second has."""
    for number in range(12):
        action = ("baseball_pitch", "bench_press", "tennis_serve")[number // 4]
        penn(tmp_path, f"{number:04d}", rng, 1, frames=2, action=action)
        for i in range(2):
            picture(tmp_path / f"frames/{number:04d}/{i + 1:06d}.jpg", shade=10 * number, size=(400, 400))
    pictures, poses = open_halves(f"penn-action:{tmp_path}", 16, skeleton="SHARED15")
    assert numbers(pictures) == {0, 1, 4, 5, 8, 9} and numbers(poses) == {2, 3, 6, 7, 10, 11}
    assert set(pictures.motions) == set(poses.motions) == {"baseball_pitch", "bench_press", "tennis_serve"}
    assert pictures.skeleton == "SHARED15" and bool((~pictures.keypoints.isnan()).flatten(0, 1).any(0).all())
    assert torch.equal(open_clips(f"rest:penn-action:{tmp_path}", 16, skeleton="SHARED15").images, poses.images)


def test_each_video_of_human36m_is_cut_in_half_and_all_its_joints_are_kept(tmp_path, rng):
    for subject, name in product(("S9", "S11"), ("Posing.54138969", "Sitting.54138969")):
        h36m(tmp_path, subject, name, 16, rng)
        for i in range(16):
            picture(tmp_path / subject / f"Images/{name}/{i + 1:06d}.jpg", shade=10 * i, size=(300, 300))
    pictures, poses = open_halves(f"human36m:{tmp_path}#test", 32, skeleton="H36M32")
    assert numbers(pictures) == set(range(8)) and numbers(poses) == set(range(8, 16))
    assert pictures.motions == poses.motions == ("Posing", "Sitting") * 2
    assert pictures.keypoints.shape == (4, 8, 32, 2) and not bool(pictures.keypoints.isnan().any())
    # 17 of the 32 are scored: toes may be anywhere
    found = pictures.keypoints.flatten(0, 1).clone()
    found[:, H36M32.index("l_toe_end")] += 9
    found[:, H36M32.index("l_wrist"), 0] += 17
    assert errors_by_motion(found, pictures, "H36M17")["all"]["px"] == pytest.approx(1)
    with pytest.raises(ValueError, match="H36M32 or be of a known format, it has NAPA18"):
        open_clips("studio:test", 32, skeleton="H36M32")


def test_poses_of_a_known_format_need_no_pictures(tmp_path, rng):
    """Multi-PIE's landmarks and the halves of Human3.6M: all of them, laid out as in the crops."""
    landmarks = rng.uniform(100, 300, (3, 68, 2))
    for i, points in enumerate(landmarks):
        mat(tmp_path / f"MPie_Labels/labels/051/00{i}_01_01_051_05_lm.mat", pts=points)
    poses = open_poses(f"multipie:{tmp_path}", 64)
    sides = np.ptp(landmarks, 1)
    middle = landmarks.min(1) + sides / 2
    expected = (landmarks - middle[:, None]) / (1.25 * sides.max(1)[:, None, None]) * 2 * 64 / 63
    np.testing.assert_allclose(poses, expected, atol=1e-4)
    for subject in ("S9", "S11"):
        h36m(tmp_path, subject, "Posing.54138969", 40, rng)
    name = f"human36m:{tmp_path}#test"
    assert open_poses(name, 32).shape == (80, 18, 2) and open_poses(f"rest:{name}", 32).shape == (40, 18, 2)
    for subject, i in product(("S9", "S11"), range(40)):
        picture(tmp_path / subject / f"Images/Posing.54138969/{i + 1:06d}.jpg", size=(300, 300))
    images, poses = open_unpaired(name, 32)
    assert images.images.shape == (4, 8, 3, 32, 32) and torch.equal(poses, open_poses(f"rest:{name}", 32))
    clips = open_clips(f"rest:{name}", 32)
    seen = {tuple(pose.flatten().tolist()) for pose in to_unit(clips.keypoints, 32).flatten(0, 1)}
    assert seen <= {tuple(pose.flatten().tolist()) for pose in poses}


def test_simplified_human36m_is_taken_whole_and_without_background(tmp_path, rng):
    """Table 2's errors are in per cent of those pictures; its people have no background (figure 7)."""
    folder, points = "Walking 1.58860488", rng.uniform(0.3, 0.7, (32, 2))
    for i in range(8):
        mat(tmp_path / f"S11/Landmarks/{folder}/{i + 1}.mat", keypoints_2d=points[:, ::-1])
        picture(tmp_path / f"S11/WithBackground/{folder}/{i + 1}.jpg", shade=200, size=(128, 128))
        mask = Image.new("1", (128, 128))
        mask.paste(1, (32, 0, 64, 128))
        (tmp_path / f"S11/BackgroudMask/{folder}").mkdir(parents=True, exist_ok=True)
        mask.save(tmp_path / f"S11/BackgroudMask/{folder}/{i + 1}.png")
    for size in (128, 64):
        clips = open_clips(f"simplified-human36m:{tmp_path}#test", size, skeleton="H36M32")
        red = clips.images[0, 0, 0].float()
        assert float(red[:, size // 4 + 1 : size // 2 - 1].min()) > 190 and float(red[:, size // 2 + 1 :].max()) < 10
        place = (torch.tensor(points).float() * 127 + 0.5) * size / 128 - 0.5
        torch.testing.assert_close(clips.keypoints[0, 0], place, atol=1e-3, rtol=0)


def test_what_is_kept_is_bounded(mine, monkeypatch):
    people = read_coco(mine, "annotations/mine_train.json", "images").take([0, 1, 2, 4, 5])
    assert len(from_annotations(people, 16, most=3)) == 3
    monkeypatch.setattr("napa_lib.data.known.LARGEST", 2 * 3 * 16 * 16)
    with pytest.warns(UserWarning, match="2 of 5 clips are read"):
        assert len(from_annotations(people, 16)) == 2


def test_squares_hold_joints_and_box():
    joints = torch.tensor([[[10.0, 10.0], [30.0, 20.0]], [[torch.nan] * 2, [5.0, 5.0]], [[torch.nan] * 2] * 2])
    boxes = torch.tensor([[0.0, 0.0, 40.0, 20.0], [torch.nan] * 4, [100.0, 100.0, 140.0, 180.0]])
    found = figure_squares(joints, boxes, 1.25)
    expected = torch.tensor([[-5.0, -15.0, 45.0, 35.0], [0.0, 0.0, 10.0, 10.0], [70.0, 90.0, 170.0, 190.0]])
    torch.testing.assert_close(found, expected)


def test_a_picture_that_is_gone_does_not_take_the_set_along(mine):
    (mine / "images/0.png").unlink()
    with pytest.warns(UserWarning, match="2 of 6 clips are left out"):
        assert len(open_clips(f"coco:{mine}", 16)) == 4


def test_a_data_set_that_cannot_be_used_says_why(mine):
    write(mine / "annotations/other.json", "{}")
    write(mine / "annotations/person_keypoints_train.json", "{}")
    with pytest.raises(ValueError, match=r"person_keypoints_train\.json"):
        open_clips(f"coco:{mine}", 16)
    write(mine / "annotations/mine_train2.json", "{}")
    with pytest.raises(ValueError, match=r"one \.json of split 'val'.*mine_train2\.json"):
        open_clips(f"coco:{mine}#val", 16)
    with pytest.warns(UserWarning, match="left out"):
        assert len(open_clips(f"coco:{mine}/annotations/mine_train.json", 16)) == 5
    for i in range(5):
        (mine / f"images/{i}.png").unlink()
    with pytest.raises(ValueError, match=r"0\.png"):
        open_clips(f"coco:{mine}/annotations/mine_train.json", 16)


def test_drawings_are_clips_of_one_frame(tmp_path):
    keypoints = torch.rand(4, 18, 2) * 32
    keypoints[2] = torch.nan
    pictures = {"images": torch.randint(0, 255, (4, 3, 32, 32), dtype=torch.uint8), "keypoints": keypoints}
    save_tensors(tmp_path / "drawings-000.safetensors", pictures)
    (tmp_path / "._drawings-000.safetensors").write_bytes(b"\0")
    clips = open_clips(str(tmp_path), 16)
    assert clips.images.shape == (3, 1, 3, 16, 16)
    torch.testing.assert_close((clips.keypoints[2, 0] + 0.5) * 2 - 0.5, keypoints[3])


def test_shares_are_told_from_folders():
    assert split_share("a/b") == ("a/b", 1.0) and split_share("a/b:0.25") == ("a/b", 0.25)
    assert split_share("coco:a") == ("coco:a", 1.0) and split_share("mpii:a#valid:3") == ("mpii:a#valid", 3.0)


def test_a_pose_network_is_trained_from_a_coco_folder(mine, tmp_path):
    """Three steps from the command line, with a COCO folder as data and as validation."""
    out = tmp_path / "out.safetensors"
    with pytest.warns(UserWarning, match="left out"):
        pose.main([
            "--data", f"coco:{mine}", "--validation", f"coco:{mine}#train", "--out", str(out), "--steps", "3",
            "--size", "64", "--batch", "2", "--width", "32",
        ])  # fmt: skip
    assert out.is_file()
    with pytest.warns(UserWarning, match="left out"):
        (pictures,) = open_sources([f"coco:{mine}"], 96)
    assert pictures.images.shape[1:] == (3, 96, 96) and len(pictures) == 5
    with pytest.raises(ValueError, match="no labels"):
        picture(tmp_path / "v/a/b/1.jpg")
        picture(tmp_path / "v/a/b/2.jpg")
        open_sources([f"voxceleb:{tmp_path / 'v'}"], 32)
