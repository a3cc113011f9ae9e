"""Motion capture: forward kinematics against the body's own file, and movements that look like movements."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib.data import (
    asset_path,
    list_mocap_clips,
    load_mocap,
    load_mocap_poses,
    mocap_to_joints,
    to_camera,
)
from napa_lib.skeletons import NAPA18

# Where the clip format keeps each joint's rotation, and which joint of NAPA18 lies at its origin.
COLUMNS = {
    "root": slice(4, 8), "chest": slice(8, 12), "neck": slice(12, 16), "right_hip": slice(16, 20), "right_knee": 20,
    "right_ankle": slice(21, 25), "right_shoulder": slice(25, 29), "right_elbow": 29, "left_hip": slice(30, 34),
    "left_knee": 34, "left_ankle": slice(35, 39), "left_shoulder": slice(39, 43), "left_elbow": 43,
}  # fmt: skip
NAMES = {"root": "pelvis", "chest": "torso"} | {
    f"{side}_{part}": f"{side[0]}_{part}"
    for side in ("right", "left")
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
}


def joint(poses, name):
    return poses[:, NAPA18.index(name)]


def rotation_matrix(value, axis=(0.0, 0.0, 1.0)) -> np.ndarray:
    """Of a quaternion (w, x, y, z) or of an angle about an axis, by Rodrigues' formula."""
    if np.ndim(value):
        w, vector = value[0], np.asarray(value[1:])
        angle, axis = 2 * np.arctan2(np.linalg.norm(vector), w), vector
    else:
        angle = value
    axis = np.asarray(axis) / max(np.linalg.norm(axis), 1e-300)
    cross = np.cross(np.eye(3), axis)  # cross @ v = axis x v
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def kinematics_of_the_urdf(frame: np.ndarray) -> dict[str, np.ndarray]:
    """One frame in float64, joint by joint, from the body's file: places in mm by NAPA18 name."""
    robot = ET.fromstring(asset_path("mocap/humanoid.urdf").read_bytes().rstrip(b"\0"))  # it ends in a zero byte
    mm = {j.get("name"): 250 * np.array(j.find("origin").get("xyz").split(), float) for j in robot.findall("joint")}
    parents = {j.get("name"): j.find("parent").get("link") for j in robot.findall("joint")}
    axes = {j.get("name"): j.find("axis") for j in robot.findall("joint")}
    places, frames = {"root": 1000 * frame[1:4]}, {"root": rotation_matrix(frame[COLUMNS["root"]])}
    for name in list(mm)[1:]:  # parents come before children in the file
        parent = parents[name]
        places[name] = places[parent] + frames[parent] @ mm[name]
        axis = (0, 0, 1) if axes[name] is None else np.array(axes[name].get("xyz").split(), float)
        own = rotation_matrix(frame[COLUMNS[name]], axis) if name in COLUMNS else np.eye(3)
        frames[name] = frames[parent] @ own
    head = next(link for link in robot.findall("link") if link.get("name") == "neck").find("collision")
    centre = 250 * np.array(head.find("origin").get("xyz").split(), float)
    radius = 250 * float(head.find("geometry/sphere").get("radius"))
    result = {NAMES[name]: place for name, place in places.items() if name in NAMES}
    for name, direction in {"neck": (0, -1, 0), "nose": (1, 0, 0), "head": (0, 1, 0)}.items():
        result[name] = places["neck"] + frames["neck"] @ (centre + radius * np.array(direction))
    return result | {"thorax": (places["right_shoulder"] + places["left_shoulder"]) / 2}


@pytest.mark.parametrize("clip", ["backflip", "cartwheel", "kick"])  # quaternions far from unit length in all three
def test_forward_kinematics_follows_the_urdf(clip):
    frames = np.array(json.loads(gzip.decompress(asset_path(f"mocap/humanoid3d_{clip}.txt.gz").read_bytes()))["Frames"])
    poses = load_mocap(clip).poses
    assert poses.shape == (len(frames), 18, 3) and poses.dtype == torch.float32
    for frame, pose in list(zip(frames, poses, strict=True))[::7]:
        expected = kinematics_of_the_urdf(frame)
        np.testing.assert_allclose(pose, [expected[name] for name in NAPA18.joints], atol=0.01)  # mm


