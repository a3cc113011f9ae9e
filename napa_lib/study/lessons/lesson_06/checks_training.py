"""Lesson 06: one training step of G, and what is usually wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor, nn

from napa_lib.study.exercises import Verdict, close, number, right, wrong

Step = Callable[..., object]


def per_cell(error: Tensor) -> Tensor:
    """Summed over maps (B, C, H, W), the mean over pictures and cells: as the teacher's loss."""
    return error.sum(1).mean()


def reference_step(
    G, F, optimizer, maps, error=torch.square, total=per_cell, clear: bool = True, sign: float = 1.0
) -> Tensor:  # fmt: skip
    """One right step of exercise 06.6, or one with a usual mistake."""
    F.requires_grad_(False)
    loss = total(error(F(G(maps)) - maps))
    if clear:
        optimizer.zero_grad()
    (sign * loss).backward()
    optimizer.step()
    return loss.detach()


_SILENT = "yours are absolute differences: of maps that are nearly all zero, they are least where nothing is said."
VARIANTS = (
    (
        partial(reference_step, clear=False),
        "the gradient of the step before is still there: clear it before `backward`.",
    ),
    (partial(reference_step, error=torch.abs), _SILENT),
    (partial(reference_step, error=torch.abs, total=torch.mean), _SILENT),
    (
        partial(reference_step, total=torch.mean),
        "that is the mean over the maps, too: sum over them, or the step is as many times too short.",
    ),
    (
        partial(reference_step, total=torch.sum),
        "that is the sum over all cells; take the mean, or the step is as many times too long.",
    ),
    (partial(reference_step, sign=-1.0), "the loss climbs: a smaller one is wanted."),
)


def training() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer, Tensor]:
    """What exercise 06.6 hands over: G and F, which nobody has frozen yet, the optimizer of G, and maps."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        G = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh())
        F = nn.Conv2d(6, 3, 1)
        maps = torch.rand(4, 3, 5, 5)
    return G, F, torch.optim.SGD(G.parameters(), lr=0.5), maps


def _after(step: Step) -> dict[str, np.ndarray]:
    """G after two steps, whether F moved, what gradient it has, and the first loss."""
    G, F, optimizer, maps = training()
    before = _flat(F.parameters())
    losses = [step(G, F, optimizer, maps.clone()) for _ in range(2)]
    gradient = [torch.zeros_like(p) if p.grad is None else p.grad for p in F.parameters()]
    loss = np.array(number(losses[0], "the loss"))
    return {"G": _flat(G.parameters()), "moved": _flat(F.parameters()) - before, "of F": _flat(gradient), "loss": loss}


_known = cache(_after)  # of the right step and of the usual mistakes, which do not change


def _flat(tensors) -> np.ndarray:
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).double().numpy()


def check_step(my_step) -> Verdict:
    done, wanted = _after(my_step), _known(reference_step)
    if done["moved"].any():
        return wrong("F has changed: it is to judge G by what it learned from pictures. Only G takes a step.")
    if close(done["G"], _flat(training()[0].parameters()), 1e-7):
        return wrong(
            "G has not moved. Its gradient comes through F: freeze F's weights, not the way, by no `detach` or "
            "`no_grad`. And it must still be there when the optimizer steps."
        )
    if not close(done["G"], wanted["G"], 1e-5):
        for variant, hint in VARIANTS:
            if close(done["G"], _known(variant)["G"], 1e-5):
                return wrong(hint)
        return wrong(
            "the squares of F(G(maps)) - maps, summed over the maps, their mean over pictures and cells; its gradient "
            "in G, one step of the optimizer."
        )
    if done["of F"].any():
        return wrong("G is right, but a gradient is left in F: freeze it with `F.requires_grad_(False)`, or whoever "
                     "trains it next takes that along.")  # fmt: skip
    if not close(done["loss"], wanted["loss"], 1e-5):
        return wrong("G is right. Return the loss that it had before the step.")
    return right("F hands the gradient on and learns nothing: G alone has to come to it.")
