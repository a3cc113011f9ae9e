"""Run the whole course: `python -m napa_lib.course [--mode quick] [--only 02]` (or `make course`).

Every lesson is executed in order with papermill, and its result written to `build/course/`: the executed notebooks and
a static site. A lesson that fails does not stop the others; the exit status is 1 and the failures are named at the end.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import platform
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat
import papermill
import torch
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from napa_lib.console import say
from napa_lib.course.cells import TIMES, read_times, solved
from napa_lib.course.notebooks import FOLDER, QUIET_KERNEL, find_notebooks, write
from napa_lib.course.options import add_options
from napa_lib.course.site import write_site
from napa_lib.data.assets import assets_root
from napa_lib.data.manifest import update_manifest
from napa_lib.engine import progress
from napa_lib.results import write as write_result
from napa_lib.study.plans import load_plan

TIME_LIMIT = {"quick": 300, "laptop": 1800, "full": 7200}  # seconds a cell


@dataclass(frozen=True)
class LessonRun:
    """How one lesson went. `error` is None, or says in which cell it stopped and why; `first_picture` is the time in
    seconds until the first picture was there, NaN where it never was."""

    notebook: Path
    output: Path
    mode: str
    seconds: float
    peak_mb: float
    error: str | None
    first_picture: float = math.nan


def run_lesson(path: Path, out: Path, mode: str, solve: bool = False) -> LessonRun:
    """Execute one notebook into the folder `out`; never raises for what goes wrong inside the lesson.

    Args:
        path: the notebook.
        out: where the executed notebook goes, under the same name.
        mode: handed to the lesson's parameters cell.
        solve: put the solutions in the place of the stubs first.
    """
    out.mkdir(parents=True, exist_ok=True)
    output = out / path.name
    source = nbformat.read(path, as_version=4)
    if solve:
        source = solved(source, load_plan(path.name[:2]))
    started = time.perf_counter()
    error = None
    try:
        papermill.execute_notebook(
            source, str(output), {"MODE": mode}, kernel_name="python3", progress_bar=False, cwd=str(path.parent),
            execution_timeout=TIME_LIMIT[mode], extra_arguments=QUIET_KERNEL,
        )  # fmt: skip
        error = parameter_problem(nbformat.read(output, as_version=4), mode)
    except PapermillExecutionError as failure:
        error = describe(failure, source, nbformat.read(output, as_version=4))
    except Exception as failure:  # a kernel that died, a cell over its time limit, a broken file: still name the lesson
        error = f"{type(failure).__name__}: {_first_line(str(failure))}"
    seconds = time.perf_counter() - started
    return LessonRun(path, output, mode, seconds, _peak(output), error, first_picture(output))


def first_picture(output: Path) -> float:
    """Seconds from the start of an executed notebook, that of its kernel included, to the end of its first figure."""
    notebook = nbformat.read(output, as_version=4) if output.is_file() else nbformat.v4.new_notebook()
    for cell in notebook.cells:
        if "figure" in cell.metadata.get("tags", []) and cell.metadata.papermill.end_time:
            began, ended = notebook.metadata.papermill.start_time, cell.metadata.papermill.end_time
            return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    return math.nan


def describe(failure: PapermillExecutionError, source: NotebookNode, executed: NotebookNode) -> str:
    """Where a lesson stopped and why, with the cell counted from 1 as in the notebook that the reader has."""
    broken = {c.get("id") for c in executed.cells for o in c.get("outputs", []) if o.output_type == "error"}
    places = [place for place, cell in enumerate(source.cells, 1) if cell.get("id") in broken]
    where = f"cell {places[0]}" if places else f"In [{failure.exec_count}]"
    return f"{where}, {failure.ename}: {_first_line(failure.evalue)}"


def parameter_problem(executed: NotebookNode, mode: str) -> str | None:
    """What shows that the mode did not reach the lesson (papermill ignores a parameter that nobody reads), or None."""
    tags = [tag for cell in executed.cells for tag in cell.metadata.get("tags", [])]
    if "parameters" not in tags:
        return "no cell is tagged parameters, so the mode could not be set"
    if f"· mode {mode} ·" not in _text(executed):
        return f"the lesson's report does not say mode {mode}: the parameter MODE did not arrive"
    return None


def _text(notebook: NotebookNode) -> str:
    return "\n".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", []))


def _peak(output: Path) -> float:
    if not output.is_file():
        return float("nan")
    found = re.search(r"peak memory (\d+) MB", _text(nbformat.read(output, as_version=4)))
    return float(found[1]) if found else float("nan")


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else "(no message)"


def record_times(runs: Sequence[LessonRun], command: str) -> None:
    """Store run times in `assets/results/` and in the lessons' cards."""
    times = read_times() or {"lessons": {}}
    for run in runs:
        lesson = times["lessons"].setdefault(run.notebook.name[:2], {})
        entry = {"seconds": round(run.seconds, 1), "peak_mb": run.peak_mb, "machine": machine()}
        if not math.isnan(run.first_picture):
            entry["first_picture"] = round(run.first_picture, 1)
        lesson[run.mode] = entry
    write_result(
        assets_root() / TIMES, {"lessons": dict(sorted(times["lessons"].items()))}, command,
        sum(run.seconds for run in runs),
    )  # fmt: skip
    update_manifest([TIMES], source=f"measured by {command}", licence="MIT")
    for run in runs:
        write(run.notebook, run=False)


def machine() -> str:
    """The machine in a few words, for run times."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores ({platform.system()}, no GPU)"


def main(arguments: list[str] | None = None) -> int:
    """Run the course; 1 if a lesson failed."""
    parser = argparse.ArgumentParser(prog="napa course", description=__doc__.split("\n")[0])
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        notebooks = find_notebooks(options.notebooks or FOLDER, options.only)
    except ValueError as error:
        parser.error(str(error))
    _quiet()
    runs = []
    for path in progress(notebooks, f"course, {options.mode} mode"):
        runs.append(run_lesson(path, options.out / "notebooks", options.mode, options.solved))
        run, state = runs[-1], "failed" if runs[-1].error else "passed"
        say(f"{state}  {path.stem}  {run.seconds:.1f} s, first picture at {run.first_picture:.1f} s")
    index = write_site(runs, options.out)
    failed = [run for run in runs if run.error]
    if options.record and not failed:
        record_times(runs, f"python -m napa_lib.course --mode {options.mode} --record")
    print(f"\n{len(runs) - len(failed)} of {len(runs)} lessons passed. Open {index}")
    for run in failed:
        print(f"FAILED {run.notebook.name}, {run.error}", file=sys.stderr)
    return 1 if failed else 0


def _quiet() -> None:
    """Keep the libraries' own chatter out of the progress bar, and the runs out of the learner's record."""
    for name in ("papermill", "nbclient", "traitlets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ["NAPA_PROGRESS"] = "off"
