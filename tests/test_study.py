"""The lessons' machinery: exercises, their checks, quizzes, words, the record, the frame of a lesson, predictions."""

from __future__ import annotations

import ast
import itertools
import json
import math
import re
import subprocess
import sys
import time
import tokenize
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from napa_lib import study
from napa_lib.study import quizzes
from napa_lib.study.exercises import Exercise, Verdict, close, is_blank, judge, numbers
from napa_lib.study.plans import TITLES, available, find_exercise, load_plan
from napa_lib.study.record import read_record, remember

ROOT = Path(__file__).parents[1]
PLANS = [load_plan(number) for number in available()]
EXERCISES = [(plan, exercise) for plan in PLANS for exercise in plan.exercises]
each_exercise = pytest.mark.parametrize(("plan", "exercise"), EXERCISES, ids=[e.id for _, e in EXERCISES])


def answer_of(code: str, plan, exercise) -> Verdict:
    """Run code in the place of the stub, as the notebook would, and judge what it leaves."""
    names: dict = {}
    exec(plan.prelude, names)
    exec(code, names)
    return judge(exercise, names[exercise.answer])


# Every lesson's exercises


@each_exercise
def test_stub_is_untouched(plan, exercise):
    assert answer_of(exercise.stub, plan, exercise).status == "untouched"


@each_exercise
def test_solution_is_right(plan, exercise):
    verdict = answer_of(exercise.solution, plan, exercise)
    assert verdict.status == "right", verdict.message


@each_exercise
def test_other_right_answers_are_right(plan, exercise):
    """Another style, container or type of number is no mistake."""
    for code in exercise.other_answers:
        verdict = answer_of(code, plan, exercise)
        assert verdict.status == "right", f"{code}\n{verdict.message}"


@each_exercise
def test_a_forgotten_return_is_told(plan, exercise):
    function = ast.parse(exercise.solution).body[0]
    if isinstance(function, ast.FunctionDef):
        function.body = [node for node in function.body if not isinstance(node, ast.Return)] or [
            ast.Expr(ast.Constant(1))
        ]
        rest = ast.parse(exercise.solution).body[1:]
        code = ast.unparse(ast.fix_missing_locations(ast.Module([function, *rest], [])))
        verdict = answer_of(code, plan, exercise)
        assert verdict.status == "wrong" and "returned None" in verdict.message, verdict.message


@each_exercise
def test_a_task_says_what_it_hands_over(plan, exercise):
    tree = ast.parse(exercise.stub).body[0]
    if exercise.kind == "code" and isinstance(tree, ast.FunctionDef):
        assert re.search(r"NumPy|tensor|array|float|list", exercise.task), "name the library"
        assert "float" in exercise.task or "number" in exercise.task, "name the type of the numbers"


@each_exercise
def test_every_usual_mistake_gets_its_own_hint(plan, exercise):
    assert exercise.wrong_answers
    verdicts = {mistake.name: answer_of(mistake.code, plan, exercise) for mistake in exercise.wrong_answers}
    for mistake in exercise.wrong_answers:
        assert verdicts[mistake.name].status == "wrong", mistake.name
        others = [verdict.message for name, verdict in verdicts.items() if name != mistake.name]
        assert mistake.hint in verdicts[mistake.name].message
        assert not any(mistake.hint in message for message in others), mistake.name


@each_exercise
def test_strange_answers_get_words_instead_of_errors(plan, exercise):
    def broken(*args):
        return args[0] / "two"

    for answer in ("text", -1, [], {}, np.zeros((0, 2)), torch.full((3,), math.nan), broken, lambda: 1, object()):
        verdict = judge(exercise, answer)
        assert verdict.status == "wrong" and verdict.message


@pytest.mark.parametrize("plan", PLANS, ids=[plan.number for plan in PLANS])
def test_plan_is_whole(plan):
    assert plan.number in TITLES
    identifiers = [exercise.id for exercise in plan.exercises]
    assert identifiers == [f"{plan.number}.{place}" for place, _ in enumerate(identifiers, 1)]
    for question in plan.quiz:
        assert len({option.text for option in question.options}) == len(question.options)


# The machinery


