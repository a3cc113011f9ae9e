"""Lesson 06: the exercises' words, stubs, solutions and usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_06 import checks, checks_training

_READ = """
    def my_read(maps, pixels):
        column, row = ((pixels + 0.5) / 8 - 0.5).round().long().T
        values = maps[:, {index}].T
        angles = {angles}
        depth = {depth}
        return angles, torch.cat([{flat}, depth], 1)
"""
_ANGLES = "torch.atan2(values[:, 32:35], values[:, 35:38])"
_DEPTH = "2500 + (values[:, 38:] + 1) / 2 * 3000"
_FLAT = "(pixels - 55.5) * depth / 150"


def _read(index: str = "row, column", angles: str = _ANGLES, depth: str = _DEPTH, flat: str = _FLAT) -> str:
    return _READ.format(index=index, angles=angles, depth=depth, flat=flat)


READ = Exercise(
    id="06.1",
    title="Read people out of maps",
    kind="code",
    difficulty=3,
    minutes=12,
    task="""
        `maps` is a float32 tensor (39, 14, 14); `pixels`, another, is (P, 2), the pelvises of P people as (x, y) in a
        picture of 112 pixels. A cell is 8 pixels wide and high. Read each person's 39 numbers at the pelvis's cell.
        Return the three angles (P, 3) in radians, from the sines (channels 32 to 34) and cosines (35 to 37), and the
        places (P, 3), x, y and depth in mm. The depth (channel 38) runs from -1, 2500 mm, to 1, 5500 mm; the camera has
        a focal length of 150 pixels and its axis at pixel (55.5, 55.5).
    """,
    stub="""
        def my_read(maps, pixels):
            column, row = ((pixels + 0.5) / 8 - 0.5).round().long().T
            ...
            return None, None  # (P, 3) radians, (P, 3) mm
    """,
    answer="my_read",
    hints=(
        "`maps[:, row, column]` reads P cells at once, (39, P); its transpose has a row for each person.",
        "`torch.atan2(sine, cosine)` keeps all four quarters. Solve pixel = focal * X / depth + centre for X.",
    ),
    if_you_see="`The size of tensor a ...`: keep the depth as a column, `values[:, 38:]`, to multiply (P, 2) by it.",
    solution=_read(),
    why="""
        Every step has a gradient with respect to the maps, so whatever is wrong with a pose in 2D or 3D tells the
        network what to write into that one cell.
    """,
    check=checks.check_read,
    other_answers=(_read(angles=f"{_ANGLES}.remainder(2 * torch.pi)"),),
    wrong_answers=(
        WrongAnswer("x is the row", _read("column, row"), "y is the row"),
        WrongAnswer("cosine first", _read(angles="torch.atan2(values[:, 35:38], values[:, 32:35])"),
                    "are exchanged: ch"),
        WrongAnswer("degrees", _read(angles=f"{_ANGLES}.rad2deg()"), "in degrees"),
        WrongAnswer("places first", _read().replace("angles, torch.cat([(pixels - 55.5) * depth / 150, depth], 1)",
                    "torch.cat([(pixels - 55.5) * depth / 150, depth], 1), angles"), "have changed places"),
        WrongAnswer("atan", _read(angles="torch.atan(values[:, 32:35] / values[:, 35:38])"), "front from back"),
        WrongAnswer("sines alone", _read(angles="torch.asin(values[:, 32:35])"), "knows half a turn"),
        WrongAnswer("depth first", _read().replace("torch.cat([(pixels - 55.5) * depth / 150, depth], 1)",
                    "torch.cat([depth, (pixels - 55.5) * depth / 150], 1)"), "depth comes last"),
        WrongAnswer("raw depth", _read(depth="values[:, 38:]"), "still between"),
        WrongAnswer("half the room", _read(depth="2500 + values[:, 38:] * 3000"), "the depth is another"),
        WrongAnswer("from the corner", _read(flat="pixels * depth / 150"), "counted from the corner"),
        WrongAnswer("projected", _read(flat="(pixels - 55.5) * 150 / depth"), "the projection once more"),
    ),
)  # fmt: skip

_SUPPORT = """
    def my_support(vectors, start, end):
        bone = {bone}
        return {value}
