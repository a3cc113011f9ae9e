"""How fast and how large each way from a picture to people is: `python -m napa_lib.evaluate.speed --results FILE`.

CrossModal's table 8. All take their turn in one process, picture by picture, and what counts is the processor's
time that each takes, not the clock's, so that load on a shared machine falls on none of them; of each way the median
over rounds, and of student and teacher the ratio round by round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from napa_lib import results
from napa_lib.evaluate.record import run_command
from napa_lib.evaluate.student import CAMERA, load_chapter
from napa_lib.loop import on_device
from napa_lib.multiperson import Composed, CrossModalNet, Found, compose, group_people, load_cutouts, read_pictures
from napa_lib.multiperson.evaluate import read_maps
from napa_lib.multiperson.experiments import LEAN, LOOK
from napa_lib.multiperson.networks import parameters_in_use
from napa_lib.multiperson.refine import refine, single_person
from napa_lib.multiperson.targets import ROOT
from napa_lib.pose import PoseEstimator

PROGRAM = "python -m napa_lib.evaluate.speed"
PICTURES, ROUNDS = 6, 2
POSE, MORE = ("single", "many"), 10  # the others take so many times as many rounds: they are quick
TOGETHER = 16  # pictures at once

Way = Callable[[Tensor], object]


def drawn_pictures(count: int = PICTURES) -> Composed:
    """The first composed pictures of drawn people whom no network was trained on."""
    return compose(load_cutouts("test", LOOK, LEAN), count, CAMERA, torch.Generator().manual_seed(3))


def ways(chapter: CrossModalNet, estimator: PoseEstimator) -> dict[str, Way]:
    """Each from pictures (B, 3, S, S) in [0, 1] to their people. H' ships no weights of its own: H's stand in."""
    teacher = chapter.teacher
    second = single_person(teacher.encoder, chapter.lifter, chapter.model, CAMERA)

    @torch.inference_mode()
    def grouped(pictures: Tensor) -> list[Tensor]:
        return group_people(teacher(pictures), CAMERA)

    @torch.inference_mode()
    def student(pictures: Tensor) -> list[Found]:
        return read_pictures(teacher.encoder(pictures), teacher.decoder, chapter.lifter, chapter.model, CAMERA)

    @torch.inference_mode()
    def refined(pictures: Tensor) -> list[Found]:
        return [
            refine(picture, found, CAMERA, second) for picture, found in zip(pictures, student(pictures), strict=True)
        ]

    return {
        "teacher": grouped, "student": student, "student, second stage": refined,
        "single": lambda pictures: [estimator.predict(picture) for picture in pictures],
        "many": lambda pictures: [estimator.predict(picture, many=True) for picture in pictures],
    }  # fmt: skip


@torch.inference_mode()
def steps(chapter: CrossModalNet, picture: Tensor) -> dict[str, Way]:
    """What teacher and student are made of, each on what comes before it of a picture (1, 3, S, S)."""
    encoder, decoder, lifter = chapter.teacher.encoder, chapter.teacher.decoder, chapter.lifter
    latent = encoder(picture)
    whole, heat, maps = decoder(latent), decoder.heat(latent)[:, ROOT : ROOT + 1], lifter(latent)
    calls: dict[str, Way] = {
        "E": encoder, "F": lambda _: decoder(latent), "grouping": lambda _: group_people(whole, CAMERA),
        "F, heat alone": lambda _: decoder.heat(latent), "H": lambda _: lifter(latent),
        "M": lambda _: read_maps(heat, maps, chapter.model, CAMERA),
    }  # fmt: skip
    return {name: torch.inference_mode()(call) for name, call in calls.items()}


def numbers_in_use(chapter: CrossModalNet, estimator: PoseEstimator) -> dict[str, int]:
    """How many parameters each way computes with: the student needs neither F's branch of fields nor Psi's encoder."""

    def count(*networks: nn.Module) -> int:
        return sum(p.numel() for network in networks for p in network.parameters())

    whole, lifter = parameters_in_use(chapter.teacher), count(chapter.lifter)
    student = whole - count(chapter.teacher.decoder.second[1]) + lifter + count(chapter.model.decoder)
    single = count(estimator.network, estimator.depth_net)
    return {
        "teacher": whole, "student": student, "student, second stage": student + lifter, "single": single,
        "many": single,  # which finds figures with the same networks
    }  # fmt: skip


def timed_rounds(calls: dict[str, Way], parts: Sequence[Tensor], rounds: int) -> dict[str, list[float]]:
    """Seconds of computing that each call takes for a picture in each round; part by part all take their turn.

    Of computing, for those of a clock on the wall are the other programs' as well.

    Args:
        calls: each takes pictures (B, 3, S, S).
        parts: of all pictures, so many at once as a call is to see.
        rounds: over all parts.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(parts[0])  # the first call loads and plans
    for _ in range(rounds):
        spent = dict.fromkeys(calls, 0.0)
        for part in parts:
            for name, call in calls.items():
                start = time.process_time()
                call(part)
                spent[name] += time.process_time() - start
        for name, seconds in spent.items():
            taken[name].append(seconds / sum(len(part) for part in parts))
    return taken


