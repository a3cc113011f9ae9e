"""Run lessons several times, untouched and solved, and compare all that they print and draw.

    python -m tests.repeat_lessons 00 01 02 03 [--times 3]

Texts and pictures of every cell have to be the same, byte for byte, in all runs with one thread; only durations are
taken out of texts, and what names this computer or this run is left out. Exit status 0 if nothing differs. Not part of
`make test`, which runs every lesson twice: this takes some minutes a lesson.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from napa_lib.course.notebooks import find_notebooks
from napa_lib.course.run import LessonRun, run_lesson

FOLDER = Path(__file__).parents[1] / "notebooks"
OF_THE_RUN = ("doctor", "report")  # cells about the computer, its free memory, and how long the run took
DURATION = r"\d+(\.\d+)? (s|ms|seconds)\b"
HANDLES = r"(?<=['\"#])[\w-]*[0-9a-f]{16,}[\w-]*(?=['\"])"  # ids drawn anew for every widget or folded block


def outcome(notebook: NotebookNode) -> dict[str, list[str]]:
    """By cell and output: a hash of each text without its durations, and of each picture as it is."""
    shown = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.id not in OF_THE_RUN and "injected-parameters" not in cell.metadata.tags:
            printed = "".join(output.get("text", "") for output in cell.outputs)  # comes in pieces, as it happens
            others = [output for output in cell.outputs if "data" in output]
            shown[cell.id] = [digest for output in others for digest in hashes(output.data)]
            shown[cell.id] += hashes({"text/plain": printed}) if printed else []
    return shown


def hashes(forms: Mapping[str, object]) -> list[str]:
    """One for every form of an output, such as its text and its picture; none for a widget's handle."""
    texts = {kind: str(form) for kind, form in forms.items() if "widget-view" not in kind}
    return [
        kind + " " + hashlib.sha256((form if "image" in kind else without_chance(form)).encode()).hexdigest()[:16]
        for kind, form in sorted(texts.items())
    ]


def without_chance(text: str) -> str:
    """A text without durations and random handles."""
    return re.sub(HANDLES, "·", re.sub(DURATION, "… s", text))


def differences(outcomes: Sequence[dict[str, list[str]]]) -> list[str]:
    """Cells whose outputs are not the same in all runs."""
    return [cell for cell in outcomes[0] if any(other.get(cell) != outcomes[0][cell] for other in outcomes[1:])]


def repeat(path: Path, times: int, solve: bool) -> bool:
    """Run one lesson so often; print what was compared, and whether all of it was the same."""
    with tempfile.TemporaryDirectory() as folder:
        runs: list[LessonRun] = [run_lesson(path, Path(folder) / str(n), "quick", solve) for n in range(times)]
        outcomes = [outcome(nbformat.read(run.output, as_version=4)) for run in runs if run.error is None]
    what = f"{path.name[:2]} {'solved' if solve else 'untouched'}"
    failed = [run.error for run in runs if run.error]
    if failed:
        print(f"{what}: failed, {failed[0]}")
        return False
    parts = [part for digests in outcomes[0].values() for part in digests]
    drawn, differ = sum("image" in part for part in parts), differences(outcomes)
    print(f"{what}: {times} runs, {len(parts) - drawn} texts and {drawn} pictures,", end=" ")
    print(f"these cells differ: {', '.join(differ)}" if differ else "identical", flush=True)
    return not differ


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.repeat_lessons", description=__doc__.split("\n")[0])
    parser.add_argument("lessons", nargs="+", metavar="NN", help="numbers of lessons")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "NAPA_PROGRESS": "off", "NAPA_PROGRESS_BAR": "off"}
    paths = [path for number in options.lessons for path in find_notebooks(FOLDER, number)]
    same = [repeat(path, options.times, solve) for path in paths for solve in (False, True)]
    return 0 if all(same) else 1


if __name__ == "__main__":
    raise SystemExit(main())
