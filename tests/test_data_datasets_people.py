"""Readers of several people: MuCo-3DHP, MuPoTS-3D, 3DPW; of the test set of MPI-INF-3DHP, and CMU's motion capture."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from napa_lib.data.datasets import read_3dpw, read_cmu_mocap, read_mpi_inf_3dhp_test, read_muco_3dhp, read_mupots_3d
from napa_lib.data.datasets.cmu_mocap import JOINTS
from napa_lib.skeletons import CROSSMODAL17, MPI3DHP28


def people(rng, joints, **more):
    """Two people in one picture, in 3DMPPE's form."""
    marked = [
        {"image_id": 7, "keypoints_img": rng.uniform(0, 99, (joints, 2)).tolist(), "is_valid": 1, "bbox": [0, 0, 9, 9],
         "keypoints_cam": rng.uniform(1000, 3000, (joints, 3)).tolist(), **more}
        for _ in range(2)
    ]  # fmt: skip
    pictures = [{"id": 7, "file_name": "TS3/img_000000.jpg", "width": 6, "height": 4, "f": [1, 1], "c": [0, 0]}]
    return {"images": pictures, "annotations": marked}


def test_mupots_lists_each_valid_person_of_a_picture(tmp_path, rng):
    content = people(rng, 17)
    content["annotations"].append({**content["annotations"][0], "is_valid": 0})
    (tmp_path / "MuPoTS-3D.json").write_text(json.dumps(content))
    place = tmp_path / "MultiPersonTestSet/TS3/img_000000.jpg"
    place.parent.mkdir(parents=True)
    Image.new("RGB", (6, 4)).save(place)
    found = read_mupots_3d(tmp_path)
    assert len(found) == 2 and found.actions == ("TS3", "TS3") and found.load(1).shape == (3, 4, 6)
    second = content["annotations"][1]
    for i, name in ((0, "head_top"), (1, "neck"), (3, "r_elbow"), (14, "pelvis"), (15, "spine"), (16, "head_joint")):
        np.testing.assert_allclose(found.poses[1, MPI3DHP28.index(name)], second["keypoints_cam"][i], rtol=1e-5)
        np.testing.assert_allclose(found.keypoints[1, MPI3DHP28.index(name)], second["keypoints_img"][i], rtol=1e-5)
    assert int((~found.poses[0].isnan().any(-1)).sum()) == 17 and not found.visible[0, MPI3DHP28.index("l_toe")]
    assert not found.to("SHARED15").poses[0, 1:7].isnan().any()  # hips, knees and ankles


def test_muco_has_hands_and_toes(tmp_path, rng):
    content = people(rng, 21)
    (tmp_path / "MuCo-3DHP.json").write_text(json.dumps(content))
    found = read_muco_3dhp(tmp_path)
    toe = content["annotations"][0]["keypoints_cam"][20]
    np.testing.assert_allclose(found.poses[0, MPI3DHP28.index("l_toe")], toe, rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [{"image_id": 8}, {"keypoints_img": [[1, 2]] * 20}, {"keypoints_cam": "x"}, {"is_valid": 0}],
)  # fmt: skip
def test_damaged_people_are_named(tmp_path, rng, change):
    (tmp_path / "MuCo-3DHP.json").write_text(json.dumps(people(rng, 21, **change)))
    with pytest.raises(ValueError, match="MuCo-3DHP.json"):
        read_muco_3dhp(tmp_path)


