"""Lesson 00: the data, the conventions, and the first numbers computed by hand."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_00.exercises import EXERCISES
from napa_lib.study.lessons.lesson_00.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "A drawing shows a dancer from behind. Her right hand is on the right of the picture. Which joint is it?",
        (
            Option("The left wrist: the right of a picture is the left of a person", "that holds only for a person who "
                   "faces you. Seen from behind, left and right agree with the picture."),
            Option("The right wrist", "names follow the person's own body, wherever the hand is in the picture.", True),
            Option("It cannot be said", "from a photograph it can; only flat silhouettes leave it open, and those are "
                   "marked sides_ambiguous and scored both ways."),
        ),
    ),
    Question(
        "In a picture 224 pixels wide, which x has the centre of the last pixel of a row?",
        (
            Option("224", "224 would be one pixel beyond: the first centre is 0."),
            Option("223.5", "that is the picture's right edge, half a pixel past the last centre."),
            Option("223", "centres run from 0 to W - 1.", True),
        ),
    ),
    Question(
        "An ankle is hidden by a skirt, so nobody annotated it. What does a NaN there do to PCKh?",
        (
            Option("It counts as wrong", "then every skirt in the museum would lower the score of every method."),
            Option("It counts as right", "then hiding joints would raise the score."),
            Option("It is left out, and the number of joints counted goes down",
                   "which is why a result also says how many joints it counted.", True),
        ),
    ),
    Question(
        "Why does PCKh divide by the size of the head?",
        (
            Option("So that small figures and large ones can be compared", "the same error in pixels is large for a "
                   "small figure, and a head hardly changes with the pose, as a height in the picture would.", True),
            Option("So that pictures of any resolution can be compared, for which the figure's height would do as well",
                   "whoever crouches is half as high, and no easier to find: a head hardly changes with the pose."),
            Option("Because heads are easy to detect", "no detector is involved: the head box is annotated."),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="00",
    promise=(
        "How does a computer see the pose of a painted figure, and how do we tell whether it is right? You start with "
        "a trained estimator and a picture of your own. Then this lesson shows you the course and its data, and "
        "makes you fluent in the few conventions on which everything else rests: joints, pixels, mirrors, crops and "
        "one score."
    ),
    hero=hero,
    hero_alt=(
        "Two paintings by Van Gogh, a walking painter and a seated man, each with its pose drawn on it as lines "
        "between joints, and beside each the same pose as a map of coloured ovals, one for each bone."
    ),
    verbs=(
        "find the pose in a picture of your own, and say which joints to doubt",
        "check that your computer is ready, and find your way through the course and its data",
        "read a pose: joint names, coordinates, missing joints",
        "mirror, crop and draw a pose without being a pixel off",
        "score a pose with PCKh, and say what the score hides",
    ),
    prerequisites="some Python and NumPy; no machine learning.",
    minutes=30,
    data=(
        "paintings",
        "art_figures",
        "mocap",
        "weights/blazepose.safetensors",
        "weights/warm_pose_net.safetensors",
        "weights/drawn_pose_net.safetensors",
        "weights/movenet.safetensors",
        "weights/pose_ensemble.safetensors",
        "weights/pose_tree.safetensors",
        "weights/depthnet_tiny.safetensors",
    ),  # fmt: skip
    prelude="import numpy as np\nimport torch\nfrom napa_lib import study",
    exercises=EXERCISES,
    quiz=QUIZ,
)
