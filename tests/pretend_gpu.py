"""A device that refuses what a GPU refuses, on a machine that has none: tensors of two devices in one operation.

A tensor that is sent to "cuda" stays where it is and computes there, but says that it is on "cuda:0" and goes by the
rules of one: nothing that takes several tensors takes it together with one from the CPU, and NumPy cannot read it.
What is not pretended: the speed, the memory, the kernels, the rounding and `torch.compile`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map_only

CUDA = torch.device("cuda", 0)
MIXES = {  # what takes tensors of both
    "to", "type_as", "copy_", "__get__", "__set__", "_has_compatible_shallow_copy_type",
}  # fmt: skip
INDEXED = {"__getitem__", "__setitem__", "index_put_"}  # what lies on the CPU takes no indices from a GPU
READERS = {"numpy", "__array__"}
SAYS = {Tensor.device.__get__: CUDA, Tensor.is_cuda.__get__: True, Tensor.is_cpu.__get__: False}


class OnGpu(Tensor):
    """A tensor of the pretended device. What is made of it is one too."""

    operations = 0  # that took one, of all of them

    @classmethod
    def __torch_function__(
        cls, function: Callable, types: Sequence[type], args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(function, "__name__", "")
        OnGpu.operations += 1
        if function in SAYS:
            return SAYS[function]
        if name in READERS:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        if name not in MIXES:
            refuse_mixture(name, args, kwargs)
        to = destination(name, args, kwargs)
        args, kwargs = without_device(name, args, kwargs)
        result = super().__torch_function__(function, types, args, kwargs)
        if function == Tensor.grad.__get__:
            to = CUDA
        return result if to is None else placed(result, to)

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.dim() == 0 else str(self), spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        with torch._C.DisableTorchFunctionSubclass():
            made = self.detach().clone().as_subclass(OnGpu).requires_grad_(self.requires_grad)
        if isinstance(self, torch.nn.Parameter):
            made._is_param = True  # type: ignore[attr-defined]
        memo[id(self)] = made
        return made


def refuse_mixture(name: str, args: tuple, kwargs: Mapping[str, Any]) -> None:
    """RuntimeError where tensors with axes lie on both devices, as a GPU's kernels would say."""
    if name in INDEXED and isinstance(args[0], OnGpu):
        return  # indices may lie on the CPU, and a slice may be written from there
    tensors = [x for x in tree_flatten((args[:2] if name in INDEXED else args, kwargs))[0] if isinstance(x, Tensor)]
    with torch._C.DisableTorchFunctionSubclass():
        devices = {isinstance(x, OnGpu) for x in tensors if x.dim() > 0}
    if len(devices) > 1:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, found at least cuda:0 and cpu")


def destination(name: str, args: tuple, kwargs: Mapping[str, Any]) -> torch.device | None:
    """The device that a call asks for; None where it asks for none."""
    if name in ("cpu", "cuda"):
        return torch.device(name)
    asked = kwargs.get("device")
    if asked is None and name == "to":
        asked = next((x for x in args[1:] if isinstance(x, str | torch.device)), None)
        like = next((x for x in args[1:] if isinstance(x, Tensor)), None)
        asked = asked if like is None else like.device
    return None if asked is None else torch.device(asked)


def without_device(name: str, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """The same call with the CPU in the pretended device's place."""
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": "cpu"}
    if name == "to":
        args = args[:1] + tuple(torch.device("cpu") if isinstance(x, str | torch.device) else x for x in args[1:])
    return args, kwargs


def placed(result: Any, device: torch.device) -> Any:
    """Tensors as those of a device."""
    return tree_map_only(Tensor, lambda x: x.as_subclass(OnGpu if device.type == "cuda" else Tensor), result)


class Sending(TorchFunctionMode):
    """Has whatever is made on or sent to "cuda" belong to the pretended device."""

    def __torch_function__(
        self, function: Callable, types: Sequence[type], args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(function, "__name__", "")
        if any(issubclass(t, OnGpu) for t in types):
            return function(*args, **kwargs)
        to = destination(name, args, kwargs)
        if to is None or to.type != "cuda":
            return function(*args, **kwargs)
        if name == "cuda":
            return placed(args[0], to)
        args, kwargs = without_device(name, args, kwargs)
        return placed(function(*args, **kwargs), to)


@contextmanager
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """The pretended device, which the machine says it has while the context lasts."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "a pretended GPU")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with Sending():
            yield CUDA
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
