"""Readers of datasets on files as people have them: odd ids, exchanged axes, hidden files, turned pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from test_data_datasets import coco, h36m, penn

from napa_lib.data.datasets import (
    read_300w,
    read_coco,
    read_frame_clips,
    read_human36m,
    read_mpi_inf_3dhp,
    read_mpii,
    read_multipie,
    read_penn_action,
    read_simplified_human36m,
)
from napa_lib.data.datasets.files import numbers, read_json, read_text
from napa_lib.metrics import pckh
from tests.small_files import cells, mat, picture, pts, write

PERSON = {"id": 5, "keypoints": [3, 2, 2] * 17}


def read(root, content, name="a.json"):
    write(root / name, content if isinstance(content, str) else json.dumps(content))
    return read_coco(root, name)


# --- COCO from the wild ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [7, 7.0, "7"])
@pytest.mark.parametrize("other", [7, 7.0, "7"])
def test_ids_may_be_numbers_or_text(tmp_path, one, other):
    content = coco([{**PERSON, "image_id": other, "category_id": other}])
    content["images"][0]["id"] = one
    content["categories"][0]["id"] = one
    assert len(read(tmp_path, content)) == 1
    content["images"][0]["id"] = content["annotations"][0]["image_id"] = "val/000007"
    assert len(read(tmp_path, content)) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_are_no_content(tmp_path, encoding):
    text = json.dumps(coco([PERSON], file_name="Müßiggang.jpg"), ensure_ascii=False)
    (tmp_path / "a.json").write_bytes(text.encode(encoding))
    assert read_coco(tmp_path, "a.json").images == ("Müßiggang.jpg",)
    (tmp_path / "b.txt").write_bytes("ä".encode(encoding))
    assert read_text(tmp_path / "b.txt") == "ä"


@pytest.mark.parametrize("box", ["gone", None, [], [1, 2, 3, 4]])
def test_a_box_may_be_missing(tmp_path, box):
    content = coco([{**PERSON, "bbox": box}])
    if box == "gone":
        del content["annotations"][0]["bbox"]
    boxes = read(tmp_path, content).boxes
    assert boxes.tolist() == [[1, 2, 4, 6]] if box and box != "gone" else bool(boxes.isnan().all())


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), None, -1e30])
def test_what_an_unlabelled_joint_says_does_not_matter(tmp_path, odd):
    found = read(tmp_path, coco([{"id": 5, "keypoints": [odd, odd, 0] + [3, 2, 2] * 16}]))
    assert found.keypoints[0, 0].isnan().all() and bool(found.keypoints[0, 1:].isfinite().all())
    if odd != -1e30:
        with pytest.raises(ValueError, match=r"a\.json, annotation 5.*finite"):
            read(tmp_path, coco([{"id": 5, "keypoints": [odd, odd, 1] + [3, 2, 2] * 16}]))


def test_other_categories_are_left_out(tmp_path):
    dog = {"id": 2, "name": "dog", "keypoints": ["snout", "tail"]}
    content = coco([PERSON, {"id": 6, "category_id": 2, "keypoints": [1, 1, 2] * 2}])
    content["categories"].insert(0, dog)
    assert len(read(tmp_path, content)) == 1
    content["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}, "odd"]
    assert len(read(tmp_path, content)) == 1
    content["categories"] = [dog]
    with pytest.raises(ValueError, match=r"a\.json: the joints must be COCO's 17"):
        read(tmp_path, content)


@pytest.mark.parametrize("spell", [str, str.title, str.upper, lambda name: name.replace("_", " ")])
@pytest.mark.parametrize("count", [17, 12])
def test_joints_stand_where_their_names_say(tmp_path, spell, count):
    """As those who draw a skeleton of their own in CVAT name and order it."""
    listed = torch.randperm(17, generator=torch.Generator().manual_seed(1)).tolist()[:count]
    names = coco([])["categories"][0]["keypoints"]
    flat = [v for joint in listed for v in (joint + 1, 10 * joint, 1 + joint % 2)]
    found = read(tmp_path, coco([{"id": 5, "keypoints": flat}], [spell(names[joint]) for joint in listed]))
    for joint in range(17):
        where = found.keypoints[0, joint].tolist()
        assert where == [joint + 1, 10 * joint] if joint in listed else all(v != v for v in where)
        assert bool(found.visible[0, joint]) == (joint in listed and joint % 2 == 1)
    for wrong in ([*names[:16], "neck"], [*names[:16], "nose"], "nose", 17):
        with pytest.raises(ValueError, match=r"a\.json: the joints must be COCO's 17 or some of them"):
            read(tmp_path, coco([{"id": 5, "keypoints": flat}], wrong))


def test_what_has_some_of_a_persons_joints_is_no_person_beside_people(tmp_path):
    content = coco([PERSON, {"id": 6, "category_id": 2, "keypoints": [1, 1, 2] * 3}])
    content["categories"].insert(0, {"id": 2, "name": "cat's face", "keypoints": ["left_eye", "right_eye", "nose"]})
    assert read(tmp_path, content).keypoints[:, 0].tolist() == [[3, 2]]


def test_pictures_that_nobody_is_on_may_be_odd(tmp_path):
    content = coco([PERSON])
    odd = ["../../etc/passwd", "C:\\x.jpg", "", 3, None]
    content["images"] += [{"id": 20 + i, "file_name": name} for i, name in enumerate(odd)] + [{}, "x"]
    content["images"][0]["width"] = 10**400  # no number that a picture can have
    found = read(tmp_path, content)
    assert found.images == ("1.jpg",) and bool(found.sizes.isnan().all())
    content["annotations"][0]["image_id"] = 20
    with pytest.raises(ValueError, match=r"a\.json, annotation 5.*passwd"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "change",
    [{"keypoints": [1, 1, 2] * 16}, {"keypoints": "no"}, {"image_id": 9}, {"image_id": None}, {"bbox": [1, 2]},
     {"keypoints": [1, 1, 2.5] * 17}, {"keypoints": [[1, 1, 2]] * 17}, {"keypoints": [1, 1e300, 2] * 17}],
)  # fmt: skip
def test_the_annotation_that_cannot_be_read_is_named(tmp_path, change):
    with pytest.raises(ValueError, match=r"a\.json, annotation 41"):
        read(tmp_path, coco([PERSON, {**PERSON, "id": 41, **change}]))


def test_one_id_for_two_pictures_is_refused_and_for_one_is_not(tmp_path):
    content = coco([PERSON])
    content["images"].append(dict(content["images"][0]))
    assert len(read(tmp_path, content)) == 1
    content["images"].append({"id": "7", "file_name": "2.jpg"})
    with pytest.raises(ValueError, match=r"two pictures have the id '7': '1\.jpg' and '2\.jpg'"):
        read(tmp_path, content)


def test_an_annotation_that_stands_there_twice_is_one_person(tmp_path):
    other = {**PERSON, "id": 6, "keypoints": [4, 2, 2] * 17}
    assert len(read(tmp_path, coco([PERSON, other, {**PERSON, "id": 7}]))) == 2


def test_an_entry_given_twice_is_refused(tmp_path):
    write(tmp_path / "a.json", '{"images": [], "images": [1]}')
    with pytest.raises(ValueError, match=r"a\.json.*'images' twice"):
        read_json(tmp_path / "a.json")


# --- turned pictures, other sizes ------------------------------------------------------------------------------------


def turned(path, size, orientation, corner=(0, 0)):
    """A white picture of (width, height) as stored with one black corner."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", size, "white")
    image.paste("black", (corner[0], corner[1], corner[0] + 4, corner[1] + 4))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=exif.tobytes(), quality=100)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("labels", ["stored", "upright", "unknown", "other"])
