"""Lesson 08: the running system, one pass through a stage of it, and small trainings."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.loop import HERE, Record, Setup
from napa_lib.style import StylizationLoss, cosine_loss
from napa_lib.style.losses import CONTENT_LAYER
from napa_lib.training import (
    FigureSet,
    NapaLosses,
    NapaModel,
    Passed,
    Styles,
    TrainingConfig,
    build_model,
    load_styles,
    napa_losses,
    open_figures,
    run_stage,
)
from napa_lib.training.command import TrainCommand, train
from napa_lib.training.folder import read_metrics
from napa_lib.training.objective import GROUPS
from napa_lib.training.plateau import Plateau
from napa_lib.training.reach import balance, gradient_reach
from napa_lib.training.run import draw
from napa_lib.training.stages import stage_of, trained_in
from napa_lib.training.system import restyle

CONFIG = TrainingConfig()  # 96 pixels, the paper's ratios
FIGURES = 64  # of the training people
SHOWN, IN_STYLE = [57, 3, 40], [8, 12, 19]  # people and paintings that the lesson shows
WATCHED = 2  # pictures on which the judge is watched


@cache
def figures() -> FigureSet:
    """Some of the people that ship, 96 pixels."""
    return open_figures(["synthetic:train"], CONFIG.size, FIGURES)


@cache
def styles() -> Styles:
    """The pool of style pictures, 96 pixels."""
    return load_styles(CONFIG.size)


@cache
def system() -> NapaModel:
    """The six networks as they ship, before any of the four stages."""
    return build_model()


def fresh() -> NapaModel:
    """A new system to train."""
    _make_room()
    return build_model()


def _make_room() -> None:
    """Drop the lesson's own system where another is to be trained, so that one is in memory and not two."""
    system.cache_clear()
    gc.collect()
    _give_back_memory()


def _give_back_memory() -> None:
    """Have glibc, where it allocates, return what was freed: it keeps it in pieces that the next weights miss."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)  # type: ignore[union-attr]


@dataclass(frozen=True)
class View:
    """What goes into the system and through it."""

    images: Tensor  # I
    style: Tensor  # S
    passed: Passed


@torch.no_grad()
def view(number: int = 4, count: int = 1) -> View:
    """Pictures on their way through the untrained system, as far as a stage follows them."""
    people, looks, groups = SHOWN[:count], IN_STYLE[:count], stage_of(number).losses
    images, statistics = figures().images[people].float() / 255, styles().statistics[looks]
    passed = system().eval()(images, statistics, "pose" in groups, "supervision" in groups)
    return View(images, styles().pictures[looks], passed)


@dataclass(frozen=True)
class Glance:
    """One pass of a stage: what it made, and the losses with their graph."""

    passed: Passed
    losses: NapaLosses


def glance(number: int, count: int = 1, cut: Callable[[Tensor], Tensor] | None = None) -> Glance:
    """One pass of the untrained system, as a stage makes it.

    Args:
        number: of the stage.
        count: pictures.
        cut: what becomes of the keypoints before the bone map is drawn; they stay as they are if None.
    """
    model, stage = system(), stage_of(number)
    model.train_only(trained_in(stage, CONFIG))
    drawn = draw(0, replace(CONFIG, batch=count), FIGURES, len(styles().pictures))
    chosen, statistics, style = figures().take(drawn.figures), styles().statistics[drawn.styles], drawn.styles
    images, again = chosen.images.float() / 255, "supervision" in stage.losses
    passed = model(images, statistics, look="pose" in stage.losses, reconstruct=again and cut is None)
    if again and cut is not None:
        bone_map = model.bone_map(cut(passed.keypoints), CONFIG.size)
        passed = replace(passed, bone_map=bone_map, reconstruction=model.reconstruct(bone_map, statistics))
    pictures = styles().pictures[style]
    target = StylizationLoss(model.features).measure_style(pictures)
    return Glance(passed, napa_losses(model, passed, chosen, images, target, stage, CONFIG.ratios))


Board = list[tuple[str, float, float, float, float]]


@cache
def board() -> Board:
    """The balance board of stage 3 at O, over two pictures: term, value, ratio, their product, gradient's length."""
    found = glance(3, 2)
    return balance(found.losses, found.passed.output)


