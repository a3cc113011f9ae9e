"""Lesson 03's own training: some steps now, more when the cell is run again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from napa_lib.bottleneck import Clips, KeypointGAN, Setup, TrainingConfig, train_rung
from napa_lib.checkpoints import steps_after

CURVES = {
    "perceptual": "reconstruction",
    "fooling": "critic fooled",
    "discriminator": "critic",
}  # losses of eq. 6, as the record calls them


def train_on(
    checkpoint: Path,
    more: int,
    config: TrainingConfig,
    clips: Clips,
    poses: Tensor,
    encoder: nn.Module,
    device: torch.device | str = "cpu",
) -> tuple[KeypointGAN, list[dict]]:
    """Train some steps more from where a checkpoint stands; from the start where there is none.

    Args:
        checkpoint: file of the training's state; it is written, and read again by the next call.
        more: steps.
        config: as for `train_rung`; its `steps` are not looked at.
        clips, poses, encoder: as for `train_rung`.
        device: where to compute.

    Returns:
        the model and the record of all steps so far.

    Raises:
        ValueError: if `more` is less than 1, or the checkpoint belongs to another training.
    """
    steps = steps_after(checkpoint, more)
    setup = Setup(torch.device(device), checkpoint=checkpoint)
    return train_rung(replace(config, steps=steps), clips, poses, encoder, setup)


def losses_figure(record: list[dict]) -> Figure:
    """The three losses of eq. 6 against steps, each mean since the last record."""
    page, axis = plt.subplots(figsize=(5.4, 2.4))
    for (name, label), marker in zip(CURVES.items(), "osD", strict=True):
        axis.plot([entry["step"] for entry in record], [entry[name] for entry in record], marker=marker, label=label)
    axis.set(xlabel="training steps", ylabel="loss", ylim=(0, None))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=9)
    return page
