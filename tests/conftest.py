"""What all tests share: one thread a process, a seeded generator, no trace in anybody's home."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: two test processes share the cores

import numpy as np
import pytest
import torch

from napa_lib.networks import VGG19Features

torch.set_num_threads(1)


@pytest.fixture
def rng() -> np.random.Generator:
    """A NumPy generator with a fixed seed, fresh for every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def vgg() -> VGG19Features:
    """The embedded VGG-19."""
    return VGG19Features()


@pytest.fixture(autouse=True)
def no_trace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests never touch the learner's own record of exercises, draw no progress bars and leave no figures open."""
    monkeypatch.setenv("NAPA_PROGRESS", "off")
    monkeypatch.setenv("NAPA_PROGRESS_BAR", "off")
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
