"""Lesson 08: the whole system put together, and trained in four stages."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_08.exercises import EXERCISES
from napa_lib.study.lessons.lesson_08.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "A term weighs a third of the joint loss. What does that say about its share in the next step?",
        (
            Option("A third", "the step follows slopes, not heights."),
            Option("Little: what counts is its gradient", "L_sent weighs about that much, and pulls less than half as "
                   "hard as L_style.", True),
            Option("Nothing, as RMSprop divides by the gradient", "it divides the sum of all terms, in which the "
                   "strongest decides the direction."),
        ),
    ),
    Question(
        "Why does G' see a bone map that is drawn from a copy of the keypoints?",
        (
            Option("So that L_depth, times 1000, does not move the keypoints", "2D and depth are decoupled; on "
                   "the keypoints its gradient would be many times that of L_2d.", True),
            Option("Because a bone map has no gradient", "the soft one has; the self supervision lives on it."),
            Option("So that G' learns nothing from L_2d", "it does not in any case: L_2d looks at the keypoints, which"
                   " come before the map."),
        ),
    ),
    Question(
        "L_cos falls while the VGG that measures it learns along. What do you know?",
        (
            Option("The pictures come nearer to their style", "an untouched VGG can say so; here it does not."),
            Option("Nothing, until a judge that did not learn has looked", "what is judged must not teach the judge.",
                   True),
            Option("That VGG has become a finer judge of style", "a kinder one: it was trained to make what it measures"
                   " small."),
        ),
    ),
    Question(
        "A run is killed between two checkpoints. What must its checkpoint hold so that the resumed run ends the same?",
        (
            Option("The weights", "RMSprop's means and momentum, the place in the data and the schedule are missing."),
            Option("Weights and optimizer", "which pictures come next, and whether the rate has been halved, is "
                   "missing."),
            Option("Weights, optimizer, random state or step, and the schedule's state", "then the end is the same, "
                   "bit for bit.", True),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="08",
    promise=(
        "Six networks, thirteen losses, four stages: everything so far becomes one system whose gradient runs from end "
        "to end. Which loss reaches which network? Which one decides? What happens if a judge learns from those "
        "it judges? You ask the running system, write its loss, cut its wires, and train it."
    ),
    hero=hero,
    hero_alt=(
        "Six pictures in a row: a person, a painting, the person in the painting's style, a skeleton drawn on it, its "
        "bone map of coloured ovals, and the bone map painted in the style."
    ),
    verbs=(
        "put F, G, R, G' and F' together, and say what passes between them",
        "write a joint loss, and find the term that rules it",
        "read from a matrix which loss reaches which network, and cut a gradient on purpose",
        "train in stages that start from one another's checkpoints, and resume one bit for bit",
        "say what a measurement is worth when its instrument was trained along, and what made-up labels are worth",
    ),
    prerequisites="lessons 01 and 02: style losses, bone maps, depth from them.",
    minutes=48,
    data=("synthetic", "paintings", "weights/stylizer_pool.safetensors", "weights/pose_net.safetensors",
          "weights/depthnet_tiny.safetensors", "weights/vgg19_q8.safetensors", "art_figures", "results/training"),
    prelude="import torch\nfrom napa_lib import study",
    exercises=EXERCISES,
    quiz=QUIZ,
)  # fmt: skip
