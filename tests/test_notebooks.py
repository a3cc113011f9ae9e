"""Notebooks keep to the template; broken ones are caught, by the static check and by the runner."""

from __future__ import annotations

import copy
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from napa_lib.course import notebooks, pages
from napa_lib.course import run as course
from napa_lib.course.cells import generated_cells, read_times, rebuild, solved
from napa_lib.course.notebook_check import PLOTLY, WIDGET_VIEW, check_notebook
from napa_lib.course.notebook_check import main as check_main
from napa_lib.course.notebooks import find_notebooks, normalise
from napa_lib.study.plans import available, load_plan

ROOT = Path(__file__).parents[1]
NOTEBOOKS = find_notebooks(ROOT / "notebooks")
FIRST = NOTEBOOKS[0]
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


# The committed notebooks


def test_every_plan_has_its_notebook():
    assert [path.name[:2] for path in NOTEBOOKS] == list(available())


GREEK = (
    r"\\(?:alpha|beta|gamma|delta|epsilon|eta|theta|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|psi|omega|Gamma|Delta|Theta|"
    r"Lambda|Phi|Psi|Omega)(?![a-z])"
)


def symbols(formula: str) -> set[str]:
    """Greek and single Latin letters of a formula: no indices, no words, no names of two letters and more."""
    formula = re.sub(r"\\(?:text|mathrm|mathcal|operatorname|begin|end)\*?\s*(?:\{[^{}]*\}|\w)", " ", formula)
    for _ in range(3):  # an index may have indices
        formula = re.sub(r"[_^]\s*(?:\{[^{}]*\}|\\[A-Za-z]+|\w)", " ", formula)
    letters = re.findall(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", re.sub(r"\\[A-Za-z]+", " ", formula))
    return set(re.findall(GREEK, formula)) | set(letters)


def test_symbols_are_letters_and_neither_indices_nor_words():
    formula = r"\hat z_b = \frac{v_{child} - \mu_b}{\sigma_b} + \sum_{i=1}^{n} FK(\Phi(x^2)) \mathrm{for}"
    assert symbols(formula) == {"z", "v", "x", r"\mu", r"\sigma", r"\Phi"}


@each_notebook
def test_symbols_of_formulas_are_named_in_the_text(path):
    """Each symbol of a displayed formula stands in a sentence or in a table of the lesson, too."""
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    shown, rest = re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL), re.sub(r"\$\$.+?\$\$", " ", text, flags=re.DOTALL)
    named = {symbol for formula in re.findall(r"\$([^$]+)\$", rest) for symbol in symbols(formula)}
    for formula in shown:
        assert symbols(formula) <= named, f"{symbols(formula) - named} of {formula}"


@each_notebook
def test_notebook_keeps_to_the_template(path):
    assert [str(violation) for violation in check_notebook(path)] == []


# Notebooks broken on purpose


def cell(notebook, identifier):
    return next(cell for cell in notebook.cells if cell.id == identifier)


def drop(identifier):
    return lambda nb: nb.cells.remove(cell(nb, identifier))


def change(identifier, **fields):
    return lambda nb: cell(nb, identifier).update(fields)


def retag(identifier, *tags):
    return lambda nb: cell(nb, identifier).metadata.update(tags=list(tags))


def output(identifier, **fields):
    return lambda nb: cell(nb, identifier).outputs.append(nbformat.v4.new_output(**fields))


def display(identifier, **data):
    return output(identifier, output_type="display_data", data={k.replace("__", "/"): v for k, v in data.items()})


def swap(first, second):
    def apply(nb):
        a, b = (nb.cells.index(cell(nb, name)) for name in (first, second))
        nb.cells[a], nb.cells[b] = nb.cells[b], nb.cells[a]

    return apply


def append_markdown(text):
    return lambda nb: cell(nb, "quiz-title").update(source=cell(nb, "quiz-title").source + text)


