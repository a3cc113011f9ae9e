"""Does a student know figures, or people? `python -m napa_lib.multiperson.known --row labels --results FOLDER`.

A trained student is measured on new pictures of the figures that it has learned from, put together anew, and on the
test pictures, whose figures are others. A student that has learned the figures by heart is good on the first alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from napa_lib import results
from napa_lib.engine import choose_device
from napa_lib.files import sha256
from napa_lib.loop import Setup, command
from napa_lib.multiperson.composed import Composed, compose, load_cutouts
from napa_lib.multiperson.config import CAMERAS
from napa_lib.multiperson.experiments import FOLDER, LEAN, LOOK, MEASURED, ROWS, score, seen_pictures
from napa_lib.multiperson.networks import Teacher
from napa_lib.multiperson.seen import look
from napa_lib.multiperson.store import load_network, load_teacher
from napa_lib.sampling import load_pretrained

PROGRAM = "python -m napa_lib.multiperson.known"
SEED = 99  # of the new pictures: no training draws with it


def new_pictures_of_known_figures(count: int) -> Composed:
    """Pictures of the training figures that no training has seen."""
    generator = torch.Generator().manual_seed(SEED)
    return compose(load_cutouts("train", LOOK, LEAN), count, CAMERAS["tiny"], generator)


def measure(name: str, seed: int, folder: Path, teacher: Teacher, mark: str, setup: Setup) -> dict:
    """3D measures of a stored student on both sets: {"known": …, "others": …}."""
    lifter = load_network(folder / f"{name}_{seed}_lifter.safetensors", "lifter").eval()
    model, count = load_pretrained(ROWS[name].poses), MEASURED["test"]
    known = look(teacher, new_pictures_of_known_figures(count), CAMERAS["tiny"], torch.Generator(), setup)
    others = seen_pictures("test", count, teacher, folder, setup, mark)
    return {
        key: score(lifter, seen, teacher, model, setup)["3d"] for key, seen in (("known", known), ("others", others))
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure a stored student on figures that it has learned from, and on others."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--row", choices=tuple(ROWS), required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path(FOLDER), help="holds the teacher and the trained students")
    parser.add_argument("--results", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16 where that is safe")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with command():
        setup = Setup(choose_device(options.device), options.half)
        file = options.runs / "teacher.safetensors"
        found = measure(options.row, options.seed, options.runs, load_teacher(file), sha256(file)[:8], setup)
        results.write(
            options.results / f"known_{options.row}_{options.seed}.json", found,
            results.command_line(PROGRAM, arguments), time.monotonic() - started, ROWS[options.row], options.seed,
            ROWS[options.row].steps, setup.device,
        )  # fmt: skip
    print({key: round(part["pck"], 1) for key, part in found.items()})


if __name__ == "__main__":
    main()
