"""The rows of table 2: `python -m napa_lib.adversarial.experiments --rows baseline full --seeds 0 1 --results FOLDER`.

What rows share is trained once and kept in `--runs`, and can be named as a row: the 2D module, for all rows and seeds,
and for each seed the estimator that most rows begin with. Every row then takes `--steps` more, the baselines as well.
The row without pre-training has the same two parts, as long and at the same learning rates, but with its discriminator
from the first: so every estimator has seen as many batches, and whether a discriminator was there is all that differs.
What is interrupted goes on where it was when the same command is given again.

The worlds are those that ship, or data sets of one's own. The paper's, with paths of one's own:

    python -m napa_lib.adversarial.experiments --preset paper --lab human36m:H36M#train --wild mpii:MPII#train
        --test human36m:H36M#test mpii:MPII#valid --most 50000 --steps-2d 200000 --steps-pretraining 200000
        --steps 120000 --batch 12 --every 2000 --runs runs/paper --results runs/paper --device auto
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch

from napa_lib import results
from napa_lib.adversarial.config import FIXED_ROWS, PRESETS, ROWS, TrainingConfig
from napa_lib.adversarial.discriminator import MultiSourceDiscriminator
from napa_lib.adversarial.domains import DOMAINS, Domain, open_domain
from napa_lib.adversarial.evaluate import art_rate, estimate_poses, keypoint_rate, measure, plausibility
from napa_lib.adversarial.networks import Generator
from napa_lib.adversarial.store import save_model
from napa_lib.adversarial.train import pretrain_2d, train_estimator
from napa_lib.engine import choose_device
from napa_lib.experiments import Experiment
from napa_lib.files import prepare_file
from napa_lib.loop import Record, Setup, command
from napa_lib.options import add_device

PROGRAM = "python -m napa_lib.adversarial.experiments"
ALL_ROWS = {**ROWS, **FIXED_ROWS}
FOLDER = "runs/adversarial"
MODULE_2D = "module_2d"
SHARED = {MODULE_2D: "2D module", "pretrained_fix_2d": "Depths alone (fix 2D)", "pretrained": "Depths and 2D module"}
LABELS = {**SHARED, **{name: row.label for name, row in ALL_ROWS.items()}}


def _made(name: str, seconds: float, after: str, models: str = "") -> Experiment:
    """One run a seed of a row, or of what rows share."""
    command = f"napa_lib.adversarial.experiments --half --rows {name} --seeds {{seed}} {models}--results {FOLDER}"
    return Experiment(command, f"{FOLDER}/{name}_{{seed}}.json", seconds, (0, 1, 2), (after,))


def _made_row(name: str) -> Experiment:
    """A row; estimators of the rows with the 2D module fixed ship."""
    row, models = ALL_ROWS[name], f"--models {FOLDER} "
    if not row.pretrained:
        return _made(name, 150, MODULE_2D, models)
    if row.fix_2d:
        return _made(name, 45, "pretrained_fix_2d", models)
    return _made(name, 65, "pretrained", models)


EXPERIMENTS = {
    MODULE_2D: Experiment(
        f"napa_lib.adversarial.experiments --half --rows {MODULE_2D} --seeds 0 --results {FOLDER}",
        f"{FOLDER}/{MODULE_2D}.json", 1100,
    ),
    **{name: _made(name, 35, MODULE_2D) for name in SHARED if name != MODULE_2D},
    **{name: _made_row(name) for name in ALL_ROWS},
    "lambdas": Experiment(
        f"napa_lib.adversarial.lambdas --half --seeds 0 1 2 --out {FOLDER}/lambdas.json", f"{FOLDER}/lambdas.json", 240
    ),
}  # fmt: skip
WATCHED = 80  # validation pictures of each world that are measured while training


class Means(NamedTuple):
    """What all trainings of a command have in common."""

    options: argparse.Namespace
    lab: Domain
    wild: Domain
    setup: Setup
    setup_2d: Setup  # of the 2D module: other numbers go on record

    def keeping(self, file: str) -> Setup:
        """The setup of a training whose checkpoint is kept under that name."""
        return replace(self.setup, checkpoint=self.checkpoint(file))

    def checkpoint(self, file: str) -> Path:
        """Where that is."""
        return Path(self.options.runs) / f"{file}.checkpoint.safetensors"


def train_2d(means: Means) -> tuple[Generator, Record]:
    """The 2D module, trained if it is not there yet, and its record."""
    setup = replace(means.setup_2d, checkpoint=means.checkpoint("2d"))
    return pretrain_2d(configuration(means.options), means.wild, setup)


def pretrain(fix_2d: bool, seed: int, means: Means) -> tuple[Generator, Record]:
    """The estimator that rows begin with, trained if it is not there yet, and its record."""
    start, _ = train_2d(means)
    config = first_part(means.options, fix_2d, seed)
    file = f"pretrained{'_fix_2d' * fix_2d}_{seed}"
    model, _, record = train_estimator(config, means.lab, means.wild, means.keeping(file), start)
    return model, record


def train_row(name: str, seed: int, means: Means) -> tuple[Generator, MultiSourceDiscriminator | None, Record]:
    """Train a row of table 2, and what it needs where that is not there yet.

    Returns:
        the estimator, its discriminator if it has one, and the record, that of its own pre-training before it.
    """
    row, options, lab, wild = ALL_ROWS[name], means.options, means.lab, means.wild
    config = replace(
        first_part(options, row.fix_2d, seed), sources=row.sources, adversarial=lambda_of(options),
        critic_learning_rate=options.critic_learning_rate,
    )  # fmt: skip
    judge = None
    if row.pretrained:
        start, before = pretrain(row.fix_2d, seed, means)
    else:
        start, _ = train_2d(means)
        start, judge, before = train_estimator(config, lab, wild, means.keeping(f"{name}_first_{seed}"), start)
    config = replace(config, steps=options.steps, learning_rate=options.learning_rate / 2)
    model, critic, record = train_estimator(config, lab, wild, means.keeping(f"{name}_{seed}"), start, judge)
    done = before[-1]["step"]
    return model, critic, [*before, *({**entry, "step": done + entry["step"]} for entry in record)]


def first_part(options: argparse.Namespace, fix_2d: bool, seed: int) -> TrainingConfig:
    """The pre-training's configuration, without a discriminator."""
    return replace(
        configuration(options), fix_2d=fix_2d, seed=seed, steps=options.steps_pretraining, every=options.every
    )  # fmt: skip


