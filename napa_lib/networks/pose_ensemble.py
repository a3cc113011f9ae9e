"""Three networks that look at the same crop, their answers multiplied, joints that hang together: what ships."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napa_lib.data import asset_path
from napa_lib.engine import CheckpointError, made_on_cpu, save_tensors
from napa_lib.networks.drawn_pose_net import SIZE as SECOND_SIZE
from napa_lib.networks.drawn_pose_net import DrawnPoseNet, load_drawn_pose_net
from napa_lib.networks.heatmaps import cells_to_pixels, local_soft_argmax
from napa_lib.networks.movenet import MoveNet, load_movenet
from napa_lib.networks.pose_net import MIRRORED, PosePrediction
from napa_lib.networks.pose_tree import PoseTree, load_pose_tree
from napa_lib.networks.warm_pose_net import WarmPoseNet, load_warm_pose_net
from napa_lib.quantization import read_weights
from napa_lib.skeletons import COCO17, NAPA18

FORMAT = "napa-pose-ensemble-1"
CALIBRATION = "weights/pose_ensemble.safetensors"
SECOND_WEIGHT, THIRD_WEIGHT = 0.5, 2.0  # exponents of the heat maps beside the first's; chosen on validation figures
FLOOR = 0.01  # chance of a joint where the third sees none: it may know nothing of such a figure; chosen with them
EVEN, STEEPNESS, MOST = 0.08, 3.0, 8.0  # of `drawn_rather`; chosen with them and on figures of signs and of games
STRENGTH = 4.0  # of the networks against the tree of joints, of people; chosen with them
THIRD_SIZE = 192  # pixels of the crops that the third looks at; chosen with the weights
KNOWN = tuple(j for j, name in enumerate(NAPA18.joints) if name in COCO17.joints)  # with a heat map of the third's
THEIRS = tuple(COCO17.index(NAPA18.joints[j]) for j in KNOWN)
SWAPPED = tuple(KNOWN.index(int(MIRRORED[j])) for j in KNOWN)  # the other side's joint, among `KNOWN`


class PoseEnsemble(nn.Module):
    """The warm-started network, the network of drawn figures, and MoveNet.

    Their errors are not the same ones. Where one is sure and the others in doubt, the product of their heat maps
    follows the sure one; where each names several places, it takes what they share. A mean of points would be none.

        log p = log p_warm + q SECOND_WEIGHT log p_second
                + THIRD_WEIGHT / max(q, 1) log((1 - FLOOR) sigmoid(z) + FLOOR)

    with z MoveNet's logits, which it has for thirteen of the joints, and q from `drawn_rather`: of a stick man or a
    sign the second knows more, and the third less, than of people. What a tree of joints makes of STRENGTH / max(q, 1)
    log p are the heat maps: of a stick man its own build says more, and pixels say less, than of people.

    The confidence is the higher of two judgements. Of people, what the warm-started network says and z where the joint
    is found (for the other five joints its mean) are weighed; of drawings, how sure the second network is of them:

        logit = max(a . (warm, z, 1), b . (log sureness(p_second), 1)),  calibration = (a; b)

    Args:
        warm: the network of the views, the sizes and the confidence that the others add to.
        second: looks once, or, where all views are asked for, at the mirror image too.
        third: likewise.
        tree: asked where all views are.
    """

    calibration: Tensor

    def __init__(self, warm: WarmPoseNet, second: DrawnPoseNet, third: MoveNet, tree: PoseTree) -> None:
        super().__init__()
        self.warm, self.second, self.third, self.tree = warm, second, third, tree
        self.register_buffer("calibration", torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, -20.0]]))

    def forward(self, images: Tensor, mirror: bool = False) -> PosePrediction:
        """As `WarmPoseNet.forward`; without `mirror` the tree is not asked."""
        heatmaps, evidence = self.weigh(images, mirror)
        confidence = (evidence @ self.calibration.T.to(evidence)).amax(-1)
        return PosePrediction(cells_to_pixels(local_soft_argmax(heatmaps)), confidence, heatmaps)

    def weigh(self, images: Tensor, mirror: bool) -> tuple[Tensor, Tensor]:
        """The product's log heat maps (B, 18, S / 4, S / 4), and the evidence (B, 18, 4): warm, z, log sureness, 1."""
        found = self.warm(images, mirror)
        cells = found.heatmaps.shape[-1]
        second, logits = self.second_opinion(images, cells, mirror), self.third_opinion(images, cells, mirror)
        heatmaps, strength = multiplied(found.heatmaps, second, logits)
        if mirror:
            heatmaps = self.tree(strength * heatmaps)
        p = heatmaps[:, KNOWN].flatten(2).softmax(-1)
        there = (p * logits.flatten(2)).sum(-1)  # (B, 13)
        at_joint = there.mean(1, keepdim=True).expand(-1, NAPA18.num_joints).clone()
        at_joint[:, KNOWN] = there
        drawn = sureness(second).log()[:, None].expand_as(at_joint)
        return heatmaps, torch.stack([found.confidence, at_joint, drawn, torch.ones_like(at_joint)], -1)

    def second_opinion(self, images: Tensor, cells: int, mirror: bool) -> Tensor:
        """Log probabilities (B, 18, cells, cells), of the mean of its looks."""
        shown = _sized(images, SECOND_SIZE)
        maps = self.second(shown).heatmaps
        if mirror:
            maps = (maps + self.second(shown.flip(-1)).heatmaps.flip(-1)[:, MIRRORED]) / 2
        maps = maps.flatten(2).log_softmax(-1).view_as(maps)
        return interpolate(maps, (cells, cells), mode="bilinear", align_corners=False)

    def third_opinion(self, images: Tensor, cells: int, mirror: bool) -> Tensor:
        """MoveNet's logits (B, 13, cells, cells) of the `KNOWN` joints, the mean of its looks."""
        shown = _sized(images, THIRD_SIZE)
        maps = self.third(shown).heatmaps[:, THEIRS]
        if mirror:
            turned = self.third(shown.flip(-1)).heatmaps[:, THEIRS]
            maps = (maps + turned.flip(-1)[:, SWAPPED]) / 2
        return interpolate(maps.float(), (cells, cells), mode="bilinear", align_corners=False)


