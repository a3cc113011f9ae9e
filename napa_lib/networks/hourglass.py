"""Hourglasses: one (the supervised baseline of KeypointGAN's table 1) and several stacked (AdvPose's 2D module)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from napa_lib.networks.checks import check_image
from napa_lib.networks.heatmaps import STRIDE, cells_to_pixels
from napa_lib.rendering import render_heatmaps

DEPTH = 4  # halvings inside the hourglass


class Residual(nn.Module):
    """Normalisation before each convolution: 1 x 1 to half the channels, 3 x 3, 1 x 1, beside a shortcut."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        half = out // 2
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, half, 1),
            nn.BatchNorm2d(half), nn.ReLU(), nn.Conv2d(half, half, 3, padding=1),
            nn.BatchNorm2d(half), nn.ReLU(), nn.Conv2d(half, out, 1),
        )  # fmt: skip
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.layers(x)


class Hourglass(nn.Module):
    """Down to 1/16 and up again; what was there before each halving is added on the way up."""

    def __init__(self, channels: int, depth: int = DEPTH) -> None:
        super().__init__()
        self.beside, self.down, self.up = (Residual(channels, channels) for _ in range(3))
        self.inner = Hourglass(channels, depth - 1) if depth > 1 else Residual(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        below = self.up(self.inner(self.down(max_pool2d(x, 2))))
        return self.beside(x) + interpolate(below, scale_factor=2, mode="nearest")


def _stem(channels: int) -> nn.Sequential:
    """A picture (B, 3, H, W) to (B, channels, H / 4, W / 4)."""
    c = channels
    return nn.Sequential(
        nn.Conv2d(3, c // 4, 7, 2, 3), nn.BatchNorm2d(c // 4), nn.ReLU(), Residual(c // 4, c // 2),
        nn.MaxPool2d(2), Residual(c // 2, c // 2), Residual(c // 2, c),
    )  # fmt: skip


def _after(channels: int) -> list[nn.Module]:
    """What follows an hourglass: a residual module, then 1 x 1, normalisation and ReLU."""
    return [Residual(channels, channels), nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU()]


def _check(image: Tensor) -> Tensor:
    least = STRIDE * 2**DEPTH
    if check_image("image", image, 3).shape[2] % least or image.shape[3] % least:
        raise ValueError(f"image must have sides that are multiples of {least}, got {tuple(image.shape)}")
    return image


class HourglassNet(nn.Module):
    """A one-stack hourglass: a picture (B, 3, S, S) to one heat map a keypoint, (B, K, S / 4, S / 4).

    Args:
        num_keypoints: K.
        channels: width; 256 in the original.

    Source: Newell et al., 2016; KeypointGAN, table 1 ("hourglass").
    """

    def __init__(self, num_keypoints: int, channels: int = 256) -> None:
        super().__init__()
        self.stem = _stem(channels)
        self.body = Hourglass(channels)
        self.head = nn.Sequential(*_after(channels), nn.Conv2d(channels, num_keypoints, 1))

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.body(self.stem(_check(image))))

    def predict(self, image: Tensor) -> Tensor:
        """Keypoints (B, K, 2) in [-1, 1]."""
        return peaks(self(image).float())


class StackOutput(NamedTuple):
    """What a stacked hourglass finds in B pictures of S x S pixels."""

    heatmaps: tuple[Tensor, ...]  # one (B, J, S / 4, S / 4) a stack; the last one is the answer
    features: Tensor  # (B, C, S / 4, S / 4) what the last stack's heat maps are read from


class StackedHourglass(nn.Module):
    """Hourglasses one after the other, each improving on the heat maps of the one before.

    One residual module at each resolution. A stack's features and heat maps, by 1 x 1 convolutions, are added to what
    it was given, and the sum is what the next one sees. Each stack's heat maps are supervised: `stacks_loss`.

    Args:
        num_joints: J.
        stacks: 2 in AdvPose's ablation, 4 in its final model.
        channels: width C; 256 in the papers. A multiple of 4.

    Raises:
        ValueError: if a number is below 1, or the channels are no multiple of 4.

    Source: Newell et al., 2016; AdvPose, section 3.1 and section 5 ("Implementation details"), 256 x 256 pixels in and
    64 x 64 cells out. Other sides, multiples of 64, do as well.

    >>> found = StackedHourglass(16, stacks=2, channels=8).eval()(torch.zeros(1, 3, 64, 64))
    >>> [tuple(maps.shape) for maps in found.heatmaps], tuple(found.features.shape)
    ([(1, 16, 16, 16), (1, 16, 16, 16)], (1, 8, 16, 16))
    """

    def __init__(self, num_joints: int, stacks: int = 2, channels: int = 256) -> None:
        super().__init__()
        if min(num_joints, stacks, channels) < 1 or channels % 4:
            raise ValueError(
                f"num_joints, stacks and channels must be at least 1 and channels a multiple of 4, "
                f"got {num_joints}, {stacks} and {channels}"
            )
        self.stem = _stem(channels)
        self.bodies = nn.ModuleList(nn.Sequential(Hourglass(channels), *_after(channels)) for _ in range(stacks))
        self.heads = nn.ModuleList(nn.Conv2d(channels, num_joints, 1) for _ in range(stacks))
        self.feature_returns = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(stacks - 1))
        self.heatmap_returns = nn.ModuleList(nn.Conv2d(num_joints, channels, 1) for _ in range(stacks - 1))

    def forward(self, image: Tensor) -> StackOutput:
        x = self.stem(_check(image))
        features, heatmaps = x, []
        for i, (body, head) in enumerate(zip(self.bodies, self.heads, strict=True)):
            features = body(x)
            heatmaps.append(head(features))
            if i < len(self.feature_returns):
                x = x + self.feature_returns[i](features) + self.heatmap_returns[i](heatmaps[-1])
        return StackOutput(tuple(heatmaps), features)


def heatmap_targets(keypoints: Tensor, cells: int) -> Tensor:
    """What the heat maps should be: a bump of one cell's deviation at each keypoint, (B, K, cells, cells).

    Args:
        keypoints: (B, K, 2) in [-1, 1]; a missing one gives an empty map.
        cells: side of the maps.
    """
    pixels = (keypoints + 1) * (cells * STRIDE - 1) / 2
    return render_heatmaps((pixels - (STRIDE - 1) / 2) / STRIDE, cells, 1.0)


def heatmap_loss(heatmaps: Tensor, keypoints: Tensor) -> Tensor:
    """Mean squared error of the heat maps of the visible keypoints.

    Raises:
        ValueError: if no keypoint is visible.
    """
    visible = ~keypoints.isnan().any(-1)
    if not bool(visible.any()):
        raise ValueError("keypoints must have a visible joint, got none")
    return (heatmaps.float() - heatmap_targets(keypoints, heatmaps.shape[-1]))[visible].square().mean()


def stacks_loss(heatmaps: Sequence[Tensor], keypoints: Tensor) -> Tensor:
    """Intermediate supervision: the sum of each stack's `heatmap_loss`.

    Raises:
        ValueError: if there is no stack, or no keypoint is visible.

    Source: Newell et al., 2016, section 3.2.
    """
    if not heatmaps:
        raise ValueError("heatmaps must hold those of at least one stack, got none")
    return torch.stack([heatmap_loss(maps, keypoints) for maps in heatmaps]).sum()


def peaks(heatmaps: Tensor) -> Tensor:
    """The largest cell of each map, moved a quarter of a cell towards the larger neighbour, (B, K, 2) in [-1, 1].

    Raises:
        ValueError: if the maps are not (B, K, S, S).

    Source: Newell et al., 2016, section 3.3.

    >>> maps = torch.zeros(1, 1, 4, 4); maps[0, 0, 2, 1] = 1.0; maps[0, 0, 2, 2] = 0.5
    >>> ((peaks(maps) + 1) * 15 / 2).tolist()  # in pixels of a picture of 16
    [[[6.5, 9.5]]]
    """
    side = heatmaps.shape[-1]
    if heatmaps.ndim != 4 or side == 0 or heatmaps.shape[2] != side:
        raise ValueError(f"heatmaps must be (B, K, S, S), got {tuple(heatmaps.shape)}")
    best = heatmaps.flatten(2).argmax(-1)
    cell = torch.stack([best % side, best // side], -1)  # (B, K, 2) as (x, y)
    steps = torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1]], device=cell.device)
    near = (cell[:, :, None] + steps).clamp(0, side - 1)  # (B, K, 4, 2)
    value = heatmaps.flatten(2).gather(2, near[..., 1] * side + near[..., 0])
    towards = torch.stack([value[..., 0] - value[..., 1], value[..., 2] - value[..., 3]], -1).sign()
    inside = (cell > 0) & (cell < side - 1)  # at the border there is nothing to compare with
    pixels = cells_to_pixels(cell + 0.25 * towards * inside)
    return 2 * pixels / (side * STRIDE - 1) - 1
