"""How many real pictures among the stylised? `python -m napa_lib.training.mixing --seed 0 --results FOLDER`.

All of G, a network that photographs taught, is fine-tuned for as many steps on each mixture of people as they are and
as twelve styles paint them, and measured as `napa_lib.training.styles` does. None and all of them real are two of its
trainings, which its folder of work may hold already.

Source: NAPA, section 4.5 and table 3.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napa_lib import results
from napa_lib.loop import Setup, command
from napa_lib.options import add_comparison, read_comparison
from napa_lib.training.styles import MANY, STYLES, UNTOUCHED, judges, kept_end, painted, people
from napa_lib.training.warm_start import labelled
from napa_lib.training.whole import WHOLE, WholeConfig, train_once

PROGRAM = "python -m napa_lib.training.mixing"
REAL = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)  # shares of real pictures; the paper has 10, 30, 50 and 70 %


def measure_mixtures(shares: Sequence[float], config: WholeConfig, work: Path, setup: Setup) -> list[dict]:
    """Train on each mixture and measure; trainings that the folder `work` holds are not made again.

    Args:
        shares: of real pictures, one a mixture.
        config: of each training; nothing but the mixture differs.
        work: keeps pictures, and each training's end.
        setup: where and how to compute.

    Returns:
        one entry a mixture: {"real": share, "seconds", "on", "art", "joints"}, as `train_once` gives them.
    """
    seen = judges(config.size, work, setup)
    looks = people("train"), painted("train", STYLES, MANY, work, setup)
    names = {0.0: MANY, 1.0: UNTOUCHED}
    rows = []
    for share in shares:
        sources = [labelled(p, s) for p, s in zip(looks, (share, 1.0 - share), strict=True) if s]
        end = kept_end(work, config.seed, names.get(share, f"real{100 * share:g}"))
        rows.append({"real": share} | train_once(end, config, sources, seen, setup)[0])
        setup.tell(rows[-1])
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Train one network a mixture of real and stylised people, and measure each on both and on art."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/styles"), help="keeps pictures, and each training's end"
    )
    parser.add_argument("--shares", type=float, nargs="+", default=REAL, help="of real pictures, from 0 to 1")
    parser.add_argument("--name", default="mixing", help="of the results, NAME_SEED.json (default: %(default)s)")
    add_comparison(parser, "NAME", WHOLE.steps)
    options = parser.parse_args(arguments)
    with command():
        if not all(0 <= share <= 1 for share in options.shares):
            raise ValueError(f"shares must be from 0 to 1, got {options.shares}")
        setup = read_comparison(options)
        config = replace(WHOLE, steps=options.steps, seed=options.seed)
        rows = measure_mixtures(options.shares, config, options.work, setup)
        results.write(
            options.results / f"{options.name}_{options.seed}.json", {"rows": rows},
            results.command_line(PROGRAM, arguments), sum(row["seconds"] for row in rows), config, options.seed,
            config.steps, setup.device,
        )  # fmt: skip


if __name__ == "__main__":
    main()
