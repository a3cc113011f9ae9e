"""Files that appear whole or not at all, and what is in them as a number."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there when it is on the disk; until then the old file stays whole.

    Args:
        path: where to; its folder is made if need be.
        write: writes the file to the path that it is given, in the same folder and with the same ending.

    Raises:
        OSError: that names `path`, if it cannot be written; and whatever `write` raises. Nothing is left behind.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:50]}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise type(error)(error.errno, f"cannot write {path}: {error.strerror or error}") from error


def remove_leftovers(path: Path) -> None:
    """Remove what processes left beside a file that were killed while they wrote it by `write_atomically`.

    A process that writes it now loses what it writes: for files that one process at a time writes.
    """
    for left in path.parent.glob(f".{glob.escape(path.stem[:50])}.????????{path.suffix}"):
        left.unlink(missing_ok=True)


def prepare_file(path: str | Path) -> None:
    """Make the folder of a file that `write_atomically` or `write_text` will write at the end of long work.

    Raises:
        ValueError: that names the file, if it could not be written.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder, name a file in it")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.is_file():  # and no pipe or terminal
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror or error}") from None


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all. Raises OSError as `write_atomically`.

    What is there and is no file, such as a pipe or a terminal, is written to and not replaced. A byte of a file's name
    that is no text is written as an escape, which JSON's readers understand.
    """

    def write(place: Path) -> None:
        place.write_text(text, encoding="utf-8", errors="backslashreplace")

    if Path(path).exists() and not Path(path).is_file():
        write(Path(path))
    else:
        write_atomically(path, write)


def sha256(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits, read in pieces of one megabyte."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
