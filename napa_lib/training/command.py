"""`napa train`: the four stages in order, in one folder, resumable at any moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napa_lib.checkpoints import standing
from napa_lib.console import say
from napa_lib.engine import choose_device
from napa_lib.lifting.lift import save_depth_net
from napa_lib.lifting.networks import PRESETS
from napa_lib.loop import Setup, laid_out
from napa_lib.networks.pose_net import save_pose_net
from napa_lib.processes import join_processes, wait_for_all
from napa_lib.style import save_stylizer
from napa_lib.style.content import list_styles
from napa_lib.training.figures import FigureSet, open_figures
from napa_lib.training.folder import RunFolder, file_mark, styles_mark
from napa_lib.training.measure import measure_pose
from napa_lib.training.plan import plan_stage, plan_table
from napa_lib.training.run import draw, load_stage, load_styles, run_stage, stage_settings
from napa_lib.training.stages import STAGES, TrainingConfig, stage_of
from napa_lib.training.system import NapaModel, Styles, build_model

SHOWN = 4  # figures of a strip of pictures


@dataclass(frozen=True)
class TrainCommand:
    """What `napa train` was asked for."""

    out: Path
    stages: tuple[int, ...]
    config: TrainingConfig
    data: tuple[str, ...]
    validation: tuple[str, ...] = ()
    most: int | None = None
    every: int = 50
    device: str = "auto"
    half: bool = False
    pose: Path | None = None
    depth: Path | None = None
    fine_tune: Path | None = None  # folder of a run whose stage of the same number this one starts from
    tensorboard: bool = False
    plan: bool = False
    styles: tuple[str, ...] = ("pool",)  # as `napa_lib.style.content.list_styles` takes them


def train(command: TrainCommand) -> None:
    """Run the stages that were asked for, or print what they need.

    Raises:
        ValueError: for data, folders and checkpoints that do not fit, and a folder in use, before the first step.
        FloatingPointError: if a loss is no longer finite; the last checkpoint is kept.
        OSError: if the folder cannot be written.
    """
    setup = Setup(choose_device(command.device), command.half)
    rank, world = join_processes(setup.device)
    folder = RunFolder(command.out, command.tensorboard and rank == 0)
    if command.fine_tune:
        _check_fine_tune(command.fine_tune, command)
    matters = {number: _matters(number, command) for number in command.stages}
    if not command.plan:
        _check_start(command, folder, matters, setup, rank, world)
    size = command.config.size
    figures = open_figures(command.data, size, command.most)
    for number in () if command.plan else command.stages:
        matters[number]["figures"] = len(figures)
        folder.check(number, matters[number])
    validation = open_figures(command.validation, size, command.most) if command.validation else None
    names = list_styles(command.styles)
    model, styles = build_model(command.pose, command.depth), load_styles(size, names=names)
    styles = Styles(styles.pictures.to(setup.device), styles.statistics.to(setup.device))
    if command.plan:
        plans = [plan_stage(n, command.config, model, figures, styles, setup) for n in command.stages]
        say(f"{len(figures)} figures of {size} pixels, {command.config.batch} a step\n{plan_table(plans)}")
        return
    more = {"validation": [*command.validation], "every": command.every, "half": command.half}
    with folder.held() if rank == 0 else nullcontext():
        for number in command.stages:
            if command.fine_tune:
                load_stage(model, RunFolder(command.fine_tune).checkpoint(number), number)
            elif number > 1:
                load_stage(model, folder.checkpoint(number - 1), number - 1)
            if rank == 0:
                folder.describe(number, command.config, matters[number], setup.device, **more)
            _run(number, command, folder, model, figures, validation, styles, setup, rank)
            wait_for_all(world)
        if rank == 0:
            _export(model, command, folder)


def _matters(number: int, command: TrainCommand) -> dict[str, Any]:
    """What a stage's weights come from beside its configuration: its figures, and the networks that it began with."""
    start = command.fine_tune and RunFolder(command.fine_tune).checkpoint(number)
    styles = None if command.styles == ("pool",) else styles_mark(command.styles)
    matters = {"data": [*command.data], "most": command.most, "styles": styles, "fine_tune": file_mark(start)}
    if "G" not in stage_of(number).networks:
        return matters
    return {**matters, "pose": file_mark(command.pose), "depth": file_mark(command.depth)}


def _check_fine_tune(run: Path, command: TrainCommand) -> None:
    """Whether there is one stage to fine-tune, of another run, and its checkpoint."""
    number = command.stages[0]
    if len(command.stages) > 1:
        raise ValueError(f"--fine-tune goes on with one stage: --stage {command.stages[-1]}")
    if run.resolve() == command.out.resolve():
        raise ValueError(f"--fine-tune {run} would overwrite what it starts from: choose another --out")
    if not RunFolder(run).checkpoint(number).exists():
        raise ValueError(f"--fine-tune: {run} holds no stage {number}")


