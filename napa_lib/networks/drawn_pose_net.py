"""A network of drawn figures, their joints and where they are: MoveNet's layers, trained further on drawings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.data import asset_path
from napa_lib.engine import made_on_cpu, save_tensors
from napa_lib.networks.heatmaps import cells_to_pixels, local_soft_argmax
from napa_lib.networks.movenet import MoveNet, head, load_movenet
from napa_lib.networks.pose_net import PosePrediction
from napa_lib.quantization import compress, load_network
from napa_lib.skeletons import COCO17, NAPA18

FORMAT = "napa-drawn-pose-net-2"
WEIGHTS = "weights/drawn_pose_net.safetensors"
SIZE = 192  # pixels of the crops that it was trained on
THRESHOLD = 0.2  # a person is looked at closer from this score on; chosen on validation pictures


class DrawnPoseNet(nn.Module):
    """Crops (B, 3, S, S) in [0, 1], S a multiple of 32, to a prediction of NAPA18's joints.

    The confidence is the highest log probability of a joint's heat map: of a cell, not of being right.

    >>> found = DrawnPoseNet()(torch.rand(1, 3, 64, 64))
    >>> found.keypoints.shape, found.heatmaps.shape
    (torch.Size([1, 18, 2]), torch.Size([1, 18, 16, 16]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = MoveNet()
        self.trunk.heatmap = head(NAPA18.num_joints)

    def maps(self, images: Tensor) -> Tensor:
        """Scores (B, 18, S / 4, S / 4)."""
        return self.trunk.heatmap(self.trunk.features(images)).float()

    def forward(self, images: Tensor) -> PosePrediction:
        heatmaps = self.maps(images)
        confidence = heatmaps.flatten(2).log_softmax(-1).amax(-1)
        return PosePrediction(cells_to_pixels(local_soft_argmax(heatmaps)), confidence, heatmaps)


def start_drawn_pose_net() -> DrawnPoseNet:
    """The network before its training: as photographs taught it, a joint that MoveNet does not know as its mean one."""
    network, tensors = DrawnPoseNet(), dict(load_movenet().state_dict())
    ours = network.trunk.state_dict()
    for name in [name for name in ours if name.startswith("heatmap.1.")]:
        theirs = tensors[name]
        rows = [theirs[COCO17.index(j)] if j in COCO17.joints else theirs.mean(0) for j in NAPA18.joints]
        tensors[name] = torch.stack(rows)
    network.trunk.load_state_dict({name: tensors[name] for name in ours})
    return network


def save_drawn_pose_net(
    path: str | Path, network: DrawnPoseNet, pictures: Tensor, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the network, atomically: the finest kernels in 16 bits, those at 1/32 in 7, the others in 8.

    Args:
        path: to write to.
        network: in evaluation mode, on the CPU.
        pictures: (N, 3, H, W) of figures, that `compress` needs.
        metadata: goes with it.
    """
    tensors = {f"trunk.{name}": tensor for name, tensor in compress(network.trunk, _bits, pictures).items()}
    save_tensors(path, tensors, {**(metadata or {}), "format": FORMAT})


def _bits(name: str) -> int:
    return 16 if name.startswith(("stem.", "to_4.")) else 7 if name.startswith("to_32.") else 8


@made_on_cpu
def load_drawn_pose_net(path: str | Path | None = None) -> DrawnPoseNet:
    """The network that ships, or one that `save_drawn_pose_net` wrote, in evaluation mode.

    Raises:
        ValueError: if the file is missing, corrupt or holds something else.
    """
    return load_network(
        DrawnPoseNet(), asset_path(WEIGHTS) if path is None else path, FORMAT, "network of drawn figures"
    )
