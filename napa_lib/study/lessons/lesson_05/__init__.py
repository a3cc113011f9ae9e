"""Lesson 05: poses from joint limits alone, what such poses are worth, and a network in which every point is a pose."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_05.exercises import EXERCISES
from napa_lib.study.lessons.lesson_05.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "Why is a pose written in local frames before limits are put on it?",
        (
            Option("So that the view no longer matters", "canonical axes do that already; in them an elbow's range"
                   " still turns with the upper arm."),
            Option("Because what a joint can do is said relative to the bone it hangs from", "and then the view, the"
                   " body's size and all joints above no longer matter.", True),
            Option("Because local vectors are always inside their limits", "they can be anything; the limits judge"
                   " them."),
        ),
    ),
    Question(
        "The right shoulder's azimuth runs from 120 over 180 to -120 degrees. How is it written?",
        (
            Option("(120, 240)", "the end goes beyond 180; sine and cosine do not mind.", True),
            Option("(-120, 120)", "that is the other arc, over 0: the left side."),
            Option("(120, -120)", "an end below its start; a width of -240 would draw from the wrong arc."),
        ),
    ),
    Question(
        "All but a few real ankles are inside their limits, and yet most drawn legs are impossible. How can that be?",
        (
            Option("The limits are too narrow", "then real poses would be outside."),
            Option("The limits must hold all that an ankle does for any thigh, and are drawn for each thigh", "which"
                   " way the knee bends depends on the thigh; independent draws do not know it.", True),
            Option("Too few were drawn", "a share does not grow with the number of draws; only its interval shrinks."),
        ),
    ),
    Question(
        "What does the discriminator of the autoencoder add to the cycle?",
        (
            Option("It makes the reconstruction sharper", "the pose's cycle does that."),
            Option("It makes points of the cube that no pose was mapped to decode to poses, too", "without it 72 fewer"
                   " of a hundred samples of motion capture's network are possible.", True),
            Option("It trains the encoder to be uniform", "the encoder gets no gradient from it at all."),
        ),
    ),
    Question(
        "Any embedding, even a random one, decodes to bones of the right length. Why?",
        (
            Option("The training was long enough", "it is true before the first step, too."),
            Option("The decoder ends in unit vectors, and forward kinematics gives them their lengths", "structure that"
                   " is built in need not be learned.", True),
            Option("The discriminator would notice", "it need not even look."),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="05",
    promise=(
        "No studio, no suits with markers, no data at all: only a table of how far joints turn. Is that enough to make "
        "up a million human poses? You draw the limits on spheres, move them and watch the poses follow. You count how "
        "many of the poses a body could take, find out why so few, and train a network in which every point is a pose."
    ),
    hero=hero,
    hero_alt=(
        "Four spheres, each with an orange patch in which a bone may point; beside them twelve stick figures in poses "
        "drawn from such patches, of those that a body could take."
    ),
    verbs=(
        "write a pose as directions in the frames of its own bones, and walk back down the tree",
        "read, draw and change joint limits as ranges on a sphere",
        "draw poses from limits, and say how many of them a body could take, and why",
        "train an adversarial autoencoder whose cube of embeddings is filled with poses",
        "judge artificial data by what it contains and by what it covers",
    ),
    prerequisites="lesson 00; lesson 03's game of critic and forger helps.",
    minutes=45,
    data=("joint_limits", "mocap", "weights/pose_autoencoder_limits.safetensors",
          "weights/pose_autoencoder_conditioned.safetensors", "weights/pose_autoencoder_mocap.safetensors",
          "results/sampling"),
    prelude=(
        "import torch\nfrom napa_lib import sampling, study\n"
        "from napa_lib.study.lessons.lesson_05.live import frame_below"
    ),
    exercises=EXERCISES,
    quiz=QUIZ,
)  # fmt: skip
