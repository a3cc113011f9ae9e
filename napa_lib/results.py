"""The one form of results: a JSON file headed by how it was made, intervals over seeds, and a text table.

A result is a dictionary of what was measured, and beside it the header: the command that makes it again, config, seed
(or seeds), steps, seconds, hardware, versions and date. What an old result does not know of these is null.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime, timezone
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import torch

from napa_lib import __version__
from napa_lib.data import asset_path, list_assets
from napa_lib.files import write_text

HEADER: dict[str, tuple[type, ...]] = {
    "command": (str,),
    "config": (dict, type(None)),
    "seed": (int, list, type(None)),
    "steps": (int, type(None)),
    "seconds": (int, float, type(None)),
    "hardware": (str, type(None)),
    "versions": (dict, type(None)),
    "date": (str,),
}
NAME = re.compile(r"(?P<run>\w+)_(?P<seed>\d+)\.json")


class ResultError(ValueError):
    """A file that is no result, or a result that could not be read again."""


def write(
    path: str | Path,
    measured: Mapping[str, Any],
    command: str,
    seconds: float,
    config: Any = None,
    seed: int | Sequence[int] | None = None,
    steps: int | None = None,
    device: torch.device | str = "cpu",
) -> None:
    """Write a result whole or not at all, under its header; folders are made where they are missing.

    Args:
        path: JSON file to write.
        measured: what was measured: numbers, strings, lists and dictionaries. What is not finite is written as null.
        command: what makes it again, from `command_line`.
        seconds: how long it took.
        config: what decides the outcome, a dataclass or a dictionary.
        seed: the seed, or the seeds of several runs.
        steps: of training or optimisation, where there are any.
        device: where it was computed.

    Raises:
        ValueError: if `measured` uses a name of the header.
        OSError: if it cannot be written; what was there before is whole.
    """
    if taken := sorted(HEADER.keys() & measured.keys()):
        raise ResultError(f"measured must not use the header's names, got {taken}")
    header = {
        "command": command,
        "config": asdict(config) if is_dataclass(config) and not isinstance(config, type) else config,
        "seed": list(seed) if isinstance(seed, Sequence) else seed,
        "steps": steps,
        "seconds": round(seconds, 1),
        "hardware": hardware(device),
        "versions": {"napa_lib": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "date": datetime.now(timezone.utc).date().isoformat(),
    }
    write_text(path, to_json({**header, **measured}) + "\n")


def read(path: str | Path) -> dict[str, Any]:
    """Read a result: header and what was measured in one dictionary.

    Raises:
        ValueError: if the file is missing, no JSON, or lacks a part of the header.
    """
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path} is not a readable result: {error}") from error
    if not isinstance(found, dict):
        raise ResultError(f"{path} holds no result but a {type(found).__name__}")
    for name, kinds in HEADER.items():
        if name not in found or not isinstance(found[name], kinds):
            said = f"{name!r} is {found[name]!r}" if name in found else f"it has no {name!r}"
            raise ResultError(f"{path} is not in the form of a result: {said}")
    return found


def read_runs(folder: str | Path) -> dict[str, list[dict[str, Any]]]:
    """The results NAME_SEED.json of a folder, by name: {"ours": [seed 0's, seed 1's, …], …}.

    Raises:
        ValueError: if there are none, or one is no result.
    """
    return _by_name(sorted(Path(folder).glob("*.json")), str(folder))


def shipped(name: str) -> dict[str, Any]:
    """A result that ships.

    >>> shipped("lifting/fit")["seed"]
    [0, 1, 2]
    """
    return read(asset_path(f"results/{name}.json"))


def shipped_runs(chapter: str) -> dict[str, list[dict[str, Any]]]:
    """A chapter's results NAME_SEED.json that ship, as `read_runs` gives them."""
    return _by_name([asset_path(name) for name in list_assets(f"results/{chapter}")], f"results/{chapter}")


def _by_name(paths: Sequence[Path], folder: str) -> dict[str, list[dict[str, Any]]]:
    matches = [(match, path) for path in paths if (match := NAME.fullmatch(path.name))]
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for match, path in sorted(matches, key=lambda pair: (pair[0]["run"], int(pair[0]["seed"]))):
        found[match["run"]].append(read(path))
    if not found:
        raise ResultError(f"folder must hold results named NAME_SEED.json, got {folder} without any")
    return dict(found)


def each(runs: Sequence[Mapping[str, Any]], *path: str) -> list[float]:
    """One number of each of several results.

    >>> each([{"test": {"pck": 1}}, {"test": {"pck": 2}}], "test", "pck")
    [1.0, 2.0]
    """
    return [float(reduce(getitem, path, run)) for run in runs]  # type: ignore[arg-type]


class Interval(NamedTuple):
    """A mean over seeds and half the width of its 95 % interval, which is infinite for a single value."""

    mean: float
    half: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves zero out: only then is a difference more than the seeds' chance."""
        return abs(self.mean) > self.half

    def signed(self, digits: int = 1) -> str:
        """As a change: "+1.0 ± 0.2"."""
        return f"{self.mean:+.{digits}f} ± {self.half:.{digits}f}"

    def entry(self, values: Sequence[float]) -> dict[str, Any]:
        """How it stands in a result, beside the values that it is of."""
        return {"mean": self.mean, "half_width_95": self.half, "values": list(values)}


