"""The one form of results: what is written is read again, what is none is refused, intervals are Student's."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from napa_lib import results
from napa_lib.data import list_assets


@dataclass(frozen=True)
class Config:
    size: int = 64
    styles: tuple[str, ...] = ("a", "b")


def written(path, measured, **more) -> dict:
    results.write(path, measured, "python -m napa_lib.x --out 'a b'", 1.25, **more)
    return results.read(path)


def test_what_is_written_is_read_again(tmp_path):
    measured = {"errors": {"all": {"px": 1.5, "bad": math.nan}}, "record": [{"step": 1, "loss": math.inf}], "é": "ü"}
    found = written(tmp_path / "new" / "r.json", measured, config=Config(), seed=[0, 1], steps=10)
    assert found["errors"] == {"all": {"px": 1.5, "bad": None}} and found["record"] == [{"step": 1, "loss": None}]
    assert found["é"] == "ü" and found["config"] == {"size": 64, "styles": ["a", "b"]}
    assert (found["seed"], found["steps"], found["seconds"]) == ([0, 1], 10, 1.2)
    assert shlex.split(found["command"])[-1] == "a b"
    assert "thread" in found["hardware"] and set(found["versions"]) == {"napa_lib", "torch", "python"}
    assert len(found["date"]) == 10 and list(found)[: len(results.HEADER)] == list(results.HEADER)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["r.json"]  # nothing left over


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(value=json_values)
def test_the_layout_changes_nothing(value):
    assert json.loads(results.to_json(value)) == value


def test_numbers_keep_every_digit():
    values = np.random.default_rng(0).normal(size=200).tolist()
    assert json.loads(results.to_json({"v": values}))["v"] == values


def test_the_headers_names_are_taken(tmp_path):
    with pytest.raises(ValueError, match=r"\['seed', 'steps'\]"):
        written(tmp_path / "r.json", {"seed": 1, "steps": 2})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.pop("command"), "no 'command'"),
        (lambda d: d.update(seed="x"), "'seed' is 'x'"),
        (lambda d: d.update(versions=[]), "'versions' is"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, change, says):
    path = tmp_path / "r.json"
    document = written(path, {"n": 1})
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=says):
        results.read(path)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "half.json").write_text('{"command": "x"')
    (tmp_path / "list.json").write_text("[]")
    for name, says in (("half", "not a readable"), ("none", "not a readable"), ("list", "but a list")):
        with pytest.raises(ValueError, match=says):
            results.read(tmp_path / f"{name}.json")
    with pytest.raises(ValueError, match="without any"):
        results.read_runs(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    written(path, {"n": 1})

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="cannot write .*No space left"):
        written(path, {"n": 2})
    assert results.read(path)["n"] == 1 and len(list(tmp_path.iterdir())) == 1


def test_runs_come_by_name_in_the_order_of_their_seeds(tmp_path):
    for seed in (10, 2, 0):
        written(tmp_path / f"ours_{seed}.json", {"n": seed}, seed=seed)
    written(tmp_path / "ours_longer_1.json", {"n": 1}, seed=1)
    (tmp_path / "notes.json").write_text("{}")  # no run's name
    runs = results.read_runs(tmp_path)
    assert {name: [r["n"] for r in reports] for name, reports in runs.items()} == {
        "ours": [0, 2, 10], "ours_longer": [1],
    }  # fmt: skip


def test_stored_commands_name_no_folder_of_a_machine():
    stored = list((Path(results.__file__).parents[1] / "assets/results").rglob("*.json"))
    assert len(stored) > 100
    for path in stored:
        assert not re.search(r"(^|[ =])/\w", json.loads(path.read_text()).get("command", "")), path.name


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=40))
def test_the_interval_is_students(values):
    mean, half = results.interval(values)
    assert math.isclose(mean, np.mean(values), rel_tol=1e-9, abs_tol=1e-9)
    expected = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    assert math.isclose(half, expected, rel_tol=1e-6, abs_tol=1e-9)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 101, 1000])
def test_quantiles_are_scipys(freedom):
    np.testing.assert_allclose(results.student_quantile(freedom), stats.t.ppf(0.975, freedom), rtol=1e-9)
    np.testing.assert_allclose(results.student_quantile(freedom, 0.99), stats.t.ppf(0.995, freedom), rtol=1e-9)


def test_one_value_has_no_interval_and_none_is_an_error():
    assert results.interval([3.0]) == (3.0, math.inf) and not results.interval([3.0]).excludes_zero
    for values in ([], [1.0, math.nan]):
        with pytest.raises(ValueError, match="values must"):
            results.interval(values)


def test_pairing_takes_out_what_the_seeds_share():
    before = np.array([1.0, 50.0, 100.0])
    after = before + [1.0, 1.1, 0.9]
    paired = results.paired_interval(before.tolist(), after.tolist())
    test = stats.ttest_rel(after, before).confidence_interval(0.95)
    np.testing.assert_allclose([paired.mean - paired.half, paired.mean + paired.half], [test.low, test.high])
    assert paired.excludes_zero and not results.interval(after - before.mean()).excludes_zero
    with pytest.raises(ValueError, match="3 and 2"):
        results.paired_interval([1.0, 2.0, 3.0], [1.0, 2.0])


def test_columns_are_aligned():
    table = results.text_table([["", "a", "long head"], ["row", 1, "x"], ["longer row", 22.5, ""]])
    assert table.splitlines() == ["            a     long head", "row         1     x", "longer row  22.5"]


def test_commands_are_quoted_and_do_not_see_the_programs_own_arguments(monkeypatch):
    monkeypatch.setattr("sys.argv", ["pytest", "-q", "a b"])
    assert results.command_line("napa x", ["--out", "c d"]) == "napa x --out 'c d'"
    assert results.command_line("napa x", []) == "napa x"
    assert results.command_line("napa x") == "napa x -q 'a b'"


@pytest.mark.parametrize("name", list_assets("results"))
def test_what_ships_is_in_the_one_form(name):
    found = results.shipped(name.removeprefix("results/").removesuffix(".json"))
    assert found["command"].startswith(
        ("python -m napa_lib.", "python -m benchmarks.", "python tools/", "napa evaluate ")
    )
    assert found["hardware"] or "measure" in found["command"] or "lessons" in found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are Unix's")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe, said = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: said.append(pipe.read_text()))
    reader.start()
    results.write(pipe, {"n": 1}, "x", 1.0)
    reader.join(60)
    assert json.loads(said[0])["n"] == 1 and pipe.is_fifo()


def test_a_file_whose_name_is_no_text_can_stand_in_a_command(tmp_path):
    """Linux takes any bytes for a name; Python hands them on as lone surrogates, which UTF-8 has not."""
    command = results.command_line("napa evaluate", ["--coco", os.fsdecode(b"\xff\xfe.json")])
    results.write(tmp_path / "r.json", {"rate": 1}, command, 0.0)
    assert results.read(tmp_path / "r.json")["command"] == command


def test_a_name_as_long_as_a_file_may_have(tmp_path):
    path = tmp_path / ("r" * 250 + ".json")
    results.write(path, {"rate": 1}, "x", 0.0)
    assert results.read(path)["rate"] == 1 and list(tmp_path.iterdir()) == [path]
