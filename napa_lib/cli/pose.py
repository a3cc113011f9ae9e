"""The options of `napa pose`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

FORMATS = ("coco", "openpose", "csv")
EPILOG = """For each figure a folder below DIR, named after the picture, gets overlay.png, bones.png (the bone map),
pose3d.html (open it in a browser) and pose.json. Where several pictures are given, DIR gets one file of all poses, too.
Without --box the most likely figure of each picture is looked for, with --people many every figure; DIR then gets a
folder with one overlay and one figures.json of all of them, too.

examples:
  napa pose painting.jpg
  napa pose scans/ 'more/*.png' --out results --format coco,csv
  napa pose https://example.org/painting.jpg --quiet
  curl -s https://example.org/painting.jpg | napa pose - --json

Exit status: 0 if all went well, 1 if a picture could not be found, read or written (the rest is done), 2 if the command
was wrong."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `pose` to the commands of `napa`."""
    parser = commands.add_parser(
        "pose", help="find the pose of a figure in pictures", epilog=EPILOG,
        description="Find the pose of a figure in pictures of any style.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "pictures", nargs="+", metavar="PICTURE",
        help="files, folders, globs in quotes, http(s) addresses, or - for standard input",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=folder, default=Path("poses"), metavar="DIR", help="folder for the results (default: poses)"
    )
    parser.add_argument(
        "--box", action="append", type=numbers, metavar="x0,y0,x1,y1",
        help="a box round a figure in pixels, with some room; once a figure, with one picture only",
    )  # fmt: skip
    parser.add_argument(
        "--people", choices=("one", "many"), default="one",
        help="without --box: look for the most likely figure (one), or for every figure (many)",
    )  # fmt: skip
    parser.add_argument("--joint-set", default="NAPA18", metavar="NAME", help="such as coco17; NAPA18 by default")
    parser.add_argument(
        "--format", type=formats, default=(), metavar="NAMES",
        help="more forms of the result beside pose.json: coco, openpose, csv, with commas between",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, mps")
    parser.add_argument("--batch", type=positive, default=8, metavar="N", help="pictures at once; 8 by default")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a pose network of your own training")
    parser.add_argument("--depth", type=Path, metavar="FILE", help="a depth network of your own training")
    said = parser.add_mutually_exclusive_group()
    said.add_argument("--quiet", action="store_true", help="say nothing but what went wrong")
    said.add_argument("--json", action="store_true", help="a line of JSON a figure on standard output, nothing else")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace, words: list[str]) -> int:
    """Estimate; the process's exit status."""
    if options.box and options.people == "many":
        options.parser.error("--people many goes without --box: it looks for the figures itself")
    from napa_lib.pose.command import PoseCommand, WrongCommandError, pose_pictures

    command = PoseCommand(
        pictures=tuple(options.pictures), out=options.out, boxes=options.box, many=options.people == "many",
        joint_set=options.joint_set,
        formats=options.format, device=options.device, batch=options.batch, weights=options.weights,
        depth=options.depth,        quiet=options.quiet or options.json, json_lines=options.json,
    )  # fmt: skip
    try:
        return pose_pictures(command)
    except WrongCommandError as error:
        return options.parser.error(str(error))


def joined(words: Sequence[str]) -> list[str]:
    """What argparse would take for an option: `--box -5,0,9,9` as `--box=-5,0,9,9`, a picture -x.png as ./-x.png."""
    parts = iter(words)
    whole = [f"--box={next(parts, '')}" if part == "--box" else part for part in parts]
    return [f"./{part}" if part[:1] == "-" and Path(part).suffix and Path(part).is_file() else part for part in whole]


def numbers(text: str) -> list[float]:
    """Four numbers separated by commas."""
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be x0,y0,x1,y1, four numbers in pixels, got {text!r}") from None
    return [x0, y0, x1, y1]


def folder(text: str) -> Path:
    """A folder that has a name: an empty one would be the current folder, which nobody typed."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must name a folder, got {text!r}")
    return Path(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, got {text!r}")
    return int(text)


def formats(text: str) -> tuple[str, ...]:
    """Names of `FORMATS` separated by commas."""
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    if unknown := [name for name in names if name not in FORMATS]:
        raise argparse.ArgumentTypeError(f"must be some of {', '.join(FORMATS)}, got {unknown[0]!r}")
    return names
