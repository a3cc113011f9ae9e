"""The options of `napa course`, which is `python -m napa_lib.course`."""

from __future__ import annotations

import argparse
from pathlib import Path

MODES = ("quick", "laptop", "full")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; nothing slow is imported for them."""
    parser.add_argument("--mode", choices=MODES, default="quick", help="how long lessons run (default: quick)")
    parser.add_argument("--only", default="", metavar="NN", help="a lesson's number, such as 02")
    parser.add_argument("--solved", action="store_true", help="run the solutions in place of the exercises' stubs")
    parser.add_argument("--record", action="store_true", help="keep the run times in assets/results and in the cards")
    parser.add_argument("--notebooks", type=Path, metavar="FOLDER", help="notebooks other than the course's own")
    parser.add_argument("--out", type=Path, default=Path("build/course"), metavar="FOLDER",
                        help="where the site goes (default: build/course)")  # fmt: skip
