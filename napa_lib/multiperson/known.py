"""Does a student know figures, or people? `python -m napa_lib.multiperson.known --row labels --results FOLDER`.

A trained student is measured on new pictures of the figures that it has learned from, put together anew, and on the
test pictures, whose figures are others. A student that has learned the figures by heart is good on the first alone.
"""

from __future__ import annotations

from pathlib import Path

import torch

from napa_lib.loop import Setup
from napa_lib.multiperson import afterwards
from napa_lib.multiperson.composed import Composed, compose, load_cutouts
from napa_lib.multiperson.config import CAMERAS
from napa_lib.multiperson.experiments import LEAN, LOOK, MEASURED, ROWS, preset_of, score, seen_pictures
from napa_lib.multiperson.networks import Teacher
from napa_lib.multiperson.scenes import Camera
from napa_lib.multiperson.seen import look
from napa_lib.multiperson.store import load_network
from napa_lib.sampling import load_pretrained

SEED = 99  # of the new pictures: no training draws with it


def new_pictures_of_known_figures(count: int, camera: Camera = CAMERAS["tiny"]) -> Composed:
    """Pictures of the training figures that no training has seen."""
    generator = torch.Generator().manual_seed(SEED)
    return compose(load_cutouts("train", LOOK, LEAN), count, camera, generator)


def measure(name: str, seed: int, folder: Path, teacher: Teacher, mark: str, setup: Setup) -> dict:
    """3D measures of a stored student on both sets: {"known": …, "others": …}."""
    lifter = load_network(folder / f"{name}_{seed}_lifter.safetensors", "lifter").eval()
    model, count, camera = load_pretrained(ROWS[name].poses), MEASURED["test"], CAMERAS[preset_of(teacher)]
    known = look(teacher, new_pictures_of_known_figures(count, camera), camera, torch.Generator(), setup)
    others = seen_pictures("test", count, teacher, folder, setup, mark, camera)
    return {
        key: score(lifter, seen, teacher, model, setup)["3d"] for key, seen in (("known", known), ("others", others))
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure a stored student on figures that it has learned from, and on others."""
    afterwards.run("known", main.__doc__, measure, arguments)


if __name__ == "__main__":
    main()
