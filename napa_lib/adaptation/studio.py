"""Chapter 3's fifty studio poses made into thousands: `python -m napa_lib.adaptation.studio --help`.

There, fifty unpaired poses failed: its critic learned them by heart, and mirrored, moved and scaled they lay where no
frame's figure lies. Here the fifty are the shots of a target. Poses of its adapted generator, poses mixed from the
fifty alone, and the paper's own sets of table 1, Direct of the source's and the mixed poses and Ours of the adapted
and the mixed, are written as poses that KeypointGAN can be trained with, as many of each. Nothing but the fifty is
used of the studio: not where other figures stand, and not how their heads are held.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import loop, results
from napa_lib.adaptation.adapt import adapt, draw_pool, sample_poses
from napa_lib.adaptation.functional import pose_mixup
from napa_lib.adaptation.measure import ADAPTATION, POOL, distances
from napa_lib.adaptation.sticks import check_poses, fit_square
from napa_lib.adaptation.store import load_pretrained
from napa_lib.data.clips import halves, unpaired_poses
from napa_lib.data.pose_files import save_poses
from napa_lib.data.sources import open_clips
from napa_lib.files import prepare_file
from napa_lib.loop import Setup
from napa_lib.skeletons import NAPA18, SHARED15, convert

PROGRAM = "python -m napa_lib.adaptation.studio"
SIZE = 64  # of chapter 3's `tiny` frames in pixels
COUNT = 3200  # poses written, as many as the studio's second half has
KINDS = ("flexpose", "mixup", "direct", "ours")
HELD_OUT = 500
LEADS = ("pelvis", "head_center", "l_shoulder", "r_shoulder")  # what the points of the head are told from, and thorax
TOLD = ("neck", "nose", "head")  # NAPA18 has them and SHARED15 has not
OF_TOLD = [NAPA18.index(name) for name in TOLD]


@dataclass(frozen=True, eq=False)
class Layout:
    """What fifty poses in pictures say about how any of their kind lies in a picture.

    Attributes:
        weights: (4, 3), of the `LEADS`, each seen from the thorax, in the points `TOLD`.
        mean: (3,) of centre x, centre y and the logarithm of the longer side of the poses' boxes, in [-1, 1].
        covariance: (3, 3) of the same.
        sides: the smallest and the largest of the longer sides.
    """

    weights: Tensor
    mean: Tensor
    covariance: Tensor
    sides: tuple[float, float]


def boxes_of(poses: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (N, 2) and longer side (N,) of the boxes of poses (N, K, 2)."""
    low, high = poses.amin(1), poses.amax(1)
    return (low + high) / 2, (high - low).amax(1)


def leads_of(poses: Tensor) -> Tensor:
    """The `LEADS` of poses (N, 15, 2) in SHARED15, seen from the thorax: (N, 4, 2)."""
    return poses[:, [SHARED15.index(name) for name in LEADS]] - poses[:, None, SHARED15.index("thorax")]


def fit_layout(examples: Tensor) -> Layout:
    """Learn it from poses (M, 18, 2) in NAPA18, in [-1, 1], no joint missing.

    The points of the head are a linear function of the leads, the same for x and y, by least squares: that needs 12
    numbers, of 300 equations.

    Raises:
        ValueError: for fewer than ten examples, another joint set, or a missing joint.
    """
    if examples.ndim != 3 or tuple(examples.shape[1:]) != (NAPA18.num_joints, 2) or len(examples) < 10:
        raise ValueError(f"examples must be (M >= 10, {NAPA18.num_joints}, 2), got {tuple(examples.shape)}")
    if not bool(torch.isfinite(examples).all()):
        raise ValueError("examples must have no missing joint")
    known = leads_of(convert(examples, NAPA18, SHARED15)).mT.flatten(0, 1)  # (2 M, 4)
    told = (examples[:, OF_TOLD] - examples[:, None, NAPA18.index("thorax")]).mT.flatten(0, 1)
    centre, side = boxes_of(examples)
    numbers = torch.cat([centre, side.log()[:, None]], 1)
    weights = torch.linalg.lstsq(known.double(), told.double()).solution.to(examples)
    return Layout(weights, numbers.mean(0), torch.cov(numbers.T), (float(side.min()), float(side.max())))


def complete(poses: Tensor, layout: Layout) -> Tensor:
    """Poses (N, 15, 2) in SHARED15 as NAPA18 has them, (N, 18, 2), the points of the head told from the others."""
    whole = convert(check_poses("poses", poses), SHARED15, NAPA18)
    told = (leads_of(poses).mT @ layout.weights).mT + poses[:, None, SHARED15.index("thorax")]
    whole[:, OF_TOLD] = told
    return whole


