"""The supervised baseline of table 1: a stacked hourglass with one stack."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from napa_lib.networks.checks import check_image
from napa_lib.rendering import render_heatmaps

STRIDE = 4  # pixels of the picture a cell of the heat maps
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


class HourglassNet(nn.Module):
    """A one-stack hourglass: a picture (B, 3, S, S) to one heat map a keypoint, (B, K, S / 4, S / 4).

    Args:
        num_keypoints: K.
        channels: width; 256 in the original.

    Source: Newell et al., 2016; KeypointGAN, table 1 ("hourglass").
    """

    def __init__(self, num_keypoints: int, channels: int = 256) -> None:
        super().__init__()
        c = channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, c // 4, 7, 2, 3), nn.BatchNorm2d(c // 4), nn.ReLU(), Residual(c // 4, c // 2),
            nn.MaxPool2d(2), Residual(c // 2, c // 2), Residual(c // 2, c),
        )  # fmt: skip
        self.body = Hourglass(c)
        self.head = nn.Sequential(
            Residual(c, c), nn.Conv2d(c, c, 1), nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, num_keypoints, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        least = STRIDE * 2**DEPTH
        if check_image("image", image, 3).shape[2] % least or image.shape[3] % least:
            raise ValueError(f"image must have sides that are multiples of {least}, got {tuple(image.shape)}")
        return self.head(self.body(self.stem(image)))

    def predict(self, image: Tensor) -> Tensor:
        """Keypoints (B, K, 2) in [-1, 1]."""
        return peaks(self(image).float())


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


def peaks(heatmaps: Tensor) -> Tensor:
    """The largest cell of each map, moved a quarter of a cell towards the larger neighbour, (B, K, 2) in [-1, 1].

    Source: Newell et al., 2016, section 3.3.

    >>> maps = torch.zeros(1, 1, 4, 4); maps[0, 0, 2, 1] = 1.0; maps[0, 0, 2, 2] = 0.5
    >>> ((peaks(maps) + 1) * 15 / 2).tolist()  # in pixels of a picture of 16
    [[[6.5, 9.5]]]
    """
    side = heatmaps.shape[-1]
    best = heatmaps.flatten(2).argmax(-1)
    cell = torch.stack([best % side, best // side], -1)  # (B, K, 2) as (x, y)
    steps = torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1]], device=cell.device)
    near = (cell[:, :, None] + steps).clamp(0, side - 1)  # (B, K, 4, 2)
    value = heatmaps.flatten(2).gather(2, near[..., 1] * side + near[..., 0])
    towards = torch.stack([value[..., 0] - value[..., 1], value[..., 2] - value[..., 3]], -1).sign()
    inside = (cell > 0) & (cell < side - 1)  # at the border there is nothing to compare with
    pixels = (cell + 0.25 * towards * inside) * STRIDE + (STRIDE - 1) / 2
    return 2 * pixels / (side * STRIDE - 1) - 1
