"""Lesson 08: stored results as text, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napa_lib.results import paired_interval, seeds_text, shipped_runs, text_table

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

STYLES = {  # stored training -> its words, and the paper's total in table 1
    "nothing": ("none: as photographs taught it", ""), "untouched": ("untouched", "34.5"),
    "1": ("in one style", "35.3"), "3": ("3 networks averaged", "36.9"), "5": ("5", "37.4"), "9": ("9", "37.6"),
    "12": ("12", "37.9"), "median": ("12, their median", ""),
    "many": ("one network, twelve styles", "44.4, the whole pipeline"),
}  # fmt: skip
STYLE_LOOKS = {
    "untouched": "people (%)", "many": "in the twelve styles (%)", "others": "in twelve others (%)", "art": "art (%)"
}  # fmt: skip
LONGER = {1.0: "longer: untouched", 0.0: "longer: twelve styles"}  # share of real pictures -> its words
MIXING_LOOKS = {"untouched": "people, real (%)", "many": "people, stylised (%)", "art": "art (%)"}
# share of real pictures -> NAPA, table 3, for 0 section 4.5: PA-MPJPE on Human3.6M (mm), PCKh@0.25 on works of art (%)
MIXED = {
    0.0: ("82.91", ""), 0.1: ("91.6", "41.8"), 0.3: ("71.8", "44.5"), 0.5: ("63.5", "45.5"), 0.7: ("67.4", "42.7"),
    1.0: ("", ""),
}  # fmt: skip
LABELS = {  # stored name -> what the depth of the wilder poses' pictures is
    "none": "no such pictures", "guess": "as the network guesses", "pseudo": "made up",
    "revised": "made up, turned right", "true": "measured",
}  # fmt: skip

Runs = Mapping[str, Sequence[Mapping[str, Any]]]


def stages_table(runs: Runs | None = None) -> str:
    """The system before its training and after each part of it: joints within 2 % of the picture's side, and depth.

    Stylised pictures are those of the system's own F.
    """
    runs = shipped_runs("training") if runs is None else runs
    lines = [["after", "joints, real (%)", "joints, stylised (%)", "PA-MPJPE, real (mm)"]]
    for name, words in STAGES.items():
        found = runs[name]
        looks = [[run[look]["near"] for run in found] for look in ("real", "own")]
        lines.append([words, *map(seeds_text, looks), seeds_text([run["real"]["pa_mpjpe"] for run in found], 0)])
    return text_table(lines)


def judge_table(runs: Runs | None = None) -> str:
    """L_cos after stage 1, as the VGG that learned along sees it and as an untouched one does."""
    runs = shipped_runs("training") if runs is None else runs
    lines = [["stage 1", "L_cos by its own VGG", "L_cos by an untouched VGG"]]
    for name in ("start", "style", "style_fixed"):
        seen = [[run["style"][judge]["cosine"] for run in runs[name]] for judge in ("own", "untouched")]
        lines.append([STAGES[name].removeprefix("1 style, "), *(seeds_text(values, 3) for values in seen)])
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
        words = change.signed() if len(before) > 2 else f"{change.mean:+.1f}"
        lines.append([name, seeds_text(before), seeds_text(after), words, f"{supervised - without:+.1f}"])
    return text_table(lines)


def styles_table(runs: Runs | None = None) -> str:
    """NAPA's table 1 and ours: PCKh@0.25 on figures in art by the styles of the people that G was fine-tuned on.

    "1 style" is the mean over the twelve networks that saw one style each; "3" to "12" are means of so many networks'
    predictions, "12, their median" what lies in the middle of these.
    """
    found: dict[str, list[float]] = {name: [] for name in STYLES}
    for run in (shipped_runs("training") if runs is None else runs)["styles"]:
        by_training = _by_training(run["rows"])
        averaged = {str(row["styles"]): row["art"]["0.25"] for row in run["averaged"]}
        rates = averaged | {name: looks["art"] for name, looks in by_training.items()}
        rates["median"] = next(row["median"]["0.25"] for row in run["averaged"] if row["styles"] == 12)
        for name, values in found.items():
            values.append(rates[name])
    lines = [["trained on people", "ours (%)", "less the untouched", "the paper's"]]
    for name, (words, paper) in STYLES.items():
        change = paired_interval(found["untouched"], found[name])
        less = "" if name == "untouched" else change.signed()
        lines.append([words, seeds_text(found[name]), less, paper])
    return text_table(lines)


def people_table(runs: Runs | None = None) -> str:
    """What the trainings bring on people whom none was trained on, and the change against untouched pictures.

    People: joints within 2 % of the box's side; art: `PCKh@0.25`. "Longer" are trainings of 800 steps, not 200, beside
    the untouched one of as many. "Styles - people" is the change on people in the twelve styles less that on people as
    they are: what it brings to learn from the kind of picture that one is measured on.
    """
    runs = shipped_runs("training") if runs is None else runs
    shown = [_by_training(run["rows"]) for run in runs["styles"]]
    longer = [{row["real"]: _looks(row) for row in run["rows"]} for run in runs["longer"]]
    lines = [["trained on people", *STYLE_LOOKS.values(), "styles - people"]]
    for name in ("nothing", "untouched", "1", "many"):
        lines.append([STYLES[name][0], *_changes(shown, "untouched", name)])
    for share, words in LONGER.items():
        lines.append([words, *_changes(longer, 1.0, share)])
    return text_table(lines)


def _looks(row: Mapping[str, Any]) -> dict[str, float]:
    """What one network finds, in per cent, by look."""
    return {look: 100 * found["near"] for look, found in row["on"].items()} | {"art": row["art"]["0.25"]}


def _changes(runs: Sequence[Mapping[Any, Mapping[str, float]]], before: object, after: object) -> list[str]:
    """A training's numbers over the seeds, look by look, and in brackets their change against another training."""
    cells = []
    for look in STYLE_LOOKS:
        values = [run[after][look] for run in runs]
        change = paired_interval([run[before][look] for run in runs], values)
        cells.append(seeds_text(values) + (f" ({change.signed()})" if after != before else ""))
    apart = [[run[name]["many"] - run[name]["untouched"] for run in runs] for name in (before, after)]
    own = paired_interval(*apart)
    return [*cells, own.signed() if after != before else ""]


