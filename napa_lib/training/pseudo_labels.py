"""What are pseudo-3D labels worth? `python -m napa_lib.training.pseudo_labels --seed 0 --results FOLDER`.

Depth is learned from everyday motion, with all its 3D, and from pictures of wilder poses, of which the 2D joints are
known and the depth is left out, guessed, made up, made up and then turned right by hand, or measured.

Source: NAPA, section 4.4.3.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib import results
from napa_lib.annotate.pseudo_depth import nearest_pose
from napa_lib.data import list_mocap_clips, load_mocap
from napa_lib.data.views import random_views
from napa_lib.engine import learning_rate_factor, progress, seed_everything
from napa_lib.files import prepare_file
from napa_lib.lifting import BoneStandardizer, bone_vectors, depth_loss
from napa_lib.lifting.config import TrainingConfig
from napa_lib.lifting.drawing import network_input
from napa_lib.lifting.evaluate import estimate_poses, evaluate
from napa_lib.lifting.lift import compose_pose, recover_scale
from napa_lib.lifting.train import build_network, draw_views, fit_standardizer
from napa_lib.loop import HERE, Losses, Setup, Training, command, descend, run, settings_of
from napa_lib.metrics import pa_mpjpe

PROGRAM = "python -m napa_lib.training.pseudo_labels"
EVERYDAY = ("walk", "jump", "punch", "spin")  # clips that come with depth; the other training clips are the pictures
PICTURES = 4  # of each wilder pose


def pictures_of_others(config: TrainingConfig, rest: bool = False) -> tuple[Tensor, Tensor]:
    """Wilder poses, each seen by `PICTURES` cameras: keypoints (N, 18, 2), and the poses (N, 18, 3) that are hidden.

    They are the first two thirds of the clips, or the `rest`, on which to measure.
    """
    clips = [load_mocap(clip).poses for clip in list_mocap_clips("train") if clip not in EVERYDAY]
    ends = [2 * len(poses) // 3 for poses in clips]
    parts = [poses[end:] if rest else poses[:end] for poses, end in zip(clips, ends, strict=True)]
    generator = torch.Generator().manual_seed(int(rest))
    return random_views(torch.cat(parts).repeat_interleave(PICTURES, 0), config, generator)


def everyday_frames() -> Tensor:
    """(T, 44) frames whose depth is known."""
    return torch.cat([load_mocap(clip).frames for clip in EVERYDAY])


def train_depth(
    config: TrainingConfig,
    standardizer: BoneStandardizer,
    pictures: tuple[Tensor, Tensor] | None = None,
    setup: Setup = HERE,
) -> nn.Module:
    """A depth network that has learned from everyday motion, half of each batch being labelled pictures if given.

    Args:
        config: how.
        standardizer: of the bones, fitted to everyday motion.
        pictures: keypoints (N, 18, 2) in pixels and poses (N, 18, 3) in mm.
        setup: where to compute.
    """
    frames, generator = everyday_frames(), seed_everything(config.seed)
    network = build_network(config).to(setup.device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)

    def step(number: int) -> Losses:
        keypoints, poses = draw_views(frames, config, generator)
        if pictures is not None:
            chosen = torch.randint(len(pictures[0]), (config.batch // 2,), generator=generator)
            keypoints = torch.cat([keypoints[len(chosen) :], pictures[0][chosen]])
            poses = torch.cat([poses[len(chosen) :], pictures[1][chosen]])
        target = standardizer.standardize(bone_vectors(poses))[..., 2:]
        found = network(network_input(keypoints.to(setup.device), config))
        losses = {"depth": depth_loss(found[..., None], target.to(setup.device))}
        descend(losses["depth"], optimizer, math.inf, losses)
        return losses

    training = Training(
        {"network": network}, {"optimizer": optimizer}, generator, settings_of("pseudo-3D", config, setup)
    )
    run(
        "depth", training, step, config.steps, config.steps, setup, rate=lambda n: learning_rate_factor(n, config.steps)
    )
    return network.cpu().eval()


def made_up(keypoints: Tensor, guess: Tensor, length: Tensor) -> Tensor:
    """Pseudo-3D poses (N, 18, 3) from keypoints (N, 18, 2) and the poses that a network guesses."""
    depths = bone_vectors(guess)[..., 2]
    rows = progress(zip(keypoints, depths, strict=True), "pseudo-3D", len(keypoints))
    return torch.stack([nearest_pose(row, depth, length).pose for row, depth in rows])


def turned_right(keypoints: Tensor, poses: Tensor, truth: Tensor, length: Tensor) -> Tensor:
    """Pseudo-3D poses after a careful hand: the depths' sizes stay, each bone's sign is the true one."""
    depths, true = bone_vectors(poses)[..., 2], bone_vectors(truth)[..., 2]
    turned = depths.abs() * torch.where(true < 0, -1.0, 1.0)
    return compose_pose(keypoints, turned, recover_scale(keypoints, turned, length))


def compare(config: TrainingConfig, setup: Setup = HERE) -> dict:
    """Train with each kind of label for the pictures, and measure labels and networks.

    Returns:
        PA-MPJPE in mm: "labels", of what each kind says of the pictures; "rest", of the networks on what follows in the
        pictures' clips; "others", on the test clips.
    """
    standardizer = fit_standardizer(everyday_frames(), config)
    keypoints, truth = pictures_of_others(config)
    networks = {"none": train_depth(config, standardizer, None, setup)}
    guess = estimate_poses(networks["none"], standardizer, config, keypoints)
    pseudo = made_up(keypoints, guess, standardizer.length)
    revised = turned_right(keypoints, pseudo, truth, standardizer.length)
    labels = {"guess": guess, "pseudo": pseudo, "revised": revised, "true": truth}
    for name, poses in labels.items():
        networks[name] = train_depth(config, standardizer, (keypoints, poses), setup)
    seen, there = pictures_of_others(config, rest=True)
    alike = {n: estimate_poses(network, standardizer, config, seen) for n, network in networks.items()}
    return {
        "pictures": len(keypoints),
        "labels": {name: error(poses, truth) for name, poses in labels.items()},
        "rest": {name: error(poses, there) for name, poses in alike.items()},
        "others": {
            name: round(evaluate(network, standardizer, config)["all"]["pa_mpjpe"], 2)
            for name, network in networks.items()
        },
    }


def error(poses: Tensor, truth: Tensor) -> float:
    """PA-MPJPE in mm."""
    return round(float(pa_mpjpe(poses, truth).total), 2)


def read_options(
    program: str, about: str | None, name: str, arguments: list[str] | None
) -> tuple[argparse.Namespace, TrainingConfig]:
    """What is asked for, with `results`, the folder for NAME_SEED.json; and how each network is trained."""
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument(
        "--results", type=Path, required=True, metavar="FOLDER", help=f"where to write {name}_SEED.json"
    )
    parser.add_argument("--steps", type=int, default=4000, help="of each training (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with command():
        prepare_file(options.results / "results.json")
        return options, TrainingConfig("coordinates", steps=options.steps, learning_rate=1e-3, seed=options.seed)


def main(arguments: list[str] | None = None) -> None:
    """Train one network a kind of label, and measure each on held-out motion."""
    options, config = read_options(PROGRAM, main.__doc__, "pseudo", arguments)
    started = time.monotonic()
    with command():
        found = compare(config)
        print(json.dumps(found))
        results.write(
            options.results / f"pseudo_{options.seed}.json", found, results.command_line(PROGRAM, arguments),
            time.monotonic() - started, config, options.seed, config.steps,
        )  # fmt: skip


if __name__ == "__main__":
    main()
