"""The loop that every stage of the training runs in: steps, records, checkpoints, and what stops it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.bottleneck.config import TrainingConfig
from napa_lib.engine import CheckpointError, load_checkpoint, load_tensors, progress, save_checkpoint

Losses = Mapping[str, Tensor]
Record = list[dict]


@dataclass(frozen=True)
class Setup:
    """Where and how to compute, which changes no result but by rounding.

    Attributes:
        device: where the networks are; batches are drawn on the CPU, so that they are the same everywhere.
        half: compute in bfloat16 where that is safe.
        checkpoint: file to keep the state in, and to go on from if it is there; None for none.
        measure: what to put on record beside the losses, given the model in evaluation mode.
    """

    device: torch.device = torch.device("cpu")
    half: bool = False
    checkpoint: Path | None = None
    measure: Callable[[nn.Module], dict] | None = None

    def autocast(self) -> torch.autocast:
        """The context for forward passes."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)


HERE = Setup()  # on the CPU, in full precision, nothing kept


@dataclass(frozen=True)
class Training:
    """All that changes while training, and what it was started with.

    Attributes:
        models: modules whose weights and buffers belong into a checkpoint.
        optimizers: theirs.
        generator: source of the batches.
        settings: JSON of the configuration; a checkpoint with another one is refused.
    """

    models: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    generator: torch.Generator
    settings: str


def run(
    label: str,
    training: Training,
    step: Callable[[], Losses],
    model: nn.Module,
    config: TrainingConfig,
    setup: Setup,
    settle: Callable[[], None] = lambda: None,
) -> list[dict]:
    """Call `step` until all steps are done, going on from the checkpoint where there is one.

    Args:
        label: name on the progress bar.
        training: what `step` changes.
        step: one step; returns its losses. It raises FloatingPointError where one is not finite.
        model: what to measure.
        config: how many steps in all, and between two records and checkpoints.
        setup: the checkpoint and the measurement.
        settle: called before each record and at the end, to make the model fit for evaluation mode; see
            `settle_normalization`. It must not change how training goes on.

    Returns:
        one entry a record: step, seconds, the losses' means since the last record, and what was measured. On a CPU
        all but the seconds are the same, bit for bit, whether the run was interrupted or not.

    Raises:
        CheckpointError: if the checkpoint is corrupt or belongs to another training.
        FloatingPointError: from `step`; the message says where the last checkpoint stands.
    """
    checkpoint = setup.checkpoint
    first, record = _resume(training, checkpoint)
    before = record[-1]["seconds"] if record else 0.0
    clock, sums, count = time.monotonic(), dict[str, Tensor](), 0
    for number in progress(range(first, config.steps), label):
        try:
            losses = step()
        except FloatingPointError as error:
            kept = (
                f"{checkpoint} keeps step {first if not record else record[-1]['step']}" if checkpoint else "none kept"
            )
            raise FloatingPointError(f"{error} at step {number}; stopped. Last checkpoint: {kept}") from None
        sums = {name: sums.get(name, 0.0) + value.detach().double() for name, value in losses.items()}
        count += 1
        if (number + 1) % config.every and number + 1 != config.steps:
            continue
        means = {name: float(value) / count for name, value in sums.items()}
        settle()
        seconds = before + time.monotonic() - clock
        record.append({"step": number + 1, "seconds": round(seconds, 2), **means, **_measured(setup, model)})
        sums, count = {}, 0
        if checkpoint is not None:
            header = {"config": training.settings, "record": json.dumps(record)}
            save_checkpoint(checkpoint, number + 1, training.models, training.optimizers, training.generator, header)
    settle()
    return record


@torch.no_grad()
def settle_normalization(model: nn.Module, forward: Callable[[], object], batches: int = 25) -> None:
    """Take batch normalisation's statistics anew: their plain mean over some batches, with the weights as they are.

    The running statistics of training are those of the last ten batches or so, with weights that change under them.
    Now and then one batch of unlike pictures throws them off, and in evaluation mode the errors jump by a factor of
    four for a while, though in training mode nothing is to be seen.

    Args:
        model: in training mode; layers in evaluation mode, such as a frozen eta, are left alone.
        forward: passes one batch through the model.
        batches: how many.

    Source: Wu and Johnson (2021), "Rethinking 'Batch' in BatchNorm", section 3 ("precise BN").
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d) and layer.training]
    momenta = [layer.momentum for layer in layers]
    counts = [layer.num_batches_tracked.clone() for layer in layers if layer.num_batches_tracked is not None]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean
    for _ in range(batches):
        forward()
    for layer, momentum, count in zip(layers, momenta, counts, strict=True):
        layer.momentum = momentum
        layer.num_batches_tracked.copy_(count)  # type: ignore[union-attr]


def _measured(setup: Setup, model: nn.Module) -> dict:
    """The measurement, with the model put into evaluation mode for it and back."""
    if setup.measure is None:
        return {}
    model.eval()
    with torch.no_grad():
        found = setup.measure(model)
    model.train()
    return found


def _resume(training: Training, checkpoint: Path | None) -> tuple[int, list[dict]]:
    if checkpoint is None or not checkpoint.exists():
        return 0, []
    header = load_tensors(checkpoint)[1]
    if header.get("config") != training.settings:
        raise CheckpointError(
            f"{checkpoint} belongs to another training: {header.get('config')}, expected {training.settings}"
        )
    step = load_checkpoint(checkpoint, training.models, training.optimizers, training.generator)
    for optimizer in training.optimizers.values():
        _match_layout(optimizer)
    return step, json.loads(header["record"])


def _match_layout(optimizer: torch.optim.Optimizer) -> None:
    """Lay the moments out in memory as their weights are: another layout rounds differently in the last bit."""
    for parameter, slots in optimizer.state.items():
        for name, value in slots.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                slots[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def descend(total: Tensor, optimizer: torch.optim.Optimizer, clip: float, losses: Losses) -> None:
    """One step of an optimizer down the gradient of `total`, its norm clipped; none where that is not finite.

    Raises:
        FloatingPointError: with the losses' values, before any weight is changed.
    """
    if not bool(total.isfinite()):
        values = ", ".join(f"{name} {float(value.detach()):.4g}" for name, value in losses.items())
        raise FloatingPointError(f"the loss is {float(total.detach())} ({values})")
    optimizer.zero_grad()
    total.backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, clip)
    if not bool(norm.isfinite()):
        raise FloatingPointError(f"the gradient's norm is {float(norm)}")
    optimizer.step()


def on_device(device: torch.device, network):
    # channels last: convolutions on a CPU and in bfloat16 are faster
    return network.to(device, memory_format=torch.channels_last).train()


def laid_out(image: Tensor, device: torch.device) -> Tensor:
    return image.to(device, memory_format=torch.channels_last)


def adam(parameters: Iterable[nn.Parameter], config: TrainingConfig) -> torch.optim.Adam:
    # fused: one pass over memory, where the plain one makes a dozen
    return torch.optim.Adam(parameters, lr=config.learning_rate, betas=(0.5, 0.999), fused=True)


def settings_of(stage: str, config: TrainingConfig, setup: Setup) -> str:
    """What a checkpoint must agree on; a run may be made longer."""
    settings = {"stage": stage, "half": setup.half, **asdict(config)}
    del settings["steps"]
    return json.dumps(settings)
