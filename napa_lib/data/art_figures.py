"""Sixty human figures in art with hand-annotated joints: the artistic test set. Never train on it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.data.assets import AssetError, asset_path, read_manifest
from napa_lib.data.images import load_image
from napa_lib.skeletons import ART14


@dataclass(frozen=True, eq=False)
class ArtFigure:
    """One figure and its annotation, in pixels of its picture, whose top-left corner pixel is (0, 0).

    `keypoints` holds all fourteen joints of `ART14`, also those that nobody can see: these are guesses, good for
    drawing, not for scoring. Score `scored_keypoints`. Left and right are the figure's own; where the picture does not
    tell (`sides_ambiguous`: a silhouette, a stick figure), score both assignments and keep the better.
    """

    name: str  # the file's stem
    size: tuple[int, int]  # width, height
    kind: str  # "painting", "drawing" or "stick figure"
    facing: str  # "front", "back", "left", "right" or "three-quarter"
    difficulty: str  # "easy", "medium" or "hard"
    sides_ambiguous: bool
    keypoints: Tensor  # (14, 2)
    visible: Tensor  # (14,) bool: visible or clearly inferable
    head_box: tuple[float, float, float, float]  # x0, y0, x1, y1
    head_size: float  # 0.6 x the diagonal of head_box, as in MPII: what PCKh divides by
    note: str
    source: str
    licence: str

    @property
    def asset(self) -> str:
        """The picture's name for `asset_path`."""
        return f"art_figures/{self.name}.webp"

    @property
    def scored_keypoints(self) -> Tensor:
        """(14, 2) keypoints, NaN where not visible."""
        return self.keypoints.masked_fill(~self.visible[:, None], torch.nan)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The figure's square box (x0, y0, x1, y1) that the scoring protocol hands to a pose estimator.

        It is centred on the bounding box of the visible joints and the head box and 1.25 times as large as its longer
        side; it may reach over the picture's edge.
        """
        corners = torch.tensor(self.head_box).reshape(2, 2)
        points = torch.cat([self.keypoints[self.visible], corners])
        low, high = points.amin(0), points.amax(0)
        (x, y), half = ((low + high) / 2).tolist(), 1.25 * (high - low).max().item() / 2
        return x - half, y - half, x + half, y + half

    def load(self) -> Tensor:
        """The picture, (3, H, W) in [0, 1], sRGB."""
        return load_image(asset_path(self.asset))


def load_art_figures() -> list[ArtFigure]:
    """All annotated figures, sorted by name; a picture is only read when its `load()` is called.

    Raises:
        AssetError: if the annotations are not in the order of joints that `ART14` states.

    >>> figures = load_art_figures()
    >>> len(figures), sum(int(f.visible.sum()) for f in figures)
    (60, 746)
    """
    document = json.loads(asset_path("art_figures/annotations.json").read_text("utf-8"))
    expected = [name.replace("upper_neck", "neck") for name in ART14.joints]
    if document["joint_names"] != expected:
        raise AssetError(f"art_figures/annotations.json lists joints {document['joint_names']}, expected {expected}")
    return sorted((_figure(record) for record in document["figures"]), key=lambda figure: figure.name)


def _figure(record: dict) -> ArtFigure:
    joints = torch.tensor(record["joints"])
    entry = read_manifest()[record["file"]]
    return ArtFigure(
        name=record["file"].removeprefix("art_figures/").removesuffix(".webp"),
        size=tuple(record["size"]),
        keypoints=joints[:, :2].float(),
        visible=joints[:, 2] > 0,
        head_box=tuple(record["head_box"]),
        source=entry["source"],
        licence=entry["licence"],
        **{key: record[key] for key in ("kind", "facing", "difficulty", "sides_ambiguous", "head_size", "note")},
    )
