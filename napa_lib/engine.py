"""Seeds, devices, progress bars and checkpoints: what every training loop needs and no paper writes down."""

from __future__ import annotations

import ctypes
import errno
import json
import math
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from napa_lib.files import write_atomically

Item = TypeVar("Item")
Config = TypeVar("Config")
P = ParamSpec("P")
R = TypeVar("R")

CHECKPOINT_FORMAT = "napa-checkpoint-1"


class CheckpointError(ValueError):
    """A checkpoint that is corrupt, truncated, or was written for another model."""


def seed_everything(seed: int) -> torch.Generator:
    """Seed torch's global generator, ask for deterministic kernels, and return a CPU generator with the same seed.

    Initial weights draw from the global generator, everything else in napa from the generator that is passed along.
    Kernels without a deterministic version warn and go on.

    Raises:
        ValueError: for a seed below 0 or too large for torch.

    >>> a = torch.rand(2, generator=seed_everything(3)); b = torch.rand(2, generator=seed_everything(3))
    >>> bool((a == b).all())
    True
    """
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed must be an integer from 0 to 2**63 - 1, got {seed}")
    torch.manual_seed(seed)
    # As use_deterministic_algorithms(True, warn_only=True), which imports all of torch's compiler: a second or two.
    torch.set_deterministic_debug_mode("warn")
    # It would also fill every fresh tensor before a kernel writes it: up to two fifths of a training step on a CPU.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.Generator().manual_seed(seed)


def made_on_cpu(function: Callable[P, R]) -> Callable[P, R]:
    """A function that makes its tensors on the CPU unless it names a device, whatever torch's default device is."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if torch.get_default_device().type == "cpu":  # to say so would cost every operation inside some microseconds
            return function(*args, **kwargs)
        with torch.device("cpu"):
            return function(*args, **kwargs)

    return call


def choose_device(name: str = "auto") -> torch.device:
    """The device to compute on: 'auto' takes CUDA, then Apple's MPS, then the CPU; any other name must exist.

    Raises:
        ValueError: if the name is no device, or the machine does not have it.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got {name!r}") from None
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(device.type, False):
        raise ValueError(f"device {name!r} is not on this machine; use 'auto' or 'cpu'")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {name!r} is not on this machine, it has {torch.cuda.device_count()} GPU(s)")
    return device


def keep_freed_memory() -> bool:
    """Have this process keep the memory that tensors on the CPU give back, for those that come after them.

    Each large tensor otherwise comes fresh from the system, which must clear it page by page: a seventh of the time of
    a training step of KeypointGAN. The process stays as large as it once was, so this is for programs that train and
    end, not for notebooks.

    Returns:
        whether that could be asked for: it can where the C library is glibc, as on most Linux systems.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # malloc.h: M_MMAP_MAX = -4, no blocks of their own for large tensors; M_TRIM_THRESHOLD = -1, -1 for never
    return bool(mallopt(-4, 0)) and bool(mallopt(-1, -1))


def progress(iterable: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Iterate with a progress bar that fits the terminal or the notebook. `NAPA_PROGRESS_BAR=off` hides it."""
    return iter(tqdm(iterable, desc=label, total=total, disable=_no_bars(), leave=False))


def progress_bar(label: str, total: int, done: int = 0) -> tqdm:
    """The same bar, to be updated by hand; `done` of `total` are behind it already."""
    return tqdm(desc=label, total=total, initial=done, disable=_no_bars(), leave=False)


def _no_bars() -> bool:
    return os.environ.get("NAPA_PROGRESS_BAR", "").lower() == "off"


