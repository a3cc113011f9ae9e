"""Find the files that ship with the course, and verify each against the manifest before it is used.

`assets/manifest.json` is a plain dictionary: path below `assets/` -> {"sha256", "bytes", "source", "licence"}.
A checkout of the repository has all of them. An installed package holds the manifest and what inference needs; the rest
is fetched when it is first asked for, if an address is known.
"""

from __future__ import annotations

import json
import os
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from napa_lib.files import sha256

MANIFEST = "manifest.json"
CHECKOUT = Path(__file__).resolve().parents[2] / "assets"
PACKAGED = Path(__file__).resolve().parents[1] / "assets"  # put there when a wheel is built
ADDRESS = ""  # of a copy of `assets/`, from which an installed package fetches what it does not hold; none is known yet


class AssetError(ValueError):
    """A shipped file is missing, changed, not listed, or the name does not point into `assets/`."""


def assets_root() -> Path:
    """The folder `assets/`: the environment variable `NAPA_ASSETS` if set, else the checkout's, else the package's own.

    Raises:
        AssetError: if that folder has no `manifest.json`.
    """
    override = os.environ.get("NAPA_ASSETS")
    root = Path(override) if override else CHECKOUT if (CHECKOUT / MANIFEST).is_file() else PACKAGED
    if not (root / MANIFEST).is_file():
        raise AssetError(
            f"no {MANIFEST} in {root}: run from a checkout of the repository (pip install -e .), install the wheel, "
            "or set NAPA_ASSETS to the repository's assets folder"
        )
    return root.resolve()


def local_assets() -> tuple[list[str], list[str]]:
    """Names of the files that are to lie on this disk, and of those that an installed package leaves elsewhere."""
    root, names = assets_root(), sorted(read_manifest())
    if root != PACKAGED.resolve():
        return names, []
    return [n for n in names if (root / n).is_file()], [n for n in names if not (root / n).is_file()]


def where_else() -> str:
    """Where the files that an installed package does not hold are, in words that follow them."""
    if ADDRESS:
        return f"are fetched once from {ADDRESS} when they are asked for"
    return "lie in a checkout of the repository; set NAPA_ASSETS to its assets folder"


def read_manifest() -> dict[str, dict]:
    """Every shipped file: path below `assets/` -> {"sha256", "bytes", "source", "licence"}.

    Raises:
        AssetError: if the manifest is not JSON of that form.

    >>> sorted(read_manifest()["paintings/monalisa.jpg"])
    ['bytes', 'licence', 'sha256', 'source']
    """
    path = assets_root() / MANIFEST
    return _parse_manifest(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _parse_manifest(path: Path, modified: int) -> dict[str, dict]:
    """Read the manifest once for each time it is written (`modified` is part of the cache's key)."""
    try:
        manifest = json.loads(path.read_text("utf-8"))
        if not all(isinstance(entry["sha256"], str) for entry in manifest.values()):
            raise TypeError("sha256 is not a string")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError(
            f"{path} is not a manifest (expected JSON, path -> sha256, bytes, source, licence): {error}"
        ) from error
    return manifest


def list_assets(folder: str) -> list[str]:
    """Names of the shipped files below a folder, sorted: what `asset_path` takes.

    >>> list_assets("paintings")[:2]
    ['paintings/albrechtdurer.jpg', 'paintings/arcimboldo_librarian.jpg']
    """
    return sorted(name for name in read_manifest() if name.startswith(folder.rstrip("/") + "/"))


def asset_path(name: str) -> Path:
    """Where a shipped file lies on this machine, after checking that it is the file that was shipped.

    A silently damaged or replaced file would change results without a trace, so the SHA-256 of a file is compared
    with the manifest the first time the process asks for it. What an installed package does not hold is fetched into
    the user's cache.

    Args:
        name: path below `assets/` with forward slashes, such as "paintings/monalisa.jpg".

    Returns:
        The path of an existing, verified file.

    Raises:
        AssetError: a ValueError that names the file, if it is missing, changed, not in the manifest or not inside
            `assets/`.

    >>> asset_path("paintings/monalisa.jpg").name
    'monalisa.jpg'
    """
    root = assets_root()
    parts = PurePosixPath(name).parts
    if PurePosixPath(name).is_absolute() or ".." in parts:
        raise AssetError(f"asset {name!r} must be a path below assets/ without '..'")
    entry = read_manifest().get(name)
    if entry is None:
        raise AssetError(f"asset {name!r} is not listed in {root / MANIFEST}")
    path = root / name
    if not path.is_file() and root == PACKAGED.resolve():
        return _fetch(name, entry["sha256"])
    if not path.is_file():
        raise AssetError(f"asset {name!r} is missing: expected the file {path}")
    if not path.resolve().is_relative_to(root):
        raise AssetError(f"asset {name!r} leads out of assets/ to {path.resolve()}")
    _verify(path, name, entry["sha256"])
    return path


@cache
def _fetch(name: str, expected: str) -> Path:
    """A file from `ADDRESS` in the user's cache, where it stays; AssetError in one sentence if it cannot be had."""
    if not ADDRESS:
        raise AssetError(f"asset {name!r} is not part of the installed package: files like it {where_else()}")
    import pooch

    folder = (Path(pooch.os_cache("napa_lib")) / name).parent
    if str(folder).startswith("~"):  # no HOME, no entry for this user
        raise AssetError(f"asset {name!r} cannot be kept: there is no home folder; set NAPA_ASSETS or XDG_CACHE_HOME")
    pooch.get_logger().setLevel("WARNING")
    address = f"{ADDRESS.rstrip('/')}/{quote(name)}"
    try:
        return Path(pooch.retrieve(address, f"sha256:{expected}", fname=Path(name).name, path=folder))
    except (OSError, ValueError) as error:  # no network, not there, not the file that was shipped, a full disk
        raise AssetError(f"asset {name!r} could not be fetched from {address}: {error}") from error


@cache
def _verify(path: Path, name: str, expected: str) -> None:
    found = sha256(path)
    if found != expected:
        raise AssetError(
            f"asset {name!r} has changed: SHA-256 is {found[:12]}…, the manifest says {expected[:12]}… ({path}). "
            "Restore the file, or run `python -m napa_lib.data.manifest` if the change is yours"
        )