def test_labels_and_picture_are_turned_alike(tmp_path, orientation, labels):
    turned(tmp_path / "1.png", (60, 40), orientation, corner=(56, 0))
    content = coco([{**PERSON, "keypoints": [58, 2, 2] * 17}])
    sizes = {"stored": (60, 40), "upright": (60, 40) if orientation in (1, 3) else (40, 60), "other": (120, 80)}
    content["images"][0] = {"id": 7, "file_name": "1.png"}
    if labels in sizes:
        content["images"][0] |= dict(zip(("width", "height"), sizes[labels], strict=True))
    people = read(tmp_path, content)
    if labels == "other":
        with pytest.raises(ValueError, match="60 x 40 pixels, its annotation says 120 x 80"):
            people.load(0)
    elif orientation == 3 or (labels == "unknown" and orientation != 1):  # half a turn leaves the size
        with pytest.raises(ValueError, match="EXIF orientation"):
            people.load(0)
    else:
        image = people.load(0)
        assert image.shape[1:] == ((40, 60) if labels != "upright" or orientation == 1 else (60, 40))
        dark = (image[0] < 0.5).nonzero()[0].tolist()  # row, column of the mark
        where = {1: [0, 56], 6: [56, 36], 8: [0, 0]}[orientation] if labels == "upright" else [0, 56]
        assert dark == where


