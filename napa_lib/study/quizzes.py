"""Quizzes: a few questions answered in place, with a reason beside every answer, right or wrong."""

from __future__ import annotations

import html
from dataclasses import dataclass

SYMBOL = {True: "✓ right", False: "✗ not this one"}


@dataclass(frozen=True)
class Option:
    """One possible answer and, whether it is right or wrong, why."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with two to five options, exactly one of them right. Plain text, no Markdown."""

    text: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        if sum(option.right for option in self.options) != 1 or len(self.options) < 2:
            raise ValueError(f"question {self.text!r} needs at least two options, exactly one of them right")
        if not all(option.why for option in self.options):
            raise ValueError(f"question {self.text!r}: every option needs its reason (`why`)")

    def verdict(self, option: Option) -> str:
        """What the reader is told after choosing `option`."""
        return f"{SYMBOL[option.right]}: {option.why}"


def static_html(questions: tuple[Question, ...]) -> str:
    """The quiz for a reader without a kernel: each option unfolds to its verdict.

    Returns:
        HTML of `<details>` elements; they open with the keyboard and need no script.
    """
    parts = []
    for question in questions:
        options = "".join(
            f"<details><summary>{html.escape(option.text)}</summary><p>{html.escape(question.verdict(option))}</p></details>"
            for option in question.options
        )
        parts.append(f"<li><p><strong>{html.escape(question.text)}</strong></p>{options}</li>")
    return f'<ol class="napa-quiz">{"".join(parts)}</ol>'


class QuizBox:
    """The live quiz: one group of radio buttons a question; choosing one shows its verdict below it."""

    def __init__(self, questions: tuple[Question, ...]) -> None:
        from ipywidgets import HTML, VBox

        self.choices = [self._radio(question) for question in questions]
        self.replies = [HTML() for _ in questions]
        rows = []
        for number, (question, choice, reply) in enumerate(zip(questions, self.choices, self.replies, strict=True), 1):
            title = HTML(f"<p><strong>{number}. {html.escape(question.text)}</strong></p>")
            choice.observe(lambda change, q=question, r=reply: self._answer(q, r, change["new"]), names="value")
            rows += [title, choice, reply]
        self.box = VBox(rows)

    @staticmethod
    def _radio(question: Question):
        from ipywidgets import RadioButtons

        return RadioButtons(
            options=[option.text for option in question.options],
            value=None,
            description="Your answer",
            tooltip=question.text,
            layout={"width": "auto"},
        )

    @staticmethod
    def _answer(question: Question, reply, text: str | None) -> None:
        chosen = next((option for option in question.options if option.text == text), None)
        reply.value = f'<p role="status">{html.escape(question.verdict(chosen))}</p>' if chosen else ""
