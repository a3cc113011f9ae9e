"""Named runs of a chapter, what each starts from, and their repetition in order."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napa_lib.results import ResultError, read, text_table


@dataclass(frozen=True)
class Experiment:
    """One run of a chapter, or the same run with several seeds.

    Attributes:
        command: module and arguments, as after `python -m`; `{seed}` stands for the seed.
        makes: the file that is there when it is done, likewise.
        seconds: expected for one seed, on one thread of a CPU.
        seeds: of which to run it.
        after: names of the runs that it starts from; they stand before it.
    """

    command: str
    makes: str
    seconds: float
    seeds: tuple[int, ...] = (0,)
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """An experiment with one seed."""

    name: str
    arguments: tuple[str, ...]
    makes: Path
    seconds: float

    @property
    def done(self) -> bool:
        """Whether what it makes is there; a result counts only if it can be read."""
        if not self.makes.exists():
            return False
        if self.makes.suffix == ".json":
            try:
                read(self.makes)
            except ResultError:
                return False
        return True

    @property
    def command(self) -> str:
        """As a shell takes it."""
        return "python -m " + shlex.join(self.arguments)


def chain(experiments: Mapping[str, Experiment]) -> list[Run]:
    """All runs in the order in which they can be made.

    Raises:
        ValueError: if one starts from a run that does not stand before it.
    """
    found: list[Run] = []
    before: set[str] = set()
    for name, experiment in experiments.items():
        if missing := set(experiment.after) - before:
            raise ValueError(
                f"{name!r} must stand after what it starts from, but {sorted(missing)} does not come before"
            )
        before.add(name)
        for seed in experiment.seeds:
            arguments = shlex.split(experiment.command.format(seed=seed))
            makes = Path(experiment.makes.format(seed=seed))
            label = name if len(experiment.seeds) == 1 else f"{name} {seed}"
            found.append(Run(label, tuple(arguments), makes, experiment.seconds))
    return found


def listing(runs: Sequence[Run]) -> str:
    """A line a run: whether it is there, the expected time and the command; and the time of what is missing."""
    lines = [["run", "time", "command"]]
    lines += [[run.name, "is there" if run.done else duration(run.seconds), run.command] for run in runs]
    left = [run for run in runs if not run.done]
    total = duration(sum(run.seconds for run in left))
    return f"{text_table(lines)}\n{len(left)} of {len(runs)} runs to make, about {total} on one thread of a CPU"


def repeat(runs: Sequence[Run]) -> None:
    """Make what is not there yet, in order. Started again after an interruption, it goes on where it was.

    Raises:
        RuntimeError: if a command fails; those after it are not started.
    """
    for run in runs:
        if run.done:
            print(f"{run.name}: {run.makes} is there", flush=True)
            continue
        print(f"{run.name}: {run.command}", flush=True)
        run.makes.parent.mkdir(parents=True, exist_ok=True)
        status = _wait(subprocess.Popen([sys.executable, "-m", *run.arguments]))
        if status != 0:
            raise RuntimeError(f"{run.name} stopped with status {status}; the same call goes on from there")
        if not run.done:
            raise RuntimeError(f"{run.name} ended without {run.makes}")


def _wait(process: subprocess.Popen) -> int:
    """Its exit status. Ctrl-C reaches the process as well, which ends its step and keeps it: so it is waited for."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def duration(seconds: float) -> str:
    """In words.

    >>> duration(40), duration(600), duration(9000)
    ('40 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
