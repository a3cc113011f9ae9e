"""Write MediaPipe's person detector as the start of ours: `python tools/convert_person_detector.py SOURCE OUT`.

SOURCE.safetensors and SOURCE.json hold the convolutions of `pose_detection.tflite` (npm @mediapipe/pose
0.5.1675469404, Apache License 2.0) and its list of layers. Its boxes are those of faces; a figure it marks by the
middle of the hips and a point at the top of a circle round the figure. Ours has no points: its box begins as the square
round that circle.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.engine import load_tensors, save_tensors
from napa_lib.networks.person_detector import UNIT, VALUES, PersonDetector

# Rows of the twelve values of an anchor: box x, y, w, h, then four points; the first is the hips, the second the top.
HIPS, TOP = (4, 5), (6, 7)


def layers(network: PersonDetector) -> list[nn.Conv2d]:
    """The convolutions in the order of the .tflite: a grid's side branch comes after the next block's first layer."""

    def inside(*parts: nn.Module) -> list[nn.Conv2d]:
        return [m for part in parts for m in part.modules() if isinstance(m, nn.Conv2d)]

    n = network
    to_14, to_7 = inside(n.to_14), inside(n.to_7)
    trunk = [*inside(n.to_28), to_14[0], *inside(n.beside_28), *to_14[1:], to_7[0], *inside(n.beside_14), *to_7[1:]]
    down = inside(n.down_14, n.refine_14, n.down_28, n.refine_28)
    return [*trunk, *down, *inside(n.anchors_28, n.anchors_14, n.anchors_7)]


def figure_rows(values: Tensor) -> Tensor:
    """(A * 12, ...) rows of an anchor's values to (A * 4, ...): centre on the hips, sides twice hips to top."""
    x, y, side = (values.unflatten(0, (-1, 12))[:, i] for i in (HIPS[0], HIPS[1], TOP[1]))
    side = 2 * (y - side)  # the top lies above, where y is smaller
    return torch.stack([x, y, side, side], 1).flatten(0, 1)


def main(source: Path, out: Path) -> None:
    tensors, _ = load_tensors(source.with_suffix(".safetensors"))
    ops = json.loads(source.with_suffix(".json").read_text("utf-8"))["ops"]
    names = [op["name"] for op in ops if "conv" in op["op"]]
    network = PersonDetector()
    for layer, name in zip(layers(network), names, strict=True):
        weight, bias = tensors[f"{name}.weight"].float(), tensors[f"{name}.bias"].float()
        if len(bias) == 3 * layer.out_channels and layer.out_channels % VALUES == 0:
            weight, bias = figure_rows(weight) / UNIT, figure_rows(bias) / UNIT
        layer.weight.data.copy_(weight)
        assert layer.bias is not None
        layer.bias.data.copy_(bias)
    save_tensors(out, network.state_dict(), {"format": "napa-person-detector-1"})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
