"""The cells of a notebook run one after the other in one kernel: they stay together when tests are shared out."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("NAPA_PROGRESS", "off")  # no trace in the record of whoever runs the tests
os.environ.setdefault("NAPA_PROGRESS_BAR", "off")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup` each notebook goes to one process; all other tests are shared out one by one."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.xdist_group(item.path.name))
