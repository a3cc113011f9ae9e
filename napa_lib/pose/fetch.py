"""Pictures that are no files yet: from standard input and from http(s) addresses, bounded in size and time."""

from __future__ import annotations

import math
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from napa_lib import __version__
from napa_lib.pose.files import find_pictures, safe_name, shown

MOST_BYTES = 200_000_000  # of a picture
PATIENCE = 15.0  # seconds without a byte
LONGEST = 120.0  # seconds for a picture
PIECE = 1 << 16
STDIN = "-"


@dataclass(frozen=True)
class Source:
    """A picture on this disk, and what its user calls it."""

    path: Path
    name: str


def gather(arguments: Iterable[str], folder: Path) -> tuple[list[Source], list[str]]:
    """What the arguments of `napa pose` lead to: files, folders, globs, addresses, standard input.

    Args:
        arguments: as typed.
        folder: an empty folder in which what is fetched is kept.

    Returns:
        the pictures, each once, in order; and a sentence for each argument that leads to none and each picture that
        was left out.
    """
    found: dict[str, Source] = {}
    problems: list[str] = []
    for number, argument in enumerate(arguments):
        if argument == STDIN or is_address(argument):
            try:
                path = fetch(argument, folder / str(number))
                found[str(path)] = Source(path, "standard input" if argument == STDIN else argument)
            except (OSError, ValueError) as error:
                problems.append(f"{shown(argument)}: {getattr(error, 'reason', None) or error}")
            continue
        paths, wrong = find_pictures([argument])
        problems += wrong
        for path in paths:
            found.setdefault(os.path.realpath(path), Source(path, str(path)))
    return list(found.values()), problems


def is_address(argument: str) -> bool:
    """Whether an argument is an http(s) address.

    >>> is_address("https://example.org/a.jpg"), is_address("http.jpg"), is_address("file:///etc/passwd")
    (True, False, False)
    """
    return argument.lower().startswith(("http://", "https://"))


def fetch(argument: str, folder: Path) -> Path:
    """Standard input, or what lies at an address, as a file below `folder` with a name like the original's.

    Raises:
        OSError: if it cannot be had (`urllib.error.URLError` is one), or takes too long.
        ValueError: if it is empty or larger than `MOST_BYTES`, or the address is none.
    """
    folder.mkdir()
    if argument == STDIN:
        if sys.stdin is None:
            raise ValueError("standard input is closed")
        return _keep(sys.stdin.buffer, folder / "stdin", math.inf)
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(argument).path)).name
    request = urllib.request.Request(argument, headers={"User-Agent": f"napa_lib/{__version__}"})
    end = time.monotonic() + LONGEST
    with _opener().open(request, timeout=PATIENCE) as answer:
        return _keep(answer, folder / (safe_name(Path(name)) + Path(name).suffix[:8]), end)


def _opener() -> urllib.request.OpenerDirector:
    """Follows redirections to http and https only: a page must not lead to files of this machine."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
                    urllib.request.HTTPRedirectHandler, urllib.request.HTTPErrorProcessor,
                    urllib.request.HTTPDefaultErrorHandler, urllib.request.UnknownHandler):  # fmt: skip
        opener.add_handler(handler())
    return opener


def _keep(stream: BinaryIO, path: Path, end: float) -> Path:
    """Write a stream to a file, piece by piece."""
    total = 0
    with path.open("wb") as file:
        while piece := stream.read(PIECE):
            total += len(piece)
            if total > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES // 1_000_000} MB, which are not read")
            if time.monotonic() > end:
                raise TimeoutError(f"not there after {LONGEST:.0f} s")
            file.write(piece)
    if not total:
        raise ValueError("it is empty")
    return path
