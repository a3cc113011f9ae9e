"""Write what follows from the repository's address: `python -m napa_lib.course.publish` (or `make address`).

These are the README's badges, and title and set-up cell of every notebook.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from napa_lib.course.address import ROOT, repository, with_badges
from napa_lib.course.notebooks import find_notebooks, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Write README and notebooks afresh; their outputs stay."""
    argparse.ArgumentParser(prog="python -m napa_lib.course.publish", description=main.__doc__).parse_args(arguments)
    address, readme = repository(), ROOT / "README.md"
    readme.write_text(with_badges(readme.read_text("utf-8"), address), encoding="utf-8")
    for path in find_notebooks(ROOT / "notebooks"):
        write(path, run=False)
    print(f"README.md and the notebooks point to {address or 'no address: [project.urls] still has its placeholder'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
