"""What was marked, as a journal: each change is a line that is on the disk before the page hears that it is kept.

Nothing is ever overwritten. Two tabs that change different joints both keep what they did; of one joint the last change
counts, and the one before stays in the file. A line that a crash cut short is left out.
"""

from __future__ import annotations

import errno
import json
import math
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from napa_lib.data.art_figures import FARTHEST
from napa_lib.skeletons import NAPA18

NAME = "annotations.jsonl"
ABSENT, HIDDEN, SEEN = 0, 1, 2  # as COCO flags joints
MOST_FIGURES = 100  # of one picture
TOLD = ("removed", "ambiguous", "checked")  # of a figure, true or false
KINDS = ("", "guess", "fit", "undo", "redo")  # by hand, by the estimator, of depth, and taking one back or not


class JournalError(ValueError):
    """A journal that cannot be read, or a change that cannot be one."""


@dataclass(frozen=True)
class Edit:
    """A change of one figure.

    Attributes:
        picture: the file's name.
        figure: its number in the picture, from 0.
        joints: by name x and y in pixels of the upright picture, and ABSENT, HIDDEN or SEEN.
        depths: by name, pixels of the picture away from the viewer, the pelvis or the middle of what there is at 0;
            None takes a depth away.
        removed: whether the figure is gone; None leaves that as it is.
        ambiguous: whether the picture does not tell left from right, as with a silhouette; None leaves that as it is.
        checked: whether somebody has changed or confirmed the figure; None leaves that as it is, or says so by hand.
        kind: one of `KINDS`.
    """

    picture: str
    figure: int
    joints: Mapping[str, tuple[float, float, int]] = field(default_factory=dict)
    depths: Mapping[str, float | None] = field(default_factory=dict)
    removed: bool | None = None
    ambiguous: bool | None = None
    checked: bool | None = None
    kind: str = ""

    @classmethod
    def read(cls, value: Any) -> Edit:
        """From what JSON holds.

        Raises:
            JournalError: that says which part is wrong.
        """
        if not isinstance(value, dict) or not isinstance(value.get("picture"), str):
            raise JournalError(f"a change must be an object that names its picture, got {value!r:.80}")
        figure, told = value.get("figure"), {name: value.get(name) for name in TOLD}
        if isinstance(figure, bool) or not isinstance(figure, int) or not 0 <= figure < MOST_FIGURES:
            raise JournalError(f"figure must be a number from 0 to {MOST_FIGURES - 1}, got {figure!r:.40}")
        for name, answer in told.items():
            if answer not in (None, True, False):
                raise JournalError(f"{name} must be true, false or null, got {answer!r:.40}")
        joints = {name: _joint(name, entry) for name, entry in _named(value, "joints").items()}
        depths = {
            name: None if entry is None else _number(entry, f"the depth of {name}")
            for name, entry in _named(value, "depths").items()
        }
        kind = value.get("kind", "")
        if kind not in KINDS:
            raise JournalError(f"kind must be one of {KINDS}, got {kind!r:.40}")
        return cls(value["picture"], figure, joints, depths, **told, kind=kind)

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        told = {name: getattr(self, name) for name in TOLD}
        return {"picture": self.picture, "figure": self.figure, "joints": dict(self.joints),
                "depths": dict(self.depths), **told, "kind": self.kind}  # fmt: skip


def _named(value: dict, part: str) -> dict:
    found = value.get(part) or {}
    if not isinstance(found, dict) or not set(found) <= set(NAPA18.joints):
        raise JournalError(f"{part} must be an object of joints of NAPA18, got {found!r:.80}")
    return found


def _joint(name: str, entry: Any) -> tuple[float, float, int]:
    if not isinstance(entry, (list, tuple)) or len(entry) != 3 or entry[2] not in (ABSENT, HIDDEN, SEEN):
        raise JournalError(f"{name} must be x, y and 0, 1 or 2 (absent, hidden, seen), got {entry!r:.60}")
    return _number(entry[0], f"x of {name}"), _number(entry[1], f"y of {name}"), int(entry[2])


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise JournalError(f"{what} must be a finite number, got {value!r:.40}")
    if abs(value) > FARTHEST:
        raise JournalError(f"{what} must be within {FARTHEST:.0f} pixels, got {value!r:.40}")
    return float(value)


