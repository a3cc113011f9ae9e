"""Measurements of chapter 1; each writes a JSON file that says how it was made.

python -m napa_lib.style.evaluate gatys        200 steps of Gatys' optimisation on held-out content (half an hour)
python -m napa_lib.style.evaluate strokes --half  the same at 256 px, without the terms that compare places
python -m napa_lib.style.evaluate held-out     the shipped networks beside both
python -m napa_lib.style.evaluate without-places  Gatys' optimisation against a style picture that moves at every step
python -m napa_lib.style.evaluate added-losses figure 8: one loss more at a time
python -m napa_lib.style.evaluate norms        figure 2: instance against batch normalisation
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from napa_lib.data import load_paintings
from napa_lib.engine import progress
from napa_lib.files import prepare_file
from napa_lib.loop import command
from napa_lib.networks import VGG19Features
from napa_lib.results import command_line, interval, read, write
from napa_lib.style.comparison import closed, compare, shares, summarise, without_places
from napa_lib.style.content import held_out_pictures
from napa_lib.style.gatys import optimise_picture
from napa_lib.style.losses import JOHNSON, LossRatios, StylizationLoss
from napa_lib.style.pretrained import POOL, load_stylizer, stylize
from napa_lib.style.training import StylizerConfig, run_training

PROGRAM = "python -m napa_lib.style.evaluate"
STEPS = {"gatys": 200, "strokes": 200, "without-places": 120, "added-losses": 100, "norms": 150}
HALVES = ("strokes", "without-places")  # what can be optimised in bfloat16
SINGLES = ("greatwave", "kandinky")  # the styles with a network of their own
COMPARED = (*SINGLES, "gogh_harvest")  # styles that are measured more closely

# What the single styles' networks are trained with: Gatys' two terms, ten to one, and a little against noise.
STROKES = LossRatios(
    style=20.0, total_variation=0.2, content=2.0, style_entropy=0, srgb=0, hsv=0, cosine=0, content_entropy=0
)

# Figure 8: Gatys' two terms, Johnson's third, then one more at a time of those that the paper calls the most important,
# in its order, then all.
ADDED_LOSSES = {
    "Gatys": replace(JOHNSON, total_variation=0.0),
    "Johnson": JOHNSON,
    "+ hsv": replace(JOHNSON, hsv=300.0),
    "+ cos": replace(JOHNSON, hsv=300.0, cosine=1000.0),
    "+ srgb": replace(JOHNSON, hsv=300.0, cosine=1000.0, srgb=200.0),
    "all (table 2)": LossRatios(),
}


def pairs() -> list[tuple[int, str]]:
    """(index of held-out picture, style): four frames and four paintings, each with another style of the pool, and
    a frame and a painting with each of three styles that are measured more closely."""
    pool = [(index, POOL[2 * index + 1]) for index in (0, 1, 3, 4, 6, 7, 9, 10)]
    single = [(index, name) for place, name in enumerate(COMPARED) for index in (place + 1, place + 7)]
    return pool + [pair for pair in single if pair not in pool]


def measure_gatys(size: int = 128, steps: int = 200) -> dict[str, Any]:
    """Total loss of the content itself and after `steps` steps of Gatys' optimisation, for every pair."""
    loss, contents, rows = StylizationLoss(VGG19Features()), held_out_pictures(size), []
    for index, name in progress(pairs(), "pairs"):
        style = torch.stack(load_paintings(size, [name]))
        run = [losses for _, losses in optimise_picture(contents[index : index + 1], style, loss, steps)]
        rows.append({"content": index, "style": name, "before": summarise(run[0]), "gatys": summarise(run[-1])})
    return {"size": size, "learning_rate": 0.03, "pairs": rows}


def measure_strokes(size: int = 256, steps: int = 200, half: bool = False) -> dict[str, Any]:
    """As `measure_gatys`, under `STROKES` and at the size of pictures that are looked at: two frames and two paintings
    in every style that has a network of its own. `half` optimises in bfloat16; losses are measured in float32."""
    loss, contents, rows = StylizationLoss(VGG19Features(), STROKES), held_out_pictures(size), []
    pairs = [(index, name) for index in (0, 4, 6, 10) for name in SINGLES]
    for index, name in progress(pairs, "pairs at 256 px"):
        content, style = contents[index : index + 1], torch.stack(load_paintings(size, [name]))
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            *_, (picture, _) = optimise_picture(content, style, loss, steps)
        with torch.no_grad():
            before, after = (summarise(loss(output, style, content)) for output in (content, picture))
        rows.append({"content": index, "style": name, "before": before, "gatys": after})
    return {"size": size, "learning_rate": 0.03, "ratios": asdict(STROKES), "pairs": rows}


