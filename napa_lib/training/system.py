"""NAPA as one system: F, VGG, G, R, G', F' and VGG' put together, a gradient flowing from end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.lifting import BoneStandardizer, DepthNet, load_depth_net
from napa_lib.lifting.lift import figure_map
from napa_lib.networks import VGG19Features
from napa_lib.networks.heatmaps import cells_to_pixels, soft_argmax
from napa_lib.networks.pose_net import PoseNet2D, PosePrediction, load_pose_net
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18
from napa_lib.style import TransformNet, load_stylizer
from napa_lib.training.updates import Trained

BONE_WIDTH = 20.0 / 224  # of the picture's side: NAPA's released code has 20 pixels at 224, the paper none
SOFTNESS = 1.0 / 96  # of the picture's side: the soft edge that lets a gradient through


@dataclass(frozen=True)
class Styles:
    """The pool of K style pictures: (K, 3, S, S), and what the untouched VGG says of each, (K, 1920)."""

    pictures: Tensor
    statistics: Tensor


@dataclass(frozen=True)
class Passed:
    """All that one pass through the system makes of B pictures; what the stage does not need is None."""

    output: Tensor  # O (B, 3, S, S)
    prediction: PosePrediction | None = None
    keypoints: Tensor | None = None  # Y_2d (B, 18, 2) pixels
    depths: Tensor | None = None  # Y_depth (B, 15) standardised z of the bones
    bone_map: Tensor | None = None  # P (B, 3, S, S)
    reconstruction: Tensor | None = None  # O' (B, 3, S, S)


class Bones(nn.Module):
    """A `BoneStandardizer` in buffers, so that checkpoints hold it beside the depth network that learned with it."""

    mean: Tensor
    std: Tensor
    length: Tensor

    def __init__(self, standardizer: BoneStandardizer) -> None:
        super().__init__()
        for name in ("mean", "std", "length"):
            self.register_buffer(name, getattr(standardizer, name).clone())


class NapaModel(nn.Module):
    """The six networks of NAPA and the renderer R between them.

        O = F(I, S),  Y_2d = G(O),  P = R(Y_2d),  Y_depth = G'(P),  O' = F'(P, S)

    `forward` draws the bone map twice. For F' it is soft and lies where the figure stands, so that what is wrong with
    O' says where the keypoints should go. For G' it is hard and the figure fills it, as in the training that warmed G'
    up and in `lift`, which uses it.

    L_depth has no say in the keypoints, as a hard map has no gradient. The paper "decouples" the two; with its ratio of
    1000, the gradient of L_depth on the keypoints would through a soft map be 6 to 56 times that of L_2d (median 19; 16
    batches of two pictures, before training).

    Args:
        stylizer: F, of the kind that takes a style code.
        pose: G.
        depth: G', and
        standardizer: the bone statistics that it was trained with.

    Source: NAPA, section 3 and appendix A.
    """

    def __init__(
        self, stylizer: TransformNet, pose: PoseNet2D, depth: DepthNet, standardizer: BoneStandardizer
    ) -> None:
        super().__init__()
        if stylizer.norm != "pool":
            raise ValueError(f"stylizer must take a style code (norm='pool'), got norm={stylizer.norm!r}")
        self.stylizer, self.features = stylizer, VGG19Features()
        self.pose, self.depth, self.bones = pose, depth, Bones(standardizer)
        self.reconstructor, self.own_features = TransformNet("pool"), VGG19Features()
        self.start_reconstructor()

    def start_reconstructor(self) -> None:
        """Set F' to the weights that F has now ("initialized to F", section 3)."""
        self.reconstructor.load_state_dict(self.stylizer.state_dict())

    @property
    def standardizer(self) -> BoneStandardizer:
        """The bone statistics that G' was trained with."""
        return BoneStandardizer(self.bones.mean, self.bones.std, self.bones.length)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by the paper's symbols."""
        return {
            "F": self.stylizer, "VGG": self.features, "G": self.pose, "G'": self.depth,
            "F'": self.reconstructor, "VGG'": self.own_features,
        }  # fmt: skip

    def kept(self, names: tuple[str, ...]) -> dict[str, nn.Module]:
        """What belongs into a checkpoint of some of the networks: G without the VGG-19 embedded in it, and with G' the
        bone statistics."""
        found = {name: Trained(self.pose) if name == "G" else self.networks[name] for name in names}
        return found | ({"bones": self.bones} if "G'" in names else {})

    def train_only(self, names: tuple[str, ...]) -> dict[str, list[nn.Parameter]]:
        """Let some of the networks learn and no other; the parameters of each.

        Of G all learns but an embedded VGG-19: of the one that ships the head, of one on a ResNet-50 every weight.
        Batch normalisation stays in evaluation mode: statistics of two pictures would be noise.
        """
        self.eval()
        self.requires_grad_(False)
        self.zero_grad(set_to_none=True)  # gradients of the last stage's networks would only take memory
        parameters = {}
        for name in names:
            network = self.networks[name]
            kept = network.trained_state() if isinstance(network, PoseNet2D) else network.state_dict()
            parameters[name] = [weight for n, weight in network.named_parameters() if n in kept]
            for weight in parameters[name]:
                weight.requires_grad_(True)
        return parameters

    def forward(
        self,
        images: Tensor,
        statistics: Tensor,
        look: bool = True,
        reconstruct: bool = False,
        real: Tensor | None = None,
    ) -> Passed:
        """From pictures to all that the losses ask for.

        Args:
            images: I (B, 3, S, S) in [0, 1], S a multiple of 32.
            statistics: (B, 1920) of the style pictures S, from `Styles`.
            look: whether to go on to the pose.
            reconstruct: whether to go on to O'.
            real: (B,) bool, the pictures that G is to see as they are.
        """
        output = restyle(self.stylizer, images, statistics)
        if not look:
            return Passed(output)
        seen = output if real is None else torch.where(real[:, None, None, None], images, output)
        prediction = self.pose(seen)
        keypoints = self.keypoints_of(prediction)
        depths = self.depths_of(keypoints)
        if not reconstruct:
            return Passed(output, prediction, keypoints, depths)
        bone_map = self.bone_map(keypoints, images.shape[-1])
        again = self.reconstruct(bone_map, statistics)
        return Passed(output, prediction, keypoints, depths, bone_map, again)

    @staticmethod
    def keypoints_of(prediction: PosePrediction) -> Tensor:
        """Y_2d (B, 18, 2) pixels: the expectation over the whole heat map, of which every cell has a gradient.

        `PosePrediction.keypoints` looks round the highest peak alone, which other estimators of this library do.
        """
        return cells_to_pixels(soft_argmax(prediction.heatmaps))

    def bone_map(self, keypoints: Tensor, size: int) -> Tensor:
        """P = R(Y_2d): (B, 18, 2) pixels to the soft bone map (B, 3, size, size), differentiable."""
        return render_bone_map(keypoints, NAPA18, size, BONE_WIDTH * size, SOFTNESS * size)

    def reconstruct(self, bone_map: Tensor, statistics: Tensor) -> Tensor:
        """O' = F'(P, S): (B, 3, S, S) from bone maps and the styles' (B, 1920) statistics."""
        return restyle(self.reconstructor, bone_map, statistics)

    def depths_of(self, keypoints: Tensor) -> Tensor:
        """What G' says of keypoints (B, 18, 2), shown as in `lift`: (B, 15) standardised z of the bones."""
        return self.depth(figure_map(keypoints, self.depth.preset)).float()


def restyle(network: TransformNet, images: Tensor, statistics: Tensor) -> Tensor:
    """Pictures (B, 3, S, S) in the styles that (B, 1920) statistics describe."""
    assert network.style is not None  # NapaModel sees to it
    return network(images, network.style(statistics))


def build_model(pose: str | Path | None = None, depth: str | Path | None = None) -> NapaModel:
    """The system before its first stage, warmed up with what ships: pool stylizer, pose network, depth network.

    The paper warms up G with an integral regression network that photographs taught, and G' with a ResNet-50.

    Args:
        pose: a file of another G, from `napa_lib.training.pose`.
        depth: a file of another G', from `napa_lib.lifting.train`, where `--preset paper` is the paper's ResNet-50.

    Raises:
        ValueError: if a file is corrupt or holds something else.
    """
    network, standardizer = load_depth_net(depth)
    return NapaModel(load_stylizer("pool"), load_pose_net(pose), network, standardizer)
