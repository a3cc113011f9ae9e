"""Around the estimator: the learner's own picture, and the table of what was measured on figures in art."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from napa_lib.data import PictureError, asset_path
from napa_lib.data.assets import read_manifest
from napa_lib.data.datasets.files import files_in
from napa_lib.data.decoding import picture_endings
from napa_lib.pose import Picture, open_picture
from napa_lib.results import read

ROWS = (
    "12 limb joints", "paintings", "drawings", "stick figures", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"
)  # fmt: skip
THRESHOLD = "PCKh@0.5"


def own_picture(path: str | os.PathLike, otherwise: str) -> Picture:
    """Open the learner's picture; where there is none, say what is missing and open one that ships.

    Args:
        path: a file; empty for the picture that ships.
        otherwise: that picture's name for `asset_path`.
    """
    if os.fspath(path):
        try:
            return open_picture(_present(Path(os.path.expanduser(path))))
        except PictureError as error:
            print(f"{error}\nUntil that is mended, our own picture is shown below.")
    return open_picture(asset_path(otherwise))


def art_table(results: Mapping[str, str]) -> str:
    """PCKh@0.5 on the figures in art as text: per cent, the 95 % interval over figures, and the command that measured.

    Args:
        results: heading of a column -> result file below `assets/`; a column without a file says so.

    Returns:
        a line for each kind of figure and joint, then one for each command.

    >>> print(art_table({"BlazePose-heavy": "results/pose/blazepose_art.json"}).splitlines()[1])
    12 limb joints   66.6 [55.8, 76.6]
    """
    known = read_manifest()
    records = {heading: read(asset_path(name)) if name in known else None for heading, name in results.items()}
    lines = [" " * 17 + "".join(f"{heading:22}" for heading in records)]
    lines += [f"{row:17}" + "".join(f"{_rate(record, row):22}" for record in records.values()) for row in ROWS]
    commands = [f"{heading}: {record['command']}" for heading, record in records.items() if record]
    return "\n".join(line.rstrip() for line in [*lines, "", *commands])


def _rate(record: dict | None, row: str) -> str:
    if record is None:
        return "not measured yet"
    entry = record["rates"][row][THRESHOLD]
    low, high = entry["interval"]
    return f"{entry['percent']:.1f} [{low:.1f}, {high:.1f}]"


def _present(path: Path) -> Path:
    """The path, if it is a file.

    Raises:
        PictureError: else; it names the folder that was searched and the pictures in it.
    """
    if path.is_file():
        return path
    folder = path.parent.absolute()
    if not folder.is_dir():
        raise PictureError(f"There is no folder {folder}.")
    there = [file.name for file in files_in(folder, *picture_endings())]
    listed = f"The pictures there are: {', '.join(there[:8])}." if there else "There is no picture in that folder."
    raise PictureError(f"There is no file {path.name!r} in {folder}. {listed}")
