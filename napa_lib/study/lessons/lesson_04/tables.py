"""Lesson 04's tables and curves: rows of the paper's table 2 from stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from napa_lib.adversarial import FIXED_ROWS, LIMBS, ROWS
from napa_lib.results import Interval, change_text, each, interval, text_table
from napa_lib.study.guesses import mark_guess

Results = Mapping[str, Sequence[dict]]  # row -> the results of its seeds
WORLDS = ("lab", "wild", "unseen")
BASE = "baseline_fix_2d"
PAPER = {  # table 2, Human3.6M, mm: Protocol #1 with the (x, y) that were found, the mean over all joints
    "baseline_fix_2d": 65.2, "baseline": 64.8, "map": 61.3, "geo": 60.3, "full_fix_2d": 63.1,
    "full_without_pretraining": 63.4, "full": 59.7,
}  # fmt: skip
UNSEEN = "PCK: per cent of joints within 150 mm. AUC: its mean over bounds from 0 to 150 mm. With the (x, y) found."
LABELS = {name: row.label for name, row in {**ROWS, **FIXED_ROWS}.items()}
FIXED = ("baseline_fix_2d", "map_fix_2d", "geo_fix_2d", "full_fix_2d", "descriptor_fix_2d")  # depths alone are learned
JOINT = ("baseline", "map", "geo", "full", "full_without_pretraining")  # 2D module and depths together
ORDER = (*FIXED, *JOINT)
_LOOKS = {
    "baseline": ("-", "o", "black"), "map": ("--", "s", "#D55E00"), "geo": ("-.", "^", "#0072B2"),
    "full": (":", "D", "#009E73"), "descriptor": ("-", "x", "#CC79A7"),
}  # fmt: skip
STYLES = {row: _LOOKS[row.split("_")[0]] for row in ORDER} | {"full_without_pretraining": ("-", "v", "#E69F00")}


def values(results: Results, row: str, *path: str) -> list[float]:
    """One number of every seed's errors, such as ("lab", "mpjpe", "all")."""
    return each(results.get(row, ()), "errors", *path)


def words(found: Interval, digits: int = 0) -> str:
    """Mean and half width of an interval."""
    return f"{found.mean:.{digits}f} ± {found.half:.{digits}f}"


def errors_table(results: Results, kind: str = "mpjpe_true_2d") -> str:
    """Errors in mm on the three worlds: the mean over seeds and half the width of its 95 % interval.

    The last line is what true keypoints give without any depth. The paper's errors stand beside "mpjpe" alone: they are
    of Protocol #1 with the (x, y) that its 2D module found.
    """
    lines: list[list[str]] = [["error (mm)", *WORLDS]]
    for row in ORDER:
        cells = [words(interval(values(results, row, world, kind, "all"))) for world in WORLDS]
        lines.append([LABELS[row], *cells])
    measure = "mpjpe" if kind == "mpjpe_true_2d" else kind
    flat = [f"{values(results, BASE, world, 'flat', measure)[0]:.0f}" for world in WORLDS]
    lines.append(["true (x, y), no depth", *flat])
    if kind == "mpjpe":
        paper = ["paper, Human3.6M", *(f"{PAPER.get(row, '-')}" for row in ORDER), "-"]
        lines = [[*line, cell] for line, cell in zip(lines, paper, strict=True)]
    return text_table(lines)


def limbs_table(results: Results, world: str) -> str:
    """The columns of table 2: errors of one world limb by limb, in mm."""
    lines: list[list[str]] = [[f"{world} (mm)", *LIMBS, "all"]]
    for row in ORDER:
        cells = [words(interval(values(results, row, world, "mpjpe_true_2d", limb))) for limb in (*LIMBS, "all")]
        lines.append([LABELS[row], *cells])
    return text_table(lines)


