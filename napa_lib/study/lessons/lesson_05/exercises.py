"""Lesson 05: the exercises' words, stubs, solutions and usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_05 import checks

_DIRECTION = """
    def my_direction(theta, gamma):
        {radians}
        return torch.stack([{parts}], -1)
"""
_RADIANS = "t, g = torch.deg2rad(theta), torch.deg2rad(gamma)"
_XYZ = "-g.sin() * t.sin(), g.sin() * t.cos(), g.cos()"


def _direction(parts: str = _XYZ, radians: str = _RADIANS) -> str:
    return _DIRECTION.format(parts=parts, radians=radians)


DIRECTION = Exercise(
    id="05.1",
    title="Two angles, one direction",
    kind="code",
    difficulty=1,
    minutes=6,
    task="""
        `theta` and `gamma` are float64 tensors (N,) in **degrees**. Return the N directions (x, y, z), of length 1, in
        the frame of the parent bone: gamma = 0 goes straight on along z; at gamma = 90, theta = 0 is y and theta =
        90 is -x.
    """,
    stub="""
        def my_direction(theta, gamma):
            ...
            return None  # (N, 3)
    """,
    answer="my_direction",
    hints=(
        "How much of the direction is left for x and y together, when z has its share?",
        "z = cos(gamma). The rest is sin(gamma), of which y gets cos(theta) and -x gets sin(theta).",
    ),
    if_you_see="numbers that jump wildly: torch's `sin` takes radians; `torch.deg2rad` converts.",
    solution=_direction(),
    why="Geographers count from the equator, physicists from the pole. The paper's elevation counts from the pole, z.",
    check=checks.check_direction,
    wrong_answers=(
        WrongAnswer("degrees", _direction(radians="t, g = theta, gamma"), "want radians"),
        WrongAnswer("from x", _direction("g.sin() * t.cos(), g.sin() * t.sin(), g.cos()"), "starts at x"),
        WrongAnswer("wrong way", _direction("g.sin() * t.sin(), g.sin() * t.cos(), g.cos()"), "the wrong way round"),
        WrongAnswer("equator", _direction("-g.cos() * t.sin(), g.cos() * t.cos(), g.sin()"), "from the equator"),
        WrongAnswer("not unit", _direction("-t.sin(), t.cos(), g.cos()"), "not of length 1"),
        WrongAnswer("folded", _direction("-g.sin() * t.sin(), g.sin() * t.cos(), -g.cos()"), "folds back"),
        WrongAnswer("exchanged", _direction(radians="g, t = torch.deg2rad(theta), torch.deg2rad(gamma)"),
                    "theta and gamma"),
        WrongAnswer("zeros", _direction("0 * t, 0 * t, 0 * t"), "is shared between"),
    ),
)  # fmt: skip

_LOCAL = """
    def my_local(parent, bone):
        forward = torch.tensor([1.0, 0.0, 0.0], dtype=parent.dtype)
        z = parent / parent.norm(dim=1, keepdim=True)
        x = {x}
        y = {y}
        return torch.stack([{dots}], 1)
