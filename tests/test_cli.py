"""The command `napa` and its doctor: right findings, and words instead of errors where something is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from napa_lib import cli, console, doctor
from napa_lib.cli import pose

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def quick_doctor(monkeypatch, request):
    """The estimator's check loads weights: only where it is what is tested."""
    if "estimator" not in request.node.name:
        monkeypatch.setattr(doctor, "estimator", lambda: [])


def problems() -> list[str]:
    return [finding.what for finding in doctor.diagnose() if finding.mend]


def test_doctor_is_content_here_with_the_estimator(capsys):
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Ready." and all(line.startswith("✓ ") for line in lines[:-1]) and len(lines) == 8


def test_the_doctor_does_not_ask_for_what_is_optional(monkeypatch):
    """As on Binder: `napa doctor` runs after requirements.txt is installed, and a complaint ends the build."""
    optional = {"scipy", "pycocotools", "onnx", "onnxscript", "onnxruntime", "pillow-heif", "anny"}
    asked = {name for name, _ in doctor.requirements()}
    assert not asked & optional and {"torch", "jupyterlab", "ipywidgets"} <= asked
    monkeypatch.setattr(doctor, "CHECKOUT", False)  # an installed package: no lessons, nothing that they need
    asked = {name for name, _ in doctor.requirements()}
    assert "torch" in asked and not asked & {"jupyterlab", "ipywidgets", "papermill"} and not list(doctor.kernel())


def test_the_doctor_where_tick_marks_cannot_be_shown(monkeypatch):
    monkeypatch.setattr(doctor, "can_show", lambda text: False)
    assert str(doctor.Finding("well")) == "ok well" and str(doctor.Finding("bad", "do")) == "NO bad\n  mend: do"


@pytest.mark.parametrize("version", [(3, 9, 1), (3, 14, 0)])
def test_doctor_names_the_wrong_python(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(sys, "version", ".".join(map(str, version)) + " (main)")
    (found,) = problems()
    assert found == f"Python {version[0]}.{version[1]}.{version[2]}, but the course needs 3.10 to 3.13"


def test_doctor_names_missing_and_old_packages(monkeypatch):
    course = ["torch>=999.0", "no-such-package>=1.2; extra == 'course'", "numpy>=1.0"]
    wanted = [*course, "torchvision>=99; extra == 'vision'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: wanted)
    (found,) = problems()
    assert found == f"packages: no-such-package (missing), torch {metadata.version('torch')} (needs 999.0)"


def test_doctor_survives_a_torch_that_does_not_import(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not doctor.doctor()
    text = capsys.readouterr().out
    assert "✗ torch does not import" in text and "mend: " in text and "to mend." in text


def test_doctor_finds_changed_and_missing_files(monkeypatch, tmp_path):
    (tmp_path / "manifest.json").write_text(
        '{"a.txt": {"sha256": "0", "bytes": 1, "source": "s", "licence": "l"},'
        ' "b.txt": {"sha256": "0", "bytes": 1, "source": "s", "licence": "l"}}'
    )
    (tmp_path / "a.txt").write_text("changed")
    monkeypatch.setenv("NAPA_ASSETS", str(tmp_path))
    found = problems()
    assert len(found) == 2 and "'a.txt' has changed" in found[0] and "'b.txt' is missing" in found[1]
    monkeypatch.setenv("NAPA_ASSETS", str(tmp_path / "nowhere"))
    assert "manifest.json" in problems()[0]


def test_doctor_reports_a_full_disk(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1e8}))
    assert problems() == ["0.1 GB of free space, 1 GB is wanted"]


def test_doctor_reports_a_foreign_kernel(monkeypatch):
    spec = type("Spec", (), {"argv": ["/somewhere/else/python"]})
    monkeypatch.setattr("jupyter_client.kernelspec.get_kernel_spec", lambda name: spec)
    assert problems() == ["Jupyter runs notebooks with another Python, /somewhere/else/python"]


def test_doctor_says_when_the_estimator_is_damaged(monkeypatch, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.setenv("NAPA_ASSETS", str(tmp_path))
    (found,) = doctor.estimator()
    assert "estimator does not run" in found.what and found.mend == doctor.RESTORE
    monkeypatch.setitem(sys.modules, "napa_lib.pose", None)
    (found,) = doctor.estimator()
    assert found.mend == doctor.REINSTALL


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    monkeypatch.setattr(doctor, "disk", lambda: 1 / 0)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: 1 / 0)
    assert problems() == ["<lambda> could not be checked: ZeroDivisionError: division by zero"]


def test_command_line_from_outside(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "napa_lib.cli", "course", "--notebooks", "nowhere"],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert run.returncode == 2 and "no notebook" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["sing"],
        ["doctor", "--loudly"],
        ["pose"],
        ["pose", "a.jpg", "--format", "bvh"],
        ["pose", "a.jpg", "--quiet", "--json"],
        ["export"],
        ["completion", "fish"],
        ["evaluate"],
        ["evaluate", "--art", "--video"],
        ["evaluate", "--video", "--page", "x.html"],
        ["evaluate", "--coco", "x.json"],
        ["evaluate", "--art", "--pictures", "x"],
        ["evaluate", "--art", "--split", "valid"],
    ],
)
def test_wrong_commands_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2 and "usage: napa" in capsys.readouterr().err