"""
_BONE, _MEAN = "(end - start) / (end - start).norm()", "(vectors @ bone).mean()"


def _support(bone: str = _BONE, value: str = _MEAN) -> str:
    return _SUPPORT.format(bone=bone, value=value)


SUPPORT = Exercise(
    id="06.3",
    title="Does the field join these two?",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        Between an elbow at `start` and a wrist at `end`, both float64 tensors (2,) in cells, the field was looked up at
        N points along the line: `vectors`, (N, 2). Return the support that it lends to this pair, one number: the mean
        over the points of the field's share along the bone.
    """,
    stub="""
        def my_support(vectors, start, end):
            ...
            return None  # one number
    """,
    answer="my_support",
    hints=(
        "The share of a vector along a direction is a dot product with a vector of length 1.",
        "`vectors @ bone` gives N dot products.",
    ),
    if_you_see="a number far above 1: the field's vectors are at most 1 long, so a mean of shares cannot exceed 1.",
    solution=_support(),
    why="Cao and others' line integral, as a mean over samples of it.",
    check=checks.check_support,
    wrong_answers=(
        WrongAnswer("sum", _support(value="(vectors @ bone).sum()"), "that is the sum"),
        WrongAnswer("long bone", _support("end - start"), "of length 1: divide"),
        WrongAnswer("absolute", _support(value="(vectors @ bone).abs().mean()"), "absolute values: against"),
        WrongAnswer("strength", _support(value="vectors.norm(dim=1).mean()"), "how strong"),
        WrongAnswer("backwards", _support("(start - end) / (end - start).norm()"), "from start to end, end"),
        WrongAnswer("mean of products", _support(value="(vectors * bone).mean()"), "of x and y of a point"),
        WrongAnswer("cosine", _support(value="torch.cosine_similarity(vectors, bone[None]).mean()"), "count less"),
        WrongAnswer("no direction", _support(value="vectors.mean()"), "unit = (end - start)"),
    ),
)  # fmt: skip

_DISTL = """
    def my_distillation(student, teacher):
        known = ~teacher.isnan()
        return {value}
"""


def _distl(value: str) -> str:
    return _DISTL.format(value=value)


