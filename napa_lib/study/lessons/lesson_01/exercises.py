"""Lesson 01: the exercises' words, stubs, solutions and usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_01 import checks
from napa_lib.study.lessons.lesson_01.exercises_losses import COSINE, FOOL, HUE, SCALE
from napa_lib.study.lessons.lesson_01.exercises_painting import GATYS, NORMALISE

PREDICT = Exercise(
    id="01.1",
    title="What does the Gram matrix notice?",
    kind="predict",
    difficulty=1,
    minutes=3,
    task="""
        Take the Gram matrix of a feature map. By which factor is every entry multiplied when

        1. the positions are shuffled, in the same way in all channels;
        2. all activations are doubled;
        3. the map is laid twice side by side, so that W doubles?
    """,
    stub="gram_factors = [..., ..., ...]  # shuffled, doubled, laid twice",
    answer="gram_factors",
    hints=(
        "Look at one entry: a sum over positions of a product of two activations, divided by C H W.",
        "For the second: $2a \\cdot 2b$. For the third: twice as many terms in the sum, and twice the W below it.",
    ),
    if_you_see="a sentence about the first factor, although you are sure that nothing changes: *unchanged* is a "
    "factor of 1, not of 0.",
    solution="gram_factors = [1, 4, 1]",
    why="""
        That is what makes it a measure of *style*: what fires together, wherever it is and however large the picture.
        The 4 returns later in this lesson and spoils a whole training.
    """,
    check=checks.check_gram_factors,
    other_answers=(
        "gram_factors = (1.0, 4.0, 1.0)",
        "gram_factors = torch.tensor([1, 2**2, 2 / 2])",
    ),
    wrong_answers=(
        WrongAnswer("shuffling destroys it", "gram_factors = [0, 4, 1]", "a sum does not mind its order"),
        WrongAnswer("linear", "gram_factors = [1, 2, 1]", "a product of two activations"),
        WrongAnswer("normalised away", "gram_factors = [1, 1, 1]", "put 2F in the place of F"),
        WrongAnswer("grows with the picture", "gram_factors = [1, 4, 2]", "the sum is divided by H W"),
        WrongAnswer("shrinks with the picture", "gram_factors = [1, 4, 0.5]", "what to H W below it"),
    ),
)

GRAM = Exercise(
    id="01.2",
    title="The Gram matrix",
    kind="code",
    difficulty=2,
    minutes=6,
    task="""
        Write the Gram matrix of one feature map: `features` is a float32 tensor (C, H, W), the result (C, C),
        normalised by C H W. No loop is needed.
    """,
    stub="""
        def my_gram(features):
            channels, height, width = features.shape
            ...
            return None  # (C, C)
    """,
    answer="my_gram",
    hints=(
        "Make each channel one long row: (C, H W). Then an entry is a scalar product of two rows.",
        "`rows = features.flatten(1)`; all scalar products at once are `rows @ rows.T`.",
    ),
    if_you_see="`mat1 and mat2 shapes cannot be multiplied`: the second factor needs its axes swapped, `.T`.",
    solution="""
        def my_gram(features):
            channels, height, width = features.shape
            rows = features.flatten(1)
            return rows @ rows.T / (channels * height * width)
    """,
    why="`gram_matrix` does this for a batch, (B, C, H, W).",
    check=checks.check_gram,
    other_answers=(
        """
        def my_gram(features):
            flat = features.numpy().reshape(len(features), -1)
            return (flat @ flat.T / flat.size).tolist()
        """,
        """
        def my_gram(features):
            return torch.einsum("ihw,jhw->ij", features, features) / features.numel()
        """,
    ),
    wrong_answers=(
        WrongAnswer(
            "not normalised",
            """
            def my_gram(features):
                rows = features.flatten(1)
                return rows @ rows.T
            """,
            "nothing is divided yet",
        ),
        WrongAnswer(
            "by positions alone",
            """
            def my_gram(features):
                rows = features.flatten(1)
                return rows @ rows.T / rows.shape[1]
            """,
            "divided by H W alone",
        ),
        WrongAnswer(
            "summed over channels",
            """
            def my_gram(features):
                rows = features.flatten(1)
                return rows.T @ rows / rows.numel()
            """,
            "a row for each position",
        ),
        WrongAnswer(
            "reshaped instead of transposed",
            """
            def my_gram(features):
                channels = features.shape[0]
                return features.reshape(channels, -1) @ features.reshape(-1, channels) / features.numel()
            """,
            "does not transpose",
        ),
        WrongAnswer(
            "covariance",
            """
            def my_gram(features):
                rows = features.flatten(1)
                rows = rows - rows.mean(1, keepdim=True)
                return rows @ rows.T / rows.numel()
            """,
            "that is a covariance",
        ),
        WrongAnswer(
            "correlation",
            """
            def my_gram(features):
                rows = features.flatten(1)
                rows = rows / rows.norm(dim=1, keepdim=True)
                return rows @ rows.T
            """,
            "that is a correlation",
        ),
        WrongAnswer("a constant", "def my_gram(features):\n    return torch.ones(3, 3)", "start from the toy"),
    ),
)

EXERCISES = (PREDICT, GRAM, GATYS, NORMALISE, COSINE, HUE, SCALE, FOOL)
