"""Lesson 09: pictures of one's own, annotated, measured, and used to make the estimator better at them."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_09.exercises import EXERCISES
from napa_lib.study.lessons.lesson_09.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "On 48 figures the rate is 32 %, its interval 26 to 38. With four times as many figures it will be …",
        (
            Option("about half as wide", "an interval shrinks with the root of the number of figures.", True),
            Option("a quarter as wide", "it shrinks with the root of the number, not with the number."),
            Option("as wide: it is the network's spread", "the spread of figures stays; that of their mean shrinks."),
        ),
    ),
    Question(
        "A silhouette from the front is one from behind. Why do its labels trade left and right before the training?",
        (
            Option("To have more pictures", "their number stays the same."),
            Option("Because the annotator was wrong", "nobody can be: the picture does not tell."),
            Option("So that all figures follow one reading", "contradicting labels meet in the middle.", True),
        ),
    ),
    Question(
        "After fine-tuning, the network is better on your pictures and worse on people. What would you try first?",
        (
            Option("More steps", "that moves it farther away from what it knew."),
            Option("Mix some of the old pictures into every batch", "then forgetting costs something, too.", True),
            Option("Train the backbone as well", "twelve figures would bend what a million photographs made."),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="09",
    promise=(
        "Everything so far was measured on pictures that somebody else chose. Now yours: how good is the estimator on "
        "them, and how sure can you be after so few? You annotate a dozen, give them depth, teach the network, "
        "and measure on the others what it has learned, and what it has forgotten."
    ),
    hero=hero,
    hero_alt="Six figures in ochre, black and white on stone, as on painted rocks, each with a skeleton over it.",
    verbs=(
        "annotate figures in your own pictures, and give them pseudo-3D depth",
        "say how sure a rate on a few figures is, with a bootstrap over figures",
        "split a folder so that nothing learned is measured",
        "fine-tune a network on a dozen figures, with joints that nobody marked",
        "check what a network forgets, and say which of the five systems would help next",
    ),
    prerequisites="lesson 00; lesson 02 for depth; a folder of pictures, if you have one.",
    minutes=39,
    data=("own_art", "stick_men", "weights/blazepose.safetensors", "weights/warm_pose_net.safetensors",
          "weights/drawn_pose_net.safetensors", "weights/movenet.safetensors", "weights/pose_tree.safetensors",
          "weights/pose_ensemble.safetensors", "weights/depthnet_tiny.safetensors", "results/training"),
    prelude="import numpy as np\nimport torch\nfrom napa_lib import study",
    exercises=EXERCISES,
    quiz=QUIZ,
)  # fmt: skip
