"""Write drawn figures as shards: `python -m napa_lib.makers.drawings --out DIR --count 20000 --size 160 --seed 0`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from napa_lib.engine import progress, save_tensors
from napa_lib.loop import command
from napa_lib.makers.drawings.figures import draw_figures

SHARD = 1000


def write_shards(folder: Path, count: int, size: int, seed: int, alone: bool = False) -> list[Path]:
    """Draw `count` figures into shards of 1,000 with `images`, `keypoints` and `visible`; finished shards stay.

    With `alone`, nobody else is in a picture. Each shard has its own random numbers, so an interrupted run goes on to
    the same result. A shard's metadata name size and seed.

    Returns:
        The shards' paths, `sizeS_seedN_SHARD_FIGURES.safetensors`, or with `seedN_alone`.

    Raises:
        ValueError: if `count` is not positive, `seed` is negative or `size` too small.
    """
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    if count < 1:
        raise ValueError(f"count must be positive, got {count}")
    starts = range(0, count, SHARD)
    paths = [
        folder / f"size{size}_seed{seed}{'_alone' * alone}_{start // SHARD:04d}_{min(SHARD, count - start)}.safetensors"
        for start in starts
    ]
    todo = [(i, path) for i, path in enumerate(paths) if not path.exists()]
    for i, path in progress(todo, "drawing", len(todo)):
        state = int(np.random.SeedSequence([seed, i]).generate_state(1, np.uint64)[0]) >> 1
        drawn = draw_figures(min(SHARD, count - i * SHARD), size, torch.Generator().manual_seed(state), alone)
        tensors = {"images": drawn.images, "keypoints": drawn.keypoints, "visible": drawn.visible}
        save_tensors(path, tensors, {"size": str(size), "seed": str(seed), "shard": str(i)})
    return paths


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.makers.drawings", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--count", type=int, default=20000, help="how many figures")
    parser.add_argument("--size", type=int, default=160, help="side of the pictures in pixels")
    parser.add_argument("--seed", type=int, default=0, help="a seed always gives the same pictures")
    parser.add_argument("--alone", action="store_true", help="one figure a picture, to learn from where figures are")
    options = parser.parse_args(arguments)
    with command():
        write_shards(options.out, options.count, options.size, options.seed, options.alone)


if __name__ == "__main__":
    main()
