"""Lesson 02: what is right, what is wrong and why."""

from __future__ import annotations

import numpy as np
import torch

from napa_lib.lifting import bone_vectors
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18, REGRESSION_BONES
from napa_lib.study.exercises import Verdict, close, numbers, right, wrong


def check_disc(answer) -> Verdict:
    length, area, poses = numbers(answer, (3,), "the list of answers")
    if length == 10:
        return wrong("the first answer: 10 px is the semi-axis d/2 across the bone; the bone's own semi-axis is L/2.")
    if length != 20:
        return wrong("the first answer: an oval is a disc when its two semi-axes, L/2 and d/2, are equal.")
    if close(area, 400, 0.5):
        return wrong("the second answer: 400 px is the square round the disc. An ellipse has the area pi a b.")
    if close(area, 4 * np.pi * 100, 5):
        return wrong("the second answer: that takes L and d for semi-axes. They are the whole axes; halve both.")
    if not close(area, 100 * np.pi, 15.0):  # about: 310 is as good as 314
        return wrong("the second answer: the area of an ellipse is pi times its two semi-axes.")
    if poses == 2:
        return wrong("the third answer: two is what any oval leaves open (which end is which); a disc leaves more.")
    if not np.isinf(poses):
        return wrong("the third answer: turn the bone about its middle. From which angle on does the disc change?")
    return right("a bone as long as it is wide hides its own direction; only its neighbours in the pose can tell.")


def check_inside(my_inside) -> Verdict:
    rng = np.random.default_rng(0)
    start, end, width = np.array([10.0, 12.0]), np.array([34.0, 30.0]), 14.0
    points = rng.uniform(0, 45, (4000, 2))
    got = numbers(my_inside(points.copy(), start.copy(), end.copy(), width), (4000,), "the answers").astype(bool)
    if np.array_equal(got, _inside(points, start, end, width)):
        short = start + (end - start) / 5  # 6 px long and 14 wide
        again = numbers(my_inside(points.copy(), start.copy(), short, width), (4000,), "the answers").astype(bool)
        if not np.array_equal(again, _inside(points, start, short, width)):
            return wrong("right for a long bone, not for one shorter than it is wide: L/2 belongs to the bone's own "
                         "direction, whichever of the two axes is the longer.")  # fmt: skip
        # a disc, whose numbers are exact however the test is written: three points on the edge, one inside
        tips = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 2.0], [2.0, 0.0]])
        edge = numbers(my_inside(tips, tips[0].copy(), tips[1].copy(), 4.0), (4,), "the answers").astype(bool)
        if edge[:3].any():
            return wrong("nearly: a point on the edge is not inside, nor is a keypoint: less than 1, not `<=`.")
        none = my_inside(np.zeros((0, 2)), start.copy(), end.copy(), width)
        numbers(none, (0,), "the answer for no points at all")
        return right("the same pixels that `render_bone_map` paints.")
    usual = (
        (_inside(points, start, end, 2 * width), "yours is twice as wide: d is the whole width, the semi-axis is d/2."),
        (_inside(points, 1.5 * start - 0.5 * end, 1.5 * end - 0.5 * start, width),
         "yours is twice as long: L is the bone's whole length, the semi-axis along it is L/2."),
        (_inside(points, 1.5 * start - 0.5 * end, 1.5 * end - 0.5 * start, 2 * width),
         "yours is twice as long and twice as wide: both semi-axes are half of L and d."),
        (_swapped(points, start, end, width), "the two axes are swapped: d/2 belongs to the distance across the bone."),
        (_from_start(points, start, end, width), "measure from the middle of the bone, not from its start."),
        (_capsule(points, start, end, width), "that is the distance to the segment, which makes a capsule with round "
         "ends. The oval narrows towards its tips."),
        (_strip(points, start, end, width), "that is the distance to the line alone: a strip without ends."),
        (_upright(points, start, end, width), "that oval lies level, whatever the bone does: measure along the bone, "
         "`offset @ u`, not along x."),
        (_box(points, start, end, width), "that is a rectangle: square both fractions and add them before comparing."),
        (~_inside(points, start, end, width), "that is the outside: inside, the sum is less than 1."),
        (_root(points, start, end, width), "the two fractions have to be squared before they are added."),
    )  # fmt: skip
    for value, hint in usual:
        if np.array_equal(got, value):
            return wrong(hint)
    if got.all():  # numbers other than 0 all count as True
        return wrong("every point is inside by this answer. Is it the sum itself? Compare it with 1.")
    return wrong("take the vector from the bone's middle to the point; split it with u = (end - start) / L into a part "
                 "along the bone and a part across it.")  # fmt: skip


