"""Read the stored results of trainings: which runs there are, and means over seeds with an interval."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from napa_lib.data import asset_path, list_assets

FOLDER = "results/bottleneck"
STUDENT = (
    12.706,
    4.303,
    3.182,
    2.776,
    2.571,
    2.447,
    2.365,
    2.306,
    2.262,
)  # 97.5 % quantiles, 1 to 9 degrees of freedom
NAME = re.compile(r"(?P<run>\w+)_(?P<seed>\d+)\.json")


def read_results(folder: str | Path | None = None) -> dict[str, list[dict]]:
    """The reports of all runs, by name without the seed: {"ours": [seed 0's, seed 1's, …], …}.

    Args:
        folder: where the `--results` of `python -m napa_lib.bottleneck.train` lie as NAME_SEED.json; None for those
            that ship.

    Raises:
        ValueError: if there are none, or one is not JSON.
    """
    if folder is None:
        paths = [asset_path(name) for name in list_assets(FOLDER)]
    else:
        paths = sorted(Path(folder).glob("*.json"))
    found: dict[str, list[dict]] = defaultdict(list)
    for path in paths:
        if match := NAME.fullmatch(path.name):
            found[match["run"]].append(json.loads(path.read_text(encoding="utf-8")))
    if not found:
        raise ValueError(f"folder must hold results named NAME_SEED.json, got {folder or FOLDER} without any")
    return dict(found)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean of some runs, and half the width of Student's 95 % interval for it; infinite for a single run.

    Raises:
        ValueError: for no values, or more than ten.

    >>> mean, half = interval([1.0, 2.0, 3.0])
    >>> round(mean, 3), round(half, 3)
    (2.0, 2.484)
    """
    if not 1 <= len(values) <= len(STUDENT) + 1:
        raise ValueError(f"values must hold from 1 to {len(STUDENT) + 1} numbers, got {len(values)}")
    runs = torch.tensor(list(values), dtype=torch.float64)
    if len(runs) == 1:
        return float(runs[0]), math.inf
    return float(runs.mean()), STUDENT[len(runs) - 2] * float(runs.std()) / math.sqrt(len(runs))