BROKEN = {
    "no exercise cell": (drop("exercise-00-2"), "lacks the cell 'exercise-00-2'"),
    "hints edited by hand": (change("exercise-00-2-help", source="Guess."), "differs from the lesson's plan"),
    "exercise tag lost": (retag("exercise-00-2"), "differs from the lesson's plan"),
    "card out of date": (change("card", source="old"), "'card' differs from the lesson's plan"),
    "title not first": (swap("title", "card"), "must be the title"),
    "no set-up": (drop("setup"), "must be the set-up"),
    "computed parameters": (change("parameters", source='MODE = "a" + "b"\nSEED = 0\nDEVICE = ""'), "literals only"),
    "parameters untagged": (retag("parameters"), "must be tagged parameters"),
    "long first picture": (change("first-picture", source="a = 1\n" * 6), "at most 5 lines"),
    "second H1": (append_markdown("\n\n# Again"), "exactly one H1"),
    "skipped level": (append_markdown("\n\n#### Deep"), "skips a level"),
    "image without alt": (append_markdown("\n\n![](../assets/figures/00.jpg)"), "no alt text"),
    "img without alt": (append_markdown('\n\n<img src="x.png">'), "no alt text"),
    "repeated heading": (append_markdown("\n\n## Summary"), "heading 'Summary' occurs 2 times"),
    "repeated item": (append_markdown(2 * "\n\n- A sentence that was pasted in, and then once more."), "says 2 times"),
    "bare DOI": (append_markdown("\n\ndoi:10.1109/CVPR.2016.90"), "1 sources without a link"),
    "dead link": (append_markdown("\n\n[there](../nowhere.md)"), "../nowhere.md, which does not exist"),
    "mail link": (append_markdown("\n\nThe score PCKh@0.5 is"), "PCKh@0.5 would become a mail link"),
    "bare picture": (display("first-picture", image__png="AAAA", text__plain="<Figure>"), "picture without alt text"),
    "picture compared": (display("toy-arm", text__html="<b>1</b>"), "tag it nbval-ignore-output"),
    "no widget": (lambda nb: [drop("widget")(nb), drop("widget-show")(nb)], "lacks a widget"),
    "widget untagged": (retag("widget-show", "nbval-ignore-output"), "tag it widget"),
    "widget view": (display("first-picture", **{WIDGET_VIEW: {"model_id": "1"}}), "stores a widget view"),
    "script": (display("start", application__javascript="1"), "stores a script"),
    "plotly": (display("first-picture", **{PLOTLY: {"data": []}}), "stores plotly's JSON"),
    "error output": (output("toy-arm", output_type="error", ename="Boom", evalue="no", traceback=[]), "error: Boom"),
    "warning": (output("toy-arm", output_type="stream", name="stderr", text="careful"), "writes to stderr: 'careful'"),
    "machine": (
        output("toy-arm", output_type="stream", name="stdout", text="no file (/some/where/a.png)"),
        "a path of one machine: '/some/where/a.png)'",
    ),
    "never run": (change("toy-arm", execution_count=None), "has not been executed"),
    "too many lines": (change("toy-arm", source="a = 1\n" * 16), "has 16 lines of code"),
    "pip in a lesson": (change("toy-arm", source="%pip install cake"), "only the setup cell may"),
    "unknown tag": (retag("toy-arm", "sometimes"), "unknown tags"),
    "doubled id": (change("toy-arm", id="convert"), "cell id 'convert' occurs 2 times"),
    "widget state": (lambda nb: nb.metadata.update(widgets={"state": {}}), "stores widget state"),
    "foreign kernel": (lambda nb: nb.metadata.update(kernelspec={"name": "mine"}), "kernelspec must be"),
    "too large": (lambda nb: cell(nb, "toy-arm").update(source="#" * 420_000), "at most 400 KB"),
    "nothing to predict": (drop("predict"), "lacks 'Predict first'"),
    "no quiz": (drop("quiz"), "lacks a quiz"),
    "no summary": (drop("summary"), "lacks '## Summary'"),
    "quiz after summary": (swap("quiz", "summary"), "must come before"),
    "report not last": (swap("report", "summary"), "the last cell must be lesson.report()"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::nbformat.warnings.DuplicateCellId")
@pytest.mark.parametrize("name", BROKEN)
def test_check_finds_what_is_broken(name, tmp_path, capsys):
    breakage, words = BROKEN[name]
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    notebook = read(FIRST)
    breakage(notebook)
    path = folder / FIRST.name
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert check_main([str(folder)]) == 1
    found = capsys.readouterr().err
    assert words in found and FIRST.name in found


def test_check_names_a_notebook_without_a_plan(tmp_path):
    path = tmp_path / "77_nothing.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), path)
    assert any("lesson_77.py is missing" in violation.message for violation in check_notebook(path))


def test_check_of_an_empty_folder_fails(tmp_path):
    assert check_main([str(tmp_path)]) == 1


# Generated cells


def test_markers_become_exercises_and_nothing_else_changes():
    plan, notebook = load_plan("00"), read(FIRST)
    names = generated_cells(plan)
    bare = copy.deepcopy(notebook)
    keep = [c for c in bare.cells if c.id not in names or c.id in ("title", "card", "setup")]
    for exercise in plan.exercises:
        keep.insert(-3, nbformat.v4.new_markdown_cell(f"%exercise {exercise.id}"))
    bare.cells = keep
    built = rebuild(bare, plan)
    ids = [c.id for c in built.cells]
    assert set(names) <= set(ids) and len(ids) == len(set(ids))
    others = [c for c in notebook.cells if c.id not in names]
    assert [c.source for c in built.cells if c.id not in names] == [c.source for c in others]
    assert rebuild(built, plan) == built


def test_unknown_marker_is_named():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("%exercise 00.9")])
    with pytest.raises(ValueError, match=r"00\.9"):
        rebuild(notebook, load_plan("00"))


