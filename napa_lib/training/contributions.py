"""What each stage adds, and what the self supervision does: `python -m napa_lib.training.contributions --help`.

One call makes one stage of one seed, from the stage before it, and measures it on validation people.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napa_lib.engine import choose_device
from napa_lib.files import prepare_file
from napa_lib.loop import Setup, command
from napa_lib.networks import VGG19Features
from napa_lib.results import command_line, write
from napa_lib.style import load_stylizer
from napa_lib.training.figures import FigureSet, open_figures
from napa_lib.training.measure import measure_pose, measure_style, stylised
from napa_lib.training.run import load_stage, load_styles, run_stage
from napa_lib.training.stages import Ratios, TrainingConfig
from napa_lib.training.system import NapaModel, Styles, build_model

PROGRAM = "python -m napa_lib.training.contributions"
WATCHED = ("style", "cosine", "content")  # terms that are told with each result


@dataclass(frozen=True)
class Part:
    """One training: its stage, the part that it starts from, and its settings."""

    stage: int
    after: str
    config: TrainingConfig = field(default_factory=TrainingConfig)


_STYLE = TrainingConfig(steps=40)
_SUPERVISED = TrainingConfig(steps=200)
PARTS = {
    "style": Part(1, "", _STYLE),
    "style_fixed": Part(1, "", replace(_STYLE, fixed_features=True)),
    "pose": Part(2, "style", TrainingConfig(steps=480, batch=8)),
    "joint": Part(3, "pose", TrainingConfig(steps=240)),
    "supervised": Part(4, "joint", _SUPERVISED),
    "supervised_fixed": Part(4, "joint", replace(_SUPERVISED, fixed_features=True)),
    "unsupervised": Part(4, "joint", replace(_SUPERVISED, ratios=Ratios(supervision=0.0))),
}
LOOKED_AT = 32  # of the validation figures, for what the two VGGs say of the style


def measure(model: NapaModel, figures: FigureSet, styles: Styles, setup: Setup) -> dict:
    """The system on validation people: pose on real and stylised pictures, style to its VGG and an untouched one.

    "stylised" are pictures by the stylizer that ships, the same for every part; "own" are those of the system's own F.
    """
    output = stylised(model.stylizer, figures, styles, setup)
    common = stylised(load_stylizer("pool").to(setup.device), figures, styles, setup)
    some = figures.take(slice(LOOKED_AT))
    views = {"own": model.features, "untouched": VGG19Features()}
    seen = {name: measure_style(output[:LOOKED_AT], some, styles, vgg) for name, vgg in views.items()}
    return {
        "real": measure_pose(model, figures.images, figures, setup),
        "stylised": measure_pose(model, common, figures, setup),
        "own": measure_pose(model, output, figures, setup),
        "style": {name: {term: round(terms[term], 4) for term in WATCHED} for name, terms in seen.items()},
    }


def make(name: str, seed: int, work: Path, results: Path, setup: Setup, every: int, made_by: str) -> None:
    """Train and measure one part; "start" measures the system before its first step.

    Raises:
        ValueError: if the part that it starts from is not there.
    """
    part = PARTS.get(name)
    config = replace(part.config if part else TrainingConfig(), seed=seed)
    model, styles = build_model().to(setup.device), load_styles(config.size, setup.device)
    validation = open_figures(["synthetic:validation"], config.size, 240)
    started = time.monotonic()
    record = []
    if part:
        if part.after:
            load_stage(model, _state(work, part.after, seed), PARTS[part.after].stage)
        figures = open_figures(["synthetic:train"], config.size, 3000)
        setup = replace(setup, checkpoint=_state(work, name, seed), tell=lambda entry: print(entry, flush=True))
        record = run_stage(part.stage, config, model, figures, setup, every, styles)
    found = measure(model, validation, styles, setup)
    print(name, seed, {look: found[look]["near"] for look in ("real", "stylised")}, flush=True)
    seconds = record[-1]["seconds"] if record else time.monotonic() - started
    write(results / f"{name}_{seed}.json", {**found, "record": record}, made_by, seconds, config, seed,
          config.steps if part else 0, setup.device)  # fmt: skip


def line_of(name: str) -> list[str]:
    """A part and those before it, from which it starts.

    >>> line_of("start"), line_of("joint")
    (['start'], ['style', 'pose', 'joint'])
    """
    after = PARTS[name].after if name in PARTS else ""
    return [*(line_of(after) if after else []), name]


def _state(work: Path, name: str, seed: int) -> Path:
    return work / f"{name}_{seed}.checkpoint.safetensors"


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the parts that are not there yet, in the order given; an interrupted part goes on from its checkpoint."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    names = ("start", *PARTS)
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="PART", help=", ".join(names))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/napa"), help="folder for the checkpoints")
    parser.add_argument("--results", type=Path, required=True, help="folder for NAME_SEED.json")
    parser.add_argument("--every", type=int, default=10, help="steps between two checkpoints")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16 where that is safe")
    options = parser.parse_args(arguments)
    with command():
        prepare_file(options.results / "results.json")
        setup = Setup(choose_device(options.device), options.half)
        for name in options.parts:
            if not (options.results / f"{name}_{options.seed}.json").exists():
                words = ["--parts", *line_of(name), "--seed", str(options.seed), "--results", str(options.results)]
                made_by = command_line(PROGRAM, words + ["--half"] * options.half)
                make(name, options.seed, options.work, options.results, setup, options.every, made_by)


if __name__ == "__main__":
    main()
