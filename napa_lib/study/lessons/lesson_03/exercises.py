"""Lesson 03: the exercises' words, stubs, solutions and usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_03 import checks
from napa_lib.study.lessons.lesson_03.exercises_training import FORWARD, TRAINING

_FOOT = """
    def my_distance(points, a, b):
        bone = b - a
        r = ((points - a) @ bone / (bone @ bone)){clamp}
        return {result}
"""
_SEGMENT = "(points - a - r[:, None] * bone).norm(dim=1)"


def _foot(clamp: str, result: str = _SEGMENT) -> str:
    return _FOOT.format(clamp=clamp, result=result)


DISTANCE = Exercise(
    id="03.1",
    title="How far to the bone?",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        The heart of eq. 1: the distance of points to a **segment**. `points` is a tensor (N, 2), `a` and `b` are the
        ends (2,), all of float32. Return the N distances, in the points' units.
    """,
    stub="""
        def my_distance(points, a, b):
            bone = b - a
            ...
            return None  # (N,)
    """,
    answer="my_distance",
    hints=(
        "Every point of the line is $a + r\\,(b - a)$. The foot of the perpendicular from $u$ has $r = (u - a) \\cdot "
        "(b - a) / \\lVert b - a \\rVert^2$. When does it lie on the segment?",
        "`r = ((points - a) @ bone / (bone @ bone)).clamp(0, 1)`, then the length of `points - (a + r[:, None] * "
        "bone)`.",
    ),
    if_you_see="`The size of tensor a (500) must match the size of tensor b (2)`: `r` is (N,); `r[:, None] * bone` is "
    "(N, 2).",
    solution=_foot(".clamp(0, 1)"),
    why="""
        A bone whose two joints lie on one spot has length 0, and `bone @ bone` with it. `render_skeleton` draws such a
        bone as a point.
    """,
    check=checks.check_distance,
    other_answers=(
        """
        def my_distance(points, a, b):
            p, a, b = points.numpy(), a.numpy(), b.numpy()
            r = np.clip((p - a) @ (b - a) / np.sum((b - a) ** 2), 0, 1)
            return np.linalg.norm(p - a - np.outer(r, b - a), axis=1)
        """,
        """
        def my_distance(points, a, b):
            found = []
            for u in points:
                r = torch.dot(u - a, b - a) / torch.dot(b - a, b - a)
                found.append(torch.dist(u, a + (b - a) * min(max(float(r), 0.0), 1.0)))
            return found
        """,
    ),
    wrong_answers=(
        WrongAnswer("infinite line", _foot(""), "the infinite line"),
        WrongAnswer(
            "one bound",
            _foot(".clamp(max=1)"),
            "r has two bounds",
        ),
        WrongAnswer(
            "nearer end",
            "def my_distance(points, a, b):\n"
            "    return torch.minimum((points - a).norm(dim=1), (points - b).norm(dim=1))",
            "the nearer end",
        ),
        WrongAnswer(
            "middle",
            "def my_distance(points, a, b):\n    return (points - (a + b) / 2).norm(dim=1)",
            "the middle of the segment",
        ),
        WrongAnswer(
            "square",
            _foot("", "(points - a - r.clamp(0, 1)[:, None] * bone).square().sum(1)"),
            "the square of the distance",
        ),
        WrongAnswer("zero", "def my_distance(points, a, b):\n    return torch.zeros(len(points))", "Where may r lie"),
    ),
)  # fmt: skip

