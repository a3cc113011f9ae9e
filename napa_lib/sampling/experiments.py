"""Measure what ways to draw a pose are worth, over seeds: `python -m napa_lib.sampling.experiments --out FILE`.

Against motion capture's training poses: how many keep the limits, joint by joint; and of drawn poses, by joint limits,
by limits with impossible limbs drawn anew, by directions at random and by a Gaussian along motion capture's principal
components: what share keeps the limits, what share no body could take, how near the nearest drawn pose comes.
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
EXPERIMENTS = {  # `make results ONLY=05`; tools/ship_sampling.py puts what ships of them among the assets
    "analysis": Experiment(f"napa_lib.sampling.experiments --out {RUNS}/analysis.json", f"{RUNS}/analysis.json", 120),
    **{
        poses: Experiment(
            f"napa_lib.sampling.train --poses {poses} --seed {{seed}} --out {RUNS}/{poses}_{{seed}}.safetensors "
            f"--results {RUNS}/{poses}_{{seed}}.json",
            f"{RUNS}/{poses}_{{seed}}.json",
            60,
            (0, 1, 2),
        )
        for poses in SOURCES
    },
}

NEAREST = (1000, 3000, 10_000)  # drawn poses among which the nearest is looked for


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


def measure(seeds: list[int], poses: int) -> dict:
    """Everything, as `results.write` wants it."""
    counts = [n for n in NEAREST if n <= poses] or [poses]
    real = {split: mocap_poses(split) for split in ("train", "validation", "test")}
    drawn: dict[str, dict] = {}
    for name, draw in WAYS.items():
        row: dict = {"inside": [], "implausible": [], "limbs": [], "intersection": [], "nearest_mm": [], "curve": []}
        for seed in seeds:
            samples = draw(poses, torch.Generator().manual_seed(seed))
            share = implausible_share(samples)
            row["inside"].append(share_inside(samples)["pose"])
            row["implausible"].append(share["either"])
            row["limbs"].append(share["limbs"])
            row["intersection"].append(share["intersection"])
            curve = [float(nearest_distances(real["train"], samples[:n]).mean()) for n in counts]
            row["curve"].append(curve)
            row["nearest_mm"].append(curve[-1])
        drawn[name] = row
        print(name, row, flush=True)
    return {
        "mocap": {split: {"inside": share_inside(p), "implausible": implausible_share(p)} for split, p in real.items()},
        "drawn": drawn,
        "poses": poses,
        "nearest_of": counts,
    }


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
