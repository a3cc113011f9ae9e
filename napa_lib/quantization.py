"""Trained weights in 8 bits: a quarter of their size in files, and full precision again when they are read."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ".scale"  # after the name of a tensor stored in 8 bits


def quantize(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels as 8-bit integers with a scale for each output channel; all else stays as it is.

    With w the weights of one output channel, the first axis:

        s = max |w| / 127,  q = round(w / s)

    A weight is off by at most s / 2, 1/254 of its channel's largest.

    Args:
        tensors: name -> weights; those of two axes or more and of a floating type are stored in 8 bits.

    Returns:
        the same names, and NAME.scale beside each NAME in 8 bits, float32 of shape (channels, 1, ...).

    Raises:
        ValueError: if a name is NAME.scale already, or a weight is not finite.

    >>> stored = quantize({"w": torch.tensor([[0.5, -1.27], [0.0, 0.0]]), "bias": torch.ones(2)})
    >>> stored["w"].tolist(), sorted(stored)
    ([[50, -127], [0, 0]], ['bias', 'w', 'w.scale'])
    """
    stored: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if value.ndim < 2 or not value.is_floating_point():
            stored[name] = value
            continue
        if name + SCALE in tensors:
            raise ValueError(f"tensors hold {name!r} and {name + SCALE!r}, which would be its scale")
        if not value.isfinite().all():
            raise ValueError(f"tensor {name!r} holds values that are not finite")
        value = value.float()
        scale = value.abs().amax(tuple(range(1, value.ndim)), keepdim=True).clamp_min(1e-12) / 127
        stored[name], stored[name + SCALE] = (value / scale).round().to(torch.int8), scale
    return stored


def dequantize(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `quantize` stored as float32 weights, w = s q; halves become float32, all else stays as it is.

    A file without 8-bit weights passes through, so one reader does for files in either form.

    >>> dequantize({"w": torch.tensor([[2, -4]], dtype=torch.int8), "w.scale": torch.tensor([[0.5]])})
    {'w': tensor([[ 1., -2.]])}
    """
    tensors: dict[str, Tensor] = {}
    for name, value in stored.items():
        if value.dtype == torch.int8 and name + SCALE in stored:
            tensors[name] = value * stored[name + SCALE]
        elif not (name.endswith(SCALE) and _in_8_bits(stored, name.removesuffix(SCALE))):
            tensors[name] = value.float() if value.dtype == torch.float16 else value
    return tensors


def _in_8_bits(stored: Mapping[str, Tensor], name: str) -> bool:
    return name in stored and stored[name].dtype == torch.int8
