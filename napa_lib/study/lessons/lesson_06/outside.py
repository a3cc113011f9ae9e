"""Lesson 06 outside its own pictures: figures in paintings, counted, from stored results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from napa_lib.data import load_paintings
from napa_lib.data.painted_people import load_painted_people
from napa_lib.results import shipped, text_table

METHODS = {"estimator": "napa pose --people many", "student": "the student", "teacher": "its teacher, grouped"}
SHOWN = ("gogh_night_cafe", "degas_class_dance", "hokusaioirankamuro")
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
