"""The house stands: imports go down or stay on their floor, never in a circle, and chapters stay apart."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "napa_lib"
FLOORS = (
    {"skeletons", "geometry"},
    {
        "networks",
        "data",
        "rendering",
        "metrics",
        "engine",
        "files",
        "quantization",
        "makers",
        "loop",
        "processes",
        "results",
        "console",
    },
    {"style", "lifting", "bottleneck", "adversarial", "sampling", "multiperson", "adaptation"},
    {"training", "pose", "evaluate"},
    {"study", "course", "cli", "doctor"},
)
BUILT_ON = {("adaptation", "bottleneck"), ("multiperson", "sampling")}  # where one chapter's paper builds on another's


def floor(name: str) -> int:
    (number,) = [place for place, names in enumerate(FLOORS) if name in names]
    return number


def imports() -> dict[str, set[str]]:
    """Part of the library -> the other parts that it imports, anywhere in its code."""
    edges: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "napa_lib":
                names = [f"napa_lib.{alias.name}" for alias in node.names if not alias.name.startswith("__")]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            edges[part] |= {name.split(".")[1] for name in names if name.startswith("napa_lib.")} - {part}
    edges.pop("__init__", None)
    return edges


def test_every_part_has_its_floor():
    assert {floor(part) for part in imports()} <= set(range(len(FLOORS)))


def test_imports_go_down():
    upward = [(part, other) for part, others in imports().items() for other in others if floor(other) > floor(part)]
    assert upward == []


def test_no_circles():
    assert len(list(graphlib.TopologicalSorter(imports()).static_order())) >= 5  # raises CycleError on a circle


def test_chapters_stay_apart():
    chapters = FLOORS[2]
    across = {(part, other) for part, others in imports().items() for other in others if {part, other} <= chapters}
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
