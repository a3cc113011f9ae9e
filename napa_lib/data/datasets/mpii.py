"""MPII: 25,000 pictures of everyday activities with 16 joints, by the JSON that most code reads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from torch import Tensor

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import choose, dataset_root, entry, numbers, read_json, read_mat, relative_path
from napa_lib.skeletons import MPII16

_SPLITS = ("train", "valid", "trainval")
_LAYOUT = "annot/{train,valid,trainval}.json (as for HRNet and Simple Baselines) and images/"
_SOURCE = "http://human-pose.mpi-inf.mpg.de/ (research only); the JSON with Microsoft's human-pose-estimation.pytorch"


def read_mpii(root: str | os.PathLike, split: str) -> Annotations:
    """MPII's people with MPII16.

    The dataset's own annotation is one nested MATLAB structure; read here is the JSON that Simple Baselines made of it
    and HRNet and others use, a list of {image, joints (16 x 2), joints_vis (16), center, scale}. Pixels count from 1
    there, as in MATLAB; 1 is taken off. A joint with joints_vis 0 is missing.

    The sizes of the heads, which PCKh divides by, are not in the JSON. They are read from `annot/gt_SPLIT.mat` where it
    lies beside it (`headboxes_src`, 2 x 2 x N; `gt_valid.mat` comes with the JSON), as 0.6 x the head box's diagonal.

    Args:
        root: folder with annot/ and images/.
        split: "train" (22,246 people), "valid" (2,958) or "trainval".

    Returns:
        one row for each person; `boxes` are squares of 200 x scale pixels about the center; `head_sizes` where known.

    Raises:
        ImportError: without scipy, where there is a gt_SPLIT.mat.
        ValueError: for an unknown split, a missing folder, or a file not of the format.

    Source: Andriluka et al., 2D Human Pose Estimation (CVPR 2014); Xiao et al., Simple Baselines (ECCV 2018).
    """
    name = f"annot/{choose(split, _SPLITS, 'split')}.json"
    base = dataset_root(root, "MPII", _LAYOUT, _SOURCE, (name, "images"))
    file = base / name
    people = read_json(file)
    if not isinstance(people, list) or not people:
        raise ValueError(f"{file} must be a list of people, got {people!r:.80}")
    points = _stack(people, "joints", (16, 2), file) - 1
    known = _stack(people, "joints_vis", (16,), file) > 0
    center = _stack(people, "center", (2,), file) - 1
    half = 100 * numbers([[entry(p, "scale", (int, float), file)] for p in people], (len(people), 1), file, "scale")
    return Annotations(
        base,
        tuple("images/" + relative_path(entry(person, "image", str, file), file) for person in people),
        to_tensor(np.where(known[..., None], points, np.nan)),
        to_tensor(known) > 0,
        MPII16,
        to_tensor(np.concatenate([center - half, center + half], 1)),
        head_sizes=_head_sizes(base / f"annot/gt_{split}.mat", points + 1, known),
        as_stored=True,
    )


def _head_sizes(file: Path, joints: np.ndarray, known: np.ndarray) -> Tensor | None:
    """(N,) 0.6 x the diagonals of the head boxes, if the file is there and of the same people; joints count from 1."""
    if not file.is_file():
        return None
    boxes, places = read_mat(file, "headboxes_src", "pos_gt_src")
    boxes, places = np.atleast_3d(boxes), np.atleast_3d(places)  # MATLAB drops a last side of 1
    corners = numbers(boxes, (2, 2, len(joints)), file, "headboxes_src")
    same = numbers(places, (16, 2, len(joints)), file, "pos_gt_src").transpose(2, 0, 1)
    apart = np.abs(same - joints).max(-1) > 1.5  # the JSON's numbers are rounded
    if (apart & known).any():
        raise ValueError(f"{file}: person {int((apart & known).any(1).argmax())} stands elsewhere than in the JSON")
    sizes = 0.6 * np.linalg.norm(corners[1] - corners[0], axis=0)
    return to_tensor(np.where(sizes > 0, sizes, np.nan))


def _stack(people: list, key: str, shape: tuple[int, ...], file: Path) -> np.ndarray:
    return np.stack([numbers(entry(person, key, list, file), shape, file, key) for person in people])
