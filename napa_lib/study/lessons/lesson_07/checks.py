"""Lesson 07: what is right, what is wrong and why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from napa_lib.adaptation import coverage
from napa_lib.study.exercises import Verdict, Wrong, close, numbers, right, wrong

DRAWN = 600  # poses that exercise 07.1 is asked for
CROWD = 200  # poses that exercise 07.6 is asked for


def check_mixup(my_mixup) -> Verdict:
    shots = torch.zeros(4, 5, 2)
    for shot in range(4):
        shots[shot, shot] = 1.0  # joint m of a mixed pose says how much of shot m is in it
    before = shots.clone()
    got = numbers(my_mixup(shots, DRAWN), (DRAWN, 5, 2), "the mixed poses")
    if not bool((shots == before).all()):
        return wrong("you changed the shots that you were given: make new poses.")
    two = numbers(my_mixup(torch.stack([torch.zeros(5, 2), torch.ones(5, 2)]), 50), (50, 5, 2), "of two shots")
    if found := _mixing_mistake(got[:, :4]):
        return wrong(found)
    if two.min() < 0 or two.max() > 1 or abs(two - two[:, :1, :1]).max() > 1e-5:
        return wrong("of two shots, every mixed pose lies on the line between them.")
    return right("a line between each two shots: eq. 7, and 66 lines from twelve shots.")


def _mixing_mistake(got: np.ndarray) -> str:
    """What is wrong with weights, given twice (N, M, 2), as the x and the y of joints; "" for nothing."""
    if not np.isfinite(got).all():
        return "some numbers are not finite."
    if abs(got[..., 0] - got[..., 1]).max() > 1e-5:
        return "x and y are mixed differently: one lambda a pose."
    weights = got[..., 0]
    if abs(weights.sum(1) - 1).max() > 1e-4:
        if (abs(weights.max(1) - 1) < 1e-6).all():
            return "one shot is whole in every pose and another is added: lambda of the one, 1 - lambda of the other."
        return "the shares of a pose do not add up to 1: the same lambda for all joints of a pose."
    if weights.min() < -1e-5:
        return "some poses lie beyond their shots: lambda is from 0 to 1."
    if ((weights > 1e-4).sum(1) > 2).any():
        return "more than two shots are in one pose: eq. 7 mixes two."
    largest = weights.max(1)
    if (largest > 1 - 1e-6).mean() > 0.05:
        return "many poses are copies of a shot: draw the second shot so that it is another one than the first."
    if np.unique(largest.round(5)).size < DRAWN / 4:
        return "all poses have the same lambda: draw one for each."
    pairs = {tuple(row) for row in np.argsort(-weights, 1)[:, :2].tolist()}
    if len({tuple(sorted(pair)) for pair in pairs}) < 6:
        return "some pairs of shots are never mixed: draw both at random, for each pose."
    if abs(weights.mean(0) - 0.25).max() > 0.06:
        return "some shots have a larger part in the poses than others: draw both at random, lambda from 0 to 1."
    share = np.histogram(largest, 4, (0.5, 1))[0] / DRAWN
    if abs(share - 0.25).max() > 0.08:
        return "lambda is not uniform from 0 to 1."
    return ""


def check_lengths(answer) -> Verdict:
    opposite, quarter, across = _finite(numbers(answer, (3,), "the three lengths"))
    if abs(opposite) > 0.02:
        if abs(opposite - 1) < 0.02:
            return wrong("1: half way up and half way down the hand is at the shoulder. What is left of the arm?")
        return wrong("1: the hand goes along the line from top to bottom. Where is its middle?")
    if abs(quarter - 0.5) > 0.02:
        if abs(quarter + 0.5) < 0.02:
            return wrong("2: that is where the hand is; a length is not negative.")
        if abs(quarter - 0.25) < 0.02:
            return wrong("2: a quarter of up and three quarters of down point opposite ways: 0.75 - 0.25.")
        return wrong("2: the hand is at 0.25 times up plus 0.75 times down.")
    if abs(across - 0.71) > 0.02:
        if abs(across - 0.5) < 0.02:
            return wrong("3: half down and half sideways: by Pythagoras, not by the larger of them.")
        if abs(across - 1) < 0.02:
            return wrong("3: 0.5 + 0.5 would be for two that point the same way.")
        return wrong("3: the hand is at (0.5, 0.5). How far is that from the shoulder?")
    return right("joints move on straight lines, so limbs shrink on the way: mixed poses are not all bodies.")


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise Wrong("some numbers are not finite.")
    return values


def _styles() -> tuple[list[Tensor], dict[int, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    styles = [torch.randn(6, width, generator=generator) for width in (4, 4, 3, 2)]
    return styles, {1: torch.randn(4, 4, generator=generator), 3: torch.randn(3, 3, generator=generator)}


def check_tau(my_tau) -> Verdict:
    styles, blocks = _styles()
    given = [style.clone() for style in styles]
    found = my_tau(given, blocks)
    if any(not bool((a == b).all()) for a, b in zip(styles, given, strict=False)) or len(given) != 4:
        return wrong("the list that you were given has changed: leave it, and return a new one.")
    if not isinstance(found, (list, tuple)) or len(found) != 4:
        return wrong("return a list with the style of every layer, the unchanged ones as well: here 4 tensors.")
    got = [
        numbers(part, tuple(s.shape), f"layer {i}") for i, (part, s) in enumerate(zip(found, styles, strict=True), 1)
    ]
    as_arrays = [style.double().numpy() for style in styles]
    if all(close(a, b, 1e-4) for a, b in zip(got, _applied(as_arrays, blocks), strict=True)):
        return right("the identity but for the chosen blocks: 25 of the matrix's 169 numbers could differ from it.")
    return wrong(_tau_mistake(got, as_arrays, blocks))


def _applied(
    styles: list[np.ndarray], blocks: dict[int, Tensor], turn: bool = True, first: int = 1, plus: bool = False
):
    out = []
    for layer, style in enumerate(styles, first):
        block = blocks.get(layer)
        if block is None or block.shape[0] != style.shape[1]:
            out.append(style)
            continue
        matrix = block.double().numpy()
        out.append(style @ (matrix.T if turn else matrix) + (style if plus else 0))
    return out


def _tau_mistake(got: list[np.ndarray], styles: list[np.ndarray], blocks: dict[int, Tensor]) -> str:
    usual = (
        (styles, "every style is as before: layers 1 and 3 have a block."),
        (_applied(styles, blocks, turn=False), "that is U transposed: with styles in rows, U s is `styles @ U.T`."),
        (
            _applied(styles, blocks, first=0),
            "layers are counted from 1, lists from 0: layer 3 is the third of the list.",
        ),
        (_applied(styles, blocks, plus=True), "tau replaces the style, it is not added to it."),
        (_applied(styles, {1: blocks[1]}), "only the first block is used: go through all of them."),
    )
    for values, hint in usual:
        if all(close(a, b, 1e-4) for a, b in zip(got, values, strict=True)):
            return hint
    return "layers with a block: U times the style; all others as they are."


def toy() -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
    """A generator of pictures of five pixels, styles (12, 3), and the pictures (12, 5) that they are to become."""
    generator = torch.Generator().manual_seed(1)
    weight, styles = torch.randn(3, 5, generator=generator), torch.randn(12, 3, generator=generator)
    turn = torch.tensor([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.5]])

    def draw(style: Tensor) -> Tensor:
        return torch.tanh(style @ weight)

    return draw, styles, draw(styles @ turn.T)


def _descend(steps=30, rate=0.5, start=1.0, sign=-1.0, keep=False, total=False, turned=False) -> np.ndarray:
    """The block after gradient descent; the options are usual mistakes."""
    draw, styles, wanted = toy()
    block = (start * torch.eye(3)).requires_grad_(True)
    sum_so_far = torch.zeros(3, 3)
    for _ in range(steps):
        difference = draw(styles @ (block if turned else block.T)) - wanted
        loss = difference.square().sum() if total else difference.square().mean()
        (gradient,) = torch.autograd.grad(loss, block)
        sum_so_far = sum_so_far + gradient if keep else gradient
        block = (block + sign * rate * sum_so_far).detach().requires_grad_(True)
    return block.detach().double().numpy()


def _with_adam(steps=30, rate=0.5) -> np.ndarray:
    """The block after as many steps of Adam."""
    draw, styles, wanted = toy()
    block = torch.eye(3, requires_grad=True)
    adam = torch.optim.Adam([block], lr=rate)
    for _ in range(steps):
        adam.zero_grad()
        (draw(styles @ block.T) - wanted).square().mean().backward()
        adam.step()
    return block.detach().double().numpy()


def check_fit(my_fit) -> Verdict:
    draw, styles, wanted = toy()
    with torch.enable_grad():
        got = numbers(my_fit(draw, styles.clone(), wanted.clone(), 30, 0.5), (3, 3), "the block")
        none = numbers(my_fit(draw, styles.clone(), wanted.clone(), 0, 0.5), (3, 3), "the block after no step")
    if not close(none, np.eye(3), 1e-6):
        return wrong("after no step at all the block must be the identity: start there, so that nothing changes yet.")
    if close(got, _descend(), 1e-3):
        return right("the generator stayed as it was, and nine numbers learned what differs.")
    usual = (
        (np.eye(3), "the block is still the identity: take the gradient's step, and keep what comes out."),
        (_descend(sign=1.0), "the loss climbs: walk against the gradient."),
        (_descend(keep=True), "gradients pile up: clear them before each backward pass."),
        (_descend(total=True), "that is the sum of the squares, not their mean: steps are 60 times too long."),
        (_descend(turned=True), "you learned U transposed: draw from `styles @ U.T`."),
        (_descend(steps=1), "only one step was taken: all of them go into a loop."),
        (
            _with_adam(),
            "those are Adam's steps, which divide each slope by its running size. Plain descent is asked "
            "for: `rate` times the gradient.",
        ),
    )
    for value, hint in usual:
        if close(got, value, 1e-3):
            return wrong(hint)
    return wrong("each step: draw from styles @ U.T, mean squared difference, gradient by U, U minus rate times it.")


def check_pairs(answer) -> Verdict:
    straight, turned, mean = _finite(numbers(answer, (3,), "the three numbers"))
    if abs(straight - 0.5) < 0.02:
        return wrong("1: 0.5 is the map from the wanted numbers back to the styles.")
    if abs(straight - 2) > 0.02:
        return wrong("1: every wanted number is the same multiple of its style.")
    if abs(turned + 2) > 0.02:
        if abs(turned - 2) < 0.02:
            return wrong("2: the largest style is to become the smallest number now. What is the sign?")
        return wrong("2: -2 is to become 4, -1 to become 2, and so on.")
    if abs(mean) > 0.02:
        return wrong("3: whatever a style is, on average it is asked to become the mean of all wanted numbers.")
    return right("paired at random, the best linear map sends everything to the mean: one pose for all noises.")


def check_collapse(my_crowd) -> Verdict:
    generator = torch.Generator().manual_seed(2)
    spots = torch.rand(10, 1, 15, 2, generator=generator) * 2 - 1  # ten kinds of poses, six of each
    targets = (spots + 0.1 * torch.randn(10, 6, 15, 2, generator=generator)).flatten(0, 1)
    got = torch.from_numpy(numbers(my_crowd(targets.clone()), (CROWD, 15, 2), "the crowd"))
    if not bool(got.isfinite().all()):
        return wrong("some numbers are not finite.")
    near = float(torch.cdist(got.flatten(1), targets.double().flatten(1)).amin(1).mean())
    covered = coverage(got, targets.double())
    if near > 0.05:
        if covered <= 0.1:
            return wrong(
                "your poses are far from every target: this is no crowd of target poses. Stay near one of them."
            )
        return wrong("your poses are not near enough to the targets to fool the distance: 0.05 at most, on average.")
    if covered > 0.1:
        return wrong(f"each is near a target, but {covered:.0%} of the targets are covered: use far fewer of them.")
    return right(f"mean distance to the nearest target {near:.3f}, coverage {covered:.0%}: the first number is fooled.")
