"""Draw and store the pictures at the top of the lessons: `python -m napa_lib.course.hero [--only 01]`."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

from napa_lib.course.cells import hero_asset
from napa_lib.data.assets import assets_root
from napa_lib.data.manifest import update_manifest
from napa_lib.study.figures import to_picture
from napa_lib.study.plans import available, load_plan

WIDTH = 1200  # px


def write_hero(number: str) -> Path:
    """Draw the picture of lesson `number`, store it in `assets/figures/` and list it in the manifest."""
    figure = load_plan(number).hero()
    figure.set_dpi(WIDTH / figure.get_figwidth())
    path = assets_root() / hero_asset(number)
    path.parent.mkdir(exist_ok=True)
    to_picture(figure).save(path, quality=85, optimize=True)
    plt.close(figure)
    source = f"drawn by python -m napa_lib.course.hero --only {number} from pictures in assets/"
    update_manifest([hero_asset(number)], source=source, licence="MIT; the works shown are in the public domain")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Draw all heroes, or one."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.course.hero", description=__doc__)
    parser.add_argument("--only", default="", help="a lesson's number, such as 01")
    only = parser.parse_args(arguments).only
    matplotlib.use("Agg")
    for number in [only] if only else available():
        print(write_hero(number))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
