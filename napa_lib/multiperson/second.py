"""Is a second stage worth its time? `python -m napa_lib.multiperson.second --row full --seed 0 --results FOLDER`.

H' is H's twin, trained in the same way on as many pictures of single figures, cut out of the training pictures. The
student of the same row and seed finds people in the test pictures, H' looks at each of them again.

Source: CrossModal, section 5 and fig. 6 (76.9 3DPCK with H', 75.8 without); supplement, section 2 (H' has H's layers).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from napa_lib.engine import progress
from napa_lib.loop import Setup
from napa_lib.multiperson import afterwards
from napa_lib.multiperson.composed import Composed
from napa_lib.multiperson.config import CAMERAS
from napa_lib.multiperson.evaluate import Found, score_3d
from napa_lib.multiperson.experiments import MEASURED, ROWS, pictures, preset_of, read_seen, seen_pictures
from napa_lib.multiperson.networks import Lifter, Teacher
from napa_lib.multiperson.refine import cut_people, refine, single_person
from napa_lib.multiperson.scenes import Camera
from napa_lib.multiperson.seen import look
from napa_lib.multiperson.store import load_network
from napa_lib.multiperson.train import StudentConfig, train_student
from napa_lib.sampling import PoseAutoencoder, load_pretrained

CAMERA = CAMERAS["tiny"]


def single_figures(count: int, camera: Camera = CAMERA) -> Composed:
    """Some of the figures of the training pictures, each alone in the middle of a picture, the same for all seeds."""
    generator = torch.Generator().manual_seed(4)
    cut = cut_people(pictures("train", count, camera), camera, generator)
    return cut.rows(torch.randperm(len(cut), generator=generator)[:count])


def train_second(config: StudentConfig, teacher: Teacher, model: PoseAutoencoder, setup: Setup) -> Lifter:
    """H' of a row: as H, but on single figures."""
    camera = CAMERAS[config.preset]
    seen = look(teacher, single_figures(config.pictures, camera), camera, torch.Generator().manual_seed(0), setup)
    return train_student(config, seen, teacher.decoder, model, setup=setup)[0].lifter


def measure(name: str, seed: int, folder: Path, teacher: Teacher, mark: str, setup: Setup) -> dict:
    """3D measures on the test pictures of H alone, of H' after H, and of H after itself."""
    config, model = replace(ROWS[name], seed=seed, preset=preset_of(teacher)), load_pretrained(ROWS[name].poses)
    camera = CAMERAS[config.preset]
    first = cast(Lifter, load_network(folder / f"{name}_{seed}_lifter.safetensors", "lifter"))
    second = train_second(config, teacher, model, setup)
    seen = seen_pictures("test", MEASURED["test"], teacher, folder, setup, mark, camera)
    once = read_seen(seen, teacher, first, model, setup)
    ways: dict[str, list[Found]] = {"one stage": once}
    for way, network in (("two stages", second), ("H twice", first)):
        again = single_person(teacher.encoder, network, model, camera, setup)
        images = progress(seen.truth.images, way, len(once))
        ways[way] = [
            refine(image.float() / 255, found, camera, again) for image, found in zip(images, once, strict=True)
        ]
    return {way: score_3d(found, seen.truth, camera) for way, found in ways.items()}


def main(arguments: list[str] | None = None) -> None:
    """Train H' of a row, and measure both stages on the test pictures."""
    afterwards.run("second", main.__doc__, measure, arguments)


if __name__ == "__main__":
    main()
