"""FlexPose with data of one's own: a few labelled figures made into thousands of poses.

    python -m napa_lib.adaptation.own --shots coco:my_pictures --out runs/mine.safetensors
    python -m napa_lib.adaptation.own --shots simplified-human36m:FOLDER --held-out simplified-human36m:FOLDER#test \\
        --source runs/coco/warm.safetensors --beta runs/coco/beta.safetensors --out runs/ours.safetensors \\
        --results runs/ours.json

The second is the paper's Ours of table 1, with a beta that was taught the target and poses as wide as the shots (lesson
07 tells why): a source that `napa_lib.adaptation.train --poses coco:FOLDER` has learned, two shots of each activity.
`napa_lib.bottleneck.train --data simplified-human36m:FOLDER --skeleton SHARED15 --pose-file
runs/ours.safetensors --stir` trains its detector with them. Poses lie in their square as figures do in most sets'
crops; that set's pictures are taken whole, with figures not quite in the middle: `--stir` moves and scales the poses.
Only labels are read, and of them only whole poses.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import loop, results
from napa_lib.adaptation.adapt import adapt, draw_pool, paired_noises, sample_poses
from napa_lib.adaptation.functional import nearest_share, widened
from napa_lib.adaptation.measure import POOL, SAMPLES, distances, settings_for, shots_for
from napa_lib.adaptation.networks import KeypointRegressor, PoseStyleGAN, halvings_for
from napa_lib.adaptation.reading import SHARE, ReadingConfig, refine_regressor
from napa_lib.adaptation.sticks import DRAWN, FACE
from napa_lib.adaptation.store import load_pretrained, load_pretrained_faces, load_regressor, load_source
from napa_lib.adaptation.targets import choose_shots, labelled_target, spaced
from napa_lib.data.pose_files import save_poses
from napa_lib.engine import choose_device
from napa_lib.files import prepare_file
from napa_lib.loop import HERE, Setup
from napa_lib.options import add_device
from napa_lib.skeletons import FACE68, SHARED15

PROGRAM = "python -m napa_lib.adaptation.own"
COUNT = 33_000  # poses written: 32 thousand adapted ones and the mixed ones, as in the paper's table 1
HELD_OUT = 2000  # poses to compare with, evenly spread: distances need memory for each pair


def open_networks(joints: int, source: Path | None, beta: Path | None) -> tuple[PoseStyleGAN, KeypointRegressor]:
    """A source and its beta: those of files, or those that ship for so many points.

    Raises:
        ValueError: if only one of both files is named, or they are of other points or of pictures of two kinds.
    """
    if (source is None) != (beta is None):
        raise ValueError("--source and --beta go together")
    if source is not None and beta is not None:
        networks = load_source(source), load_regressor(beta)
    elif joints == FACE.num_joints:
        adapted, regressor = load_pretrained_faces()
        networks = adapted.source, regressor
    else:
        networks = load_pretrained()
    drawn, regressor = networks[0].config, networks[1]
    if regressor.joints != joints:
        raise ValueError(f"the shots have {joints} points, {beta} reads {regressor.joints}")
    if (regressor.planes, regressor.halvings) != (drawn.planes, halvings_for(drawn.size)):
        raise ValueError(f"{beta} reads pictures of another size or other colours than {source} draws")
    return networks


def make_poses(
    shots: Tensor, source: PoseStyleGAN, regressor: KeypointRegressor, count: int, seed: int, setup: Setup = HERE
) -> dict[str, Tensor]:
    """What is made of a few poses, (N, J, 2) in [-1, 1].

    `source`: a source's poses, before. `mixup`: mixed from the shots alone. `wide`: `count` poses of the generator that
    was adapted to them, read by a beta that was taught its drawings, the nearest nine tenths, as wide as the shots.
    """
    generator = torch.Generator().manual_seed(seed)
    pool, config = draw_pool(source, regressor, POOL, generator), settings_for(source, seed)
    adapted = adapt(config, source, pool, shots, setup=setup)
    noises = paired_noises(config.pairing, pool, adapted.mixed)
    taught, _ = refine_regressor(ReadingConfig(seed=seed), regressor, adapted, noises, pool.poses, setup)
    sampled = sample_poses(adapted.generator, taught, math.ceil(count / SHARE), generator)
    wide = widened(nearest_share(sampled, adapted.mixed, SHARE), shots)
    return {"source": pool.poses, "mixup": adapted.mixed, "wide": wide[:count]}


def main(arguments: list[str] | None = None) -> None:
    """Make many poses of a few figures that a data set of one's own labels, and write them in one file."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    add = parser.add_argument
    add("--shots", required=True, metavar="FORMAT:FOLDER[#SPLIT]", help="data set that shots are taken from")
    add("--number", type=int, help="of shots; two of each action where labels tell actions, else 12 or all there are")
    add("--held-out", metavar="FORMAT:FOLDER[#SPLIT]", help="other poses, to measure how near the made ones are")
    add("--source", type=Path, metavar="FILE", help="generator to adapt; if not given one that ships")
    add("--beta", type=Path, metavar="FILE", help="its beta")
    add("--count", type=int, default=COUNT, help="poses to write")
    add("--seed", type=int, default=0, help="of shots, noises and fitting")
    add_device(parser)
    add("--out", type=Path, required=True, metavar="FILE", help="safetensors file to write")
    add("--results", type=Path, metavar="FILE", help="JSON file for the distances; needs --held-out")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with loop.command():
        for file in filter(None, (options.out, options.results)):
            prepare_file(file)
        if options.results and not options.held_out:
            raise ValueError("--results needs --held-out, poses to compare with")
        target = labelled_target(options.shots, options.held_out)
        number = min(shots_for(target), len(target.pool)) if options.number is None else options.number
        shots = choose_shots(target, number, torch.Generator().manual_seed(options.seed))
        source, beta = open_networks(shots.shape[1], options.source, options.beta)
        config = settings_for(source, options.seed)
        if options.count <= config.mixed:
            raise ValueError(f"count must be more than the {config.mixed} mixed poses, got {options.count}")
        setup = Setup(choose_device(options.device), options.half)
        made = make_poses(shots, source, beta, options.count - config.mixed, options.seed, setup)
        skeleton = FACE68 if DRAWN[shots.shape[1]] is FACE else SHARED15
        save_poses(options.out, torch.cat([made["wide"], made["mixup"]]), skeleton.name)
        if options.results:
            held_out, pool = spaced(target.held_out, HELD_OUT), spaced(target.pool, SAMPLES)
            found = {kind: distances(poses, held_out) for kind, poses in {**made, "pool": pool}.items()}
            command = results.command_line(PROGRAM, arguments)
            results.write(options.results, {"shots": number, "distances": found}, command, time.monotonic() - started,
                          config, options.seed, config.steps, setup.device)  # fmt: skip
            names = list(next(iter(found.values())))
            rows = [[kind, *(f"{values[name]:.4f}" for name in names)] for kind, values in found.items()]
            print(results.text_table([["", *names], *rows]))
    print(f"wrote {options.out}: {options.count} poses made of {number} shots")


if __name__ == "__main__":
    main()