SKELETON = Exercise(
    id="03.2",
    title="A skeleton image",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        Now eq. 1. `distances` is a tensor (E, S, S) of float32: of each edge, the distance of every pixel to it **in
        pixels**. `size` is S, and `gamma` is meant for the paper's coordinates, in which -1 and 1 are the centres of
        the outermost pixels. Return the picture (S, S).
    """,
    stub="""
        def my_skeleton(distances, gamma, size):
            ...
            return None  # (S, S)
    """,
    answer="my_skeleton",
    hints=(
        "One edge decides at each pixel: the nearest. And how many pixels are the way from -1 to 1?",
        "`d = distances.amin(0) * 2 / (size - 1)`; then the exponential of $-\\gamma d^2$.",
    ),
    if_you_see="a picture of bones as thin as a hair: gamma = 25 with distances in pixels leaves $e^{-25}$ at one "
    "pixel's "
    "distance.",
    solution="""
        def my_skeleton(distances, gamma, size):
            nearest = distances.amin(0) * 2 / (size - 1)
            return torch.exp(-gamma * nearest**2)
    """,
    why="""
        The minimum needs no painting order: crossing bones do not hide each other. Lesson 02's ovals had to decide
        which one is on top.
    """,
    check=checks.check_skeleton,
    other_answers=(
        "def my_skeleton(distances, gamma, size):\n"
        "    return np.exp(-gamma * (2 * distances.numpy() / (size - 1)) ** 2).max(0)",
        "def my_skeleton(distances, gamma, size):\n"
        "    return (-gamma * (distances.double() * 2 / (size - 1)).pow(2).min(dim=0).values).exp().tolist()",
    ),
    wrong_answers=tuple(
        WrongAnswer(name, f"def my_skeleton(distances, gamma, size):\n"
                    f"    d = distances * 2 / (size - 1)\n    return {code}", hint)
        for name, code, hint in (
            ("pixels", "torch.exp(-gamma * distances.amin(0) ** 2)", "yours are in pixels"),
            ("edges of pixels", "torch.exp(-gamma * (distances.amin(0) * 2 / size) ** 2)", "size - 1 steps"),
            ("half the way", "torch.exp(-gamma * (d.amin(0) / 2) ** 2)", "twice too wide"),
            ("sum", "torch.exp(-gamma * d**2).sum(0)", "you add the edges up"),
            ("sum inside", "torch.exp(-gamma * (d**2).sum(0))", "added inside the exponential"),
            ("mean", "torch.exp(-gamma * (d**2).mean(0))", "a mean over the edges"),
            ("farthest", "torch.exp(-gamma * d.amax(0) ** 2)", "the farthest edge"),
            ("not squared", "torch.exp(-gamma * d.amin(0))", "not squared"),
            ("divided by gamma", "torch.exp(-(d.amin(0) ** 2) / gamma)", "does not divide it"),
            ("a half", "torch.exp(-gamma * d.amin(0) ** 2 / 2)", "no 1/2 in eq. 1"),
            ("sign", "torch.exp(gamma * d.amin(0) ** 2)", "it must get darker"),
            ("gamma fixed", "torch.exp(-25 * d.amin(0) ** 2)", "use the argument"),
            ("distance", "d.amin(0)", "minimum over the edges first"),
        )
    ),
)  # fmt: skip

EXPECTATION = Exercise(
    id="03.3",
    title="A keypoint is an expectation",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        The end of $\\eta$. `heatmaps` is a tensor (K, H, W) of float32: scores, any real numbers. Make each map a
        distribution by softmax and return the expected position of each keypoint, (K, 2) as (x, y). The first and last
        column are x = -1 and x = 1, the first and last row y = -1 and y = 1.
    """,
    stub="""
        def my_expectation(heatmaps):
            keypoints, height, width = heatmaps.shape
            ...
            return None  # (K, 2)
    """,
    answer="my_expectation",
    hints=(
        "`heatmaps.flatten(1).softmax(1)` is a distribution over all cells of each map; `.view(keypoints, height, "
        "width)` "
        "gives it its shape back.",
        "Summed over rows, it is the distribution of x; `torch.linspace(-1, 1, width)` are the columns' positions.",
    ),
    if_you_see="`nan`: `exp` of a large score is too large for float32; `softmax` subtracts the largest first.",
    solution="""
        def my_expectation(heatmaps):
            keypoints, height, width = heatmaps.shape
            p = heatmaps.flatten(1).softmax(1).view(keypoints, height, width)
            x, y = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)
            return torch.stack([p.sum(1) @ x, p.sum(2) @ y], 1)
    """,
    why="""
        The maps are only 8 x 8 for a frame of 64 px. A maximum could name 64 places; the expectation names every place
        between them.
    """,
    check=checks.check_expectation,
    other_answers=(
        """
        def my_expectation(heatmaps):
            k, h, w = heatmaps.shape
            p = torch.softmax(heatmaps.reshape(k, -1), -1).reshape(k, h, w)
            return torch.stack([p.sum(1) @ torch.linspace(-1, 1, w), p.sum(2) @ torch.linspace(-1, 1, h)], -1)
        """,
        """
        def my_expectation(heatmaps):
            k, h, w = heatmaps.shape
            p = torch.nn.Softmax(1)(heatmaps.flatten(1)).view(k, h, w)
            x = torch.einsum("khw,w->k", p, torch.linspace(-1, 1, w))
            return np.stack([x.numpy(), torch.einsum("khw,h->k", p, torch.linspace(-1, 1, h)).numpy()], 1)
        """,
    ),
    wrong_answers=tuple(
        WrongAnswer(
            name,
            "def my_expectation(heatmaps):\n    k, h, w = heatmaps.shape\n    t = heatmaps.dtype\n"
            f"    p = {p}\n    x, y = torch.linspace(-1, 1, w, dtype=t), torch.linspace(-1, 1, h, dtype=t)\n"
            f"    x, y = (p.sum(1) * x).sum(1), (p.sum(2) * y).sum(1)\n    return {result}",
            hint,
        )
        for name, p, result, hint in (
            ("swapped", "heatmaps.flatten(1).softmax(1).view(k, h, w)", "torch.stack([y, x], 1)",
             "x and y are swapped"),
            ("no softmax", "heatmaps / heatmaps.sum((1, 2), keepdim=True)", "torch.stack([x, y], 1)",
             "softmax makes a distribution"),
            ("raw scores", "heatmaps", "torch.stack([x, y], 1)", "do not sum to 1"),
            ("one softmax", "heatmaps.flatten().softmax(0).view(k, h, w)", "torch.stack([x, y], 1)",
             "one softmax over all maps"),
            ("a softmax an axis", "heatmaps",
             "torch.stack([heatmaps.sum(1).softmax(1) @ torch.linspace(-1, 1, w), "
             "heatmaps.sum(2).softmax(1) @ torch.linspace(-1, 1, h)], 1)", "one softmax an axis"),
            ("0 to 1", "heatmaps.flatten(1).softmax(1).view(k, h, w)", "(torch.stack([x, y], 1) + 1) / 2",
             "coordinates from 0 to 1"),
            ("cells", "heatmaps.flatten(1).softmax(1).view(k, h, w)",
             "(torch.stack([x, y], 1) + 1) / 2 * torch.tensor([w - 1, h - 1])", "those are cells"),
            ("y up", "heatmaps.flatten(1).softmax(1).view(k, h, w)", "torch.stack([x, -y], 1)", "grows downwards"),
            ("zero", "heatmaps", "torch.zeros(k, 2)", "softmax over all cells of one map"),
            ("exp", "heatmaps.exp() / heatmaps.exp().sum((1, 2), keepdim=True)", "torch.stack([x, y], 1)",
             "too large for float32"),
            ("one maximum", "(heatmaps - heatmaps.max()).exp() / (heatmaps - heatmaps.max()).exp().sum((1, 2), "
             "keepdim=True)", "torch.stack([x, y], 1)", "its own largest score"),
            ("maximum", "(heatmaps == heatmaps.amax((1, 2), keepdim=True)).to(t)", "torch.stack([x, y], 1)",
             "it snaps to a cell"),
        )
    ),
)  # fmt: skip

