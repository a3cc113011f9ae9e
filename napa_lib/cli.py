"""The command `napa`: `napa doctor` checks this computer, `napa course` runs the lessons."""

from __future__ import annotations

import argparse
import sys

from napa_lib import __version__


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the process's exit status."""
    parser = argparse.ArgumentParser(prog="napa", description="Human pose in works of art: a course and a library.")
    parser.add_argument("--version", action="version", version=f"napa_lib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("doctor", help="check this computer and say how to mend what is missing")
    commands.add_parser("course", help="run the lessons and write build/course/", add_help=False)
    options, rest = parser.parse_known_args(arguments)
    if options.command == "course":
        from napa_lib.study.course import main as course

        return course(rest)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    from napa_lib.doctor import doctor

    return 0 if doctor() else 1


if __name__ == "__main__":
    sys.exit(main())
