"""A source generator, beta and tau in files: nothing to unpickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.adaptation.config import GeneratorConfig
from napa_lib.adaptation.networks import KeypointRegressor, PoseStyleGAN
from napa_lib.adaptation.transfer import AdaptedGenerator, StyleTransfer
from napa_lib.data import asset_path
from napa_lib.engine import CheckpointError, config_from, load_weights, made_on_cpu, save_tensors, telling_header
from napa_lib.quantization import quantize, read_weights

FORMAT = "napa-flexpose-1"
TARGETS = ("Yoga_UpwardSalute", "Yoga_Warrior2_left")  # whose tau ships
TAUGHT = "Yoga_Warrior2_left"  # the one of them whose own beta ships
FACES = "face_left"  # the target of faces whose tau ships


def save_source(path: str | Path, network: PoseStyleGAN, small: bool = False) -> None:
    """Write a source generator; `small`: its matrices and kernels in 8 bits, not as 16-bit halves."""
    _save(path, network.state_dict(), "source", asdict(network.config), small)


def save_regressor(path: str | Path, network: KeypointRegressor, small: bool = False) -> None:
    """Write beta, likewise."""
    config = {name: getattr(network, name) for name in ("planes", "width", "halvings", "joints")}
    _save(path, network.state_dict(), "beta", config, small)


def save_transfer(path: str | Path, transfer: StyleTransfer, small: bool = False) -> None:
    """Write tau, likewise: of its learned blocks what they differ by from the identity."""
    changes = {name: block.detach().cpu() - torch.eye(len(block)) for name, block in transfer.state_dict().items()}
    _save(path, changes, "tau", {"widths": transfer.widths, "layers": transfer.layers}, small)


@made_on_cpu
def load_source(path: str | Path) -> PoseStyleGAN:
    """Read what `save_source` wrote, in evaluation mode, on the CPU.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    tensors, config = _load(path, "source")
    with telling_header(path):
        network = PoseStyleGAN(config_from(GeneratorConfig, config))
    load_weights(network, tensors, str(path))
    return network.eval()


@made_on_cpu
def load_regressor(path: str | Path) -> KeypointRegressor:
    """Read what `save_regressor` wrote; errors as for `load_source`."""
    tensors, config = _load(path, "beta")
    with telling_header(path):
        network = KeypointRegressor(**json.loads(config))
    load_weights(network, tensors, str(path))
    return network.eval()


@made_on_cpu
def load_transfer(path: str | Path) -> StyleTransfer:
    """Read what `save_transfer` wrote; errors as for `load_source`."""
    tensors, config = _load(path, "tau")
    with telling_header(path):
        sizes = json.loads(config)
        transfer = StyleTransfer(sizes["widths"], sizes["layers"])
    load_weights(transfer, {name: value + torch.eye(len(value)) for name, value in tensors.items()}, str(path))
    return transfer.eval()


def load_pretrained() -> tuple[PoseStyleGAN, KeypointRegressor]:
    """The source generator and beta that ship: motion capture at 32 pixels, `thumb`.

    Raises:
        ValueError: if a file is missing or damaged.
    """
    folder = "weights/flexpose_{}.safetensors"
    return load_source(asset_path(folder.format("source"))), load_regressor(asset_path(folder.format("beta")))


def load_pretrained_transfer(target: str = TARGETS[0]) -> StyleTransfer:
    """A tau that ships, fitted to twelve shots of a class.

    Raises:
        ValueError: for another class, or if the file is missing or damaged.
    """
    if target not in TARGETS:
        raise ValueError(f"target must be one of {TARGETS}, got {target!r}")
    return load_transfer(asset_path(f"weights/flexpose_tau_{target}.safetensors"))


def load_pretrained_faces() -> tuple[AdaptedGenerator, KeypointRegressor]:
    """The generator of faces that look to their left, 64 pixels, `tiny`, and the beta of faces.

    The generator's `source` draws faces that look ahead.

    Raises:
        ValueError: if a file is missing or damaged.
    """
    source = load_source(asset_path("weights/flexpose_faces_source.safetensors"))
    transfer = load_transfer(asset_path(f"weights/flexpose_tau_{FACES}.safetensors"))
    return AdaptedGenerator(source, transfer).eval(), load_regressor(
        asset_path("weights/flexpose_faces_beta.safetensors")
    )


def load_pretrained_reader() -> KeypointRegressor:
    """The beta that ships of `TAUGHT`: it has been taught the drawings of that target's generator.

    Raises:
        ValueError: if the file is missing or damaged.
    """
    return load_regressor(asset_path(f"weights/flexpose_beta_{TAUGHT}.safetensors"))


def _save(path: str | Path, tensors: Mapping[str, Tensor], part: str, config: dict, small: bool) -> None:
    header = {"format": FORMAT, "part": part, "config": json.dumps(config)}
    stored = quantize(tensors) if small else {name: value.half() for name, value in tensors.items()}
    save_tensors(path, stored, header)


def _load(path: str | Path, part: str) -> tuple[dict[str, Tensor], str]:
    """The tensors and the configuration, which is JSON, of a part."""
    tensors, header = read_weights(path)
    found = (header.get("format"), header.get("part"))
    if found != (FORMAT, part):
        raise CheckpointError(f"{path} holds no FlexPose {part}: its format and part are {found}")
    with telling_header(path):
        return tensors, header["config"]
