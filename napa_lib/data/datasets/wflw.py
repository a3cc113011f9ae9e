"""WFLW: 98 landmarks on 10,000 faces, one line of a text file each."""

from __future__ import annotations

import os

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import choose, dataset_root, numbers, read_text, relative_path
from napa_lib.skeletons import FACE68

# For each of iBUG's 68 points the one of WFLW's 98 in the same place: every second point of the jaw, the upper edge of
# the brows, the nose, the eyes without the middles of the lids, the mouth.
WFLW_TO_FACE68 = (
    *range(0, 33, 2), *range(33, 38), *range(42, 47), *range(51, 60), 60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75,
    *range(76, 96),
)  # fmt: skip
_LISTS = "WFLW_annotations/list_98pt_rect_attr_train_test"
_LAYOUT = f"{_LISTS}/list_98pt_rect_attr_{{train,test}}.txt and WFLW_images/"
_SOURCE = "https://wywu.github.io/projects/LAB/WFLW.html (research only)"


def read_wflw(root: str | os.PathLike, split: str, points: int = 68) -> Annotations:
    """WFLW's faces. A line holds 98 x (x, y), the face's rectangle, six flags, and the picture's path.

    The dataset does not say where it counts pixels from; the numbers are taken as they are, as its users do.

    Args:
        root: folder with WFLW_annotations/ and WFLW_images/.
        split: "train" (7500 faces) or "test" (2500).
        points: 68 for those that iBUG's set has (FACE68, by `WFLW_TO_FACE68`), 98 for all (no joint set).

    Returns:
        the faces; `boxes` are the rectangles.

    Raises:
        ValueError: for an unknown split or number of points, a missing folder, or a damaged line (named by number).

    Source: Wu et al., Look at Boundary (CVPR 2018).
    """
    choose(split, ("train", "test"), "split")
    if points not in (68, 98):
        raise ValueError(f"points must be 68 or 98, got {points!r}")
    name = f"{_LISTS}/list_98pt_rect_attr_{split}.txt"
    base = dataset_root(root, "WFLW", _LAYOUT, _SOURCE, (name, "WFLW_images"))
    file = base / name
    lines = [line.split() for line in read_text(file).splitlines() if line.strip()]
    wrong = [i + 1 for i, line in enumerate(lines) if len(line) != 207]
    if wrong or not lines:
        where = f"line {wrong[0]} has {len(lines[wrong[0] - 1])}" if wrong else "it is empty"
        raise ValueError(f"{file}: every line must have 207 words (196 coordinates, 4 + 6 numbers, a path), {where}")
    values = numbers([line[:206] for line in lines], (len(lines), 206), file, "coordinates")
    if not np.isfinite(values).all():
        raise ValueError(f"{file}: coordinates must be finite")
    keypoints = to_tensor(values[:, :196].reshape(-1, 98, 2))
    if points == 68:
        keypoints = keypoints[:, list(WFLW_TO_FACE68)]
    images = tuple("WFLW_images/" + relative_path(line[206], file) for line in lines)
    skeleton = FACE68 if points == 68 else None
    boxes = to_tensor(values[:, 196:200])
    return Annotations(base, images, keypoints, keypoints.isfinite().all(-1), skeleton, boxes, as_stored=True)
