"""The networks of KeypointGAN's appendix F, for poses from another source than the pictures.

Both have skip connections from encoder to decoder; the generator masks what it saw of the person, limb by limb.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from napa_lib.bottleneck.networks import Downsampling, conv_block
from napa_lib.networks.checks import check_image
from napa_lib.networks.gan import initialize
from napa_lib.rendering import render_skeleton


class SkipUpsampling(nn.Module):
    """The upsampling module with skips: after each doubling, the encoder's features of that size are concatenated.

    Source: KeypointGAN, fig. 22: one convolution more than fig. 17 before the last.
    """

    def __init__(self, channels: int, out: int, width: int) -> None:
        super().__init__()
        w = width
        self.blocks = nn.ModuleList([
            nn.Sequential(*conv_block(channels, 8 * w), *conv_block(8 * w, 8 * w)),
            nn.Sequential(*conv_block(8 * w + 4 * w, 4 * w), *conv_block(4 * w, 4 * w)),
            nn.Sequential(*conv_block(4 * w + 2 * w, 2 * w), *conv_block(2 * w, 2 * w)),
            nn.Sequential(*conv_block(2 * w + w, w), *conv_block(w, w), nn.Conv2d(w, out, 3, padding=1)),
        ])  # fmt: skip

    def forward(self, code: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Args: the code, and the encoder's features at 1, 1/2 and 1/4 of the size."""
        x = self.blocks[0](code)
        for block, skip in zip(self.blocks[1:], reversed(skips), strict=True):
            x = block(torch.cat([interpolate(x, scale_factor=2, mode="bilinear"), skip], 1))
        return x


class SkipImageEncoder(nn.Module):
    """Phi with skip connections: a picture (B, 3, H, W) to a skeleton image (B, 1, H, W). Source: fig. 22."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.down = Downsampling(3, 8 * width, width)
        self.up = SkipUpsampling(8 * width, 1, width)
        initialize(self)

    def forward(self, image: Tensor) -> Tensor:
        *skips, code = self.down.levels(check_image("image", image, 3))
        return self.up(code, skips)


class LimbImageGenerator(nn.Module):
    """Psi with limb masks: what is seen of the person in one pose, (B, 3, H, W), and where each limb is in another.

    The picture is encoded, and the code is masked by the limbs of the skeleton. The caption of fig. 23 says that and
    the skips; the rows of its table are not in our copy of the paper. The masking here is our reading: a 1 x 1
    convolution gives each limb its share of channels, which are multiplied by that limb alone drawn by eq. 1, so that
    an arm's channels reach the decoder only where the arm is to be. The skips are not masked and carry the background.

    Args:
        num_limbs: edges of the skeleton.
        width: channels of the first convolution.

    Source: KeypointGAN, fig. 23.
    """

    def __init__(self, num_limbs: int, width: int = 32) -> None:
        super().__init__()
        self.num_limbs, self.share = num_limbs, max(1, 8 * width // num_limbs)
        self.down = Downsampling(3, 8 * width, width)
        self.parts = nn.Conv2d(8 * width, self.num_limbs * self.share, 1)
        self.up = SkipUpsampling(self.num_limbs * self.share, 3, width)
        initialize(self)

    def forward(self, limbs: Tensor, style: Tensor) -> Tensor:
        """Args: limbs (B, L, H, W) as `draw_limbs` gives them, and the picture (B, 3, H, W)."""
        check_image("limbs", limbs, self.num_limbs)
        *skips, code = self.down.levels(check_image("style", style, 3))
        parts = self.parts(code).unflatten(1, (self.num_limbs, self.share))
        masks = adaptive_avg_pool2d(limbs, (code.shape[2], code.shape[3]))
        return self.up((parts * masks[:, :, None]).flatten(1, 2), skips)


def draw_limbs(points: Tensor, edges: Sequence[Sequence[int]], size: int, gamma: float = 25.0) -> Tensor:
    """Each edge of a skeleton drawn alone.

    Args:
        points: (B, K, 2) as (x, y) in [-1, 1].
        edges: pairs (i, j) of points.
        size: side in pixels.
        gamma: fall-off of eq. 1.

    Returns:
        (B, L, size, size) in [0, 1]; the maximum over L is `render_skeleton` of all edges.

    Source: KeypointGAN, eq. 1, one edge at a time.

    >>> points = torch.tensor([[[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    >>> draw_limbs(points, [(0, 1), (1, 2)], 16).shape
    torch.Size([1, 2, 16, 16])
    """
    ends = points[:, torch.tensor(edges, device=points.device)]  # (B, L, 2, 2)
    return render_skeleton(ends.flatten(0, 1), [(0, 1)], size, gamma).view(len(points), len(edges), size, size)
