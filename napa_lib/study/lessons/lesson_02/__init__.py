"""Lesson 02: a pose drawn as coloured ovals, a descent through the drawing, and depth read from it."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_02.exercises import EXERCISES
from napa_lib.study.lessons.lesson_02.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "In a bone map the left thigh covers the right forearm. What does that say about their depths?",
        (
            Option("The thigh is nearer to the viewer", "the map is drawn from 2D keypoints and knows no depth."),
            Option("Nothing", "this skeleton paints the legs last, whatever lies in front of what: the order is a"
                   " convention, not a sign of depth.", True),
            Option("They are equally deep, for they touch", "they touch in the picture; in space they may be apart."),
        ),
    ),
    Question(
        "Why does the descent not use the hard map?",
        (
            Option("It is too slow", "it is several times faster than the soft one."),
            Option("Its colours change by whole steps, so its gradient is zero wherever it exists", "a joint may move"
                   " a little and not one pixel changes. The soft edge turns the step into a slope.", True),
            Option("Bones hide each other in it, and in the soft one they do not", "both paint the bones in the same"
                   " order; only the edges differ."),
        ),
    ),
    Question(
        "A test clip is standardised with its own mean and standard deviation instead of the training clips'. "
        "What is wrong?",
        (
            Option("Nothing, standardised is standardised", "the network's answers are in units of the training"
                   " spread; in other units they mean other millimetres."),
            Option("The network answers in the training clips' units, and the test clip leaks into its own score",
                   "both are true; only training statistics may be used.", True),
            Option("One clip is too little: it should be the training and the test clips together", "more data, and the"
                   " test clips would still have a say in what they are judged by."),
        ),
    ),
    Question(
        "A pose and its mirror image in depth (z and -z) are seen from far away. How do their bone maps differ?",
        (
            Option("Not at all", "x and y are the same, and the map is made of nothing else. Only what the network"
                   " knows of bodies makes it prefer one of the two.", True),
            Option("The bones in front are drawn over those behind", "the order is fixed by the skeleton."),
            Option("The nearer bones are wider", "every bone has the same width d."),
        ),
    ),
    Question(
        "Which poses does the fit fail on, of those whose map it was given?",
        (
            Option("Those with long bones", "long bones are the easy ones: their direction shows well."),
            Option("Those in which a bone is hidden, or drawn as a disc", "another pose then has the same map, or"
                   " nearly so. No descent can tell them apart.", True),
            Option("Those that begin 15 px away", "all of them do, and about nine in ten arrive."),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="02",
    promise=(
        "Eighteen pairs of numbers are hard to look at, for people and for networks. NAPA draws them: each bone a "
        "coloured oval. This lesson builds that picture from its definition, makes it soft enough to carry a gradient, "
        "lets a scattered pose find its way back through it, and then asks a network how deep the figure is, seeing "
        "only the ovals."
    ),
    hero=hero,
    hero_alt=(
        "Six frames of a film and its target: coloured ovals in disorder gather into a dancer with one arm and one leg "
        "stretched out, until the last frame equals the target."
    ),
    verbs=(
        "draw a bone as an oval, and say which of its pixels are inside",
        "make the drawing soft, and send a gradient through it",
        "write the descent that fits a pose to a bone map, and tell when the map does not determine it",
        "turn joints into standardised bone vectors and back",
        "lift 2D keypoints to a 3D pose, and measure what the bone map contributes",
    ),
    prerequisites="lesson 00; what a gradient is. Lesson 01 is not needed.",
    minutes=45,
    data=("mocap", "art_figures", "weights/depthnet_tiny.safetensors", "results/lifting"),
    prelude=(
        "import numpy as np\nimport torch\nfrom napa_lib import study\n"
        "from napa_lib.study.lessons.lesson_02.hero import dancer\n"
        "figure = dancer()[0]"
    ),
    exercises=EXERCISES,
    quiz=QUIZ,
)
