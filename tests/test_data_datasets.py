"""Readers of datasets, on tiny files in each dataset's own format, written here byte by byte or by scipy."""

from __future__ import annotations

import json
import pickle
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from napa_lib.data.datasets import (
    PENN13,
    Annotations,
    halves_of_actions,
    halves_of_clips,
    read_3dpw,
    read_300w,
    read_coco,
    read_frame_clips,
    read_human36m,
    read_human_art,
    read_mpi_inf_3dhp,
    read_mpi_inf_3dhp_test,
    read_mpii,
    read_muco_3dhp,
    read_multipie,
    read_mupots_3d,
    read_penn_action,
    read_simplified_human36m,
    read_wflw,
)
from napa_lib.data.datasets.files import read_mat, relative_path
from napa_lib.skeletons import COCO17, H36M32, MPI3DHP28, MPII16
from tests.small_files import cells, mat, picture, write

# PennAction


def penn(root, name, rng, train, frames=3, action="tennis_serve", boxes=None):
    x, y = rng.uniform(1, 400, (2, frames, 13))
    seen = rng.random((frames, 13)) < 0.7
    box = rng.uniform(1, 400, (boxes or frames, 4))
    mat(root / f"labels/{name}.mat", action=action, pose="back", x=x, y=y, visibility=seen.astype(np.uint8),
        train=train, bbox=box, dimensions=np.array([272, 481, frames]), nframes=frames)  # fmt: skip
    (root / "frames" / name).mkdir(parents=True, exist_ok=True)
    return x, y, seen, box


def test_penn_action(tmp_path, rng):
    x, y, seen, box = penn(tmp_path, "0001", rng, 1)
    penn(tmp_path, "0002", rng, -1)
    penn(tmp_path, "0003", rng, 1, frames=2, action="bowling", boxes=1)
    picture(tmp_path / "frames/0001/000002.jpg")
    frames = read_penn_action(tmp_path, "train")
    assert frames.clips == ("0001",) * 3 + ("0003",) * 2 and frames.actions[2:4] == ("tennis_serve", "bowling")
    expected = np.where(seen[..., None], np.stack([x, y], -1), np.nan)
    np.testing.assert_allclose(frames.keypoints[:3], expected, atol=1e-4)
    np.testing.assert_array_equal(frames.visible[:3], seen)
    np.testing.assert_allclose(frames.boxes[:3], box, atol=1e-4)
    assert frames.load(1).shape == (3, 4, 6) and len(read_penn_action(tmp_path, "test")) == 3
    both = frames.to("SHARED15")
    expected = frames.keypoints[:, PENN13.index("l_hip")]
    torch.testing.assert_close(both.keypoints[:, both.skeleton.index("l_hip")], expected, equal_nan=True)


def test_halves_of_penn_action_share_no_video(tmp_path, rng):
    for i in range(5):
        penn(tmp_path, f"{i:04d}", rng, 1, action="bowling" if i % 2 else "squats")
    pictures, poses = halves_of_actions(read_penn_action(tmp_path, "train"))
    assert set(pictures.clips) == {"0000", "0001"} and set(poses.clips) == {"0002", "0003", "0004"}


@pytest.mark.parametrize("wrong", [{"x": np.ones((3, 12))}, {"bbox": np.ones((1, 4))}, {"action": 3.0}, {"train": []}])
def test_a_damaged_penn_label_is_named(tmp_path, wrong):
    fine = {"x": np.ones((3, 13)), "y": np.ones((3, 13)), "visibility": np.ones((3, 13)), "train": 1,
            "bbox": np.ones((3, 4)), "action": "bowling"}  # fmt: skip
    mat(tmp_path / "labels/0007.mat", **{**fine, **wrong})
    (tmp_path / "frames").mkdir()
    with pytest.raises(ValueError, match="0007.mat"):
        read_penn_action(tmp_path, "train")


# Human3.6M


def h36m(root, subject, video, frames, rng, plain=False):
    flat = {
        "D2_Positions": rng.uniform(0, 1000, (frames, 64)),
        "D3_Positions_mono": rng.normal(size=(frames, 96)) * 999,
    }
    for kind, values in flat.items():
        file = root / subject / "MyPoseFeatures" / kind / f"{video}{'.npy' if plain else '.cdf.mat'}"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, values[None]) if plain else savemat(file, {"data": cells([values])})
    return flat


