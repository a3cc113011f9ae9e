"""Lesson 02: the exercises' words, stubs, solutions and usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_02 import checks
from napa_lib.study.lessons.lesson_02.exercises_lifting import BONES, STANDARDIZE, TWINS

DISC = Exercise(
    id="02.1",
    title="When does a bone lose its direction?",
    kind="predict",
    difficulty=1,
    minutes=4,
    task="""
        Bones are $d = 20$ px wide.

        1. How long is a bone whose oval is a disc, in pixels?
        2. How many pixels does that disc cover, about?
        3. How many directions of the bone give this very disc? (`float("inf")` if there is no end to them)
    """,
    stub="disc = [..., ..., ...]  # length in px, area in px, directions",
    answer="disc",
    hints=(
        "The oval has one semi-axis $L/2$ along the bone and one semi-axis $d/2$ across it.",
        "An ellipse with semi-axes $a$ and $b$ has the area $\\pi a b$. And a disc looks the same however it is "
        "turned.",
    ),
    if_you_see="400 in your second answer: a square of 20 x 20 px is a little larger than the disc inside it.",
    solution='disc = [20, 3.1416 * 10 * 10, float("inf")]',
    why="""
        This is not rare: at 224 px the bone from nose to head is often about 20 px long. In most of the poses below
        that cannot be found, the head is turned about such a disc.
    """,
    check=checks.check_disc,
    other_answers=(
        "disc = [20, 310, np.inf]",
        "disc = torch.tensor([20.0, 314.16, torch.inf])",
        'disc = (20, 315, "inf")',
    ),
    wrong_answers=(
        WrongAnswer("semi-axis for length", 'disc = [10, 314, float("inf")]', "10 px is the semi-axis d/2"),
        WrongAnswer("no disc", 'disc = [40, 314, float("inf")]', "when its two semi-axes"),
        WrongAnswer("square", 'disc = [20, 400, float("inf")]', "the square round the disc"),
        WrongAnswer("whole axes", 'disc = [20, 1256.6, float("inf")]', "takes L and d for semi-axes"),
        WrongAnswer("half", 'disc = [20, 157, float("inf")]', "pi times its two semi-axes"),
        WrongAnswer("two ends", "disc = [20, 314, 2]", "two is what any oval leaves open"),
        WrongAnswer("one", "disc = [20, 314, 1]", "turn the bone about its middle"),
    ),
)

INSIDE = Exercise(
    id="02.2",
    title="Inside the oval",
    kind="code",
    difficulty=2,
    minutes=10,
    task="""
        Write the inside test of one bone. `points` is (N, 2), `start` and `end` are the bone's two keypoints (2,),
        all NumPy arrays of float64, in pixels; `width` is $d$. Return N booleans: which points lie inside the oval? A
        point on its edge does not.
    """,
    stub="""
        def my_inside(points, start, end, width):
            bone = end - start
            length = np.hypot(*bone)
            ...
            return None  # (N,) of True and False
    """,
    answer="my_inside",
    hints=(
        "Vectors from the middle of the bone: `offset = points - (start + end) / 2`. With `u = bone / length`, "
        "the part along "
        "the bone is `offset @ u`.",
        "The part across it is `offset @ np.array([-u[1], u[0]])`. Divide each part by its semi-axis, square, "
        "add, compare with 1.",
    ),
    if_you_see="`matmul: Input operand 1 has a mismatch`: `points` is (N, 2) and `u` is (2,), so it is `offset "
    "@ u`, not `u @ offset`.",
    solution="""
        def my_inside(points, start, end, width):
            bone = end - start
            length = np.hypot(*bone)
            offset = points - (start + end) / 2
            u = bone / length
            along, across = offset @ u, offset @ np.array([-u[1], u[0]])
            return (2 * along / length) ** 2 + (2 * across / width) ** 2 < 1
    """,
    why="""
        `render_bone_map` makes the same test for 16 bones and a whole batch, but only where an oval can reach: it
        solves the quadratic for the two ends of each row.
    """,
    check=checks.check_inside,
    other_answers=(
        """
        def my_inside(points, start, end, width):
            length = np.hypot(*(end - start))
            turn = np.array([end - start, [start[1] - end[1], end[0] - start[0]]]).T / length
            along, across = ((points - (start + end) / 2) @ turn).T
            return torch.tensor(along**2 / (length / 2) ** 2 + across**2 / (width / 2) ** 2) < 1
        """,
        """
        def my_inside(points, start, end, width):
            inside = []
            for x, y in points - (start + end) / 2:
                dx, dy = end - start
                length = (dx**2 + dy**2) ** 0.5
                along, across = (x * dx + y * dy) / length, (y * dx - x * dy) / length
                inside.append(4 * along**2 / length**2 + 4 * across**2 / width**2 < 1)
            return inside
        """,
        """
        def my_inside(points, start, end, width):
            length = np.linalg.norm(end - start)
            u = (end - start) / length
            long, way = (length, u) if length > width else (width, np.array([-u[1], u[0]]))
            focus = np.sqrt(abs(length**2 - width**2)) / 2 * way  # the sum of the distances to two foci
            offset = points - (start + end) / 2
            return np.linalg.norm(offset - focus, axis=1) + np.linalg.norm(offset + focus, axis=1) < long
        """,
    ),
    wrong_answers=(
        WrongAnswer(
            "with its edge",
            """
            def my_inside(points, start, end, width):
                offset, u = points - (start + end) / 2, (end - start) / np.hypot(*(end - start))
                along, across = offset @ u, offset @ np.array([-u[1], u[0]])
                return (2 * along / np.hypot(*(end - start))) ** 2 + (2 * across / width) ** 2 <= 1
            """,
            "a point on the edge is not inside",
        ),
        WrongAnswer(
            "twice as wide",
            """
            def my_inside(points, start, end, width):
                offset, u = points - (start + end) / 2, (end - start) / np.hypot(*(end - start))
                along, across = offset @ u, offset @ np.array([-u[1], u[0]])
                return (2 * along / np.hypot(*(end - start))) ** 2 + (across / width) ** 2 < 1
            """,
            "yours is twice as wide: d is the whole width",
        ),
        WrongAnswer(
            "twice as long",
            """
            def my_inside(points, start, end, width):
                offset, u = points - (start + end) / 2, (end - start) / np.hypot(*(end - start))
                along, across = offset @ u, offset @ np.array([-u[1], u[0]])
                return (along / np.hypot(*(end - start))) ** 2 + (2 * across / width) ** 2 < 1
            """,
            "yours is twice as long: L is",
        ),
        WrongAnswer(
            "twice as large",
            """
            def my_inside(points, start, end, width):
                offset, u = points - (start + end) / 2, (end - start) / np.hypot(*(end - start))
                along, across = offset @ u, offset @ np.array([-u[1], u[0]])
                return (along / np.hypot(*(end - start))) ** 2 + (across / width) ** 2 < 1
            """,
            "twice as long and twice as wide",
        ),
        WrongAnswer(
            "axes swapped",
            """
            def my_inside(points, start, end, width):
                offset, u = points - (start + end) / 2, (end - start) / np.hypot(*(end - start))
                along, across = offset @ u, offset @ np.array([-u[1], u[0]])
                return (2 * across / np.hypot(*(end - start))) ** 2 + (2 * along / width) ** 2 < 1
            """,
            "the two axes are swapped",
        ),
        WrongAnswer(
            "the longer axis along",
            """
            def my_inside(points, start, end, width):
                offset, u = points - (start + end) / 2, (end - start) / np.hypot(*(end - start))
                long, short = max(np.hypot(*(end - start)), width), min(np.hypot(*(end - start)), width)
                return (2 * offset @ u / long) ** 2 + (2 * offset @ np.array([-u[1], u[0]]) / short) ** 2 < 1
            """,
            "whichever of the two axes is the longer",
        ),
        WrongAnswer(
            "from the start",
            """
            def my_inside(points, start, end, width):
                offset, u = points - start, (end - start) / np.hypot(*(end - start))
                along, across = offset @ u, offset @ np.array([-u[1], u[0]])
                return (2 * along / np.hypot(*(end - start))) ** 2 + (2 * across / width) ** 2 < 1
            """,
            "measure from the middle of the bone",
        ),
        WrongAnswer(
            "distance to the segment",
            """
            def my_inside(points, start, end, width):
                bone = end - start
                t = np.clip((points - start) @ bone / (bone @ bone), 0, 1)
                return np.linalg.norm(points - start - t[:, None] * bone, axis=1) < width / 2
            """,
            "a capsule with round ends",
        ),
        WrongAnswer(
            "distance to the line",
            """
            def my_inside(points, start, end, width):
                u = (end - start) / np.hypot(*(end - start))
                return np.abs((points - start) @ np.array([-u[1], u[0]])) < width / 2
            """,
            "a strip without ends",
        ),
        WrongAnswer(
            "outside",
            """
            def my_inside(points, start, end, width):
                offset, u = points - (start + end) / 2, (end - start) / np.hypot(*(end - start))
                along, across = offset @ u, offset @ np.array([-u[1], u[0]])
                return (2 * along / np.hypot(*(end - start))) ** 2 + (2 * across / width) ** 2 >= 1
            """,
            "that is the outside",
        ),
        WrongAnswer(
            "not squared",
            """
            def my_inside(points, start, end, width):
                offset, u = points - (start + end) / 2, (end - start) / np.hypot(*(end - start))
                along, across = offset @ u, offset @ np.array([-u[1], u[0]])
                return abs(2 * along / np.hypot(*(end - start))) + abs(2 * across / width) < 1
            """,
            "squared before they are added",
        ),
        WrongAnswer(
            "everything",
            "def my_inside(points, start, end, width):\n    return np.ones(len(points), bool)",
            "Compare it with 1",
        ),
    ),
)

_COVERAGE = """
    def my_coverage(points, start, end, width, softness):
        bone = end - start
        length = bone.norm()
        offset = points - (start + end) / 2
        u = bone / length
        along, across = offset @ u, offset @ torch.stack([-u[1], u[0]])
        r = ((2 * along / length) ** 2 + (2 * across / width) ** 2){root}
        return {result}
