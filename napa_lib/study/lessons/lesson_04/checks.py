"""Lesson 04: what is right, what is wrong and why."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from napa_lib.adversarial import geometric_descriptor
from napa_lib.study.exercises import Verdict, close, numbers, right, wrong

LAMBDA = 0.5  # of exercise 04.6
FAR = 0.1  # how far each joint must be from its place in exercise 04.3


def check_descriptor(my_descriptor) -> Verdict:
    pose = np.random.default_rng(0).normal(size=(5, 3))
    got = numbers(my_descriptor(torch.tensor(pose)), (6, 5, 5), "the descriptor")
    offsets = (pose[:, None] - pose[None]).transpose(2, 0, 1)
    if close(got, np.concatenate([offsets, offsets**2])):
        lone = numbers(my_descriptor(torch.tensor(pose[:2])), (6, 2, 2), "the descriptor of two joints")
        if close(lone, np.concatenate([offsets, offsets**2])[:, :2, :2]):
            return right("six numbers for every pair, and none of them says where the person stands.")
        return wrong("of five joints it is right, of two it is not: take the number of joints from the pose.")
    distance = np.sqrt((offsets**2).sum(0, keepdims=True))
    usual = (
        (np.concatenate([flat := (pose[:, None] - pose[None]).reshape(3, 5, 5), flat**2]), "`reshape` deals the values "
         "out anew instead of moving an axis: `permute(2, 0, 1)`."),
        (np.concatenate([-offsets, offsets**2]), "the sign: entry (i, j) is joint i seen from joint j, z_i - z_j."),
        (np.concatenate([offsets**2, offsets]), "the squares come last, the offsets first."),
        (np.concatenate([abs(offsets), offsets**2]), "you took absolute values: then left cannot be told from right."),
        (np.concatenate([offsets, abs(offsets)]), "the last three channels are squares, not absolute values."),
        (np.concatenate([offsets, np.repeat(distance, 3, 0)]), "the squares stay apart, one for x, one for y, one for "
         "z; you give the distance three times."),
        (np.concatenate([offsets, np.repeat(distance**2, 3, 0)]), "the squares stay apart; you add them up."),
        (np.concatenate([offsets, offsets.transpose(0, 2, 1) * offsets]), "a product of (i, j) with (j, i) is minus "
         "the square."),
        (np.stack([offsets, offsets**2], 1).reshape(6, 5, 5), "the channels are interleaved: first all three offsets, "
         "then all three squares."),
        (np.concatenate([offsets, (pose[:, None] ** 2 - pose[None] ** 2).transpose(2, 0, 1)]), "the square of the "
         "difference, not the difference of the squares."),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("channel 0 at (i, j) is x_i - x_j; channels 1 and 2 the same of y and z; 3 to 5 their squares.")


def check_unchanged(unchanged) -> Verdict:
    moved, mirrored, turned, scaled = numbers(unchanged, (4,), "the list of answers")
    if moved != 6:
        return wrong("moved: each entry is a difference of two joints. What becomes of it when both are moved alike?")
    if mirrored == 6:
        return wrong("mirrored: if nothing changed, the judge could not tell left from right. Which channel has x in "
                     "it, and no square?")  # fmt: skip
    if mirrored == 4:
        return wrong("mirrored: dx² holds an x, but what does squaring do to a minus?")
    if mirrored != 5:
        return wrong("mirrored: x becomes -x for every joint. Go through the six channels one by one.")
    if turned == 0:
        return wrong("turned: about the vertical axis. What happens to the heights of the joints?")
    if turned == 3:
        return wrong("turned: the squares change as well; only dx² + dz² together stays.")
    if turned == 6:
        return wrong("turned: distances stay, but the descriptor does not hold distances.")
    if turned != 2:
        return wrong("turned: x and z mix, y does not. How many channels hold y alone?")
    if scaled != 0:
        return wrong("scaled: offsets become twice as large, squares four times.")
    return right("the next cell does all four and counts.")


def check_losses(my_losses) -> Verdict:
    rng = np.random.default_rng(3)
    real, fake = rng.normal(1, 2, 7), rng.normal(-1, 2, 5)
    got = my_losses(torch.tensor(real), torch.tensor(fake))
    if not (isinstance(got, (list, tuple)) or getattr(got, "ndim", 0) == 1) or len(got) != 2:
        return wrong("return two losses: the judge's, then the estimator's.")
    judge, estimator = (float(numbers(loss, (), "a loss")) for loss in got)
    p, q = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    wanted = -np.log(p).mean() - np.log(1 - q).mean()
    if close([estimator, judge], [wanted, -np.log(q).mean()]):
        return wrong("the two have changed places: the judge's loss comes first.")
    for value, hint in (
        (-np.log(1 - p).mean() - np.log(q).mean(), "the labels are swapped: true poses have the label 1."),
        (-np.log(p).sum() - np.log(1 - q).sum(), "sums instead of means: the loss would grow with the batch."),
        (-np.log(np.concatenate([p, 1 - q])).mean(), "one mean over both halves: eq. 3 adds one of each."),
        (-wanted, "the sign: a logarithm of a probability is negative, and losses are minimised."),
        (-np.log(p).mean(), "the judge's second half is missing: it must also learn what is not true."),
        (((1 - p) ** 2).mean() + (q**2).mean(), "those are squares, lesson 03's game; eq. 3 has logarithms."),
        (((1 - real) ** 2).mean() + (fake**2).mean(), "those are squares, lesson 03's game; eq. 3 has logarithms."),
        (wanted / np.log(10), "that is the logarithm to base 10; take the natural one."),
        (wanted / 2, "half of it: eq. 3 has no factor 1/2."),
    ):
        if close(judge, value):
            return wrong(hint)
    if not close(judge, wanted):
        return wrong("with p the sigmoid of a logit, the judge's loss is mean(-log p(real)) + mean(-log(1 - p(fake))).")
    for value, hint in (
        (-np.log(1 - q).mean(), "the estimator minimises what the judge wants: its poses would be called false."),
        (np.log(1 - q).mean(), "that is the judge's half with a minus. Where the judge is sure of a fake, its slope "
         "is all but zero, just where it is needed; eq. 4 has -log p."),
        (wanted, "both minimise the same: then nobody plays against anybody."),
        (-wanted, "the judge's loss with a minus has no end, and true poses are not the estimator's doing."),
        (-np.log(q).sum(), "a sum instead of a mean in the estimator's loss."),
        (((1 - q) ** 2).mean(), "a square in the estimator's loss; eq. 4 has a logarithm."),
        (LAMBDA * 2e-4 * -np.log(q).mean(), "lambda belongs to eq. 5; eq. 4 is without."),
    ):  # fmt: skip
        if close(estimator, value, 1e-6):
            return wrong(hint)
    if not close(estimator, -np.log(q).mean()):
        return wrong("the estimator's loss is mean(-log p(fake)): it wants its poses to be called true.")
    sure = [float(numbers(loss, (), "a loss")) for loss in my_losses(torch.tensor([-200.0]), torch.tensor([-200.0]))]
    if not np.isfinite(sure).all():
        return wrong("with a judge that is very sure, exp overflows and log meets 0: use logsigmoid or softplus, which "
                     "take the logit.")  # fmt: skip
    if not close(sure, [200.0, 200.0], 0.1):
        return wrong("finite, but cut off: at a logit of -200, -log p is 200. Beyond an eps or a clamp there is no "
                     "slope to learn from: use logsigmoid or softplus.")  # fmt: skip
    return right("and right, however sure the judge is.")


def check_sure(sure) -> Verdict:
    even, estimator, slope, other = numbers(sure, (4,), "the list of answers")
    if close(even, np.log(2), 0.02):
        return wrong("the first answer: eq. 3 has two halves, and each is log 2.")
    if not close(even, 2 * np.log(2), 0.02):
        return wrong("the first answer: -log 0.5 for the true poses and -log(1 - 0.5) for the estimates.")
    if not close(estimator, np.log(2), 0.02):
        return wrong("the second answer: eq. 4 looks at the estimates alone, -log 0.5.")
    if close(slope, 0.01, 0.005):
        return wrong("the third answer: that is the slope of log(1 - p). For -log p it is p - 1, in size.")
    if not close(slope, 0.99, 0.005):
        return wrong("the third answer: -log sigmoid(s) has the slope sigmoid(s) - 1. Take its size at p = 0.01.")
    if close(other, 0.99, 0.005):
        return wrong("the fourth answer: log(1 - sigmoid(s)) has the slope -sigmoid(s).")
    if not close(other, 0.01, 0.005):
        return wrong("the fourth answer: the size of the slope of log(1 - sigmoid(s)) is p itself.")
    return right("a hundred times more to learn from, just where the estimates are worst.")


# --- the training step -----------------------------------------------------------------------------------------------

Step = Callable[..., object]


def check_step(my_step) -> Verdict:
    done = _after(my_step)
    wanted = _known(reference_step)
    if _same(done, wanted):
        if done["gradient"].any() and not close(done["gradient"], wanted["gradient"]):
            return wrong("the weights are right, but the judge's turn left a gradient in the estimator: a forgotten "
                         "detach. Whoever does not clear it learns from it.")  # fmt: skip
        return right("two networks, two turns, and each learns in its own.")
    if np.isnan(done["estimator"]).any():
        return wrong("the estimator's weights are NaN: pictures in the wild have no true pose, and NaN is in the mean. "
                     "Compare the lab's half alone.")  # fmt: skip
    for variant, hint in VARIANTS:
        if _same(done, _known(variant)):
            return wrong(hint)
    if close(done["first estimator"], wanted["first estimator"], 1e-5):
        return wrong("the estimator's turn is right. The judge's loss: mean(-log p(true poses)) + mean(-log(1 - p("
                     "estimates))), the estimates of this step, detached.")  # fmt: skip
    if close(done["first judge"], wanted["first judge"], 1e-5):
        return wrong("the judge's turn is right. The estimator's loss: the mean squared error of the lab's half, plus "
                     "lam times mean(-log p(estimates)) of all.")  # fmt: skip
    return wrong("estimator: mean squared error of the lab's half plus lam times eq. 4 of all pictures; one step. Then "
                 "the judge: eq. 3 with the same estimates, detached; one step.")  # fmt: skip


def reference_step(estimator, judge, optimizers, pictures, poses, lam, **change):
    """One right step, or one with a usual mistake."""
    of_estimator, of_judge = optimizers
    estimates = estimator(pictures)
    half = len(poses)
    fooling = -nn.functional.logsigmoid(judge(estimates[half:] if change.get("wild only") else estimates))
    if change.get("minimax"):
        fooling = nn.functional.logsigmoid(-judge(estimates))
    if change.get("sign"):
        fooling = -fooling
    error = (estimates[:half] - poses).square()
    pose_loss = error.sum() if change.get("sum") else error.mean()
    weight = 1.0 if change.get("no lambda") else lam
    loss = pose_loss + weight * fooling.mean()
    if change.get("no pose loss"):
        loss = weight * fooling.mean()
    if change.get("no fooling"):
        loss = pose_loss
    if not change.get("old gradient"):
        of_estimator.zero_grad()
    if change.get("cleared early"):
        of_judge.zero_grad()
    loss.backward()
    of_estimator.step()
    if change.get("stepped judge"):
        of_judge.step()
    if not (change.get("kept gradient") or change.get("cleared early")):
        of_judge.zero_grad()
    fakes = estimator(pictures) if change.get("anew") else estimates
    fakes = fakes.detach()
    on_real, on_fake = judge(poses), judge(fakes[:half] if change.get("lab only") else fakes)
    if change.get("swapped"):
        on_real, on_fake = -on_real, -on_fake
    judged = -nn.functional.logsigmoid(on_real).mean() - nn.functional.logsigmoid(-on_fake).mean()
    judged.backward()
    if not change.get("no judge"):
        of_judge.step()


def _judge_first(estimator, judge, optimizers, pictures, poses, lam):
    """The two turns in the other order."""
    log = nn.functional.logsigmoid
    estimates = estimator(pictures)
    judged = -log(judge(poses)).mean() - log(-judge(estimates.detach())).mean()
    optimizers[1].zero_grad()
    judged.backward()
    optimizers[1].step()
    loss = (estimates[: len(poses)] - poses).square().mean() - lam * log(judge(estimates)).mean()
    optimizers[0].zero_grad()
    loss.backward()
    optimizers[0].step()


def _variant(name: str) -> Step:
    def step(*arguments):
        return reference_step(*arguments, **{name: True})

    return step


VARIANTS = ((_judge_first, "the judge goes first in yours, and the estimator meets a judge that has learned already: "
             "here the estimator's turn is the first."),) + tuple(
    (_variant(name), hint)
    for name, hint in (
        ("kept gradient", "the estimator's turn has left a gradient in the judge, and the judge's step takes it along: "
         "clear the judge's gradient between the turns."),
        ("cleared early", "the judge's gradient is cleared too early: the estimator's `backward` fills it again, and "
         "the judge's step takes that along. Clear it between the turns."),
        ("old gradient", "the estimator's gradient of the step before is still there when it takes the next one: clear "
         "it before `backward`."),
        ("stepped judge", "the judge takes a step in the estimator's turn, too: towards being fooled."),
        ("swapped", "the judge's labels are swapped: it learns that estimates are true."),
        ("sign", "the estimator runs away from the judge's favour: its loss is mean(-log p), to be minimised."),
        ("no lambda", "lam is missing: the judge counts as much as the labels."),
        ("no pose loss", "the squared error of the lab's half is missing: eq. 5 keeps it, or nothing ties the pose to "
         "the picture."),
        ("no fooling", "the judge has no say in what the estimator learns: eq. 4 is missing, or its estimates are "
         "detached."),
        ("no judge", "the judge never takes its step."),
        ("anew", "the judge is shown estimates that were made anew after the estimator's step: that costs another "
         "pass; use those of this step."),
        ("wild only", "only the wild's estimates are to fool the judge; eq. 4 has all pictures in its sum."),
        ("lab only", "the judge sees the lab's estimates alone: the wild is what the game is for."),
        ("minimax", "log(1 - p) in the estimator's loss: nearly flat where the judge is sure; eq. 4 has -log p."),
        ("sum", "a sum of squares instead of a mean: lam then weighs far less."),
    )
)  # fmt: skip


class _Judge(nn.Module):
    """Descriptor in, logit out."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6 * 16, 1)

    def forward(self, poses: Tensor) -> Tensor:
        return self.layer(geometric_descriptor(poses).flatten(1))[:, 0]


