"""Lesson 07: the exercises' words, stubs, solutions and usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_07 import checks

_MIXUP = """
    def my_mixup(shots, n):
        count = len(shots)
        first = {first}
        second = {second}
        ratio = {ratio}
        return {value}
"""
_FIRST, _SECOND = "torch.randint(count, (n,))", "(first + torch.randint(1, count, (n,))) % count"
_VALUE = "ratio * shots[first] + (1 - ratio) * shots[second]"


def _mixup(first: str = _FIRST, second: str = _SECOND, ratio: str = "torch.rand(n, 1, 1)", value: str = _VALUE) -> str:
    return _MIXUP.format(first=first, second=second, ratio=ratio, value=value)


MIXUP = Exercise(
    id="07.1",
    title="Poses between poses",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        `shots` is a float32 tensor (M, J, 2), M >= 2 poses. Return `n` mixed poses (n, J, 2): each lies between two
        **different** shots drawn at random, $\\lambda t_i + (1 - \\lambda) t_j$, with a $\\lambda$ of its own, uniform
        from 0 to 1 and the same for all its joints.
    """,
    stub="""
        def my_mixup(shots, n):
            count = len(shots)
            ...
            return None  # (n, J, 2)
    """,
    answer="my_mixup",
    hints=(
        "`torch.randint(count, (n,))` draws n shots at once, and `shots[first]` has their poses, (n, J, 2).",
        "A second one that is never the first: add 1 to count - 1 and go round, `(first + torch.randint(1, count, "
        "(n,))) % count`. And `torch.rand(n, 1, 1)` is one lambda a pose.",
    ),
    if_you_see="`The size of tensor a (n) must match the size of tensor b (2)`: lambda needs the shape (n, 1, 1).",
    solution=_mixup(),
    why="The paper takes E = 1000 such poses for the target's own, whatever M is.",
    check=checks.check_mixup,
    wrong_answers=(
        WrongAnswer("copies", _mixup(second="torch.randint(count, (n,))"), "copies of a shot"),
        WrongAnswer("one lambda", _mixup(ratio="torch.rand(1)"), "draw one for each"),
        WrongAnswer("joint by joint", _mixup(ratio="torch.rand(n, shots.shape[1], 1)"), "same lambda for all joints"),
        WrongAnswer("beyond", _mixup(ratio="2 * torch.rand(n, 1, 1) - 0.5"), "beyond their shots"),
        WrongAnswer("x and y", _mixup(ratio="torch.rand(n, 1, 2)"), "x and y are mixed differently"),
        WrongAnswer("sum", _mixup(value="shots[first] + ratio * shots[second]"), "1 - lambda of the other"),
        WrongAnswer("neighbours", _mixup(first="torch.arange(n) % count", second="(first + 1) % count"),
                    "never mixed"),
        WrongAnswer("lean", _mixup(first="torch.randint(count - 1, (n,))", ratio="torch.rand(n, 1, 1) / 2",
                                   second="first + 1 + (torch.rand(n) * (count - 1 - first)).long()"), "larger part"),
        WrongAnswer("all shots", """
            def my_mixup(shots, n):
                shares = torch.rand(n, len(shots)).softmax(1)
                return torch.einsum("nm,mjc->njc", shares, shots)
        """, "more than two shots"),
        WrongAnswer("near the ends", _mixup(ratio="torch.rand(n, 1, 1) ** 4"), "not uniform"),
    ),
    other_answers=("""
        def my_mixup(shots, n):
            out = []
            for _ in range(n):
                i, j = torch.randperm(len(shots))[:2]
                ratio = torch.rand(())
                out.append((ratio * shots[i] + (1 - ratio) * shots[j]).tolist())
            return out
    """,),
)  # fmt: skip

