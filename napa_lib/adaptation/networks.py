"""A StyleGAN of skeleton images in plain PyTorch, its discriminator, and beta, which reads them.

    g_s = phi o A o f:  z --f--> w --A--> one style a layer --phi--> skeleton image

Source: FlexPose, section 3.2 and eq. 3; Karras et al., 2019 (StyleGAN). Left out of StyleGAN are the noise inputs of
its layers, because a skeleton has no texture that they could vary, its progressive growing, and its mixing
regularisation, two noises for one picture, which keeps a layer from relying on what its neighbours were told.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, group_norm, interpolate, leaky_relu

from napa_lib.adaptation.config import GeneratorConfig
from napa_lib.bottleneck.networks import expected_position
from napa_lib.engine import made_on_cpu

SLOPE = 0.2
FAINTEST = 0.1  # of white: an image without anything brighter shows no figure


def adaptive_instance_norm(x: Tensor, style: Tensor) -> Tensor:
    """Each channel to mean 0 and deviation 1 over the picture, then to the style's: y_s (x - mu) / sigma + y_b.

    Args:
        x: (B, C, H, W).
        style: (B, 2 C), the scales y_s first, then the shifts y_b.

    Source: Karras et al., 2019, eq. 1.
    """
    scale, shift = (part.flatten().to(x.dtype) for part in style.chunk(2, 1))
    one = x.reshape(1, -1, *x.shape[2:])  # each picture's channels as channels of one picture, each a group of its own:
    return group_norm(one, one.shape[1], scale, shift).view(x.shape)  # this takes half as long as a batch norm of it


class Mapping(nn.Module):
    """f: noise z (B, latent), normalised to the sphere, to w (B, latent)."""

    def __init__(self, latent: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(latent, latent) for _ in range(layers))

    def forward(self, z: Tensor) -> Tensor:
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.layers:
            x = leaky_relu(layer(x), SLOPE)
        return x


class Affine(nn.Module):
    """A: w to the style code of each of the L layers; together a matrix of L blocks, one below the other."""

    def __init__(self, latent: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(latent, 2 * width) for width in widths)
        for block, width in zip(self.blocks, widths, strict=True):
            nn.init.zeros_(block.bias)  # type: ignore[arg-type]
            nn.init.ones_(block.bias[:width])  # type: ignore[index, arg-type]

    def forward(self, w: Tensor) -> list[Tensor]:
        return [block(w) for block in self.blocks]


class Synthesis(nn.Module):
    """phi: style codes to a skeleton image; a learned 4 x 4 constant, two layers a resolution, doubled between."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, config.channels[0], 4, 4))
        before = (config.channels[0], *config.channels[:-1])
        # layer 1 is the constant itself, so the first resolution has one convolution
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1)
            for i, (into, width) in enumerate(zip(before, config.channels, strict=True))
            for a, b in ([(width, width)] if i == 0 else [(into, width), (width, width)])
        )
        self.out = nn.Conv2d(config.channels[-1], config.planes, 1)

    def forward(self, styles: Sequence[Tensor]) -> Tensor:
        x = self.constant.expand(len(styles[0]), -1, -1, -1)
        x = adaptive_instance_norm(x, styles[0])
        for number, (convolution, style) in enumerate(zip(self.convolutions, styles[1:], strict=True), 1):
            if number >= 2 and number % 2 == 0:
                x = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = adaptive_instance_norm(leaky_relu(convolution(x), SLOPE), style)
        return torch.sigmoid(self.out(x).float() * 2)


