"""Lesson 07's tables: what was measured, over targets and seeds with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from napa_lib.adaptation.measure import MEASURED_ON
from napa_lib.results import change_text, each, interval, paired_interval, text_table

Runs = Mapping[str, Sequence[Mapping[str, Any]]]  # target or variant -> the results of its seeds
KINDS = {"source": "source", "mixup": "mixup alone", "adapted": "adapted", "pool": "first half itself"}
MEASURES = {"energy": "energy distance", "mmd": "squared MMD"}
DETECTORS = {
    "direct": ("Direct: source + mixed", "12.66, 0.00"),
    "mixup": ("mixed alone", "-"),
    "ours": ("Ours: adapted + mixed", "5.98, 0.47"),
    "aligned": ("Aligned: the first half", "2.96, 0.84"),
}
WAYS = {
    "all": ("all layers", "4.50"),
    "layer3": ("layer 3", "3.79"),
    "layers13": ("layers 1 and 3", "3.82"),
    "layers35": ("layers 3 and 5", "4.02"),
    "random": ("all layers, random pairs", "-"),
    "shots24": ("24 shots", "3.80"),
    "shots48": ("48 shots", "3.73"),
    "artificial": ("source: artificial poses", "-"),
    "union": ("source: half of each", "-"),
    "white": ("white bones, one channel", "4.15"),
}
LAYERS = [WAYS[name][0] for name in ("all", "layer3", "layers13", "layers35")]  # to choose from
STUDIO = {  # what is made of fifty poses, or all -> the run of chapter 3 or of this one
    "the fifty alone": "ours_poses50",
    "stirred": "ours_poses50_stirred",
    "mixed": "studio_mixup",
    "FlexPose": "studio_flexpose",
    "Direct": "studio_direct",
    "Ours": "studio_ours",
    "all 3200": "ours",
}
MADE = {
    "shots": "the fifty",
    "mixup": "mixed",
    "flexpose": "FlexPose",
    "direct": "Direct: source, with mixed",
    "ours": "Ours: FlexPose, with mixed",
    "source": "source",
}


def targets_of(runs: Runs) -> list[str]:
    """The targets that were measured."""
    return [name for name in MEASURED_ON if name in runs]


def values(runs: Runs, target: str, *path: str) -> list[float]:
    """One number of a target, seed by seed, such as ("distances", "adapted", "mmd")."""
    return each(runs[target], *path)


def over(targets: Iterable[str], runs: Runs, *path: str) -> list[float]:
    """The mean over seeds of one number, target by target."""
    return [fmean(values(runs, target, *path)) for target in targets]


def over_targets(runs: Runs, *path: str) -> list[float]:
    """As `over`, of the ten targets."""
    return over(targets_of(runs), runs, *path)


def nearer(runs: Runs, than: str, measure: str = "energy") -> tuple[int, int]:
    """In how many targets the adapted poses are nearer than another set, on the mean of the seeds; and surely so.

    Returns:
        both counts; "surely" is where the paired interval over seeds leaves zero out.
    """
    below = sure = 0
    for target in targets_of(runs):
        change = paired_interval(*(values(runs, target, "distances", kind, measure) for kind in (than, "adapted")))
        below += change.mean < 0
        sure += change.mean < 0 and change.excludes_zero
    return below, sure


def mean_of(numbers: Sequence[float], digits: int) -> str:
    mean, half = interval(numbers)
    return f"{mean:.{digits}f} " + (f"± {half:.{digits}f}" if len(numbers) > 1 else "(one run)")


def _each(numbers: Sequence[float], digits: int) -> str:
    """As `mean_of`, but two numbers are shown both: their interval would say nothing."""
    return " and ".join(f"{n:.{digits}f}" for n in numbers) if len(numbers) == 2 else mean_of(numbers, digits)


def distances_table(runs: Runs) -> str:
    """Energy distance from held-out poses, a line a target, means over seeds; below, over targets, all measures."""
    lines = [["distance from held-out poses", *KINDS.values()]]
    for target in targets_of(runs):
        lines.append([target, *(f"{fmean(values(runs, target, 'distances', kind, 'energy')):.3f}" for kind in KINDS)])
    for measure, name in MEASURES.items():
        cells = [mean_of(over_targets(runs, "distances", kind, measure), 3) for kind in KINDS]
        lines.append([f"{name}, all targets", *cells])
    covered = [mean_of([100 * v for v in over_targets(runs, "distances", kind, "coverage")], 0) for kind in KINDS]
    return text_table([*lines, ["coverage (%), all targets", *covered]])


def changes_table(runs: Runs) -> str:
    """What adaptation changes, paired target by target: a star where the interval leaves zero out."""
    lines = [["adapted against", "measure", "change", "targets nearer", "surely"]]
    for kind in ("source", "mixup"):
        for measure, name in MEASURES.items():
            before, after = (over_targets(runs, "distances", k, measure) for k in (kind, "adapted"))
            below, sure = nearer(runs, kind, measure)
            of = f"{below} of {len(targets_of(runs))}"
            lines.append([KINDS[kind], name, change_text(before, after, 3), of, f"{sure}"])
    return text_table(lines)


def detector_table(runs: Runs) -> str:
    """The stand-in detector, over targets: error in px on a side of 128, PCK; and the change from Direct, paired."""
    lines = [["annotations", "error (px)", "PCK@10 (%)", "PCK@20 (%)", "error minus Direct's", "paper: px, PCK@10"]]
    direct = over_targets(runs, "detector", "direct", "px")
    for kind, (words, paper) in DETECTORS.items():
        pixels = over_targets(runs, "detector", kind, "px")
        rates = [mean_of([100 * v for v in over_targets(runs, "detector", kind, key)], 0) for key in ("pck10", "pck20")]
        change = "-" if kind == "direct" else change_text(direct, pixels, 2)
        lines.append([words, mean_of(pixels, 1), *rates, change, paper])
    return text_table(lines)


def _marked(name: str, guess: str | None) -> str:
    return f"{name} ◆" if name == guess else name


def variants_table(runs: Runs, guess: str | None = None) -> str:
    """Ways to adapt, on the targets that choices were made on: means; paired with our own, intervals over seeds.

    The row that a reader predicted to be nearest is marked.
    """
    lines = [["way", "energy distance", "minus the first", "squared MMD", "minus the first", "loss", "paper (px)"]]
    for variant, (name, paper) in WAYS.items():
        cells = []
        for key in ("energy", "mmd"):
            found = variant_values(runs, variant, key)
            change = "-" if variant == "all" else change_text(variant_values(runs, "all", key), found, 3)
            cells += [f"{fmean(found):.3f}", change]
        loss = f"{fmean(variant_values(runs, variant, 'loss')):.1f}"
        lines.append([_marked(name, guess), *cells, loss, paper])
    return text_table(lines)


def curve(runs: Runs, key: str) -> list[list[float]]:
    """One number, "loss" or "energy", of adaptations of one layer alone: layer by layer the values of the seeds."""
    return [variant_values(runs, f"layer{number}", key) for number in range(1, 9)]


def variant_values(runs: Runs, variant: str, key: str) -> list[float]:
    """One number of a variant, the mean over its targets, seed by seed."""
    return [fmean(entry[key] for entry in run["variant"].values()) for run in runs[variant]]


def neighbours_table(runs: Runs) -> str:
    """How well a nearest neighbour tells each set from held-out poses, over ten targets; paired with the adapted."""
    told = {kind: judged(runs, "told_apart", kind) for kind in KINDS}
    lines = [["set", "told apart (%)", "minus the adapted poses'", "targets at 100 %"]]
    for kind, name in KINDS.items():
        change = "-" if kind == "adapted" else change_text(told["adapted"], told[kind], 1)
        always = sum(share >= 100 - 1e-9 for share in told[kind])
        lines.append([name, mean_of(told[kind], 1), change, f"{always} of {len(told[kind])}"])
    return text_table(lines)


def judged(runs: Runs, *path: str) -> list[float]:
    """A share of `napa_lib.adaptation.neighbours` in per cent, the mean over seeds, target by target."""
    found = []
    for target in MEASURED_ON:
        entries: list[Any] = [run["neighbours"][target] for run in runs["neighbours"]]
        for key in path:
            entries = [entry[key] for entry in entries]
        found.append(100 * fmean(entries))
    return found


def studio_table(runs: Runs, chapter3: Runs, guess: str | None = None) -> str:
    """Lesson 03's KeypointGAN on its studio's test people, trained with poses made of fifty, and with all.

    The row that a reader predicted to be best is marked.
    """
    lines = [["poses made of fifty", "no flips (%)", "with flips (%)", "seeds", "steps"]]
    for label, name in STUDIO.items():
        found = runs[name] if name in runs else chapter3[name]
        cells = [_each([run["errors"]["all"][key] for run in found], 2) for key in ("percent", "percent_flips")]
        lines.append([_marked(label, guess), *cells, f"{len(found)}", f"{found[0]['steps']:,}"])
    return text_table(lines)


def made_table(made: Mapping[str, Any]) -> str:
    """How far poses made of the studio's fifty are from its others: one result of `napa_lib.adaptation.studio`."""
    lines = [["", "energy distance", "coverage (%)"]]
    for kind, name in MADE.items():
        found = made["distances"][kind]
        lines.append([name, f"{found['energy']:.3f}", f"{100 * found['coverage']:.0f}"])
    return text_table(lines)