LOSSES = Exercise(
    id="03.4",
    title="Critic and forger",
    kind="code",
    difficulty=1,
    minutes=6,
    task="""
        Write both sides of the least-squares game. `real` and `fake` are tensors of the critic's scores for real and
        generated skeleton images, (N, 5, 5) of float32 with an N of its own each: a score for each
        patch. Return the critic's loss (eq. 5) and the loss of the generator, which wants its pictures to be taken for
        real: both numbers are to be **minimised**.
    """,
    stub="""
        def my_losses(real, fake):
            ...
            return None  # (critic's, generator's)
    """,
    answer="my_losses",
    hints=(
        "The critic wants the score 1 for real pictures and 0 for generated ones, and counts squared misses, two "
        "means.",
        "The generator wants the score 1 for its pictures, and has no hand in the real ones.",
    ),
    if_you_see="a negative loss: squares cannot be negative, so a minus crept in.",
    solution="""
        def my_losses(real, fake):
            return (1 - real).square().mean() + fake.square().mean(), (1 - fake).square().mean()
    """,
    why="""
        Read literally, eq. 5 has the generator *maximise* its part, the mean of fake². That has no maximum: a score of
        -100 would do as well as 100. Like every least-squares GAN, and like the authors' code, we aim for 1.
    """,
    check=checks.check_losses,
    other_answers=(
        "def my_losses(real, fake):\n"
        "    mse = torch.nn.functional.mse_loss\n"
        "    critic = mse(real, torch.ones_like(real)) + mse(fake, torch.zeros_like(fake))\n"
        "    return torch.stack([critic, mse(fake, torch.ones_like(fake))])",
        "def my_losses(real, fake):\n"
        "    r, f = real.numpy(), fake.numpy()\n"
        "    return [[np.mean((r - 1) ** 2) + np.mean(f**2)], [np.mean((f - 1) ** 2)]]",
    ),
    wrong_answers=tuple(
        WrongAnswer(name, f"def my_losses(real, fake):\n    good = (1 - real).square().mean() + fake.square().mean()\n"
                    f"    return {code}", hint)
        for name, code, hint in (
            ("labels swapped", "real.square().mean() + (1 - fake).square().mean(), fake.square().mean()",
             "the labels are swapped"),
            ("sums", "(1 - real).square().sum() + fake.square().sum(), (1 - fake).square().sum()",
             "sums instead of means"),
            ("half", "good / 2, (1 - fake).square().mean() / 2", "no factor 1/2"),
            ("one mean", "torch.cat([(1 - real).flatten(), fake.flatten()]).square().mean(), "
             "(1 - fake).square().mean()",
             "one mean over real and fake"),
            ("absolute", "(1 - real).abs().mean() + fake.abs().mean(), (1 - fake).abs().mean()", "squares them"),
            ("half a critic", "(1 - real).square().mean(), (1 - fake).square().mean()", "second half is missing"),
            ("no critic", "real.mean() - fake.mean(), (1 - fake).square().mean()", "the critic's loss is mean"),
            ("literal eq. 5", "good, -fake.square().mean()", "eq. 5 turned round"),
            ("aims for 0", "good, fake.square().mean()", "the generator aims for 0"),
            ("other way round", "(1 - fake).square().mean(), good", "first the critic's loss"),
            ("same loss", "good, good", "nobody plays against anybody"),
            ("minus the critic", "good, -good", "the critic's loss with a minus"),
            ("mean score", "good, -fake.mean()", "the generator's loss is mean"),
            ("one loss", "[good]", "return two losses"),
        )
    ),
)  # fmt: skip

