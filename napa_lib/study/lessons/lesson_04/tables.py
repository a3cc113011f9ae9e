"""Lesson 04's tables and curves: table 2 of the paper and what belongs to it, from stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from napa_lib.adversarial import ROWS
from napa_lib.results import Interval, interval, paired_interval, text_table

Results = Mapping[str, Sequence[dict]]  # row -> the results of its seeds
PAPER = {  # table 2: upper arms, lower arms, upper legs, lower legs, mean
    "baseline_fix_2d": (67.6, 89.6, 46.6, 83.3, 65.2),
    "baseline": (66.6, 90.0, 47.1, 83.7, 64.8),
    "map": (62.9, 81.6, 44.6, 80.9, 61.3),
    "geo": (61.6, 80.7, 43.9, 78.8, 60.3),
    "full_fix_2d": (63.9, 84.4, 45.8, 85.1, 63.1),
    "full_without_pretraining": (65.2, 84.2, 46.7, 82.5, 63.4),
    "full": (61.7, 81.1, 43.1, 77.6, 59.7),
}
COLUMNS = ("upper arms", "lower arms", "upper legs", "lower legs", "all")
BASE = {"full_fix_2d": "baseline_fix_2d"}  # what a row is compared with, where it is not the baseline
STYLES = {"baseline": ("-", "o", "black"), "map": ("--", "s", "#D55E00"), "geo": ("-.", "^", "#0072B2"),
          "full": (":", "D", "#009E73"), "full_without_pretraining": ("-", "x", "#CC79A7")}  # fmt: skip


def values(results: Results, row: str, *path: str) -> list[float]:
    """One number of every seed's errors, such as ("lab", "mpjpe", "all")."""
    found = []
    for report in results.get(row, ()):
        entry = report["errors"]
        for key in path:
            entry = entry[key]
        found.append(float(entry))
    return found


def words(found: Interval, digits: int = 1) -> str:
    """Mean and half width of an interval."""
    return f"{found.mean:.{digits}f} ± {found.half:.{digits}f}"


def table_2(results: Results, world: str = "lab", kind: str = "mpjpe") -> str:
    """Protocol #1 in mm by limb: the mean over seeds and half the width of its 95 % interval; the paper's mean."""
    lines: list[list[str]] = [["", *COLUMNS, "paper, all"]]
    for row in PAPER:
        cells = [words(interval(values(results, row, world, kind, limb)), 0) for limb in COLUMNS]
        paper = f"{PAPER[row][-1]}" if (world, kind) == ("lab", "mpjpe") else "-"
        lines.append([ROWS[row].label, *cells, paper])
    return text_table(lines)


def differences(results: Results, kind: str = "mpjpe", limb: str = "all") -> str:
    """What a discriminator changes on each world, in mm, paired by seed; a star where the interval leaves zero out."""
    lines: list[list[str]] = [["against its baseline (mm)", "lab", "wild", "unseen", "paper, Human3.6M"]]
    for row in list(PAPER)[2:]:
        base = BASE.get(row, "baseline")
        cells = []
        for world in ("lab", "wild", "unseen"):
            found = paired_interval(values(results, base, world, kind, limb), values(results, row, world, kind, limb))
            cells.append(f"{found.mean:+.1f} ± {found.half:.1f}{' *' if found.excludes_zero else ''}")
        lines.append([ROWS[row].label, *cells, f"{PAPER[row][-1] - PAPER[base][-1]:+.1f}"])
    return text_table(lines)


def table_3(results: Results) -> str:
    """2D before and after: PCKh@0.5 in per cent, and the paired change."""
    lines: list[list[str]] = [["PCKh@0.5 (%)", "baseline", "full", "change"]]
    for name, path in (("wild", ("wild", "pckh")), ("unseen", ("unseen", "pckh")), ("figures in art", ("art", "pckh"))):
        one, other = values(results, "baseline", *path), values(results, "full", *path)
        lines.append([name, words(interval(one)), words(interval(other)), _change(one, other)])
    return text_table(lines)


def table_4(results: Results) -> str:
    """The unseen world: 3DPCK at 150 mm and its area under the curve, in per cent."""
    lines: list[list[str]] = [["unseen world (%)", "baseline", "full", "change", "paper: baseline, ours"]]
    for name, key, paper in (("PCK", "pck", "50.1, 69.0"), ("AUC", "auc", "21.6, 32.0")):
        one, other = values(results, "baseline", "unseen", key), values(results, "full", "unseen", key)
        lines.append([name, words(interval(one)), words(interval(other)), _change(one, other), paper])
    return text_table(lines)


