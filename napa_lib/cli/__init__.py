"""The command `napa`: the pose of figures in pictures, how good it is, the lessons, and a check of this computer.

Parsers are built here and in the modules beside this one, which import nothing slow; what a command does is imported
when it is run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from napa_lib import __version__
from napa_lib.cli import evaluate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in ("pose", "course"):  # these have a parser of their own, and slower imports
        return _run(words[0], words[1:])
    parser = build_parser()
    options = parser.parse_args(words)
    return options.run(options, words)


def build_parser() -> argparse.ArgumentParser:
    """The options of `napa` and of all its commands."""
    parser = argparse.ArgumentParser(prog="napa", description="Human pose in works of art: a course and a library.")
    parser.add_argument("--version", action="version", version=f"napa_lib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("pose", help="find the pose of a figure in pictures", add_help=False)
    evaluate.add_parser(commands)
    doctor = commands.add_parser("doctor", help="check this computer and say how to mend what is missing")
    doctor.set_defaults(run=_doctor)
    commands.add_parser("course", help="run the lessons and write build/course/", add_help=False)
    return parser


def _doctor(options: argparse.Namespace, words: list[str]) -> int:
    from napa_lib.doctor import doctor

    return 0 if doctor() else 1


def _run(command: str, arguments: list[str]) -> int:
    if command == "pose":
        from napa_lib.pose.command import main as pose

        return pose(arguments)
    from napa_lib.course.run import main as course

    return course(arguments)
