"""The README tells the truth: its code runs, its links lead somewhere, its lessons and settings exist."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from napa_lib.course.cells import read_times
from napa_lib.study.plans import COURSE, load_plan

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_library_in_six_lines_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(code.strip().splitlines()) == 6
    exec(code, {})
    score, joints, cover = re.match(
        r"PCKh@0.5 = ([\d.]+) of (\d+) joints; bones cover (\d+)% of the picture", capsys.readouterr().out
    ).groups()
    assert float(score) == 1.0 and 1 <= int(joints) <= 14 and 1 <= int(cover) <= 50


def test_the_map_of_lessons_is_the_course():
    rows = re.findall(r"^\| (\d\d) \| (.*?) \| (.*?) \|$", TEXT, flags=re.MULTILINE)
    assert rows == [(number, title, about) for number, (title, about) in COURSE.items()]


@pytest.mark.parametrize("page", ["README.md", "notebooks/README.md", "notebooks/TEACHING.md"])
def test_links_and_pictures_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://)([^)]+)\)", text)
    assert all(((ROOT / page).parent / target).exists() for target in targets)


def test_make_knows_what_the_readme_promises():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for setting in re.findall(r"`(MODE|ONLY|PYTHON|TORCH|TORCH_INDEX|CONSTRAINTS)\b", TEXT):
        assert re.search(rf"^{setting}\s*\?=", makefile, flags=re.MULTILINE), setting
    for target in set(re.findall(r"(?:^|`)make ([a-z]+)", TEXT, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


TEACHING = (ROOT / "notebooks/TEACHING.md").read_text(encoding="utf-8")


def test_teachers_are_told_how_long_and_how_large_the_lessons_are():
    plans = [load_plan(number) for number in COURSE]
    exercises = sum(e.minutes for plan in plans for e in plan.exercises)
    hours = (sum(plan.minutes for plan in plans) + exercises) / 60
    assert f"about {hours:.0f} hours" in TEACHING and 0.45 < exercises / 60 / hours < 0.55
    for mode, gigabytes in (("quick", "1.5"), ("laptop", "2")):
        assert re.search(rf"\b{re.escape(gigabytes)} GB[^.]* in `{mode}` mode", TEACHING)
        assert all(lesson[mode]["peak_mb"] < 1000 * float(gigabytes) for lesson in read_times()["lessons"].values())


def test_what_teachers_run_does_what_is_said(tmp_path, monkeypatch, capsys):
    strip, table = re.findall(r"```python\n(.*?)```", TEACHING, flags=re.DOTALL)
    (tmp_path / "handout").mkdir()
    shutil.copy(ROOT / "notebooks/02_oval_bone_maps.ipynb", tmp_path / "handout")
    monkeypatch.chdir(tmp_path)
    exec(strip, {})
    handed = nbformat.read(tmp_path / "handout/02_oval_bone_maps.ipynb", as_version=4)
    helps = [cell.source for cell in handed.cells if cell.id.startswith("exercise-") and cell.id.endswith("-help")]
    assert len(helps) == len(load_plan("02").exercises)
    assert all("Hint 2</summary>" in text and "Solution" not in text for text in helps)
    record = {"02.1": {"status": "right", "attempts": 3}, "02.2": {"status": "wrong", "attempts": 1}}
    (tmp_path / "alice.json").write_text(json.dumps(record))
    exec(table.replace("/srv/class", str(tmp_path)), {})
    assert capsys.readouterr().out == "alice 1 02.1\n"
