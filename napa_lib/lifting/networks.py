"""The depth network, and the one without pictures that it is measured against."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napa_lib.networks import resnet18, resnet50
from napa_lib.skeletons import NAPA18, REGRESSION_BONES, check_pose


@dataclass(frozen=True)
class MapPreset:
    """What a depth network looks at: the map's side and the bones' width in pixels, and the width of its ResNet."""

    size: int
    bone_width: float
    backbone: str
    channels: int


PRESETS = {
    "paper": MapPreset(size=224, bone_width=20.0, backbone="resnet50", channels=64),
    "tiny": MapPreset(size=64, bone_width=20.0 * 64 / 224, backbone="resnet18", channels=16),
    "wide": MapPreset(size=64, bone_width=20.0 * 64 / 224, backbone="resnet18", channels=32),
}


class DepthNet(nn.Module):
    """G': how far each bone points away from the viewer, from the picture of a figure's bones.

    It regresses the z component of the 15 standardised bone vectors. The paper's Euclidean loss is on whole bone
    vectors, but x and y of a bone are in the 2D keypoints already, and the paper joins Y_2d and Y_depth to the pose: so
    we leave x and y to the keypoints and let the network say only what they do not.

    Args:
        preset: "paper", ResNet-50 with one FC head on 224 x 224 pixels and bones 20 px wide, the released code's width
            (the paper gives none); or "tiny", a ResNet-18 a quarter as wide on 64 x 64 pixels, with bones as wide for
            the map's size, which trains on a CPU; or "wide", the same with a ResNet-18 half as wide as it usually is.

    Source: NAPA, section 3 (Pose Regression) and appendix A.

    >>> DepthNet("tiny")(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 15])
    """

    def __init__(self, preset: str = "paper") -> None:
        super().__init__()
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {sorted(PRESETS)}, got {preset!r}")
        self.preset = PRESETS[preset]
        build = {"resnet18": resnet18, "resnet50": resnet50}[self.preset.backbone]
        self.resnet = build(num_outputs=len(REGRESSION_BONES), width=self.preset.channels)

    def forward(self, bone_map: Tensor) -> Tensor:
        """(B, 3, S, S) bone maps in [0, 1], S the preset's size, to (B, 15) standardised depths of the bones."""
        size = self.preset.size
        if bone_map.ndim != 4 or bone_map.shape[1:] != (3, size, size):
            raise ValueError(f"bone_map must be (B, 3, {size}, {size}), got {tuple(bone_map.shape)}")
        return self.resnet(bone_map)


class CoordinateNet(nn.Module):
    """The same question asked without a picture: a multilayer perceptron on the joints' coordinates.

    Args:
        hidden: units of each of the two hidden layers.

    Source: the kind of lifter that Martinez et al. (ICCV 2017) made the yardstick; not in NAPA.

    >>> CoordinateNet(hidden=8)(torch.zeros(2, 18, 2)).shape
    torch.Size([2, 15])
    """

    def __init__(self, hidden: int = 512) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, got {hidden}")
        self.layers = nn.Sequential(
            nn.Linear(3 * NAPA18.num_joints, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
            nn.Linear(hidden, len(REGRESSION_BONES)),
        )  # fmt: skip

    def forward(self, keypoints: Tensor) -> Tensor:
        """(B, 18, 2) keypoints in [-1, 1] to (B, 15); a missing joint goes in as (0, 0) and a flag that says so."""
        check_pose(keypoints, NAPA18, "keypoints")
        if keypoints.ndim != 3 or keypoints.shape[-1] != 2:
            raise ValueError(f"keypoints must be (B, 18, 2), got {tuple(keypoints.shape)}")
        seen = ~keypoints.isnan().any(-1, keepdim=True)
        return self.layers(torch.cat([keypoints.where(seen, 0.0), seen.to(keypoints)], -1).flatten(1))