"""
_X = "torch.nn.functional.normalize(forward - z[:, :1] * z, dim=1)"
_DOTS = "(bone * axis).sum(1) for axis in (x, y, z)"


def _local(x: str = _X, y: str = "torch.linalg.cross(z, x)", dots: str = _DOTS) -> str:
    return _LOCAL.format(x=x, y=y, dots=dots)


LOCAL = Exercise(
    id="05.2",
    title="The frame that a bone carries along",
    kind="code",
    difficulty=3,
    minutes=12,
    task="""
        `parent` and `bone` are float64 tensors (N, 3): N bones in the canonical frame and the N bones they hang from.
        Return the bones in the local frames, (N, 3), their lengths unchanged. The axes, by Gram-Schmidt: z along the
        parent; x is (1, 0, 0), the way the chest faces, made orthogonal to z and of length 1; y = z cross x.
    """,
    stub="""
        def my_local(parent, bone):
            forward = torch.tensor([1.0, 0.0, 0.0], dtype=parent.dtype)
            ...
            return None  # (N, 3)
    """,
    answer="my_local",
    hints=(
        "Take away from `forward` what lies along z: their dot product, z[:, 0], times z.",
        "Once x, y, z are (N, 3), the local coordinates are the dot products `(bone * x).sum(1)` and so on.",
    ),
    if_you_see="`The size of tensor a (30) must match`: `z[:, :1]` is (N, 1) and multiplies a (N, 3), `z[:, 0]` does "
    "not.",
    solution=_local(),
    why="""
        Where the parent bone points straight forward, (1, 0, 0) has no part orthogonal to it, and just beside that
        place x flips from up to down. Remember it: it comes back.
    """,
    check=checks.check_local,
    wrong_answers=(
        WrongAnswer("no Gram-Schmidt", _local("forward.expand_as(z)"), "not orthogonal to z"),
        WrongAnswer("not normalised", _local("forward - z[:, :1] * z"), "orthogonal to z but not of length 1"),
        WrongAnswer("one length for x", _local("(forward - z[:, :1] * z) / (forward - z[:, :1] * z).norm()"),
                    "divided all x axes"),
        WrongAnswer("long projection", _local(_X.replace("z[:, :1] * z", "parent[:, :1] * parent")),
                    "takes its share"),
        WrongAnswer("left-handed", _local(y="torch.linalg.cross(x, z)"), "right-handed frame"),
        WrongAnswer("way back", _local(dots="*(bone[:, :1] * x + bone[:, 1:2] * y + bone[:, 2:] * z).unbind(1)"),
                    "the way back"),
        WrongAnswer("long z", _local(dots="*((bone * axis).sum(1) for axis in (x, y, parent))"),
                    "z is not of length 1"),
        WrongAnswer("unit bone", _local(dots="*((bone * axis).sum(1) / bone.norm(dim=1) for axis in (x, y, z))"),
                    "divided by the bone's length"),
        WrongAnswer("own axes", _local().replace("z = parent / parent.norm(dim=1, keepdim=True)",
                                                 "z = bone / bone.norm(dim=1, keepdim=True)"),
                    "axes of the bone itself"),
        WrongAnswer("one length", _local().replace("parent.norm(dim=1, keepdim=True)", "parent.norm()"), "of each row"),
        WrongAnswer("order", _local(dots="(bone * axis).sum(1) for axis in (z, x, y)"), "in another order"),
        WrongAnswer("unchanged", "def my_local(parent, bone):\n    return bone", "three dot products"),
    ),
)  # fmt: skip

_CHAIN = """
    def my_chain(local, lengths):
        bone = torch.tensor([0.0, 0.0, 1.0], dtype=local.dtype)
        joint, joints = torch.zeros(3, dtype=local.dtype), []
        for direction, length in zip(local, lengths, strict=True):
            x, y, z = frame_below(bone)
            {body}
            joints.append({place})
        return torch.stack(joints)
