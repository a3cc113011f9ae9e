"""PennAction: 2326 videos of 15 sports with 13 joints, one MATLAB file a video."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import choose, dataset_root, files_in, numbers, read_mat
from napa_lib.skeletons import Skeleton

_PARENTS = (-1, 0, 0, 1, 2, 3, 4, 1, 2, 7, 8, 9, 10)
_BONES = tuple((parent, joint) for joint, parent in enumerate(_PARENTS) if parent >= 0)
# In the dataset's order. It has no pelvis: the tree hangs from the head.
PENN13 = Skeleton(
    name="PENN13",
    joints=("head_center", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "l_hip", "r_hip",
            "l_knee", "r_knee", "l_ankle", "r_ankle"),
    parents=_PARENTS,
    flip_pairs=tuple((left, left + 1) for left in range(1, 13, 2)),
    bones=_BONES,
    colors=((0, 158, 115),) * len(_BONES),
)  # fmt: skip
_LAYOUT = "labels/0001.mat … and frames/0001/000001.jpg …"
_SOURCE = "http://dreamdragon.github.io/PennAction/"


class _Video(NamedTuple):
    points: np.ndarray  # (F, 13, 2)
    boxes: np.ndarray  # (F, 4)
    action: str
    name: str


def read_penn_action(root: str | os.PathLike, split: str) -> Annotations:
    """PennAction's frames with PENN13.

    Joints that are marked invisible are NaN: the dataset does not say what their coordinates mean. Neither does it say
    where it counts pixels from; the numbers are taken as they are.

    Args:
        root: folder with labels/ and frames/.
        split: "train" or "test", by the dataset's own flag.

    Returns:
        the frames of all videos of the split, with `boxes`, `actions` and `clips` (the video's number). For the
        paper's disjoint halves use `halves_of_actions`.

    Raises:
        ImportError: without scipy.
        ValueError: for an unknown split, a missing folder, a damaged file, or if no video is in the split.

    Source: Zhang et al., From Actemes to Action (ICCV 2013).
    """
    choose(split, ("train", "test"), "split")
    base = dataset_root(root, "PennAction", _LAYOUT, _SOURCE, ("labels", "frames"))
    read = [_read_video(file, split == "train") for file in files_in(base / "labels", ".mat")]
    videos = [video for video in read if video is not None]
    if not videos:
        raise ValueError(f"root {str(root)!r} has no video of split {split!r}; expected {_LAYOUT}")
    points = to_tensor([video.points for video in videos])
    frames = [(video, i) for video in videos for i in range(len(video.points))]
    return Annotations(
        base,
        tuple(f"frames/{video.name}/{i + 1:06d}.jpg" for video, i in frames),
        points,
        points.isfinite().all(-1),
        PENN13,
        boxes=to_tensor([video.boxes for video in videos]),
        actions=tuple(video.action for video, _ in frames),
        clips=tuple(video.name for video, _ in frames),
        as_stored=True,
    )


def _read_video(file: Path, train: bool) -> _Video | None:
    """One label file; None if it belongs to the other split."""
    x, y, visibility, flag, box, action = read_mat(file, "x", "y", "visibility", "train", "bbox", "action")
    if bool(numbers(flag, (1,), file, "train")[0] == 1) is not train:
        return None
    columns = numbers(x, (-1, 13), file, "x")
    points = np.stack([columns, numbers(y, columns.shape, file, "y")], -1)
    seen = numbers(visibility, (len(points), 13), file, "visibility") > 0
    boxes = numbers(box, (-1, 4), file, "bbox")
    if len(boxes) == len(points) - 1:  # a few videos lack the last frame's box
        boxes = np.concatenate([boxes, boxes[-1:]])
    if len(boxes) != len(points):
        raise ValueError(f"{file}: bbox must have a row for each of the {len(points)} frames, got {len(boxes)}")
    if action.shape != (1,) or action.dtype.kind != "U":
        raise ValueError(f"{file}: action must be a text, got {action!r:.80}")
    return _Video(np.where(seen[..., None], points, np.nan), boxes, str(action[0]), file.stem)
