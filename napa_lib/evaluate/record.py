"""A measurement's result file: whether it can be written, asked before the measurement, and how it is."""

from __future__ import annotations

import argparse
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from napa_lib import loop, results
from napa_lib.files import prepare_file


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
    with tempfile.TemporaryFile(dir=file.parent):  # it is written beside its place and moved there
        pass


def write_record(
    path: Path, command: Sequence[str], result: Mapping[str, Any], start: float, device: torch.device | str = "cpu"
) -> None:
    """Write a measurement as JSON, headed by how it was made.

    Args:
        path: the file.
        command: the program and its arguments.
        result: what was measured.
        start: `time.monotonic()` when the measurement began.
        device: where it was computed.

    Raises:
        OSError: if it cannot be written.
    """
    results.write(path, result, shlex.join(command), time.monotonic() - start, device=device)


def run_command(
    program: str, about: str | None, measure: Callable[[], dict], arguments: Sequence[str] | None, config: Any = None
) -> dict:
    """A command whose one option is `--results`: measure, write it there, and hand it on.

    Args:
        program: as after `python -m`, with it.
        about: what the command does, for `--help`.
        measure: gives the result.
        arguments: of the command; None for those of the process.
        config: what decides the outcome.
    """
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="JSON file to write")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with loop.command():  # which keeps freed memory, as every training does
        prepare_file(options.results)
        found = measure()
        made_by = results.command_line(program, arguments)
        results.write(options.results, found, made_by, time.monotonic() - started, config)
    return found