def _axes(points, start, end):
    bone = end - start
    length = np.hypot(*bone)
    unit = bone / length
    offset = points - (start + end) / 2
    return offset @ unit, offset @ np.array([-unit[1], unit[0]]), length


def _inside(points, start, end, width):
    along, across, length = _axes(points, start, end)
    return along**2 / (length / 2) ** 2 + across**2 / (width / 2) ** 2 < 1


def _upright(points, start, end, width):
    x, y = (points - (start + end) / 2).T
    return (2 * x / np.hypot(*(end - start))) ** 2 + (2 * y / width) ** 2 < 1


def _box(points, start, end, width):
    along, across, length = _axes(points, start, end)
    return (np.abs(along) < length / 2) & (np.abs(across) < width / 2)


def _swapped(points, start, end, width):
    along, across, length = _axes(points, start, end)
    return along**2 / (width / 2) ** 2 + across**2 / (length / 2) ** 2 < 1


def _from_start(points, start, end, width):
    return _inside(points + (end - start) / 2, start, end, width)


def _capsule(points, start, end, width):
    along, across, length = _axes(points, start, end)
    return np.hypot(np.maximum(np.abs(along) - length / 2, 0), across) < width / 2


def _strip(points, start, end, width):
    return np.abs(_axes(points, start, end)[1]) < width / 2


def _root(points, start, end, width):
    along, across, length = _axes(points, start, end)
    return np.abs(along) / (length / 2) + np.abs(across) / (width / 2) < 1


def check_coverage(my_coverage) -> Verdict:
    points = torch.rand(300, 2, generator=torch.Generator().manual_seed(0)) * 45
    start, end, width, softness = torch.tensor([10.0, 12.0]), torch.tensor([34.0, 30.0]), 14.0, 2.0
    start.requires_grad_(), end.requires_grad_()
    answer = my_coverage(points.clone(), start, end, width, softness)
    got = numbers(answer, (300,), "the coverage")
    along, across, length = _axes(points.double().numpy(), start.detach().numpy(), end.detach().numpy())
    r2 = along**2 / (length / 2) ** 2 + across**2 / (width / 2) ** 2
    inwards = 1 - np.sqrt(r2)
    if close(got, _sigmoid(inwards * width / 2 / softness)):
        if not getattr(answer, "requires_grad", False):
            return wrong("the numbers are right, but no gradient runs through them to the ends: stay with torch, "
                         "without `.detach()`, `.item()` and NumPy.")  # fmt: skip
        expected = _coverage(points, start, end, width, softness)
        pulls, true = (_pulls(coverage, start, end) for coverage in (answer, expected))
        if not close(pulls, true, 1e-3):
            return wrong("the numbers are right, but their gradient is not: something between an end and them is cut "
                         "off. The bone's length, its direction and its middle depend on both ends.")  # fmt: skip
        return right("half on the edge, and every pixel near it says which way the bone should move.")
    usual = (
        (
            np.clip(0.5 + inwards * width / 2 / softness, 0, 1),
            "a ramp with corners: outside them the gradient is zero. The sigmoid has a slope everywhere.",
        ),
        ((inwards > 0).astype(float), "that is the hard test again: its gradient is zero wherever it exists."),
        (_sigmoid((1 - r2) * width / 2 / softness), "r is the root of the sum; you took r²."),
        (_sigmoid(inwards / softness), "1 - r has no unit, and s is in pixels: multiply by d/2 first."),
        (
            _sigmoid(inwards * width / softness),
            "twice as sharp: at the waist the edge is half the width from the middle.",
        ),
        (_sigmoid(-inwards * width / 2 / softness), "that covers the outside: 1 - r is positive inside."),
        (_sigmoid(inwards * width / 2 * softness), "a larger softness must make the edge softer: it divides by it."),
    )
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("step by step: along and across as in the inside test, r, then the sigmoid of (1 - r) d/2 / s.")


