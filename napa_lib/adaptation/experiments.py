"""Measure adaptation, run by run: `python -m napa_lib.adaptation.experiments --help`.

`--target NAME`: how far the source's poses, pose-mixup's and the adapted generator's are from held-out poses of a
target, and what a detector is worth that was trained with each. `--variant NAME`: another way to adapt, on the targets
that everything was chosen on. `--scale`: a detector trained with more of the adapted poses. `--ship`: the adaptations
that ship, of bodies or of faces, and what the critic did to the source of bodies.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from napa_lib import loop, results
from napa_lib.adaptation.config import AdaptationConfig
from napa_lib.adaptation.faces import TURNED
from napa_lib.adaptation.measure import (
    ADAPTATION,
    MEASURED_ON,
    NETWORKS,
    SMEARED_ON,
    UNIONS,
    VARIANTS,
    judge_sources,
    measure_scale,
    measure_target,
    measure_variant,
    open_parts,
    settings_for,
    ship,
)
from napa_lib.adaptation.store import FACES, TARGETS, TAUGHT
from napa_lib.experiments import Experiment
from napa_lib.files import prepare_file

SHIPPED = {"bodies": TARGETS, "faces": (FACES,)}  # the targets whose tau ships
PROGRAM = "python -m napa_lib.adaptation.experiments"
RUNS = "runs/flexpose"
TRAIN = "napa_lib.adaptation.train --half"
MEASURE = f"napa_lib.adaptation.experiments --models {RUNS} --seed {{seed}} --out {RUNS}"
WARM = "--stage warm --steps 6000"
BETA = "--stage beta --steps 4000 --batch 32 --learning-rate 3e-3"
CHAPTER3 = "napa_lib.bottleneck.train --preset tiny --half --data studio:train --validation studio:validation"


def measured(name: str, options: str, seconds: float, seeds: tuple[int, ...]) -> Experiment:
    """A run that starts from the trained networks."""
    makes = f"{RUNS}/{name}_{{seed}}.json"
    networks = NETWORKS.get(name, ("warm", "beta"))
    return Experiment(f"{MEASURE}/{name}_{{seed}}.json {options}", makes, seconds, seeds, networks)


def trained(name: str, options: str, seconds: float, preset: str = "thumb") -> Experiment:
    """A training of one of the networks."""
    out = f"{RUNS}/{name}"
    command = f"{TRAIN} --preset {preset} --out {out}.safetensors {options} --results {out}.json"
    return Experiment(command, f"{out}.json", seconds)


def taught(name: str) -> Experiment:
    """A target read by a beta of its own; bodies with the networks that ship."""
    out = f"{RUNS}/reading_{name}_{{seed}}.json"
    command = f"napa_lib.adaptation.reading --target {name} --seed {{seed}}"
    if name not in NETWORKS:
        return Experiment(f"{command} --out {out}", out, 55, (0, 1, 2))
    return Experiment(f"{command} --models {RUNS} --out {out}", out, 90, (0, 1), NETWORKS[name])


def coarse(name: str) -> Experiment:
    """A target read by a beta of its own, tau in the coarse layers, and beta's answers given back what they lack."""
    out = f"{RUNS}/smeared_{name}_{{seed}}.json"
    command = f"napa_lib.adaptation.reading --target {name} --smear --seed {{seed}} --out {out}"
    return Experiment(command, out, 40, (0, 1, 2))


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
    "warm_union": trained("warm_union", f"{WARM} --poses union", 240),
    "warm_white": trained("warm_white", f"{WARM} --white", 240),
    "beta_white": trained("beta_white", f"{BETA} --white", 120),
    "source": Experiment(
        f"{TRAIN} --preset thumb --out {RUNS}/source.safetensors --stage source "
        f"--start {RUNS}/warm.safetensors --lazy 16 --penalty 0.03 --learning-rate 5e-4 --steps 1000 "
        f"--results {RUNS}/source.json",
        f"{RUNS}/source.json", 130, after=("warm",),
    ),
    **{name: measured(name, f"--target {name}", 22, (0, 1, 2)) for name in MEASURED_ON},
    **{name: measured(name, f"--variant {name}", 25, (0, 1, 2)) for name in VARIANTS},
    "scale": measured("scale", "--scale", 60, (0, 1, 2)),
    **{f"reading_{name}": taught(name) for name in MEASURED_ON},
    **{f"smeared_{name}": coarse(name) for name in (*SMEARED_ON, *MEASURED_ON, *UNIONS)},
    # faces (table 3)
    "warm_faces": trained("warm_faces", "--stage warm --steps 2500 --poses faces", 500, "tiny"),
    "beta_faces": trained(
        "beta_faces", "--stage beta --steps 1500 --batch 32 --learning-rate 3e-3 --poses faces", 500, "tiny"
    ),
    **{name: measured(name, f"--target {name}", 60, (0, 1)) for name in TURNED},
    **{f"reading_{name}": taught(name) for name in TURNED},
    "shipped_faces": replace(
        measured("shipped_faces", "--ship faces", 60, (0,)), after=("warm_faces", "beta_faces")
    ),
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
    "studio_direct": in_studio("direct", (0, 1)),  # table 1
    "studio_ours": in_studio("ours", (0, 1)),
    "shipped": replace(measured("shipped", "--ship", 30, (0,)), after=("warm", "beta", "source")),
}  # fmt: skip


def _measure(options: argparse.Namespace) -> tuple[dict, AdaptationConfig]:
    if options.scale:
        return measure_scale(options.seed), replace(ADAPTATION, seed=options.seed)
    name = options.target or options.variant or SHIPPED[options.ship][0]
    parts = open_parts(options.models, options.seed, NETWORKS.get(name, ("warm", "beta")))
    changes = {key: value for key, value in VARIANTS.get(name, {}).items() if key != "shots"}
    config = settings_for(parts.source, options.seed, **changes)
    if options.target:
        return measure_target(options.target, parts, options.seed), config
    if options.variant:
        return measure_variant(options.variant, parts, options.seed), config
    found = {"shipped": ship(SHIPPED[options.ship], parts, options.seed, options.models)}
    if options.ship == "bodies":
        found["sources"] = judge_sources(parts, options.seed, options.models)
    return found, config


def main(arguments: list[str] | None = None) -> None:
    """Adapt a trained source, measure, and write one result."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--target", choices=(*MEASURED_ON, *TURNED), help="one of the targets that are measured on")
    what.add_argument("--variant", choices=tuple(VARIANTS), help="another way to adapt")
    what.add_argument(
        "--scale", action="store_true", help="a detector and more adapted poses, by the networks that ship"
    )
    what.add_argument("--ship", nargs="?", const="bodies", choices=tuple(SHIPPED), help="the adaptations that ship")
    parser.add_argument("--models", type=Path, default=Path(RUNS), help="folder of source and beta")
    parser.add_argument("--seed", type=int, default=0, help="of shots, noises and trainings")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with loop.command():
        prepare_file(options.out)
        found, config = _measure(options)
        command = results.command_line(PROGRAM, arguments)
        results.write(options.out, found, command, time.monotonic() - started, config, options.seed,
                      config.steps)  # fmt: skip
    print(f"wrote {options.out}; {found}")


if __name__ == "__main__":
    main()
