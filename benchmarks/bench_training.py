"""A step of NAPA's stage 4 beside the passes of its networks, its wait for data, and what a second process brings.

A step cannot do without: F, G, G' and F' forward and backward, VGG once on I, and on O forward and backward to the
picture, VGG' once on O, and on O' forward and backward. Each is timed alone on the same pictures; what the step takes
above their sum is the bone maps, the losses, the gradient's norm and RMSprop. Times are the process's CPU seconds, the
least of several interleaved rounds: on a shared machine, others' work then counts less.

    python -m benchmarks training
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.limits import print_table
from napa_lib.engine import keep_freed_memory
from napa_lib.loop import descend
from napa_lib.style import StylizationLoss
from napa_lib.style.losses import CONTENT_LAYER, STYLE_LAYERS
from napa_lib.training import TrainingConfig, build_model, load_styles, open_figures
from napa_lib.training.run import draw, stage_losses, style_target
from napa_lib.training.stages import stage_of, trained_in
from napa_lib.training.system import NapaModel, restyle

ROUNDS = 4
STEPS, BATCH = 8, 4  # of the trainings in one process and in two


def backward_of(call: Callable[[], Tensor | Sequence[Tensor]]) -> Callable[[], None]:
    """The call and the backward pass of the sum of what it gives."""

    def both() -> None:
        found = call()
        parts = [found] if isinstance(found, Tensor) else list(found)
        torch.stack([part.sum() for part in parts]).sum().backward()

    return both


def passes(
    model: NapaModel, images: Tensor, statistics: Tensor, content_layers: Sequence[str], style_layers: Sequence[str]
) -> dict[str, Callable[[], None]]:
    """What a step cannot do without, by name."""
    leaf = images.clone().requires_grad_()  # O, or the bone map: a gradient flows on into what made it
    bones = torch.rand(len(images), 3, model.depth.preset.size, model.depth.preset.size)
    own = (*STYLE_LAYERS, CONTENT_LAYER)

    def look(vgg: nn.Module, layers: Sequence[str]) -> Callable[[], None]:
        def call() -> None:
            with torch.no_grad():
                vgg(images, layers)

        return call

    return {
        "F": backward_of(lambda: restyle(model.stylizer, images, statistics)),
        "G": backward_of(lambda: model.pose(leaf).heatmaps),
        "G'": backward_of(lambda: model.depth(bones)),
        "F'": backward_of(lambda: restyle(model.reconstructor, leaf, statistics)),
        "VGG on I": look(model.features, content_layers),
        "VGG on O": backward_of(lambda: list(model.features(leaf, {*content_layers, *style_layers}).values())),
        "VGG' on O": look(model.own_features, own),
        "VGG' on O'": backward_of(lambda: list(model.own_features(leaf, own).values())),
    }


def bench_step(preset: str) -> None:
    """Print a table of the passes, and the two ratios. RMSprop takes as long whatever the size of the pictures."""
    config, stage = TrainingConfig(preset), stage_of(4)
    figures, styles, model = open_figures(["synthetic:train"], config.size, 64), load_styles(config.size), build_model()
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = model.train_only(trained_in(stage, config))
    optimizer = torch.optim.RMSprop(
        [p for own in groups.values() for p in own], 1e-6, momentum=config.momentum, weight_decay=config.weight_decay
    )
    target, spent = style_target(model, styles, stage, config), {"data": 0.0, "all": 0.0}
    drawn = draw(0, config, len(figures), len(styles.pictures))
    images = (figures.images[drawn.figures].float() / 255).to(memory_format=torch.channels_last)

    def step() -> None:
        started = time.process_time()
        now = draw(0, config, len(figures), len(styles.pictures))
        batch, style, statistics = figures.take(now.figures), target(now.styles), styles.statistics[now.styles]
        spent["data"] += time.process_time() - started
        losses = stage_losses(model, stage, config, batch, style, statistics)
        descend(losses.total, optimizer, float("inf"), losses.terms)
        spent["all"] += time.process_time() - started

    loss = StylizationLoss(model.features)
    calls = passes(model, images, styles.statistics[drawn.styles], loss.content_layers(), loss.style_layers())
    calls["the step"] = step
    best = dict.fromkeys(calls, float("inf"))
    for turn in range(ROUNDS + 1):
        for name, call in calls.items():
            model.zero_grad()  # nor does a step add to the gradients of the last one
            started = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - started) if turn else best[name]
    print_table(f"stage 4, {config.batch} pictures of {config.size} px (target of the step: 1.1 times their sum)", [
        {"pass": name, "CPU ms": round(1000 * seconds)} for name, seconds in best.items()
    ])  # fmt: skip
    total = best.pop("the step")
    print(f"\nthe step is {total / sum(best.values()):.2f} times the sum of its networks' passes; "
          f"{spent['data'] / spent['all']:.1%} of it is spent on data")  # fmt: skip


def seconds_a_step(folder: Path, processes: int, threads: int) -> float:
    """Of `napa train`'s stage 1 with a batch of `BATCH`, without what comes before the first steps."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes),
        "-m", "napa_lib.cli", "train", "--out", str(folder), "--stage", "1", "--steps", str(STEPS), "--every", "2",
        "--batch", str(BATCH), "--most", "64", "--device", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    first, *_, last = [line for line in lines if "seconds" in line]
    return (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])


def bench_processes() -> None:
    """Pictures a second of one process and of two that share each batch, with the same threads in all."""
    with tempfile.TemporaryDirectory() as folder:
        found = {(n, t): seconds_a_step(Path(folder) / f"{n}_{t}", n, t) for n, t in ((1, 1), (1, 2), (2, 1))}
    print_table(f"`napa train`, stage 1, {BATCH} pictures of 96 px a step", [
        {"processes": n, "threads each": t, "pictures a second": BATCH / seconds, "x one thread": found[1, 1] / seconds}
        for (n, t), seconds in found.items()
    ])  # fmt: skip


def main() -> None:
    """The papers' size of pictures, and the laptop's."""
    keep_freed_memory()
    for preset in ("paper", "tiny"):
        bench_step(preset)
    bench_processes()


if __name__ == "__main__":
    main()
