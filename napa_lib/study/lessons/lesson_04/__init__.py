"""Lesson 04: a judge of 3D poses, what it can see, and how an estimator learns from it where nobody has labels."""

from __future__ import annotations

from napa_lib.study.lessons.lesson_04.exercises import EXERCISES
from napa_lib.study.lessons.lesson_04.hero import hero
from napa_lib.study.plans import LessonPlan
from napa_lib.study.quizzes import Option, Question

QUIZ = (
    Question(
        "Pictures in the wild have no depth labels. What does the estimator learn about depth from them?",
        (
            Option("Nothing, it learns 2D alone", "that is the baseline. With the judge, its estimates on them are"
                   " judged, too."),
            Option("To give depths that look like those of true poses, on these pictures as well", "the judge knows "
                   "true poses from the lab and is shown estimates from both worlds.", True),
            Option("The true depths of these pictures", "nobody knows them; a plausible pose may be a wrong one."),
        ),
    ),
    Question(
        "Which mistake can a judge not find if the geometric descriptor is all that it sees?",
        (
            Option("A thigh longer than the other", "dx², dy² and dz² of hip and knee tell it."),
            Option("An arm bent the wrong way", "the offsets of wrist, elbow and shoulder tell it."),
            Option("A plausible pose that is another person's", "nothing in the descriptor says whose pose it is; for"
                   " that, the judge needs the picture.", True),
        ),
    ),
    Question(
        "Why is detach needed in the judge's turn?",
        (
            Option("Without it the judge could not learn", "it would learn just as well."),
            Option("Without it the judge's loss would also teach the estimator: to be found out", "its gradient would"
                   " be left there, and the estimator's next step would follow it unless somebody cleared it.", True),
            Option("So that the estimator gets no gradient from the judge", "in its own turn it must get one: the"
                   " judge shows it the way."),
        ),
    ),
    Question(
        "The judge is given pictures, and all true poses are the lab's. What may it learn instead of poses?",
        (
            Option("To tell lab pictures from wild ones", "a picture from the wild never comes with a true pose, so "
                   "'not the lab' alone is a good reason to say 'estimated'. The lesson measures it.", True),
            Option("To estimate poses itself", "nothing in its loss asks for that."),
            Option("Nothing: the picture does not change between true and estimated", "in the lab it does not. But"
                   " pictures of the wild come with estimates alone."),
        ),
    ),
    Question(
        "A row of the table is 3 mm better than another; the paired interval over three seeds is 3 ± 5 mm. You say:",
        (
            Option("It is better by 3 mm", "the interval holds zero: with other seeds it might be worse."),
            Option("This does not show a difference", "three seeds do not tell it from chance; it does not show that"
                   " there is none, either.", True),
            Option("They are equally good", "that is not shown either: the interval also holds 8 mm."),
        ),
    ),
)  # fmt: skip

PLAN = LessonPlan(
    number="04",
    promise=(
        "In a laboratory, cameras measure where every joint is in 3D. Outside there is only a picture in which "
        "somebody has marked the joints, and nobody knows how deep they are. An estimator that has learned depth in "
        "the laboratory makes mistakes outside that you see at once: no body bends like that. Can a second network "
        "learn to see them, too, and teach the estimator? It can learn to see. What it teaches, we measure."
    ),
    hero=hero,
    hero_alt=(
        "Three people with their poses drawn in: one before a bare wall, one before a busy background, one drawn. "
        "Beside each six small square pictures in red and blue, the descriptor of the pose."
    ),
    verbs=(
        "describe a 3D pose by all its pairs of joints, and say what that hides",
        "show a judge three sources, and find out which mistake each of them gives away",
        "write one step of the game between an estimator and its judge",
        "read a table of trainings without seeing more in it than it shows",
    ),
    prerequisites="lesson 00; lesson 03 for the game of critic and generator; what a gradient and a convolution are.",
    minutes=40,
    data=("studio", "synthetic", "weights/adversarial_baseline.safetensors", "weights/adversarial_map.safetensors",
          "weights/adversarial_geo.safetensors", "weights/adversarial_full.safetensors", "results/adversarial"),
    prelude="import torch\nfrom napa_lib import adversarial, study",
    exercises=EXERCISES,
    quiz=QUIZ,
)  # fmt: skip
