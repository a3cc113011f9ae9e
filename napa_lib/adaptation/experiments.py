"""Measure adaptation, run by run: `python -m napa_lib.adaptation.experiments --help`.

`--target NAME`: how far the source's poses, pose-mixup's and the adapted generator's are from held-out poses of a
target, and what a detector is worth that was trained with each. `--variant NAME`: another way to adapt, on the targets
that everything was chosen on. `--scale`: a detector trained with more of the adapted poses. `--ship`: the adaptations
that ship, and what the critic did to the source.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import loop, results
from napa_lib.adaptation.adapt import Adapted, Pool, adapt, draw_pool, sample_poses
from napa_lib.adaptation.config import AdaptationConfig
from napa_lib.adaptation.detector import DetectorConfig, detector_errors, train_detector
from napa_lib.adaptation.functional import coverage, energy_distance, maximum_mean_discrepancy, pose_mixup
from napa_lib.adaptation.networks import KeypointRegressor, PoseStyleGAN
from napa_lib.adaptation.store import (
    TARGETS,
    TAUGHT,
    load_pretrained,
    load_pretrained_transfer,
    load_regressor,
    load_source,
    save_transfer,
)
from napa_lib.adaptation.targets import Target, choose_shots, recorded_target, source_poses
from napa_lib.adaptation.transfer import AdaptedGenerator
from napa_lib.experiments import Experiment
from napa_lib.loop import Setup
from napa_lib.networks import VGG19Features

PROGRAM = "python -m napa_lib.adaptation.experiments"
RUNS = "runs/flexpose"
TRAIN = f"napa_lib.adaptation.train --preset thumb --half --out {RUNS}"
MEASURE = f"napa_lib.adaptation.experiments --models {RUNS} --seed {{seed}} --out {RUNS}"
WARM = "--stage warm --steps 6000"
BETA = "--stage beta --steps 4000 --batch 32 --learning-rate 3e-3"
CHAPTER3 = "napa_lib.bottleneck.train --preset tiny --half --data studio:train --validation studio:validation"
CHOSEN_ON = ("Stand", "Yoga_Tree_left")  # steps, rate, layers and pool
MEASURED_ON = (
    "MilitarySalute", "Seated", "Squat", "Stand_LeftArmRaised", "T", "Traffic_AllStop", "Traffic_LeftTurn",
    "Yoga_Tree_right", "Yoga_UpwardSalute", "Yoga_Warrior2_left",
)  # fmt: skip
SHIPPED = TARGETS  # whose tau ships
SHOTS = 12
SAMPLES = 500  # poses of a generator that are compared with the target's
POOL = 2000  # noises of the source to pair with
ANNOTATIONS = 1000  # poses that a detector is trained with, beside the mixed ones
ADAPTATION = AdaptationConfig(layers=tuple(range(1, 9)), steps=60, learning_rate=5e-3)
DETECTOR = DetectorConfig()
VARIANTS: dict[str, dict] = {
    "all": {},
    "layer3": {"layers": (3,)},
    "layers13": {"layers": (1, 3)},
    "layers35": {"layers": (3, 5)},
    "random": {"pairing": "random"},
    "shots24": {"shots": 24},
    "shots48": {"shots": 48},
    "artificial": {},
    "white": {},
}
NETWORKS = {  # of the variants that start from others than "warm" and "beta"
    "artificial": ("warm_artificial", "beta"),
    "white": ("warm_white", "beta_white"),
}
SCALES = (1000, 2000, 4000)  # adapted poses among a detector's annotations: in the paper 33, 61 and 121 thousand


def measured(name: str, options: str, seconds: float, seeds: tuple[int, ...]) -> Experiment:
    """A run that starts from the trained networks."""
    makes = f"{RUNS}/{name}_{{seed}}.json"
    networks = NETWORKS.get(name, ("warm", "beta"))
    return Experiment(f"{MEASURE}/{name}_{{seed}}.json {options}", makes, seconds, seeds, networks)


def trained(name: str, options: str, seconds: float) -> Experiment:
    """A training of one of the networks."""
    out = f"{RUNS}/{name}"
    return Experiment(f"{TRAIN}/{name}.safetensors {options} --results {out}.json", f"{out}.json", seconds)


def taught(name: str) -> Experiment:
    """A target read by a beta of its own, with the networks that ship."""
    out = f"{RUNS}/reading_{name}_{{seed}}.json"
    return Experiment(f"napa_lib.adaptation.reading --target {name} --seed {{seed}} --out {out}", out, 55)


def in_studio(kind: str, seeds: tuple[int, ...]) -> Experiment:
    """Chapter 3's KeypointGAN, trained with poses that were made of fifty; their eta is the same for all kinds."""
    out = f"{RUNS}/studio_{kind}_{{seed}}"
    return Experiment(
        f"{CHAPTER3} --test studio:test --stage ladder --adversarial 1 --rung ours "
        f"--encoder {RUNS}/eta_studio50.safetensors --pose-file {RUNS}/studio50_{kind}.safetensors "
        f"--seed {{seed}} --out {out}.safetensors --steps 1250 --results {out}.json",
        f"{out}.json", 590, seeds, ("studio50", "eta_studio50"),
    )  # fmt: skip