FIXED_PAIRS = (*((BASE, row) for row in FIXED[1:]), ("map_fix_2d", "geo_fix_2d"), ("geo_fix_2d", "full_fix_2d"))
JOINT_PAIRS = (
    ("baseline", "map"), ("baseline", "geo"), ("baseline", "full"), ("map", "geo"), ("geo", "full"),
    ("full_without_pretraining", "full"), (BASE, "baseline"), ("full_fix_2d", "full"),
)  # fmt: skip


def differences(results: Results, pairs: Sequence[tuple[str, str]] = FIXED_PAIRS, kind: str = "mpjpe_true_2d") -> str:
    """What the second of each two rows changes, in mm, paired by seed; a star where the interval leaves zero out."""
    lines: list[list[str]] = [["from - to (mm)", *WORLDS]]
    for one, other in pairs:
        cells = [
            change_text(values(results, one, world, kind, "all"), values(results, other, world, kind, "all"), 0)
            for world in WORLDS
        ]
        lines.append([f"{LABELS[one]} - {LABELS[other]}", *cells])
    return text_table(lines)


PROTOCOL_2 = (
    "Each pose turned and moved onto the truth, not scaled (a rigid transform, as the paper words it), with the (x, y) "
    "found. The paper's final model, Full with four hourglasses, has 37.7 mm on Human3.6M."
)
SCALED = "Scaled as well, as PA-MPJPE in later papers: nothing of the paper's is to be set beside it."


def procrustes(results: Results, kind: str = "rigid_mpjpe") -> str:
    """Errors after each pose is laid onto the truth, "rigid_mpjpe" or "pa_mpjpe", and the differences they show."""
    return "\n\n".join(
        [errors_table(results, kind), *(differences(results, p, kind) for p in (FIXED_PAIRS, JOINT_PAIRS))]
    )


def unseen_table(results: Results) -> str:
    """Table 4: the unseen world's 3DPCK at 150 mm and the area under its curve, in per cent, found (x, y)."""
    lines: list[list[str]] = [["unseen world (%)", "baseline", "full", "change", "paper: baseline, ours"]]
    for name, key, paper in (("PCK", "pck", "50.1, 69.0"), ("AUC", "auc", "21.6, 32.0")):
        one, other = (values(results, row, "unseen", key) for row in ("baseline", "full"))
        lines.append([name, words(interval(one), 1), words(interval(other), 1), change_text(one, other), paper])
    return text_table(lines)


def keypoints_table(results: Results) -> str:
    """Table 3: PCKh@0.5 of the 2D module in per cent, as its pre-training left it and after training as a whole.

    All columns count the twelve limb joints. A head's size is that from neck to head in 3D in the three worlds, and 0.6
    times the diagonal of the head's box in art.
    """
    worlds = (*WORLDS, "art")
    lines = [["PCKh@0.5 of the 2D module (%)", *WORLDS, "figures in art"]]
    before = [f"{values(results, BASE, world, 'pckh')[0]:.1f}" for world in worlds]
    lines.append(["pre-trained, as in all rows with 2D fixed", *before])
    for row in JOINT:
        lines.append([LABELS[row], *(words(interval(values(results, row, world, "pckh")), 1) for world in worlds)])
    base, *rows = JOINT
    for one, other in ((BASE, base), *((base, row) for row in rows)):
        changed = [change_text(values(results, one, w, "pckh"), values(results, other, w, "pckh")) for w in worlds]
        lines.append([f"{'pre-trained' if one == BASE else LABELS[one]} - {LABELS[other]}", *changed])
    return text_table(lines)


def plausible(results: Results) -> str:
    """Per cent of angles that no joint takes, and longer limb to its opposite, on each world, beside the truth."""
    lines: list[list[str]] = [["", *WORLDS]]
    for row in ORDER:
        for name, key, digits in (("impossible angles (%)", "impossible", 1), ("longer side / shorter", "lopsided", 2)):
            cells = [words(interval(values(results, row, w, "plausibility", key)), digits) for w in WORLDS]
            lines.append([f"{LABELS[row]}: {name}", *cells])
    truth = [f"{values(results, BASE, world, 'truth', 'impossible')[0]:.1f}" for world in WORLDS]
    return text_table([*lines, ["the truth: impossible angles (%)", *truth]])


