"""Shards of clips: WebDataset tar files, written atomically and read without trusting them.

A shard is a gzipped tar: first `recipe.json`, how it was made, then three members a clip. `NAME.webp`: its F
pictures side by side. `NAME.mask.png`: the main person's 1-bit masks in the same order. `NAME.safetensors`: the labels
of its P people, of whom 0 is the main one:

    offsets (P, F, 18, 3) int16     joints relative to the pelvis, tenths of mm, camera axes
    pelvis (P, F, 3) float32        mm, camera axes
    visible (P, F, 18) uint8        boxes (P, F, 4) float32 px
    camera (F, 3) float32           focal length, principal point x, y in px
    ids (3,) int64                  person, movement (index into MOVEMENTS, -1 for none), look (index into LOOKS)

The 2D labels follow from these: a joint's pixel is its projection by the camera.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from napa_lib.data.mocap import CLIP_SPLIT
from napa_lib.files import write_atomically

MOVEMENTS = tuple(sorted(name for names in CLIP_SPLIT.values() for name in names))
LOOKS = ("photo", "drawn")
PARTS = ("webp", "mask.png", "safetensors")
MEMBER = re.compile(r"([a-z0-9][a-z0-9_-]{0,80})\.(webp|mask\.png|safetensors)", re.ASCII)
LARGEST = 16 << 20  # bytes of one member


class ShardError(ValueError):
    """A shard that is corrupt, truncated, or holds what no shard holds."""


@dataclass(frozen=True)
class RawClip:
    """One clip as it lies in a shard."""

    name: str
    webp: bytes
    mask: bytes
    labels: bytes


def write_shard(path: Path, recipe: Mapping[str, object], clips: Iterable[RawClip]) -> None:
    """Write one shard; the file appears under its name only when it is whole. The same clips give the same bytes."""

    def write(temporary: Path) -> None:
        with (
            temporary.open("wb") as file,
            gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            _add(tar, "recipe.json", json.dumps(recipe, sort_keys=True).encode())
            for clip in clips:
                for part, data in zip(PARTS, (clip.webp, clip.mask, clip.labels), strict=True):
                    _add(tar, f"{clip.name}.{part}", data)

    write_atomically(path, write)


def make_shard(path: Path, recipe: Mapping[str, object], clips: Iterable[RawClip]) -> bool:
    """Write a shard, unless it lies there already; True if it was written.

    Raises:
        ValueError: if a file of that name was made from another recipe.
    """
    if not path.exists():
        write_shard(path, recipe, clips)
        return True
    if (found := read_recipe(path)) != recipe:
        raise ValueError(f"{path} was made otherwise ({found}); choose another folder or remove it")
    return False


def shards_to_make(part: str | None, clips: int, largest: int) -> tuple[list[int], int]:
    """The numbers of the shards to make, from 1, and how many there are in all.

    Args:
        part: "3/16" for the third of sixteen, None for all, of at most `largest` clips each.
        clips: how many clips all shards hold together.
        largest: see `part`.

    Raises:
        ValueError: if `part` is nothing like that.

    >>> shards_to_make(None, 250, 100), shards_to_make("3/16", 250, 100)
    (([1, 2, 3], 3), ([3], 16))
    """
    if part is None:
        count = -(-clips // largest)
        return list(range(1, count + 1)), count
    try:
        shard, count = map(int, part.split("/"))
    except ValueError:
        raise ValueError(f"--shard must be I/N such as 3/16, got {part!r}") from None
    if not 1 <= shard <= count <= clips:
        raise ValueError(f"--shard must be I/N with 1 <= I <= N <= the {clips} clips, got {part!r}")
    return [shard], count


def clips_of_shard(shard: int, shards: int, clips: int) -> range:
    """The indices of the clips in shard 1 … `shards`.

    >>> [list(clips_of_shard(shard, 2, 5)) for shard in (1, 2)]
    [[0, 1], [2, 3, 4]]
    """
    return range((shard - 1) * clips // shards, shard * clips // shards)


def read_labels(
    path: Path, raw: RawClip, layout: Mapping[str, tuple[tuple[int | None, ...], torch.dtype]]
) -> dict[str, Tensor]:
    """The labels of a clip, if they are laid out so: the shape of each, None for any length but 0, and its type.

    Raises:
        ShardError: if they are damaged, missing, or laid out otherwise.
    """
    try:
        found = load(raw.labels)
    except SafetensorError as error:
        raise ShardError(f"{path}: labels of {raw.name!r} are damaged: {error}") from error
    for name, (shape, kind) in layout.items():
        value = found.get(name)
        if value is None or value.dtype != kind or value.ndim != len(shape) or value.numel() == 0:
            raise ShardError(f"{path}: {name} of {raw.name!r} is missing or no {kind} of shape {shape}")
        if any(want not in (None, got) for want, got in zip(shape, value.shape, strict=True)):
            raise ShardError(f"{path}: {name} of {raw.name!r} is {tuple(value.shape)}, expected {shape}")
    return found


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def read_recipe(path: Path) -> dict:
    """How a shard was made.

    Raises:
        ShardError: if the file is no shard.
    """
    for name, data in _members(path):
        if name == "recipe.json":
            try:
                return dict(json.loads(data))
            except (ValueError, TypeError) as error:
                raise ShardError(f"{path}: recipe.json is not JSON: {error}") from error
        break
    raise ShardError(f"{path} is no shard of synthetic clips: recipe.json is not its first member")


def read_raw(path: Path) -> Iterator[RawClip]:
    """The clips of a shard, in order, one at a time; nothing is unpacked to disk.

    Raises:
        ShardError: if the file is missing, corrupt or truncated, or has a member that does not belong in a shard: a
            path, a link, an oversized file, a clip whose parts are not together.
    """
    parts: dict[str, bytes] = {}
    current = ""
    for name, data in _members(path):
        if name == "recipe.json":
            continue
        stem, part = MEMBER.fullmatch(name).groups()  # type: ignore[union-attr]  # _members checked it
        if part != PARTS[len(parts)] or (parts and stem != current):
            raise ShardError(
                f"{path}: member {name!r} out of order, expected the parts {PARTS} of one clip after another"
            )
        current, parts[part] = stem, data
        if len(parts) == len(PARTS):
            yield RawClip(current, *(parts[p] for p in PARTS))
            parts = {}
    if parts:
        raise ShardError(f"{path} ends within clip {current!r}")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with gzip.open(path) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            for info in tar:
                if info.name != "recipe.json" and not MEMBER.fullmatch(info.name):
                    raise ShardError(f"{path}: member {info.name!r} does not belong in a shard")
                if not info.isreg() or info.size > LARGEST:
                    raise ShardError(f"{path}: member {info.name!r} is no plain file of at most {LARGEST} bytes")
                file = tar.extractfile(info)
                data = file.read() if file else b""
                if len(data) != info.size:
                    raise ShardError(f"{path}: member {info.name!r} is truncated")
                yield info.name, data
            while packed.read(1 << 20):  # up to the checksum at the end
                pass
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise ShardError(f"{path} is not a readable shard: {error}") from error
