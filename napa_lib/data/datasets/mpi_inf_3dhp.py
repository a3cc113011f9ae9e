"""MPI-INF-3DHP: 8 people before 14 cameras with 28 joints in 2D and 3D, and a test set with 17 of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import dataset_root, numbers, read_arrays, read_mat
from napa_lib.data.datasets.muco import placed
from napa_lib.skeletons import MPI3DHP28

# The eight cameras about the person that papers train on (SPIN, VIBE).
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
_LAYOUT = (
    "S1/Seq1/annot.mat …, and the frames of S1/Seq1/imageSequence/video_0.avi as "
    "S1/Seq1/imageFrames/video_0/frame_000001.jpg"
)
_SOURCE = "https://vcai.mpi-inf.mpg.de/3dhp-dataset/ (non-commercial)"


ACTIVITIES = ("standing/walking", "exercise", "sitting", "crouching/reaching", "on the floor", "sports", "other")
_TEST_LAYOUT = (
    "TS1/annot_data.npz … with annot2 (F, 1, 17, 2), annot3 (F, 1, 17, 3), valid_frame (F, 1) and activity_annotation "
    "(F, 1), made of the dataset's annot_data.mat as the README of napa_lib.data.datasets says, and "
    "TS1/imageSequence/img_000001.jpg …"
)


class _Track(NamedTuple):
    folder: str  # "S1/Seq1"
    camera: int
    points: np.ndarray  # (F, 28, 2)
    poses: np.ndarray  # (F, 28, 3)


def read_mpi_inf_3dhp(root: str | os.PathLike, cameras: tuple[int, ...] = CAMERAS, step: int = 1) -> Annotations:
    """MPI-INF-3DHP's training set with MPI3DHP28, all sequences that are there.

    `annot.mat` holds for each of the 14 cameras a cell of `annot2`, (F, 56) pixels, and of `annot3`, (F, 84) mm in the
    camera's axes. The pixels are projections with the dataset's calibration and are taken as they are.

    Args:
        root: folder with S1/Seq1/ ….
        cameras: numbers of the cameras wanted, 0 to 13.
        step: keep every step-th frame.

    Returns:
        frames with `poses`, `subjects`, `actions` (the sequence) and `clips` (subject/sequence/camera).

    Raises:
        ImportError: without scipy.
        ValueError: for no or unknown cameras, a step below 1, a missing folder, or a damaged file.

    Source: Mehta et al., Monocular 3D Human Pose Estimation in the Wild Using Improved CNN Supervision (3DV 2017).
    """
    if not cameras or not set(cameras) <= set(range(14)) or len(set(cameras)) < len(cameras):
        raise ValueError(f"cameras must be of 0 to 13, each once, got {cameras}")
    if step < 1:
        raise ValueError(f"step must be at least 1, got {step}")
    base = dataset_root(root, "MPI-INF-3DHP", _LAYOUT, _SOURCE, ())
    files = sorted(base.glob("S*/Seq*/annot.mat"))
    if not files:
        raise ValueError(f"root {str(root)!r} has no annot.mat; expected {_LAYOUT}; ask for it at {_SOURCE}")
    tracks = [track for file in files for track in _read_tracks(file, base, cameras, step)]
    frames = [(track, i) for track in tracks for i in range(len(track.points))]
    points = to_tensor([track.points for track in tracks])
    return Annotations(
        base,
        tuple(f"{t.folder}/imageFrames/video_{t.camera}/frame_{i * step + 1:06d}.jpg" for t, i in frames),
        points,
        points.isfinite().all(-1),
        MPI3DHP28,
        poses=to_tensor([track.poses for track in tracks]),
        as_stored=True,
        subjects=tuple(t.folder.split("/")[0] for t, _ in frames),
        actions=tuple(t.folder.split("/")[1] for t, _ in frames),
        clips=tuple(f"{t.folder}/{t.camera}" for t, _ in frames),
    )


def _read_tracks(file: Path, base: Path, cameras: tuple[int, ...], step: int) -> list[_Track]:
    annot2, annot3 = (cells.ravel() for cells in read_mat(file, "annot2", "annot3"))
    if len(annot2) != 14 or len(annot3) != 14:
        raise ValueError(f"{file}: annot2 and annot3 must have a cell for each of 14 cameras")
    folder = file.parent.relative_to(base).as_posix()
    tracks = []
    for camera in cameras:
        points = numbers(annot2[camera], (-1, 56), file, f"annot2 of camera {camera}").reshape(-1, 28, 2)
        poses = numbers(annot3[camera], (len(points), 84), file, f"annot3 of camera {camera}").reshape(-1, 28, 3)
        tracks.append(_Track(folder, camera, points[::step], poses[::step]))
    return tracks


def read_mpi_inf_3dhp_test(root: str | os.PathLike) -> Annotations:
    """MPI-INF-3DHP's test set: the valid frames of six sequences, with 17 of the joints of MPI3DHP28.

    The dataset's files are in MATLAB's 7.3 format, which scipy does not read; what is read is the same numbers as plain
    arrays. `poses` are `annot3`, in the person's own size; `univ_annot3`, which the dataset's own evaluation takes, is
    scaled to one size for all.

    Args:
        root: folder with TS1/ … TS6/.

    Returns:
        frames with `poses` (mm, camera axes), `subjects` and `clips` (the sequence) and `actions` (of `ACTIVITIES`).

    Raises:
        ValueError: for a missing folder, a damaged file, or one without a valid frame.

    Source: Mehta et al., 2017; AdvPose, section 5 and table 4.
    """
    base = dataset_root(root, "MPI-INF-3DHP's test set", _TEST_LAYOUT, _SOURCE, ())
    files = sorted(base.glob("TS*/annot_data.npz"))
    if not files:
        raise ValueError(f"root {str(root)!r} has no annot_data.npz; expected {_TEST_LAYOUT}; ask for it at {_SOURCE}")
    images, names, actions, flat, poses = [], [], [], [], []
    for file in files:
        points, places, valid, activity = read_arrays(file, "annot2", "annot3", "valid_frame", "activity_annotation")
        points = numbers(points, (-1, 1, 17, 2), file, "annot2")
        frames = len(points)
        places = numbers(places, (frames, 1, 17, 3), file, "annot3")
        rows = np.flatnonzero(numbers(valid, (frames, 1), file, "valid_frame"))
        kinds = numbers(activity, (frames, 1), file, "activity_annotation")[rows, 0].astype(int) - 1
        if not len(rows) or kinds.min() < 0 or kinds.max() >= len(ACTIVITIES):
            raise ValueError(f"{file} must have valid frames, of activities 1 to {len(ACTIVITIES)}")
        images += [f"{file.parent.name}/imageSequence/img_{row + 1:06d}.jpg" for row in rows]
        names += [file.parent.name] * len(rows)
        actions += [ACTIVITIES[kind] for kind in kinds]
        flat.append(placed(points[rows, 0]))
        poses.append(placed(places[rows, 0]))
    joints = to_tensor(flat)
    return Annotations(
        base, tuple(images), joints, joints.isfinite().all(-1), MPI3DHP28, poses=to_tensor(poses), as_stored=True,
        subjects=tuple(names), actions=tuple(actions), clips=tuple(names),
    )  # fmt: skip
