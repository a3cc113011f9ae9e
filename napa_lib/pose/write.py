"""What is written of a picture's figures, each in a folder of its own, and of all of them together."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from napa_lib.files import write_text
from napa_lib.pose.drawing import cut_out, cut_round, draw_bone_map, draw_figures, draw_overlay
from napa_lib.pose.estimator import PoseResult
from napa_lib.pose.fetch import Source
from napa_lib.pose.files import ResultFolders, release, write_files
from napa_lib.pose.formats import NAMES, WRITERS, combine, in_joint_set
from napa_lib.pose.page import pose_page
from napa_lib.pose.pictures import Picture
from napa_lib.pose.record import describe, describe_picture
from napa_lib.skeletons import Skeleton

FILES = "overlay.png", "bones.png", "pose3d.html", "pose.json"
TOGETHER = "overlay.png", "figures.json"


@dataclass(frozen=True)
class Written:
    """A figure's record (`pose.json`) and the folder that it was written to."""

    folder: Path
    record: dict[str, Any]


def write_picture(
    source: Source,
    picture: Picture,
    figures: Sequence[PoseResult],
    folders: ResultFolders,
    skeleton: Skeleton,
    formats: Sequence[str],
    found: bool,
) -> list[Written]:
    """Write the figures of one picture.

    Args:
        source: where it came from.
        picture: opened.
        figures: with NAPA18's joints.
        folders: claims theirs.
        skeleton: the joint set to write.
        formats: of `formats.NAMES`, beside `FILES`.
        found: whether their boxes were looked for rather than given.

    Raises:
        OSError: if something cannot be written; what was claimed and not written to is given back.
    """
    described = describe_picture(source.path, picture.size)
    written = []
    for number, figure in enumerate(figures, 1):
        folder = folders.claim(source.path, described["sha256"], number if len(figures) > 1 else None)
        try:
            record = describe(in_joint_set(figure, skeleton), described, found)
            write_figure(folder, figure, number, skeleton, picture, record, formats)
        finally:
            release(folder)  # does nothing where there are results
        written.append(Written(folder, record))
    if len(written) > 1:
        write_figures(source, picture, figures, folders, [entry.record for entry in written])
    for folder in folders.left_over(source.path, described["sha256"]):  # they would be counted with these
        clear(folder, ())
        release(folder)
    return written


def write_figures(
    source: Source,
    picture: Picture,
    figures: Sequence[PoseResult],
    folders: ResultFolders,
    records: Sequence[dict[str, Any]],
) -> None:
    """Write what shows the figures of one picture together: an overlay with their numbers, and all their records."""
    folder = folders.claim(source.path, records[0]["picture"]["sha256"])
    try:
        parts = [{key: record[key] for key in ("box", "mean_confidence", "joints")} for record in records]
        common = {key: records[0][key] for key in ("schema_version", "versions", "picture", "joint_set", "bones")}
        text = json.dumps(common | {"figures": parts}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        contents = {
            "overlay.png": partial(save_png, draw_figures(figures, picture)),
            "figures.json": partial(_write, text=text),
        }
        write_files(folder, contents)
        clear(folder, contents)
    finally:
        release(folder)


def write_figure(
    folder: Path,
    figure: PoseResult,
    number: int,
    skeleton: Skeleton,
    picture: Picture,
    record: dict[str, Any],
    formats: Sequence[str],
) -> None:
    """Write `FILES` and the formats of one figure; what an earlier run wrote and was not asked for now goes."""
    shown = in_joint_set(figure, skeleton)
    cut = cut_round(shown, picture)
    overlay = draw_overlay(shown, picture, cut)
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    contents = {NAMES[name]: partial(_write, text=WRITERS[name](figure, record, number)) for name in formats}
    contents |= {
        "overlay.png": partial(save_png, overlay),
        "bones.png": partial(save_png, draw_bone_map(shown, cut)),
        "pose3d.html": partial(_write, text=pose_page(record, skeleton, cut_out(picture, cut), cut)),
        "pose.json": partial(_write, text=text),
    }
    write_files(folder, contents)
    clear(folder, contents)


def clear(folder: Path, kept: Collection[str]) -> None:
    """Remove from a folder what `napa pose` writes, all but the files of these names."""
    for name in {*FILES, *TOGETHER, *NAMES.values()} - set(kept):
        (folder / name).unlink(missing_ok=True)


def write_all(out: Path, formats: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Write one file of all figures in the folder for results, in each format; what was written, and what to say of it.

    It is put together from the figures' own files, so that runs into one folder at the same time lose nothing: the last
    to end sees the results of all.
    """
    folders = [folder for folder in out.iterdir() if not folder.name.startswith(".")]
    texts, notes = combine(folders, formats)
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / name for name in texts], notes


def save_png(picture: Image.Image, path: Path) -> None:
    """Write a PNG, fast rather than as small as it could be."""
    picture.save(path, compress_level=3)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