def test_datasets_that_matlab_labelled_count_in_stored_pixels(tmp_path, rng):
    points = rng.uniform(1, 30, (68, 2))
    for folder in ("helen/testset", "lfpw/testset", "ibug"):
        write(tmp_path / folder / "a.pts", pts(points))
        turned(tmp_path / folder / "a.jpg", (60, 40), 6)
    assert read_300w(tmp_path, "test").load(0).shape == (3, 40, 60)


# --- exchanged axes, one item in two forms, hidden files, capitals ----------------------------------------------------


def test_nothing_is_reshaped(tmp_path):
    file = tmp_path / "x"
    assert numbers(np.ones((1, 1, 4, 3)), (-1, 3), file, "x").shape == (4, 3)
    for wrong in (np.ones((3, 4)), np.ones(12), np.ones((2, 2, 3)), np.ones((0, 3)), [[1, 2, 3], [1, 2]], [["a"] * 3]):
        with pytest.raises(ValueError, match=r"x must be numbers of shape \(-1, 3\)"):
            numbers(wrong, (-1, 3), file, "x")


def test_exchanged_axes_are_refused(tmp_path, rng):
    flat2, flat3 = rng.uniform(0, 2048, (14, 5, 56)), rng.normal(size=(14, 5, 84))
    turns = (
        {"annot2": cells(flat2.swapaxes(1, 2)), "annot3": cells(flat3)},
        {"annot2": cells(flat2), "annot3": cells(flat3.swapaxes(1, 2))},
    )
    for wrong in turns:
        mat(tmp_path / "S1/Seq1/annot.mat", **wrong)
        with pytest.raises(ValueError, match=r"annot\.mat.*must be numbers of shape"):
            read_mpi_inf_3dhp(tmp_path)
    person = {
        "image": "1.jpg",
        "joints": np.ones((2, 16)).tolist(),
        "joints_vis": [1] * 16,
        "center": [5, 5],
        "scale": 1,
    }
    write(tmp_path / "annot/valid.json", json.dumps([person]))
    (tmp_path / "images").mkdir()
    with pytest.raises(ValueError, match=r"valid\.json.*\(16, 2\), got \(2, 16\)"):
        read_mpii(tmp_path, "valid")
    mat(tmp_path / "S11/Landmarks/Walking 1.58860488/1.mat", keypoints_2d=rng.random((2, 32)))
    with pytest.raises(ValueError, match=r"1\.mat"):
        read_simplified_human36m(tmp_path, "test")
    across = "version: 1\nn_points: 68\n{\n" + "\n".join(" ".join(["1"] * 68) for _ in range(2)) + "\n}\n"
    write(tmp_path / "ibug/a.pts", across)
    picture(tmp_path / "ibug/a.jpg")
    with pytest.raises(ValueError, match=r"a\.pts"):
        read_300w(tmp_path, "challenge")


def test_an_item_in_two_forms_is_counted_once(tmp_path, rng):
    for subject in ("S9", "S11"):
        h36m(tmp_path, subject, "Posing.54138969", 4, rng)
    h36m(tmp_path, "S9", "Posing.54138969", 4, rng, plain=True)
    frames = read_human36m(tmp_path, "test")
    assert len(frames) == 8 and len(set(frames.images)) == 8
    for i in range(3):
        picture(tmp_path / f"v/person/clip/{i}.jpg")
        picture(tmp_path / f"v/person/clip/{i}.png")
    assert read_frame_clips(tmp_path / "v").clips == (tuple(f"person/clip/{i}.jpg" for i in range(3)),)
    for folder in ("051", "051 (copy)"):
        mat(tmp_path / f"MPie_Labels/labels/{folder}/001_02_03_051_05_lm.mat", pts=np.ones((68, 2)))
    assert len(read_multipie(tmp_path)) == 1
    with pytest.raises(ValueError, match="each once"):
        read_mpi_inf_3dhp(tmp_path, cameras=(0, 4, 0))


