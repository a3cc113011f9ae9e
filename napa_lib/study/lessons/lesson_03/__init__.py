"""Lesson 03: a pose detector from frames without poses and poses without frames, and how to keep it honest."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_03.exercises import EXERCISES
from napa_lib.study.lessons.lesson_03.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "No frame has a label and no pose belongs to a frame. What tells the network that a knee is a knee?",
        (
            Option("The reconstruction: without the knee the frame cannot be drawn again", "it wants some code of the"
                   " pose, in whatever order; it knows no names."),
            Option("The critic and eta together", "the critic demands pictures that look like drawings of poses, and"
                   " eta, trained on such drawings, reads named joints off them. The reconstruction makes the pose that"
                   " of the frame.", True),
            Option("Nothing: the joints are named afterwards", "that is how other unsupervised detectors do it; here"
                   " the names come with the unpaired poses."),
        ),
    ),
    Question(
        "CycleGAN reconstructs its input perfectly. What may you conclude about its skeleton image?",
        (
            Option("That its pose is right", "the pose may be wrong: the picture may travel in a code beside it."),
            Option("That it holds everything needed to draw the frame, in some form", "and as a pose does not tell"
                   " colours, they must be hidden in it.", True),
            Option("That the critic has failed", "the critic may do its work well: the code is too faint for it."),
        ),
    ),
    Question(
        "Why must the second frame x' show the same person in another pose?",
        (
            Option("So that the generator can take the looks from it and not the pose", "were it the same frame, the"
                   " generator could copy it and leave the skeleton aside; were it a stranger, the looks would be"
                   " missing.", True),
            Option("It need not: the pose comes from x, so a frame of anybody would do", "then the looks of x would be"
                   " missing, and the generator would be back at hiding them in the pose."),
            Option("So that the critic can compare them", "the critic of skeleton images never sees a frame."),
        ),
    ),
    Question(
        "Why is eta frozen after its pre-training?",
        (
            Option("To save time", "it does save some, but that is not the reason."),
            Option("Trained on, it could agree with Phi on a code of their own", "keypoints could then carry a message"
                   " in their positions that no drawing of a pose shows. Frozen, it reads drawings of poses and nothing"
                   " else.", True),
            Option("So that the reconstruction leaves Phi alone, which is the critic's to train", "a frozen network"
                   " keeps its weights and passes gradients on. Without them Phi would draw any pose, not that of x."),
        ),
    ),
    Question(
        "The found poses fit well, but left and right are often exchanged. Which number tells?",
        (
            Option("The error with flips", "it takes the better of both assignments, so it forgives just that."),
            Option("The difference of the errors without and with flips", "it is what the exchange of sides costs."
                   " From a drawing in one grey, a figure seen from behind looks like one seen from the front.", True),
            Option("The error with the linear regressor on top", "it mends what is wrong alike in all pictures; sides"
                   " are exchanged in some."),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="03",
    promise=(
        "Here is a heap of frames that nobody has labelled, and there a heap of poses that belong to none of them. "
        "Can a network learn from these two heaps to find the joints? CycleGAN seems made for it, but it cheats. This "
        "lesson catches it in the act, closes the hole through which it smuggles, and looks at what comes out: joints, "
        "and people who can be drawn in any pose."
    ),
    hero=hero,
    hero_alt=(
        "Ten computer-generated people before bare walls; below each a white, blurred stick figure on black; below "
        "that "
        "the person again with the joints and bones found."
    ),
    verbs=(
        "draw a pose as a skeleton image, and read it off again as an expectation",
        "show that a CycleGAN hides in its skeleton image what is not pose, and measure how much",
        "close the leak with a bottleneck of keypoints and a second frame",
        "write the least-squares game of critic and generator",
        "draw a person in another's pose, or in one that you edit",
    ),
    prerequisites="lessons 00 and 02; exercise 01.3, a loop that trains; what a gradient and a convolution are.",
    minutes=50,
    data=("studio", "faces", "video", "weights/keypointgan_ours.safetensors",
          "weights/keypointgan_cyclegan.safetensors", "results/bottleneck"),
    prelude=(
        "import numpy as np\nimport torch\nfrom napa_lib import bottleneck, study\n"
        "from napa_lib.rendering import render_skeleton"
    ),
    exercises=EXERCISES,
    quiz=QUIZ,
)  # fmt: skip
