"""Lesson 09: tasks, hints, solutions, and the usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_09 import checks


def _interval(pooled: str, returned: str = "np.percentile(pooled, (2.5, 97.5))") -> str:
    return f"""
        def my_interval(right, counted, rows):
            pooled = {pooled}
            return {returned}
    """


_POOLED = "100 * right[rows].sum(1) / counted[rows].sum(1)"
INTERVAL = Exercise(
    id="09.1",
    title="How sure is a rate?",
    kind="code",
    difficulty=2,
    minutes=7,
    task="""
        `right` and `counted` are NumPy arrays (F,) of whole numbers: how many joints of each figure are right, and how
        many are counted. `rows` (R, F) holds R draws of F figures with replacement: each row has the numbers of the
        figures that were drawn. The pooled rate of a draw is all its right joints over all its counted ones, in per
        cent. Return (low, high), the 2.5th and the 97.5th percentile of these rates.
    """,
    stub="""
        def my_interval(right, counted, rows):
            ...
            return None  # (low, high), per cent
    """,
    answer="my_interval",
    hints=(
        "`right[rows]` is (R, F): the right joints of the figures of every draw.",
        "Sum both over the last axis, divide, times 100; then `np.percentile(pooled, (2.5, 97.5))`.",
    ),
    if_you_see="that both ends are the same: a `.sum()` without an axis throws all draws together.",
    solution=_interval(_POOLED),
    why="""
        This is the bootstrap (Efron, 1979). We draw figures, not joints, since the joints of a figure hang together:
        where the network takes a stone for a head, twelve are wrong at once. With joints the interval would be too
        narrow.
    """,
    check=checks.check_interval,
    other_answers=(
        """
        def my_interval(right, counted, rows):
            pooled = sorted(100 * right[r].sum() / counted[r].sum() for r in rows)
            return list(np.percentile(pooled, [2.5, 97.5]))
        """,
        """
        def my_interval(right, counted, rows):
            pooled = sorted(100 * right[r].sum() / counted[r].sum() for r in rows)
            return pooled[len(rows) * 25 // 1000], pooled[len(rows) * 975 // 1000]
        """,
        """
        def my_interval(right, counted, rows):
            right, counted = torch.as_tensor(right).double(), torch.as_tensor(counted).double()
            pooled = 100 * right[rows].sum(1) / counted[rows].sum(1)
            return torch.quantile(pooled, torch.tensor([0.025, 0.975]).double())
        """,
    ),
    wrong_answers=(
        WrongAnswer("shares", _interval("right[rows].sum(1) / counted[rows].sum(1)"), "as a share"),
        WrongAnswer("mean of rates", _interval("100 * (right / counted)[rows].mean(1)"), "mean of the figures' rates"),
        WrongAnswer("90 %", _interval(_POOLED, "np.percentile(pooled, (5, 95))"), "90 % interval"),
        WrongAnswer("quartiles", _interval(_POOLED, "np.percentile(pooled, (25, 75))"), "middle half"),
        WrongAnswer("fractions", _interval(_POOLED, "np.percentile(pooled, (0.025, 0.975))"), "from 0 to 100"),
        WrongAnswer("a bell", _interval(_POOLED, "pooled.mean() + 1.96 * pooled.std() * np.array([-1, 1])"), "no bell"),
        WrongAnswer("range", _interval(_POOLED, "(pooled.min(), pooled.max())"), "range of all draws"),
        WrongAnswer("no axis", _interval("100 * right[rows].sum() / counted[rows].sum()"), "both ends are the same"),
        WrongAnswer("columns", _interval("100 * right[rows].sum(0) / counted[rows].sum(0)"), "sum over axis 1"),
        WrongAnswer("turned", _interval(_POOLED, "np.percentile(pooled, (97.5, 2.5))"), "other way round"),
        WrongAnswer("figures", _interval("100 * right / counted"), "how figures differ"),
        WrongAnswer("half width", _interval(
            _POOLED, "np.percentile(pooled, (2.5, 97.5)) @ np.array([[0.5, -0.5], [0.5, 0.5]])"), "middle and half"),
        WrongAnswer("all counted", _interval("100 * right[rows].sum(1) / counted.sum()"), "by all counted joints"),
        WrongAnswer("two sigma", _interval(_POOLED, "(pooled.mean() - pooled.std(), pooled.mean() + pooled.std())"),
                    "for each row of draws"),
    ),
)  # fmt: skip


def _depths(inside: str = "np.sqrt(np.maximum(length**2 - (scale * across) ** 2, 0))") -> str:
    return f"""
        def my_depths(across, length, scale):
            return {inside}
    """


DEPTHS = Exercise(
    id="09.2",
    title="Depth from a ruler",
    kind="code",
    difficulty=1,
    minutes=5,
    task="""
        `across` (B,) has the lengths of bones as marked in the picture, in pixels; `length` (B,) the same bones'
        lengths on a body, in mm. Both are NumPy arrays of float64. `scale`, a number, says how many mm a pixel is.
        Return how far each bone goes into the picture or out of it, in mm, (B,). A bone that is drawn too long has
        depth 0.
    """,
    stub="""
        def my_depths(across, length, scale):
            ...
            return None  # (B,) mm, not negative
    """,
    answer="my_depths",
    hints=(
        "The bone is the longest side of a triangle with a right angle; the picture shows another side of it.",
        "`np.maximum(length**2 - (scale * across) ** 2, 0)`, and its root.",
    ),
    if_you_see="`RuntimeWarning: invalid value encountered in sqrt`: something below the root is negative.",
    solution=_depths(),
    why="""
        Taylor (2000). The sign is not in the picture: eight bones of arms and legs make 256 bodies with one projection.
        `pseudo_depth` puts those last that no joint could take, and of the rest takes the one nearest to a depth
        network's guess.
    """,
    check=checks.check_depths,
    other_answers=(
        _depths("np.sqrt(np.clip(length * length - (across * scale) ** 2, 0, None)).tolist()"),
        _depths("[max(l**2 - (scale * a) ** 2, 0) ** 0.5 for a, l in zip(across, length)]"),
    ),
    wrong_answers=(
        WrongAnswer("below zero", _depths("np.sqrt(length**2 - (scale * across) ** 2)"), "nothing left under the root"),
        WrongAnswer("no root", _depths("np.maximum(length**2 - (scale * across) ** 2, 0)"), "square of the depth"),
        WrongAnswer("absolute", _depths("np.sqrt(np.abs(length**2 - (scale * across) ** 2))"), "gets a depth from"),
        WrongAnswer("no scale", _depths("np.sqrt(np.maximum(length**2 - across**2, 0))"), "needs the scale"),
        WrongAnswer("divided", _depths("np.sqrt(np.maximum(length**2 - (across / scale) ** 2, 0))"), "mm a pixel"),
        WrongAnswer("scale", _depths("np.sqrt(np.maximum(length**2 - scale * across**2, 0))"), "is squared, too"),
        WrongAnswer("difference", _depths("np.maximum(length - scale * across, 0)"), "do not subtract"),
        WrongAnswer("sum", _depths("np.sqrt(length**2 + (scale * across) ** 2)"), "longest side"),
        WrongAnswer("away", _depths("-np.sqrt(np.maximum(length**2 - (scale * across) ** 2, 0))"), "not negative"),
        WrongAnswer("pixels", _depths("np.sqrt(np.maximum((length / scale) ** 2 - across**2, 0))"), "in pixels; mm"),
        WrongAnswer("twice", _depths("2 * np.sqrt(np.maximum(length**2 - (scale * across) ** 2, 0))"), "Pythagoras"),
    ),
)

_SPLIT = """
    def my_split(pictures, order, shots):
        few = []
        for name in order:
            if {stop}:
                break
            few += {taken}
        return few, {rest}
"""


def _split(
    stop: str = "len(few) >= shots",
    taken: str = "[i for i, picture in enumerate(pictures) if picture == name]",
    rest: str = "[i for i in range(len(pictures)) if i not in few]",
) -> str:
    return _SPLIT.format(stop=stop, taken=taken, rest=rest)


SPLIT = Exercise(
    id="09.3",
    title="Twelve to learn from, the others to measure on",
    kind="code",
    difficulty=2,
    minutes=7,
    task="""
        `pictures` names the picture of every figure, a list such as `["a", "a", "b"]`: some pictures show several.
        `order` lists the pictures in a random order. Go through it and take whole pictures until there are at least
        `shots` figures (none for 0). Return two lists of row numbers, that is, of places in `pictures`: those taken,
        and all others.
    """,
    stub="""
        def my_split(pictures, order, shots):
            ...
            return None  # (few, rest)
    """,
    answer="my_split",
    hints=(
        "A loop over `order` that ends once `len(few) >= shots`.",
        "Of each picture: `few += [i for i, picture in enumerate(pictures) if picture == name]`.",
    ),
    if_you_see="that some figures are on both sides: `rest` is what is not in `few`.",
    solution=_split(),
    why="""
        Two figures by one hand on one stone share pigment, scale and style. With one on each side the measurement says
        how good the network is on pictures it has seen. The same holds for frames of one video, and for copies.
    """,
    check=checks.check_split,
    other_answers=(
        """
        def my_split(pictures, order, shots):
            taken = set()
            for name in order:
                if sum(picture in taken for picture in pictures) < shots:
                    taken.add(name)
            rows = range(len(pictures))
            return tuple(i for i in rows if pictures[i] in taken), tuple(i for i in rows if pictures[i] not in taken)
        """,
        """
        def my_split(pictures, order, shots):
            rank = np.array([order.index(name) for name in pictures])
            need = next(n for n in range(len(order) + 1) if (rank < n).sum() >= shots)
            return np.flatnonzero(rank < need), np.flatnonzero(rank >= need)
        """,
    ),
    wrong_answers=(
        WrongAnswer("by figure", """
            def my_split(pictures, order, shots):
                rows = [i for name in order for i, picture in enumerate(pictures) if picture == name]
                return rows[:shots], rows[shots:]
            """, "learned from one figure"),
        WrongAnswer("measured on all", _split(rest="list(range(len(pictures)))"), "figures are on both sides."),
        WrongAnswer("one too few", _split(stop="len(few) + pictures.count(name) > shots"), "enough, not before"),
        WrongAnswer("one too many", _split(stop="len(few) > shots"), "stop as soon as"),
        WrongAnswer("alphabet", _split().replace("in order", "in sorted(order)"), "in the given order"),
        WrongAnswer("names", _split(taken="[name]"), "such as ([2"),
        WrongAnswer("mask", """
            def my_split(pictures, order, shots):
                few = np.array([name in order[:1] for name in pictures])
                return few, ~few
            """, "that is a mask"),
        WrongAnswer("twice", _split(taken="2 * [i for i, picture in enumerate(pictures) if picture == name]"),
                    "is there twice"),
        WrongAnswer("turned", _split().replace("return few, [i for i in range(len(pictures)) if i not in few]",
                                               "return [i for i in range(len(pictures)) if i not in few], few"),
                    "first what was taken"),
        WrongAnswer("one at least", """
            def my_split(pictures, order, shots):
                few = []
                for name in order:
                    few += [i for i, picture in enumerate(pictures) if picture == name]
                    if len(few) >= shots:
                        break
                return few, [i for i in range(len(pictures)) if i not in few]
            """, "before a picture is taken"),
        WrongAnswer("lost", _split(rest="[i for i in range(len(pictures)) if i not in few][1:]"), "on no side"),
    ),
)  # fmt: skip


def _loss(returned: str, before: str = "known = ~target.isnan().any(-1)") -> str:
    return f"""
        def my_loss(found, target):
            {before}
            return {returned}
    """


_DISTANCE = "(found - torch.where(known[..., None], target, found.detach() + 1)).norm(dim=-1)"
_MEAN = f"({_DISTANCE} * known).sum() / known.sum().clamp_min(1)"
LOSS = Exercise(
    id="09.4",
    title="What nobody marked teaches nothing",
    kind="code",
    difficulty=3,
    minutes=9,
    task="""
        `found` (B, J, 2) are the joints that the network reads, a float32 tensor with a gradient; `target` (B, J, 2)
        the marked ones, NaN where nobody marked a joint. Return the mean distance over all marked joints of the batch,
        a tensor (), and 0 if none is marked, on which `backward` can be called all the same. Its gradient must hold no
        NaN.
    """,
    stub="""
        def my_loss(found, target):
            ...
            return None  # a tensor ()
    """,
    answer="my_loss",
    hints=(
        "Pick the marked joints *before* you compute any distance: what was never computed has no gradient.",
        "`known = ~target.isnan().any(-1)`; pick rows by it, `found[known] - target[known]`; divide the sum by "
        "`known.sum().clamp_min(1)`.",
    ),
    if_you_see="that the value is right and its gradient NaN: on the way back 0 times NaN is NaN, as is a root of 0.",
    solution=_loss("(found[known] - target[known]).norm(dim=-1).sum() / known.sum().clamp_min(1)"),
    why="""
        A joint behind a shield is not at (0, 0) and not where the network thinks it is: it is unknown, and the only
        honest gradient is none.
    """,
    check=checks.check_loss,
    other_answers=(
        _loss(_MEAN),
        _loss("torch.linalg.vector_norm(found[known] - target[known], dim=-1).sum() / max(int(known.sum()), 1)"),
    ),
    wrong_answers=(
        WrongAnswer("nan", _loss("(found - target).norm(dim=-1).mean()"), "one NaN in a sum"),
        WrongAnswer("nanmean", _loss("((found - target).norm(dim=-1)).nansum() / known.sum().clamp_min(1)"),
                    "its gradient is NaN"),
        WrongAnswer("at the origin", _loss("(found - target.nan_to_num()).norm(dim=-1).mean() * known.any()"),
                    "lay at (0, 0)"),
        WrongAnswer("all joints", _loss(f"({_DISTANCE} * known).mean()"), "divide by all joints"),
        WrongAnswer("sum", _loss(f"({_DISTANCE} * known).sum()"), "the sum, not the mean"),
        WrongAnswer("squares", _loss(_MEAN.replace("* known)", "** 2 * known)")), "squared distances"),
        WrongAnswer("coordinates", _loss("(found[known] - target[known]).abs().sum() / (2 * known.sum()).clamp_min(1)"),
                    "coordinates apart"),
        WrongAnswer("figure by figure", _loss(
            f"torch.stack([d[k].sum() / k.sum().clamp_min(1) for d, k in zip({_DISTANCE}, known)]).mean()"),
            "means: each known joint"),
        WrongAnswer("no gradient", _loss(_MEAN.replace("found -", "found.detach() -")), "no gradient flows"),
        WrongAnswer("no way to it", _loss(f"torch.tensor(({_MEAN}).item(), requires_grad=True)"), "does not hang on"),
        WrongAnswer("another's gradient", _loss(f"0 * found.sum() + ({_MEAN}).detach()"), "is another's"),
        WrongAnswer("no way back", _loss(f"{_MEAN} if known.any() else torch.zeros(())"), "nothing hangs on it"),
        WrongAnswer("none marked", _loss("(found[known] - target[known]).norm(dim=-1).mean()"), "no joint marked"),
    ),
)  # fmt: skip

CHOICE = Exercise(
    id="09.5",
    title="Which pictures choose?",
    kind="predict",
    difficulty=1,
    minutes=3,
    task="""
        Three learning rates, four numbers of steps: twelve trainings on your twelve figures. By which figures do you
        choose one? **A**: those kept for measuring. **B**: the twelve that it learned from. **C**: some annotated ones
        that are in neither. **D**: the sixty of `napa evaluate --art`. Write a letter.
    """,
    stub="choice = ...  # a letter",
    answer="choice",
    hints=(
        "What has been looked at twelve times is not new any more.",
        "Which figures must give the number that you publish in the end?",
    ),
    if_you_see="that one letter is wanted: nothing around it.",
    solution='choice = "C"',
    why="""
        Three sets: to learn, to choose, to measure. With few figures let each take its turn: leave some of the twelve
        out, train on the others, choose by what was left out (cross-validation), then measure once on the rest.
    """,
    check=checks.check_choice,
    other_answers=('choice = " c "', 'choice = ["C"]', 'choice = "C)"'),
    wrong_answers=(
        WrongAnswer("the rest", 'choice = "A"', "good by chance"),
        WrongAnswer("the twelve", 'choice = "B"', "by heart"),
        WrongAnswer("the test set", 'choice = "D"', "a test set no more"),
        WrongAnswer("a word", 'choice = "the rest"', "one letter"),
    ),
)


def _hidden(returned: str) -> str:
    return f"""
        def my_hidden(errors):
            return {returned}
    """


HIDDEN = Exercise(
    id="09.6",
    title="A better rate without a better pose",
    kind="break",
    difficulty=1,
    minutes=5,
    task="""
        Whoever annotates decides which joints count. So cheat: `errors` (F, 12), a NumPy array, has the distances of
        480 joints from their annotations, in head sizes. Call at most a third of them hidden, (F, 12) of True and
        False, so that `PCKh@0.5` of the others is at least ten points higher.
    """,
    stub="""
        def my_hidden(errors):
            ...
            return None  # (F, 12) bool
    """,
    answer="my_hidden",
    hints=("Which joints cost most?", "`np.quantile(errors, 2 / 3)` is what two thirds of the errors stay below."),
    if_you_see="that more than a third is hidden: a threshold of 0.5 hides all that is wrong.",
    solution=_hidden("errors > np.quantile(errors, 2 / 3)"),
    why="""
        It happens without any bad intent: whoever corrects the estimator's guess, as in `napa annotate`, leaves what
        is nearly right, and calls hidden what it missed. For figures that measure, mark before you look.
    """,
    check=checks.check_hidden,
    other_answers=(
        _hidden("errors.argsort(axis=None).argsort().reshape(errors.shape) >= 2 * errors.size // 3"),
        _hidden("(errors > np.sort(errors.ravel())[-150]).astype(int)"),
    ),
    wrong_answers=(
        WrongAnswer("all that is wrong", _hidden("errors >= 0.5"), "somebody will notice"),
        WrongAnswer("the right ones", _hidden("errors < np.quantile(errors, 0.3)"), "that were right"),
        WrongAnswer("nothing", _hidden("errors > errors.max()"), "nothing is hidden"),
        WrongAnswer("any third", _hidden("np.arange(errors.size).reshape(errors.shape) % 3 == 1"), "points only"),
        WrongAnswer("numbers", _hidden("np.minimum(errors, 0.4)"), "True for a joint"),
    ),
)


def _product(
    log_p: str = "(powers[:, None, None] * np.log(chances)).sum(0)",
    normalised: str = "log_p - log_p.max() - np.log(np.exp(log_p - log_p.max()).sum())",
    place: str = "(x, y)",
) -> str:
    return f"""
        def my_product(chances, powers):
            log_p = {log_p}
            log_p = {normalised}
            y, x = np.unravel_index(log_p.argmax(), log_p.shape)
            return log_p, {place}
    """


PRODUCT = Exercise(
    id="09.7",
    title="Three answers, one product",
    kind="code",
    difficulty=2,
    minutes=8,
    task="""
        `chances` (N, H, W) holds what N networks say of one joint: the chance of each cell, above 0. `powers` (N,) has
        the exponent of each network. Both are NumPy arrays of float64. Return two things: the logarithm of the product
        of the maps to their powers, (H, W), normalised so that the chances of all cells sum to 1; and its likeliest
        cell (x, y). Some powers are large: compute with logarithms from the start.
    """,
    stub="""
        def my_product(chances, powers):
            ...
            return None  # (H, W) logarithms, (x, y)
    """,
    answer="my_product",
    hints=(
        "A product is a sum of logarithms, a power a factor: `powers[:, None, None] * np.log(chances)`, summed over N.",
        "To normalise, take off `log_p.max()` first, then `np.log(np.exp(log_p).sum())`. `log_p.argmax()` counts cells "
        "row by row: `np.unravel_index(..., log_p.shape)` gives (y, x).",
    ),
    if_you_see="`divide by zero encountered in log`: a sum of `np.exp` was 0, as all its terms were too small.",
    solution=_product(),
    why="""
        This is the estimator's `multiplied`, but for what sets the powers. A sum, or mixture, says that one network is
        right and nobody knows which; a product, that each has seen something, and that their errors are independent
        (Hinton, 2002, calls it a product of experts). They are not quite, hence the powers.
    """,
    check=checks.check_product,
    other_answers=(
        """
        def my_product(chances, powers):
            log_p = (torch.tensor(powers)[:, None, None] * torch.tensor(chances).log()).sum(0)
            log_p = log_p.flatten().log_softmax(0).view(log_p.shape)
            return log_p, (int(log_p.argmax()) % log_p.shape[1], int(log_p.argmax()) // log_p.shape[1])
        """,
        """
        def my_product(chances, powers):
            log_p = sum(power * np.log(chance) for chance, power in zip(chances, powers))
            log_p -= np.logaddexp.reduce(log_p, axis=None)
            y, x = np.argwhere(log_p == log_p.max())[0]
            return [log_p, np.array([x, y])]
        """,
    ),
    wrong_answers=(
        WrongAnswer("sum", _product("np.log((powers[:, None, None] * chances).sum(0))"), "a sum of chances"),
        WrongAnswer("not normalised", _product(normalised="log_p"), "up to a constant"),
        WrongAnswer("highest is 1", _product(normalised="log_p - log_p.max()"), "the highest chance is 1"),
        WrongAnswer("factors", _product("np.log(powers[:, None, None] * chances).sum(0)"), "the powers are missing"),
        WrongAnswer("mean", _product("(powers[:, None, None] * np.log(chances)).mean(0)"), "a mean of logarithms"),
        WrongAnswer("columns", _product(normalised="log_p - np.log(np.exp(log_p).sum(0))"), "each column has"),
        WrongAnswer("rows", _product(normalised="log_p - np.log(np.exp(log_p).sum(1, keepdims=True))"), "each row has"),
        WrongAnswer("chances", _product(normalised="np.exp(log_p) / np.exp(log_p).sum()"), "these are chances"),
        WrongAnswer("underflow", """
            def my_product(chances, powers):
                p = (chances ** powers[:, None, None]).prod(0)
                log_p = np.log(p / p.sum())
                y, x = np.unravel_index(log_p.argmax(), log_p.shape)
                return log_p, (x, y)
            """, "infinite or NaN"),
        WrongAnswer("first", _product("np.log(chances[0])"), "first network's map alone"),
        WrongAnswer("(y, x)", _product(place="(y, x)"), "rows are y"),
        WrongAnswer("flat", _product(place="log_p.argmax()"), "counts cells row by row"),
        WrongAnswer("only the map", _product(place="(x, y)").replace("return log_p, (x, y)", "return log_p"), "both"),
        WrongAnswer("over networks", _product("(powers[:, None, None] * np.log(chances)).max(0)"), "add each map's"),
    ),
)  # fmt: skip

EXERCISES = (INTERVAL, DEPTHS, SPLIT, LOSS, CHOICE, HIDDEN, PRODUCT)
