"""The thirty paintings and prints that ship: the style set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from napa_lib.data.assets import asset_path, read_manifest
from napa_lib.data.images import crop_square, load_image

# Figures that settings are chosen on were cut from these (the estimator's card); they are not among the assets.
VALIDATION = frozenset(
    {"arcimboldo_librarian", "arcimboldo_spring", "cassat_summertime", "degas_class_dance", "hokusaiwomanholdingfan"}
)


@dataclass(frozen=True)
class Painting:
    """One painting or print; `asset` is its name for `asset_path`."""

    name: str  # the file's stem, such as "monalisa"
    asset: str
    artist: str
    title: str
    year: str | None  # as the source states it: "1888", "1830-1833"; None if it does not
    size: tuple[int, int]  # width, height in pixels
    source: str
    licence: str
    in_art_figures: bool  # a test figure was cut from it: leave it out of any training

    @property
    def kept_aside(self) -> bool:
        """Whether a test or validation figure was cut from it: no background or style of training pictures."""
        return self.in_art_figures or self.name in VALIDATION


def list_paintings() -> list[Painting]:
    """What is known of each shipped painting, sorted by name.

    >>> paintings = {p.name: p for p in list_paintings()}
    >>> len(paintings), paintings["gogh_night_cafe"].artist, paintings["gogh_night_cafe"].in_art_figures
    (30, 'Vincent van Gogh', True)
    """
    manifest = read_manifest()
    records = json.loads(asset_path("paintings/paintings.json").read_text("utf-8"))
    return [
        Painting(
            name=record["name"], asset=(asset := f"paintings/{record['name']}.jpg"), artist=record["artist"],
            title=record["title"], year=record["year"], size=tuple(record["size"]),
            source=manifest[asset]["source"], licence=manifest[asset]["licence"],
            in_art_figures=record["in_art_figures"],
        )
        for record in records
    ]  # fmt: skip


def load_paintings(size: int | None = None, names: Sequence[str] | None = None) -> list[Tensor]:
    """Read paintings, in the order of `names` or of `list_paintings()`.

    Args:
        size: side of a centred square to crop and resize each to; None keeps every painting whole.
        names: which ones; None for all.

    Returns:
        One (3, H, W) tensor a painting in [0, 1], sRGB; with `size` they stack: `torch.stack(load_paintings(224))`.

    Raises:
        ValueError: if a name is not that of a shipped painting.

    >>> [tuple(picture.shape) for picture in load_paintings(64, ["monalisa", "greatwave"])]
    [(3, 64, 64), (3, 64, 64)]
    """
    assets = {painting.name: painting.asset for painting in list_paintings()}
    unknown = [name for name in names or () if name not in assets]
    if unknown:
        raise ValueError(f"names has no such painting: {unknown}; expected some of {sorted(assets)}")
    pictures = [load_image(asset_path(assets[name])) for name in (assets if names is None else names)]
    return pictures if size is None else [crop_square(picture, size) for picture in pictures]
