"""Lesson 03's own trainings: the library's, some steps now and more when the cell is run again; and the learner's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from napa_lib.bottleneck import Clips, Critics, KeypointGAN, Setup, TrainingConfig, train_rung
from napa_lib.data.clips import to_float
from napa_lib.engine import load_tensors

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
    if more < 1:
        raise ValueError(f"more must be at least 1 step, got {more}")
    done = int(load_tensors(checkpoint)[1]["step"]) if checkpoint.exists() else 0
    setup = Setup(torch.device(device), checkpoint=checkpoint)
    return train_rung(replace(config, steps=done + more), clips, poses, encoder, setup)


def losses_figure(record: list[dict]) -> Figure:
    """The three losses of eq. 6 against steps, each mean since the last record."""
    page, axis = plt.subplots(figsize=(5.4, 2.4))
    for (name, label), marker in zip(CURVES.items(), "osD", strict=True):
        axis.plot([entry["step"] for entry in record], [entry[name] for entry in record], marker=marker, label=label)
    axis.set(xlabel="training steps", ylabel="loss", ylim=(0, None))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=9)
    return page


class OneScore(nn.Module):
    """The critic of skeleton images with its scores, of two sizes of the picture, in one row a picture."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, skeleton: Tensor) -> Tensor:
        return torch.cat([scores.flatten(1) for scores in self.critic(skeleton)], 1)


def loop_figure(
    my_forward: Callable[..., Any],
    my_training: Callable[..., Any],
    model: KeypointGAN,
    clips: Clips,
    poses: Tensor,
    rounds: int,
    seed: int,
) -> Figure | None:
    """What the learner's own loop makes of four frames, trained on those alone; None while an exercise is open.

    Args:
        my_forward, my_training: answers of exercises 03.7 and 03.8.
        model: whose eta is taken; the other networks begin at random.
        clips: the first frame of the first four is x, the last one x'.
        poses: (N, K, 2) in [-1, 1].
        rounds: how often the one batch is gone through.
        seed: of the networks' first weights.
    """
    torch.manual_seed(seed)
    student, critic = KeypointGAN(model.config), OneScore(Critics(model.config).skeletons)
    student.skeleton_encoder.load_state_dict(model.skeleton_encoder.state_dict())
    student.freeze_encoder()
    x, x_prime = to_float(clips.images[:4, 0]), to_float(clips.images[:4, -1])

    def forward(frame: Tensor, other: Tensor) -> Any:
        phi, eta, psi = student.image_encoder, student.skeleton_encoder, student.image_generator
        return my_forward(phi, eta, student.draw, psi, frame, other)

    before = forward(x, x_prime)
    if before is None:
        return None
    batches = [(x, x_prime, model.draw(poses[4 * i : 4 * i + 4])) for i in torch.arange(rounds) % (len(poses) // 4)]
    losses = my_training(
        student.image_encoder, student.skeleton_encoder, student.image_generator, critic, forward, batches
    )
    if losses is None:
        return None
    rows = {"x": x, "before": before[1], "y": forward(x, x_prime)[0], "after": forward(x, x_prime)[1]}
    page, axes = plt.subplots(len(rows), 4, figsize=(3.2, 3.3))
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, pictures.detach().expand(-1, 3, -1, -1), strict=True):
            axis.imshow(picture.clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="bilinear")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(name, fontsize=9)
    return page