def test_solving_replaces_stubs_only():
    plan, notebook = load_plan("00"), read(FIRST)
    done = solved(notebook, plan)
    changed = [a.id for a, b in zip(done.cells, notebook.cells, strict=True) if a.source != b.source]
    assert changed == [f"exercise-{exercise.id.replace('.', '-')}" for exercise in plan.exercises]
    notebook.cells = notebook.cells[:5]
    with pytest.raises(ValueError, match="exercise-00-1"):
        solved(notebook, plan)


def test_normalising_drops_what_changes_from_run_to_run():
    view = {WIDGET_VIEW: {"model_id": "1"}, "text/plain": "bar"}
    code = nbformat.v4.new_code_cell("1", id="a", metadata={"execution": {"iopub": "now"}, "tags": ["b", "a"]})
    code.outputs = [
        nbformat.v4.new_output("display_data", data=dict(view)),
        nbformat.v4.new_output("display_data", data={PLOTLY: {"data": []}, "text/plain": "to turn"}),
        nbformat.v4.new_output("display_data", data=view | {"text/html": "<p>twin</p>"}, metadata={"w": 1}),
    ]
    notebook = nbformat.v4.new_notebook(cells=[code], metadata={"widgets": {}, "papermill": {}})
    normalise(notebook)
    assert code.metadata == {"tags": ["a", "b"]} and set(notebook.metadata) == {"kernelspec", "language_info"}
    (kept,) = code.outputs
    assert dict(kept.data) == {"text/plain": "bar", "text/html": "<p>twin</p>"} and kept.metadata == {}


# The runner


