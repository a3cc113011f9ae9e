"""Lesson 03: what is right, what is wrong and why."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from napa_lib.bottleneck import KeypointGAN, load_pretrained, mocap_poses
from napa_lib.rendering import render_skeleton
from napa_lib.skeletons import NAPA18
from napa_lib.study.exercises import Verdict, close, number, numbers, right, wrong

LOUDEST = 0.02  # how much a pixel of the skeleton image may change in exercise 03.6


def check_distance(my_distance) -> Verdict:
    rng = np.random.default_rng(0)
    points, a, b = rng.uniform(-1, 1, (500, 2)), np.array([-0.3, -0.5]), np.array([0.4, 0.1])
    got = numbers(my_distance(*(torch.tensor(x).float() for x in (points, a, b))), (500,), "the distances")
    expected = _to_segment(points, a, b)
    if close(got, expected):
        return right("beyond its ends the nearest point of the segment is an end, between them it is the foot of the "
                     "perpendicular.")  # fmt: skip
    ends = np.linalg.norm(points - a, axis=1), np.linalg.norm(points - b, axis=1)
    along = (points - a) @ (b - a) / ((b - a) @ (b - a))
    usual = (
        (_at(points, a, b, along), "that is the distance to the infinite line: beyond the ends, r leaves [0, 1]."),
        (_at(points, a, b, along.clip(max=1)), "one end is right, behind the other the line goes on: r has two bounds,"
         " 0 and 1."),
        (_at(points, a, b, along.clip(min=0)), "one end is right, behind the other the line goes on: r has two bounds,"
         " 0 and 1."),
        (np.minimum(*ends), "that is the distance to the nearer end: most of the segment lies between them."),
        (np.linalg.norm(points - (a + b) / 2, axis=1), "that is the distance to the middle of the segment."),
        (expected**2, "that is the square of the distance: take its root."),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("the nearest point of the line is a + r (b - a) with r = (u - a)·(b - a) / |b - a|². Where may r lie?")


def _at(points, a, b, r):
    return np.linalg.norm(points - a - r[:, None] * (b - a), axis=1)


def _to_segment(points, a, b):
    return _at(points, a, b, ((points - a) @ (b - a) / ((b - a) @ (b - a))).clip(0, 1))


def check_skeleton(my_skeleton) -> Verdict:
    size, gamma = 24, 25.0
    pose = np.random.default_rng(1).uniform(2, 21, (4, 2))
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(-1, 2)
    edges = ((0, 1), (1, 2), (2, 3))
    pixels = np.stack([_to_segment(grid, pose[i], pose[j]).reshape(size, size) for i, j in edges])
    got = numbers(my_skeleton(torch.tensor(pixels).float(), gamma, size), (size, size), "the picture")
    unit = pixels * 2 / (size - 1)
    nearest = unit.min(0)
    points = torch.tensor(pose)[None] * 2 / (size - 1) - 1
    if close(got, render_skeleton(points, edges, size, gamma)[0, 0].numpy()):
        wide = numbers(my_skeleton(torch.tensor(pixels[:1]).float(), 4.0, size), (size, size), "the picture")
        if not close(wide, np.exp(-4 * unit[0] ** 2)):
            return wrong("right for gamma = 25, but with another gamma the picture must change: use the argument.")
        return right("the same picture as `render_skeleton` draws, pixel for pixel.")
    usual = (
        (np.exp(-gamma * pixels.min(0) ** 2), "thin as a hair: gamma is meant for distances in [-1, 1], yours are "
         "in pixels."),
        (np.exp(-gamma * (pixels.min(0) * 2 / size) ** 2), "nearly: -1 and 1 are the centres of the outermost pixels, "
         "and between these lie size - 1 steps."),
        (np.exp(-gamma * (pixels.min(0) / (size - 1)) ** 2), "twice too wide: from -1 to 1 it is 2, not 1."),
        (np.exp(-gamma * unit**2).sum(0), "you add the edges up: where two meet it gets brighter than 1. The nearest "
         "edge alone decides."),
        (np.exp(-gamma * (unit**2).sum(0)), "the distances to all edges are added inside the exponential: almost "
         "everything is black. Only the nearest counts."),
        (np.exp(-gamma * (unit**2).mean(0)), "that is a mean over the edges; eq. 1 has the minimum."),
        (np.exp(-gamma * unit.max(0) ** 2), "that is the farthest edge: a minimum of distances, not a maximum."),
        (np.exp(-gamma * nearest), "the distance is not squared: the bone gets a sharp ridge, where the gradient "
         "jumps."),
        (np.exp(-(nearest**2) / gamma), "gamma multiplies the square, it does not divide it: all is nearly white."),
        (np.exp(-gamma * nearest**2 / 2), "there is no 1/2 in eq. 1; it stands in eq. 2, that of the blobs."),
        (np.exp(gamma * nearest**2), "the sign: away from the bones it must get darker."),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("minimum over the edges first, then distance times 2 / (size - 1), square, -gamma, exponential.")


def check_hole(hole) -> Verdict:
    without, through, frame = numbers(hole, (3,), "the list of answers")
    if without == 3 * 64 * 64:
        return wrong("the first answer: a skeleton image has one channel, not three.")
    if without != 64 * 64:
        return wrong("the first answer: the generator is given y itself, a picture of 64 x 64 pixels.")
    if through == 64 * 64:
        return wrong(
            "the second answer: the clean drawing has as many pixels, but all of them follow from the keypoints."
        )
    if through == 18:
        return wrong("the second answer: a keypoint is an x and a y.")
    if through == 54:
        return wrong("the second answer: that would be 3D; these keypoints lie in the picture.")
    if through != 36:
        return wrong("the second answer: count what eta hands to beta.")
    if frame == 64 * 64:
        return wrong("the third answer: a frame has red, green and blue.")
    if frame != 3 * 64 * 64:
        return wrong("the third answer: pixels times channels.")
    return right("4,096 numbers have room for a message, a blurred copy of the frame for instance. 36 are needed "
                 "for the pose itself.")  # fmt: skip


def check_expectation(my_expectation) -> Verdict:
    scores = torch.randn(4, 5, 9, generator=torch.Generator().manual_seed(0)) * 2 + 1
    got = numbers(my_expectation(scores.clone()), (4, 2), "the keypoints")
    array = scores.double().numpy()
    p = np.exp(array) / np.exp(array).sum((1, 2), keepdims=True)
    columns, rows = np.linspace(-1, 1, 9), np.linspace(-1, 1, 5)
    expected = _mean(p, columns, rows)
    if close(got, expected):
        loud = torch.zeros(2, 2, 2)
        loud[0, 0, 1] = 200.0
        far = numbers(my_expectation(loud), (2, 2), "the keypoints")
        if not close(far[0], [1, -1]):
            return wrong("right for small scores, but exp(200) is too large for float32: `softmax` subtracts the "
                         "largest score first.")  # fmt: skip
        if not close(far[1], [0, 0]):
            return wrong("right for maps alike, but beside one with a score of 200 the others vanish: each map has to "
                         "lose its own largest score, not that of all.")  # fmt: skip
        return right("a mean over all cells, so between cells and with a gradient everywhere.")
    best = array.reshape(4, -1).argmax(1)
    plain = array / array.sum((1, 2), keepdims=True)
    joint = np.exp(array) / np.exp(array).sum()
    usual = (
        (np.stack([columns[best % 9], rows[best // 9]], 1), "that is the maximum: it snaps to a cell and has no "
         "gradient. The answer is a mean over all cells."),
        (expected[:, ::-1], "x and y are swapped: x counts columns, the last axis."),
        (_mean(plain, columns, rows), "the scores are used as they are: softmax makes a distribution of them, none "
         "negative."),
        (_mean(array, columns, rows), "the scores are no distribution: they do not sum to 1."),
        (_mean(joint, columns, rows), "one softmax over all maps: each keypoint needs a distribution of its own."),
        ((expected + 1) / 2, "coordinates from 0 to 1: here they run from -1 to 1."),
        ((expected + 1) / 2 * [8, 4], "those are cells, from 0 on: the coordinates run from -1 to 1."),
        (expected * [1, -1], "y points up in yours: in pictures it grows downwards."),
        *((value, "one softmax an axis: a map is one distribution over all its cells. Softmax over rows and columns at "
           "once, and only then sum over either.") for value in _an_axis_each(array, columns, rows)),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("softmax over all cells of one map, then sum_u p(u) x(u) and sum_u p(u) y(u).")


def _an_axis_each(array, columns, rows):
    """Keypoints by a softmax over columns and one over rows, in the usual ways."""

    def softmax(scores, axis):
        e = np.exp(scores - scores.max(axis, keepdims=True))
        return e / e.sum(axis, keepdims=True)

    for reduce in (np.sum, np.mean, np.max):
        # first the scores of an axis, then their softmax; or the softmax of each line, then their sum or mean
        yield np.stack([softmax(reduce(array, 1), 1) @ columns, softmax(reduce(array, 2), 1) @ rows], 1)
        yield np.stack([reduce(softmax(array, 2), 1) @ columns, reduce(softmax(array, 1), 2) @ rows], 1)
    yield _mean(softmax(softmax(array, 1), 2), columns, rows)
    yield _mean(softmax(softmax(array, 2), 1), columns, rows)


def _mean(p, columns, rows):
    return np.stack([(p.sum(1) * columns).sum(-1), (p.sum(2) * rows).sum(-1)], -1)


def check_cheat(answer) -> Verdict:
    if not isinstance(answer, (list, tuple)) or len(answer) != 2 or not all(map(callable, answer)):
        return wrong("give both functions: cheat = [my_hide, my_read].")
    hide, read = answer
    poses = mocap_poses(5, torch.Generator().manual_seed(0), fill=(0.4, 0.5))
    drawings = render_skeleton(poses, NAPA18.bones, 64)[:, 0]
    colors = torch.rand(5, 3, generator=torch.Generator().manual_seed(1)).double().numpy()
    hidden = [torch.tensor(numbers(hide(drawing.clone(), torch.tensor(color).float()), (64, 64), "the picture")).float()
              for drawing, color in zip(drawings, colors, strict=True)]  # fmt: skip
    found = np.stack([numbers(read(picture.clone()), (3,), "the colour") for picture in hidden[::-1]])[::-1]
    loudest = max((picture - drawing).abs().max().item() for picture, drawing in zip(hidden, drawings, strict=True))
    if loudest > LOUDEST + 1e-6:
        return wrong(f"too loud: a pixel changes by {loudest:.2f}, and the critic of skeleton images sees it.")
    if loudest == 0 and close(found, colors, 0.05):
        return wrong("your reader knows the colour of a picture that nobody has changed: somebody told it aside.")
    if close(found, colors, 0.05):
        behind, off = _behind_bottleneck(torch.stack(hidden), read, colors)
        return right(f"what you did, CycleGAN learns by itself. Behind beta(eta(y)) your reader is {behind:.2f} off on "
                     f"average, before it was {off(found):.2f}: the message is gone, the pose is not.")  # fmt: skip
    if loudest == 0:
        return wrong("the picture is as it was before: nothing is hidden in it.")
    if close(found, np.tile(colors[-1], (5, 1)), 0.05):
        return wrong("the reader always tells the last colour: the message must be in the picture, nowhere else.")
    if close(found, LOUDEST * colors, 0.002):
        return wrong("the reader finds a fiftieth of each colour: what was hidden faintly must be made strong again.")
    alone = numbers(hide(torch.zeros(64, 64), torch.tensor(colors[0]).float()), (64, 64), "the picture")
    empty = numbers(read(torch.tensor(alone).float()), (3,), "the colour")
    if close(empty, colors[0], 0.05):
        return wrong("in an empty picture it works, beside a figure it does not: your reader reads the bones, too. "
                     "Write where no bone is.")  # fmt: skip
    return wrong("reader and writer do not fit together: which pixels hold red, which green, which blue?")


def _behind_bottleneck(pictures: torch.Tensor, read, colors: np.ndarray):
    """Mean error of the colours read behind the shipped bottleneck, and the function that measures it."""

    def off(found) -> float:
        return float(np.abs(found - colors).mean())

    model = _model()
    with torch.no_grad():
        clean = model.draw(model.skeleton_encoder(pictures[:, None]))[:, 0]
    return off(np.stack([numbers(read(picture), (3,), "the colour") for picture in clean])), off


@cache
def _model() -> KeypointGAN:
    return load_pretrained("ours")


def check_losses(my_losses) -> Verdict:
    rng = np.random.default_rng(3)
    real, fake = rng.normal(0.8, 0.4, (6, 5, 5)), rng.normal(0.3, 0.4, (4, 5, 5))
    got = my_losses(torch.tensor(real).float(), torch.tensor(fake).float())
    if isinstance(got, (str, dict)) or not np.ndim(got) and not isinstance(got, (list, tuple)) or len(got) != 2:
        return wrong("return two losses: the critic's, then the generator's.")
    critic, generator = (number(loss, "a loss") for loss in got)
    to_one, to_zero = (lambda x: ((1 - x) ** 2).mean()), (lambda x: (x**2).mean())
    wanted = to_one(real) + to_zero(fake)
    if close(critic, to_one(fake)) and close(generator, wanted):
        return wrong("the other way round: first the critic's loss, then the generator's.")
    for value, hint in (
        (to_zero(real) + to_one(fake), "the labels are swapped: the critic wants 1 for real pictures and 0 for fakes."),
        (((1 - real) ** 2).sum() + (fake**2).sum(), "sums instead of means: the loss would grow with the batch and the"
         " picture."),
        (wanted / 2, "half of it: eq. 5 has no factor 1/2."),
        ((((1 - real) ** 2).sum() + (fake**2).sum()) / (real.size + fake.size), "one mean over real and fake together:"
         " eq. 5 adds two means."),
        (abs(1 - real).mean() + abs(fake).mean(), "absolute differences: least squares GAN squares them."),
        (to_one(real), "the critic's second half is missing: it must also push the fakes to 0."),
    ):  # fmt: skip
        if close(critic, value):
            return wrong(hint)
    if not close(critic, wanted):
        return wrong("the critic's loss is mean((1 - real)²) + mean(fake²).")
    for value, hint in (
        (-to_zero(fake), "that is eq. 5 turned round: maximising fake² also rewards scores far below 0, and it has no "
         "end. Aim for the score of a real picture."),
        (to_zero(fake), "the generator aims for 0: that is what the critic wants of it."),
        (wanted, "both minimise the same: then nobody plays against anybody."),
        (-wanted, "the critic's loss with a minus has no end either, and the real pictures are not the generator's "
         "doing."),
    ):  # fmt: skip
        if close(generator, value):
            return wrong(hint)
    if not close(generator, to_one(fake)):
        return wrong("the generator's loss is mean((1 - fake)²): it wants its fakes to score 1.")
    return right("the critic pulls fakes to 0, the generator pulls them to 1, and each stops where it has won.")


def check_second(second) -> Verdict:
    if not isinstance(second, (list, tuple)) or len(second) != 3:
        return wrong("give three answers: two numbers and a word.")
    phi, psi = numbers(list(second[:2]), (2,), "the two counts")
    if phi == 1:
        return wrong("the first answer: Phi reads x, and then it reads the drawn picture to find the pose again.")
    if phi != 2:
        return wrong("the first answer: which pictures does Phi have to read in one step?")
    if psi == 1:
        return wrong("the second answer: Psi draws the reconstruction of x, and x' in the unpaired pose.")
    if psi != 2:
        return wrong("the second answer: which pictures does Psi have to draw in one step?")
    word = str(second[2]).strip().lower()
    if word == "rises":
        return wrong("the third answer: a further constraint helps only if it can be met. Can the person of x' have "
                     "the proportions of somebody else's pose?")  # fmt: skip
    if word == "stays":
        return wrong("the third answer: think of a tall person's pose, drawn with a short person's looks. Which of the "
                     "two losses on that picture can be small?")  # fmt: skip
    if word != "falls":
        return wrong('the third answer must be "falls", "rises" or "stays".')
    return right("in the paper from 3.01 to 2.91 %. The next table shows whether it is so here.")
