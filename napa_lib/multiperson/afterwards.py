"""What is measured of a row's student once it is trained: the command that `known` and `second` share."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napa_lib import results
from napa_lib.files import prepare_file, sha256
from napa_lib.loop import Setup, command
from napa_lib.multiperson.experiments import FOLDER, ROWS, preset_of
from napa_lib.multiperson.networks import Teacher
from napa_lib.multiperson.store import load_teacher

Measure = Callable[[str, int, Path, Teacher, str, Setup], dict]


def run(module: str, about: str | None, measure: Measure, arguments: list[str] | None) -> None:
    """Read what is asked for, measure the student of a row and seed, and write `MODULE_ROW_SEED.json`.

    Args:
        module: of this package, whose command it is.
        about: what it does, for `--help`.
        measure: of a row, a seed, the folder with teacher and students, the teacher, its mark and the set-up to 3D
            measures by name.
        arguments: of the command; None for those of the process.
    """
    program = f"python -m napa_lib.multiperson.{module}"
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("--row", choices=tuple(ROWS), required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path(FOLDER), help="holds the teacher and the trained students")
    parser.add_argument("--results", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16 where that is safe")
    options = parser.parse_args(arguments)
    started, seed = time.monotonic(), options.seed
    result = options.results / f"{module}_{options.row}_{seed}.json"
    with command():
        prepare_file(result)
        file, setup = options.runs / "teacher.safetensors", Setup(half=options.half)
        teacher = load_teacher(file)
        row = replace(ROWS[options.row], seed=seed, preset=preset_of(teacher))
        found = measure(options.row, seed, options.runs, teacher, sha256(file)[:8], setup)
        results.write(
            result, found, results.command_line(program, arguments),
            time.monotonic() - started, row, seed, row.steps, setup.device,
        )  # fmt: skip
    print({name: round(scores["pck"], 1) for name, scores in found.items()})