def learning_rate_factor(step: int, steps: int, longest_warm_up: int | None = None) -> float:
    """Linear to 1 over the first tenth of the steps, then half a cosine to 0.

    It depends on the step alone, so that a resumed run needs no schedule's state.

    Args:
        step: from 0.
        steps: of the whole run.
        longest_warm_up: steps after which it is 1 at the latest; None for a tenth, however long.

    >>> [round(learning_rate_factor(step, 100), 3) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    """
    warm_up = max(1, steps // 10 if longest_warm_up is None else min(longest_warm_up, steps // 10))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors to a safetensors file atomically: the old file stays whole until the new one is on disk.

    Raises:
        OSError: if it cannot be written, for want of space for example; what was there before is whole.
    """
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def write(temporary: Path) -> None:
        try:
            save_file(flat, temporary, metadata=dict(metadata or {}))
        except SafetensorError as error:  # how a full disk is called there
            raise OSError(errno.EIO, str(error)) from error

    write_atomically(path, write)


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: its tensors (on the CPU) and its metadata.

    Raises:
        CheckpointError: if the file is missing, truncated, or no safetensors file.
    """
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def load_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a safetensors file, without its tensors; errors as for `load_tensors`."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    try:
        with safe_open(str(path), framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error


def load_format(path: str | Path, form: str, what: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """`load_tensors` of a file whose metadata must name a format; `what` such a file is, for the error.

    Raises:
        CheckpointError: as `load_tensors`, and if the format is another.
    """
    tensors, header = load_tensors(path)
    if header.get("format") != form:
        raise CheckpointError(f"{path} is no {what}: its format is {header.get('format')!r}, not {form!r}")
    return tensors, header


def config_in(path: str | Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The configuration in a weights file's metadata; {} where there is none.

    Raises:
        CheckpointError: if it is no JSON object.
    """
    try:
        config = json.loads(metadata.get("config", "{}"))
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} does not tell its configuration, a JSON object, but {metadata['config']!r:.80}")
    return config


@contextmanager
def telling_header(path: str | Path) -> Iterator[None]:
    """Build a network as a weights file's metadata says: what these lack, or say wrongly, is a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except KeyError as error:
        raise CheckpointError(f"{path} does not tell the {error} of its network") from None
    except (AttributeError, IndexError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not tell its network: {error}") from None


def config_from(kind: type[Config], text: str) -> Config:
    """A dataclass of numbers, words and tuples from the JSON of a file's metadata; fields that it lacks have defaults.

    Raises:
        TypeError: if the text is no JSON object, or a field is unknown or of another type than its default.
        ValueError: if it is no JSON, or the dataclass refuses a value.
    """
    values = json.loads(text)
    if not isinstance(values, dict):
        raise TypeError(f"the config must be a JSON object, got {text[:40]!r}")
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = value = tuple(value)
        usual = getattr(kind, name, value)
        if type(value) is not type(usual) and (type(usual), type(value)) != (float, int):
            raise TypeError(f"{name} must be of type {type(usual).__name__}, got {value!r}")
    return kind(**values)


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy named tensors into a model, which takes their dtype, float32 at least; or say which names and shapes do not
    fit, and change nothing.
    """
    own = model.state_dict()
    missing = sorted(own.keys() - tensors.keys())
    foreign = sorted(tensors.keys() - own.keys())
    wrong = [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}"
        for name in sorted(own.keys() & tensors.keys())
        if tensors[name].shape != own[name].shape
    ]
    if spoilt := sorted(name for name in tensors if bool(tensors[name].isnan().any())):
        raise CheckpointError(f"{source} holds numbers that are NaN: {len(spoilt)} tensors {spoilt[:3]}")
    if missing or foreign or wrong:
        raise CheckpointError(
            f"{source} does not fit {type(model).__name__}: {len(missing)} missing {missing[:3]}, "
            f"{len(foreign)} foreign {foreign[:3]}, wrong shapes {wrong[:3]}"
        )
    kinds = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if len(kinds) == 1:  # torch's default dtype, which the model was made in, is not that of its weights
        model.to(torch.promote_types(kinds.pop(), torch.float32))
    model.load_state_dict(dict(tensors))


def save_checkpoint(
    path: str | Path,
    step: int,
    models: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    generator: torch.Generator,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write all that a training needs to go on exactly where it is: weights, optimizer states, random state, step."""
    tensors = {
        f"model/{key}/{name}": value for key, model in models.items() for name, value in model.state_dict().items()
    }
    groups = {}
    for key, optimizer in optimizers.items():
        state = optimizer.state_dict()
        groups[key] = state["param_groups"]
        tensors |= {
            f"optimizer/{key}/{index}/{slot}": torch.as_tensor(value)
            for index, slots in state["state"].items()
            for slot, value in slots.items()
            if value is not None
        }
    tensors["generator"] = generator.get_state()
    tensors["global_generator"] = torch.get_rng_state()
    header = {"format": CHECKPOINT_FORMAT, "step": str(step), "param_groups": json.dumps(groups)}
    save_tensors(path, tensors, {**(metadata or {}), **header})


def load_checkpoint(
    path: str | Path,
    models: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    generator: torch.Generator,
) -> int:
    """Put a checkpoint's state back into models, optimizers and generators, and return its step.

    Raises:
        CheckpointError: if the file is corrupt, is no napa checkpoint, or was written for other models or optimizers.
    """
    tensors, metadata = load_format(path, CHECKPOINT_FORMAT, "checkpoint of napa")
    groups = json.loads(metadata["param_groups"])
    found = {name.split("/")[1] for name in tensors if name.startswith("model/")}
    if found != set(models) or set(groups) != set(optimizers):
        raise CheckpointError(
            f"{path} holds models {sorted(found)} and optimizers {sorted(groups)}, "
            f"expected {sorted(models)} and {sorted(optimizers)}"
        )
    for key, model in models.items():
        load_weights(model, _below(tensors, f"model/{key}/"), str(path))
    for key, optimizer in optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(tensors, f"optimizer/{key}/").items():
            index, slot = name.split("/")
            state.setdefault(int(index), {})[slot] = value
        try:
            optimizer.load_state_dict({"state": state, "param_groups": groups[key]})
        except ValueError as error:
            raise CheckpointError(f"{path} does not fit optimizer {key!r}: {error}") from error
    generator.set_state(tensors["generator"])
    torch.set_rng_state(tensors["global_generator"])
    return int(metadata["step"])


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
