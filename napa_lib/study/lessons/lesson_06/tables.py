"""Lesson 06's tables and curves: rows of the paper's tables 2, 4 and 7 from stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from napa_lib.results import Interval, change_text, each, paired_interval, seeds_text, shipped_runs, text_table
from napa_lib.study.guesses import mark_guess

Runs = Mapping[str, Sequence[dict]]
PAPER = {  # table 2, 3DPCK on MuPoTS-3D; rows that are not here have no number there
    "distl": 53.3, "recon": 57.6, "adapt": 61.9, "unsupervised": 64.2, "mocap": 66.1, "weak": 66.4,
    "weak_mocap": 67.9, "labels_mocap": 71.1, "full_mocap": 75.8,
}  # fmt: skip
LABELS = {
    "mean_pose": "nothing: the mean pose", "distl": "L_distl alone", "recon": "+ L_recon", "adapt": "+ L_adapt",
    "unsupervised": "+ L_ss", "mocap": "the same, Psi of motion capture", "weak": "2D labels",
    "weak_mocap": "2D labels, Psi of motion capture",
    "labels": "2D and 3D labels, no D_syn", "labels_many": "the same, 8 x pictures and steps",
    "full": "2D and 3D labels",
    "labels_mocap": "2D and 3D labels, no D_syn, Psi of motion capture",
    "full_mocap": "2D and 3D labels, Psi of motion capture",
    "distl_many": "L_distl alone, 8 x pictures and steps",
    "distl_longer": "L_distl alone, four times as long",
}  # fmt: skip
STEPS = {"recon": ("distl", "recon"), "adapt": ("recon", "adapt"), "ss": ("adapt", "unsupervised")}
PAPERS_GAINS = {"recon": 4.3, "adapt": 4.3, "ss": 2.3}
PAPERS_JOINTS = {  # table 4
    "the paper's, without labels": (52.9, 79.0, 72.2, 57.9, 45.3, 89.9, 66.9, 45.1),
    "the paper's, 2D and 3D labels": (63.4, 85.5, 84.2, 70.4, 56.8, 95.0, 78.2, 59.0),
}
ARGUMENT = (
    "mean_pose", "distl", "recon", "adapt", "unsupervised", "mocap", "labels", "labels_many", "full", "full_mocap",
)  # fmt: skip
BY_JOINT = ("mean_pose", "distl", "recon", "adapt", "unsupervised", "labels", "labels_many", "full")
ON_SCENES = ("recon", "adapt", "unsupervised", "mocap", "weak", "full")  # trained with scenes
SECOND_NOTE = (
    "400 steps on 1,000 figures cut out of the training pictures. These second stages, and the H beside each, are from "
    "before L_adapt was a squared error."
)
KNOWN = {"labels": "1,000 pictures, 400 steps", "labels_many": "8,000 pictures, 3,200 steps"}


def runs() -> Runs:
    """The stored results of this chapter, by row."""
    return shipped_runs("multiperson")


def values(found: Runs, row: str, *path: str) -> list[float]:
    """One number of every seed, such as ("3d", "pck")."""
    return each(found.get(row, ()), *path)


def cell(numbers: Sequence[float], digits: int = 1) -> str:
    """As `seeds_text`, or what to say where there is nothing."""
    return seeds_text(numbers, digits) if numbers else "not trained"


def ladder_table(found: Runs, rows: Sequence[str] = tuple(LABELS)) -> str:
    """3DPCK in per cent, relative and absolute, over all people and matched ones, and MPJPE; the paper's beside it.

    Args:
        found: the results of each row.
        rows: those that are shown, where they are found.
    """
    lines = [["trained with", "3DPCK", "matched", "absolute", "MPJPE (mm)", "PMPJPE (mm)", "paper's 3DPCK"]]
    for row in rows:
        if row not in found:
            continue
        cells = [cell(values(found, row, "3d", key)) for key in ("pck", "pck_matched", "pck_absolute")]
        cells += [cell(values(found, row, "3d", key), 0) for key in ("mpjpe", "pmpjpe")]
        lines.append([LABELS[row], *cells, f"{PAPER[row]}" if row in PAPER else "-"])
    return text_table(lines)


def joints_table(found: Runs) -> str:
    """Table 4: 3DPCK by joint, and the paper's."""
    names = tuple(found["mean_pose"][0]["3d"]["joints"])
    lines = [["trained with", *names]]
    for row in BY_JOINT:
        lines.append([LABELS[row], *(cell(values(found, row, "3d", "joints", name), 0) for name in names)])
    lines += [[label, *(f"{number:.0f}" for number in numbers)] for label, numbers in PAPERS_JOINTS.items()]
    return text_table(lines)