def measure_held_out(results: Path) -> dict[str, Any]:
    """The shipped networks between the untouched content and Gatys on the same pairs, and a copy of the style picture
    beside them; then every fourth pair at twice the size, where Gatys was not run."""
    gatys, strokes = read(results / "gatys.json"), read(results / "strokes.json")
    networks = {"pool": load_stylizer("pool"), **{name: load_stylizer(name) for name in SINGLES}}
    rows = compare(networks, gatys["pairs"], gatys["size"])
    drawn = compare(networks, strokes["pairs"], strokes["size"], STROKES)
    bare = [{"content": pair["content"], "style": pair["style"]} for pair in gatys["pairs"][::4]]
    return {
        "size": gatys["size"], "closed": shares(rows), "closed_of_style_loss": shares(rows, "style"), "rows": rows,
        "at_twice_the_size": compare(networks, bare, 2 * gatys["size"]),
        "strokes": {"size": strokes["size"], "closed": shares(drawn), "rows": drawn},
    }  # fmt: skip


def measure_without_places(results: Path, steps: int = 120, half: bool = False) -> dict[str, Any]:
    """How far the pixels themselves get without the style picture's places, for some of the pairs."""
    gatys = read(results / "gatys.json")
    rows = without_places([gatys["pairs"][index] for index in (2, 7, 8)], gatys["size"], steps, half=half)
    values = [closed(row["before"]["total"], row["reached"]["total"], row["gatys"]["total"]) for row in rows]
    return {"size": gatys["size"], "closed": interval(values).entry(values), "rows": rows}


def measure_added_losses(size: int = 128, steps: int = 100) -> dict[str, Any]:
    """Optimise the same three pictures under each set of ratios, and measure all terms of the outcome."""
    contents = held_out_pictures(size)[[0, 4, 11]]
    styles = torch.stack(load_paintings(size, COMPARED))
    features = VGG19Features()
    judge, rows = StylizationLoss(features, LossRatios(feature=1.0)), {}
    for name, ratios in ADDED_LOSSES.items():
        *_, (output, _) = optimise_picture(contents, styles, StylizationLoss(features, ratios), steps)
        with torch.no_grad():
            terms = judge(output, styles, contents).terms
        rows[name] = {term: [float(f"{v:.4g}") for v in value] for term, value in terms.items()}
    return {"size": size, "terms_before_their_ratios": rows}


def measure_norms(size: int = 64, steps: int = 150, seeds: Sequence[int] = (0, 1, 2)) -> dict[str, Any]:
    """Train one style from scratch with instance and with batch normalisation, under Johnson's three terms; the total
    on held-out content at the end."""
    loss, contents = StylizationLoss(VGG19Features(), JOHNSON), held_out_pictures(size)
    style = torch.stack(load_paintings(size, ["greatwave"])).expand_as(contents)
    curves: dict[str, list[list[float]]] = {"instance": [], "batch": []}
    held_out: dict[str, list[float]] = {"instance": [], "batch": []}
    for seed in seeds:
        for norm in ("instance", "batch"):
            config = StylizerConfig(
                ("greatwave",), norm, steps=steps, size=size, seed=seed, ratios=JOHNSON  # type: ignore[arg-type]
            )  # fmt: skip
            network, record = run_training(config, every=10)
            with torch.no_grad():
                total = loss(stylize(contents, network), style, contents).total
            curves[norm].append([round(line["total"], 1) for line in record])
            held_out[norm].append(round(float(total.mean()), 1))
    means = {norm: interval(values).entry(values) for norm, values in held_out.items()}
    return {"size": size, "every": 10, "training_total": curves, "held_out_total": held_out, "mean": means}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.add_argument("what", choices=("gatys", "strokes", "held-out", "without-places", "added-losses", "norms"))
    parser.add_argument("--results", type=Path, default=Path("assets/results/style"))
    parser.add_argument("--steps", type=int, help=f"instead of {STEPS}")
    parser.add_argument("--half", action="store_true", help="strokes, without-places: optimise in bfloat16")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, start = parser.parse_args(arguments), time.monotonic()
    if options.steps is not None and options.what not in STEPS:
        parser.error(f"{options.what} takes no --steps")
    if options.half and options.what not in HALVES:
        parser.error(f"{options.what} takes no --half")
    steps = STEPS.get(options.what, 0) if options.steps is None else options.steps
    if options.what in STEPS and steps < 1:
        parser.error(f"--steps must be at least 1, got {steps}")
    seeds = (0, 1, 2)
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "gatys": lambda: measure_gatys(steps=steps),
        "strokes": lambda: measure_strokes(steps=steps, half=options.half),
        "held-out": lambda: measure_held_out(options.results),
        "without-places": lambda: measure_without_places(options.results, steps, options.half),
        "added-losses": lambda: measure_added_losses(steps=steps),
        "norms": lambda: measure_norms(steps=steps, seeds=seeds),
    }
    with command():
        file = options.results / f"{options.what.replace('-', '_')}.json"
        prepare_file(file)
        measured = measures[options.what]()
        write(
            file, measured, command_line(PROGRAM, arguments),
            time.monotonic() - start, seed=seeds if options.what == "norms" else None, steps=steps or None,
        )  # fmt: skip


if __name__ == "__main__":
    main()
