"""Trained models in files: weights as halves or in 8 bits, the configuration beside them, nothing to unpickle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch

from napa_lib.bottleneck.config import ModelConfig
from napa_lib.bottleneck.model import KeypointGAN
from napa_lib.data import asset_path
from napa_lib.engine import CheckpointError, config_from, load_weights, made_on_cpu, save_tensors, telling_header
from napa_lib.networks.hourglass import HourglassNet
from napa_lib.quantization import quantize, read_weights
from napa_lib.skeletons import Skeleton

FORMAT = "napa-keypointgan-1"
PRETRAINED = ("ours", "cyclegan")
Model = KeypointGAN | HourglassNet


def save_model(path: str | Path, model: Model, config: ModelConfig, small: bool = False) -> None:
    """Write a trained model: convolutions as 16-bit halves, the statistics of normalisation in full.

    Args:
        path: safetensors file to write.
        model: what to write.
        config: of its networks.
        small: convolutions as 8-bit integers and a scale an output channel, half as large: a weight is off by at most
            1/254 of its channel's largest.
    """
    kind = "keypointgan" if isinstance(model, KeypointGAN) else "hourglass"
    header = {"format": FORMAT, "kind": kind, "config": json.dumps(asdict(config))}
    state = model.state_dict()
    halves = {name: value.half() if value.ndim == 4 else value for name, value in state.items()}
    save_tensors(path, quantize(state) if small else halves, header)


@made_on_cpu
def load_model(path: str | Path) -> Model:
    """Read what `save_model` wrote, in evaluation mode, on the CPU.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    tensors, header = read_weights(path, FORMAT, "KeypointGAN")
    model: Model
    with telling_header(path):
        config = _config_from(header["config"])
        kinds: dict[str, Callable[[], Model]] = {
            "hourglass": lambda: HourglassNet(config.num_keypoints, 8 * config.width),
            "keypointgan": lambda: KeypointGAN(config),
        }
        model = kinds[header["kind"]]()
    load_weights(model, tensors, str(path))
    return model.eval()


def _config_from(text: str) -> ModelConfig:
    """The configuration; a joint set of one's own stands in it whole."""
    values = json.loads(text)
    if not isinstance(values, dict) or not isinstance(values.get("skeleton"), dict):
        return config_from(ModelConfig, text)
    own = Skeleton(**values.pop("skeleton"))
    return replace(config_from(ModelConfig, json.dumps(values)), skeleton=own)


def load_pretrained(rung: str = "ours") -> KeypointGAN:
    """A trained model that ships: `tiny`, 64 pixels, trained on "studio:train".

    Args:
        rung: "ours" or "cyclegan" of table 5.

    Raises:
        ValueError: for another rung, or if the file is missing or damaged.
    """
    if rung not in PRETRAINED:
        raise ValueError(f"rung must be one of {PRETRAINED}, got {rung!r}")
    model = load_model(asset_path(f"weights/keypointgan_{rung}.safetensors"))
    assert isinstance(model, KeypointGAN)
    return model


def load_encoder(path: str | Path, config: ModelConfig) -> torch.nn.Module:
    """The pre-trained eta of a file, for a model of that configuration.

    Raises:
        ValueError: if the file holds no KeypointGAN, or one of other joints or width.
    """
    model = load_model(path)
    if not isinstance(model, KeypointGAN):
        raise CheckpointError(f"{path} holds an hourglass, which has no skeleton encoder")
    for name in ("skeleton", "size", "width", "renderer", "gamma", "sigma"):
        if getattr(model.config, name) != getattr(config, name):
            raise CheckpointError(
                f"{path} has {name} {getattr(model.config, name)!r}, the training wants {getattr(config, name)!r}"
            )
    return model.skeleton_encoder
