"""Where a training stands, in its checkpoint and back: one rule of resuming for all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napa_lib.engine import CHECKPOINT_FORMAT, CheckpointError, load_checkpoint, load_metadata, save_checkpoint

Record = list[dict[str, Any]]


@dataclass(frozen=True)
class Training:
    """All that changes while training, and what it was started with.

    Attributes:
        models: modules whose weights and buffers belong into a checkpoint.
        optimizers: theirs.
        generator: source of the batches.
        settings: what a checkpoint must agree on, from `settings_of`; one with others is refused.
    """

    models: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    generator: torch.Generator
    settings: Mapping[str, Any]


@dataclass
class State:
    """Where a run stands; it is part of every checkpoint, so that nothing on record is lost."""

    step: int = 0  # steps done
    seconds: float = 0.0
    record: Record = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)  # of the losses since the last entry
    times: dict[str, int] = field(default_factory=dict)  # of how many steps each: not all have every loss
    count: int = 0  # steps since the last entry
    kept: int = -1  # step of the checkpoint, -1 for none


def resume(training: Training, checkpoint: Path | None, steps: int) -> State:
    """The state of the checkpoint, after putting all of it back; a new one where there is no checkpoint.

    Raises:
        CheckpointError: if the file is corrupt, belongs to a training with other settings, or is beyond `steps`.
    """
    state = standing(checkpoint, training.settings, steps)
    if checkpoint is None or state.kept < 0:
        return state
    load_checkpoint(checkpoint, training.models, training.optimizers, training.generator)
    for optimizer in training.optimizers.values():
        _match_layout(optimizer)
    return state


def standing(
    checkpoint: Path | None, settings: Mapping[str, Any], steps: int, advice: str = "choose another file"
) -> State:
    """Where a training stands, by its checkpoint alone, of which no weight is read; at the start where there is none.

    `advice` says what to do about a checkpoint of other settings.

    Raises:
        CheckpointError: if the file is corrupt, belongs to a training with other settings, or is beyond `steps`.
    """
    if checkpoint is None or not Path(checkpoint).exists():
        return State()
    header = load_metadata(checkpoint)
    found = settings_in(checkpoint, header)
    wanted = json.loads(json.dumps(settings))  # tuples become lists
    if found != wanted:
        names = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        other = ", ".join(_difference(name, found, wanted) for name in names)
        raise CheckpointError(f"{checkpoint} belongs to another training ({other}); {advice}")
    try:
        state = State(**json.loads(header["state"]))
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{checkpoint} does not tell where its training stands") from None
    if state.step > steps:
        raise CheckpointError(f"{checkpoint} stands at step {state.step}, beyond the {steps} that are asked for")
    return state


def steps_after(checkpoint: Path, more: int) -> int:
    """Steps in all of a training that goes on for `more` from where its checkpoint stands, from 0 where there is none.

    Raises:
        ValueError: if `more` is less than 1, or the file is no checkpoint.
    """
    if more < 1:
        raise ValueError(f"more must be at least 1 step, got {more}")
    return more + (int(load_metadata(checkpoint)["step"]) if checkpoint.exists() else 0)


def settings_in(checkpoint: str | Path, header: Mapping[str, str]) -> dict[str, Any]:
    """What the training of a checkpoint with these metadata was started with.

    Raises:
        CheckpointError: if they are not of a checkpoint.
    """
    try:
        found = json.loads(header["settings"]) if header.get("format") == CHECKPOINT_FORMAT else None
    except (KeyError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise CheckpointError(f"{checkpoint} is no checkpoint of a training")
    return found


def _difference(name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """How a setting of a checkpoint differs; one of an older version may not tell it at all."""
    told = f"{name} is {found[name]}" if name in found else f"it does not tell {name}"
    return f"{told}, expected {wanted.get(name)}"


def _match_layout(optimizer: torch.optim.Optimizer) -> None:
    """Lay the moments out in memory as their weights are: another layout rounds differently in the last bit."""
    for parameter, slots in optimizer.state.items():
        for name, value in slots.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                slots[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def keep(state: State, training: Training, checkpoint: Path | None) -> None:
    """Write all of it, where there is a file to write to.

    Raises:
        OSError: if it cannot be written; the checkpoint before is kept, and the message names its step.
    """
    if checkpoint is None:
        return
    now = {**asdict(state), "kept": state.step}
    header = {"settings": json.dumps(training.settings), "state": json.dumps(now)}
    try:
        save_checkpoint(checkpoint, state.step, training.models, training.optimizers, training.generator, header)
    except OSError as error:
        kept = f"it keeps step {state.kept}" if state.kept >= 0 else "none is kept"
        said = f"{error.strerror or error}; stopped after step {state.step}, {kept}"
        raise OSError(f"{said}. Make room and start again") from error
    state.kept = state.step
