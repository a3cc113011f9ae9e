"""How well every figure of a picture is found: `python -m napa_lib.evaluate.finding --help`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import loop
from napa_lib.data import ArtFigure, load_art_figures, resize
from napa_lib.data.clips import Clips
from napa_lib.data.sources import open_clips
from napa_lib.engine import progress
from napa_lib.pose import PoseEstimator
from napa_lib.pose.estimator import PoseResult
from napa_lib.pose.people import intersection_over_union

ENOUGH = 0.5  # intersection over union from which a box is a figure's


@dataclass(frozen=True)
class Counts:
    """Figures that are there, those of them that were found, and boxes that are no figure's."""

    there: int = 0
    found: int = 0
    false: int = 0

    @property
    def recall(self) -> float:
        """Share of the figures that were found; NaN where there are none."""
        return self.found / self.there if self.there else float("nan")

    @property
    def precision(self) -> float:
        """Share of the boxes that are a figure's; NaN where there are no boxes."""
        boxes = self.found + self.false
        return self.found / boxes if boxes else float("nan")

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.there + other.there, self.found + other.found, self.false + other.false)


def match(boxes: Tensor, figures: Tensor) -> Counts:
    """Count boxes (N, 4), the surest first, against figures (M, 4): each figure is found once, by the first that fits.

    Source: the protocol of PASCAL VOC (Everingham et al., 2010), at an intersection over union of 0.5.

    >>> match(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [5, 5, 6, 6]]), torch.tensor([[0.0, 0, 2, 2], [8, 8, 9, 9]]))
    Counts(there=2, found=1, false=2)
    """
    overlap = intersection_over_union(boxes, figures)
    free = torch.ones(len(figures), dtype=torch.bool)
    found = 0
    for row in overlap:
        best = (row * free).max(0) if len(figures) else None
        if best is not None and best.values >= ENOUGH:
            free[best.indices] = False
            found += 1
    return Counts(len(figures), found, len(boxes) - found)


def figure_boxes(estimator: PoseEstimator, picture: Tensor) -> Tensor:
    """The figures that are found in a picture (3, H, W), each as an annotator would draw its box, (N, 4).

    That is round all of its joints, seen or guessed, cut at the picture's edges.
    """
    return within(estimator.predict(picture, many=True), picture)


def within(people: Sequence[PoseResult], picture: Tensor) -> Tensor:
    """The part of each figure's box that lies in a picture (3, H, W), (N, 4)."""
    edges = torch.tensor([picture.shape[2] - 1.0, picture.shape[1] - 1.0])
    joints = [torch.minimum(r.keypoints.clamp_min(0), edges) for r in people]
    return torch.stack([torch.cat([points.amin(0), points.amax(0)]) for points in joints])


def scene(frames: Sequence[Tensor], keypoints: Sequence[Tensor], size: int) -> tuple[Tensor, Tensor]:
    """Four pictures of one person each, (3, S, S), side by side: a picture (3, 2 size, 2 size) and its boxes (4, 4)."""
    tiles = [resize(frame, (size, size)).clamp(0, 1) for frame in frames]
    picture = torch.cat([torch.cat(tiles[:2], 2), torch.cat(tiles[2:], 2)], 1)
    corners = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]]) * size
    boxes = []
    for frame, points, corner in zip(frames, keypoints, corners, strict=True):
        placed = (points[~points.isnan().any(-1)] + 0.5) * size / frame.shape[-1] - 0.5 + corner
        boxes.append(torch.cat([placed.amin(0), placed.amax(0)]))
    return picture, torch.stack(boxes)


def scenes(clips: Clips, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Some `scene`s of 512 pixels, each of four clips that lie apart."""
    for number in progress(range(count), "scenes"):
        rows = torch.arange(4 * number, 4 * number + 4) * 7 % len(clips)
        yield scene(list(clips.images[rows, 0] / 255), list(clips.keypoints[rows, 0]), 256)


def main(arguments: list[str] | None = None) -> None:
    """Count found, missed and false figures on scenes of four synthetic people, and on annotated figures."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.evaluate.finding", description=main.__doc__)
    parser.add_argument("--clips", default="synthetic:validation", help="people to put together, as `open_clips` names")
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--annotations", type=Path, help="a file of annotated figures, one of each picture is counted")
    options = parser.parse_args(arguments)
    if options.scenes < 1:
        parser.error(f"--scenes must be at least 1, got {options.scenes}")
    with loop.command():
        estimator = PoseEstimator.from_pretrained()
        clips = open_clips(options.clips, 128, "both")
        total = Counts()
        for picture, boxes in scenes(clips, options.scenes):
            total = total + match(figure_boxes(estimator, picture), boxes)
        print(f"scenes of four: recall {total.recall:.2f}, precision {total.precision:.2f} ({total})")
        if options.annotations:
            print(f"annotated figures: {annotated(estimator, options.annotations)}")


def known_box(figure: ArtFigure) -> Tensor:
    """The annotator's box round a figure, or, where there is none, that of its visible joints and its head, (4,)."""
    if figure.given_box:
        return torch.tensor(figure.given_box)
    points = torch.cat([figure.keypoints[figure.visible], torch.tensor(figure.head_box).reshape(2, 2)])
    return torch.cat([points.amin(0), points.amax(0)])


def annotated(estimator: PoseEstimator, path: Path) -> Counts:
    """Found and missed figures of a file of annotations; other figures in these pictures count as false."""
    total = Counts()
    for figure in progress(load_art_figures(path), "figures"):
        total = total + match(figure_boxes(estimator, figure.load()), known_box(figure)[None])
    return total


if __name__ == "__main__":
    main()
