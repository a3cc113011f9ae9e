"""Which loss reaches which network, and how hard it pulls: measured on the running system, one backward pass a term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from napa_lib.training.objective import NapaLosses


def gradient_reach(losses: NapaLosses, networks: Mapping[str, nn.Module]) -> dict[str, dict[str, float]]:
    """Length of each weighted term's gradient on the weights of each network.

    Args:
        losses: of a stage, with their graph.
        networks: by name, such as `NapaModel.networks`.

    Returns:
        {term: {network: length}}; 0.0 where none arrives: the network is fixed, or nothing leads there.

    >>> layer = torch.nn.Linear(1, 1, bias=False)
    >>> losses = NapaLosses({"a": 3 * layer(torch.ones(1, 1)).sum()}, {"a": 2.0})
    >>> gradient_reach(losses, {"one": layer, "other": torch.nn.Linear(1, 1)})
    {'a': {'one': 6.0, 'other': 0.0}}
    """
    parameters = {name: list(network.parameters()) for name, network in networks.items()}
    weights = [p for own in parameters.values() for p in own if p.requires_grad]
    found = {}
    for term, value in losses.weighted.items():
        gradients = _gradients(value, weights)
        lengths = dict(zip(map(id, weights), gradients, strict=True))
        found[term] = {name: sum(lengths.get(id(p), 0.0) ** 2 for p in own) ** 0.5 for name, own in parameters.items()}
    return found


def gradient_lengths(losses: NapaLosses, points: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
    """Length of each weighted term's gradient at places on its way, such as the keypoints or O: {term: {place: …}}."""
    return {
        term: dict(zip(points, _gradients(value, list(points.values())), strict=True))
        for term, value in losses.weighted.items()
    }


def balance(losses: NapaLosses, place: Tensor) -> list[tuple[str, float, float, float, float]]:
    """The balance board: for each term its value, its ratio, their product, and its gradient's length at `place`."""
    lengths = gradient_lengths(losses, {"place": place})
    return [
        (
            name,
            float(value.detach()),
            losses.ratios[name],
            float(losses.weighted[name].detach()),
            lengths[name]["place"],
        )
        for name, value in losses.terms.items()
    ]


def _gradients(value: Tensor, at: Sequence[Tensor]) -> list[float]:
    if not value.requires_grad or not at:
        return [0.0] * len(at)
    found = torch.autograd.grad(value, list(at), retain_graph=True, allow_unused=True)
    return [0.0 if g is None else float(g.norm()) for g in found]
