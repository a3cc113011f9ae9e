"""Human figures in art with hand-annotated joints: the sixty that ship, the artistic test set (never train on it), and
others in a file of the same form."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from napa_lib.data.assets import asset_path, read_manifest
from napa_lib.data.decoding import stored_size
from napa_lib.data.images import load_image
from napa_lib.engine import made_on_cpu
from napa_lib.skeletons import ART14

FARTHEST = 1e5  # pixels: what lies farther out is a mistake


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
    given_box: tuple[float, float, float, float] | None = (
        None  # x0, y0, x1, y1: the annotator's, without spare, if there is one
    )
    outside: Path | None = None  # the picture, if it is not one that ships

    @property
    def asset(self) -> str:
        """The picture's name for `asset_path`, where it ships."""
        return f"art_figures/{self.name}.webp"

    @property
    def path(self) -> Path:
        """The picture."""
        return self.outside or asset_path(self.asset)

    @property
    def scored_keypoints(self) -> Tensor:
        """(14, 2) keypoints, NaN where not visible."""
        return self.keypoints.masked_fill(~self.visible[:, None], torch.nan)

    @property
    @made_on_cpu
    def box(self) -> tuple[float, float, float, float]:
        """The figure's square box (x0, y0, x1, y1) that the scoring protocol hands to a pose estimator.

        It is centred on the annotator's box, which has nothing to spare, and 1.25 times as large as its longer side;
        where there is none, on the bounding box of the visible joints and the head box. It may reach over the
        picture's edge.
        """
        if self.given_box:
            low, high = torch.tensor(self.given_box).reshape(2, 2)
        else:
            points = torch.cat([self.keypoints[self.visible], torch.tensor(self.head_box).reshape(2, 2)])
            low, high = points.amin(0), points.amax(0)
        (x, y), half = ((low + high) / 2).tolist(), 1.25 * (high - low).max().item() / 2
        return x - half, y - half, x + half, y + half

    def load(self) -> Tensor:
        """The picture, (3, H, W) in [0, 1], sRGB."""
        return load_image(self.path)


@made_on_cpu
def load_art_figures(annotations: Path | None = None) -> list[ArtFigure]:
    """All annotated figures, sorted by name; a picture is only read when its `load()` is called.

    Args:
        annotations: a file of the form of `assets/art_figures/annotations.json`; None for that file itself. Pictures
            are named relative to its folder or the folder above. `head_size`, `kind`, `facing`, `difficulty`,
            `sides_ambiguous`, `note`, `source` and `licence` may be left out; `box` (x0, y0, x1, y1) may be given.

    Raises:
        ValueError: if the file is not of that form, or a picture is missing or of another size; names the figure.

    >>> figures = load_art_figures()
    >>> len(figures), sum(int(f.visible.sum()) for f in figures)
    (60, 746)
    """
    if annotations is None:
        records = _records(asset_path("art_figures/annotations.json"))
        manifest = read_manifest()
        figures = [_figure({**manifest[r["file"]], **r}, PurePosixPath(r["file"]).stem) for r in records]
    else:
        records = _records(annotations)
        names = _names(records)
        figures = [_outside_figure(record, name, annotations) for record, name in zip(records, names, strict=True)]
    return sorted(figures, key=lambda figure: figure.name)


def _records(path: Path) -> list[dict]:
    """The figures of a file of annotations, checked as a whole."""
    try:
        document = json.loads(path.read_text("utf-8-sig"))
        joints, records = document["joint_names"], document["figures"]
        if not records or not all(isinstance(record["file"], str) for record in records):
            raise TypeError("figures must be a list of entries with a file")
        names = [str(name).replace("upper_neck", "neck") for name in joints]
    except OSError as error:
        raise ValueError(f"cannot read annotations {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"annotations {path} must have joint_names and figures: {type(error).__name__}: {error}"
        ) from None
    expected = [name.replace("upper_neck", "neck") for name in ART14.joints]
    if names != expected:
        raise ValueError(f"annotations {path} must list the joints {expected}, got {joints}")
    return records


