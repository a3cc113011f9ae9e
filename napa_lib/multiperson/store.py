"""Trained networks of the chapter in files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from napa_lib.engine import CheckpointError, load_tensors, load_weights, save_tensors
from napa_lib.multiperson.config import PRESETS
from napa_lib.multiperson.networks import Lifter, MapEncoder, Teacher

FORMAT = "napa-multiperson-1"
KINDS = {"teacher": Teacher, "encoder": MapEncoder, "lifter": Lifter}
BACKBONE = "encoder.backbone."  # ships by itself


def save_network(path: str | Path, kind: str, network: nn.Module, header: Mapping[str, str]) -> None:
    """Write a teacher (without VGG-19), G ("encoder") or H ("lifter"), weights as 16-bit halves.

    Args:
        path: safetensors file.
        kind: one of `KINDS`.
        network: what to write.
        header: beside the format; its "config" must be JSON that names the preset.
    """
    own = {name: value for name, value in network.state_dict().items() if not name.startswith(BACKBONE)}
    save_tensors(path, {name: value.half() for name, value in own.items()}, {**header, "format": FORMAT, "kind": kind})


def load_network(path: str | Path, kind: str) -> nn.Module:
    """Read what `save_network` wrote, in evaluation mode, on the CPU.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    tensors, header = load_tensors(path)
    if header.get("format") != FORMAT or header.get("kind") != kind:
        found = f"{header.get('format')!r}, {header.get('kind')!r}"
        raise CheckpointError(f"{path} holds no {kind} of chapter 06: it is {found}, not {FORMAT!r}, {kind!r}")
    network = KINDS[kind](PRESETS[json.loads(header["config"])["preset"]])
    whole = {name: value for name, value in network.state_dict().items() if name.startswith(BACKBONE)}
    whole |= {name: value.float() for name, value in tensors.items()}
    load_weights(network, whole, str(path))
    return network.eval()
