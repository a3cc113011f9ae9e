"""The command `napa`: the pose of figures in pictures, how good it is, the lessons, and a check of this computer.

Parsers are built here and in the modules beside this one, which import nothing slow; what a command needs is imported
when it is run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from napa_lib import __version__
from napa_lib.cli import annotate, course, evaluate, export, pose, train
from napa_lib.console import end_as_asked, forgive_encoding, run_command

EXAMPLES = """examples:
  napa pose painting.jpg              the pose of a figure, in poses/painting/
  napa evaluate --art                 how good the estimator is on figures in art
  napa annotate my_pictures           mark the joints of your own figures, in a browser
  napa export --onnx pose.onnx        the pose network for other programs
  napa train --plan                   what it takes to train the whole system, and then train it
  napa course --only 02               run a lesson and write build/course/index.html
  napa doctor                         check this computer, and say how to mend what is missing
  napa completion bash                let the shell complete all this; zsh and tcsh, too

napa COMMAND --help tells the rest."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit status.

    Args:
        arguments: the words behind `napa`; None for those of this process, which is then also made to end cleanly.
    """
    if arguments is None:
        end_as_asked()
    words = list(sys.argv[1:] if arguments is None else arguments)
    forgive_encoding()
    if not words:
        print(f"usage: napa COMMAND ...\n\nHuman pose in works of art: a course and a library.\n\n{EXAMPLES}")
        return 0
    options = build_parser().parse_args(pose.joined(words))
    return run_command(f"napa {options.command}", lambda: options.run(options, words))


def build_parser() -> argparse.ArgumentParser:
    """The options of `napa` and of all its commands."""
    parser = argparse.ArgumentParser(
        prog="napa", description="Human pose in works of art: a course and a library.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"napa_lib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for command in (pose, evaluate, annotate, export, train, course):
        command.add_parser(commands)
    doctor = commands.add_parser("doctor", help="check this computer", description="Check this computer.")
    doctor.set_defaults(run=_doctor)
    completion = commands.add_parser(
        "completion", help="completion for the shell", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write the script with which a shell completes the commands and options of napa.",
        epilog="examples:\n  napa completion bash > ~/.local/share/bash-completion/completions/napa\n"
        "  napa completion zsh > ~/.zfunc/_napa",
    )  # fmt: skip
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(run=_completion)
    return parser


def _doctor(options: argparse.Namespace, words: list[str]) -> int:
    from napa_lib.doctor import doctor

    return 0 if doctor() else 1


def _completion(options: argparse.Namespace, words: list[str]) -> int:
    import shtab

    print(shtab.complete(build_parser(), options.shell))
    return 0
