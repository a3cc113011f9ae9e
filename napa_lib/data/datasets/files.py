"""From files that nobody vouches for to arrays: every failure is a ValueError that names the file."""

from __future__ import annotations

import codecs
import json
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from napa_lib.data.decoding import picture_endings

PICTURES = (".jpg", ".jpeg", ".png")


def dataset_root(root: str | os.PathLike, name: str, layout: str, source: str, needed: tuple[str, ...]) -> Path:
    """The dataset's folder, if it holds what the reader needs.

    Args:
        root: folder of the dataset.
        name: the dataset's name.
        layout: what the folder should look like, for the message.
        source: where the dataset is asked for, for the message.
        needed: paths below root that must exist.

    Raises:
        ValueError: that says what is missing, what layout is expected and where the dataset is asked for.
    """
    folder = Path(root)
    missing = [part for part in needed if not (folder / part).exists()]
    if not folder.is_dir() or missing:
        what = f"has no {', '.join(missing)}" if folder.is_dir() else "is not a folder"
        raise ValueError(f"root {str(root)!r} {what}; {name} is expected as {layout}; ask for it at {source}")
    return folder.resolve()


def relative_path(path: object, file: Path) -> str:
    """A picture's path as an annotation file gives it, if it stays below the dataset's folder.

    Raises:
        ValueError: naming `file`, for a path that is absolute, climbs with "..", is empty or is no text.

    >>> relative_path("images/./1.jpg", Path("a.json"))
    'images/1.jpg'
    """
    text = path if isinstance(path, str) else ""
    pure = PurePosixPath(text)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or any(c in text for c in "\\\0:"):
        raise ValueError(f"{file} names the picture {path!r}, which is not a plain path below the dataset's folder")
    return str(pure)


def files_in(folder: Path, *endings: str) -> list[Path]:
    """The files of a folder with one of these endings, in any case, by name.

    Hidden ones are left out: macOS puts a `._1.jpg` beside a `1.jpg` on every disk that is not its own, and it is no
    picture.
    """
    files = (file for file in folder.iterdir() if file.name.lower().endswith(endings))
    return sorted(file for file in files if not file.name.startswith(".") and file.is_file())


def folder_of_pictures(folder: str | Path) -> list[Path]:
    """The picture files of a folder, by name.

    Raises:
        ValueError: if there is no such folder, or no picture in it.
    """
    files = files_in(Path(folder), *picture_endings()) if Path(folder).is_dir() else []
    if not files:
        raise ValueError(f"{str(folder)!r} must be a folder of pictures")
    return files


def once_each(files: Iterable[Path], endings: tuple[str, ...]) -> list[Path]:
    """Of files whose names differ in their ending alone the one whose ending comes first: one item in two forms."""
    rank = {ending: place for place, ending in enumerate(endings)}
    found: dict[Path, tuple[int, Path]] = {}
    for file in files:
        ending = next(e for e in endings if file.name.lower().endswith(e))
        item = file.with_name(file.name[: -len(ending)])
        found[item] = min(found.get(item, (len(rank), file)), (rank[ending], file))
    return [file for _, file in found.values()]


def picture_path(root: Path, relative: str) -> Path:
    """The full path of a picture below root; its name may be in capitals where the annotation's is not (`1.JPG`).

    Raises:
        ValueError: if the path leaves root, by ".." or through a link.
    """
    path = root / relative
    if not path.exists() and path.parent.is_dir():
        alike = [file for file in path.parent.iterdir() if file.name.lower() == path.name.lower()]
        path = alike[0] if len(alike) == 1 else path
    path = Path(os.path.realpath(path))  # which a link to itself does not trouble
    if not path.is_relative_to(root.resolve()):
        raise ValueError(f"picture {relative!r} lies outside of {root}")
    return path


def read_text(path: Path) -> str:
    """A text file in UTF-8, or with a byte-order mark that says otherwise, as editors on Windows write.

    Raises:
        ValueError: naming the file, if it cannot be read or is no text.
    """
    try:
        content = path.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if wide else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: naming the file, if it cannot be read or is not JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has the entry {next(n for n in names if names.count(n) > 1)!r} twice")
    return found


def read_mat(path: Path, *names: str) -> list[np.ndarray]:
    """Variables of a MATLAB file (version 4 to 7.2), by scipy.

    Of a damaged file that is not compressed scipy may crash, and the process with it; compressed ones have checksums.

    Raises:
        ImportError: if scipy is not installed.
        ValueError: naming the file, if it is damaged, in MATLAB's 7.3 format, or lacks a variable.
    """
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise ImportError(f"reading {path.name} needs scipy: pip install scipy") from error
    try:
        content = loadmat(path)
    except (
        MatReadError, ValueError, TypeError, KeyError, IndexError, OSError, EOFError, NotImplementedError, MemoryError,
        OverflowError, zlib.error,
    ) as error:  # what scipy raises on damaged files  # fmt: skip
        raise ValueError(f"cannot read {path} as a MATLAB file: {type(error).__name__}: {error}") from error
    missing = [name for name in names if name not in content]
    if missing:
        raise ValueError(f"{path} has no variable {', '.join(missing)}")
    return [content[name] for name in names]


def read_arrays(path: Path, *names: str) -> list[np.ndarray]:
    """The arrays of these names in a .npz file; without names the one that a .npy file holds. Nothing is unpickled.

    Raises:
        ValueError: naming the file, if it is damaged, holds pickled arrays, or lacks one of them.
    """
    try:
        if not names:
            return [np.load(path, allow_pickle=False)]
        with np.load(path, allow_pickle=False) as content:
            return [content[name] for name in names]
    except (
        OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, NotImplementedError, zlib.error,
        zipfile.BadZipFile, tokenize.TokenError,
    ) as error:  # what numpy raises on damaged files  # fmt: skip
        raise ValueError(f"cannot read {path} as plain arrays {', '.join(names)}: {error}") from error


def numbers(values: object, shape: tuple[int, ...], file: Path, name: str) -> np.ndarray:
    """Values as a float64 array, if they have the shape; a side of -1 may be of any length but 0.

    Nothing is reshaped: a file whose axes are exchanged has as many numbers. Leading sides of length 1, which MATLAB
    adds, are dropped.

    Raises:
        ValueError: naming the file and the values, if they are no numbers or do not fit.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{file}: {name} must be numbers of shape {shape}: {error}") from error
    found = array.shape
    while array.ndim > len(shape) and array.shape[0] == 1:
        array = array[0]
    if (
        array.ndim != len(shape)
        or array.size == 0
        or any(w not in (-1, h) for w, h in zip(shape, array.shape, strict=True))
    ):
        raise ValueError(f"{file}: {name} must be numbers of shape {shape}, got {found}")
    return array


def entry(record: object, key: str, kind: type | tuple[type, ...], file: Path) -> Any:
    """One entry of a JSON object, of the type expected.

    Raises:
        ValueError: naming the file and the entry, if it is missing or of another type.
    """
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{file}: entry {key!r} is missing or of the wrong type, got {value!r:.80}")
    return value


def choose(value: object, options: tuple[str, ...], name: str) -> str:
    """`value`, if it is one of the options.

    Raises:
        ValueError: naming the argument, if it is none of them.
    """
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")
    return value