LENGTHS = Exercise(
    id="07.2",
    title="What mixing does to an arm",
    kind="predict",
    difficulty=1,
    minutes=4,
    task="""
        The shoulder stays at (0, 0), the arm is straight and 1 long. How long is the drawn arm, to two decimals,

        1. half way ($\\lambda = 0.5$) between an arm straight up and one straight down,
        2. at a quarter of up and three quarters of down,
        3. half way between straight down and straight to the side?
    """,
    stub="lengths = [..., ..., ...]",
    answer="lengths",
    hints=(
        "Mix the two hands; the shoulder is at the origin in both.",
        "Up is (0, -1), down (0, 1), the side (1, 0). How far from (0, 0) is the mixed hand?",
    ),
    if_you_see="three ones: the hand does not swing on a circle, it goes along a straight line.",
    solution="lengths = [0.0, 0.5, 0.71]",
    why="""
        Most poses between two real ones "physically" exist, says the paper. Between similar shots they nearly do;
        between arms up and arms down they do not. What a source knows about arms is there to help.
    """,
    check=checks.check_lengths,
    wrong_answers=tuple(
        WrongAnswer(name, f"lengths = {answer}", hint)
        for name, answer, hint in (
            ("swings", [1, 1, 1], "What is left of the arm"),
            ("some", [0.5, 0.5, 0.71], "Where is its middle"),
            ("signed", [0, -0.5, 0.71], "not negative"),
            ("quarter", [0, 0.25, 0.71], "0.75 - 0.25"),
            ("longer", [0, 0.75, 0.71], "0.25 times up plus"),
            ("larger", [0, 0.5, 0.5], "by Pythagoras"),
            ("added", [0, 0.5, 1], "point the same way"),
            ("diagonal", [0, 0.5, 1.41], "How far is that from"),
        )
    ),
)

_TAU = """
    def my_tau(styles, blocks):
        changed = {start}
        for layer, U in {pairs}:
            {body}
        return changed
"""
_PAIRS, _BODY = "blocks.items()", "changed[layer - 1] = styles[layer - 1] @ U.T"


def _tau(start: str = "list(styles)", pairs: str = _PAIRS, body: str = _BODY) -> str:
    return _TAU.format(start=start, pairs=pairs, body=body)


