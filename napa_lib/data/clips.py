"""What KeypointGAN learns from: pairs of frames of one person, and poses that belong to none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data import list_cameras, load_cameras, load_video_frames
from napa_lib.data.crops import crop, crop_matrices, to_crop
from napa_lib.engine import CheckpointError, load_tensors, save_tensors, telling_header
from napa_lib.geometry import project_perspective
from napa_lib.skeletons import Skeleton, flip, get_skeleton, skeleton_from, skeleton_text

FORMAT = "napa-clips-1"

# A square round all that the man does in the video "single", in the frames' pixels, marked by eye in each view: the
# "provided bounding boxes" of the paper's section 5.1.
VIDEO_BOXES = {
    "cam01": (10.0, 75.0, 270.0, 335.0),
    "cam02": (28.0, 92.0, 238.0, 302.0),
    "cam03": (0.0, 95.0, 245.0, 340.0),
    "cam04": (15.0, 95.0, 272.0, 352.0),
}


@dataclass(frozen=True, eq=False)
class Clips:
    """N clips of T frames, each of one person, cropped to squares of one size.

    Attributes:
        images: (N, T, 3, S, S) uint8, sRGB.
        keypoints: (N, T, K, 2) pixels of the crops, NaN where missing: for measuring, and as unpaired poses.
        skeleton: the keypoints' joint set, or its name.
        motions: what is done in each clip, N names; empty where that is not known.
        poses: (N, T, K, 3) mm in the camera's axes, NaN where missing; None where there are no 3D labels.
    """

    images: Tensor
    keypoints: Tensor
    skeleton: str | Skeleton = "NAPA18"
    motions: tuple[str, ...] = ()
    poses: Tensor | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "skeleton", skeleton_from(skeleton_text(self.skeleton)))  # the library's by name
        joints = get_skeleton(self.skeleton).num_joints
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or len(shape) != 5 or shape[2] != 3 or shape[3] != shape[4] or 0 in shape:
            raise ValueError(f"images must be uint8 (N, T, 3, S, S), got {self.images.dtype} {shape}")
        if tuple(self.keypoints.shape) != (*shape[:2], joints, 2) or not self.keypoints.is_floating_point():
            expected = f"floating {(*shape[:2], joints, 2)} for {get_skeleton(self.skeleton).name}"
            raise ValueError(f"keypoints must be {expected}, got {self.keypoints.dtype} {tuple(self.keypoints.shape)}")
        if self.motions and len(self.motions) != shape[0]:
            raise ValueError(f"motions must name one motion a clip, {shape[0]}, or none, got {len(self.motions)}")
        if self.poses is not None and tuple(self.poses.shape) != (*shape[:2], joints, 3):
            raise ValueError(f"poses must be {(*shape[:2], joints, 3)} or None, got {tuple(self.poses.shape)}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Side of the frames in pixels."""
        return self.images.shape[-1]

    def take(self, chosen: slice) -> Clips:
        """Some of the clips."""
        return replace(
            self,
            images=self.images[chosen],
            keypoints=self.keypoints[chosen],
            motions=self.motions[chosen],
            poses=None if self.poses is None else self.poses[chosen],
        )


