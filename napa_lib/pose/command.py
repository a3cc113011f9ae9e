"""The command `napa pose`: pictures in, a folder a figure out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from napa_lib.data import PictureError
from napa_lib.engine import progress
from napa_lib.pose.drawing import cut_round, draw_bone_map, draw_overlay
from napa_lib.pose.estimator import PoseEstimator, PoseResult, check_boxes, check_joint_set
from napa_lib.pose.files import ResultFolders, find_pictures, prepare, shown, write_files
from napa_lib.pose.page import pose_page
from napa_lib.pose.pictures import Picture, open_picture, opened
from napa_lib.pose.record import describe, describe_picture
from napa_lib.skeletons import NAPA18, Skeleton

UNLIKELY = 0.3  # mean confidence below which no person is likely
FILES = "overlay.png", "bones.png", "pose3d.html", "pose.json"
EPILOG = """For each figure a folder below DIR, named after the picture, gets overlay.png, bones.png (the bone map),
pose3d.html (open it in a browser) and pose.json. Without --box the most likely figure of each picture is looked for.
Exit status: 0 if all went well, 1 if a picture could not be found, read or written (the rest is done), 2 if the command
was wrong."""


Opened = tuple[Path, Picture | ValueError]


def main(arguments: Sequence[str]) -> int:
    """Run `napa pose`; the process's exit status."""
    parser = build_parser()
    options = parser.parse_args(joined(arguments))
    paths, problems = find_pictures(options.pictures)
    try:
        skeleton = check_joint_set(options.joint_set)
        boxes = check_boxes(options.box) if options.box else None
        if boxes is not None and len(paths) > 1:
            raise ValueError(f"--box needs exactly one picture, got {len(paths)}")
        prepare(options.out)
        estimator = PoseEstimator.from_pretrained(options.weights, options.device) if paths else None
    except OSError as error:
        parser.error(f"--out {shown(options.out)}: results cannot be written there: {error.strerror or error}")
    except ValueError as error:
        parser.error(str(error))
    for problem in problems:
        complain(problem)
    failures = len(problems)
    if estimator is not None:
        failures += work_through(estimator, groups(paths, boxes, options.batch), boxes, skeleton, options.out)
    return 1 if failures else 0


def work_through(
    estimator: PoseEstimator, batches: Iterator[list[Opened]], boxes: Tensor | None, skeleton: Skeleton, out: Path
) -> int:
    """Estimate and write batch after batch, one being written while the next is estimated; how many pictures failed."""
    failures, folders = 0, ResultFolders(out)
    written: list[Future] = []
    with ThreadPoolExecutor(1, thread_name_prefix="write") as writer:
        for batch in batches:
            good = [(path, picture) for path, picture in batch if isinstance(picture, Picture)]
            for _, error in batch:
                if isinstance(error, ValueError):
                    complain(shown(str(error)))
            failures += len(batch) - len(good)
            try:
                results = estimator.estimate([p for _, p in good], [boxes] * len(good), skeleton) if good else []
            except ValueError as error:  # a box outside the picture
                complain(f"{shown(good[0][0])}: {error}")
                return failures + len(good)
            failures += sum(not future.result() for future in written)
            written = [
                writer.submit(write_picture, path, picture, figures, folders, boxes is None)
                for (path, picture), figures in zip(good, results, strict=True)
            ]
        return failures + sum(not future.result() for future in written)


def build_parser() -> argparse.ArgumentParser:
    """The options of `napa pose`."""
    parser = argparse.ArgumentParser(
        prog="napa pose", description="Find the pose of a figure in pictures of any style.", epilog=EPILOG
    )
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="files, folders, globs in quotes")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--box", action="append", type=numbers, metavar="x0,y0,x1,y1",
        help="a box round a figure in pixels, with some room; once a figure, with one picture only",
    )  # fmt: skip
    parser.add_argument("--joint-set", default=NAPA18.name, metavar="NAME", help="such as coco17; NAPA18 by default")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, mps")
    parser.add_argument("--batch", type=positive, default=8, metavar="N", help="pictures at once; 8 by default")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a pose network of your own training")
    return parser


def joined(arguments: Sequence[str]) -> list[str]:
    """`--box -5,0,90,90` as `--box=-5,0,90,90`, which argparse would otherwise take for an option -5."""
    parts = iter(arguments)
    return [f"--box={next(parts, '')}" if part == "--box" else part for part in parts]


def numbers(text: str) -> list[float]:
    """Four numbers separated by commas."""
    values = [float(part) for part in text.split(",")]
    if len(values) != 4:
        raise ValueError(text)
    return values


def positive(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def groups(paths: Sequence[Path], boxes: Tensor | None, batch: int) -> Iterator[list[Opened]]:
    """The pictures, read in the background, `batch` at a time; one that cannot be read comes as its error."""
    if len(paths) == 1:
        try:
            yield [(paths[0], open_picture(paths[0], None if boxes is None else boxes.tolist()))]
        except PictureError as error:
            yield [(paths[0], error)]
        return
    both = zip(progress(paths, "pictures", len(paths)), opened(paths, ahead=batch), strict=True)
    while group := list(islice(both, batch)):
        yield [(path, picture) for path, picture in group]


def write_picture(path: Path, picture: Picture, figures: list[PoseResult], folders: ResultFolders, found: bool) -> bool:
    """Write the results of one picture and say so; whether that worked."""
    try:
        source = describe_picture(path, picture.size)
        for number, figure in enumerate(figures, 1):
            folder = folders.claim(path, source["sha256"], number if len(figures) > 1 else None)
            write_figure(folder, figure, picture, describe(figure, source, found))
            say(f"{shown(path)}: mean confidence {figure.mean_confidence:.2f} -> {shown(folder)}")
            if figure.mean_confidence < UNLIKELY:
                complain(f"{shown(path)}: no person is likely here; the pose is a guess")
    except OSError as error:
        complain(f"{shown(path)}: the results could not be written: {error.strerror or error}")
        return False
    return True


def write_figure(folder: Path, figure: PoseResult, picture: Picture, record: dict[str, Any]) -> None:
    """Write `FILES` of one figure."""
    cut = cut_round(figure, picture)
    overlay = draw_overlay(figure, picture, cut)
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    page = pose_page(record, figure.skeleton, overlay)
    contents = (
        partial(save_png, overlay),
        partial(save_png, draw_bone_map(figure, cut)),
        partial(Path.write_text, data=page, encoding="utf-8"),
        partial(Path.write_text, data=text, encoding="utf-8"),
    )
    write_files(folder, dict(zip(FILES, contents, strict=True)))


def save_png(picture: Image.Image, path: Path) -> None:
    """Write a PNG, fast rather than as small as it could be."""
    picture.save(path, compress_level=3)


def say(line: str) -> None:
    """A line to standard output that leaves a progress bar whole."""
    tqdm.write(line)


def complain(line: str) -> None:
    """A line to standard error that leaves a progress bar whole."""
    tqdm.write(f"napa pose: {line}", file=sys.stderr)