TAU = Exercise(
    id="07.3",
    title="Tau, block by block",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        `styles` is a list of L float32 tensors (B, C_l), the style codes of the layers, one style a row. `blocks` is a
        dictionary from a layer's number, **counted from 1**, to its matrix U (C_l, C_l). Return a new list: where a
        layer has a block, each style $s$ becomes $U s$; the others stay.
    """,
    stub="""
        def my_tau(styles, blocks):
            ...
            return None  # a list of L tensors
    """,
    answer="my_tau",
    hints=(
        "`list(styles)` is a new list with the same tensors: replace only those that have a block.",
        "Styles are rows, so $U s$ for all of them at once is `styles[layer - 1] @ U.T`.",
    ),
    if_you_see="`mat1 and mat2 shapes cannot be multiplied`: a block meets the style of another layer. Count again.",
    solution=_tau(),
    why="""
        As one matrix it is $\\mathrm{diag}(I, \\dots, U_l, \\dots, I)$, `torch.block_diag` of all blocks, and nearly
        all of it is zeros and ones: nobody stores it.
    """,
    check=checks.check_tau,
    wrong_answers=(
        WrongAnswer("transposed", _tau(body=_BODY.replace("U.T", "U")), "U transposed"),
        WrongAnswer("from 0", _tau(pairs="[(layer + 1, U) for layer, U in blocks.items() "
                                   "if U.shape[0] == styles[layer].shape[1]]"), "counted from 1"),
        WrongAnswer("in place", _tau(start="styles"), "has changed"),
        WrongAnswer("added", _tau(body="changed[layer - 1] = styles[layer - 1] + styles[layer - 1] @ U.T"),
                    "not added"),
        WrongAnswer("only changed", _tau(start="[]", body="changed.append(styles[layer - 1] @ U.T)"),
                    "every layer"),
        WrongAnswer("first only", _tau(pairs="list(blocks.items())[:1]"), "only the first block"),
        WrongAnswer("nothing", "def my_tau(styles, blocks):\n    return list(styles)", "as before"),
        WrongAnswer("inverse", _tau(body="changed[layer - 1] = styles[layer - 1] @ torch.linalg.inv(U)"),
                    "all others as they are"),
    ),
    other_answers=("""
        def my_tau(styles, blocks):
            whole = torch.block_diag(*[blocks.get(l, torch.eye(s.shape[1])) for l, s in enumerate(styles, 1)])
            return (torch.cat(styles, 1) @ whole.T).split([s.shape[1] for s in styles], dim=1)
    """, """
        def my_tau(styles, blocks):
            return [torch.einsum("ij,bj->bi", blocks[l], s) if l in blocks else s for l, s in enumerate(styles, 1)]
    """),
)  # fmt: skip

_FIT = """
    def my_fit(draw, styles, wanted, steps, rate):
        U = {start}
        for _ in range({steps}):
            loss = {loss}
            {gradient}
            {update}
        return U.detach()
"""
_LOSS = "(draw(styles @ U.T) - wanted).square().mean()"
_GRADIENT = "(slope,) = torch.autograd.grad(loss, U)"
_UPDATE = "U = (U - rate * slope).detach().requires_grad_(True)"


def _fit(
    start: str = "torch.eye(styles.shape[1], requires_grad=True)", steps: str = "steps", loss: str = _LOSS,
    gradient: str = _GRADIENT, update: str = _UPDATE,
) -> str:  # fmt: skip
    return _FIT.format(start=start, steps=steps, loss=loss, gradient=gradient, update=update)


_ADDING = "loss.backward()"
_IN_PLACE = "U.data -= rate * U.grad"

FIT = Exercise(
    id="07.4",
    title="Learn one block",
    kind="code",
    difficulty=3,
    minutes=12,
    task="""
        The adaptation itself. `draw` is the fixed generator: it turns styles (B, C) into pictures (B, P). `styles` and
        `wanted` are float32 tensors; `wanted` has the pictures that the styles are to become. Begin with U = identity
        and take `steps` steps of plain gradient descent, with the step size `rate`, on the **mean** squared difference
        between the pictures drawn from $U s$ and the wanted ones. Return U, (C, C).
    """,
    stub="""
        def my_fit(draw, styles, wanted, steps, rate):
            U = torch.eye(styles.shape[1], requires_grad=True)
            ...
            return None  # (C, C)
    """,
    answer="my_fit",
    hints=(
        "One step: `loss = (draw(styles @ U.T) - wanted).square().mean()`, its gradient by U, U a little against it.",
        "`(slope,) = torch.autograd.grad(loss, U)`, then `U = (U - rate * slope).detach().requires_grad_(True)`, in a "
        "loop.",
    ),
    if_you_see="""
        `a leaf Variable that requires grad is being used in an in-place operation`: write `U = ...` with `.detach()`,
        or do the step inside `torch.no_grad()`. `'float' and 'NoneType'`: after `U = U - …` U is no leaf any more, and
        `U.grad` is None.
    """,
    solution=_fit(),
    why="""
        FlexPose does the same with Adam, batches, and a VGG's features of the pictures in the place of their pixels
        (eq. 5).
    """,
    check=checks.check_fit,
    wrong_answers=(
        WrongAnswer("climbs", _fit(update=_UPDATE.replace("U - rate", "U + rate")), "the loss climbs"),
        WrongAnswer("piles up", _fit(gradient=_ADDING, update=_IN_PLACE), "pile up"),
        WrongAnswer("sum", _fit(loss=_LOSS.replace("mean", "sum")), "not their mean"),
        WrongAnswer("transposed", _fit(loss=_LOSS.replace("U.T", "U")), "learned U transposed"),
        WrongAnswer("zeros", _fit(start="torch.zeros(3, 3, requires_grad=True)"), "start there"),
        WrongAnswer("one step", _fit(steps="min(steps, 1)"), "only one step"),
        WrongAnswer("Adam", """
            def my_fit(draw, styles, wanted, steps, rate):
                U = torch.eye(styles.shape[1], requires_grad=True)
                adam = torch.optim.Adam([U], lr=rate)
                for _ in range(steps):
                    adam.zero_grad()
                    (draw(styles @ U.T) - wanted).square().mean().backward()
                    adam.step()
                return U
        """, "Adam's steps"),
        WrongAnswer("forgotten", _fit(update="step = U - rate * slope"), "still the identity"),
        WrongAnswer("absolute", _fit(loss="(draw(styles @ U.T) - wanted).abs().mean()"), "U minus rate times it"),
    ),
    other_answers=("""
        def my_fit(draw, styles, wanted, steps, rate):
            U = torch.nn.Parameter(torch.eye(styles.shape[1]))
            optimizer = torch.optim.SGD([U], lr=rate)
            for _ in range(steps):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(draw(styles @ U.T), wanted).backward()
                optimizer.step()
            return U
    """, """
        def my_fit(draw, styles, wanted, steps, rate):
            U = torch.eye(styles.shape[1], requires_grad=True)
            for _ in range(steps):
                U.grad = None
                (draw(styles @ U.T) - wanted).pow(2).mean().backward()
                with torch.no_grad():
                    U -= rate * U.grad
            return U.detach().numpy()
    """),
)  # fmt: skip

PAIRS = Exercise(
    id="07.5",
    title="Which noise becomes which pose?",
    kind="predict",
    difficulty=2,
    minutes=5,
    task="""
        A toy: four styles, -2, -1, 1 and 2, are single numbers, and tau is one number $u$. The wanted numbers are -4,
        -2, 2 and 4. Which $u$ makes the squared differences of $u s$ to its wanted number smallest,

        1. if styles and wanted numbers are paired in order,
        2. if they are paired in the opposite order (-2 with 4, …, 2 with -4),
        3. on average over all ways to pair them at random?
    """,
    stub="best = [..., ..., ...]",
    answer="best",
    hints=(
        "The best $u$ is $\\sum s\\,t / \\sum s^2$.",
        "For the third: on average, each style meets the mean of all four wanted numbers. What is it?",
    ),
    if_you_see="0.5: that is the map from the wanted numbers back to the styles.",
    solution="best = [2, -2, 0]",
    why="""
        The paper draws noises and poses independently. A network with many layers could learn such a pairing by heart;
        a linear map cannot, and falls back on the mean.
    """,
    check=checks.check_pairs,
    wrong_answers=tuple(
        WrongAnswer(name, f"best = {answer}", hint)
        for name, answer, hint in (
            ("back", [0.5, -0.5, 0], "the map from the wanted"),
            ("doubled again", [4, -4, 0], "the same multiple"),
            ("sign", [2, 2, 0], "What is the sign"),
            ("nothing", [2, 0, 0], "and so on"),
            ("mean of both", [2, -2, 1], "the mean of all wanted numbers"),
        )
    ),
)

COLLAPSE = Exercise(
    id="07.6",
    title="Fool a measure",
    kind="break",
    difficulty=2,
    minutes=6,
    task="""
        Somebody judges generators by one number: how far a generated pose is, on average, from the **nearest** target
        pose. `targets` is a float32 tensor (N, 15, 2). Return 200 "generated" poses, (200, 15, 2), that get 0.05 or
        less by that number, and yet no more than a tenth of the targets may be covered by them.
    """,
    stub="""
        def my_crowd(targets):
            ...
            return None  # (200, 15, 2)
    """,
    answer="my_crowd",
    hints=(
        "Nothing in that number asks that the 200 poses differ.",
        "`targets[:1]` is one pose; `.repeat(200, 1, 1)` makes a crowd of it.",
    ),
    if_you_see="a high coverage: too many different targets are among your poses.",
    solution="""
        def my_crowd(targets):
            return targets[:1].repeat(200, 1, 1)
    """,
    why="""
        That is **mode collapse**: every noise becomes the same pose. The nearest distance loves it. Coverage sees it,
        and so does the MMD, in which the generated poses are compared among themselves, too.
    """,
    check=checks.check_collapse,
    wrong_answers=(
        WrongAnswer("all targets", """
            def my_crowd(targets):
                return targets[torch.arange(200) % len(targets)]
        """, "use far fewer of them"),
        WrongAnswer("the mean", """
            def my_crowd(targets):
                return targets.mean(0, keepdim=True).repeat(200, 1, 1)
        """, "no crowd of target poses"),
        WrongAnswer("noisy", """
            def my_crowd(targets):
                return targets[torch.arange(200) % len(targets)] + 0.1 * torch.randn(200, 15, 2)
        """, "not near enough"),
        WrongAnswer("nan", """
            def my_crowd(targets):
                return targets[:1].repeat(200, 1, 1) * float("nan")
        """, "not finite"),
    ),
    other_answers=("""
        def my_crowd(targets):
            return [targets[3].tolist()] * 200
    """, """
        def my_crowd(targets):
            return targets[torch.zeros(200, dtype=torch.long)] + 0.001 * torch.randn(200, 15, 2)
    """),
)  # fmt: skip

EXERCISES = (MIXUP, LENGTHS, TAU, FIT, PAIRS, COLLAPSE)