def frame_pairs(clips: Clips, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs (x, x') of different frames of one clip: the same person in two poses.

    Returns:
        two (count, 3, S, S), float in [0, 1].

    Raises:
        ValueError: if the clips have a single frame.

    Source: KeypointGAN, section 3.3.
    """
    frames = clips.images.shape[1]
    if frames < 2:
        raise ValueError(f"clips must have at least 2 frames to make pairs of, got {frames}")
    clip = torch.randint(len(clips), (count,), generator=generator)
    first = torch.randint(frames, (count,), generator=generator)
    other = (first + torch.randint(1, frames, (count,), generator=generator)) % frames
    return to_float(clips.images[clip, first]), to_float(clips.images[clip, other])


def recolour(pairs: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """The same pictures in stronger colours and under coloured light, another for each row but one for all of `pairs`.

    The generator then sees that the colours of x are those of x'. From walls and clothes of pale colours, in which
    pictures differ by their brightness most, it learned in a thousand steps to carry over light and dark alone.

    Args:
        pairs: pictures (B, 3, S, S) in [0, 1] that belong together, row by row.
        generator: source of randomness, on the CPU.

    Returns:
        as many tensors, in [0, 1].
    """
    count = len(pairs[0])
    saturation = 1 + 2 * torch.rand(count, 1, 1, 1, generator=generator)
    light = 0.6 + 0.4 * torch.rand(count, 3, 1, 1, generator=generator)
    greys = (image.mean(1, keepdim=True) for image in pairs)
    return [((grey + saturation * (x - grey)) * light).clamp(0, 1) for x, grey in zip(pairs, greys, strict=True)]


def labelled_frames(clips: Clips, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Frames (count, 3, S, S) in [0, 1] with their keypoints (count, K, 2) in [-1, 1]: for the supervised baselines."""
    clip = torch.randint(len(clips), (count,), generator=generator)
    frame = torch.randint(clips.images.shape[1], (count,), generator=generator)
    return to_float(clips.images[clip, frame]), to_unit(clips.keypoints[clip, frame], clips.size)


def to_float(images: Tensor) -> Tensor:
    """uint8 pictures to float in [0, 1]."""
    return images / 255


def to_unit(keypoints: Tensor, size: int) -> Tensor:
    """Pixels of a picture of side `size` to [-1, 1], the centres of the outermost pixels.

    >>> to_unit(torch.tensor([[0.0, 63.0]]), 64).tolist()
    [[-1.0, 1.0]]
    """
    return 2 * keypoints / (size - 1) - 1


def to_pixels(keypoints: Tensor, size: int) -> Tensor:
    """The inverse of `to_unit`."""
    return (keypoints + 1) * (size - 1) / 2


def halves(clips: Clips) -> tuple[Clips, Clips]:
    """The clips cut in the middle: pictures are taken from the first half, poses from the second.

    No pose that is learned from then labels a picture that is learned from. Videos are split as KeypointGAN's section
    5.1 does by `sources.open_halves`.

    Raises:
        ValueError: if there are fewer than two clips.
    """
    if len(clips) < 2:
        raise ValueError(f"clips must be at least 2 to be split in halves, got {len(clips)}")
    middle = len(clips) // 2
    return clips.take(slice(None, middle)), clips.take(slice(middle, None))


def unpaired_poses(clips: Clips) -> Tensor:
    """All poses of some clips, (N T, K, 2) in [-1, 1], without their pictures."""
    return check_poses(to_unit(clips.keypoints, clips.size).flatten(0, 1))


def check_poses(poses: Tensor, num_keypoints: int | None = None) -> Tensor:
    """The poses, if they are (M, K, 2) and each has a visible joint.

    Raises:
        ValueError: if they are not.
    """
    if poses.ndim != 3 or poses.shape[-1] != 2 or 0 in poses.shape or num_keypoints not in (None, poses.shape[1]):
        raise ValueError(f"poses must be (M, {num_keypoints or 'K'}, 2) with M >= 1, got {tuple(poses.shape)}")
    unseen = poses.isnan().any(-1).all(-1)
    if bool(unseen.any()):
        raise ValueError(f"poses must each have a visible joint, pose {int(unseen.nonzero()[0])} has none")
    return poses


def draw_poses(poses: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """A random batch of poses, (count, K, 2)."""
    return poses[torch.randint(len(poses), (count,), generator=generator)]


def stir_poses(poses: Tensor, skeleton: str | Skeleton, generator: torch.Generator) -> Tensor:
    """The same poses otherwise: half of them mirrored, each up to 20 % larger or smaller and anywhere in the picture.

    A few thousand poses are learned by heart where the paper has a million; stirred, they are new at every step.

    Args:
        poses: (B, K, 2) in [-1, 1], NaN where a keypoint is missing.
        skeleton: their joint set; mirroring swaps left and right.
        generator: source of randomness, on the CPU.

    Returns:
        (B, K, 2); a pose that lay inside the picture still does.
    """
    mirror = torch.rand(len(poses), 1, 1, generator=generator) < 0.5
    poses = torch.where(mirror, to_unit(flip(to_pixels(poses, 2), skeleton, 2), 2), poses)
    low = poses.nan_to_num(torch.inf).amin(1, keepdim=True)
    high = poses.nan_to_num(-torch.inf).amax(1, keepdim=True)
    half = (high - low) / 2
    largest = 1 / half.amax(-1, keepdim=True).clamp_min(1e-6)
    scale = torch.minimum(0.8 + 0.4 * torch.rand(len(poses), 1, 1, generator=generator), largest)
    place = (2 * torch.rand(len(poses), 1, 2, generator=generator) - 1) * (1 - half * scale).clamp_min(0)
    return (poses - (low + high) / 2) * scale + place


def video_clips(size: int, poses: Tensor | None = None, moved: int = 0) -> Clips:
    """The real video: a man on a treadmill, a clip of 20 frames from each of four cameras, in fixed crops.

    In fixed crops from fixed cameras he is always at the same place. A figure drawn too low or too small, but always
    by as much, then lets the generator draw him as well as the right one, so training needs crops that move.

    Args:
        size: side of the crops in pixels.
        poses: (20, 18, 3) where the joints are in the world, mm, to be projected into the crops; None leaves all
            keypoints missing.
        moved: how many clips of each camera, each frame of them in a crop of its own, up to half as large again, that
            holds the fixed one; 0 for one clip of fixed crops.

    Raises:
        ValueError: if `poses` is not (20, 18, 3).
    """
    images, keypoints = [], []
    generator = torch.Generator().manual_seed(0)
    for camera in list_cameras("single"):
        frames = load_video_frames("single", camera)
        if poses is not None and tuple(poses.shape) != (len(frames), 18, 3):
            raise ValueError(f"poses must be ({len(frames)}, 18, 3), got {tuple(poses.shape)}")
        missing = torch.full((len(frames), 18, 2), torch.nan)
        seen = missing if poses is None else project_perspective(poses, load_cameras("single")[camera])
        for _ in range(moved or 1):
            boxes = torch.tensor(VIDEO_BOXES[camera]).expand(len(frames), -1)
            matrices = crop_matrices(_moved(boxes, generator) if moved else boxes, size)
            images.append((crop(frames, matrices, size).clamp(0, 1) * 255).round().to(torch.uint8))
            keypoints.append(to_crop(seen, matrices))
    return Clips(torch.stack(images), torch.stack(keypoints), motions=("walking",) * len(images))


def _moved(boxes: Tensor, generator: torch.Generator) -> Tensor:
    """Squares (N, 4) as (x0, y0, x1, y1), up to half as large again and moved, but still round the old ones."""
    side = boxes[:, 2:] - boxes[:, :2]
    more = 0.5 * torch.rand(len(boxes), 1, generator=generator) * side
    first = more * torch.rand(len(boxes), 2, generator=generator)
    return torch.cat([boxes[:, :2] - first, boxes[:, 2:] + more - first], 1)


def save_clips(path: str | Path, clips: Clips) -> None:
    """Write clips to a safetensors file."""
    header = {"format": FORMAT, "skeleton": skeleton_text(clips.skeleton), "motions": "\n".join(clips.motions)}
    tensors = {"images": clips.images, "keypoints": clips.keypoints.float()}
    save_tensors(path, tensors if clips.poses is None else {**tensors, "poses": clips.poses.float()}, header)


def read_clips(path: str | Path) -> Clips:
    """Read what `save_clips` wrote.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    tensors, header = load_tensors(path)
    if header.get("format") != FORMAT or set(tensors) - {"poses"} != {"images", "keypoints"}:
        raise CheckpointError(f"{path} holds no clips: its format is {header.get('format')!r}, not {FORMAT!r}")
    with telling_header(path):
        motions, skeleton = tuple(filter(None, header["motions"].split("\n"))), skeleton_from(header["skeleton"])
    return Clips(tensors["images"], tensors["keypoints"], skeleton, motions, tensors.get("poses"))
