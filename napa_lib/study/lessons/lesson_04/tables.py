"""Lesson 04's tables and curves: rows of the paper's table 2 from stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from napa_lib.adversarial import FIXED_ROWS, LIMBS, ROWS
from napa_lib.results import Interval, interval, paired_interval, text_table

Results = Mapping[str, Sequence[dict]]  # row -> the results of its seeds
WORLDS = ("lab", "wild", "unseen")
BASE = "baseline_fix_2d"
PAPER = {  # table 2, Human3.6M, mm: the mean over all joints
    "baseline_fix_2d": 65.2, "baseline": 64.8, "map": 61.3, "geo": 60.3, "full_fix_2d": 63.1,
    "full_without_pretraining": 63.4, "full": 59.7,
}  # fmt: skip
LABELS = {name: row.label for name, row in {**ROWS, **FIXED_ROWS}.items()}
ORDER = ("baseline_fix_2d", "map_fix_2d", "geo_fix_2d", "full_fix_2d", "descriptor_fix_2d")  # what was trained here
STYLES = {
    "baseline_fix_2d": ("-", "o", "black"), "map_fix_2d": ("--", "s", "#D55E00"), "geo_fix_2d": ("-.", "^", "#0072B2"),
    "full_fix_2d": (":", "D", "#009E73"), "descriptor_fix_2d": ("-", "x", "#CC79A7"),
}  # fmt: skip


def values(results: Results, row: str, *path: str) -> list[float]:
    """One number of every seed's errors, such as ("lab", "mpjpe", "all")."""
    found = []
    for report in results.get(row, ()):
        entry = report["errors"]
        for key in path:
            entry = entry[key]
        found.append(float(entry))
    return found


def words(found: Interval, digits: int = 0) -> str:
    """Mean and half width of an interval."""
    return f"{found.mean:.{digits}f} ± {found.half:.{digits}f}"


def errors_table(results: Results, kind: str = "mpjpe_true_2d") -> str:
    """Protocol #1 in mm on the three worlds: the mean over seeds and half the width of its 95 % interval; the paper's.

    Rows that were not trained here say so. The last line is what true keypoints give without any depth.
    """
    lines: list[list[str]] = [["error (mm)", *WORLDS, "paper, Human3.6M"]]
    for row in (*ORDER, *(name for name in PAPER if name not in ORDER)):
        cells = ["not trained here", "", ""]
        if results.get(row):
            cells = [words(interval(values(results, row, world, kind, "all"))) for world in WORLDS]
        lines.append([LABELS[row], *cells, f"{PAPER[row]}" if row in PAPER else "-"])
    flat = [f"{values(results, BASE, world, 'flat', 'mpjpe')[0]:.0f}" for world in WORLDS]
    return text_table([*lines, ["true (x, y), no depth", *flat, "-"]])


def limbs_table(results: Results, world: str, kind: str = "mpjpe_true_2d") -> str:
    """The columns of table 2: errors of one world limb by limb, in mm."""
    lines: list[list[str]] = [[f"{world} (mm)", *LIMBS, "all"]]
    for row in ORDER:
        cells = [words(interval(values(results, row, world, kind, limb))) for limb in (*LIMBS, "all")]
        lines.append([LABELS[row], *cells])
    return text_table(lines)


def differences(results: Results, kind: str = "mpjpe_true_2d") -> str:
    """What a discriminator changes, in mm, paired by seed; a star where the interval leaves zero out."""
    pairs = [(BASE, row) for row in ORDER[1:]] + [("map_fix_2d", "geo_fix_2d"), ("geo_fix_2d", "full_fix_2d")]
    lines: list[list[str]] = [["from - to (mm)", *WORLDS]]
    for one, other in pairs:
        cells = [
            change(values(results, one, world, kind, "all"), values(results, other, world, kind, "all"), 0)
            for world in WORLDS
        ]
        lines.append([f"{LABELS[one]} - {LABELS[other]}".replace(" (fix 2D)", ""), *cells])
    return text_table(lines)


