"""Lesson 07: a generator of poses, and how twelve examples move it to another kind of poses."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_07.exercises import EXERCISES
from napa_lib.study.lessons.lesson_07.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "Why are the poses drawn as pictures at all, when they are lists of joints?",
        (
            Option("Pictures are smaller", "thirty numbers against three thousand: they are larger."),
            Option("A generator of pictures comes in layers, coarse to fine, with a style code for each", "and the few"
                   " coarse ones are what tau changes.", True),
            Option("Beta needs pictures to read", "beta is there because poses are drawn, not the other way round."),
        ),
    ),
    Question(
        "What is beta good for, once the generator is trained?",
        (
            Option("It turns drawings with blots and broken bones into joints, and nothing else gets through", "the"
                   " bottleneck of eq. 8.", True),
            Option("It tells the generator which bones are wrong", "no gradient of it ever reaches the generator."),
            Option("It makes the poses of the target", "that is tau's work; beta only reads."),
        ),
    ),
    Question(
        "Why does the paper let only one block of tau differ from the identity?",
        (
            Option("The pose is said by that layer alone", "every layer has a say; here changing all came nearer."),
            Option("Fewer numbers can learn less by heart from twelve poses", "and what the source knows about bodies"
                   " stays in the other layers.", True),
            Option("Two blocks would undo one another", "each acts on the styles of its own layer."),
        ),
    ),
    Question(
        "All generated poses are one and the same pose of the target. Which measure does not notice?",
        (
            Option("Coverage", "nearly no target has a generated pose near it: it notices at once."),
            Option("The MMD", "the generated poses are too like one another: it notices."),
            Option("The mean distance to the nearest target pose", "it is zero.", True),
        ),
    ),
    Question(
        "Noises and mixed poses are paired at random, and tau is linear. What does it learn?",
        (
            Option("The mean pose, for every noise", "no noise tells anything about its partner.", True),
            Option("The same as with any pairing", "with near partners it only learns how the two clouds differ."),
            Option("The shots by heart", "a linear map of one layer has no room for that."),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="07",
    promise=(
        "Are twelve poses enough? A network has learned from motion capture what people look like as stick figures. "
        "You show it twelve poses of something that it has hardly seen, yoga's warrior, and put a small matrix into "
        "its layers. You mix poses and learn such a matrix yourself, turn layers on and off while the noise stays the "
        "same, and measure what was gained, and what was not."
    ),
    hero=hero,
    hero_alt=(
        "Three rows of ten soft coloured stick figures: above in poses of all kinds; below, from the same noises, "
        "standing with raised arms, and with arms stretched out to the sides."
    ),
    verbs=(
        "make many poses out of a few by mixing them, and say where that breaks bodies",
        "change a generator by one block of a block-diagonal matrix, and learn that block",
        "explain why noises and poses must be paired with care before a linear map can follow",
        "tell a generator that has collapsed from one that covers its target",
        "judge an adaptation by distances between distributions, with intervals",
    ),
    prerequisites="lesson 00; lesson 01's features of a VGG and lesson 03's game of critic and forger help.",
    minutes=45,
    data=("poses2d", "mocap", "weights/flexpose_source.safetensors", "weights/flexpose_beta.safetensors",
          "weights/flexpose_beta_Yoga_Warrior2_left.safetensors",
          "weights/flexpose_tau_Yoga_UpwardSalute.safetensors", "weights/flexpose_tau_Yoga_Warrior2_left.safetensors",
          "weights/flexpose_faces_source.safetensors", "weights/flexpose_faces_beta.safetensors",
          "weights/flexpose_tau_face_left.safetensors",
          "weights/vgg19_q8.safetensors", "studio", "weights/keypointgan_ours.safetensors",
          "weights/keypointgan_cyclegan.safetensors", "results/adaptation", "results/bottleneck"),
    prelude="import torch\nfrom napa_lib import adaptation, study",
    exercises=EXERCISES,
    quiz=QUIZ,
)  # fmt: skip
