"""`napa pose` as a process: stopped half-way, into a closed pipe, without a home, into a narrow encoding."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_pose_command import picture

from napa_lib import console

STUB = """
import json, os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_pose_command import Everywhere
from napa_lib.pose import PoseEstimator
PoseEstimator.from_pretrained = lambda path, device, depth: Everywhere()
{more}
from napa_lib.cli import main
sys.exit(main())
"""


def start(words: list[str], more: str = "", **options) -> subprocess.Popen:
    code = STUB.format(tests=str(Path(__file__).parent), more=more)
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "NAPA_PROGRESS_BAR": "off"}
    return subprocess.Popen([sys.executable, "-c", code, *words], env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True,
                            preexec_fn=None if os.name == "nt" else heed_ctrl_c, **options)  # fmt: skip


def heed_ctrl_c() -> None:
    """In a child: take Ctrl-C as a terminal's programs do, also where the tests run in the background, deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


SLOWLY = """
from napa_lib.pose import write
write.draw_overlay, fast = lambda *w: time.sleep(0.3) or fast(*w), write.draw_overlay
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing_half_done(tmp_path, number):
    for i in range(12):
        picture(tmp_path / "in" / f"{i}.png")
    process = start(["pose", "in", "--batch", "4"], SLOWLY, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("poses/*/pose.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert complaints == ("napa pose: interrupted\n" if number == signal.SIGINT else "")
    done = sorted(p for p in (tmp_path / "poses").iterdir())
    assert 1 <= len(done) < 12 and not [p for p in done if p.name.startswith(".")]
    assert all(len(list(folder.iterdir())) == 4 for folder in done)


def test_a_closed_pipe_costs_no_result(tmp_path):
    for i in range(6):
        picture(tmp_path / "in" / f"{i}.png")
    process = start(["pose", "in", "--batch", "1"], cwd=tmp_path)
    process.stdout.close()
    complaints = process.stderr.read()
    assert process.wait(timeout=60) == 0 and complaints == ""
    assert len(list(tmp_path.glob("poses/*/pose.json"))) == 6


def test_a_computer_without_a_home(tmp_path):
    """As in a container that is run under a number: no HOME, no entry for the user, output in ASCII."""
    picture(tmp_path / "名画.png")
    more = "os.environ.pop('HOME', None)\nimport pwd\npwd.getpwuid = lambda number: {}[number]\n"
    process = start(["pose", "名画.png"], more, cwd=tmp_path)
    said, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "") and "mean confidence" in said


def test_no_home_means_no_record(monkeypatch):
    from napa_lib.study.record import record_path

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NAPA_PROGRESS")
    monkeypatch.setattr(Path, "home", homeless)
    assert record_path() is None


def test_output_that_cannot_be_encoded_is_escaped(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", narrow)
    console.forgive_encoding()
    console.say("名画 ✓")
    assert not console.can_show("✓") and console.can_show("é")
    assert narrow.buffer.getvalue().decode("cp1252").strip() == "\\u540d\\u753b \\u2713"


@pytest.mark.parametrize(
    ("name", "words"),
    [("nbformat", "'napa_lib[course]'"), ("pycocotools", "'napa_lib[coco]'"), ("onnxruntime.capi", "'napa_lib[onnx]'"),
     ("yaml", "pip install yaml")],
)  # fmt: skip
def test_a_missing_package_is_one_sentence(name, words, capsys):
    def lacking() -> int:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    assert console.run_command("napa course", lacking) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"napa course: the package {name.split('.')[0]} is missing")
    assert words in said


def test_a_fault_of_our_own_is_not_hidden():
    def broken() -> int:
        raise ModuleNotFoundError("No module named 'napa_lib.nothing'", name="napa_lib.nothing")

    with pytest.raises(ModuleNotFoundError):
        console.run_command("napa", broken)
