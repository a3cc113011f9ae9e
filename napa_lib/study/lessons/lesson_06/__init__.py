"""Lesson 06: many people in one picture, in 3D, taught by a 2D network and by scenes that were made up."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_06.exercises import EXERCISES
from napa_lib.study.lessons.lesson_06.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "The student needs no grouping of joints. Why?",
        (
            Option("It looks at one person at a time", "it reads all people of a picture in one pass."),
            Option("A whole pose hangs from one cell", "the pelvis's; its joints come out of Psi together.", True),
            Option("Its heat maps are sharper", "it uses its teacher's, and only that of the pelvis."),
        ),
    ),
    Question(
        "What does F, which nobody trains any more, do in L_adapt?",
        (
            Option("It judges whether what G makes looks like what E makes", "it was fitted to E's output, and"
                   " reads best what looks like it. That other things please it, too, the lesson's table shows.", True),
            Option("It learns to read G's output", "it is frozen; if it learned, it could not judge."),
            Option("It makes G's maps sharper", "G makes V, not maps."),
        ),
    ),
    Question(
        "Two 3D poses have the same 2D joints. Which loss can tell which one is right?",
        (
            Option("L_distl", "it compares in 2D, where both are the same."),
            Option("L_recon", "it knows the 3D pose of its scenes, and how likely each is.", True),
            Option("L_ss", "it compares two 2D answers with each other."),
        ),
    ),
    Question(
        "A child is taken for an adult who stands farther away. Why?",
        (
            Option("The depth channel was trained too little", "more training cannot help."),
            Option("All bodies have one size here", "size and distance cannot be told apart in one picture, and the"
                   " method fixes the size.", True),
            Option("Weak perspective rounds the depth", "it has one scale a person, but that is exact for the"
                   " pelvis."),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="06",
    promise=(
        "A network that marks joints in pictures, and a heap of poses that nobody ever photographed: neither knows "
        "what the other knows, and no picture comes with a 3D pose. You make the two meet in one space, read whole "
        "people out of single cells, and see what each of four losses brings and where it all goes wrong."
    ),
    hero=hero,
    hero_alt=(
        "Four pictures of several drawn people with coloured skeletons over them; beside each the room from above, "
        "with circles where people stand and crosses where the network puts them."
    ),
    verbs=(
        "write a scene of several people into maps, one cell a person, and read it back",
        "group joints into people with fields, and say what the student saves by not doing so",
        "teach 3D without a single picture that has a 3D pose",
        "say what each of four losses is for, and test whether it helps",
        "recognise the method's failures and their reasons",
    ),
    prerequisites="lesson 05: the embedding Psi and the four coordinate systems.",
    minutes=50,
    data=("synthetic", "paintings", "painted_people", "video/multi", "video/cameras.json",
          "two_people", "weights/vgg19_q8.safetensors",
          "weights/multiperson_teacher.safetensors", "weights/multiperson_lifter.safetensors",
          "weights/multiperson_maps_adapt.safetensors",
          "weights/multiperson_maps_recon.safetensors", "weights/pose_autoencoder_limits.safetensors",
          "results/multiperson"),
    prelude=(
        "import torch\nfrom napa_lib import multiperson, study\n"
        "from napa_lib.study.lessons.lesson_06.live import CAMERA"
    ),
    exercises=EXERCISES,
    quiz=QUIZ,
)  # fmt: skip
