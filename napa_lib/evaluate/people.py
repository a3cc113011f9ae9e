"""The estimator on people that others annotated: COCO's object keypoint similarity, MPII's PCKh."""

from __future__ import annotations

import contextlib
import io
import math
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from napa_lib.data.datasets import read_coco, read_mpii
from napa_lib.data.datasets.annotations import Annotations
from napa_lib.data.datasets.coco import EACH, as_listed_by_coco, identity_text, people_categories
from napa_lib.data.datasets.files import read_json
from napa_lib.engine import progress
from napa_lib.evaluate.journal import Journal
from napa_lib.metrics import MetricResult, pckh
from napa_lib.pose import PoseEstimator
from napa_lib.skeletons import COCO17, MPII16, NAPA18, Skeleton, convert

ROOM = 1.25  # side of the box that is looked at as a multiple of the annotated one's
PERSON = 1
AREA = 0.53  # of a person as a share of the box, where a file does not tell it: COCO's mean
MASKED = ("pelvis", "thorax")  # left out of MPII's mean, as by those who publish it
STATS = ("AP", "AP50", "AP75", "AP medium", "AP large", "AR", "AR50", "AR75", "AR medium", "AR large")
# What the estimator has of COCO's 17 joints: no eyes, no ears.
OWN = ~convert(torch.zeros(NAPA18.num_joints, 2), NAPA18, COCO17).isnan().any(-1)


def predict_people(
    estimator: PoseEstimator,
    annotations: Annotations,
    skeleton: Skeleton,
    boxes: bool = True,
    journal: Journal | None = None,
) -> tuple[Tensor, Tensor]:
    """An estimator's poses of annotated people, picture by picture.

    Args:
        estimator: see `PoseEstimator`.
        annotations: N people, with boxes.
        skeleton: J joints to give back.
        boxes: give it their boxes, `ROOM` times as large, or let it find one figure a picture: that of all in it.
        journal: has the pictures that are done already, and gets the others.

    Returns:
        keypoints (N, J, 2) in pixels, NaN where the joint set has a joint that cannot be had, and mean confidence (N,).

    Raises:
        ValueError: that names a picture that cannot be read or does not fit its boxes.
    """
    pictures: dict[str, list[int]] = defaultdict(list)
    for person, picture in enumerate(annotations.images):
        pictures[picture].append(person)
    points = torch.full((len(annotations), skeleton.num_joints, 2), torch.nan)
    sure = torch.zeros(len(annotations))
    for people in progress(pictures.values(), "pictures", len(pictures)):
        name = annotations.images[people[0]]
        if journal and (seen := journal.get(name)):
            points[people], sure[people] = seen
            continue
        given = box_with_room(annotations, people) if boxes else None
        image = annotations.load(people[0])
        try:
            found = estimator.predict(image, given, skeleton)
        except ValueError as error:  # such as a box that lies outside
            raise ValueError(f"picture {name!r}: {error}") from None
        for person, figure in zip(people, found if boxes else found * len(people), strict=True):
            points[person], sure[person] = figure.keypoints, figure.mean_confidence
        if journal:
            journal.add(name, points[people], sure[people])
    return points, sure


def box_with_room(annotations: Annotations, people: list[int]) -> Tensor:
    """(K, 4) boxes of some people, with room to spare; where there is none, or one that holds none of the annotated
    joints, that of these."""
    points = annotations.keypoints[people]
    low, high = points.nan_to_num(torch.inf).amin(1), points.nan_to_num(-torch.inf).amax(1)
    around = torch.cat([low, high], 1)
    told = around if annotations.boxes is None else annotations.boxes[people]
    elsewhere = (torch.maximum(told[:, :2], low) > torch.minimum(told[:, 2:], high)).any(1)
    useless = ~told.isfinite().all(1) | (told[:, :2] >= told[:, 2:]).any(1) | elsewhere
    told = torch.where(useless[:, None], around, told)
    middle, half = (told[:, :2] + told[:, 2:]) / 2, (ROOM * (told[:, 2:] - told[:, :2]) / 2).clamp(min=1.0)
    return torch.cat([middle - half, middle + half], 1)


