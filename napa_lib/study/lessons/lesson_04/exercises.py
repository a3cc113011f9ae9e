"""Lesson 04: the exercises' words, stubs, solutions and usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_04 import checks

DESCRIPTOR = Exercise(
    id="04.1",
    title="Every joint as seen from every other",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        Eq. 1 for all pairs at once. `pose` is a float tensor (J, 3). Return the descriptor (6, J, J): at row i and
        column j the six numbers of joint i as seen from joint j, offsets first. No loop is needed.
    """,
    stub="""
        def my_descriptor(pose):
            ...
            return None  # (6, J, J)
    """,
    answer="my_descriptor",
    hints=(
        "`pose[:, None] - pose[None]` is (J, J, 3): at (i, j) the difference of joints i and j. Which axis must come "
        "first?",
        "`offsets = (pose[:, None] - pose[None]).permute(2, 0, 1)`, then `torch.cat` with its square.",
    ),
    if_you_see="a shape (J, J, 6) is refused: the channels come first, as those of a picture do.",
    solution="""
        def my_descriptor(pose):
            offsets = (pose[:, None] - pose[None]).permute(2, 0, 1)
            return torch.cat([offsets, offsets**2])
    """,
    why="""
        J² pairs, each twice: (i, j) and (j, i) hold the same offsets with opposite signs. The judge gets both, as in
        the paper.
    """,
    check=checks.check_descriptor,
    wrong_answers=tuple(
        WrongAnswer(name, "def my_descriptor(pose):\n"
                    f"    d = (pose[:, None] - pose[None]).permute(2, 0, 1)\n    return {code}", hint)
        for name, code, hint in (
            ("sign", "torch.cat([-d, d**2])", "joint i seen from joint j"),
            ("squares first", "torch.cat([d**2, d])", "the squares come last"),
            ("absolute", "torch.cat([d.abs(), d**2])", "left cannot be told from right"),
            ("absolute squares", "torch.cat([d, d.abs()])", "are squares, not absolute"),
            ("distances", "torch.cat([d, d.norm(dim=0).expand(3, -1, -1)])", "the distance three times"),
            ("squared distances", "torch.cat([d, d.square().sum(0).expand(3, -1, -1)])", "you add them up"),
            ("product", "torch.cat([d, d * d.mT])", "is minus the square"),
            ("interleaved", "torch.stack([d, d**2], 1).flatten(0, 1)", "interleaved"),
            ("difference of squares", "torch.cat([d, (pose[:, None]**2 - pose[None]**2).permute(2, 0, 1)])",
             "not the difference of the squares"),
            ("five joints", "torch.cat([d, d**2]) if len(pose) == 5 else torch.zeros(6, 2, 2)", "of two it is not"),
            ("noise", "torch.ones_like(torch.cat([d, d]))", "channel 0 at (i, j)"),
        )
    ),
)  # fmt: skip

UNCHANGED = Exercise(
    id="04.2",
    title="What does it not notice?",
    kind="predict",
    difficulty=2,
    minutes=6,
    task="""
        Somebody's pose is changed as a whole. How many of the six channels dx, dy, dz, dx², dy², dz² keep **all** their
        values, if the person is

        1. moved half a metre to the right and further away,
        2. mirrored left to right (x becomes -x),
        3. turned by 30 degrees about the vertical axis (y),
        4. scaled to twice the size?
    """,
    stub="unchanged = [..., ..., ..., ...]  # moved, mirrored, turned, scaled",
    answer="unchanged",
    hints=(
        "Write dx of the changed pose in terms of the old dx, dy and dz, for each of the four.",
        "Mirrored: dx becomes -dx, and its square? Turned: dx and dz mix; what of dy?",
    ),
    if_you_see="an answer for each channel: one number is asked for each change.",
    solution="unchanged = [6, 5, 2, 0]",
    why="""
        So the descriptor knows left from right, the view from the side from that from the front, and tall from short.
        What it does not know is where somebody is.
    """,
    check=checks.check_unchanged,
    wrong_answers=tuple(
        WrongAnswer(name, f"unchanged = {answer}", hint)
        for name, answer, hint in (
            ("moves", [3, 5, 2, 0], "both are moved alike"),
            ("blind to mirrors", [6, 6, 2, 0], "could not tell left from right"),
            ("squares of mirrors", [6, 4, 2, 0], "squaring do to a minus"),
            ("mirrors", [6, 3, 2, 0], "channels one by one"),
            ("turns nothing", [6, 5, 0, 0], "heights of the joints"),
            ("squares of turns", [6, 5, 3, 0], "the squares change as well"),
            ("turns all", [6, 5, 6, 0], "does not hold distances"),
            ("turns one", [6, 5, 1, 0], "hold y alone"),
            ("scales", [6, 5, 2, 3], "squares four times"),
        )
    ),
)

