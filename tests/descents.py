"""What training steps hand to `descend`: the two losses of heat maps and more, at a rate that rises and falls."""

from __future__ import annotations

from typing import Any

import pytest


def hear_descents(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[tuple[float, float, float, dict[str, float]]]:
    """Replace a module's `descend` by a list, which gets the total, the rate, the clip and the losses of each step."""
    seen: list[tuple[float, float, float, dict[str, float]]] = []

    def listen(total, optimizer, clip, losses):
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        seen.append((float(total.detach()), optimizer.param_groups[0]["lr"], clip, values))

    monkeypatch.setattr(module, "descend", listen)
    return seen


def check_descents(seen: list[tuple[float, float, float, dict[str, float]]], peak: float) -> None:
    """Of twenty steps: all losses, L_2d twenty times, at a rate that rises in two steps and falls."""
    assert len(seen) == 20
    for total, _, clip, losses in seen:
        assert total == pytest.approx(sum(losses.values()) + 19 * losses["integral"], rel=1e-5) and clip == 1.0
    rates = [rate / peak for _, rate, _, _ in seen]
    assert rates[:3] == pytest.approx([0.5, 1, 1]) and rates[11] == pytest.approx(0.5) and rates[-1] < 0.01
