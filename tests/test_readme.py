"""The README tells the truth: its code runs, its links lead somewhere, its lessons and settings exist."""

from __future__ import annotations

import re
from pathlib import Path

from napa_lib.study.plans import COURSE

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


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\((?!https?://)([^)]+)\)", TEXT)
    assert targets and all((ROOT / target).exists() for target in targets)


def test_make_knows_what_the_readme_promises():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for setting in re.findall(r"`(MODE|ONLY|PYTHON|TORCH|TORCH_INDEX|CONSTRAINTS)\b", TEXT):
        assert re.search(rf"^{setting}\s*\?=", makefile, flags=re.MULTILINE), setting
    for target in set(re.findall(r"(?:^|`)make ([a-z]+)", TEXT, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
