"""E and F, the teacher; G, from maps to the shared space V; H, from V to the neural representation.

    E: picture -> V     VGG-19, then a branch for heat and one for fields, whose halves are put side by side
    F: V -> maps        each half through one layer to its maps, then both through a stage of seven layers each
    G: maps -> V        five 7 x 7 layers
    H: V -> 39 maps     28 -> 14 -> 7 cells, a channel-wise fully connected layer, 7 -> 14 cells

Source: CrossModal, supplement, section 2 and fig. 2. Cao et al. hand the picture's features to their second stage as
well; here F sees V alone, for that is all that G can imitate.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from napa_lib.multiperson.config import GRID, NetworkConfig
from napa_lib.multiperson.representation import ANGLES, CHANNELS
from napa_lib.multiperson.targets import FIELDS, HEAT
from napa_lib.networks.vgg import LAYERS, MEAN_ACTIVATION, VGG19Features

MAPS = (HEAT.stop - HEAT.start, FIELDS.stop - FIELDS.start)  # 15 and 28
CORE = GRID // 2  # cells a side of H's middle
SLOPE = 0.2
FACING = 0.5  # before its tanh H's cosines begin here: with sines and cosines near 0 an angle's gradient has no bound


def convolutions(channels: tuple[int, ...], kernels: tuple[int, ...]) -> list[nn.Module]:
    """Convolutions that keep the size, with a ReLU after each; so many in a row need He's initial weights."""
    layers: list[nn.Module] = []
    for inputs, outputs, kernel in zip(channels[:-1], channels[1:], kernels, strict=True):
        layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(cast(Tensor, layer.bias))
        layers += [layer, nn.ReLU()]
    return layers


