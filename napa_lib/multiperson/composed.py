"""Pictures of several people with exact labels: figures cut out of synthetic pictures and put into one room.

Each figure is scaled to the size that it has at its distance, the farthest is laid down first, and the ground is
somebody else's picture cut into tiles that are shuffled. The labels are "universal" as those of MuPoTS-3D: a person
is enlarged, and stands as much farther away, until the bones have the length of `BONE_LENGTHS`, which leaves the
picture as it is. Seen off the camera's axis a figure would turn a little; as under T_K, it does not here.

Source: the way of MuCo-3DHP (Mehta et al., 2018), which CrossModal trains on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from napa_lib.data.crops import crop, edge_color, without_figures
from napa_lib.data.shards import LOOKS
from napa_lib.data.synthetic import load_synthetic
from napa_lib.multiperson.scenes import Camera
from napa_lib.sampling import BONE_LENGTHS, SKELETON
from napa_lib.skeletons import NAPA18, convert, flip

HEIGHT = (0.35, 0.65)  # share of the picture's height within which a pelvis stands
JITTER = 0.3  # of a person's strip of the picture, each way, by which a pelvis leaves its middle


@dataclass(frozen=True, eq=False)
class Cutouts:
    """M figures, whole and alone: images (M, 3, S, S) uint8, masks (M, S, S) bool, keypoints (M, 17, 2) px, relative
    universal poses (M, 17, 3) mm in camera axes, and pixels a universal millimetre (M,)."""

    images: Tensor
    masks: Tensor
    keypoints: Tensor
    relative: Tensor
    scale: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Composed:
    """N pictures of up to P people: images (N, 3, S, S) uint8, keypoints (N, P, 17, 2) px and poses (N, P, 17, 3) mm in
    the camera's axes, both NaN for people who are not there and for joints that are not known."""

    images: Tensor
    keypoints: Tensor
    poses: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def present(self) -> Tensor:
        """(N, P) bool: whose pelvis is known."""
        return ~self.keypoints[..., 0, :].isnan().any(-1)

    def rows(self, chosen: Tensor | slice) -> Composed:
        """Some of the pictures."""
        return Composed(self.images[chosen], self.keypoints[chosen], self.poses[chosen])


def load_cutouts(split: str, look: str, lean: float = 180.0) -> Cutouts:
    """The figures of the shipped synthetic pictures that show one whole person and nobody else.

    Args:
        split: "train", "validation" or "test".
        look: "photo" or "drawn".
        lean: degrees by which a trunk may lean at most; artificial scenes have people who stand and sit, none who lie
            or do handstands.

    Raises:
        ValueError: for another split or look.
    """
    if look not in LOOKS:
        raise ValueError(f"look must be one of {LOOKS}, got {look!r}")
    clips = load_synthetic(split)
    rows = (clips.look == LOOKS.index(look)).nonzero().flatten()
    flat = convert(clips.keypoints[rows].flatten(0, 1), NAPA18, SKELETON)
    poses = convert(clips.poses[rows].flatten(0, 1), NAPA18, SKELETON)
    alone = clips.other_keypoints[rows].isnan().flatten(2).all(-1).flatten()
    whole = ~flat.isnan().flatten(1).any(-1) & alone & (lean_of(poses) <= lean)
    focal = clips.K[rows][..., 0, 0].flatten()
    relative = poses - poses[:, :1]
    factor = universal_factor(relative)
    scale = focal / (poses[:, 0, 2] * factor)
    images, masks = clips.pictures(rows).flatten(0, 1), clips.masks_of(rows).flatten(0, 1)
    return Cutouts(images[whole], masks[whole], flat[whole], (relative * factor[:, None, None])[whole], scale[whole])


def lean_of(poses: Tensor) -> Tensor:
    """Degrees between the trunks of poses (..., 17, 3) in camera axes, pelvis to thorax, and the upright; (...)."""
    trunk = torch.nn.functional.normalize(poses[..., SKELETON.index("thorax"), :] - poses[..., 0, :], dim=-1)
    return torch.rad2deg(torch.acos((-trunk[..., 1]).clamp(-1, 1)))


