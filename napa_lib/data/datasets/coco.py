"""COCO's keypoints, and sets of pictures of art in the same JSON: Human-Art, Poses of People in Art."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import choose, dataset_root, entry, numbers, read_json, relative_path
from napa_lib.skeletons import COCO17

_SIDES = {"l_": "left_", "r_": "right_"}
_NAMES = tuple(_SIDES.get(name[:2], name[:2]) + name[2:] for name in COCO17.joints)  # as the files spell them


class _Person(NamedTuple):
    picture: str
    keypoints: np.ndarray  # (17, 3): x, y, flag
    box: np.ndarray  # (4,): left, top, width, height


def read_coco(root: str | os.PathLike, annotations: str, pictures: str = "") -> Annotations:
    """The people of an annotation file in COCO's keypoint format, with COCO17.

    COCO counts pixels from 0. A flag of 0 means not labelled (NaN here), 1 labelled but hidden, 2 visible. Crowds and
    people without a labelled joint are left out. "Poses of People in Art" (Schneider and Vollmer, 2023) comes in this
    format too.

    Args:
        root: folder of the dataset.
        annotations: the file below root, such as "annotations/person_keypoints_val2017.json".
        pictures: folder below root that the file's picture names are in, such as "val2017".

    Returns:
        one row for each person, with `boxes`.

    Raises:
        ValueError: for a missing file, one not of the format or with other joints, or without a labelled person.

    Source: Lin et al., Microsoft COCO (ECCV 2014); https://cocodataset.org/#format-data.
    """
    layout = f"the file {annotations} and the pictures in {pictures or 'the folder itself'}"
    base = dataset_root(root, "COCO", layout, "https://cocodataset.org/#download", (annotations,))
    return _annotations(base, base / annotations, pictures, 0)


def read_human_art(root: str | os.PathLike, split: str, scene: str | None = None) -> Annotations:
    """Human-Art's people with COCO17. The dataset's four further points (`keypoints_21`) are not read.

    Args:
        root: folder HumanArt, with annotations/ and images/.
        split: "training" or "validation".
        scene: one of the dataset's twenty scenes, such as "oil_painting"; None for all.

    Returns:
        one row for each person, with `boxes`.

    Raises:
        ValueError: as `read_coco`; for an unknown split, or a scene without a file.

    Source: Ju et al., Human-Art (CVPR 2023).
    """
    choose(split, ("training", "validation"), "split")
    name = f"annotations/{split}_humanart{f'_{scene}' if scene else ''}.json"
    layout = "annotations/{training,validation}_humanart[_SCENE].json and images/"
    base = dataset_root(
        root, "Human-Art", layout, "https://idea-research.github.io/HumanArt/ (non-commercial)", (name,)
    )
    return _annotations(base, base / name, "", 1)


def _annotations(base: Path, file: Path, pictures: str, skip: int) -> Annotations:
    """The people of `file`; the first `skip` folders of its picture names are dropped."""
    people = _people(read_json(file), file, skip)
    if not people:
        raise ValueError(f"{file} has no person with labelled joints")
    values = np.stack([person.keypoints for person in people])
    flags, boxes = values[..., 2], np.stack([person.box for person in people])
    prefix = f"{relative_path(pictures, file)}/" if pictures else ""
    return Annotations(
        base,
        tuple(prefix + person.picture for person in people),
        to_tensor(np.where(flags[..., None] > 0, values[..., :2], np.nan)),
        to_tensor(flags) == 2,
        COCO17,
        to_tensor(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)),
    )


def _people(content: object, file: Path, skip: int) -> list[_Person]:
    for category in entry(content, "categories", list, file):
        names = category.get("keypoints") if isinstance(category, dict) else None
        if names is not None and (not isinstance(names, list) or tuple(names) != _NAMES):
            raise ValueError(f"{file}: the joints must be COCO's 17 in COCO's order, got {names!r:.200}")
    pictures = {}
    for picture in entry(content, "images", list, file):
        path = relative_path(entry(picture, "file_name", str, file), file)
        parts = path.split("/")[skip:]
        if not parts:
            raise ValueError(f"{file} names the picture {path!r}, expected a folder before it")
        pictures[entry(picture, "id", (int, str), file)] = "/".join(parts)
    people = []
    for person in entry(content, "annotations", list, file):
        if not isinstance(person, dict):
            raise ValueError(f"{file}: an annotation must be an object, got {person!r:.80}")
        if person.get("iscrowd") or not person.get("keypoints"):
            continue
        keypoints = numbers(person["keypoints"], (17, 3), file, "keypoints")
        if not np.isin(keypoints[:, 2], (0, 1, 2)).all() or not np.isfinite(keypoints).all():
            raise ValueError(f"{file}: keypoints must be finite with flags 0, 1 or 2, got {keypoints.tolist()!r:.200}")
        picture = entry(person, "image_id", (int, str), file)
        if picture not in pictures:
            raise ValueError(f"{file}: an annotation is of picture {picture!r}, which is not listed")
        if keypoints[:, 2].any():
            box = numbers(entry(person, "bbox", list, file), (4,), file, "bbox")
            people.append(_Person(pictures[picture], keypoints, box))
    return people
