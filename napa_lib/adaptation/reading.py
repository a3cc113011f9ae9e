"""What is lost between a target's mixed poses and those of its generator, and beta taught to read the target, too.

    python -m napa_lib.adaptation.reading --target Squat --seed 0 --out runs/flexpose/reading_Squat_0.json
    python -m napa_lib.adaptation.reading --target Squat --smear --seed 0 --out runs/flexpose/smeared_Squat_0.json

The paper's beta has seen the source alone. Where a target's limbs lie as no limb of the source does, it puts joints
where the source would have had them. But each mixed pose has a noise of its own, and so beta can be taught by the
adapted generator's drawings what they are to be read as: nothing but the shots is used. Bodies start from the networks
that ship, faces from those of `--models`.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import loop, results
from napa_lib.adaptation.adapt import Adapted, draw_pool, paired_noises, read_poses, sample_poses
from napa_lib.adaptation.detector import detector_errors, train_detector
from napa_lib.adaptation.faces import TURNED
from napa_lib.adaptation.functional import nearest_share, pose_mixup, smeared, widened
from napa_lib.adaptation.measure import (
    ADAPTATION,
    ANNOTATIONS,
    DETECTOR,
    MEASURED_ON,
    NETWORKS,
    POOL,
    SAMPLES,
    SMEARED_ON,
    UNIONS,
    Parts,
    adapt_to,
    distances,
    open_parts,
    open_target,
    shots_for,
)
from napa_lib.adaptation.networks import KeypointRegressor, read_images
from napa_lib.adaptation.sticks import alpha
from napa_lib.adaptation.store import load_pretrained, load_pretrained_transfer, save_regressor
from napa_lib.adaptation.targets import Target, choose_shots, recorded_target, spaced
from napa_lib.adaptation.train import CLIP, deformed, known_poses, worn
from napa_lib.adaptation.transfer import AdaptedGenerator
from napa_lib.engine import learning_rate_factor, seed_everything
from napa_lib.files import prepare_file
from napa_lib.loop import HERE, Losses, Record, Setup, Training, descend, laid_out, on_device, settings_of
from napa_lib.networks import VGG19Features

PROGRAM = "python -m napa_lib.adaptation.reading"
SHARE = 0.9  # of the poses that are read: the others are of drawings that failed
KEPT = 2000  # poses of the source that beta goes on reading, so that it forgets nothing
NEIGHBOURS = 20  # whose residuals a pose is given one of


@dataclass(frozen=True)
class ReadingConfig:
    """How beta is taught a target."""

    steps: int = 300
    batch: int = 32  # half of it the source's sticks, half the adapted generator's drawings
    learning_rate: float = 1e-3  # Adam's, falling to nothing
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 2 or self.learning_rate <= 0:
            raise ValueError(f"steps must be >= 1, batch >= 2 and learning_rate positive, got {self}")


def refine_regressor(
    config: ReadingConfig,
    regressor: KeypointRegressor,
    adapted: Adapted,
    noises: Tensor,
    poses: Tensor,
    setup: Setup = HERE,
) -> tuple[KeypointRegressor, Record]:
    """Teach beta what an adapted generator's drawings show.

    Args:
        config: how long.
        regressor: beta; it stays as it is.
        adapted: what `adapt` made; it stays as it is.
        noises: (E, latent), of each of its mixed poses, from `paired_noises`.
        poses: (K, J, 2) in [-1, 1], of the source; deformed and drawn by alpha they are half of each batch.
        setup: where and how to compute, and the checkpoint.

    Returns:
        a beta of the target, in evaluation mode, and the record.

    Raises:
        ValueError: if there is not one noise a mixed pose, or if bodies and faces are mixed up.
    """
    mixed, size = adapted.mixed, adapted.generator.source.config.size
    if not mixed.shape[1] == poses.shape[1] == regressor.joints:
        counts = f"{mixed.shape[1]}, {poses.shape[1]} and {regressor.joints}"
        raise ValueError(f"mixed poses, poses and beta must have the same points, got {counts}")
    if len(noises) != len(mixed):
        raise ValueError(f"noises must be one a mixed pose, {len(mixed)}, got {len(noises)}")
    generator = seed_everything(config.seed)
    network = on_device(setup.device, copy.deepcopy(regressor)).train()
    optimizer = loop.adam(network.parameters(), config.learning_rate, (0.9, 0.999))
    model = on_device(setup.device, copy.deepcopy(adapted.generator))
    with torch.no_grad():
        drawn = torch.cat([model(part.to(setup.device)).cpu() for part in noises.split(32)])

    def step(number: int) -> Losses:
        half = config.batch // 2
        known = deformed(poses[torch.randint(len(poses), (config.batch - half,), generator=generator)], generator)
        rows = torch.randint(len(mixed), (half,), generator=generator)
        sticks = worn(alpha(known, size, regressor.planes == 3), generator)
        target = torch.cat([known, mixed[rows]])
        with setup.autocast():
            found = network(laid_out(torch.cat([sticks, drawn[rows]]), setup.device))
        losses = {"distance": (found - target.to(found)).norm(dim=-1).mean()}
        descend(losses["distance"], optimizer, CLIP, losses)
        return losses

    training = Training({"beta": network}, {"adam": optimizer}, generator, settings_of("reading", config, setup))
    record = loop.run(
        "reading", training, step, config.steps, config.steps, setup, network,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return network.cpu().eval(), record


def open_shipped(seed: int) -> Parts:
    """The networks that ship, and a pool of noises drawn with the seed."""
    source, regressor = load_pretrained()
    pool = draw_pool(source, regressor, POOL, torch.Generator().manual_seed(seed))
    return Parts(source, regressor, pool, VGG19Features(), Setup(half=True))


def shots_of(target: Target, seed: int) -> Tensor:
    """The shots that `adapt_to` draws."""
    return choose_shots(target, shots_for(target), torch.Generator().manual_seed(seed))


def measure(name: str, parts: Parts, config: ReadingConfig) -> dict:
    """Distances of one target from its held-out poses, step by step from the mixed poses to the generator's, by either
    beta; how far each step moves the poses; and what a detector is worth.

    `read`: the mixed poses as beta reads alpha's sticks of them. `fitted`: as it reads the adapted generator's drawings
    from the noises that were paired with them. `adapted`: from any noises. `taught`: the same by the target's own beta.
    `wide`: of these the share that lies near to mixed poses, as wide as the shots are; and the mixed poses likewise.
    """
    target, seed = open_target(name), config.seed
    shots = shots_of(target, seed)
    adapted, sampled = adapt_to(target, parts, seed, len(shots))
    mixed = adapted.mixed[:SAMPLES]
    noises = paired_noises(ADAPTATION.pairing, parts.pool, adapted.mixed)
    known = known_poses(parts.regressor, KEPT, torch.Generator().manual_seed(seed))
    beta, record = refine_regressor(config, parts.regressor, adapted, noises, known, parts.setup)
    drawn = alpha(mixed, parts.source.config.size)
    with torch.no_grad():
        read = read_images(parts.regressor, drawn)
    fitted = [read_poses(adapted.generator, reader, noises[:SAMPLES]) for reader in (parts.regressor, beta)]
    taught = sample_poses(adapted.generator, beta, ANNOTATIONS, torch.Generator().manual_seed(seed))
    wide = widened(nearest_share(taught, adapted.mixed, SHARE), shots)
    sets = {
        "source": parts.pool.poses, "mixup": adapted.mixed, "mixup wide": widened(adapted.mixed, shots), "read": read,
        "fitted": fitted[0], "adapted": sampled, "taught": taught, "wide": wide,
        "pool": spaced(target.pool, SAMPLES),
    }  # fmt: skip
    annotations = {
        "direct": torch.cat([parts.pool.poses[:ANNOTATIONS], adapted.mixed]),
        "wide": torch.cat([wide, adapted.mixed]),
    }
    detector = replace(DETECTOR, seed=seed)
    return {
        "distances": {kind: distances(poses, target.held_out) for kind, poses in sets.items()},
        "moved": {
            kind: float((found - mixed).norm(dim=-1).mean()) / 2  # of the picture's side
            for kind, found in (("read", read), ("fitted", fitted[0]), ("taught", fitted[1]))
        },
        "detector": {
            kind: detector_errors(train_detector(detector, poses)[0], detector, target.held_out)
            for kind, poses in annotations.items()
        },
        "loss": record[-1]["distance"],
    }


def measure_smeared(name: str, parts: Parts, config: ReadingConfig) -> dict:
    """Distances of one target's poses from held-out ones, and a detector's errors, where tau changes the coarse half of
    the layers and beta's answers are given back what they leave out.

    `taught`: the adapted generator's poses from any noises, as the target's own beta reads them. `smeared`: to each the
    residual of one of its `NEIGHBOURS` nearest answers to the paired noises, whose mixed poses are known: the residuals
    carry back detail that mixup has. `mixup smeared`: the mixed poses likewise.

    That layers are few and neighbours twenty was chosen on the classes of `SMEARED_ON` by the squared MMD, before the
    targets of `MEASURED_ON` were measured.
    """
    target, seed = open_target(name), config.seed
    shots = shots_of(target, seed)
    coarse = tuple(range(1, parts.source.config.layers // 2 + 1))
    adapted, _ = adapt_to(target, parts, seed, len(shots), layers=coarse)
    mixed = adapted.mixed
    noises = paired_noises(ADAPTATION.pairing, parts.pool, mixed)
    known = known_poses(parts.regressor, KEPT, torch.Generator().manual_seed(seed))
    beta, record = refine_regressor(config, parts.regressor, adapted, noises, known, parts.setup)
    fitted = read_poses(adapted.generator, beta, noises)
    generator = torch.Generator().manual_seed(seed)
    taught = sample_poses(adapted.generator, beta, ANNOTATIONS, generator)
    found = smeared(taught, fitted, mixed - fitted, NEIGHBOURS, generator)
    sets = {
        "source": parts.pool.poses, "mixup": mixed, "mixup wide": widened(mixed, shots),
        "mixup smeared": smeared(mixed, fitted, mixed - fitted, NEIGHBOURS, generator), "taught": taught,
        "wide": widened(nearest_share(taught, mixed, SHARE), shots), "smeared": found,
        "pool": spaced(target.pool, SAMPLES),
    }  # fmt: skip
    detector = replace(DETECTOR, seed=seed)
    trained = train_detector(detector, torch.cat([found, mixed]))[0]
    return {
        "layers": list(coarse),
        "distances": {kind: distances(poses, target.held_out) for kind, poses in sets.items()},
        "detector": {"smeared": detector_errors(trained, detector, target.held_out)},
        "loss": record[-1]["distance"],
    }


def teach_shipped(name: str, parts: Parts, config: ReadingConfig) -> tuple[KeypointRegressor, dict]:
    """A beta of the generator whose tau ships, and distances of its poses from held-out ones, read by either beta."""
    target = recorded_target(name)
    shots = shots_of(target, config.seed)
    mixed = pose_mixup(shots, ADAPTATION.mixed, seed_everything(config.seed))  # as `adapt` draws them
    generator = AdaptedGenerator(parts.source, load_pretrained_transfer(name)).eval()
    noises = paired_noises(ADAPTATION.pairing, parts.pool, mixed)
    known = known_poses(parts.regressor, KEPT, torch.Generator().manual_seed(config.seed))
    beta, _ = refine_regressor(config, parts.regressor, Adapted(generator, mixed, []), noises, known, parts.setup)
    fresh = parts.source.noise(SAMPLES, torch.Generator().manual_seed(config.seed + 1))
    read = {"adapted": parts.regressor, "taught": beta}
    found = {k: distances(read_poses(generator, reader, fresh), target.held_out) for k, reader in read.items()}
    return beta, {"shipped": found}


def main(arguments: list[str] | None = None) -> None:
    """Adapt to a target, teach beta its drawings, and measure the poses step by step."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--target", choices=(*MEASURED_ON, *SMEARED_ON, *UNIONS, *TURNED), required=True,
                        help="a target to measure on, or a class that was chosen on")  # fmt: skip
    parser.add_argument(
        "--models", type=Path, default=Path("runs/flexpose"), help="folder of the faces' source and beta"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--ship", action="store_true", help="teach beta the tau that ships, and write it beside --out")
    what.add_argument("--smear", action="store_true", help="adapt the coarse layers, give poses what beta leaves out")
    parser.add_argument("--seed", type=int, default=0, help="of shots, noises and trainings")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with loop.command():
        for file in (options.out, *[options.out.with_suffix(".safetensors")] * options.ship):
            prepare_file(file)
        config = ReadingConfig(seed=options.seed)
        if options.target in NETWORKS:
            parts = open_parts(options.models, options.seed, NETWORKS[options.target])
        else:
            parts = open_shipped(options.seed)
        if options.ship:
            beta, found = teach_shipped(options.target, parts, config)
            save_regressor(options.out.with_suffix(".safetensors"), beta)
        else:
            found = (measure_smeared if options.smear else measure)(options.target, parts, config)
        command = results.command_line(PROGRAM, arguments)
        results.write(options.out, found, command, time.monotonic() - started, config, options.seed,
                      config.steps)  # fmt: skip
    print(f"wrote {options.out}; {found}")


if __name__ == "__main__":
    main()