def hide(folder):
    """What macOS leaves beside every file on a disk that is not its own."""
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X        ")


def test_hidden_files_are_no_data(tmp_path, rng):
    for folder in ("helen/testset", "lfpw/testset", "ibug"):
        write(tmp_path / folder / "a.pts", pts(rng.uniform(1, 30, (68, 2))))
        picture(tmp_path / folder / "a.jpg")
    penn(tmp_path, "0001", rng, 1)
    for subject in ("S9", "S11"):
        h36m(tmp_path, subject, "Posing.54138969", 2, rng)
    mat(tmp_path / "S11/Landmarks/Walking 1.58860488/1.mat", keypoints_2d=rng.random((32, 2)))
    mat(tmp_path / "MPie_Labels/labels/051/001_02_03_051_05_lm.mat", pts=rng.random((68, 2)))
    mat(tmp_path / "S2/Seq1/annot.mat", annot2=cells(np.ones((14, 5, 56))), annot3=cells(np.ones((14, 5, 84))))
    for i in range(2):
        picture(tmp_path / f"voices/person/clip/{i}.jpg")
    hide(tmp_path)
    (tmp_path / "S11/Landmarks/._Walking 1.58860488").mkdir()
    assert len(read_300w(tmp_path, "test")) == 3 and len(read_penn_action(tmp_path, "train")) == 3
    assert len(read_human36m(tmp_path, "test")) == 4 and len(read_simplified_human36m(tmp_path, "test")) == 1
    assert len(read_multipie(tmp_path)) == 1 and len(read_mpi_inf_3dhp(tmp_path)) == 8 * 5
    assert read_frame_clips(tmp_path / "voices").clips == (("person/clip/0.jpg", "person/clip/1.jpg"),)


@pytest.mark.parametrize("ending", ["JPG", "Jpg", "JPEG", "PNG"])
def test_endings_may_be_in_capitals(tmp_path, ending):
    write(tmp_path / "ibug/a.PTS", pts(np.ones((68, 2))))
    picture(tmp_path / f"ibug/a.{ending}")
    assert read_300w(tmp_path, "challenge").load(0).shape == (3, 4, 6)
    if ending != "PNG":
        picture(tmp_path / "1.JPG")
        assert read(tmp_path, coco([PERSON])).load(0).shape == (3, 4, 6)


# --- MPII's heads ----------------------------------------------------------------------------------------------------


def test_pckh_on_mpii(tmp_path, rng):
    joints = rng.uniform(100, 900, (3, 16, 2))
    people = [
        {"image": "1.jpg", "joints": p.tolist(), "joints_vis": [1] * 16, "center": [5, 5], "scale": 1} for p in joints
    ]
    write(tmp_path / "annot/valid.json", json.dumps(people))
    (tmp_path / "images").mkdir()
    assert read_mpii(tmp_path, "valid").head_sizes is None
    boxes = np.stack(
        [np.zeros((2, 3)), [[30.0, 60.0, 0.0], [40.0, 80.0, 0.0]]]
    )  # corners (2, 2, 3): diagonals 50, 100, 0
    mat(tmp_path / "annot/gt_valid.mat", headboxes_src=boxes, pos_gt_src=joints.transpose(1, 2, 0))
    found = read_mpii(tmp_path, "valid")
    np.testing.assert_allclose(found.head_sizes, [30, 60, np.nan])
    assert found.take([1]).head_sizes.tolist() == [60]
    prediction = found.keypoints + torch.tensor([20.0, 0.0])
    rates = pckh(prediction, found.keypoints, found.head_sizes)
    assert rates.per_pose[:2].tolist() == [0, 1] and rates.counted == 32
    mat(tmp_path / "annot/gt_valid.mat", headboxes_src=boxes, pos_gt_src=joints[::-1].transpose(1, 2, 0))
    with pytest.raises(ValueError, match=r"gt_valid\.mat: person 0"):
        read_mpii(tmp_path, "valid")
    mat(tmp_path / "annot/gt_valid.mat", headboxes_src=boxes[..., :2], pos_gt_src=joints.transpose(1, 2, 0))
    with pytest.raises(ValueError, match="headboxes_src"):
        read_mpii(tmp_path, "valid")
