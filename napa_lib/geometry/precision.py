"""Coordinates keep their precision: no autocast inside, float64 only where the device has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def in_full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """A function of coordinates that takes no part in `torch.autocast`.

    Under autocast a matrix product is computed in bfloat16 or float16, which have two or three decimal digits: pixels
    and millimetres would silently be off by several.
    """

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        found = next(_tensors((*args, *kwargs.values())), None)
        kind = "cpu" if found is None else found.device.type
        if not torch.amp.is_autocast_available(kind):
            return function(*args, **kwargs)
        with torch.autocast(kind, enabled=False):
            return function(*args, **kwargs)

    return guarded


def _tensors(values: tuple) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(tuple(value))


def check_floating(name: str, value: Tensor) -> None:
    """ValueError unless `value` is a tensor to compute with: floating, of 16 bits or more, dense, and not on "meta"."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} must be a floating tensor, got {type(value).__name__}")
    if not value.is_floating_point():
        raise ValueError(f"{name} must be floating, got {value.dtype}")
    if value.element_size() < 2 or value.layout is not torch.strided or value.is_meta:
        found = f"{value.dtype}, {value.layout}, on {value.device}"
        raise ValueError(f"{name} must be a dense tensor of numbers of 16 bits or more, got {found}")


def widest(device: torch.device | str) -> torch.dtype:
    """float64 where the device has it, else float32: Apple's GPUs do not.

    >>> widest("cpu")
    torch.float64
    """
    try:
        torch.empty(0, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):  # what torch raises for it on MPS, and on others
        return torch.float32
    return torch.float64


def widened(tensor: Tensor) -> Tensor:
    """A tensor in the widest floating dtype of its device."""
    return tensor.to(widest(tensor.device))


def common_precision(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Floating tensors in one dtype, float32 or wider: float32 predictions beside float64 truth become float64.

    >>> [x.dtype for x in common_precision(torch.zeros(1, dtype=torch.float16), torch.zeros(1))]
    [torch.float32, torch.float32]
    """
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return tuple(tensor.to(dtype) for tensor in tensors)
