"""Where clips come from: the synthetic people, larger sets of them, the real video, and files of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data import load_video_poses, resize
from napa_lib.data.clips import Clips, halves, read_clips, to_unit, unpaired_poses, video_clips
from napa_lib.data.datasets import Annotations, halves_of_actions, halves_of_clips
from napa_lib.data.datasets.files import files_in
from napa_lib.data.faces import FaceClips, load_faces, read_faces
from napa_lib.data.known import annotated_poses, from_annotations, from_frames, is_known, open_known
from napa_lib.data.synthetic import LOOKS, MOVEMENTS, SyntheticClips, load_synthetic, read_shards
from napa_lib.engine import CheckpointError, load_tensors
from napa_lib.skeletons import Skeleton, get_skeleton

VIDEO = {"video": slice(None), "video:train": slice(15), "video:test": slice(15, None)}  # moments
MOVED = 12  # clips of moving crops from each camera to train on
SETTINGS = {"synthetic": "anywhere", "studio": "studio"}
REST = "rest:"


FACES = "FACE68"


def open_clips(name: str, size: int, look: str = "photo", skeleton: str | Skeleton | None = None) -> Clips:
    """Clips by name.

    Args:
        name: "studio:train", "studio:validation" or "studio:test" for the people before a bare wall that ship, and
            "synthetic:train" and so on for those in all poses before all backgrounds; "faces:train" and so on
            for faces; "coco:FOLDER", "mpii:FOLDER" … for a data set of one's own in a known format, as in `open_known`;
            a folder of shards that `python -m napa_lib.makers.people`, `makers.faces` or `makers.drawings` wrote;
            "video:train" for the first 15 moments of the real video from four sides in crops that move, "video:test"
            for the last 5 in fixed crops, "video" for all, fixed; "rest:NAME" for the second of `open_halves`; else a
            file that `save_clips` wrote, whose frames are taken as they are.
        size: side of the frames in pixels.
        look: which synthetic clips, as in `from_synthetic`.
        skeleton: joint set wanted; only data sets of a known format are converted to one that is not theirs. None for
            theirs, and FACE68 or NAPA18 of a known format.

    Raises:
        ValueError: if there is nothing of that name, it is damaged, or has another joint set.
    """
    clips = _open(name, size, look, skeleton)
    wanted, found = get_skeleton(skeleton or clips.skeleton), get_skeleton(clips.skeleton)
    if found != wanted:
        raise ValueError(f"{name} must be labelled with {wanted.name} or be of a known format, it has {found.name}")
    return clips


def _open(name: str, size: int, look: str, skeleton: str | Skeleton | None) -> Clips:
    if name.startswith(REST):
        return open_halves(name.removeprefix(REST), size, look, skeleton)[1]
    if name in VIDEO:
        clips = video_clips(size, load_video_poses(), moved=MOVED if name == "video:train" else 0)
        return replace(clips, images=clips.images[:, VIDEO[name]], keypoints=clips.keypoints[:, VIDEO[name]])
    setting, _, split = name.partition(":")
    if setting in SETTINGS:
        return from_synthetic(load_synthetic(split, SETTINGS[setting]), size, look)
    if is_known(name):
        found = open_known(name)
        return from_annotations(found, size, skeleton) if isinstance(found, Annotations) else from_frames(found, size)
    if setting == "faces":
        return from_faces(load_faces(split), size)
    if Path(name).is_dir():
        shards = files_in(Path(name), ".tar.gz")
        drawn = [] if shards else files_in(Path(name), ".safetensors")
        if drawn:
            return from_drawings(drawn, size)
        if shards and shards[0].name.startswith("faces-"):
            return from_faces(read_faces(shards), size)
        return from_synthetic(read_shards(shards), size, look)
    return read_clips(name)


def open_halves(
    name: str, size: int, look: str = "photo", skeleton: str | Skeleton | None = None
) -> tuple[Clips, Clips]:
    """Two disjoint halves of a set: pictures are taken from the first, poses from the second.

    Of PennAction half of each action's videos go to either side; of other videos of a known format each video is cut in
    half. Other sets are cut in the middle, as `halves` does: no person of those that ship is in two clips.

    Arguments as `open_clips`.

    Raises:
        ValueError: as `open_clips`, or if there is not enough for two halves.

    Source: KeypointGAN, section 5.1.
    """
    videos = _halves_of_videos(name)
    if videos is not None:
        one, other = (from_annotations(half, size, skeleton) for half in videos)
        return one, other
    return halves(open_clips(name, size, look, skeleton))


def open_unpaired(
    name: str, size: int, look: str = "photo", skeleton: str | Skeleton | None = None
) -> tuple[Clips, Tensor]:
    """Pictures of the first of `open_halves`, and the poses of the second, (M, K, 2) in [-1, 1], NaN where missing. Of
    videos in a known format no picture of the second is opened. Arguments and errors as `open_halves`.
    """
    videos = _halves_of_videos(name)
    if videos is not None:
        return from_annotations(videos[0], size, skeleton), annotated_poses(videos[1], size, skeleton)
    one, other = halves(open_clips(name, size, look, skeleton))
    return one, to_unit(other.keypoints, size).flatten(0, 1)


def open_poses(name: str, size: int, look: str = "photo", skeleton: str | Skeleton | None = None) -> Tensor:
    """All poses of some clips, (M, K, 2) in [-1, 1]. Of a data set in a known format no picture is opened.

    Arguments and errors as `open_clips`.
    """
    if name.startswith(REST):
        videos = _halves_of_videos(name.removeprefix(REST))
        found = None if videos is None else videos[1]
    else:
        found = _annotations(name)
    if found is not None:
        return annotated_poses(found, size, skeleton)
    return unpaired_poses(open_clips(name, size, look, skeleton))


def _annotations(name: str) -> Annotations | None:
    """A set in a known format that has labels; None for all else."""
    found = open_known(name) if is_known(name) else None
    return found if isinstance(found, Annotations) else None


def _halves_of_videos(name: str) -> tuple[Annotations, Annotations] | None:
    """The halves of a set of videos in a known format; None for all else."""
    found = _annotations(name)
    if found is None or not found.clips:
        return None
    return (halves_of_actions if name.startswith("penn-action:") else halves_of_clips)(found)


def from_synthetic(people: SyntheticClips, size: int, look: str = "photo") -> Clips:
    """Synthetic people as clips of one size.

    Left out are clips with a second person, of which a method for one person cannot know which is meant, and clips with
    a frame that shows no joint at all.

    Args:
        people: what was read.
        size: side of the frames in pixels; frames are scaled to it with their keypoints.
        look: "photo", "drawn" or "both".

    Returns:
        clips in NAPA18; a clip's motion is its motion-capture clip, "independent" where poses were drawn one by one.

    Raises:
        ValueError: for another look, or if no clip is left.
    """
    if look not in (*LOOKS, "both"):
        raise ValueError(f"look must be one of {(*LOOKS, 'both')}, got {look!r}")
    alone = people.other_keypoints.isnan().flatten(1).all(1)
    shown = alone & ~people.keypoints.isnan().any(-1).all(-1).any(-1)
    if look != "both":
        shown = shown & (people.look == LOOKS.index(look))
    rows = shown.nonzero()[:, 0]
    if not len(rows):
        raise ValueError(f"people must hold a clip of look {look!r}, got none among {len(people)}")
    # in parts: as floats, all frames together would take gigabytes
    parts = [_scaled(people.pictures(part).flatten(0, 1), size) for part in rows.split(16)]
    images = torch.cat(parts).unflatten(0, (len(rows), -1))
    keypoints = (people.keypoints[rows] + 0.5) * size / people.size - 0.5
    motions = (MOVEMENTS[i] if i >= 0 else "independent" for i in people.movement[rows].tolist())
    return Clips(images, keypoints, "NAPA18", tuple(motions), people.poses[rows])


def from_drawings(paths: Sequence[Path], size: int) -> Clips:
    """Drawn figures as clips of a single frame, NAPA18.

    Args:
        paths: shards of `images` (N, 3, S, S) uint8 and `keypoints` (N, 18, 2) pixels.
        size: side of the frames in pixels; pictures are scaled to it with their keypoints.

    Raises:
        ValueError: if a file is damaged or holds something else, or no figure has a joint.
    """
    images, keypoints = [], []
    for path in paths:
        tensors, _ = load_tensors(path)
        if set(tensors) != {"images", "keypoints"}:
            raise CheckpointError(f"{path} is no shard of pictures: it holds {sorted(tensors)}")
        if tensors["images"].ndim != 4 or tensors["keypoints"].ndim != 3:
            shapes = [tuple(tensors[name].shape) for name in ("images", "keypoints")]
            raise CheckpointError(
                f"{path} is no shard of pictures (N, 3, S, S) with keypoints (N, 18, 2), got {shapes}"
            )
        shown = ~tensors["keypoints"].isnan().any(-1).all(-1)
        images += [_scaled(part, size) for part in tensors["images"][shown].split(128)]
        side = tensors["images"].shape[-1]
        keypoints.append((tensors["keypoints"][shown].float() + 0.5) * size / side - 0.5)
    if not images:
        raise ValueError(f"paths must hold a figure with a joint, got none in {len(paths)} file(s)")
    return Clips(torch.cat(images)[:, None], torch.cat(keypoints)[:, None])


def _scaled(images: Tensor, size: int) -> Tensor:
    """uint8 pictures (N, 3, S, S) of another side."""
    return (255 * resize(images / 255, (size, size))).round().clamp(0, 255).to(torch.uint8)


def from_faces(faces: FaceClips, size: int) -> Clips:
    """Faces as clips of one size, labelled with FACE68; their frames are of one person who turns and talks.

    Args:
        faces: what was read.
        size: side of the frames in pixels; frames are scaled to it with their landmarks.

    Source: KeypointGAN, section 5.2, where VoxCeleb's videos have this part.
    """
    if size == faces.size:
        return Clips(faces.images, faces.landmarks, FACES)
    parts = [_scaled(part.flatten(0, 1), size) for part in faces.images.split(16)]
    images = torch.cat(parts).unflatten(0, faces.images.shape[:2])
    return Clips(images, (faces.landmarks + 0.5) * size / faces.size - 0.5, FACES)
