"""The training of chapter 1's networks as a command: one style, or a pool of styles.

python -m napa_lib.style.train --styles pool --steps 4000 --out runs/pool
python -m napa_lib.style.train --styles greatwave --start pool --windows 2 --ratio style=20 --out runs/greatwave
python -m napa_lib.style.train --styles la_muse.jpg --data mpii:FOLDER --size 256 --steps 14000 --out runs/la_muse

The package does not import it: Python would load what it runs a second time, and warn.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from napa_lib.loop import command
from napa_lib.style.content import list_styles
from napa_lib.style.losses import LossRatios
from napa_lib.style.training import StylizerConfig, train_stylizer


def parse_ratios(settings: Sequence[str]) -> LossRatios:
    """Table 2's ratios but for those given as "name=value".

    Raises:
        ValueError: for a name that is no ratio's, or what is no number.

    >>> parse_ratios(["style=5", "content_entropy=0"]).style
    5.0
    """
    parts = [setting.partition("=") for setting in settings]
    known = [ratio.name for ratio in fields(LossRatios)]
    try:
        return replace(LossRatios(), **{name: float(value) for name, _, value in parts})
    except (TypeError, ValueError):
        raise ValueError(f"--ratio must be NAME=NUMBER, NAME one of {', '.join(known)}, got {settings}") from None


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m napa_lib.style.train", description=__doc__)
    parser.add_argument(
        "--styles", nargs="+", default=["pool"], help="names of paintings, picture files, folders of them, or 'pool'"
    )
    parser.add_argument(
        "--data", nargs="+", default=[], metavar="SOURCE",
        help="content: data sets, FORMAT:FOLDER, and folders of pictures (default: the pictures that ship)",
    )  # fmt: skip
    parser.add_argument("--norm", choices=("instance", "batch", "pool"), help="default: pool for several styles")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--half", "--bfloat16", action="store_true", help="compute in bfloat16 where that is safe")
    parser.add_argument("--every", type=int, default=50, help="steps between two checkpoints")
    parser.add_argument("--start", default="", help="network to begin with: 'pool' or a safetensors file")
    parser.add_argument("--windows", type=int, default=1, help="cut larger style pictures into so many windows a side")
    parser.add_argument("--style-ratio", type=float, default=1.0, help="ratio of L_style; 1 in table 2")
    parser.add_argument("--ratio", nargs="*", default=[], metavar="NAME=VALUE", help="other ratios than table 2's")
    parser.add_argument("--out", type=Path, required=True, help="folder; an interrupted run in it goes on")
    options = parser.parse_args(arguments)
    with command():
        styles = list_styles(options.styles)
        config = StylizerConfig(
            styles=styles, norm=options.norm or ("pool" if len(styles) > 1 else "instance"), steps=options.steps,
            batch=options.batch, size=options.size, seed=options.seed, start=options.start,
            windows=options.windows, ratios=parse_ratios([f"style={options.style_ratio}", *options.ratio]),
        )  # fmt: skip
        train_stylizer(config, options.out, options.device, options.every, options.half, options.data)


if __name__ == "__main__":
    main()
