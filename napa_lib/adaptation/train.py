"""Train the two networks that a source needs: its pose generator g_s, and beta, which reads skeleton images.

    python -m napa_lib.adaptation.train --stage source --preset tiny --half --out runs/flexpose/source.safetensors

An interrupted run goes on from the checkpoint beside `--out` when the same command is given again.
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from napa_lib import loop, results
from napa_lib.adaptation.config import PRESETS, SourceConfig
from napa_lib.adaptation.faces import source_faces
from napa_lib.adaptation.losses import gradient_penalty
from napa_lib.adaptation.networks import Discriminator, KeypointRegressor, PoseStyleGAN, halvings_for, read_images
from napa_lib.adaptation.sticks import FACE, STROKES, alpha, check_source
from napa_lib.adaptation.store import load_source, save_regressor, save_source
from napa_lib.adaptation.targets import artificial_poses, labelled_poses, source_poses, spaced, union_poses
from napa_lib.adaptation.warm import warm_source
from napa_lib.data.known import is_known
from napa_lib.engine import choose_device, learning_rate_factor, seed_everything
from napa_lib.files import prepare_file
from napa_lib.loop import HERE, Losses, Record, Setup, Training, descend, laid_out, on_device, settings_of
from napa_lib.networks.gan import bce_discriminator_loss, bce_generator_loss
from napa_lib.options import add_device

PROGRAM = "python -m napa_lib.adaptation.train"
SCALE = 32_000  # poses of the source, as many as the paper has of COCO
MOST = 200_000  # poses of a data set of one's own: each has a noise in memory
SOURCES = {"mocap": source_poses, "artificial": artificial_poses, "union": union_poses, "faces": source_faces}
CLIP = 100.0  # largest norm of a network's gradient: stops what is not sound, and nothing else


def train_source(
    config: SourceConfig, poses: Tensor, setup: Setup = HERE, start: PoseStyleGAN | None = None
) -> tuple[PoseStyleGAN, Record]:
    """Train a generator of the source's skeleton images, g_s, against a critic.

    Args:
        config: what to train and how.
        poses: (K, J, 2) in [-1, 1], the annotations S.
        setup: where and how to compute, and the checkpoint.
        start: a generator to begin with, such as `warm_source` makes; it stays as it is.

    Returns:
        the generator with averaged weights, in evaluation mode, and the record.

    Raises:
        ValueError: for poses with missing joints or of another set, or a checkpoint that does not fit.
        FloatingPointError: if a loss is not finite; the last checkpoint is kept.

    Source: FlexPose, section 3.2; Karras et al., 2019.
    """
    check_source(poses)
    generator, model = seed_everything(config.seed), config.model
    network, critic = on_device(setup.device, PoseStyleGAN(model)), on_device(setup.device, Discriminator(model))
    if start is not None:
        if start.config != model:
            raise ValueError(f"start must be of the configuration that is trained, {model}, got {start.config}")
        network.load_state_dict(start.state_dict())
    average = copy.deepcopy(network).requires_grad_(False)
    slow = {"params": network.mapping.parameters(), "lr": config.learning_rate / 10}
    groups = [slow, {"params": [*network.affine.parameters(), *network.synthesis.parameters()]}]
    adams = {
        name: torch.optim.Adam(parameters, lr=config.learning_rate, betas=(0.0, 0.99), fused=True)
        for name, parameters in (("generator", groups), ("critic", critic.parameters()))
    }

    def step(number: int) -> Losses:
        real = laid_out(draw(poses, config, generator), setup.device)
        z = network.noise(config.batch, generator).to(setup.device)
        critic.requires_grad_(False)
        with setup.autocast():
            fake = network(z)
            losses = {"fooling": bce_generator_loss(critic(fake))}
        descend(losses["fooling"], adams["generator"], CLIP, losses)
        loop.update_average(average, network, min(config.average, (number + 1) / (number + 10)))
        critic.requires_grad_(True)
        with setup.autocast():
            losses["judging"] = total = bce_discriminator_loss(critic(real), critic(fake.detach()))
        if number % config.lazy == 0:
            total = total + config.lazy * config.penalty * gradient_penalty(critic, real)
        descend(total, adams["critic"], CLIP, losses)
        return losses

    models = {"average": average, "network": network, "critic": critic}
    training = Training(models, adams, generator, settings_of("source", config, setup))
    record = loop.run("pose generator", training, step, config.steps, config.every, setup, average)
    return average.cpu().eval(), record


def train_regressor(config: SourceConfig, poses: Tensor, setup: Setup = HERE) -> tuple[KeypointRegressor, Record]:
    """Train beta to read joints off skeleton images, alpha's and such as a generator may draw: blurred, noisy, faint.

    Args:
        config: what to train and how; `penalty`, `lazy` and `average` play no part.
        poses: (K, J, 2) in [-1, 1], the annotations S. They are stretched, moved, and their joints shifted a little, so
            that beta does not lean on what the source's poses look like.
        setup: where and how to compute, and the checkpoint.

    Returns:
        beta, in evaluation mode, and the record.

    Source: FlexPose, section 3.4 ("pre-trained on S").
    """
    check_source(poses)
    generator = seed_everything(config.seed)
    network = on_device(
        setup.device,
        KeypointRegressor(config.model.planes, halvings=halvings_for(config.model.size), joints=poses.shape[1]),
    )
    optimizer = loop.adam(network.parameters(), config.learning_rate, (0.9, 0.999))

    def step(number: int) -> Losses:
        target = deformed(poses[torch.randint(len(poses), (config.batch,), generator=generator)], generator)
        image = worn(alpha(target, config.model.size, config.model.color), generator)
        with setup.autocast():
            found = network(laid_out(image, setup.device))
        losses = {"distance": (found - target.to(found)).norm(dim=-1).mean()}
        descend(losses["distance"], optimizer, CLIP, losses)
        return losses

    training = Training({"beta": network}, {"adam": optimizer}, generator, settings_of("beta", config, setup))
    record = loop.run(
        "beta", training, step, config.steps, config.every, setup, network,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return network.cpu().eval(), record


def draw(poses: Tensor, config: SourceConfig, generator: torch.Generator) -> Tensor:
    """A random batch of the source's skeleton images."""
    chosen = poses[torch.randint(len(poses), (config.batch,), generator=generator)]
    return alpha(chosen, config.model.size, config.model.color)


