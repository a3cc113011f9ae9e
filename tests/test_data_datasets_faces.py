"""Readers of faces, on tiny files in each dataset's own format, written here byte by byte or by scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napa_lib.data.datasets import (
    WFLW_TO_FACE68,
    read_300w,
    read_frame_clips,
    read_multipie,
    read_pts,
    read_wflw,
)
from napa_lib.skeletons import FACE68
from tests.small_files import mat, picture, pts, write

# 300-W


@pytest.fixture
def w300(tmp_path, rng):
    folders = ("afw", "helen/trainset", "lfpw/trainset", "helen/testset", "lfpw/testset", "ibug")
    truth = {}
    for i, folder in enumerate(folders):
        truth[folder] = rng.uniform(1, 400, (68, 2)).round(6)
        write(tmp_path / folder / f"image_{i} _01.pts", pts(truth[folder]))
        picture(tmp_path / folder / f"image_{i} _01.{'png' if 'lfpw' in folder else 'jpg'}")
    return tmp_path, truth


def test_300w_counts_from_one_and_reads_its_splits(w300):
    root, truth = w300
    assert [len(read_300w(root, split)) for split in ("train", "common", "challenge", "test")] == [3, 2, 1, 3]
    faces = read_300w(root, "challenge")
    np.testing.assert_allclose(faces.keypoints[0], truth["ibug"] - 1, atol=1e-4)
    assert faces.skeleton == FACE68 and faces.visible.all() and faces.load(0).shape == (3, 4, 6)
    assert read_300w(root, "train").images[2] == "lfpw/trainset/image_2 _01.png"


def test_the_first_pixel_of_matlab_is_zero_zero(tmp_path):
    write(tmp_path / "a.pts", "version: 1\r\nn_points: 2\r\n{\r\n1 1\r\n4 3\r\n}\r\n")
    assert read_pts(tmp_path / "a.pts", 2).tolist() == [[0, 0], [3, 2]]


@pytest.mark.parametrize(
    "text",
    ["", "version: 1\nn_points: 68\n{\n1 2\n}", pts([(1, 2)] * 67), "\0\1",
     pts([(1, 2)] * 68).replace("}", ""), pts([(1, 2)] * 68).replace("1.0", "x", 1), pts([(float("nan"), 2)] * 68)],
)  # fmt: skip
def test_a_damaged_pts_file_is_named(w300, text):
    root, _ = w300
    file = next((root / "ibug").glob("*.pts"))
    write(file, text)
    with pytest.raises(ValueError, match=file.name):
        read_300w(root, "challenge")


def test_a_pts_file_needs_its_picture(w300):
    root, _ = w300
    next((root / "ibug").glob("*.jpg")).unlink()
    with pytest.raises(ValueError, match="no picture beside"):
        read_300w(root, "challenge")


# WFLW

WFLW_LIST = "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_test.txt"


def wflw_line(points, box, name):
    words = [f"{v:.6f}" for v in points.ravel()] + [str(v) for v in box] + ["0", "1", "0", "0", "1", "0"]
    return " ".join([*words, name])


def test_wflw(tmp_path, rng):
    points = rng.uniform(0, 300, (2, 98, 2))
    lines = [wflw_line(p, (1, 2, 30, 40), f"7--Cheering/{i}.jpg") for i, p in enumerate(points)]
    write(tmp_path / WFLW_LIST, "\n".join(lines) + "\n")
    picture(tmp_path / "WFLW_images/7--Cheering/1.jpg")
    faces, full = read_wflw(tmp_path, "test"), read_wflw(tmp_path, "test", points=98)
    np.testing.assert_allclose(full.keypoints, points, atol=1e-4)
    assert full.skeleton is None and faces.skeleton == FACE68
    # the chin, the tip of the nose and the corners of eyes and mouth, by WFLW's numbering
    named = {"chin": 16, "nose_tip": 54, "r_eye_outer": 60, "l_eye_outer": 72, "r_mouth": 76, "l_mouth": 82}
    for name, index in named.items():
        np.testing.assert_allclose(faces.keypoints[:, FACE68.index(name)], points[:, index], atol=1e-4)
    assert faces.boxes.tolist() == [[1, 2, 30, 40]] * 2 and faces.load(1).shape == (3, 4, 6)
    with pytest.raises(ValueError, match="no joint set"):
        full.to("FACE68")


def test_the_map_of_wflw_keeps_left_and_right_apart():
    """In both sets mirrored points have mirrored partners, so the map commutes with the mirror."""
    mirror98 = list(range(32, -1, -1)) + [46, 45, 44, 43, 42, 50, 49, 48, 47, 37, 36, 35, 34, 33, 41, 40, 39, 38]
    mirror98 += [51, 52, 53, 54, 59, 58, 57, 56, 55, 72, 71, 70, 69, 68, 75, 74, 73, 64, 63, 62, 61, 60, 67, 66, 65]
    mirror98 += [82, 81, 80, 79, 78, 77, 76, 87, 86, 85, 84, 83, 92, 91, 90, 89, 88, 95, 94, 93, 97, 96]
    mirror68 = list(range(68))
    for left, right in FACE68.flip_pairs:
        mirror68[left], mirror68[right] = right, left
    assert len(set(WFLW_TO_FACE68)) == 68
    assert [mirror98[i] for i in WFLW_TO_FACE68] == [WFLW_TO_FACE68[i] for i in mirror68]


@pytest.mark.parametrize("change", [lambda s: s[:-30], lambda s: s.replace("0--x/1.jpg", "../../etc/passwd"),
                                    lambda s: "x" + s, lambda s: "nan" + s[s.index(" "):], lambda s: ""])  # fmt: skip
def test_a_damaged_wflw_list_is_named(tmp_path, change):
    line = wflw_line(np.ones((98, 2)), (1, 2, 3, 4), "0--x/1.jpg")
    write(tmp_path / WFLW_LIST, change(line))
    (tmp_path / "WFLW_images").mkdir()
    with pytest.raises(ValueError, match="list_98pt_rect_attr_test"):
        read_wflw(tmp_path, "test")


# Multi-PIE


def test_multipie_takes_faces_of_68_points(tmp_path, rng):
    points = rng.uniform(0, 640, (68, 2))
    labels = tmp_path / "MPie_Labels/labels"
    mat(labels / "051/001_02_03_051_05_lm.mat", pts=points)
    mat(labels / "110/001_02_03_110_05_lm.mat", pts=points[:39])
    picture(tmp_path / "data/session02/multiview/001/03/05_1/001_02_03_051_05.png")
    faces = read_multipie(tmp_path)
    assert len(faces) == 1 and faces.subjects == ("001",) and faces.actions == ("02_03",)
    np.testing.assert_allclose(faces.keypoints[0], points, atol=1e-4)
    assert faces.load(0).shape == (3, 4, 6)
    mat(labels / "051/face_lm.mat", pts=points)
    with pytest.raises(ValueError, match="face_lm.mat"):
        read_multipie(tmp_path)


# VoxCeleb


def test_pairs_are_two_frames_of_one_clip(tmp_path):
    for place, frames in {"A._B/1.6/xyz": 3, "C/v1": 2, "C/v2": 1}.items():
        for i in range(frames):
            picture(tmp_path / place / f"{8 + i}.jpg")
    picture(tmp_path / "cover.jpg")
    clips = read_frame_clips(tmp_path)
    assert clips.subjects == ("A._B", "C") and clips.clips[0] == tuple(f"A._B/1.6/xyz/{i}.jpg" for i in (8, 9, 10))
    pairs = clips.draw_pairs(400, torch.Generator().manual_seed(0))
    assert all(a != b and any(a in c and b in c for c in clips.clips) for a, b in pairs)
    assert len(set(pairs)) == 6 + 2  # every ordered pair of both clips occurs
    assert clips.load(pairs[0][0]).shape == (3, 4, 6)
    with pytest.raises(ValueError, match="outside"):
        clips.load("../x.jpg")
    with pytest.raises(ValueError, match="count"):
        clips.draw_pairs(0, torch.Generator())
