"""What the page asks for: a folder's pictures, their figures, the estimator's guess, and the files that come out."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napa_lib.annotate.inputs import FAINT, flags_of, read_marks
from napa_lib.annotate.journal import HIDDEN, MOST_FIGURES, NAME, SEEN, Edit, Figure, Journal, JournalError, fold
from napa_lib.annotate.outputs import art_lacks, as_art, as_coco, is_ours
from napa_lib.annotate.pseudo_depth import in_millimetres, pseudo_depth, strained_limbs
from napa_lib.data import PictureError
from napa_lib.engine import progress
from napa_lib.files import write_text
from napa_lib.lifting import load_depth_net
from napa_lib.pose import PoseEstimator, open_picture
from napa_lib.pose.estimator import PoseResult
from napa_lib.pose.files import advice, pictures_in, unreadable_in, why_unread
from napa_lib.pose.people import OVERLAP, intersection_over_union, with_margin
from napa_lib.pose.record import describe, describe_picture
from napa_lib.skeletons import NAPA18

COCO, ART, POSES = "annotations.json", "figures.json", "poses"
UNSURE = 0.25  # confidence of a hidden joint in `pose.json`, which calls it doubtful
SHOWN = 1600  # pixels, longer side of what the page is shown


class Desk:
    """A folder of pictures and its journal. Where the journal is gone, `annotations.json` that it made is taken in.

    Args:
        folder: the pictures; the journal and what comes out lie beside them.
        estimator: for guesses; the one that ships, once it is needed.

    Raises:
        ValueError: if the folder is missing or holds no picture, its journal cannot be read, or a file of another
            program's would be written over.
    """

    def __init__(self, folder: Path, estimator: PoseEstimator | None = None) -> None:
        if not folder.is_dir():
            raise JournalError(f"{folder} is no folder")
        self.folder, self.estimator = folder, estimator
        self.sizes: dict[str, tuple[int, int]] = {}
        self.unread: list[str] = []
        for path in progress(pictures_in(folder), "pictures"):
            try:
                path.name.encode()
                self.sizes[path.name] = open_picture(path).size
            except UnicodeEncodeError:
                self.unread.append(f"{str(path)!r}: the name is not UTF-8; give it another")
            except PictureError as error:
                self.unread.append(why_unread(path, error))
        self.unread += [f"{str(path)!r}: {advice(path)}" for path in unreadable_in(folder)]
        if not self.sizes:
            raise JournalError(f"{folder} holds no picture that can be read" + "".join(f"; {e}" for e in self.unread))
        refuse_foreign(folder)
        self.journal = Journal(folder)
        for name in sorted({figure.picture for figure in self.journal.figures()} - set(self.sizes)):
            self.unread.append(f"{name!r} was marked and cannot be read now: the files leave its figures out")
        self._thinking = threading.Lock()  # one guess at a time
        self._writing = threading.Lock()
        if not self.journal.edits and (folder / COCO).exists():
            self.unread += self.take([folder / COCO])[1:]

    def take(self, paths: Sequence[Path]) -> list[str]:
        """Add the figures of COCO's files and `pose.json`s to those pictures in which nothing was marked before.

        `A.PNG` in a file is `a.png` in the folder, where neither has another picture of that name in any case.

        Returns:
            a sentence on what was taken, and one on each picture whose figures were not.

        Raises:
            ValueError: if a file cannot be read; nothing is added then.
        """
        marks = [mark for path in paths for mark in read_marks(path)]
        before, added, said = {edit.picture for edit in self.journal.edits}, Counter[str](), {}
        edits: list[Edit] = []
        here = self._spelled_here({mark.picture for mark in marks})
        for mark in marks:
            name = here.get(mark.picture, mark.picture)
            if name not in self.sizes:
                said[name] = "there is no such picture"
            elif name in before:
                said[name] = "figures were marked in it before"
            elif mark.size[0] == mark.size[0] and mark.size != self.sizes[name]:
                (width, height), told = self.sizes[name], mark.size
                said[name] = f"it is {width} x {height} upright, there it was {told[0]:.0f} x {told[1]:.0f}"
            elif added[name] == MOST_FIGURES:
                said[name] = f"of its figures the first {MOST_FIGURES} were taken"
            else:
                try:
                    edits.append(Edit.read(mark.edit(name, added[name]).record()))
                    added[name] += 1
                except JournalError as error:
                    said[name] = f"of its figures one could not be taken: {error}"
        self.journal.add(*edits)
        first = f"took {added.total()} figures of {len(added)} pictures"
        return [first, *(f"{name!r} was left out: {reason}" for name, reason in sorted(said.items()))]

    def _spelled_here(self, names: set[str]) -> dict[str, str]:
        """The folder's pictures by other spellings of their names, as far as it is plain which is which."""
        ours, theirs = (Counter(map(str.lower, some)) for some in (self.sizes, names))
        plain = {name.lower(): name for name in names if theirs[name.lower()] == 1}
        return {plain[own.lower()]: own for own in self.sizes if ours[own.lower()] == 1 and own.lower() in plain}

    def pictures(self) -> list[dict[str, Any]]:
        """Name, width and height of each."""
        return [{"name": name, "width": w, "height": h} for name, (w, h) in self.sizes.items()]

    def image(self, number: int) -> bytes:
        """A picture as JPEG, at most `SHOWN` pixels long."""
        pixels = open_picture(self.folder / self._name(number)).pixels.copy()
        pixels.thumbnail((SHOWN, SHOWN))
        buffer = io.BytesIO()
        pixels.save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    def _name(self, number: int) -> str:
        if not 0 <= number < len(self.sizes):
            raise JournalError(f"there are pictures 0 to {len(self.sizes) - 1}, got {number}")
        return list(self.sizes)[number]

    def keep(self, edit: Edit) -> int:
        """Add a change to the journal; how many there are."""
        if edit.picture not in self.sizes:
            raise JournalError(f"there is no picture {edit.picture!r:.80} in {self.folder}")
        return self.journal.add(Edit.read(edit.record()))  # a guess, too: what the journal would refuse to read

    def since(self, number: int) -> list[dict[str, Any]]:
        """The changes behind the first `number`, as JSON holds them."""
        return [edit.record() for edit in self.journal.edits[max(0, number) :]]

    def guess(self, number: int, box: Sequence[float] | None = None, first: bool = False) -> dict[str, int | None]:
        """Let the estimator mark a new figure: in a box if one is given, else the likeliest that is not marked yet.

        Args:
            number: of the picture.
            box: x0, y0, x1, y1.
            first: only if nothing was ever marked there, so that two tabs that open a picture guess once.

        Returns:
            "last", how many changes there are then, and "figure", the new one's number, None where there is none.

        Raises:
            JournalError: if the box is none, or no other figure is found.
        """
        name = self._name(number)
        if box is not None and (not isinstance(box, (list, tuple)) or len(box) != 4):
            raise JournalError(f"box must be x0, y0, x1, y1, got {box!r:.80}")
        with self._thinking:
            taken = {edit.figure for edit in self.journal.edits if edit.picture == name}
            if first and taken:
                return {"last": len(self.journal.edits), "figure": None}
            found = self._look(name, box)
            flags = flags_of(found.confidence)
            if int((found.confidence >= FAINT).sum()) <= 3:  # something to drag, in any case
                flags = flags.clamp_min(HIDDEN)
            joints = {
                joint: (round(x, 1), round(y, 1), flag)
                for joint, (x, y), flag in zip(NAPA18.joints, found.keypoints.tolist(), flags.tolist(), strict=True)
                if x == x and flag
            }
            figure = max(taken, default=-1) + 1
            return {"last": self.keep(Edit(name, figure, joints, kind="guess")), "figure": figure}

    def _look(self, name: str, box: Sequence[float] | None) -> PoseResult:
        if self.estimator is None:
            self.estimator = PoseEstimator.from_pretrained()
        path = self.folder / name
        if box is not None:
            return self.estimator.predict(path, with_margin(torch.tensor([[float(v) for v in box]])))[0]
        marked = [_bounds(figure.keypoints) for figure in self.journal.figures() if figure.picture == name]
        if not marked:
            return self.estimator.predict(path)[0]
        for found in self.estimator.predict(path, many=True):
            if float(intersection_over_union(_bounds(found.keypoints)[None], torch.stack(marked)).max()) < OVERLAP:
                return found
        raise JournalError("no other figure is found; drag a box round one")

    def fit(self, picture: str, number: int) -> dict[str, Any]:
        """Give a figure pseudo-3D depths and keep them; what is doubtful about them, in words."""
        figure = self._figure(picture, number)
        found = pseudo_depth(figure.keypoints, *self._depth_net())
        depths = {j: round(z, 1) for j, z in zip(NAPA18.joints, found.depths.tolist(), strict=True) if z == z}
        last = self.keep(Edit(picture, number, depths=depths, kind="fit"))
        return {"last": last, "strained": strained_limbs(found.pose), "too_long": int(found.too_long.sum())}

    def strained(self, edit: Edit) -> list[str]:
        """The limbs of a figure whose depth was changed that no body could bring where they are then."""
        figures = self._folded(edit.picture, edit.figure) if edit.depths else []
        return [limb for f in figures for limb in strained_limbs(torch.cat([f.keypoints, f.depths[:, None]], 1))]

    def _folded(self, picture: str, number: int) -> list[Figure]:
        """One figure of a picture, if it is there."""
        return fold([e for e in self.journal.edits if e.picture == picture and e.figure == number])

    def _figure(self, picture: str, number: int) -> Figure:
        for figure in self._folded(picture, number):
            return figure
        raise JournalError(f"{picture!r:.80} has no figure {number}")

    def _depth_net(self):
        if self.estimator is not None:
            return self.estimator.depth_net, self.estimator.standardizer
        return load_depth_net()

    def write(self) -> list[Path]:
        """Write what was marked: COCO's file, the one for `napa evaluate`, and a `pose.json` of each fitted figure.

        What an earlier call wrote and nobody marks any more goes: the two files are then written without a figure,
        and a figure's `pose.json` is removed.
        """
        with self._writing:
            figures = [figure for figure in self._figures() if figure.checked]
            fit = [figure for figure in figures if not art_lacks(figure)]
            texts = {}
            for name, marked, write in ((COCO, figures, as_coco), (ART, fit, as_art)):
                if marked or self.journal.edits and (self.folder / name).exists():
                    texts[name] = write(marked, self.sizes)
            for figure in figures:
                if bool(figure.depths[figure.flags > 0].isfinite().any()):
                    texts[_pose_name(figure)] = self._pose(figure)
            for name, text in texts.items():
                write_text(self.folder / name, text)
            for name in {_pose_name(edit) for edit in self.journal.edits if edit.picture in self.sizes} - set(texts):
                (self.folder / name).unlink(missing_ok=True)
            return [self.folder / name for name in texts]

    def left_out(self) -> list[str]:
        """What the files are without, in sentences: guesses that nobody looked at, and, in `figures.json`, figures that
        `napa evaluate` could not measure."""
        figures = self._figures()
        guesses = sum(not figure.checked for figure in figures)
        said = [f"guesses left out until somebody changes or confirms them: {guesses}"] if guesses else []
        return said + [
            f"{figure.picture}, figure {figure.number + 1} is left out of {ART}: it lacks {', '.join(lacking)} "
            "(put a joint that cannot be seen where it must be, and call it hidden)"
            for figure in figures
            if figure.checked and (lacking := art_lacks(figure))
        ]

    def _figures(self) -> list[Figure]:
        return [figure for figure in self.journal.figures() if figure.picture in self.sizes]

    def _pose(self, figure: Figure) -> str:
        """A figure as `napa pose` writes it, in mm by the lengths of a body's bones, the pelvis at the origin."""
        pose = in_millimetres(figure.keypoints, figure.depths, self._depth_net()[1].length)
        points = figure.keypoints[figure.flags > 0]
        sure = torch.where(figure.flags == SEEN, 1.0, torch.where(figure.flags == HIDDEN, UNSURE, 0.0))
        box = (*points.amin(0).tolist(), *points.amax(0).tolist())
        result = PoseResult(figure.keypoints, pose, sure, box, NAPA18)
        picture = describe_picture(self.folder / figure.picture, self.sizes[figure.picture])
        return json.dumps(describe(result, picture, found=False), ensure_ascii=False, indent=1) + "\n"


def refuse_foreign(folder: Path) -> None:
    """JournalError where a folder in which nobody has marked anything holds another program's file of our names."""
    journal = folder / NAME
    if journal.is_file() and journal.stat().st_size:
        return
    for name in (COCO, ART):
        if (folder / name).exists() and not is_ours(folder / name):
            raise JournalError(
                f"{folder / name} is not of napa annotate's making and would be written over; move it. "
                "--from takes figures of COCO's files and of pose.json in"
            )
    if (folder / ART).exists() and not (folder / COCO).exists():
        raise JournalError(f"{folder / ART} holds figures without {COCO}, and would be written over; move it")


def _bounds(keypoints: Tensor) -> Tensor:
    """x0, y0, x1, y1 round the joints that are there."""
    there = keypoints[keypoints.isfinite().all(-1)]
    return torch.cat([there.amin(0), there.amax(0)])


def _pose_name(figure: Figure | Edit) -> str:
    number = figure.number if isinstance(figure, Figure) else figure.figure
    return f"{POSES}/{figure.picture}-{number + 1}.json"