class PictureEncoder(nn.Module):
    """E: pictures (B, 3, S, S) in [0, 1] to V (B, C, 28, 28), of which the first half is for heat; never negative.

    The backbone is VGG-19 as it ships, never trained, and no part of the state that is stored.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = VGG19Features()
        first, second = config.shared
        self.shared = nn.Sequential(*convolutions((config.backbone, first, second), (3, 3)))
        widths = (second, config.branch, config.branch, config.branch, config.embedding)
        self.heat, self.fields = (nn.Sequential(*convolutions(widths, (3, 3, 3, 1))) for _ in range(2))

    def forward(self, image: Tensor) -> Tensor:
        side = self.config.size
        if image.ndim != 4 or image.shape[1:] != (3, side, side):
            raise ValueError(f"image must be (B, 3, {side}, {side}), got {tuple(image.shape)}")
        with torch.no_grad():
            seen = self.backbone(image, [self.config.layer])[self.config.layer]
        x = self.shared(seen / MEAN_ACTIVATION)
        return torch.cat([self.heat(x), self.fields(x)], 1)


class MapDecoder(nn.Module):
    """F: V to the maps (B, 43, 28, 28)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = nn.ModuleList(nn.Conv2d(config.embedding, maps, 1) for maps in MAPS)
        wide = config.stage
        widths = (sum(MAPS), wide, wide, wide, wide, wide, wide)
        self.second = nn.ModuleList(
            nn.Sequential(*convolutions(widths, (7, 7, 7, 7, 7, 1)), nn.Conv2d(wide, maps, 1)) for maps in MAPS
        )

    def stages(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """The maps after the first layer and after the second stage; both are trained."""
        first = self._first(latent)
        return first, torch.cat([branch(first) for branch in self.second], 1)

    def _first(self, latent: Tensor) -> Tensor:
        return torch.cat([layer(half) for layer, half in zip(self.first, latent.chunk(2, 1), strict=True)], 1)

    def forward(self, latent: Tensor) -> Tensor:
        _check(latent, self.config.latent, "latent")
        return self.stages(latent)[1]

    def heat(self, latent: Tensor) -> Tensor:
        """The heat maps alone, (B, 15, 28, 28): who groups nothing needs no fields, and saves their branch."""
        _check(latent, self.config.latent, "latent")
        return self.second[0](self._first(latent))


class Teacher(nn.Module):
    """E and F: where joints are, of anybody, and which belong together."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = PictureEncoder(config), MapDecoder(config)

    def forward(self, image: Tensor) -> Tensor:
        return self.decoder(self.encoder(image))


def parameters_in_use(teacher: Teacher) -> int:
    """How many numbers E and F are, of VGG-19 those of the layers up to the one that is looked at."""
    layer = teacher.config.layer
    used = [name for name in LAYERS if name <= layer]  # relu1_1 ... relu5_4 stand in the order of their names
    backbone = sum(
        p.numel()
        for name in used
        for p in teacher.encoder.backbone.convolutions[f"conv{name.removeprefix('relu')}"].parameters()
    )
    own = sum(p.numel() for name, p in teacher.named_parameters() if ".backbone." not in name)
    return backbone + own


class MapEncoder(nn.Module):
    """G: maps (B, 43, 28, 28) to V, never negative, as E's is."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        wide = config.encoder
        widths = (sum(MAPS), wide, wide, wide, wide, config.latent)
        self.layers = nn.Sequential(*convolutions(widths, (7,) * 5))

    def forward(self, maps: Tensor) -> Tensor:
        _check(maps, sum(MAPS), "maps")
        return self.layers(maps)


class ChannelwiseLinear(nn.Module):
    """A fully connected layer for each channel by itself: y_c = W_c x_c + b_c over all cells.

    Every cell sees every other of its channel at once, for C (H W)^2 weights and not (C H W)^2.

    Source: CrossModal, supplement, section 2 (after Pathak et al., 2016): 128 layers of 49 to 49.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        nodes = side * side
        self.weight = nn.Parameter(torch.empty(channels, nodes, nodes).normal_(std=(2 / nodes) ** 0.5))
        self.bias = nn.Parameter(torch.zeros(channels, nodes))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != len(self.weight) or x.shape[2] * x.shape[3] != self.bias.shape[1]:
            raise ValueError(
                f"x must be (B, {len(self.weight)}, H, W) with H W = {self.bias.shape[1]}, got {tuple(x.shape)}"
            )
        return (torch.einsum("bcn,cmn->bcm", x.flatten(2), self.weight) + self.bias).view(x.shape)


class Lifter(nn.Module):
    """H: V to the 39 maps (B, 39, 14, 14), within -1 and 1."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.latent = config.latent
        wide = config.lifter
        self.whole = nn.Conv2d(config.latent, wide, 3, padding=1)  # 28 x 28
        self.halved = nn.Conv2d(wide, wide, 3, stride=2, padding=1)  # 14 x 14
        self.local = nn.Conv2d(wide, wide, 3, padding=1)
        self.quartered = nn.Conv2d(wide, wide, 3, stride=2, padding=1)  # 7 x 7
        self.across = ChannelwiseLinear(wide, CORE)
        self.mixed = nn.Conv2d(wide, wide, 1)
        self.enlarged = nn.ConvTranspose2d(wide, wide, 4, stride=2, padding=1)  # 14 x 14
        self.joined = nn.Conv2d(2 * wide, wide, 3, padding=1)  # with what was there before: the skip connection
        self.last = nn.Conv2d(wide, CHANNELS, 1)
        for layer in self.children():  # He's weights: with PyTorch's own the picture fades from layer to layer
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer is not self.last:
                nn.init.kaiming_normal_(layer.weight, SLOPE)
                nn.init.zeros_(cast(Tensor, layer.bias))
        nn.init.kaiming_normal_(self.enlarged.weight, SLOPE, "fan_out")  # of a transposed layer, what a cell sums over
        self.enlarged.weight.data *= 2.0  # of its 4 x 4 kernel a cell sees 2 x 2
        with torch.no_grad():
            cast(Tensor, self.last.bias)[ANGLES].view(2, 3)[1] += FACING

    def forward(self, latent: Tensor) -> Tensor:
        _check(latent, self.latent, "latent")
        fine = leaky_relu(self.local(leaky_relu(self.halved(leaky_relu(self.whole(latent), SLOPE)), SLOPE)), SLOPE)
        core = leaky_relu(self.across(leaky_relu(self.quartered(fine), SLOPE)), SLOPE)
        coarse = leaky_relu(self.enlarged(leaky_relu(self.mixed(core), SLOPE)), SLOPE)
        return self.last(leaky_relu(self.joined(torch.cat([fine, coarse], 1)), SLOPE)).float().tanh()


def _check(x: Tensor, channels: int, name: str) -> None:
    if x.ndim != 4 or x.shape[1] != channels or x.shape[2:] != (2 * GRID, 2 * GRID):
        raise ValueError(f"{name} must be (B, {channels}, {2 * GRID}, {2 * GRID}), got {tuple(x.shape)}")
