"""Lesson 04's own training: some steps more against a judge, from where a file stands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from napa_lib.adversarial import Domain, Generator, MultiSourceDiscriminator, TrainingConfig, train_estimator
from napa_lib.checkpoints import steps_after
from napa_lib.loop import Record, Setup


def train_on(
    checkpoint: Path,
    more: int,
    config: TrainingConfig,
    lab: Domain,
    wild: Domain,
    start: Generator,
    device: torch.device | str = "cpu",
) -> tuple[Generator, MultiSourceDiscriminator | None, Record]:
    """Train some steps more from where a checkpoint stands; from `start` where there is none.

    Args:
        checkpoint: file of the training's state; it is written, and read again by the next call.
        more: steps.
        config: as for `train_estimator`; its `steps` are not looked at.
        lab, wild, start: as for `train_estimator`.
        device: where to compute.

    Returns:
        estimator, judge and the record of all steps so far.

    Raises:
        ValueError: if `more` is less than 1, or the checkpoint belongs to another training.
    """
    steps = steps_after(checkpoint, more)
    setup = Setup(torch.device(device), checkpoint=checkpoint)
    return train_estimator(replace(config, steps=steps), lab, wild, setup, start)
