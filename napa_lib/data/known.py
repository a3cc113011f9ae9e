"""A data set of one's own in a known format, `coco:FOLDER` or `mpii:FOLDER`: its figures, cut out, as clips."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data.clips import Clips, to_unit
from napa_lib.data.crops import crop, crop_matrices, square_boxes, to_crop
from napa_lib.data.datasets import (
    Annotations,
    FrameClips,
    read_3dpw,
    read_300w,
    read_coco,
    read_frame_clips,
    read_human36m,
    read_human_art,
    read_mpi_inf_3dhp,
    read_mpi_inf_3dhp_test,
    read_mpii,
    read_muco_3dhp,
    read_multipie,
    read_mupots_3d,
    read_penn_action,
    read_simplified_human36m,
    read_wflw,
)
from napa_lib.data.datasets.files import choose, files_in, picture_path
from napa_lib.data.images import PictureError, crop_square, load_image
from napa_lib.engine import progress
from napa_lib.skeletons import Skeleton, get_skeleton

FRAMES = 8  # of a clip, where the pictures are frames of videos
MARGIN = 1.25  # side of the crop in sides of the figure's box, as the art figures' protocol has it
LARGEST = 2 << 30  # bytes that a set's crops may take
LOOKED_FOR = 20  # people whose pictures tell which folder they are in: some may be gone
Found = Annotations | FrameClips


def _coco(place: Path, split: str) -> Annotations:
    file = place if place.is_file() else _coco_file(place, split)
    root = file.parent.parent if file.parent.name == "annotations" else file.parent
    people = read_coco(root, file.relative_to(root).as_posix(), napa18=True)
    part = file.stem.removeprefix("person_keypoints_")
    folders = ("", "images", part, f"images/{part}", split, f"images/{split}")
    for folder in folders:
        images = tuple(f"{folder}/{image}" if folder else image for image in people.images)
        if any(picture_path(root, image).is_file() for image in images[:LOOKED_FOR]):
            return replace(people, images=images)
    looked = ", ".join(folder or "." for folder in folders)
    raise ValueError(f"{file} names the picture {people.images[0]!r}, which is in none of {looked} of {root}")


def _coco_file(root: Path, split: str) -> Path:
    """The annotation file of a COCO folder: the only one, the only one whose name has the split in it, or the
    annotations.json that `napa annotate` writes beside other files."""
    folders = [folder for folder in (root / "annotations", root) if folder.is_dir()]
    files = [file for folder in folders for file in files_in(folder, ".json")]
    for fit in (
        lambda f: True,
        lambda f: split in f.name,
        lambda f: f.name.startswith(f"person_keypoints_{split}"),
        lambda f: f == root / "annotations.json",
    ):
        chosen = [file for file in files if fit(file)]
        if len(chosen) == 1:
            return chosen[0]
    names = ", ".join(file.name for file in files) or "none"
    raise ValueError(
        f"{root} must hold one .json of split {split!r}, in annotations/ or the folder itself, got {names}"
    )


def _mpi_inf_3dhp(root: Path, split: str) -> Annotations:
    if choose(split, ("train", "test"), "split") == "test":
        return read_mpi_inf_3dhp_test(root)
    return read_mpi_inf_3dhp(root)


READERS: dict[str, Callable[[Path, str], Found]] = {
    "coco": _coco,
    "human-art": lambda root, split: read_human_art(root, {"train": "training", "val": "validation"}.get(split, split)),
    "mpii": lambda root, split: read_mpii(root, {"val": "valid"}.get(split, split)),
    "human36m": read_human36m,
    "simplified-human36m": read_simplified_human36m,
    "mpi-inf-3dhp": _mpi_inf_3dhp,
    "muco": lambda root, split: read_muco_3dhp(root),
    "mupots": lambda root, split: read_mupots_3d(root),
    "3dpw": read_3dpw,
    "penn-action": read_penn_action,
    "300w": read_300w,
    "wflw": read_wflw,
    "multipie": lambda root, split: read_multipie(root),
    "voxceleb": lambda root, split: read_frame_clips(root),
}
WHOLE = ("muco", "mupots", "multipie", "voxceleb")  # sets without splits


def is_known(name: str) -> bool:
    """Whether a source is named as a data set of a known format: FORMAT:FOLDER or FORMAT:FOLDER#SPLIT.

    >>> is_known("coco:pictures/of/mine"), is_known("studio:train")
    (True, False)
    """
    return name.partition(":")[0] in READERS


def open_known(name: str) -> Found:
    """What a data set's reader returns.

    Args:
        name: FORMAT:FOLDER or FORMAT:FOLDER#SPLIT, such as "coco:/data/mine" or "mpii:/data/mpii#valid"; the split is
            "train" if none is given. For COCO an annotation file may stand in the folder's place.

    Raises:
        ValueError: for an unknown format, or as the reader.
    """
    kind, _, place = name.partition(":")
    folder, _, split = place.partition("#")
    if kind not in READERS or not folder:
        raise ValueError(f"source must be FORMAT:FOLDER with a format of {', '.join(READERS)}, got {name!r}")
    if split and kind in WHOLE:
        raise ValueError(f"source must name no split of {kind}, which has none, got {name!r}")
    return READERS[kind](Path(folder), split or "train")


def from_annotations(
    annotations: Annotations,
    size: int,
    skeleton: str | Skeleton | None = None,
    margin: float = MARGIN,
    most: int | None = None,
) -> Clips:
    """The people of a data set, cut out of their pictures one after the other, as clips of one size.

    Pictures that are frames of videos become clips of 8 frames spread over their video, photographs clips of one. A
    crop is the square round the figure's joints and its box, if it has one, a quarter larger; pictures that are cut out
    already are taken whole, and without their background where there are masks. Pictures that cannot be read are left
    out with a warning. Only the crops are kept: one picture at a time is in memory.

    Args:
        annotations: from any reader of `napa_lib.data.datasets`.
        size: side of the crops in pixels.
        skeleton: joint set wanted; None for FACE68 where the data set has that, else NAPA18.
        margin: side of the crop in sides of the square.
        most: how many frames at most, spread evenly over the set; None for what two gigabytes hold.

    Returns:
        clips; `motions` are the actions, `poses` those of the data set, where it has them.

    Raises:
        ValueError: if the joints have no joint set, nobody has a joint of it, or no picture can be read.
    """
    people = _converted(annotations, skeleton)
    windows = _spread(_windows(people.clips, list(range(len(people)))), size, most)
    images, matrices, kept = cut_figures(people, windows, crop_squares(people, margin), size)
    rows = torch.tensor(kept)  # (N, T)
    keypoints = to_crop(people.keypoints[rows.flatten()], matrices).unflatten(0, rows.shape)
    motions = tuple(people.actions[window[0]] for window in kept) if people.actions else ()
    poses = None if people.poses is None else people.poses[rows]
    assert people.skeleton is not None
    return Clips(images.unflatten(0, rows.shape), keypoints, people.skeleton, motions, poses)


def annotated_poses(annotations: Annotations, size: int, skeleton: str | Skeleton | None = None) -> Tensor:
    """All poses of a data set as they lie in the crops that `from_annotations` makes; no picture is opened.

    Arguments and `Raises` as there.

    Returns:
        (N, K, 2) in [-1, 1], each with a joint.
    """
    people = _converted(annotations, skeleton)
    return to_unit(to_crop(people.keypoints, crop_matrices(crop_squares(people, MARGIN), size)), size)


def _converted(annotations: Annotations, skeleton: str | Skeleton | None) -> Annotations:
    """Those with a joint of the set wanted, in that set; None as in `from_annotations`."""
    own = annotations.skeleton
    target = get_skeleton(skeleton or ("FACE68" if own is not None and own.name == "FACE68" else "NAPA18"))
    people = annotations if own is not None and own.name == target.name else annotations.to(target)
    shown = (~people.keypoints.isnan().any(-1)).any(-1).nonzero()[:, 0].tolist()
    if not shown:
        raise ValueError(f"annotations must have a person with a joint of {target.name}, got none in {len(people)}")
    return people if len(shown) == len(people) else people.take(shown)


def crop_squares(people: Annotations, margin: float) -> Tensor:
    """The square (N, 4) of each one's picture that its crop shows."""
    if people.cropped and people.boxes is not None:
        return people.boxes
    return figure_squares(people.keypoints, people.boxes, margin)


