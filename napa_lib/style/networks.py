"""The image transformation network F of Johnson et al. and NAPA, for one style or for a pool of styles."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from napa_lib.networks import VGG19Features

Norm = Literal["instance", "batch", "pool"]

# Channels of the layers that are normalised, in order: three down, five residual blocks of two, two up.
CHANNELS = (32, 64, 128) + (128,) * 10 + (64, 32)
CODE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CODE_STATISTICS = 2 * (64 + 128 + 256 + 512)


class TransformNet(nn.Module):
    """Content picture in, stylised picture out: three convolutions down, five residual blocks, three up.

    Layers and channels are those of Johnson et al. (1.68 M parameters); as is usual since, the two layers up are an
    enlargement by nearest neighbours and a convolution, which leaves no chequerboard.

    How the style picture gets into F, NAPA does not say; its released code lays it on the content picture as three more
    channels. Here it goes into the normalisation ("pool"), so that it has no place that could be copied.

    Args:
        norm: "instance" (NAPA's choice, section 4.1.1), "batch" (Johnson et al.), or "pool": instance normalisation
            whose scale and shift are computed from a style picture, the network's second input.

    Source: Johnson et al., 2016, table 1 of the supplement; NAPA, section 3 (F).
    """

    def __init__(self, norm: Norm = "instance") -> None:
        super().__init__()
        if norm not in ("instance", "batch", "pool"):
            raise ValueError(f"norm must be 'instance', 'batch' or 'pool', got {norm!r}")
        self.norm = norm
        self.down = nn.ModuleList([_conv(3, 32, 9), _conv(32, 64, 3, stride=2), _conv(64, 128, 3, stride=2)])
        self.residual = nn.ModuleList([_conv(128, 128, 3) for _ in range(10)])
        self.up = nn.ModuleList([_conv(128, 64, 3), _conv(64, 32, 3)])
        self.last = _conv(32, 3, 9)
        layer = nn.BatchNorm2d if norm == "batch" else nn.InstanceNorm2d
        self.norms = nn.ModuleList([layer(width, affine=norm != "pool") for width in CHANNELS])
        self.style = StyleEncoder() if norm == "pool" else None

    def forward(self, image: Tensor, code: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Stylise pictures.

        Args:
            image: (B, 3, H, W) in [0, 1]; sides of at least 16, multiples of 4 (`stylize` pads any size).
            code: for a pool network, what `encode_style` made of the style pictures, B of them or one.

        Returns:
            (B, 3, H, W) in [0, 1].
        """
        shape = tuple(image.shape)
        if len(shape) != 4 or not shape[0] or shape[1] != 3 or any(side < 16 or side % 4 for side in shape[2:]):
            raise ValueError(f"image must be (B, 3, H, W) with B >= 1, sides >= 16 in multiples of 4, got {shape}")
        if (code is not None) != (self.norm == "pool"):
            raise ValueError("a pool network needs a style code (`encode_style`), any other network takes none")
        scales, shifts = (part[..., None, None].split(CHANNELS, 1) for part in code) if code is not None else ((), ())

        def normalise(x: Tensor, layer: int) -> Tensor:
            x = self.norms[layer](x)
            return x * scales[layer] + shifts[layer] if scales else x

        x = image - 0.5
        for layer, conv in enumerate(self.down):
            x = normalise(conv(x), layer).relu()
        for block in range(5):
            first, second = 2 * block, 2 * block + 1
            inner = normalise(self.residual[first](x), 3 + first).relu()
            x = x + normalise(self.residual[second](inner), 3 + second)
        for layer, conv in enumerate(self.up):
            x = normalise(conv(nn.functional.interpolate(x, scale_factor=2.0)), 13 + layer).relu()
        return self.last(x).to(image.dtype).sigmoid()

    def encode_style(self, style: Tensor, features: VGG19Features) -> tuple[Tensor, Tensor]:
        """Scales and shifts of all normalisations, two (B, 1600), from style pictures (B, 3, H, W) of any size."""
        if self.style is None:
            raise ValueError(f"only a pool network takes a style picture, this one has norm={self.norm!r}")
        return self.style(style_statistics(style, features))

    @torch.no_grad()
    def for_style(self, style: Tensor, features: VGG19Features) -> TransformNet:
        """The single-style network (norm="instance") that equals this pool network for one style picture."""
        scale, shift = self.encode_style(style, features)
        if scale.shape[0] != 1:
            raise ValueError(f"style must be one picture (1, 3, H, W), got {tuple(style.shape)}")
        single = TransformNet("instance").to(scale.device)
        own = {name: value for name, value in self.state_dict().items() if not name.startswith("style.")}
        for layer, (weight, bias) in enumerate(zip(scale.split(CHANNELS, 1), shift.split(CHANNELS, 1), strict=True)):
            own[f"norms.{layer}.weight"], own[f"norms.{layer}.bias"] = weight[0], bias[0]
        single.load_state_dict(own)
        return single


class StyleEncoder(nn.Module):
    """From the statistics of a style picture's features to the scale and shift of every normalisation.

    One network for many styles differs between them in its normalisations alone (Dumoulin et al., 2017); predicted
    from the picture instead of learned as a table, they are defined for a style that was never seen.
    """

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        last = nn.Linear(width, 2 * sum(CHANNELS))
        nn.init.normal_(last.weight, std=0.05)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(CODE_STATISTICS, width), nn.ReLU(), last)

    def forward(self, statistics: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self.layers(statistics).chunk(2, 1)
        return 1 + scale, shift


@torch.no_grad()
def style_statistics(style: Tensor, features: VGG19Features) -> Tensor:
    """Mean and standard deviation of each channel at relu1_1 ... relu4_1, as logarithms: (B, 1920)."""
    found = features(style, CODE_LAYERS)
    maps = [found[layer].flatten(2) for layer in CODE_LAYERS]
    return torch.cat([part for m in maps for part in (m.mean(2).log1p(), m.std(2, correction=0).log1p())], 1)


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    # Reflection leaves no dark border; the bias of all but the last layer is undone by the normalisation that follows.
    return nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, padding_mode="reflect")
