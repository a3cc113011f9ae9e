"""Hold every notebook to the course's template: `python -m napa_lib.course.notebook_check [notebooks]`.

The rules are listed in `notebooks/README.md`. All violations are reported, each with its notebook and cell.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from napa_lib.course.cells import generated_cells
from napa_lib.study.plans import available, load_plan

MAX_KILOBYTES = 400
MAX_LINES = 15
SHORTEST_BLOCK = 30  # characters; what is shorter may be said twice
IGNORE = "nbval-ignore-output"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PLOTLY = "application/vnd.plotly.v1+json"
JAVASCRIPT = "application/javascript"
ABSOLUTE_PATH = re.compile(r"(?:^|[\s('\"])(/[\w.-]+/[\w.-]+/\S*|[A-Z]:\\\S+)")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
TAGS = {"setup", "parameters", "figure", "widget", "exercise", IGNORE}


@dataclass(frozen=True)
class Violation:
    """A broken rule: which notebook, which cell (counted from 1; 0 for the whole notebook), what is wrong."""

    notebook: str
    cell: int
    message: str

    def __str__(self) -> str:
        return f"{self.notebook}, {f'cell {self.cell}' if self.cell else 'whole notebook'}: {self.message}"


def check_notebook(path: Path) -> list[Violation]:
    """All violations of the template in one notebook."""
    notebook = nbformat.read(path, as_version=4)
    found = [(0, message) for message in _whole(path, notebook)]
    found += [(number, m) for number, cell in enumerate(notebook.cells, 1) for m in _cell(cell)]
    found += [(number, m) for number, cell in enumerate(notebook.cells, 1) for m in _links(cell, path.parent)]
    found += list(_order(notebook))
    found += list(_plan(path, notebook))
    return [Violation(path.name, number, message) for number, message in sorted(found)]


def _whole(path: Path, notebook: NotebookNode) -> Iterator[str]:
    if path.stat().st_size > MAX_KILOBYTES * 1024:
        yield f"is {path.stat().st_size / 1024:.0f} KB, at most {MAX_KILOBYTES} KB are allowed"
    if not any(_tagged(cell, "widget", IGNORE) for cell in notebook.cells):
        yield f"lacks a widget: study.explore(…), tagged widget and {IGNORE}"
    if "widgets" in notebook.metadata:
        yield "stores widget state in its metadata"
    if notebook.metadata.get("kernelspec") != KERNEL:
        yield f"kernelspec must be {KERNEL}"
    ids = Counter(cell.get("id") for cell in json.loads(path.read_text("utf-8"))["cells"])  # nbformat mends doubles
    for name, count in ids.items():
        if count > 1 or not name:
            yield f"cell id {name!r} occurs {count} times, every cell needs its own"
    yield from _repeated(notebook)
    levels = [(len(m[1]), m[2]) for cell in notebook.cells for m in _headings(cell)]
    if [text for level, text in levels if level == 1] != [text for level, text in levels[:1] if level == 1]:
        yield "must have exactly one H1, at its top"
    for (before, _), (level, text) in zip(levels, levels[1:], strict=False):
        if level > before + 1:
            yield f"heading {text!r} skips a level (H{before} to H{level})"


def _repeated(notebook: NotebookNode) -> Iterator[str]:
    """Headings and blocks of text that occur twice: a block is a paragraph, a table or an item of a list."""
    written = [cell for cell in notebook.cells if not cell.get("id", "").startswith("exercise-")]  # those are generated
    texts = [cell.source for cell in written if cell.cell_type == "markdown"]
    headings = Counter(m[2].strip() for cell in notebook.cells for m in _headings(cell))
    blocks = Counter(" ".join(b.split()) for text in texts for b in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text))
    for heading, count in headings.items():
        if count > 1:
            yield f"heading {heading!r} occurs {count} times: readers and links need to tell them apart"
    for block, count in blocks.items():
        if count > 1 and len(block) >= SHORTEST_BLOCK and block[0] not in "#<":
            yield f"says {count} times: {block[:60]!r}"


def with_links(text: str) -> str:
    """Markdown in which every DOI and every number of arXiv leads to its paper.

    >>> with_links("arXiv:2012.08501 (section 3)")
    '[arXiv:2012.08501](https://arxiv.org/abs/2012.08501) (section 3)'
    >>> with_links("doi:10.1109/CVPR.2016.90.")
    '[doi:10.1109/CVPR.2016.90](https://doi.org/10.1109/CVPR.2016.90).'
    """
    text = re.sub(r"(?<![\[\w/`])arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
    return re.sub(r"(?<![\[\w/`])doi:(10\.\d{4,9}/[^\s\])]*\w)", r"[doi:\1](https://doi.org/\1)", text)


def _headings(cell: NotebookNode) -> list[re.Match]:
    if cell.cell_type != "markdown":
        return []
    text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
    return list(re.finditer(r"^(#{1,6}) +(.+)$", text, flags=re.MULTILINE))


def _cell(cell: NotebookNode) -> Iterator[str]:
    if cell.cell_type == "markdown":
        yield from _images(cell.source)
        if match := re.search(r"\w+@\d[\d.]*", re.sub(r"`[^`]*`|\$[^$]*\$", "", cell.source)):
            yield f"{match[0]} would become a mail link in JupyterLab: put it between backticks"
        if (linked := with_links(cell.source)) != cell.source:
            count = linked.count("](") - cell.source.count("](")
            yield f"names {count} sources without a link: run `make notebooks`"
        for match in re.finditer(r"!\[(.*?)\]\(", cell.source):
            if not match[1].strip():
                yield "a picture has no alt text"
        return
    tags = set(cell.metadata.get("tags", []))
    if tags - TAGS:
        yield f"unknown tags {sorted(tags - TAGS)}, allowed are {sorted(TAGS)}"
    if len(cell.source.splitlines()) > MAX_LINES:
        yield f"has {len(cell.source.splitlines())} lines of code, at most {MAX_LINES} are allowed"
    if "setup" not in tags and re.search(r"^\s*[%!].*\bpip\b|\bpip\b.*install", cell.source, flags=re.MULTILINE):
        yield "installs packages, only the setup cell may"
    if "study.explore(" in cell.source and "widget" not in tags:
        yield "shows a widget: tag it widget"
    if cell.execution_count is None and cell.source.strip():
        yield "has not been executed: run `make notebooks`"
    yield from _outputs(cell, compared=IGNORE not in tags)


def _links(cell: NotebookNode, folder: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", cell.source if cell.cell_type == "markdown" else ""):
        if "://" not in target and not (folder / target).exists():
            yield f"links to {target}, which does not exist"


def _outputs(cell: NotebookNode, compared: bool) -> Iterator[str]:
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "error":
            yield f"ends in an error: {output.ename}: {output.evalue}"
        if output.get("name") == "stderr":
            yield f"writes to stderr: {output.text.strip()[:80]!r}"
        if path := ABSOLUTE_PATH.search(output.get("text", "")):
            yield f"prints a path of one machine: {path[1]!r}"
        if WIDGET_VIEW in data:
            yield "stores a widget view: run `make notebooks`"
        if PLOTLY in data:
            yield "stores plotly's JSON: run `make notebooks`"
        if JAVASCRIPT in data:
            yield "stores a script: run `make notebooks`"
        if any(mime.startswith("image/") for mime in data) and "<img" not in data.get("text/html", ""):
            yield "shows a picture without alt text: use study.show(…, alt=…)"
        if compared and set(data) - {"text/plain"}:
            yield f"shows {', '.join(sorted(set(data) - {'text/plain'}))}: tag it {IGNORE}"
        yield from _images(data.get("text/html", ""))


class _ImageAlts(HTMLParser):
    """Collects the alt text of every <img>."""

    def __init__(self) -> None:
        super().__init__()
        self.alts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.alts.append(dict(attrs).get("alt") or "")


def _images(text: str) -> Iterator[str]:
    parser = _ImageAlts()
    parser.feed(text)
    if any(not alt.strip() for alt in parser.alts):
        yield "an <img> has no alt text"


def _order(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    cells = notebook.cells
    for number, (what, test) in enumerate(_OPENING, 1):
        if len(cells) < number or not test(cells[number - 1]):
            yield number, f"must be {what}"
    marks = [(what, [i for i, cell in enumerate(cells, 1) if test(cell)]) for what, test in _CLOSING]
    marks[0] = (marks[0][0], marks[0][1][:1])  # what is to be predicted first may come anywhere, the first before all
    for what, places in marks:
        if not places:
            yield 0, f"lacks {what}"
    last = [(what, places[-1]) for what, places in marks if places]
    for (what, place), (then, later) in zip(last, last[1:], strict=False):
        if place > later:
            yield place, f"{what} must come before {then}"
    if not cells or ".report()" not in cells[-1].source:
        yield len(cells), "the last cell must be lesson.report()"


def _tagged(cell: NotebookNode, *tags: str) -> bool:
    return cell.cell_type == "code" and set(tags) <= set(cell.metadata.get("tags", []))


def _literals_only(cell: NotebookNode) -> bool:
    """Whether a parameters cell assigns literals to MODE, SEED and DEVICE and does nothing else."""
    try:
        body = ast.parse(cell.source).body
        names = [node.targets[0].id for node in body if isinstance(node.value, ast.Constant)]  # type: ignore[attr-defined]
    except (SyntaxError, AttributeError):
        return False
    return names == ["MODE", "SEED", "DEVICE"] and len(body) == 3


def _predicts(cell: NotebookNode) -> bool:
    return cell.cell_type == "markdown" and "Predict first" in cell.source


_OPENING = (
    ("the title (id 'title')", lambda c: c.cell_type == "markdown" and c.get("id") == "title"),
    ("the card (id 'card')", lambda c: c.cell_type == "markdown" and c.get("id") == "card"),
    (f"the set-up, tagged setup and {IGNORE}", lambda c: _tagged(c, "setup", IGNORE)),
    ("tagged parameters, and literals only: MODE, SEED, DEVICE",
     lambda c: _tagged(c, "parameters") and _literals_only(c)),
    (f"lesson = study.start(…), tagged {IGNORE}", lambda c: _tagged(c, IGNORE) and "lesson = study.start(" in c.source),
    (f"the first picture in at most 5 lines, tagged figure and {IGNORE}",
     lambda c: _tagged(c, "figure", IGNORE) and len(c.source.splitlines()) <= 5),
)  # fmt: skip
_CLOSING = (
    ("'Predict first': a question before its answer (folded in <details>) or the result", _predicts),
    ("an exercise", lambda c: _tagged(c, "exercise")),
    ("a quiz: study.quiz(…)", lambda c: _tagged(c, IGNORE) and "study.quiz(" in c.source),
    ("'## Summary'", lambda c: c.cell_type == "markdown" and "## Summary" in c.source),
    ("'## References'", lambda c: c.cell_type == "markdown" and "## References" in c.source),
    ("'## Picture credits'", lambda c: c.cell_type == "markdown" and "## Picture credits" in c.source),
    ("the report: lesson.report()", lambda c: _tagged(c, IGNORE) and "lesson.report()" in c.source),
)


def _plan(path: Path, notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    number = path.name[:2]
    if number not in available():
        yield 0, f"has no plan: napa_lib/study/lessons/lesson_{number}.py is missing"
        return
    plan = load_plan(number)
    kinds = Counter(exercise.kind for exercise in plan.exercises)
    if len(plan.exercises) < 4 or kinds["predict"] < 1 or kinds["code"] < 2 or kinds["break"] < 1:
        yield 0, f"needs four exercises or more: one to predict, two to code, one to break; it has {dict(kinds)}"
    if not 3 <= len(plan.quiz) <= 5:
        yield 0, f"needs a quiz of 3 to 5 questions, it has {len(plan.quiz)}"
    if len(plan.verbs) > 5:
        yield 0, f"promises {len(plan.verbs)} things, at most 5 are allowed"
    cells = {cell.get("id"): (place, cell) for place, cell in enumerate(notebook.cells, 1)}
    for name, expected in generated_cells(plan).items():
        place, cell = cells.get(name, (0, None))
        if cell is None:
            yield 0, f"lacks the cell {name!r}: put `%exercise …` where it belongs and run `make notebooks`"
        elif cell.source != expected.source or cell.metadata.get("tags", []) != expected.metadata.get("tags", []):
            yield place, f"{name!r} differs from the lesson's plan: run `make notebooks`"


def main(arguments: list[str] | None = None) -> int:
    """Check the given notebooks or folders; 0 if none breaks a rule."""
    parser = argparse.ArgumentParser(
        prog="python -m napa_lib.course.notebook_check", description="Check lessons against the template"
    )
    parser.add_argument("paths", nargs="*", type=Path, default=[Path("notebooks")])
    paths = parser.parse_args(arguments).paths
    notebooks = sorted(f for p in paths for f in (p.glob("[0-9][0-9]_*.ipynb") if p.is_dir() else [p]))
    violations = [violation for notebook in notebooks for violation in check_notebook(notebook)]
    for violation in violations:
        print(violation, file=sys.stderr)
    print(f"{len(notebooks)} notebooks checked, {len(violations)} violations")
    return 1 if violations or not notebooks else 0


if __name__ == "__main__":
    raise SystemExit(main())
