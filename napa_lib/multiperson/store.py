"""Trained networks of the chapter in files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from torch import nn

from napa_lib.data import asset_path
from napa_lib.engine import CheckpointError, load_weights, made_on_cpu, save_tensors, telling_header
from napa_lib.multiperson.config import PRESETS
from napa_lib.multiperson.networks import Lifter, MapEncoder, Teacher
from napa_lib.quantization import quantize, read_weights

FORMAT = "napa-multiperson-1"
KINDS = {"teacher": Teacher, "encoder": MapEncoder, "lifter": Lifter}
BACKBONE = "encoder.backbone."  # ships by itself


def save_network(path: str | Path, kind: str, network: nn.Module, header: Mapping[str, str]) -> None:
    """Write a teacher (without VGG-19), G ("encoder") or H ("lifter"), weights in 8 bits.

    Args:
        path: safetensors file.
        kind: one of `KINDS`.
        network: what to write.
        header: beside the format; its "config" must be JSON that names the preset.
    """
    own = {name: value for name, value in network.state_dict().items() if not name.startswith(BACKBONE)}
    save_tensors(path, quantize(own), {**header, "format": FORMAT, "kind": kind})


@made_on_cpu
def load_network(path: str | Path, kind: str) -> nn.Module:
    """Read what `save_network` wrote, in evaluation mode, on the CPU.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    tensors, header = read_weights(path)
    if header.get("format") != FORMAT or header.get("kind") != kind:
        found = f"{header.get('format')!r}, {header.get('kind')!r}"
        raise CheckpointError(f"{path} holds no {kind} of chapter 06: it is {found}, not {FORMAT!r}, {kind!r}")
    with telling_header(path):
        network = KINDS[kind](PRESETS[json.loads(header["config"])["preset"]])
    whole = {name: value for name, value in network.state_dict().items() if name.startswith(BACKBONE)}
    load_weights(network, whole | tensors, str(path))
    return network.eval()


def load_teacher(path: str | Path | None = None) -> Teacher:
    """The teacher of a file, or the one that ships."""
    return cast(Teacher, load_network(path or asset_path("weights/multiperson_teacher.safetensors"), "teacher"))


def load_lifter() -> Lifter:
    """The trained H that ships: that of the row "adapt", seed 0, without a label; `results/multiperson/adapt_0` has its
    scores, before its weights were put into 8 bits."""
    return cast(Lifter, load_network(asset_path("weights/multiperson_lifter.safetensors"), "lifter"))


def load_encoder(row: str = "adapt") -> MapEncoder:
    """A trained G that ships, of seed 0: of the row "adapt", beside H, or of "recon", trained without L_adapt.

    Raises:
        ValueError: for another row, or if the file is missing or damaged.
    """
    if row not in ("adapt", "recon"):
        raise ValueError(f"row must be 'adapt' or 'recon', got {row!r}")
    return cast(MapEncoder, load_network(asset_path(f"weights/multiperson_maps_{row}.safetensors"), "encoder"))