def scenes_table(found: Runs) -> str:
    """What G, H and F make of made-up scenes that no training has drawn: L_adapt, heat and 3DPCK, the pose that tells
    nothing beside it."""
    lines = [["trained with", "L_adapt", "of empty maps", "heat", "3DPCK", "mean pose", "3DPCK less mean pose"]]
    for row in ON_SCENES:
        adapt, empty, heat, pck, mean = (
            values(found, row, "scenes", key) for key in ("adapt", "empty", "heat", "pck", "mean_pose")
        )
        cells = [*(cell(numbers, 3) for numbers in (adapt, empty, heat)), cell(pck), cell(mean)]
        lines.append([LABELS[row], *cells, change_text(mean, pck)])
    return text_table(lines)


def known_table(found: Runs) -> str:
    """3DPCK of students with 3D labels on new pictures of figures that they learned from, and on other figures."""
    lines = [["2D and 3D labels", "figures it knows", "others", "known less others"]]
    for row, label in KNOWN.items():
        known, others = (values(found, f"known_{row}", key, "pck") for key in ("known", "others"))
        lines.append([label, cell(known), cell(others), change_text(others, known)])
    return text_table(lines)


def second_table(found: Runs) -> str:
    """3DPCK of H alone, of H after itself and of H' after H, and what the second stages change, paired by seed."""
    ways = ("one stage", "H twice", "two stages")
    lines = [["trained with", "H alone", "then H again", "then H'", "H' less H alone", "H' less H again"]]
    for row in ("full", "adapt"):
        once, again, other = (values(found, f"second_{row}", way, "pck") for way in ways)
        changes = [change_text(before, other) for before in (once, again)]
        lines.append([LABELS[row], cell(once), cell(again), cell(other), *changes])
    return text_table(lines)


def gains(found: Runs | None = None) -> dict[str, Interval]:
    """What each added loss changes in 3DPCK, paired by seed."""
    found = runs() if found is None else found
    return {
        name: paired_interval(values(found, one, "3d", "pck"), values(found, other, "3d", "pck"))
        for name, (one, other) in STEPS.items()
    }


def gains_figure(found: Runs, guess: str | None = None) -> Figure:
    """The same drawn, each with its interval, the paper's beside it, and the loss that a reader has named."""
    page, axis = plt.subplots(figsize=(5.6, 2.6), layout="constrained")
    changes = gains(found)
    for place, (name, change) in enumerate(changes.items()):
        words = ("here", "in the paper") if place == 0 else (None, None)
        axis.errorbar(place - 0.1, change.mean, change.half, fmt="o", color="#0072B2", capsize=4, label=words[0])
        axis.plot(place + 0.1, PAPERS_GAINS[name], "D", color="white", markeredgecolor="black", label=words[1])
        axis.annotate(change.signed(), (place - 0.16, change.mean), ha="right", va="center", fontsize=9)
    axis.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axis.set(xlim=(-0.7, len(changes) - 0.5), ylabel="points of 3DPCK", xticks=range(len(changes)))
    axis.set_xticklabels([f"+ L_{name}" for name in changes])
    axis.legend(fontsize=9, loc="lower left")
    mark_guess(axis, x=list(changes).index(guess) if guess in changes else None)
    return page


def teacher_table(found: Runs) -> str:
    """Table 7: the teacher's own 2D measures and its students', 2D-PCK at 25 px of 224 and closer."""
    teacher = found["distl"][0]["teacher"]
    lines = [["", "IoU (%)", "2D-MPJPE (px)", "2D-PCK (%)", "all people", "at 15 px", "at 10 px"]]
    keys = ("iou", "mpjpe", "pck", "pck_all", "pck_15", "pck_10")
    lines.append(["teacher, grouped", *(f"{teacher[key]:.1f}" for key in keys)])
    for row in ("mean_pose", "distl", "adapt", "unsupervised", "full"):
        if row in found:
            lines.append([LABELS[row], *(cell(values(found, row, "2d", key)) for key in keys)])
    return text_table(lines)


def gap_figure(found: Runs, guess: float | None = None) -> Figure:
    """How well G's V and E's are told apart, with and without L_adapt, and a reader's prediction."""
    rows = [row for row in ("recon", "adapt", "unsupervised") if row in found]
    page, axis = plt.subplots(figsize=(5.6, 2.2), layout="constrained")
    for place, row in enumerate(rows):
        told = [100 * value for value in values(found, row, "gap", "told_apart")]
        axis.plot([place] * len(told), told, "o", color="#0072B2", markersize=7)
        distance = cell(values(found, row, "gap", "distance"), 2)
        axis.annotate(f"distance {distance}", (place, min(told) - 4), ha="center", va="top", fontsize=9)
    axis.axhline(50, color="0.6", linestyle="--", linewidth=1, label="a coin")
    axis.set(xlim=(-0.6, len(rows) - 0.4), ylim=(40, 104), ylabel="told apart (%)", xticks=range(len(rows)))
    axis.set_xticklabels([LABELS[row] for row in rows])
    axis.legend(fontsize=9, loc="lower right")
    mark_guess(axis, y=guess)
    return page
