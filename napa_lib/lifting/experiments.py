"""The measurements of lesson 02: `python -m napa_lib.lifting.experiments EXPERIMENT --out FILE.json`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn

from napa_lib.data import list_mocap_clips, load_mocap
from napa_lib.data.views import random_views
from napa_lib.engine import choose_device
from napa_lib.experiments import Experiment
from napa_lib.files import prepare_file
from napa_lib.lifting.config import INPUTS, TrainingConfig
from napa_lib.lifting.drawing import in_white, render_point_map
from napa_lib.lifting.evaluate import estimate_poses, evaluate
from napa_lib.lifting.fitting import COARSE, FINE, Draw, descend, draw_with, fit_pose_to_bone_map
from napa_lib.lifting.functional import place_in_map
from napa_lib.lifting.networks import PRESETS
from napa_lib.lifting.train import train_depth_net
from napa_lib.loop import Setup, command
from napa_lib.rendering import render_bone_map
from napa_lib.results import command_line, interval, write
from napa_lib.skeletons import NAPA18, convert

SIZE, WIDTH = 224, 20.0  # the paper's map and bone width, in pixels
DISTANCES = (5, 10, 15, 20, 25, 30, 40)  # px that joints are pushed by
PROGRAM = "python -m napa_lib.lifting.experiments"
MODULE = "napa_lib.lifting.experiments"
LONGER: dict[str, dict] = {  # is the bone map the worse input, or what reads it too small and too briefly trained?
    "bones_longer": {"sees": "bones", "steps": 16_000},
    "bones_longer_wider": {"sees": "bones", "steps": 16_000, "preset": "wide"},
    "coordinates_longer": {"sees": "coordinates", "steps": 16_000},
    "bones_paper": {"sees": "bones", "steps": 5_000, "batch": 16, "preset": "paper", "learning_rate": 1e-3},
    "bones_paper_tiny": {"sees": "bones", "steps": 5_000, "batch": 16},  # as many pictures, the small network
}
LONGER_RUNS: dict[str, tuple[float, tuple[int, ...]]] = {  # seconds, and seeds
    "bones_longer": (1750, (0,)), "bones_longer_wider": (2000, (0,)), "coordinates_longer": (100, (0, 1, 2)),
    "bones_paper": (7000, (0,)), "bones_paper_tiny": (120, (0, 1, 2)),
}  # fmt: skip
EXPERIMENTS = {
    "weights": Experiment(
        "napa_lib.lifting.train --small --out runs/lifting/depthnet_tiny.safetensors "
        "--checkpoint runs/lifting/depthnet_tiny.checkpoint",
        "runs/lifting/depthnet_tiny.safetensors", 150,
    ),
    "depth": Experiment(f"{MODULE} depth --out runs/lifting/depth.json", "runs/lifting/depth.json", 1100),
    "why": Experiment(f"{MODULE} why --out runs/lifting/why.json", "runs/lifting/why.json", 10, after=("depth",)),
    **{
        name: Experiment(
            f"{MODULE} longer --training {name} --seeds {{seed}} --half --out runs/lifting/{name}_{{seed}}.json",
            f"runs/lifting/{name}_{{seed}}.json", *run,
        )
        for name, run in LONGER_RUNS.items()
    },
    "fit": Experiment(f"{MODULE} fit --out runs/lifting/fit.json", "runs/lifting/fit.json", 90),
    "reach": Experiment(
        f"{MODULE} reach --poses 16 --out runs/lifting/reach.json", "runs/lifting/reach.json", 140
    ),
}  # fmt: skip


def over_seeds(values: list[float]) -> dict:
    """Mean over seeds and its 95 % interval as they stand in a result, with the values."""
    return interval(values).entry(values)


def measure_depth(inputs: list[str], seeds: list[int], steps: int, folder: Path, device: torch.device) -> dict:
    """Train every input with every seed; score held-out clips, clean, with noisy and with missing keypoints."""
    results: dict = {"inputs": {}}
    for sees in inputs:
        runs = []
        for seed in seeds:
            started = time.process_time()
            config = depth_config(sees, steps, seed)
            trained = train_depth_net(config, Setup(device, checkpoint=folder / f"{sees}_{steps}_{seed}.checkpoint"))
            score = score_depth(trained.network, trained.standardizer, config)
            runs.append(score | {"seed": seed, "cpu_seconds": round(time.process_time() - started, 1)})
            print(sees, seed, {k: round(v, 1) for k, v in score["clean"]["all"].items()}, flush=True)
        summary = {
            case: {m: over_seeds([run[case]["all"][m] for run in runs]) for m in ("mpjpe", "pa_mpjpe")}
            for case in ("clean", "noisy", "incomplete", "training_clips")
        }
        results["inputs"][sees] = {"config": asdict(config), "summary": summary, "runs": runs}
    results["mean_depth"] = score_depth(_MeanDepth(), trained.standardizer, replace(config, sees="coordinates"))
    return results


def depth_config(sees: str, steps: int, seed: int, **different: Any) -> TrainingConfig:
    """The compared trainings: all see the same views; the perceptron likes a smaller step."""
    rate = 1e-3 if sees == "coordinates" else 3e-3
    return TrainingConfig(**{"sees": sees, "steps": steps, "seed": seed, "learning_rate": rate, **different})


def measure_longer(training: str, seed: int, folder: Path, setup: Setup) -> dict:
    """One training of `LONGER` and its scores, as `measure_depth` has them."""
    config = depth_config(seed=seed, **LONGER[training])
    trained = train_depth_net(config, replace(setup, checkpoint=folder / f"{training}_{seed}.checkpoint"))
    size = sum(p.numel() for p in trained.network.parameters())
    facts = {"parameters": size, "training_seconds": trained.record[-1]["seconds"]}
    return facts | score_depth(trained.network, trained.standardizer, config)


def score_depth(network: nn.Module, standardizer, config: TrainingConfig) -> dict:
    """Clean keypoints; 2 % noise; four joints missing; and the training clips, clean."""
    return {
        "clean": evaluate(network, standardizer, config),
        "noisy": evaluate(network, standardizer, config, jitter=2.0),
        "incomplete": evaluate(network, standardizer, config, missing=4),
        "training_clips": evaluate(network, standardizer, config, split="train", views=1),
    }


def measure_why(seeds: list[int], steps: int, folder: Path, device: torch.device, views: int = 4) -> dict:
    """Where the inputs differ: by how much of the bones is hidden, and by the resolution of the map.

    Test views are parted into four quarters by the share of their bones' ovals that others hide. And the perceptron is
    given coordinates rounded to whole pixels of the map, as if read from it perfectly.
    """
    generator = torch.Generator().manual_seed(7)
    poses = torch.cat([load_mocap(clip).poses for clip in list_mocap_clips("test")]).repeat_interleave(views, 0)
    keypoints, truth = random_views(poses, TrainingConfig(), generator)
    preset = PRESETS[TrainingConfig().preset]
    placed, _ = place_in_map(keypoints, preset.size, margin=preset.bone_width / 2)
    hidden = hidden_share(placed, preset.size, preset.bone_width)
    quarters = hidden.argsort().argsort() * 4 // len(hidden)
    cases = {"bones": keypoints, "points": keypoints, "coordinates": keypoints, "coordinates rounded": placed.round()}
    errors: dict[str, Tensor] = {}
    for name, points in cases.items():
        rows = []
        for seed in seeds:
            config = depth_config(name.removesuffix(" rounded"), steps, seed)
            checkpoint = folder / f"{config.sees}_{steps}_{seed}.checkpoint"
            trained = train_depth_net(config, Setup(device, checkpoint=checkpoint))
            pose = estimate_poses(trained.network, trained.standardizer, config, points)
            rows.append((pose - truth).norm(dim=-1).mean(1))
        errors[name] = torch.stack(rows)  # (seeds, views)
    parts = [quarters == q for q in range(4)]
    return {
        "map_px": preset.size,
        "hidden_share": [hidden[part].mean().item() for part in parts],
        "mpjpe": {name: [over_seeds(e[:, part].mean(1).tolist()) for part in parts] for name, e in errors.items()},
        "bones_minus_points": [
            over_seeds((errors["bones"] - errors["points"])[:, part].mean(1).tolist()) for part in parts
        ],
        "mpjpe_all": {name: over_seeds(e.mean(1).tolist()) for name, e in errors.items()},
    }


def hidden_share(keypoints: Tensor, size: int, width: float) -> Tensor:
    """(B,): how much of its ovals' area a bone map does not show, because other bones or its edge cover it."""
    shown = (render_bone_map(keypoints, NAPA18, size, width).amax(1) > 0).sum((1, 2))
    areas = []
    for bone in NAPA18.bones:
        alone = replace(NAPA18, bones=(bone,), colors=((255, 255, 255),))
        areas.append((render_bone_map(keypoints, alone, size, width)[:, 0] > 0).sum((1, 2)))
    return 1 - shown / torch.stack(areas).sum(0)


