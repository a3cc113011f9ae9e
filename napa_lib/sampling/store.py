"""Trained pose autoencoders in files."""

from __future__ import annotations

from pathlib import Path

from napa_lib.data import asset_path
from napa_lib.engine import load_weights, made_on_cpu, save_tensors
from napa_lib.quantization import read_weights
from napa_lib.sampling.networks import PoseAutoencoder

FORMAT = "napa-pose-autoencoder-1"
PRETRAINED = ("limits", "conditioned", "mocap")


def save_autoencoder(path: str | Path, model: PoseAutoencoder) -> None:
    """Write a trained autoencoder, weights as 16-bit halves: 0.8 MB."""
    save_tensors(path, {name: value.half() for name, value in model.state_dict().items()}, {"format": FORMAT})


@made_on_cpu
def load_autoencoder(path: str | Path) -> PoseAutoencoder:
    """Read what `save_autoencoder` wrote, in evaluation mode, on the CPU.

    Raises:
        ValueError: if the file is missing, corrupt, or holds something else.
    """
    tensors, _ = read_weights(path, FORMAT, "pose autoencoder")
    model = PoseAutoencoder()
    load_weights(model, tensors, str(path))
    return model.eval()


def load_pretrained(poses: str = "limits") -> PoseAutoencoder:
    """A trained autoencoder that ships.

    Args:
        poses: what it was trained on: "limits" (the paper's Psi_arti), "conditioned", or "mocap" (Psi_mocap).

    Raises:
        ValueError: for another name, or if the file is missing or damaged.
    """
    if poses not in PRETRAINED:
        raise ValueError(f"poses must be one of {PRETRAINED}, got {poses!r}")
    return load_autoencoder(asset_path(f"weights/pose_autoencoder_{poses}.safetensors"))
