"""Lesson 08: stored results as text, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napa_lib.results import interval, paired_interval, shipped_runs, text_table

PAPER = {  # NAPA, table 2: PCKh@0.25 without and with self supervision
    "ankle": (28.9, 29.4), "knee": (30.7, 31.1), "wrist": (34.7, 38.7), "elbow": (41.3, 44.4), "shoulder": (48.1, 49.5),
    "head": (58.3, 60.2), "hip": (27.0, 27.3),
}  # fmt: skip
TOTAL = (41.7, 43.0)
STAGES = {  # stored runs in their order -> what they are
    "start": "before", "style": "1 style, VGG along", "style_fixed": "1 style, VGG fixed", "pose": "2 pose",
    "joint": "3 joint", "unsupervised": "4 without self supervision", "supervised": "4 with self supervision",
    "supervised_fixed": "4 with, VGG' fixed",
}  # fmt: skip

Runs = Mapping[str, Sequence[Mapping[str, Any]]]


def _cell(values: Sequence[float], digits: int = 1) -> str:
    mean, half = interval(values)
    if len(values) < 3 or half == 0:  # too few for an interval that says something, or nothing random in it
        return " and ".join(f"{value:.{digits}f}" for value in dict.fromkeys(values))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def stages_table(runs: Runs | None = None) -> str:
    """The system before its training and after each part of it: joints within 2 % of the picture's side, and depth.

    Stylised pictures are those of the system's own F.
    """
    runs = shipped_runs("training") if runs is None else runs
    lines = [["after", "joints, real (%)", "joints, stylised (%)", "PA-MPJPE, real (mm)"]]
    for name, words in STAGES.items():
        found = runs[name]
        looks = [[run[look]["near"] for run in found] for look in ("real", "own")]
        lines.append([words, *map(_cell, looks), _cell([run["real"]["pa_mpjpe"] for run in found], 0)])
    return text_table(lines)


def judge_table(runs: Runs | None = None) -> str:
    """L_cos after stage 1, as the VGG that learnt along sees it and as an untouched one does."""
    runs = shipped_runs("training") if runs is None else runs
    lines = [["stage 1", "L_cos by its own VGG", "L_cos by an untouched VGG"]]
    for name in ("start", "style", "style_fixed"):
        seen = [[run["style"][judge]["cosine"] for run in runs[name]] for judge in ("own", "untouched")]
        lines.append([STAGES[name].removeprefix("1 style, "), *(_cell(values, 3) for values in seen)])
    return text_table(lines)


def supervision_table(runs: Runs | None = None) -> str:
    """NAPA's table 2 and ours, on real pictures: joint by joint without and with self supervision, and the change."""
    runs = shipped_runs("training") if runs is None else runs
    lines = [["joint", "without (%)", "with (%)", "change", "the paper's change"]]
    for name, (without, supervised) in {**PAPER, "total": TOTAL}.items():
        before, after = (
            [run["real"]["near"] if name == "total" else run["real"]["joints"][name] for run in runs[arm]]
            for arm in ("unsupervised", "supervised")
        )
        change = paired_interval(before, after)
        words = f"{change.mean:+.1f} ± {change.half:.1f}" if len(before) > 2 else f"{change.mean:+.1f}"
        lines.append([name, _cell(before), _cell(after), words, f"{supervised - without:+.1f}"])
    return text_table(lines)
