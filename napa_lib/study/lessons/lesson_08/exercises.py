"""Lesson 08: tasks, hints, solutions, and the usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_08 import checks

ORDER = Exercise(
    id="08.1",
    title="In which order?",
    kind="predict",
    difficulty=1,
    minutes=3,
    task="""
        The four stages, shuffled. **A**: G and G' learn on stylised pictures. **B**: F' and a VGG of its own join in
        and correct the keypoints. **C**: F learns to give pictures another style. **D**: F, G and G' learn together.
        Write the order as one word of four letters.
    """,
    stub='order = ...  # such as "ABCD"',
    answer="order",
    hints=("What does each need to be there already?", "G looks at what F makes; B refines keypoints that are good."),
    if_you_see="a verdict about letters: each of the four once, nothing else.",
    solution='order = "CADB"',
    why="Each stage starts from the checkpoint of the one before; another stage's is refused before the first step.",
    check=checks.check_order,
    other_answers=('order = ["C", "A", "D", "B"]', 'order = "C → A → D → B"'),
    wrong_answers=(
        WrongAnswer("pose first", 'order = "ACDB"', "made them by then"),
        WrongAnswer("joint first", 'order = "DCAB"', "from scratch"),
        WrongAnswer("self supervision first", 'order = "BCAD"', "neither is there yet"),
        WrongAnswer("refine early", 'order = "CABD"', "it comes last"),
        WrongAnswer("a letter twice", 'order = "AACB"', "each of A, B, C and D once"),
    ),
)

_JOINT = """
    def my_joint(terms, ratios, groups):
        return {sum}
"""
_SUM = "sum(ratios[name] * value for group in groups for name, value in terms[group].items())"


def _joint(total: str = _SUM) -> str:
    return _JOINT.format(sum=total)


JOINT = Exercise(
    id="08.2",
    title="The joint loss",
    kind="code",
    difficulty=1,
    minutes=6,
    task="""
        `terms` is a dictionary of the groups "style", "pose" and "supervision", each a dictionary from a term's name to
        its value, a float64 tensor () with a gradient. `ratios` has a number for each name. `groups` names the groups
        that the stage descends. Return the joint loss, a tensor.
    """,
    stub="""
        def my_joint(terms, ratios, groups):
            ...
            return None  # a tensor ()
    """,
    answer="my_joint",
    hints=("Two loops: over the stage's groups, and over the terms of each.", "Add up `ratios[name] * value`."),
    if_you_see="that nothing can learn from it: `float(value)` throws the gradient away.",
    solution=_joint(),
    why="A term whose ratio is 0 could be left out of the sum; the library then does not even compute it.",
    check=checks.check_joint,
    wrong_answers=(
        WrongAnswer("all groups", _joint(_SUM.replace("in groups", "in terms")), "all groups are in it"),
        WrongAnswer("no ratio", _joint(_SUM.replace("ratios[name] * ", "")), "no ratio is in it"),
        WrongAnswer("mean", _joint(f"{_SUM} / sum(len(terms[group]) for group in groups)"), "you took the mean"),
        WrongAnswer("ratios alone", _joint(_SUM.replace(" * value", " + 0 * value")), "sum of the ratios"),
        WrongAnswer("numbers", _joint(_SUM.replace("* value", "* float(value)")), "without float(), item()"),
        WrongAnswer("made anew", _joint(f"torch.tensor(float({_SUM}), requires_grad=True)"), "made anew"),
        WrongAnswer(
            "one term alone",
            _joint(_SUM.replace("value for", "(value if name in ('hsv', 'depth') else float(value)) for")),
            "its slope is not",
        ),
        WrongAnswer("first group", _joint(_SUM.replace("in groups", "in groups[:1]")), "only the first group"),
        WrongAnswer("squares", _joint(_SUM.replace("* value", "* value ** 2")), "for every group of the stage"),
    ),
)

HARDEST = Exercise(
    id="08.3",
    title="Who pulls hardest?",
    kind="predict",
    difficulty=2,
    minutes=5,
    task="""
        In stage 3, ten terms of table 2 add up, each with its ratio. Two of them have by far the longest gradients on
        the stylised picture O: they decide what F does next. Which? Commit a set of two symbols.
    """,
    stub='hardest = ...  # {"L_…", "L_…"}',
    answer="hardest",
    hints=(
        "A value says how high a hill is, its gradient how steep. 10^9 times nearly flat may still be flat.",
        "One is of the fourth order in the features, for it squares products. The other one is not about style at all.",
    ),
    if_you_see="a verdict that lists symbols: those are the ones to choose from.",
    solution='hardest = {"L_style", "L_2d"}',
    why="""
        The board below shows it: what a term weighs in the sum says little about how hard it pulls. `L_sent` weighs
        most of all and comes fourth; `L_2d`, a twelfth of it, comes first or second.
    """,
    check=checks.check_hardest,
    other_answers=('hardest = ["l_2d", "style"]',),
    wrong_answers=(
        WrongAnswer("depth", 'hardest = {"L_style", "L_depth"}', "sees a copy"),
        WrongAnswer("entropy", 'hardest = {"L_style", "L_sent"}', "its slope is not"),
        WrongAnswer("style alone", 'hardest = {"L_style", "L_hsv"}', "not about style"),
        WrongAnswer("pose alone", 'hardest = {"L_2d", "L_content"}', "fourth order"),
        WrongAnswer("neither", 'hardest = {"L_hsv", "L_tv"}', "neither of the two"),
        WrongAnswer("one name", 'hardest = "L_style"', "a set of two"),
        WrongAnswer("not there", 'hardest = {"L_adv", "L_2d"}', "symbols of the table"),
    ),
)

_SUPERVISION = """
    def my_supervision(painter, render, phi, keypoints, style, output):
        again = {again}
        return {loss}
