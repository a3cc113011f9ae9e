"""Lesson 07's table of faces: the same system with 68 points."""

from __future__ import annotations

from napa_lib.adaptation.faces import TURNED
from napa_lib.results import change_text, text_table
from napa_lib.study.lessons.lesson_07.tables import Runs, mean_of, over

ROWS = {  # name -> the set of poses, what a detector learns from, the paper's px and PCK
    "Direct: the source, with mixed": ("source", "direct", "18.78, 0.101"),
    "mixed alone": ("mixup", "mixup", "-"),
    "Ours: adapted, with mixed": ("adapted", "ours", "11.64, 0.482"),
    "Ours: taught and widened": ("wide", "wide", "-"),
    "Aligned: all of the target": ("pool", "aligned", "8.25, 0.425"),
}
TAUGHT = "wide"  # measured by `napa_lib.adaptation.reading`


def faces_table(runs: Runs) -> str:
    """Six targets: how far each set of faces is from held-out ones, paired with the mixed, and a detector's errors.

    What was measured with a taught beta is paired with the mixed and with Direct of the same runs. A detector that
    learned from mixed faces alone is of the other runs, with the same shots and seeds.
    """
    alone = over(TURNED, runs, "detector", "mixup", "px")
    reading = {name: runs[f"reading_{name}"] for name in TURNED}
    lines = [["faces", "squared MMD", "minus the mixed's", "error (px)", "minus Direct's", "minus the mixed's",
              "PCK@20 (%)", "paper: px, PCK@20"]]  # fmt: skip
    for name, (poses, learned, paper) in ROWS.items():
        of = reading if poses == TAUGHT else runs
        mixed = over(TURNED, of, "distances", "mixup", "mmd")
        direct = over(TURNED, of, "detector", "direct", "px")
        mmd = over(TURNED, of, "distances", poses, "mmd")
        pixels = over(TURNED, of, "detector", learned, "px")
        rate = [100 * v for v in over(TURNED, of, "detector", learned, "pck20")]
        lines.append([
            name, mean_of(mmd, 3), "-" if poses == "mixup" else change_text(mixed, mmd, 3), mean_of(pixels, 1),
            "-" if learned == "direct" else change_text(direct, pixels, 2),
            "-" if learned == "mixup" else change_text(alone, pixels, 2), mean_of(rate, 0), paper,
        ])  # fmt: skip
    return text_table(lines)