def place(poses: Tensor, layout: Layout, generator: torch.Generator) -> Tensor:
    """Put poses (N, K, 2) where, and make them as large as, the examples' layout has it; each box in [-1, 1]."""
    root = torch.linalg.cholesky(layout.covariance)
    drawn = layout.mean + torch.randn(len(poses), 3, generator=generator).to(poses) @ root.T
    centre, side = boxes_of(poses)
    scale = drawn[:, 2].exp().clamp(*layout.sides) / side
    half = (poses.amax(1) - poses.amin(1)) * scale[:, None] / 2
    room = (1 - half).clamp_min(0)
    wanted = drawn[:, :2].clamp(-room, room)
    return (poses - centre[:, None]) * scale[:, None, None] + wanted[:, None]


def chosen_poses(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """The few unpaired studio poses that chapter 3's `--pose-count` takes, and the whole ones of all others; NAPA18.

    Raises:
        ValueError: if too few others are left to compare with.
    """
    poses = unpaired_poses(halves(open_clips("studio:train", SIZE))[1])
    if not 1 <= count <= len(poses) - HELD_OUT:
        raise ValueError(
            f"shots must be from 1 to {len(poses) - HELD_OUT}, which leaves {HELD_OUT} others, got {count}"
        )
    order = torch.randperm(len(poses), generator=torch.Generator().manual_seed(seed))
    few, others = poses[order[:count]], poses[order[count:]]
    return few, others[~others.isnan().flatten(1).any(1)]


def make_poses(shots: Tensor, seed: int) -> dict[str, Tensor]:
    """15 joints in [-1, 1]: `flexpose`, poses of a generator adapted to the shots; `mixup`, mixed from them alone;
    `source`, of the generator before; `direct` and `ours`, these and the adapted ones with 1000 mixed among them.

    Source: FlexPose, section 4.1 (both have the E mixed poses, and are of one size).
    """
    source, regressor = load_pretrained()
    generator = torch.Generator().manual_seed(seed)
    pool = draw_pool(source, regressor, POOL, generator)
    adapted = adapt(replace(ADAPTATION, seed=seed), source, pool, shots, setup=Setup(half=True))
    flexpose = sample_poses(adapted.generator, regressor, COUNT, generator)
    mixed = pose_mixup(shots, COUNT, generator)
    rest = COUNT - len(adapted.mixed)
    before = sample_poses(source, regressor, rest, generator)
    order = torch.randperm(COUNT, generator=generator)
    return {
        "flexpose": flexpose,
        "mixup": mixed,
        "source": pool.poses,
        "direct": torch.cat([before, adapted.mixed])[order],
        "ours": torch.cat([flexpose[:rest], adapted.mixed])[order],
    }


def main(arguments: list[str] | None = None) -> None:
    """Write OUT_KIND.safetensors of each kind of poses, and OUT.json: how far each is from the other poses."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--shots", type=int, default=50, help="how many of the studio's poses are known")
    parser.add_argument("--seed", type=int, default=0, help="of shots, noises and fitting")
    parser.add_argument("--out", type=Path, required=True, help="first part of the names of five files")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with loop.command():
        for file in (*(f"{options.out}_{kind}.safetensors" for kind in KINDS), options.out.with_suffix(".json")):
            prepare_file(file)
        few, others = chosen_poses(options.shots, options.seed)
        layout, generator = fit_layout(few), torch.Generator().manual_seed(options.seed)
        shots = fit_square(convert(few, NAPA18, SHARED15))
        held_out = fit_square(convert(others[:HELD_OUT], NAPA18, SHARED15))
        made = make_poses(shots, options.seed)
        for kind in KINDS:
            placed = place(complete(made[kind], layout), layout, generator)
            save_poses(f"{options.out}_{kind}.safetensors", placed, NAPA18.name)
        told = complete(convert(others, NAPA18, SHARED15), layout)[:, OF_TOLD] - others[:, OF_TOLD]
        measured = {
            "distances": {kind: distances(poses, held_out) for kind, poses in {**made, "shots": shots}.items()},
            "head": float(told.norm(dim=-1).mean()) / 2,  # of the picture's side
        }
        command = results.command_line(PROGRAM, arguments)
        results.write(options.out.with_suffix(".json"), measured, command, time.monotonic() - started,
                      replace(ADAPTATION, seed=options.seed), options.seed, ADAPTATION.steps)  # fmt: skip
    print(f"wrote {options.out}; {measured}")


if __name__ == "__main__":
    main()
