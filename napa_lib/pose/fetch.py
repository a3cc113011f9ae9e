"""Pictures that are no files yet: from standard input and from http(s) addresses, bounded in size and time."""

from __future__ import annotations

import http.client
import math
import os
import string
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


def find(arguments: Iterable[str]) -> tuple[list[Source | str], list[str]]:
    """What the arguments of `napa pose` lead to: files, folders, globs; addresses and "-" as they are, not yet fetched.

    Returns:
        the pictures, each file once, in order; and a sentence for each argument that leads to none and each picture
        that was left out.
    """
    found: list[Source | str] = []
    problems: list[str] = []
    known: set[str] = set()
    for argument in arguments:
        if argument == STDIN or is_address(argument):
            found.append(argument)
            continue
        paths, wrong = find_pictures([argument])
        problems += wrong
        for path in paths:
            if (real := os.path.realpath(path)) not in known:
                known.add(real)
                found.append(Source(path, str(path)))
    return found, problems


def gather(found: Iterable[Source | str], folder: Path) -> tuple[list[Source], list[str]]:
    """Fetch what is no file yet of what `find` found.

    Args:
        found: from `find`.
        folder: an empty folder in which what is fetched is kept.

    Returns:
        the pictures, in order; and a sentence for each that could not be fetched.
    """
    sources: list[Source] = []
    problems: list[str] = []
    for number, entry in enumerate(found):
        if isinstance(entry, Source):
            sources.append(entry)
            continue
        try:
            path = fetch(entry, folder / str(number))
            sources.append(Source(path, "standard input" if entry == STDIN else entry))
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            problems.append(shown(f"{entry}: {reason}"))
    return sources, problems


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
        http.client.HTTPException: if what answers does not speak HTTP.
        ValueError: if it is empty or larger than `MOST_BYTES`, or the address is none.
    """
    folder.mkdir()
    if argument == STDIN:
        if sys.stdin is None:
            raise ValueError("standard input is closed")
        return _keep(sys.stdin.buffer, folder / "stdin", math.inf)
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(argument).path)).name
    request = urllib.request.Request(in_ascii(argument), headers={"User-Agent": f"napa_lib/{__version__}"})
    end = time.monotonic() + LONGEST
    with _opener().open(request, timeout=PATIENCE) as answer:
        return _keep(answer, folder / (safe_name(Path(name)) + Path(name).suffix[:8]), end)


def in_ascii(address: str) -> str:
    """An address as it is sent: what is not ASCII, and blanks, as bytes of UTF-8 in per cent; a host's name by IDNA.

    Raises:
        ValueError: if it is no address.

    >>> in_ascii("http://münchen.example/Dürer 1.jpg?größe=2"), in_ascii("http://a.example/%C3%BC.jpg")
    ('http://xn--mnchen-3ya.example/D%C3%BCrer%201.jpg?gr%C3%B6%C3%9Fe=2', 'http://a.example/%C3%BC.jpg')
    """
    parts = urllib.parse.urlsplit(address)
    host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    path, query = (urllib.parse.quote(part, safe=string.punctuation) for part in (parts.path, parts.query))
    return urllib.parse.urlunsplit((parts.scheme, host, path, query, ""))


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
