"""What somebody does who meets NumPy's and torch's ways for the first time, and whether the answer helps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napa_lib.study.exercises import ADVICE, Wrong, guarded, judge, numbers
from napa_lib.study.plans import find_exercise, load_plan

OLD = torch.ones(2, requires_grad=True) ** 2  # a graph that somebody else's backward has used up
OLD.sum().backward()


def leaf():
    return torch.ones(2, requires_grad=True)


def overwritten():
    y = leaf().exp()
    y += 1
    y.sum().backward()


RAISES = {
    "backward through the graph a second time": lambda: OLD.sum().backward(),
    "Can't call numpy() on Tensor that requires grad": lambda: np.hypot(*leaf()),
    "does not require grad and does not have a grad_fn": lambda: torch.ones(2).sum().backward(),
    "leaf Variable that requires grad is being used in an in-place": lambda: leaf().add_(1),
    "modified by an inplace operation": overwritten,
    "is not defined": lambda: unheard_of,  # noqa: F821
    "and 'NoneType'": lambda: 0.1 * leaf().grad,
    "'numpy.ndarray' object has no attribute": lambda: np.ones(2).norm(),
    "Boolean value of Tensor with more than one value": lambda: min(torch.ones(2), torch.zeros(2)),
    "truth value of an array with more than one element": lambda: min(np.ones(2), np.zeros(2)),
    "must match the size of tensor": lambda: torch.ones(2) + torch.ones(3),
    "could not be broadcast together": lambda: np.ones(2) + np.ones(3),
}


def test_every_advice_belongs_to_an_error_that_these_libraries_raise():
    assert list(RAISES) == list(ADVICE)
    for part, raises in RAISES.items():
        with pytest.raises(Wrong) as told:
            guarded(raises)()
        assert part in str(told.value) and str(told.value).endswith(ADVICE[part])
        assert "retain_graph=True" not in str(told.value) and "detach().numpy()" not in str(told.value)


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        ((1, 2, 3), (2, 3), "should have shape (2, 3), not (1, 2, 3). There is one axis too many in front."),
        ((3, 2), (2, 3), "The axes are in another order."),
        ((4,), (), "should be one number, but it has shape (4,)."),
        ((), (4,), "should have shape (4,), not ()."),
    ],
)
def test_a_wrong_shape_is_told_with_its_usual_reason(got, wanted, said):
    with pytest.raises(Wrong, match="^the answers should") as told:
        numbers(np.zeros(got), wanted, "the answers")
    assert str(told.value).endswith(said)


def flip(line: str) -> str:
    return f"def flip_pose(pose, pairs, width):\n    new = pose.copy()\n{line}\n    return new"


def swap(line: str) -> str:
    return flip(f"{line}\n    for a, b in pairs:\n        new[[a, b]] = new[[b, a]]")


def crop(line: str) -> str:
    return f"def to_crop(points, box, size):\n    x0, y0, x1, y1 = box\n    w, h = size\n    return {line}"


def pckh(line: str) -> str:
    seen = "    seen = ~np.isnan(target[:, 0])\n    d = np.linalg.norm(prediction - target, axis=-1)"
    return f"def my_pckh(prediction, target, head_size):\n{seen}\n    return {line}"


OVAL = """    bone = end - start
    length = np.hypot(*bone)
    offset = points - (start + end) / 2
    along, across = offset @ bone / length, offset @ np.array([-bone[1], bone[0]]) / length"""


def inside(line: str) -> str:
    return f"def my_inside(points, start, end, width):\n{OVAL}\n    return {line}"


def descent(loss: str, steps: str = "steps") -> str:
    return f"""def my_descent(draw, target, pose, steps, rate):
    for _ in range({steps}):
        pose = pose.detach().requires_grad_()
        (gradient,) = torch.autograd.grad({loss}, pose)
        pose = pose - rate * gradient
    return pose"""


ONCE = """def my_descent(draw, target, pose, steps, rate):
    pose = pose.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((draw(pose) - target).square().sum(), pose)
    for _ in range(steps):
        pose = pose - rate * gradient
    return pose"""

TRAIN = """def my_training(phi, eta, psi, critic, forward, batches):
    adam = torch.optim.{adam}([*phi.parameters(), *psi.parameters()], lr=0.01)
    judge = torch.optim.{adam}(critic.parameters(), lr=0.01)
    losses = []
    for x, other, real in batches:
        y, again = forward({frames})
        drawn = (again - x).square().mean()
        adam.zero_grad()
        (drawn + (1 - critic(y)).square().mean()).backward()
        adam.step(){clear}
        ((1 - critic(real)).square().mean() + critic(y.detach()).square().mean()).backward()
        judge.step()
        losses.append(drawn.item())
    return losses"""
CLEAR = "\n        judge.zero_grad()"

EARLY = """def my_step(estimator, judge, optimizers, pictures, poses, lam):
    log, estimates = torch.nn.functional.logsigmoid, estimator(pictures)
    for optimizer in optimizers:
        optimizer.zero_grad()
    error = (estimates[: len(poses)] - poses).square().mean()
    (error - lam * log(judge(estimates)).mean()).backward()
    optimizers[0].step()
    (-log(judge(poses)).mean() - log(-judge(estimates.detach())).mean()).backward()
    optimizers[1].step()
    return True"""

TOLD = [
    ("00.2", swap("    new[:, 1] = width - 1 - new[:, 1]"), "stands the picture on its head"),
    ("00.2", swap("    new[:, 0] = -new[:, 0]"), "a minus alone"),
    ("00.2", flip("    new[:, 0] = width - new[:, 0]"), "two things"),
    ("00.2", flip("    new[:, 0] = width - 1 - new[:, 0]\n    for a, b in pairs:\n"
                  "        new[a], new[b] = pose[b], pose[a]"), "before the mirror"),
    ("00.3", crop("(points - [x0, y0]) * [w / (x1 - x0), h / (y1 - y0)] + 0.5"), "the sign of the half pixel"),
    ("00.3", crop("(points - [x0, y0] - 0.5) * [w / (x1 - x0), h / (y1 - y0)]"), "before the scaling"),
    ("00.3", crop("points - [x0, y0]"), "moved but not scaled"),
    ("00.3", crop("(points - [x0, y0]) * [(w - 1) / (x1 - x0), (h - 1) / (y1 - y0)]"), "not size - 1"),
    ("00.3", crop("(points - [x0, y0]) * [h / (x1 - x0), w / (y1 - y0)] - 0.5"), "width and height are swapped"),
    ("00.3", crop("(points - [x0, y0]) * [w / x1, h / y1] - 0.5"), "ends with a corner"),
    ("00.3", crop("np.stack([(points[:, 0] - x0) * w / (x1 - x0) - 0.5, points[:, 1]], 1)"), "x is right; y goes"),
    ("00.4", pckh("(d[seen] ** 2 < 0.5 * head_size).mean()"), "take its root"),
    ("00.4", pckh("(d[seen] < 0.5 * head_size).sum()"), "divide by how many"),
    ("00.4", pckh("(d[seen] < 0.25 * head_size).mean()"), "PCKh@0.25"),
    ("00.4", pckh("(abs(prediction - target)[seen] < 0.5 * head_size).mean()"), "you count coordinates"),
    ("00.4", pckh("(abs(prediction - target)[seen].max(1) < 0.5 * head_size).mean()"), "the larger of"),
    ("00.4", pckh("d[seen].mean() / head_size"), "the mean distance in heads"),
    ("00.4", pckh("(d[target[:, 0] != np.nan] < 0.5 * head_size).mean()"), "NaN equals nothing"),
    ("01.2", "def my_gram(f):\n    c, h, w = f.shape\n    return f.flatten(1) @ f.flatten(1).T / c * h * w",
     "brackets"),
    ("01.5", "def my_cosine_loss(a, b):\n    return (1 - torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)) / 2",
     "half of it"),
    ("02.2", inside("(2 * offset[:, 0] / length) ** 2 + (2 * offset[:, 1] / width) ** 2 < 1"), "lies level"),
    ("02.2", inside("(abs(along) < length / 2) & (abs(across) < width / 2)"), "a rectangle"),
    ("02.2", inside("(2 * along / length) ** 2 + (2 * across / width) ** 2"), "Compare it with 1"),
    ("02.4", descent("(draw(pose) - target).sum()"), "not squared"),
    ("02.4", descent("(draw(pose) - target).norm()"), "leave its root away"),
    ("02.4", descent("(draw(pose) - target).square().sum()", "steps + 1"), "one step too many"),
    ("02.4", descent("(draw(pose) - target).square().sum()", "steps - 1"), "one step too few"),
    ("02.4", ONCE, "the first gradient again"),
    ("03.8", TRAIN.format(adam="Adam", frames="x, other", clear=""), "never emptied"),
    ("03.8", TRAIN.format(adam="Adam", frames="other, x", clear=CLEAR), "changed places in `forward`"),
    ("03.8", TRAIN.format(adam="SGD", frames="x, other", clear=CLEAR), "plain gradient steps"),
    ("03.7", "def my_forward(phi, eta, beta, psi, x, x_prime):\n    return phi(x), psi(eta(phi(x)), x_prime)",
     "beta has to draw them first"),
    ("04.1", "def my_descriptor(pose):\n    n = len(pose)\n    o = (pose[:, None] - pose[None]).reshape(3, n, n)\n"
     "    return torch.cat([o, o**2])", "deals the values out anew"),
    ("04.4", "def my_losses(real, fake):\n    log = lambda s: torch.nn.functional.logsigmoid(s) / 2.302585\n"
     "    return -log(real).mean() - log(-fake).mean(), -log(fake).mean()", "base 10"),
    ("04.6", EARLY, "cleared too early"),
]  # fmt: skip


@pytest.mark.parametrize(("identifier", "code", "hint"), TOLD, ids=[f"{number} {hint}" for number, _, hint in TOLD])
def test_a_beginners_mistake_is_called_by_its_name(identifier, code, hint):
    exercise, names = find_exercise(identifier), {}
    exec(load_plan(identifier[:2]).prelude, names)
    exec(code, names)
    verdict = judge(exercise, names[exercise.answer])
    assert verdict.status == "wrong" and hint in verdict.message, verdict
