"""Lesson 01: what makes a picture look painted, term by term, and what balances the terms."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_01.exercises import EXERCISES
from napa_lib.study.lessons.lesson_01.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "You shuffle the tiles of a painting and compare the result with the painting. Which term stays small?",
        (
            Option("L_hsv", "it compares pixel with pixel, and nearly every pixel has moved."),
            Option("L_style", "a Gram matrix sums the positions out; only the tiles' borders are new texture.", True),
            Option("L_cos", "it compares two whole feature maps position by position; they have moved."),
        ),
    ),
    Question(
        "A program adds the cosine similarity of output and style picture to the loss that it minimises. What happens?",
        (
            Option("The output comes to look like the style picture", "that would need the similarity to grow."),
            Option("The similarity goes to 1, for there its gradient is 0", "it is 0 there, but that is the top"
                   " of the hill: every step down leads away from it."),
            Option("The output is pushed away from the style picture", "the least similarity is the least loss. The "
                   "loss has to be 1 - cos.", True),
        ),
    ),
    Question(
        "A network's total loss is 60 % of the way from the untouched picture to Gatys'. What do you ask for?",
        (
            Option("Nothing, most of the way is done", "the style picture itself, with nothing of the content, went as "
                   "far in this lesson."),
            Option("The pictures, and the terms one by one", "a total can be lowered by copying the style picture; the "
                   "terms say whether L_content was given up for it.", True),
            Option("The total at twice the size, to compare", "totals of two sizes are two losses: L_content doubles, "
                   "and the entropies fall to a quarter."),
        ),
    ),
    Question(
        "Two programs use the ratios of table 2, and only one of them keeps the content. What do you look at first?",
        (
            Option("The learning rate", "it changes how fast the minimum is reached, hardly where it lies."),
            Option("The reduction of each term, the scale of the features and the size of the pictures", "all three "
                   "multiply the terms by different factors, so the same ratios mean another balance.", True),
            Option("The random seed", "an optimisation that starts from the content has no random number in it."),
        ),
    ),
    Question(
        "A term has the largest value of all, and its gradient is a thousandth of the others'. What does it do?",
        (
            Option("It decides what the picture becomes", "a large value that hardly changes with the picture "
                   "moves nothing."),
            Option("Next to nothing", "only its gradient moves the pixels. That is why this lesson shows gradient "
                   "norms beside values.", True),
            Option("It is lowered first, and the others have to wait", "an optimiser does not see values: it follows"
                   " the sum of the gradients, and there this term hardly counts."),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="01",
    promise=(
        "A pose network that has only seen photographs fails on art, and there is too little annotated art to train "
        "one. So NAPA paints the photographs, keeps their poses, and trains on those. This lesson takes the painting "
        "apart: what a neural network measures when it calls two pictures the same style, nine terms that pull a "
        "picture towards it, and how much each of them pulls."
    ),
    hero=hero,
    hero_alt=(
        "An athlete in a laboratory, filmed by a camera, and the same frame painted in the manner of a wave by "
        "Hokusai, a harvest by Van Gogh, a composition by Kandinsky and poppies by Hokusai, each shown in a corner."
    ),
    verbs=(
        "say what a Gram matrix sees of a picture, and grow a texture from it",
        "write Gatys' loop, and the layer by which one network has many styles",
        "write NAPA's terms so that each of them pulls the right way",
        "read a table of loss ratios: reductions, feature scale, picture size",
        "find out with gradient norms which term moves the picture",
    ),
    prerequisites="lesson 00; what a convolution and a gradient are. No experience in training networks.",
    minutes=45,
    data=(
        "paintings",
        "video",
        "weights/vgg19_q8.safetensors",
        "weights/stylizer_pool.safetensors",
        "weights/stylizer_greatwave.safetensors",
        "weights/stylizer_kandinky.safetensors",
    ),  # fmt: skip
    prelude=(
        "from dataclasses import replace\nimport torch\nfrom napa_lib import study\nfrom napa_lib import style as nst\n"
        "from napa_lib.style import LossRatios"
    ),
    exercises=EXERCISES,
    quiz=QUIZ,
)
