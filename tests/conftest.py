"""What all tests share: one thread a process, a seeded generator, no trace in anybody's home."""

from __future__ import annotations

import os

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
def no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never touch the learner's own record of exercises."""
    monkeypatch.setenv("NAPA_PROGRESS", "off")
