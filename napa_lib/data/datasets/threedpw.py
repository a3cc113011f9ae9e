"""3DPW: people filmed in the wild, up to two at once, with 3D joints from body-worn sensors.

The official sequences are pickles, and opening a pickle runs whatever code is in it: they are not read. What is read is
the same numbers as plain arrays, one `.npz` a sequence, which the owner of the data makes once where nothing can be
lost; the README beside this file has the six lines.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import choose, dataset_root, files_in, numbers, read_arrays
from napa_lib.skeletons import MPI3DHP28

SPLITS = ("train", "validation", "test")
# SMPL's 24 joints in the library's names; those that MPI3DHP28 does not have are left out.
_SMPL = (
    "pelvis", "l_hip", "r_hip", "spine1", "l_knee", "r_knee", "spine2", "l_ankle", "r_ankle", "chest", "l_foot",
    "r_foot", "neck", "l_collar", "r_collar", "head_joint", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow",
    "l_wrist", "r_wrist", "l_hand", "r_hand",
)  # fmt: skip
_SHARED = [(i, MPI3DHP28.index(name)) for i, name in enumerate(_SMPL) if name in MPI3DHP28.joints]
_LAYOUT = (
    "sequenceFiles/test/NAME.npz with jointPositions (P, F, 24, 3) in metres, cam_poses (F, 4, 4), cam_intrinsics "
    "(3, 3) and campose_valid (P, F), and imageFiles/NAME/image_00000.jpg …"
)
_SOURCE = "https://virtualhumans.mpi-inf.mpg.de/3DPW/ (non-commercial)"


def read_3dpw(root: str | os.PathLike, split: str) -> Annotations:
    """3DPW's people with those of SMPL's joints that MPI3DHP28 has, in camera axes, mm, and their projections.

    Args:
        root: folder with sequenceFiles/ and imageFiles/.
        split: "train", "validation" or "test".

    Returns:
        every person of every frame whose camera pose the dataset calls valid; `clips` is the sequence.

    Raises:
        ValueError: for an unknown split, a missing folder, or a damaged file, pickled arrays among them.

    Source: von Marcard et al., Recovering Accurate 3D Human Pose in the Wild Using IMUs (ECCV 2018).
    """
    folder = f"sequenceFiles/{choose(split, SPLITS, 'split')}"
    base = dataset_root(root, "3DPW", _LAYOUT, _SOURCE, (folder,))
    files = files_in(base / folder, ".npz")
    if not files:
        raise ValueError(f"root {str(root)!r} has no .npz in {folder}; expected {_LAYOUT}; ask for it at {_SOURCE}")
    images, clips, flat, poses = [], [], [], []
    for file in files:
        found, points, rows = _read(file)
        poses.append(found)
        flat.append(points)
        images += [f"imageFiles/{file.stem}/image_{frame:05d}.jpg" for frame in rows]
        clips += [file.stem] * len(rows)
    joints = to_tensor(np.concatenate(flat))
    return Annotations(base, tuple(images), joints, joints.isfinite().all(-1), MPI3DHP28,
                       poses=to_tensor(np.concatenate(poses)), clips=tuple(clips))  # fmt: skip


def _read(file: Path) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Poses (N, 28, 3) mm and keypoints (N, 28, 2) of one sequence, and the frame that each is of."""
    names = ("jointPositions", "cam_poses", "cam_intrinsics", "campose_valid")
    joints, cameras, matrix, valid = read_arrays(file, *names)
    joints = numbers(joints, (-1, -1, 24, 3), file, "jointPositions")
    people, frames = joints.shape[:2]
    cameras = numbers(cameras, (frames, 4, 4), file, "cam_poses")
    matrix = numbers(matrix, (3, 3), file, "cam_intrinsics")
    chosen = numbers(valid, (people, frames), file, "campose_valid") > 0
    seen = np.einsum("fij,pfkj->pfki", cameras[:, :3, :3], joints) + cameras[None, :, None, :3, 3]
    whole = np.full((people, frames, MPI3DHP28.num_joints, 3), np.nan)
    for source, target in _SHARED:
        whole[:, :, target] = seen[:, :, source]
    person, frame = np.nonzero(chosen & (np.nanmin(whole[..., 2], -1) > 0))
    if not len(person):
        raise ValueError(f"{file} has no person with a valid camera pose before the camera")
    kept = whole[person, frame]
    pixels = kept @ matrix.T
    return 1000 * kept, pixels[..., :2] / pixels[..., 2:], frame.tolist()
