"""The CMU motion-capture database: a skeleton in an .asf file, its movement in .amc files, both plain text.

A bone has a direction and a length at rest and an axis frame C; turned by R about its own axes it points along

    M = M_parent C R C^-1,  end = start + M (length direction)

with lengths in units of 1 inch / 0.45, the default of the files' own scale.

Source: mocap.cs.cmu.edu; the format is Acclaim's (Schafer, 1994).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napa_lib.data.datasets.files import numbers, read_text

INCH = 25.4  # mm
# At which bone's end each joint of a pose is; `thorax` is the middle of the shoulders.
JOINTS = {
    "pelvis": "root", "r_hip": "rhipjoint", "r_knee": "rfemur", "r_ankle": "rtibia", "l_hip": "lhipjoint",
    "l_knee": "lfemur", "l_ankle": "ltibia", "neck": "thorax", "head": "head", "l_shoulder": "lclavicle",
    "l_elbow": "lhumerus", "l_wrist": "lradius", "r_shoulder": "rclavicle", "r_elbow": "rhumerus", "r_wrist": "rradius",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bone:
    """One bone at rest: direction times length in mm, the rotation C of its axes, and which angles it has."""

    name: str
    parent: str
    offset: np.ndarray
    axes: np.ndarray
    freedom: tuple[str, ...]


def read_cmu_mocap(asf: str | os.PathLike, amc: str | os.PathLike) -> dict[str, Tensor]:
    """One clip: the places of all bones' ends.

    Args:
        asf: the subject's skeleton, such as `07.asf`.
        amc: one of the subject's movements, such as `07_01.amc`.

    Returns:
        bone -> (F, 3) mm, world axes with y up; "root" is the pelvis's place. `JOINTS` names those of a pose.

    Raises:
        ValueError: naming the file and what is wrong with it.
    """
    bones, scale = _read_skeleton(Path(asf))
    frames = _read_frames(Path(amc))
    count = len(frames["root"])
    root = numbers(frames["root"], (count, 6), Path(amc), "root")
    turned = {"root": _rotation(root[:, 3:])}
    places = {"root": root[:, :3] * scale}
    for bone in bones:  # parents stand before their children
        angles = np.zeros((count, 3))
        if bone.freedom:
            values = numbers(frames.get(bone.name), (count, len(bone.freedom)), Path(amc), bone.name)
            angles[:, [["rx", "ry", "rz"].index(name) for name in bone.freedom]] = values
        turned[bone.name] = turned[bone.parent] @ bone.axes @ _rotation(angles) @ bone.axes.T
        places[bone.name] = places[bone.parent] + turned[bone.name] @ bone.offset
    return {name: torch.tensor(place, dtype=torch.float32) for name, place in places.items()}


def _rotation(degrees: np.ndarray) -> np.ndarray:
    """R_z R_y R_x of angles (..., 3) about x, y and z in degrees: first x, then y, then z; (..., 3, 3)."""
    x, y, z = np.moveaxis(np.radians(degrees), -1, 0)
    one, zero = np.ones_like(x), np.zeros_like(x)

    def matrix(*rows: tuple) -> np.ndarray:
        return np.stack([np.stack(row, -1) for row in rows], -2)

    about_x = matrix((one, zero, zero), (zero, np.cos(x), -np.sin(x)), (zero, np.sin(x), np.cos(x)))
    about_y = matrix((np.cos(y), zero, np.sin(y)), (zero, one, zero), (-np.sin(y), zero, np.cos(y)))
    about_z = matrix((np.cos(z), -np.sin(z), zero), (np.sin(z), np.cos(z), zero), (zero, zero, one))
    return about_z @ about_y @ about_x


def _read_skeleton(file: Path) -> tuple[list[Bone], float]:
    """The bones, parents first, and mm a unit of length."""
    sections: dict[str, list[list[str]]] = {}
    for line in read_text(file).splitlines():
        words = line.split("#")[0].split()
        if words and words[0].startswith(":"):
            sections[words[0]] = current = []
        elif words and sections:
            current.append(words)
    if not {":units", ":bonedata", ":hierarchy"} <= sections.keys():
        raise ValueError(f"{file} must have :units, :bonedata and :hierarchy, got {sorted(sections)}")
    units = {words[0]: words[1:] for words in sections[":units"]}
    if units.get("angle", ["deg"]) != ["deg"]:
        raise ValueError(f"{file} must have angles in degrees, got {units['angle']}")
    length = float(numbers(units.get("length"), (1,), file, "length")[0])
    if not 0 < length < np.inf:
        raise ValueError(f"{file} must have a positive unit of length, got {length}")
    scale = INCH / length
    parents = {child: words[0] for words in sections[":hierarchy"] for child in words[1:]}
    bones = {bone.name: bone for bone in _bones(sections[":bonedata"], parents, scale, file)}
    ordered: list[Bone] = []
    placed = {"root"}
    while len(ordered) < len(bones):
        ready = [bone for bone in bones.values() if bone.name not in placed and bone.parent in placed]
        if not ready:
            raise ValueError(f"{file}: the hierarchy does not lead from root to every bone")
        ordered += ready
        placed |= {bone.name for bone in ready}
    return ordered, scale


def _bones(lines: list[list[str]], parents: dict[str, str], scale: float, file: Path) -> list[Bone]:
    found: list[dict[str, list[str]]] = []
    for words in lines:
        if words[0] == "begin":
            found.append({})
        elif found and words[0] != "end":
            found[-1].setdefault(words[0], words[1:])
    bones = []
    for values in found:
        name = " ".join(values.get("name", []))
        if name not in parents:
            raise ValueError(f"{file}: bone {name!r} is in no hierarchy")
        direction = numbers(values.get("direction"), (3,), file, f"direction of {name}")
        length = numbers(values.get("length"), (1,), file, f"length of {name}")[0] * scale
        axes = _rotation(numbers(values.get("axis", [])[:3], (3,), file, f"axis of {name}"))
        freedom = tuple(values.get("dof", ()))
        if not set(freedom) <= {"rx", "ry", "rz"}:
            raise ValueError(f"{file}: dof of {name} must be among rx, ry, rz, got {freedom}")
        bones.append(Bone(name, parents[name], direction * length, axes, freedom))
    return bones


def _read_frames(file: Path) -> dict[str, list[list[str]]]:
    """Bone -> a row of numbers for each frame."""
    rows: dict[str, list[list[str]]] = {}
    count = 0
    for line in read_text(file).splitlines():
        words = line.split()
        if not words or words[0].startswith(("#", ":")):
            continue
        if len(words) == 1 and words[0].isdigit():
            count += 1
        elif count:
            rows.setdefault(words[0], []).append(words[1:])
    if not count or any(len(values) != count for values in rows.values()) or "root" not in rows:
        raise ValueError(f"{file} must have frames with a root, and each bone once in every frame")
    return rows
