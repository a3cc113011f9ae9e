"""Lesson 04: questions to a discriminator. What does it say of a pose that somebody has spoiled on purpose?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from napa_lib.adversarial import Domain, MultiSourceDiscriminator, evidence_of_pose
from napa_lib.geometry import rotation_from_euler
from napa_lib.skeletons import H36M17, flip

Spoil = Callable[[Tensor], Tensor]  # poses (N, 17, 3) to poses


def bend(pose: Tensor, joint: str, degrees: float) -> Tensor:
    """Turn all that hangs on a joint about it, in the plane of the picture's depth (about the x axis).

    Args:
        pose: (N, 17, 3), H36M17.
        joint: name of the joint; its descendants move, it stays.
        degrees: positive turns what hangs below the joint away from the viewer.

    Raises:
        ValueError: if there is no such joint.
    """
    return _turn_below(pose, joint, torch.tensor([[math.radians(degrees), 0.0, 0.0]]))


def stretch(pose: Tensor, joint: str, factor: float) -> Tensor:
    """Make the limb that begins at a joint longer or shorter; what follows is carried along."""
    below = _below(joint)
    start = pose[:, H36M17.index(joint), None]
    child = H36M17.parents.index(H36M17.index(joint))
    shift = (factor - 1) * (pose[:, child, None] - start)
    spoiled = pose.clone()
    spoiled[:, below] += shift
    return spoiled


def mirror_arm(pose: Tensor) -> Tensor:
    """The left arm turned to its mirror image in depth: what is before the shoulder lies behind it."""
    below = _below("l_shoulder")
    spoiled = pose.clone()
    shoulder = pose[:, H36M17.index("l_shoulder"), None, 2]
    spoiled[:, below, 2] = 2 * shoulder - pose[:, below, 2]
    return spoiled


# What a pose can suffer. "of another picture" hands every picture its neighbour's pose.
SPOILED: Mapping[str, Spoil] = {
    "arm mirrored in depth": mirror_arm,
    "shank bent forward": lambda pose: bend(pose, "r_knee", -60.0),
    "thigh stretched": lambda pose: stretch(pose, "r_hip", 1.5),
    "no depth at all": lambda pose: pose * torch.tensor([1.0, 1.0, 0.0]),
    "left and right exchanged": lambda pose: flip(pose, H36M17, None) * torch.tensor([-1.0, 1.0, 1.0]),
    "moved to the side": lambda pose: pose + torch.tensor([0.2, 0.0, 0.0]),
    "of another picture": lambda pose: pose.roll(1, 0),
}


@torch.no_grad()
def scores(critic: MultiSourceDiscriminator, image: Tensor, pose: Tensor) -> Tensor:
    """Logits (N,) of poses (N, 17, 3) on pictures (N, 3, S, S) in [0, 1]."""
    parts = zip(image.split(64), pose.split(64), strict=True)
    return torch.cat([critic(evidence_of_pose(picture, part)) for picture, part in parts])


def noticed(critics: Mapping[str, MultiSourceDiscriminator], domain: Domain) -> dict[str, dict[str, float]]:
    """How often each discriminator prefers the true pose to a spoiled one, in per cent: 50 is guessing.

    Args:
        critics: name -> discriminator in evaluation mode.
        domain: pictures with 3D labels.

    Returns:
        {what was done: {critic: per cent}}; where both get the same score, half counts.
    """
    image = domain.images / 255
    pose = torch.cat([domain.keypoints, domain.depths[..., None]], -1)
    true = {name: scores(critic, image, pose) for name, critic in critics.items()}
    found: dict[str, dict[str, float]] = {}
    for what, spoil in SPOILED.items():
        spoiled = spoil(pose)
        margins = {name: true[name] - scores(critic, image, spoiled) for name, critic in critics.items()}
        found[what] = {
            name: 100 * float(((margin > 1e-4).float() + 0.5 * (margin.abs() <= 1e-4)).mean())
            for name, margin in margins.items()
        }
    return found


def _below(joint: str) -> list[int]:
    """Indices of all joints that hang on one."""
    found = [H36M17.index(joint)]
    for child, parent in enumerate(H36M17.parents):
        if parent in found:
            found.append(child)
    return found[1:]


def _turn_below(pose: Tensor, joint: str, angles: Tensor) -> Tensor:
    below, start = _below(joint), pose[:, H36M17.index(joint), None]
    spoiled = pose.clone()
    spoiled[:, below] = start + (pose[:, below] - start) @ rotation_from_euler(angles)[0].mT
    return spoiled