def test_a_picture_of_no_possible_size_is_named(tmp_path, rng):
    content = people(rng, 21)
    content["images"][0]["width"] = 10**400
    (tmp_path / "MuCo-3DHP.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="MuCo-3DHP.json: size"):
        read_muco_3dhp(tmp_path)


def sequence(rng):
    joints = rng.uniform(-1, 1, (2, 3, 24, 3)) + [0, 0, 5]
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    cameras = np.tile(np.eye(4), (3, 1, 1))
    cameras[:, :3, :3], cameras[:, 2, 3] = turn, 12.0
    return {"jointPositions": joints, "cam_poses": cameras, "campose_valid": np.array([[1, 1, 0], [0, 1, 1]]),
            "cam_intrinsics": np.array([[900.0, 0, 540], [0, 900, 960], [0, 0, 1]])}  # fmt: skip


def test_3dpw_turns_joints_into_each_frames_camera(tmp_path, rng):
    arrays = sequence(rng)
    (tmp_path / "sequenceFiles/test").mkdir(parents=True)
    np.savez(tmp_path / "sequenceFiles/test/walk_00.npz", **arrays)
    found = read_3dpw(tmp_path, "test")
    assert found.images == tuple(f"imageFiles/walk_00/image_0000{i}.jpg" for i in (0, 1, 1, 2))
    knee = MPI3DHP28.index("r_knee")
    seen = arrays["cam_poses"][2, :3, :3] @ arrays["jointPositions"][1, 2, 5] + [0, 0, 12]
    np.testing.assert_allclose(found.poses[3, knee], 1000 * seen, rtol=1e-5)
    np.testing.assert_allclose(found.keypoints[3, knee], 900 * seen[:2] / seen[2] + [540, 960], rtol=1e-5)
    assert found.poses[0, MPI3DHP28.index("head_top")].isnan().all()


def test_3dpw_never_unpickles(tmp_path, rng):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    folder = tmp_path / "sequenceFiles/test"
    folder.mkdir(parents=True)
    (folder / "a.pkl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=r"no \.npz"):
        read_3dpw(tmp_path, "test")
    np.savez(folder / "a.npz", **{**sequence(rng), "campose_valid": np.array([Bomb()], dtype=object)})
    (tmp_path / "ran").unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"a\.npz as plain arrays"):
        read_3dpw(tmp_path, "test")
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ValueError, match="split must be one of"):
        read_3dpw(tmp_path, "holdout")


