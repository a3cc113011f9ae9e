"""How fast and how large each way from a picture to people is: `python -m napa_lib.evaluate.speed --results FILE`.

CrossModal's table 8. All are timed in one process, in turns, a picture at a time, so that load on a shared machine
strikes all; of each way the fastest round counts, and of student and teacher in how many rounds which was faster.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from napa_lib import results
from napa_lib.engine import keep_freed_memory
from napa_lib.evaluate.student import CAMERA, Chapter, load_chapter
from napa_lib.multiperson import Composed, compose, group_people, load_cutouts, read_pictures
from napa_lib.multiperson.experiments import LEAN, LOOK
from napa_lib.multiperson.networks import parameters_in_use
from napa_lib.multiperson.refine import refine, single_person
from napa_lib.pose import PoseEstimator

PROGRAM = "python -m napa_lib.evaluate.speed"
PICTURES, ROUNDS = 6, 4
POSE, MORE = ("single", "many"), 5  # the others take so many times as many rounds: they are quick


def drawn_pictures(count: int = PICTURES) -> Composed:
    """The first composed pictures of drawn people whom no network was trained on."""
    return compose(load_cutouts("test", LOOK, LEAN), count, CAMERA, torch.Generator().manual_seed(3))


def ways(chapter: Chapter, estimator: PoseEstimator) -> dict[str, Callable[[Tensor], object]]:
    """Each from a picture (3, S, S) in [0, 1] to its people. H' has no weights of its own here: H's stand in."""
    teacher = chapter.teacher
    second = single_person(teacher.encoder, chapter.lifter, chapter.model, CAMERA)

    @torch.no_grad()
    def grouped(picture: Tensor) -> object:
        return group_people(teacher(picture[None]), CAMERA)

    @torch.no_grad()
    def student(picture: Tensor):
        latent = teacher.encoder(picture[None])
        return read_pictures(latent, teacher.decoder, chapter.lifter, chapter.model, CAMERA)[0]

    @torch.no_grad()
    def refined(picture: Tensor) -> object:
        return refine(picture, student(picture), CAMERA, second)

    return {
        "teacher": grouped, "student": student, "student, second stage": refined, "single": estimator.predict,
        "many": lambda picture: estimator.predict(picture, many=True),
    }  # fmt: skip


def numbers_in_use(chapter: Chapter, estimator: PoseEstimator) -> dict[str, int]:
    """How many parameters each way computes with: the student needs neither F's branch of fields nor Psi's encoder."""

    def count(*networks: nn.Module) -> int:
        return sum(p.numel() for network in networks for p in network.parameters())

    whole, lifter = parameters_in_use(chapter.teacher), count(chapter.lifter)
    student = whole - count(chapter.teacher.decoder.second[1]) + lifter + count(chapter.model.decoder)
    single = count(estimator.network, estimator.depth_net)
    assert estimator.detector is not None  # it has looked at pictures by now
    return {
        "teacher": whole, "student": student, "student, second stage": student + lifter, "single": single,
        "many": single + count(estimator.detector),
    }  # fmt: skip


def timed_rounds(calls: dict[str, Callable[[Tensor], object]], pictures: Tensor, rounds: int) -> dict[str, list[float]]:
    """Seconds a picture of each call in each round; in a round all take their turn on all pictures."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(pictures[0])  # the first call loads and plans
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for picture in pictures:
                call(picture)
            taken[name].append((time.perf_counter() - start) / len(pictures))
    return taken


def operations(calls: dict[str, Callable[[Tensor], object]], pictures: Tensor) -> dict[str, int]:
    """Multiplications and additions of networks that each call takes a picture, on average; no load changes them."""
    counted = {}
    for name, call in calls.items():
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            for picture in pictures:
                call(picture)
        counted[name] = round(counter.get_total_flops() / len(pictures))
    return counted


def measure(chapter: Chapter, estimator: PoseEstimator, rounds: int = ROUNDS) -> dict:
    """Of each way milliseconds and operations a picture, pictures a second and parameters; and how many people a
    picture has."""
    drawn = drawn_pictures()
    calls, images = ways(chapter, estimator), drawn.images.float() / 255
    pose = {name: calls[name] for name in POSE}
    chapters = {name: call for name, call in calls.items() if name not in POSE}
    taken = timed_rounds(chapters, images, MORE * rounds) | timed_rounds(pose, images, rounds)
    work = operations(calls, images)
    numbers = numbers_in_use(chapter, estimator)
    return {
        "rounds": len(taken["student"]),
        "student faster than teacher": sum(s < t for s, t in zip(taken["student"], taken["teacher"], strict=True)),
        "people a picture": round(float(drawn.present.sum(1).float().mean()), 2),
        "ways": {
            name: {"ms": round(1e3 * seconds, 2), "fps": round(1 / seconds, 2), "parameters": numbers[name],
                   "operations": work[name]}
            for name, seconds in ((name, min(all_rounds)) for name, all_rounds in taken.items())
        },
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Time every way and write it."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="JSON file to write")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    keep_freed_memory()  # as every training does
    found = measure(load_chapter(), PoseEstimator.from_pretrained(device="cpu"))
    config = {"pictures": PICTURES, "rounds": ROUNDS, "side": CAMERA.size}
    results.write(options.results, found, results.command_line(PROGRAM, arguments), time.monotonic() - started, config)
    for name, way in found["ways"].items():
        print(name, way)


if __name__ == "__main__":
    main()
