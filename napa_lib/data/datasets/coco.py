"""COCO's keypoints, and sets of pictures of art in the same JSON: Human-Art, Poses of People in Art."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from napa_lib.data.datasets.annotations import Annotations, to_tensor
from napa_lib.data.datasets.files import choose, dataset_root, entry, numbers, read_json, relative_path
from napa_lib.skeletons import COCO17, NAPA18

_SIDES = {"l_": "left_", "r_": "right_"}
_NAMES = tuple(_SIDES.get(name[:2], name[:2]) + name[2:] for name in COCO17.joints)  # as the files spell them
EACH = tuple(range(COCO17.num_joints))
OWN = "napa18"  # what an annotation of `napa annotate` has beside COCO's fields


class _Person(NamedTuple):
    picture: str
    keypoints: np.ndarray  # (17, 3), or (18, 3) of NAPA18: x, y, flag
    depths: np.ndarray  # (18,), NaN where nobody said; none of COCO's
    box: np.ndarray  # (4,): left, top, width, height; NaN where there is none
    size: tuple[float, float]  # the picture's width and height, NaN where the file does not say


def read_coco(
    root: str | os.PathLike, annotations: str, pictures: str | None = "", napa18: bool = False
) -> Annotations:
    """The people of an annotation file in COCO's keypoint format, with COCO17.

    COCO counts pixels from 0. A flag of 0 means not labelled (NaN here), 1 labelled but hidden, 2 visible. Crowds,
    people without a labelled joint, things of other categories and an annotation that stands there twice are left out.
    "Poses of People in Art" (Schneider and Vollmer, 2023) comes in this format too.

    Other programs' files are read as far as they can be: ids may be numbers or text, `bbox` may be missing (NaN here),
    what an unlabelled joint says does not matter, nor does a picture that no annotation is of. A category may list
    COCO's joints in any order, or some of them; the others are then not labelled.

    Args:
        root: folder of the dataset.
        annotations: the file below root, such as "annotations/person_keypoints_val2017.json".
        pictures: folder below root that the file's picture names are in, such as "val2017"; None leaves the names as
            they are, also those that lead out of the folder: for whoever opens no picture by them.
        napa18: of a file that `napa annotate` wrote, take all 18 joints that were marked, with NAPA18, and their depths
            in place of COCO's joints.

    Returns:
        one row for each person, with `boxes` and `sizes`.

    Raises:
        ValueError: for a missing file, one not of the format or with other joints, without a labelled person, or with
            two pictures of one id; naming the annotation that cannot be read.

    Source: Lin et al., Microsoft COCO (ECCV 2014); https://cocodataset.org/#format-data.
    """
    layout = f"the file {annotations} and the pictures in {pictures or 'the folder itself'}"
    base = dataset_root(root, "COCO", layout, "https://cocodataset.org/#download", (annotations,))
    return _annotations(base, base / annotations, pictures, 0, napa18)


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


def _annotations(base: Path, file: Path, pictures: str | None, skip: int, napa18: bool = False) -> Annotations:
    """The people of `file`; the first `skip` folders of its picture names are dropped."""
    content = read_json(file)
    rows = content.get("annotations") if napa18 and isinstance(content, dict) else None
    own = bool(rows) and isinstance(rows, list) and all(isinstance(row, dict) and OWN in row for row in rows)
    people = _people(content, file, None if pictures is None else skip, own)
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
        NAPA18 if own else COCO17,
        to_tensor(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)),
        depths=to_tensor(np.stack([person.depths for person in people])) if own else None,
        sizes=to_tensor(np.array([person.size for person in people])),
    )


def _people(content: object, file: Path, skip: int | None, own: bool) -> list[_Person]:
    wanted = people_categories(entry(content, "categories", list, file), file)
    pictures = _pictures(entry(content, "images", list, file), file)
    people, seen = [], set()
    for number, person in enumerate(entry(content, "annotations", list, file)):
        if not isinstance(person, dict):
            raise ValueError(f"{file}: annotation number {number} must be an object, got {person!r:.80}")
        if identity_text(person.get("iscrowd") or 0) not in ("0", "False") or not person.get("keypoints"):
            continue
        category = identity_text(person.get("category_id"))
        if wanted and "category_id" in person and category not in wanted:
            continue
        where = Path(f"{file}, annotation {person.get('id', f'number {number}')!r}")
        if own:
            keypoints = _keypoints(person[OWN], NAPA18.num_joints, where)
            depths = numbers(person.get("depth_px", []), (NAPA18.num_joints,), where, "depth_px")
        else:
            places = wanted.get(category) or next(iter(wanted.values()), EACH)
            keypoints, depths = np.zeros((17, 3)), np.empty(0)
            keypoints[list(places)] = _keypoints(person["keypoints"], len(places), where)
        picture = pictures.get(identity_text(entry(person, "image_id", (int, float, str), where)))
        if picture is None:
            raise ValueError(f"{where} is of picture {person['image_id']!r}, which is not listed")
        box = _box(person.get("bbox"), where)
        found = _Person(_path(picture, skip, where), keypoints, depths, box, _size(picture))
        mark = (found.picture, keypoints.tobytes(), found.box.tobytes())
        if keypoints[:, 2].any() and mark not in seen:
            seen.add(mark)
            people.append(found)
    return people


def identity_text(identity: object) -> str:
    """An id as text: 7, 7.0 and "7" are one."""
    whole = isinstance(identity, float) and identity.is_integer()
    return str(int(identity)) if whole else str(identity).strip()  # type: ignore[call-overload]


def people_categories(categories: list, file: Path) -> dict[str, tuple[int, ...]]:
    """The ids of the categories of people, and of each where in COCO17 its joints stand; none where any category may be
    of people, for none says which joints it has.

    Where one lists all of COCO's joints and another some, as of a face, the other is not of people.
    """
    kinds = {identity_text(kind.get("id")): kind for kind in categories if isinstance(kind, dict)}
    told = {identity: kind["keypoints"] for identity, kind in kinds.items() if kind.get("keypoints")}
    if not told:
        return {identity: EACH for identity, kind in kinds.items() if kind.get("name") == "person"}
    places = {identity: _places(names) for identity, names in told.items()}
    most = max(map(len, places.values()))
    if not most:
        names = next(iter(told.values()))
        raise ValueError(f"{file}: the joints must be COCO's 17 or some of them, by COCO's names, got {names!r:.200}")
    return {identity: found for identity, found in places.items() if len(found) == most}


def _places(names: object) -> tuple[int, ...]:
    """Where joints of these names stand in COCO17; nowhere if one of them is none of COCO's, or there twice."""
    if not isinstance(names, list):
        return ()
    words = [re.sub(r"[\s_-]+", "_", str(name).strip().lower()) for name in names]
    known = {name: place for spelling in (COCO17.joints, _NAMES) for place, name in enumerate(spelling)}
    found = tuple(known[word] for word in words if word in known)
    return found if len(set(found)) == len(words) else ()


