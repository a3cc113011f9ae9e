"""The lower bounds of requirement files as exact versions: `python napa_lib/course/bounds.py requirements.txt`.

With them as constraints `pip` installs the oldest packages that the files allow. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path


def exact(lines: list[str]) -> list[str]:
    """`name>=1.2` as `name==1.2`; other lines are left out.

    >>> exact(["# a comment", "torch>=2.4", "", "anny==0.6.2"])
    ['torch==2.4']
    """
    found = [re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", line) for line in lines]
    return [f"{match[1]}=={match[2]}" for match in found if match]


def main(arguments: list[str] | None = None) -> None:
    """Print the lower bounds of requirement files as exact versions."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="such as requirements.txt")
    try:
        lines = [line for file in parser.parse_args(arguments).files for line in file.read_text("utf-8").splitlines()]
    except OSError as error:
        raise SystemExit(str(error)) from None
    print("\n".join(exact(lines)))


if __name__ == "__main__":
    main()
