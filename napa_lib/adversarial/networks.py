"""The generator, which is a 3D pose estimator: stacked hourglasses, and a depth for each joint from what they found."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napa_lib.adversarial.config import ModelConfig
from napa_lib.adversarial.functional import keypoints_from_heatmaps
from napa_lib.networks.hourglass import Residual, StackedHourglass

HALVINGS = 3  # residual and downsampling modules of the depth regressor


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the generator says of B pictures.

    Attributes:
        heatmaps: one (B, P, S / 4, S / 4) a stack; the last one is the answer.
        keypoints: (B, P, 2) as (x, y) in [-1, 1], the centres of the outermost pixels, read from the last heat maps.
        depths: (B, P) in the unit of the keypoints, half the picture's side; about 0 at the root, away is positive.
    """

    heatmaps: tuple[Tensor, ...]
    keypoints: Tensor
    depths: Tensor

    @property
    def pose(self) -> Tensor:
        """(B, P, 3), keypoints and depths in one unit: what the descriptor takes."""
        return torch.cat([self.keypoints, self.depths[..., None]], -1)


class DepthRegressor(nn.Module):
    """A depth for each joint from the heat maps and the features that they were read from.

    Both are brought to one width by 1 x 1 convolutions and added; three times a residual module and a halving by
    maxima; the mean over what is left; one fully connected layer.

    Args:
        num_joints: P.
        channels: width of the features, and of the modules; a multiple of 2.

    Source: AdvPose, section 3.1 and section 5 ("Implementation details").

    >>> DepthRegressor(17, 8).eval()(torch.zeros(2, 17, 16, 16), torch.zeros(2, 8, 16, 16)).shape
    torch.Size([2, 17])
    """

    def __init__(self, num_joints: int, channels: int = 256) -> None:
        super().__init__()
        self.from_heatmaps = nn.Conv2d(num_joints, channels, 1)
        self.from_features = nn.Conv2d(channels, channels, 1)
        steps = (module for _ in range(HALVINGS) for module in (Residual(channels, channels), nn.MaxPool2d(2)))
        self.layers = nn.Sequential(*steps, nn.BatchNorm2d(channels), nn.ReLU())
        self.depths = nn.Linear(channels, num_joints)

    def forward(self, heatmaps: Tensor, features: Tensor) -> Tensor:
        """Heat maps (B, P, H, W) and features (B, C, H, W) to depths (B, P).

        Raises:
            ValueError: if the two do not fit each other, or have a side below 8.
        """
        if heatmaps.ndim != 4 or features.ndim != 4 or heatmaps.shape[2:] != features.shape[2:]:
            shapes = f"{tuple(heatmaps.shape)} and {tuple(features.shape)}"
            raise ValueError(f"heatmaps and features must be (B, P, H, W) and (B, C, H, W), got {shapes}")
        if min(heatmaps.shape[2:]) < 2**HALVINGS:
            raise ValueError(f"heatmaps must be at least {2**HALVINGS} cells high and wide, got {heatmaps.shape[2:]}")
        x = self.layers(self.from_heatmaps(heatmaps) + self.from_features(features))
        return self.depths(x.mean((2, 3)))


class Generator(nn.Module):
    """G: from a picture to heat maps and depths. It is all that is needed after training.

    Args:
        config: sizes and joint set.

    Source: AdvPose, section 3.1.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        joints = config.body.num_joints
        self.config = config
        self.hourglass = StackedHourglass(joints, config.stacks, config.channels)
        self.regressor = DepthRegressor(joints, config.channels)
        self.frozen = False

    def forward(self, image: Tensor) -> Estimate:
        """Pictures (B, 3, S, S) in [0, 1] of the config's size to poses.

        Raises:
            ValueError: for pictures of another shape.
        """
        size = self.config.size
        if image.ndim != 4 or tuple(image.shape[1:]) != (3, size, size):
            raise ValueError(f"image must be (B, 3, {size}, {size}), got {tuple(image.shape)}")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            found = self.hourglass(image)
        heatmaps = tuple(maps.float() for maps in found.heatmaps)
        depths = self.regressor(found.heatmaps[-1], found.features).float()
        return Estimate(heatmaps, keypoints_from_heatmaps(heatmaps[-1]), depths)

    def freeze_2d(self) -> None:
        """Leave the 2D module as it is: no gradients, and batch normalisation by what its pre-training saw."""
        self.hourglass.requires_grad_(False)
        self.frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> Generator:
        """Training or evaluation mode; a frozen 2D module stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.hourglass.eval()
        return self
