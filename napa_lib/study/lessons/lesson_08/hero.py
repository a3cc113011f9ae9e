"""Lesson 08: the picture at its top."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from napa_lib.skeletons import NAPA18
from napa_lib.study.figures import to_array
from napa_lib.study.lessons.lesson_08.live import view
from napa_lib.study.plots import draw_pose


def hero() -> Figure:
    """One figure on its way through the system: picture, style, stylised, its pose, bone map, painted again."""
    found = view(4)
    passed, row = found.passed, 0
    assert passed.keypoints is not None and passed.bone_map is not None and passed.reconstruction is not None
    columns = {"I": found.images, "S": found.style, "O": passed.output, "Y_2d": passed.output, "P": passed.bone_map,
               "O'": passed.reconstruction}  # fmt: skip
    page, axes = plt.subplots(1, 6, figsize=(9.6, 2.0), layout="constrained")
    arrows = ("", "", "F", "G", "R", "F'")
    for axis, arrow, (name, pictures) in zip(axes, arrows, columns.items(), strict=True):
        axis.imshow(to_array(pictures[row].detach().clamp(0, 1)))
        axis.axis("off")
        if name == "Y_2d":
            draw_pose(axis, passed.keypoints[row].detach(), NAPA18, linewidth=2.0)
            axis.set(xlim=(0, pictures.shape[-1] - 1), ylim=(pictures.shape[-1] - 1, 0))
        axis.set_title(f"{arrow} → {name}" if arrow else name, fontsize=12)
    return page
