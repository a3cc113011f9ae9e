"""The two people of the video "multi", read from one view and judged by the others:
`python -m napa_lib.evaluate.two_people --results FILE`.

Source: CrossModal, section 4.3 (3DPCK) and supplement, section 4 (2D-PCK). As in MuPoTS-3D, all bodies are given one
size first, here that of `BONE_LENGTHS`: of a picture nobody can tell a small body from a far one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.data import load_video_frames
from napa_lib.data.crops import to_picture
from napa_lib.data.two_people import PEOPLE, TwoPeople, load_two_people
from napa_lib.engine import progress
from napa_lib.evaluate.composed import universal
from napa_lib.evaluate.record import run_command
from napa_lib.evaluate.student import load_chapter, read_squares, whole_square
from napa_lib.geometry import project_perspective
from napa_lib.multiperson import CrossModalNet, match_people, pck3d_people
from napa_lib.multiperson.evaluate import CORRECT, REACH, SIDE
from napa_lib.multiperson.targets import SHARED
from napa_lib.pose import PoseEstimator
from napa_lib.sampling import BONE_LENGTHS, SKELETON
from napa_lib.skeletons import NAPA18, convert

PROGRAM = "python -m napa_lib.evaluate.two_people"


@dataclass(frozen=True, eq=False)
class Seen:
    """People of a frame: joints (P, 15, 2) px and poses (P, 17, 3) mm, relative to the pelvis, in the camera's axes."""

    keypoints: Tensor
    poses: Tensor


def true_people(people: TwoPeople, view: int) -> list[Seen]:
    """Of each frame of a view those of the two whose pelvis the other views tell; NaN joints are unknown."""
    camera = people.cameras[view]
    world = people.points_without(view)
    factor = BONE_LENGTHS.sum() / whole_length(people.points())
    flat = convert(project_perspective(world, camera).float(), NAPA18, SKELETON)[..., SHARED, :]
    turned = convert((world @ camera.R.to(world).T).float(), NAPA18, SKELETON)
    relative = (turned - turned[..., :1, :]) * factor[:, None, None]
    known = ~relative[..., 0, :].isnan().any(-1)
    return [Seen(k[there], p[there]) for k, p, there in zip(flat, relative, known, strict=True)]


def whole_length(points: Tensor) -> Tensor:
    """All bones of `SKELETON` together, in mm, by their medians over frames: (T, P, 18, 3) to (P,)."""
    poses, ends = convert(points.float(), NAPA18, SKELETON), torch.tensor(SKELETON.bones)
    return (poses[:, :, ends[:, 0]] - poses[:, :, ends[:, 1]]).norm(dim=-1).nanmedian(0).values.sum(-1)


def from_estimator(estimator: PoseEstimator, picture: Tensor) -> Seen:
    """What `napa pose --people many` finds in a picture (3, H, W)."""
    flat, relative, _ = universal(estimator.predict(picture, many=True))
    return Seen(flat[:, SHARED], relative)


def from_student(chapter: CrossModalNet, picture: Tensor) -> Seen:
    """What the chapter's student finds in a picture (3, H, W), shown whole in a square."""
    (found,), _, matrices = read_squares(chapter, picture, whole_square(picture))
    flat = to_picture(found.keypoints.flatten(0, 1)[None], matrices)[0].view(found.keypoints.shape)
    return Seen(flat, found.poses - found.poses[:, :1])


def score(found: Sequence[Seen], truth: Sequence[Seen], side: int) -> dict:
    """3DPCK (15 cm, pelvises laid together) and 2D-PCK (25 of 224 px) of known joints, of all and of matched people.

    Args:
        found, truth: of each frame.
        side: the longer one of the frames in pixels; who is who is decided as in composed pictures.
    """
    pairs = [match_people(f.keypoints, t.keypoints, REACH * side) for f, t in zip(found, truth, strict=True)]
    result = pck3d_people([f.poses for f in found], [t.poses for t in truth], pairs, SKELETON.root)
    off = [(f.keypoints[i] - t.keypoints[j]).norm(dim=-1) for f, t, some in zip(found, truth, pairs, strict=True)
           for i, j in some]  # fmt: skip
    distance = torch.cat([torch.zeros(0), *off]) * SIDE / side
    right, known = float((distance < CORRECT).sum()), float((~distance.isnan()).sum())
    every = float(sum((~t.keypoints.isnan().any(-1)).sum() for t in truth))
    return {
        "pck": 100 * result.over_all,
        "pck_matched": 100 * result.over_matched,
        "pck_2d": 100 * right / every,
        "pck_2d_matched": 100 * right / known if known else float("nan"),
        "people": result.people,
        "matched": result.matched,
    }


def measure(estimator: PoseEstimator, chapter: CrossModalNet, people: TwoPeople) -> dict:
    """Both methods' scores over all frames of all views; and how well the views agree with one another."""
    readers: dict[str, Callable[[Tensor], Seen]] = {
        "estimator": lambda picture: from_estimator(estimator, picture),
        "student": lambda picture: from_student(chapter, picture),
    }
    found: dict[str, list[Seen]] = {name: [] for name in readers}
    truth: list[Seen] = []
    for view, name in enumerate(progress(people.names, "cameras")):
        truth += true_people(people, view)
        for frame in load_video_frames("multi", name):
            for method, read in readers.items():
                found[method].append(read(frame))
    side = max(frame.shape)
    return {"agreement": agreement(people), **{name: score(seen, truth, side) for name, seen in found.items()}}


def agreement(people: TwoPeople) -> dict:
    """Of each person the median distance between what was found in a view and the point of all views, in pixels, and
    the share of joints for which there is a point."""
    points = people.points()
    back = torch.stack([project_perspective(points, camera) for camera in people.cameras], 1)
    error = (back - people.keypoints).norm(dim=-1)
    return {
        name: {
            "median px": round(float(error[:, :, number].nanmedian()), 2),
            "known": round(float((~points[:, number].isnan().any(-1)).float().mean()), 3),
        }
        for number, name in enumerate(PEOPLE)
    }


def main(arguments: list[str] | None = None) -> None:
    """Judge the student and `napa pose --people many` on the video, and write it."""
    found = run_command(
        PROGRAM, main.__doc__,
        lambda: measure(PoseEstimator.from_pretrained(device="cpu"), load_chapter(), load_two_people()), arguments,
    )  # fmt: skip
    for name, scores in found.items():
        print(name, scores)


if __name__ == "__main__":
    main()
