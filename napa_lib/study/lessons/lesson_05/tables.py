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
    """Of each autoencoder, over its seeds: real test poses there and back, and what random embeddings decode to.

    Args:
        runs: results by name, one a seed, as `napa_lib.results.shipped_runs("sampling")` gives them.
    """
    lines = [["trained on", "test pose there and back (mm)", "samples inside limits (%)", "samples possible (%)"]]
    for name, words in NAMES.items():
        if name not in runs:
            continue
        tests = [run["test"] for run in runs[name]]
        lines.append([
            words,
            seeds_text([t["reconstruction_mm"] for t in tests]),
            seeds_text([100 * t["inside"] for t in tests]),
            seeds_text([100 * (1 - t["implausible"]["either"]) for t in tests]),
        ])  # fmt: skip
    return text_table(lines)


def baseline_table() -> str:
    """Of the ways to draw a pose without a network: inside the limits, possible, and how near real poses come."""
    found = shipped("sampling/analysis")["drawn"]
    lines = [["drawn", "inside limits (%)", "possible (%)", "nearest of 10,000 to a real pose (mm)"]]
    for name, row in found.items():
        lines.append([
            name,
            seeds_text([100 * v for v in row["inside"]]),
            seeds_text([100 * (1 - v) for v in row["implausible"]]),
            seeds_text(row["nearest_mm"], 0),
        ])  # fmt: skip
    return text_table(lines)
