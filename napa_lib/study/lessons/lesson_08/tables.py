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

TRAININGS = ("nothing", "untouched", "one", "1", "3", "5", "9", "12", "pool")
SCORED = ("ankle", "knee", "wrist", "elbow", "shoulder", "hip")
PAPER_STYLES = {"untouched": 34.5, "1": 35.3, "3": 36.9, "5": 37.4, "9": 37.6, "12": 37.9}  # table 1, in all
LABELS = {  # stored name -> what the depth of the wilder poses' pictures is
    "none": "no such pictures", "guess": "as the network guesses", "pseudo": "made up",
    "revised": "made up, turned right", "true": "measured",
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


def styles_rates(runs: Runs | None = None, threshold: str = "0.25") -> dict[str, list[float]]:
    """PCKh of the limb joints on the art figures, seed by seed, per cent: each training, and means of predictions.

    "one" is the mean over the twelve networks that saw one style each; "3" to "12" are means of their predictions.
    """
    return _by_training(runs, "art", threshold)


def _by_training(runs: Runs | None, group: str, name: str) -> dict[str, list[float]]:
    """One number of each training of `styles_SEED.json`, seed by seed, under the names that `styles_rates` has."""
    found: dict[str, list[float]] = {training: [] for training in TRAININGS}
    for run in (shipped_runs("training") if runs is None else runs)["styles"]:
        rows = {row["trained_on"]: row[group][name] for row in run["rows"]}
        alone = [rate for training, rate in rows.items() if training not in found]
        rows["one"] = sum(alone) / len(alone)
        rows |= {str(row["styles"]): row[group][name] for row in run["averaged"]}
        for training, values in found.items():
            values.append(rows[training])
    return found


def styles_table(runs: Runs | None = None) -> str:
    """NAPA's table 1 and ours, joint by joint: PCKh@0.25 on figures in art, both sides of a joint together.

    Head and neck are left out: the backbone has no heat map of them.
    """
    lines = [["joint", "untouched", "1 style", "12 averaged", "pool", "the backbone alone"]]
    for joint in SCORED:
        found = _by_training(runs, "joints", joint)
        lines.append([joint, *(_cell(found[name]) for name in ("untouched", "one", "12", "pool", "nothing"))])
    return text_table(lines)


def mixing_rates(runs: Runs | None = None) -> dict[str, list[list[float]]]:
    """What is right by the share of real pictures, per cent, (shares, seeds) each: "share", then what is measured on.

    On validation people near is within 2 % of the box's side, about PCKh@0.25; on art it is PCKh@0.25.
    """
    tables = [run["rows"] for run in (shipped_runs("training") if runs is None else runs)["mixing"]]
    beside = list(zip(*tables, strict=True))
    return {
        "share": [[100 * row["real"]] for row in tables[0]],
        "real": [[100 * row["on"]["real"]["near"] for row in rows] for rows in beside],
        "stylised": [[100 * row["on"]["stylised"]["near"] for row in rows] for rows in beside],
        "art": [[row["art"]["0.25"] for row in rows] for rows in beside],
    }


def labels_table(runs: Runs | None = None) -> str:
    """How wrong each kind of label is, and what learned from it: PA-MPJPE in mm, and the change against no pictures."""
    found = (shipped_runs("training") if runs is None else runs)["pseudo"]
    lines = [["depth of the pictures", "the labels", "on what follows in their clips", "on other clips"]]
    for name, words in LABELS.items():
        cells = [words, "" if name == "none" else _cell([run["labels"][name] for run in found])]
        for where in ("rest", "others"):
            before, after = ([run[where][arm] for run in found] for arm in ("none", name))
            change = paired_interval(before, after)
            cells.append(_cell(after) + ("" if name == "none" else f" ({change.mean:+.1f} ± {change.half:.1f})"))
        lines.append(cells)
    return text_table(lines)