def test_human36m_reads_both_plain_forms(tmp_path, rng):
    h36m(tmp_path, "S11", "Directions.54138969", 2, rng)  # the corrupted video
    later = h36m(tmp_path, "S11", "TakingPhoto 1.54138969", 5, rng, plain=True)
    first = h36m(tmp_path, "S9", "Directions.54138969", 4, rng)
    picture(tmp_path / "S9/Images/Directions.54138969/000003.jpg")
    frames = read_human36m(tmp_path, "test", step=2)
    assert frames.subjects == ("S9",) * 2 + ("S11",) * 3 and frames.actions[1:3] == ("Directions", "Photo")
    expected = first["D2_Positions"].reshape(-1, 32, 2)[::2], later["D2_Positions"].reshape(-1, 32, 2)[::2]
    np.testing.assert_allclose(frames.keypoints, np.concatenate(expected), rtol=1e-5)
    np.testing.assert_allclose(frames.poses[2:], later["D3_Positions_mono"].reshape(-1, 32, 3)[::2], rtol=1e-5)
    assert frames.load(1).shape == (3, 4, 6) and frames.skeleton == H36M32
    assert frames.to("NAPA18").poses.isfinite().all()


def test_nothing_is_unpickled(tmp_path, rng):
    h36m(tmp_path, "S9", "Posing.54138969", 2, rng, plain=True)
    h36m(tmp_path, "S11", "Posing.54138969", 2, rng, plain=True)
    file = tmp_path / "S9/MyPoseFeatures/D2_Positions/Posing.54138969.npy"

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    trap = np.empty(1, dtype=object)
    trap[0] = Trap()
    for write_trap in (lambda: np.save(file, trap, allow_pickle=True), lambda: file.write_bytes(pickle.dumps(Trap()))):
        write_trap()
        with pytest.raises(ValueError, match="Posing.54138969.npy"):
            read_human36m(tmp_path, "test")
    assert not (tmp_path / "trapped").exists()


def test_human36m_names_what_is_wrong(tmp_path, rng):
    for subject in ("S9", "S11"):
        h36m(tmp_path, subject, "Posing.54138969", 2, rng)
    mate = tmp_path / "S9/MyPoseFeatures/D3_Positions_mono/Posing.54138969.cdf.mat"
    savemat(mate, {"data": cells([np.ones((3, 96))])})
    with pytest.raises(ValueError, match="2 frames"):
        read_human36m(tmp_path, "test")
    mate.unlink()
    with pytest.raises(ValueError, match="D3_Positions_mono"):
        read_human36m(tmp_path, "test")
    with pytest.raises(ValueError, match="step"):
        read_human36m(tmp_path, "test", step=0)


def test_simplified_human36m(tmp_path, rng):
    points = rng.random((4, 32, 2))  # (y, x)
    for i, frame in enumerate((2, 9, 10, 11)):
        mat(tmp_path / f"S11/Landmarks/Walking 1.58860488/{frame}.mat", keypoints_2d=points[i])
    mat(tmp_path / "S11/Landmarks/Sitting.58860488/1.mat", keypoints_2d=points[0])  # not one of the six
    picture(tmp_path / "S11/WithBackground/Walking 1.58860488/9.jpg")
    picture(tmp_path / "S11/BackgroudMask/Walking 1.58860488/9.png", shade=255)
    frames = read_simplified_human36m(tmp_path, "test")
    assert [image.split("/")[-1] for image in frames.images] == ["2.jpg", "9.jpg", "10.jpg", "11.jpg"]
    np.testing.assert_allclose(frames.keypoints[..., 0], points[..., 1] * 127, atol=1e-4)
    assert set(frames.actions) == {"Walking"} and frames.load(1).shape == (3, 4, 6)
    assert frames.load_mask(1).shape == (1, 4, 6) and frames.load_mask(1).min() == 1
    pictures, poses = halves_of_clips(frames)
    assert pictures.masks == frames.masks[:2] and torch.equal(poses.keypoints, frames.keypoints[2:])
    with pytest.raises(ValueError, match="halves"):
        halves_of_clips(frames.take([0]))


def test_a_damaged_plain_array_of_human36m_is_named(tmp_path, rng):
    h36m(tmp_path, "S9", "Directions.54138969", 2, rng)
    h36m(tmp_path, "S11", "Walking.54138969", 2, rng, plain=True)
    file = tmp_path / "S11/MyPoseFeatures/D2_Positions/Walking.54138969.npy"
    file.write_bytes(file.read_bytes().replace(b"{'descr", b"(({'descr", 1))  # its header is Python's text
    with pytest.raises(ValueError, match=r"cannot read .*Walking\.54138969\.npy"):
        read_human36m(tmp_path, "test")


# MPI-INF-3DHP


