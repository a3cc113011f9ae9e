"""Run every `bench_*.py` module's `main()` in alphabetical order: `python -m benchmarks [name ...]`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil

import benchmarks


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmarks whose names contain one of the given words, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("wanted", nargs="*", metavar="NAME", help="part of a benchmark's name, such as style")
    wanted = parser.parse_args(arguments).wanted
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name.startswith("bench_"))
    chosen = [name for name in names if not wanted or any(part in name for part in wanted)]
    if not chosen:
        raise SystemExit(f"no benchmark matches {wanted}; there are: {', '.join(names)}")
    for name in chosen:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
