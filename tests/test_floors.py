"""The house stands: imports go down or stay on their floor, never in a circle, and chapters stay apart."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "napa_lib"
FLOORS = (
    {"skeletons", "geometry"},
    {"rendering", "metrics", "engine", "files", "quantization", "processes", "console"},
    {"networks", "data", "checkpoints", "loop", "options", "results", "experiments"},
    {"style", "lifting", "bottleneck", "adversarial", "sampling", "multiperson", "adaptation"},
    {"training", "pose", "evaluate", "annotate"},
    {"study", "course", "cli", "doctor"},
)
CHAPTERS = FLOORS[3]
ASIDE = "makers"  # what made the pictures that ship: imports from floors 0 to 2, and nothing imports it
BUILT_ON = {  # where one chapter's paper builds on another's
    ("adaptation", "bottleneck"),
    ("adaptation", "sampling"),
    ("multiperson", "sampling"),
}


def floor(name: str) -> int:
    (number,) = [place for place, names in enumerate(FLOORS) if name in names]
    return number


def modules() -> dict[str, Path]:
    """Dotted name of each file -> the file; a package's `__init__` has the package's name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def import_statements(code: str) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.Import, ast.ImportFrom))]


def imported(path: Path, known: set[str]) -> Iterator[str]:
    """The modules of the library that a file imports: `from a import b` is of `a.b` if that is a module."""
    for node in import_statements(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif node.module and node.module.split(".")[0] == "napa_lib":
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from deeper & known or {node.module}


def imports() -> dict[str, set[str]]:
    """Part of the library -> the other parts that it imports, anywhere in its code."""
    edges: dict[str, set[str]] = defaultdict(set)
    known = set(modules())
    for name, path in modules().items():
        if name == "napa_lib":
            continue
        part = name.split(".")[1]
        others = imported(path, known)
        edges[part] |= {other.split(".")[1] for other in others if "." in other} - {part}
    return edges


def file_imports() -> dict[str, set[str]]:
    """Module -> the modules that it needs to be imported itself, and those that it needs later or for its types.

    A package's own `__init__` hands on what is below it, and whoever imports from the package waits for all of that;
    from inside of the package this is no circle, as Python loads it, and is left out.
    """
    known = set(modules())
    edges = {}
    for name, path in modules().items():
        others = set(imported(path, known)) - {name}
        edges[name] = {other for other in others if not name.startswith(f"{other}.")}
    return edges


def circle(edges: dict[str, set[str]]) -> list[str]:
    """One circle of imports, or nothing."""
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_every_part_has_its_floor():
    parts = {name.split(".")[1] for name in modules() if name != "napa_lib"}
    homeless = sorted(part for part in parts if part != ASIDE and not any(part in names for names in FLOORS))
    assert homeless == [], "give them a floor here and in the plan of the house"


def test_imports_go_down():
    found = imports()
    upward = [
        (part, other)
        for part, others in found.items()
        for other in others
        if part != ASIDE and other != ASIDE and floor(other) > floor(part)
    ]
    assert upward == []
    assert all(floor(other) <= 2 for other in found[ASIDE])
    assert [part for part, others in found.items() if ASIDE in others] == []


def test_no_circles():
    assert circle(imports()) == []
    assert circle(file_imports()) == []


def test_a_circle_between_two_files_is_seen(tmp_path, monkeypatch):
    house = tmp_path / "napa_lib"
    for name, text in {
        "__init__": "", "data/__init__": "from napa_lib.data.a import x", "data/c": "from napa_lib.data import x",
        "data/a": "x = 1", "data/b": "if TYPE_CHECKING:\n    from napa_lib.data import d",
        "data/d": "def f():\n    from napa_lib.data.b import g",
    }.items():  # fmt: skip
        (house / name).parent.mkdir(parents=True, exist_ok=True)
        (house / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr("test_floors.PACKAGE", house)
    assert set(circle(file_imports())) == {"napa_lib.data.b", "napa_lib.data.d"}
    (house / "data/d.py").write_text("", encoding="utf-8")
    assert circle(file_imports()) == []


def test_chapters_stay_apart():
    across = {(part, other) for part, others in imports().items() for other in others if {part, other} <= CHAPTERS}
    assert across <= BUILT_ON


def test_the_library_needs_neither_torchvision_nor_jupyter():
    parts = [
        path.name
        for path in PACKAGE.iterdir()
        if (path / "__init__.py").exists() and path.name not in ("study", "course")
    ]
    code = (
        "import importlib, sys\n"
        f"for part in {sorted(parts)!r} + ['engine', 'cli', 'doctor']: importlib.import_module('napa_lib.' + part)\n"
        "print(sorted({'torchvision', 'IPython', 'ipywidgets', 'papermill', 'scipy', 'pytest'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr
