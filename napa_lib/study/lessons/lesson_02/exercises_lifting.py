"""Tasks of lesson 02 about depth: twin poses, bones, and numbers that a network can learn."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_02 import checks

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
            "other pairs",
            """
            from napa_lib.lifting import bone_vectors

            def my_bone_vectors(pose, pairs):
                return bone_vectors(pose)
            """,
            "in the library's order",
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
        The map is a picture of a body, and a body hides parts of itself. A network that reads it can only guess from
        the poses it has seen; to know, it would need the picture itself.
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