def cut_figures(
    people: Annotations, windows: Sequence[list[int]], boxes: Tensor, size: int
) -> tuple[Tensor, Tensor, list[list[int]]]:
    """Squares of pictures, one picture at a time.

    Args:
        people: whose pictures.
        windows: rows that belong together, equally many in each: one that cannot be read leaves out the others.
        boxes: (N, 4) the square of each row.
        size: side of the crops in pixels.

    Returns:
        crops (M T, 3, S, S) uint8, the maps to the pictures (M T, 2, 3), and the M windows that could be read; of the
        others one warning.

    Raises:
        ValueError: if no picture can be read.
    """

    def figure(row: int) -> Tensor:
        factor = 2 ** max(0, int(((boxes[row, 2] - boxes[row, 0]) / size).log2().floor()))
        image = people.load(row, factor)
        if people.masks:
            image = image * people.load_mask(row, factor)
        return crop(image, crop_matrices((boxes[row : row + 1] + 0.5) / factor - 0.5, size), size)[0]

    images, kept = _read(windows, figure, size)
    return images, crop_matrices(boxes[[row for window in kept for row in window]], size), kept


def from_frames(frames: FrameClips, size: int) -> Clips:
    """Unlabelled videos as clips of one size: the frames' centred squares; all keypoints, FACE68, are missing.

    Arguments, `Returns` and `Raises` as `from_annotations`.
    """
    paths = [path for clip in frames.clips for path in clip]
    names = [str(i) for i, clip in enumerate(frames.clips) for _ in clip]
    windows = _spread(_windows(tuple(names), list(range(len(paths)))), size, None)

    def figure(row: int) -> Tensor:
        return crop_square(load_image(picture_path(frames.root, paths[row])), size)

    images, kept = _read(windows, figure, size)
    shape = len(kept), len(kept[0])
    return Clips(images.unflatten(0, shape), torch.full((*shape, 68, 2), torch.nan), "FACE68")


