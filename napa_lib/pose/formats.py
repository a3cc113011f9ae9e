"""Poses as other programs read them: COCO's results, OpenPose's people, a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napa_lib.pose.estimator import PoseResult, least_sure
from napa_lib.skeletons import BODY25, COCO17, NAPA18, Skeleton, convert

PERSON = 1  # COCO's category
COLUMNS = (
    "file", "figure", "joint_set", "joint", "x_px", "y_px", "x_mm", "y_mm", "z_mm", "confidence",
)  # fmt: skip
TOGETHER = {"coco": "coco.json", "openpose": "openpose.json", "csv": "poses.csv"}  # and poses.json, of all figures
NAMES = {"coco": "coco.json", "openpose": "openpose.json", "csv": "pose.csv"}  # beside a figure's pose.json


def in_joint_set(result: PoseResult, skeleton: Skeleton) -> PoseResult:
    """A figure with NAPA18's joints, in another joint set; what cannot be had is NaN, confidence 0."""
    return replace(
        result,
        keypoints=convert(result.keypoints[None], NAPA18, skeleton)[0],
        pose=convert(result.pose[None], NAPA18, skeleton)[0],
        confidence=least_sure(result.confidence[None], skeleton)[0],
        skeleton=skeleton,
    )


def as_coco(result: PoseResult, record: dict[str, Any], number: int = 1) -> str:
    """A list of one result in COCO's format for keypoints, for `pycocotools`' `loadRes`; `file_name` is ours.

    Eyes and ears, which NAPA18 does not have, are (0, 0, 0). Source: https://cocodataset.org/#format-results.
    """
    body = in_joint_set(result, COCO17)
    points = [v for x, y in body.keypoints.tolist() for v in ((0, 0, 0) if x != x else (round(x, 1), round(y, 1), 1))]
    picture = record["picture"]
    entry = {
        "image_id": coco_image_id(picture["file"], picture["sha256"]), "category_id": PERSON, "keypoints": points,
        "score": round(result.mean_confidence, 4), "file_name": picture["file"],
    }  # fmt: skip
    return json.dumps([entry], ensure_ascii=False) + "\n"


def coco_image_id(file: str, sha256: str) -> int:
    """The number in the file's name where that is a number, as in COCO itself; else one made of the file's content.

    >>> coco_image_id("000000397133.jpg", "0" * 64), coco_image_id("lisa.jpg", "f" * 64)
    (397133, 2147483647)
    """
    stem = Path(file).stem
    return int(stem) if stem.isascii() and stem.isdigit() and len(stem) <= 15 else _content_id(sha256)


def _content_id(sha256: str) -> int:
    return int(sha256[:8], 16) >> 1


