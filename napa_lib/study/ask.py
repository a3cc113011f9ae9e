"""The two calls by which a notebook asks its reader something: `check` and `quiz`."""

from __future__ import annotations

from typing import Any

from napa_lib.study.exercises import SYMBOLS, WORDS, judge
from napa_lib.study.plans import find_exercise, load_plan
from napa_lib.study.quizzes import QuizBox, static_html
from napa_lib.study.record import remember
from napa_lib.study.widgets import show_live


def check(identifier: str, answer: Any) -> None:
    """Print what an exercise's check says about an answer, and note it in the learner's own record.

    It never raises for anything that the learner did: an untouched stub, an error in the learner's function or an
    answer of the wrong kind are answered in words.

    Args:
        identifier: the exercise, as "01.2".
        answer: what the exercise asks for: a value or a function.

    Raises:
        ValueError: if there is no such exercise.
    """
    verdict = judge(find_exercise(identifier), answer)
    remember(identifier, verdict.status)
    print(f"{SYMBOLS[verdict.status]} Exercise {identifier}, {WORDS[verdict.status]}: {verdict.message}")


def quiz(number: str) -> None:
    """Show the quiz of lesson `number`: radio buttons answered in place; without a kernel, answers that unfold."""
    questions = load_plan(number).quiz
    text = "\n".join(f"{place}. {question.text}" for place, question in enumerate(questions, 1))
    show_live(QuizBox(questions).box, {"text/html": static_html(questions), "text/plain": text})