class PoseStyleGAN(nn.Module):
    """g: noise z (B, latent) to skeleton images (B, 3 or 1, S, S) in [0, 1].

    `f`, `A` and `phi` are the paper's; `styles(z)` gives what `StyleTransfer` changes and `draw(styles)` goes on.

    >>> from napa_lib.adaptation.config import PRESETS
    >>> PoseStyleGAN(PRESETS["tiny"])(torch.zeros(2, 64)).shape
    torch.Size([2, 3, 64, 64])
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config.latent, config.mapping_layers)
        self.affine = Affine(config.latent, [c for c in config.channels for _ in range(2)])
        self.synthesis = Synthesis(config)

    @property
    def widths(self) -> list[int]:
        """Length of each of the L style codes."""
        return [2 * width for width in self.config.channels for _ in range(2)]

    @made_on_cpu
    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        """Latent codes z, (count, latent), from N(0, I).

        Raises:
            ValueError: for count < 1.
        """
        if count < 1:
            raise ValueError(f"there must be at least 1 noise, got {count}")
        return torch.randn(count, self.config.latent, generator=generator)

    def styles(self, z: Tensor) -> list[Tensor]:
        """delta = A o f: the L style codes, each (B, 2 C_l)."""
        if z.ndim != 2 or z.shape[1] != self.config.latent:
            raise ValueError(f"z must be (B, {self.config.latent}), got {tuple(z.shape)}")
        return self.affine(self.mapping(z))

    def draw(self, styles: Sequence[Tensor]) -> Tensor:
        """phi: style codes to skeleton images."""
        return self.synthesis(styles)

    def forward(self, z: Tensor) -> Tensor:
        return self.draw(self.styles(z))


class Discriminator(nn.Module):
    """Skeleton images (B, planes, S, S) to logits (B,) of being real.

    Residual blocks halve the picture to 4 x 4; there the mean deviation over the batch is one more channel, which
    gives away a generator that draws the same figure again and again. Source: Karras et al., 2018 and 2020.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        widths = config.channels[::-1]
        self.first = nn.Conv2d(config.planes, widths[0], 1)
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        # each halving: 3 x 3, 3 x 3, beside a shortcut
        self.same = nn.ModuleList(nn.Conv2d(a, a, 3, padding=1) for a, _ in pairs)
        self.wider = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.beside = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairs)
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1)
        self.score = nn.Sequential(
            nn.Linear(16 * widths[-1], widths[-1]), nn.LeakyReLU(SLOPE), nn.Linear(widths[-1], 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        x = leaky_relu(self.first(2 * image - 1), SLOPE)
        for same, wider, beside in zip(self.same, self.wider, self.beside, strict=True):
            y = leaky_relu(wider(leaky_relu(same(x), SLOPE)), SLOPE)
            x = avg_pool2d((y + beside(x)) * 0.7071, 2)
        spread = (x.float().var(0, unbiased=False) + 1e-8).sqrt().mean().to(x.dtype).expand(len(x), 1, 4, 4)
        x = leaky_relu(self.last(torch.cat([x, spread], 1)), SLOPE)
        return self.score(x.flatten(1))[:, 0].float()


class KeypointRegressor(nn.Module):
    """beta: skeleton images (B, planes, S, S) to their joints (B, J, 2) in [-1, 1].

    Convolutions of stride 2, context from dilated ones, then the expectation of one heat map a joint.

    Args:
        planes: channels of the pictures.
        width: channels of the first layer; each halving doubles them.
        halvings: how often the side is halved; `halvings_for` says how often it may be.
        joints: J, 15 of a body or 68 of a face.

    Source: FlexPose, section 3.4 (beta; the paper gives no layers).
    """

    def __init__(self, planes: int = 3, width: int = 32, halvings: int = 3, joints: int = 15) -> None:
        super().__init__()
        self.planes, self.width, self.halvings, self.joints = planes, width, halvings, joints
        widths = [width * 2**i for i in range(halvings)]
        into, last = (planes, *widths[:-1]), widths[-1]
        self.down = nn.Sequential(
            *(
                layer
                for a, b in zip(into, widths, strict=True)
                for layer in (nn.Conv2d(a, b, 3, 2, 1), nn.GroupNorm(8, b), nn.ReLU(inplace=True))
            )
        )
        self.context = nn.ModuleList(nn.Conv2d(last, last, 3, padding=d, dilation=d) for d in (1, 2, 4, 1))
        self.out = nn.Conv2d(last, joints, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.down(image)
        for convolution in self.context:
            x = x + torch.relu(convolution(x))
        return expected_position(self.out(x))


def halvings_for(size: int) -> int:
    """How often a picture's side is halved by beta: three times, but to heat maps of 8 x 8 at least.

    >>> halvings_for(128), halvings_for(32), halvings_for(16)
    (3, 2, 1)
    """
    return max(1, min(3, (size // 8).bit_length() - 1))


@torch.no_grad()
def read_images(regressor: KeypointRegressor, images: Tensor, batch: int = 32) -> Tensor:
    """beta(y) of skeleton images that somebody brings, (N, J, 2) in [-1, 1].

    Args:
        regressor: beta.
        images: (N, planes, S, S) in [0, 1], a figure in each.
        batch: how many are read at once.

    Raises:
        ValueError: for another shape, numbers that are not in [0, 1], or an image without a figure: nothing in it is
            brighter than `FAINTEST`.
    """
    if images.ndim != 4 or images.shape[1] != regressor.planes or images.shape[2] != images.shape[3]:
        raise ValueError(f"images must be (N, {regressor.planes}, S, S), got {tuple(images.shape)}")
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise ValueError("images must be in [0, 1]")
    dark = images.flatten(1).amax(1) < FAINTEST
    if bool(dark.any()):
        raise ValueError(f"images must show a figure each, image {int(dark.nonzero()[0])} shows none")
    return torch.cat([regressor(part) for part in images.split(batch)])
