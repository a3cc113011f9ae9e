"""Human3.6M: 3.6 million frames of 7 people with 32 joints in 2D and 3D."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import choose, dataset_root, files_in, numbers, once_each, read_arrays, read_mat
from napa_lib.skeletons import H36M32

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
_SUFFIXES = (".cdf.mat", ".npy")
_NAMES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}  # S1 spells two actions differently from the others
_VIDEO = re.compile(r"(?P<action>[A-Za-z]+)(?: \d+)?\.(?P<camera>\d{8})")
_LAYOUT = (
    "S1/MyPoseFeatures/{D2_Positions,D3_Positions_mono}/ACTION.CAMERA.cdf.mat (or .npy) for the subjects, and the "
    "frames of S1/Videos/ACTION.CAMERA.mp4 as S1/Images/ACTION.CAMERA/000001.jpg"
)
_SOURCE = "http://vision.imar.ro/human3.6m/ (academic licence)"


class _Video(NamedTuple):
    subject: str
    name: str  # "Directions 1.54138969"
    points: np.ndarray  # (F, 32, 2)
    poses: np.ndarray  # (F, 32, 3)


def read_human36m(root: str | os.PathLike, split: str, step: int = 1) -> Annotations:
    """Human3.6M's frames with H36M32.

    The dataset hands its positions out in CDF files, for which Python has no reader that this course depends on.
    Two plain forms of each are read: `ACTION.CAMERA.cdf.mat`, as MATLAB saves them (variable `data`, a cell that holds
    the (F, 96) positions; VideoPose3D's convert_cdf_to_mat.m writes these), and `ACTION.CAMERA.npy`, the same numbers
    as one plain array. VideoPose3D's data_3d_h36m.npz is not read: it is a pickle, which may run code.

    A video in both forms is read once, from the first. 2D positions are projections in pixels and are taken as they
    are. The video that the literature discards as corrupted, S11 Directions, is left out.

    Args:
        root: folder with S1/, S5/ ….
        split: "train" (S1, S5, S6, S7, S8) or "test" (S9, S11).
        step: keep every step-th frame.

    Returns:
        frames with `keypoints` (D2_Positions), `poses` (D3_Positions_mono, mm in the camera's axes), `subjects`,
        `actions` (without the take's number) and `clips` (subject/action and take.camera).

    Raises:
        ImportError: without scipy, for .cdf.mat files.
        ValueError: for an unknown split, a step below 1, a missing folder or file, or a damaged one.

    Source: Ionescu et al., Human3.6M (PAMI, 2014); subjects: KeypointGAN, section 5.1.
    """
    subjects = SUBJECTS[choose(split, tuple(SUBJECTS), "split")]
    if step < 1:
        raise ValueError(f"step must be at least 1, got {step}")
    needed = tuple(f"{s}/MyPoseFeatures/{kind}" for s in subjects for kind in ("D2_Positions", "D3_Positions_mono"))
    base = dataset_root(root, "Human3.6M", _LAYOUT, _SOURCE, needed)
    files = [(s, file) for s in subjects for file in _videos(base / s / "MyPoseFeatures/D2_Positions")]
    videos = [_read_video(subject, file, step) for subject, file in files if not _is_corrupt(subject, file)]
    if not videos:
        raise ValueError(f"root {str(root)!r} has no positions of split {split!r}; expected {_LAYOUT}")
    frames = [(video, i) for video in videos for i in range(len(video.points))]
    points = to_tensor([video.points for video in videos])
    return Annotations(
        base,
        tuple(f"{video.subject}/Images/{video.name}/{i * step + 1:06d}.jpg" for video, i in frames),
        points,
        points.isfinite().all(-1),
        H36M32,
        poses=to_tensor([video.poses for video in videos]),
        as_stored=True,
        subjects=tuple(video.subject for video, _ in frames),
        actions=tuple(action_name(video.name) for video, _ in frames),
        clips=tuple(f"{video.subject}/{video.name}" for video, _ in frames),
    )


def action_name(video: str) -> str:
    """The action of a video's name, spelled the same for every subject.

    Raises:
        ValueError: if it is not of the form ACTION TAKE.CAMERA or ACTION.CAMERA.

    >>> action_name("TakingPhoto 1.54138969")
    'Photo'
    """
    match = _VIDEO.fullmatch(video)
    if match is None:
        raise ValueError(f"video {video!r} is not named ACTION.CAMERA or ACTION TAKE.CAMERA")
    return _NAMES.get(match["action"], match["action"])


def _videos(folder: Path) -> list[Path]:
    return once_each(files_in(folder, *_SUFFIXES), _SUFFIXES)


def _stem(file: Path) -> str:
    return file.name.removesuffix(".cdf.mat").removesuffix(".npy")


def _is_corrupt(subject: str, file: Path) -> bool:
    return subject == "S11" and _stem(file).startswith("Directions.")


def _read_video(subject: str, file: Path, step: int) -> _Video:
    action_name(_stem(file))
    points = _positions(file, 2)
    folder = file.parents[1] / "D3_Positions_mono"
    forms = [folder / f"{_stem(file)}{suffix}" for suffix in _SUFFIXES]
    mate = next((form for form in forms if form.is_file()), folder / file.name)
    poses = _positions(mate, 3)
    if len(points) != len(poses):
        raise ValueError(f"{file} has {len(points)} frames, {mate} has {len(poses)}")
    return _Video(subject, _stem(file), points[::step], poses[::step])


def _positions(file: Path, axes: int) -> np.ndarray:
    """(F, 32, axes) from either form."""
    if file.suffix == ".npy":
        values: object = read_arrays(file)[0]
    else:
        data = read_mat(file, "data")[0]
        values = data.flat[0] if data.dtype == object and data.size == 1 else data
    return numbers(values, (-1, 32 * axes), file, "positions").reshape(-1, 32, axes)
