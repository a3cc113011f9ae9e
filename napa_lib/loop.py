"""The one training loop: a chapter brings networks and a `step`, this brings records, checkpoints and what stops it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napa_lib.checkpoints import Record, State, Training, keep, resume
from napa_lib.console import describe_missing
from napa_lib.engine import keep_freed_memory, progress_bar
from napa_lib.files import prepare_file, remove_leftovers
from napa_lib.processes import any_process, average_gradients, join_processes, step_seed

Losses = Mapping[str, Tensor]


@dataclass(frozen=True)
class Setup:
    """Where and how to compute, which changes no result but by rounding.

    Attributes:
        device: where the networks are; batches are drawn on the CPU, so that they are the same everywhere.
        half: compute in bfloat16 where that is safe.
        checkpoint: file to keep the state in, and to go on from if it is there; None for none.
        measure: what to put on record beside the losses, given the model in evaluation mode.
        tell: is given each entry of the record as it is made.
        inputs: what a command trains on and begins with, as its options name it, where the configuration does not tell:
            a checkpoint that was made with others is refused.
    """

    device: torch.device = torch.device("cpu")
    half: bool = False
    checkpoint: Path | None = None
    measure: Callable[[Any], dict] | None = None
    tell: Callable[[dict], object] = lambda entry: None
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def autocast(self) -> torch.autocast:
        """The context for forward passes."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)


HERE = Setup()  # on the CPU, in full precision, nothing kept


def settings_of(stage: str, config: Any, setup: Setup = HERE) -> dict[str, Any]:
    """What decides how a training goes: its name, its configuration (a dataclass) but for `steps`, the precision, and
    the inputs that a command names.

    A run may be made longer, so `steps` is not among them.
    """
    settings = {"stage": stage, "half": setup.half, **asdict(config), **setup.inputs}
    del settings["steps"]
    return settings


def run(
    label: str,
    training: Training,
    step: Callable[[int], Losses],
    steps: int,
    every: int,
    setup: Setup = HERE,
    model: nn.Module | None = None,
    rate: Callable[[int], float] | None = None,
    settle: Callable[[], None] = lambda: None,
) -> Record:
    """Call `step` until all steps are done, going on from the checkpoint where there is one.

    Started by `torchrun`, each process draws batches of its own, `descend` takes the mean gradient's step in all of
    them, and the first one measures and saves. All read the checkpoint: it lies in a folder that they share.

    Args:
        label: name on the progress bar.
        training: what `step` changes.
        step: one step, given its number from 0; returns its losses. It raises FloatingPointError where one is not
            finite, which `descend` does.
        steps: how many in all.
        every: steps between two entries of the record, with each of which a checkpoint is written.
        setup: where and how, the checkpoint and the measurement.
        model: what to measure; the first of training's models if not given.
        rate: factor of the optimizers' learning rates at a step, such as `learning_rate_factor` gives; None to leave
            them alone. It is a function of the step, so that a resumed run needs no schedule's state.
        settle: called before each entry and at the end, to make the model fit for evaluation mode; see
            `networks.normalization`. It must not change how training goes on.

    Returns:
        one entry each `every` steps and at the end: step, seconds, the mean of each loss over those steps since the
        last entry that have it, and what was measured. On a CPU weights and record are the same, bit for bit but for
        the seconds, however often the run was stopped, killed and started again.

    Raises:
        CheckpointError: if the checkpoint is corrupt, belongs to another training or is beyond `steps`.
        ValueError: before the first step, if no checkpoint could be written.
        FloatingPointError: if a loss or a gradient is not finite; the last checkpoint is kept.
        OSError: if a checkpoint cannot be written, for want of space for example; the one before is kept.
        KeyboardInterrupt: after Ctrl-C (or SIGTERM), once the step is done and in the checkpoint; a second Ctrl-C
            stops at once.
    """
    if steps < 1 or every < 1:
        raise ValueError(f"steps and every must be at least 1, got {steps} and {every}")
    rank, world = join_processes(setup.device)
    seed = training.generator.initial_seed()
    groups = [group for optimizer in training.optimizers.values() for group in optimizer.param_groups]
    for group in groups:
        group.setdefault("initial_lr", group["lr"])
    state = resume(training, setup.checkpoint, steps)
    if setup.checkpoint is not None and rank == 0:
        prepare_file(setup.checkpoint)
        remove_leftovers(setup.checkpoint)
    groups = [group for optimizer in training.optimizers.values() for group in optimizer.param_groups]
    clock = time.monotonic() - state.seconds

    def enter() -> str:
        settle()
        return _words(_note(state, setup if rank == 0 else HERE, model or next(iter(training.models.values()))))

    if state.step == steps and state.count:  # it was stopped here, on its way to more steps: its last entry is missing
        enter()
        if rank == 0:
            keep(state, training, setup.checkpoint)
    with _signals() as asked, progress_bar(label, steps, state.step) as bar:
        while state.step < steps:
            if rate is not None:
                for group in groups:
                    group["lr"] = group["initial_lr"] * rate(state.step)
            if world > 1:  # each process a batch of its own
                training.generator.manual_seed(step_seed(seed, state.step, rank))
                torch.manual_seed(step_seed(seed, state.step, rank))
            _count(state, step, setup)
            bar.update()
            state.seconds = time.monotonic() - clock
            stop = any_process(bool(asked), world)
            due = state.step % every == 0 or state.step == steps
            if due:
                bar.set_postfix_str(enter())
            if rank == 0 and (due or stop):
                keep(state, training, setup.checkpoint)
            if stop and state.step < steps:
                raise KeyboardInterrupt(f"stopped after step {state.step}; {_kept(state, setup)}")
    settle()
    return state.record


