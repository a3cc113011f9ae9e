"""The works-with table from the outcomes of a weekly run: `python napa_lib/course/works_with.py FOLDER WORKS_WITH.md`.

Each file of the folder holds one line `system,python,packages,status`. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

SIGNS = {"success": "✓", "failure": "✗", "cancelled": "–"}


def table(outcomes: Sequence[str], day: str) -> str:
    """Markdown: a row for each system and choice of packages, a column for each Python.

    Args:
        outcomes: "system,python,packages,status".
        day: of the run.

    Raises:
        ValueError: if there is none, or one has another form.

    >>> print(table(["ubuntu-latest,3.10,tested,success", "ubuntu-latest,3.11,tested,failure"], "2026-01-05"))
    # Works with
    <BLANKLINE>
    What the weekly run of 2026-01-05 found: ✓ course and tests pass, ✗ they do not, – not run.
    <BLANKLINE>
    | system | packages | Python 3.10 | Python 3.11 |
    |---|---|---|---|
    | ubuntu | tested | ✓ | ✗ |
    """
    rows = [line.strip().split(",") for line in outcomes]
    if not rows or any(len(row) != 4 for row in rows):
        raise ValueError(f"outcomes must be lines 'system,python,packages,status', got {list(outcomes)}")
    pythons = sorted({row[1] for row in rows}, key=lambda version: [int(part) for part in version.split(".")])
    status = {(system, packages, python): SIGNS.get(found, "✗") for system, python, packages, found in rows}
    lines = [
        "# Works with",
        "",
        f"What the weekly run of {day} found: ✓ course and tests pass, ✗ they do not, – not run.",
        "",
        f"| system | packages | {' | '.join(f'Python {python}' for python in pythons)} |",
        "|---|---|" + "---|" * len(pythons),
    ]
    for system, packages in sorted({(row[0], row[2]) for row in rows}):
        cells = " | ".join(status.get((system, packages, python), "–") for python in pythons)
        lines.append(f"| {system.removesuffix('-latest')} | {packages} | {cells} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the works-with table from the outcomes of a weekly run."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of files of lines system,python,packages,status")
    parser.add_argument("target", type=Path, metavar="FILE", help="Markdown file to write")
    options = parser.parse_args(arguments)
    found = [path.read_text("utf-8") for path in sorted(options.folder.rglob("*.csv"))]
    try:
        options.target.write_text(table(found, date.today().isoformat()) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