DAMAGE = {
    "half copied": lambda content: content[: len(content) // 2],
    "a number changed": lambda content: content.replace(b"NUMPY", b"NUMPY\0", 1),
    "deflated, damaged": lambda content: content[:300] + b"\xff" * 300 + content[600:],
    "one array": lambda content: (
        b"\x93NUMPY\x01\0\x46\0{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}".ljust(80) + bytes(8)
    ),
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_sequence_is_named(tmp_path, rng, kind):
    file = tmp_path / "sequenceFiles/test/a.npz"
    file.parent.mkdir(parents=True)
    np.savez_compressed(file, **sequence(rng)) if "deflated" in kind else np.savez(file, **sequence(rng))
    file.write_bytes(DAMAGE[kind](file.read_bytes()))
    with pytest.raises(ValueError, match=r"cannot read .*a\.npz as plain arrays jointPositions"):
        read_3dpw(tmp_path, "test")


ASF = """# a leg
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
:bonedata
  begin
     id 1
     name lhipjoint
     direction 1 0 0
     length 2
     axis 0 0 0  XYZ
  end
  begin
     id 2
     name lfemur
     direction 0 -1 0
     length 7
     axis 0 0 20  XYZ
     dof rx ry rz
     limits (-160.0 20.0)
            (-70.0 70.0)
            (-60.0 70.0)
  end
  begin
     id 3
     name ltibia
     direction 0 -1 0
     length 8
     axis 0 0 20  XYZ
     dof rx
  end
:hierarchy
  begin
    root lhipjoint
    lhipjoint lfemur
    lfemur ltibia
  end
"""
AMC = """#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
lfemur 0 0 0
ltibia 0
2
root 0 0 0 0 90 0
lfemur 0 0 30
ltibia 90
"""


@pytest.fixture
def leg(tmp_path):
    (tmp_path / "01.asf").write_text(ASF)
    (tmp_path / "01_01.amc").write_text(AMC)
    return tmp_path / "01.asf", tmp_path / "01_01.amc"


def test_a_leg_at_rest_and_bent_by_hand(leg):
    unit = 25.4 / 0.45
    found = {name: place.numpy() / unit for name, place in read_cmu_mocap(*leg).items()}
    np.testing.assert_allclose(found["root"][0], [1, 2, 3], rtol=1e-5)
    np.testing.assert_allclose(found["lhipjoint"][0], [3, 2, 3], rtol=1e-5)
    np.testing.assert_allclose(found["ltibia"][0], [3, 2 - 15, 3], rtol=1e-5)
    # turned by 90 degrees about y, what pointed along x points along -z
    np.testing.assert_allclose(found["lhipjoint"][1], [0, 0, -2], atol=1e-5)
    # the femur turns by 30 degrees about its z (whatever its frame's own turn about z): its end before the root's turn
    s, c = np.sin(np.radians(30)), np.cos(np.radians(30))
    knee = np.array([2 + 7 * s, -7 * c, 0])
    np.testing.assert_allclose(found["lfemur"][1], [knee[2], knee[1], -knee[0]], atol=1e-5)
    # the shank turns by 90 degrees about its frame's x, which C tilts by 20 and the femur by 30 degrees
    start, x = np.array([s, -c, 0]), np.array([np.cos(np.radians(50)), np.sin(np.radians(50)), 0])
    along = x * (x @ start) + np.cross(x, start)  # Rodrigues at 90 degrees
    ankle = knee + 8 * along
    np.testing.assert_allclose(found["ltibia"][1], [ankle[2], ankle[1], -ankle[0]], atol=1e-4)
    lengths = np.linalg.norm(found["ltibia"] - found["lfemur"], axis=1)
    np.testing.assert_allclose(lengths, 8, rtol=1e-5)


def test_joints_are_of_the_pose():
    assert set(JOINTS) | {"thorax", "nose"} == set(CROSSMODAL17.joints)


@pytest.mark.parametrize(
    ("old", "new"),
    [("angle deg", "angle rad"), (":hierarchy", ":tree"), ("lfemur ltibia", "nobody ltibia"), ("length 7", "length x"),
     ("length 0.45", "length 0"), ("length 0.45", "length nan"),
     ("dof rx\n", "dof tx\n"), ("name lfemur", "name other")],
)  # fmt: skip
def test_a_damaged_skeleton_is_named(leg, old, new):
    leg[0].write_text(ASF.replace(old, new))
    with pytest.raises(ValueError, match=r"01\.asf"):
        read_cmu_mocap(*leg)


@pytest.mark.parametrize(
    "change", [("ltibia 90", ""), ("root 0 0 0 0 90 0", ""), ("lfemur 0 0 30", "lfemur 0 0"), (AMC, "")]
)
def test_a_damaged_movement_is_named(leg, change):
    leg[1].write_text(AMC.replace(*change))
    with pytest.raises(ValueError, match=r"01_01\.amc"):
        read_cmu_mocap(*leg)


def test_mpi_inf_3dhp_s_test_set(tmp_path, rng):
    points, poses = rng.uniform(0, 2048, (4, 1, 17, 2)), rng.normal(size=(4, 1, 17, 3)) * 1000
    arrays = {"annot2": points, "annot3": poses, "valid_frame": np.array([[1], [0], [1], [1]]),
              "activity_annotation": np.array([[1], [1], [5], [7]])}  # fmt: skip
    for name in ("TS1", "TS6"):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "annot_data.npz", **arrays)
    (tmp_path / "TS1/imageSequence").mkdir()
    Image.new("RGB", (6, 4)).save(tmp_path / "TS1/imageSequence/img_000003.jpg")
    frames = read_mpi_inf_3dhp_test(tmp_path)
    assert frames.images[:3] == tuple(f"TS1/imageSequence/img_00000{i}.jpg" for i in (1, 3, 4))
    assert frames.actions[:3] == ("standing/walking", "on the floor", "other")
    assert frames.subjects == frames.clips == ("TS1",) * 3 + ("TS6",) * 3
    assert frames.load(1).shape == (3, 4, 6) and frames.skeleton == MPI3DHP28
    # the set's own list of joints: head top, neck, right arm, left arm, right leg, left leg, pelvis, spine, head
    for index, name in {0: "head_top", 1: "neck", 4: "r_wrist", 7: "l_wrist", 8: "r_hip", 13: "l_ankle", 14: "pelvis",
                        15: "spine", 16: "head_joint"}.items():  # fmt: skip
        place = MPI3DHP28.index(name)
        np.testing.assert_allclose(frames.keypoints[3:, place], points[[0, 2, 3], 0, index], rtol=1e-5)
        np.testing.assert_allclose(frames.poses[:3, place], poses[[0, 2, 3], 0, index], rtol=1e-5)
    assert bool(frames.to("H36M17").poses.isfinite().all())
    np.savez(tmp_path / "TS6/annot_data.npz", **{**arrays, "activity_annotation": np.full((4, 1), 8)})
    with pytest.raises(ValueError, match=r"TS6.annot_data\.npz must have valid frames, of activities 1 to 7"):
        read_mpi_inf_3dhp_test(tmp_path)