def _count(state: State, step: Callable[[int], Losses], setup: Setup) -> None:
    """Take one step and add its losses to the sums."""
    try:
        losses = {name: float(value.detach()) for name, value in step(state.step).items()}
        if not all(abs(value) < float("inf") for value in losses.values()):
            raise FloatingPointError(f"the losses are {_words(losses)}")
    except FloatingPointError as error:
        raise type(error)(f"{error} at step {state.step}; stopped. {_kept(state, setup)}") from None
    for name, value in losses.items():
        state.sums[name] = state.sums.get(name, 0.0) + value
        state.times[name] = state.times.get(name, 0) + 1
    state.count += 1
    state.step += 1


def _note(state: State, setup: Setup, model: nn.Module) -> dict[str, float]:
    """Put an entry on record, with the measurement where there is one, for which the model is in evaluation mode.

    Returns:
        the losses' means.
    """
    means = {name: value / state.times[name] for name, value in state.sums.items()}
    found: dict = {}
    if setup.measure is not None:
        modes = {module: module.training for module in model.modules()}
        model.eval()
        with torch.no_grad():
            found = setup.measure(model)
        for module, mode in modes.items():
            module.training = mode
    state.record.append({"step": state.step, "seconds": round(state.seconds, 2), **means, **found})
    state.sums, state.times, state.count = {}, {}, 0
    setup.tell(state.record[-1])
    return means


def _kept(state: State, setup: Setup) -> str:
    """What to say of the checkpoint when a run stops."""
    if setup.checkpoint is None or state.kept < 0:
        return "No checkpoint was kept"
    return f"{setup.checkpoint} keeps step {state.kept}; the same call goes on from there"


def _words(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in losses.items())


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals that asked to stop meanwhile. The first waits for the step to end, the second stops at once."""
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt("stopped at once")
        asked.append(number)

    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread alone
        yield asked
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def descend(total: Tensor, optimizer: torch.optim.Optimizer, clip: float, losses: Losses) -> None:
    """One step of an optimizer down the gradient of `total`, its norm clipped; none where that is not finite.

    Under `torchrun` the gradient is the mean over all processes.

    Raises:
        FloatingPointError: with the losses' values, before any weight is changed.
    """
    optimizer.zero_grad()
    go_back(total, losses)
    take_step(optimizer, clip)


def go_back(total: Tensor, losses: Losses) -> None:
    """Add the gradient of `total` to what the parameters have.

    Raises:
        FloatingPointError: with the losses' values, if it is not finite.
    """
    if not bool(total.isfinite()):
        words = _words({name: float(value.detach()) for name, value in losses.items()})
        raise FloatingPointError(f"the loss is {float(total.detach())} ({words})")
    total.backward()


def take_step(optimizer: torch.optim.Optimizer, clip: float) -> None:
    """One step of an optimizer down the gradients that are there, as `descend` says.

    Raises:
        FloatingPointError: if their norm is not finite, before any weight is changed.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    average_gradients(parameters, join_processes(parameters[0].device)[1])
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    if not bool(norm.isfinite()):
        raise FloatingPointError(f"the gradient's norm is {float(norm)}")
    if norm > clip:  # PyTorch's clip_grad_norm_ multiplies in any case, by 1 where nothing is to be clipped
        for gradient in gradients:
            gradient.mul_(clip / (norm + 1e-6))
    optimizer.step()


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential running average of the trained weights: average <- decay average + (1 - decay) network.

    Weights that are not trained are left alone, buffers are copied.
    """
    for mean, now in zip(average.parameters(), network.parameters(), strict=True):
        if now.requires_grad:
            mean.lerp_(now, 1 - decay)
    for kept, buffer in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(buffer)


def on_device(device: torch.device, network: Any) -> Any:
    """The network in training mode on the device, channels last: convolutions on a CPU and in bfloat16 are faster."""
    return network.to(device, memory_format=torch.channels_last).train()


def laid_out(image: Tensor, device: torch.device) -> Tensor:
    """Pictures (B, C, H, W) on the device, laid out in memory as `on_device`'s networks want them."""
    return image.to(device, memory_format=torch.channels_last)


def adam(parameters: Iterable[nn.Parameter], learning_rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam, fused: one pass over memory, where the plain one makes a dozen."""
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, fused=True)


@contextmanager
def command() -> Iterator[None]:
    """End a training command with a sentence and not a traceback: bad input, broken losses, a full disk, a package that
    is not installed, Ctrl-C."""
    keep_freed_memory()
    try:
        yield
    except OSError as error:
        said = error.strerror or str(error)
        raise SystemExit(f"{said}: {error.filename}" if error.filename else said) from None
    except (ValueError, FloatingPointError) as error:
        raise SystemExit(str(error)) from None
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("napa_lib"):
            raise
        raise SystemExit(describe_missing(error)) from None
    except KeyboardInterrupt as error:
        print(str(error) or "stopped", file=sys.stderr)
        raise SystemExit(130) from None
