"""Trained weights in 8 bits: a quarter of their size in files or less, and full precision again when they are read."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from napa_lib.engine import CheckpointError, load_format, load_tensors, load_weights

Network = TypeVar("Network", bound=nn.Module)
SCALE, SHAPE = ".scale", ".shape"  # after the name of a tensor stored in 8 bits


def quantize(tensors: Mapping[str, Tensor], bits: int = 8) -> dict[str, Tensor]:
    """Matrices and kernels as integers of few bits with a scale for each output channel; all else stays as it is.

    With w the weights of one output channel, the first axis, and n bits:

        s = max |w| / (2^(n - 1) - 1),  q = round(w / s)

    A weight is off by at most s / 2, of 8 bits 1/254 of its channel's largest. Most of the integers are small, so they
    are stored deflated, which loses nothing and takes 8 bits to 6.5 or so.

    Args:
        tensors: name -> weights; those of two axes or more and of a floating type are stored as integers.
        bits: from 2 to 8.

    Returns:
        The same names. Of a NAME in few bits: NAME, the integers' bytes, deflated; NAME.scale, float32 of shape
        (channels, 1, ...); NAME.shape.

    Raises:
        ValueError: if `bits` is another number, a name is NAME.scale or NAME.shape already, or a weight is not finite.

    >>> stored = quantize({"w": torch.tensor([[0.5, -1.27], [0.0, 0.0]]), "bias": torch.ones(2)})
    >>> sorted(stored), stored["w.shape"].tolist()
    (['bias', 'w', 'w.scale', 'w.shape'], [2, 2])
    >>> dequantize(stored)["w"]
    tensor([[ 0.5000, -1.2700],
            [ 0.0000,  0.0000]])
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits must be from 2 to 8, got {bits}")
    stored: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if value.ndim < 2 or not value.is_floating_point():
            stored[name] = value
            continue
        if name + SCALE in tensors or name + SHAPE in tensors:
            raise ValueError(f"tensors hold {name!r} and what would be its scale or shape, {name + SCALE!r}")
        if not value.isfinite().all():
            raise ValueError(f"tensor {name!r} holds values that are not finite")
        value = value.detach().cpu().float()
        scale = value.abs().amax(tuple(range(1, value.ndim)), keepdim=True).clamp_min(1e-12) / (2 ** (bits - 1) - 1)
        integers = (value / scale).round().to(torch.int8).contiguous()
        stored[name] = torch.frombuffer(bytearray(zlib.compress(integers.numpy().tobytes(), 9)), dtype=torch.uint8)
        stored[name + SCALE], stored[name + SHAPE] = scale, torch.tensor(value.shape)
    return stored


@torch.no_grad()
def compress(network: nn.Module, bits: Callable[[str], int], inputs: Tensor) -> dict[str, Tensor]:
    """A network of convolutions in few bits, with biases that make up for what rounding does.

    A rounded kernel moves the mean of what its channel says, and the layers behind it add such moves up. So each bias
    takes on what is missing from the channel's mean over some inputs, the first layers' before the next ones'.

    Args:
        network: whose convolutions are called once each for an input, on the CPU.
        bits: how many a kernel of that name gets, 2 to 8 as `quantize`, or 16: a half.
        inputs: such as the network is for, (N, C, H, W), N large enough for a mean.

    Returns:
        what to store: of kernels what `quantize` says, halves of all else. Biases of layers that the network's own
        call leaves out are not corrected.

    Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section 4.2,
    with measured means.
    """
    stored: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        whole = value.ndim < 2 or bits(name) == 16
        stored |= {name: value.half()} if whole else quantize({name: value}, bits(name))
    rounded = copy.deepcopy(network)
    rounded.load_state_dict(dequantize(stored))
    means: dict[str, Tensor] = {}

    def note(name: str, bias: Tensor) -> Callable[..., None]:
        def hook(layer: nn.Module, given: object, said: Tensor) -> None:
            means[name] = said.mean((0, 2, 3))

        return hook

    def correct(name: str, bias: Tensor) -> Callable[..., Tensor]:
        def hook(layer: nn.Module, given: object, said: Tensor) -> Tensor:
            missing = means[name] - said.mean((0, 2, 3))
            bias.add_(missing)
            return said + missing[:, None, None]

        return hook

    for one, make in ((network, note), (rounded, correct)):
        layers = [(name, layer) for name, layer in one.named_modules() if isinstance(layer, nn.Conv2d)]
        biased = [(name, layer, layer.bias) for name, layer in layers if layer.bias is not None]
        hooks = [layer.register_forward_hook(make(name, bias)) for name, layer, bias in biased]
        one(inputs)
        for hook in hooks:
            hook.remove()
    return stored | {name: value.half() for name, value in rounded.state_dict().items() if name.endswith("bias")}


def dequantize(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `quantize` stored as float32 weights, w = s q; halves become float32, all else stays as it is.

    Integers that were not deflated, int8 with a scale beside them, are read too, and so are files without weights in
    8 bits.

    Raises:
        ValueError: if the integers are damaged.

    >>> dequantize({"w": torch.tensor([[2, -4]], dtype=torch.int8), "w.scale": torch.tensor([[0.5]])})
    {'w': tensor([[ 1., -2.]])}
    """
    packed = {name for name in stored if name + SCALE in stored and stored[name].dtype in (torch.uint8, torch.int8)}
    aside = {name + ending for name in packed for ending in (SCALE, SHAPE)}
    tensors: dict[str, Tensor] = {}
    for name, value in stored.items():
        if name in packed:
            try:
                integers = value if value.dtype == torch.int8 else _inflate(value, stored[name + SHAPE])
                tensors[name] = integers * stored[name + SCALE]
            except (zlib.error, KeyError, RuntimeError, TypeError, ValueError) as error:
                raise ValueError(f"tensor {name!r} in 8 bits is damaged: {error}") from None
        elif name not in aside:
            tensors[name] = value.float() if value.dtype == torch.float16 else value
    return tensors


def _inflate(packed: Tensor, shape: Tensor) -> Tensor:
    content = bytearray(zlib.decompress(packed.numpy().tobytes()))
    return torch.frombuffer(content, dtype=torch.int8).view(shape.tolist())


def read_weights(path: str | Path, form: str = "", what: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """A file of trained weights, in 8 bits or not: its tensors as `dequantize` gives them, and its metadata.

    Where told, the metadata must name a format; `what` such a file is, for the error.

    Raises:
        CheckpointError: if the file is missing, damaged or of another format, or a number in it is not finite.
    """
    stored, metadata = load_format(path, form, what) if form else load_tensors(path)
    try:
        tensors = dequantize(stored)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None
    if spoilt := sorted(name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())):
        raise CheckpointError(f"{path} holds numbers that are not finite: {len(spoilt)} tensors {spoilt[:3]}")
    return tensors, metadata


def load_network(network: Network, path: str | Path, form: str, what: str) -> Network:
    """Fill a network from a file of its format, and hand it on in evaluation mode, without gradients.

    Raises:
        CheckpointError: as `read_weights`, or if the file holds other tensors than the network.
    """
    tensors, _ = read_weights(path, form, what)
    load_weights(network, tensors, str(path))
    return network.eval().requires_grad_(False)
