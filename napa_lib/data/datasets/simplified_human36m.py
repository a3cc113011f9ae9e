"""Simplified Human3.6M: six upright activities, cropped to 128 x 128 pixels, with a mask of the person."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import choose, dataset_root, files_in, numbers, read_mat
from napa_lib.data.datasets.human36m import action_name
from napa_lib.skeletons import H36M32

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8", "S9"), "test": ("S11",)}
ACTIONS = ("Directions", "Discussion", "Greeting", "Posing", "Waiting", "Walking")
SIZE = 128  # pixels, the side of the pictures
_MASKS = "BackgroudMask"  # spelled so in the dataset
_LAYOUT = f"S1/{{WithBackground/…/1.jpg,{_MASKS}/…/1.png,Landmarks/…/1.mat}}, … = ACTION TAKE.CAMERA, for the subjects"
_SOURCE = "the authors of Zhang et al. (2018); it needs Human3.6M's licence, http://vision.imar.ro/human3.6m/"


def read_simplified_human36m(root: str | os.PathLike, split: str, step: int = 1) -> Annotations:
    """The simplified split with H36M32.

    A landmark file's `keypoints_2d` is (32, 2) as (y, x), 0 to 1 across the picture. KeypointGAN's released code maps
    them to [-1, 1], and renders these with -1 and 1 on the centres of the first and the last pixel; so do we: a
    keypoint k lies at pixel 127 k. The section of the paper names no subjects for this set; those here are its
    released code's.

    Args:
        root: folder with S1/, S5/ ….
        split: "train" (S1, S5, S6, S7, S8, S9) or "test" (S11).
        step: keep every step-th frame of a video; the released code tests on every 30th.

    Returns:
        frames with `masks`, `subjects`, `actions` and `clips`; `cropped`, their `boxes` are whole pictures. For the
        paper's disjoint halves use `halves_of_clips`.

    Raises:
        ImportError: without scipy.
        ValueError: for an unknown split, a step below 1, a missing folder, or a damaged file.

    Source: KeypointGAN, section 5.1, and its code; Zhang et al., Unsupervised Discovery of Object Landmarks as
    Structural Representations (CVPR 2018).
    """
    subjects = SUBJECTS[choose(split, tuple(SUBJECTS), "split")]
    if step < 1:
        raise ValueError(f"step must be at least 1, got {step}")
    base = dataset_root(root, "Simplified Human3.6M", _LAYOUT, _SOURCE, tuple(f"{s}/Landmarks" for s in subjects))
    videos = [(s, folder) for s in subjects for folder in sorted((base / s / "Landmarks").iterdir()) if _wanted(folder)]
    frames = [(s, folder, file) for s, folder in videos for file in _frames(folder)[::step]]
    if not frames:
        raise ValueError(f"root {str(root)!r} has no landmarks of split {split!r}; expected {_LAYOUT}")
    points = to_tensor(np.stack([_points(file) for _, _, file in frames]))
    return Annotations(
        base,
        tuple(f"{s}/WithBackground/{folder.name}/{file.stem}.jpg" for s, folder, file in frames),
        points,
        points.isfinite().all(-1),
        H36M32,
        boxes=torch.tensor([[-0.5, -0.5, SIZE - 0.5, SIZE - 0.5]]).expand(len(frames), -1),
        cropped=True,
        subjects=tuple(s for s, _, _ in frames),
        actions=tuple(action_name(folder.name) for _, folder, _ in frames),
        clips=tuple(f"{s}/{folder.name}" for s, folder, _ in frames),
        masks=tuple(f"{s}/{_MASKS}/{folder.name}/{file.stem}.png" for s, folder, file in frames),
    )


def _wanted(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(".") and action_name(folder.name) in ACTIONS


def _frames(folder: Path) -> list[Path]:
    files = files_in(folder, ".mat")
    odd = [file for file in files if not file.stem.isdecimal()]
    if odd:
        raise ValueError(f"{odd[0]} is not named by the frame's number")
    return sorted(files, key=lambda file: int(file.stem))


def _points(file: Path) -> np.ndarray:
    return numbers(read_mat(file, "keypoints_2d")[0], (32, 2), file, "keypoints_2d")[:, ::-1] * (SIZE - 1)