"""
_AGAIN = "painter(render(keypoints), style)"
_LOSS = "(phi(again) - phi(output).detach()).square().mean()"


def _supervision(again: str = _AGAIN, loss: str = _LOSS) -> str:
    return _SUPERVISION.format(again=again, loss=loss)


SUPERVISION = Exercise(
    id="08.4",
    title="The self supervision",
    kind="code",
    difficulty=3,
    minutes=12,
    task="""
        A small L_feat_sup. `render` draws `keypoints` (B, J, 2) as a map; `painter(map, style)`, the paper's F',
        paints it; `phi`, a layer of VGG', turns a picture into features. Return the mean squared difference between
        the features of the painted map and those of `output`, the stylised picture O. O is the **target**: no gradient
        may flow into it, but one must flow into keypoints and painter. All are float64 tensors.
    """,
    stub="""
        def my_supervision(painter, render, phi, keypoints, style, output):
            ...
            return None  # a tensor ()
    """,
    answer="my_supervision",
    hints=(
        "Three steps: draw, paint, compare. Only one side of the comparison is to learn.",
        "`phi(output).detach()` has the values of the target's features and no way back.",
    ),
    if_you_see="a verdict about gradients though your number is right: look at what you detached.",
    solution=_supervision(),
    why="""
        If O could move, the cheapest way to agree would be to paint pictures that look like bone maps. As a target it
        stays, and the error must go through painter and map into the keypoints.
    """,
    check=checks.check_supervision,
    other_answers=(
        """
    def my_supervision(painter, render, phi, keypoints, style, output):
        return torch.nn.functional.mse_loss(phi(painter(render(keypoints), style)), phi(output.detach()))
""",
    ),
    wrong_answers=(
        WrongAnswer("target moves", _supervision(loss=_LOSS.replace(".detach()", "")), "flows into O"),
        WrongAnswer("keypoints cut", _supervision("painter(render(keypoints.detach()), style)"), "the keypoints, for"),
        WrongAnswer("F' kept", _supervision("painter.requires_grad_(False)(render(keypoints), style)"), "F' learns"),
        WrongAnswer("all cut", _supervision(loss=_LOSS + ".detach()"), "is everything detached?"),
        WrongAnswer("pixels", _supervision(loss="(again - output.detach()).square().mean()"), "you compared pixels"),
        WrongAnswer("sum", _supervision(loss=_LOSS.replace("mean()", "sum()")), "you summed"),
        WrongAnswer("root", _supervision(loss=_LOSS + ".sqrt()"), "that is the root"),
        WrongAnswer("absolute", _supervision(loss=_LOSS.replace("square", "abs")), "absolute values"),
        WrongAnswer("paints O", _supervision("painter(output, style)"), "no keypoint is in that"),
        WrongAnswer("not painted", _supervision("render(keypoints)"), "has to paint it first"),
        WrongAnswer("zero", _supervision(loss="0 * again.sum()"), "mean of squares"),
    ),
)  # fmt: skip

LEARNERS = Exercise(
    id="08.5",
    title="Cut it: who still learns?",
    kind="predict",
    difficulty=2,
    minutes=4,
    task="""
        Stage 4. The bone map is drawn from a copy of the keypoints that passes no gradient on. Which networks still
        learn from the **self supervision**? Commit a set of names among F, VGG, G, G', F' and VGG'.
    """,
    stub='learners = ...  # such as {"F", "G"}',
    answer="learners",
    hints=("Walk the gradient back from the loss and stop at the cut.", "F' is behind the cut, G before it. And F?"),
    if_you_see='a verdict about names: the prime is an apostrophe, as in "F\'".',
    solution='learners = {"F\'", "VGG\'"}',
    why="The cell below cuts it and measures.",
    check=checks.check_learners,
    other_answers=('learners = ["VGG\'", "F\'"]', 'learners = ("f\'", "vgg\'")'),
    wrong_answers=(
        WrongAnswer("the keypoints' network", 'learners = {"G", "F\'", "VGG\'"}', "learns nothing from this loss"),
        WrongAnswer("the stylizer", 'learners = {"F", "F\'", "VGG\'"}', "F is reached through G alone"),
        WrongAnswer("nobody", "learners = set()", "still learns"),
        WrongAnswer("the other VGG", 'learners = {"VGG", "F\'"}', "have no part"),
        WrongAnswer("one of two", 'learners = {"F\'"}', "two networks are behind the cut"),
        WrongAnswer("unknown", 'learners = {"H"}', "no networks here"),
        WrongAnswer("no set", "learners = \"F' VGG'\"", "a set of names"),
    ),
)

_CUT = """
    def my_cut(keypoints):
        return {value}
