"""Lesson 01: what is right, what is wrong and why."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import torch

from napa_lib.study.exercises import Verdict, Wrong, close, number, numbers, right, wrong
from napa_lib.style import LossRatios, content_loss, feature_loss, gram_matrix, hsv_loss, srgb_loss, style_loss


def check_gram_factors(answer) -> Verdict:
    shuffled, doubled, tiled = numbers(answer, (3,), "the list of factors")
    if shuffled != 1:
        return wrong("the first factor: an entry of G is a sum over positions, and a sum does not mind its order.")
    if doubled == 2:
        return wrong("the second factor: an entry of G is a product of two activations, and each of them doubles.")
    if doubled != 4:
        return wrong("the second factor: put 2F in the place of F in the equation, twice.")
    if tiled in (2, 4):
        return wrong("the third factor: twice as many positions, but the sum is divided by H W.")
    if tiled != 1:
        return wrong("the third factor: what happens to the sum over positions, and what to H W below it?")
    return right("positions do not count, size does not count, strength counts squared (and in L_style to the fourth).")


def check_gram(my_gram) -> Verdict:
    f = torch.tensor(np.random.default_rng(0).normal(1.0, 1.0, (3, 4, 5)), dtype=torch.float32)
    result = my_gram(f.clone())
    shape, expected = tuple(np.shape(result)), gram_matrix(f[None])[0].numpy()
    if shape == (20, 20):
        return wrong("yours has a row for each position: channels were summed. Positions must vanish: flatten H and W.")
    got = numbers(result, (3, 3), "the Gram matrix")
    if close(got, expected):
        return right("symmetric, and its diagonal says how strongly each channel fires.")
    flat = f.flatten(1).numpy()
    centred = flat - flat.mean(1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=1)
    usual = (
        (expected * 60, "nothing is divided yet: a large picture would have a larger Gram matrix. Divide by C H W."),
        (expected * 3, "divided by H W alone; Johnson's normalisation, which the library takes, divides by C as well."),
        (flat @ f.reshape(20, 3).numpy() / 60, "`reshape` to (H W, C) does not transpose: it deals values out anew."),
        (expected * 20**2, "mind the brackets: `/ channels * height * width` multiplies by the last two."),
        (centred @ centred.T / 60, "that is a covariance: you took the mean away, which the Gram matrix keeps."),
        (flat @ flat.T / np.outer(lengths, lengths), "that is a correlation: how strongly they fire was divided out."),
    )
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("start from the toy: two channels of 2 x 2, whose Gram matrix the cell above has printed.")


def check_cosine(my_cosine_loss) -> Verdict:
    a, b = torch.tensor(np.random.default_rng(1).uniform(0, 1, (2, 3, 4, 5)), dtype=torch.float32)
    got = number(my_cosine_loss(a.clone(), b.clone()), "the loss")
    flat_a, flat_b = a.flatten().numpy(), b.flatten().numpy()
    similarity = flat_a @ flat_b / np.sqrt(flat_a @ flat_a * (flat_b @ flat_b))
    if close(got, 1 - similarity):
        opposite = number(my_cosine_loss(a.clone(), -a), "the loss")
        if not close(opposite, 2):
            return wrong(f"right for these two, but maps that point in opposite ways come out {opposite:.2f} apart; "
                         "nothing is further apart than they are: it should be 2.")  # fmt: skip
        return right("0 for two maps that point the same way, of any length; minimised, it pulls them together.")
    places = torch.cosine_similarity(a, b, dim=0).mean()
    channels = torch.cosine_similarity(a.flatten(1), b.flatten(1), dim=1).mean()
    usual = (
        (similarity, "that is the similarity itself. Minimised, it turns the two maps away from each other."),
        (-similarity, "minus the similarity pulls the right way, but a loss of 0 should mean a perfect match."),
        (1 - flat_a @ flat_b, "divide by the two lengths: without them, longer maps look more alike."),
        ((1 - similarity) / 2, "half of it: two maps that have nothing in common, a cosine of 0, should be 1 apart."),
        (1 - places, "one cosine a position, averaged. The paper compares one long vector with another."),
        (1 - channels, "one cosine a channel, averaged. The paper compares one long vector with another."),
        (np.arccos(similarity), "that is the angle. It is 0 at the right place; the loss here is 1 minus its cosine."),
    )
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("flatten both maps, take their scalar product, divide by both lengths, and subtract that from 1.")


def check_hue(hue_difference) -> Verdict:
    a = torch.tensor([[0.95, 0.05, 0.50, 0.10], [0.00, 0.30, 0.25, 0.75]])
    b = torch.tensor([[0.05, 0.95, 0.50, 0.40], [0.99, 0.85, 0.75, 0.25]])
    got = numbers(hue_difference(a.clone(), b.clone()), (2, 4), "the differences")
    apart = (a - b).abs().numpy()
    expected = np.minimum(apart, 1 - apart)
    if close(got, expected):
        return right("never more than half a turn, and the same from either side.")
    usual = (
        (apart, "0.95 and 0.05 of a turn come out 0.9 apart, yet both are reds 0.1 apart: go round the other way."),
        (1 - apart, "always the other way round: equal hues come out a whole turn apart. Take the shorter of the two."),
        ((a - b).numpy() % 1, "the remainder walks one way round only: red to orange is near, orange to red is far."),
        ((a - b).numpy(), "that has a sign. A difference for a loss is a length."),
        (360 * expected, "those are degrees. Hue is in turns here, from 0 to 1."),
        (np.minimum(apart, 1 - apart) ** 2, "that is squared; the paper takes the absolute difference."),
    )
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("two ways lead from one hue to the other; together they make a whole turn. Which is shorter?")


def check_rescaled(at_scale) -> Verdict:
    ratios = LossRatios(style=2.0, feature=5.0, content=3.0)
    results = {g: at_scale(ratios, 3.0 * g) for g in (1.0, 0.5, 2.0)}
    if not all(isinstance(result, LossRatios) for result in results.values()):
        raise Wrong("the function should return LossRatios: `replace(ratios, style=…)` makes a changed copy.")
    ours, found = asdict(ratios), {g: asdict(result) for g, result in results.items()}
    if not close(list(found[1.0].values()), list(ours.values())):
        return wrong("at a mean activation of 3, which is the library's own, nothing may change.")
    changed = [name for name in ours if any(not close(found[g][name], ours[name], 1e-6 * ours[name]) for g in found)]
    unmoved = sorted(set(changed) - {"style", "feature", "content"})
    if unmoved:
        return wrong(f"{unmoved[0]} must keep its ratio: it does not notice the scale of the features.")
    for g in (0.5, 2.0):
        for name, wanted in _measured_factors(g).items():
            factor = found[g][name] / ours[name]
            if not close(factor / wanted, 1.0):
                return wrong(_scale_hint(name, factor, g))
    return right("style by the fourth power, L_feat by the second, L_content by the first: at 1 instead of 3, "
                 "1/81, 1/9 and 1/3, while L_cos keeps all of its pull.")  # fmt: skip


def _measured_factors(g: float) -> dict[str, float]:
    """By how much each loss grows when all features are multiplied by `g`, measured rather than derived."""
    a, b = torch.tensor(np.random.default_rng(2).uniform(0, 1, (2, 1, 3, 4, 4)))
    losses = {
        "style": lambda x, y: style_loss([x], [y]),
        "feature": feature_loss,
        "content": content_loss,
    }
    return {name: float(loss(g * a, g * b) / loss(a, b)) for name, loss in losses.items()}


def _scale_hint(name: str, factor: float, g: float) -> str:
    if close(factor, 1.0):
        return f"L_{name} does change with the scale of the features, but its ratio stays the same in your answer."
    if close(factor * _measured_factors(g)[name], 1.0):
        return "upside down: weaker features make a smaller loss, so the ratio must become smaller, too."
    if name == "style" and close(factor, g**2):
        return "that is how the Gram matrix grows; L_style squares the difference of two of them."
    if name == "style" and close(factor, g):
        return "that would do if L_style were a sum of activations: count how many are multiplied in one of its terms."
    if name == "feature" and close(factor, g):
        return "L_feat squares the difference of two maps; L_content, which takes its length, does not."
    return f"the ratio of L_{name} changes by a factor of {factor:.4g} where {g:g} times the activation was asked."


def check_fooled(fool) -> Verdict:
    style = torch.tensor(np.random.default_rng(4).uniform(0, 1, (3, 16, 16)), dtype=torch.float32)
    answer = fool(style.clone())
    shape = (1, 3, 16, 16) if np.ndim(answer) == 4 else (3, 16, 16)
    got = torch.tensor(numbers(answer, shape, "the picture"), dtype=torch.float32).reshape(3, 16, 16)
    if not (got.isfinite().all() and got.min() >= 0 and got.max() <= 1):
        return wrong(f"a picture has values from 0 to 1, yours go from {got.min():.2f} to {got.max():.2f}.")
    srgb, hsv = float(srgb_loss(got[None], style[None])), float(hsv_loss(got[None], style[None]))
    if float(got.max()) == 0:
        return wrong("a black picture has no direction: L_srgb is 1 for it, as bad as it gets.")
    if srgb > 1e-4:
        return wrong(f"L_srgb is {srgb:.4f}, it does see a difference. Which change of a vector leaves its direction?")
    if hsv < 0.2:
        return wrong(f"L_srgb is fooled, but by a picture that nearly is the style picture: L_hsv is {hsv:.2f}.")
    return right(f"L_srgb is {abs(srgb):.4f}, L_hsv {hsv:.2f}. A cosine is blind to brightness; hence the V in L_hsv.")