"""


def _coverage(result: str, root: str = ".sqrt()") -> str:
    return _COVERAGE.format(result=result, root=root)


COVERAGE = Exercise(
    id="02.3",
    title="A soft edge",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        Write the coverage $c$ of one bone. `points` (N, 2), `start` and `end` (2,) are torch tensors of float32, in
        pixels; `width` is $d$, `softness` is $s$. Return the N fractions from 0 to 1, so that a gradient runs through
        them to both ends.
    """,
    stub="""
        def my_coverage(points, start, end, width, softness):
            bone = end - start
            length = bone.norm()
            ...
            return None  # (N,) from 0 to 1
    """,
    answer="my_coverage",
    hints=(
        "$r$ is the root of the sum that the inside test compares with 1. Then the formula above, which is "
        "`torch.sigmoid` of something.",
        "`torch.sigmoid((1 - r) * width / 2 / softness)`: 0.5 on the edge, nearly 1 in the middle.",
    ),
    if_you_see="""
        `Can't call numpy() on Tensor that requires grad`: `np.hypot` and `np.array` cannot follow a gradient; use
        `.norm()` and `torch.stack`, and do not detach. `<` and `.item()` cut the gradient off without a word.
    """,
    solution=_coverage("torch.sigmoid((1 - r) * width / 2 / softness)"),
    why="""
        `render_bone_map(…, softness=s)` does this for all bones and paints them over each other by their coverage.
    """,
    check=checks.check_coverage,
    other_answers=(
        """
        def my_coverage(points, start, end, width, softness):
            (dx, dy), (x, y) = end - start, (points - (start + end) / 2).T
            length = torch.hypot(dx, dy)
            along, across = (x * dx + y * dy) / length, (y * dx - x * dy) / length
            r = torch.hypot(along / (length / 2), across / (width / 2))
            return 1 / (1 + torch.exp(-(1 - r) * (width / 2) / softness))
        """,
        """
        def my_coverage(points, start, end, width, softness):
            found = []
            for p in points:
                u = (end - start) / (end - start).norm()
                d = p - start / 2 - end / 2
                along, across = d.dot(u) * 2 / (end - start).norm(), (d[1] * u[0] - d[0] * u[1]) * 2 / width
                found.append(((1 - (along**2 + across**2) ** 0.5) * width / (2 * softness)).sigmoid())
            return torch.stack(found)
        """,
    ),
    wrong_answers=(
        WrongAnswer("hard", _coverage("(r < 1).float()"), "that is the hard test again"),
        WrongAnswer("r squared", _coverage("torch.sigmoid((1 - r) * width / 2 / softness)", ""), "r is the root"),
        WrongAnswer("no pixels", _coverage("torch.sigmoid((1 - r) / softness)"), "1 - r has no unit"),
        WrongAnswer("whole width", _coverage("torch.sigmoid((1 - r) * width / softness)"), "half the width"),
        WrongAnswer("outside", _coverage("torch.sigmoid((r - 1) * width / 2 / softness)"), "covers the outside"),
        WrongAnswer("times s", _coverage("torch.sigmoid((1 - r) * width / 2 * softness)"), "divides by it"),
        WrongAnswer("cut off", _coverage("torch.sigmoid((1 - r) * width / 2 / softness).detach()"), "no gradient runs"),
        WrongAnswer(
            "length cut off",
            """
            def my_coverage(points, start, end, width, softness):
                length = (end - start).norm().item()
                offset, u = points - (start + end) / 2, (end - start) / length
                r = torch.hypot(2 * (offset @ u) / length, 2 * (offset @ torch.stack([-u[1], u[0]])) / width)
                return torch.sigmoid((1 - r) * width / 2 / softness)
            """,
            "their gradient is not",
        ),
        WrongAnswer("one", _coverage("torch.ones(len(points)) + 0 * r"), "sigmoid of (1 - r) d/2 / s"),
    ),
)