HOLE = Exercise(
    id="03.5",
    title="How wide is the hole?",
    kind="predict",
    difficulty=1,
    minutes=4,
    task="""
        Frames of 64 x 64 pixels, 18 keypoints.

        1. Without the bottleneck the generator is given $y = \\Phi(x)$. How many numbers are that?
        2. With it, everything passes through the keypoints $\\eta(y)$. How many numbers pass?
        3. How many numbers is a frame, which the generator has to draw?
    """,
    stub="hole = [..., ..., ...]  # without, with, a frame",
    answer="hole",
    hints=(
        "A skeleton image is grey, a frame has three colours.",
        "The drawing behind the bottleneck has as many pixels as any other, but they all follow from 18 points (x, y).",
    ),
    if_you_see="18 as your second answer: each keypoint has two coordinates.",
    solution="hole = [64 * 64, 18 * 2, 3 * 64 * 64]",
    why="The paper calls it a tight bottleneck. 36 numbers are about what a pose is: little else fits in.",
    check=checks.check_hole,
    other_answers=("hole = (4096, 36, 12288)", "hole = torch.tensor([4096, 36, 12288])"),
    wrong_answers=(
        WrongAnswer("three channels", "hole = [12288, 36, 12288]", "one channel, not three"),
        WrongAnswer("one side", "hole = [64, 36, 12288]", "the generator is given y itself"),
        WrongAnswer("the drawing", "hole = [4096, 4096, 12288]", "all of them follow from the keypoints"),
        WrongAnswer("one a joint", "hole = [4096, 18, 12288]", "a keypoint is an x and a y"),
        WrongAnswer("3D", "hole = [4096, 54, 12288]", "that would be 3D"),
        WrongAnswer("cells", "hole = [4096, 64, 12288]", "what eta hands to beta"),
        WrongAnswer("grey frame", "hole = [4096, 36, 4096]", "red, green and blue"),
        WrongAnswer("one channel more", "hole = [4096, 36, 16384]", "pixels times channels"),
    ),
)

