"""Lesson 09's tables: what was measured over the seeds, and what each of the five systems could bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napa_lib.results import interval, paired_interval, text_table

Runs = Sequence[Mapping[str, Any]]
SYSTEMS = (
    ("NAPA", "08", "paints labelled people in your pictures' style", "the pictures; no annotation"),
    (
        "KeypointGAN",
        "03",
        "learns joints from your frames and from poses that belong to others",
        "many pictures; poses of anybody",
    ),
    ("AdvPose", "04", "tells 3D poses that bodies take from others", "2D joints; 3D poses of anybody"),
    ("CrossModal", "05, 06", "several people, in depth, from a 2D teacher", "a 2D network; joint limits"),
    ("FlexPose", "07", "poses like your dozen, as many as you like", "twelve annotated poses"),
)


def _words(values: Sequence[float]) -> str:
    found = interval(values)
    return f"{found.mean:.1f} ± {found.half:.1f}"


def _column(runs: Runs, row: int, *path: str) -> list[float]:
    found = []
    for run in runs:
        entry: Any = run["rows"][row]
        for key in path:
            entry = entry[key]
        found.append(float(entry))
    return found


def shots_table(runs: Runs) -> str:
    """A line for each number of figures: rates on held-out figures, and their change, paired over the seeds."""
    lines = [["figures to learn from", "PCKh@0.25", "PCKh@0.5", "change of it", "people, within 4 %", "change of it"]]
    for number, row in enumerate(runs[0]["rows"]):
        line = [str(row["shots"]), _words(_column(runs, number, "pckh", "0.25"))]
        for path, scale in ((("pckh", "0.5"), 1.0), (("people", "far"), 100.0)):
            before, after = ([scale * v for v in _column(runs, n, *path)] for n in (0, number))
            change = paired_interval(before, after)
            star = " *" if change.excludes_zero else ""
            line += [_words(after), f"{change.mean:+.1f} ± {change.half:.1f}{star}" if number else "-"]
        lines.append(line)
    note = f"per cent, {len(runs)} draws of the figures, mean and 95 % interval; * leaves zero out"
    return text_table(lines) + "\n" + note


def systems_table() -> str:
    """What each of the five papers' systems could do for a folder of pictures, and what it asks for."""
    head = ["system", "lesson", "what it could bring", "what it needs"]
    return text_table([head, *(list(row) for row in SYSTEMS)])
