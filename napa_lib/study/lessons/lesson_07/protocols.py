"""Lesson 07's two protocols beside each other: targets of one class, and of six activities as in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.adaptation.measure import MEASURED_ON, SIXES, UNIONS, open_target
from napa_lib.results import change_text, text_table
from napa_lib.study.lessons.lesson_07.reading import smeared_runs
from napa_lib.study.lessons.lesson_07.tables import Runs, mean_of, over, values

PROTOCOLS: Mapping[str, Sequence[str]] = {"one class": MEASURED_ON, "six activities": tuple(SIXES)}
SHOWN = {  # set of poses -> name, mark and colour, from the top of the figure down
    "source": ("source", "s", "#0072B2"),
    "mixup wide": ("mixed, widened", "^", "#E69F00"),
    "wide": ("adapted, widened", "D", "#D55E00"),
    "smeared": ("adapted, smeared", "o", "#D55E00"),
    "pool": ("first half itself", "x", "0.4"),
}


def spread(poses: Tensor) -> float:
    """How far joints are from where they are on average, in per cent of the picture's side: root mean square.

    Args:
        poses: (N, J, 2) in [-1, 1].
    """
    return 50 * float((poses - poses.mean(0)).square().sum(-1).mean().sqrt())


def protocols_table(runs: Runs) -> str:
    """How wide the targets are, and how near the first half of the recordings and poses mixed of it are to the second.

    Means over targets with intervals.
    """
    lines = [["a target is", "spread (%)", "squared MMD: first half", "mixed", "energy distance: first half", "mixed",
              "coverage (%): first half", "mixed"]]  # fmt: skip
    for protocol, names in PROTOCOLS.items():
        found = smeared_runs(runs, names)
        cells = [mean_of([spread(open_target(name).held_out) for name in names], 0)]
        for measure, scale, digits in (("mmd", 1, 3), ("energy", 1, 3), ("coverage", 100, 0)):
            for kind in ("pool", "mixup"):
                numbers = [scale * v for v in over(names, found, "distances", kind, measure)]
                cells.append(mean_of(numbers, digits))
        lines.append([protocol, *cells])
    return text_table(lines)


def protocols_figure(runs: Runs, guess: float | None = None) -> Figure:
    """Squared MMD of sets of poses from held-out ones as a multiple of the mixed shots', a mark a target: means over
    seeds. Left of the line poses are nearer than the mixed shots; beside each row stands in how many targets.

    Args:
        runs: of the chapter, as `napa_lib.results.shipped_runs("adaptation")` gives them.
        guess: a reader's prediction of that number for the widened adapted poses of six activities.
    """
    page, axes = plt.subplots(1, 2, figsize=(7.2, 2.4), sharex=True, sharey=True, layout="constrained")
    for axis, (protocol, names) in zip(axes, PROTOCOLS.items(), strict=True):
        found = smeared_runs(runs, names)
        mixed = over(names, found, "distances", "mixup", "mmd")
        for row, (kind, (_, mark, color)) in enumerate(SHOWN.items()):
            times = [a / b for a, b in zip(over(names, found, "distances", kind, "mmd"), mixed, strict=True)]
            heights = [row + 0.05 * (number - (len(times) - 1) / 2) for number in range(len(times))]
            axis.plot(times, heights, mark, color=color, markersize=5, fillstyle="none", linestyle="none")
            count = f"{sum(t < 1 for t in times)} of {len(times)}"
            if guess is not None and (protocol, kind) == ("six activities", "wide"):
                count += f" (◆ {guess:g})"
            axis.text(1.02, row, count, transform=axis.get_yaxis_transform(), va="center", fontsize=9)
        axis.axvline(1, color="0.55", linestyle="--", linewidth=1)
        axis.set(xscale="log", xticks=(0.1, 1, 10), xticklabels=("0.1", "1", "10 times"))
        axis.set_title(f"a target is {protocol}", fontsize=10)
    axes[0].set(yticks=range(len(SHOWN)), yticklabels=[name for name, _, _ in SHOWN.values()])
    axes[0].tick_params(axis="y", labelsize=9)
    axes[0].invert_yaxis()
    page.supxlabel("squared MMD from held-out poses, in multiples of the mixed shots'", fontsize=9)
    return page


def unions_table(runs: Runs) -> str:
    """Squared MMD of each target of several activities: means over seeds, and the change from the mixed poses.

    A star where the interval over seeds leaves zero out.
    """
    found = smeared_runs(runs, UNIONS)
    lines = [["target", "source", "mixed", "smeared", "minus the mixed's", "widened", "minus the mixed's"]]
    for name in UNIONS:
        source, mixed, smeared, wide = (
            values(found, name, "distances", kind, "mmd") for kind in ("source", "mixup", "smeared", "wide")
        )
        line = [name, *(f"{fmean(numbers):.3f}" for numbers in (source, mixed))]
        for numbers in (smeared, wide):
            line += [f"{fmean(numbers):.3f}", change_text(mixed, numbers, 3)]
        lines.append(line)
    return text_table(lines)
