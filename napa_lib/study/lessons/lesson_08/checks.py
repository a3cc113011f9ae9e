"""Lesson 08: what is right, what is wrong and why."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from napa_lib.study.exercises import Verdict, close, number, right, wrong
from napa_lib.study.lessons.lesson_08 import live
from napa_lib.training.objective import SYMBOLS

ORDER = "CADB"


def check_order(answer) -> Verdict:
    word = "".join(map(str, answer)) if isinstance(answer, (list, tuple)) else str(answer)
    order = "".join(filter(str.isalpha, word.upper()))
    if sorted(order) != sorted(ORDER):
        return wrong("each of A, B, C and D once, as one word.")
    if order == ORDER:
        return right("something to look at first, then a pose from it, then both together, then the fine correction.")
    if order[0] == "A":
        return wrong("G is to learn on stylised pictures: who has made them by then?")
    if order[0] == "D":
        return wrong("trained together from scratch, a slew of losses: the paper says that this does not work.")
    if order[0] == "B":
        return wrong("the self supervision draws a pose and repaints it in the style: neither is there yet.")
    return wrong("the self supervision refines keypoints that are good already: it comes last.")


def check_hardest(answer) -> Verdict:
    if isinstance(answer, str) or not hasattr(answer, "__iter__") or len(set(answer)) != 2:
        return wrong('a set of two symbols, such as {"L_hsv", "L_tv"}.')
    names = {symbol.lower(): name for name, symbol in SYMBOLS.items()} | {name: name for name in SYMBOLS}
    pulls = {row[0]: row[4] for row in live.board()}
    named = {names.get(str(part).strip().lower(), "") for part in answer}
    if not named <= set(pulls):
        return wrong(f"two symbols of the table, please: {', '.join(SYMBOLS[name] for name in pulls)}.")
    first, second, third = sorted(pulls, key=lambda name: -pulls[name])[:3]
    if named == {first, second}:
        return right(f"{pulls[first]:.0f} and {pulls[second]:.0f} long; the next one has {pulls[third]:.0f}.")
    if "depth" in named:
        return wrong("1000 is a large ratio, but G' sees a copy of the keypoints: nothing of L_depth arrives at O.")
    if "style_entropy" in named:
        return wrong("L_sent has the largest value, thanks to its ratio of 10^9; its slope is not.")
    if "style" in named:
        return wrong("L_style is one of them. The other one is not about style at all.")
    if "keypoints" in named:
        return wrong("L_2d is one of them. The other one is of the fourth order in the features.")
    return wrong("neither of the two: think of what squares products, and of what the labels say.")


def _terms() -> dict[str, dict[str, Tensor]]:
    values = torch.tensor([2.0, 3.0, 5.0, 7.0, 11.0], dtype=torch.float64, requires_grad=True)
    a, b, c, d, e = values.unbind()
    return {"style": {"style": a, "hsv": b}, "pose": {"keypoints": c, "depth": d}, "supervision": {"cosine_sup": e}}


RATIOS = {"style": 1.0, "hsv": 300.0, "keypoints": 1.0, "depth": 1000.0, "cosine_sup": 0.0035}


def check_joint(my_joint) -> Verdict:
    for groups in (("style", "pose"), ("pose",), ("style", "pose", "supervision")):
        terms = _terms()
        got = my_joint(terms, dict(RATIOS), groups)
        value = float(number(got, "the loss"))
        parts = [(RATIOS[name], float(v.detach())) for g in groups for name, v in terms[g].items()]
        expected = sum(ratio * v for ratio, v in parts)
        if not np.isclose(value, expected, rtol=1e-6):
            return wrong(_why_not(value, terms, parts, groups))
        if not isinstance(got, Tensor) or not got.requires_grad:
            return wrong("the number is right, but nothing can learn from it: sum without float(), item(), detach().")
        slopes = torch.autograd.grad(got, [v for g in groups for v in terms[g].values()], allow_unused=True)
        if not any(slope is not None for slope in slopes):
            return wrong("the number is right, but made anew: no gradient leads from it to a term. Sum the tensors.")
        if not close([0.0 if s is None else s for s in slopes], np.array([ratio for ratio, _ in parts]), 1e-6):
            return wrong("the value is right, but its slope is not the ratio of each term.")
    return right("that is appendix table 2: each term times its ratio, the stage's groups alone, one sum.")


def _why_not(value: float, terms: dict, parts: list, groups: tuple) -> str:
    everything = sum(RATIOS[name] * float(v.detach()) for g in terms.values() for name, v in g.items())
    if np.isclose(value, everything):
        return f"all groups are in it: this stage has {' and '.join(groups)} alone."
    if np.isclose(value, sum(v for _, v in parts)):
        return "no ratio is in it: multiply each term by ratios[name]."
    if np.isclose(value, sum(r * v for r, v in parts) / len(parts)):
        return "you took the mean; the joint loss is a sum."
    if np.isclose(value, sum(r for r, _ in parts)):
        return "that is the sum of the ratios: each belongs to a term."
    if np.isclose(value, sum(RATIOS[n] * float(v.detach()) for n, v in terms[groups[0]].items())):
        return "only the first group is in it: go on through all of them."
    return "for every group of the stage, for every term in it: ratio times value; then add them all up."


class _Painter(nn.Module):
    """F' of nine numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1, bias=False)

    def forward(self, bone_map: Tensor, style: Tensor) -> Tensor:
        return torch.sigmoid(self.layer(bone_map) + style[..., None, None])