"""

CUT = Exercise(
    id="08.6",
    title="Switch a part of the paper off",
    kind="break",
    difficulty=1,
    minutes=3,
    task="""
        `keypoints` is a float32 tensor (B, J, 2) with a gradient. Return keypoints from which the same bone map is
        drawn, but through which the self supervision can no longer correct G. L_2d still needs the keypoints
        themselves.
    """,
    stub="""
        def my_cut(keypoints):
            ...
            return None  # (B, J, 2)
    """,
    answer="my_cut",
    hints=("The values must stay, the way back must go.", "There is a method of tensors for just that."),
    if_you_see="keypoints that moved: rounding has no gradient either, but it draws another map.",
    solution=_CUT.format(value="keypoints.detach()"),
    why="""
        No error, no warning, a loss that goes on falling, because the painter learns: a gradient that is cut by
        accident is one of the quietest mistakes there are. Hence a matrix of what reaches what, and a test of it.
    """,
    check=checks.check_cut,
    other_answers=(
        _CUT.format(value="keypoints.detach().clone()"),
        _CUT.format(value="keypoints.data"),
        _CUT.format(value="keypoints.detach().requires_grad_()"),
    ),
    wrong_answers=(
        WrongAnswer("copy", _CUT.format(value="keypoints.clone()"), "keeps the way back open"),
        WrongAnswer("rounded", _CUT.format(value="keypoints.round()"), "have moved"),
        WrongAnswer("nothing", _CUT.format(value="0 * keypoints"), "an empty map"),
        WrongAnswer("for good", _CUT.format(value="keypoints.detach_()"), "needs it"),
        WrongAnswer("an array", _CUT.format(value="keypoints.detach().numpy()"), "a tensor is wanted"),
        WrongAnswer("one joint", _CUT.format(value="keypoints[:, :1].detach()"), "of the same shape"),
    ),
)

PLATEAU = Exercise(
    id="08.7",
    title="Read a learning curve",
    kind="predict",
    difficulty=2,
    minutes=6,
    task="""
        The curve above has 50 steps. The rule: take the mean of every 4 steps, a window. A window is good if it is at
        least 1 % below the best one before it. When the last good window ended 20 steps ago, halve the learning rate.
        After which step (counted from 1) is it halved for the first time?
        The window means are 8.85, 7.30, 6.35, 5.90, 5.75, 5.72, 5.72, 5.72, 5.73, 5.73, 5.72, 5.73.
    """,
    stub="step = ...",
    answer="step",
    hints=("Is 5.72 one per cent below 5.75?", "The fifth window is the last good one. It ends at step 20; then wait."),
    if_you_see="a verdict about windows: a window is looked at when it is full, at steps 4, 8, 12 and so on.",
    solution="step = 40",
    why="""
        Why a rule and not the eye: the run must do it alone, and a resumed run must do it at the same step. So the
        rule's state is in the checkpoint.
    """,
    check=checks.check_plateau,
    wrong_answers=(
        WrongAnswer("the last fall", "step = 20", "20 steps more"),
        WrongAnswer("one window early", "step = 36", "a window too early"),
        WrongAnswer("one window late", "step = 44", "a window too late"),
        WrongAnswer("at the bend", "step = 12", "it still falls"),
        WrongAnswer("at the end", "step = 50", "falls earlier"),
        WrongAnswer("from zero", "step = 39", "off by one"),
        WrongAnswer("in between", "step = 30", "means over 4 steps"),
    ),
)

EXERCISES = (ORDER, JOINT, HARDEST, SUPERVISION, LEARNERS, CUT, PLATEAU)