def lambda_of(options: argparse.Namespace) -> float:
    """The paper's number, as much larger as the heat maps' errors are: a bump of the same width fills 16 times as much
    of a map of 16 x 16 cells as of one of 64 x 64.

    That says nothing of the depths, whose errors do not depend on the maps' size. Where the 2D module is fixed, lambda
    counts beside them alone, and the judge's term is several times the labels': `lambdas` measures both.
    """
    if options.adversarial is not None:
        return options.adversarial
    return 1e-4 * (PRESETS["paper"].size / PRESETS[options.preset].size) ** 2


def configuration(options: argparse.Namespace) -> TrainingConfig:
    """That of the 2D module's training, on which the others are built."""
    return TrainingConfig(
        PRESETS[options.preset], (), steps=options.steps_2d, batch=options.batch, every=500,
        learning_rate=options.learning_rate,
    )  # fmt: skip


def watch(domains: dict[str, Domain], half: bool) -> Callable[[Generator], dict]:
    """What goes on record while training: Protocol #1 on pictures of each domain, and with true 2D."""

    def measured(model: Generator) -> dict:
        found = {world: estimate_poses(model, domain.images, half=half) for world, domain in domains.items()}
        errors = {world: measure(found[world], domains[world]) for world in domains}
        return {
            f"{kind}_{world}": errors[world][kind]["all"] for kind in ("mpjpe", "mpjpe_true_2d") for world in domains
        }

    return measured


def watch_2d(domains: dict[str, Domain], half: bool) -> Callable[[Generator], dict]:
    """What goes on record while the 2D module is trained: PCKh@0.5 in per cent on the same pictures."""

    def measured(model: Generator) -> dict:
        return {f"pckh_{world}": rate["pckh"] for world, rate in rates_2d(model, domains, half).items()}

    return measured