LOSSES = Exercise(
    id="04.4",
    title="Judge and estimator",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        Both sides of the game, eq. 3 and 4. `real` and `fake` are the judge's logits of true poses and of estimates,
        float tensors of lengths that may differ; its probability that a pose is true is their sigmoid. Return the
        judge's loss and the estimator's, two numbers to be **minimised**, with a mean over each of the two. They must
        stay right for a logit of 200 or -200.
    """,
    stub="""
        def my_losses(real, fake):
            ...
            return None  # (judge's, estimator's)
    """,
    answer="my_losses",
    hints=(
        "The judge wants p = 1 for true poses and p = 0 for estimates. The estimator wants p = 1 for its own.",
        "$\\log p$ is `torch.nn.functional.logsigmoid(logit)`, and $1 - p$ is the sigmoid of minus the logit.",
    ),
    if_you_see="`inf` or `nan`: the sigmoid of 200 rounds to 1, and log(1 - 1) is minus infinity.",
    solution="""
        def my_losses(real, fake):
            log = torch.nn.functional.logsigmoid
            return -log(real).mean() - log(-fake).mean(), -log(fake).mean()
    """,
    why="""
        The paper sums over the batch. With means, lambda does not depend on the batch's size.
    """,
    check=checks.check_losses,
    wrong_answers=tuple(
        WrongAnswer(name, "def my_losses(real, fake):\n    log = torch.nn.functional.logsigmoid\n"
                    f"    good = -log(real).mean() - log(-fake).mean()\n    return {code}", hint)
        for name, code, hint in (
            ("labels", "-log(-real).mean() - log(fake).mean(), -log(fake).mean()", "the labels are swapped"),
            ("sums", "-log(real).sum() - log(-fake).sum(), -log(fake).mean()", "sums instead of means"),
            ("one mean", "-torch.cat([log(real), log(-fake)]).mean(), -log(fake).mean()", "one mean over both"),
            ("sign", "-good, -log(fake).mean()", "a logarithm of a probability is negative"),
            ("half a judge", "-log(real).mean(), -log(fake).mean()", "second half is missing"),
            ("squares", "(1 - real).square().mean() + fake.square().mean(), -log(fake).mean()", "lesson 03's game"),
            ("halved", "good / 2, -log(fake).mean()", "no factor 1/2"),
            ("no judge", "real.mean(), -log(fake).mean()", "with p the sigmoid of a logit"),
            ("wants to lose", "good, -log(-fake).mean()", "minimises what the judge wants"),
            ("minimax", "good, log(-fake).mean()", "its slope"),
            ("same", "good, good", "nobody plays"),
            ("minus", "good, -good", "has no end"),
            ("sum of the estimator", "good, -log(fake).sum()", "a sum instead of a mean in"),
            ("square of the estimator", "good, (1 - fake.sigmoid()).square().mean()", "a square in the estimator"),
            ("with lambda", "good, -1e-4 * log(fake).mean()", "lambda belongs to eq. 5"),
            ("mean logit", "good, -fake.mean()", "wants its poses to be called true"),
            ("one loss", "[good]", "return two losses"),
            ("changed places", "-log(fake).mean(), good", "have changed places"),
            ("cut off", "-(real.sigmoid() + 1e-8).log().mean() - (1 - fake.sigmoid() + 1e-8).log().mean(), "
             "-(fake.sigmoid() + 1e-8).log().mean()", "finite, but cut off"),
            ("overflow", "-real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean(), "
             "-fake.sigmoid().log().mean()", "exp overflows"),
        )
    ),
)  # fmt: skip

SURE = Exercise(
    id="04.5",
    title="A judge that is sure",
    kind="predict",
    difficulty=2,
    minutes=5,
    task="""
        Two decimals each.

        1. The judge says p = 0.5 to everything. What is its loss, eq. 3 with means?
        2. And the estimator's, eq. 4?
        3. Now it is sure: p = 0.01 for an estimate. How steep is $-\\log p$ there, as a function of the logit?
        4. How steep is $\\log(1 - p)$, what the estimator would minimise if it played the judge's own game backwards?

        Of a slope give the size, without the sign.
    """,
    stub="sure = [..., ..., ..., ...]",
    answer="sure",
    hints=(
        "-log 0.5 is 0.69. How many such terms has eq. 3, how many eq. 4?",
        "With p the sigmoid of s, $\\frac{d}{ds}(-\\log p) = p - 1$ and $\\frac{d}{ds}\\log(1 - p) = -p$.",
    ),
    if_you_see="0.30: that is the logarithm to base 10.",
    solution="sure = [1.39, 0.69, 0.99, 0.01]",
    why="""
        1.39 is what the judge's curve comes to when it cannot tell any more. Watch for it below.
    """,
    check=checks.check_sure,
    wrong_answers=tuple(
        WrongAnswer(name, f"sure = {answer}", hint)
        for name, answer, hint in (
            ("one half", [0.69, 0.69, 0.99, 0.01], "eq. 3 has two halves"),
            ("base 10", [0.3, 0.3, 0.99, 0.01], "-log(1 - 0.5) for the estimates"),
            ("two halves", [1.39, 1.39, 0.99, 0.01], "looks at the estimates alone"),
            ("exchanged", [1.39, 0.69, 0.01, 0.99], "that is the slope of log(1 - p)"),
            ("slope", [1.39, 0.69, 100, 0.01], "sigmoid(s) - 1"),
            ("same slope", [1.39, 0.69, 0.99, 0.99], "has the slope -sigmoid(s)"),
            ("no slope", [1.39, 0.69, 0.99, 1.01], "is p itself"),
        )
    ),
)

_STEP = """
    def my_step(estimator, judge, optimizers, pictures, poses, lam):
        of_estimator, of_judge = optimizers
        log = torch.nn.functional.logsigmoid
        estimates = estimator(pictures)
        {before}error = {error}
        loss = {loss}
        {clear}
        loss.backward()
        of_estimator.step()
        {between}
        judged = {judged}
        judged.backward()
        {after}
"""
_JUDGE_FIRST = """
    def my_step(estimator, judge, optimizers, pictures, poses, lam):
        log = torch.nn.functional.logsigmoid
        estimates = estimator(pictures)
        judged = -log(judge(poses)).mean() - log(-judge(estimates.detach())).mean()
        optimizers[1].zero_grad()
        judged.backward()
        optimizers[1].step()
        loss = (estimates[: len(poses)] - poses).square().mean() - lam * log(judge(estimates)).mean()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        return True
"""
_RIGHT = {
    "before": "", "error": "(estimates[: len(poses)] - poses).square().mean()",
    "loss": "error - lam * log(judge(estimates)).mean()", "clear": "of_estimator.zero_grad()",
    "between": "of_judge.zero_grad()",
    "judged": "-log(judge(poses)).mean() - log(-judge(estimates.detach())).mean()", "after": "of_judge.step()",
}  # fmt: skip


def _step(**change: str) -> str:
    return _STEP.format(**{**_RIGHT, **change})


STEP = Exercise(
    id="04.6",
    title="One step of the game",
    kind="code",
    difficulty=3,
    minutes=14,
    task="""
        Now the training step itself. `estimator(pictures)` gives poses (B, J, 3), `judge(poses)` logits (B,);
        `optimizers` are two, of the estimator and of the judge. `pictures` are B, the first half from the lab, the
        others from the wild; `poses` (B / 2, J, 3) are the true poses of the lab's half, the only ones there are. All
        tensors are float32.

        - **The estimator's turn**, eq. 5: the mean squared error of the lab's half, plus `lam` times eq. 4 over all
          estimates. One step of its optimizer.
        - **The judge's turn**, eq. 3: true poses against all estimates, the same as before. One step of its optimizer,
          and no trace of it in the estimator.

        Return `True` at the end; the check looks at the weights.
    """,
    stub="""
        def my_step(estimator, judge, optimizers, pictures, poses, lam):
            of_estimator, of_judge = optimizers
            estimates = estimator(pictures)  # (B, J, 3)
            ...
            return None  # True, when it is done
    """,
    answer="my_step",
    hints=(
        "Each turn: loss, `zero_grad()` of its own optimizer, `backward()`, `step()`. In the estimator's turn a "
        "gradient runs through the judge, too. Who clears it?",
        "In the judge's turn show it `estimates.detach()`: its loss then leads back to the judge alone.",
    ),
    if_you_see="`Trying to backward through the graph a second time`: the judge's loss leads back into the estimator; "
    "detach the estimates.",
    solution=_step().rstrip() + "\n        return True\n",
    why="""
        In the library the judge is frozen during the estimator's turn, which saves the gradients that nobody uses.
    """,
    check=checks.check_step,
    wrong_answers=(WrongAnswer("judge first", _JUDGE_FIRST, "the judge goes first in yours"),) + tuple(
        WrongAnswer(name, _step(**change).rstrip() + "\n        return True\n", hint)
        for name, change, hint in (
            ("kept gradient", {"between": "pass"}, "clear the judge's gradient between"),
            ("stepped judge", {"between": "of_judge.step(); of_judge.zero_grad()"}, "towards being fooled"),
            ("forgotten detach", {"before": "again = estimator(pictures)\n        ",
                                  "judged": "-log(judge(poses)).mean() - log(-judge(again)).mean()"},
             "a forgotten detach"),
            ("second time", {"judged": "-log(judge(poses)).mean() - log(-judge(estimates)).mean()"},
             "your function stopped with RuntimeError"),
            ("swapped", {"judged": "-log(-judge(poses)).mean() - log(judge(estimates.detach())).mean()"},
             "it learns that estimates are true"),
            ("sign", {"loss": "error + lam * log(judge(estimates)).mean()"}, "runs away from"),
            ("no lambda", {"loss": "error - log(judge(estimates)).mean()"}, "lam is missing"),
            ("no pose loss", {"loss": "-lam * log(judge(estimates)).mean()"}, "nothing ties the pose"),
            ("no fooling", {"loss": "error"}, "eq. 4 is missing"),
            ("no judge", {"after": "pass"}, "never takes its step"),
            ("anew", {"judged": "-log(judge(poses)).mean() - log(-judge(estimator(pictures).detach())).mean()"},
             "costs another pass"),
            ("wild only", {"loss": "error - lam * log(judge(estimates[len(poses) :])).mean()"}, "eq. 4 has all"),
            ("lab only", {"judged": "-log(judge(poses)).mean() - log(-judge(estimates[: len(poses)].detach())).mean()"},
             "the wild is what the game is for"),
            ("minimax", {"loss": "error + lam * log(-judge(estimates)).mean()"}, "nearly flat"),
            ("sum", {"error": "(estimates[: len(poses)] - poses).square().sum()"}, "weighs far less"),
            ("NaN", {"before": "poses = torch.cat([poses, torch.full_like(poses, torch.nan)])\n        "},
             "weights are NaN"),
            ("other judge", {"judged": "-log(judge(poses)).mean()"}, "the estimator's turn is right"),
            ("other estimator", {"loss": "error - 3 * lam * log(judge(estimates)).mean()"},
             "the judge's turn is right"),
            ("nothing", {"loss": "0 * error", "judged": "0 * judge(poses).sum()"}, "with the same estimates, detached"),
            ("old gradient", {"clear": "pass"}, "is still there when"),
        )
    ),
)  # fmt: skip

FOOL = Exercise(
    id="04.3",
    title="Fool the judge",
    kind="break",
    difficulty=2,
    minutes=6,
    task="""
        A judge sees nothing but the descriptor. `pose` is a float tensor (17, 3), in half sides of the picture. Return
        another pose (17, 3) in which **every** joint is at least 0.1 from where it was, but to which every such judge,
        whatever its weights, gives exactly the same score.
    """,
    stub="""
        def my_fool(pose):
            ...
            return None  # (17, 3)
    """,
    answer="my_fool",
    hints=(
        "Which of the four changes of exercise 04.2 left all six channels alone?",
        "One line: the same offset for all joints.",
    ),
    if_you_see="`all distances are as before`: a turn keeps distances, but not dx and dz.",
    solution="""
        def my_fool(pose):
            return pose + torch.tensor([0.3, 0.0, 0.0])
    """,
    why="""
        A pose beside its person is as good as any to such a judge. The maps show where the joints lie; with the picture
        and the maps together a judge can see that nobody stands there.
    """,
    check=checks.check_fool,
    wrong_answers=tuple(
        WrongAnswer(name, f"def my_fool(pose):\n    return {code}", hint)
        for name, code, hint in (
            ("nothing", "pose.clone()", "as it was"),
            ("mirror", "pose * torch.tensor([-1.0, 1.0, 1.0])", "sees the signs of dx"),
            ("turn", "pose[:, [2, 1, 0]] * torch.tensor([1.0, 1.0, -1.0])", "a turn does not"),
            ("larger", "1.3 * pose", "leaves all differences alone"),
            ("too little", "pose + 0.01", "too close"),
            ("NaN", "pose + torch.nan", "holds NaN"),
        )
    ),
)

EXERCISES = (DESCRIPTOR, UNCHANGED, FOOL, LOSSES, SURE, STEP)
