"""Repeat a chapter's stored results: `python -m napa_lib.course.experiments --only 03 [--dry]` (or `make results`).

The runs of a chapter stand in its `experiments.py`. What is there already is skipped, and an interrupted run goes on
from its checkpoint when the same command is given again.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Sequence

from napa_lib.experiments import Experiment, chain, listing, repeat

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
MEASURED_BY = {"multiperson": ("evaluate",)}  # parts above a chapter that measure it beside the whole system


def experiments_of(chapter: str) -> dict[str, Experiment]:
    """The chapter's `EXPERIMENTS`, and those of the parts above that measure it; none where there is no such table."""
    found: dict[str, Experiment] = {}
    for part in (chapter, *MEASURED_BY.get(chapter, ())):
        name = f"napa_lib.{part}.experiments"
        if importlib.util.find_spec(f"napa_lib.{part}") and importlib.util.find_spec(name):
            found |= getattr(importlib.import_module(name), "EXPERIMENTS", {})
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """List or make the runs of a chapter, or of all."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.course.experiments", description=main.__doc__)
    parser.add_argument("--only", choices=tuple(CHAPTERS), help="number of the lesson; all if not given")
    parser.add_argument("--dry", action="store_true", help="list the runs with their expected time, and make none")
    options = parser.parse_args(arguments)
    for number in [options.only] if options.only else CHAPTERS:
        runs = chain(experiments_of(CHAPTERS[number]))
        if not runs:
            print(f"Chapter {number} has no runs yet.\n")
            continue
        if options.dry:
            print(f"Chapter {number}, napa_lib.{CHAPTERS[number]}:\n{listing(runs)}\n")
            continue
        try:
            repeat(runs)
        except RuntimeError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