def operations(calls: dict[str, Way], pictures: Tensor) -> dict[str, int]:
    """Multiplications and additions of networks that each call takes a picture, on average; no load changes them."""
    counted = {}
    for name, call in calls.items():
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            for picture in pictures:
                call(picture[None])
        counted[name] = round(counter.get_total_flops() / len(pictures))
    return counted


def compared(taken: dict[str, list[float]]) -> dict[str, float | int]:
    """The student's seconds as a share of its teacher's, in per cent: mean over rounds and its interval; and in how
    many rounds it was the faster."""
    shares = [100 * s / t for s, t in zip(taken["student"], taken["teacher"], strict=True)]
    mean, half = results.interval(shares)
    return {
        "per cent": round(mean, 2), "half_width_95": round(half, 2), "rounds": len(shares),
        "faster": sum(share < 100 for share in shares),
    }  # fmt: skip


def measure(chapter: CrossModalNet, estimator: PoseEstimator, rounds: int = ROUNDS) -> dict:
    """Of each way milliseconds and operations a picture, pictures a second and parameters; how the student compares
    with its teacher, one picture at a time and several; milliseconds of what both are made of; and how many people a
    picture has."""
    for network in (chapter.teacher, chapter.lifter):
        on_device(torch.device("cpu"), network).eval()  # laid out as where they are trained
    drawn = drawn_pictures()
    calls, images = ways(chapter, estimator), drawn.images.float() / 255
    pose = {name: calls[name] for name in POSE}
    chapters = {name: call for name, call in calls.items() if name not in POSE}
    single = list(images.split(1))
    taken = timed_rounds(chapters, single, MORE * rounds) | timed_rounds(pose, single, rounds)
    pair = {name: calls[name] for name in ("teacher", "student")}
    together = timed_rounds(pair, [drawn_pictures(TOGETHER).images.float() / 255], MORE * rounds)
    parts = timed_rounds(steps(chapter, single[0]), single[:1], MORE * rounds)
    work, numbers = operations(calls, images), numbers_in_use(chapter, estimator)
    return {
        "student to teacher": {"one at a time": compared(taken), f"{TOGETHER} at once": compared(together)},
        "parts": {name: round(1e3 * median(all_rounds), 2) for name, all_rounds in parts.items()},
        "people a picture": round(float(drawn.present.sum(1).float().mean()), 2),
        "ways": {
            name: {"ms": round(1e3 * seconds, 2), "fps": round(1 / seconds, 2), "parameters": numbers[name],
                   "operations": work[name]}
            for name, seconds in ((name, median(all_rounds)) for name, all_rounds in taken.items())
        },
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Time every way and write it."""
    found = run_command(
        PROGRAM, main.__doc__, lambda: measure(load_chapter(), PoseEstimator.from_pretrained(device="cpu")), arguments,
        {"pictures": PICTURES, "together": TOGETHER, "rounds": ROUNDS, "side": CAMERA.size},
    )  # fmt: skip
    print(found["student to teacher"])
    for name, way in found["ways"].items():
        print(name, way)


if __name__ == "__main__":
    main()
