"""The rows of table 2: `python -m napa_lib.adversarial.experiments --row full --seed 0 --results full_0.json`.

What rows share is trained once and kept in `--runs`: the 2D module, for all rows and seeds, and for each seed the
estimator that most rows begin with. Every row then takes `--steps` more, the baselines as well, and the row without
pre-training takes those of the pre-training besides, so that every estimator has seen as many batches. What is
interrupted goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napa_lib import results
from napa_lib.adversarial.config import PRESETS, ROWS, Row, TrainingConfig
from napa_lib.adversarial.discriminator import MultiSourceDiscriminator
from napa_lib.adversarial.domains import DOMAINS, Domain, open_domain
from napa_lib.adversarial.evaluate import art_rate, estimate_poses, measure
from napa_lib.adversarial.networks import Generator
from napa_lib.adversarial.store import save_model
from napa_lib.adversarial.train import pretrain_2d, train_estimator
from napa_lib.engine import choose_device
from napa_lib.loop import Record, Setup, command

PROGRAM = "python -m napa_lib.adversarial.experiments"
WATCHED = 160  # validation pictures of each world that are measured while training


def train_row(
    row: Row, options: argparse.Namespace, lab: Domain, wild: Domain, setup: Setup
) -> tuple[Generator, MultiSourceDiscriminator | None, Record]:
    """Train a row of table 2, and what it needs where that is not there yet; the record is that of the last training."""
    runs = Path(options.runs)
    shared = TrainingConfig(
        PRESETS[options.preset], (), steps=options.steps_2d, batch=options.batch, every=options.every,
        learning_rate=options.learning_rate,
    )  # fmt: skip

    def kept(name: str) -> Setup:
        return replace(setup, checkpoint=runs / f"{name}.checkpoint.safetensors")

    module, _ = pretrain_2d(shared, wild, replace(kept("2d"), measure=None))
    name = f"pretrained{'_fix_2d' * row.fix_2d}_{options.seed}"
    before = replace(shared, steps=options.steps_pretraining, fix_2d=row.fix_2d, seed=options.seed)
    start, steps = module, options.steps_pretraining + options.steps
    if row.pretrained:
        start, steps = train_estimator(before, lab, wild, kept(name), module)[0], options.steps
    config = replace(
        before, sources=row.sources, steps=steps, adversarial=options.adversarial,
        learning_rate=options.learning_rate / (2 if row.pretrained else 1),
        critic_learning_rate=options.critic_learning_rate,
    )  # fmt: skip
    return train_estimator(config, lab, wild, kept(f"{options.row}_{options.seed}"), start)


def watch(options: argparse.Namespace) -> Callable[[Generator], dict]:
    """What goes on record while training: Protocol #1 on some validation pictures of lab and wild."""
    size = PRESETS[options.preset].size
    domains = {}
    for world in ("lab", "wild"):
        whole = open_domain(f"{world}:validation", size)
        domains[world] = whole.take(slice(None, None, max(1, len(whole) // WATCHED)))

    def measured(model: Generator) -> dict:
        found = {world: estimate_poses(model, domain.images, half=options.half) for world, domain in domains.items()}
        return {f"mpjpe_{world}": measure(found[world], domains[world])["mpjpe"]["all"] for world in domains}

    return measured


def final_errors(model: Generator, split: str) -> dict:
    """The errors on all three worlds, the rate on the figures in art, and how plausible the truth is."""
    errors: dict = {}
    for world in DOMAINS:
        domain = open_domain(f"{world}:{split}", model.config.size)
        errors[world] = measure(estimate_poses(model, domain.images), domain)
    if split == "test":
        errors["art"] = {"pckh": art_rate(model)}
    return errors


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    found = argparse.ArgumentParser(prog=PROGRAM, description="Train and measure a row of AdvPose's table 2.")
    add = found.add_argument
    add("--row", choices=tuple(ROWS), required=True)
    add("--seed", type=int, default=0)
    add("--preset", choices=tuple(PRESETS), default="tiny", help="sizes of the networks and pictures")
    add("--steps-2d", type=int, default=2000, help="of the 2D module's pre-training, one for all seeds")
    add("--steps-pretraining", type=int, default=500, help="of the whole estimator's")
    add("--steps", type=int, default=400, help="of the row itself")
    add("--batch", type=int, default=16)
    add("--every", type=int, default=100, help="steps between two checkpoints, and two records")
    add("--learning-rate", type=float, default=1e-3, help="of the pre-training; half of it afterwards")
    add("--critic-learning-rate", type=float, default=5e-4)
    add("--adversarial", type=float, default=1e-3, help="lambda of eq. 5")
    add("--split", choices=("validation", "test"), default="test", help="what to measure at the end")
    add("--half", action="store_true", help="compute in bfloat16 where that is safe")
    add("--device", default="cpu", help="auto, cpu, cuda or mps")
    add("--runs", default="runs/adversarial", help="folder for what rows share and for checkpoints")
    add("--out", metavar="FILE", help="safetensors file for the estimator and its discriminator, in 8 bits")
    add("--results", metavar="FILE", help="JSON file for the errors and the record")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train a row, measure it, write model and result."""
    options = parser().parse_args(arguments)
    with command():
        started, row = time.monotonic(), ROWS[options.row]
        size = PRESETS[options.preset].size
        lab, wild = open_domain("lab:train", size), open_domain("wild:train", size)
        setup = Setup(choose_device(options.device), options.half, measure=watch(options))
        model, critic, record = train_row(row, options, lab, wild, setup)
        if options.out:
            save_model(options.out, model, critic, small=True)
        errors = final_errors(model, options.split)
        if options.results:
            results.write(
                options.results, {"row": row.label, "split": options.split, "errors": errors, "record": record},
                results.command_line(PROGRAM, arguments), time.monotonic() - started, vars(options), options.seed,
                record[-1]["step"], options.device,
            )  # fmt: skip
        found = ", ".join(f"{world} {errors[world]['mpjpe']['all']:.1f} mm" for world in DOMAINS)
        print(f"{row.label}, seed {options.seed}: {found}")


if __name__ == "__main__":
    main()