def deformed(poses: Tensor, generator: torch.Generator) -> Tensor:
    """Each pose stretched by up to 30 % along both axes, each joint moved a little, and the whole within [-1, 1]."""
    stretch = 0.7 + 0.6 * torch.rand(len(poses), 1, 2, generator=generator)
    aside = 0.8 * STROKES[poses.shape[1]]
    moved = poses * stretch + aside * torch.randn(poses.shape, generator=generator)
    return (moved + 0.2 * (torch.rand(len(poses), 1, 2, generator=generator) - 0.5)).clamp(-1, 1)


def worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """Skeleton images as a generator may draw them: some blurred to half their size, noise over all, some faint."""
    half = interpolate(images, scale_factor=0.5, mode="area")
    soft = interpolate(half, size=images.shape[-2:], mode="bilinear", align_corners=False)
    share = torch.rand(len(images), 1, 1, 1, generator=generator)
    light = 0.6 + 0.4 * torch.rand(len(images), 1, 1, 1, generator=generator)
    noise = 0.1 * torch.rand(len(images), 1, 1, 1, generator=generator) * torch.randn(images.shape, generator=generator)
    return (images.lerp(soft, share) * light + noise).clamp(0, 1)


def open_source(name: str, generator: torch.Generator) -> Tensor:
    """The poses of a source: `SCALE` of those that are made here, or those that a data set of one's own labels, `MOST`
    of them evenly spread where it has more.

    Raises:
        ValueError: for another name, or as `labelled_poses`.
    """
    if name in SOURCES:
        return SOURCES[name](SCALE, generator)
    if not is_known(name):
        raise ValueError(f"poses must be of {', '.join(SOURCES)}, or a data set's, such as coco:FOLDER, got {name!r}")
    return spaced(labelled_poses(name)[0], MOST)


