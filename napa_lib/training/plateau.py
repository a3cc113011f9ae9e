"""A learning rate that falls where the loss has stopped falling."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Plateau(nn.Module):
    """The factor of a learning rate: lowered whenever the loss has not fallen by 1 % for a while.

    The loss is the mean over windows of a fifth of the patience. The state is in buffers, so that checkpoints hold it.

    Args:
        factor: what the learning rate is multiplied by each time.
        patience: steps without a fall.

    Source: NAPA, section 3.3 ("decreased upon loss plateau"); by how much, and after how long, is not said.

    >>> plateau = Plateau(0.5, 5)
    >>> for _ in range(7): plateau.see(torch.tensor(1.0))
    >>> plateau.rate
    0.5
    """

    best: Tensor
    total: Tensor
    steps: Tensor
    waited: Tensor
    lowered: Tensor

    def __init__(self, factor: float, patience: int) -> None:
        super().__init__()
        self.factor, self.patience, self.window = factor, patience, max(1, patience // 5)
        self.register_buffer("best", torch.tensor(torch.inf, dtype=torch.float64))
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))
        for name in ("steps", "waited", "lowered"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))

    @property
    def rate(self) -> float:
        """The factor now."""
        return self.factor ** int(self.lowered)

    def see(self, loss: Tensor) -> None:
        """Take note of one step's loss."""
        self.total += loss.detach().double().cpu()
        self.steps += 1
        if int(self.steps) % self.window:
            return
        mean = self.total / self.window
        self.total.zero_()
        if bool(mean < 0.99 * self.best):
            self.waited.zero_()
            self.best.copy_(mean)
            return
        self.waited += self.window
        if int(self.waited) >= self.patience:
            self.lowered += 1
            self.waited.zero_()
