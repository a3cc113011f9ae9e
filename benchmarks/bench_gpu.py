"""A step of NAPA's stage 4 on a GPU: pictures a second, its share of the hardware's limit, and memory.

In float32 and bfloat16, laid out as torch does by default and with channels last, and with its networks compiled; then
the fastest of these with more and more pictures a step. The limit is a large matrix product of the same type.

    python -m benchmarks gpu
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.limits import arithmetic_rate, best_time, print_table, waiting
from napa_lib.loop import Setup, descend
from napa_lib.training import TrainingConfig, build_model, load_styles, open_figures
from napa_lib.training.run import draw, stage_losses, style_target
from napa_lib.training.stages import stage_of, trained_in

BATCHES = (2, 4, 8, 16, 22)
LARGE = 8192  # side of the matrices whose product is the limit


@dataclass(frozen=True)
class Variant:
    """One way to compute the same step."""

    half: bool = False
    last: bool = False  # channels last
    compiled: bool = False

    def __str__(self) -> str:
        kind = "bfloat16" if self.half else "float32"
        return kind + ", channels last" * self.last + ", compiled" * self.compiled


VARIANTS = (
    Variant(), Variant(last=True), Variant(half=True), Variant(half=True, last=True),
    Variant(last=True, compiled=True), Variant(half=True, last=True, compiled=True),
)  # fmt: skip


def step_of(variant: Variant, config: TrainingConfig, device: torch.device) -> Callable[[], None]:
    """A step of stage 4 as `napa_lib.training.run.run_stage` makes it, on the same pictures each time."""
    setup, stage = Setup(device, variant.half), stage_of(4)
    figures, styles = open_figures(["synthetic:train"], config.size, 64), load_styles(config.size, device)
    form = torch.channels_last if variant.last else torch.contiguous_format
    model = build_model().to(device, memory_format=form)  # type: ignore[call-overload]
    groups = model.train_only(trained_in(stage, config))
    optimizer = torch.optim.RMSprop([p for own in groups.values() for p in own], 1e-6, momentum=config.momentum)
    target, drawn = style_target(model, styles, stage, config), draw(0, config, len(figures), len(styles.pictures))
    batch, style = figures.take(drawn.figures), target(drawn.styles)
    statistics = styles.statistics[drawn.styles.to(device)]
    if variant.compiled:
        for network in model.children():
            network.compile()

    def step() -> None:
        with setup.autocast():
            losses = stage_losses(model, stage, config, batch, style, statistics)
        descend(losses.total, optimizer, float("inf"), losses.terms)

    return step


def operations_a_picture(config: TrainingConfig, device: torch.device) -> float:
    """Of convolutions and matrix products, forward and backward: they are the same however the step is computed."""
    step = step_of(Variant(), config, device)
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / config.batch


def measure(
    variant: Variant, config: TrainingConfig, device: torch.device, limit: float, operations: float
) -> dict[str, object]:
    """One row; `limit` in operations a second, `operations` of one picture."""
    step = waiting(step_of(variant, config, device), device)
    step()
    torch.cuda.reset_peak_memory_stats()
    rate = config.batch / best_time(step, repeats=10, warmup=3)
    return {
        "computed in": str(variant), "pictures a step": config.batch, "pictures a second": rate,
        "share of the limit": rate * operations / limit, "peak memory, MB": torch.cuda.max_memory_allocated() / 1e6,
    }  # fmt: skip


def main(preset: str = "paper", batches: tuple[int, ...] = BATCHES, variants: tuple[Variant, ...] = VARIANTS) -> None:
    """Print both tables, where there is a GPU."""
    if not torch.cuda.is_available():
        print("no GPU here: nothing to measure")
        return
    device, config = torch.device("cuda"), TrainingConfig(preset)
    limits = {half: arithmetic_rate(LARGE, dtype=torch.bfloat16 if half else torch.float32, device=device)
              for half in {variant.half for variant in variants}}  # fmt: skip
    operations = operations_a_picture(config, device)
    rows = [measure(variant, config, device, limits[variant.half], operations) for variant in variants]
    print_table(f"{torch.cuda.get_device_name()}, stage 4, pictures of {config.size} px", rows)
    fastest = max(range(len(rows)), key=lambda i: float(rows[i]["pictures a second"]))  # type: ignore[arg-type]
    best = variants[fastest]
    print_table(f"more pictures a step, {best}", [
        measure(best, replace(config, batch=batch), device, limits[best.half], operations) for batch in batches
    ])  # fmt: skip


if __name__ == "__main__":
    main()