def _names(records: list[dict]) -> list[str]:
    """A name for each figure, all different: its file's stem, numbered where several are of one stem."""
    stems = [PurePosixPath(record["file"]).stem for record in records]
    several = Counter(stems)
    taken = {stem for stem in stems if several[stem] == 1}
    names = []
    for stem in stems:
        free = (f"{stem}-{number}" for number in count(1) if f"{stem}-{number}" not in taken)
        names.append(stem if several[stem] == 1 else next(free))
        taken.add(names[-1])
    return names


def _outside_figure(record: dict, name: str, annotations: Path) -> ArtFigure:
    """A figure of somebody's own, its picture found and measured; ValueError names it."""
    try:
        picture = _find_picture(record["file"], annotations)
        figure = _figure({**record, "outside": picture}, name)
        stored, orientation = stored_size(picture)
        size = stored[::-1] if orientation in (5, 6, 7, 8) else stored
        if size != figure.size:
            raise ValueError(f"the picture is {size[0]} x {size[1]} upright, its annotation says {figure.size}")
        x0, y0, x1, y1 = figure.box
        if x1 <= 0 or y1 <= 0 or x0 >= size[0] or y0 >= size[1]:
            raise ValueError(f"its box must overlap the picture of {size[0]} x {size[1]} pixels, got {figure.box}")
    except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError, RuntimeError) as error:
        raise ValueError(f"figure {record['file']!r} of {annotations}: {type(error).__name__}: {error}") from None
    return figure


def _find_picture(file: str, annotations: Path) -> Path:
    """The picture that an annotation names, in its own folder or the one above, and nowhere else."""
    parts = PurePosixPath(file)
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError("file must be a path below the annotations' folder or the one above, without '..'")
    for folder in (annotations.parent, annotations.parent.resolve().parent):
        if (folder / parts).is_file():
            return folder / parts
    raise ValueError(f"there is no such picture in {annotations.parent} or the folder above")


def _figure(record: dict, name: str) -> ArtFigure:
    joints = torch.tensor(record["joints"], dtype=torch.float32)
    if joints.shape != (ART14.num_joints, 3) or not bool(joints.isfinite().all()):
        raise ValueError(f"joints must be (14, 3) finite numbers x, y, visible, got {tuple(joints.shape)}")
    if bool((joints[:, :2].abs() > FARTHEST).any()):
        raise ValueError(f"joints must lie within {FARTHEST:.0f} pixels, got {joints[:, :2].abs().max():.4g}")
    head_box = _box(record["head_box"], "head_box")
    diagonal = math.hypot(head_box[2] - head_box[0], head_box[3] - head_box[1])
    head_size = float(record.get("head_size", 0.6 * diagonal))
    if not 0 < head_size < math.inf:
        raise ValueError(f"head_size must be positive, got {head_size}")
    ambiguous = record.get("sides_ambiguous", False)
    if ambiguous not in (True, False):  # such as "false", which would count as true
        raise ValueError(f"sides_ambiguous must be true or false, got {ambiguous!r:.40}")
    width, height = record["size"]
    return ArtFigure(
        name=name,
        size=(int(width), int(height)),
        keypoints=joints[:, :2],
        visible=joints[:, 2] > 0,
        head_box=head_box,
        head_size=head_size,
        sides_ambiguous=bool(ambiguous),
        kind=str(record.get("kind", "figure")),
        given_box=_box(record["box"], "box") if record.get("box") else None,
        outside=record.get("outside"),
        **{key: str(record.get(key, "")) for key in ("facing", "difficulty", "note", "source", "licence")},
    )


def _box(values: list[float], name: str) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in values)
    if not (-FARTHEST <= x0 < x1 <= FARTHEST and -FARTHEST <= y0 < y1 <= FARTHEST):
        raise ValueError(f"{name} must be x0, y0, x1, y1 with x1 > x0, y1 > y0, within {FARTHEST:.0f}, got {values}")
    return x0, y0, x1, y1