_DESCENT = """
    def my_descent(draw, target, pose, steps, rate):
        {before}
        for _ in range({steps}):
            {loop}
        return pose
"""
_FRESH = "pose = pose.detach().requires_grad_()"
_SUM = "loss = (draw(pose) - target).square().sum()"
_STEP = "(gradient,) = torch.autograd.grad(loss, pose)"


def _descent(*loop: str, before: str = "pose = pose.clone()", steps: str = "steps") -> str:
    return _DESCENT.format(before=before, steps=steps, loop="\n            ".join(loop))


DESCENT = Exercise(
    id="02.4",
    title="Downhill",
    kind="code",
    difficulty=3,
    minutes=12,
    task="""
        Write the loop itself. `draw(pose)` gives a picture, `target` is another one, `pose` a tensor (2, 2) of float32
        to begin from, all torch. Take `steps` steps of plain gradient descent on the **sum** of squared differences,
        each `rate` times the gradient, and return the pose at the end, (2, 2).
    """,
    stub="""
        def my_descent(draw, target, pose, steps, rate):
            for _ in range(steps):
                ...
            return None  # (2, 2)
    """,
    answer="my_descent",
    hints=(
        "Four lines: make the pose a tensor that asks for a gradient, compute the loss, its gradient, step against it.",
        "`pose = pose.detach().requires_grad_()`, then `torch.autograd.grad(loss, pose)`; it returns a tuple.",
    ),
    if_you_see="""
            `NoneType`: `.grad` is filled only for a tensor that was itself made with `.requires_grad_()`, not for one
            computed from others, as `pose - …` is. Detach it at the start of each step.
        """,
    solution=_descent(_FRESH, _SUM, _STEP, "pose = pose - rate * gradient").replace(
        "        pose = pose.clone()\n", ""
    ),
    why="""
        Every training loop of this course is these four lines; optimizers only change the last one.
    """,
    check=checks.check_descent,
    other_answers=(
        """
        def my_descent(draw, target, pose, steps, rate):
            pose = torch.nn.Parameter(pose.clone())
            optimizer = torch.optim.SGD([pose], lr=rate)
            for _ in range(steps):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(draw(pose), target, reduction="sum").backward()
                optimizer.step()
            return pose
        """,
        """
        def my_descent(draw, target, pose, steps, rate):
            p = pose.clone().requires_grad_(True)
            for _ in range(steps):
                ((draw(p) - target) ** 2).sum().backward()
                with torch.no_grad():
                    p -= rate * p.grad
                p.grad = None
            return p.detach().numpy()
        """,
    ),
    wrong_answers=(
        WrongAnswer("uphill", _descent(_FRESH, _SUM, _STEP, "pose = pose + rate * gradient"), "that goes uphill"),
        WrongAnswer(
            "gradients add up",
            _descent(
                _SUM, "loss.backward()", "pose.data -= rate * pose.grad", before="pose = pose.clone().requires_grad_()"
            ),
            "gradients pile up",
        ),
        WrongAnswer(
            "no leaf",
            _descent(
                _SUM, "loss.backward()", "pose = pose - rate * pose.grad", before="pose = pose.clone().requires_grad_()"
            ),
            "NoneType",
        ),
        WrongAnswer(
            "one step", _descent(_FRESH, _SUM, _STEP, "pose = pose - rate * gradient", steps="1"), "a single step"
        ),
        WrongAnswer(
            "mean", _descent(_FRESH, _SUM.replace("sum", "mean"), _STEP, "pose = pose - rate * gradient"), "the mean of"
        ),
        WrongAnswer(
            "absolute",
            _descent(_FRESH, _SUM.replace("square", "abs"), _STEP, "pose = pose - rate * gradient"),
            "are squared",
        ),
        WrongAnswer("no rate", _descent(_FRESH, _SUM, _STEP, "pose = pose - gradient"), "without the rate"),
        WrongAnswer(
            "sign", _descent(_FRESH, _SUM, _STEP, "pose = pose - rate * gradient.sign()"), "the gradient's sign alone"
        ),
        WrongAnswer(
            "Adam",
            _descent(
                "adam.zero_grad()",
                _SUM,
                "loss.backward()",
                "adam.step()",
                before="pose = pose.clone().requires_grad_()\n        adam = torch.optim.Adam([pose], lr=rate)",
            ),
            "Adam's steps",
        ),
        WrongAnswer("still there", _descent("pass"), "has not moved"),
        WrongAnswer(
            "twice as far",
            _descent(_FRESH, _SUM, _STEP, "pose = pose - 2 * rate * gradient"),
            "compare one step by hand",
        ),
    ),
)

EXERCISES = (DISC, INSIDE, COVERAGE, DESCENT, TWINS, BONES, STANDARDIZE)
