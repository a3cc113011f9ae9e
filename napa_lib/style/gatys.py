"""Style transfer by optimising the pixels of one picture (Gatys et al., 2016)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from napa_lib.engine import progress
from napa_lib.style.functional import check_range
from napa_lib.style.losses import StyleLosses, StylizationLoss


def optimise_picture(
    content: Tensor, style: Tensor, loss: StylizationLoss, steps: int = 200, learning_rate: float = 0.03
) -> Iterator[tuple[Tensor, StyleLosses]]:
    """Change a copy of the content picture, step by step, until its style is that of the style picture.

    Gatys et al. take L-BFGS; several of NAPA's terms (L_hsv, L_content) have kinks where its line search stalls, so
    this is Adam, with the pixels put back into [0, 1] after each step.

    Args:
        content, style: (B, 3, H, W) in [0, 1].
        loss: the objective.
        steps: number of steps.
        learning_rate: Adam's, in units of the picture's range.

    Yields:
        for each step, the picture before it and its losses; then, once more, the final picture and its losses.

    Raises:
        ValueError: if a picture is not in [0, 1], or `steps` is under 1.

    Source: Gatys et al., 2016; the comparison of NAPA, figure 8.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    check_range("content", content)
    check_range("style", style)
    return _optimise(content, style, loss, steps, learning_rate)


def _optimise(
    content: Tensor, style: Tensor, loss: StylizationLoss, steps: int, learning_rate: float
) -> Iterator[tuple[Tensor, StyleLosses]]:
    measured_style, measured_content = loss.measure_style(style), loss.measure_content(content)
    picture = content.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([picture], lr=learning_rate)
    for _ in progress(range(steps), "optimising the picture"):
        losses = loss(picture, measured_style, measured_content)
        optimizer.zero_grad()
        losses.total.sum().backward()
        yield picture.detach().clone(), losses
        optimizer.step()
        with torch.no_grad():
            picture.clamp_(0, 1)
    with torch.no_grad():
        yield picture.detach().clone(), loss(picture, measured_style, measured_content)
