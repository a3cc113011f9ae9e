"""Lesson 05's tables: what was measured, over seeds with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napa_lib.results import seeds_text, shipped, text_table

NAMES = {
    "limits": "joint limits (the paper's Psi_arti)",
    "conditioned": "limits, impossible limbs drawn anew",
    "mocap": "motion capture (Psi_mocap)",
}


def autoencoder_table(runs: Mapping[str, Sequence[dict]]) -> str:
    """Of each autoencoder, over its seeds: test poses and random embeddings there and back, and what these decode to.

    The last line is what coordinates uniform in [-1, 1] are off, on average, from an answer that is always 0.

    Args:
        runs: results by name, one a seed, as `napa_lib.results.shipped_runs("sampling")` gives them.
    """
    there = ["test pose there and back (mm)", "random embedding there and back"]
    lines = [["trained on", *there, "samples inside limits (%)", "samples possible (%)"]]
    for name, words in NAMES.items():
        if name not in runs:
            continue
        tests = [run["test"] for run in runs[name]]
        lines.append([
            words,
            seeds_text([t["reconstruction_mm"] for t in tests]),
            seeds_text([t["embedding"] for t in tests], 2),
            seeds_text([100 * t["inside"] for t in tests]),
            seeds_text([100 * (1 - t["implausible"]["either"]) for t in tests]),
        ])  # fmt: skip
    return text_table([*lines, ["answering 0 always", "-", "0.50", "-", "-"]])


TERMS = {
    "": "L_cyc + 0.01 L_adv",
    "_no_adversarial": "L_cyc alone",
    "_full_adversarial": "L_cyc + L_adv",
    "_own_cycle": "as the first, phi of the poses",
}


def terms_table(runs: Mapping[str, Sequence[dict]]) -> str:
    """What the terms of the loss are worth, over seeds: networks of two sources of poses, trained with and without.

    Args:
        runs: as for `autoencoder_table`.
    """
    lines = [
        ["trained on, with", "test pose (mm)", "random embedding", "samples possible (%)", "samples to a pose (mm)"]
    ]
    for source in ("limits", "mocap"):
        for end, words in TERMS.items():
            tests = [run["test"] for run in runs[source + end]]
            lines.append([
                f"{source}: {words}",
                seeds_text([t["reconstruction_mm"] for t in tests]),
                seeds_text([t["embedding"] for t in tests], 2),
                seeds_text([100 * (1 - t["implausible"]["either"]) for t in tests]),
                seeds_text([t["nearest_mm"] for t in tests], 0),
            ])  # fmt: skip
    return text_table(lines)


def baseline_table() -> str:
    """Of the ways to draw a pose without a network: inside the limits, possible, and how near real poses come."""
    found = shipped("sampling/analysis")["drawn"]
    lines = [["drawn", "inside limits (%)", "possible (%)", "nearest of 10,000 to a test pose (mm)"]]
    for name, row in found.items():
        lines.append([
            name,
            seeds_text([100 * v for v in row["inside"]]),
            seeds_text([100 * (1 - v) for v in row["implausible"]]),
            seeds_text(row["nearest_mm"], 0),
        ])  # fmt: skip
    return text_table(lines)
