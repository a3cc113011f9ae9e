"""The command `napa`: the pose of figures in pictures, how good it is, the lessons, and a check of this computer."""

from __future__ import annotations

import argparse
import sys

from napa_lib import __version__


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the process's exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in ("pose", "evaluate", "course"):  # these have a parser of their own, and slower imports
        return _run(words[0], words[1:])
    parser = argparse.ArgumentParser(prog="napa", description="Human pose in works of art: a course and a library.")
    parser.add_argument("--version", action="version", version=f"napa_lib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("pose", help="find the pose of a figure in pictures", add_help=False)
    commands.add_parser("evaluate", help="measure the estimator on figures in art", add_help=False)
    commands.add_parser("doctor", help="check this computer and say how to mend what is missing")
    commands.add_parser("course", help="run the lessons and write build/course/", add_help=False)
    parser.parse_args(words)
    from napa_lib.doctor import doctor

    return 0 if doctor() else 1


def _run(command: str, arguments: list[str]) -> int:
    if command == "pose":
        from napa_lib.pose.command import main as pose

        return pose(arguments)
    if command == "evaluate":
        return _evaluate(arguments)
    from napa_lib.course.run import main as course

    return course(arguments)


def _evaluate(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="napa evaluate", description="Measure the pose estimator; with --art --help, the options.", add_help=False
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--art", action="store_true", help="on the figures in art: PCKh")
    what.add_argument("--video", action="store_true", help="on calibrated video: how well four cameras agree")
    options, rest = parser.parse_known_args(arguments)
    if options.art:
        from napa_lib.evaluate import evaluate_art

        return evaluate_art(rest)
    from napa_lib.evaluate import evaluate_video

    return evaluate_video(rest)


if __name__ == "__main__":
    sys.exit(main())