def figure_squares(keypoints: Tensor, boxes: Tensor | None, margin: float) -> Tensor:
    """The square (N, 4) round each figure's joints (N, J, 2) and its box (N, 4), both as far as they are known.

    >>> figure_squares(torch.tensor([[[10.0, 10.0], [30.0, 20.0]]]), None, 1.0).tolist()
    [[10.0, 5.0, 30.0, 25.0]]
    """
    low, high = keypoints.nan_to_num(torch.inf).amin(1), keypoints.nan_to_num(-torch.inf).amax(1)
    if boxes is not None:
        known = boxes.isfinite().all(-1, keepdim=True) & (boxes[:, 2:] > boxes[:, :2]).all(-1, keepdim=True)
        low = torch.minimum(low, boxes[:, :2].where(known, torch.inf))
        high = torch.maximum(high, boxes[:, 2:].where(known, -torch.inf))
    empty = ~(low <= high).all(-1, keepdim=True)
    low, high = low.masked_fill(empty, 0.0), high.masked_fill(empty, 0.0)
    middle, half = (low + high) / 2, (high - low).clamp(min=8.0) / 2
    squares = square_boxes(torch.cat([middle - half, middle + half], 1))
    grow = (margin - 1) / 2 * (squares[:, 2:] - squares[:, :2])
    return torch.cat([squares[:, :2] - grow, squares[:, 2:] + grow], 1)


def _windows(clips: tuple[str, ...], rows: list[int]) -> list[list[int]]:
    """Rows that make a clip each: single ones of photographs, of a video `FRAMES` that lie far apart."""
    if not clips:
        return [[row] for row in rows]
    videos: dict[str, list[int]] = {}
    for row in rows:
        videos.setdefault(clips[row], []).append(row)
    length = min(FRAMES, max(map(len, videos.values()), default=1))
    found = []
    for frames in videos.values():
        count = len(frames) // length
        found += [frames[i::count][:length] for i in range(count)]
    return found


def _spread(windows: list[list[int]], size: int, most: int | None) -> list[list[int]]:
    """As many of the windows as may be kept, evenly spread."""
    if not windows:
        return windows
    limit = max(1, (LARGEST // (3 * size * size) if most is None else most) // len(windows[0]))
    if len(windows) <= limit:
        return windows
    if most is None:
        warnings.warn(f"{limit} of {len(windows)} clips are read, which two gigabytes hold at this size", stacklevel=3)
    return [windows[i * len(windows) // limit] for i in range(limit)]


def _read(windows: Sequence[list[int]], figure: Callable[[int], Tensor], size: int) -> tuple[Tensor, list[list[int]]]:
    """Pictures (M T, 3, S, S) as bytes, and the M windows that could be read."""
    count = len(windows) * len(windows[0])
    try:
        images = torch.empty(count, 3, size, size, dtype=torch.uint8)
    except RuntimeError:
        room = 3 * count * size * size / 2**30
        raise ValueError(f"{count} crops of {size} pixels need {room:.0f} GB of memory: take fewer") from None
    kept: list[list[int]] = []
    errors = []
    for window in progress(windows, "figures"):
        first = len(kept) * len(window)
        try:
            for place, row in enumerate(window, first):  # bytes at once: floats of all would be four times as many
                images[place] = (figure(row).clamp(0, 1) * 255).round()
        except (PictureError, ValueError) as error:  # one bad picture must not take the set along
            errors.append(error)
            continue
        kept.append(window)
    if not kept:
        raise ValueError(f"no picture of the data set can be read: {errors[0]}") from errors[0]
    if errors:
        warnings.warn(f"{len(errors)} of {len(windows)} clips are left out: {errors[0]}", stacklevel=4)
    return images[: len(kept) * len(kept[0])], kept