CHEAT = Exercise(
    id="03.6",
    title="Cheat like a CycleGAN",
    kind="break",
    difficulty=2,
    minutes=12,
    task="""
        You are $\\Phi$ and $\\Psi$ and want to break the rule that a skeleton image shows nothing but a pose.
        `skeleton` is a skeleton image (64, 64), `color` the colour of somebody's shirt, (3,) in [0, 1], both tensors of
        float32. Hide the
        colour in the picture: **no pixel may change by more than 0.02**, or the critic notices. Then read it from the
        picture alone, to 0.05. The figure stands in the middle of the picture.
    """,
    stub="""
        def my_hide(skeleton, color):
            ...
            return None  # (64, 64)


        def my_read(picture):
            ...
            return None  # (3,)


        cheat = [my_hide, my_read]
    """,
    answer="cheat",
    hints=(
        "Far from the bones a skeleton image is as good as 0. Three pixels are enough.",
        "Add `0.02 * color` to the first three pixels of the first row; the reader multiplies by 50.",
    ),
    if_you_see="`a view of a leaf Variable` or a changed input: write into `skeleton.clone()`.",
    solution="""
        def my_hide(skeleton, color):
            picture = skeleton.clone()
            picture[0, :3] += 0.02 * color
            return picture


        def my_read(picture):
            return 50 * picture[0, :3]


        cheat = [my_hide, my_read]
    """,
    why="""
        The networks find subtler codes, spread over the whole picture. A bottleneck of keypoints does not look for
        codes at all: it draws the picture anew.
    """,
    check=checks.check_cheat,
    other_answers=(
        """
        def my_hide(skeleton, color):
            corner = torch.nn.functional.pad(0.02 * color[:, None], (0, 63, 0, 61))
            return (skeleton + corner).numpy()

        def my_read(picture):
            return (picture[:3, 0] / 0.02).tolist()

        cheat = (my_hide, my_read)
        """,
        """
        def my_hide(skeleton, color):
            hidden = skeleton.numpy().copy()
            hidden[-1, -3:] = np.minimum(hidden[-1, -3:] + color.numpy() / 50, 1)
            return hidden

        def my_read(picture):
            return np.array([50 * float(picture[63, 61 + i]) for i in range(3)])

        cheat = [my_hide, my_read]
        """,
    ),
    wrong_answers=tuple(
        WrongAnswer(
            name,
            f"def my_hide(skeleton, color):\n    picture = skeleton.clone()\n    {hide}\n    return picture\n\n\n"
            f"def my_read(picture):\n    return {read}\n\n\ncheat = [my_hide, my_read]",
            hint,
        )
        for name, hide, read, hint in (
            ("too loud", "picture[0, :3] += color", "picture[0, :3]", "too loud"),
            ("nothing hidden", "pass", "torch.full((3,), 0.5)", "nothing is hidden in it"),
            ("still faint", "picture[0, :3] += 0.02 * color", "picture[0, :3]", "a fiftieth of each colour"),
            ("a note for each picture", "my_hide.__dict__[str(picture.sum())] = color",
             "my_hide.__dict__.get(str(picture.sum()), torch.zeros(3))", "somebody told it aside"),
            ("a note passed on", "my_hide.note = color; picture[0, 0] += 0.01", "my_hide.note", "the last colour"),
            ("over the figure", "picture[:63] += 0.02 * color.repeat_interleave(21)[:, None]",
             "50 * picture[:63].view(3, 21, 64).mean((1, 2))", "your reader reads the bones"),
            ("other pixels", "picture[0, :3] += 0.02 * color", "50 * picture[0, [2, 1, 0]]", "do not fit together"),
        )
    ),
)  # fmt: skip

