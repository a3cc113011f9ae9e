"""The multi-source discriminator: is this the true pose of this picture?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napa_lib.adversarial.config import ModelConfig, check_sources
from napa_lib.adversarial.functional import geometric_descriptor, pose_maps
from napa_lib.adversarial.networks import Estimate
from napa_lib.networks.hourglass import heatmap_targets

SMALLEST = 4  # cells to which pictures and maps are halved before they are flattened
SLOPE = 0.2  # of the leaky ReLUs
WIDEST = 8  # times the first width


@dataclass(frozen=True, eq=False)
class Evidence:
    """E(S, z) of eq. 3, with the picture: what a discriminator is shown of B poses.

    Attributes:
        picture: (B, 3, S, S) in [0, 1].
        descriptor: (B, 6, P, P).
        maps: (B, 2 P, S / 4, S / 4), heat maps and depth maps.
    """

    picture: Tensor
    descriptor: Tensor
    maps: Tensor

    def detach(self) -> Evidence:
        """The same without a way back for gradients: the estimator does not learn in the discriminator's turn."""
        return Evidence(self.picture.detach(), self.descriptor.detach(), self.maps.detach())

    def take(self, rows: Tensor | slice) -> Evidence:
        """Some of the poses."""
        return Evidence(self.picture[rows], self.descriptor[rows], self.maps[rows])


def evidence_of_estimate(image: Tensor, estimate: Estimate) -> Evidence:
    """E(G(I)): the evidence of an estimated pose, through which gradients flow to heat maps and depths."""
    maps = pose_maps(estimate.heatmaps[-1], estimate.depths)
    return Evidence(image, geometric_descriptor(estimate.pose), maps)


def evidence_of_pose(image: Tensor, pose: Tensor) -> Evidence:
    """E(S, z): the evidence of a true pose, its heat maps rendered with a deviation of one cell.

    Args:
        image: (B, 3, S, S) in [0, 1].
        pose: (B, P, 3), (x, y) in [-1, 1] and the depth in the same unit.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if image.ndim != 4 or pose.ndim != 3 or len(image) != len(pose):
        shapes = f"{tuple(image.shape)} and {tuple(pose.shape)}"
        raise ValueError(f"image must be (B, 3, S, S) and pose (B, P, 3), got {shapes}")
    descriptor = geometric_descriptor(pose)
    heatmaps = heatmap_targets(pose[..., :2], image.shape[-1] // 4)
    return Evidence(image, descriptor, pose_maps(heatmaps, pose[..., 2].nan_to_num()))


class MultiSourceDiscriminator(nn.Module):
    """D: how likely a pose is the true one of its picture, from any of three sources.

    Each source is embedded by layers of its own: picture and maps by convolutions of stride 2 down to 4 x 4 cells, the
    descriptor, whose rows and columns are joints and not places, by a fully connected layer. The embeddings are
    concatenated, and three fully connected layers decide. The paper gives the three layers and no sizes, nor what
    embeds a source.

    Args:
        sources: of "picture", "descriptor" and "maps".
        config: joint set and widths; those of the paper's size if left out.

    Raises:
        ValueError: if there is no source, or one that does not exist.

    Source: AdvPose, section 3.2.1, figure 2 and section 5 ("Implementation details").
    """

    def __init__(self, sources: tuple[str, ...], config: ModelConfig | None = None) -> None:
        super().__init__()
        config = config or ModelConfig()
        self.sources, self.config = check_sources(tuple(sources)), config
        joints, width = config.body.num_joints, config.embedding
        embed = {
            "picture": lambda: _convolutions(3, config.size, config.critic_channels, width),
            "descriptor": lambda: nn.Sequential(
                nn.Flatten(), nn.Linear(6 * joints**2, width), nn.LeakyReLU(SLOPE), nn.Linear(width, width)
            ),
            "maps": lambda: _convolutions(2 * joints, config.size // 4, 2 * config.critic_channels, width),
        }
        self.embed = nn.ModuleDict({name: embed[name]() for name in self.sources})
        self.decide = nn.Sequential(
            nn.LeakyReLU(SLOPE), nn.Linear(len(self.sources) * width, width),
            nn.LeakyReLU(SLOPE), nn.Linear(width, width), nn.LeakyReLU(SLOPE), nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, evidence: Evidence) -> Tensor:
        """Logits (B,): D of the paper is their sigmoid.

        Raises:
            ValueError: if a source does not have the shape that the config says.
        """
        joints, size = self.config.body.num_joints, self.config.size
        wanted = {
            "picture": (3, size, size), "descriptor": (6, joints, joints), "maps": (2 * joints, size // 4, size // 4),
        }  # fmt: skip
        found = []
        for name in self.sources:
            value = getattr(evidence, name)
            if value.ndim != 4 or tuple(value.shape[1:]) != wanted[name]:
                raise ValueError(f"{name} must be (B, {', '.join(map(str, wanted[name]))}), got {tuple(value.shape)}")
            found.append(self.embed[name](value))
        return self.decide(torch.cat(found, 1))[:, 0]


def _convolutions(channels: int, side: int, width: int, embedding: int) -> nn.Sequential:
    """4 x 4 convolutions of stride 2 until `SMALLEST` cells are left, doubling the width; then one linear layer."""
    layers: list[nn.Module] = []
    out = channels
    while side > SMALLEST:
        out, before = min(width * 2 ** (len(layers) // 2), WIDEST * width), out
        layers += [nn.Conv2d(before, out, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        side //= 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(out * side**2, embedding))