"""
_BODY = "bone = length * (direction[0] * x + direction[1] * y + direction[2] * z); joint = joint + bone"


def _chain(body: str = _BODY, place: str = "joint") -> str:
    return _CHAIN.format(body=body, place=place)


CHAIN = Exercise(
    id="05.3",
    title="Walk down an arm",
    kind="code",
    difficulty=2,
    minutes=10,
    task="""
        Forward kinematics of one chain. `local` is a float64 tensor (B, 3), the unit directions of B bones in a row,
        each in the frame of the bone before it; the first one's frame is the trunk's, z up. `lengths` is (B,) likewise,
        in mm. Start at (0, 0, 0) and return the B joints, (B, 3). `frame_below(bone)` gives you the axes x, y, z
        below a bone (3,).
    """,
    stub="""
        def my_chain(local, lengths):
            bone = torch.tensor([0.0, 0.0, 1.0], dtype=local.dtype)  # the trunk: its frame is the canonical one
            joint, joints = torch.zeros(3, dtype=local.dtype), []
            for direction, length in zip(local, lengths, strict=True):
                x, y, z = frame_below(bone)
                ...
            return None  # (B, 3)
    """,
    answer="my_chain",
    hints=(
        "The direction (l1, l2, l3) says how much of x, of y and of z to take. Then the bone has its length.",
        "`bone = length * (l1 * x + l2 * y + l3 * z)`, `joint = joint + bone`, and append it.",
    ),
    if_you_see="a chain whose bones do not turn one another: `bone` is never replaced, so every frame is the trunk's.",
    solution=_chain(),
    why="The library walks all chains of a body at once, level by level, for thousands of poses side by side.",
    check=checks.check_chain,
    wrong_answers=(
        WrongAnswer("no frames", _chain("bone = length * direction; joint = joint + bone"), "local vectors up"),
        WrongAnswer("unit bones", _chain(_BODY.replace("length * ", "")), "multiply by the lengths"),
        WrongAnswer("bones", _chain(place="bone"), "those are the bones, not the joints"),
        WrongAnswer("transposed", _chain("bone = length * torch.stack([(direction * a).sum() for a in (x, y, z)]); "
                                         "joint = joint + bone"), "the wrong way round"),
        WrongAnswer("starts", _chain("joints.append(joint); " + _BODY).replace(
            "            joints.append(joint)\n        return", "            pass\n        return"),
                    "where each bone starts"),
        WrongAnswer("in place", _chain(_BODY.replace("joint = joint + bone", "joint += bone")), "all joints are one"),
        WrongAnswer("zeros", "def my_chain(local, lengths):\n    return torch.zeros(len(local), 3)",
                    "with the axes of the bone before"),
    ),
)  # fmt: skip

_ANGLES = """
    def my_angles(limits, n):
        u, v = torch.rand(n), torch.rand(n)
        theta = {theta}
        gamma = {gamma}
        return theta, gamma
"""
_THETA = "limits.theta1 + (limits.theta2 - limits.theta1) * u"
_GAMMA = "limits.gamma1 + (limits.gamma2 - limits.gamma1) * v"


def _angles(theta: str = _THETA, gamma: str = _GAMMA) -> str:
    return _ANGLES.format(theta=theta, gamma=gamma)


ANGLES = Exercise(
    id="05.4",
    title="Draw a bone from its limits",
    kind="code",
    difficulty=1,
    minutes=6,
    task="""
        The paper's sampling, for one joint. `limits` has four numbers, `theta1`, `theta2`, `gamma1` and `gamma2` in
        degrees; return two tensors (n,), theta and gamma, uniform in their ranges. The check draws from ranges that
        cross 180 degrees, the first from 120 to 240.
    """,
    stub="""
        def my_angles(limits, n):
            ...
            return None  # theta (n,), gamma (n,)
    """,
    answer="my_angles",
    hints=(
        "`torch.rand(n)` is uniform from 0 to 1: stretch it to the range's width and move it to the range's start.",
        "`limits.theta1 + (limits.theta2 - limits.theta1) * torch.rand(n)`, and gamma the same with other numbers.",
    ),
    if_you_see="bones on the wrong side: an angle of 240 is fine, sine and cosine know that it is -120.",
    solution=_angles(),
    why="""
        Uniform in the angles is not uniform on the sphere: near the poles, gamma = 0 and 180, directions crowd. The
        paper draws angles, so we do.
    """,
    check=checks.check_sample,
    wrong_answers=(
        WrongAnswer("other arc", _angles("-120 + 240 * u"), "the other arc"),
        WrongAnswer("one draw", "def my_angles(limits, n):\n    return torch.full((n,), 150.0), torch.full((n,), 50.0)",
                    "draw n numbers, not one"),
        WrongAnswer("together", _angles(gamma=_GAMMA.replace("* v", "* u")), "random numbers of its own"),
        WrongAnswer("bell", _angles("180 + (10 * torch.randn(n)).clamp(-60, 60)"), "not uniform"),
        WrongAnswer("theta as width", _angles("limits.theta1 + limits.theta2 * u"), "theta leaves its range"),
        WrongAnswer("gamma as width", _angles(gamma="limits.gamma1 + limits.gamma2 * v"), "gamma leaves its range"),
        WrongAnswer("whole degrees", _angles("torch.randint(limits.theta1, limits.theta2, (n,))"), "too coarse"),
        WrongAnswer("in order", _angles("torch.linspace(limits.theta1, limits.theta2, n)"), "no draw"),
        WrongAnswer("NaN", _angles("u * float('nan')"), "not finite"),
    ),
)  # fmt: skip

GUESS = Exercise(
    id="05.5",
    title="How many of them are possible?",
    kind="predict",
    difficulty=1,
    minutes=3,
    task="""
        Poses are drawn from the limits above, each joint independently of the others. Of real poses, 97 % and more
        keep any one joint's limits. What percentage of the drawn poses is possible, that is, could a body bring **all
        four** limbs where they are? Commit a number.
    """,
    stub="guess = ...  # per cent",
    answer="guess",
    hints=(
        "Four limbs, drawn independently: the shares multiply.",
        "Suppose that a half of all legs and a half of all arms are possible. What remains for the whole pose?",
    ),
    if_you_see="a number below 1: the answer is in per cent.",
    solution="guess = 4",
    why="Any number is accepted here: what counts is that you said it before you saw the result.",
    check=checks.check_guess,
    other_answers=("guess = [30]",),
    wrong_answers=(
        WrongAnswer("beyond", "guess = 140", "between 0 and 100"),
        WrongAnswer("fraction", "guess = 0.5", "in per cent, please"),
    ),
)

_STEP = """
    def my_step(Phi, Psi, D, poses, prior):
        drawn = Psi(prior)
        cycle = {cycle}
        model_loss = cycle + {fooled}
        critic_loss = {critic}
        return model_loss, critic_loss
