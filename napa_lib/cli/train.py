"""The options of `napa train`."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  napa train --plan                                        memory and time of each stage, and nothing else
  napa train --out runs/napa --half                        all four stages on the people that ship, 96 pixels
  napa train --out runs/napa --stage 4 --steps 3000        go on with the last stage alone
  napa train --fine-tune runs/napa --stage 4 --real 0.5 --out runs/real
                                                           a trained system on real pictures, too (section 4.5)
  napa train --styles my_pictures --data coco:my_pictures --out runs/mine      in the style of one's own pictures
  napa train --preset paper --data human36m:/data/h36m mpii:/data/mpii --out runs/paper --stage 1 2 3 --batch 22 \\
      --passes 2 --device cuda --half
  napa train --preset paper --data human36m:/data/h36m mpii:/data/mpii coco:/data/coco --out runs/paper --stage 4 \\
      --batch 3 --device cuda --half                       the self supervision with COCO's people, as in the paper
  torchrun --nproc-per-node 2 -m napa_lib.cli train --out runs/napa --batch 4
  accelerate launch --multi_gpu --num_processes 2 -m napa_lib.cli train --out runs/napa --batch 4

Both launchers give the losses that one process gets; torchrun comes with PyTorch. In a notebook, `notebook_launcher` of
Hugging Face Accelerate starts a function that calls `napa_lib.training.run_stage` in several processes.

A run that was interrupted goes on from its last checkpoint when the same command is given again. The folder gets a
checkpoint a stage, config.json, environment.json, metrics.jsonl, pictures/, and, from stage 2 on, pose_net.safetensors
and depth_net.safetensors, which `napa pose --weights` and `--depth` take."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `train` to the commands of `napa`."""
    parser = commands.add_parser(
        "train", help="train the whole system in its four stages", epilog=EXAMPLES,
        description="Train style transfer, pose, both together and with self supervision, as in NAPA, section 3.3.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("runs/napa"), metavar="DIR",
                        help="folder of the run (default: %(default)s)")  # fmt: skip
    parser.add_argument("--stage", nargs="+", default=["all"], metavar="N", help="1, 2, 3, 4 or several in a row; all")
    parser.add_argument(
        "--data", nargs="+", default=["synthetic:train"], metavar="SOURCE",
        help="synthetic:train, folders of shards, human36m:FOLDER, mpii:FOLDER, coco:FOLDER, human-art:FOLDER …",
    )  # fmt: skip
    parser.add_argument(
        "--styles", nargs="+", default=["pool"], metavar="STYLE",
        help="names of paintings, picture files, folders of them (default: the 24 paintings that ship)",
    )  # fmt: skip
    parser.add_argument("--validation", nargs="*", default=[], metavar="SOURCE", help="likewise, to measure on")
    parser.add_argument(
        "--most", type=int, metavar="N", help="figures of each source at most (default: of data sets what 2 GB hold)"
    )
    parser.add_argument("--preset", choices=("tiny", "paper"), default="tiny", help="pictures of 96 or 224 pixels")
    parser.add_argument("--steps", type=int, help="of each stage (default: 150)")
    parser.add_argument("--batch", type=int, help="pictures a step, of all processes together (default: 2)")
    parser.add_argument("--passes", type=int, help="in which a step takes them: more need less memory (default: 1)")
    parser.add_argument(
        "--patience", type=int, help="steps without a fall of the loss, which halve the rate (default: 500)"
    )
    parser.add_argument("--learning-rate", type=float, help="of stage 1; halved from stage to stage (default: 1e-4)")
    parser.add_argument("--real", type=float, help="share of stylised pictures that stay as they are (default: 0)")
    parser.add_argument("--fixed-features", action="store_true", help="do not train the two VGG-19 along")
    parser.add_argument("--supervision", type=float, help="ratio of the self supervision (default: 0.0035)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--pose", type=Path, metavar="FILE", help="a pose network to begin with")
    parser.add_argument("--depth", type=Path, metavar="FILE", help="a depth network to begin with")
    parser.add_argument("--fine-tune", type=Path, metavar="DIR",
                        help="folder of a run whose stage, the same as --stage names, to begin with")  # fmt: skip
    parser.add_argument("--every", type=int, default=50, help="steps between two checkpoints (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16 where that is safe")
    parser.add_argument("--tensorboard", action="store_true", help="write scalars and pictures for TensorBoard, too")
    parser.add_argument("--plan", action="store_true", help="print memory and time of each stage, and stop")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace, words: list[str]) -> int:
    """Train; the process's exit status."""
    from napa_lib.console import say
    from napa_lib.engine import keep_freed_memory
    from napa_lib.training.command import TrainCommand, stages_from, train

    keep_freed_memory()  # here and not in `train`, which notebooks call, too
    try:
        command = TrainCommand(
            out=options.out, stages=stages_from(options.stage), config=config_of(options), data=tuple(options.data),
            styles=tuple(options.styles), validation=tuple(options.validation), most=options.most, every=options.every,
            device=options.device, half=options.half, pose=options.pose, depth=options.depth,
            fine_tune=options.fine_tune, tensorboard=options.tensorboard, plan=options.plan,
        )  # fmt: skip
        train(command)
    except OSError as error:
        said = error.strerror or str(error)
        say(f"napa train: {said}: {error.filename}" if error.filename else f"napa train: {said}", error=True)
        return 1
    except (ValueError, FloatingPointError) as error:
        say(f"napa train: {error}", error=True)
        return 1
    return 0


def config_of(options: argparse.Namespace):
    """The `TrainingConfig` that the options ask for; what is not given has its default."""
    from dataclasses import replace

    from napa_lib.training.stages import Ratios, TrainingConfig

    names = ("steps", "batch", "passes", "patience", "learning_rate", "real", "seed")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    config = TrainingConfig(preset=options.preset, fixed_features=options.fixed_features, **given)
    if options.supervision is None:
        return config
    return replace(config, ratios=Ratios(supervision=options.supervision))
