"""Measure what ways to draw a pose are worth, over seeds: `python -m napa_lib.sampling.experiments --out FILE`.

Of motion capture: how many poses keep the limits, joint by joint. Of drawn poses, by joint limits, by limits with
impossible limbs drawn anew, by directions at random and by a Gaussian along the principal components of the training
clips: what share keeps the limits, what share no body could take, and how near the nearest comes to the test clips'
poses. Of as many as the paper draws, a million, the last alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import loop, results
from napa_lib.experiments import Experiment
from napa_lib.files import prepare_file
from napa_lib.sampling.evaluate import (
    implausible_share,
    local_directions,
    mocap_poses,
    nearest_distances,
    random_directions,
    share_inside,
)
from napa_lib.sampling.limits import SKELETON
from napa_lib.sampling.networks import COLUMNS, EMBEDDING, place_directions
from napa_lib.sampling.sample import join_local, sample_canonical
from napa_lib.sampling.train import SOURCES

RUNS = "runs/sampling"
VARIANTS = {  # what the terms of the loss are worth: options of the training
    "no_adversarial": "--adversarial 0",
    "full_adversarial": "--adversarial 1",
    "own_cycle": "--cycle poses",
}


def _training(name: str, options: str) -> Experiment:
    start = f"{RUNS}/{name}_{{seed}}"
    command = f"napa_lib.sampling.train {options} --seed {{seed}} --out {start}.safetensors --results {start}.json"
    return Experiment(command, f"{start}.json", 60, (0, 1, 2))


EXPERIMENTS = {  # `make results ONLY=05`; tools/ship_sampling.py puts what ships of them among the assets
    "analysis": Experiment(f"napa_lib.sampling.experiments --out {RUNS}/analysis.json", f"{RUNS}/analysis.json", 120),
    **{poses: _training(poses, f"--poses {poses}") for poses in SOURCES},
    **{
        f"{poses}_{name}": _training(f"{poses}_{name}", f"--poses {poses} {options}")
        for poses in ("limits", "mocap")
        for name, options in VARIANTS.items()
    },
}

MILLION, PART = 1_000_000, 50_000  # the paper's number of poses, and how many are drawn at a time


def principal_poses(n: int, generator: torch.Generator) -> Tensor:
    """Canonical poses from a Gaussian along the first 32 principal components of motion capture's local directions.

    As many numbers as the autoencoder's embedding has; the bones are put back to unit length.
    """
    free = [SKELETON.index(name) for name in COLUMNS]
    data = local_directions(mocap_poses("train"))[:, free].flatten(1)
    mean = data.mean(0)
    _, spread, directions = torch.linalg.svd(data - mean, full_matrices=False)
    weights = torch.randn(n, EMBEDDING, generator=generator) * spread[:EMBEDDING] / len(data) ** 0.5
    vectors = (mean + weights @ directions[:EMBEDDING]).unflatten(-1, (-1, 3))
    # the right hip's vector is given its half-plane's form: its height over its reach to the right
    vectors[:, 0, 2] = vectors[:, 0, 2] / vectors[:, 0, 1].abs().clamp_min(1e-3)
    return join_local(place_directions(vectors))


WAYS: dict[str, Callable[[int, torch.Generator], Tensor]] = {
    "joint limits": lambda n, g: sample_canonical(n, generator=g),
    "limits, impossible limbs anew": lambda n, g: sample_canonical(n, generator=g, conditioned=True),
    "random directions": random_directions,
    "principal components": principal_poses,
}
UNSEEN = ("joint limits", "random directions")  # ways that are quick enough for a million


def measure(seeds: list[int], poses: int, million: int = MILLION) -> dict:
    """Everything, as `results.write` wants it."""
    real = {split: mocap_poses(split) for split in ("train", "validation", "test")}
    drawn: dict[str, dict] = {}
    for name, draw in WAYS.items():
        row: dict = {"inside": [], "implausible": [], "limbs": [], "intersection": [], "nearest_mm": []}
        for seed in seeds:
            samples = draw(poses, torch.Generator().manual_seed(seed))
            share = implausible_share(samples)
            row["inside"].append(share_inside(samples)["pose"])
            row["implausible"].append(share["either"])
            row["limbs"].append(share["limbs"])
            row["intersection"].append(share["intersection"])
            row["nearest_mm"].append(float(nearest_distances(real["test"], samples).mean()))
        drawn[name] = row
        print(name, row, flush=True)
    return {
        "mocap": {split: {"inside": share_inside(p), "implausible": implausible_share(p)} for split, p in real.items()},
        "drawn": drawn,
        "poses": poses,
        "of_a_million_mm": {
            name: [nearest_of(WAYS[name], real["test"], million, seed) for seed in seeds] for name in UNSEEN
        },
        "million": million,
    }


def nearest_of(draw: Callable[[int, torch.Generator], Tensor], real: Tensor, count: int, seed: int) -> float:
    """Mean distance in mm of real poses (N, 17, 3) from the nearest of many, of which a part at a time is in memory."""
    generator = torch.Generator().manual_seed(seed)
    parts = [min(PART, count - start) for start in range(0, count, PART)]
    best = torch.stack([nearest_distances(real, draw(part, generator)) for part in parts])
    return float(best.amin(0).mean())


def main(arguments: list[str] | None = None) -> None:
    """Measure and write one result."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.sampling.experiments", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--poses", type=int, default=10_000, help="drawn a seed and way")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with loop.command():
        if options.poses < 1:
            raise ValueError(f"--poses must be at least 1, got {options.poses}")
        prepare_file(options.out)
        found = measure(options.seeds, options.poses)
        command = results.command_line("python -m napa_lib.sampling.experiments", arguments)
        results.write(options.out, found, command, time.monotonic() - started, {"poses": options.poses}, options.seeds)


if __name__ == "__main__":
    main()
