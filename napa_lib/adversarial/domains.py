"""Three worlds: a lab with 3D labels, pictures in the wild with 2D labels, and one that training never sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napa_lib.data import resize
from napa_lib.data.clips import to_pixels, to_unit
from napa_lib.data.crops import to_crop
from napa_lib.data.datasets import Annotations
from napa_lib.data.known import MARGIN, crop_squares, cut_figures, is_known, open_known
from napa_lib.data.synthetic import LOOKS, SPLITS, SyntheticClips, load_synthetic
from napa_lib.skeletons import convert, flip, get_skeleton

DOMAINS = {"lab": ("studio", "photo"), "wild": ("anywhere", "photo"), "unseen": ("anywhere", "drawn")}
PART = 128  # frames resized at a time: as floats, all together would take gigabytes


@dataclass(frozen=True, eq=False)
class Domain:
    """N pictures of one person each, with what is known of their poses.

    Attributes:
        images: (N, 3, S, S) uint8, sRGB.
        keypoints: (N, P, 2) as (x, y) in [-1, 1], the centres of the outermost pixels; NaN where not labelled.
        skeleton: the joint set's name.
        poses: (N, P, 3) mm, camera axes; None without 3D labels.
        cameras: (N, 3) focal length and principal point (f, x, y) in the pictures' pixels, with the poses.
        heads: (N,) sizes of the heads that a data set gives, in half sides of the picture, NaN where it does not.
        actions: N names of what is done, or none.
    """

    images: Tensor
    keypoints: Tensor
    skeleton: str = "H36M17"
    poses: Tensor | None = None
    cameras: Tensor | None = None
    heads: Tensor | None = None
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count, joints = len(self.images), get_skeleton(self.skeleton).num_joints
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or 0 in shape:
            raise ValueError(f"images must be uint8 (N, 3, S, S) with N >= 1, got {self.images.dtype} {shape}")
        wanted = {
            "keypoints": (count, joints, 2), "poses": (count, joints, 3), "cameras": (count, 3), "heads": (count,),
        }  # fmt: skip
        for name, expected in wanted.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != expected:
                raise ValueError(f"{name} must be {expected}, got {tuple(value.shape)}")
        if (self.poses is None) != (self.cameras is None):
            raise ValueError("poses and cameras must be given together")
        if len(self.actions) not in (0, count):
            raise ValueError(f"actions must name {count} or none, got {len(self.actions)}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return self.images.shape[-1]

    @property
    def depths(self) -> Tensor:
        """(N, P) depths relative to the root in the unit of the keypoints, half the picture's side; else NaN.

        A millimetre at the root's distance is f / z_root pixels, so that x, y and depth have one scale. It is a scale
        that a network likes: a figure that fills the picture is 2 high.
        """
        if self.poses is None:
            return torch.full(self.keypoints.shape[:2], torch.nan)
        root = get_skeleton(self.skeleton).root
        z = self.poses[..., 2]
        return (z - z[:, root, None]) * (self._scale() * 2 / (self.size - 1))[:, None]

    @property
    def head_sizes(self) -> Tensor:
        """(N,) in half sides of the picture: those that the data set gives (MPII: 0.6 times the head box's diagonal),
        or else from neck to head in 3D, as long as that is at the root's distance.
        """
        if self.heads is not None:
            return self.heads
        if self.poses is None:
            raise ValueError("head sizes are measured in 3D where none are given, and these pictures have no poses")
        neck, head = (self.poses[:, get_skeleton(self.skeleton).index(name)] for name in ("neck", "head"))
        return (head - neck).norm(dim=-1) * self._scale() * 2 / (self.size - 1)

    def _scale(self) -> Tensor:
        """Pixels that a millimetre is at the root's distance, (N,)."""
        assert self.poses is not None and self.cameras is not None
        return self.cameras[:, 0] / self.poses[:, get_skeleton(self.skeleton).root, 2]

    def to_millimetres(self, pose: Tensor) -> Tensor:
        """Estimated poses (N, P, 3), (x, y) in [-1, 1] and depth in the same unit, as mm in camera axes.

        The depth of the root is aligned and nothing else (Protocol #1: "after aligning the depth of the root joints",
        section 5): the estimated root lies at the true one's distance, the other joints as far before or behind it as
        estimated, in millimetres at that distance, and each joint on the ray through its (x, y). A root that was found
        beside the true one in the picture stays beside it.

        Raises:
            ValueError: without 3D labels, or for other shapes.
        """
        if self.poses is None or self.cameras is None:
            raise ValueError("poses in millimetres need the cameras, and these pictures have none")
        if pose.shape != self.poses.shape:
            raise ValueError(f"pose must be {tuple(self.poses.shape)}, got {tuple(pose.shape)}")
        root = get_skeleton(self.skeleton).root
        behind = pose[..., 2] - pose[:, root, 2, None]
        z = self.poses[:, root, 2, None] + behind * (self.size - 1) / 2 / self._scale()[:, None]
        pixels = to_pixels(pose[..., :2], self.size)
        xy = (pixels - self.cameras[:, None, 1:]) * (z / self.cameras[:, :1])[..., None]
        return torch.cat([xy, z[..., None]], -1)

    def take(self, rows: Tensor | slice) -> Domain:
        """Some of the pictures."""
        poses, cameras, heads = (None if x is None else x[rows] for x in (self.poses, self.cameras, self.heads))
        actions = tuple(self.actions[i] for i in torch.arange(len(self))[rows].tolist()) if self.actions else ()
        return Domain(self.images[rows], self.keypoints[rows], self.skeleton, poses, cameras, heads, actions)

    def without_3d(self) -> Domain:
        """The same pictures with 2D labels alone."""
        return replace(self, poses=None, cameras=None)


def open_domain(name: str, size: int, most: int | None = None) -> Domain:
    """A part of one of the three worlds that ship, or a data set in a known format.

    "lab" are computer-generated people before bare walls, seen at eye height, mostly within 45 degrees of their front;
    "wild" are other people in any pose before any background, details of paintings among them, from anywhere; "unseen"
    are drawn people. Left out are frames with a second person or with a joint outside the picture. No person and no
    motion-capture clip of "validation" or "test" is in "train".

    Args:
        name: "lab:train", "lab:validation", "lab:test" and so on. "wild:train" has 2D labels alone, and the unseen
            world is for measuring: it has no "train". Or "human36m:FOLDER#test", "mpii:FOLDER#valid",
            "mpi-inf-3dhp:FOLDER" and so on, as `napa_lib.data.known.open_known` has them.
        size: side of the pictures in pixels.
        most: how many pictures of a data set at most, spread evenly over it; None for all. They are kept in memory, 3 x
            size x size bytes each: all of Human3.6M at 256 pixels would be hundreds of gigabytes.

    Raises:
        ValueError: if there is nothing of that name, or as the data set's reader and `domain_from_annotations`.
    """
    if is_known(name):
        found = open_known(name)
        if not isinstance(found, Annotations):
            raise ValueError(f"name must be of a data set with keypoints, and {name!r} has none")
        return domain_from_annotations(found if most is None else found.take(_spread(len(found), most)), size)
    world, _, split = name.partition(":")
    if world not in DOMAINS or split not in SPLITS or name == "unseen:train":
        known = [f"{w}:{s}" for w in DOMAINS for s in SPLITS if (w, s) != ("unseen", "train")]
        raise ValueError(f"name must be one of {', '.join(known)}, or FORMAT:FOLDER, got {name!r}")
    setting, look = DOMAINS[world]
    domain = domain_from_synthetic(load_synthetic(split, setting), size, look)
    return domain.without_3d() if name == "wild:train" else domain


def _spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers below `count`, evenly spread."""
    kept = min(count, most)
    return [i * count // kept for i in range(kept)]


def domain_from_synthetic(people: SyntheticClips, size: int, look: str) -> Domain:
    """Frames of synthetic people of one look who are alone and whole in the picture.

    Raises:
        ValueError: if there are none.
    """
    alone = people.other_keypoints.isnan().flatten(1).all(1)
    clips = (alone & (people.look == LOOKS.index(look))).nonzero()[:, 0]
    whole = ~people.keypoints[clips].isnan().flatten(2).any(-1)  # (clips, frames)
    if not bool(whole.any()):
        raise ValueError(
            f"people must hold frames of look {look!r} with all joints, got none among {len(people)} clips"
        )
    images = torch.cat([_resized(people.pictures(part).flatten(0, 1), size) for part in clips.split(PART // 8)])
    shrink = size / people.size
    K = people.K[clips][whole]
    cameras = torch.stack([K[:, 0, 0] * shrink, *((K[:, i, 2] + 0.5) * shrink - 0.5 for i in (0, 1))], -1)
    keypoints = (people.keypoints[clips][whole] + 0.5) * shrink - 0.5
    return Domain(
        images[whole.flatten()], convert(to_unit(keypoints, size), "NAPA18", "H36M17"), "H36M17",
        convert(people.poses[clips][whole], "NAPA18", "H36M17"), cameras,
    )  # fmt: skip


def domain_from_annotations(annotations: Annotations, size: int) -> Domain:
    """Pictures of Human3.6M, MPII or another data set, cut out, with 2D labels and 3D where there is any.

    The crops are those of `known.from_annotations`. Left out are people of whom fewer than two joints are known and,
    with a warning, pictures that cannot be read. Cameras are found from the labels: with poses in camera
    axes, the focal length and principal point that project them onto their keypoints best.

    Args:
        annotations: from one of the readers of `napa_lib.data.datasets`.
        size: side of the pictures in pixels.

    Raises:
        ValueError: if nobody has two joints, no picture can be read, or there is no memory for so many.
    """
    known = annotations.to("H36M17")
    enough = (~known.keypoints.isnan().any(-1)).sum(-1) >= 2
    if not bool(enough.any()):
        raise ValueError(f"annotations must have somebody with two joints of H36M17, got none in {len(known)}")
    known = known.take(enough.nonzero()[:, 0].tolist())
    windows = [[row] for row in range(len(known))]
    images, matrices, kept = cut_figures(known, windows, crop_squares(known, MARGIN), size)
    known = known.take([row for (row,) in kept])
    keypoints = to_crop(known.keypoints, matrices)
    cameras = None if known.poses is None else _fit_cameras(known.poses, keypoints)
    heads = None
    if known.head_sizes is not None:
        heads = known.head_sizes / matrices[:, 0, :2].norm(dim=-1) * 2 / (size - 1)
    return Domain(images, to_unit(keypoints, size), "H36M17", known.poses, cameras, heads, known.actions)


def _fit_cameras(poses: Tensor, keypoints: Tensor) -> Tensor:
    """(N, 3): f, x and y for which f X / Z + x and f Y / Z + y are nearest to the keypoints, in least squares."""
    rays = (poses[..., :2] / poses[..., 2:]).double()
    missing = (rays + keypoints).isnan().any(-1)[..., None]
    counted = (~missing).sum(1)
    rays, pixels = (x.double().masked_fill(missing, 0.0) for x in (rays, keypoints))
    mean_ray, mean_pixel = (x.sum(1, keepdim=True) / counted[:, None] for x in (rays, pixels))
    off_ray, off_pixel = ((rays - mean_ray).masked_fill(missing, 0.0), (pixels - mean_pixel).masked_fill(missing, 0.0))
    focal = (off_ray * off_pixel).sum((1, 2)) / off_ray.square().sum((1, 2))
    principal = (mean_pixel - focal[:, None, None] * mean_ray)[:, 0]
    return torch.cat([focal[:, None], principal], 1).float()


def _resized(frames: Tensor, size: int) -> Tensor:
    if frames.shape[-1] == size:
        return frames
    return (255 * resize(frames / 255, (size, size))).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures (B, 3, S, S) in [0, 1] with keypoints (B, P, 2) and depths (B, P), NaN where there are no labels."""

    image: Tensor
    keypoints: Tensor
    depths: Tensor

    @property
    def pose(self) -> Tensor:
        """(B, P, 3), as `Estimate.pose`."""
        return torch.cat([self.keypoints, self.depths[..., None]], -1)

    def to(self, device: torch.device) -> Batch:
        """The same on a device, pictures with channels last, for which convolutions are faster."""
        image = self.image.to(device, memory_format=torch.channels_last)
        return Batch(image, self.keypoints.to(device), self.depths.to(device))


def batches(domains: Sequence[Domain], count: int, generator: torch.Generator) -> Iterator[Batch]:
    """Random batches without end, an equal part from each domain in the order given; each picture mirrored or not.

    Args:
        domains: of one size and joint set.
        count: pictures a batch, a multiple of the number of domains.
        generator: source of randomness, on the CPU.

    Raises:
        ValueError: if there is no domain, they differ in size or joint set, or `count` does not divide.
    """
    if not domains or len({(domain.size, domain.skeleton) for domain in domains}) > 1:
        raise ValueError(f"domains must have one size and joint set, got {[(d.size, d.skeleton) for d in domains]}")
    if count < 1 or count % len(domains):
        raise ValueError(f"count must be a multiple of {len(domains)} domains, got {count}")
    labels = [torch.cat([domain.keypoints, domain.depths[..., None]], -1) for domain in domains]
    while True:
        rows = [torch.randint(len(d), (count // len(domains),), generator=generator) for d in domains]
        image = torch.cat([domain.images[r] for domain, r in zip(domains, rows, strict=True)]) / 255
        pose = torch.cat([label[r] for label, r in zip(labels, rows, strict=True)])
        mirrored = torch.rand(count, generator=generator) < 0.5
        image = torch.where(mirrored[:, None, None, None], image.flip(-1), image)
        pose = torch.where(mirrored[:, None, None], flip(pose, domains[0].skeleton, None), pose)
        yield Batch(image, pose[..., :2], pose[..., 2])