def universal_factor(poses: Tensor) -> Tensor:
    """By what to multiply poses (..., 17, 3) so that their bones are together as long as `BONE_LENGTHS`; (...). Bones
    with a NaN end are left out."""
    parents = list(SKELETON.parents)
    bones = (poses[..., 1:, :] - poses[..., parents[1:], :]).norm(dim=-1)
    return torch.where(bones.isnan(), torch.nan, BONE_LENGTHS[1:].to(poses)).nansum(-1) / bones.nansum(-1)


def compose(figures: Cutouts, count: int, camera: Camera, generator: torch.Generator, people: int = 4) -> Composed:
    """Draw pictures of one to `people` people.

    Each person has a strip of the picture, side by side with the others' in any order, and stands anywhere near its
    middle, at any depth of the camera's room, mirrored or not. Figures overlap, and the nearer hide the farther.

    Args:
        figures: to choose from.
        count: pictures; 0 gives none.
        camera: of the pictures.
        generator: on the CPU.
        people: most people in a picture.

    Raises:
        ValueError: for a count below 0 or no people.
    """
    if count < 0 or people < 1:
        raise ValueError(f"count must be at least 0 and people at least 1, got {count} and {people}")

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    number = torch.randint(1, people + 1, (count, 1), generator=generator)
    present = torch.arange(people) < number
    who = torch.randint(len(figures), (count, people), generator=generator)
    mirrored = uniform(0, 1, people) < 0.5
    strip = (torch.arange(people).expand(count, -1) + 0.5 + uniform(-JITTER, JITTER, people)) / number
    roots = torch.stack([strip, uniform(*HEIGHT, people)], -1) * camera.size - 0.5
    depth = camera.nearest + (camera.farthest - camera.nearest) * torch.rand(count, people, generator=generator)
    scale = camera.focal / (depth * figures.scale[who])  # pixels of the scene a pixel of the figure's picture
    relative, keypoints = figures.relative[who], figures.keypoints[who]
    sign = 1.0 - 2.0 * mirrored.float()
    offset = (keypoints - keypoints[..., :1, :]) * scale[..., None, None]
    offset = torch.where(mirrored[..., None, None], flip(offset, SKELETON, None), offset)
    relative = torch.where(mirrored[..., None, None], flip(relative, SKELETON, None), relative)
    poses = relative + camera.unproject(roots, depth)[..., None, :]
    absent = ~present[..., None, None]
    images = _ground(figures, count, camera.size, generator)
    start = keypoints[..., 0, :]
    matrices = torch.diag_embed(torch.stack([sign, torch.ones_like(sign)], -1) / scale[..., None])
    matrices = torch.cat([matrices, (start - (matrices @ roots[..., None])[..., 0])[..., None]], -1)  # (N, P, 2, 3)
    _lay(images, figures, who, matrices, depth.masked_fill(~present, torch.inf))
    return Composed(
        (images * 255).round().to(torch.uint8),
        (offset + roots[..., None, :]).masked_fill(absent, torch.nan),
        poses.masked_fill(absent, torch.nan),
    )


def _ground(figures: Cutouts, count: int, size: int, generator: torch.Generator) -> Tensor:
    """Pictures whose figure is painted over, in tiles that are shuffled."""
    rows = torch.randint(len(figures), (count,), generator=generator)
    images = figures.images[rows].float() / 255
    bare = torch.where(figures.masks[rows, None], edge_color(images), images)
    return interpolate(without_figures(bare, generator), size=(size, size))


def _lay(images: Tensor, figures: Cutouts, who: Tensor, matrices: Tensor, depth: Tensor) -> None:
    """Lay the figures into the pictures, in place, the farthest first; an infinite depth is nobody."""
    scenes = torch.arange(len(images))
    for person in depth.argsort(1, descending=True).T:
        rows = scenes[depth[scenes, person].isfinite()]
        if not len(rows):
            continue
        which, matrix = who[rows, person[rows]], matrices[rows, person[rows]]
        size = images.shape[-1]
        mask = figures.masks[which, None].float()
        colour = figures.images[which].float() / 255
        cover = crop(mask.expand(-1, 3, -1, -1), matrix, size, mask.new_zeros(3, 1, 1))
        images[rows] = images[rows] * (1 - cover) + crop(colour * mask, matrix, size, mask.new_zeros(3, 1, 1))


def join(parts: list[Composed]) -> Composed:
    """Pictures of several draws as one set."""
    return Composed(*(torch.cat([getattr(p, name) for p in parts]) for name in ("images", "keypoints", "poses")))