def game() -> tuple:
    """What exercise 04.6 hands over: estimator, judge, their optimizers, pictures, the lab's poses and lambda."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        estimator = nn.Sequential(nn.Linear(10, 12), nn.Unflatten(1, (4, 3)))
        judge = _Judge()
        pictures, poses = torch.randn(8, 10), torch.randn(4, 4, 3)
    optimizers = (torch.optim.SGD(estimator.parameters(), lr=0.1), torch.optim.SGD(judge.parameters(), lr=0.1))
    return estimator, judge, optimizers, pictures, poses, LAMBDA


def _after(step: Step) -> dict[str, np.ndarray]:
    """Both networks' weights after one step and after two, and the estimator's gradient after one."""
    estimator, judge, optimizers, pictures, poses, lam = game()
    found: dict[str, np.ndarray] = {}
    for number in range(2):
        step(estimator, judge, optimizers, pictures.clone(), poses.clone(), lam)
        when = "first " if number == 0 else ""
        found |= {f"{when}estimator": _flat(estimator.parameters()), f"{when}judge": _flat(judge.parameters())}
        if number == 0:
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in estimator.parameters()]
            found["gradient"] = _flat(gradients)
    return found


_known = cache(_after)  # of the right step and of the usual mistakes, which do not change


def _flat(tensors) -> np.ndarray:
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).double().numpy()


def _same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return close(one["estimator"], other["estimator"], 1e-5) and close(one["judge"], other["judge"], 1e-5)


# --- fool the judge --------------------------------------------------------------------------------------------------


def check_fool(my_fool) -> Verdict:
    generator = torch.Generator().manual_seed(5)
    poses = 0.4 * torch.randn(4, 17, 3, generator=generator)
    got = torch.stack(
        [torch.tensor(numbers(my_fool(pose.clone()), (17, 3), "the pose")).float() for pose in poses]
    )  # fmt: skip
    before, after = (geometric_descriptor(x) for x in (poses, got))
    if not bool(got.isfinite().all()):
        return wrong("the pose holds NaN or infinity: of such a pose a judge says nothing.")
    away = (got - poses).norm(dim=-1)
    if not bool(away.gt(1e-6).any()):
        return wrong("the pose is as it was: every joint must be somewhere else.")
    off = float((before - after).abs().amax())
    if off > 1e-4:
        if close(after[:, 3:].numpy(), before[:, 3:].numpy(), 1e-4):
            return wrong("all squares are as before, but the judge sees the signs of dx, dy and dz as well.")
        if close(after[:, 3:].sum(1).numpy(), before[:, 3:].sum(1).numpy(), 1e-4):
            return wrong("all distances are as before, but the judge sees dx, dy and dz apart: a turn does not "
                         "pass.")  # fmt: skip
        return wrong(f"the descriptor changes by up to {off:.2g}, and the judge may notice. What change of a pose "
                     "leaves all differences alone?")  # fmt: skip
    if float(away.min()) < FAR - 1e-4:
        return wrong(f"too close: a joint is only {float(away.min()):.2f} from its place, and it should be {FAR}.")
    return right("the descriptor is blind to where somebody stands. The picture alone does not help the judge: it must "
                 "be told where the pose lies in it, by the maps.")  # fmt: skip