def _check_start(
    command: TrainCommand, folder: RunFolder, matters: dict[int, dict[str, Any]], setup: Setup, rank: int, world: int
) -> None:
    """Whether the first stage has what it starts from, and every checkpoint that is there belongs to this training.

    All stages are looked at before the first one starts: a last one that does not fit is no news for the day after.
    """
    if command.every < 1:
        raise ValueError(f"every must be at least 1 step, got {command.every}")
    draw(0, command.config, 1, 1, rank, world).parts(command.config.passes)  # a batch that can be shared out
    advice = f"choose another --out; with --fine-tune {command.out} it begins with what is here"
    for number in command.stages:
        settings = stage_settings(number, command.config, setup)
        standing(folder.checkpoint(number), settings, command.config.steps, advice)
        folder.check(number, matters[number])
    first = command.stages[0]
    if command.fine_tune:
        RunFolder(command.fine_tune).check_start(first, first, matters[first])
    elif first > 1:
        folder.check_start(first, first - 1, matters[first])
    folder.check_order(command.stages, command.config.steps)


def _run(
    number: int,
    command: TrainCommand,
    folder: RunFolder,
    model: NapaModel,
    figures: FigureSet,
    validation: FigureSet | None,
    styles: Styles,
    setup: Setup,
    rank: int,
) -> None:
    done = folder.step(number)
    setup = replace(setup, checkpoint=folder.checkpoint(number))
    if rank == 0:
        write = folder.begin(number, done)

        def tell(entry: dict) -> None:
            write(entry)
            folder.picture(number, entry["step"], strip(model, figures, styles, setup))

        setup = replace(setup, tell=tell, measure=_measure(validation, setup))
    record = run_stage(number, command.config, model, figures, setup, command.every, styles, bool(command.fine_tune))
    if rank == 0:
        say(f"stage {number}, {stage_of(number).title}: {json.dumps(record[-1])}")


def _measure(validation: FigureSet | None, setup: Setup) -> Callable[[NapaModel], dict] | None:
    if validation is None:
        return None
    return lambda model: {"validation": measure_pose(model, validation.images, validation, setup)}


@torch.no_grad()
def strip(model: NapaModel, figures: FigureSet, styles: Styles, setup: Setup) -> Tensor:
    """What the system makes of the first figures: rows I, S, O, P and O', a column a figure, (3, 5 S, N S)."""
    count = min(SHOWN, len(figures), len(styles.pictures))
    content = laid_out(figures.images[:count].float() / 255, setup.device)
    with setup.autocast():
        passed = model(content, styles.statistics[:count], reconstruct=True)
    assert passed.bone_map is not None and passed.reconstruction is not None
    rows = (content, styles.pictures[:count], passed.output, passed.bone_map, passed.reconstruction)
    return torch.cat([torch.cat(list(row.float().cpu()), 2) for row in rows], 1)


def _export(model: NapaModel, command: TrainCommand, folder: RunFolder) -> None:
    """Write what other commands take: the stylizer, and from stage 2 on the pose and the depth network.

    Where a later stage than those of this command is there, its networks are the ones to use, and they stay.
    """
    last = max(stage.number for stage in STAGES if folder.checkpoint(stage.number).exists())
    if last > command.stages[-1]:
        say(f"{folder.path} holds stage {last}: its networks stay as they are")
        return
    config, data = command.config, [*command.data]
    names = [Path(name).stem for name in list_styles(command.styles)]
    save_stylizer(folder.path / "stylizer.safetensors", model.stylizer, names)
    written = ["stylizer.safetensors"]
    if "G" in stage_of(last).networks:
        settings = json.dumps({**asdict(config), "size": config.size, "stage": last})
        save_pose_net(folder.path / "pose_net.safetensors", model.pose, {"config": settings, "data": " ".join(data)})
        preset = next(name for name, preset in PRESETS.items() if preset == model.depth.preset)
        seen = {"sees": "bones", "preset": preset, "stage": last, "steps": config.steps, "data": data}
        save_depth_net(folder.path / "depth_net.safetensors", model.depth, model.standardizer, seen)
        written = ["pose_net.safetensors", "depth_net.safetensors", *written]
    say(f"wrote {', '.join(written)} into {folder.path}")


def stages_from(words: Sequence[str]) -> tuple[int, ...]:
    """Stages as a command has them: "all", or numbers in order.

    Raises:
        ValueError: if they are not numbers from 1 to 4 that follow one another.

    >>> stages_from(["all"]), stages_from(["2", "3"])
    ((1, 2, 3, 4), (2, 3))
    """
    if list(words) == ["all"]:
        return (1, 2, 3, 4)
    try:
        numbers = tuple(int(word) for word in words)
    except ValueError:
        numbers = ()
    if not numbers or any(number not in (1, 2, 3, 4) for number in numbers):
        raise ValueError(f"--stage must be 'all' or numbers from 1 to 4, got {' '.join(words)!r}")
    if numbers != tuple(range(numbers[0], numbers[-1] + 1)):
        raise ValueError(f"--stage: stages must follow one another, as 2 3 4, got {' '.join(words)}")
    return numbers