def _render(keypoints: Tensor) -> Tensor:
    """(B, 3, 2) to (B, 3, 6, 6): a soft dot a joint, one a channel."""
    y, x = torch.meshgrid(*[torch.arange(6, dtype=keypoints.dtype)] * 2, indexing="ij")
    distance = (x - keypoints[..., 0, None, None]).square() + (y - keypoints[..., 1, None, None]).square()
    return (-distance / 4).exp()


def _toy() -> tuple:
    torch.manual_seed(0)
    painter, phi = _Painter().double(), nn.Conv2d(3, 4, 3).double()
    keypoints = (5 * torch.rand(2, 3, 2, dtype=torch.float64)).requires_grad_()
    style, output = torch.rand(2, 3, dtype=torch.float64), torch.rand(2, 3, 6, 6, dtype=torch.float64)
    return painter, phi, keypoints, style, output.requires_grad_()


def _arrives(value: Tensor, place: Tensor) -> bool:
    """Whether a gradient comes from a value to a place."""
    if not value.requires_grad or not place.requires_grad:
        return False
    (slope,) = torch.autograd.grad(value, place, retain_graph=True, allow_unused=True)
    return slope is not None and bool(slope.any())


def check_supervision(my_supervision) -> Verdict:
    painter, phi, keypoints, style, output = _toy()
    loss = my_supervision(painter, _render, phi, keypoints, style, output)
    value = float(number(loss, "the loss"))
    with torch.no_grad():
        again = painter(_render(keypoints), style)
        gap = (phi(again) - phi(output)).square()
        usual = (
            (gap.sum(), "you summed: take the mean, so that the size of the picture does not matter."),
            (gap.mean().sqrt(), "that is the root: L_feat_sup is the mean square itself."),
            ((again - output).square().mean(), "you compared pixels: look at both pictures through phi."),
            ((phi(painter(output, style)) - phi(output)).square().mean(), "O' must be made of the drawn pose, "
             "render(keypoints); you gave the painter O itself, and no keypoint is in that."),
            ((phi(_render(keypoints)) - phi(output)).square().mean(), "you compared the bone map itself with O: F' has "
             "to paint it first."),
            ((phi(again) - phi(output)).abs().mean(), "you took absolute values: squares, please."),
        )  # fmt: skip
    if not np.isclose(value, float(gap.mean()), rtol=1e-6):
        for other, hint in usual:
            if np.isclose(value, float(other), rtol=1e-6):
                return wrong(hint)
        return wrong("render(keypoints), the painter with the style, phi of both pictures, mean of squares.")
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        return wrong("the number is right, and nothing can learn from it: is everything detached?")
    places = {"keypoints": keypoints, "painter": painter.layer.weight, "O": output}
    arrives = {name: _arrives(loss, place) for name, place in places.items()}
    if arrives["O"]:
        return wrong("a gradient flows into O: as a target it must stay where it is, so detach phi(output).")
    if not arrives["keypoints"]:
        return wrong("nothing reaches the keypoints, for whose sake all this is done: do not detach them or the map.")
    if not arrives["painter"]:
        return wrong("nothing reaches the painter's weights: F' learns to paint from this loss, too.")
    return right("right value, and gradients where they belong: through the painter into the keypoints, not into O.")


