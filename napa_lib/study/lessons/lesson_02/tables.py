"""Lesson 02's tables: what was measured of fits and of lifting, over three seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napa_lib.results import seeds_text, shipped, shipped_runs, text_table

CASES = {
    "clean": "clean", "noisy": "2 % noise", "incomplete": "4 joints missing", "training_clips": "training clips",
}  # fmt: skip
LONGER = {  # stored trainings -> what they are
    "bones_longer": "bones, 16,000 steps", "bones_longer_wider": "bones, 16,000 steps, twice as wide",
    "bones_paper_tiny": "bones, 5,000 steps of 16", "bones_paper": "bones, 5,000 steps of 16, the paper's network",
    "coordinates_longer": "coordinates, 16,000 steps",
}  # fmt: skip


def stored(name: str) -> dict[str, Any]:
    """A result of chapter 2: "fit", "reach", "depth" or "why"."""
    return shipped(f"lifting/{name}")


def mean_and_half(entry: Mapping[str, float], unit: str = "", digits: int = 1) -> str:
    """A mean and half its 95 % interval over seeds as text.

    >>> mean_and_half({"mean": 110.94, "half_width_95": 0.82}, " mm")
    '110.9 +- 0.8 mm'
    """
    return f"{entry['mean']:.{digits}f} +- {entry['half_width_95']:.{digits}f}{unit}"


def fit_table() -> str:
    """How many scattered poses found back to the pose of their bone map, seed by seed, and the command."""
    result = stored("fit")
    lines = [result["command"]]
    for run in result["runs"]:
        others = f"as good: {run['not_arrived_map_as_good']}, stuck: {run['not_arrived_map_worse']}"
        lines.append(f"seed {run['seed']}: {run['under_1_px']} of {run['poses']} end under 1 px, {others}")
    share = mean_and_half(result["share_under_1_px"], digits=3)
    return "\n".join([*lines, f"{share} of all poses (mean and 95 % interval over seeds)"])


def depth_table() -> str:
    """Errors of three inputs on clips that no training saw, beside those of each bone's mean depth."""
    result = stored("depth")
    flat = result["mean_depth"]["clean"]["all"]
    lines = [result["command"], f"mean depth:   MPJPE {flat['mpjpe']:.1f} mm, PA-MPJPE {flat['pa_mpjpe']:.1f} mm"]
    for name, entry in result["inputs"].items():
        error, aligned = (mean_and_half(entry["summary"]["clean"][m], " mm") for m in ("mpjpe", "pa_mpjpe"))
        lines.append(f"{name + ':':13} MPJPE {error}, PA-MPJPE {aligned}")
    return "\n".join(lines)


def longer_table() -> str:
    """MPJPE of bone maps and of coordinates after four times as many steps, and of larger networks."""
    short = {name: entry["summary"] for name, entry in stored("depth")["inputs"].items() if name != "points"}
    rows = {
        f"{name}, 4,000 steps": [summary[case]["mpjpe"]["values"] for case in CASES] for name, summary in short.items()
    }
    runs = shipped_runs("lifting")
    rows |= {
        words: [[run[case]["all"]["mpjpe"] for run in runs[name]] for case in CASES] for name, words in LONGER.items()
    }
    lines = [["MPJPE in mm of", *CASES.values()]]
    return text_table(lines + [[words, *map(seeds_text, rows[words])] for words in sorted(rows)])