def _by_training(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Numbers of each training by its stored name; "1" is their mean over those on one style each."""
    found = {row["trained_on"]: _looks(row) for row in rows}
    alone = [values for name, values in found.items() if name not in STYLES]
    mean = {key: sum(values[key] for values in alone) / len(alone) for key in alone[0]}
    return {name: values for name, values in found.items() if name in STYLES} | {"1": mean}


def mixing_rates(runs: Runs | None = None) -> dict[str, dict[float, list[float]]]:
    """Joints found, in per cent and seed by seed, by the share of real pictures that G was fine-tuned on.

    "untouched" and "many" are validation people as they are and in mixtures of the twelve styles, joints within 2 % of
    the box's side; "art" is `PCKh@0.25` on figures in art.
    """
    rows = [row for run in (shipped_runs("training") if runs is None else runs)["mixing"] for row in run["rows"]]
    found: dict[str, dict[float, list[float]]] = {look: {share: [] for share in MIXED} for look in MIXING_LOOKS}
    for row in rows:
        for look in ("untouched", "many"):
            found[look][row["real"]].append(100 * row["on"][look]["near"])
        found["art"][row["real"]].append(row["art"]["0.25"])
    return found


def mixing_table(runs: Runs | None = None) -> str:
    """NAPA's table 3 and ours: what is found by the share of real pictures, and the change against none of them."""
    rates = mixing_rates(runs)
    lines = [["real", *MIXING_LOOKS.values(), "the paper's: real (mm)", "art (%)"]]
    for share, paper in MIXED.items():
        cells = [f"{100 * share:.0f} %"]
        for found in rates.values():
            change = paired_interval(found[0.0], found[share])
            cells.append(seeds_text(found[share]) + (f" ({change.signed()})" if share else ""))
        lines.append([*cells, *paper])
    return text_table(lines)


def labels_errors(runs: Runs | None = None) -> dict[str, dict[str, list[float]]]:
    """PA-MPJPE in mm, seed by seed, by the kind of label: of the "labels" themselves, and of what learned from them.

    "rest" is what follows in the pictures' clips, "others" other clips.
    """
    found = (shipped_runs("training") if runs is None else runs)["pseudo"]
    return {
        name: {part: [run[part][name] for run in found if name in run[part]] for part in ("labels", "rest", "others")}
        for name in LABELS
    }


def labels_table(runs: Runs | None = None) -> str:
    """How wrong each kind of label is, and what learned from it: PA-MPJPE in mm, and the change against no pictures."""
    errors = labels_errors(runs)
    lines = [["depth of the pictures", "the labels", "on what follows in their clips", "on other clips"]]
    for name, found in errors.items():
        cells = [LABELS[name], seeds_text(found["labels"]) if found["labels"] else ""]
        for part in ("rest", "others"):
            change = paired_interval(errors["none"][part], found[part])
            cells.append(seeds_text(found[part]) + ("" if name == "none" else f" ({change.signed()})"))
        lines.append(cells)
    return text_table(lines)
