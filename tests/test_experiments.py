"""The chapters' chains: they say what is stored, and are repeated in order, each run once."""

from __future__ import annotations

import importlib
import shlex

import pytest

from napa_lib import results
from napa_lib.bottleneck import train
from napa_lib.course import experiments as command
from napa_lib.experiments import Experiment, chain, listing, repeat

CHAINS = {name: found for name in command.CHAPTERS.values() if (found := command.experiments_of(name))}


def test_chapter_3s_stored_results_are_made_by_its_chain():
    """The same options, in whatever order they are given."""
    runs = {run.makes.name: run for run in chain(CHAINS["bottleneck"])}
    for name, reports in results.shipped_runs("bottleneck").items():
        for report in reports:
            run = runs.pop(f"{name}_{report['seed']}.json")
            stored = shlex.split(report["command"])[2:]
            assert run.arguments[0] == stored[0]
            if stored[0] == "napa_lib.bottleneck.train":
                parse = train.parser().parse_args
                assert vars(parse(list(run.arguments[1:]))) == vars(parse(stored[1:]))
            else:
                assert sorted(run.arguments) == sorted(stored)
    assert all(run.makes.suffix == ".safetensors" for run in runs.values())  # what is left are pre-trained encoders


@pytest.mark.parametrize("chapter", CHAINS)
def test_chains_are_in_order_and_name_modules_that_are_there(chapter):
    runs = chain(CHAINS[chapter])
    assert len({run.makes for run in runs}) == len(runs) and all(run.seconds > 0 for run in runs)
    for run in runs:
        assert importlib.util.find_spec(run.arguments[0]) is not None
        assert any(argument.startswith(str(run.makes.parent)) for argument in run.arguments)
        assert "{" not in run.command


def copies(folder) -> dict[str, Experiment]:
    """Python's own `json.tool` writes a file anew."""
    first = Experiment(f"json.tool {folder}/in.txt {folder}/a_{{seed}}.txt", f"{folder}/a_{{seed}}.txt", 30, (0, 1))
    return {
        "a": first,
        "b": Experiment(f"json.tool {folder}/a_1.txt {folder}/b.txt", f"{folder}/b.txt", 120, after=("a",)),
    }


def test_what_is_there_is_skipped_and_the_rest_made_in_order(tmp_path, capsys):
    runs = chain(copies(tmp_path))
    with pytest.raises(RuntimeError, match="a 0 stopped with status [12]; the same call"):
        repeat(runs)
    (tmp_path / "in.txt").write_text('{"n":1}')
    (tmp_path / "a_0.txt").write_text("mine")
    assert [run.done for run in runs] == [True, False, False]
    said = listing(runs)
    assert "a 0  is there" in said and "b    2 min" in said and "2 of 3 runs to make, about 2 min" in said
    repeat(runs)
    assert (tmp_path / "a_0.txt").read_text() == "mine" and '"n": 1' in (tmp_path / "b.txt").read_text()
    capsys.readouterr()
    repeat(runs)
    assert capsys.readouterr().out.count("is there") == 3


def test_half_a_result_is_none(tmp_path):
    (run,) = chain({"r": Experiment("json.tool", f"{tmp_path}/r.json", 1)})
    (tmp_path / "r.json").write_text('{"command": "x"}')
    assert not run.done
    results.write(tmp_path / "r.json", {"n": 1}, "x", 1.0)
    assert run.done
    with pytest.raises(ValueError, match=r"'r' must stand after .*\['eta'\]"):
        chain({"r": Experiment("json.tool", "r", 1, after=("eta",)), "eta": Experiment("json.tool", "e", 1)})


def test_the_command_lists_a_chain(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    command.main(["--only", "03", "--dry"])
    said = capsys.readouterr().out
    assert "ours 2" in said and "45 of 45 runs to make, about 7." in said and not list(tmp_path.iterdir())
    command.main(["--dry"])
    assert "Chapter 01" in capsys.readouterr().out
