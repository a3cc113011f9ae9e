"""Lesson 05's own computing: the frame below a bone, and a short training."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.checkpoints import steps_after
from napa_lib.loop import Setup
from napa_lib.sampling import PoseAutoencoder, sample_canonical
from napa_lib.sampling.train import TrainingConfig, train_autoencoder


def frame_below(bone: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Axes x, y, z, (3,) each, of the local frame below a bone (3,), by Gram-Schmidt; exercise 05.2 is about it."""
    z = bone / bone.norm()
    forward = torch.tensor([1.0, 0.0, 0.0], dtype=bone.dtype)
    x = torch.nn.functional.normalize(forward - z[0] * z, dim=0)
    return x, torch.linalg.cross(z, x), z


def train_on(checkpoint: Path, more: int, seed: int = 0) -> tuple[PoseAutoencoder, list[dict]]:
    """Train an autoencoder on artificial poses for some steps more from where a checkpoint stands, else from the start.

    Raises:
        ValueError: if `more` is less than 1.
    """
    steps = steps_after(checkpoint, more)
    poses = sample_canonical(5000, generator=torch.Generator().manual_seed(seed))
    config = TrainingConfig(steps=steps, every=max(1, more // 5), seed=seed)
    return train_autoencoder(config, Setup(checkpoint=checkpoint), poses)


def losses_figure(record: list[dict]) -> Figure:
    """Both terms of L_cyc against steps: the pose's in mm, the embedding's without unit."""
    page, axes = plt.subplots(1, 2, figsize=(6.4, 2.3), layout="constrained")
    steps = [entry["step"] for entry in record]
    pose, embedding = [1000 * entry["pose"] for entry in record], [entry["embedding"] for entry in record]
    axes[0].plot(steps, pose, marker="o")
    axes[1].plot(steps, embedding, marker="s", color="#D55E00")
    names = ("pose there and back (mm)", "embedding there and back")
    for axis, word, values in zip(axes, names, (pose, embedding), strict=True):
        axis.set(xlabel="training steps", ylim=(0, 1.1 * max(values)))
        axis.set_title(word, fontsize=10)
    return page
