"""The frame of a lesson: `start` at its top, `report` at its end."""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from napa_lib.doctor import installed
from napa_lib.engine import choose_device, seed_everything
from napa_lib.study.figures import use_style
from napa_lib.study.plans import load_plan
from napa_lib.study.record import read_record
from napa_lib.study.widgets import keep_keys

MOST_THREADS = 8  # the course's tensors are too small to feed more
MODES = ("quick", "laptop", "full")
T = TypeVar("T")


@dataclass(frozen=True)
class Lesson:
    """A running lesson: what was chosen at its start.

    `generator` is the source of all its random numbers; hand it on to whatever draws.
    """

    number: str
    mode: str
    seed: int
    device: torch.device
    generator: torch.Generator
    started: float = field(repr=False)

    def pick(self, *, quick: T, laptop: T, full: T) -> T:
        """The value for the lesson's mode, such as a number of training steps."""
        return {"quick": quick, "laptop": laptop, "full": full}[self.mode]

    def report(self) -> None:
        """Print what this run used: mode, versions, time, peak memory, and the exercises done so far."""
        plan, record = load_plan(self.number), read_record()
        done = sum(record.get(exercise.id, {}).get("status") == "right" for exercise in plan.exercises)
        packages = ("torch", "numpy", "matplotlib", "napa_lib")
        print(f"lesson {self.number} · mode {self.mode} · seed {self.seed} · device {self.device}")
        versions = (f"{name} {installed(name) or 'not installed'}" for name in packages)
        print(f"python {platform.python_version()} · " + " · ".join(versions))
        print(f"time {time.perf_counter() - self.started:.1f} s · peak memory {peak_memory()}")
        print(f"exercises done: {done} of {len(plan.exercises)}")


def start(number: str, mode: str = "quick", seed: int = 0, device: str = "auto") -> Lesson:
    """Begin a lesson: check its settings, seed the random numbers, choose the device, set the look of the plots.

    Args:
        number: the lesson, as "01".
        mode: "quick" (seconds), "laptop" (minutes) or "full" (a GPU's half hour).
        seed: of every random number in the lesson.
        device: "auto" for the GPU if there is one, else "cpu" or "cuda".

    Raises:
        ValueError: if there is no such lesson, mode or device.
    """
    plan = load_plan(number)
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    use_style()
    possible = min(torch.get_num_threads(), max(1, int(min(MOST_THREADS, cpu_limit()))))
    threads = free_threads(possible, busy_cores() if possible > 1 else 0.0, os.cpu_count() or 1)
    torch.set_num_threads(threads)
    lesson = Lesson(number, mode, seed, choose_device(device), seed_everything(seed), time.perf_counter())
    count = f"{threads} thread{'s' * (threads > 1)}"
    if threads < possible:
        count += f" instead of {possible}, because other programs keep this computer busy"
    keep_keys()
    print(f"Lesson {number}, {plan.title}: {mode} mode, seed {seed}, {lesson.device}, {count}")
    return lesson


def cpu_limit(folder: Path = Path("/sys/fs/cgroup")) -> float:
    """How many cores' time this process may take: the limit of its container, which the count of cores does not tell.

    Returns:
        infinity where there is no limit, or none that Linux tells.
    """
    try:
        quota, period = (folder / "cpu.max").read_text().split()  # version 2 of control groups
    except (OSError, ValueError):
        try:
            quota, period = ((folder / f"cpu/cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        except OSError:
            return math.inf
    return int(quota) / int(period) if quota.isdigit() else math.inf  # "max", or -1


def busy_cores(seconds: float = 0.3) -> float:
    """How many cores other programs keep busy at the moment: this one waits while it looks."""
    return sum(psutil.cpu_percent(seconds, percpu=True)) / 100


def free_threads(possible: int, busy: float, cores: int) -> int:
    """How many threads to compute with: one for each core that is free, at least one and at most `possible`.

    All threads of an operation wait for its slowest one. One that has to share its core holds up the others at every
    operation, thousands of times a second: on a busy computer two threads may take twenty times as long as one.

    Args:
        possible: what torch would take.
        busy: cores that others use, from `busy_cores`.
        cores: of this computer.

    >>> free_threads(2, 0.1, 2), free_threads(2, 0.9, 2), free_threads(2, 2.0, 2), free_threads(8, 4.0, 16)
    (2, 1, 1, 8)
    """
    return max(1, min(possible, round(cores - busy)))


def peak_memory() -> str:
    """The most memory this process has held so far, as text; "unknown" where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return "unknown"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{peak / (1e6 if sys.platform == 'darwin' else 1e3):.0f} MB"
