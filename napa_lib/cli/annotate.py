"""The options of `napa annotate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from napa_lib.cli.pose import folder


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `annotate` to the commands of `napa`."""
    parser = commands.add_parser(
        "annotate", help="mark the joints of figures in your own pictures, in a browser",
        description="Serve a page, to this computer alone, on which the joints of the figures in a folder of pictures "
        "are marked by dragging, from the estimator's guess on, and given depth. Every change is kept at once; at the "
        "end annotations.json (COCO), figures.json (for napa evaluate) and poses/ are written into the folder.",
        epilog="example:\n  napa annotate my_pictures\n  napa evaluate --annotations my_pictures/figures.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("folder", type=folder, metavar="FOLDER", help="the pictures")
    parser.add_argument(
        "--from", dest="marks", type=Path, nargs="+", default=(), metavar="FILE",
        help="COCO's keypoints or pose.json of pictures in which nothing is marked yet, to go on from",
    )  # fmt: skip
    parser.add_argument("--port", type=port, default=0, help="of this computer (default: any that is free)")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, words: list[str]) -> int:
    """Serve until Ctrl-C; the process's exit status."""
    from napa_lib.annotate.server import annotate

    return annotate(options.folder, options.port, not options.no_browser, options.marks)


def port(text: str) -> int:
    """A number from 0 to 65535."""
    if not text.strip().isdecimal() or int(text) >= 2**16:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {2**16 - 1}, got {text!r}")
    return int(text)
