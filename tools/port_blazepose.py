"""Rename the weights of BlazePose's heavy landmark network for `napa_lib.networks.blazepose`, and store few bits.

    python tools/port_blazepose.py FOLDER assets/weights/blazepose.safetensors

FOLDER holds `blazepose_heavy.safetensors`, the convolutions of `pose_landmark_heavy.tflite` under the names of the
operations that use them, in the order of execution: conv001_128x128, depthwise001_128x128 ...
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, nn
from typical import figures

from napa_lib.engine import load_tensors, save_tensors
from napa_lib.networks.blazepose import BlazePose
from napa_lib.quantization import compress

# The finest parts, 3 % of the weights, stay in 16 bits: in fewer, a painting's heat maps change beyond recognition. The
# coarsest and those behind them, which the heat maps do not need, bear 7.
FINE = ("stem.", "stage4.", "stage8.", "lateral4.", "lateral8.", "lateral16.", "out.")
COARSE = ("stage32.", "top.", "down", "skip")

# The original's layers in the order in which the module lists its own: c conv_2d, d depthwise, by their running number.
FINE = "c1 d1 c2 c3 d3 c5 c6 d4 c7 c8 d5 c9 c10 d6 c11 d7 c13 c12 d8 c14 c15 d9 c16 c17 d10 c18 c19 d11 c20 d12 c22"


def original_names() -> Iterator[str]:
    """The convolutions that `BlazePose` has, in its order."""
    yield from FINE.split()
    yield from ("c21", "d14", "c24")
    for i in range(11):
        yield from (f"c{25 + 2 * i}", f"d{15 + i}", f"c{26 + 2 * i}")
    yield from ("d26", "c48", "c47", "d28", "c50")
    for i in range(7):
        yield from (f"c{51 + 2 * i}", f"d{29 + i}", f"c{52 + 2 * i}")
    yield from ("c65", "d36", "d37", "c66", "c96", "d38", "c67")
    for blocks, skip in (
        (range(44, 50), ("d13", "c23")),
        (range(50, 58), ("d27", "c49")),
        (range(58, 66), ("d66", "c97")),
    ):
        for i in blocks:
            yield from (f"d{i}", f"c{i + 30}")
        yield from skip


def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The module's state from the original's tensors."""
    by_number = {re.sub(r"_\d+x\d+\.", ".", name): tensor for name, tensor in tensors.items()}
    network = BlazePose()
    ours = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    kinds = {"c": "conv", "d": "depthwise"}
    theirs = [f"{kinds[name[0]]}{int(name[1:]):03d}" for name in original_names()]
    state = {
        f"{our}.{part}": by_number[f"{their}.{part}"].float()
        for our, their in zip(ours, theirs, strict=True)
        for part in ("weight", "bias")
    }
    network.load_state_dict(state)  # names and shapes agree
    return state


def bits(name: str) -> int:
    """How many a kernel is stored in."""
    return 16 if name.startswith(FINE) else 7 if name.startswith(COARSE) else 8


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    tensors, metadata = load_tensors(options.folder / "blazepose_heavy.safetensors")
    network = BlazePose().eval()
    network.load_state_dict(renamed(tensors))
    changed = "a part of the layers, renamed, stored in 7, 8 and 16 bits, biases corrected"
    save_tensors(options.out, compress(network, bits, figures()), {"source": metadata["source"], "changed": changed})


if __name__ == "__main__":
    main()
