"""Figures that were marked elsewhere: COCO's files, of `napa annotate` or another program, and `pose.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import torch
from torch import Tensor

from napa_lib.annotate.journal import ABSENT, HIDDEN, SEEN, Edit
from napa_lib.annotate.outputs import is_ours
from napa_lib.data.datasets import read_coco
from napa_lib.pose.drawing import SURE
from napa_lib.skeletons import COCO17, NAPA18, convert, get_skeleton

FAINT = 0.2  # confidence from which an estimated joint counts as there; from SURE on, as seen


@dataclass(frozen=True, eq=False)
class Mark:
    """A figure of a file, of J = 18 joints of NAPA18."""

    picture: str  # its file's name, without folders
    size: tuple[float, float]  # width and height of that picture, upright; NaN where the file does not say
    keypoints: Tensor  # (18, 2) pixels, NaN where absent
    flags: Tensor  # (18,) ABSENT, HIDDEN or SEEN
    depths: Tensor  # (18,) pixels away from the viewer, NaN where nobody said
    kind: str  # as of an `Edit`
    ambiguous: bool | None = None

    def edit(self, picture: str, figure: int) -> Edit:
        """As a change that makes it figure `figure` of a picture."""
        rows = zip(NAPA18.joints, self.keypoints.tolist(), self.flags.tolist(), strict=True)
        joints = {name: (round(x, 1), round(y, 1), int(flag)) for name, (x, y), flag in rows if flag}
        depths = {n: round(z, 1) for n, z in zip(NAPA18.joints, self.depths.tolist(), strict=True) if z == z}
        return Edit(picture, figure, joints, depths, ambiguous=self.ambiguous, kind=self.kind)


def flags_of(confidence: Tensor) -> Tensor:
    """What the estimator's confidences (J,) say of its joints: SEEN, HIDDEN or ABSENT."""
    return torch.where(confidence >= SURE, SEEN, torch.where(confidence >= FAINT, HIDDEN, ABSENT))


def read_marks(path: Path) -> list[Mark]:
    """The figures of a file: COCO's keypoints as they were marked, `pose.json` as a guess that is to be corrected.

    Raises:
        ValueError: that names the file, if it cannot be read or is neither.
    """
    try:
        document = json.loads(path.read_text("utf-8-sig"))
        if isinstance(document, dict) and "joint_set" in document:
            return [_estimated(document)]
        if is_ours(path):
            return list(_own(document))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, IndexError, RuntimeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is neither COCO's keypoints nor pose.json: {type(error).__name__}: {error}") from None
    return list(_foreign(path))


def _estimated(document: Mapping[str, Any]) -> Mark:
    """The figure of a `pose.json`. Depth in mm becomes pixels by how large the figure is in both."""
    skeleton, joints, picture = get_skeleton(document["joint_set"]), document["joints"], document["picture"]
    values = [[*(j["keypoint_px"] or [torch.nan] * 2), *(j["position_mm"] or [torch.nan] * 3)] for j in joints]
    keypoints, pose = torch.tensor(values).split((2, 3), 1)
    keypoints, pose = convert(keypoints[None], skeleton, NAPA18)[0], convert(pose[None], skeleton, NAPA18)[0]
    sure = torch.tensor([[[j["confidence"]] * 2 for j in joints]])
    sure = convert(sure, skeleton, NAPA18)[0, :, 0].nan_to_num().masked_fill(keypoints.isnan().any(-1), 0.0)
    both = pose.isfinite().all(-1) & keypoints.isfinite().all(-1)
    mm, px = (points[both] - points[both].mean(0) for points in (pose[:, :2], keypoints))
    depths = pose[:, 2] * (px.square().sum() / mm.square().sum()).sqrt()
    size = (float(picture["width"]), float(picture["height"]))
    return Mark(picture["file"], size, keypoints, flags_of(sure), depths.masked_fill(~both, torch.nan), "guess")


def _own(document: Mapping[str, Any]) -> Iterator[Mark]:
    pictures = {picture["id"]: picture for picture in document["images"]}
    for row in document["annotations"]:
        picture, values = pictures[row["image_id"]], torch.tensor(row["napa18"]).view(18, 3)
        flags = values[:, 2].long()
        keypoints = values[:, :2].masked_fill(flags[:, None] == ABSENT, torch.nan)
        depths = torch.tensor([torch.nan if z is None else float(z) for z in row["depth_px"]])
        size = (picture["width"], picture["height"])
        yield Mark(picture["file_name"], size, keypoints, flags, depths, "", row.get("sides_ambiguous"))


def _foreign(path: Path) -> Iterator[Mark]:
    people = read_coco(path.parent, path.name, None)
    places: dict[str, str] = {}
    for place in people.images:
        name = PureWindowsPath(place).name  # which takes / and \ for what parts folders
        if places.setdefault(name, place) != place:
            raise ValueError(
                f"{path} has two pictures of the name {name!r}, {places[name]!r} and {place!r}, and names without "
                "folders are all that is compared: give them names of their own"
            )
    sizes = torch.full((len(people.images), 2), torch.nan) if people.sizes is None else people.sizes
    for row, place in enumerate(people.images):
        keypoints = convert(people.keypoints[row][None], COCO17, NAPA18)[0]
        shown = convert(people.visible[row].float()[None, :, None].expand(-1, -1, 2).clone(), COCO17, NAPA18)[0, :, 0]
        flags = torch.where(shown >= 1, SEEN, HIDDEN).masked_fill(keypoints.isnan().any(-1), ABSENT)
        depths = torch.full((18,), torch.nan)
        width, height = sizes[row].tolist()
        yield Mark(PureWindowsPath(place).name, (width, height), keypoints, flags, depths, "")
