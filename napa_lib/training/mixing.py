"""How many real pictures among the stylised? `python -m napa_lib.training.mixing --seed 0 --results FOLDER`.

One network of one size is trained for as many steps on each mixture, and measured on validation people as they are and
as the pool's stylizer paints them.

Source: NAPA, section 4.5 and table 3.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from napa_lib import results
from napa_lib.engine import choose_device
from napa_lib.loop import Setup, command
from napa_lib.training.claim import both_looks
from napa_lib.training.pictures import PictureSet
from napa_lib.training.pose import PoseTrainingConfig, train_pose_net
from napa_lib.training.validate import validate

PROGRAM = "python -m napa_lib.training.mixing"
REAL = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)  # shares of real pictures; the paper has 10, 30, 50 and 70 %
LOOKS = ("real", "stylised")


def measure_mixtures(
    train: Sequence[PictureSet], validation: Sequence[PictureSet], config: PoseTrainingConfig, setup: Setup
) -> list[dict]:
    """Train on each mixture and measure on both looks.

    Args:
        train: real pictures, and the same stylised.
        validation: other people, in the same order.
        config: of each training; nothing but the mixture differs.
        setup: where and how to compute.

    Returns:
        one entry a mixture: {"real": share, "seconds", "on": {"real": …, "stylised": …}}, the latter from `validate`.
    """
    found = []
    for share in REAL:
        started = time.monotonic()
        network, _ = train_pose_net(config, train, (share, 1.0 - share), setup, every=config.steps)
        seconds = round(time.monotonic() - started, 1)
        on = {look: validate(network, p, config.size, setup.half) for look, p in zip(LOOKS, validation, strict=True)}
        found.append({"real": share, "seconds": seconds, "on": on})
        setup.tell(found[-1])
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train one pose network a mixture of real and stylised pictures, and measure each on both."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/claim"), help="keeps the stylised pictures")
    parser.add_argument("--results", type=Path, required=True, metavar="FOLDER", help="where to write mixing_SEED.json")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--size", type=int, default=96, help="side of the crops in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16 where that is safe")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with command():
        setup = Setup(choose_device(options.device), options.half, tell=lambda e: print(json.dumps(e), flush=True))
        config = PoseTrainingConfig(size=options.size, steps=options.steps, echo=4, average=0.99, seed=options.seed)
        train, validation = (both_looks(split, options.work, setup) for split in ("train", "validation"))
        rows = measure_mixtures(train, validation, config, setup)
        results.write(
            options.results / f"mixing_{options.seed}.json", {"rows": rows}, results.command_line(PROGRAM, arguments),
            time.monotonic() - started, config, options.seed, config.steps, setup.device,
        )  # fmt: skip


if __name__ == "__main__":
    main()
