"""The options of `napa course`."""

from __future__ import annotations

import argparse

from napa_lib.course.options import add_options


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `course` to the commands of `napa`."""
    parser = commands.add_parser(
        "course", help="run the lessons", description="Run the lessons and write build/course/index.html.",
        epilog="example:\n  napa course --mode laptop --only 02",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, words: list[str]) -> int:
    """Hand the words on to `python -m napa_lib.course`, whose options these are."""
    from napa_lib.course.run import main

    return main(words[1:])