def measure_coco(
    estimator: PoseEstimator, file: Path, pictures: Path, boxes: bool, journal: Journal | None = None
) -> dict[str, dict[str, float]]:
    """OKS-AP of an annotation file in COCO's format, by pycocotools: once over COCO's 17 joints, of which the estimator
    lacks eyes and ears (they count as missed), once over those that it has.

    Given boxes, each person is a detection in itself: that is an upper bound of what a detector's boxes would give.

    Args:
        estimator: see `PoseEstimator`.
        file: the annotations.
        pictures: the folder that their names of pictures are in.
        boxes: give the estimator the people's boxes, or let it find one figure a picture.
        journal: as for `predict_people`.

    Raises:
        ImportError: without pycocotools.
        ValueError: as `napa_lib.data.datasets.read_coco`, `coco_truth` and `Annotations.check_pictures`, before the
            first prediction.
    """
    import pycocotools  # noqa: F401  # missing: found before the measurement

    annotations = read_coco(pictures, str(file.resolve()))
    truth, numbers = coco_truth(read_json(file), annotations.images)
    annotations.check_pictures()
    points, sure = predict_people(estimator, annotations, COCO17, boxes, journal)
    results: list[dict[str, Any]] = []
    first = {picture: person for person, picture in reversed(list(enumerate(annotations.images)))}
    for person in range(len(annotations)) if boxes else first.values():
        flat = [v for x, y in points[person].tolist() for v in ((0.0, 0.0, 0) if x != x else (x, y, 1))]
        where, score = numbers[annotations.images[person]], float(sure[person])
        results.append({"image_id": where, "category_id": PERSON, "keypoints": flat, "score": score})
    own = OWN.tolist()
    return {
        "17 joints": coco_scores(truth, results, [True] * 17),
        f"{sum(own)} joints": coco_scores(truth, results, own),
    }