def random_frames(seed: int, count: int) -> torch.Tensor:
    return torch.randn(count, 44, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 10))
def test_bones_keep_their_length_and_quaternions_any_scale(seed, scale):
    frames = random_frames(seed, 3)
    poses = mocap_to_joints(frames)
    rest = torch.zeros(1, 44, dtype=torch.float64)
    rest[:, [4, 8, 12, 16, 21, 25, 30, 35, 39]] = 1.0
    neck, head = NAPA18.index("neck"), NAPA18.index("head")
    within_the_head_or_no_neck = [b for b in NAPA18.bones if neck not in b] + [(neck, head)]
    for a, b in within_the_head_or_no_neck:  # `neck` moves with the head: its bones to the trunk are not rigid
        length = (mocap_to_joints(rest)[:, a] - mocap_to_joints(rest)[:, b]).norm(dim=-1)
        torch.testing.assert_close((poses[:, a] - poses[:, b]).norm(dim=-1), length.expand(3))
    scaled = frames.clone()
    scaled[:, 4:8] *= -scale  # the root's quaternion: q and -s q are the same rotation
    torch.testing.assert_close(mocap_to_joints(scaled), poses)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_moving_the_root_moves_everything(seed):
    frames, shift = random_frames(seed, 2), torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    moved = frames.clone()
    moved[:, 1:4] += shift
    torch.testing.assert_close(mocap_to_joints(moved), mocap_to_joints(frames) + 1000 * shift)


def test_frames_do_not_depend_on_their_batch_and_may_be_none():
    frames = random_frames(0, 5000)
    torch.testing.assert_close(mocap_to_joints(frames)[4321:4323], mocap_to_joints(frames[4321:4323]))
    assert mocap_to_joints(frames[:0]).shape == (0, 18, 3)


def test_kinematics_is_differentiable():
    frames = random_frames(1, 2).requires_grad_()
    assert torch.autograd.gradcheck(mocap_to_joints, frames)


