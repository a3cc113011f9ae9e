"""Lesson 06: the picture at its top."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from napa_lib.study.lessons.lesson_06.live import see, test_pictures
from napa_lib.study.lessons.lesson_06.pictures import draw_people, from_above, picture_axis

ROWS = (0, 1, 2, 3)


def hero() -> Figure:
    """Four pictures of several people, who was read out of each, and where they stand in the room."""
    pictures = test_pictures()
    found = see(pictures)[3]
    page, axes = plt.subplots(1, 2 * len(ROWS), figsize=(9.6, 1.7), layout="constrained")
    for i, row in enumerate(ROWS):
        picture_axis(axes[2 * i], pictures.images[row])
        draw_people(axes[2 * i], found[row].keypoints)
        from_above(axes[2 * i + 1], pictures.poses[row][pictures.present[row]], found[row].poses)
        axes[2 * i + 1].set(xticks=[], yticks=[])
    return page
