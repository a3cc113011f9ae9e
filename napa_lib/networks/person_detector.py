"""PersonDetector: every figure of a picture at once, an SSD on inverted residuals.

The layers are those of MediaPipe's person detector (npm @mediapipe/pose 0.5.1675469404, Apache License 2.0); the
weights that ship began as its own and were trained on for figures in art, see `assets/weights/person_detector.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.data import asset_path
from napa_lib.engine import save_tensors
from napa_lib.networks.heatmaps import doubled
from napa_lib.quantization import load_network, quantize

FORMAT = "napa-person-detector-1"
WEIGHTS = "weights/person_detector.safetensors"
SIZE = 224  # px, side of the pictures that the detector looks at
GRIDS = ((28, 2), (14, 2), (7, 6))  # cells a side, anchors a cell
THRESHOLD = 0.3  # a box is looked at closer from this score on; chosen on validation pictures
VALUES = 4  # an anchor: the centre, width and height of a figure's box
UNIT = 32.0  # px that the layers' values are in: about 1 then, so that all layers learn at one rate


class Depthwise(nn.Sequential):
    """A convolution of each channel alone; at stride 2 the padding is even on all sides."""

    def __init__(self, channels: int, kernel: int, stride: int = 1, active: bool = True) -> None:
        layers: list[nn.Module] = [nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels)]
        super().__init__(*layers, *([nn.ReLU6(inplace=True)] if active else []))


def pointwise(channels: int, out: int, active: bool = True) -> nn.Sequential:
    """A 1 x 1 convolution, with ReLU6 behind it where `active`."""
    return nn.Sequential(nn.Conv2d(channels, out, 1), *([nn.ReLU6(inplace=True)] if active else []))


class InvertedResidual(nn.Module):
    """1 x 1 up to `wide` channels, depthwise, 1 x 1 down without activation; a shortcut where the shapes allow it.

    Source: Sandler et al., 2018 (MobileNetV2).
    """

    def __init__(self, channels: int, wide: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.up, self.across = pointwise(channels, wide), Depthwise(wide, kernel, stride)
        self.down = pointwise(wide, out, active=False)
        self.shortcut = channels == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.down(self.across(self.up(x)))
        return x + y if self.shortcut else y


class Refinement(nn.Module):
    """x + a depthwise separable convolution of it, then ReLU6."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(Depthwise(channels, 3, active=False), pointwise(channels, channels, active=False))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.layers(x)).clamp(0, 6)


class Anchors(nn.Module):
    """Scores and values of one grid's anchors, from features with a quarter of the channels at twice the grid."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.score = nn.Sequential(Depthwise(channels, 3, 2, active=False), nn.Conv2d(channels, anchors, 1))
        self.value = nn.Sequential(Depthwise(channels, 3, 2, active=False), nn.Conv2d(channels, anchors * VALUES, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = spread(x)
        score = self.score(x).permute(0, 2, 3, 1).flatten(1)  # (B, H W A): the anchors of a cell side by side
        return score, self.value(x).permute(0, 2, 3, 1).reshape(len(x), -1, VALUES)


def spread(x: Tensor) -> Tensor:
    """(B, 4 C, H, W) to (B, C, 2 H, 2 W): the first C channels are the top left of each 2 x 2 block, and so on.

    >>> spread(torch.arange(4.0).view(1, 4, 1, 1))[0, 0].tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    b, c, h, w = x.shape
    return x.view(b, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2).reshape(b, c // 4, 2 * h, 2 * w)


class PersonDetector(nn.Module):
    """Pictures (B, 3, 224, 224) in [0, 1] to the scores and boxes of 2,254 anchors.

    >>> scores, boxes = PersonDetector()(torch.rand(1, 3, 224, 224))
    >>> scores.shape, boxes.shape
    (torch.Size([1, 2254]), torch.Size([1, 2254, 4]))
    """

    size, threshold = SIZE, THRESHOLD
    centers: Tensor

    def __init__(self) -> None:
        super().__init__()
        Block = InvertedResidual
        stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU6(inplace=True))
        self.to_28 = nn.Sequential(
            stem, Depthwise(24, 3), pointwise(24, 16, active=False),
            Block(16, 64, 24, 3, 2), Block(24, 144, 24, 3), Block(24, 144, 40, 5, 2), Block(40, 240, 40, 5),
        )  # fmt: skip
        self.to_14 = nn.Sequential(
            Block(40, 240, 80, 3, 2), Block(80, 480, 80, 3), Block(80, 480, 80, 3),
            Block(80, 480, 112, 5), Block(112, 672, 112, 5), Block(112, 672, 112, 5),
        )  # fmt: skip
        self.to_7 = nn.Sequential(
            Block(112, 672, 192, 5, 2), *(Block(192, 1152, 192, 5) for _ in range(3)),
            pointwise(192, 1152), Depthwise(1152, 3),
        )  # fmt: skip
        self.beside_28 = nn.Sequential(Depthwise(40, 3, active=False), pointwise(40, 96))
        self.beside_14 = nn.Sequential(Depthwise(112, 3, active=False), pointwise(112, 192))
        self.down_14, self.down_28 = pointwise(1152, 192), pointwise(192, 96)
        self.refine_14 = nn.Sequential(Refinement(192), Refinement(192))
        self.refine_28 = nn.Sequential(Refinement(96), Refinement(96))
        self.anchors_28, self.anchors_14, self.anchors_7 = Anchors(24, 2), Anchors(48, 2), Anchors(288, 6)
        self.register_buffer("centers", anchor_centers(), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, 2254), logits, and boxes (B, 2254, 4) in pixels of the picture: centre x, y, width, height."""
        if images.ndim != 4 or tuple(images.shape[1:]) != (3, SIZE, SIZE):
            raise ValueError(f"images must be (B, 3, {SIZE}, {SIZE}), got {tuple(images.shape)}")
        x28 = self.to_28(2 * images - 1)
        x14 = self.to_14(x28)
        x7 = self.to_7(x14)
        y14 = self.refine_14(self.beside_14(x14) + self.down_14(doubled(x7)))
        y28 = self.refine_28(self.beside_28(x28) + self.down_28(doubled(y14)))
        found = [self.anchors_28(y28), self.anchors_14(y14), self.anchors_7(x7)]
        scores = torch.cat([score for score, _ in found], 1).float()
        values = torch.cat([value for _, value in found], 1).float() * UNIT
        return scores, torch.cat([values[..., :2] + self.centers, values[..., 2:]], -1)


def anchor_centers() -> Tensor:
    """(2254, 2): the middles of the anchors' cells, in pixels from the picture's top left edge."""
    rows = []
    for cells, anchors in GRIDS:
        ticks = (torch.arange(cells) + 0.5) * (SIZE / cells)
        y, x = torch.meshgrid(ticks, ticks, indexing="ij")
        rows.append(torch.stack([x.flatten(), y.flatten()], 1).repeat_interleave(anchors, 0))
    return torch.cat(rows)


def save_detector(path: str | Path, network: PersonDetector, metadata: Mapping[str, str] | None = None) -> None:
    """Write the detector in 8 bits, atomically."""
    save_tensors(path, quantize(network.state_dict()), {**(metadata or {}), "format": FORMAT})


def load_detector(path: str | Path | None = None) -> PersonDetector:
    """The detector that ships, or one that `save_detector` wrote, in evaluation mode.

    Raises:
        ValueError: if the file is missing, corrupt or holds something else.
    """
    return load_network(PersonDetector(), asset_path(WEIGHTS) if path is None else path, FORMAT, "person detector")
