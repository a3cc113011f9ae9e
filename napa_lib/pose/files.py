"""Which pictures are meant, and where their results go: names that never collide, files that appear whole."""

from __future__ import annotations

import glob
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from napa_lib.data.decoding import picture_endings

LONGEST_NAME = 80  # characters of a result folder, before a number
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)  # no folder may have these on Windows


def find_pictures(arguments: Iterable[str]) -> tuple[list[Path], list[str]]:
    """Files, folders (their pictures, not those of folders in them) and globs to pictures, each once, in order.

    Returns:
        the files, and a sentence for each argument that leads to none.
    """
    found: dict[Path, Path] = {}
    problems = []
    for argument in arguments:
        try:
            paths, problem = _expand(argument)
        except (OSError, ValueError) as error:  # a folder that may not be read, a name that cannot be one
            paths, problem = [], getattr(error, "strerror", None) or str(error)
        if not paths:
            problems.append(f"{shown(argument)}: {problem}")
        for path in paths:
            found.setdefault(path.resolve(), path)
    return list(found.values()), problems


def _expand(argument: str) -> tuple[list[Path], str]:
    """The files that an argument means, and what to say if there are none."""
    path = Path(argument)
    if path.is_dir():
        return pictures_in(path), "no picture in this folder"
    if path.exists():
        return ([path], "") if path.is_file() else ([], "not a file")
    if glob.has_magic(argument):
        return [p for p in map(Path, sorted(glob.glob(argument, recursive=True))) if p.is_file()], "matches no file"
    return [], "no such file"


def pictures_in(folder: Path) -> list[Path]:
    """The files of a folder whose names end as pictures' do, by name; hidden ones are left out."""
    endings = picture_endings()
    files = (p for p in folder.iterdir() if p.suffix.lower() in endings and not p.name.startswith("."))
    return sorted(p for p in files if p.is_file())


def shown(text: str | os.PathLike) -> str:
    """A name as it may be printed: a control character in a file's name must not reach the terminal."""
    return "".join(c if c.isprintable() else "�" for c in str(text))


def safe_name(path: Path) -> str:
    """A folder name from a file's name: letters, digits, dot, dash and underscore, nothing that leads elsewhere.

    >>> safe_name(Path("../Mona Lisa (1503).jpg")), safe_name(Path("..."))
    ('Mona_Lisa_1503', 'picture')
    """
    words = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", path.stem))
    name = words[:LONGEST_NAME].strip("._-") or "picture"
    return f"_{name}" if RESERVED.match(name) else name


class ResultFolders:
    """Gives every figure a folder of its own below `root`.

    Two pictures of one name get `name` and `name-2`. A folder of an earlier run is used again for the same picture (by
    what is in the file), and left alone for another.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._taken: set[str] = set()

    def claim(self, picture: Path, sha256: str, figure: int | None = None) -> Path:
        """A folder for a picture's figure; `figure` counts from 1 where there are several."""
        base = safe_name(picture) + (f"-figure{figure}" if figure else "")
        number = 1
        while True:
            name = base if number == 1 else f"{base}-{number}"
            folder = self.root / name
            if name.casefold() not in self._taken and _free_for(folder, sha256):
                self._taken.add(name.casefold())
                return folder
            number += 1


def _free_for(folder: Path, sha256: str) -> bool:
    """Whether there is no such folder yet, or it holds results of the same picture."""
    if not folder.exists() and not folder.is_symlink():
        return True
    try:
        return json.loads((folder / "pose.json").read_text("utf-8"))["picture"]["sha256"] == sha256
    except (OSError, ValueError, KeyError, TypeError):
        return False


def prepare(root: Path) -> None:
    """Make the folder for results and try to write to it.

    Raises:
        OSError: if that cannot be done.
    """
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".trying"):
        pass


def write_files(folder: Path, writers: dict[str, Callable[[Path], object]]) -> None:
    """Write a folder's files so that each appears whole or not at all, and none before all of them are ready.

    Args:
        folder: made if need be; its parent must exist.
        writers: file name -> function that writes it to a path. The last is moved into place last.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".saving") as temporary:
        for name, write in writers.items():
            write(Path(temporary) / name)
        folder.mkdir(exist_ok=True)
        for name in writers:
            os.replace(Path(temporary) / name, folder / name)