def _coverage(points, start, end, width, softness) -> torch.Tensor:
    bone = end - start
    offset, square = points - (start + end) / 2, bone @ bone
    along, across = 2 * offset @ bone / square, 2 * offset @ torch.stack([-bone[1], bone[0]]) / square.sqrt() / width
    return torch.sigmoid((1 - torch.hypot(along, across)) * width / 2 / softness)


def _pulls(coverage: torch.Tensor, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """(2, 2) where the coverages, each with another weight, pull start and end."""
    total = (coverage * torch.linspace(-1, 1, len(coverage))).sum()
    slopes = torch.autograd.grad(total, (start, end), allow_unused=True)
    return torch.stack([torch.zeros(2) if slope is None else slope for slope in slopes])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def check_descent(my_descent) -> Verdict:
    rng = np.random.default_rng(0)
    matrix, target, begin = rng.normal(size=(6, 4)) / 2, rng.normal(size=6), rng.normal(size=(2, 2))
    steps, rate = 5, 0.1

    def draw(pose):
        return torch.tensor(matrix).float() @ pose.reshape(4)

    handed = torch.tensor(begin).float()
    got = numbers(my_descent(draw, torch.tensor(target).float(), handed, steps, rate), (2, 2), "the pose")

    def walk(step, count=steps):  # the same in NumPy, with the gradient by hand
        pose, memory = begin.reshape(4).copy(), np.zeros(4)
        for _ in range(count):
            gradient = 2 * matrix.T @ (matrix @ pose - target)
            memory += gradient
            pose = pose - step(gradient, memory, matrix @ pose - target)
        return pose.reshape(2, 2)

    if close(got, walk(lambda g, m, e: rate * g)):
        return right("draw, compare, differentiate, step: with a drawing that has a gradient, a pose can be learned.")
    usual = (
        (walk(lambda g, m, e: -rate * g), "that goes uphill: the gradient points to where the loss grows."),
        (walk(lambda g, m, e: rate * m), "gradients pile up: `backward` adds to `.grad`. Clear it before each step."),
        (walk(lambda g, m, e: rate * g, 1), "that is a single step: take all of them."),
        (
            walk(lambda g, m, e: rate * g / 6),
            "that descends the mean of the squared differences; the sum is asked for.",
        ),
        (walk(lambda g, m, e: rate * matrix.T @ np.sign(e)), "the differences are squared, not taken absolutely."),
        (
            begin - steps * (begin - walk(lambda g, m, e: rate * g, 1)),
            "every step takes the first gradient again: draw, compare and differentiate inside the loop.",
        ),
        (walk(lambda g, m, e: rate * g, steps + 1), "one step too many."),
        (walk(lambda g, m, e: rate * g, steps - 1), "one step too few."),
        (
            walk(lambda g, m, e: rate * g / (2 * np.linalg.norm(e))),
            "that descends the length of the difference: leave its root away, the sum of squares is asked for.",
        ),
        (
            walk(lambda g, m, e: rate * matrix.sum(0)),
            "the differences are not squared, so their sum has no least value.",
        ),
        (walk(lambda g, m, e: g), "each step goes without the rate: it is `rate` times the gradient."),
        (walk(lambda g, m, e: rate * np.sign(g)), "the gradient's sign alone forgets how steep it is."),
        (
            _with_adam(draw, torch.tensor(target).float(), torch.tensor(begin).float(), steps, rate),
            "those are Adam's steps, which divide each slope by its running size. Plain descent: `rate` times the "
            "gradient.",
        ),
        (begin, "the pose has not moved: subtract `rate` times the gradient, and keep the result."),
    )
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("compare one step by hand: pose - rate * gradient of ((draw(pose) - target)²).sum().")


def _with_adam(draw, target, begin, steps, rate) -> np.ndarray:
    pose = begin.clone().requires_grad_()
    adam = torch.optim.Adam([pose], lr=rate)
    for _ in range(steps):
        adam.zero_grad()
        (draw(pose) - target).square().sum().backward()
        adam.step()
    return pose.detach().numpy()


def check_bones(my_bone_vectors) -> Verdict:
    pose = torch.randn(18, 3, generator=torch.Generator().manual_seed(0)) * 100
    pairs = REGRESSION_BONES[::-1]  # not the order of the library's own function: the pairs are to be read
    got = numbers(my_bone_vectors(pose.clone(), pairs), (15, 3), "the bones")
    expected = bone_vectors(pose).numpy()[::-1]
    child, parent = np.array(pairs).T
    if close(got, expected):
        return right("each from the joint nearer to the thorax to the one farther out.")
    usual = (
        (expected[::-1], "those are the bones in the library's order: the pairs that are handed to you say which."),
        (-expected, "the other way round: the pairs are (child, parent), and a bone is child minus parent."),
        (pose.numpy()[child], "those are the children's positions: take the parents' away."),
        ((pose.numpy()[child] + pose.numpy()[parent]) / 2, "those are the middles of the bones, not their vectors."),
        (expected / np.linalg.norm(expected, axis=-1, keepdims=True), "those have length 1: keep the lengths, in mm."),
        (np.diff(pose.numpy(), axis=0)[:15], "those are differences of neighbours in the list; neighbours in the body "
         "are in the pairs."),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("for a pair (c, p) the bone is pose[c] - pose[p].")


def check_standardize(my_standardize) -> Verdict:
    bones = torch.randn(40, 15, 3, generator=torch.Generator().manual_seed(0))
    bones = 100 * bones * torch.linspace(0.5, 2, 15)[:, None] + torch.tensor([20.0, 50.0, -10.0])
    got = numbers(my_standardize(bones.clone()), (40, 15, 3), "the standardised bones")
    array = bones.double().numpy()
    mean = array.mean(0)
    if any(close(got, (array - mean) / array.std(0, ddof=ddof)) for ddof in (0, 1)):
        return right("every component of every bone now has mean 0 and standard deviation 1 over the poses.")
    if close(got, array - mean):
        return wrong("only centred: the spread is left as it was.")
    if close(got, array / np.linalg.norm(array, axis=-1, keepdims=True)):
        return wrong("that makes unit vectors, one a bone: it throws the lengths away and leaves the mean.")
    for ddof in (0, 1):  # both ways to count are accepted, so each mistake comes in two versions
        deviation = array.std(0, ddof=ddof)
        usual = (
            ((array - mean) / deviation**2, "divided by the variance; its root is the standard deviation."),
            ((array - array.mean()) / array.std(ddof=ddof), "one mean and one deviation for all: the thighs would still"
             " outweigh the neck. Take both over the poses alone, the first axis."),
            (array / deviation, "only divided: take the mean away first."),
            (array * deviation + mean, "that is the way back: it multiplies by the deviation and adds the mean."),
            (array - mean / deviation, "a bracket is missing: the difference is divided, not the mean alone."),
        )  # fmt: skip
        for value, hint in usual:
            if close(got, value):
                return wrong(hint)
    return wrong("take the mean and the standard deviation over the first axis, the poses.")


def check_twins(twins) -> Verdict:
    if isinstance(twins, (str, dict)) or not hasattr(twins, "__len__") or len(twins) != 2:
        return wrong("give a pair: (pose_a, pose_b), each (18, 2).")
    first, second = (torch.tensor(numbers(pose, (18, 2), "a pose")) for pose in twins)
    used = sorted({joint for bone in NAPA18.bones for joint in bone})
    if not (first[used].isfinite().all() and second[used].isfinite().all()):
        return wrong("a missing joint is not drawn, which would be too easy: give all joints.")
    if not ((first[used] >= 0) & (first[used] <= 223) & (second[used] >= 0) & (second[used] <= 223)).all():
        return wrong("a joint outside the picture is easily hidden: keep both poses inside 224 x 224.")
    apart = (first - second)[used].norm(dim=-1).max().item()
    if apart < 30:
        return wrong(f"these poses differ by {apart:.0f} px at most: at least one joint has to move by 30 px.")
    map_a, map_b = render_bone_map(torch.stack([first, second]).float(), NAPA18, 224, 20.0)
    if not map_a.any():
        return wrong("nothing is drawn at all: a bone without a length has no oval. Let the pose be seen, and still "
                     "not be known.")  # fmt: skip
    changed = (map_a != map_b).any(0).sum().item()
    if changed:
        return wrong(f"{changed} pixels differ between their maps: what is drawn last hides what lies below it.")
    return right(f"a joint moved by {apart:.0f} px, and not one pixel tells. Overlap is lost information: nothing that "
                 "reads only the map, however clever, can get it back.")  # fmt: skip
