"""What a stage needs before it starts: memory, file sizes and time, from one step that changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.experiments import duration
from napa_lib.loop import Setup
from napa_lib.results import text_table
from napa_lib.style import Measured
from napa_lib.training.figures import FigureSet
from napa_lib.training.run import draw, stage_losses, style_target
from napa_lib.training.stages import TrainingConfig, stage_of, trained_in
from napa_lib.training.system import NapaModel, Styles


@dataclass(frozen=True)
class StagePlan:
    """A stage's needs: bytes of all weights, of those in a checkpoint, of the trained ones, of what a backward pass
    keeps, and of all styles' feature maps, where they are kept; seconds a step."""

    number: int
    title: str
    weights: int
    saved: int
    trained: int
    kept: int
    maps: int
    seconds: float
    steps: int

    @property
    def memory(self) -> int:
        """Weights, gradients, RMSprop's two moments, what the backward pass needs, and the styles' maps, in bytes."""
        return self.weights + 3 * self.trained + self.kept + self.maps

    @property
    def checkpoint(self) -> int:
        """Bytes of a checkpoint: its weights and two moments."""
        return self.saved + 2 * self.trained


def plan_stage(
    number: int, config: TrainingConfig, model: NapaModel, figures: FigureSet, styles: Styles, setup: Setup
) -> StagePlan:
    """Take one step's forward and backward pass twice, the second time by the clock, and no step.

    Args:
        number: of the stage.
        config: how.
        model: the system; its weights stay as they are.
        figures: what to train on.
        styles: the style pictures.
        setup: where and how to compute.
    """
    stage = stage_of(number)
    model = model.to(setup.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    parameters = [p for own in model.train_only(trained_in(stage, config)).values() for p in own]
    target = style_target(model, styles, stage, config)
    one = target(torch.zeros(1, dtype=torch.int64))  # style picture
    maps = len(styles.pictures) * sum(m.nbytes for m in one.maps.values()) if isinstance(one, Measured) else 0
    drawn = draw(0, config, len(figures), len(styles.pictures)).parts(config.passes)[0]
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    seconds = 0.0
    for _ in range(2):
        sizes.clear()
        started = time.monotonic()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), setup.autocast():
            losses = stage_losses(model, stage, config, figures.take(drawn.figures), target(drawn.styles),
                                  styles.statistics[drawn.styles.to(setup.device)], drawn.real)  # fmt: skip
        losses.total.backward()
        float(losses.total.detach())  # waits for a GPU
        seconds = time.monotonic() - started
    model.zero_grad(set_to_none=True)
    own = {p.untyped_storage().data_ptr() for network in model.networks.values() for p in network.parameters()}
    kept = sum(size for pointer, size in sizes.items() if pointer not in own)
    weights = sum(_bytes(model.networks[name].parameters()) for name in stage.networks)
    saved = sum(_bytes(network.state_dict().values()) for network in model.kept(stage.networks).values())
    trained, seconds = _bytes(parameters), seconds * config.passes
    return StagePlan(number, stage.title, weights, saved, trained, kept, maps, seconds, config.steps)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def plan_table(plans: list[StagePlan]) -> str:
    """Plans as text, a line a stage."""
    rows = [["stage", "memory", "checkpoint", "a step", "steps", "time"]]
    for plan in plans:
        rows.append([
            f"{plan.number} {plan.title}", _megabytes(plan.memory), _megabytes(plan.checkpoint),
            f"{plan.seconds:.2f} s", str(plan.steps), duration(plan.seconds * plan.steps),
        ])  # fmt: skip
    total = duration(sum(plan.seconds * plan.steps for plan in plans))
    return (
        f"{text_table(rows)}\nabout {total} in all; memory is of tensors alone, without PyTorch itself and the pictures"
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
