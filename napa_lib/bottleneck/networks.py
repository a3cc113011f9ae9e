"""KeypointGAN's encoders and generator, layer for layer as in its appendix E.

All take any picture whose sides are multiples of 8. `width` scales the channels: 32 is the paper's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napa_lib.networks.checks import check_image, check_same_size
from napa_lib.networks.gan import initialize
from napa_lib.networks.heatmaps import soft_argmax


def conv_block(channels: int, out: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """Convolution, batch normalisation, ReLU; the picture keeps its size up to the stride."""
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


class Downsampling(nn.Module):
    """The downsampling module: a picture (B, C, H, W) to a code (B, out, H / 8, W / 8).

    Four blocks of two convolutions, then one of 1 x 1. Source: KeypointGAN, section 4 and fig. 19.
    """

    def __init__(self, channels: int, out: int, width: int) -> None:
        super().__init__()
        w = width
        self.blocks = nn.ModuleList([
            nn.Sequential(*conv_block(channels, w, 7), *conv_block(w, w)),
            nn.Sequential(*conv_block(w, 2 * w, stride=2), *conv_block(2 * w, 2 * w)),
            nn.Sequential(*conv_block(2 * w, 4 * w, stride=2), *conv_block(4 * w, 4 * w)),
            nn.Sequential(*conv_block(4 * w, 8 * w, stride=2), *conv_block(8 * w, 8 * w)),
        ])  # fmt: skip
        self.code = nn.Conv2d(8 * w, out, 1)

    def levels(self, image: Tensor) -> list[Tensor]:
        """What the first three blocks give, at 1, 1/2 and 1/4 of the size, and the code."""
        found = []
        for block in self.blocks:
            image = block(image)
            found.append(image)
        return [*found[:-1], self.code(found[-1])]

    def forward(self, image: Tensor) -> Tensor:
        return self.levels(image)[-1]


class Upsampling(nn.Module):
    """The upsampling module: a code (B, C, h, w) to a picture (B, out, 8 h, 8 w).

    Four blocks of two convolutions; the last three begin with a bilinear doubling. Source: KeypointGAN, section 4 and
    fig. 17, whose rows for the doublings name the channels that the next convolution makes.
    """

    def __init__(self, channels: int, out: int, width: int) -> None:
        super().__init__()
        w = width
        self.layers = nn.Sequential(
            *conv_block(channels, 8 * w), *conv_block(8 * w, 8 * w), nn.Upsample(scale_factor=2, mode="bilinear"),
            *conv_block(8 * w, 4 * w), *conv_block(4 * w, 4 * w), nn.Upsample(scale_factor=2, mode="bilinear"),
            *conv_block(4 * w, 2 * w), *conv_block(2 * w, 2 * w), nn.Upsample(scale_factor=2, mode="bilinear"),
            *conv_block(2 * w, w), nn.Conv2d(w, out, 3, padding=1),
        )  # fmt: skip

    def forward(self, code: Tensor) -> Tensor:
        return self.layers(code)


class ImageEncoder(nn.Module):
    """Phi: a picture (B, 3, H, W) to a skeleton image (B, 1, H, W). Source: KeypointGAN, fig. 17."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.down = Downsampling(3, 8 * width, width)
        self.up = Upsampling(8 * width, 1, width)
        initialize(self)

    def forward(self, image: Tensor) -> Tensor:
        return self.up(self.down(check_image("image", image, 3)))


class ImageGenerator(nn.Module):
    """Psi: a skeleton image (B, 1, H, W) and a picture of the same person in another pose (B, 3, H, W) to a picture.

    Two downsampling modules with weights of their own, their codes concatenated, one upsampling module. The rows of
    fig. 18 are not in our copy of the paper; section 4 describes the network fully.

    Args:
        conditional: False leaves the second picture and its encoder out, as the CycleGAN of table 5 does.
        width: channels of the first convolution.

    Source: KeypointGAN, section 4 ("Components") and fig. 18.
    """

    def __init__(self, conditional: bool = True, width: int = 32) -> None:
        super().__init__()
        self.skeleton = Downsampling(1, 8 * width, width)
        self.style = Downsampling(3, 8 * width, width) if conditional else None
        self.up = Upsampling((2 if conditional else 1) * 8 * width, 3, width)
        initialize(self)

    def forward(self, skeleton: Tensor, style: Tensor | None = None) -> Tensor:
        code = self.skeleton(check_image("skeleton", skeleton, 1))
        if self.style is None or style is None:
            if (self.style is None) != (style is None):
                raise ValueError(f"style must be {'None' if self.style is None else 'a picture (B, 3, H, W)'} here")
            return self.up(code)
        check_same_size("skeleton", skeleton, "style", check_image("style", style, 3))
        return self.up(torch.cat([code, self.style(style)], 1))


class SkeletonEncoder(nn.Module):
    """eta: a skeleton image (B, 1, H, W) to keypoints (B, K, 2) as (x, y) in [-1, 1].

    A downsampling module gives one heat map a keypoint; softmax makes it a distribution over its cells, whose
    expectation is the keypoint. The cells' coordinates run from -1 to 1.

    Source: KeypointGAN, section 4 ("Components") and fig. 19.
    """

    def __init__(self, num_keypoints: int, width: int = 32) -> None:
        super().__init__()
        if num_keypoints < 1:
            raise ValueError(f"num_keypoints must be at least 1, got {num_keypoints}")
        self.down = Downsampling(1, num_keypoints, width)
        initialize(self)

    def forward(self, skeleton: Tensor) -> Tensor:
        return expected_position(self.down(check_image("skeleton", skeleton, 1)))


def expected_position(heatmaps: Tensor) -> Tensor:
    """The expectation of each map's softmax, its first and last column or row at -1 and 1.

        p = softmax(heatmap),  x = sum_u p(u) u

    Args:
        heatmaps: (B, K, H, W) scores; half precision is computed in float32.

    Returns:
        (B, K, 2) as (x, y).

    Raises:
        ValueError: if `heatmaps` is not four-dimensional or a side is shorter than two cells.

    Source: KeypointGAN, section 4 ("skeleton encoder").

    >>> scores = torch.full((1, 1, 3, 5), -1e4); scores[0, 0, 2, 3] = 0.0
    >>> expected_position(scores).tolist()
    [[[0.5, 1.0]]]
    """
    if heatmaps.ndim != 4 or min(heatmaps.shape[2:]) < 2:
        raise ValueError(f"heatmaps must be (B, K, H, W) with H, W >= 2, got {tuple(heatmaps.shape)}")
    height, width = heatmaps.shape[2:]
    cells = soft_argmax(heatmaps)
    return 2 * cells / cells.new_tensor([width - 1, height - 1]) - 1
