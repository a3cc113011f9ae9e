"""Would the student help `napa pose --people many`? `python -m napa_lib.evaluate.proposals --results FILE`.

Of the paper's two stages the first finds people and says how far away they are, the second looks at each again. In
`napa pose` a detector of boxes finds them. Here the student's people are further candidates beside the detectors', and
its depths stand beside those of the sizes of bodies; on validation pictures alone, for it is a choice.

Source: CrossModal, section 5 (two-stage refinement) and fig. 6.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import results
from napa_lib.data import load_art_figures
from napa_lib.data.crops import to_picture
from napa_lib.data.sources import open_clips
from napa_lib.engine import progress
from napa_lib.evaluate.composed import as_found, score_ways
from napa_lib.evaluate.finding import Counts, known_box, match, scenes, within
from napa_lib.evaluate.student import CAMERA, load_chapter, read_squares, whole_square
from napa_lib.files import prepare_file
from napa_lib.loop import command
from napa_lib.multiperson import CrossModalNet, Found
from napa_lib.multiperson.composed import Composed
from napa_lib.multiperson.evaluate import match_all
from napa_lib.multiperson.experiments import MEASURED, pictures
from napa_lib.multiperson.refine import figure_boxes
from napa_lib.pose import PoseEstimator
from napa_lib.pose.estimator import PoseResult
from napa_lib.pose.finding import find_figures
from napa_lib.pose.people import proposed, refine
from napa_lib.pose.pictures import Picture, open_picture
from napa_lib.skeletons import NAPA18

PROGRAM = "python -m napa_lib.evaluate.proposals"
COMPOSED, SCENES = 40, 10  # pictures: put together as chapter 6's; and of four people each, as the detector's
WAYS = ("detector", "and student", "student alone")


def student_boxes(chapter: CrossModalNet, picture: Tensor) -> Tensor:
    """Boxes (N, 4) with room to spare round the people that the student finds in a picture (3, H, W), shown whole."""
    (found,), _, matrices = read_squares(chapter, picture, whole_square(picture))
    if not len(found.keypoints):
        return torch.zeros(0, 4)
    return figure_boxes(to_picture(found.keypoints.flatten(0, 1)[None], matrices)[0].view(found.keypoints.shape))


def candidates(estimator: PoseEstimator, chapter: CrossModalNet, picture: Tensor, opened: Picture) -> dict[str, Tensor]:
    """Square boxes (N, 4) of each of `WAYS`, N from 0 on."""
    detected = torch.cat([proposed(detector, [opened])[0] for detector in estimator.detectors])
    whole = student_boxes(chapter, picture)
    return {"detector": detected, "and student": torch.cat([detected, whole]), "student alone": whole}


def read(estimator: PoseEstimator, chapter: CrossModalNet, picture: Tensor) -> dict[str, list[PoseResult]]:
    """The people of a picture (3, H, W) by each of `WAYS`; the first is `napa pose --people many`."""
    opened, people = open_picture(picture), {}
    likeliest = find_figures(estimator.network, [opened], estimator.size)[0]
    for way, boxes in candidates(estimator, chapter, picture, opened).items():
        sure = refine(estimator.network, [opened], [boxes], estimator.size)[0]
        kept = sure if len(sure) else likeliest
        people[way] = estimator.estimate([opened], [kept], NAPA18, 1)[0]
    return people


Told = dict[tuple[int, int], bool]  # two true people, by their rows -> whether the nearer one was put nearer


def order(found: Sequence[Found], drawn: Composed) -> list[Told]:
    """Of each picture the order of depth of all people who were found, two by two."""
    told = []
    pairs = match_all([one.keypoints for one in found], drawn, CAMERA)
    for one, matched, poses, there in zip(found, pairs, drawn.poses, drawn.present, strict=True):
        depth, true = {j: float(one.poses[i, 0, 2]) for i, j in matched}, poses[there][:, 0, 2].tolist()
        told.append({(a, b): (depth[a] < depth[b]) == (true[a] < true[b]) for a in depth for b in depth if a < b})
    return told


def same_pairs(one: Sequence[Told], other: Sequence[Told]) -> tuple[int, int, int]:
    """How many pairs both tell, and how many of these each tells rightly."""
    both = [(a[pair], b[pair]) for a, b in zip(one, other, strict=True) for pair in a if pair in b]
    return len(both), sum(a for a, _ in both), sum(b for _, b in both)


def on_composed(estimator: PoseEstimator, chapter: CrossModalNet, count: int) -> dict:
    """Scores of each way on composed validation pictures, the gain on the detector alone picture by picture, and whose
    order of depth is right where `napa pose` and the student have found the same two people."""
    drawn = pictures("validation", MEASURED["validation"]).rows(slice(0, count))
    found: dict[str, list[Found]] = {way: [] for way in WAYS}
    student: list[Found] = []
    for image in progress(drawn.images.float() / 255, "composed", count):
        for way, people in read(estimator, chapter, image).items():
            found[way].append(as_found(people))
        student.append(read_squares(chapter, image, whole_square(image))[0][0])
    ways = score_ways(found, drawn, "detector", ("pck", "pck_matched", "people", "matched", "false"))
    pairs, by_size, by_student = same_pairs(order(found["and student"], drawn), order(student, drawn))
    return {"ways": ways, "order": {"pairs": pairs, "size": by_size, "student": by_student}}


def on_scenes(estimator: PoseEstimator, chapter: CrossModalNet, count: int) -> dict:
    """Found and false boxes of each way on scenes of four synthetic people of the validation split, 512 px."""
    total = {way: Counts() for way in WAYS}
    for picture, boxes in scenes(open_clips("synthetic:validation", 128, "both"), count):
        for way, people in read(estimator, chapter, picture).items():
            total[way] = total[way] + match(within(people, picture), boxes)
    return {way: asdict(counts) for way, counts in total.items()}


def on_annotated(estimator: PoseEstimator, chapter: CrossModalNet, path: Path) -> dict:
    """Found and false boxes of each way on annotated figures in art, as `napa_lib.evaluate.finding` counts them."""
    total = {way: Counts() for way in WAYS}
    for figure in progress(load_art_figures(path), "figures"):
        picture = figure.load()
        for way, people in read(estimator, chapter, picture).items():
            total[way] = total[way] + match(within(people, picture), known_box(figure)[None])
    return {way: asdict(counts) for way, counts in total.items()}


def main(arguments: list[str] | None = None) -> None:
    """Score all ways on validation pictures and write them."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="JSON file to write")
    parser.add_argument("--composed", type=int, default=COMPOSED, help="composed pictures of chapter 6, or 0")
    parser.add_argument("--scenes", type=int, default=SCENES, help="scenes of four synthetic people, or 0")
    parser.add_argument("--annotations", type=Path, metavar="FILE", help="annotated figures of one's own")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with command():
        prepare_file(options.results)
        estimator, chapter = PoseEstimator.from_pretrained(device="cpu"), load_chapter()
        found = {}
        if options.composed:
            found["composed"] = on_composed(estimator, chapter, options.composed)
        if options.scenes:
            found["scenes"] = on_scenes(estimator, chapter, options.scenes)
        if options.annotations:
            found["annotated"] = on_annotated(estimator, chapter, options.annotations)
        config = {"composed": options.composed, "scenes": options.scenes}
        made_by = results.command_line(PROGRAM, arguments)
        results.write(options.results, found, made_by, time.monotonic() - started, config)
    print(found)


if __name__ == "__main__":
    main()
