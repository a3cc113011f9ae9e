"""Lesson 01: the exercises on NAPA's losses and what they weigh."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_01 import checks

COSINE = Exercise(
    id="01.5",
    title="A similarity is no loss",
    kind="code",
    difficulty=2,
    minutes=5,
    task="""
        The paper defines L_cos as "the cosine similarity" of two feature maps, and the code released with it adds
        that similarity to what is minimised. Write what was meant: a loss that is 0 when `a` and `b`, float32 tensors
        (C, H, W), taken as one long vector each, point the same way, 1 when they have nothing in common, and 2 when
        they point in opposite ways.
    """,
    stub="""
        def my_cosine_loss(a, b):
            ...
            return None  # one number
    """,
    answer="my_cosine_loss",
    hints=(
        "The cosine is the scalar product of the two vectors, divided by the product of their lengths.",
        "Flatten both; `(a * b).sum()` is the scalar product, `a.norm()` a length. Where must the minimum be?",
    ),
    if_you_see="a shape such as `(4, 5)` or `(3,)`: you have a cosine for each position or channel. Flatten first.",
    solution="""
        def my_cosine_loss(a, b):
            a, b = a.flatten(), b.flatten()
            return 1 - (a * b).sum() / (a.norm() * b.norm())
    """,
    why="`cosine_loss` is this for a batch. Activations behind a ReLU are not negative, so here it lies in [0, 1].",
    check=checks.check_cosine,
    other_answers=(
        """
        def my_cosine_loss(a, b):
            return torch.nn.functional.cosine_embedding_loss(a.reshape(1, -1), b.reshape(1, -1), torch.ones(1))
        """,
        """
        def my_cosine_loss(a, b):
            import numpy as np

            a, b = a.numpy().ravel(), b.numpy().ravel()
            return [1 - float(np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)))]
        """,
    ),
    wrong_answers=(
        WrongAnswer(
            "the similarity",
            """
            def my_cosine_loss(a, b):
                return torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)
            """,
            "the similarity itself",
        ),
        WrongAnswer(
            "minus the similarity",
            """
            def my_cosine_loss(a, b):
                return -torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)
            """,
            "a perfect match",
        ),
        WrongAnswer(
            "no lengths",
            """
            def my_cosine_loss(a, b):
                return 1 - (a * b).sum()
            """,
            "longer maps look more alike",
        ),
        WrongAnswer(
            "a cosine a position",
            """
            def my_cosine_loss(a, b):
                return (1 - torch.cosine_similarity(a, b, dim=0)).mean()
            """,
            "one cosine a position",
        ),
        WrongAnswer(
            "a cosine a channel",
            """
            def my_cosine_loss(a, b):
                return (1 - torch.cosine_similarity(a.flatten(1), b.flatten(1), dim=1)).mean()
            """,
            "one cosine a channel",
        ),
        WrongAnswer(
            "opposite is alike",
            """
            def my_cosine_loss(a, b):
                return 1 - torch.cosine_similarity(a.flatten(), b.flatten(), dim=0).abs()
            """,
            "opposite ways come out",
        ),
        WrongAnswer(
            "the angle",
            """
            def my_cosine_loss(a, b):
                return torch.arccos(torch.cosine_similarity(a.flatten(), b.flatten(), dim=0))
            """,
            "that is the angle",
        ),
        WrongAnswer(
            "a squared distance",
            """
            def my_cosine_loss(a, b):
                return (a - b).square().mean()
            """,
            "take their scalar product",
        ),
    ),
)

HUE = Exercise(
    id="01.6",
    title="Hue is an angle",
    kind="code",
    difficulty=2,
    minutes=5,
    task="""
        How far apart are two hues? `a` and `b` are float32 tensors of one shape, (H, W), in turns: 0 is red, 1/3 green,
        2/3 blue, and 1 would be red again. Return the differences in turns, in the same shape.
    """,
    stub="""
        def hue_difference(a, b):
            ...
            return None  # turns, from 0 to 0.5
    """,
    answer="hue_difference",
    hints=(
        "From one hue to the other there are two ways round the circle.",
        "One way is |a - b| long, the other is what is left of a whole turn. `torch.minimum` takes the shorter one.",
    ),
    if_you_see="values above 0.5: no two hues are more than half a turn apart.",
    solution="""
        def hue_difference(a, b):
            apart = (a - b).abs()
            return torch.minimum(apart, 1 - apart)
    """,
    why="""
        `hsv_loss` does this for the pixels that have a hue. A grey pixel has none, and counts as no difference:
        dividing by its chroma of 0 would be a NaN, and one NaN pixel a NaN loss.
    """,
    check=checks.check_hue,
    other_answers=(
        """
        def hue_difference(a, b):
            return ((a - b + 0.5) % 1 - 0.5).abs()
        """,
        """
        def hue_difference(a, b):
            import numpy as np

            x, y = a.numpy().astype(float), b.numpy().astype(float)
            return np.arccos(np.clip(np.cos(2 * np.pi * (x - y)), -1, 1)) / (2 * np.pi)
        """,
    ),
    wrong_answers=(
        WrongAnswer("as numbers", "def hue_difference(a, b):\n    return (a - b).abs()", "both are reds 0.1 apart"),
        WrongAnswer("the long way", "def hue_difference(a, b):\n    return 1 - (a - b).abs()", "the other way round"),
        WrongAnswer("one way round", "def hue_difference(a, b):\n    return (a - b) % 1", "walks one way round only"),
        WrongAnswer("with a sign", "def hue_difference(a, b):\n    return a - b", "that has a sign"),
        WrongAnswer(
            "degrees",
            """
            def hue_difference(a, b):
                apart = (a - b).abs()
                return 360 * torch.minimum(apart, 1 - apart)
            """,
            "those are degrees",
        ),
        WrongAnswer(
            "squared",
            """
            def hue_difference(a, b):
                apart = (a - b).abs()
                return torch.minimum(apart, 1 - apart) ** 2
            """,
            "that is squared",
        ),
        WrongAnswer(
            "a cosine",
            "def hue_difference(a, b):\n    return 1 - torch.cos(2 * torch.pi * (a - b))",
            "together they make a whole turn",
        ),
    ),
)

SCALE = Exercise(
    id="01.7",
    title="Break it: weaker features",
    kind="break",
    difficulty=3,
    minutes=8,
    task="""
        The library scales the features of every layer to a mean of 3. Another program scales them to `activation`, say
        to 1.0. Write the ratios that make *our* losses behave like *theirs*: each weighted term must be what the other
        program would compute with `ratios`. `ratios` is a `LossRatios`, and so is the answer; `activation` is a number.
        Which terms change, and with which power? The ratios are called `style`,
        `feature`, `total_variation`, `style_entropy`, `srgb`, `hsv`, `cosine`, `content` and `content_entropy`.
    """,
    stub="""
        def at_scale(ratios, activation):
            g = activation / 3.0
            ...
            return None  # replace(ratios, style=…, …)
    """,
    answer="at_scale",
    hints=(
        "Put g F in the place of F in each loss and see how often g comes out. Three terms never look at VGG at all.",
        "A Gram matrix has two factors F, and L_style squares it. A cosine and a distribution divide g out again.",
    ),
    if_you_see="`FrozenInstanceError`: ratios cannot be changed in place; `replace(ratios, style=…)` makes a copy.",
    solution="""
        def at_scale(ratios, activation):
            g = activation / 3.0
            return replace(
                ratios, style=ratios.style * g**4, feature=ratios.feature * g**2, content=ratios.content * g
            )
    """,
    why="""
        So "the ratios of table 2" mean nothing until the scale of the features is said. With `at_scale(table, 1.0)` and
        our features, the run "features at 1" above comes out the same.
    """,
    check=checks.check_rescaled,
    other_answers=(
        """
        def at_scale(ratios, activation):
            powers = {"style": 4, "feature": 2, "content": 1}
            times = {name: (activation / 3) ** n for name, n in powers.items()}
            return replace(ratios, **{name: getattr(ratios, name) * factor for name, factor in times.items()})
        """,
        """
        def at_scale(ratios, activation):
            values = dict(vars(ratios))
            for place, name in enumerate(("content", "feature", "style")):
                values[name] *= (activation / 3) ** [1, 2, 4][place]
            return type(ratios)(**values)
        """,
    ),
    wrong_answers=(
        WrongAnswer(
            "the Gram matrix's power",
            """
            def at_scale(ratios, activation):
                g = activation / 3.0
                return replace(
                    ratios, style=ratios.style * g**2, feature=ratios.feature * g**2, content=ratios.content * g
                )
            """,
            "how the Gram matrix grows",
        ),
        WrongAnswer(
            "everything linear",
            """
            def at_scale(ratios, activation):
                g = activation / 3.0
                return replace(ratios, style=ratios.style * g, feature=ratios.feature * g, content=ratios.content * g)
            """,
            "count how many are multiplied",
        ),
        WrongAnswer(
            "upside down",
            """
            def at_scale(ratios, activation):
                g = 3.0 / activation
                return replace(
                    ratios, style=ratios.style * g**4, feature=ratios.feature * g**2, content=ratios.content * g
                )
            """,
            "upside down",
        ),
        WrongAnswer(
            "style alone",
            """
            def at_scale(ratios, activation):
                g = activation / 3.0
                return replace(ratios, style=ratios.style * g**4)
            """,
            "its ratio stays the same in your answer",
        ),
        WrongAnswer(
            "L_feat like L_content",
            """
            def at_scale(ratios, activation):
                g = activation / 3.0
                return replace(
                    ratios, style=ratios.style * g**4, feature=ratios.feature * g, content=ratios.content * g
                )
            """,
            "which takes its length",
        ),
        WrongAnswer(
            "the cosine, too",
            """
            def at_scale(ratios, activation):
                g = activation / 3.0
                return replace(
                    ratios, style=ratios.style * g**4, feature=ratios.feature * g**2, content=ratios.content * g,
                    cosine=ratios.cosine * g**2,
                )
            """,
            "cosine must keep its ratio",
        ),
        WrongAnswer(
            "always at 1",
            """
            def at_scale(ratios, activation):
                return replace(ratios, style=ratios.style / 81, feature=ratios.feature / 9, content=ratios.content / 3)
            """,
            "the library's own",
        ),
        WrongAnswer("no ratios", "def at_scale(ratios, activation):\n    return 1 / 81", "should return LossRatios"),
    ),
)

FOOL = Exercise(
    id="01.8",
    title="Fool a loss",
    kind="break",
    difficulty=2,
    minutes=5,
    task="""
        L_srgb wants the output to have the colours of the style picture. Make a picture that it cannot tell from the
        style picture (L_srgb below 0.0001) and that nobody would call alike (L_hsv of at least 0.2). `style` is a
        float32 tensor (3, H, W) in [0, 1], and so is your answer.
    """,
    stub="""
        def fool(style):
            ...
            return None  # (3, H, W) in [0, 1]
    """,
    answer="fool",
    hints=(
        "L_srgb is one minus a cosine. What about a vector does a cosine ignore?",
        "Its length. Which picture is the same vector, only shorter?",
    ),
    if_you_see="values above 1: a longer vector would do as well, but it is not a picture any more.",
    solution="""
        def fool(style):
            return 0.3 * style
    """,
    why="""
        A picture at 30 % of its brightness has the same direction. Every single term of this lesson has such a blind
        spot; the paper's sum of nine is a list of blind spots that cover each other.
    """,
    check=checks.check_fooled,
    other_answers=(
        "def fool(style):\n    return style.numpy() / 4",
        """
        def fool(style):
            return (style * 0.2)[None]
        """,
    ),
    wrong_answers=(
        WrongAnswer("the picture itself", "def fool(style):\n    return style", "nearly is the style picture"),
        WrongAnswer("too bright", "def fool(style):\n    return 2 * style", "values from 0 to 1"),
        WrongAnswer("black", "def fool(style):\n    return 0 * style", "has no direction"),
        WrongAnswer("the negative", "def fool(style):\n    return 1 - style", "it does see a difference"),
    ),
)
