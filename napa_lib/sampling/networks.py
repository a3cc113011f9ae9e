"""The pose autoencoder: encoder Phi and decoder Psi along the tree of the body, and the discriminator of poses.

A limb at a time, then each limb with the trunk, then the upper and the lower half, then the whole:

    trunk, 4 limbs: 32 each -> 4 pairs limb + trunk: 64 each -> 2 halves: 128 each -> whole: 512 -> embedding: 32, tanh

The decoder goes the same way back and ends in a unit vector for each bone, so whatever the embedding, a pose has its
bones' lengths and its joints' order. The paper gives the tree (its reference 3) and the 32; the other widths are those
of the same group's earlier autoencoder (its reference 23).

Source: CrossModal, section 3.1.1 and supplement, section 1c.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from napa_lib.engine import made_on_cpu
from napa_lib.sampling.limits import OPPOSITE, SKELETON
from napa_lib.sampling.sample import join_local

EMBEDDING = 32
LIMB, PAIR, HALF, WHOLE = 32, 64, 128, 512
LIMB_JOINTS = (("r_knee", "r_ankle"), ("l_knee", "l_ankle"), ("r_elbow", "r_wrist"), ("l_elbow", "l_wrist"))
TRUNK_JOINTS = ("r_hip", "neck", "head", "nose", "r_shoulder")
PARTS = tuple(tuple(SKELETON.index(name) for name in part) for part in (TRUNK_JOINTS, *LIMB_JOINTS))
SLOPE = 0.2


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.LeakyReLU(SLOPE))


class TreeEncoder(nn.Module):
    """Local directions (..., 17, 3) to `outputs` numbers, up the tree of the body.

    Args:
        outputs: 32 for Phi's embedding, 1 for a discriminator's score.
    """

    def __init__(self, outputs: int = EMBEDDING) -> None:
        super().__init__()
        self.limbs = nn.ModuleList(_layer(3 * len(part), LIMB) for part in PARTS)
        self.pairs = nn.ModuleList(_layer(2 * LIMB, PAIR) for _ in LIMB_JOINTS)
        self.halves = nn.ModuleList(_layer(2 * PAIR, HALF) for _ in range(2))
        self.whole = _layer(2 * HALF, WHOLE)
        self.last = nn.Linear(WHOLE, outputs)

    def forward(self, local: Tensor) -> Tensor:
        if local.shape[-2:] != (SKELETON.num_joints, 3):
            raise ValueError(f"local must be (..., {SKELETON.num_joints}, 3), got {tuple(local.shape)}")
        trunk, *limbs = (
            layer(local[..., list(part), :].flatten(-2)) for layer, part in zip(self.limbs, PARTS, strict=True)
        )
        pairs = [layer(torch.cat([trunk, limb], -1)) for layer, limb in zip(self.pairs, limbs, strict=True)]
        lower, upper = (layer(torch.cat(pairs[2 * i : 2 * i + 2], -1)) for i, layer in enumerate(self.halves))
        return self.last(self.whole(torch.cat([lower, upper], -1)))


class TreeDecoder(nn.Module):
    """Psi: an embedding (..., 32) to local directions (..., 17, 3), unit vectors, down the tree of the body."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = _layer(EMBEDDING, WHOLE)
        self.halves = nn.ModuleList(_layer(WHOLE, HALF) for _ in range(2))
        self.pairs = nn.ModuleList(_layer(HALF, PAIR) for _ in LIMB_JOINTS)
        self.trunk = _layer(len(LIMB_JOINTS) * PAIR, LIMB)
        self.limbs = nn.ModuleList(_layer(PAIR, LIMB) for _ in LIMB_JOINTS)
        self.last = nn.ModuleList(nn.Linear(LIMB, 3 * len(part)) for part in PARTS)

    def forward(self, embedding: Tensor) -> Tensor:
        if embedding.shape[-1] != EMBEDDING:
            raise ValueError(f"embedding must be (..., {EMBEDDING}), got {tuple(embedding.shape)}")
        whole = self.whole(embedding)
        halves = [layer(whole) for layer in self.halves]
        pairs = [layer(halves[i // 2]) for i, layer in enumerate(self.pairs)]
        limbs = [self.trunk(torch.cat(pairs, -1)), *(layer(p) for layer, p in zip(self.limbs, pairs, strict=True))]
        vectors = [layer(limb).unflatten(-1, (-1, 3)) for layer, limb in zip(self.last, limbs, strict=True)]
        return place_directions(torch.cat(vectors, -2))


COLUMNS = (*TRUNK_JOINTS, *(name for part in LIMB_JOINTS for name in part))
CANDIDATES = ("pelvis", "thorax", *COLUMNS, *(f"opposite {name}" for name in COLUMNS))
ROWS = [CANDIDATES.index(f"opposite {OPPOSITE[name]}" if name in OPPOSITE else name) for name in SKELETON.joints]


def place_directions(vectors: Tensor) -> Tensor:
    """Vectors (..., 13, 3) of the free joints, trunk first, to local directions (..., 17, 3) of unit length.

    What has no freedom is set: the thorax is straight above the pelvis, the right hip in its half-plane (theta = 180
    degrees), left hip and shoulder opposite the right ones.
    """
    height = vectors[..., 0, 2]
    hip = torch.stack([torch.zeros_like(height), -torch.ones_like(height), height], -1)
    directions = normalize(torch.cat([hip[..., None, :], vectors[..., 1:, :]], -2), dim=-1)
    fixed = directions.new_tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).expand(*directions.shape[:-2], 2, 3)
    return torch.cat([fixed, directions, -directions], -2)[..., ROWS, :]


class PoseAutoencoder(nn.Module):
    """Phi and Psi: canonical poses to embeddings in [-1, 1]^32 and back.

    >>> poses = PoseAutoencoder().sample(2, torch.Generator().manual_seed(0))
    >>> poses.shape  # canonical, mm
    torch.Size([2, 17, 3])
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = TreeEncoder()
        self.decoder = TreeDecoder()

    def encode(self, local: Tensor) -> Tensor:
        """Phi: local directions (..., 17, 3) to embeddings (..., 32) within -1 and 1."""
        return self.encoder(local).tanh()

    def decode(self, embedding: Tensor) -> Tensor:
        """FK after Psi: embeddings (..., 32) to canonical poses (..., 17, 3) in mm."""
        return join_local(self.decoder(embedding))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Canonical poses (n, 17, 3) in mm of embeddings drawn from the prior, U[-1, 1]^32."""
        if n < 0:
            raise ValueError(f"n must be at least 0, got {n}")
        device = next(self.parameters()).device
        return self.decode(draw_embeddings(n, generator).to(device))

    def forward(self, local: Tensor) -> Tensor:
        return self.decode(self.encode(local))


@made_on_cpu
def draw_embeddings(n: int, generator: torch.Generator | None = None) -> Tensor:
    """(n, 32) from the uniform prior."""
    return 2 * torch.rand(n, EMBEDDING, generator=generator) - 1
