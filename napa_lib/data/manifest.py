"""Write `assets/manifest.json`: run after adding or changing a file below `assets/`.

    python -m napa_lib.data.manifest                        # hash listed files again, drop those that are gone
    python -m napa_lib.data.manifest results/lifter.safetensors \
        --source "trained by make train-lifter" --licence MIT

A new file needs its source and licence; a folder stands for every file in it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from napa_lib.data.assets import MANIFEST, AssetError, assets_root, read_manifest
from napa_lib.files import sha256, write_text
from napa_lib.loop import command

UNLISTED = {MANIFEST, "README.md", ".gitattributes"}  # the manifest cannot hash itself; the others are not data


def update_manifest(names: Iterable[str] = (), source: str = "", licence: str = "", root: Path | None = None) -> dict:
    """Hash the files below `assets/` and rewrite the manifest in one step.

    Args:
        names: files or folders below `assets/` to list with this source and licence.
        source: where they come from, or the command that makes them.
        licence: their licence.
        root: the folder `assets/`; by default the one that `asset_path` uses.

    Returns:
        The manifest that was written. Listed files that no longer exist are dropped; all others are hashed again.

    Raises:
        AssetError: if a name does not exist below `assets/`, or comes without source or licence.
    """
    root = (assets_root() if root is None else root).resolve()
    old = json.loads((root / MANIFEST).read_text("utf-8")) if (root / MANIFEST).exists() else {}
    origin = {name: (entry["source"], entry["licence"]) for name, entry in old.items()}
    for name in names:
        if not (source and licence):
            raise AssetError(f"asset {name!r} needs a source and a licence, got {source!r} and {licence!r}")
        origin.update(dict.fromkeys(_files(root, name), (source, licence)))
    manifest = {
        name: {"sha256": sha256(root / name), "bytes": (root / name).stat().st_size, "source": s, "licence": li}
        for name, (s, li) in sorted(origin.items())
        if (root / name).is_file()
    }
    write_text(root / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return manifest


def unlisted_files() -> list[str]:
    """Files below `assets/` that the manifest does not list."""
    root = assets_root().resolve()
    listed = json.loads((root / MANIFEST).read_text("utf-8"))
    return [name for name in _files(root, ".") if name not in listed]


def _files(root: Path, name: str) -> list[str]:
    path = (root / name).resolve()
    if not path.exists() or not path.is_relative_to(root):
        raise AssetError(f"asset {name!r} does not exist below {root}")
    found = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sorted({str(p.relative_to(root).as_posix()) for p in found} - UNLISTED)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m napa_lib.data.manifest", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="new files or folders below assets/")
    parser.add_argument("--source", default="", help="where they come from, or the command that makes them")
    parser.add_argument("--licence", default="", help="their licence")
    options = parser.parse_args(arguments)
    with command():
        old = read_manifest()
        manifest = update_manifest(options.names, options.source, options.licence)
    for name in sorted(old.keys() | manifest.keys()):
        before, after = (entries.get(name, {}).get("sha256") for entries in (old, manifest))
        if before != after:
            print(f"{'new' if before is None else 'gone' if after is None else 'changed'}: {name}")
    print(f"{len(manifest)} files, {sum(entry['bytes'] for entry in manifest.values()) / 1e6:.1f} MB")
    for name in (missing := unlisted_files()):
        print(f"not listed (give --source and --licence): {name}")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
