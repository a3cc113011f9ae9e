"""What the machine can do at most, and a stopwatch: the yardstick beside every timing in this folder.

A timing means little alone. A renderer that writes N bytes cannot take less than N / bandwidth seconds, a network of
F operations not less than F / rate; both limits are measured here, in the same run and with the same threads as the
timing they stand beside, so that load on a shared machine strikes both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch


def best_time(fn: Callable[[], object], repeats: int = 10, warmup: int = 1, budget: float = 20.0) -> float:
    """Seconds of the fastest of `repeats` calls, or of those that fit into `budget` seconds, at least one.

    The fastest, because other processes only ever make a call slower; a budget, so that a busy machine does not hang.
    """
    for _ in range(warmup):
        fn()
    times: list[float] = []
    while len(times) < repeats and (not times or sum(times) < budget):
        start = time.perf_counter()
        fn()
        times.append(time.perf_counter() - start)
    return min(times)


def memory_bandwidth(megabytes: int = 256, repeats: int = 10) -> float:
    """Bytes per second of a copy too large for the caches, reads and writes both counted."""
    source = torch.ones(megabytes * 2**20 // 4)
    target = torch.empty_like(source)
    return 2 * source.numel() * source.element_size() / best_time(lambda: target.copy_(source), repeats)


def arithmetic_rate(
    side: int = 1024, repeats: int = 10, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> float:
    """Operations per second of a square matrix product (2 side³ operations)."""
    a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    return 2 * side**3 / best_time(waiting(lambda: torch.mm(a, b, out=out), device), repeats)


def waiting(fn: Callable[[], object], device: torch.device | str) -> Callable[[], None]:
    """The call, and until a GPU has done it: a GPU's calls return before their work is done."""

    def call() -> None:
        fn()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)

    return call


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """What one call takes: on a CPU its CPU seconds, else those of the clock."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    start = clock()
    waiting(call, device)()
    return clock() - start


def print_table(title: str, rows: Sequence[dict[str, object]]) -> None:
    """Print rows with the same keys as a plain table; floats get four significant digits."""

    def text(value: object) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    keys = list(rows[0])
    cells = [keys] + [[text(row[key]) for key in keys] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for line in cells:
        print("  " + "  ".join(cell.ljust(size) for cell, size in zip(line, widths, strict=True)).rstrip())
