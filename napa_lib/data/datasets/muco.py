"""MuCo-3DHP and MuPoTS-3D: several people of MPI-INF-3DHP in one picture, put together or filmed so."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import dataset_root, entry, numbers, read_json, relative_path
from napa_lib.skeletons import MPI3DHP28

# The order of joints in both files, in the library's names; MuPoTS-3D and MPI-INF-3DHP's test set have the first 17.
# Their "thorax" and "head" are MPI-INF-3DHP's neck and head joint.
_JOINTS = (
    "head_top", "neck", "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist", "r_hip",
    "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "pelvis", "spine", "head_joint", "r_hand", "l_hand",
    "r_toe", "l_toe",
)  # fmt: skip
_PLACES = [MPI3DHP28.index(name) for name in _JOINTS]
_SOURCE = "https://vcai.mpi-inf.mpg.de/projects/SingleShotMultiPerson/ (non-commercial)"
_FORM = "in the JSON form of 3DMPPE (https://github.com/mks0601/3DMPPE_POSENET_RELEASE)"


def read_muco_3dhp(root: str | os.PathLike) -> Annotations:
    """MuCo-3DHP's training pictures, a person at a time, from `MuCo-3DHP.json`, and the pictures beside it.

    Returns:
        people with the 21 joints of MPI3DHP28 that the set has (`keypoints`, `poses` in mm, camera axes) and, as
        `clips`, the picture that each is in.

    Raises:
        ValueError: for a missing or damaged file.

    Source: Mehta et al., Single-Shot Multi-Person 3D Pose Estimation From Monocular RGB (3DV 2018).
    """
    base = dataset_root(root, "MuCo-3DHP", f"MuCo-3DHP.json {_FORM} and augmented_set/", _SOURCE, ("MuCo-3DHP.json",))
    return _read(base, base / "MuCo-3DHP.json", 21, "")


def read_mupots_3d(root: str | os.PathLike) -> Annotations:
    """MuPoTS-3D's 20 test sequences, a person at a time, from `MuPoTS-3D.json`; pictures in `MultiPersonTestSet/TS1/…`.

    Frames that the dataset marks as not valid for a person are left out.

    Returns:
        as `read_muco_3dhp`, with 17 joints, and the sequence as `actions`.

    Raises:
        ValueError: for a missing or damaged file, or one without a valid person.

    Source: as `read_muco_3dhp`.
    """
    layout = f"MuPoTS-3D.json {_FORM} and MultiPersonTestSet/TS1/img_000000.jpg …"
    base = dataset_root(root, "MuPoTS-3D", layout, _SOURCE, ("MuPoTS-3D.json",))
    return _read(base, base / "MuPoTS-3D.json", 17, "MultiPersonTestSet/")


def _read(base: Path, file: Path, joints: int, folder: str) -> Annotations:
    content = read_json(file)
    pictures = {}
    for picture in entry(content, "images", list, file):
        name = relative_path(entry(picture, "file_name", str, file), file)
        sides = numbers([entry(picture, side, (int, float), file) for side in ("width", "height")], (2,), file, "size")
        pictures[str(picture.get("id"))] = (folder + name, sides)
    images, flat, poses, sizes = [], [], [], []
    for person in entry(content, "annotations", list, file):
        if isinstance(person, dict) and person.get("is_valid", 1) == 0:
            continue
        number = str(person.get("image_id")) if isinstance(person, dict) else ""
        if number not in pictures:
            raise ValueError(f"{file}: an annotation is of picture {number!r}, which is not listed")
        images.append(pictures[number][0])
        sizes.append(pictures[number][1])
        flat.append(placed(numbers(person.get("keypoints_img"), (joints, 2), file, "keypoints_img")))
        poses.append(placed(numbers(person.get("keypoints_cam"), (joints, 3), file, "keypoints_cam")))
    if not images:
        raise ValueError(f"{file} has no valid person")
    points = to_tensor(np.stack(flat))
    clips = tuple(images)
    actions = tuple(Path(name).parent.name for name in images)
    return Annotations(
        base, clips, points, points.isfinite().all(-1), MPI3DHP28, poses=to_tensor(np.stack(poses)), actions=actions,
        clips=clips, sizes=to_tensor(np.array(sizes)),
    )  # fmt: skip


def placed(values: np.ndarray) -> np.ndarray:
    """(..., joints, D) of the file at their places among the 28, NaN elsewhere."""
    *rows, joints, axes = values.shape
    whole = np.full((*rows, MPI3DHP28.num_joints, axes), np.nan)
    whole[..., _PLACES[:joints], :] = values
    return whole
