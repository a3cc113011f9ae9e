"""300-W: 68 landmarks on faces in the wild, one .pts file beside each picture."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import PICTURES, choose, dataset_root, files_in, numbers, read_text
from napa_lib.skeletons import FACE68

_TRAIN = ("afw", "helen/trainset", "lfpw/trainset")
_COMMON = ("helen/testset", "lfpw/testset")
_SPLITS = {"train": _TRAIN, "common": _COMMON, "challenge": ("ibug",), "test": (*_COMMON, "ibug")}
_LAYOUT = "afw/, helen/{trainset,testset}/, lfpw/{trainset,testset}/ and ibug/, each with NAME.pts beside NAME.jpg/.png"
_SOURCE = "https://ibug.doc.ic.ac.uk/resources/300-W/ (research only)"


def read_pts(path: str | os.PathLike, points: int = 68) -> np.ndarray:
    """Landmarks of a .pts file, version 1, as (points, 2) float64 pixels from (0, 0).

    The format counts pixels from 1, as MATLAB does; 1 is taken off, as the dataset's own software (menpo) does.

    Raises:
        ValueError: naming the file, if it is missing or not of the format or number of points.
    """
    file = Path(path)
    head, brace, rest = read_text(file).partition("{")
    body, closing, _ = rest.partition("}")
    header = dict(line.split(":", 1) for line in head.splitlines() if ":" in line)
    count = header.get("n_points", "").strip()
    if not brace or not closing or count != str(points):
        raise ValueError(f"{file} must be a .pts file with n_points: {points} and the points in braces, got {count!r}")
    found = numbers([line.split() for line in body.splitlines() if line.strip()], (points, 2), file, "points") - 1
    if not np.isfinite(found).all():
        raise ValueError(f"{file}: points must be finite")
    return found


def read_300w(root: str | os.PathLike, split: str) -> Annotations:
    """300-W's faces with FACE68.

    Args:
        root: folder with afw/, helen/, lfpw/ and ibug/.
        split: "train" (afw and both training sets; 3148 faces in the release), "common" (both test sets; 554),
            "challenge" (ibug; 135) or "test" (common and challenge; 689).

    Raises:
        ValueError: for an unknown split, a missing folder or picture, or a damaged .pts file.

    Source: Sagonas et al., 300 Faces in-the-Wild Challenge (ICCV workshops 2013; Image and Vision Computing, 2016).
    """
    folders = _SPLITS[choose(split, tuple(_SPLITS), "split")]
    base = dataset_root(root, "300-W", _LAYOUT, _SOURCE, folders)
    files = [file for folder in sorted(folders) for file in files_in(base / folder, ".pts")]
    if not files:
        raise ValueError(f"root {str(root)!r} has no .pts file in {', '.join(folders)}; expected {_LAYOUT}")
    points = to_tensor(np.stack([read_pts(file) for file in files]))
    images = tuple(_picture_beside(file).relative_to(base).as_posix() for file in files)
    return Annotations(base, images, points, points.isfinite().all(-1), FACE68, as_stored=True)


def _picture_beside(file: Path) -> Path:
    for ending in PICTURES:
        for suffix in (ending, ending.upper(), ending.title()):
            if file.with_suffix(suffix).is_file():
                return file.with_suffix(suffix)
    raise ValueError(f"{file} has no picture beside it ({', '.join(PICTURES)})")