def coco_truth(content: dict[str, Any], pictures: tuple[str, ...]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The annotations of the measured pictures as pycocotools wants them, what a file may lack filled in.

    Args:
        content: of the annotation file, which `read_coco` has taken.
        pictures: the names of the pictures that are measured.

    Returns:
        the annotations, crowds and people without labelled joints among them, but as in `read_coco` nothing of another
        category and nothing twice; and the pictures' numbers.

    Raises:
        ValueError: naming an annotation that `read_coco` left out and that is not of the format either.
    """
    numbers = {name: k for k, name in enumerate(dict.fromkeys(pictures), 1)}
    images = {
        identity_text(image["id"]): numbers[str(PurePosixPath(image["file_name"]))]
        for image in content["images"]
        if isinstance(image, dict) and "id" in image and str(PurePosixPath(str(image.get("file_name")))) in numbers
    }
    wanted = people_categories(content["categories"], Path("the annotations"))
    people: list[dict[str, Any]] = []
    seen = set()
    for person in content["annotations"]:
        number = images.get(identity_text(person.get("image_id")))
        keypoints, category = person.get("keypoints"), identity_text(person.get("category_id"))
        if wanted and "category_id" in person and category not in wanted:
            continue
        places = wanted.get(category) or next(iter(wanted.values()), EACH)
        if number is None or not isinstance(keypoints, list) or len(keypoints) != 3 * len(places):
            continue
        try:
            counted = _counted({**person, "keypoints": as_listed_by_coco(keypoints, places)})
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"annotation {person.get('id')!r:.40} cannot be counted: {error}") from None
        mark = (number, counted["iscrowd"], *counted["keypoints"], *map(float, person.get("bbox") or ()))
        if mark not in seen:
            seen.add(mark)
            people.append({"id": len(people) + 1, "image_id": number, **counted})
    return people, numbers


def _counted(person: dict[str, Any]) -> dict[str, Any]:
    """What pycocotools counts by, of an annotation with 51 keypoints."""
    flat = [float(v or 0.0) if v == v else 0.0 for v in person["keypoints"]]
    left, top, width, height = map(float, person.get("bbox") or _around(flat))
    if not (math.isfinite(left + top) and 0 < width < math.inf and 0 < height < math.inf):
        left, top, width, height = _around(flat)
    area = float(person.get("area") or 0.0)
    return {
        "category_id": PERSON, "iscrowd": int(person.get("iscrowd") or 0), "keypoints": flat,
        "bbox": [left, top, width, height], "area": area if 0 < area < math.inf else AREA * width * height,
    }  # fmt: skip


def coco_scores(truth: list[dict[str, Any]], results: list[dict[str, Any]], joints: list[bool]) -> dict[str, float]:
    """pycocotools' ten numbers over some of the joints; NaN where there is nothing to count."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    kept = [{**person, "keypoints": _only(person["keypoints"], joints)} for person in truth]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in sorted({person["image_id"] for person in truth})],
        "categories": [{"id": PERSON, "name": "person"}],
        "annotations": [{**p, "num_keypoints": sum(v > 0 for v in p["keypoints"][2::3])} for p in kept],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes([dict(result) for result in results]), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = [math.nan if value < 0 else float(value) for value in evaluation.stats]
    return dict(zip(STATS, values, strict=True))


def measure_mpii(
    estimator: PoseEstimator, root: Path, split: str, boxes: bool, journal: Journal | None = None
) -> MetricResult:
    """PCKh@0.5 on MPII's people whose heads' sizes are known; NaN for the joints of `MASKED`, which do not count.

    Raises:
        ValueError: as `napa_lib.data.datasets.read_mpii`, and where the sizes of the heads are missing.
    """
    annotations = read_mpii(root, split)
    if annotations.head_sizes is None:
        raise ValueError(f"PCKh needs the sizes of the heads: put gt_{split}.mat into {root / 'annot'}")
    annotations = annotations.take((~annotations.head_sizes.isnan()).nonzero()[:, 0].tolist())
    annotations.check_pictures()
    points, _ = predict_people(estimator, annotations, MPII16, boxes, journal)
    target = annotations.keypoints.clone()
    target[:, [MPII16.index(name) for name in MASKED]] = torch.nan
    assert annotations.head_sizes is not None  # `take` keeps them
    missed = points.isnan().any(-1, keepdim=True) & ~points.isnan().any(-1, keepdim=True).all(0)
    return pckh(points.masked_fill(missed, torch.inf), target, annotations.head_sizes, 0.5)


def format_coco(scores: dict[str, dict[str, float]]) -> str:
    """The numbers as text, in per cent."""
    lines = [" " * 11 + "".join(f"{name:>{max(6, len(name) + 1)}}" for name in STATS)]
    for label, row in scores.items():
        lines.append(f"{label:11}" + "".join(f"{100 * v:{max(6, len(n) + 1)}.1f}" for n, v in row.items()))
    return "\n".join(lines)


def format_mpii(result: MetricResult) -> str:
    """The rate of each joint and of all, in per cent."""
    rows = [("all joints", result.total.item(), result.counted)]
    rows += [
        (f"  {name.replace('_', ' ')}", rate, int(count))
        for name, rate, count in zip(
            MPII16.joints, result.per_joint.tolist(), result.joint_counts.tolist(), strict=True
        ) if count
    ]  # fmt: skip
    return "\n".join(["                PCKh@0.5   joints", *(f"{n:16}{100 * r:8.1f}{c:9}" for n, r, c in rows)])


def _around(flat: list[float]) -> tuple[float, float, float, float]:
    """Left, top, width and height round the labelled joints of (17 x 3) numbers."""
    known = [(x, y) for x, y, flag in zip(flat[::3], flat[1::3], flat[2::3], strict=True) if flag > 0] or [(0.0, 0.0)]
    xs, ys = zip(*known, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def _only(flat: list[float], joints: list[bool]) -> list[float]:
    """(17 x 3) numbers with the flags of the other joints set to 0: not labelled."""
    return [v if place % 3 < 2 or joints[place // 3] else 0.0 for place, v in enumerate(flat)]