def multiplied(warm: Tensor, second: Tensor, third: Tensor) -> tuple[Tensor, Tensor]:
    """The product of the three networks' heat maps, log p of `PoseEnsemble`, and how strongly the tree hears it.

    Args:
        warm, second: (B, 18, h, w) log heat maps.
        third: (B, 13, h, w) logits of the `KNOWN` joints.

    Returns:
        (B, 18, h, w), up to a constant a map, and STRENGTH / max(q, 1), (B, 1, 1, 1).
    """
    q = drawn_rather(second, third)[:, None, None, None]
    heatmaps = warm + q * SECOND_WEIGHT * second
    heatmaps[:, KNOWN] += THIRD_WEIGHT / q.clamp(min=1.0) * ((1 - FLOOR) * third.sigmoid() + FLOOR).log()
    return heatmaps, STRENGTH / q.clamp(min=1.0)


def drawn_rather(second: Tensor, third: Tensor) -> Tensor:
    """How many times its usual weight the network of drawn figures counts.

        q = min((s / EVEN)^STEEPNESS / t, MOST),  s = mean_j max p_second,j,  t = mean_j max sigmoid(z_j)

    How sure the second is says most: of a sign it is surer than of a painted person whom the third does not see well,
    where a ratio of the two says the same. Where it is unsure or the third sees a person, q is small.

    Args:
        second: (B, J, h, w) log probabilities of the cells.
        third: (B, K, h, w) logits of a joint in each cell.

    Returns:
        (B,)

    >>> unsure, blind = torch.full((1, 1, 4, 4), 1 / 16).log(), torch.full((1, 1, 4, 4), -2.0)
    >>> [round(drawn_rather(unsure, logits).item(), 1) for logits in (blind, -blind)]
    [4.0, 0.5]
    """
    seen = third.sigmoid().flatten(2).amax(-1).mean(1)
    return ((sureness(second) / EVEN).pow(STEEPNESS) / seen).clamp(max=MOST)


def sureness(maps: Tensor) -> Tensor:
    """(B, J, h, w) log probabilities -> (B,): the probability of a joint's likeliest cell, on average over joints."""
    return maps.exp().flatten(2).amax(-1).mean(1)


def _sized(images: Tensor, size: int) -> Tensor:
    return interpolate(images, (size, size), mode="bilinear", align_corners=False, antialias=True)


def save_calibration(path: str | Path, network: PoseEnsemble, metadata: Mapping[str, str] | None = None) -> None:
    """Write the confidence's calibration; the networks have files of their own."""
    save_tensors(path, {"calibration": network.calibration}, {**(metadata or {}), "format": FORMAT})


@made_on_cpu
def load_pose_ensemble(path: str | Path | None = None) -> PoseEnsemble:
    """The three networks and the tree that ship, in `eval()` mode, calibrated as the file says, by default as ships.

    Raises:
        ValueError: if a file is corrupt or holds something else.
    """
    file = asset_path(CALIBRATION) if path is None else Path(path)
    tensors, header = read_weights(file)
    network = PoseEnsemble(load_warm_pose_net(), load_drawn_pose_net(), load_movenet(), load_pose_tree())
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{file} holds no calibration of the estimator: its format is {header.get('format')!r}")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != {"calibration": tuple(network.calibration.shape)}:
        raise CheckpointError(f"{file} holds no calibration of the estimator: its tensors are {shapes}")
    network.calibration.copy_(tensors["calibration"])
    return network.eval()
