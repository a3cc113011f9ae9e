"""Lesson 02: the exercises' words, stubs, solutions and usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_02 import checks

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
        Not a rare accident: at 224 px a nose-to-head bone is often about 20 px long. In the film below, most of the
        poses that cannot be found have their head turned about such a disc.
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
            "split it with u",
        ),
    ),
)

BONES = Exercise(
    id="02.6",
    title="Bones from joints",
    kind="code",
    difficulty=1,
    minutes=5,
    task="""
        `pose` is a tensor (18, 3) of float32 in mm, `pairs` lists 15 pairs (child, parent) of joint indices.
        Return the bone vectors (15, 3): each points from the parent to the child.
    """,
    stub="""
        def my_bone_vectors(pose, pairs):
            ...
            return None  # (15, 3)
    """,
    answer="my_bone_vectors",
    hints=(
        "One bone is `pose[child] - pose[parent]`.",
        "All at once: `child, parent = torch.tensor(pairs).T`, and index the pose with each.",
    ),
    if_you_see="`too many values to unpack`: `torch.tensor(pairs)` is (15, 2); its transpose `.T` has two rows.",
    solution="""
        def my_bone_vectors(pose, pairs):
            child, parent = torch.tensor(pairs).T
            return pose[child] - pose[parent]
    """,
    why="`napa_lib.lifting.bone_vectors` does this for batches, and `joints_from_bone_vectors` goes back.",
    check=checks.check_bones,
    other_answers=(
        "def my_bone_vectors(pose, pairs):\n    return [pose[c] - pose[p] for c, p in pairs]",
        "def my_bone_vectors(pose, pairs):\n    return torch.stack([pose[c] - pose[p] for c, p in pairs]).double()",
        "def my_bone_vectors(pose, pairs):\n    return -np.diff(pose.numpy()[np.array(pairs)], axis=1)[:, 0]",
    ),
    wrong_answers=(
        WrongAnswer(
            "parent minus child",
            "def my_bone_vectors(pose, pairs):\n    c, p = torch.tensor(pairs).T\n    return pose[p] - pose[c]",
            "the other way round",
        ),
        WrongAnswer(
            "children",
            "def my_bone_vectors(pose, pairs):\n    return pose[torch.tensor(pairs)[:, 0]]",
            "the children's positions",
        ),
        WrongAnswer(
            "middles",
            "def my_bone_vectors(pose, pairs):\n    return pose[torch.tensor(pairs)].mean(1)",
            "the middles of the bones",
        ),
        WrongAnswer(
            "unit",
            """
            def my_bone_vectors(pose, pairs):
                c, p = torch.tensor(pairs).T
                return torch.nn.functional.normalize(pose[c] - pose[p], dim=-1)
            """,
            "keep the lengths",
        ),
        WrongAnswer(
            "neighbours in the list",
            "def my_bone_vectors(pose, pairs):\n    return (pose[1:] - pose[:-1])[:15]",
            "neighbours in the body",
        ),
        WrongAnswer(
            "nothing",
            "def my_bone_vectors(pose, pairs):\n    return torch.zeros(15, 3)",
            "the bone is pose[c] - pose[p]",
        ),
    ),
)

STANDARDIZE = Exercise(
    id="02.7",
    title="Standardised bones",
    kind="code",
    difficulty=1,
    minutes=5,
    task="""
        `bones` is a tensor (N, 15, 3) of float32: the bones of N poses in mm. Return them standardised, the same
        shape: over the N poses, each component of each bone has mean 0 and standard deviation 1.
    """,
    stub="""
        def my_standardize(bones):
            ...
            return None  # (N, 15, 3)
    """,
    answer="my_standardize",
    hints=(
        "45 means and 45 standard deviations: one for each component of each bone.",
        "`bones.mean(0)` and `bones.std(0)` are (15, 3), and broadcast over the poses.",
    ),
    if_you_see="a check that complains of one mean for all: `bones.mean()` without an axis is a single number.",
    solution="""
        def my_standardize(bones):
            return (bones - bones.mean(0)) / bones.std(0)
    """,
    why="""
        `BoneStandardizer` keeps both, for the network's answers have to go back to mm, and the test poses have to be
        standardised with the *training* poses' numbers.
    """,
    check=checks.check_standardize,
    other_answers=(
        "def my_standardize(bones):\n    d = bones - bones.mean(0)\n    return d / d.square().mean(0).sqrt()",
        "def my_standardize(bones):\n    b = bones.numpy()\n    return (b - b.mean(axis=0)) / b.std(axis=0)",
        "def my_standardize(bones):\n    s, m = torch.std_mean(bones.double(), 0)\n    return (bones - m) / s",
    ),
    wrong_answers=(
        WrongAnswer(
            "variance",
            "def my_standardize(bones):\n    return (bones - bones.mean(0)) / bones.var(0)",
            "divided by the variance",
        ),
        WrongAnswer(
            "one for all",
            "def my_standardize(bones):\n    return (bones - bones.mean()) / bones.std()",
            "one mean and one deviation for all",
        ),
        WrongAnswer(
            "not centred", "def my_standardize(bones):\n    return bones / bones.std(0)", "take the mean away first"
        ),
        WrongAnswer("only centred", "def my_standardize(bones):\n    return bones - bones.mean(0)", "only centred"),
        WrongAnswer(
            "the way back",
            "def my_standardize(bones):\n    return bones * bones.std(0) + bones.mean(0)",
            "that is the way back",
        ),
        WrongAnswer(
            "a bracket",
            "def my_standardize(bones):\n    return bones - bones.mean(0) / bones.std(0)",
            "a bracket is missing",
        ),
        WrongAnswer(
            "unit vectors",
            "def my_standardize(bones):\n    return torch.nn.functional.normalize(bones, dim=-1)",
            "makes unit vectors",
        ),
        WrongAnswer(
            "over components",
            "def my_standardize(bones):\n    return (bones - bones.mean(2, keepdim=True)) / bones.std(2, keepdim=True)",
            "over the first axis, the poses",
        ),
    ),
)

TWINS = Exercise(
    id="02.5",
    title="Two poses, one map",
    kind="break",
    difficulty=3,
    minutes=12,
    task="""
        Break the bone map: find two poses, each (18, 2) with all joints inside the picture of 224 x 224 px, in which
        at least one joint that a bone touches differs by 30 px or more, and whose hard bone maps are equal in *every*
        pixel, and not empty. `figure`, a tensor (18, 2) of float32, is there to start from.
    """,
    stub="""
        pose_a, pose_b = figure.clone(), figure.clone()
        ...
        twins = ...  # (pose_a, pose_b)
    """,
    answer="twins",
    hints=(
        "Bones are painted in the order of `NAPA18.bones`: the legs come last and lie over everything else. The "
        "head's two bones, "
        "(8, 9) and (9, 10), come early.",
        "A thigh's oval is large. Lay `nose` and `head` under it in both poses, in two different places. The "
        "arms' ends, which nothing "
        "else hangs on, work as well.",
    ),
    if_you_see="a few hundred differing pixels: the bone that leads to the moved joint sticks out of what "
    "should hide it.",
    solution="""
        pose_a, pose_b = figure.clone(), figure.clone()
        hip, knee = torch.tensor([112.5, 60.0]), torch.tensor([112.5, 200.0])
        for pose in (pose_a, pose_b):
            pose[[4, 5]] = torch.stack([hip, knee])  # the left thigh, upright and long
            pose[[8, 9]] = torch.tensor([[112.5, 120.0], [112.5, 130.0]])  # neck and nose lie under it
        pose_a[10] = torch.tensor([112.5, 100.0])  # the head, also under it, once above
        pose_b[10] = torch.tensor([112.5, 160.0])  # and once below
        for pose in (pose_a, pose_b):
            pose[[11, 12, 13, 14, 15, 16]] = pose[8] + torch.tensor([[0.0, 3.0 * i] for i in range(6)])
        twins = (pose_a, pose_b)
    """,
    why="""
        The map is a picture of a body, and a body hides parts of itself. The paper's answer is that the network has
        seen many poses and guesses; a better answer would need the picture itself.
    """,
    check=checks.check_twins,
    other_answers=(
        """
        a = torch.full((18, 2), 112.5)
        a[[4, 5]] = torch.tensor([[112.5, 20.0], [112.5, 204.0]])
        b = a.clone()
        a[10, 1], b[10, 1] = 90.0, 140.0
        twins = torch.stack([a, b])
        """,
        """
        a = np.full((18, 2), 112.5)
        a[1:4, 1] = 10, 214, 214
        b = a.copy()
        a[10, 1], b[10, 1] = 90, 140
        twins = [a.tolist(), b.tolist()]
        """,
    ),
    wrong_answers=(
        WrongAnswer(
            "nothing to see",
            "twins = (torch.full((18, 2), 40.0), torch.full((18, 2), 90.0))",
            "nothing is drawn at all",
        ),
        WrongAnswer("the same pose", "twins = (figure, figure)", "has to move by 30 px"),
        WrongAnswer("one pose", "twins = figure", "give a pair"),
        WrongAnswer(
            "missing joint",
            "other = figure.clone()\nother[10] = torch.nan\ntwins = (figure, other)",
            "which would be too easy",
        ),
        WrongAnswer(
            "outside",
            "other = figure.clone()\nother[10] = torch.tensor([400.0, 400.0])\ntwins = (figure, other)",
            "keep both poses inside",
        ),
        WrongAnswer(
            "visible",
            "other = figure.clone()\nother[10] = torch.tensor([10.0, 10.0])\ntwins = (figure, other)",
            "pixels differ between their maps",
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
    if_you_see="`element 0 of tensors does not require grad`: NumPy, `.item()` or `<` cut the gradient off.",
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
        "Four lines: make a leaf that wants a gradient, the loss, its gradient, the step against it.",
        "`pose = pose.detach().requires_grad_()`, then `torch.autograd.grad(loss, pose)`; it returns a tuple.",
    ),
    if_you_see="`NoneType`: after `pose = pose - …` it is no leaf, and `pose.grad` stays empty. Detach it each time.",
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
        WrongAnswer("still there", _descent("pass"), "has not moved"),
        WrongAnswer(
            "twice as far",
            _descent(_FRESH, _SUM, _STEP, "pose = pose - 2 * rate * gradient"),
            "compare one step by hand",
        ),
    ),
)

EXERCISES = (DISC, INSIDE, COVERAGE, DESCENT, TWINS, BONES, STANDARDIZE)
