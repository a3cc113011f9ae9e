"""Repeat a chapter's stored results: `python -m napa_lib.course.experiments --only 03 [--dry]` (or `make results`).

The runs of a chapter stand in its `experiments.py`. What is there already is skipped, and an interrupted run goes on
from its checkpoint when the same command is given again.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from napa_lib.experiments import chain, listing, repeat

ROOT = Path(__file__).parents[1]
CHAPTERS = {
    "01": "style",
    "02": "lifting",
    "03": "bottleneck",
    "04": "adversarial",
    "05": "sampling",
    "06": "multiperson",
    "07": "adaptation",
    "08": "training",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """List or make the runs of a chapter, or of all."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.course.experiments", description=main.__doc__)
    parser.add_argument("--only", choices=tuple(CHAPTERS), help="number of the lesson; all if not given")
    parser.add_argument("--dry", action="store_true", help="list the runs with their expected time, and make none")
    options = parser.parse_args(arguments)
    for number in [options.only] if options.only else CHAPTERS:
        module = f"napa_lib.{CHAPTERS[number]}.experiments"
        if not (ROOT / CHAPTERS[number] / "experiments.py").exists():
            print(f"chapter {number} has no experiments yet: there is no {module}")
            continue
        runs = chain(importlib.import_module(module).EXPERIMENTS)
        if options.dry:
            print(f"Chapter {number}, {module}:\n{listing(runs)}\n")
            continue
        try:
            repeat(runs)
        except RuntimeError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
