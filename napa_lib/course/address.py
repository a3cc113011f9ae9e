"""The repository's address: what badges, launch buttons and the lessons' set-up cells need.

It stands in one place, `[project.urls]` of `pyproject.toml`. `make address` writes README and notebooks after it has
been changed there. As long as the placeholder stands there, they say in words what to do.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parents[2]
PLACEHOLDER = "OWNER"
WORDS = (
    "*Run it:* `make lab` on your own computer; [Binder](https://mybinder.org) or "
    "[Colab](https://colab.research.google.com) with this repository's address, as the README describes. "
    "It reads well without running, too."
)
FOUND = 'if importlib.util.find_spec("napa_lib") is None:'
SETUP = f"""import importlib.util
import sys

COLAB = "google.colab" in sys.modules
if COLAB:
    from google.colab import output

    output.enable_custom_widget_manager()
{{colab}}
{FOUND}
    raise SystemExit("napa_lib is not here. Run: make lab. Then run this cell again.")
import napa_lib  # before torch: it says how torch's threads wait"""
CLONE = f"""    {FOUND}
        !git clone --quiet --depth 1 {{address}} napa && pip install --quiet -e napa
        %cd -q napa
        sys.path.insert(0, ".")"""
ASK = f"""    {FOUND}
        raise SystemExit("Run: !git clone <this repository's address> napa, then %cd napa, then this cell again.")"""


def repository(project: Path = ROOT / "pyproject.toml") -> str | None:
    """The address on GitHub, without a slash at its end; None if the placeholder stands there, or the file is away.

    Raises:
        ValueError: if it is no address of a repository on GitHub.
    """
    found = re.search(r'^Repository = "(.*)"$', project.read_text("utf-8"), re.MULTILINE) if project.is_file() else None
    if found is None or PLACEHOLDER in found[1]:
        return None
    address = found[1].removesuffix("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        raise ValueError(f"Repository in {project} must be https://github.com/NAME/REPOSITORY, got {found[1]!r}")
    return address


def launch_line(notebook: str, address: str | None) -> str:
    """Markdown: where the notebook of this name can be run."""
    if address is None:
        return WORDS
    name = address.removeprefix("https://github.com/")
    binder = f"https://mybinder.org/v2/gh/{name}/HEAD?labpath={quote(f'notebooks/{notebook}', safe='')}"
    colab = f"https://colab.research.google.com/github/{name}/blob/HEAD/notebooks/{notebook}"
    return (
        f"**[▶ Open in Colab]({colab})** · **[▶ Open in Binder]({binder})** · `make lab` on your own computer. "
        "It reads well without running, too."
    )


def setup_code(address: str | None) -> str:
    """The set-up cell: in Colab it clones the repository and installs it, elsewhere it says how to."""
    return SETUP.format(colab=ASK if address is None else CLONE.format(address=address))


def badges(address: str | None) -> str:
    """The README's badges: tests, the versions it works with, where to run it; nothing without an address."""
    if address is None:
        return ""
    name = address.removeprefix("https://github.com/")
    first = "notebooks/00_start_here.ipynb"
    shown = {
        "tests": (f"{address}/actions/workflows/tests.yml/badge.svg", f"{address}/actions/workflows/tests.yml"),
        "weekly": (f"{address}/actions/workflows/weekly.yml/badge.svg", f"{address}/actions/workflows/weekly.yml"),
        "Open in Colab": (
            "https://colab.research.google.com/assets/colab-badge.svg",
            f"https://colab.research.google.com/github/{name}/blob/HEAD/{first}",
        ),
        "Open in Binder": (
            "https://mybinder.org/badge_logo.svg",
            f"https://mybinder.org/v2/gh/{name}/HEAD?labpath={quote(first, safe='')}",
        ),
    }
    return "\n".join(f"[![{alt}]({picture})]({target})" for alt, (picture, target) in shown.items())


def with_badges(text: str, address: str | None) -> str:
    """The README's text with what stands between its two marks written afresh.

    Raises:
        ValueError: if it lacks the marks.
    """
    head, mark, rest = text.partition("<!-- badges -->\n")
    _, end, tail = rest.partition("<!-- /badges -->\n")
    if not mark or not end:
        raise ValueError("README.md must hold the lines <!-- badges --> and <!-- /badges -->")
    shown = badges(address)
    return head + mark + (f"{shown}\n" if shown else "") + end + tail