def unseen_table(results: Results) -> str:
    """Table 4: the unseen world's 3DPCK at 150 mm and the area under its curve, in per cent, found (x, y)."""
    lines: list[list[str]] = [["unseen world (%)", "baseline", "full", "change", "paper: baseline, ours"]]
    for name, key, paper in (("PCK", "pck", "50.1, 69.0"), ("AUC", "auc", "21.6, 32.0")):
        one, other = (values(results, row, "unseen", key) for row in (BASE, "full_fix_2d"))
        lines.append([name, words(interval(one), 1), words(interval(other), 1), change(one, other), paper])
    return text_table(lines)


def keypoints_table(results: Results) -> str:
    """What the 2D module that all rows share finds: PCKh@0.5 in per cent, which stays as it is where 2D is fixed."""
    lines = [["PCKh@0.5 of the 2D module (%)", *WORLDS, "figures in art"]]
    rates = [f"{values(results, BASE, world, 'pckh')[0]:.1f}" for world in (*WORLDS, "art")]
    return text_table([*lines, ["", *rates]])


def plausible(results: Results) -> str:
    """Per cent of angles that no joint takes, and longer limb to its opposite, on each world, beside the truth."""
    lines: list[list[str]] = [["", *WORLDS]]
    for row in ORDER:
        for name, key, digits in (("impossible angles (%)", "impossible", 1), ("longer side / shorter", "lopsided", 2)):
            cells = [words(interval(values(results, row, w, "plausibility", key)), digits) for w in WORLDS]
            lines.append([f"{LABELS[row].removesuffix(' (fix 2D)')}: {name}", *cells])
    truth = [f"{values(results, BASE, world, 'truth', 'impossible')[0]:.1f}" for world in WORLDS]
    return text_table([*lines, ["the truth: impossible angles (%)", *truth]])


def change(one: Sequence[float], other: Sequence[float], digits: int = 1) -> str:
    """The paired change with its interval, and a star where that leaves zero out."""
    found = paired_interval(one, other)
    return f"{found.mean:+.{digits}f} ± {found.half:.{digits}f}{' *' if found.excludes_zero else ''}"


def curves(results: Results, guess: float | None = None, kind: str = "mpjpe_true_2d") -> Figure:
    """Figure 5: errors on validation pictures while training, the mean over seeds; the bars are the seeds' range.

    Args:
        results: of the rows.
        guess: the reader's prediction of what "full" comes to in the wild, in mm; None for none.
        kind: "mpjpe_true_2d", or "mpjpe" of all.
    """
    page, axes = plt.subplots(1, 2, figsize=(7.2, 3.1))
    for axis, world in zip(axes, ("lab", "wild"), strict=True):
        for row, (line, marker, color) in STYLES.items():
            records = [report["record"] for report in results.get(row, ())]
            steps = [entry["step"] for entry in records[0]]
            errors = np.array([[entry[f"{kind}_{world}"] for entry in record] for record in records])
            mean = errors.mean(0)
            span = np.stack([mean - errors.min(0), errors.max(0) - mean])
            axis.errorbar(
                steps, mean, yerr=span, linestyle=line, marker=marker, color=color, markersize=4, linewidth=1.4,
                elinewidth=0.6, label=LABELS[row].removesuffix(" (fix 2D)"),
            )  # fmt: skip
        axis.set(xlabel="training steps", ylabel="error (mm)" if world == "lab" else "", title=world)
        axis.set_ylim(0, None)
    if guess is not None:
        axes[1].axhline(guess, linestyle="--", color="0.4", linewidth=1, label="your prediction")
    axes[1].legend(fontsize=8)
    return page


def noticed_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """How often each judge prefers the true pose, in per cent."""
    names = list(next(iter(found.values())))
    lines = [["prefers the true pose (%)", *names]]
    return text_table(lines + [[what, *(f"{cells[name]:.0f}" for name in names)] for what, cells in found.items()])
