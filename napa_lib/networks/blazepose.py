"""BlazePose's heavy landmark network up to its heat maps and features: a network that photographs of people trained.

    crop -> encoder -> decoder -> 39 heat maps at 1/4 of the crop's side
                          |
                          +-> second encoder: features at 1/8, 1/16, 1/32 that know the heat maps

The encoder is a MobileNet of inverted residuals; the decoder adds 48 channels from each scale, from coarse to fine.
What the original does behind that (33 landmarks as numbers, a mask of the person) is left out: on art its heat maps,
which its own program does not even look at, are the better answer.

Source: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020; the layers are those of
`pose_landmark_heavy.tflite` in the npm package @mediapipe/pose 0.5.1675469404 (Apache License 2.0).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad, relu6

from napa_lib.networks.heatmaps import doubled
from napa_lib.skeletons import BLAZEPOSE33

CHANNELS = (80, 152, 352, 288)  # of the features at 1/4, 1/8, 1/16 and 1/32
LANDMARKS = 39  # heat maps: 33 of the body, two that frame the next crop of a video, four more
NARROW = 48  # channels of the decoder

# Each row of an encoder's stage: (channels, channels inside, kernel, stride); a row that changes nothing is residual.
Rows = tuple[tuple[int, int, int, int], ...]
STAGE4: Rows = ((32, 96, 3, 2), (32, 128, 3, 1), *2 * ((32, 192, 3, 1),))
STAGE8: Rows = ((56, 192, 5, 2), *3 * ((56, 336, 5, 1),))
STAGE16: Rows = ((112, 336, 3, 2), *5 * ((112, 672, 3, 1),), (160, 672, 5, 1), *5 * ((160, 960, 5, 1),))
STAGE32: Rows = ((272, 960, 5, 2), *7 * ((272, 1632, 5, 1),))


@dataclass(frozen=True)
class BlazeFeatures:
    """What the network knows of B crops of S x S pixels."""

    heatmaps: Tensor  # (B, 39, S / 4, S / 4) logits: is the landmark in this cell?
    taps: tuple[Tensor, ...]  # (B, C, S / s, S / s) for s of 4, 8, 16, 32 and C of `CHANNELS`: what the second encoder
    # says, and beside it, except at 1/32, what the first does


class InvertedResidual(nn.Module):
    """Up to many channels, a convolution for each of them, down again (Sandler et al., MobileNetV2, 2018)."""

    def __init__(self, before: int, after: int, inside: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.residual = stride == 1 and before == after
        self.layers = nn.Sequential(
            nn.Conv2d(before, inside, 1), nn.ReLU6(inplace=True),
            nn.Conv2d(inside, inside, kernel, stride, kernel // 2, groups=inside), nn.ReLU6(inplace=True),
            nn.Conv2d(inside, after, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Separable(nn.Sequential):
    """A 3 x 3 convolution for each channel, then one across them."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, before, 3, padding=1, groups=before), nn.ReLU6(inplace=True),
            nn.Conv2d(before, after, 1), nn.ReLU6(inplace=True),
        )  # fmt: skip


class BlazeBlock(nn.Module):
    """A residual block whose other way is one separable convolution (Bazarevsky et al., BlazeFace, 2019).

    With a stride of 2, the shortcut is the maximum of 2 x 2, with zeros for the channels that are new, and the picture
    is padded at the bottom and right alone.
    """

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.new = stride, after - before
        self.each = nn.Conv2d(before, before, 3, stride, padding=1 if stride == 1 else 0, groups=before)
        self.across = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.stride == 1 else pad(max_pool2d(x, 2), (0, 0, 0, 0, 0, self.new))
        padded = x if self.stride == 1 else pad(x, (0, 1, 0, 1))
        return relu6(shortcut + self.across(relu6(self.each(padded), inplace=True)), inplace=True)


class BlazePose(nn.Module):
    """The network: crops in [0, 1] to 39 heat maps and features at four scales.

    It expects a figure upright in the middle of a square 1.25 times as large as it, and crops of 192 to 256 pixels; at
    128 it fails.

    >>> found = BlazePose()(torch.rand(1, 3, 64, 64))
    >>> found.heatmaps.shape, [tuple(tap.shape[1:]) for tap in found.taps]
    (torch.Size([1, 39, 16, 16]), [(80, 16, 16), (152, 8, 8), (352, 4, 4), (288, 2, 2)])
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU6(inplace=True),
            nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.ReLU6(inplace=True), nn.Conv2d(24, 24, 1),
        )  # fmt: skip
        self.stage4 = _stage(24, STAGE4)
        self.lateral4 = Separable(32, NARROW)
        self.stage8 = _stage(32, STAGE8)
        self.lateral8 = Separable(56, NARROW)
        self.stage16 = _stage(56, STAGE16)
        self.lateral16 = Separable(160, NARROW)
        self.stage32 = _stage(160, STAGE32)
        self.top = nn.Sequential(
            nn.Conv2d(272, 1632, 1), nn.ReLU6(inplace=True),
            nn.Conv2d(1632, 1632, 3, padding=1, groups=1632), nn.ReLU6(inplace=True),
        )  # fmt: skip
        self.lateral32 = Separable(1632, NARROW)
        self.out = nn.Conv2d(NARROW, LANDMARKS, 1)
        self.down8, self.skip8 = _blocks(48, 96, 7), Separable(56, 96)
        self.down16, self.skip16 = _blocks(96, 192, 8), Separable(160, 192)
        self.down32, self.skip32 = _blocks(192, 288, 8), Separable(1632, 288)

    def forward(self, images: Tensor) -> BlazeFeatures:
        """Crops (B, 3, S, S), RGB in [0, 1], S a multiple of 32, to heat maps and features.

        Raises:
            ValueError: for any other shape.
        """
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape or any(s % 32 for s in images.shape[2:]):
            raise ValueError(f"images must be (B, 3, S, S) with S a multiple of 32, got {tuple(images.shape)}")
        x4 = self.stage4(self.stem(images))
        x8 = self.stage8(x4)
        x16 = self.stage16(x8)
        x32 = self.top(self.stage32(x16))
        tap = doubled(self.lateral32(x32)) + self.lateral16(x16)
        tap = doubled(tap) + self.lateral8(x8)
        tap4 = doubled(tap) + self.lateral4(x4)
        tap8 = self.down8(tap4) + self.skip8(x8)
        tap16 = self.down16(tap8) + self.skip16(x16)
        tap32 = self.down32(tap16) + self.skip32(x32)
        taps = torch.cat([tap4, x4], 1), torch.cat([tap8, x8], 1), torch.cat([tap16, x16], 1), tap32
        return BlazeFeatures(self.out(tap4), taps)


def channels_of(joints: tuple[str, ...]) -> list[int]:
    """Which heat map is that of each joint: names as in `BLAZEPOSE33`, such as "l_hip"."""
    return [BLAZEPOSE33.index(joint) for joint in joints]


def _stage(channels: int, rows: Rows) -> nn.Sequential:
    """A row of inverted residuals."""
    before = (channels, *(row[0] for row in rows))
    return nn.Sequential(*(InvertedResidual(b, *row) for b, row in zip(before, rows, strict=False)))


def _blocks(before: int, after: int, count: int) -> nn.Sequential:
    """Down to half the size, then as it is."""
    return nn.Sequential(BlazeBlock(before, after, 2), *(BlazeBlock(after, after) for _ in range(count - 1)))
