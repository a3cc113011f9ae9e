"""Figures found in paintings of several people, counted: `python -m napa_lib.evaluate.painted --results FILE`.

What is looked at is an examination: nothing is chosen by it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from napa_lib.data import load_paintings
from napa_lib.data.crops import to_picture
from napa_lib.data.painted_people import PaintedPeople, load_painted_people
from napa_lib.engine import progress
from napa_lib.evaluate.record import run_command
from napa_lib.evaluate.student import CAMERA, load_chapter, read_squares, whole_square
from napa_lib.multiperson import CrossModalNet
from napa_lib.multiperson.grouping import match_greedily
from napa_lib.multiperson.targets import ROOT
from napa_lib.pose import PoseEstimator
from napa_lib.pose.people import intersection_over_union, with_margin
from napa_lib.skeletons import NAPA18

PROGRAM = "python -m napa_lib.evaluate.painted"
REACH = 0.2  # of the longer side of a figure's box: so near its pelvis must be to be found
FITS = 0.5  # intersection over union of the joints' box and the marked one
ROOM = 2.0  # sides of a figure's box that a square has in which the chapter's networks are shown it alone


@dataclass(frozen=True, eq=False)
class Estimate:
    """P people in a picture: pelvises (P, 2) px, boxes (P, 4) round their joints, and depths (P,), of which only the
    order counts; NaN where there is none."""

    roots: Tensor
    boxes: Tensor
    depths: Tensor


@dataclass(frozen=True)
class PeopleCounts:
    """Figures that are there, those found, those of them whose box fits, people where nobody is; and pairs of found
    figures whose order of depth the eye can tell, and those of them that are in the right order."""

    there: int = 0
    found: int = 0
    fitting: int = 0
    false: int = 0
    pairs: int = 0
    right: int = 0

    def __add__(self, other: PeopleCounts) -> PeopleCounts:
        return PeopleCounts(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


def count_people(estimate: Estimate, marks: PaintedPeople) -> PeopleCounts:
    """Count an estimate against the marks of a picture.

    The nearest pelvises are matched first, each once, none farther from its mark than `REACH` times the longer side of
    the figure's box. Whoever is left over is false, unless the pelvis lies in a box of `others`. A pair of found
    figures of different ranks is right where the nearer one has the smaller depth; pairs without depth do not count.
    """
    sides = (marks.boxes[:, 2:] - marks.boxes[:, :2]).amax(1)
    distance = torch.cdist(estimate.roots, marks.roots) / sides
    pairs = match_greedily(-distance, -REACH)
    depth = {j: float(estimate.depths[i]) for i, j in pairs}
    left = [i for i in range(len(estimate.roots)) if i not in {i for i, _ in pairs}]
    told = right = 0
    for j, near in depth.items():
        for k, far in depth.items():
            if bool(marks.ranks[j] < marks.ranks[k]) and near == near and far == far:
                told, right = told + 1, right + (near < far)
    overlap = intersection_over_union(estimate.boxes, marks.boxes)
    return PeopleCounts(
        there=len(marks.roots),
        found=len(pairs),
        fitting=sum(bool(overlap[i, j] >= FITS) for i, j in pairs),
        false=sum(not _inside(estimate.roots[i], marks.others) for i in left),
        pairs=told,
        right=right,
    )


def _inside(point: Tensor, boxes: Tensor) -> bool:
    return bool(((point >= boxes[:, :2]) & (point <= boxes[:, 2:])).all(-1).any())


def by_size(marks: PaintedPeople) -> Estimate:
    """What no network is needed for: everybody where the marks are, and whoever is larger is nearer."""
    return Estimate(marks.roots, marks.boxes, 1 / (marks.boxes[:, 2:] - marks.boxes[:, :2]).amax(1))


def from_estimator(estimator: PoseEstimator, picture: Tensor, boxes: Tensor | None = None) -> Estimate:
    """What `napa pose --people many` finds in a picture (3, H, W), or reads in given boxes (P, 4).

    Its poses are relative to the pelvis and in mm: the more millimetres a pixel is, the farther away is the figure.
    """
    given = None if boxes is None else with_margin(boxes)
    people = estimator.predict(picture, given, many=True)
    points = torch.stack([person.keypoints for person in people])
    across = torch.stack([person.pose[:, :2] for person in people])
    spread = [(x - x.mean(1, keepdim=True)).flatten(1).norm(dim=1) for x in (across, points)]
    return Estimate(points[:, NAPA18.root], _boxes(points), spread[0] / spread[1])


def from_chapter(chapter: CrossModalNet, picture: Tensor, boxes: Tensor | None = None) -> dict[str, Estimate]:
    """What the chapter's student and its teacher find in a picture (3, H, W), shown whole in a square.

    Args:
        chapter: the networks.
        picture: in [0, 1].
        boxes: (P, 4) to show them one after another instead, each in the middle of a square `ROOM` times as large; of
            each square the person nearest to its middle counts.
    """
    if boxes is None:
        squares = whole_square(picture)
    else:
        middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, ROOM * (boxes[:, 2:] - boxes[:, :2]).amax(1, True) / 2
        squares = torch.cat([middle - half, middle + half], 1)
    read, grouped, matrices = read_squares(chapter, picture, squares)
    people = {"student": [(one.keypoints, one.poses[:, 0, 2]) for one in read],
              "teacher": [(one, one.new_full((len(one),), torch.nan)) for one in grouped]}  # fmt: skip
    return {name: _placed(parts, matrices, boxes is not None) for name, parts in people.items()}


def _placed(parts: list[tuple[Tensor, Tensor]], matrices: Tensor, middle: bool) -> Estimate:
    """People of several squares, (P, 15, 2) px and (P,) depths there, in the picture: all, or the middlemost of each.

    What is shown s times as large is, under weak perspective, s times as near.
    """
    points, depths = [], []
    for (joints, depth), matrix in zip(parts, matrices, strict=True):
        away = (joints[:, ROOT] - CAMERA.centre).norm(dim=-1)
        kept = away.argsort()[:1] if middle else torch.arange(len(joints))
        placed = to_picture(joints[kept].flatten(0, 1)[None], matrix[None])[0]
        points.append(placed.view(-1, *joints.shape[1:]))
        depths.append(depth[kept] / matrix[0, 0])
    whole = torch.cat(points)
    return Estimate(whole[:, ROOT], _boxes(whole), torch.cat(depths))


def _boxes(points: Tensor) -> Tensor:
    """(P, 4) round joints (P, J, 2), NaN joints left out."""
    return torch.cat([points.nan_to_num(torch.inf).amin(1), points.nan_to_num(-torch.inf).amax(1)], 1)


def measure(estimator: PoseEstimator, chapter: CrossModalNet, marks: list[PaintedPeople]) -> dict:
    """Totals of each method, and of each painting its counts and the pelvises that were found.

    "shown" are the methods that were given the marked boxes, "size" is `by_size`.
    """
    totals: dict[str, PeopleCounts] = {}
    pictures = []
    for painting in progress(marks, "paintings"):
        (picture,) = load_paintings(names=[painting.painting])
        found = {"estimator": from_estimator(estimator, picture), **from_chapter(chapter, picture)}
        shown = {"estimator": from_estimator(estimator, picture, painting.boxes)}
        shown |= from_chapter(chapter, picture, painting.boxes)
        every = found | {f"{name}, shown": one for name, one in shown.items()} | {"size": by_size(painting)}
        counts = {name: count_people(estimate, painting) for name, estimate in every.items()}
        totals = {name: totals.get(name, PeopleCounts()) + count for name, count in counts.items()}
        entry = {name: {**asdict(counts[name]), "roots": _rounded(one.roots)} for name, one in found.items()}
        pictures.append({"painting": painting.painting, **entry})
    return {"totals": {name: asdict(count) for name, count in totals.items()}, "pictures": pictures}


def _rounded(points: Tensor) -> list[list[float]]:
    return [[round(value, 1) for value in point] for point in points.tolist()]


def main(arguments: list[str] | None = None) -> None:
    """Count the figures that each method finds in the marked paintings, and write the counts."""
    found = run_command(
        PROGRAM, main.__doc__,
        lambda: measure(PoseEstimator.from_pretrained(device="cpu"), load_chapter(), load_painted_people()),
        arguments, {"reach": REACH, "fits": FITS},
    )  # fmt: skip
    for name, counts in found["totals"].items():
        print(name, counts)


if __name__ == "__main__":
    main()
