"""Trained estimators and discriminators in files: nothing to unpickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from napa_lib.adversarial.config import ModelConfig
from napa_lib.adversarial.discriminator import MultiSourceDiscriminator
from napa_lib.adversarial.networks import Generator
from napa_lib.data import asset_path
from napa_lib.engine import load_format, load_weights, save_tensors, telling_header
from napa_lib.quantization import dequantize, quantize

FORMAT = "napa-adversarial-1"
PRETRAINED = ("baseline", "map", "geo", "full")


def save_model(
    path: str | Path, model: Generator, critic: MultiSourceDiscriminator | None = None, small: bool = False
) -> None:
    """Write a generator, and the discriminator that it was trained against.

    Args:
        path: safetensors file to write.
        model, critic: what to write.
        small: matrices and kernels as 8-bit integers and a scale an output channel.
    """
    tensors = {f"generator.{name}": value for name, value in model.state_dict().items()}
    if critic is not None:
        tensors |= {f"critic.{name}": value for name, value in critic.state_dict().items()}
    sources = () if critic is None else critic.sources
    header = {"format": FORMAT, "config": json.dumps(asdict(model.config)), "sources": json.dumps(sources)}
    save_tensors(path, quantize(tensors) if small else tensors, header)


def load_model(path: str | Path) -> tuple[Generator, MultiSourceDiscriminator | None]:
    """Read what `save_model` wrote, in evaluation mode, on the CPU.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    tensors, header = load_format(path, FORMAT, "estimator")
    with telling_header(path):
        config = ModelConfig(**json.loads(header["config"]))
        sources = tuple(json.loads(header["sources"]))
    weights = dequantize(tensors)
    model = Generator(config)
    critic = MultiSourceDiscriminator(sources, config) if sources else None
    for part, network in (("generator.", model), ("critic.", critic)):
        if network is not None:
            own = {name.removeprefix(part): value for name, value in weights.items() if name.startswith(part)}
            load_weights(network, own, str(path))
    return model.eval(), None if critic is None else critic.eval()


def load_pretrained(row: str = "full") -> tuple[Generator, MultiSourceDiscriminator | None]:
    """A trained row that ships, 64 pixels, its 2D module fixed, with its discriminator: seed 0 of the results.

    Raises:
        ValueError: for another row, or if the file is missing or damaged.
    """
    if row not in PRETRAINED:
        raise ValueError(f"row must be one of {PRETRAINED}, got {row!r}")
    return load_model(asset_path(f"weights/adversarial_{row}.safetensors"))
