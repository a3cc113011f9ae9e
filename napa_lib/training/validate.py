"""How good a pose network is on labelled pictures, with the figures' boxes: what checkpoints are chosen by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from napa_lib.data.crops import crop, crop_matrices, edge_color, to_crop
from napa_lib.networks.pose_net import PosePrediction
from napa_lib.skeletons import NAPA18
from napa_lib.training.augment import figure_boxes
from napa_lib.training.pictures import PictureSet

LIMBS = [NAPA18.index(f"{side}_{joint}") for side in "rl" for joint in
         ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")]  # fmt: skip


class PoseNetwork(Protocol):
    """Crops (B, 3, S, S) in [0, 1] to a prediction: `PoseNet2D`, `WarmPoseNet`, `WholePoseNet`."""

    training: bool

    def __call__(self, images: Tensor, /) -> PosePrediction: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def train(self, mode: bool = True, /) -> object: ...


@torch.no_grad()
def validate(network: PoseNetwork, pictures: PictureSet, size: int, half: bool = False) -> dict:
    """Shares of the 12 limb joints within 2 % and 4 % of the box's side, about PCKh@0.25 and @0.5.

    Returns:
        {"near": …, "far": …}, fractions.
    """
    was_training, device = network.training, next(network.parameters()).device
    network.train(False)
    errors = []
    for images, keypoints in zip(pictures.images.split(32), pictures.keypoints.split(32), strict=True):
        images = images.float() / 255
        matrices = crop_matrices(figure_boxes(keypoints), size)
        crops = crop(images, matrices, size, edge_color(images)).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            found = network(crops).keypoints.float().cpu()
        target = to_crop(keypoints, matrices)[:, LIMBS]
        known = ~target.isnan().any(-1)  # what the network makes NaN is wrong, not missing
        errors.append((found[:, LIMBS] - target).norm(dim=-1)[known] / size)
    network.train(was_training)
    error = torch.cat(errors)
    return {
        "near": round(float((error < 0.02).float().mean()), 4),
        "far": round(float((error < 0.04).float().mean()), 4),
    }