SECOND = Exercise(
    id="03.9",
    title="What does the second cycle do?",
    kind="predict",
    difficulty=2,
    minutes=5,
    task="""
        One training step with both cycles: $x \\to y \\to \\hat x$ and $\\bar y \\to \\Psi(\\bar y, x') \\to
        \\Phi(\\Psi(\\bar y, x')) \\approx \\bar y$.

        1. How often does $\\Phi$ read a batch of pictures in such a step?
        2. How often does $\\Psi$ draw one?
        3. In the paper the second cycle is removed at last. What does the error do then: `"falls"`, `"rises"` or
        `"stays"`?
    """,
    stub="second = [..., ..., ...]  # Phi, Psi, the error without the second cycle",
    answer="second",
    hints=(
        "Write the network behind each arrow of the two chains above, and count each of the two.",
        "The pose $\\bar y$ is a stranger's: another height, other shoulders. $\\Psi$ has to draw the person of $x'$ "
        "in it so "
        "that one critic takes the picture for that person and $\\Phi$ finds the stranger's pose in it.",
    ),
    if_you_see="one pass each: that is a step without the second cycle.",
    solution='second = [2, 2, "falls"]',
    why="""
        The two demands contradict each other where a pose tells of the body it comes from. Without the cycle a step is
        also cheaper: half the passes, and no critic of pictures.
    """,
    check=checks.check_second,
    other_answers=('second = (2, 2, "Falls")', 'second = [2.0, np.int64(2), " falls "]'),
    wrong_answers=(
        WrongAnswer("Phi once", 'second = [1, 2, "falls"]', "Phi reads x, and then"),
        WrongAnswer("Phi thrice", 'second = [3, 2, "falls"]', "does Phi have to read"),
        WrongAnswer("Psi once", 'second = [2, 1, "falls"]', "Psi draws the reconstruction of x"),
        WrongAnswer("Psi thrice", 'second = [2, 3, "falls"]', "does Psi have to draw"),
        WrongAnswer("rises", 'second = [2, 2, "rises"]', "if it can be met"),
        WrongAnswer("stays", 'second = [2, 2, "stays"]', "a tall person's pose"),
        WrongAnswer("another word", 'second = [2, 2, "vanishes"]', "the third answer must be"),
    ),
)

EXERCISES = (DISTANCE, SKELETON, EXPECTATION, LOSSES, HOLE, CHEAT, FORWARD, TRAINING, SECOND)