def watched(options: argparse.Namespace, worlds: dict[str, Domain]) -> dict[str, Domain]:
    """Some validation pictures of lab and wild; with data sets of one's own, some of those with 3D labels that are
    measured in the end, as in the paper's figure 5.
    """
    size = PRESETS[options.preset].size
    if options.test:
        wholes = {name: world for name, world in worlds.items() if world.poses is not None}
    else:
        wholes = {world: open_domain(f"{world}:validation", size) for world in ("lab", "wild")}
    return {name: whole.take(slice(None, None, max(1, len(whole) // WATCHED))) for name, whole in wholes.items()}


def tested(options: argparse.Namespace) -> dict[str, Domain]:
    """The worlds to measure in the end, by name; a data set of one's own by the name of its format.

    Raises:
        ValueError: if a format stands twice, or pictures have neither 3D labels nor head sizes: there is nothing to
            measure.
    """
    size = PRESETS[options.preset].size
    if not options.test:
        return {name: open_domain(f"{name}:{options.split}", size) for name in DOMAINS}
    names = {source.partition(":")[0]: source for source in options.test}
    if len(names) < len(options.test):
        raise ValueError(f"test must name each format once, got {' '.join(options.test)}")
    worlds = {name: open_domain(source, size, options.most) for name, source in names.items()}
    for name, world in worlds.items():
        if world.poses is None and world.heads is None:
            raise ValueError(f"test must have 3D labels or sizes of heads, and {names[name]} has neither")
    return worlds


def final_errors(model: Generator, worlds: dict[str, Domain], half: bool) -> dict:
    """The errors on each of the worlds, beside those of true keypoints without any depth and how plausible truth is;
    where there are no 3D labels, PCKh@0.5 alone.
    """
    errors = rates_2d(model, {name: world for name, world in worlds.items() if world.poses is None}, half)
    for name, world in worlds.items():
        if world.poses is None:
            continue
        errors[name] = measure(estimate_poses(model, world.images, half=half), world)
        flat = torch.cat([world.keypoints, torch.zeros_like(world.keypoints[..., :1])], -1)
        without = measure(flat, world)
        errors[name]["flat"] = {key: without[key]["all"] for key in ("mpjpe", "rigid_mpjpe", "pa_mpjpe")}
        errors[name]["truth"] = asdict(plausibility(world.poses, world.skeleton))
    return errors


def rates_2d(model: Generator, worlds: dict[str, Domain], half: bool) -> dict:
    """PCKh@0.5 on each of the worlds, of an estimator whose depths are not trained."""
    found = {name: estimate_poses(model, world.images, half=half)[..., :2] for name, world in worlds.items()}
    return {name: {"pckh": keypoint_rate(found[name], world)} for name, world in worlds.items()}


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    found = argparse.ArgumentParser(prog=PROGRAM, description="Train and measure rows of AdvPose's table 2.")
    add = found.add_argument
    add("--rows", nargs="+", choices=tuple(LABELS), default=tuple(ROWS))
    add("--seeds", nargs="+", type=int, default=(0, 1, 2))
    add("--preset", choices=tuple(PRESETS), default="tiny", help="sizes of the networks and pictures")
    add("--lab", metavar="NAME", default="lab:train", help="pictures with 3D labels: a world, or FORMAT:FOLDER#SPLIT")
    add("--wild", metavar="NAME", default="wild:train", help="pictures of which 2D labels are used, likewise")
    add("--test", metavar="NAME", nargs="+", help="data sets FORMAT:FOLDER#SPLIT to measure instead of the worlds")
    add("--most", type=int, help="pictures of a data set at most, spread evenly; all are kept in memory")
    add("--steps-2d", type=int, default=8000, help="of the 2D module's pre-training, one for all seeds")
    add("--steps-pretraining", type=int, default=300, help="of the whole estimator's")
    add("--steps", type=int, default=200, help="of the row itself")
    add("--batch", type=int, default=16)
    add("--every", type=int, default=50, help="steps between two checkpoints, and two records; 500 of the 2D module")
    add("--learning-rate", type=float, default=1e-3, help="of the pre-training; half of it afterwards")
    add("--critic-learning-rate", type=float, default=1e-3)
    add("--adversarial", type=float, help="lambda of eq. 5; if not given, the paper's, beside maps of this size")
    add("--split", choices=("validation", "test"), default="test", help="what to measure at the end")
    add_device(found)
    add("--runs", default=FOLDER, help="folder for what rows share and for checkpoints")
    add("--models", metavar="FOLDER", help="where to write ROW_SEED.safetensors, estimator and discriminator in 8 bits")
    add("--results", metavar="FOLDER", help="where to write ROW_SEED.json, errors and record")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train rows, measure them, write models and results."""
    options = parser().parse_args(arguments)
    with command():
        for folder in filter(None, (options.models, options.results)):
            prepare_file(Path(folder) / "results.json")
        size = PRESETS[options.preset].size
        worlds = tested(options)
        lab, wild = (open_domain(name, size, options.most) for name in (options.lab, options.wild))
        some, setup = watched(options, worlds), Setup(choose_device(options.device), options.half)
        setups = (replace(setup, measure=kind(some, options.half)) for kind in (watch, watch_2d))
        means = Means(options, lab, wild, *setups)
        runs = [(MODULE_2D, 0)] if MODULE_2D in options.rows else []  # one for all seeds
        runs += [(name, seed) for seed in options.seeds for name in options.rows if name != MODULE_2D]
        for name, seed in runs:
            started = time.monotonic()
            model, critic, record = train(name, seed, means)
            errors = (rates_2d if name == MODULE_2D else final_errors)(model, worlds, options.half)
            if options.split == "test":
                errors["art"] = {"pckh": art_rate(model)}
            made = name if name == MODULE_2D else f"{name}_{seed}"
            if options.models:
                save_model(Path(options.models) / f"{made}.safetensors", model, critic, small=True)
            if options.results:
                measured = {"row": LABELS[name], "split": options.split, "errors": errors, "record": record}
                results.write(
                    Path(options.results) / f"{made}.json", measured, results.command_line(PROGRAM, arguments),
                    time.monotonic() - started, vars(options), seed, record[-1]["step"], setup.device,
                )  # fmt: skip
            found = ", ".join(f"{world} {brief(errors[world])}" for world in worlds)
            print(f"{LABELS[name]}, seed {seed}: {found}", flush=True)


def train(name: str, seed: int, means: Means) -> tuple[Generator, MultiSourceDiscriminator | None, Record]:
    """A row, or what rows share."""
    if name == MODULE_2D:
        model, record = train_2d(means)
        return model, None, record
    if name in SHARED:
        model, record = pretrain(name == "pretrained_fix_2d", seed, means)
        return model, None, record
    return train_row(name, seed, means)


def brief(errors: dict) -> str:
    """A world's errors in a few words."""
    return f"{errors['mpjpe']['all']:.1f} mm" if "mpjpe" in errors else f"PCKh {errors['pckh']:.1f} %"


if __name__ == "__main__":
    main()