def check_learners(answer) -> Verdict:
    if isinstance(answer, str):
        return wrong('a set of names, such as {"F", "G"}.')
    try:
        named = {str(name).strip().upper().replace("′", "'").replace("’", "'") for name in answer}
    except TypeError:
        return wrong('a set of names, such as {"F", "G"}.')
    known = {"F", "VGG", "G", "G'", "F'", "VGG'"}
    if not named <= known:
        return wrong(f"these are no networks here: {', '.join(sorted(named - known))}.")
    if named == {"F'", "VGG'"}:
        return right("the painter goes on learning to paint; whoever made the keypoints no longer hears of it.")
    if "G" in named:
        return wrong("G made the keypoints, and the way back to them is cut: it learns nothing from this loss now.")
    if "F" in named:
        return wrong("F is reached through G alone: O itself is a target and passes no gradient on.")
    if not named:
        return wrong("the map is cut off from the keypoints; what is made of the map still learns.")
    if "VGG" in named or "G'" in named:
        return wrong("VGG and G' have no part in the self supervision at all.")
    return wrong("two networks are behind the cut, and both still learn: the painter and its judge.")


def check_cut(my_cut) -> Verdict:
    keypoints = (6 * torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(1))).requires_grad_()
    before = keypoints.detach().clone()
    found = my_cut(keypoints)
    if not isinstance(found, Tensor):
        return wrong(f"a tensor is wanted, not {type(found).__name__}: the map is drawn from tensors.")
    if found.shape != keypoints.shape:
        return wrong("give back keypoints of the same shape, (B, J, 2).")
    if not torch.equal(keypoints.detach(), before):
        return wrong("you changed the keypoints themselves: the loss of the pose needs them.")
    if not keypoints.requires_grad:
        return wrong("you took the gradient from the keypoints themselves: L_2d needs it. Give back a copy without.")
    if not bool(found.detach().any()):
        return wrong("all joints in one corner: F' would be shown an empty map.")
    if not torch.equal(found.detach(), before):
        return wrong("the keypoints have moved: F' would be shown another pose. Only the way back is to be cut.")
    if _arrives(found.sum(), keypoints):
        return wrong("a gradient still comes through. Even clone() copies the values and keeps the way back open.")
    return right("the same map, and no way back. One word in a program, and a whole part of the paper is switched off.")


CURVE = (
    9.6, 9.1, 8.5, 8.2, 7.9, 7.3, 7.1, 6.9, 6.6, 6.4, 6.3, 6.1, 6.0, 5.9, 5.9, 5.8, 5.8, 5.7, 5.75, 5.75, 5.7, 5.73,
    5.74, 5.71, 5.72, 5.73, 5.7, 5.74, 5.71, 5.73, 5.7, 5.72, 5.74, 5.71, 5.73, 5.72, 5.73, 5.71, 5.72, 5.74, 5.73, 5.7,
    5.72, 5.71, 5.73, 5.72, 5.71, 5.74, 5.72, 5.73,
)  # fmt: skip


def check_plateau(answer) -> Verdict:
    step, truth = float(number(answer, "the step")), live.lowered_at(list(CURVE))
    assert truth is not None
    if step == truth:
        return right(f"the last window that is 1 % better ends at step {truth - 20}; 20 steps later patience is out.")
    if step == truth - 20:
        return wrong("there the loss was better for the last time; the rule waits 20 steps more.")
    if step == truth - 4:
        return wrong("a window too early: the last one that is 1 % below the best before it is the fifth.")
    if step == truth + 4:
        return wrong("a window too late: 5.72 is not 1 % below 5.75.")
    if abs(step - truth) == 1:
        return wrong("off by one: the last good window ends with step 20, counted from 1.")
    if step < truth - 20:
        return wrong("there it still falls by more than 1 % from window to window.")
    if step > truth + 4:
        return wrong("the rate falls earlier: patience is 20 steps, five windows.")
    return wrong("means over 4 steps; the last window that beats the best so far by 1 %; its last step plus 20.")