@dataclass(frozen=True, eq=False)
class Figure:
    """What all changes of a figure come to, J = 18 joints of NAPA18."""

    picture: str
    number: int
    keypoints: Tensor  # (18, 2) pixels, NaN where absent
    flags: Tensor  # (18,) int, ABSENT, HIDDEN or SEEN
    depths: Tensor  # (18,) pixels away from the viewer, NaN where nobody said
    ambiguous: bool = False  # whether the picture does not tell left from right
    checked: bool = True  # whether somebody has changed or confirmed it: until then it is the estimator's guess


def fold(edits: Iterable[Edit]) -> list[Figure]:
    """The figures that are there after all changes, by picture and number; those without any joint are left out."""
    states: dict[tuple[str, int], dict[str, dict]] = {}
    for edit in edits:
        state = states.setdefault((edit.picture, edit.figure), {"joints": {}, "depths": {}, "told": {}})
        state["joints"].update(edit.joints)
        state["depths"].update(edit.depths)
        state["told"] |= {name: v for name in TOLD if (v := getattr(edit, name)) is not None}
        if not edit.kind:
            state["told"]["checked"] = True
    figures = [_figure(*key, state) for key, state in sorted(states.items()) if not state["told"].get("removed")]
    return [figure for figure in figures if bool((figure.flags > ABSENT).any())]


def _figure(picture: str, number: int, state: Mapping[str, Mapping]) -> Figure:
    rows = [state["joints"].get(name, (math.nan, math.nan, ABSENT)) for name in NAPA18.joints]
    flags = torch.tensor([row[2] for row in rows])
    keypoints = torch.tensor([row[:2] for row in rows]).masked_fill(flags[:, None] == ABSENT, torch.nan)
    known = {name: depth for name, depth in state["depths"].items() if depth is not None}
    depths = torch.tensor([known.get(name, math.nan) for name in NAPA18.joints]).masked_fill(flags == ABSENT, torch.nan)
    told = state["told"]
    return Figure(picture, number, keypoints, flags, depths, bool(told.get("ambiguous")), bool(told.get("checked")))


class Journal:
    """The journal of a folder, held by one process at a time.

    Args:
        folder: where `annotations.jsonl` is or will be.

    Raises:
        JournalError: if a line before the last cannot be read, or another process holds it.
        OSError: if it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._guard = threading.Lock()
        self._file = self.path.open("ab+", buffering=0)
        try:
            hold(self._file)
            self.edits = self._read()
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> list[Edit]:
        self._file.seek(0)
        content = self._file.read() or b""
        *lines, last = content.split(b"\n")
        edits = []
        for number, line in enumerate(lines, 1):
            try:
                edits.append(Edit.read(json.loads(line)))
            except ValueError as error:
                raise JournalError(f"{self.path}, line {number}: {error}") from None
        if last:
            try:  # an editor may leave the last line without its end
                edits.append(Edit.read(json.loads(last)))
                self._file.write(b"\n")
            except ValueError:  # a crash cut it short
                self._file.truncate(len(content) - len(last))
        return edits

    def add(self, *edits: Edit) -> int:
        """Keep changes, all or none; they are on the disk when this returns how many there are. OSError if they could
        not be written."""
        lines = b"".join(json.dumps(edit.record(), ensure_ascii=False).encode() + b"\n" for edit in edits)
        with self._guard:
            before = self._file.seek(0, os.SEEK_END)
            try:
                if self._file.write(lines) != len(lines):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._file.fileno())
            except OSError:  # a full disk: what follows must not be written behind half a line
                self._file.truncate(before)
                raise
            self.edits.extend(edits)
            return len(self.edits)

    def figures(self) -> list[Figure]:
        """What all changes come to."""
        return fold(tuple(self.edits))

    def close(self) -> None:
        """Let others have it."""
        self._file.close()


def hold(file: IO[bytes]) -> None:
    """Keep a file for this process until it is closed; JournalError if another one has it."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise JournalError(f"{file.name} is in use: another napa annotate works in this folder") from None
