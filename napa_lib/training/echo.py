"""Data echoing: a frozen backbone's features, kept for a while and used more than once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class EchoBuffer:
    """The features and targets of the last pictures, from which batches are drawn again.

    On a CPU the frozen VGG-19 takes three quarters of a training step. Used four times each, in batches mixed anew, its
    features train the head nearly as well as four times as many pictures would.

    Args:
        capacity: pictures to keep; the oldest go first. They are kept in bfloat16: half a megabyte each at 96 pixels.

    Source: Choi et al., "Faster Neural Network Training with Data Echoing", 2019.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity, self.count = capacity, 0
        self.features: list[Tensor] = []
        self.targets = torch.empty(0)

    def __len__(self) -> int:
        return min(self.count, self.capacity)

    def push(self, features: Sequence[Tensor], targets: Tensor) -> None:
        """Keep the features (B, C, H, W) of a batch and its targets (B, J, 2); B at most the capacity."""
        if not self.features:
            form = torch.channels_last
            self.features = [
                torch.empty(self.capacity, *f.shape[1:], dtype=torch.bfloat16, device=f.device, memory_format=form)
                for f in features
            ]
            self.targets = targets.new_empty(self.capacity, *targets.shape[1:])
        place = torch.arange(self.count, self.count + len(targets)) % self.capacity
        for kept, new in zip(self.features, features, strict=True):
            kept[place] = new.to(kept.dtype)
        self.targets[place] = targets
        self.count += len(targets)

    def draw(self, count: int, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """A random batch of what is kept, features in float32."""
        if not len(self):
            raise ValueError("nothing has been pushed yet")
        chosen = torch.randint(len(self), (count,), generator=generator)
        return tuple(kept[chosen].float() for kept in self.features), self.targets[chosen]
