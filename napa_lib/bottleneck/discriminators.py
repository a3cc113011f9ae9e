"""KeypointGAN's discriminators: of skeleton images at three scales, and of pictures beside another frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napa_lib.networks.checks import check_image, check_same_size
from napa_lib.networks.gan import PatchDiscriminator, initialize, leaky_block

SCALES = (1.0, 0.5, 0.25)  # of the picture, one skeleton discriminator each


class SkeletonDiscriminator(nn.Module):
    """D_Y: three patch discriminators, for the skeleton image at 1, 1/2 and 1/4 of its size.

    Returns the three score maps (B, 1, h, w), for losses to average. Source: KeypointGAN, section 4 and fig. 20.
    """

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(1, width, layers) for _ in SCALES)
        initialize(self)

    def forward(self, skeleton: Tensor) -> list[Tensor]:
        check_image("skeleton", skeleton, 1)
        return [
            network(skeleton if scale == 1 else interpolate(skeleton, scale_factor=scale, mode="bilinear"))
            for scale, network in zip(SCALES, self.scales, strict=True)
        ]


class ImageDiscriminator(nn.Module):
    """D_X: is a picture (B, 3, H, W) real, and of the person of the second picture?

    Both pictures pass through the same layers (Siamese) until their features are concatenated; without conditioning
    the second branch is left out. The caption of fig. 21 says that, and instance normalisation before every leaky ReLU
    of slope 0.2; the rows of its table are not in our copy of the paper. The layers here are ours, after the reference
    it names (Karras et al., 2018): at each scale two 3 x 3 convolutions, the second doubling the channels, then average
    pooling; three scales apart, two together, and one score a patch from a last 3 x 3 convolution.

    Returns a list of one score map (B, 1, H / 16, W / 16).

    Source: KeypointGAN, section 4 ("Second cycle constraint and discriminator") and fig. 21.
    """

    def __init__(self, conditional: bool = True, width: int = 64) -> None:
        super().__init__()
        half, w = max(1, width // 2), width
        self.conditional = conditional
        self.branch = nn.Sequential(
            *leaky_block(3, half, 3), *leaky_block(half, w, 3), nn.AvgPool2d(2),
            *leaky_block(w, w, 3), *leaky_block(w, 2 * w, 3), nn.AvgPool2d(2),
            *leaky_block(2 * w, 2 * w, 3), *leaky_block(2 * w, 4 * w, 3), nn.AvgPool2d(2),
        )  # fmt: skip
        self.together = nn.Sequential(
            *leaky_block((8 if conditional else 4) * w, 4 * w, 3), nn.AvgPool2d(2),
            *leaky_block(4 * w, 4 * w, 3), nn.Conv2d(4 * w, 1, 3, padding=1),
        )  # fmt: skip
        initialize(self)

    def forward(self, image: Tensor, style: Tensor | None = None) -> list[Tensor]:
        if self.conditional != (style is not None):
            raise ValueError(f"style must be {'a picture (B, 3, H, W)' if self.conditional else 'None'} here")
        found = self.branch(check_image("image", image, 3))
        if style is not None:
            check_same_size("image", image, "style", check_image("style", style, 3))
            found = torch.cat([found, self.branch(style)], 1)
        return [self.together(found)]