def known_poses(network: KeypointRegressor, count: int, generator: torch.Generator, split: str = "train") -> Tensor:
    """Poses of the source that a beta has learned to read, bodies or faces."""
    source = source_faces if network.joints == FACE.num_joints else source_poses
    return source(count, generator, split)


def held_out_distance(network: KeypointRegressor, size: int) -> float:
    """beta's mean distance on skeleton images of poses held out, a joint, as a share of the picture's side."""
    poses = known_poses(network, 1000, torch.Generator().manual_seed(1), "validation")
    found = read_images(network, alpha(poses, size, network.planes == 3))
    return float((found - poses).norm(dim=-1).mean()) / 2


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    found = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    add = found.add_argument
    add("--stage", choices=("warm", "source", "beta"), required=True,
        help="the generator g_s without and with its critic, or the regressor beta")  # fmt: skip
    add("--start", type=Path, metavar="FILE", help="network that --stage source begins with")
    add("--poses", default="mocap", metavar="NAME",
        help=f"the source's poses: {', '.join(SOURCES)}, or the labels of a data set, FORMAT:FOLDER#SPLIT")  # fmt: skip
    add("--preset", choices=tuple(PRESETS), default="tiny")
    add("--white", action="store_true", help="white bones in one channel, not a colour for each")
    add("--steps", type=int, default=SourceConfig.steps)
    add("--batch", type=int, default=SourceConfig.batch)
    add("--learning-rate", type=float, default=SourceConfig.learning_rate)
    add("--penalty", type=float, default=SourceConfig.penalty, help="weight of the critic's penalty, of --stage source")
    add("--lazy", type=int, default=SourceConfig.lazy, help="steps between two penalties")
    add("--seed", type=int, default=SourceConfig.seed)
    add_device(found)
    add("--out", type=Path, required=True, metavar="FILE", help="safetensors file to write")
    add("--results", type=Path, metavar="FILE", help="JSON file for the record")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train a pose generator or the keypoint regressor on a source's poses, write it and its record."""
    options = parser().parse_args(arguments)
    with loop.command():
        if options.start is not None and options.stage != "source":
            raise ValueError(f"--start is for --stage source, {options.stage} begins anew")
        for file in filter(None, (options.out, options.results)):
            prepare_file(file)
        config = SourceConfig(
            replace(PRESETS[options.preset], color=not options.white), steps=options.steps, batch=options.batch,
            learning_rate=options.learning_rate, penalty=options.penalty, lazy=options.lazy, seed=options.seed,
        )  # fmt: skip
        device = choose_device(options.device)
        inputs = {"poses": options.poses, "start": None if options.start is None else str(options.start)}
        setup = Setup(device, options.half, options.out.with_suffix(".checkpoint.safetensors"), inputs=inputs)
        poses = open_source(options.poses, torch.Generator().manual_seed(options.seed))
        measured: dict = {}
        if options.stage == "warm":
            network, record = warm_source(config, poses, setup)
            save_source(options.out, network)
        elif options.stage == "source":
            start = None if options.start is None else load_source(options.start)
            network, record = train_source(config, poses, setup, start)
            save_source(options.out, network)
        else:
            regressor, record = train_regressor(config, poses, setup)
            save_regressor(options.out, regressor)
            if options.poses in SOURCES:
                measured = {"held_out": held_out_distance(regressor, config.model.size)}
        if options.results:
            command = results.command_line(PROGRAM, arguments)
            results.write(options.results, {**measured, "record": record}, command, record[-1]["seconds"], config,
                          config.seed, config.steps, device)  # fmt: skip
    print(f"wrote {options.out}; {json.dumps({**record[-1], **measured})}")


if __name__ == "__main__":
    main()
