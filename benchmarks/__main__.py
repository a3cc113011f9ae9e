"""Run every `bench_*.py` module's `main()` in alphabetical order: `python -m benchmarks [name ...]`."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def main(wanted: list[str]) -> None:
    """Run the benchmarks whose name contains one of `wanted` (all of them where it is empty)."""
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name.startswith("bench_"))
    chosen = [name for name in names if not wanted or any(part in name for part in wanted)]
    if not chosen:
        raise SystemExit(f"no benchmark matches {wanted}; there are: {', '.join(names)}")
    for name in chosen:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
