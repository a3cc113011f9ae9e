"""The course as a static site: an index that says what each lesson promises and asks for, and a page a lesson."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from napa_lib.course.pages import first_picture, notebook_body, to_html, with_ids
from napa_lib.course.site_style import CSS, code_css
from napa_lib.study.plans import TITLES, available, load_plan


@dataclass(frozen=True)
class Card:
    """One lesson on the index page."""

    number: str
    status: str  # "passed" or "failed"
    detail: str
    picture: str
    alt: str
    stem: str


SYMBOLS = {"passed": "✓", "failed": "✗"}


def write_site(runs: Sequence, out: Path) -> Path:
    """Write the pages of the lessons that were run, and the index.

    Args:
        runs: `LessonRun`s, in order.
        out: the site's folder; the executed notebooks lie in its `notebooks/`.

    Returns:
        The path of `index.html`.
    """
    for folder in ("pages", "pictures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    cards = {run.notebook.name[:2]: _write_lesson(run, runs, out) for run in runs}
    items = "\n".join(_card_html(card) for _, card in sorted(cards.items()))
    failed = sum(card.status == "failed" for card in cards.values())
    summary = f"{len(cards) - failed} of {len(cards)} lessons passed" if cards else "no lesson was run"
    mode = runs[0].mode if runs else "quick"
    body = (
        f'<header class="top"><p class="kicker">napa</p><h1>Pose in art</h1>'
        f"<p>A course that teaches a computer to see the human figure in paintings and drawings, one step a lesson.</p>"
        f'<p class="run">Run in {mode} mode: {summary}.</p></header>'
        f'<main><ol class="lessons">{items}</ol>{_other_lessons(cards)}</main>'
    )
    index = out / "index.html"
    index.write_text(page("Pose in art: the napa course", with_ids(body)), encoding="utf-8")
    return index


def _write_lesson(run, runs: Sequence, out: Path) -> Card:
    number, stem = run.notebook.name[:2], run.notebook.stem
    picture = alt = ""
    status = "failed" if run.error else "passed"
    if run.output.is_file():
        notebook = nbformat.read(run.output, as_version=4)
        if found := first_picture(notebook):
            mime, data, alt = found
            picture = f"pictures/{stem}.{mime.partition('/')[2]}"
            (out / picture).write_bytes(data)
        links = _links(run, runs)
        error = f'<p class="failed" role="alert">✗ This run failed: {html.escape(run.error)}</p>' if run.error else ""
        content = notebook_body(notebook, run.notebook.parent)
        body = f'<nav aria-label="Lessons">{links}</nav><main class="lesson">{error}{content}</main>'
        (out / "pages" / f"{stem}.html").write_text(page(f"{number} {_title(number)}", body), encoding="utf-8")
    else:
        stem = ""
    return Card(number, status, run.error or f"{run.seconds:.0f} s", picture, alt, stem)


def _links(run, runs: Sequence) -> str:
    """Links to the index and to the lessons before and after."""
    names = [other.notebook.stem for other in runs]
    here = names.index(run.notebook.stem)
    links = ['<a href="../index.html">All lessons</a>']
    if here > 0:
        links.append(f'<a rel="prev" href="{names[here - 1]}.html">← {_title(names[here - 1][:2])}</a>')
    if here + 1 < len(names):
        links.append(f'<a rel="next" href="{names[here + 1]}.html">{_title(names[here + 1][:2])} →</a>')
    links.append(f'<a href="../notebooks/{run.notebook.name}" download>This notebook</a>')
    return " ".join(links)


def _title(number: str) -> str:
    return TITLES.get(number, "Lesson")


def _card_html(card: Card) -> str:
    title = f"{card.number} {html.escape(_title(card.number))}"
    if card.stem:
        title = f'<a href="pages/{card.stem}.html">{title}</a>'
    picture = f'<img src="{card.picture}" alt="{html.escape(card.alt, quote=True)}">' if card.picture else ""
    detail = f" · {html.escape(card.detail)}" if card.detail else ""
    return (
        f'<li class="{card.status}"><div class="frame">{picture}</div><h2>{title}</h2>{_plan_html(card.number)}'
        f'<p class="run"><span class="status">{SYMBOLS[card.status]} {card.status}</span>{detail}</p></li>'
    )


def _plan_html(number: str) -> str:
    """What a lesson promises, how long it takes and what it builds on; nothing for a notebook without a plan."""
    if number not in available():
        return ""
    plan = load_plan(number)
    practice = sum(exercise.minutes for exercise in plan.exercises)
    before = to_html(plan.prerequisites)
    return (
        f'<p class="promise">{to_html(plan.promise)}</p><p><b>Time:</b> {plan.minutes} minutes to read, {practice} for '
        f"{len(plan.exercises)} exercises. <b>Before this:</b> {before}</p>"
    )


def _other_lessons(cards: Mapping[str, Card]) -> str:
    """The lessons that were left out of this run, and those that do not exist yet."""
    groups = {"Not run this time": [], "In preparation": []}  # type: dict[str, list[str]]
    for number in sorted(set(TITLES) - set(cards)):
        groups["Not run this time" if number in available() else "In preparation"].append(f"{number} {_title(number)}")
    return "".join(
        f'<section class="other"><h2>{title}</h2><ul>{"".join(f"<li>{name}</li>" for name in names)}</ul></section>'
        for title, names in groups.items()
        if names
    )


def page(title: str, body: str) -> str:
    """A whole HTML document in the site's look."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{CSS}\n{code_css()}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
