"""How good is one pass of a network? Held-out pictures, between the untouched content and Gatys' optimisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from napa_lib.data import load_paintings
from napa_lib.engine import progress
from napa_lib.networks import VGG19Features
from napa_lib.results import interval
from napa_lib.style.content import held_out_pictures
from napa_lib.style.losses import LossRatios, StyleLosses, StylizationLoss
from napa_lib.style.networks import TransformNet
from napa_lib.style.pretrained import stylize

TABLE_2 = LossRatios()

# What a style picture's places are moved by, one after the other: nothing, a mirror, a headstand, half a width.
MOVES: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda style: style, lambda style: style.flip(-1), lambda style: style.flip(-2),
    lambda style: style.roll(style.shape[-1] // 2, -1),
)  # fmt: skip


def closed(before: float, reached: float, gatys: float) -> float:
    """Share of the way from the untouched content's loss to Gatys' that was gone: 0 for nothing, 1 for as far.

    It is negative for a picture that is worse than the untouched content.

    >>> closed(100.0, 70.0, 50.0)
    0.6
    """
    return (before - reached) / (before - gatys)


def summarise(losses: StyleLosses, index: int = 0) -> dict[str, float]:
    """The total and every weighted term of one sample, rounded."""
    values = {"total": losses.total, **losses.weighted()}
    return {name: round(value[index].item(), 2) for name, value in values.items()}


def compare(
    networks: Mapping[str, TransformNet], pairs: Sequence[Mapping[str, Any]], size: int, ratios: LossRatios = TABLE_2
) -> list[dict]:
    """Losses of each pair's picture by the pool network, by its style's own network if there is one, and of a copy.

    A copy is the style picture itself in the place of the output: nothing of the content is in it.

    Args:
        networks: by style, and "pool".
        pairs: of held-out pictures and styles, {"content": index, "style": name}; what else they hold is handed on.
        size: pixels.
        ratios: of the loss that is measured.

    Returns:
        a row for each pair and candidate: what the pair holds, "before" if it does not hold it, and
        {"network": name, "stylized": losses}.
    """
    features = VGG19Features()
    loss, contents, rows = StylizationLoss(features, ratios), held_out_pictures(size), []
    for pair in pairs:
        content, style = contents[pair["content"]][None], torch.stack(load_paintings(size, [pair["style"]]))
        outputs = {"copy": style, "pool": stylize(content, networks["pool"], style, features)}
        if pair["style"] in networks:
            outputs[pair["style"]] = stylize(content, networks[pair["style"]])
        with torch.no_grad():
            before = {} if "before" in pair else {"before": summarise(loss(content, style, content))}
            for name, output in outputs.items():
                rows.append({**pair, **before, "network": name, "stylized": summarise(loss(output, style, content))})
    return rows


def shares(rows: Sequence[Mapping[str, Any]], term: str = "total") -> dict[str, dict[str, Any]]:
    """Mean share closed of the pool network, the single styles' networks and the copy, with intervals over pairs."""
    kinds: dict[str, list[float]] = {"copy": [], "pool": [], "single": []}
    for row in rows:
        kind = row["network"] if row["network"] in kinds else "single"
        kinds[kind].append(round(closed(row["before"][term], row["stylized"][term], row["gatys"][term]), 3))
    return {kind: interval(values).entry(values) for kind, values in kinds.items() if values}


def without_places(pairs: Sequence[Mapping[str, Any]], size: int, steps: int = 120, half: bool = False) -> list[dict]:
    """Gatys' optimisation against a style picture that is moved at every step, so that no place of it can be copied.

    A network that sees a style as statistics cannot know its places; this is how far the pixels themselves get without.

    Returns:
        the pairs, each with "reached", the losses against the unmoved style picture.
    """
    loss = StylizationLoss(VGG19Features())
    content = held_out_pictures(size)[[pair["content"] for pair in pairs]]
    style = torch.stack(load_paintings(size, [pair["style"] for pair in pairs]))
    moved, kept = [loss.measure_style(move(style)) for move in MOVES], loss.measure_content(content)
    picture = content.clone().requires_grad_()
    adam = torch.optim.Adam([picture], lr=0.03)
    for step in progress(range(steps), "optimising without places"):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            total = loss(picture, moved[step % len(MOVES)], kept).total.sum()
        adam.zero_grad()
        total.backward()
        adam.step()
        with torch.no_grad():
            picture.clamp_(0, 1)
    with torch.no_grad():
        losses = loss(picture, style, content)
    return [{**pair, "reached": summarise(losses, index)} for index, pair in enumerate(pairs)]
