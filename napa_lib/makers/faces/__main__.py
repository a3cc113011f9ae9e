"""Make shards of faces.

    python -m napa_lib.makers.faces --out runs/faces --clips 320 --size 64 --split train --seed 0
    python -m napa_lib.makers.faces --out runs/faces --clips 3200 --shard 3/16     # this machine's part

The same arguments give the same files, whatever machine makes which shard. A shard that is there is not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from napa_lib.data.shards import RawClip, clips_of_shard, make_shard, shards_to_make
from napa_lib.engine import progress
from napa_lib.loop import command
from napa_lib.makers.faces.clips import SPLIT_SEED, Recipe, make_clip
from napa_lib.makers.faces.encode import encode_clip

PER_SHARD = 160
FORMAT = "napa-faces-1"


def make_faces(folder: Path, recipe: Recipe, clips: int, quality: int, shard: int, shards: int) -> bool:
    """Make shard 1 … `shards` of `clips` clips in all, unless it lies there already; True if it was made.

    Raises:
        ValueError: if a file of that name was made from another recipe.
    """
    path = folder / f"faces-{recipe.split}-{shard:05d}-of-{shards:05d}.tar.gz"
    wanted = {"format": FORMAT, "clips": clips, "shards": shards, "quality": quality, **asdict(recipe)}
    return make_shard(path, wanted, _clips(recipe, quality, clips_of_shard(shard, shards, clips)))


def _clips(recipe: Recipe, quality: int, indices: range) -> Iterator[RawClip]:
    for index in progress(indices, "clips"):
        yield encode_clip(make_clip(recipe, index), f"{recipe.split}-{index:07d}", quality)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m napa_lib.makers.faces", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--clips", type=int, required=True, help="clips in all, 8 pictures each")
    parser.add_argument("--size", type=int, default=Recipe.size, help="side of a picture in pixels")
    parser.add_argument("--split", default=Recipe.split, choices=sorted(SPLIT_SEED), help="whose faces")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--quality", type=int, default=80, help="of the WebP pictures, 0 to 100")
    parser.add_argument("--shard", default=None, metavar="I/N", help="make only shard I of N (from 1)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Make the shards of faces that are asked for and not there yet."""
    options = _arguments(arguments)
    with command():
        if options.clips < 1 or not 0 <= options.quality <= 100:
            raise ValueError(f"--clips must be at least 1, --quality from 0 to 100, got {options}")
        recipe = Recipe(options.size, options.split, options.seed)
        chosen, count = shards_to_make(options.shard, options.clips, PER_SHARD)
        made = sum(make_faces(options.out, recipe, options.clips, options.quality, i, count) for i in chosen)
    print(f"{made} of {len(chosen)} shards made, {len(chosen) - made} were there: {options.out}")


if __name__ == "__main__":
    main()