def make_exercise(check=lambda answer: study.right("well done."), **changes) -> Exercise:
    fields = dict(
        id="99.1", title="t", kind="code", difficulty=1, minutes=1, task="t", stub="answer = ...", answer="answer",
        hints=("a", "b"), if_you_see="c", solution="answer = 1", why="d", check=check, wrong_answers=(),
    )  # fmt: skip
    return Exercise(**(fields | changes))


@pytest.mark.parametrize("answer", [None, ..., [...], (None, ...), {"a": None}])
def test_untouched_is_recognised(answer):
    exercise = make_exercise(lambda got: study.right("x") if got() else study.wrong("x"))
    assert judge(exercise, answer).status == "untouched"


@pytest.mark.parametrize("result", ["None", "...", "[None, None]", ""])
def test_a_function_that_returns_nothing_is_untouched_only_as_the_stub(result):
    exercise = make_exercise(
        lambda half: study.right("x") if half(1) else study.wrong("x"),
        stub="def half(x):\n    ...\n    return None",
        answer="half",
    )
    names: dict = {}
    exec("def half(x):\n    # my notes\n\n    ...\n    return None  # a number", names)
    assert judge(exercise, names["half"]).status == "untouched"
    exec(f"def half(x):\n    y = x / 2\n    return {result}", names)
    verdict = judge(exercise, names["half"])
    assert verdict.status == "wrong" and "end it with `return`" in verdict.message


@pytest.mark.parametrize(
    "value", [3, 3.0, [3], (3,), np.float32(3), np.array([[3]]), torch.tensor([3.0], requires_grad=True)]
)
def test_one_number_may_come_in_a_box(value):
    assert study.number(value) == 3.0


@pytest.mark.parametrize("value", ["x", [1, 2], [], None, object()])
def test_what_is_no_number_is_told(value):
    verdict = judge(make_exercise(lambda answer: study.right(str(study.number(value, "the count")))), 1)
    assert verdict.status == "wrong" and verdict.message.startswith("the count")


@pytest.mark.parametrize("answer", [0, False, "", [], [0, ...], np.zeros(2)])
def test_falsy_answers_are_answers(answer):
    assert not is_blank(answer)


def test_an_error_in_the_learners_function_names_error_and_line(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def half(x):\n    y = x\n    return y / 0\n")
    names: dict = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    verdict = judge(make_exercise(lambda half: study.right(str(half(1)))), names["half"])
    assert verdict.status == "wrong"
    assert "ZeroDivisionError" in verdict.message and "`return y / 0`" in verdict.message


def test_an_answer_the_check_cannot_read_is_not_an_error():
    verdict = judge(make_exercise(lambda answer: study.right(answer.shape)), 3)
    assert verdict.status == "wrong" and "AttributeError" in verdict.message and "3" in verdict.message


def test_numbers_reads_tensors_arrays_and_lists_and_refuses_other_shapes():
    for value in (torch.tensor([1.0, 2.0], requires_grad=True), np.array([1, 2]), [1, 2.0]):
        assert numbers(value, (2,)).tolist() == [1.0, 2.0]
    exercise = make_exercise(lambda answer: study.right(str(numbers(answer, (2,), "the pair"))))
    for value in ([1, 2, 3], "ab", [[1], [2, 3]]):
        assert judge(exercise, value).message.startswith("the pair")


def test_close_compares_nan_with_nan_and_refuses_other_shapes():
    assert close([1.0, np.nan], torch.tensor([1.0, math.nan]))
    assert not close([1.0, np.nan], [1.0, 2.0])
    assert not close([[1.0, 2.0]], [1.0, 2.0])
    assert not close([1.0], [1.001]) and close([1.0], [1.001], tolerance=0.01)


def test_check_prints_symbol_and_words(capsys):
    study.check("00.1", ...)
    study.check("00.1", 339)
    study.check("00.1", 340)
    lines = capsys.readouterr().out.splitlines()
    starts = ["○ Exercise 00.1, not attempted yet: ", "✓ Exercise 00.1, right: ", "✗ Exercise 00.1, not yet: "]
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=True)] == [True] * 3


