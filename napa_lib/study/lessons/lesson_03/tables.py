"""Lesson 03's tables and curves: stored results of many trainings beside the paper's numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from napa_lib.results import interval, paired_interval, text_table
from napa_lib.study.guesses import mark_guess

Results = Mapping[str, Sequence[dict]]  # name of a run without its seed -> the reports of its seeds
Path = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A line of a table: which runs, what to call them, and what the paper has there."""

    run: str
    label: str
    paper: str = ""


LADDER = (
    Row("cyclegan", "CycleGAN", "4.39"),
    Row("conditional", "+ conditional generator", "4.07"),
    Row("bottleneck", "+ skeleton bottleneck", "3.01"),
    Row("ours", "- second cycle = ours", "2.91"),
)  # KeypointGAN, table 5, humans
OURS = Row("ours", "ours", "23.32 / 17.61")
BASELINES = (
    Row("hourglass", "hourglass, labels", "20.22 / 19.52"),
    Row("supervised", "ours, labels", "22.30 / 19.35"),
    Row("ours_mocap", "ours, other poses", "26.62 / 21.41"),  # there with the networks of appendix F
    OURS,
    Row("ours_longer", "ours, the model that ships"),
)  # KeypointGAN, table 1, all motions
ERRORS: Mapping[str, Path] = {"no flips (%)": ("all", "percent"), "with flips (%)": ("all", "percent_flips")}
LEAK: Mapping[str, Path] = {"leak R2": ("leak", "r2")}
CARRIED: Mapping[str, Path] = {
    f"{what}, {how}": ("carried", f"{what}_{how}") for what in ("person", "wall") for how in ("light", "hue")
}
CARRIED_ROWS = (
    Row("conditional", "conditional generator"),
    Row("bottleneck", "skeleton bottleneck"),
    Row("ours", "ours"),
    Row("ours_recoloured", "then recoloured frames"),
    Row("ours_longer", "then plain ones again"),
)
LEAK_ROWS = (
    *LADDER,
    Row("ours_mocap", "ours, other poses"),
    Row("ours_poses50", "ours, 50 poses"),
    Row("true poses", "no network: true poses, drawn"),
)
REGRESSED: Mapping[str, Path] = {"regressor on top, no flips (%)": ("regressor on top", "percent")}
FACES: Mapping[str, Path] = {
    "between the eyes (%)": ("all", "interocular"),
    "regressor on top (%)": ("regressor on top", "interocular"),
}
VIDEO = (
    Row("video_studio", "as trained in the studio"),
    Row("video", "ours, trained on in the video"),
    Row("video_bottleneck", "with the second cycle, trained on"),
    Row("video_ours_longer", "then without it = ours"),
)
UNITS = {
    "percent": "% of the picture's side",
    "interocular": "% of the distance between the eyes",
}
FACE_GUESS: Mapping[str, Path] = {"mean pose (%)": ("mean pose", "interocular")}
FACE_ROWS = (
    Row("faces_bottleneck", "with the second cycle", "10.10 / -"),
    Row("faces_ours_longer", "then without it = ours", "9.85 / 5.56"),
    Row("faces_ours", "ours from the start", "9.85 / 5.56"),
)  # KeypointGAN, table 5, faces; the regressor on top is in table 3 alone

POSE_NOTES = (
    "The paper says that 50 hardly do worse than all (table 4, on faces; its numbers are a picture in our copy).",
    "With few poses the critic soon knows each by heart and takes no other for real. Stirred (mirrored, moved, scaled "
    "at random before it sees them, --stir) they last longer, but are no others. Faces, on which the paper counted, "
    "differ less than bodies do.",
)
MOTION_NOTES = ("'independent' are clips of single poses, the others films of motion capture.",)
VIDEO_NOTES = (
    "Nobody annotated the video: the 'truth' is a network's keypoints in all four views, triangulated; projected back "
    "it misses them by 3.1 px of 480 (median). The moments tested were not trained on. Video: pose2sim (BSD-3-Clause).",
    "Photographs for computer-generated pictures, one man for hundreds of people: two changes at once. The first line "
    "is the studio's models as they are; the others train on with 60 frames of him in crops that move, and the "
    "studio's poses. 'With flips' matters: two cameras see his back.",
    "Sixty frames are few: the three seeds' interval is wide, and the last line goes on from the first, by chance the "
    "best. Without a validation set, what to try was decided with the held-out moments in view: expect a little less "
    "of a new video.",
)
COMMAND_NOTES = (
    "Each stored result names its command; this is the first seed's. How its eta was made stands in "
    "assets/weights/keypointgan.md.",
)


