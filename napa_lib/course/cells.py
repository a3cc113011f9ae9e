"""The cells of a notebook that come from its lesson's plan: title, card, and task, stub and help of each exercise.

The set-up cell is made here, too. They are written by `make notebooks` and recognised by their id, so that task, hints
and solution stand in one place.
A new exercise is placed by a Markdown cell that holds nothing but `%exercise 01.2`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator

import nbformat
from nbformat import NotebookNode

from napa_lib.course.address import ROOT, launch_line, repository, setup_code
from napa_lib.data.assets import AssetError, assets_root, read_manifest
from napa_lib.study.exercises import Exercise
from napa_lib.study.plans import LessonPlan

MARKER = re.compile(r"%exercise (\d\d\.\d+)")
STARS = {1: "one line (●○○)", 2: "a few lines (●●○)", 3: "think first (●●●)"}
KIND_WORDS = {"predict": "Predict", "code": "Code", "break": "Break it"}
TIMES = "results/course_times.json"


def exercise_cells(exercise: Exercise) -> list[NotebookNode]:
    """The three cells of an exercise: its card, the stub with its check, and the folded hints and solution."""
    name = f"exercise-{exercise.id.replace('.', '-')}"
    stub = nbformat.v4.new_code_cell(with_check(exercise, exercise.stub), id=name, metadata={"tags": ["exercise"]})
    return [
        nbformat.v4.new_markdown_cell(_task(exercise), id=f"{name}-task"),
        stub,
        nbformat.v4.new_markdown_cell(_help(exercise), id=f"{name}-help"),
    ]


def with_check(exercise: Exercise, code: str) -> str:
    """`code` in the place of the stub, followed by the line that checks it."""
    return f'{code.strip()}\n\nstudy.check("{exercise.id}", {exercise.answer})'


def _task(exercise: Exercise) -> str:
    card = f"{KIND_WORDS[exercise.kind]} · {STARS[exercise.difficulty]} · about {exercise.minutes} min"
    return f"### Exercise {exercise.id}: {exercise.title}\n\n*{card}*\n\n{exercise.task.strip()}"


def _help(exercise: Exercise) -> str:
    solution = f"```python\n{exercise.solution.strip()}\n```\n\n{exercise.why.strip()}"
    parts = [(f"Hint {number}", text.strip()) for number, text in enumerate(exercise.hints, 1)]
    parts += [("What if I see …", exercise.if_you_see.strip()), ("Solution", solution)]
    return "\n\n".join(f"<details><summary>{title}</summary>\n\n{text}\n\n</details>" for title, text in parts)


def title_cell(plan: LessonPlan) -> NotebookNode:
    """The top of a lesson: its title and promise, its picture, and the places where it can be run."""
    picture = f"![{plan.hero_alt}](../assets/{hero_asset(plan.number)})"
    launch = launch_line(_notebook_name(plan.number), repository())
    return nbformat.v4.new_markdown_cell(
        f"# {plan.number} {plan.title}\n\n{plan.promise}\n\n{picture}\n\n{launch}", id="title"
    )


def _notebook_name(number: str) -> str:
    return next((path.name for path in (ROOT / "notebooks").glob(f"{number}_*.ipynb")), f"{number}.ipynb")


def setup_cell() -> NotebookNode:
    """The cell that finds the library, or says how to get it; it prints nothing."""
    tags = ["nbval-ignore-output", "setup"]
    return nbformat.v4.new_code_cell(setup_code(repository()), id="setup", metadata={"tags": tags})


def hero_asset(number: str) -> str:
    """Where the picture at the top of a lesson lies below `assets/`."""
    return f"figures/{number}.jpg"


def card_cell(plan: LessonPlan) -> NotebookNode:
    """The lesson's card: aims, prerequisites, minutes, measured run times, data with sizes and licences."""
    practice = sum(exercise.minutes for exercise in plan.exercises)
    lines = ["**You will be able to**", "", *(f"- {verb}" for verb in plan.verbs), ""]
    lines += [f"**Before this:** {plan.prerequisites}", ""]
    lines += [f"**Time:** about {plan.minutes} minutes to read, {practice} for the exercises.", ""]
    lines += [f"**Run time:** {_run_times(plan.number)}", "", "| data | files | size | licence |", "|---|---|---|---|"]
    lines += [_data_row(folder) for folder in plan.data]
    return nbformat.v4.new_markdown_cell("\n".join(lines), id="card")


def read_times() -> dict:
    """Measured run times: `{"lessons": {"00": {"quick": {"seconds": 8, "peak_mb": 500, "machine": "…"}}}}`."""
    try:
        path = assets_root() / TIMES
    except AssetError:
        return {}
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _run_times(number: str) -> str:
    modes = read_times().get("lessons", {}).get(number, {})
    parts = [
        f"{mode} mode {_duration(run['seconds'])} and {run['peak_mb']:.0f} MB on {run['machine']}"
        for mode in ("quick", "laptop", "full")
        if (run := modes.get(mode))
    ]
    return f"{'; '.join(parts)}." if parts else "not measured yet."


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _data_row(folder: str) -> str:
    files = {name: entry for name, entry in read_manifest().items() if name == folder or name.startswith(f"{folder}/")}
    if not files:
        raise ValueError(f"data must name folders or files listed in assets/manifest.json, got {folder!r}")
    size = sum(entry["bytes"] for entry in files.values()) / 1e6
    licences = "; ".join(sorted({entry["licence"] for entry in files.values()}))
    return f"| `{folder}` | {len(files)} | {size:.1f} MB | {licences} |"


def generated_cells(plan: LessonPlan) -> dict[str, NotebookNode]:
    """Every generated cell of a lesson by its id."""
    exercises = [cell for exercise in plan.exercises for cell in exercise_cells(exercise)]
    return {cell["id"]: cell for cell in [title_cell(plan), card_cell(plan), setup_cell(), *exercises]}


def rebuild(notebook: NotebookNode, plan: LessonPlan) -> NotebookNode:
    """A copy of the notebook with its generated cells written afresh and its markers replaced.

    Raises:
        ValueError: if a marker names an exercise that the lesson does not have.
    """
    fresh = generated_cells(plan)
    result = copy.deepcopy(notebook)
    result.cells = [copy.deepcopy(new) for cell in notebook.cells for new in _renewed(cell, fresh, plan)]
    return result


def _renewed(cell: NotebookNode, fresh: dict[str, NotebookNode], plan: LessonPlan) -> Iterator[NotebookNode]:
    marker = MARKER.fullmatch(cell.source.strip())
    if marker:
        yield from exercise_cells(plan.exercise(marker[1]))
    elif cell.get("id") in fresh and cell.source != fresh[cell["id"]].source:
        new = fresh[cell["id"]]
        if cell["id"] == "setup":  # it prints nothing, so that it counts as executed whatever its words are
            new.execution_count = cell.execution_count
        yield new
    else:
        yield cell


def solved(notebook: NotebookNode, plan: LessonPlan) -> NotebookNode:
    """A copy of the notebook in which every stub is replaced by its solution.

    Raises:
        ValueError: if the notebook lacks the cell of one of the lesson's exercises.
    """
    result = copy.deepcopy(notebook)
    cells = {cell.get("id"): cell for cell in result.cells}
    for exercise in plan.exercises:
        name = f"exercise-{exercise.id.replace('.', '-')}"
        if name not in cells:
            raise ValueError(f"notebook must have a cell with id {name!r} for exercise {exercise.id}")
        cells[name].source = with_check(exercise, exercise.solution)
    return result
