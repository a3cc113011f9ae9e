"""Lesson 06 outside its own pictures: figures in paintings, two people on video, and how fast all that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from napa_lib.data import load_paintings, load_video_frames
from napa_lib.data.painted_people import load_painted_people
from napa_lib.data.two_people import load_two_people
from napa_lib.evaluate.student import load_chapter
from napa_lib.evaluate.two_people import from_student, true_people
from napa_lib.multiperson.targets import JOINTS
from napa_lib.results import shipped, text_table
from napa_lib.study.lessons.lesson_06.tables import LABELS, Runs, cell, values
from napa_lib.study.plots import draw_pose

METHODS = {"estimator": "napa pose --people many", "student": "the student", "teacher": "its teacher, grouped"}
WAYS = {
    "teacher": ("teacher, grouped", "2D"), "student": ("student", "3D"),
    "student, second stage": ("student, second stage", "3D"), "single": ("napa pose, one figure", "2D and 3D"),
    "many": ("napa pose --people many", "2D and 3D"),
}  # fmt: skip
STAGES = {
    "student": "student", "second stage": "student, then napa pose's network",
    "estimator": "napa pose --people many",
}  # fmt: skip
FRAME = 2  # of the video
SHOWN = ("gogh_night_cafe", "degas_class_dance", "hokusaioirankamuro")
# Below each folded table's title, how to read it:
PAINTINGS_NOTES = (
    "Found: a pelvis within a fifth of the box's longer side from the mark. The box fits if it and the box round the "
    "joints overlap by half of their union. Finds in a crowd that nobody marked do not count. Shown each: given the "
    "boxes, one figure after another.",
    "Crops of seven of these paintings had served as backgrounds and styles of training pictures, with nobody in them "
    "labelled; napa pose found 10 of 26 figures in these and 5 of 14 in the other three.",
)
VIDEO_NOTE = (
    "Projected back, the joined poses miss their own views by 1.9 and 2.8 pixels of 480 (medians). Joints are left out "
    "where the views disagree or where a bone would be a fifth too long or too short: 23 of 100 of the man's, 3 of the "
    "woman's. The 25 of 224 pixels of 2D-PCK are more than the man's forearm."
)
COMPOSED_NOTE = (
    "The change is the mean over pictures, with half of its 95 % interval over them; a star where that leaves zero "
    "out. Each network was trained once."
)
SIGNS = {"estimator": ("X", "#D55E00", "napa pose"), "student": ("s", "#56B4E9", "student")}


def paintings() -> dict[str, Any]:
    """The stored counts."""
    return shipped("multiperson/paintings")


def paintings_table(found: Mapping[str, Any]) -> str:
    """Found, fitting and false figures, and pairs whose order of depth is right, of each method."""
    totals = found["totals"]
    lines = [["", "found", "box fits", "false", "order of depth right"]]
    labels = {**METHODS, **{f"{name}, shown": f"{label}, shown each" for name, label in METHODS.items()}}
    for name, label in labels.items():
        lines.append([label, *_counts(totals[name])])
    lines.append(["the larger is the nearer", "", "", "", _of(totals["size"]["right"], totals["size"]["pairs"])])
    return text_table(lines)


def _counts(total: Mapping[str, int]) -> list[str]:
    order = _of(total["right"], total["pairs"]) if total["pairs"] else "-"
    return [_of(total["found"], total["there"]), str(total["fitting"]), str(total["false"]), order]


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}"


def paintings_figure(found: Mapping[str, Any]) -> Figure:
    """Three of the paintings with the marked pelvises (rings) and those that were found."""
    marks = {picture.painting: picture for picture in load_painted_people()}
    entries = {entry["painting"]: entry for entry in found["pictures"]}
    images = load_paintings(names=SHOWN)
    widths = [image.shape[2] / image.shape[1] for image in images]
    page, axes = plt.subplots(
        1, len(SHOWN), figsize=(7.2, 6.9 / sum(widths) + 0.4), width_ratios=widths, layout="constrained"
    )
    for axis, name, image in zip(axes, SHOWN, images, strict=True):
        axis.imshow(image.permute(1, 2, 0).numpy(), interpolation="bilinear")
        style = {"linestyle": "none", "markeredgecolor": "black"}
        axis.plot(*marks[name].roots.T, "o", color="white", markersize=9, label="marked", **style)
        for method, (marker, color, label) in SIGNS.items():
            points = entries[name][method]["roots"]
            xs, ys = zip(*points, strict=True) if points else ((), ())
            axis.plot(xs, ys, marker, color=color, markersize=7, label=label, **style)
        axis.set(xlim=(-0.5, image.shape[2] - 0.5), ylim=(image.shape[1] - 0.5, -0.5))
        axis.axis("off")
    page.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return page


def video() -> dict[str, Any]:
    """The stored scores on the video of two people."""
    return shipped("multiperson/video")


def video_table(found: Mapping[str, Any], rows: Mapping[str, Any], runs: Runs) -> str:
    """3DPCK and 2D-PCK on the video, of what ships and of the rows of table 2, beside 3DPCK on composed pictures.

    Args:
        found: scores of what ships.
        rows: of each row of table 2 those of its seeds.
        runs: the same rows on the composed test pictures.
    """
    keys = ("pck", "pck_matched", "pck_2d", "pck_2d_matched")
    lines = [["", "found", "3DPCK", "of the found", "2D-PCK", "of the found", "composed 3DPCK"]]
    for name in ("estimator", "student"):
        scores = found[name]
        shares = [f"{scores[key]:.1f}" for key in keys]
        lines.append([METHODS[name], _of(scores["matched"], scores["people"]), *shares, ""])
    for row, seeds in rows.items():
        cells = [cell([seed[key] for seed in seeds]) for key in keys]
        matched = f"{sum(seed['matched'] for seed in seeds) / len(seeds):.0f} of {seeds[0]['people']}"
        lines.append([LABELS[row], matched, *cells, cell(values(runs, row, "3d", "pck"))])
    return text_table(lines)


def video_rows() -> dict[str, Any]:
    """The stored scores of table 2's rows on the video."""
    return shipped("multiperson/video_rows")["rows"]