def plausible_changes(results: Results) -> str:
    """What each judge changes of `plausible`, from its group's baseline, paired by seed; stars as in `differences`."""
    lines: list[list[str]] = [["change from the baseline", *WORLDS]]
    for base, *rows in (FIXED, JOINT):
        for row in rows:
            for name, key, digits in (("impossible angles (%)", "impossible", 1), ("longer / shorter", "lopsided", 2)):
                path = "plausibility", key
                pairs = ((values(results, base, w, *path), values(results, row, w, *path)) for w in WORLDS)
                lines.append([f"{LABELS[row]}: {name}", *(change_text(one, other, digits) for one, other in pairs)])
    return text_table(lines)


LAMBDAS = {0.0: "no advice", 1.2e-6: "eq. 5 as printed", 1e-4: "the paper's number", 1.6e-3: "the rows above"}


def lambda_table(found: Mapping) -> str:
    """What lambda does to `Geo (fix 2D)`: errors in mm, their change from lambda = 0, paired by seed, and the sizes.

    Args:
        found: result of `napa_lib.adversarial.lambdas`.
    """
    changes = [f"change in the {world}" for world in WORLDS[:2]]
    lines = [["lambda", "", "lab (mm)", "wild (mm)", *changes, "judge's term / depths'"]]
    none = found["lambdas"][0]
    for row in found["lambdas"]:
        weight = row["lambda"]
        errors = [words(interval(row[world])) for world in WORLDS[:2]]
        moved = [change_text(none[world], row[world]) if weight else "-" for world in WORLDS[:2]]
        terms = zip(row["fooling"], row["depths"], strict=True)
        size = fmean(weight * fooling / (found["config"]["depth"] * depths) for fooling, depths in terms)
        lines.append([f"{weight:g}", LAMBDAS.get(weight, ""), *errors, *moved, f"{size:.2g}"])
    return text_table(lines)


def curves(results: Results, rows: Sequence[str] = FIXED, guess: float | None = None) -> Figure:
    """Figure 5: errors on validation pictures while training, the mean over seeds; the bars are the seeds' range.

    Args:
        results: of the rows.
        rows: which of them.
        guess: the reader's prediction of where the best row with a judge ends in the wild, in mm; None for none.
    """
    page, axes = plt.subplots(1, 2, figsize=(7.2, 3.1))
    for axis, world in zip(axes, ("lab", "wild"), strict=True):
        for row in rows:
            line, marker, color = STYLES[row]
            records = [report["record"] for report in results.get(row, ())]
            steps = [entry["step"] for entry in records[0]]
            errors = np.array([[entry[f"mpjpe_true_2d_{world}"] for entry in record] for record in records])
            mean = errors.mean(0)
            span = np.stack([mean - errors.min(0), errors.max(0) - mean])
            axis.errorbar(
                steps, mean, yerr=span, linestyle=line, marker=marker, color=color, markersize=4, linewidth=1.4,
                elinewidth=0.6, label=LABELS[row].removesuffix(" (fix 2D)"),
            )  # fmt: skip
        axis.set(xlabel="training steps", ylabel="error (mm)" if world == "lab" else "", title=world)
        axis.set_ylim(0, None)
    mark_guess(axes[1], y=guess)
    axes[1].legend(fontsize=8)
    return page


def noticed_table(found: Mapping[str, Mapping[str, float]], guess: str | None = None) -> str:
    """How often each judge prefers the true pose, in per cent; a mark where a reader said `geo` would not notice."""
    names = list(next(iter(found.values())))
    lines = [["prefers the true pose (%)", *names, *(["your prediction"] if guess else [])]]
    for what, cells in found.items():
        mark = ["◆ geo cannot notice" if what == guess else ""] if guess else []
        lines.append([what, *(f"{cells[name]:.0f}" for name in names), *mark])
    return text_table(lines)
