"""Write the notebooks as they are committed: `python -m napa_lib.course.notebooks [--only 01]` (or `make notebooks`).

Rebuilds the cells that come from each lesson's plan, executes the notebook in quick mode and strips what changes from
run to run or machine to machine.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from napa_lib.course.cells import rebuild
from napa_lib.course.notebook_check import JAVASCRIPT, KERNEL, PLOTLY, WIDGET_VIEW, with_links
from napa_lib.engine import progress
from napa_lib.study.plans import load_plan

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"  # of the checkout, wherever the command is run
QUIET_KERNEL = ["--IPKernelApp.log_level=40"]  # errors only: no notes about the way it talks to its client


def find_notebooks(folder: Path, only: str = "") -> list[Path]:
    """The lessons of a folder in order, or the one whose number is `only`.

    Raises:
        ValueError: if there is none.
    """
    found = sorted(folder.glob(f"{only or '[0-9][0-9]'}_*.ipynb"))
    if not found:
        mend = "" if folder.is_dir() else "; the lessons are run from a checkout of the repository, where they lie"
        raise ValueError(f"no notebook {only or 'NN'}_*.ipynb in {folder.resolve()}{mend}")
    return found


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Strip an executed notebook of what is not part of the lesson (widgets, timings), link its sources, in place."""
    notebook.metadata = NotebookNode(kernelspec=dict(KERNEL), language_info={"name": "python"})
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        cell.metadata = NotebookNode(tags=sorted(tags)) if tags else NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := _kept(output)) is not None]
        elif cell.cell_type == "markdown":
            cell.source = with_links(cell.source)
    return notebook


def _kept(output: NotebookNode) -> NotebookNode | None:
    """The output without its live view; None where nothing else is in it, as a progress bar, or a scene to turn."""
    live = {WIDGET_VIEW, PLOTLY, JAVASCRIPT} & set(output.get("data", {}))
    for mime in live:
        del output.data[mime]
    if live and "text/html" not in output.data:
        return None
    if "metadata" in output:
        output.metadata = NotebookNode()
    return output


def write(path: Path, run: bool = True) -> None:
    """Rebuild, execute and normalise one notebook, and put it back in one step.

    With `run` false its outputs stay as they are: for a change of words only.
    """
    number = path.name[:2]
    notebook = rebuild(nbformat.read(path, as_version=4), load_plan(number))
    if run:
        os.environ["NAPA_PROGRESS"] = "off"
        place = {"metadata": {"path": str(path.parent)}}
        NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources=place, extra_arguments=QUIET_KERNEL
        ).execute()
    elif changed := [c.id for c in notebook.cells if c.cell_type == "code" and c.execution_count is None]:
        raise ValueError(f"{path.name} has cells without outputs, {changed}: run it")
    scratch = path.with_suffix(".new")
    nbformat.write(normalise(notebook), scratch)
    scratch.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """Write the committed notebooks afresh."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.course.notebooks", description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="a lesson's number, such as 01")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    failed = 0
    for path in progress(find_notebooks(options.folder, options.only), "notebooks"):
        try:
            write(path)
            print(f"{path}: {path.stat().st_size / 1024:.0f} KB")
        except CellExecutionError as error:
            failed += 1
            print(f"{path}: left as it was, {error.ename}: {error.evalue}, in\n{error.traceback}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
