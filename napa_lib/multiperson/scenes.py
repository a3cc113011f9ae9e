"""Several people in a room before a camera, as many scenes as one likes, out of single poses.

A person is an embedding of the pose autoencoder, three Euler angles and the place of the pelvis. From these,

    p_c = FK(Psi(phi)),  p_r = R p_c (T_R),  p_g = p_r + root (T_G)

in camera axes (x right, y down, z away), mm. Angles of zero face the camera.

Source: CrossModal, section 3.2 (D_syn) and fig. 3B; supplement, section 2.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.geometry import rotation_from_euler
from napa_lib.sampling import PoseAutoencoder, draw_embeddings

FACING = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])  # canonical axes to camera axes
MOST_TILT = math.radians(15)  # a person's lean to the front or the side
GRID = 14  # cells a side: a scene has one person a cell at most


@dataclass(frozen=True)
class Camera:
    """The fixed camera of all scenes: square pictures of `size` pixels, focal length in pixels, the room's depths."""

    size: int = 224
    focal: float = 300.0
    nearest: float = 2500.0  # mm from the camera to a pelvis
    farthest: float = 8000.0

    def __post_init__(self) -> None:
        if self.size < 1 or self.focal <= 0 or not 0 < self.nearest < self.farthest:
            raise ValueError(f"size, focal and nearest must be positive and farthest beyond nearest, got {self}")

    @property
    def centre(self) -> float:
        """Both coordinates of the picture's middle in pixels."""
        return (self.size - 1) / 2

    def project(self, poses: Tensor) -> Tensor:
        """Perspective: (..., J, 3) mm to (..., J, 2) pixels; a point beside or behind the camera is NaN."""
        depth = poses[..., 2:]
        seen = torch.where(depth > 0, depth, torch.nan)
        return self.focal * poses[..., :2] / seen + self.centre

    def project_weakly(self, poses: Tensor, roots: Tensor) -> Tensor:
        """T_K: one scale for each person, that of its pelvis's depth. poses (..., J, 3), roots (..., 3) in mm."""
        depth = roots[..., None, 2:]
        return self.focal * poses[..., :2] / torch.where(depth > 0, depth, torch.nan) + self.centre

    def unproject(self, pixels: Tensor, depth: Tensor) -> Tensor:
        """The place (..., 3) in mm of a pixel (..., 2) at a depth (...)."""
        return torch.cat([(pixels - self.centre) * depth[..., None] / self.focal, depth[..., None]], -1)


@dataclass(frozen=True, eq=False)
class Scene:
    """A batch of scenes with room for P people each.

    Attributes:
        embeddings: (B, P, 32) within -1 and 1.
        angles: (B, P, 3) Euler angles about the body's forward, left and up axes, radians.
        roots: (B, P, 3) pelvis in mm, camera axes.
        present: (B, P) bool; what is absent has arbitrary numbers.
    """

    embeddings: Tensor
    angles: Tensor
    roots: Tensor
    present: Tensor

    def __len__(self) -> int:
        return len(self.present)

    def relative_poses(self, model: PoseAutoencoder) -> Tensor:
        """p_r, (B, P, 17, 3) in mm, the pelvis at the origin."""
        return turn(model.decode(self.embeddings), self.angles)

    def poses(self, model: PoseAutoencoder) -> Tensor:
        """p_g, (B, P, 17, 3) in mm; NaN for absent people."""
        placed = self.relative_poses(model) + self.roots[..., None, :]
        return torch.where(self.present[..., None, None], placed, torch.nan)


def turn(canonical: Tensor, angles: Tensor) -> Tensor:
    """T_R: canonical poses (..., 17, 3) turned by Euler angles (..., 3) and seen from the front."""
    rotation = FACING.to(canonical) @ rotation_from_euler(angles)
    return canonical @ rotation.mT


@torch.no_grad()
def sample_scenes(
    n: int,
    model: PoseAutoencoder,
    generator: torch.Generator,
    people: int = 4,
    camera: Camera | None = None,
) -> Scene:
    """Draw scenes: how many people, who stands how, where in the picture and how far away.

    From 1 to `people` people, each number as likely; each in a cell of its own of a grid of `GRID` a side on the
    picture, but not at its border; depths uniform in the room; turned about the upright by any angle, leaning by up to
    15 degrees. People may overlap in the picture; nothing keeps them from standing in one another.

    The paper places sampled poses, turned at random, in 100,000 scenes drawn once. Here poses come out of the
    embedding, so that each has one that is exact; people stand upright, and scenes are new at every step.

    Args:
        n: scenes; 0 gives an empty batch.
        model: decodes embeddings.
        generator: on the CPU.
        people: most people in a scene.
        camera: None for the defaults.

    Raises:
        ValueError: for n below 0, no people or more than the grid's inner cells.
    """
    camera = camera or Camera()
    inner = GRID - 2
    if n < 0 or not 1 <= people <= inner * inner:
        raise ValueError(f"n must be >= 0 and people from 1 to {inner**2}, got {n} and {people}")
    embeddings = draw_embeddings(n * people, generator)
    cell = torch.rand(n, inner * inner, generator=generator).argsort(1)[:, :people]  # all different
    corner = torch.stack([cell % inner, cell // inner], -1) + 1
    pixels = (corner + torch.rand(n, people, 2, generator=generator)) * camera.size / GRID - 0.5
    depth = camera.nearest + (camera.farthest - camera.nearest) * torch.rand(n, people, generator=generator)
    spread = torch.tensor([MOST_TILT, MOST_TILT, math.pi])
    angles = spread * (2 * torch.rand(n, people, 3, generator=generator) - 1)
    count = torch.randint(1, people + 1, (n, 1), generator=generator)
    present = torch.arange(people) < count
    parts = (embeddings.reshape(n, people, embeddings.shape[1]), angles, camera.unproject(pixels, depth), present)
    device = next(model.parameters()).device
    return Scene(*(part.to(device) for part in parts))
