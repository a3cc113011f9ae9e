"""What lambda decides: `python -m napa_lib.adversarial.lambdas --seeds 0 1 2 --out FILE`.

The row "Geo (fix 2D)" once more for each lambda and seed: the baseline that ships takes the row's steps, everything
else is as in `experiments`. With the 2D module fixed the heat maps' error has no gradient, so that lambda weighs what
the judge says of the depths against the depths' labels alone: those of the lab, as the wild has none.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from napa_lib import results
from napa_lib.adversarial.config import FIXED_ROWS, PRESETS, TrainingConfig
from napa_lib.adversarial.domains import Domain, open_domain
from napa_lib.adversarial.evaluate import estimate_poses, measure
from napa_lib.adversarial.networks import Generator
from napa_lib.adversarial.store import load_pretrained
from napa_lib.adversarial.train import train_estimator
from napa_lib.engine import choose_device
from napa_lib.files import prepare_file
from napa_lib.loop import Setup, command
from napa_lib.options import add_device

PROGRAM = "python -m napa_lib.adversarial.lambdas"
# No advice; what eq. 5 as printed comes to, see `losses.pose_losses`; up to the paper's number; that of the rows.
LAMBDAS = (0.0, 1.2e-6, 1e-5, 1e-4, 1.6e-3)
WORLDS = ("lab", "wild")


def configuration(adversarial: float, seed: int, steps: int) -> TrainingConfig:
    """The row's, of `experiments`, with another lambda."""
    return TrainingConfig(
        PRESETS["tiny"], FIXED_ROWS["geo_fix_2d"].sources, fix_2d=True, steps=steps, batch=16, learning_rate=5e-4,
        critic_learning_rate=1e-3, adversarial=adversarial, every=steps, seed=seed,
    )  # fmt: skip


def depth_errors(model: Generator, worlds: dict[str, Domain], half: bool) -> dict[str, float]:
    """Protocol #1 of the estimated depths at the true (x, y), in mm, on each of the worlds."""
    return {
        name: measure(estimate_poses(model, world.images, half=half), world)["mpjpe_true_2d"]["all"]
        for name, world in worlds.items()
    }


def sweep(lambdas: Sequence[float], seeds: Sequence[int], steps: int, setup: Setup) -> dict:
    """Train with every lambda and seed, from the baseline that ships.

    Returns:
        "start", the baseline's errors on validation pictures, {world: mm}; and "lambdas", for each its "lambda", the
        errors after the steps, a list over seeds for each world, and the losses that it weighs, unweighted, means over
        all steps: "depths" and "fooling".
    """
    lab, wild = open_domain("lab:train", 64), open_domain("wild:train", 64)
    worlds = {name: open_domain(f"{name}:validation", 64) for name in WORLDS}
    start, _ = load_pretrained("baseline")
    rows = []
    for weight in lambdas:
        found = []
        for seed in seeds:
            model, _, record = train_estimator(configuration(weight, seed, steps), lab, wild, setup, start)
            losses = {name: record[-1][name] for name in ("depths", "fooling")}
            found.append(depth_errors(model, worlds, setup.half) | losses)
            print(f"lambda {weight:g}, seed {seed}: {found[-1]}", flush=True)
        rows.append({"lambda": weight, **{name: [entry[name] for entry in found] for name in found[0]}})
    return {"start": depth_errors(start, worlds, setup.half), "lambdas": rows}


def main(arguments: list[str] | None = None) -> None:
    """Train, measure, write one result."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write")
    parser.add_argument("--lambdas", type=float, nargs="+", default=LAMBDAS)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--steps", type=int, default=200)
    add_device(parser)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with command():
        prepare_file(options.out)
        setup = Setup(choose_device(options.device), options.half)
        found = {"split": "validation", **sweep(options.lambdas, options.seeds, options.steps, setup)}
        config = asdict(configuration(0.0, 0, options.steps)) | {"adversarial": options.lambdas, "seed": options.seeds}
        results.write(
            options.out, found, results.command_line(PROGRAM, arguments), time.monotonic() - started, config,
            options.seeds, options.steps, setup.device,
        )  # fmt: skip


if __name__ == "__main__":
    main()