@pytest.mark.parametrize("changes", [{"kind": "sing"}, {"difficulty": 4}])
def test_exercise_refuses_unknown_kinds(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        make_exercise(**changes)


@pytest.mark.parametrize("identifier", ["00.99", "77.1", "nonsense"])
def test_unknown_exercise_is_named(identifier):
    with pytest.raises(ValueError, match="must be one of"):
        find_exercise(identifier)


# Quizzes

OPTIONS = (quizzes.Option("no", "look again."), quizzes.Option("yes & so", "count.", True))
QUESTION = quizzes.Question("Is 1 < 2?", OPTIONS)


def test_quiz_answers_in_place():
    box = quizzes.QuizBox((QUESTION,))
    assert box.choices[0].value is None and box.replies[0].value == ""
    box.choices[0].value = "no"
    assert "✗ not this one: look again." in box.replies[0].value
    box.choices[0].value = "yes & so"
    assert "✓ right: count." in box.replies[0].value and 'role="status"' in box.replies[0].value


def test_static_quiz_explains_every_answer():
    page = quizzes.static_html((QUESTION,))
    assert page.count("<details>") == 2 and "yes &amp; so" in page and "look again." in page


@pytest.mark.parametrize(
    "options",
    [
        (),
        (("a", "x", True),),
        (("a", "x"), ("b", "y")),
        (("a", "x", True), ("b", "y", True)),
        (("a", "", True), ("b", "y")),
    ],
)
def test_question_needs_one_right_answer_and_reasons(options):
    with pytest.raises(ValueError, match="question"):
        quizzes.Question("?", tuple(quizzes.Option(*option) for option in options))


# The words


def test_no_words_are_glued_together():
    """Two strings that Python joins need a space between them: "a coloured" "oval" reads as one word."""
    skip = {tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    for path in (ROOT / "napa_lib").rglob("*.py"):
        with tokenize.open(path) as lines:
            tokens = [token for token in tokenize.generate_tokens(lines.readline) if token.type not in skip]
        for one, other in itertools.pairwise(tokens):
            if one.type == other.type == tokenize.STRING and "f" not in (one.string[0] + other.string[0]).lower():
                before, after = ast.literal_eval(one.string), ast.literal_eval(other.string)
                if isinstance(before, str) and before and after:
                    assert not (before[-1].isalnum() and after[0].isalnum()), f"{path.name}: {before[-20:]}{after[:20]}"


# The record


@pytest.fixture
def record(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "progress.json"
    monkeypatch.setenv("NAPA_PROGRESS", str(path))
    return path


def test_record_keeps_what_was_right(record):
    for status in ("untouched", "wrong", "right", "wrong"):
        remember("00.1", status)
    entry = json.loads(record.read_text())["00.1"]
    assert (entry["status"], entry["attempts"]) == ("right", 3)
    assert [path.name for path in record.parent.iterdir()] == ["progress.json"]


@pytest.mark.parametrize("text", ["", "not json", "[1]", '{"00.1": 3}', '{"00.1": {"attempts": "many"}}'])
def test_a_broken_record_is_no_obstacle(record, text):
    record.parent.mkdir()
    record.write_text(text)
    remember("00.1", "right")
    assert read_record()["00.1"]["status"] == "right"


def test_an_unwritable_record_is_no_obstacle(record, capsys):
    record.parent.write_text("a file where the folder should be")
    study.check("00.1", 339)
    assert "right" in capsys.readouterr().out and read_record() == {}


def test_no_record_is_kept_when_it_is_off(record, monkeypatch, capsys):
    monkeypatch.setenv("NAPA_PROGRESS", "off")
    remember("00.1", "right")
    assert not record.exists() and read_record() == {}
    study.progress()
    assert "No record is kept" in capsys.readouterr().out


def test_progress_lists_what_is_done(record, capsys):
    study.check("00.1", 339)
    study.check("00.2", lambda *args: args[0])
    capsys.readouterr()
    study.progress()
    text = capsys.readouterr().out
    assert f"00 {TITLES['00']}: 1 of {len(load_plan('00').exercises)} exercises done" in text
    assert "✓ 00.1" in text and "✗ 00.2" in text and "○ 00.3" in text


# The frame


def test_lesson_chooses_seeds_and_reports(capsys):
    lesson = study.start("00", "laptop", 3, "cpu")
    first = torch.rand(2, generator=lesson.generator)
    assert torch.equal(first, torch.rand(2, generator=study.start("00", "laptop", 3, "cpu").generator))
    assert lesson.pick(quick=1, laptop=2, full=3) == 2
    lesson.report()
    text = capsys.readouterr().out
    assert "laptop mode, seed 3, cpu" in text
    assert "· mode laptop · seed 3 · device cpu" in text and f"torch {version('torch')}" in text
    assert "peak memory" in text and "exercises done: 0 of" in text


@pytest.mark.parametrize(
    ("arguments", "name"), [(("77",), "lesson"), (("00", "fast"), "mode"), (("00", "quick", 0, "abacus"), "device")]
)
def test_start_names_what_it_does_not_know(arguments, name):
    with pytest.raises(ValueError, match=name):
        study.start(*arguments)


@pytest.mark.parametrize(
    ("busy", "threads"), [(0.1, "2 threads"), (1.2, "1 thread instead of 2"), (9.0, "1 thread instead")]
)
def test_a_lesson_leaves_busy_cores_alone_and_says_so(busy, threads, monkeypatch, capsys):
    monkeypatch.setattr(study.lesson, "busy_cores", lambda: busy)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        study.start("00", "quick", 0, "cpu")
        assert f", {threads}" in capsys.readouterr().out and torch.get_num_threads() == int(threads[0])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("files, cores", [
    ({"cpu.max": "150000 100000\n"}, 1.5), ({"cpu.max": "max 100000\n"}, math.inf), ({}, math.inf),
    ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
    ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf),
])  # fmt: skip
def test_the_limit_of_a_container_is_read(files, cores, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert study.lesson.cpu_limit(tmp_path) == cores


def test_a_lesson_takes_no_more_threads_than_its_container_has_cores(monkeypatch):
    monkeypatch.setattr(study.lesson, "cpu_limit", lambda: 1.5)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        study.start("00", "quick", 0, "cpu")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_busy_cores_are_counted():
    code = "import time; end = time.time() + 30\nwhile time.time() < end: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as other:
        time.sleep(0.5)
        busy = study.lesson.busy_cores(1.0)
        other.kill()
    assert busy > 0.2


def test_memory_is_unknown_where_the_system_does_not_say(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "resource", None)
    assert study.lesson.peak_memory() == "unknown"


# Predictions


@pytest.mark.parametrize(
    ("guess", "among", "taken"),
    [
        (3, (0, 10), 3.0), ([3.5], (0, 10), 3.5), (torch.tensor(10), (0, 10), 10.0), (11, (0, 10), None),
        ("x", (0, 10), None), (math.nan, (0, 10), None), (..., (0, 10), None), (None, ["a"], None),
        (" A ", ["a", "b"], "a"), ("c", ["a", "b"], None), (3, ["a"], None), ("", ["a"], None),
        ("to the", ["arm", "moved to the side"], "moved to the side"), ("ta", ["tar", "a tar"], None),
        ("tar", ["tar", "a tar"], "tar"),
    ],
)  # fmt: skip
def test_a_prediction_is_taken_or_told(guess, among, taken, capsys):
    assert study.predict(guess, among, " px") == taken
    said = capsys.readouterr().out
    assert said.startswith("◆" if taken is not None else "○") and ("px" in said or taken is None or "a" in said)


def test_a_prediction_is_drawn_into_the_plot():
    page, axis = plt.subplots()
    study.mark_guess(axis)
    assert not axis.lines and axis.get_legend() is None
    study.mark_guess(axis, 1.0, 2.0)
    study.mark_guess(axis, y=3.0)
    study.mark_guess(axis, x=4.0)
    assert [line.get_label() for line in axis.lines] == ["your prediction"] * 3 and axis.get_legend() is not None
    assert axis.lines[0].get_xydata().tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("limits", [(0, 5), (5, 0)])
def test_a_prediction_outside_the_plot_widens_it(limits):
    axis = plt.figure().subplots()
    axis.set(xlim=limits, ylim=limits)
    study.mark_guess(axis, 7.0, 3.0)
    assert 7.0 in axis.get_xlim() and axis.xaxis_inverted() == (limits[0] > limits[1]) and axis.get_ylim() == limits
    study.mark_guess(axis, y=-2.0)
    assert -2.0 in axis.get_ylim()
    plt.close(axis.figure)


def test_what_folds_can_be_read_without_a_script(monkeypatch):
    sent = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: sent.append(data))
    study.fold("More & more", "a < b", "A note.")
    page = sent[0]["text/html"]
    assert page.startswith("<details><summary>More &amp; more</summary><p>A note.</p>") and "a &lt; b</pre>" in page
    assert "script" not in page and sent[0]["text/plain"] == "More & more\nA note.\na < b"