class _MeanDepth(nn.Module):
    """Says of every bone that it points where it points on average: what the keypoints alone give."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 15)


def measure_fit(seeds: list[int], poses: int) -> dict:
    """Fit maps of random motion-capture views from 15 px off: how many arrive, whether the others could be told, and
    which of their joints end more than 3 px off."""
    runs = []
    for seed in seeds:
        truth, generator = random_maps(poses, seed)
        target = render_bone_map(truth, NAPA18, SIZE, WIDTH)
        fit = fit_pose_to_bone_map(target, push(truth, 15.0, generator), NAPA18, WIDTH)
        off = (fit.keypoints - truth).norm(dim=-1)  # (poses, 18)
        error = off.mean(1)
        at_truth = (render_bone_map(truth, NAPA18, SIZE, WIDTH, FINE[-1].softness) - target).square().mean((1, 2, 3))
        arrived, as_good = error < 1.0, fit.loss <= 1.1 * at_truth
        runs.append({
            "seed": seed,
            "poses": poses,
            "under_1_px": int(arrived.sum()),
            "not_arrived_map_as_good": int((~arrived & as_good).sum()),
            "not_arrived_map_worse": int((~arrived & ~as_good).sum()),
            "joints_astray": _counted(off[~arrived] > 3.0),
            "median_error_px": error.median().item(),
        })  # fmt: skip
        print(runs[-1], flush=True)
    share = over_seeds([run["under_1_px"] / poses for run in runs])
    return {"start_px": 15.0, "size": SIZE, "width": WIDTH, "share_under_1_px": share, "runs": runs}


def _counted(astray: Tensor) -> dict[str, int]:
    """In how many of N poses each joint is astray, of (N, 18); joints that never are left out."""
    return {name: count for name, count in zip(NAPA18.joints, astray.sum(0).tolist(), strict=True) if count}


def measure_reach(seeds: list[int], poses: int, distances: Sequence[float]) -> dict:
    """From how far a descent finds back, on bone maps and on maps of the points alone, in colour and in white.

    The descent is the coarse level alone, without new colours or turned ends, so that only the pictures differ. Counted
    are the 17 joints that bones touch; found is a joint that ends within 3 px of its place.
    """
    white = in_white(NAPA18)
    draws: dict[str, Draw] = {
        "bones": draw_with([NAPA18]),
        "points": lambda keypoints, size, width, softness: render_point_map(keypoints, NAPA18, size, width, softness),
        "white bones": draw_with([white]),
        "white points": lambda keypoints, size, width, softness: render_point_map(
            keypoints, white, size, width, softness
        ),
    }
    results: dict = {name: [] for name in draws}
    for distance in distances:
        for name, draw in draws.items():
            shares = []
            for seed in seeds:
                truth, generator = random_maps(poses, seed)
                target = draw(truth, (SIZE, SIZE), WIDTH, 0.0)
                path, _ = descend(target, push(truth, distance, generator), draw, WIDTH, COARSE)
                error = (path[-1] - truth).norm(dim=-1)[:, :17]
                shares.append((error < 3.0).double().mean().item())
            results[name].append({"distance_px": distance, "share_found": over_seeds(shares)})
            print(name, distance, round(mean(shares), 3), flush=True)
    return {"size": SIZE, "width": WIDTH, "poses_a_seed": poses, "level": asdict(COARSE), **results}


def random_maps(count: int, seed: int) -> tuple[Tensor, torch.Generator]:
    """(count, 18, 2) held-out poses from random sides, placed in the map; and the generator to go on with."""
    generator = torch.Generator().manual_seed(seed)
    poses = torch.cat([load_mocap(clip).poses for clip in list_mocap_clips("test")])
    poses = poses[torch.randint(len(poses), (count,), generator=generator)]
    keypoints, _ = random_views(poses, TrainingConfig(), generator)
    keypoints = convert(keypoints[:, :17], "H36M17", NAPA18)  # the thorax as the shoulders' mean in the picture
    return place_in_map(keypoints, SIZE, margin=WIDTH / 2)[0], generator


def push(keypoints: Tensor, distance: float, generator: torch.Generator) -> Tensor:
    """Every joint moved by `distance` pixels, each in a random direction of its own."""
    angle = 2 * torch.pi * torch.rand(keypoints.shape[:2], generator=generator)
    return keypoints + distance * torch.stack([angle.cos(), angle.sin()], -1)


def main(arguments: list[str] | None = None) -> None:
    """Run one measurement and write its result, with the command that made it."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("experiment", choices=("depth", "longer", "why", "fit", "reach"))
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--seeds", type=int, nargs="+", help="(default: 0 1 2; longer takes one, 0 if not given)")
    parser.add_argument("--inputs", nargs="+", default=INPUTS[:3], help=f"depth: of {', '.join(INPUTS)}")
    parser.add_argument("--steps", type=int, default=4000, help="depth, why: training steps")
    parser.add_argument("--training", choices=tuple(LONGER), default="bones_longer", help="longer: which, for one seed")
    parser.add_argument("--half", action="store_true", help="longer: compute in bfloat16 where that is safe")
    parser.add_argument("--runs", type=Path, default=Path("runs/lifting"), help="folder for checkpoints of trainings")
    parser.add_argument("--device", default="cpu", help="depth, longer, why: where to train (default: %(default)s)")
    parser.add_argument("--poses", type=int, default=32, help="fit, reach: poses a seed")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, start = parser.parse_args(arguments), time.monotonic()
    options.seeds = options.seeds or ([0] if options.experiment == "longer" else [0, 1, 2])
    if options.experiment == "longer" and len(options.seeds) > 1:
        parser.error(f"longer is one training: --seeds takes one seed, got {options.seeds}")
    if options.poses < 1:
        parser.error(f"--poses must be at least 1, got {options.poses}")
    config = {
        "depth": TrainingConfig(steps=options.steps), "why": TrainingConfig(steps=options.steps),
        "longer": depth_config(seed=options.seeds[0], **LONGER[options.training]),
    }.get(options.experiment)  # fmt: skip
    with command():
        prepare_file(options.out)
        device = choose_device(options.device if config else "cpu")  # a fit is no training
        result = _measure(options, device)
        write(
            options.out, result, command_line(PROGRAM, arguments), time.monotonic() - start, config,
            options.seeds if len(options.seeds) > 1 else options.seeds[0], config.steps if config else None, device,
        )  # fmt: skip


def _measure(options: argparse.Namespace, device: torch.device) -> dict:
    if options.experiment == "longer":
        return measure_longer(options.training, options.seeds[0], options.runs, Setup(device, options.half))
    if options.experiment == "depth":
        return measure_depth(options.inputs, options.seeds, options.steps, options.runs, device)
    if options.experiment == "fit":
        return measure_fit(options.seeds, options.poses)
    if options.experiment == "why":
        return measure_why(options.seeds, options.steps, options.runs, device)
    return measure_reach(options.seeds, options.poses, DISTANCES)


if __name__ == "__main__":
    main()