def small_lesson(folder: Path, name: str, *sources: str, parameters: bool = True) -> Path:
    cells = [nbformat.v4.new_markdown_cell("# Small", id="title")]
    if parameters:
        cells.append(nbformat.v4.new_code_cell('MODE = "quick"', id="parameters", metadata={"tags": ["parameters"]}))
    cells += [nbformat.v4.new_code_cell(source, id=f"cell-{place}") for place, source in enumerate(sources)]
    path = folder / name
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": dict(notebooks.KERNEL)}), path)
    return path


REPORT = 'print(f"lesson 98 · mode {MODE} · seed 0\\npeak memory 12 MB")'


@pytest.fixture(scope="module")
def small_course(tmp_path_factory):
    """A course of four lessons, two of them broken, run once: its folder and exit status and what it said."""
    folder = tmp_path_factory.mktemp("course")
    small_lesson(folder, "96_broken.ipynb", "x = 1", "y = {}\ny['z']", REPORT)
    small_lesson(folder, "97_deaf.ipynb", REPORT.replace("{MODE}", "quick"))
    small_lesson(folder, "98_good.ipynb", REPORT)
    small_lesson(folder, "99_dies.ipynb", "import os\nos._exit(3)")
    return folder


def test_runner_names_failures_and_goes_on(small_course, capsys):
    out = small_course / "out"
    status = course.main(["--notebooks", str(small_course), "--out", str(out), "--mode", "laptop"])
    said = capsys.readouterr()
    failures = [line for line in said.err.splitlines() if line.startswith("FAILED")]
    assert status == 1 and "1 of 4 lessons passed" in said.out
    assert failures[0] == "FAILED 96_broken.ipynb, cell 4, KeyError: 'z'"
    assert failures[1].startswith("FAILED 97_deaf.ipynb, the lesson's report does not say mode laptop")
    assert failures[2].startswith("FAILED 99_dies.ipynb, DeadKernelError") and len(failures) == 3
    index = (out / "index.html").read_text()
    assert index.count("✓ passed") == 1 and index.count("✗ failed") == 3 and "KeyError" in index
    assert "· mode laptop ·" in course._text(read(out / "notebooks" / "98_good.ipynb"))
    assert 'role="alert"' in (out / "pages" / "96_broken.html").read_text()


def test_one_lesson_alone(small_course):
    out = small_course / "alone"
    assert course.main(["--notebooks", str(small_course), "--out", str(out), "--only", "98"]) == 0
    assert [path.name for path in (out / "notebooks").iterdir()] == ["98_good.ipynb"]


def test_a_lesson_without_parameters_cell_fails(tmp_path):
    path = small_lesson(tmp_path, "98_x.ipynb", "MODE = 'quick'", REPORT, parameters=False)
    run = course.run_lesson(path, tmp_path / "out", "quick")
    assert "no cell is tagged parameters" in run.error


@pytest.mark.parametrize("arguments", [["--only", "77"], ["--mode", "fast"], ["--notebooks", "nowhere"]])
def test_wrong_settings_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        course.main(arguments)
    assert stop.value.code == 2 and arguments[1] in capsys.readouterr().err


def test_run_times_reach_the_record_and_the_card(tmp_path, monkeypatch):
    (tmp_path / "assets" / "results").mkdir(parents=True)
    for name in ("paintings", "art_figures", "mocap", "figures", "weights"):
        (tmp_path / "assets" / name).symlink_to(ROOT / "assets" / name)
    manifest = json.loads((ROOT / "assets" / "manifest.json").read_text())
    (tmp_path / "assets" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "notebooks").mkdir()
    path = tmp_path / "notebooks" / FIRST.name
    path.write_bytes(FIRST.read_bytes())
    monkeypatch.setenv("NAPA_ASSETS", str(tmp_path / "assets"))
    course.record_times([course.LessonRun(path, path, "laptop", 123.4, 567.0, None)], "a command")
    stored = json.loads((tmp_path / "assets" / "results" / "course_times.json").read_text())
    assert stored["lessons"]["00"]["laptop"]["seconds"] == 123.4 and stored["command"] == "a command"
    card = cell(read(path), "card").source
    assert f"laptop mode 2 min and 567 MB on {course.machine()}" in card
    assert [o for c in read(path).cells for o in c.get("outputs", [])]  # outputs were kept


