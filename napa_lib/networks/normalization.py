"""Batch normalisation made fit for evaluation mode."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


@torch.no_grad()
def settle_normalization(model: nn.Module, forward: Callable[[], object], batches: int = 25) -> None:
    """Take batch normalisation's statistics anew: their plain mean over some batches, with the weights as they are.

    The running statistics of training are those of the last ten batches or so, with weights that change under them.
    Now and then one batch of unlike pictures throws them off, and in evaluation mode the errors jump by a factor of
    four for a while, though in training mode nothing is to be seen.

    Args:
        model: in training mode; layers in evaluation mode, such as a frozen eta, are left alone.
        forward: passes one batch through the model.
        batches: how many.

    Source: Wu and Johnson (2021), "Rethinking 'Batch' in BatchNorm", section 3 ("precise BN").
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d) and layer.training]
    momenta = [layer.momentum for layer in layers]
    counts = [layer.num_batches_tracked.clone() for layer in layers if layer.num_batches_tracked is not None]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean
    for _ in range(batches):
        forward()
    for layer, momentum, count in zip(layers, momenta, counts, strict=True):
        layer.momentum = momentum
        layer.num_batches_tracked.copy_(count)  # type: ignore[union-attr]
