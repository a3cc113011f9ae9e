"""Lesson 00: what is right, what is wrong and why."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from napa_lib.pose import PoseResult
from napa_lib.skeletons import COCO17
from napa_lib.study.exercises import Verdict, close, number, numbers, right, wrong


def check_mirrored_x(answer) -> Verdict:
    x = number(answer, "the coordinate")
    if x == 339:
        return right("with W pixels the last centre is at W - 1, so x goes to W - 1 - x = 400 - 1 - 60 = 339.")
    if x == 340:
        return wrong("340 is W - x. Pixel centres run from 0 to W - 1: where does the first one, x = 0, go?")
    if x == 60:
        return wrong("60 is where the wrist was. The name changes sides, and the point moves as well.")
    return wrong("count from the other side: the first pixel centre is 0, the last one is 399.")


def check_flip(flip_pose) -> Verdict:
    pose = np.array([[10.0, 5.0], [90.0, 6.0], [40.0, 40.0], [np.nan, np.nan], [70.0, 80.0]])
    pairs, width = [(0, 1), (3, 4)], 101
    expected = pose[[1, 0, 2, 4, 3]] * [-1, 1] + [width - 1, 0]
    got = numbers(flip_pose(pose.copy(), pairs, width), (5, 2), "the flipped pose")
    if close(got, expected):
        twice = numbers(flip_pose(got.copy(), pairs, width), (5, 2), "the pose flipped twice")
        if close(twice, pose):
            return right("x is mirrored and the sides trade names; doing it twice gives the pose back.")
    if close(got[:, 0], expected[:, 0]) and close(got[:, 1], pose[:, 1]):
        return wrong("the x of a pair have traded places, their y have not: a joint moves with both its coordinates.")
    if close(got[0], got[1]) and close(got[3], got[4]):
        return wrong("both joints of a pair lie on one spot: a row of an array is a view, and the first assignment "
                     "overwrote it. Swap with copies: `flipped[[a, b]] = flipped[[b, a]]`.")  # fmt: skip
    if close(got, pose * [-1, 1] + [width - 1, 0]):
        return wrong("x is mirrored, but the joint called left is still the person's old left. Swap each pair.")
    if close(got, pose[[1, 0, 2, 4, 3]]):
        return wrong("the sides have traded names, but every joint stays where it was. Mirror x as well.")
    if close(got, expected + [1, 0]):
        return wrong("every x is one pixel too large: the last pixel centre is at width - 1.")
    if close(got[:, 0], expected[:, 0]):
        return wrong("x is right, y is not: a mirror leaves heights alone.")
    if close(got, expected - [width - 1, 0]):
        return wrong("a minus alone sends every joint out of the picture, to the left: x becomes width - 1 - x.")
    if close(got, (pose * [1, -1] + [0, width - 1])[[1, 0, 2, 4, 3]]):
        return wrong("that stands the picture on its head: x is column 0, `flipped[:, 0]`, and y is column 1.")
    if close(got[0], pose[1]) and close(got[2], expected[2]):
        return wrong("a side was taken over from the pose as it was before the mirror: swap the mirrored joints.")
    if close(got, pose * [-1, 1] + [width, 0]):
        return wrong("two things: every x is one pixel too large, and the sides have not traded names.")
    return wrong("a toy: in a picture 5 wide, a left hand at (4, 3) and a right one at (1, 1), one pair. Mirrored, the "
                 "left hand is at (3, 1) and the right one at (0, 3).")  # fmt: skip


def check_pckh(my_pckh) -> Verdict:
    rng = np.random.default_rng(3)
    target = rng.uniform(20, 80, (14, 2))
    angle, miss = rng.uniform(0, 2 * np.pi, 14), rng.uniform(1, 40, 14)
    prediction = target + miss[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    head = 30.0
    target[[3, 9]] = np.nan
    seen = ~np.isnan(target[:, 0])
    got = number(my_pckh(prediction.copy(), target.copy(), head), "the score")
    expected = float((miss[seen] < 0.5 * head).mean())
    edge = number(my_pckh(np.array([[3.0, 4.0]]), np.zeros((1, 2)), 10.0), "the score")
    lost = number(my_pckh(np.array([[0.0, 0.0], [np.nan, np.nan]]), np.zeros((2, 2)), 10.0), "the score")
    l1 = np.abs(prediction - target).sum(-1)[seen]
    usual = {
        float((miss[seen] < 0.5 * head).sum() / 14): "you divide by all 14 joints. A joint that nobody annotated (NaN) "
        "is neither right nor wrong: leave it out. (`== np.nan` finds none: NaN equals nothing. Use `np.isnan`.)",
        float((miss[seen] < head).mean()): "that is the share within a whole head size; the threshold is half of it.",
        float((l1 < 0.5 * head).mean()): "that measures |dx| + |dy|. The distance is sqrt(dx² + dy²).",
        float((miss[seen] < 0.25 * head).mean()): "that is `PCKh@0.25`; here half a head is near enough.",
        float((miss[seen] ** 2 < 0.5 * head).mean()): "you compare the square of the distance: take its root. Or norm "
        "took all joints at once: say `axis=-1`.",
        float((np.abs(prediction - target)[seen] < 0.5 * head).mean()): "you count coordinates, x and y apart. A joint "
        "has one distance, sqrt(dx² + dy²).",
        float((np.abs(prediction - target)[seen].max(-1) < 0.5 * head).mean()): "that looks at the larger of |dx| and "
        "|dy|. The distance is sqrt(dx² + dy²).",
        float((miss[seen] < 0.5 * head).sum()): "that is how many joints are right: divide by how many were annotated.",
        float(miss[seen].mean() / head): "that is the mean distance in heads. Count the joints that are near enough.",
        1 - expected: "that is the share of wrong joints.",
        100 * expected: "that is a percentage; scores here are fractions from 0 to 1.",
    }
    if close(got, expected) and edge == 0.0 and not close(lost, 0.5):
        return wrong("nearly: a joint that is annotated and that the estimator did not find (NaN in `prediction`) is a "
                     "miss. Only those that nobody annotated (NaN in `target`) do not count.")  # fmt: skip
    if close(got, expected) and edge == 0.0:
        return right(f"{expected:.3f} on this test pose. NaN joints are left out, and exactly half a head is a miss.")
    if close(got, expected):
        return wrong("nearly: a joint exactly half a head away counts as a miss. The comparison is strict, `<`.")
    if np.isnan(got):
        return wrong("your score is NaN: a missing joint got into the mean.")
    for value, hint in usual.items():
        if close(got, value):
            return wrong(hint)
    return wrong(f"on a test pose the score should be {expected:.3f}, yours is {got:.3f}. Try the toy above: head size "
                 "2, joints 0, 0.9 and 1 px off, two of three right.")  # fmt: skip


def check_crop(to_crop) -> Verdict:
    points = np.array([[100.0, 50.0], [129.5, 69.5], [159.0, 89.0], [171.0, 40.0]])  # the last one outside the box
    box, size = (99.5, 49.5, 159.5, 89.5), (30, 20)
    got = numbers(to_crop(points.copy(), box, size), (4, 2), "the cropped pose")
    shifted = (points - [99.5, 49.5]) * 0.5
    if close(got, shifted - 0.5):
        other = numbers(to_crop(points.copy(), (99.5, 49.5, 159.5, 89.5), (120, 20)), (4, 2), "the cropped pose")
        if close(other, (points - [99.5, 49.5]) * [2.0, 0.5] - 0.5):
            return right("the box's edge is half a pixel outside the first pixel centre, before and after the resize.")
        return wrong("right for this crop, but with another width the two axes need their own factor each.")
    if close(got[:3], shifted[:3] - 0.5):
        return wrong("a joint outside the box is outside the crop, too: an outstretched hand. Leave it there, do not "
                     "move it to the edge, and do not drop it.")  # fmt: skip
    if close(got, shifted):
        return wrong("half a pixel is missing: the crop's edge lies at -0.5, its first pixel centre at 0.")
    if close(got, points * 0.5 - 0.5) or close(got, points * 0.5):
        return wrong("the points are scaled but not moved: subtract the box's corner first.")
    if close(got, (points - [99.5, 49.5]) * 2 - 0.5) or close(got, (points - [99.5, 49.5]) * 2):
        return wrong("the factor is upside down: it is new size / old size.")
    usual = (
        (shifted + 0.5, "the sign of the half pixel: the crop's edge lies at -0.5, so half a pixel is taken away."),
        (shifted - 0.25, "the half pixel is taken away before the scaling and shrinks with it: do so at the end."),
        (points - [99.5, 49.5] - 0.5, "the points are moved but not scaled: multiply by new size / box size."),
        (points - [99.5, 49.5], "the points are moved but not scaled: multiply by new size / box size."),
        (shifted * [29 / 30, 19 / 20], "from edge to edge a crop is its whole size, 30 pixels for `size` (30, 20), not "
         "size - 1; then half a pixel leads from the edge to the first centre."),
        ((points - [99.5, 49.5]) * [20 / 60, 30 / 40] - 0.5, "width and height are swapped: `size` is (width, height), "
         "and width belongs to x."),
        ((points - [99.5, 49.5]) * [30 / 159.5, 20 / 89.5] - 0.5, "`box` ends with a corner, not with a size: the "
         "box is x1 - x0 wide."),
        (np.stack([shifted[:, 0] - 0.5, points[:, 1]], -1), "x is right; y goes the same way, with the height."),
    )  # fmt: skip
    for value, hint in usual:
        if close(got, value):
            return wrong(hint)
    return wrong("step by step: distance from the box's corner, times new size / box size, minus half a pixel.")


def check_worst_pose(worst_pose) -> Verdict:
    target, head = np.random.default_rng(1).uniform(50, 200, (14, 2)), 40.0
    got = numbers(worst_pose(target.copy(), head), (14, 2), "the pose")
    if np.isnan(got).any():
        return wrong("leaving joints out (NaN) is no answer: a prediction names every joint.")
    distance = np.linalg.norm(got - target, axis=-1)
    if (distance >= 0.5 * head).all() and close(distance.max(), 0.5 * head):
        return wrong("every joint is exactly half a head away, and the comparison is strict: this scores 0.")
    if (distance >= 0.5 * head).any():
        return wrong(f"PCKh is {np.mean(distance < 0.5 * head):.2f}: some joints are further off than half a head.")
    if distance.mean() < 0.45 * head:
        return wrong(f"PCKh is 1, but the mean error is only {distance.mean() / head:.2f} heads; 0.45 is asked.")
    return right(
        f"PCKh is 1.00 and every joint is {distance.mean() / head:.2f} heads off. A score says how often a prediction "
        "is near enough, not how near."
    )


def check_doubtful(doubtful) -> Verdict:
    names = COCO17.joints
    order = np.random.default_rng(5).permutation(len(names))
    confidence = torch.tensor((order + 1) / 20, dtype=torch.float32)  # 0.05 to 0.85, all different
    points = torch.arange(2.0 * len(names)).reshape(-1, 2)
    face = [names.index(f"{side}_{part}") for part in ("eye", "ear") for side in "lr"]
    confidence[face], points[face] = 0.0, torch.nan
    confidence[names.index("r_wrist")] = 0.0  # it is there, and nobody could be less sure of it
    result = PoseResult(points, torch.zeros(len(names), 3), confidence, (0.0, 0.0, 40.0, 40.0), COCO17)
    limit = float(confidence[names.index("l_knee")])  # one joint lies exactly on it
    ranked = [j for j in confidence.argsort().tolist() if j not in face]
    expected = [names[j] for j in ranked if confidence[j] < limit]
    answer = doubtful(result, limit)
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        return wrong(f"return a list of names, such as ['nose', 'l_hip']; yours is {answer!r}.")
    got = list(answer)
    if got and all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in got):
        return wrong("names alone: leave out what stands beside them in each pair.")
    if got == [name for name in expected if name != "r_wrist"]:
        return wrong("a joint that was found with a confidence of 0 is missing: it is the most doubtful of all. What "
                     "tells that a joint is not there is the NaN in `keypoints`.")  # fmt: skip
    if got == expected:
        return right("unsure joints, the least sure first; what is not there is no doubtful joint, it is no joint.")
    if got and all(isinstance(j, (int, np.integer)) for j in got):
        return wrong("return the joints' names, not their indices: `result.skeleton.joints[j]`.")
    if set(got) == set(expected):
        return wrong("the right joints in another order: the least sure should come first.")
    if set(got) == {*expected, *(names[j] for j in face)}:
        return wrong("eyes and ears are NaN in `keypoints`: a joint that is not there cannot be doubted. (`!= np.nan` "
                     "is always true: ask `.isnan()`.)")  # fmt: skip
    if set(got) == {*expected, "l_knee"}:
        return wrong("one too many: the joint exactly at the threshold is not below it.")
    if not set(got) & set(expected):
        return wrong("these are the sure ones, or none at all: keep confidences below the threshold.")
    return wrong("compare with the bars of the figure above: only joints whose bar ends before the threshold.")
