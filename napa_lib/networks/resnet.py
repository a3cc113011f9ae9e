"""Residual networks in plain torch, with the layer names of torchvision's so that its state dicts load.

A 3-channel bone map or picture goes in, one vector comes out; nothing here needs torchvision.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the stride of a bottleneck sits in its
3 x 3 convolution ("ResNet v1.5"), as in torchvision's models and weights.
"""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut: the block of ResNet-18."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions and a shortcut: the block of ResNet-50, four times as wide at its end."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = _conv(in_channels, channels, 1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv(channels, channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = _conv(channels, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Four groups of residual blocks, a global mean and one fully connected layer.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: number of blocks in each of the four groups.
        num_outputs: length of the vector that comes out.
        in_channels: channels of the picture that goes in.
        width: channels of the first group (64 in the paper); a smaller one makes a narrow network.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        num_outputs: int,
        in_channels: int = 3,
        width: int = 64,
    ) -> None:
        super().__init__()
        for name, value in [("num_outputs", num_outputs), ("in_channels", in_channels), ("width", width)]:
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.in_channels = in_channels
        self.conv1 = _conv(in_channels, width, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _group(block, width, width, depths[0], stride=1)
        self.layer2 = _group(block, width * block.expansion, 2 * width, depths[1], stride=2)
        self.layer3 = _group(block, 2 * width * block.expansion, 4 * width, depths[2], stride=2)
        self.layer4 = _group(block, 4 * width * block.expansion, 8 * width, depths[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width * block.expansion, num_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, num_outputs); H and W from 1 pixel up."""
        if images.ndim != 4 or images.shape[1] != self.in_channels or 0 in images.shape[2:]:
            raise ValueError(f"images must be (B, {self.in_channels}, H, W) with H, W > 0, got {tuple(images.shape)}")
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def resnet18(num_outputs: int = 1000, in_channels: int = 3, width: int = 64) -> ResNet:
    """ResNet-18, untrained; `width` below 64 makes the narrow network of the small presets.

    >>> sum(p.numel() for p in resnet18().parameters())
    11689512
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), num_outputs, in_channels, width)


def resnet50(num_outputs: int = 1000, in_channels: int = 3, width: int = 64) -> ResNet:
    """ResNet-50, untrained: NAPA's depth network with `num_outputs` = 15.

    With the default arguments it takes torchvision's state dict as it is, such as the one of
    `napa_lib.networks.imagenet_resnet50`; with another `num_outputs` leave the two `fc` entries out.

    >>> sum(p.numel() for p in resnet50().parameters())
    25557032
    """
    return ResNet(Bottleneck, (3, 4, 6, 3), num_outputs, in_channels, width)


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(_conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))


def _group(
    block: type[BasicBlock] | type[Bottleneck], in_channels: int, channels: int, depth: int, stride: int
) -> nn.Sequential:
    blocks = [block(in_channels, channels, stride)]
    blocks += [block(channels * block.expansion, channels, 1) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)