def plausible(results: Results) -> str:
    """Per cent of angles that no joint takes, and longer limb to its opposite, on each world, beside the truth."""
    lines: list[list[str]] = [["", "lab", "wild", "unseen"]]
    for row in ("baseline", "map", "geo", "full"):
        for name, key, digits in (("impossible angles (%)", "impossible", 1), ("lopsided", "lopsided", 2)):
            cells = [
                words(interval(values(results, row, world, "plausibility", key)), digits)
                for world in ("lab", "wild", "unseen")
            ]
            lines.append([f"{ROWS[row].label}: {name}", *cells])
    truth = [f"{values(results, 'full', world, 'truth', 'impossible')[0]:.1f}" for world in ("lab", "wild", "unseen")]
    return text_table([*lines, ["the truth: impossible angles (%)", *truth]])


def _change(one: Sequence[float], other: Sequence[float]) -> str:
    found = paired_interval(one, other)
    return f"{found.mean:+.1f} ± {found.half:.1f}{' *' if found.excludes_zero else ''}"


def curves(results: Results, guess: float | None = None, kind: str = "mpjpe_true_2d") -> Figure:
    """Figure 5: errors on validation pictures while training, the mean over seeds; the bars are the seeds' range.

    Args:
        results: of the seven rows.
        guess: the reader's prediction of what the discriminator changes in the wild, in mm; None for none.
        kind: "mpjpe_true_2d", or "mpjpe" of all.
    """
    worlds = ("lab", "wild")
    page, axes = plt.subplots(1, len(worlds), figsize=(7.2, 2.9), squeeze=False)
    for axis, world in zip(axes[0], worlds, strict=True):
        for row, (line, marker, color) in STYLES.items():
            records = [report["record"] for report in results.get(row, ())]
            if not records:
                continue
            steps = [entry["step"] for entry in records[0]]
            errors = np.array([[entry[f"{kind}_{world}"] for entry in record] for record in records])
            mean = errors.mean(0)
            span = np.stack([mean - errors.min(0), errors.max(0) - mean])
            axis.errorbar(
                steps, mean, yerr=span, linestyle=line, marker=marker, color=color, markersize=4, linewidth=1.4,
                elinewidth=0.6, label=ROWS[row].label,
            )  # fmt: skip
        axis.set(xlabel="training steps", ylabel="error (mm)" if world == worlds[0] else "", title=world)
    if guess is not None:
        last = [report["record"][-1][f"{kind}_wild"] for report in results["baseline"]]
        axes[0, 1].axhline(float(np.mean(last)) + guess, linestyle="--", color="0.5", linewidth=1)
    axes[0, -1].legend(fontsize=8)
    return page


def game_curves(results: Results, row: str = "full") -> Figure:
    """What the discriminator says of true and estimated poses, and its loss beside that of one that cannot tell."""
    page, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.5))
    for report in results[row]:
        record = [entry for entry in report["record"] if "discriminator" in entry]
        steps = [entry["step"] for entry in record]
        first = report is results[row][0]
        for key, marker, color in (("true", "o", "#0072B2"), ("estimated", "s", "#D55E00")):
            left.plot(steps, [e[key] for e in record], marker=marker, color=color, label=key if first else None)
        right.plot(steps, [e["discriminator"] for e in record], marker="D", color="black")
    right.axhline(2 * np.log(2), linestyle=":", color="0.4")
    right.text(0.02, 2 * np.log(2), "cannot tell", fontsize=8, va="bottom", transform=right.get_yaxis_transform())
    left.set(xlabel="training steps", ylabel="probability 'true'", ylim=(0, 1))
    right.set(xlabel="training steps", ylabel="judge's loss", ylim=(0, 1.6))
    left.legend(fontsize=8)
    return page


def noticed_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """How often each judge prefers the true pose, in per cent."""
    names = list(next(iter(found.values())))
    lines = [["prefers the true pose (%)", *names]]
    return text_table(lines + [[what, *(f"{cells[name]:.0f}" for name in names)] for what, cells in found.items()])
