"""Which pictures are meant, and where their results go: names that never collide, files that appear whole."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from napa_lib.data.decoding import FORMATS, picture_endings

LONGEST_NAME = 80  # characters of a result folder, before a number
MOST_BYTES = 200  # and bytes: file systems take 255
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)  # no folder may have these on Windows
# Endings of pictures that this program cannot read: in a folder they are named, not passed over.
FOREIGN = {".svg", ".svgz", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".xcf", ".kra",
           ".ai", ".eps", ".djvu", ".exr", ".hdr"}  # fmt: skip
CONVERT = "save it as JPEG or PNG"


def find_pictures(arguments: Iterable[str]) -> tuple[list[Path], list[str]]:
    """Files, folders (their pictures, not those of folders in them) and globs to pictures, each once, in order.

    Returns:
        the files, and a sentence for each argument that leads to none and each picture that cannot be read here.
    """
    found: dict[str, Path] = {}
    problems: list[str] = []
    for argument in arguments:
        try:
            paths, wrong = _expand(argument)
        except (OSError, ValueError) as error:  # a folder that may not be read, a name that cannot be one
            paths, wrong = [], [f"{shown(argument)}: {getattr(error, 'strerror', None) or error}"]
        problems += wrong
        for path in paths:
            found.setdefault(os.path.realpath(path), path)  # which a link to itself does not trouble
    return list(found.values()), problems


def _expand(argument: str) -> tuple[list[Path], list[str]]:
    """The files that an argument means, and what to say of it and of files in it."""
    if not argument.strip():
        return [], ["an empty name: name a picture, a folder or an address"]
    path = Path(argument)
    if path.is_dir():
        paths, left_out = pictures_in(path), unreadable_in(path)
        named = [f"{shown(p)}: {advice(p)}" for p in left_out]
        return paths, named if paths or named else [f"{shown(argument)}: no picture in this folder"]
    if path.exists():
        return ([path], []) if path.is_file() else ([], [f"{shown(argument)}: not a file"])
    if glob.has_magic(argument):
        paths = [p for p in map(Path, sorted(_matches(argument))) if p.is_file()]
        return paths, [] if paths else [f"{shown(argument)}: matches no file"]
    return [], [f"{shown(argument)}: no such file"]


def _matches(pattern: str) -> list[str]:
    """What a glob matches; brackets in the name of a folder that exists are part of its name."""
    parts = Path(pattern).parts
    literal = Path()
    for count, part in enumerate(parts):
        if not (literal / part).is_dir():
            rest = os.path.join(*parts[count:])
            if found := glob.glob(os.path.join(glob.escape(str(literal)), rest), recursive=True):
                return found
            break
        literal /= part
    return glob.glob(pattern, recursive=True)


def pictures_in(folder: Path) -> list[Path]:
    """The files of a folder whose names end as pictures' do, by name; hidden ones are left out."""
    return _files_ending(folder, set(picture_endings()))


def unreadable_in(folder: Path) -> list[Path]:
    """The files of a folder that are pictures, by their names, but of a format that cannot be read here."""
    known = {ending for endings in FORMATS.values() for ending in endings} | FOREIGN
    return _files_ending(folder, known - set(picture_endings()))


def _files_ending(folder: Path, endings: set[str]) -> list[Path]:
    files = (p for p in folder.iterdir() if p.suffix.lower() in endings and not p.name.startswith("."))
    return sorted(p for p in files if p.is_file() or p.is_symlink() and not p.exists())  # a link to nothing is named


def advice(path: Path) -> str:
    """What to do about a picture whose format cannot be read.

    >>> advice(Path("a.svg"))
    'the format .svg is not read; save it as JPEG or PNG'
    """
    ending = path.suffix.lower()
    if ending in FORMATS["HEIF"] and ending not in picture_endings():
        return f"the format {ending} needs pillow-heif: pip install 'napa_lib[heic]', or {CONVERT}"
    if ending in picture_endings():
        return f"it is empty or holds no picture, whatever its name says, or one of a kind that is not read; {CONVERT}"
    return f"the format {ending or 'of this file'} is not read; {CONVERT}"


def why_unread(path: Path, error: Exception) -> str:
    """Why a picture cannot be read, from its `PictureError`, and what to do where its format is at fault."""
    if "UnidentifiedImageError" in str(error):
        return f"cannot read picture {str(path)!r}: {advice(path)}"
    return str(error)


def shown(text: str | os.PathLike) -> str:
    """A name as it may be printed: a control character in a file's name must not reach the terminal."""
    return "".join(c if c.isprintable() else "�" for c in str(text))


def safe_name(path: Path) -> str:
    """A folder name from a file's name: letters, digits, dot, dash and underscore, nothing that leads elsewhere.

    >>> safe_name(Path("../Mona Lisa (1503).jpg")), safe_name(Path("..."))
    ('Mona_Lisa_1503', 'picture')
    """
    words = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", path.stem))
    name = words[:LONGEST_NAME].encode()[:MOST_BYTES].decode(errors="ignore").strip("._-") or "picture"
    return f"_{name}" if RESERVED.match(name) else name


class ResultFolders:
    """Gives every figure a folder of its own below `root`, also where other processes write there at the same time.

    Two pictures of one name get `name` and `name-2`. A folder of an earlier run is used again for the same picture (by
    what is in the file), and left alone for another.
    """

    def __init__(self, root: Path, kept_free: Iterable[str] = ()) -> None:
        self.root = root
        self._taken = set(kept_free)  # names of files that will be there

    def claim(self, picture: Path, sha256: str, figure: int | None = None) -> Path:
        """Make a folder for a picture's figure, or take the one with its results; `figure` counts from 1 where there
        are several.

        Making a folder either succeeds or finds that it is there, so no two processes get the same new one.
        """
        base = safe_name(picture) + (f"-figure{figure}" if figure else "")
        number = 1
        while True:
            name = base if number == 1 else f"{base}-{number}"
            folder = self.root / name
            if name.casefold() not in self._taken and (_made(folder) or _holds(folder, sha256)):
                self._taken.add(name.casefold())
                return folder
            number += 1

    def left_over(self, picture: Path, sha256: str) -> list[Path]:
        """Folders of one figure each that an earlier run, which saw more figures in this picture, has left."""
        folders = self.root.glob(f"{glob.escape(safe_name(picture))}-figure*")
        return sorted(f for f in folders if f.name.casefold() not in self._taken and _holds(f, sha256))


def release(folder: Path) -> None:
    """Give a claimed folder back if nothing was written to it."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def _made(folder: Path) -> bool:
    """Whether the folder was not there and is now."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _holds(folder: Path, sha256: str) -> bool:
    """Whether a folder holds results of the same picture."""
    try:
        file = next(folder / name for name in ("pose.json", "figures.json") if (folder / name).is_file())
        record = json.loads(file.read_text("utf-8"))
        return not folder.is_symlink() and record["picture"]["sha256"] == sha256
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return False


def prepare(root: Path) -> None:
    """Make the folder for results and try to write to it.

    Raises:
        OSError: if that cannot be done.
    """
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".trying"):
        pass


def write_files(folder: Path, writers: Mapping[str, Callable[[Path], object]]) -> None:
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
