"""Every lesson runs to its end with papermill, untouched and solved, offline: a step of its own in `make test`.

pytest tests/run_lessons.py
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from napa_lib.course import run as course
from napa_lib.course.notebooks import find_notebooks
from napa_lib.study.plans import load_plan

NOTEBOOKS = find_notebooks(Path(__file__).parents[1] / "notebooks")
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


@each_notebook
@pytest.mark.parametrize("solve", [False, True], ids=["untouched", "solved"])
def test_notebook_runs_offline(path, solve, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there: a download fails at once
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    run = course.run_lesson(path, tmp_path, "quick", solve=solve)
    assert run.error is None
    verdicts = re.findall(
        r"^(.) Exercise (\S+), ", course._text(nbformat.read(run.output, as_version=4)), flags=re.MULTILINE
    )
    plan = load_plan(path.name[:2])
    assert [identifier for _, identifier in verdicts] == [exercise.id for exercise in plan.exercises]
    assert {symbol for symbol, _ in verdicts} == {"✓" if solve else "○"}
    assert run.peak_mb < 1500