def test_napa_alone_shows_the_commands_with_examples(capsys):
    assert cli.main([]) == 0
    said = capsys.readouterr().out
    for name in ("pose", "evaluate", "export", "course", "doctor", "completion"):
        assert re.search(rf"^  napa {name}\b.*  \w", said, flags=re.MULTILINE), name


def test_options_are_known_without_anything_slow():
    """`napa pose --help` is there at once: nothing but Python's own library is imported for it."""
    code = (
        "import sys, napa_lib.cli as c; c.build_parser()\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'matplotlib', 'tqdm', 'nbformat', 'shtab'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_complete_commands_and_options(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("evaluate", "--joint-set" if shell != "tcsh" else "joint-set", "course"))


def test_ctrl_c_and_a_closed_pipe_of_any_command(monkeypatch, capsys):
    def stop(error: BaseException):
        monkeypatch.setattr(doctor, "doctor", lambda: (_ for _ in ()).throw(error))
        return cli.main(["doctor"])

    assert stop(KeyboardInterrupt()) == 130 and capsys.readouterr().err == "napa doctor: interrupted\n"
    assert stop(KeyboardInterrupt("step 2 is kept")) == 130
    assert capsys.readouterr().err == "napa doctor: step 2 is kept\n"
    monkeypatch.setattr(console, "close_quietly", lambda: None)
    assert stop(BrokenPipeError()) == 141 and capsys.readouterr().err == ""


def test_the_modes_of_the_course_are_those_of_its_lessons():
    from napa_lib.course.options import MODES
    from napa_lib.study.lesson import MODES as LESSONS

    assert MODES == LESSONS


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert stop.value.code == 0 and all(word in said for word in ("pose", "evaluate", "doctor", "course"))
    with pytest.raises(SystemExit) as stop:
        cli.main(["pose", "--help"])
    assert stop.value.code == 0 and "--joint-set" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        cli.main(["evaluate", "--help"])
    said = capsys.readouterr().out
    assert stop.value.code == 0 and "--art" in said and "--no-boxes" in said


@pytest.mark.parametrize("what", ["art", "video"])
def test_evaluate_hands_its_options_on(monkeypatch, what):
    seen = []
    monkeypatch.setattr(f"napa_lib.evaluate.command.measure_{what}", lambda m, *rest: seen.append((m, rest)) or 0)
    assert cli.main(["evaluate", "--json", "x.json", "--no-boxes", f"--{what}"]) == 0
    ((measurement, rest),) = seen
    assert measurement.json == Path("x.json") and not measurement.boxes and rest == ((None,) if what == "art" else ())
    assert measurement.command == ("napa", "evaluate", "--json", "x.json", "--no-boxes", f"--{what}")


# The files that say what is installed


def listed(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def test_requirements_are_the_packages_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = listed("requirements.txt")
    assert sorted(wanted) == sorted(project["dependencies"] + extras["course"]) and len(set(wanted)) == len(wanted)
    assert set(extras["vision"]) <= set(wanted) and all(">=" in line for line in wanted)


def test_what_tests_need_of_the_extras_is_installed_for_them():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    needed = {line for name in ("heic", "coco", "onnx", "datasets") for line in extras[name]}
    assert needed <= set(listed("requirements-dev.txt"))


def test_constraints_are_exact_and_installed():
    lines = listed("constraints.txt")
    assert all(line.partition(";")[0].count("==") == 1 for line in lines)
    names = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    asked = {line.partition(">=")[0].lower() for line in listed("requirements.txt") + listed("requirements-dev.txt")}
    assert asked <= names


def test_a_picture_whose_name_begins_with_a_dash_is_a_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-x.png").write_bytes(b"")
    words = ["pose", "-x.png", "--box", "-5,0,9,9", "-y.png", "--out", "here"]
    assert pose.joined(words) == ["pose", "./-x.png", "--box=-5,0,9,9", "-y.png", "--out", "here"]
    options = cli.build_parser().parse_args(pose.joined(words[:-3]))
    assert options.pictures == ["./-x.png"] and options.box == [[-5, 0, 9, 9]]