DISTILLATION = Exercise(
    id="06.4",
    title="Learn from a teacher with gaps",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        $\\mathcal L_{distl} = |\\hat k_p - \\hat k_q|$. `student` and `teacher` are float64 tensors (P, 15, 2), the
        joints of P people in pixels. Where the teacher did not find a joint, it has NaN. Return the mean absolute
        difference over the numbers that are known, as a tensor with a gradient to the student.
    """,
    stub="""
        def my_distillation(student, teacher):
            known = ~teacher.isnan()
            ...
            return None  # one number
    """,
    answer="my_distillation",
    hints=(
        "A tensor can be indexed with another of bools: `student[known]` is flat.",
        "Select in both first, then subtract: what was never computed cannot be NaN, nor can its gradient.",
    ),
    if_you_see="`nan`: one NaN in a sum or mean is enough.",
    solution=_distl("(student[known] - teacher[known]).abs().mean()"),
    why="""
        `torch.where(known, distance, 0.0)` hides a NaN from the value and not from the gradient: behind a square or a
        root, 0 times NaN is NaN again. So missing joints leave before anything is computed with them.
    """,
    check=checks.check_distillation,
    other_answers=(_distl("(student - teacher).abs().nanmean()"),),
    wrong_answers=(
        WrongAnswer("plain mean", _distl("(student - teacher).abs().mean()"), "got into the mean"),
        WrongAnswer("squares", _distl("(student[known] - teacher[known]).square().mean()"), "worst guesses"),
        WrongAnswer("all count", _distl("(student[known] - teacher[known]).abs().sum() / known.numel()"),
                    "number of known ones"),
        WrongAnswer("distances", _distl("(student - teacher)[known.all(-1)].norm(dim=-1).mean()"), "mean distance of"),
        WrongAnswer("zeros", _distl("(student - teacher.nan_to_num(0)).abs().mean()"), "picture's corner"),
        WrongAnswer("detached", _distl("(student.detach()[known] - teacher[known]).abs().mean()"), "no gradient"),
        WrongAnswer("sum", _distl("(student[known] - teacher[known]).abs().sum()"), "that is the sum"),
        WrongAnswer("signed", _distl("(student[known] - teacher[known]).mean()"), "with all joints known"),
    ),
)  # fmt: skip

_MIRROR = """
    def my_mirror(pose, width, other_side):
        mirrored = pose.clone()
        {change}
        return {value}
"""
_CHANGE = "mirrored[:, 0] = width - 1 - pose[:, 0]"


def _mirror(change: str = _CHANGE, value: str = "mirrored[other_side]") -> str:
    return _MIRROR.format(change=change, value=value)


MIRROR = Exercise(
    id="06.5",
    title="A pose in the mirror",
    kind="code",
    difficulty=1,
    minutes=6,
    task="""
        $T_s$ for the simplest move. `pose` is a float64 tensor (15, 2) in a picture of `width` pixels, whose centres
        are 0 to `width` - 1. Return the joints, (15, 2), as they must be found in the mirrored picture.
        `other_side` is a list: `other_side[j]` is the joint opposite to j (left wrist, right wrist), or j itself.
    """,
    stub="""
        def my_mirror(pose, width, other_side):
            ...
            return None  # (15, 2)
    """,
    answer="my_mirror",
    hints=(
        "Pixel 0 goes to the last one, `width - 1`.",
        "Row j of the answer is the mirrored place of joint `other_side[j]`: `mirrored[other_side]`.",
    ),
    if_you_see="a hint about names though the places look right: row j must hold joint j of the mirrored picture.",
    solution=_mirror(),
    why="A student that is unsure which arm is which answers two pictures differently; that is what L_ss sees.",
    check=checks.check_mirror,
    wrong_answers=(
        WrongAnswer("same names", _mirror(value="mirrored"), "keep their names"),
        WrongAnswer("names alone", _mirror("pass"), "nothing moves"),
        WrongAnswer("off by one", _mirror("mirrored[:, 0] = width - pose[:, 0]"), "off by one"),
        WrongAnswer("about 0", _mirror("mirrored[:, 0] = -pose[:, 0]"), "is negative now"),
        WrongAnswer("upside down", _mirror("mirrored[:, 1] = width - 1 - pose[:, 1]"), "upside down"),
        WrongAnswer("both axes", _mirror("mirrored = width - 1 - pose"), "heads above feet"),
        WrongAnswer("in place", _mirror("mirrored = pose; pose[:, 0] = width - 1 - pose[:, 0]"), "itself has changed"),
        WrongAnswer("half", _mirror("mirrored[:, 0] = width / 2 - pose[:, 0]"), "in the order of"),
        WrongAnswer("one width", _mirror("mirrored[:, 0] = 111 - pose[:, 0]"), "use `width`"),
    ),
)  # fmt: skip

_STEP = """
    def my_step(G, F, optimizer, maps):
        {frozen}
        loss = {loss}
        {clear}
        {way}
        optimizer.step()
        return loss
"""
_ADAPT = "(F(G(maps)) - maps).square().sum(1).mean()"


def _step(
    frozen: str = "F.requires_grad_(False)", loss: str = _ADAPT, clear: str = "optimizer.zero_grad()",
    way: str = "loss.backward()",
) -> str:  # fmt: skip
    return _STEP.format(frozen=frozen, loss=loss, clear=clear, way=way)


STEP = Exercise(
    id="06.6",
    title="Speak as E does",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        One step with $\\mathcal L_{adapt}$. `G` turns maps into $\\mathcal V$ and `F` turns $\\mathcal V$ into maps,
        two networks of torch; `optimizer` is G's; `maps` is a float32 tensor (B, C, H, W). The loss is
        $(F(G(m)) - m)^2$, summed over the C maps, its mean over pictures and cells. Lower it by one step of the
        optimizer. **You** have to freeze F: its weights stay, and no gradient may be left in them. Return the loss
        before the step. The check calls your function twice.
    """,
    stub="""
        def my_step(G, F, optimizer, maps):
            ...
            return None  # the loss, one number
    """,
    answer="my_step",
    hints=(
        "The gradient has to go *through* F to reach G. What is it that F's own weights must not do?",
        "`F.requires_grad_(False)`, then loss, `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`.",
    ),
    if_you_see="`does not require grad and does not have a grad_fn`: the way from G to the loss is cut by `no_grad`.",
    solution=_step(),
    why="This is all that ever tells G what pictures look like: F was fitted to them, and G has never seen one.",
    check=checks_training.check_step,
    other_answers=("""
        def my_step(G, F, optimizer, maps):
            loss = torch.nn.functional.mse_loss(F(G(maps)), maps) * maps.shape[1]
            optimizer.zero_grad()
            loss.backward(inputs=list(G.parameters()))
            optimizer.step()
            return loss.item()
    """, """
        def my_step(G, F, optimizer, maps):
            weights = list(G.parameters())
            loss = ((F(G(maps)) - maps) ** 2).sum() / maps[:, 0].numel()
            for weight, slope in zip(weights, torch.autograd.grad(loss, weights)):
                weight.grad = slope
            optimizer.step()
            optimizer.zero_grad()
            return loss.detach().numpy()
    """),
    wrong_answers=(
        WrongAnswer("not frozen", _step(frozen="pass"), "is left in F"),
        WrongAnswer("F learns, too", _step(frozen="other = torch.optim.SGD(F.parameters(), lr=0.5)",
                                           way="loss.backward(); other.step()"), "Only G takes a step"),
        WrongAnswer("detached", _step(frozen="pass", loss=_ADAPT.replace("G(maps)", "G(maps).detach()")), "not moved"),
        WrongAnswer("no gradient", _step(frozen="torch.set_grad_enabled(False)",
                                         way="torch.set_grad_enabled(True); loss.backward()"), "stopped with Runtime"),
        WrongAnswer("piles up", _step(clear="pass"), "of the step before"),
        WrongAnswer("absolute", _step(loss="(F(G(maps)) - maps).abs().mean()"), "nothing is said"),
        WrongAnswer("mean", _step(loss="(F(G(maps)) - maps).square().mean()"), "sum over them"),
        WrongAnswer("sum", _step(loss="(F(G(maps)) - maps).square().sum()"), "over all cells"),
        WrongAnswer("climbs", _step(way="(-loss).backward()"), "the loss climbs"),
        WrongAnswer("half", _step(way="(0.5 * loss).backward()"), "one step of the optimizer"),
        WrongAnswer("after", _step().replace("return loss", f"return {_ADAPT}"), "before the step"),
    ),
)  # fmt: skip

