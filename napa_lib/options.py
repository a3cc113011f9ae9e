"""Options of training commands: how to compute, and a configuration's fields, made into dataclasses at the door."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from napa_lib.engine import choose_device
from napa_lib.files import prepare_file
from napa_lib.loop import Setup

Config = TypeVar("Config")


def add_setup(parser: argparse.ArgumentParser, every: int) -> None:
    """Where the run's state is kept, where and how to compute; `every` steps between two checkpoints by default."""
    parser.add_argument("--checkpoint", type=Path, help="file of the run's state; an interrupted run goes on from it")
    parser.add_argument("--every", type=int, default=every, help="steps between two checkpoints")
    add_device(parser)


def read_setup(options: argparse.Namespace) -> Setup:
    """What `add_setup`'s options say.

    Raises:
        ValueError: if the machine does not have the device.
    """
    return Setup(choose_device(options.device), options.half, options.checkpoint)


def add_comparison(parser: argparse.ArgumentParser, name: str, steps: int) -> None:
    """Where NAME_SEED.json is written, the seed, the steps of each training, where and how to compute."""
    parser.add_argument(
        "--results", type=Path, required=True, metavar="FOLDER", help=f"where to write {name}_SEED.json"
    )
    parser.add_argument("--steps", type=int, default=steps, help="of each training (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    add_device(parser)


def read_comparison(options: argparse.Namespace) -> Setup:
    """What `add_comparison`'s options say of where and how; each row is printed as it is measured.

    Raises:
        ValueError: if the machine does not have the device, or the folder of results cannot be written.
    """
    prepare_file(options.results / "results.json")
    return Setup(choose_device(options.device), options.half, tell=tell)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Where and how to compute: `device` and `half`."""
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps (default: %(default)s)")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16 where that is safe")


def tell(entry: dict) -> None:
    """An entry of the record to standard output, a line of JSON."""
    print(json.dumps(entry), flush=True)


def add_config(parser: argparse.ArgumentParser, kind: Any) -> None:
    """An option for each field of a dataclass of numbers and strings, under its name and with its default."""
    for field in fields(kind):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)


def read_config(options: argparse.Namespace, kind: type[Config]) -> Config:
    """The dataclass that `add_config`'s options ask for."""
    return kind(**{field.name: getattr(options, field.name) for field in fields(kind)})  # type: ignore[arg-type]
