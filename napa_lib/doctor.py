"""Is this computer ready for the course? Every check says what it found and, if need be, how to mend it.

Nothing but Python's own library is imported before it is checked, so that this works where the rest does not.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from napa_lib.console import can_show, forgive_encoding

OLDEST, NEWEST = (3, 10), (3, 13)  # Python
FREE_SPACE = 1.0  # GB, for results and checkpoints
HERE = Path(__file__).resolve().parents[1]
CHECKOUT = (HERE / "notebooks").is_dir()  # a checkout of the repository, with the course; else an installed package
if CHECKOUT:
    REBUILD = "remove .venv and run `make course` again"
    RESTORE = "restore it with `git checkout -- assets`"
    REINSTALL = "run `make course` again, or `pip install -r requirements.txt`"
else:
    REBUILD = REINSTALL = "install again: pip install --force-reinstall with the wheel of napa_lib"
    RESTORE = REBUILD


@dataclass(frozen=True)
class Finding:
    """What one check found; `mend` is empty where all is well."""

    what: str
    mend: str = ""

    def __str__(self) -> str:
        well, ill = ("✓", "✗") if can_show("✓✗") else ("ok", "NO")
        return f"{ill} {self.what}\n  mend: {self.mend}" if self.mend else f"{well} {self.what}"


def diagnose() -> list[Finding]:
    """Check Python, packages, torch, Jupyter's kernel, the shipped data, the estimator and the disk. Never raises."""
    findings = []
    for check in (python, packages, torch_works, kernel, data, estimator, disk):
        try:
            findings += list(check())
        except Exception as error:  # whatever is broken here is what this is for
            problem = f"{check.__name__} could not be checked: {type(error).__name__}: {error}"
            findings.append(Finding(problem, REINSTALL))
    return findings


def doctor() -> bool:
    """Print every finding; whether all is well."""
    forgive_encoding()
    findings = diagnose()
    for finding in findings:
        print(finding)
    ill = sum(bool(finding.mend) for finding in findings)
    print("Ready." if not ill else f"{ill} of {len(findings)} checks found something to mend.")
    return not ill


def python() -> Iterator[Finding]:
    version = sys.version_info[:2]
    text = f"Python {sys.version.split()[0]}"
    name = f"python{NEWEST[0]}.{NEWEST[1]}"
    yield (
        Finding(text)
        if OLDEST <= version <= NEWEST
        else Finding(
            f"{text}, but the course needs {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}",
            f"remove .venv and run `make course PYTHON={name}`",
        )
    )


def packages() -> Iterator[Finding]:
    """The packages that napa_lib asks for in its own metadata, with their lowest versions."""
    wanted = requirements()
    missing = [f"{name} (missing)" for name, _ in wanted if installed(name) is None]
    old = [
        f"{name} {found} (needs {lowest})"
        for name, lowest in wanted
        if (found := installed(name)) is not None and _numbers(found) < _numbers(lowest)
    ]
    if missing or old:
        yield Finding(f"packages: {', '.join(missing + old)}", REINSTALL)
    else:
        yield Finding(f"{len(wanted)} packages, new enough")


def requirements() -> list[tuple[str, str]]:
    """(name, lowest version) of what the library needs and, in a checkout, the course; not of what is optional.

    Empty if napa_lib is run from its folder, not installed.
    """
    needed = ("", "course") if CHECKOUT else ("",)
    with contextlib.suppress(metadata.PackageNotFoundError):
        lines = [line for line in metadata.requires("napa_lib") or [] if _extra(line) in needed]
        return [(m[1], m[2]) for line in lines if (m := re.match(r"([\w.-]+)\s*>=\s*([\d.]+)", line))]
    return []


def _extra(line: str) -> str:
    """The extra that brings a requirement; "" for one that is always needed."""
    found = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", line)
    return found[1] if found else ""


def installed(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def torch_works() -> Iterator[Finding]:
    """torch imports, computes, and says on what."""
    try:
        torch = importlib.import_module("torch")
    except Exception as error:  # a broken wheel raises OSError, a mismatched one RuntimeError
        yield Finding(f"torch does not import: {error}", REBUILD)
        return
    total = float((torch.ones(8, 8) @ torch.ones(8, 8)).sum())
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    if total != 512.0:
        yield Finding(f"torch {torch.__version__} computes 8 x 8 x 8 = {total}", REBUILD)
    else:
        yield Finding(f"torch {torch.__version__} computes ({device})")


def kernel() -> Iterator[Finding]:
    """Jupyter's kernel `python3` is this Python, where there are lessons to run."""
    if not CHECKOUT:
        return
    spec = importlib.import_module("jupyter_client.kernelspec").get_kernel_spec("python3")
    command, here = Path(spec.argv[0]), Path(sys.executable)
    if command.name == str(command) or command.resolve() == here.resolve():  # a bare name means the running Python
        yield Finding("Jupyter runs notebooks with this Python")
    else:
        mend = f"{here.name} -m ipykernel install --sys-prefix --name python3"
        yield Finding(f"Jupyter runs notebooks with another Python, {command}", mend)


def data() -> Iterator[Finding]:
    """Every file that is to be here is, and unchanged."""
    assets = importlib.import_module("napa_lib.data.assets")
    try:
        here, elsewhere = assets.local_assets()
    except assets.AssetError as error:
        yield Finding(f"the data: {error}", RESTORE)
        return
    bad = []
    for name in here:
        try:
            assets.asset_path(name)
        except assets.AssetError as error:
            bad.append(str(error))
    for problem in bad:
        yield Finding(problem, RESTORE)
    if not bad:
        yield Finding(f"{len(here)} files of data, each as it was shipped")
    if elsewhere:
        yield Finding(f"{len(elsewhere)} more, which only the course uses, {assets.where_else()}")


def estimator() -> Iterator[Finding]:
    """The pretrained estimator loads and computes."""
    try:
        pose = importlib.import_module("napa_lib.pose")
        picture = importlib.import_module("PIL.Image").linear_gradient("L")
        ready = pose.PoseEstimator.from_pretrained()
        start = time.monotonic()
        (result,) = ready.predict(picture)
    except Exception as error:  # a missing file, a broken torch, a GPU that is full
        mend = RESTORE if type(error).__name__ in ("AssetError", "CheckpointError") else REINSTALL
        yield Finding(f"the pretrained estimator does not run: {type(error).__name__}: {error}", mend)
        return
    if result.pose.isfinite().all():
        yield Finding(f"the pretrained estimator looks at a picture in {time.monotonic() - start:.1f} s")
    else:
        yield Finding("the pretrained estimator computes numbers that are not finite", REBUILD)


def disk() -> Iterator[Finding]:
    """There is room for results in the current folder, and leave to write."""
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if not os.access(Path.cwd(), os.W_OK):
        yield Finding(f"{Path.cwd()} cannot be written to", "run from a folder of your own")
    elif free < FREE_SPACE:
        yield Finding(f"{free:.1f} GB of free space, {FREE_SPACE:.0f} GB is wanted", "make room on this disk")
    else:
        yield Finding(f"{free:.0f} GB of free space")
