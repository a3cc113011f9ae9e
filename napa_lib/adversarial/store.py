"""Trained estimators and discriminators in files: nothing to unpickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from torch import nn

from napa_lib.adversarial.config import ModelConfig
from napa_lib.adversarial.discriminator import MultiSourceDiscriminator
from napa_lib.adversarial.networks import Generator
from napa_lib.data import asset_path
from napa_lib.engine import config_from, load_weights, made_on_cpu, save_tensors, telling_header
from napa_lib.quantization import quantize, read_weights

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


@made_on_cpu
def load_model(path: str | Path) -> tuple[Generator, MultiSourceDiscriminator | None]:
    """Read what `save_model` wrote, in evaluation mode, on the CPU.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    weights, header = read_weights(path, FORMAT, "estimator")
    with telling_header(path):
        config = config_from(ModelConfig, header["config"])
        sources = tuple(json.loads(header["sources"]))
        model = Generator(config)
        critic = MultiSourceDiscriminator(sources, config) if sources else None
    both = nn.ModuleDict({"generator": model} if critic is None else {"generator": model, "critic": critic})
    load_weights(both, weights, str(path))
    return model.eval(), None if critic is None else critic.eval()


def load_pretrained(row: str = "full") -> tuple[Generator, MultiSourceDiscriminator | None]:
    """A trained row that ships, 64 pixels, its 2D module fixed, with its discriminator: seed 0 of the results.

    Raises:
        ValueError: for another row, or if the file is missing or damaged.
    """
    if row not in PRETRAINED:
        raise ValueError(f"row must be one of {PRETRAINED}, got {row!r}")
    return load_model(asset_path(f"weights/adversarial_{row}.safetensors"))