def as_openpose(result: PoseResult, record: dict[str, Any], number: int = 1) -> str:
    """A frame of one person as OpenPose writes it with its model BODY_25: x, y and confidence of 25 joints, 0 where
    missing. Source: OpenPose, doc/02_output.md."""
    body = in_joint_set(result, BODY25)
    known = ~body.keypoints.isnan().any(-1, keepdim=True)
    points = torch.cat([body.keypoints, body.confidence[:, None]], -1).where(known, 0.0)
    person = {"person_id": [-1], "pose_keypoints_2d": [round(v, 3) for v in points.flatten().tolist()]}
    person |= {key: [] for key in ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d")}
    return json.dumps({"version": 1.3, "people": [person]}) + "\n"


def as_csv(result: PoseResult, record: dict[str, Any], number: int = 1) -> str:
    """A row a joint, in the joint set that was asked for; empty where a joint cannot be had.

    `number` counts the picture's figures from 1.
    """
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(COLUMNS)
    for joint in record["joints"]:
        places = [*(joint["keypoint_px"] or [""] * 2), *(joint["position_mm"] or [""] * 3)]
        where = record["picture"]["file"], number, record["joint_set"], joint["name"]
        rows.writerow([*where, *places, joint["confidence"]])
    return buffer.getvalue()


WRITERS: dict[str, Callable[[PoseResult, dict[str, Any], int], str]] = {
    "coco": as_coco, "openpose": as_openpose, "csv": as_csv,
}  # fmt: skip


def combine(folders: Iterable[Path], formats: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """One file of all the figures whose folders lie in one, for `pose.json` and each format.

    Args:
        folders: with `pose.json` and the formats' files in each; what is missing is left out.
        formats: of `NAMES`.

    Returns:
        name -> text, and sentences on what stands there otherwise than in the figures' own files.
    """
    records = {folder: _record(folder, text) for folder, text in _read(sorted(folders), "pose.json")}
    figures = [{"folder": folder.name, **record} for folder, record in records.items()]
    texts = {"poses.json": json.dumps({"figures": figures}, indent=1, ensure_ascii=False) + "\n"}
    parts = {name: list(_read(records, NAMES[name])) for name in formats}
    notes: list[str] = []
    if "coco" in formats:
        owned = [(records[f]["picture"]["sha256"], result) for f, text in parts["coco"] for result in json.loads(text)]
        results, notes = apart(owned)
        texts[TOGETHER["coco"]] = json.dumps(results, ensure_ascii=False) + "\n"
    if "openpose" in formats:
        frames = [{"folder": folder.name, **json.loads(text)} for folder, text in parts["openpose"]]
        texts[TOGETHER["openpose"]] = json.dumps(frames, ensure_ascii=False) + "\n"
    if "csv" in formats:
        texts[TOGETHER["csv"]] = _one_table((folder.name, text) for folder, text in parts["csv"])
    return texts, notes


def apart(results: Sequence[tuple[str, dict[str, Any]]]) -> tuple[list[dict[str, Any]], list[str]]:
    """COCO's results for one file: different pictures that would share an `image_id` get one made of their content.

    Args:
        results: the SHA-256 of a figure's picture, and its result.

    Returns:
        the results, and a sentence for each `image_id` that was shared.
    """
    pictures: dict[int, dict[str, str]] = {}
    for sha256, result in results:
        pictures.setdefault(result["image_id"], {})[sha256] = result["file_name"]
    shared = {number: list(names.values()) for number, names in pictures.items() if len(names) > 1}
    notes = [
        f"{TOGETHER['coco']}: {len(names)} different pictures ({', '.join(names)}) would have the image_id {number}; "
        "each has one made of its content instead"
        for number, names in shared.items()
    ]
    return [r | {"image_id": _content_id(s)} if r["image_id"] in shared else r for s, r in results], notes


def _one_table(tables: Iterable[tuple[str, str]]) -> str:
    """Rows of many figures, each with the folder of its figure: two pictures may have one name."""
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow([*COLUMNS, "folder"])
    for folder, text in tables:
        rows.writerows([*row, folder] for row in list(csv.reader(io.StringIO(text)))[1:])
    return buffer.getvalue()


def names_together(formats: Iterable[str]) -> list[str]:
    """The files that `combine` makes."""
    return ["poses.json", *(TOGETHER[name] for name in formats)]


def is_combined(file: Path) -> bool:
    """Whether a file has the form of what `combine` makes under this name."""
    try:
        text = file.read_text("utf-8")
        if file.name == TOGETHER["csv"]:
            return text.startswith(",".join(COLUMNS))
        content = json.loads(text)
        if file.name == "poses.json":
            return set(content) == {"figures"} and all("folder" in figure for figure in content["figures"])
        mark = "file_name" if file.name == TOGETHER["coco"] else "folder"
        return isinstance(content, list) and all(mark in entry for entry in content)
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _record(folder: Path, text: str) -> dict[str, Any]:
    record = json.loads(text)
    picture = record.get("picture") if isinstance(record, dict) else None
    if not isinstance(picture, dict) or not isinstance(picture.get("sha256"), str):
        raise ValueError(f"{folder / 'pose.json'} is none of napa pose's; move it out of there")
    return record


def _read(folders: Iterable[Path], name: str) -> Iterable[tuple[Path, str]]:
    for folder in folders:
        if (folder / name).is_file():
            yield folder, (folder / name).read_text("utf-8")