def reach(number: int, cut: Callable[[Tensor], Tensor] | None = None) -> dict[str, dict[str, float]]:
    """The gradient of each group of losses on each network in a stage: the style terms together, and so the others."""
    found = glance(number, 1, cut)
    weighted = found.losses.weighted
    rows = {"all style terms": GROUPS["style"], "L_2d": ("keypoints",), "L_depth": ("depth",),
            "self supervision": GROUPS["supervision"]}  # fmt: skip
    sums = {row: torch.stack(parts).sum() for row, names in rows.items()
            if (parts := [weighted[name] for name in names if name in weighted])}  # fmt: skip
    return gradient_reach(NapaLosses(sums, dict.fromkeys(sums, 1.0)), system().networks)


def judge_on_trial(steps: int, seed: int) -> Record:
    """Stage 1 with a VGG that learns thirty times as fast as ours: L_cos as it sees it, and as an untouched VGG does.

    Returns:
        {"step", "own", "untouched"} before the first step and after each.
    """
    model, some, wanted = fresh(), figures().take(slice(WATCHED)), styles().pictures[:WATCHED]
    seen: Record = []

    @torch.no_grad()
    def look(step: int) -> None:
        output = restyle(model.stylizer, some.images.float() / 255, styles().statistics[:WATCHED])
        own, untouched = (
            cosine_loss(*(vgg(picture, (CONTENT_LAYER,))[CONTENT_LAYER] for picture in (output, wanted))).mean()
            for vgg in (model.features, model.own_features)  # the second one has no part in stage 1
        )
        seen.append({"step": step, "own": float(own), "untouched": float(untouched)})

    look(0)
    config = replace(CONFIG, steps=steps, batch=1, seed=seed, features_rate=0.3)
    run_stage(1, config, model, figures(), replace(HERE, tell=lambda entry: look(entry["step"])), 1, styles())
    return seen


def interrupted(path: Path, stop: int, steps: int, seed: int) -> bool:
    """Stage 2 stopped at a step and started again from its checkpoint: does it end as an unbroken run, bit for bit?"""
    model, config = fresh(), replace(CONFIG, batch=1, seed=seed)
    start = {name: value.clone() for name, value in model.pose.head.state_dict().items()}
    depth = {name: value.clone() for name, value in model.depth.state_dict().items()}

    def train(steps: int, setup: Setup) -> dict[str, Tensor]:
        model.pose.head.load_state_dict(start)
        model.depth.load_state_dict(depth)
        run_stage(2, replace(config, steps=steps), model, figures(), setup, steps, styles())
        return {name: value.clone() for name, value in model.pose.head.state_dict().items()}

    kept = Setup(checkpoint=path)
    train(stop, kept)
    resumed, whole = train(steps, kept), train(steps, HERE)
    return all(torch.equal(resumed[name], whole[name]) for name in whole)


def run_stages(steps: int, seed: int) -> dict[int, Record]:
    """All four stages of a fresh system, a picture a step in three styles, nothing kept but their records."""
    model, config = fresh(), replace(CONFIG, steps=steps, batch=1, seed=seed)
    few = Styles(styles().pictures[:3], styles().statistics[:3])
    return {number: run_stage(number, config, model, figures(), HERE, 1, few) for number in (1, 2, 3, 4)}


def train_in_folder(out: Path, config: TrainingConfig, device: str) -> dict[int, Record]:
    """All four stages as `napa train` runs them, in a folder, from where an earlier call stopped; their records.

    Twenty looks a stage: each measures 632 people, and its checkpoint may hold half a gigabyte.
    """
    _make_room()
    half = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)  # not so on a T4
    if config.preset == "paper":  # stage 4 with 22 pictures at once needs 17 GB, by `napa train --plan`
        config = replace(config, passes=2)
    every, validation = max(20, config.steps // 20), ("synthetic:validation",)
    train(TrainCommand(out, (1, 2, 3, 4), config, ("synthetic:train",), validation, 3000, every, device, half))
    records: dict[int, Record] = {}
    for entry in read_metrics(out / "metrics.jsonl"):
        records.setdefault(entry["stage"], []).append(entry)
    return records


def lowered_at(curve: list[float]) -> int | None:
    """The step, counted from 1, after which the plateau rule lowers the learning rate for the first time."""
    plateau = Plateau(0.5, 20)
    for step, loss in enumerate(curve, 1):
        plateau.see(torch.tensor(loss))
        if plateau.rate < 1:
            return step
    return None
