"""Multi-PIE: 68 landmarks on studio faces of 337 people, one MATLAB file a picture."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import dataset_root, files_in, numbers, read_mat
from napa_lib.skeletons import FACE68

_NAME = re.compile(r"(\d{3})_(\d{2})_(\d{2})_(\d{2})(\d)_(\d{2})_lm\.mat")
_LAYOUT = (
    "MPie_Labels/labels/CAMERA/SUBJECT_SESSION_RECORDING_CAMERA_LIGHT_lm.mat and "
    "data/sessionSESSION/multiview/SUBJECT/RECORDING/CAMERA/….png"
)
_SOURCE = "https://www.cs.cmu.edu/afs/cs/project/PIE/MultiPie/Multi-Pie/Home.html (licence to be bought)"


def read_multipie(root: str | os.PathLike) -> Annotations:
    """Multi-PIE's labelled faces with FACE68.

    Layout: the label files as distributed, for instance `MPie_Labels/labels/051/001_01_01_051_05_lm.mat` with the
    variable `pts`; the picture is `data/session01/multiview/001/01/05_1/001_01_01_051_05.png`, and need not be there
    when only the landmarks are wanted. Files with another number of points than 68 (profiles have 39, a few others 66)
    are left out. Where the numbers are counted from is not documented: they are taken as they are.

    Returns:
        the faces; `subjects` are the three-digit identities, `actions` "session_recording" (the expression).

    Raises:
        ImportError: without scipy.
        ValueError: for a missing folder, a damaged or oddly named file, or if no face has 68 points.

    Source: Gross et al., Multi-PIE (Image and Vision Computing, 2010).
    """
    base = dataset_root(root, "Multi-PIE", _LAYOUT, _SOURCE, ("MPie_Labels/labels",))
    folders = sorted(folder for folder in (base / "MPie_Labels/labels").iterdir() if folder.is_dir())
    found: dict[tuple[str, ...], Path] = {}  # a label file that lies in two folders is one face
    for file in (file for folder in folders for file in files_in(folder, "_lm.mat")):
        found.setdefault(_parse(file), file)
    faces = [(parts, _points(file)) for parts, file in found.items()]
    frontal = [(parts, points) for parts, points in faces if len(points) == 68]
    if not frontal:
        raise ValueError(f"root {str(root)!r} has no label file of 68 points; expected {_LAYOUT}")
    points = to_tensor(np.stack([points for _, points in frontal]))
    return Annotations(
        base,
        tuple(_picture(parts) for parts, _ in frontal),
        points,
        points.isfinite().all(-1),
        FACE68,
        subjects=tuple(parts[0] for parts, _ in frontal),
        actions=tuple(f"{parts[1]}_{parts[2]}" for parts, _ in frontal),
        as_stored=True,
    )


def _parse(file: Path) -> tuple[str, ...]:
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise ValueError(f"{file} is not named SUBJECT_SESSION_RECORDING_CAMERA_LIGHT_lm.mat")
    return match.groups()


def _points(file: Path) -> np.ndarray:
    points = numbers(read_mat(file, "pts")[0], (-1, 2), file, "pts")
    if not np.isfinite(points).all():
        raise ValueError(f"{file}: pts must be finite")
    return points


def _picture(parts: tuple[str, ...]) -> str:
    subject, session, recording, camera, side, light = parts
    folder = f"data/session{session}/multiview/{subject}/{recording}/{camera}_{side}"
    return f"{folder}/{subject}_{session}_{recording}_{camera}{side}_{light}.png"
