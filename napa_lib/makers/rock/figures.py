"""Draw figures in ochre, black or white on stone: tapering limbs, a head without a face, worn edges.

Nothing of `napa_lib.makers.drawings`, from which the pose network learned, is in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from napa_lib.skeletons import NAPA18

PIGMENTS = torch.tensor([[0.52, 0.20, 0.12], [0.64, 0.33, 0.16], [0.16, 0.12, 0.11], [0.90, 0.86, 0.78]])
STONES = torch.tensor([[0.80, 0.66, 0.50], [0.72, 0.62, 0.54], [0.66, 0.52, 0.42], [0.84, 0.76, 0.64]])
PARTS = (  # from, to, and how thick it is there and there, in trunks
    ("r_hip", "r_knee", 0.15, 0.10), ("r_knee", "r_ankle", 0.10, 0.05), ("l_hip", "l_knee", 0.15, 0.10),
    ("l_knee", "l_ankle", 0.10, 0.05), ("r_shoulder", "r_elbow", 0.08, 0.06), ("r_elbow", "r_wrist", 0.06, 0.035),
    ("l_shoulder", "l_elbow", 0.08, 0.06), ("l_elbow", "l_wrist", 0.06, 0.035), ("pelvis", "thorax", 0.14, 0.24),
    ("r_hip", "l_hip", 0.13, 0.13), ("r_shoulder", "l_shoulder", 0.10, 0.10), ("thorax", "neck", 0.09, 0.08),
    ("neck", "head", 0.10, 0.12),
)  # fmt: skip
THINNEST = 1.3  # pixels
FILL = (0.55, 0.8)  # of the picture's side that the longer side of a figure takes


@dataclass(frozen=True, eq=False)
class RockArt:
    """N pictures (N, 3, S, S) uint8 and their joints (N, 18, 2) pixels."""

    images: Tensor
    keypoints: Tensor


def draw_rock_art(poses: Tensor, size: int, generator: torch.Generator) -> RockArt:
    """One picture a pose.

    Args:
        poses: (N, 18, 2), any unit, y down, no joint missing.
        size: side of the pictures in pixels.
        generator: draws stone, pigment, stoutness, wear and place.

    Raises:
        ValueError: for another shape, a missing joint, or a pose that is a point.
    """
    if poses.ndim != 3 or poses.shape[1:] != (NAPA18.num_joints, 2) or not bool(poses.isfinite().all()):
        raise ValueError(f"poses must be (N, 18, 2) and whole, got {tuple(poses.shape)}")
    count = len(poses)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    keypoints = _placed(poses, size, uniform(*FILL, 1, 1), uniform(0.0, 1.0, 1, 2))
    stone = _stone(count, size, generator)
    pigment = PIGMENTS[torch.randint(len(PIGMENTS), (count,), generator=generator)] + uniform(-0.04, 0.04, 3)
    trunk = (keypoints[:, NAPA18.index("thorax")] - keypoints[:, 0]).norm(dim=-1)
    legs = (keypoints[:, [1, 4]] - keypoints[:, [3, 6]]).norm(dim=-1).mean(-1)
    unit = torch.maximum(trunk, 0.6 * legs) * uniform(0.7, 1.3)  # seen from above or below a trunk is short
    inside = -_distance(keypoints, unit, size) + 1.5 * _noise(count, size, size // 6, generator)
    paint = torch.sigmoid(inside / 0.7)
    worn = torch.sigmoid(3.0 * (_noise(count, size, size // 5, generator) + uniform(0.9, 1.9, 1, 1)))
    cover = (uniform(0.75, 0.95, 1, 1) * paint * worn)[:, None]
    images = stone * (1 - cover) + (pigment[..., None, None] + 0.15 * (stone - 0.6)) * cover
    return RockArt((images.clamp(0, 1) * 255).round().byte(), keypoints)


def _placed(poses: Tensor, size: int, share: Tensor, place: Tensor) -> Tensor:
    """Poses in pixels: the longer side of a figure takes its share of the picture, somewhere in it."""
    low, high = poses.amin(1, keepdim=True), poses.amax(1, keepdim=True)
    extent = (high - low).amax(-1, keepdim=True)
    if bool((extent <= 0).any()):
        raise ValueError("a pose is a point")
    scaled = (poses - low) / extent * share * size
    margin = 0.08 * size
    room = size - 1 - 2 * margin - (high - low) / extent * share * size
    return scaled + margin + place * room


def _distance(keypoints: Tensor, unit: Tensor, size: int) -> Tensor:
    """Pixels from each cell to the nearest edge of a figure, negative inside; (N, S, S)."""
    axis = torch.arange(size, dtype=torch.float32)
    cells = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)  # (S, S, 2)
    nearest = torch.full((len(keypoints), size, size), torch.inf)
    for start, end, thick, thin in PARTS:
        a, b = (keypoints[:, NAPA18.index(name), None, None] for name in (start, end))
        along = b - a
        t = ((cells - a) * along).sum(-1) / along.square().sum(-1).clamp_min(1e-6)
        t = t.clamp(0, 1)
        radius = ((thick + (thin - thick) * t) * unit[:, None, None]).clamp_min(THINNEST)
        nearest = torch.minimum(nearest, (cells - a - t[..., None] * along).norm(dim=-1) - radius)
    head, neck = (keypoints[:, NAPA18.index(name)] for name in ("head", "neck"))
    radius = torch.maximum(0.45 * (head - neck).norm(dim=-1), 0.17 * unit)
    middle = 0.6 * head + 0.4 * neck
    return torch.minimum(nearest, (cells - middle[:, None, None]).norm(dim=-1) - radius[:, None, None])


def _noise(count: int, size: int, cells: int, generator: torch.Generator) -> Tensor:
    """Smooth noise of unit variance on a grid of so many cells a side, (N, S, S)."""
    coarse = torch.randn(count, 1, cells, cells, generator=generator)
    return interpolate(coarse, (size, size), mode="bicubic", align_corners=False)[:, 0]


def _stone(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Ground: stains, grain and some cracks, (N, 3, S, S)."""
    colour = STONES[torch.randint(len(STONES), (count,), generator=generator)][..., None, None]
    stains = 0.05 * _noise(count, size, 5, generator) + 0.03 * _noise(count, size, size // 8, generator)
    grain = 0.025 * torch.randn(count, size, size, generator=generator)
    cracks = _noise(count, size, 4, generator).abs() < 0.012  # where smooth noise crosses zero
    return colour + (stains + grain - 0.18 * cracks.float())[:, None]
