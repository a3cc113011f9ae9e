"""T_s: a picture mirrored, cut and turned in its plane, and its people's joints with it.

Source: CrossModal, section 3.3 (image flip, random crop, in-place rotation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.data.crops import crop, crop_matrices, to_crop
from napa_lib.multiperson.targets import JOINTS

SMALLEST = 0.8  # side of a cut, as a share of the picture's
TURN = math.radians(15)
_SIDES = {joint: other for left, right in JOINTS.flip_pairs for joint, other in ((left, right), (right, left))}
OTHER_SIDE = [_SIDES.get(joint, joint) for joint in range(JOINTS.num_joints)]


@dataclass(frozen=True, eq=False)
class Move:
    """One T_s for each of B pictures of `size` pixels: matrices (B, 2, 3), from the new pixels to the old, and which
    are mirrored, (B,) bool."""

    matrices: Tensor
    mirrored: Tensor
    size: int

    def rows(self, chosen: Tensor | slice) -> Move:
        """The moves of some of the pictures."""
        return Move(self.matrices[chosen], self.mirrored[chosen], self.size)

    def to(self, device: torch.device) -> Move:
        """The same on another device."""
        return Move(self.matrices.to(device), self.mirrored.to(device), self.size)

    def pictures(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1], moved; what comes in from outside has the colour of the edge."""
        return crop(images, self.matrices, self.size)

    def points(self, points: Tensor) -> Tensor:
        """(B, P, 2) pixels, moved; what leaves the picture is NaN."""
        moved = to_crop(points, self.matrices.to(points))
        inside = ((moved > -0.5) & (moved < self.size - 0.5)).all(-1, keepdim=True)
        return torch.where(inside, moved, torch.nan)

    def poses(self, keypoints: Tensor) -> Tensor:
        """(B, P, 15, 2) pixels, moved, left and right exchanged where the picture is mirrored."""
        moved = to_crop(keypoints.flatten(1, 2), self.matrices.to(keypoints)).view(keypoints.shape)
        return torch.where(self.mirrored[:, None, None, None], moved[:, :, OTHER_SIDE], moved)


def draw_moves(count: int, size: int, generator: torch.Generator) -> Move:
    """Half of them mirrored, each cut to at least `SMALLEST` of its side somewhere, each turned by up to 15 degrees."""
    side = size * (SMALLEST + (1 - SMALLEST) * torch.rand(count, 1, generator=generator))
    corner = (size - side) * torch.rand(count, 2, generator=generator) - 0.5
    angle = TURN * (2 * torch.rand(count, generator=generator) - 1)
    mirrored = torch.rand(count, generator=generator) < 0.5
    return Move(crop_matrices(torch.cat([corner, corner + side], 1), size, angle, mirrored), mirrored, size)