EXPERIMENTS = {  # `make results ONLY=07`; tools/ship_adaptation.py puts what ships of them among the assets
    "warm": trained("warm", WARM, 240),
    "beta": trained("beta", BETA, 120),
    "warm_artificial": trained("warm_artificial", f"{WARM} --poses artificial", 240),
    "warm_white": trained("warm_white", f"{WARM} --white", 240),
    "beta_white": trained("beta_white", f"{BETA} --white", 120),
    "source": Experiment(
        f"{TRAIN}/source.safetensors --stage source --start {RUNS}/warm.safetensors --lazy 16 --penalty 0.03 "
        f"--learning-rate 5e-4 --steps 1000 --results {RUNS}/source.json",
        f"{RUNS}/source.json", 130, after=("warm",),
    ),
    **{name: measured(name, f"--target {name}", 22, (0, 1, 2)) for name in MEASURED_ON},
    **{name: measured(name, f"--variant {name}", 25, (0, 1, 2)) for name in VARIANTS},
    "scale": measured("scale", "--scale", 60, (0, 1, 2)),
    **{f"reading_{name}": taught(name) for name in MEASURED_ON},
    "taught": Experiment(
        f"napa_lib.adaptation.reading --target {TAUGHT} --ship --out {RUNS}/taught.json", f"{RUNS}/taught.json", 30
    ),
    "neighbours": Experiment(
        f"napa_lib.adaptation.neighbours --seed {{seed}} --out {RUNS}/neighbours_{{seed}}.json",
        f"{RUNS}/neighbours_{{seed}}.json", 100, (0, 1, 2),
    ),
    # chapter 3's studio: fifty poses made into thousands, its networks trained with them
    "studio50": Experiment(
        f"napa_lib.adaptation.studio --out {RUNS}/studio50", f"{RUNS}/studio50.json", 20
    ),
    "eta_studio50": Experiment(
        f"{CHAPTER3} --stage pretrain --pose-file {RUNS}/studio50_flexpose.safetensors --seed 0 "
        f"--out {RUNS}/eta_studio50.safetensors --steps 4000",
        f"{RUNS}/eta_studio50.safetensors", 170, after=("studio50",),
    ),
    "studio_flexpose": in_studio("flexpose", (0, 1, 2)),
    "studio_mixup": in_studio("mixup", (0, 1, 2)),
    "shipped": replace(measured("shipped", "--ship", 30, (0,)), after=("warm", "beta", "source")),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Parts:
    """What all adaptations of a run share."""

    source: PoseStyleGAN
    regressor: KeypointRegressor
    pool: Pool
    features: VGG19Features
    setup: Setup


def open_parts(models: Path, seed: int, half: bool, networks: tuple[str, str] = ("warm", "beta")) -> Parts:
    """Trained networks of a folder, source and beta, and a pool of noises drawn with the seed."""
    files = [models / f"{name}.safetensors" for name in networks]
    source, regressor = load_source(files[0]), load_regressor(files[1])
    pool = draw_pool(source, regressor, POOL, torch.Generator().manual_seed(seed))
    return Parts(source, regressor, pool, VGG19Features(), Setup(half=half))


def adapt_to(target: Target, parts: Parts, seed: int, shots: int = SHOTS, **changes: object) -> tuple[Adapted, Tensor]:
    """Adapt to shots of a target's pool, drawn with the seed.

    Returns:
        what came out, and as many poses of its generator as are compared or learnt from, whichever is more.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = choose_shots(target, shots, generator)
    config = replace(ADAPTATION, seed=seed, **changes)  # type: ignore[arg-type]
    adapted = adapt(config, parts.source, parts.pool, chosen, parts.features, parts.setup)
    return adapted, sample_poses(adapted.generator, parts.regressor, max(SAMPLES, ANNOTATIONS), generator)


def distances(generated: Tensor, held_out: Tensor) -> dict[str, float]:
    """How far poses are from held-out ones, by three measures."""
    some = generated[:SAMPLES]
    return {
        "mmd": maximum_mean_discrepancy(some, held_out),
        "energy": energy_distance(some, held_out),
        "coverage": coverage(some, held_out),
    }


def measure_target(name: str, parts: Parts, seed: int) -> dict:
    """Distances and detectors of one target."""
    target = recorded_target(name)
    adapted, sampled = adapt_to(target, parts, seed)
    sets = {"source": parts.pool.poses, "mixup": adapted.mixed, "adapted": sampled, "pool": target.pool}
    annotations = {
        "direct": torch.cat([parts.pool.poses[:ANNOTATIONS], adapted.mixed]),
        "mixup": adapted.mixed,
        "ours": torch.cat([sampled[:ANNOTATIONS], adapted.mixed]),
        "aligned": target.pool,
    }
    config = replace(DETECTOR, seed=seed)
    return {
        "distances": {kind: distances(poses, target.held_out) for kind, poses in sets.items()},
        "detector": {
            kind: detector_errors(train_detector(config, poses)[0], config, target.held_out)
            for kind, poses in annotations.items()
        },
        "loss": adapted.record[-1]["perceptual"],
    }


def measure_variant(name: str, parts: Parts, seed: int) -> dict:
    """Another way to adapt, on the targets that choices were made on."""
    found = {}
    for label in CHOSEN_ON:
        target = recorded_target(label)
        adapted, sampled = adapt_to(target, parts, seed, **VARIANTS[name])
        found[label] = {**distances(sampled, target.held_out), "loss": adapted.record[-1]["perceptual"]}
    return {"variant": found}


def measure_scale(seed: int) -> dict:
    """A detector's errors by how many adapted poses are among its annotations, with the networks and tau that ship."""
    source, regressor = load_pretrained()
    found: dict[str, dict] = {}
    config = replace(DETECTOR, seed=seed)
    for name in TARGETS:
        target = recorded_target(name)
        generator = torch.Generator().manual_seed(seed)
        mixed = pose_mixup(choose_shots(target, SHOTS, generator), ADAPTATION.mixed, generator)
        network = AdaptedGenerator(source, load_pretrained_transfer(name)).eval()
        sampled = sample_poses(network, regressor, max(SCALES), generator)
        sets = {str(count): torch.cat([sampled[:count], mixed]) for count in SCALES}
        found[name] = {
            count: detector_errors(train_detector(config, poses)[0], config, target.held_out)
            for count, poses in sets.items()
        }
    return {"scale": found}


def ship(parts: Parts, seed: int, models: Path) -> dict:
    """Adapt to the targets whose tau ships, and write these beside the networks; measure source and critic's source."""
    found = {}
    for name in SHIPPED:
        target = recorded_target(name)
        adapted, sampled = adapt_to(target, parts, seed)
        save_transfer(models / f"tau_{name}.safetensors", adapted.generator.transfer)
        found[name] = distances(sampled, target.held_out)
    real = source_poses(SAMPLES, torch.Generator().manual_seed(seed + 1))
    after = draw_pool(load_source(models / "source.safetensors"), parts.regressor, SAMPLES,
                      torch.Generator().manual_seed(seed))  # fmt: skip
    sources = {"warm": distances(parts.pool.poses, real), "critic": distances(after.poses, real)}
    return {"shipped": found, "sources": sources}


def main(arguments: list[str] | None = None) -> None:
    """Adapt a trained source, measure, and write one result."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--target", choices=MEASURED_ON, help="one of the targets that are measured on")
    what.add_argument("--variant", choices=tuple(VARIANTS), help="another way to adapt")
    what.add_argument("--scale", action="store_true", help="a detector trained with more of the adapted poses")
    what.add_argument("--ship", action="store_true", help="the adaptations that ship")
    parser.add_argument("--models", type=Path, default=Path(RUNS), help="folder of source and beta")
    parser.add_argument("--seed", type=int, default=0, help="of shots, noises and trainings")
    parser.add_argument("--full", action="store_true", help="compute in full precision, not in bfloat16 where safe")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write")
    options = parser.parse_args(arguments)
    started, half = time.monotonic(), not options.full
    with loop.command():
        networks = NETWORKS.get(options.variant, ("warm", "beta"))
        if options.scale:
            found = measure_scale(options.seed)
        elif options.target:
            found = measure_target(options.target, open_parts(options.models, options.seed, half), options.seed)
        elif options.variant:
            parts = open_parts(options.models, options.seed, half, networks)
            found = measure_variant(options.variant, parts, options.seed)
        else:
            found = ship(open_parts(options.models, options.seed, half), options.seed, options.models)
        command = results.command_line(PROGRAM, arguments)
        results.write(options.out, found, command, time.monotonic() - started, ADAPTATION, options.seed,
                      ADAPTATION.steps)  # fmt: skip
    print(f"wrote {options.out}; {found}")


if __name__ == "__main__":
    main()
