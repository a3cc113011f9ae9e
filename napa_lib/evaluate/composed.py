"""Composed pictures of drawn people read by `napa pose`, by the student, and by the student with `napa pose` as second
stage: `python -m napa_lib.evaluate.composed --results FILE`.

Source: CrossModal, section 5 (the second stage); there H' is the method's own, here the network for single figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from napa_lib import results
from napa_lib.engine import progress
from napa_lib.evaluate.record import run_command
from napa_lib.evaluate.student import CAMERA, load_chapter, read_squares, whole_square
from napa_lib.multiperson import CrossModalNet, Found, score_3d
from napa_lib.multiperson.composed import Composed, universal_factor
from napa_lib.multiperson.experiments import MEASURED, pictures
from napa_lib.multiperson.refine import refine
from napa_lib.multiperson.targets import SHARED
from napa_lib.pose import PoseEstimator
from napa_lib.pose.estimator import PoseResult
from napa_lib.sampling import SKELETON
from napa_lib.skeletons import NAPA18, convert

PROGRAM = "python -m napa_lib.evaluate.composed"
PICTURES = 60  # the first of the test pictures
KEYS = ("pck", "pck_matched", "pck_absolute", "mpjpe", "pmpjpe", "people", "matched", "false")


def universal(people: list[PoseResult]) -> tuple[Tensor, Tensor, Tensor]:
    """Joints (P, 17, 2) px, poses (P, 17, 3) mm relative to the pelvis in the one size of all bodies, and how many of
    these mm a pixel is, (P,)."""
    flat = convert(torch.stack([one.keypoints for one in people]), NAPA18, SKELETON)
    poses = convert(torch.stack([one.pose for one in people]), NAPA18, SKELETON)
    relative = poses - poses[:, :1]
    relative = relative * universal_factor(relative)[:, None, None]
    spread = [(x - x.mean(1, keepdim=True)).flatten(1).norm(dim=1) for x in (relative[..., :2], flat)]
    return flat, relative, spread[0] / spread[1]


def as_found(people: list[PoseResult]) -> Found:
    """The estimator's people of a picture of the chapter's camera: a body of known size has a distance."""
    flat, relative, scale = universal(people)
    roots = CAMERA.unproject(flat[:, 0], CAMERA.focal * scale)
    return Found(relative + roots[:, None], flat[:, SHARED])


def from_estimator(estimator: PoseEstimator, picture: Tensor) -> Found:
    """`napa pose --people many`."""
    return as_found(estimator.predict(picture, many=True))


def single_figure(estimator: PoseEstimator) -> Callable[[Tensor, Tensor], Tensor]:
    """The estimator as what `refine` looks with again; where a figure's pelvis is, it finds by itself."""

    def second(images: Tensor, pelvis: Tensor) -> Tensor:
        side = float(images.shape[-1])
        whole = [[-0.5, -0.5, side - 0.5, side - 0.5]]
        return universal([estimator.predict(image.clamp(0, 1), whole)[0] for image in images])[1]

    return second


def measure(estimator: PoseEstimator, chapter: CrossModalNet, count: int = PICTURES) -> dict:
    """Each way's scores over the first `count` test pictures, and of 3DPCK the difference to the student's, picture by
    picture."""
    drawn = pictures("test", MEASURED["test"]).rows(slice(0, count))
    found: dict[str, list[Found]] = {"student": [], "second stage": [], "estimator": []}
    for image in progress(drawn.images.float() / 255, "pictures", count):
        (student,), _, _ = read_squares(chapter, image, whole_square(image))
        found["student"].append(student)
        found["second stage"].append(refine(image, student, CAMERA, single_figure(estimator)))
        found["estimator"].append(from_estimator(estimator, image))
    return {"ways": score_ways(found, drawn, "student", KEYS)}


def score_ways(found: Mapping[str, list[Found]], drawn: Composed, base: str, keys: Sequence[str]) -> dict:
    """Some of `score_3d`'s scores of each way to read composed pictures, and as "gain" what it changes in 3DPCK against
    the way `base`, picture by picture."""
    each = {
        name: [score_3d([one], drawn.rows(slice(row, row + 1)), CAMERA)["pck"] for row, one in enumerate(people)]
        for name, people in found.items()
    }
    ways = {}
    for name, people in found.items():
        scores, gain = score_3d(people, drawn, CAMERA), results.paired_interval(each[base], each[name])
        ways[name] = {key: scores[key] for key in keys} | {"gain": {"mean": gain.mean, "half_width_95": gain.half}}
    return ways


def main(arguments: list[str] | None = None) -> None:
    """Score the three ways and write them."""
    found = run_command(
        PROGRAM, main.__doc__, lambda: measure(PoseEstimator.from_pretrained(device="cpu"), load_chapter()),
        arguments, {"pictures": PICTURES},
    )  # fmt: skip
    for name, scores in found["ways"].items():
        print(name, scores)


if __name__ == "__main__":
    main()