def test_measured_times_keep_the_bars():
    """30 s and 1.5 GB in quick mode, 10 minutes and 2 GB in laptop mode, 10 s to the first picture."""
    limits, lessons = {"quick": (30, 1500), "laptop": (600, 2000)}, read_times()["lessons"]
    for number, modes in lessons.items():
        assert "first_picture" in modes["quick"], number
        for mode, run in modes.items():
            seconds, megabytes = limits.get(mode, (1800, 16000))
            assert run["seconds"] <= seconds and run["peak_mb"] <= megabytes, (number, mode)
            assert run.get("first_picture", 0.0) <= 10, (number, mode)


def test_the_first_picture_is_timed_from_the_start_of_the_kernel(tmp_path):
    book = nbformat.v4.new_notebook(metadata={"papermill": {"start_time": "2026-01-01T10:00:00+00:00"}})
    for tags, end in (([], "10:00:02"), (["figure"], "10:00:07.5"), (["figure"], "10:00:20")):
        timed = {"tags": tags, "papermill": {"end_time": f"2026-01-01T{end}+00:00"}}
        book.cells.append(nbformat.v4.new_code_cell("1", metadata=timed))
    nbformat.write(book, tmp_path / "a.ipynb")
    assert course.first_picture(tmp_path / "a.ipynb") == 7.5
    assert math.isnan(course.first_picture(tmp_path / "missing.ipynb"))


# The pages


class Requests(HTMLParser):
    """Collects what a page would ask the network for, and pictures without alt text."""

    def __init__(self):
        super().__init__()
        self.asked, self.mute, self.tags = [], 0, []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag in ("script", "link", "iframe"):
            self.asked.append(tag)
        if tag == "img":
            self.mute += not attrs.get("alt")
            self.asked += [attrs["src"]] if "://" in attrs.get("src", "") else []


def test_pages_need_no_network_and_keep_formulas_and_alt_text():
    body = pages.notebook_body(read(FIRST), FIRST.parent)
    parser = Requests()
    parser.feed(body)
    assert parser.asked == [] and parser.mute == 0 and "script" not in parser.tags
    prose = re.sub(r"<pre.*?</pre>|<code>.*?</code>", "", body, flags=re.DOTALL)
    assert parser.tags.count("math") >= 10 and "$" not in prose
    assert parser.tags.count("h1") == 1


@pytest.mark.parametrize(
    ("tex", "inside"),
    [
        (r"\frac{a}{b}", "<mfrac>"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "<mtable"),
        (r"\mathrm{arg\,min}", "arg"),
    ],
)
def test_formulas_become_mathml(tex, inside):
    assert inside in pages.to_mathml(tex, display=True) and "<math" in pages.to_mathml(tex, display=True)


def test_an_impossible_formula_stays_readable():
    assert pages.to_mathml(r"x^", display=False) == "<code>x^</code>"


def test_stream_output_shows_the_last_state_of_a_progress_bar():
    stream = nbformat.v4.new_output("stream", name="stdout", text="10%\r50%\r100%\ndone <now>\n")
    assert pages._output(stream) == "<pre>100%\ndone &lt;now&gt;\n</pre>"


def test_notebooks_tool_leaves_a_broken_notebook_alone(tmp_path, capsys):
    notebook = read(FIRST)
    notebook.cells = [c for c in notebook.cells if c.id in ("title", "card")]
    notebook.cells.append(nbformat.v4.new_code_cell("1 / 0", id="bad"))
    path = tmp_path / FIRST.name
    nbformat.write(notebook, path)
    before = path.read_bytes()
    assert notebooks.main(["--folder", str(tmp_path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err and path.read_bytes() == before
