"""Measurements of chapter 1; each writes a JSON file that says how it was made.

python -m napa_lib.style.evaluate gatys        200 steps of Gatys' optimisation on held-out content (half an hour)
python -m napa_lib.style.evaluate held-out     the shipped networks beside them
python -m napa_lib.style.evaluate added-losses figure 8: one loss more at a time
python -m napa_lib.style.evaluate norms        figure 2: instance against batch normalisation
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napa_lib.data import load_paintings
from napa_lib.engine import progress
from napa_lib.loop import command
from napa_lib.networks import VGG19Features
from napa_lib.results import command_line, interval, read, write
from napa_lib.style.content import held_out_pictures
from napa_lib.style.gatys import optimise_picture
from napa_lib.style.losses import JOHNSON, LossRatios, StyleLosses, StylizationLoss
from napa_lib.style.pretrained import POOL, load_stylizer, stylize
from napa_lib.style.train import StylizerConfig, run_training

PROGRAM = "python -m napa_lib.style.evaluate"
SINGLES = ("greatwave", "kandinky")  # the styles with a network of their own
COMPARED = (*SINGLES, "gogh_harvest")  # styles that are measured more closely

# Figure 8: Johnson's three terms, then one of NAPA's after the other, the most important of them first.
ADDED_LOSSES = {
    "Johnson": JOHNSON,
    "+ cos": replace(JOHNSON, cosine=1000.0),
    "+ hsv": replace(JOHNSON, cosine=1000.0, hsv=300.0),
    "+ srgb": replace(JOHNSON, cosine=1000.0, hsv=300.0, srgb=200.0),
    "all (table 2)": LossRatios(),
}


def pairs() -> list[tuple[int, str]]:
    """(index of held-out picture, style): four frames and four paintings, each with another style of the pool, and
    a frame and a painting with each of three styles that are measured more closely."""
    pool = [(index, POOL[2 * index + 1]) for index in (0, 1, 3, 4, 6, 7, 9, 10)]
    single = [(index, name) for place, name in enumerate(COMPARED) for index in (place + 1, place + 7)]
    return pool + [pair for pair in single if pair not in pool]


def summarise(losses: StyleLosses, index: int = 0) -> dict[str, float]:
    """The total and every weighted term of one sample, rounded."""
    weighted = {name: round(float(value[index]), 2) for name, value in losses.weighted().items()}
    return {"total": round(float(losses.total[index]), 2), **weighted}


def measure_gatys(size: int = 128, steps: int = 200) -> dict[str, Any]:
    """Total loss of the content itself and after `steps` steps of Gatys' optimisation, for every pair."""
    loss, contents, rows = StylizationLoss(VGG19Features()), held_out_pictures(size), []
    for index, name in progress(pairs(), "pairs"):
        style = torch.stack(load_paintings(size, [name]))
        run = [losses for _, losses in optimise_picture(contents[index : index + 1], style, loss, steps)]
        rows.append({"content": index, "style": name, "before": summarise(run[0]), "gatys": summarise(run[-1])})
    return {"size": size, "learning_rate": 0.03, "pairs": rows}


def measure_held_out(results: Path) -> dict[str, Any]:
    """Total loss of the shipped networks on the same pairs, and its ratio to Gatys'."""
    gatys = read(results / "gatys.json")
    size, features = gatys["size"], VGG19Features()
    loss, contents = StylizationLoss(features), held_out_pictures(size)
    networks = {"pool": load_stylizer("pool"), **{name: load_stylizer(name) for name in SINGLES}}
    rows = []
    for row in gatys["pairs"]:
        content, style = contents[row["content"]][None], torch.stack(load_paintings(size, [row["style"]]))
        for name in ("pool", row["style"]):
            if name in networks:
                output = stylize(content, networks[name], style if name == "pool" else None, features)
                with torch.no_grad():
                    measured = summarise(loss(output, style, content))
                ratio = round(measured["total"] / row["gatys"]["total"], 3)
                rows.append({**row, "network": name, "stylized": measured, "ratio": ratio})
    ratios = {
        "pool": [row["ratio"] for row in rows if row["network"] == "pool"],
        "single": [row["ratio"] for row in rows if row["network"] != "pool"],
        "content itself": [row["before"]["total"] / row["gatys"]["total"] for row in gatys["pairs"]],
    }
    largest = max(ratios["pool"] + ratios["single"])
    means = {kind: interval(values).entry(values) for kind, values in ratios.items()}
    return {"size": size, "mean_ratio": means, "largest_ratio": largest, "rows": rows}


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
    parser.add_argument("what", choices=("gatys", "held-out", "added-losses", "norms"))
    parser.add_argument("--results", type=Path, default=Path("assets/results/style"))
    parser.add_argument("--steps", type=int, help="instead of 200 (gatys), 100 (added-losses) or 150 (norms)")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, start = parser.parse_args(arguments), time.monotonic()
    steps = options.steps or {"gatys": 200, "added-losses": 100, "norms": 150, "held-out": 0}[options.what]
    seeds = (0, 1, 2)
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "gatys": lambda: measure_gatys(steps=steps),
        "held-out": lambda: measure_held_out(options.results),
        "added-losses": lambda: measure_added_losses(steps=steps),
        "norms": lambda: measure_norms(steps=steps, seeds=seeds),
    }
    with command():
        measured = measures[options.what]()
        write(
            options.results / f"{options.what.replace('-', '_')}.json", measured, command_line(PROGRAM, arguments),
            time.monotonic() - start, seed=seeds if options.what == "norms" else None, steps=steps or None,
        )  # fmt: skip


if __name__ == "__main__":
    main()