def test_mpi_inf_3dhp(tmp_path, rng):
    flat2, flat3 = rng.uniform(0, 2048, (14, 5, 56)), rng.normal(size=(14, 5, 84)) * 1000
    mat(tmp_path / "S2/Seq1/annot.mat", annot2=cells(flat2), annot3=cells(flat3), univ_annot3=cells(flat3),
        frames=np.arange(5)[:, None], cameras=np.arange(14)[:, None])  # fmt: skip
    picture(tmp_path / "S2/Seq1/imageFrames/video_4/frame_000003.jpg")
    frames = read_mpi_inf_3dhp(tmp_path, cameras=(0, 4), step=2)
    assert frames.clips == ("S2/Seq1/0",) * 3 + ("S2/Seq1/4",) * 3 and frames.skeleton == MPI3DHP28
    np.testing.assert_allclose(frames.keypoints[3:], flat2[4, ::2].reshape(-1, 28, 2), rtol=1e-5)
    np.testing.assert_allclose(frames.poses[:3], flat3[0, ::2].reshape(-1, 28, 3), rtol=1e-5)
    assert frames.load(4).shape == (3, 4, 6)
    with pytest.raises(ValueError, match="cameras"):
        read_mpi_inf_3dhp(tmp_path, cameras=(14,))
    mat(tmp_path / "S2/Seq1/annot.mat", annot2=cells(flat2[:3]), annot3=cells(flat3))
    with pytest.raises(ValueError, match="annot.mat"):
        read_mpi_inf_3dhp(tmp_path)


# COCO


def coco(people, names=None, file_name="1.jpg"):
    left = [name.replace("l_", "left_").replace("r_", "right_") for name in COCO17.joints]
    return {
        "images": [{"id": 7, "file_name": file_name, "width": 6, "height": 4}],
        "annotations": [{"image_id": 7, "category_id": 1, "iscrowd": 0, "bbox": [1, 2, 3, 4], **p} for p in people],
        "categories": [{"id": 1, "name": "person", "keypoints": names or left}],
    }


def test_coco_flags(tmp_path):
    joints = np.arange(51).reshape(17, 3).astype(float)
    joints[:, 2] = [0, 1, 2] * 5 + [0, 1]
    people = [
        {"keypoints": joints.ravel().tolist()},
        {"keypoints": [0] * 51},
        {"keypoints": [2] * 51, "iscrowd": 1},
        {},
    ]
    write(tmp_path / "annotations/a.json", json.dumps(coco(people)))
    picture(tmp_path / "val2017/1.jpg")
    found = read_coco(tmp_path, "annotations/a.json", "val2017")
    assert len(found) == 1 and found.images == ("val2017/1.jpg",) and found.boxes.tolist() == [[1, 2, 4, 6]]
    assert found.visible[0].tolist() == (joints[:, 2] == 2).tolist()
    assert found.keypoints[0].isfinite().all(-1).tolist() == (joints[:, 2] > 0).tolist()
    np.testing.assert_array_equal(found.keypoints[0, 1], joints[1, :2])
    assert found.load(0).shape == (3, 4, 6)
    # the pelvis is seen when both hips are: of l_hip (11) and r_hip (12) the second is not labelled
    both = found.to("NAPA18")
    assert not both.visible[0, 0] and both.keypoints[0, 0].isnan().all()


def test_human_art_drops_the_folder_that_its_names_begin_with(tmp_path):
    name = "HumanArt/images/2D_virtual_human/oil_painting/1.jpg"
    content = coco([{"keypoints": [3, 2, 1] * 17, "keypoints_21": [3, 2, 1] * 21}], file_name=name)
    write(tmp_path / "annotations/validation_humanart_oil_painting.json", json.dumps(content))
    picture(tmp_path / "images/2D_virtual_human/oil_painting/1.jpg")
    found = read_human_art(tmp_path, "validation", "oil_painting")
    assert found.load(0).shape == (3, 4, 6) and not found.visible.any() and found.keypoints[0, 5].tolist() == [3, 2]


GOOD = {"keypoints": [1, 1, 2] * 17}


@pytest.mark.parametrize(
    "content",
    [coco([{"keypoints": [1, 1, 2] * 16}]), coco([{"keypoints": [1, 1, 3] * 17}]), coco([GOOD], names=["nose"]),
     coco([{**GOOD, "image_id": 8}]), coco([{**GOOD, "bbox": [1]}]), coco([GOOD], file_name="../1.jpg"),
     coco([GOOD], file_name="/etc/passwd"), coco([GOOD], file_name=3), coco([]), [], {"images": []}, 5],
)  # fmt: skip
def test_a_damaged_coco_file_is_named(tmp_path, content):
    write(tmp_path / "a.json", json.dumps(content))
    with pytest.raises(ValueError, match="a.json"):
        read_coco(tmp_path, "a.json")


# MPII


