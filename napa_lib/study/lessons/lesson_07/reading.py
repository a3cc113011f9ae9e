"""Lesson 07's tables of the way from mixed poses to an adapted generator's, and of how many a detector gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from napa_lib.adaptation.measure import MEASURED_ON, SCALES
from napa_lib.results import change_text, text_table
from napa_lib.study.lessons.lesson_07.tables import Runs, mean_of, over, over_targets

STEPS = {  # from the mixed poses to the generator's: set -> name, and whose distance from the mixed poses is known
    "source": "source",
    "mixup": "mixed",
    "mixup wide": "mixed, widened",
    "read": "mixed, drawn, read by beta",
    "fitted": "their noises, adapted",
    "adapted": "any noise, adapted",
    "taught": "the same, beta taught",
    "wide": "of these nine tenths, widened",
    "pool": "first half itself",
}
SMEARED = {  # the same with tau in the coarse layers: set -> name
    "source": "source",
    "mixup": "mixed",
    "mixup wide": "mixed, widened",
    "mixup smeared": "mixed, smeared",
    "taught": "coarse layers adapted, beta taught",
    "wide": "of these nine tenths, widened",
    "smeared": "all of these, smeared",
    "pool": "first half itself",
}


def reading_runs(runs: Runs) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The results of `napa_lib.adaptation.reading`, by target."""
    return {name: runs[f"reading_{name}"] for name in MEASURED_ON}


def reading_table(runs: Runs, guess: float | None = None) -> str:
    """Poses step by step from mixed ones to the generator's, over ten targets: distances from held-out poses, how far
    each step is from the mixed poses themselves, and in how many targets it is nearer to held-out poses than they.

    A reader's prediction of the last number stands beside that of the widened poses.
    """
    found = reading_runs(runs)
    lines = [
        ["poses", "off the mixed (%)", "energy distance", "squared MMD", "minus the mixed's", "nearer", "coverage (%)"]
    ]
    mixed = over_targets(found, "distances", "mixup", "mmd")
    for kind, name in STEPS.items():
        moved = "-"
        if kind in found[MEASURED_ON[0]][0]["moved"]:
            moved = mean_of([100 * v for v in over_targets(found, "moved", kind)], 1)
        mmd = over_targets(found, "distances", kind, "mmd")
        change, below = "-", "-"
        if kind != "mixup":
            change, below = (
                change_text(mixed, mmd, 3),
                f"{sum(a < b for a, b in zip(mmd, mixed, strict=True))} of {len(mmd)}",
            )
        if kind == "wide" and guess is not None:
            below += f" (◆ {guess:g})"
        energy = mean_of(over_targets(found, "distances", kind, "energy"), 3)
        covered = mean_of([100 * v for v in over_targets(found, "distances", kind, "coverage")], 0)
        lines.append([name, moved, energy, mean_of(mmd, 3), change, below, covered])
    return text_table(lines)


def smeared_runs(runs: Runs, names: Iterable[str] = MEASURED_ON) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The results of `napa_lib.adaptation.reading --smear`, by target."""
    return {name: runs[f"smeared_{name}"] for name in names}


def smeared_table(runs: Runs, names: Iterable[str] = MEASURED_ON) -> str:
    """As `reading_table`, where tau is in the coarse layers and answers are given back what they leave out.

    Squared MMDs are paired with the source's and with the mixed poses', with the count of targets that are nearer.
    """
    found = smeared_runs(runs, names)
    lines = [["poses", "energy distance", "squared MMD", "minus the source's", "nearer", "minus the mixed's", "nearer",
              "coverage (%)"]]  # fmt: skip
    before = {kind: over(found, found, "distances", kind, "mmd") for kind in ("source", "mixup")}
    for kind, name in SMEARED.items():
        mmd = over(found, found, "distances", kind, "mmd")
        paired = []
        for other, theirs in before.items():
            below = sum(a < b for a, b in zip(mmd, theirs, strict=True))
            paired += ["-", "-"] if kind == other else [change_text(theirs, mmd, 3), f"{below} of {len(mmd)}"]
        energy = mean_of(over(found, found, "distances", kind, "energy"), 3)
        covered = mean_of([100 * v for v in over(found, found, "distances", kind, "coverage")], 0)
        lines.append([name, energy, mean_of(mmd, 3), *paired, covered])
    return text_table(lines)


def taught_table(runs: Runs) -> str:
    """The stand-in detector with Direct's annotations and with those of a taught beta, over ten targets.

    Each is paired with Direct of the same seeds.
    """
    found, coarse = reading_runs(runs), smeared_runs(runs)
    lines = [["annotations", "error (px)", "minus Direct's", "PCK@10 (%)"]]
    for kind, of, name in (
        ("direct", found, "Direct: source + mixed"),
        ("wide", found, "Ours: taught and widened + mixed"),
        ("smeared", coarse, "Ours: coarse layers, taught and smeared + mixed"),
    ):
        pixels = over_targets(of, "detector", kind, "px")
        same = {target: found[target][: len(of[target])] for target in of}
        direct = over_targets(same, "detector", "direct", "px")
        change = "-" if kind == "direct" else change_text(direct, pixels, 2)
        rate = mean_of([100 * v for v in over_targets(of, "detector", kind, "pck10")], 0)
        lines.append([name, mean_of(pixels, 1), change, rate])
    return text_table(lines)


def scale_table(runs: Runs) -> str:
    """The stand-in detector's error by how many adapted poses it had, beside the paper's; paired with the fewest."""
    paper = ("4.61 (33 thousand)", "4.96 (61 thousand)", "3.79 (121 thousand)")
    errors = {count: [fmean(e[f"{count}"]["px"] for e in run["scale"].values()) for run in runs["scale"]]
              for count in SCALES}  # fmt: skip
    lines = [["adapted poses", "error (px)", "minus the first row's", "paper (px)"]]
    for count, theirs in zip(SCALES, paper, strict=True):
        change = "-" if count == SCALES[0] else change_text(errors[SCALES[0]], errors[count], 2)
        lines.append([f"{count:,}", mean_of(errors[count], 2), change, theirs])
    return text_table(lines)
