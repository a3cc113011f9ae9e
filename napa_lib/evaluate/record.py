"""What the measurements share: their options, and a result file that says how it was made."""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from napa_lib import __version__


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options of every `napa evaluate`."""
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a trained network instead of the one that ships")
    parser.add_argument("--no-boxes", action="store_true", help="let the estimator look for the figure itself")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda ... (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result with command and versions")


def check_writable(*paths: Path | None) -> None:
    """Raise ValueError before a long measurement, not after it, if a result could not be written."""
    for path in paths:
        if path is not None and not (path if path.is_dir() else path.parent).is_dir():
            raise ValueError(f"cannot write {path}: there is no folder {path.parent}")


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