@pytest.mark.parametrize("shape", [(44,), (3, 43), (2, 3, 44)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"frames must be \(T, 44\)"):
        mocap_to_joints(torch.zeros(shape))


# ---- people move like people


def facing(poses):
    """Horizontal unit vectors across the hips: up x right is ahead, as y x z = x at rest."""
    right = joint(poses, "r_hip") - joint(poses, "l_hip")
    up = torch.tensor([0.0, 1.0, 0.0]).expand_as(right)
    return torch.nn.functional.normalize(torch.linalg.cross(up, right), dim=-1)


@pytest.mark.parametrize("clip", ["walk", "run"])
def test_walkers_go_where_they_face_and_knees_bend_backwards(clip):
    poses = load_mocap(clip).poses
    way = joint(poses, "pelvis")[-1] - joint(poses, "pelvis")[0]
    assert (facing(poses) @ (way / way.norm()) > 0.8).all()
    for side in "rl":
        hip, knee, ankle = (joint(poses, f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        ahead = ((knee - (hip + ankle) / 2) * facing(poses)).sum(-1)  # the knee lies before the line hip - ankle
        assert ahead.min() > -1.0 and ahead.max() > 50.0  # mm
        shoulder, elbow, wrist = (joint(poses, f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
        behind = ((elbow - (shoulder + wrist) / 2) * facing(poses)).sum(-1)
        assert behind.mean() < 0.0


def test_walkers_feet_stay_on_the_ground_and_heads_up():
    poses = load_mocap("walk").poses
    lower_ankle = torch.minimum(joint(poses, "r_ankle")[:, 1], joint(poses, "l_ankle")[:, 1])
    assert lower_ankle.min() > 40 and lower_ankle.max() < 130  # mm; the sole is 50 mm under the ankle
    heads = joint(poses, "head")[:, 1]
    assert heads.min() > 1500 and heads.max() < 1650
    nose_ahead = ((joint(poses, "nose") - joint(poses, "neck")) * facing(poses)).sum(-1)
    assert nose_ahead.min() > 50


def test_a_cartwheel_goes_over_the_hands():
    poses = load_mocap("cartwheel").poses
    assert ((joint(poses, "head") - joint(poses, "pelvis"))[:, 1] < -200).any()
    assert joint(poses, "l_ankle")[:, 1].max() > 1200 and joint(poses, "r_wrist")[:, 1].min() < 200


def test_the_left_kick_is_not_the_right_one():
    poses = load_mocap("kick").poses
    assert joint(poses, "r_ankle")[:, 1].max() > 700 > 400 > joint(poses, "l_ankle")[:, 1].max()


# ---- clips and their split


def test_the_split_holds_every_clip_once():
    parts = [list_mocap_clips(part) for part in ("train", "validation", "test")]
    assert sorted(sum(parts, [])) == list_mocap_clips() and [len(part) for part in parts] == [10, 2, 3]
    frames = sum(len(load_mocap(clip).poses) for clip in list_mocap_clips())
    assert frames == sum(len(load_mocap_poses(part)) for part in ("train", "validation", "test")) == 1620
    assert load_mocap_poses("test")[:, 0].abs().max() == 0


def test_clips_know_their_time():
    walk = load_mocap("walk")
    assert walk.loops and not load_mocap("kick").loops
    assert 0.9 < walk.seconds.sum() < 1.4  # two steps


def test_unknown_clips_and_parts_are_named():
    with pytest.raises(ValueError, match="swim.*"):
        load_mocap("swim")
    with pytest.raises(ValueError, match="dev"):
        list_mocap_clips("dev")


# ---- what a camera sees


def test_a_person_seen_from_the_front_is_mirrored_and_upright():
    pose = load_mocap("walk").poses[:1]
    angle = torch.atan2(facing(pose)[0, 2], facing(pose)[0, 0])
    front = to_camera(pose, angle)
    assert joint(front, "r_hip")[0, 0] < -80 and joint(front, "l_hip")[0, 0] > 80
    assert joint(front, "head")[0, 1] < -600 and joint(front, "r_ankle")[0, 1] > 600
    assert joint(front, "nose")[0, 2] < joint(front, "neck")[0, 2]  # the nose is nearer to the viewer


@settings(max_examples=20, deadline=None)
@given(azimuth=st.floats(-7, 7), elevation=st.floats(-1.5, 1.5))
def test_the_camera_looks_at_the_pelvis_from_where_it_is_said_to_stand(azimuth, elevation):
    poses = load_mocap("punch").poses[:2].double()
    seen = to_camera(poses, azimuth, elevation)
    assert seen[:, 0].abs().max() == 0
    torch.testing.assert_close(torch.cdist(seen, seen), torch.cdist(poses, poses), atol=1e-3, rtol=0)
    side = torch.tensor([np.cos(azimuth) * np.cos(elevation), np.sin(elevation), np.sin(azimuth) * np.cos(elevation)])
    towards_viewer = (poses - poses[:, :1]) @ side
    torch.testing.assert_close(seen[..., 2], -towards_viewer, atol=1e-6, rtol=0)
    triple = torch.linalg.det(seen[0, 1:4]) * torch.linalg.det(poses[0, 1:4] - poses[0, :1])
    assert triple >= 0  # a rotation, not a mirror


def test_each_pose_may_have_its_own_camera():
    poses = load_mocap("punch").poses[:3]
    angles = torch.tensor([0.1, 2.0, -1.0])
    together = to_camera(poses, angles, 0.3)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], to_camera(poses[i : i + 1], angles[i].item(), 0.3))
    with pytest.raises(ValueError, match="poses must be"):
        to_camera(poses[0], 0.0)
