"""Lesson 09: the picture at its top."""

from __future__ import annotations

from matplotlib.figure import Figure

from napa_lib.study.lessons.lesson_09.live import open_folder
from napa_lib.study.lessons.lesson_09.pictures import poses_figure

SHOWN = (1, 4, 7, 10, 13, 16)


def hero() -> Figure:
    """Six of the figures that ship, each with its annotated pose."""
    figures = open_folder()
    return poses_figure({"": [(figures[i], figures[i].keypoints) for i in SHOWN]})
