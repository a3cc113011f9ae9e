"""The plan of a lesson: everything about it that notebooks, tests and the course page share."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from matplotlib.figure import Figure

from napa_lib.study.exercises import Exercise
from napa_lib.study.quizzes import Question

# Every lesson of the course and what it is about. One is there when it has a module in `napa_lib.study.lessons`.
COURSE = MappingProxyType(
    {
        "00": ("Start here", "the data, the conventions, and a score computed by hand"),
        "01": ("Style losses", "what makes a picture look painted, term by term"),
        "02": ("Oval bone maps", "a pose as coloured ovals, and depth from them"),
        "03": ("The skeleton bottleneck", "joints from frames and poses that do not belong together"),
        "04": ("An adversarial geometric descriptor", "3D poses that a critic takes for real ones"),
        "05": ("Sampling artificial poses", "bodies from joint limits instead of a studio"),
        "06": ("Aligning several people", "many figures in one picture, in 3D, without paired labels"),
        "07": ("Few-shot pose adaptation", "new kinds of poses from a handful of examples"),
        "08": ("Training it all on a GPU", "the four stages of the whole system, resumable"),
        "09": ("Your own art", "pictures of your own: annotated, measured, learned from"),
    }
)
TITLES = MappingProxyType({number: title for number, (title, _) in COURSE.items()})


@dataclass(frozen=True)
class LessonPlan:
    """What a lesson teaches and asks.

    Args:
        number: two digits, as in the notebook's name.
        promise: one paragraph of Markdown: the question that the lesson answers, and what the reader will see.
        hero: draws the picture at its top, a matplotlib figure (`python -m napa_lib.course.hero` stores it).
        hero_alt: its alt text.
        verbs: at most five things the reader will be able to do, each starting with a verb.
        prerequisites: one sentence.
        minutes: to read it, without the exercises.
        data: folders of `assets/` that the lesson uses, as in the manifest ("paintings", "mocap").
        prelude: Python that an exercise may rely on (imports); the notebook has run it before the first exercise.
        exercises: in the order of the notebook.
        quiz: three to five questions.
    """

    number: str
    promise: str
    hero: Callable[[], Figure]
    hero_alt: str
    verbs: tuple[str, ...]
    prerequisites: str
    minutes: int
    data: tuple[str, ...]
    prelude: str
    exercises: tuple[Exercise, ...]
    quiz: tuple[Question, ...]

    @property
    def title(self) -> str:
        """The lesson's title, without its number."""
        return TITLES[self.number]

    def exercise(self, identifier: str) -> Exercise:
        """The exercise called `identifier`, as "01.2".

        Raises:
            ValueError: if the lesson has none of that name.
        """
        for exercise in self.exercises:
            if exercise.id == identifier:
                return exercise
        known = ", ".join(exercise.id for exercise in self.exercises)
        raise ValueError(f"exercise must be one of {known}, got {identifier!r}")


def available() -> tuple[str, ...]:
    """Numbers of the lessons that exist, in order.

    >>> available()[0]
    '00'
    """
    lessons = importlib.import_module("napa_lib.study.lessons")
    names = [re.fullmatch(r"lesson_(\d\d)", module.name) for module in pkgutil.iter_modules(lessons.__path__)]
    return tuple(sorted(name[1] for name in names if name))


def course_map() -> None:
    """Print the course: every lesson and what it is about."""
    for number, (title, about) in COURSE.items():
        print(f"{number} {title}: {about}")


def load_plan(number: str) -> LessonPlan:
    """The plan of lesson `number` ("01"), from its module in `napa_lib.study.lessons`.

    Raises:
        ValueError: if there is no such lesson.
    """
    if number not in available():
        raise ValueError(f"lesson must be one of {', '.join(available())}, got {number!r}")
    return importlib.import_module(f"napa_lib.study.lessons.lesson_{number}").PLAN


def find_exercise(identifier: str) -> Exercise:
    """The exercise called `identifier` ("01.2") of whichever lesson it belongs to."""
    return load_plan(identifier.partition(".")[0]).exercise(identifier)