def interval(values: Sequence[float]) -> Interval:
    """Mean of some runs and half the width of Student's 95 % interval for it.

    Raises:
        ValueError: for no values, or values that are not finite.

    >>> mean, half = interval([1.0, 2.0, 3.0])
    >>> round(mean, 3), round(half, 3)
    (2.0, 2.484)
    """
    if not len(values) or not all(map(math.isfinite, values)):
        raise ValueError(f"values must hold at least one number, all finite, got {list(values)}")
    if len(values) == 1:
        return Interval(float(values[0]), math.inf)
    return Interval(fmean(values), student_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values)))


def seeds_text(values: Sequence[float], digits: int = 1) -> str:
    """Mean ± half of the 95 % interval over seeds; of fewer than three seeds, or if all are equal, the values.

    >>> seeds_text([1.0, 2.0, 3.0]), seeds_text([1.0, 2.5]), seeds_text([4.0, 4.0, 4.0])
    ('2.0 ± 2.5', '1.0 and 2.5', '4.0')
    """
    mean, half = interval(values)
    if len(values) < 3 or half == 0:  # too few for an interval that says something, or nothing random in them
        return " and ".join(f"{value:.{digits}f}" for value in dict.fromkeys(values))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def paired_interval(before: Sequence[float], after: Sequence[float]) -> Interval:
    """Interval of the change from `before` to `after`, seed by seed, in which what both have in common is no noise.

    Raises:
        ValueError: if they are not of the same length, or as `interval` says.

    >>> paired_interval([1.0, 5.0, 9.0], [2.0, 6.1, 9.9]).excludes_zero
    True
    """
    if len(before) != len(after):
        raise ValueError(f"before and after must hold the same seeds, got {len(before)} and {len(after)} values")
    return interval([b - a for a, b in zip(before, after, strict=True)])


def change_text(before: Sequence[float], after: Sequence[float], digits: int = 1) -> str:
    """The paired change with its interval, and a star where that leaves zero out.

    >>> change_text([1.0, 5.0, 9.0], [2.0, 6.1, 9.9]), change_text([1.0, 5.0], [2.0, 3.0])
    ('+1.0 ± 0.2 *', '-0.5 ± 19.1')
    """
    change = paired_interval(before, after)
    return change.signed(digits) + " *" * change.excludes_zero


@cache
def student_quantile(freedom: int, share: float = 0.95) -> float:
    """The t within which Student's distribution has `share` of its mass, by halving on the closed form of the share.

    Source: Abramowitz and Stegun, 26.7.3 and 26.7.4.

    >>> round(student_quantile(2), 3)
    4.303
    """

    def within(t: float) -> float:
        angle = math.atan(t / math.sqrt(freedom))
        odd = freedom % 2
        term = math.cos(angle) if odd else 1.0
        total = 0.0
        for k in range(1 if odd else 0, freedom - 1, 2):  # powers k of the cosine, up to freedom - 2
            total += term
            term *= math.cos(angle) ** 2 * (k + 1) / (k + 2)
        return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total

    low, high = 0.0, 1.0
    while within(high) < share:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle) < share else (low, middle)
    return high


def text_table(lines: Sequence[Sequence[object]]) -> str:
    """Columns of equal width, two spaces between them, no spaces at the ends.

    >>> print(text_table([["", "error (%)"], ["ours", 3.1]]))
          error (%)
    ours  3.1
    """
    texts = [[str(value) for value in line] for line in lines]
    widths = [max(len(line[i]) for line in texts) for i in range(len(texts[0]))]
    padded = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in texts]
    return "\n".join(line.rstrip() for line in padded)


def command_line(program: str, arguments: Sequence[str] | None = None) -> str:
    """A command as a shell takes it; None for the arguments that this process was started with.

    >>> command_line("python -m napa_lib.style.train", ["--out", "my runs"])
    "python -m napa_lib.style.train --out 'my runs'"
    """
    return f"{program} {shlex.join(sys.argv[1:] if arguments is None else arguments)}".rstrip()


def hardware(device: torch.device | str = "cpu") -> str:
    """The machine in words: its processor, the threads that torch uses, and the GPU if the device is one."""
    threads = torch.get_num_threads()
    words = f"{_processor()}, {threads} thread{'s' * (threads != 1)} of {os.cpu_count()}"
    device = torch.device(device)
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}; {words}"
    return words if device.type == "cpu" else f"{device.type} GPU; {words}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo.read_text("utf-8", "replace"), re.MULTILINE)
        if names:
            return f"{platform.machine()}, {names[0].strip()}"
    return ", ".join(filter(None, (platform.machine(), platform.processor()))) or "unknown processor"


def to_json(value: object) -> str:
    """JSON with an entry a line down to the third level, deeper ones on their line. Not finite numbers are null."""
    return _lines(_finite(value), 3, 1)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(value: Any, depth: int, indent: int) -> str:
    nested = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value))
    if depth == 0 or not nested or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    pad = "\n" + " " * indent
    if isinstance(value, list):
        return "[" + pad + f",{pad}".join(_lines(v, depth - 1, indent + 1) for v in value) + pad[:-1] + "]"
    lines = (f"{json.dumps(k, ensure_ascii=False)}: {_lines(v, depth - 1, indent + 1)}" for k, v in value.items())
    return "{" + pad + f",{pad}".join(lines) + pad[:-1] + "}"
