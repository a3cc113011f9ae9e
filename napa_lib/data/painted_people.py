"""Figures of paintings that show several, marked by eye: an examination, never to be chosen or trained by."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data.assets import asset_path
from napa_lib.data.paintings import list_paintings
from napa_lib.engine import made_on_cpu


@dataclass(frozen=True, eq=False)
class PaintedPeople:
    """The N figures of a painting whose head and trunk can be seen and that are at least 40 pixels tall or wide.

    Attributes:
        painting: the name that `load_paintings` knows.
        boxes: (N, 4) round what is seen of each figure, clothes included, as x0, y0, x1, y1 in pixels.
        roots: (N, 2) where its pelvis is, guessed where something hides it.
        ranks: (N,) 1 for the nearest, equal for figures of which nobody could say which is nearer; NaN where the
            picture does not tell.
        others: (M, 4) boxes of smaller and hidden figures and of crowds: what is found there does not count.
    """

    painting: str
    boxes: Tensor
    roots: Tensor
    ranks: Tensor
    others: Tensor


@made_on_cpu
def load_painted_people(path: Path | None = None) -> list[PaintedPeople]:
    """The marks of a file, in its order.

    Args:
        path: of the form of `assets/painted_people/marks.json`; None for that file itself.

    Raises:
        ValueError: if the file cannot be read or is not of that form; names the painting.

    >>> marks = load_painted_people()
    >>> len(marks), sum(len(picture.boxes) for picture in marks)
    (10, 40)
    """
    file = path or asset_path("painted_people/marks.json")
    try:
        records = json.loads(file.read_text("utf-8"))["pictures"]
        names = [str(record["painting"]) for record in records]
    except OSError as error:
        raise ValueError(f"cannot read marks {file}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} must hold pictures, each with the name of a painting: {error!r}") from None
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{file} must hold each painting once, got {sorted(twice)} again")
    sizes = {painting.name: painting.size for painting in list_paintings()}
    found = []
    for name, record in zip(names, records, strict=True):
        if name not in sizes:
            raise ValueError(f"painting must be one that ships, got {name!r}")
        try:
            found.append(_picture(name, record, sizes[name]))
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"marks of {name} are not as they must be: {error}") from None
    return found


def _picture(name: str, record: dict, size: tuple[int, int]) -> PaintedPeople:
    figures = record["figures"]
    boxes = _numbers([figure["box"] for figure in figures], 4)
    roots = _numbers([figure["root"] for figure in figures], 2)
    others = _numbers(record["others"], 4)
    ranks = [math.nan if figure["rank"] is None else figure["rank"] for figure in figures]
    if not len(figures):
        raise ValueError("figures must not be empty")
    for box in torch.cat([boxes, others]).tolist():
        if not (0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1]):
            raise ValueError(f"box must lie in the picture of {size[0]} x {size[1]} pixels and have an area, got {box}")
    for root, box in zip(roots.tolist(), boxes.tolist(), strict=True):
        if not (box[0] <= root[0] <= box[2] and box[1] <= root[1] <= box[3]):
            raise ValueError(f"root must lie in its box {box}, got {root}")
    if bad := [rank for rank in ranks if rank == rank and (not isinstance(rank, int) or rank < 1)]:
        raise ValueError(f"rank must be a whole number from 1 on, or null, got {bad}")
    return PaintedPeople(name, boxes, roots, torch.tensor(ranks, dtype=torch.float32), others)


def _numbers(rows: list[list[float]], width: int) -> Tensor:
    if any(len(row) != width or not all(math.isfinite(v) for v in row) for row in rows):
        raise ValueError(f"each entry must have {width} finite numbers, got {rows}")
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, width)