def video_figure() -> Figure:
    """A frame of each camera with what the student finds (coloured) and what the other three cameras say (white)."""
    people, chapter = load_two_people(), load_chapter()
    page, axes = plt.subplots(1, len(people.names), figsize=(7.2, 3.4), layout="constrained")
    for view, (axis, name) in enumerate(zip(axes, people.names, strict=True)):
        frame = load_video_frames("multi", name)[FRAME]
        axis.imshow(frame.permute(1, 2, 0).numpy() * 0.6, interpolation="bilinear")
        for person in true_people(people, view)[FRAME].keypoints:
            for start, end in JOINTS.bones:
                axis.plot(*person[[start, end]].T, "-", color="white", linewidth=2.4)
        for person in from_student(chapter, frame).keypoints:
            draw_pose(axis, person, JOINTS, linewidth=1.2)
        axis.set(xlim=(-0.5, frame.shape[2] - 0.5), ylim=(frame.shape[1] - 0.5, -0.5))
        axis.axis("off")
    return page


def speed() -> dict[str, Any]:
    """The stored times and sizes."""
    return shipped("multiperson/speed")


def speed_table(found: Mapping[str, Any]) -> str:
    """Table 8: pictures a second, operations a picture and parameters of each way, and the paper's."""
    lines = [["", "pictures a second", "operations (10^9)", "parameters (10^6)", "gives"]]
    for name, (label, gives) in WAYS.items():
        way = found["ways"][name]
        work, size = f"{way['operations'] / 1e9:.1f}", f"{way['parameters'] / 1e6:.1f}"
        lines.append([label, f"{way['fps']:.3g}", work, size, gives])
    lines += [
        ["there, one stage (RTX 2080)", "21.2", "", "17.1", "3D"],
        ["there, two stages", "16.6", "", "", "3D"],
    ]
    return text_table(lines)


def composed() -> dict[str, Any]:
    """The stored scores of both stages and of `napa pose` on composed pictures."""
    return shipped("multiperson/composed")


def composed_table(found: Mapping[str, Any]) -> str:
    """3DPCK and what it gains on the student, picture by picture; a star where the interval leaves zero out."""
    lines = [["", "found", "false", "3DPCK", "change", "of the found", "absolute"]]
    for name, label in STAGES.items():
        way = found["ways"][name]
        mean, half = way["gain"]["mean"], way["gain"]["half_width_95"]
        change = "" if name == "student" else f"{mean:+.1f} ± {half:.1f}{' *' if abs(mean) > half else ''}"
        scores = [f"{way[key]:.1f}" for key in ("pck", "pck_matched", "pck_absolute")]
        lines.append([label, _of(way["matched"], way["people"]), str(way["false"]), scores[0], change, *scores[1:]])
    return text_table(lines)