GUESS = Exercise(
    id="06.7",
    title="Which loss helps most?",
    kind="predict",
    difficulty=1,
    minutes=3,
    task="""
        The students of table 2 begin with $\\mathcal L_{distl}$ alone; then $\\mathcal L_{recon}$,
        $\\mathcal L_{adapt}$ and $\\mathcal L_{ss}$ are added, one after the other. Which of the three adds most to
        3DPCK, **in our small trainings**? Commit to `"recon"`, `"adapt"` or `"ss"`.
    """,
    stub="""
        guess = ...  # "recon", "adapt" or "ss"
    """,
    answer="guess",
    hints=(
        "Which of them is the first to see a 3D pose?",
        "In the paper the three gain 4.3, 4.3 and 2.3 points.",
    ),
    if_you_see="a complaint about words: put the answer into quotes.",
    solution="""
        guess = "recon"
    """,
    why="Any of the three is accepted: what counts is that you said it before you saw the result.",
    check=checks.check_guess,
    wrong_answers=(
        WrongAnswer("a number", "guess = 4.3", "one of three words"),
        WrongAnswer("the teacher", 'guess = "distl"', "where all of them begin"),
    ),
)

HIDE = Exercise(
    id="06.2",
    title="Hide one person behind a cell",
    kind="break",
    difficulty=1,
    minutes=5,
    task="""
        Place two people in the room, at least half a metre apart, so that only one comes back from the maps: each as x
        and y of the pelvis in pixels (0 to 111) and depth in mm (2500 to 5500).
    """,
    stub="""
        two = [[..., ..., ...], [..., ..., ...]]  # x, y, depth of each
    """,
    answer="two",
    hints=(
        "A cell is 8 pixels wide and high: which pixels share one?",
        "Two people on one line of sight are close in the picture, however far apart they are in depth.",
    ),
    if_you_see="both come back: pixels 56 to 63 are one cell, 64 is the next.",
    solution="""
        two = [[58, 60, 2800], [61, 58, 5200]]
    """,
    why="It is the first of the supplement's limitations; its remedies are two poses a cell, or smaller cells.",
    check=checks.check_hide,
    wrong_answers=(
        WrongAnswer("two cells", "two = [[30, 60, 2800], [80, 60, 5200]]", "both come back"),
        WrongAnswer("in one another", "two = [[58, 60, 2800], [60, 60, 2900]]", "in one another"),
        WrongAnswer("outside", "two = [[140, 60, 2800], [141, 60, 5200]]", "in the picture"),
        WrongAnswer("behind the wall", "two = [[58, 60, 2800], [60, 60, 9000]]", "in the room"),
    ),
)

EXERCISES = (READ, HIDE, SUPPORT, DISTILLATION, MIRROR, STEP, GUESS)