def values(reports: Sequence[dict], path: Path) -> list[float]:
    """A number of each run's errors, such as ("all", "percent_flips"); runs without it are left out."""
    found = []
    for report in reports:
        entry = report["errors"]
        for key in path:
            entry = entry.get(key) if isinstance(entry, dict) else None
        if entry is not None:
            found.append(float(entry))
    return found


def summary(numbers: Sequence[float], digits: int = 2) -> str:
    """Mean and 95 % interval over seeds as text.

    >>> summary([1.0, 2.0, 3.0]), summary([1.5]), summary([])
    ('2.00 +- 2.48', '1.50 (one run)', '-')
    """
    if not numbers:
        return "-"
    mean, half = interval(numbers)
    return f"{mean:.{digits}f} " + ("(one run)" if math.isinf(half) else f"+- {half:.{digits}f}")


def table(results: Results, rows: Sequence[Row], columns: Mapping[str, Path] = ERRORS, paper: str = "paper (%)") -> str:
    """Runs in lines, errors in columns: mean over seeds and 95 % interval, number of seeds and steps, the paper's.

    A line whose runs have no results yet says so. An empty `paper` leaves the last column out.
    """
    head = ["", *columns, "seeds", "steps", *([paper] if paper else [])]
    lines = [head]
    for row in rows:
        reports = results.get(row.run, ())
        line = [row.label, *(summary(values(reports, path)) for path in columns.values())]
        if not reports:
            line = [row.label, "not measured yet", *[""] * (len(columns) - 1)]
        lines.append([*line, str(len(reports)), _steps(reports), *([row.paper] if paper else [])])
    return text_table(lines)


def leak_table(results: Results) -> str:
    """The leak on each rung, with other poses and fewer, and of drawings in which no network has a say."""
    controls = [{"errors": report["errors"]["true poses"], "record": []} for report in results.get("leak", ())]
    return table({**results, "true poses": controls}, LEAK_ROWS, LEAK, "")


def keypoints_leak(results: Results) -> tuple[float, float]:
    """The leak read off the coordinates themselves: of the model that ships, and of the true poses."""
    errors = results["leak"][0]["errors"]
    return errors["found keypoints"]["leak"]["r2"], errors["true keypoints"]["leak"]["r2"]


def paired_change(results: Results, before: str, after: str, path: Path, other: Path | None = None) -> str:
    """Change of a number at the end from one run to another, paired by seed, with its 95 % interval.

    Args:
        results: with the same seeds of both.
        before, after: names of the runs.
        path: which number, as `values` takes it.
        other: which number of `after`, where it is another one.
    """
    one, two = values(results[before], path), values(results[after], other or path)
    mean, half = paired_interval(one, two)
    return f"{mean:+.2f} +- {half:.2f}"


def ladder_table(results: Results) -> str:
    """Table 5: error and leak on each rung."""
    return table(results, LADDER, {**ERRORS, **LEAK}, "paper, with flips (%)")


def ladder_steps(results: Results) -> str:
    """From each rung to the next: the change of the error with flips in points, with its 95 % interval.

    Measured on the validation people at the last step that both rungs have on record, and paired by seed, so that
    neither longer training nor luckier batches count. The last column says whether the interval leaves zero out.
    """
    lines = [["", "at step", "here", "paper", "so here the error"]]
    for before, after in zip(LADDER, LADDER[1:], strict=False):
        steps = _common_steps(results.get(before.run, ()), results.get(after.run, ()))
        paper = f"{float(after.paper) - float(before.paper):+.2f}"
        if not steps:
            lines.append([after.label, "", "not measured yet", paper, ""])
            continue
        lines.append([after.label, *_step_cells(results, before, after, steps[-1], paper)])
    return text_table(lines)


