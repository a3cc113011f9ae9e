"""Training in several processes that share the gradient: `torchrun --nproc-per-node 2 -m napa_lib.training.pose …`."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, distributed, nn


def join_processes(device: torch.device) -> tuple[int, int]:
    """This process's number and how many there are, as `torchrun` says; (0, 1) if it is run without.

    With several processes, "cuda" is from then on a GPU of its own in each, that of its number on this machine.

    Args:
        device: where this process computes; it decides by what they exchange tensors: NCCL or Gloo.

    Raises:
        ValueError: if several processes would have to share a GPU.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not distributed.is_initialized():
        if device.type == "cuda":
            _take_own_gpu(device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)
    return int(os.environ.get("RANK", "0")), world


def _leave() -> None:
    """End the group at exit: with its threads still running, a process that is done may end by SIGABRT."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _take_own_gpu(device: torch.device) -> None:
    place, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if device.index is not None:
        raise ValueError(f"several processes cannot share {device}: say cuda, and each takes one of its own")
    if place >= gpus:
        raise ValueError(f"process {place + 1} of this machine needs a GPU of its own, and it has {gpus}: start fewer")
    torch.cuda.set_device(place)


def average_gradients(parameters: Iterable[nn.Parameter], world: int) -> None:
    """Replace every process's gradients by their mean over all processes."""
    if world == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient) / world)


def average_losses(losses: Mapping[str, Tensor], world: int) -> dict[str, Tensor]:
    """The mean of each loss over all processes, the same in all of them; none has a gradient any more."""
    values = {name: value.detach() for name, value in losses.items()}
    if world == 1:
        return values
    stacked = torch.stack([value.double() for value in values.values()])
    distributed.all_reduce(stacked)
    return dict(zip(values, stacked / world, strict=True))


def step_seed(seed: int, step: int, rank: int) -> int:
    """A seed for each step of each process, so that what a step draws depends on nothing before it.

    >>> len({step_seed(s, t, r) for s in range(3) for t in range(50) for r in range(4)})
    600
    """
    return ((seed * 10_000_019 + step) * 1021 + rank) % 2**63


def any_process(flag: bool, world: int) -> bool:
    """Whether any process says so, the same answer in all of them; each must ask."""
    if world == 1:
        return flag
    found = torch.tensor(int(flag), device="cuda" if distributed.get_backend() == "nccl" else "cpu")
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    return bool(found)


def wait_for_all(world: int) -> None:
    """Go on only when every process has come here: after the first one has written what all will read."""
    if world > 1:
        distributed.barrier()
