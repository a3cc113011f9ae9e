"""Labels for pictures that nobody annotated: the joints on which two looks agree.

    python -m napa_lib.training.agree --pictures FOLDER --leave-out NAMES.txt --out runs/agreed.safetensors

Self-training: what one look says alone would teach a network nothing but its own mistakes. Where the estimator that
ships and its first network, shown a larger crop that is moved a little, say the same and are sure, both are mostly
right: of the validation figures' limb joints 69 in 100 are agreed on, and 94 of 100 of these are right to half a head.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from napa_lib.data import asset_path
from napa_lib.data.crops import crop, crop_matrices, to_crop
from napa_lib.data.images import load_image
from napa_lib.engine import load_tensors, progress, save_tensors
from napa_lib.files import prepare_file
from napa_lib.loop import command
from napa_lib.networks.warm_pose_net import WEIGHTS
from napa_lib.pose import PoseEstimator
from napa_lib.pose.estimator import PoseResult
from napa_lib.training.validate import LIMBS

NEAR = 0.02  # of the box's side: about an eighth of a head's size
SURE = 0.5  # confidence of the first look
LEAST = 3  # limb joints that must be agreed on: as many as a portrait shows
MOVED, LARGER = 0.03, 1.15  # the second look: shift and side of its box, as shares of the first one's side
KINDS = {".png", ".jpg", ".jpeg", ".webp"}
SIDE, ROUND = 320, 1.5  # pixels of a stored picture, and what it shows: so many times the figure's box


class Agreed(NamedTuple):
    """Figures with labels that two looks agree on."""

    images: Tensor  # (N, 3, 320, 320) uint8
    keypoints: Tensor  # (N, 18, 2) pixels; NaN where they do not agree
    boxes: Tensor  # (N, 4) square boxes in pixels


def agreed_joints(one: PoseResult, other: PoseResult) -> Tensor:
    """(18, 2) the first answer, where it is sure and the other less than `NEAR` of the box's side away, else NaN."""
    side = one.box[2] - one.box[0]
    near = (one.keypoints - other.keypoints).norm(dim=-1) < NEAR * side
    return one.keypoints.where((near & (one.confidence > SURE))[:, None], torch.nan)


def moved(box: Sequence[float]) -> list[float]:
    """The second look's box.

    >>> [round(edge, 1) for edge in moved((0.0, 0.0, 100.0, 100.0))]
    [-4.5, -10.5, 110.5, 104.5]
    """
    side = box[2] - box[0]
    room, shift = (LARGER - 1) / 2 * side, MOVED * side
    return [box[0] - room + shift, box[1] - room - shift, box[2] + room + shift, box[3] + room - shift]


def label_figures(pictures: Iterable[Path], one: PoseEstimator, other: PoseEstimator) -> Iterator[Agreed]:
    """The most likely figure of each picture, where enough of its limb joints are agreed on.

    Args:
        pictures: files, each best with one figure that fills it.
        one: looks for the figure, and at it.
        other: looks at it, too, in a `moved` box.
    """
    for path in pictures:
        try:
            image = load_image(path)
        except (ValueError, OSError) as error:
            print(f"{path.name}: {error}")
            continue
        first = one.predict(image)[0]
        keypoints = agreed_joints(first, other.predict(image, [moved(first.box)])[0])
        if int((~keypoints[LIMBS].isnan().any(-1)).sum()) < LEAST:
            continue
        box = torch.tensor(first.box)[None]
        middle, half = (box[:, :2] + box[:, 2:]) / 2, ROUND * (box[:, 2:] - box[:, :2]) / 2
        matrices = crop_matrices(torch.cat([middle - half, middle + half], 1), SIDE)
        shown = (crop(image, matrices, SIDE).clamp(0, 1) * 255).round().byte()
        yield Agreed(shown, to_crop(keypoints[None], matrices), to_crop(box.view(1, 2, 2), matrices).view(1, 4))


def read_agreed(path: str | Path) -> Agreed:
    """Read what this command wrote.

    Raises:
        ValueError: if the file is corrupt or holds something else.
    """
    tensors, _ = load_tensors(path)
    if missing := set(Agreed._fields) - set(tensors):
        raise ValueError(f"{path} holds no agreed figures: {sorted(missing)} is missing")
    return Agreed(*(tensors[name] for name in Agreed._fields))


def chosen_pictures(folders: Sequence[Path], leave_out: Path | None) -> list[Path]:
    """The pictures below some folders, but for those kept for measuring.

    Args:
        folders: looked through with all that is in them.
        leave_out: a text file of names, one a line; a name may have spaces.

    Raises:
        ValueError: if a folder is none, or a name is of no picture: a mistyped one would be trained on.
    """
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise ValueError(f"--pictures must be folders; there is no folder {missing[0]}")
    files = [f for folder in folders for f in sorted(folder.rglob("*")) if f.suffix.lower() in KINDS]
    lines = leave_out.read_text("utf-8-sig").splitlines() if leave_out else []
    names = {line.strip() for line in lines if line.strip()}
    if unknown := sorted(names - {file.name for file in files}):
        raise ValueError(f"{leave_out} names {len(unknown)} that are of no picture, such as {unknown[0]!r}")
    return [file for file in files if file.name not in names]


def main(arguments: list[str] | None = None) -> None:
    """Look at every picture below some folders and keep the figures that two looks agree on."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.agree", description=main.__doc__)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True, help="folders of pictures")
    parser.add_argument("--leave-out", type=Path, help="text file of names of pictures kept for measuring, one a line")
    parser.add_argument("--one", type=Path, help="a trained network; by default the one that ships")
    parser.add_argument("--other", type=Path, default=asset_path(WEIGHTS), help="another one")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    options = parser.parse_args(arguments)
    with command():
        prepare_file(options.out)
        files = chosen_pictures(options.pictures, options.leave_out)
        networks = [PoseEstimator.from_pretrained(file, "cpu") for file in (options.one, options.other)]
        found = list(label_figures(progress(files, "pictures", len(files)), *networks))
        if not found:
            raise ValueError(f"no figure that both looks agree on in {len(files)} pictures")
        save_tensors(options.out, Agreed(*map(torch.cat, zip(*found, strict=True)))._asdict())
    print(f"{len(found)} figures of {len(files)} pictures")


if __name__ == "__main__":
    main()
