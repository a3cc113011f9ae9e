"""A measurement's result file, which that says how it was made."""

from __future__ import annotations

import json
import os
import platform
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from napa_lib import __version__


def check_writable(*files: Path | None) -> None:
    """Raise ValueError before a long measurement, not after it, if a result could not be written.

    Each file is opened for writing as it will be, and left as it was.
    """
    for file in files:
        if file is None:
            continue
        try:
            _try_writing(file)
        except OSError as error:
            raise ValueError(f"cannot write {file}: {error.strerror or error}") from None


def _try_writing(file: Path) -> None:
    """Open a file for writing and leave no trace; OSError if it cannot be."""
    if file.is_dir():
        raise IsADirectoryError("it is a folder, name a file in it")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {file.parent}")
    new = not file.exists()
    if not new and not file.is_file():  # a pipe or a terminal: opening it could wait for a reader
        if not os.access(file, os.W_OK):
            raise PermissionError("no leave to write to it")
        return
    with file.open("ab"):
        pass
    if new:
        file.unlink()


def write_record(path: Path, command: Sequence[str], result: dict, start: float) -> None:
    """Write a result as JSON, headed by how it was made.

    Args:
        path: the file.
        command: the program and its arguments.
        result: what was measured.
        start: `time.monotonic()` when the measurement began.
    """
    head = {
        "command": shlex.join(command),
        "seconds": round(time.monotonic() - start),
        "hardware": hardware(),
        "versions": {"napa_lib": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    path.write_text(_json_lines({**head, **result}, depth=3) + "\n", encoding="utf-8")


def hardware() -> str:
    """The machine in words."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s){gpu}"


def _json_lines(value: object, depth: int, indent: int = 1) -> str:
    """JSON with an entry a line down to some depth; what is deeper, such as keypoints, stays on its line."""
    if depth == 0 or not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    lines = (f"{json.dumps(k)}: {_json_lines(v, depth - 1, indent + 1)}" for k, v in value.items())
    pad = "\n" + " " * indent
    return "{" + pad + f",{pad}".join(lines) + pad[:-1] + "}"
