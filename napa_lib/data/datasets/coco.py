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
    box: np.ndarray  # (4,): left, top, width, height; NaN where there is none
    size: tuple[float, float]  # the picture's width and height, NaN where the file does not say


def read_coco(root: str | os.PathLike, annotations: str, pictures: str = "") -> Annotations:
    """The people of an annotation file in COCO's keypoint format, with COCO17.

    COCO counts pixels from 0. A flag of 0 means not labelled (NaN here), 1 labelled but hidden, 2 visible. Crowds,
    people without a labelled joint, things of other categories and an annotation that stands there twice are left out.
    "Poses of People in Art" (Schneider and Vollmer, 2023) comes in this format too.

    Other programs' files are read as far as they can be: ids may be numbers or text, `bbox` may be missing (NaN here),
    what an unlabelled joint says does not matter, nor does a picture that no annotation is of.

    Args:
        root: folder of the dataset.
        annotations: the file below root, such as "annotations/person_keypoints_val2017.json".
        pictures: folder below root that the file's picture names are in, such as "val2017".

    Returns:
        one row for each person, with `boxes` and `sizes`.

    Raises:
        ValueError: for a missing file, one not of the format or with other joints, without a labelled person, or with
            two pictures of one id; naming the annotation that cannot be read.

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
        sizes=to_tensor(np.array([person.size for person in people])),
    )


def _people(content: object, file: Path, skip: int) -> list[_Person]:
    wanted = people_categories(entry(content, "categories", list, file), file)
    pictures = _pictures(entry(content, "images", list, file), file)
    people, seen = [], set()
    for number, person in enumerate(entry(content, "annotations", list, file)):
        if not isinstance(person, dict):
            raise ValueError(f"{file}: annotation number {number} must be an object, got {person!r:.80}")
        if identity_text(person.get("iscrowd") or 0) not in ("0", "False") or not person.get("keypoints"):
            continue
        if wanted is not None and "category_id" in person and identity_text(person["category_id"]) not in wanted:
            continue
        where = Path(f"{file}, annotation {person.get('id', f'number {number}')!r}")
        keypoints = _keypoints(person["keypoints"], where)
        picture = pictures.get(identity_text(entry(person, "image_id", (int, float, str), where)))
        if picture is None:
            raise ValueError(f"{where} is of picture {person['image_id']!r}, which is not listed")
        found = _Person(_path(picture, skip, where), keypoints, _box(person.get("bbox"), where), _size(picture))
        mark = (found.picture, keypoints.tobytes(), found.box.tobytes())
        if keypoints[:, 2].any() and mark not in seen:
            seen.add(mark)
            people.append(found)
    return people


def identity_text(identity: object) -> str:
    """An id as text: 7, 7.0 and "7" are one."""
    whole = isinstance(identity, float) and identity.is_integer()
    return str(int(identity)) if whole else str(identity).strip()  # type: ignore[call-overload]


def people_categories(categories: list, file: Path) -> set[str] | None:
    """The ids of the categories whose joints are COCO's; None for any, where no category says which joints it has."""
    told = [c for c in categories if isinstance(c, dict) and c.get("keypoints")]
    fitting = [c for c in told if isinstance(c["keypoints"], list) and tuple(c["keypoints"]) == _NAMES]
    if told and not fitting:
        raise ValueError(f"{file}: the joints must be COCO's 17 in COCO's order, got {told[0]['keypoints']!r:.200}")
    chosen = fitting or [c for c in categories if isinstance(c, dict) and c.get("name") == "person"]
    return {identity_text(c["id"]) for c in chosen if "id" in c} or None


def _pictures(pictures: list, file: Path) -> dict[str, dict]:
    """The listed pictures by their ids; whether a name is fit is looked at when it is needed."""
    found: dict[str, dict] = {}
    for picture in (picture for picture in pictures if isinstance(picture, dict) and "id" in picture):
        other = found.setdefault(identity_text(picture["id"]), picture)
        if other.get("file_name") != picture.get("file_name"):
            names = f"{other.get('file_name')!r:.80} and {picture.get('file_name')!r:.80}"
            raise ValueError(f"{file}: two pictures have the id {picture['id']!r}: {names}")
    return found


def _path(picture: dict, skip: int, where: Path) -> str:
    path = relative_path(entry(picture, "file_name", str, where), where)
    parts = path.split("/")[skip:]
    if not parts:
        raise ValueError(f"{where} names the picture {path!r}, expected a folder before it")
    return "/".join(parts)


def _keypoints(values: object, where: Path) -> np.ndarray:
    keypoints = numbers(values, (51,), where, "keypoints").reshape(17, 3)
    flags = keypoints[:, 2]
    with np.errstate(over="ignore"):
        labelled = keypoints[flags > 0].astype(np.float32)  # as they will be: 1e300 is infinite there
    if not np.isin(flags, (0, 1, 2)).all() or not np.isfinite(labelled).all():
        raise ValueError(f"{where}: keypoints must be finite with flags 0, 1 or 2, got {keypoints.tolist()!r:.200}")
    return keypoints


def _box(values: object, where: Path) -> np.ndarray:
    if values is None or values == []:
        return np.full(4, np.nan)
    return numbers(values, (4,), where, "bbox")


def _size(picture: dict) -> tuple[float, float]:
    sides = [picture.get(name) for name in ("width", "height")]
    known = all(isinstance(side, (int, float)) and not isinstance(side, bool) and 0 < side < 2**31 for side in sides)
    return (float(sides[0]), float(sides[1])) if known else (np.nan, np.nan)  # type: ignore[arg-type]
