"""Make shards of synthetic people.

    python -m napa_lib.makers.people --out runs/people --clips 1600 --size 160 --look both --seed 0
    python -m napa_lib.makers.people --out runs/people --clips 1600 --shard 3/16     # this machine's part

The same arguments give the same files, whatever machine makes which shard. A shard that is there is not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from napa_lib.data.shards import RawClip, clips_of_shard, make_shard, shards_to_make
from napa_lib.engine import progress
from napa_lib.loop import command
from napa_lib.makers.people.clips import SETTINGS, SPLIT_SEED, Recipe, make_clip
from napa_lib.makers.people.encode import encode_clip

PER_SHARD = 100
FORMAT = "napa-synthetic-1"


@dataclass(frozen=True)
class Job:
    """`clips` clips of a recipe in `shards` files."""

    recipe: Recipe
    clips: int
    shards: int
    quality: int

    def path(self, folder: Path, shard: int) -> Path:
        return folder / f"synthetic-{self.recipe.split}-{shard:05d}-of-{self.shards:05d}.tar.gz"

    def describe(self) -> dict:
        return {
            "format": FORMAT,
            "clips": self.clips,
            "shards": self.shards,
            "quality": self.quality,
            **asdict(self.recipe),
        }


def make_people(folder: Path, job: Job, shard: int) -> bool:
    """Make shard 1 … job.shards, unless it lies there already; True if it was made.

    Raises:
        ValueError: if a file of that name was made from another recipe.
    """
    return make_shard(job.path(folder, shard), job.describe(), _clips(job, shard))


def _clips(job: Job, shard: int) -> Iterator[RawClip]:
    for index in clips_of_shard(shard, job.shards, job.clips):
        yield encode_clip(make_clip(job.recipe, index), f"{job.recipe.split}-{index:07d}", job.quality)


def make_shards(folder: Path, job: Job, shards: list[int], workers: int) -> int:
    """Make several shards, in parallel processes if `workers` is more than 1; how many were new."""
    make = partial(make_people, folder, job)
    if workers == 1:
        return sum(map(make, progress(shards, "shards")))
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        done = as_completed([pool.submit(make, shard) for shard in shards])
        return sum(future.result() for future in progress(done, "shards", len(shards)))


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m napa_lib.makers.people", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--clips", type=int, required=True, help="clips in all, 8 pictures each")
    parser.add_argument("--size", type=int, default=Recipe.size, help="side of a picture in pixels")
    parser.add_argument("--look", default=Recipe.look, choices=["photo", "drawn", "both"])
    parser.add_argument("--split", default=Recipe.split, choices=sorted(SPLIT_SEED), help="whose people and movements")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--movement", type=float, default=Recipe.movement, help="share of clips that are one movement")
    parser.add_argument("--drawn", type=float, default=Recipe.drawn, help="share of drawings where the look is both")
    parser.add_argument("--company", type=float, default=Recipe.company, help="share of clips with a second person")
    parser.add_argument("--setting", default=Recipe.setting, choices=SETTINGS, help="where people are and what they do")
    parser.add_argument("--quality", type=int, default=80, help="of the WebP pictures, 0 to 100")
    parser.add_argument("--shard", default=None, metavar="I/N", help="make only shard I of N (from 1)")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Make the shards of people that are asked for and not there yet."""
    options = _arguments(arguments)
    with command():
        if options.clips < 1 or options.workers < 1 or options.seed < 0 or not 0 <= options.quality <= 100:
            raise ValueError("--clips and --workers must be at least 1, --seed at least 0, --quality from 0 to 100")
        recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe)})
        shards, count = shards_to_make(options.shard, options.clips, PER_SHARD)
        made = make_shards(options.out, Job(recipe, options.clips, count, options.quality), shards, options.workers)
    print(f"{made} of {len(shards)} shards made, {len(shards) - made} were there: {options.out}")


if __name__ == "__main__":
    main()
