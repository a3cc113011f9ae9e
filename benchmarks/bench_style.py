"""All style terms together, beside the bare VGG passes that they need.

Needed are three passes: the output's forward and backward, the style's and the content's forward, each to the deepest
layer its terms look at. The best of many interleaved runs is taken of both. The arithmetic limit counts the
multiplications and additions of the convolutions alone, two operations each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.limits import arithmetic_rate, best_time, memory_bandwidth, print_table
from napa_lib.data import load_paintings
from napa_lib.networks import VGG19Features
from napa_lib.networks.vgg import BLOCKS, LAYERS
from napa_lib.style import StylizationLoss

SIZE, ROUNDS = 224, 8


def bare_passes(features: VGG19Features, loss: StylizationLoss, output: Tensor, style: Tensor, content: Tensor) -> None:
    """The three VGG passes, with the backward pass from a plain sum of the deepest maps the terms look at."""
    with torch.no_grad():
        features(style, loss.style_layers())
        features(content, loss.content_layers())
    maps = features(output, loss.style_layers() + loss.content_layers())
    torch.autograd.grad(maps["relu5_4"].sum(), output)


def all_terms(loss: StylizationLoss, output: Tensor, style: Tensor, content: Tensor) -> None:
    """Every term, its ratio, the total, and the gradient of the picture."""
    torch.autograd.grad(loss(output, style, content).total.sum(), output)


def operations(size: int, last: str) -> float:
    """Floating-point operations of one forward pass to a layer, for one picture of `size` x `size`."""
    total, channels = 0.0, 3
    for block, (convs, width) in enumerate(BLOCKS, 1):
        for conv in range(1, convs + 1):
            total += 2 * 9 * channels * width * (size >> (block - 1)) ** 2
            channels = width
            if f"relu{block}_{conv}" == last:
                return total
    return total


def main() -> None:
    """Time both in turns and print the ratio, which the project holds under 1.15."""
    features = VGG19Features()
    loss = StylizationLoss(features)
    style, content, output = torch.stack(load_paintings(SIZE, ["greatwave", "monalisa", "cassat_summertime"]))[:, None]
    output.requires_grad_()
    runs = [
        (
            best_time(lambda: bare_passes(features, loss, output, style, content), 2, 1),
            best_time(lambda: all_terms(loss, output, style, content), 2, 1),
        )
        for _ in range(ROUNDS)
    ]
    bare, terms = min(run[0] for run in runs), min(run[1] for run in runs)
    # style to relu4_2, content and output to relu5_4, and about as much again as forward for the gradient of a picture
    flop = operations(SIZE, "relu4_2") + 3 * operations(SIZE, LAYERS[-1])
    rate, bandwidth = arithmetic_rate(), memory_bandwidth()
    # the terms read the maps of output and target once and write one gradient of the output's
    elements = sum(SIZE**2 * count for count in (64, 64, 32, 16, 8, 8, 2, 2, 2, 2))
    rows: list[dict[str, object]] = [
        {"what": "bare VGG passes", "ms": 1e3 * bare, "x bare": 1.0},
        {"what": "all nine terms, forward and backward", "ms": 1e3 * terms, "x bare": terms / bare},
        {"what": f"arithmetic limit of the passes at {rate / 1e9:.0f} Gflop/s", "ms": 1e3 * flop / rate,
         "x bare": flop / rate / bare},
        {"what": f"memory limit of the terms alone at {bandwidth / 1e9:.1f} GB/s", "ms": 12e3 * elements / bandwidth,
         "x bare": 12 * elements / bandwidth / bare},
    ]  # fmt: skip
    print_table(f"Style losses, 1 x {SIZE}², float32, {torch.get_num_threads()} threads", rows)
    print("  largest allowed: 1.15 times the bare passes")


if __name__ == "__main__":
    main()
