"""A source generator, beta and tau in files: nothing to unpickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from torch import Tensor, nn

from napa_lib.adaptation.config import GeneratorConfig
from napa_lib.adaptation.networks import KeypointRegressor, PoseStyleGAN
from napa_lib.adaptation.transfer import StyleTransfer
from napa_lib.engine import CheckpointError, load_tensors, load_weights, save_tensors

FORMAT = "napa-flexpose-1"


def save_source(path: str | Path, network: PoseStyleGAN) -> None:
    """Write a source generator, weights as 16-bit halves: 0.6 MB for `tiny`."""
    _save(path, network, "source", asdict(network.config))


def save_regressor(path: str | Path, network: KeypointRegressor) -> None:
    """Write beta, weights as 16-bit halves: 1.4 MB."""
    _save(path, network, "beta", {"planes": network.planes, "width": network.width})


def save_transfer(path: str | Path, transfer: StyleTransfer) -> None:
    """Write tau, its learned blocks alone."""
    _save(path, transfer, "tau", {"widths": transfer.widths, "layers": transfer.layers})


def load_source(path: str | Path) -> PoseStyleGAN:
    """Read what `save_source` wrote, in evaluation mode, on the CPU.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    tensors, config = _load(path, "source")
    network = PoseStyleGAN(GeneratorConfig(**{**config, "channels": tuple(config["channels"])}))
    load_weights(network, tensors, str(path))
    return network.eval()


def load_regressor(path: str | Path) -> KeypointRegressor:
    """Read what `save_regressor` wrote; errors as for `load_source`."""
    tensors, config = _load(path, "beta")
    network = KeypointRegressor(**config)
    load_weights(network, tensors, str(path))
    return network.eval()


def load_transfer(path: str | Path) -> StyleTransfer:
    """Read what `save_transfer` wrote; errors as for `load_source`."""
    tensors, config = _load(path, "tau")
    transfer = StyleTransfer(config["widths"], config["layers"])
    load_weights(transfer, tensors, str(path))
    return transfer.eval()


def _save(path: str | Path, network: nn.Module, part: str, config: dict) -> None:
    header = {"format": FORMAT, "part": part, "config": json.dumps(config)}
    save_tensors(path, {name: value.half() for name, value in network.state_dict().items()}, header)


def _load(path: str | Path, part: str) -> tuple[dict[str, Tensor], dict]:
    tensors, header = load_tensors(path)
    found = (header.get("format"), header.get("part"))
    if found != (FORMAT, part):
        raise CheckpointError(f"{path} holds no FlexPose {part}: its format and part are {found}")
    return {name: value.float() for name, value in tensors.items()}, json.loads(header["config"])
