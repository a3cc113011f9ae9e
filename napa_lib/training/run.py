"""Run one stage of NAPA's training, from the checkpoint of the stage before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.checkpoints import Record, Training, settings_in
from napa_lib.engine import CheckpointError, load_tensors, load_weights, seed_everything
from napa_lib.loop import HERE, Losses, Setup, go_back, laid_out, on_device, run, take_step
from napa_lib.networks import VGG19Features
from napa_lib.processes import average_losses, join_processes, step_seed
from napa_lib.style import POOL, Measured, StylizationLoss
from napa_lib.style.content import load_styles as style_pictures
from napa_lib.style.networks import style_statistics
from napa_lib.training.figures import FigureSet
from napa_lib.training.objective import NapaLosses, napa_losses
from napa_lib.training.plateau import Plateau
from napa_lib.training.stages import Stage, TrainingConfig, stage_of, trained_in
from napa_lib.training.system import NapaModel, Styles

VERSION = 2  # of what a stage's checkpoint holds
KEPT = 1 << 21  # pixels of style pictures whose feature maps are kept, which take 1.6 GB; of more, they are not
SMOOTHING = 0.99  # of RMSprop's mean square, as PyTorch has it


@dataclass(frozen=True)
class Draw:
    """What one step of one process sees: rows of the figures, rows of the styles, which pictures stay real."""

    figures: Tensor
    styles: Tensor
    real: Tensor

    def parts(self, count: int) -> list[Draw]:
        """The same in equal parts, one after the other.

        Raises:
            ValueError: if it cannot be shared evenly.
        """
        if len(self.figures) % count:
            raise ValueError(f"passes must share {len(self.figures)} pictures evenly, got {count}")
        split = (field.chunk(count) for field in (self.figures, self.styles, self.real))
        return [Draw(*part) for part in zip(*split, strict=True)]


def load_styles(size: int, device: torch.device | str = "cpu", names: Sequence[str] = POOL) -> Styles:
    """Style pictures, and what the untouched VGG says of them: F's style codes start from that.

    Args:
        size: side of the pictures in pixels.
        device: where they are to lie.
        names: as `napa_lib.style.content.load_styles` takes them; the pool's by default.
    """
    pictures, here = style_pictures(names, size), torch.device("cpu")
    features = on_device(here, VGG19Features())
    statistics = torch.cat([style_statistics(laid_out(part, here), features) for part in pictures.split(32)])
    return Styles(pictures.to(device), statistics.to(device))


def draw(step: int, config: TrainingConfig, figures: int, styles: int, rank: int = 0, world: int = 1) -> Draw:
    """What a step sees; it depends on nothing but the seed and the step's number.

    The stage has no part in it: with one batch size, all four see the same figures in the same styles at the same step.
    All processes draw the whole batch and each takes its share, so that together they see what one would see alone.

    Raises:
        ValueError: if the batch cannot be shared evenly.

    >>> config = TrainingConfig(batch=4)
    >>> whole, parts = draw(7, config, 9, 5), [draw(7, config, 9, 5, rank, 2) for rank in (0, 1)]
    >>> torch.equal(whole.figures[1::2], parts[1].figures) and len(parts[0].real)
    2
    """
    if config.batch % world:
        raise ValueError(f"batch must be a multiple of the {world} processes, got {config.batch}")
    generator = torch.Generator().manual_seed(step_seed(config.seed, step, 0))
    rows = torch.randint(figures, (config.batch,), generator=generator)
    looks = torch.randint(styles, (config.batch,), generator=generator)
    real = torch.rand(config.batch, generator=generator) < config.real
    return Draw(rows[rank::world], looks[rank::world], real[rank::world])


def run_stage(
    number: int,
    config: TrainingConfig,
    model: NapaModel,
    figures: FigureSet,
    setup: Setup = HERE,
    every: int = 50,
    styles: Styles | None = None,
    again: bool = False,
) -> Record:
    """Train one stage; `model` is changed.

    RMSprop starts its mean square at 0 and so takes first steps ten times too long, which would throw the warmed-up
    networks off. The learning rate is multiplied by sqrt(1 - 0.99^t), which undoes it; the rest is the paper's. Figures
    without any 3D label leave L_depth out, and G' as it is.

    Args:
        number: of the stage, 1 to 4.
        config: how.
        model: the system as the stage before left it (`load_stage`), unless `again`.
        figures: what to train on, of the config's size.
        setup: where and how to compute, and where to keep the state.
        every: steps between two entries of the record, and two checkpoints.
        styles: the style pictures; the pool's if None.
        again: the system is as this very stage left it, to be fine-tuned: F' goes on and does not start from F.

    Returns:
        the record: every term before its ratio, `total`, and the learning rate's factor `rate`.

    Raises:
        ValueError: if the checkpoint is corrupt or of another training, or figures and config do not fit.
        FloatingPointError: if a loss is no longer finite; the last checkpoint is kept.

    Source: NAPA, section 3.3.
    """
    stage = stage_of(number)
    if figures.images.shape[2:] != (config.size, config.size):
        raise ValueError(f"figures must be {config.size} pixels wide and high, got {tuple(figures.images.shape[2:])}")
    settings = stage_settings(number, config, setup)
    if not bool(figures.poses.isfinite().any()):  # a weight decay without a gradient makes RMSprop's full steps
        config = replace(config, ratios=replace(config.ratios, depth=0.0))
    rank, world = join_processes(setup.device)
    generator = seed_everything(config.seed)
    model = model.to(setup.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if number == 4 and not again:
        model.start_reconstructor()
    parameters = model.train_only(trained_in(stage, config))
    rate = config.learning_rate * config.next_stage ** (number - 1)
    groups = [
        {"params": own, "lr": rate * (config.features_rate if name.startswith("VGG") else 1.0)}
        for name, own in parameters.items()
    ]
    optimizer = torch.optim.RMSprop(groups, rate, SMOOTHING, momentum=config.momentum, weight_decay=config.weight_decay)
    plateau = Plateau(config.plateau, config.patience)
    pool = load_styles(config.size, setup.device) if styles is None else styles
    target = style_target(model, pool, stage, config)

    def step(number: int) -> Losses:
        seen: dict[str, Tensor] = {}
        optimizer.zero_grad()
        for drawn in draw(number, config, len(figures), len(pool.pictures), rank, world).parts(config.passes):
            with setup.autocast():
                losses = stage_losses(model, stage, config, figures.take(drawn.figures), target(drawn.styles),
                                      pool.statistics[drawn.styles.to(setup.device)], drawn.real)  # fmt: skip
            go_back(losses.total / config.passes, losses.terms)
            for name, value in {**losses.terms, "total": losses.total}.items():
                seen[name] = seen.get(name, torch.zeros_like(value)) + value.detach() / config.passes
        take_step(optimizer, math.inf)
        shown = average_losses(seen, world)
        plateau.see(shown["total"])
        return {**shown, "rate": torch.tensor(plateau.rate)}

    training = Training({**model.kept(stage.networks), "plateau": plateau}, {"rmsprop": optimizer}, generator, settings)
    return run(
        f"stage {number}, {stage.title}", training, step, config.steps, every, setup, model,
        rate=lambda done: plateau.rate * math.sqrt(1 - SMOOTHING ** (done + 1)),
    )  # fmt: skip


def style_target(
    model: NapaModel, styles: Styles, stage: Stage, config: TrainingConfig
) -> Callable[[Tensor], Tensor | Measured]:
    """Rows of the style pool -> what L_style compares with: measured once where the VGG does not change and there is
    room for all maps."""
    if "style" not in stage.losses or "VGG" in trained_in(stage, config) or styles.pictures[:, 0].numel() > KEPT:
        return lambda rows: styles.pictures[rows.to(styles.pictures.device)]
    loss = StylizationLoss(model.features, config.ratios.style)
    parts = [loss.measure_style(picture) for picture in styles.pictures.split(1)]
    maps = {layer: torch.cat([part.maps[layer] for part in parts]) for layer in parts[0].maps}
    measured = Measured(styles.pictures, maps)
    return lambda rows: measured[rows.to(styles.pictures.device)]


def stage_losses(
    model: NapaModel,
    stage: Stage,
    config: TrainingConfig,
    figures: FigureSet,
    style: Tensor | Measured,
    statistics: Tensor,
    real: Tensor | None = None,
) -> NapaLosses:
    """One pass through the system, and what the stage descends."""
    device = statistics.device
    content = laid_out(figures.images.float() / 255, device)
    look, again = "pose" in stage.losses, "supervision" in stage.losses and config.ratios.supervision > 0
    chosen = None if real is None or not bool(real.any()) else real.to(device)
    passed = model(content, statistics, look, again, chosen)
    return napa_losses(model, passed, figures, content, style, stage, config.ratios)


def stage_settings(number: int, config: TrainingConfig, setup: Setup) -> dict:
    """What a checkpoint of the stage must agree on: all but the number of steps, and of passes in one."""
    settings = {"stage": f"napa {number}", "version": VERSION, "half": setup.half, **asdict(config)}
    del settings["steps"], settings["passes"]
    return settings


def load_stage(model: NapaModel, path: str | Path, number: int) -> None:
    """Put the networks of a stage's checkpoint into the system.

    Args:
        model: is changed.
        path: what `run_stage` kept.
        number: the stage that it must be of.

    Raises:
        CheckpointError: if the file is missing, corrupt, or of another stage, version or training.
    """
    tensors, header = load_tensors(path)
    settings = settings_in(path, header)
    found = settings.get("stage")
    if not str(found).startswith("napa "):
        raise CheckpointError(f"{path} is no checkpoint of a stage")
    if found != f"napa {number}":
        raise CheckpointError(f"{path} is of stage {str(found).removeprefix('napa ')}, expected stage {number}")
    if settings.get("version") != VERSION:
        raise CheckpointError(f"{path} has version {settings.get('version')}, this napa_lib reads version {VERSION}")
    networks = model.kept(stage_of(number).networks)
    for name, network in networks.items():
        prefix = f"model/{name}/"
        own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        load_weights(network, own, str(path))