def second_cycle_steps(results: Results) -> str:
    """What leaving out the second cycle changes, as in `ladder_steps`, at every step that both have on record."""
    before, after = LADDER[2:]
    lines = [["without the second cycle", "here", "so the error"]]
    for step in _common_steps(results.get(before.run, ()), results.get(after.run, ())):
        at, here, _, said = _step_cells(results, before, after, step, "")
        lines.append([f"at step {at}", here, said])
    return text_table(lines)


def _step_cells(results: Results, before: Row, after: Row, step: int, paper: str) -> list[str]:
    """The step, the paired change of the error there, the paper's and what it means."""
    mean, half = interval(_paired(results[before.run], results[after.run], step))
    here = f"{mean:+.2f} " + ("(one run)" if math.isinf(half) else f"+- {half:.2f}")
    return [f"{step:,}", here, paper, verdict(mean, half)]


def verdict(change: float, half: float) -> str:
    """What an error's change means, given half its interval.

    >>> verdict(-1.0, 0.5), verdict(1.0, 0.5), verdict(-0.2, 0.5), verdict(-0.2, float("inf"))
    ('falls', 'rises', 'is the same within the seeds', 'changed in one run, which proves nothing')
    """
    if math.isinf(half):
        return "changed in one run, which proves nothing"
    if abs(change) <= half:
        return "is the same within the seeds"
    return "falls" if change < 0 else "rises"


def second_cycle_table(results: Results) -> str:
    """The second cycle all the time, never, and only at first; the steps of the last line come after the first's."""
    rows = (
        Row("bottleneck", "with the second cycle"), Row("ours", "without"), Row("ours_after", "with, then without"),
    )  # fmt: skip
    return table(results, rows, ERRORS, "")


def mean_pose_words(results: Results, row: Row = OURS, error: str = "percent") -> str:
    """How much better a table's line is than the mean of the unpaired poses, in a sentence.

    `error` is one of `UNITS`: that of both.
    """
    reports = results.get(row.run, ())
    here, guess = (values(reports, (part, error)) for part in ("all", "mean pose"))
    if not here or len(here) != len(guess):
        return f"'{row.label}': not measured yet"
    ratios = [b / a for a, b in zip(here, guess, strict=True)]
    better = f"{summary(ratios, 1)} times better" if np.mean(ratios) > 1 else "worse than not looking at the picture"
    return (
        f"Always answering the mean of the unpaired poses is off by {np.mean(guess):.2f} {UNITS[error]}, "
        f"'{row.label}' by {np.mean(here):.2f}: {better}."
    )


def baseline_table(results: Results) -> str:
    """Table 1: baselines that see labels, and ours with poses from another source and from the same."""
    return table(results, BASELINES, ERRORS, "paper (px, no / with flips)")


def pose_count_table(results: Results) -> str:
    """Table 4: fewer and fewer unpaired poses, as they are and stirred."""
    found = [m for name in results if (m := re.fullmatch(r"ours_poses(\d+)(_stirred)?", name))]
    found.sort(key=lambda m: (int(m[1]), m[0]))
    rows = [Row(m[0], f"{m[1]} poses" + (", stirred" if m[2] else "")) for m in found]
    return table(results, [*rows, Row("ours", "all poses")], ERRORS, "")


def faces_table(results: Results) -> str:
    """Table 3: error of 68 points on faces, in per cent of the distance between the eyes, as found and regressed."""
    return table(results, FACE_ROWS, {**FACES, **FACE_GUESS}, "paper (as found / regressed)")


def video_table(results: Results) -> str:
    """The real video's held-out moments, against triangulated poses."""
    guess = {"mean pose (%)": ("mean pose", "percent"), "mean pose, with flips (%)": ("mean pose", "percent_flips")}
    return table(results, VIDEO, {**ERRORS, **guess}, "")


def carried_table(results: Results) -> str:
    """How far light and hue of person and wall are taken from the other frame: squared correlations, 1 is all."""
    return table(results, CARRIED_ROWS, CARRIED, "")


def motion_table(reports: Sequence[dict]) -> str:
    """Table 2's columns: the error with flips of each motion, worst first."""
    other = {"all", "mean pose", "regressor on top", "leak", "carried"}
    motions = {name for report in reports for name in report["errors"]} - other
    lines = [["motion (ours)", "with flips (%)"]]
    found = {name: values(reports, (name, "percent_flips")) for name in motions}
    for name in sorted(motions, key=lambda name: (-np.mean(found[name]), name)):
        lines.append([name, summary(found[name])])
    return text_table(lines)


