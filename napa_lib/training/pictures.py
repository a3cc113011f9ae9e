"""Labelled pictures for training: shards on disk, and batches mixed from several folders of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data import resize
from napa_lib.data.datasets import Annotations
from napa_lib.data.datasets.files import files_in
from napa_lib.data.known import from_annotations, is_known, open_known
from napa_lib.data.synthetic import read_shards
from napa_lib.engine import CheckpointError, load_tensors, save_tensors
from napa_lib.skeletons import NAPA18

SHARDS = (".safetensors", ".tar.gz")
ROOM = 2.0  # sides of a figure's box that are kept round it, for crops that are shifted, turned and enlarged


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures of one figure each: `images` (N, 3, S, S) uint8, `keypoints` (N, 18, 2) pixels, missing joints NaN."""

    images: Tensor
    keypoints: Tensor

    def __post_init__(self) -> None:
        count, channels, height, width = self.images.shape
        if self.images.dtype != torch.uint8 or channels != 3 or height != width:
            raise ValueError(f"images must be (N, 3, S, S) uint8, got {tuple(self.images.shape)} {self.images.dtype}")
        if self.keypoints.shape != (count, NAPA18.num_joints, 2):
            raise ValueError(f"keypoints must be ({count}, 18, 2), got {tuple(self.keypoints.shape)}")

    def __len__(self) -> int:
        return len(self.images)

    def kept(self, chosen: Tensor) -> PictureSet:
        """The pictures of an index or mask."""
        return PictureSet(self.images[chosen], self.keypoints[chosen])


def usable(keypoints: Tensor) -> Tensor:
    """Which figures show at least 8 joints: (N, 18, 2) -> (N,) bool."""
    return (~keypoints.isnan().any(-1)).sum(1) >= 8


def spread(pictures: PictureSet, most: int) -> PictureSet:
    """At most so many of the pictures, evenly spread."""
    count = min(most, len(pictures))
    return pictures.kept(torch.arange(count) * len(pictures) // count)


def write_pictures(path: str | Path, pictures: PictureSet, metadata: dict[str, str] | None = None) -> None:
    """Write one shard, atomically."""
    save_tensors(path, {"images": pictures.images, "keypoints": pictures.keypoints}, metadata)


def list_shards(path: str | Path) -> list[Path]:
    """The shards of a folder in the order of their names, or one file: pictures, or clips of synthetic people.

    Raises:
        ValueError: if there is none.
    """
    path = Path(path)
    files = files_in(path, *SHARDS) if path.is_dir() else [path] * path.exists()
    if not files:
        raise ValueError(f"{path} holds no shard of pictures ({' or '.join(SHARDS)})")
    return files


def read_pictures(path: str | Path, part: int = 0, parts: int = 1) -> PictureSet:
    """Read one shard, or the shards of a folder: all, or every `parts`-th from `part`.

    Raises:
        ValueError: if there is none, or one is corrupt or holds something else.
    """
    files = list_shards(path)[part::parts]
    if not files:
        raise ValueError(f"{path} holds {len(list_shards(path))} shards, too few for {parts} processes")
    read = [pictures.kept(usable(pictures.keypoints)) for pictures in map(_read, files)]
    return PictureSet(torch.cat([p.images for p in read]), torch.cat([p.keypoints for p in read]))


def _read(file: Path) -> PictureSet:
    if file.name.endswith(".tar.gz"):
        clips = read_shards([file])
        return PictureSet(clips.images.flatten(0, 1), clips.keypoints.flatten(0, 1))
    tensors, _ = load_tensors(file)
    if missing := {"images", "keypoints"} - set(tensors):
        raise CheckpointError(f"{file} is no shard of pictures: {sorted(missing)} is missing")
    return PictureSet(tensors["images"], tensors["keypoints"].float())


def open_sources(names: Sequence[str], size: int, part: int = 0, parts: int = 1) -> list[PictureSet]:
    """Picture sets by name: folders of shards, and data sets of one's own as `napa_lib.data.known.open_known` has them.

    Args:
        names: "FOLDER", "coco:FOLDER", "mpii:FOLDER#valid" …
        size: side of the pictures that are cut out of data sets, where no shard beside them has another.
        part: as in `read_pictures`: every `parts`-th shard, or figure.
        parts: how many there are.

    Raises:
        ValueError: as `read_pictures` and `from_annotations`, or for a data set without labels.
    """
    shards = {name: read_pictures(name, part, parts) for name in names if not is_known(name)}
    side = next(iter(shards.values())).images.shape[-1] if shards else size
    return [shards[name] if name in shards else _cut_out(name, side, part, parts) for name in names]


def _cut_out(name: str, size: int, part: int, parts: int) -> PictureSet:
    found = open_known(name)
    if not isinstance(found, Annotations):
        raise ValueError(f"{name!r} has no labels to train on")
    clips = from_annotations(found.take(list(range(len(found)))[part::parts]), size, "NAPA18", ROOM)
    pictures = PictureSet(clips.images.flatten(0, 1), clips.keypoints.flatten(0, 1))
    chosen = usable(pictures.keypoints)
    if not bool(chosen.any()):
        raise ValueError(f"{name!r} has no figure with 8 joints of NAPA18")
    return pictures.kept(chosen)


def split_share(text: str) -> tuple[str, float]:
    """A source and its share, as the command has them: FOLDER, FOLDER:0.5, coco:FOLDER, coco:FOLDER:0.5.

    >>> split_share("drawings:0.5"), split_share("coco:mine"), split_share("coco:mine:2")
    (('drawings', 0.5), ('coco:mine', 1.0), ('coco:mine', 2.0))
    """
    name, _, share = text.rpartition(":")
    try:
        return (name, float(share)) if name else (text, 1.0)
    except ValueError:
        return text, 1.0


def draw_batch(
    sources: Sequence[PictureSet], shares: Sequence[float], count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """`count` random pictures, each from a source drawn by its share.

    Returns:
        images (count, 3, S, S) in [0, 1], at the first source's size, and keypoints (count, 18, 2).
    """
    weights = torch.tensor(shares, dtype=torch.float)
    source = torch.multinomial(weights, count, replacement=True, generator=generator).tolist()
    picked = [(sources[s], int(torch.randint(len(sources[s]), (), generator=generator))) for s in source]
    scaled = [_scaled(pictures, i, sources[0].images.shape[-1]) for pictures, i in picked]
    return torch.stack([image for image, _ in scaled]), torch.stack([keypoints for _, keypoints in scaled])


def _scaled(pictures: PictureSet, i: int, size: int) -> tuple[Tensor, Tensor]:
    """One picture in [0, 1] with its keypoints, at another size."""
    image, factor = pictures.images[i].float() / 255, size / pictures.images.shape[-1]
    if factor == 1:
        return image, pictures.keypoints[i]
    return resize(image, (size, size)).clamp(0, 1), (pictures.keypoints[i] + 0.5) * factor - 0.5
