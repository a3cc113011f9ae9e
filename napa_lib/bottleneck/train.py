"""Train KeypointGAN and its baselines: `python -m napa_lib.bottleneck.train --help`.

    python -m napa_lib.bottleneck.train --stage pretrain --data synthetic:train --steps 3000 --out eta.safetensors
    python -m napa_lib.bottleneck.train --stage ladder --rung ours --encoder eta.safetensors --data synthetic:train
        --validation synthetic:validation --steps 10000 --out ours.safetensors --results ours.json

Faces ("faces:train") are drawn as blobs (eq. 2), bodies as bones (eq. 1); errors of faces hold table 3's, too.

Pictures are taken from the first half of the clips and poses from the second (`open_halves`), so that no pose labels a
picture; with poses from elsewhere (`--poses`) all clips give pictures, and all poses of that set are taken. An
interrupted run goes on from the checkpoint beside `--out` when the same command is given again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.bottleneck.config import PRESETS, RUNGS, TrainingConfig, model_config
from napa_lib.bottleneck.evaluate import errors_by_motion, mean_pose, predict_clips
from napa_lib.bottleneck.ladder import train_rung
from napa_lib.bottleneck.losses import keypoint_loss
from napa_lib.bottleneck.model import KeypointGAN
from napa_lib.bottleneck.pretraining import pretrain
from napa_lib.bottleneck.probes import LEAST, carried_colors, measure_leak, regress_keypoints, whole_poses
from napa_lib.bottleneck.store import Model, load_encoder, load_model, save_model
from napa_lib.bottleneck.supervised import train_hourglass, train_supervised
from napa_lib.data.clips import Clips, check_poses, to_pixels, unpaired_poses
from napa_lib.data.pose_files import read_poses
from napa_lib.data.sources import FACES, REST, open_clips, open_poses, open_unpaired
from napa_lib.data.views import mocap_poses
from napa_lib.engine import choose_device
from napa_lib.files import prepare_file
from napa_lib.loop import Record, Setup, command
from napa_lib.networks.hourglass import HourglassNet
from napa_lib.options import add_device
from napa_lib.results import command_line, write
from napa_lib.skeletons import Skeleton, get_skeleton

PROGRAM = "python -m napa_lib.bottleneck.train"
STAGES = ("pretrain", "ladder", "supervised", "hourglass")
MOCAP = ("mocap", "mocap:studio")
EXAMPLES = 6  # validation clips whose first frame is followed through the training
PERCEPTUAL_SIZE = {"paper": 128, "tiny": 32}  # VGG-19 at 64 pixels would take most of a tiny step


def training_config(options: argparse.Namespace, skeleton: str | Skeleton) -> TrainingConfig:
    """The configuration that the options ask for."""
    config = TrainingConfig(
        replace(model_config(options.preset, options.rung, skeleton), limb_masks=options.limb_masks),
        steps=options.steps, batch=options.batch, seed=options.seed,
        perceptual_size=options.perceptual_size or PERCEPTUAL_SIZE[options.preset],
        every=options.every, recolour=options.recolour, stir=options.stir,
    )  # fmt: skip
    return config if options.adversarial is None else replace(config, adversarial=options.adversarial)


def choose_poses(options: argparse.Namespace, clips: Clips, rest: Tensor | None, generator: torch.Generator) -> Tensor:
    """The unpaired poses: those of the half without pictures, motion capture's, a file's or another set's; fewer where
    asked.

    Args:
        options: the command's.
        clips: the pictures.
        rest: the poses of the half without pictures, for `--poses clips`.
        generator: source of randomness.

    Raises:
        ValueError: if those asked for label the pictures, or none of them shows some joint: no network would learn
            it, and the poses would have no mean to compare with.
    """
    if options.pose_file:
        poses = read_poses(options.pose_file, clips.skeleton)
    elif options.poses in MOCAP:
        poses = mocap_poses(20_000, generator, skeleton=clips.skeleton, studio=options.poses == "mocap:studio")
    elif rest is not None:
        poses = check_poses(rest)
    elif options.poses.removeprefix(REST) == options.data:
        raise ValueError(
            f'poses must not be the labels of the pictures, got {options.data} for both; "clips" halves it'
        )
    else:
        poses = open_poses(options.poses, clips.size, options.look, clips.skeleton)
    if options.pose_count is not None:
        if not 1 <= options.pose_count <= len(poses):
            raise ValueError(f"pose_count must be from 1 to {len(poses)}, got {options.pose_count}")
        poses = poses[torch.randperm(len(poses), generator=generator)[: options.pose_count]]
    shown = (~poses.isnan().any(-1)).any(0).tolist()
    joints = get_skeleton(clips.skeleton)
    missing = [name for name, seen in zip(joints.joints, shown, strict=True) if not seen]
    if missing:
        raise ValueError(
            f"poses must show each joint of {joints.name} at least once, none has {', '.join(missing)}; "
            "--skeleton takes another joint set"
        )
    return poses


def measurement(
    validation: Clips | None, device: torch.device, scored: str | None = None
) -> Callable[[nn.Module], dict] | None:
    """What goes on record at each checkpoint: the errors on the validation clips, all motions together, and `examples`:
    the keypoints, in pixels, of the first frame of the first clips, for a film of the training."""
    if validation is None:
        return None

    def measure(model: nn.Module) -> dict:
        predict: Callable[[Tensor], Tensor] = model.predict  # type: ignore[assignment]
        found = predict_clips(predict, validation, device=device)
        examples = found.unflatten(0, validation.images.shape[:2])[:EXAMPLES, 0]
        rounded = [[[round(x, 1) for x in point] for point in pose] for pose in examples.tolist()]
        return {**errors_by_motion(found, validation, scored)["all"], "examples": rounded}

    return measure


def inputs_of(options: argparse.Namespace) -> dict[str, str | int | None]:
    """What a run is trained on and begins with: with anything else it is another one, that no checkpoint goes on to."""
    names = ("data", "look", "poses", "pose_file", "pose_count", "encoder", "start")
    return {name: getattr(options, name) for name in names}


def train(options: argparse.Namespace) -> tuple[Model, Record, dict]:
    """Run one stage; returns the model, its record and the errors at the end."""
    device = choose_device(options.device)
    size = PRESETS[options.preset].size
    if options.poses == "clips":
        images, rest = open_unpaired(options.data, size, options.look, options.skeleton)
    else:
        rest, images = None, open_clips(options.data, size, options.look, options.skeleton)
    config = training_config(options, images.skeleton)
    poses = choose_poses(options, images, rest, torch.Generator().manual_seed(options.seed))

    def others(name: str | None) -> Clips | None:
        return open_clips(name, size, options.look, images.skeleton) if name else None

    validation = others(options.validation)
    test, labelled = others(options.test) or validation, others(options.regress)
    if labelled is not None and int(whole_poses(labelled.keypoints).sum()) < LEAST:
        raise ValueError(f"regress must name clips with at least {LEAST} frames that have all labels")
    scored = get_skeleton(options.scored).name if options.scored else None
    checkpoint = Path(options.out).with_suffix(".checkpoint.safetensors")
    measure = measurement(validation, device, scored)
    setup = Setup(device, options.half, checkpoint, measure, inputs=inputs_of(options))
    model: Model
    if options.stage == "pretrain":
        if validation is not None:
            setup = replace(setup, measure=drawing_error(validation))
        model, record = pretrain(config, poses, setup)
        save_model(options.out, model, config.model)
        return model, record, {}
    if options.stage == "ladder":
        if not options.encoder:
            raise ValueError("encoder must name the file that --stage pretrain wrote")
        encoder = load_encoder(options.encoder, config.model)
        start = load_model(options.start) if options.start else None
        if isinstance(start, HourglassNet):
            raise ValueError(f"start must name a KeypointGAN, {options.start} holds an hourglass")
        model, record = train_rung(config, images, poses, encoder, setup, start)
    elif options.stage == "supervised":
        model, record = train_supervised(config, images, setup)
    else:
        model, record = train_hourglass(config, images, setup)
    save_model(options.out, model, config.model)
    return model, record, {} if test is None else final_errors(model, images, test, poses, device, labelled, scored)


def final_errors(
    model: Model,
    images: Clips,
    test: Clips,
    poses: Tensor,
    device: torch.device,
    labelled: Clips | None = None,
    scored: str | None = None,
) -> dict:
    """The errors of a trained model on other people, by motion, beside the mean pose's, with the regressor on top that
    has seen the labels of `labelled`, else of the training frames (table 3), and of bodies the leak where there is a
    skeleton image, and how far a conditional generator carries colours over; `scored` as in `landmark_errors`."""
    found = predict_clips(model.predict, test, device=device)
    guess = to_pixels(mean_pose(poses, len(found)), test.size)
    errors: dict = errors_by_motion(found, test, scored)
    errors["mean pose"] = errors_by_motion(guess, test, scored)["all"]
    teacher = labelled or images
    if int(whole_poses(teacher.keypoints).sum()) < LEAST:
        return errors
    regress = regress_keypoints(predict_clips(model.predict, teacher, device=device), teacher.keypoints.flatten(0, 1))
    errors["regressor on top"] = errors_by_motion(regress(found), test, scored)["all"]
    # colours are those of trunk and legs, where labels say these are: of a joint set of one's own nothing does
    told = all(int(whole_poses(side.keypoints).sum()) >= LEAST for side in (images, test))
    if isinstance(model, KeypointGAN) and isinstance(test.skeleton, str) and test.skeleton != FACES and told:
        errors["leak"] = asdict(measure_leak(model, images, test, device=device))
        if model.config.conditional and len(test) >= LEAST:
            errors["carried"] = asdict(carried_colors(model, test, device))
    return errors


def drawing_error(validation: Clips) -> Callable[[nn.Module], dict]:
    """How well eta reads drawings of the validation clips' poses: l2 in the units of [-1, 1]."""
    poses = unpaired_poses(validation)

    def measure(model: nn.Module) -> dict:
        assert isinstance(model, KeypointGAN)
        target = poses.to(next(model.parameters()).device)
        found = torch.cat([model.skeleton_encoder(model.draw(part)) for part in target.split(64)])
        return {"validation": float(keypoint_loss(found, target))}

    return measure


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    defaults = TrainingConfig()
    found = argparse.ArgumentParser(prog=PROGRAM, description="Train KeypointGAN.")
    add = found.add_argument
    add("--stage", choices=STAGES, required=True)
    add("--rung", choices=tuple(RUNGS), default="ours", help="rung of table 5, for --stage ladder")
    add("--preset", choices=tuple(PRESETS), default="tiny", help="paper: 128 pixels; tiny: 64 and smaller networks")
    add(
        "--data",
        required=True,
        metavar="NAME",
        help='"studio:train", "synthetic:train", "faces:train", a folder of shards, "video" or a file',
    )
    add("--validation", metavar="NAME", help="clips of other people to measure on, likewise")
    add("--look", choices=("photo", "drawn", "both"), default="photo", help="which synthetic clips")
    add("--test", metavar="NAME", help="clips of other people for the errors at the end; else those of --validation")
    add("--regress", metavar="NAME", help="labelled clips for the regressor on top; else those of --data")
    add("--skeleton", metavar="NAME", help="joint set for clips of a known format, such as H36M32")
    add("--scored", metavar="NAME", help="joint set to score instead, such as H36M17 of H36M32's joints")
    add(
        "--poses",
        default="clips",
        help='unpaired poses: "clips" for the half of --data without pictures, "mocap", "mocap:studio", or all of '
        "other clips by name",
    )
    add("--pose-file", metavar="FILE", help="unpaired poses that were made of those of the clips, instead of these")
    add("--pose-count", type=int, help="how many unpaired poses; all if not given")
    add("--encoder", metavar="FILE", help="what --stage pretrain wrote, for --stage ladder")
    add("--start", metavar="FILE", help="a trained model to go on from, for --stage ladder")
    add("--recolour", action="store_true", help="show each pair of frames in colours of its own, for --stage ladder")
    add("--stir", action="store_true", help="show the critic mirrored, moved and scaled poses, too, for --stage ladder")
    add("--limb-masks", action="store_true", help="the networks of appendix F")
    add("--steps", type=int, default=defaults.steps)
    add("--batch", type=int, default=defaults.batch)
    add("--every", type=int, default=defaults.every, help="steps between two checkpoints, and two records")
    add("--adversarial", type=float, help=f"weight of the adversarial losses; {defaults.adversarial:g} if not given")
    add(
        "--perceptual-size",
        type=int,
        help="side of the pictures that VGG-19 compares; tiny: 32, paper: 128 if not given",
    )
    add("--seed", type=int, default=0)
    add_device(found)
    add("--out", required=True, metavar="FILE", help="safetensors file to write")
    add("--results", metavar="FILE", help="JSON file for the record")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train, write the model and the record."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    with command():
        for file in filter(None, (options.out, options.results)):
            prepare_file(file)
        model, record, errors = train(options)
        if options.results:
            measured = {"parameters": sum(p.numel() for p in model.parameters()), "errors": errors, "record": record}
            write(
                options.results, measured, command_line(PROGRAM, arguments), record[-1]["seconds"],
                {name: value for name, value in vars(options).items() if value is not None}, options.seed,
                options.steps, choose_device(options.device),
            )  # fmt: skip
    print(f"wrote {options.out}; {json.dumps(errors.get('all', record[-1]))}")


if __name__ == "__main__":
    main()