def curves_figure(results: Results) -> Figure:
    """Error with flips against steps on the validation people, for each rung; a thin line a seed, a thick one the mean.

    Raises:
        ValueError: if no rung has a record.
    """
    page, axis = plt.subplots(figsize=(4.8, 2.5))
    drawn = False
    for row, style, color in zip(
        LADDER, ("-", "--", "-.", ":"), ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), strict=True
    ):
        seeds = [curve for curve in _curves(results.get(row.run, ())).values() if curve]
        for curve in seeds:
            axis.plot(*zip(*curve.items(), strict=True), linestyle=style, color=color, linewidth=0.7, alpha=0.6)
        if not seeds:
            continue
        common = sorted(set.intersection(*map(set, seeds)))
        mean = [np.mean([curve[step] for curve in seeds]) for step in common]
        axis.plot(common, mean, linestyle=style, color=color, label=row.label)
        drawn = True
    if not drawn:
        plt.close(page)
        raise ValueError(f"results must hold a record of one of {[row.run for row in LADDER]}, got {sorted(results)}")
    axis.set(xlabel="training steps", ylabel="error with flips (%)", yscale="log", yticks=[5, 10, 20, 30])
    axis.set_yticks([], minor=True)
    axis.set_yticklabels(["5", "10", "20", "30"])
    axis.legend(fontsize=8)
    return page


def ladder_figure(results: Results, guess: float | None = None) -> Figure:
    """Table 5 as two pictures with scales of their own: here, with intervals, and in the paper.

    `guess` is what was predicted of the last rung here, in per cent.
    """
    page, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.6), sharey=True)
    places = np.arange(len(LADDER))
    for place, row in zip(places, LADDER, strict=True):
        numbers = values(results.get(row.run, ()), ("all", "percent_flips"))
        if not numbers:
            left.text(0.02, place, "not measured yet", va="center", fontsize=9, transform=left.get_yaxis_transform())
            continue
        mean, half = interval(numbers)
        left.errorbar(mean, place, xerr=0 if math.isinf(half) else half, fmt="o", color="#0072B2", capsize=4)
        left.plot(numbers, [place] * len(numbers), "|", color="black", markersize=10)
    right.plot([float(row.paper) for row in LADDER], places, "D", color="#D55E00")
    left.set(yticks=places, yticklabels=[row.label for row in LADDER])
    for axis, title in ((left, "here"), (right, "the paper")):
        axis.set(xlabel="error with flips (%)", title=title, xlim=(0, 1.05 * axis.get_xlim()[1]))
    left.invert_yaxis()
    if guess is not None:
        left.set_xlim(0, max(left.get_xlim()[1], 1.05 * guess))
        mark_guess(left, guess, len(LADDER) - 1)
    return page


def commands(results: Results, runs: Sequence[str]) -> str:
    """The command that made the first of each of these runs, one a line; runs without results are left out."""
    return "\n".join(results[run][0]["command"] for run in runs if run in results)


def _curves(reports: Sequence[dict]) -> dict[int, dict[int, float]]:
    """Seed -> step -> error with flips on the validation people."""
    return {
        report["seed"]: {e["step"]: e["percent_flips"] for e in report["record"] if "percent_flips" in e}
        for report in reports
    }


def _common_steps(before: Sequence[dict], after: Sequence[dict]) -> list[int]:
    """The steps that all runs have on record of the seeds that are in both."""
    one, two = _curves(before), _curves(after)
    steps = [set(curves[seed]) for curves in (one, two) for seed in one.keys() & two.keys()]
    return sorted(set.intersection(*steps)) if steps else []


def _paired(before: Sequence[dict], after: Sequence[dict], step: int) -> list[float]:
    """Each seed's change of the error at a step, of the seeds that are in both."""
    one, two = _curves(before), _curves(after)
    return [two[seed][step] - one[seed][step] for seed in sorted(one.keys() & two.keys())]


def _steps(reports: Sequence[dict]) -> str:
    found = sorted({report["record"][-1]["step"] for report in reports if report["record"]})
    return " to ".join(f"{step:,}" for step in dict.fromkeys([*found[:1], *found[-1:]]))
