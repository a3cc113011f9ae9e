"""Lesson 09: what is right, what is wrong and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from napa_lib.study.exercises import Verdict, numbers, right, wrong


def _sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    counted = np.array([12, 12, 3, 11, 12, 2, 12, 9])
    hit = np.array([12, 2, 3, 8, 0, 2, 6, 1])
    return hit, counted, rng.integers(0, len(hit), (400, len(hit)))


def check_interval(my_interval) -> Verdict:
    hit, counted, rows = _sample()
    got = my_interval(hit.copy(), counted.copy(), rows.copy())
    low, high = numbers(got, (2,), "the interval")
    pooled = 100 * hit[rows].sum(1) / counted[rows].sum(1)
    below, above = (np.percentile(pooled, (2.5, 97.5), method=method) for method in ("lower", "higher"))
    if (below - 1e-3 <= (low, high)).all() and ((low, high) <= above + 1e-3).all():  # however a percentile lies between
        return right("figures are drawn, not joints: the joints of one figure are right or wrong together.")
    return wrong(_interval_hint(low, high, hit, counted, rows, pooled))


def _interval_hint(low, high, hit, counted, rows, pooled) -> str:
    def same(values, ends=(2.5, 97.5)) -> bool:
        return bool(np.allclose((low, high), np.percentile(values, ends), rtol=1e-3))

    if same(pooled / 100):
        return "as a share; per cent is asked for."
    if same(pooled, (97.5, 2.5)):
        return "the other way round: low comes first."
    if same(100 * (hit / counted)[rows].mean(1)):
        return "you took the mean of the figures' rates: one with 2 joints then counts as much as one with 12."
    if same(pooled, (0.025, 0.975)):
        return "percentiles are counted from 0 to 100: 2.5 and 97.5."
    if np.allclose((low, high), (pooled.mean() - 1.96 * pooled.std(), pooled.mean() + 1.96 * pooled.std()), rtol=1e-3):
        return "mean and deviation make a bell of the draws; take their percentiles, which need no bell."
    middle, half = np.percentile(pooled, (2.5, 97.5)).mean(), np.diff(np.percentile(pooled, (2.5, 97.5)))[0] / 2
    if np.allclose((low, high), (middle, half), rtol=1e-3):
        return "middle and half width; the two ends are asked for."
    if same(100 * hit[rows].sum(1) / counted.sum()):
        return "you divide by all counted joints; divide each draw's right ones by those that its figures have."
    if same(pooled, (5, 95)):
        return "that is the 90 % interval: 2.5 % are left out at each end."
    if same(pooled, (25, 75)):
        return "that is the middle half of the draws; 95 % of them are asked for, 2.5 % left out at each end."
    if np.allclose((low, high), (pooled.min(), pooled.max())):
        return "that is the range of all draws; leave out 2.5 % at each end."
    if same(100 * hit[rows].sum(0) / counted[rows].sum(0)):
        return "you summed down the columns, over all draws: a draw is a row, so sum over axis 1."
    if np.allclose(low, high):
        return "both ends are the same: pool within each row of draws, and keep the rows apart."
    if same(100 * hit / counted):
        return "that is how figures differ, not how their mean does: use the rows."
    return "for each row of draws: the right joints of its figures, over their counted ones, in per cent."


ORDER = ["b", "d", "a", "e", "c"]
PICTURES = ["a", "a", "b", "b", "b", "c", "d", "d", "e"]


def check_split(my_split) -> Verdict:
    for shots in (3, 4, 1, 6, 0):
        try:
            few, rest = my_split(list(PICTURES), list(ORDER), shots)
            if np.asarray(list(few)).dtype == bool:
                return wrong("that is a mask; row numbers are asked for: `np.flatnonzero(mask)`.")
            few, rest = [int(i) for i in few], [int(i) for i in rest]
        except (TypeError, ValueError):
            return wrong("two lists of row numbers, such as ([2, 3, 4], [0, 1, 5, 6, 7, 8]).")
        hint = _split_hint(sorted(few), sorted(rest), shots)
        if hint:
            return wrong(f"with shots = {shots}, {hint}")
    return right("no picture is on both sides, and every figure on one.")


def _split_hint(few: list[int], rest: list[int], shots: int) -> str:
    chosen = {PICTURES[i] for i in few}
    shared = sorted(chosen & {PICTURES[i] for i in rest})
    if set(few) & set(rest):
        return "some figures are on both sides."
    if len(set(few)) < len(few) or len(set(rest)) < len(rest):
        return "a figure is there twice."
    if shared:
        return f"picture {shared[0]!r} is on both sides: what is learned from one figure is known of the other."
    if len(few) + len(rest) < len(PICTURES):
        return "some figures are on no side."
    first = {PICTURES[i] for i in rest}
    if chosen != set(ORDER[: len(chosen)]) and first == set(ORDER[: len(first)]):
        return "the other way round: first what was taken, then all others."
    if chosen != set(ORDER[: len(chosen)]):
        return "take whole pictures in the given order, from its start."
    if len(few) < shots:
        return f"only {len(few)} are there to learn from: stop once there are enough, not before."
    if few and not shots:
        return "some are taken: look whether there are enough before a picture is taken, not after."
    last = ORDER[len(chosen) - 1]
    if len(few) - PICTURES.count(last) >= shots:
        return f"{len(few)} are there to learn from: stop as soon as there are enough."
    return ""


def check_depths(my_depths) -> Verdict:
    across, length = np.array([30.0, 0.0, 45.0, 20.0]), np.array([250.0, 400.0, 300.0, 160.0])
    for scale in (8.0, 4.0):
        got = numbers(my_depths(across.copy(), length.copy(), scale), (4,), "the depths")
        expected = np.sqrt(np.maximum(length**2 - (scale * across) ** 2, 0))
        if not np.allclose(got, expected, rtol=1e-4, atol=1e-3):
            return wrong(_depth_hint(got, across, length, scale, expected))
    return right("a bone that looks longer than it is lies flat; of the others only the sign is open.")


def _depth_hint(got, across, length, scale, expected) -> str:
    squared = length**2 - (scale * across) ** 2
    if np.isnan(got).any():
        return "NaN: a bone that is drawn longer than a body's has nothing left under the root; give it depth 0."
    if np.allclose(got * scale, expected, rtol=1e-4, atol=1e-3):
        return "in pixels; mm are asked for."
    if np.allclose(got, np.maximum(squared, 0)):
        return "that is the square of the depth, in mm²."
    if np.allclose(got, np.sqrt(np.abs(squared))):
        return "a bone that is drawn too long gets a depth from how much too long it is: it lies flat, depth 0."
    if np.allclose(got, np.sqrt(np.maximum(length**2 - across**2, 0))):
        return "pixels from millimetres: the length in the picture needs the scale."
    if np.allclose(got, np.sqrt(np.maximum(length**2 - (across / scale) ** 2, 0))):
        return "`scale` is in mm a pixel: pixels times scale are mm."
    if np.allclose(got, np.sqrt(np.maximum(length**2 - scale * across**2, 0))):
        return "the square is that of scale · across: the scale is squared, too."
    if np.allclose(got, np.maximum(length - scale * across, 0)) or np.allclose(got, length - scale * across):
        return "lengths at a right angle do not subtract; their squares do."
    if np.allclose(got, np.sqrt(length**2 + (scale * across) ** 2)):
        return "plus: the bone is the longest side of the triangle."
    if np.allclose(got, -expected):
        return "the depth's size is asked for, which is not negative."
    return "Pythagoras: length² = (scale · across)² + depth²."


def check_loss(my_loss) -> Verdict:
    generator = torch.Generator().manual_seed(0)
    for known in ([[True, True, False], [True, False, False]], [[False] * 3, [False] * 3]):
        mask = torch.tensor(known)
        found = (10 * torch.rand(2, 3, 2, generator=generator)).requires_grad_()
        target = (10 * torch.rand(2, 3, 2, generator=generator)).masked_fill(~mask[..., None], torch.nan)
        got = my_loss(found, target.clone())
        value = float(numbers(got.detach() if isinstance(got, Tensor) else got, (), "the loss"))
        hint = _loss_hint(value, got, found, target, mask)
        if hint:
            return wrong(hint)
    return right("what nobody marked teaches nothing, and no NaN comes back through it.")


def _loss_hint(value: float, got: Any, found: Tensor, target: Tensor, mask: Tensor) -> str:
    distance = (found.detach() - target).norm(dim=-1)
    known = distance[mask]
    expected = float(known.mean()) if len(known) else 0.0
    if not len(known) and not np.isclose(value, 0.0):
        return "with no joint marked it should be 0: divide by at least 1."
    if np.isnan(value):
        return "NaN: a missing joint is NaN in the target, and one NaN in a sum is enough."
    if not np.isclose(value, expected, rtol=1e-4):
        others = {
            "the sum, not the mean: a figure with more joints would count more.": known.sum(),
            "you divide by all joints, the missing ones too.": known.sum() / mask.numel(),
            "squared distances; the mean distance is asked for.": known.square().mean(),
            "a mean over figures of their means: each known joint counts alike.": distance.nanmean(1).nanmean(),
            "missing joints are in it as if they lay at (0, 0).": torch.where(
                mask, distance, found.detach().norm(dim=-1)).mean(),
            "coordinates apart; the distance is the root of the sum of both squares.":
                (found.detach() - target)[mask].abs().mean(),
        }  # fmt: skip
        for hint, other in others.items():
            if np.isclose(value, float(other), rtol=1e-4):
                return hint
        return "the distance of each known joint from its target, then the mean over known joints of the whole batch."
    if not len(known) and not (isinstance(got, Tensor) and got.requires_grad):
        return (
            "0 is right, but nothing hangs on it: `backward` stops at it with an error. A sum over no joints is 0, too."
        )
    if not isinstance(got, Tensor) or not got.requires_grad:
        return "the number is right, but no gradient flows from it: no float(), item(), detach() or NumPy."
    (slope,) = torch.autograd.grad(got, found, allow_unused=True)
    if slope is None:
        return "the number is right, but does not hang on `found`: no float(), item(), detach() or NumPy on the way."
    if bool(slope.isnan().any()):
        return (
            "the value is right, its gradient is NaN: a NaN that is left out after the root still comes back through "
            "it, and so does the slope of a root of 0. Pick the marked joints first: `found[known]`."
        )
    away = found.detach() - torch.where(mask[..., None], target, found.detach())
    expected_slope = away / distance.nan_to_num(1.0)[..., None] / max(int(mask.sum()), 1)
    if not torch.allclose(slope, expected_slope, rtol=1e-3, atol=1e-6):
        return "the number is right, its gradient is another's: the distance must be computed from `found` itself."
    return ""


CHOICES = {
    "A": "then they are no longer kept for measuring: the best of twelve tries looks good by chance.",
    "B": "the longest training wins there: it knows them by heart.",
    "D": "a test set that chooses is a test set no more, for this or for any later question.",
}


def check_choice(answer) -> Verdict:
    letter = str(answer[0] if isinstance(answer, (list, tuple)) and len(answer) == 1 else answer).strip(" .:()").upper()
    if letter == "C":
        return right("what chooses must be seen neither by the training nor by the final measurement.")
    return wrong(CHOICES.get(letter, "one letter: A, B, C or D."))


MOST, RISE = 1 / 3, 10.0  # joints that may be called hidden, and by how many points the rate must rise


def _errors() -> np.ndarray:
    return np.random.default_rng(5).gamma(1.6, 0.5, (40, 12))


def check_hidden(my_hidden) -> Verdict:
    errors = _errors()
    hidden = numbers(my_hidden(errors.copy()), errors.shape, "what is hidden")
    if not np.isin(hidden, (0, 1)).all():
        return wrong("True for a joint that is to be called hidden, False for the others.")
    left = hidden == 0
    share = 1 - left.mean()
    if share > MOST + 1e-9:
        return wrong(f"{100 * share:.0f} % are hidden: somebody will notice. At most a third.")
    if share == 0:
        return wrong("nothing is hidden: the rate stays where it was.")
    before, after = (100 * (chosen < 0.5).mean() for chosen in (errors, errors[left]))
    if after < before:
        return wrong(f"the rate falls, from {before:.0f} to {after:.0f} %: you hide the joints that were right.")
    if after - before < RISE:
        return wrong(f"the rate rises by {after - before:.1f} points only: are those the worst ones?")
    return right(f"from {before:.0f} to {after:.0f} %, and no pose is better. So mark before you look at the estimate.")


def _chances() -> tuple[np.ndarray, np.ndarray]:
    chances = np.random.default_rng(8).gamma(0.7, 1.0, (3, 4, 6)) + 1e-3
    return chances / chances.sum((1, 2), keepdims=True), np.array([1.0, 0.5, 2.0])


def _normalised(log_p: np.ndarray) -> np.ndarray:
    return log_p - log_p.max() - np.log(np.exp(log_p - log_p.max()).sum())


def check_product(my_product) -> Verdict:
    chances, powers = _chances()
    for strength in (1.0, 400.0):  # with the second, no number is small enough for a product
        got = my_product(chances.copy(), strength * powers)
        if not isinstance(got, (list, tuple)) or len(got) != 2:
            return wrong("return both: the map, a comma, and the place (x, y).")
        found = numbers(got[0], (4, 6), "the map")
        expected = _normalised((strength * powers[:, None, None] * np.log(chances)).sum(0))
        if not np.allclose(found, expected, rtol=1e-4, atol=1e-3):
            return wrong(_product_hint(found, expected, chances, strength * powers))
        if np.shape(got[1]) == ():
            return wrong(
                "the map is right; its `argmax()` counts cells row by row: `np.unravel_index` makes (y, x) of it."
            )
        place = numbers(got[1], (2,), "the place")
        y, x = np.unravel_index(expected.argmax(), expected.shape)
        if not np.allclose(place, (x, y)):
            swapped = (
                "that is (y, x): rows are y." if np.allclose(place, (y, x)) else "its likeliest cell is elsewhere."
            )
            return wrong(f"the map is right; {swapped}")
    return right("where each names several places, the product keeps what they share.")


def _product_hint(found: np.ndarray, expected: np.ndarray, chances: np.ndarray, powers: np.ndarray) -> str:
    def same(other: np.ndarray) -> bool:
        return bool(np.allclose(found, other, rtol=1e-4, atol=1e-3))

    if not np.isfinite(found).all():
        return (
            "infinite or NaN: such chances are 0 to a computer. Add logarithms, take off the highest before `np.exp`."
        )
    if same(np.exp(expected)):
        return "these are chances; their logarithms are asked for."
    total = np.tensordot(powers, chances, 1)
    if any(same(other) for mean in (total, chances.sum(0)) for other in (np.log(mean / mean.sum()), mean / mean.sum())):
        return "a sum of chances: one network that is sure is enough. In a product all have to agree."
    if same(expected - expected.max()):
        return "the highest chance is 1; all cells together should have 1."
    if np.ptp(found - expected) < 1e-3:
        return "right up to a constant: all cells together have a chance of 1. Take off `np.log(np.exp(log_p).sum())`."
    if same(_normalised(np.log(chances).sum(0))):
        return "the powers are missing: p to the power of a is a log p, and a factor before p is lost in normalising."
    if same(_normalised((powers[:, None, None] * np.log(chances)).mean(0))):
        return "a mean of logarithms: it gives each network a third of its power. Add them."
    for axis, name in ((0, "column"), (1, "row")):
        if np.allclose(np.exp(found).sum(axis), 1.0, atol=1e-3):
            return f"each {name} has a chance of 1 by itself: one sum over the whole map."
    if same(_normalised(np.log(chances[0]))):
        return "that is the first network's map alone."
    return "add each map's logarithm times its power; then take off the logarithm of the sum of all chances."