def as_listed_by_coco(keypoints: list, places: tuple[int, ...]) -> list:
    """x, y and flag of all 17 joints in COCO's order, from those of joints that stand at some places in it."""
    rows = dict(zip(places, zip(*[iter(keypoints)] * 3, strict=True), strict=True))
    return [value for place in EACH for value in rows.get(place, (0, 0, 0))]


def _pictures(pictures: list, file: Path) -> dict[str, dict]:
    """The listed pictures by their ids; whether a name is fit is looked at when it is needed."""
    found: dict[str, dict] = {}
    for picture in (picture for picture in pictures if isinstance(picture, dict) and "id" in picture):
        other = found.setdefault(identity_text(picture["id"]), picture)
        if other.get("file_name") != picture.get("file_name"):
            names = f"{other.get('file_name')!r:.80} and {picture.get('file_name')!r:.80}"
            raise ValueError(f"{file}: two pictures have the id {picture['id']!r}: {names}")
    return found


def _path(picture: dict, skip: int | None, where: Path) -> str:
    name = entry(picture, "file_name", str, where)
    if skip is None:
        return name
    path = relative_path(name, where)
    parts = path.split("/")[skip:]
    if not parts:
        raise ValueError(f"{where} names the picture {path!r}, expected a folder before it")
    return "/".join(parts)


def _keypoints(values: object, joints: int, where: Path) -> np.ndarray:
    keypoints = numbers(values, (3 * joints,), where, "keypoints").reshape(joints, 3)
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
