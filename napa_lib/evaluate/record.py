"""Whether a measurement's results could be written, before it is made."""

from __future__ import annotations

import os
from pathlib import Path


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
