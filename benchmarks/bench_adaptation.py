"""FlexPose's generator beside its own convolutions, an adaptation, and where the time of sampling goes.

The generator of the `tiny` preset (64 pixels) against the same convolutions, activations and enlargements without
styles and normalisation: target at most 1.3 times. An adaptation in `tiny` with the defaults, from a step's time:
target under three minutes. Sampling through alpha and beta: poses a second, and each part's share.

Times are of the processor, all threads together, so that other programs on the machine lengthen them little: with one
thread (`OMP_NUM_THREADS=1`) they are what a clock shows where nothing else runs. The two networks take turns, and
the ratio is the median of that of neighbouring turns: the fastest of one and of the other need not have met the same
load.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import interpolate, leaky_relu

from benchmarks.limits import print_table
from napa_lib.adaptation import (
    PRESETS,
    AdaptationConfig,
    KeypointRegressor,
    PoseStyleGAN,
    adapt,
    alpha,
    draw_pool,
    source_poses,
)
from napa_lib.adaptation.networks import SLOPE, Synthesis
from napa_lib.engine import keep_freed_memory
from napa_lib.loop import Setup
from napa_lib.networks import VGG19Features

BATCH, STEPS = 16, 6


def processor_times(calls: Sequence[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Processor seconds of each call, `repeats` times, the calls taking turns, after one run of each."""
    found: list[list[float]] = [[] for _ in calls]
    for number in range(repeats + 1):
        for call, times in zip(calls, found, strict=True):
            start = time.process_time()
            call()
            if number > 0:
                times.append(time.process_time() - start)
    return found


def plain(synthesis: Synthesis, batch: int) -> Tensor:
    """The synthesis network without adaptive instance normalisation."""
    x = synthesis.constant.expand(batch, -1, -1, -1)
    for number, convolution in enumerate(synthesis.convolutions, 1):
        if number >= 2 and number % 2 == 0:
            x = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = leaky_relu(convolution(x), SLOPE)
    return torch.sigmoid(synthesis.out(x) * 2)


def adaptation_seconds(source: PoseStyleGAN, regressor: KeypointRegressor, pool_size: int = 256) -> float:
    """Of a whole adaptation with the defaults, from a pool's and a step's time."""
    generator, features = torch.Generator().manual_seed(0), VGG19Features()
    shots = source_poses(12, generator)
    pool = draw_pool(source, regressor, pool_size, generator)

    def run(steps: int) -> None:
        adapt(AdaptationConfig(mixed=pool_size, steps=steps), source, pool, shots, features, Setup(half=True))

    defaults = AdaptationConfig()
    calls = (lambda: draw_pool(source, regressor, pool_size, generator), lambda: run(1), lambda: run(STEPS + 1))
    draw, first, more = map(min, processor_times(calls, 3))
    return draw / pool_size * 2 * defaults.mixed + first + (more - first) / STEPS * (defaults.steps - 1)


@torch.no_grad()
def sampling_rows(source: PoseStyleGAN, regressor: KeypointRegressor) -> list[dict[str, object]]:
    """Microseconds a pose of each part of sampling."""
    z = source.noise(BATCH, torch.Generator().manual_seed(0))
    styles = source.styles(z)
    pictures = source.draw(styles)
    poses = regressor(pictures)
    parts = {
        "f and A: noise to styles": lambda: source.styles(z),
        "phi: styles to pictures": lambda: source.draw(styles),
        "beta: pictures to joints": lambda: regressor(pictures),
        "alpha: joints to pictures": lambda: alpha(poses, source.config.size),
    }
    times = {n: min(t) / BATCH for n, t in zip(parts, processor_times(list(parts.values()), 20), strict=True)}
    total = sum(times.values())
    return [{"part": name, "us a pose": t * 1e6, "share (%)": 100 * t / total} for name, t in times.items()] + [
        {"part": f"all: 10,000 poses in {10_000 * total:.1f} s", "us a pose": total * 1e6, "share (%)": 100.0}
    ]


def main() -> None:
    """Time all and print the tables."""
    keep_freed_memory()  # as every command that trains does
    torch.manual_seed(0)
    source, regressor = PoseStyleGAN(PRESETS["tiny"]).eval(), KeypointRegressor().eval()
    with torch.no_grad():
        styles = source.styles(source.noise(BATCH, torch.Generator().manual_seed(0)))
        modulated, bare = processor_times((lambda: source.draw(styles), lambda: plain(source.synthesis, BATCH)), 60)
    ratio = median(a / b for a, b in zip(modulated, bare, strict=True))
    seconds = adaptation_seconds(source, regressor)
    print_table(
        f"FlexPose's generator, 64 pixels, batch {BATCH}, {torch.get_num_threads()} threads",
        [
            {"what": "phi", "ms": 1e3 * median(modulated), "x plain convolutions": ratio},
            {"what": "the same without styles", "ms": 1e3 * median(bare), "x plain convolutions": 1.0},
        ],
    )
    print("  target: at most 1.3")
    print(f"  an adaptation with the defaults: {seconds:.0f} s (target: under 180)")
    print_table("Sampling through the bottleneck", sampling_rows(source, regressor))


if __name__ == "__main__":
    main()
