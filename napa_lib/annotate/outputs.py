"""What was marked, as other programs read it: COCO's keypoints, and the form of `napa evaluate --annotations`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napa_lib.annotate.journal import ABSENT, SEEN, Figure
from napa_lib.skeletons import ART14, COCO17, NAPA18, convert

SIDES = {"l_": "left_", "r_": "right_"}  # as COCO spells them
ART_ROW = {"file", "size", "head_box", "joints"}  # what `as_art` says of a figure, beside
AMBIGUOUS = "sides_ambiguous"
HEAD_JOINTS = ("head", "neck", "nose")  # of NAPA18, which make ART14's head top and upper neck
HEAD = 0.6  # half the side of a head's box, in distances from neck to head top


def as_coco(figures: Iterable[Figure], sizes: Mapping[str, tuple[int, int]]) -> str:
    """A file in COCO's format for keypoints, which `coco:FOLDER` reads; eyes and ears, which nobody marks, are 0.

    Beside COCO's own fields an annotation has ours: `napa18`, x, y and flag of all 18 joints, `depth_px`, and
    `sides_ambiguous`.

    Args:
        figures: what was marked.
        sizes: width and height, upright, of every picture by name.
    """
    ids = {name: number for number, name in enumerate(sizes, 1)}
    return json.dumps({
        "images": [{"id": ids[n], "file_name": n, "width": w, "height": h} for n, (w, h) in sizes.items()],
        "categories": [{
            "id": 1, "name": "person", "keypoints": [SIDES.get(j[:2], j[:2]) + j[2:] for j in COCO17.joints],
            "skeleton": [[a + 1, b + 1] for a, b in COCO17.bones],
        }],
        "annotations": [_annotation(number, figure, ids) for number, figure in enumerate(figures, 1)],
    }, ensure_ascii=False, indent=1) + "\n"  # fmt: skip


def _annotation(number: int, figure: Figure, ids: Mapping[str, int]) -> dict[str, Any]:
    flags = convert(figure.flags.float()[None, :, None].expand(-1, -1, 2).clone(), NAPA18, COCO17)[0, :, 0]
    points = _flat(convert(figure.keypoints[None], NAPA18, COCO17)[0], flags)
    low, high = (f(figure.keypoints[figure.flags > 0], 0).values for f in (torch.min, torch.max))
    width, height = (high - low).tolist()
    return {
        "id": number, "image_id": ids[figure.picture], "category_id": 1, "iscrowd": 0, "keypoints": points,
        "num_keypoints": sum(v > 0 for v in points[2::3]), "area": round(width * height, 1),
        "bbox": [round(v, 1) for v in (*low.tolist(), width, height)],
        "napa18": _flat(figure.keypoints, figure.flags),
        "depth_px": [None if z != z else round(z, 1) for z in figure.depths.tolist()],
        AMBIGUOUS: figure.ambiguous,
    }  # fmt: skip


def _flat(points: Tensor, flags: Tensor) -> list[float]:
    """x, y, flag of every joint in one list; 0, 0, 0 where it is missing."""
    rows = zip(points.tolist(), flags.tolist(), strict=True)
    return [v for (x, y), f in rows for v in ((0, 0, 0) if x != x else (round(x, 1), round(y, 1), max(1, int(f))))]


def as_art(figures: Iterable[Figure], sizes: Mapping[str, tuple[int, int]]) -> str:
    """A file of the form that `napa evaluate --annotations` reads, of the figures that `art_lacks` nothing of.

    A hidden joint is a guess and not scored; where the picture does not tell left from right, either counts.
    The head's box, by whose diagonal PCKh divides, is drawn round head top and neck: a square of `2 HEAD` of their
    distance.
    """
    rows = [_art(figure, sizes[figure.picture]) for figure in figures if not art_lacks(figure)]
    names = [name.replace("upper_neck", "neck") for name in ART14.joints]
    document = {"joint_names": names, "figures": rows}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def art_lacks(figure: Figure) -> list[str]:
    """What a figure needs before `as_art` can hold it, in words: its missing joints, or a head with a size."""
    points = convert(figure.keypoints[None], NAPA18, ART14)[0]
    needed = [name for name in NAPA18.joints if name in ART14.joints or name in HEAD_JOINTS]
    missing = [name for name in needed if figure.flags[NAPA18.index(name)] == ABSENT]
    if missing:
        return missing
    same = bool((points[ART14.index("head_top")] == points[ART14.index("upper_neck")]).all())
    return ["a head apart from neck and nose"] if same else []


def _art(figure: Figure, size: tuple[int, int]) -> dict[str, Any]:
    points = convert(figure.keypoints[None], NAPA18, ART14)[0]
    seen = convert((figure.flags == SEEN).float()[None, :, None].expand(-1, -1, 2).clone(), NAPA18, ART14)[0, :, 0] >= 1
    top, neck = points[ART14.index("head_top")], points[ART14.index("upper_neck")]
    centre, half = (top + neck) / 2, float(HEAD * (top - neck).norm())
    box = [round(v, 1) for v in (*(centre - half).tolist(), *(centre + half).tolist())]
    joints = [[round(x, 1), round(y, 1), int(s)] for (x, y), s in zip(points.tolist(), seen.tolist(), strict=True)]
    return {"file": figure.picture, "size": list(size), "head_box": box, "joints": joints,
            AMBIGUOUS: figure.ambiguous}  # fmt: skip


def is_ours(path: Path) -> bool:
    """Whether a file has the form of `as_coco` or `as_art`, in which other programs write none."""
    try:
        document = json.loads(path.read_text("utf-8"))
        if "joint_names" in document:
            rows = document["figures"]
            return set(document) == {"joint_names", "figures"} and all(
                set(row) - {AMBIGUOUS} == ART_ROW for row in rows
            )
        ours = set(document) == {"images", "categories", "annotations"}
        return ours and all("napa18" in row for row in document["annotations"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False