def test_mpii_counts_from_one(tmp_path, rng):
    joints = rng.uniform(1, 900, (16, 2))
    known = [1] * 15 + [0]
    person = {"image": "015601864.jpg", "joints": joints.tolist(), "joints_vis": known, "center": [594.0, 257.0],
              "scale": 3.0}  # fmt: skip
    write(tmp_path / "annot/valid.json", json.dumps([person]))
    picture(tmp_path / "images/015601864.jpg")
    found = read_mpii(tmp_path, "valid")
    np.testing.assert_allclose(found.keypoints[0, :15], joints[:15] - 1, rtol=1e-5)
    assert found.keypoints[0, 15].isnan().all() and found.visible[0].tolist() == [bool(k) for k in known]
    assert found.boxes.tolist() == [[293, -44, 893, 556]] and found.skeleton == MPII16
    assert found.load(0).shape == (3, 4, 6)
    for wrong in ({"joints": 3}, {"scale": "x"}, {"image": "a/../../b"}, {"joints_vis": [1]}, {"center": None}):
        write(tmp_path / "annot/valid.json", json.dumps([{**person, **wrong}]))
        with pytest.raises(ValueError, match="valid.json"):
            read_mpii(tmp_path, "valid")


# What all share

READERS = [
    lambda root: read_300w(root, "train"), lambda root: read_wflw(root, "train"), read_multipie, read_frame_clips,
    lambda root: read_penn_action(root, "train"), lambda root: read_human36m(root, "train"),
    lambda root: read_simplified_human36m(root, "train"), read_mpi_inf_3dhp, read_mpi_inf_3dhp_test,
    lambda root: read_coco(root, "annotations/person_keypoints_val2017.json"),
    lambda root: read_human_art(root, "training"), lambda root: read_mpii(root, "train"), read_muco_3dhp,
    read_mupots_3d, lambda root: read_3dpw(root, "test"),
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_a_missing_dataset_says_what_is_expected_and_where_to_ask(tmp_path, reader):
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"(?s)expected.*https?://"):
            reader(root)


@pytest.mark.parametrize("reader", [read_300w, read_wflw, read_penn_action, read_human36m, read_simplified_human36m,
                                    read_human_art, read_mpii])  # fmt: skip
def test_an_unknown_split_is_refused(tmp_path, reader):
    with pytest.raises(ValueError, match="split must be one of"):
        reader(tmp_path, "holdout")


@given(st.binary(max_size=300))
def test_any_bytes_as_a_mat_file_are_a_value_error(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "any.mat"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="any.mat"):
        read_mat(file, "x")


def test_a_truncated_mat_file_is_named(tmp_path, rng):
    mat(tmp_path / "a.mat", x=rng.normal(size=(9, 9)))
    whole = (tmp_path / "a.mat").read_bytes()
    for length in range(0, len(whole) - 1, 37):
        (tmp_path / "a.mat").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="a.mat"):
            read_mat(tmp_path / "a.mat", "x")


def test_without_scipy_the_message_says_what_to_install(tmp_path, monkeypatch):
    mat(tmp_path / "a.mat", x=1.0)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ImportError, match="pip install scipy"):
        read_mat(tmp_path / "a.mat", "x")


@pytest.mark.parametrize("path", ["", "/a", "..", "a/../b", "a\\b", "C:/x", "a\0", None, 3, "."])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, path):
    with pytest.raises(ValueError, match="list.txt"):
        relative_path(path, tmp_path / "list.txt")


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    picture(tmp_path / "outside.jpg")
    root = tmp_path / "data"
    root.mkdir()
    (root / "1.jpg").symlink_to(tmp_path / "outside.jpg")
    points = torch.zeros(1, 17, 2)
    found = Annotations(root, ("1.jpg",), points, points[..., 0] == 0, COCO17)
    with pytest.raises(ValueError, match="outside"):
        found.load(0)
    with pytest.raises(ValueError, match="masks"):
        found.load_mask(0)
    with pytest.raises(ValueError, match="chosen"):
        found.take([])


def test_rows_that_do_not_fit_are_refused(tmp_path):
    points, seen = torch.zeros(2, 17, 2), torch.ones(2, 17, dtype=torch.bool)
    fine = {"root": tmp_path, "images": ("1.jpg", "2.jpg"), "keypoints": points, "visible": seen, "skeleton": COCO17}
    Annotations(**fine)
    wrong = {"visible": points, "boxes": torch.zeros(1, 4), "poses": points, "clips": ("a",), "skeleton": MPII16}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match="joints of the set" if name == "skeleton" else name):
            Annotations(**{**fine, name: value})
    with pytest.raises(ValueError, match="clips"):
        halves_of_clips(Annotations(**fine))
    with pytest.raises(ValueError, match="clips"):
        halves_of_actions(Annotations(**fine))