"""
_CYCLE = "(Psi(Phi(poses)) - poses).abs().mean() + (Phi(drawn) - prior).abs().mean()"
_FOOLED = "(1 - D(drawn)).square().mean()"
_CRITIC = "(1 - D(poses)).square().mean() + D(drawn.detach()).square().mean()"


def _step(cycle: str = _CYCLE, fooled: str = _FOOLED, critic: str = _CRITIC) -> str:
    return _STEP.format(cycle=cycle, fooled=fooled, critic=critic)


STEP = Exercise(
    id="05.7",
    title="One step of the autoencoder",
    kind="code",
    difficulty=3,
    minutes=12,
    task="""
        `Phi` turns poses into embeddings, `Psi` embeddings into poses, `D` scores poses. `poses` is a batch of real
        poses, `prior` a batch of embeddings drawn from the cube, both float64 tensors (B, numbers). Return two losses:
        the model's, $\\mathcal L_{cyc} + \\mathcal L_{adv}$, and the critic's. $\\mathcal L_{cyc}$ compares poses and
        embeddings there and back (means of absolute differences); the game is that of least squares: 1 for real, 0 for
        drawn, no factor 1/2. A pose is a plain vector here, so there is no FK.
    """,
    stub="""
        def my_step(Phi, Psi, D, poses, prior):
            drawn = Psi(prior)
            ...
            return None  # model's loss, critic's loss
    """,
    answer="my_step",
    hints=(
        "Pose there and back: Psi(Phi(poses)). Embedding there and back: Phi(drawn). Who is to learn from D(drawn)?",
        "In the critic's loss take `drawn.detach()`: there only D learns. Not in the model's loss: there Psi learns.",
    ),
    if_you_see="a hint about the decoder though your numbers are right: values agree, gradients do not.",
    solution=_step(),
    why="""
        Phi has no part in $\\mathcal L_{adv}$: `D(drawn)` does not depend on it. So one backward pass gives Phi its
        $\\mathcal L_{cyc}$ and Psi the sum, as the paper has it.
    """,
    check=checks.check_step,
    other_answers=(_step().replace("return model_loss, critic_loss", "return torch.stack([model_loss, critic_loss])"),),
    wrong_answers=(
        WrongAnswer("no detach", _step(critic=_CRITIC.replace(".detach()", "")), "detach the drawn poses"),
        WrongAnswer("detached", _step(fooled="(1 - D(drawn.detach())).square().mean()"), "no gradient from the critic"),
        WrongAnswer("embedding detached", _step(_CYCLE.replace("Phi(drawn)", "Phi(drawn.detach())")),
                    "nothing is detached"),
        WrongAnswer("changed places", _step().replace("model_loss, critic_loss", "critic_loss, model_loss"),
                    "have changed places"),
        WrongAnswer("no pose", _step("(Phi(drawn) - prior).abs().mean()"), "the pose is not held"),
        WrongAnswer("no embedding", _step("(Psi(Phi(poses)) - poses).abs().mean()"), "the embedding is not held"),
        WrongAnswer("sign", _step(fooled="D(drawn).square().mean()"), "helps the critic"),
        WrongAnswer("no critic", _step(fooled="0"), "critic's word is missing"),
        WrongAnswer("halves", _step(fooled="0.5 * (1 - D(drawn)).square().mean()", critic=f"0.5 * ({_CRITIC})"),
                    "factor 1/2"),
        WrongAnswer("own embeddings", _step(_CYCLE.replace("Phi(drawn) - prior", "Phi(Psi(Phi(poses))) - Phi(poses)")),
                    "poses' own embeddings"),
        WrongAnswer("there and back", _step(critic=_CRITIC.replace("drawn", "Psi(Phi(poses))")), "decoded from the"),
        WrongAnswer("squares", _step(_CYCLE.replace("abs()", "square()")), "yours are squared"),
        WrongAnswer("swapped", _step(critic="D(poses).square().mean() + (1 - D(drawn.detach())).square().mean()"),
                    "labels are swapped"),
        WrongAnswer("sums", _step(_CYCLE.replace("mean()", "sum()")), "there and back| + |embedding"),
        WrongAnswer("half a critic", _step(critic="(1 - D(poses)).square().mean()"), "two means"),
        WrongAnswer("one loss", "def my_step(Phi, Psi, D, poses, prior):\n    return (Psi(prior) - poses).abs().mean()",
                    "return two losses"),
    ),
)  # fmt: skip

BREAK = Exercise(
    id="05.6",
    title="Break a leg",
    kind="break",
    difficulty=2,
    minutes=6,
    task="""
        A person stands, both thighs straight down. Give theta and gamma of the right ankle (of the shank, that is), in
        degrees: **inside** the limits of the table above (`sampling.JOINT_LIMITS["r_ankle"]`), and yet such that no
        body could do it. Below a thigh that hangs down, x is forward and y is to the right.
    """,
    stub="ankle = [..., ...]  # theta, gamma",
    answer="ankle",
    hints=(
        "theta = 0 is y, 90 is -x, 180 is -y, 270 is x. Which of them is where a knee goes?",
        "-x is the back, theta = 90: there a knee bends. Send the shank the other way, and by more than a few degrees.",
    ),
    if_you_see="a leg that is nearly straight: below 15 degrees of bend every direction is allowed.",
    solution="ankle = [270, 60]",
    why="The limits have to let it in: for a thigh that is raised past the horizontal, theta = 270 *is* the back.",
    check=checks.check_break,
    wrong_answers=(
        WrongAnswer("the back", "ankle = [90, 60]", "a body can do that"),
        WrongAnswer("straight", "ankle = [270, 5]", "nearly straight"),
        WrongAnswer("outside", "ankle = [270, 170]", "breaks its own limits"),
        WrongAnswer("below zero", "ankle = [90, -60]", "is an elevation"),
        WrongAnswer("one number", "ankle = [270]", "not (1,)"),
    ),
)

EXERCISES = (DIRECTION, LOCAL, CHAIN, ANGLES, GUESS, BREAK, STEP)
