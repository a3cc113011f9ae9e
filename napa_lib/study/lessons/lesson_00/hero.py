"""Lesson 00: the picture at its top, which is the README's, too."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from napa_lib.data import load_art_figures
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import ART14
from napa_lib.study.plots import draw_pose


def hero() -> Figure:
    """Two painted figures with their annotated poses, each beside its bone map."""
    figures = {figure.name: figure for figure in load_art_figures()}
    chosen = [figures[name] for name in ("gogh_painter_on_road", "gogh_pere_tanguy")]
    page, axes = plt.subplots(1, 4, figsize=(9.6, 2.4), layout="constrained")
    for figure, (left, right) in zip(chosen, (axes[:2], axes[2:]), strict=True):
        (width, height), (x0, y0, x1, y1) = figure.size, figure.box
        bones = render_bone_map(figure.keypoints[None], ART14, (height, width), width=0.09 * (y1 - y0))
        left.imshow(figure.load().permute(1, 2, 0))
        draw_pose(left, figure.keypoints, ART14, linewidth=2.5)
        right.imshow(bones[0].permute(1, 2, 0))
        side, middle, top = min(y1 - y0, width, height), (x0 + x1) / 2, max(y0, 0)
        for axis in (left, right):
            axis.axis("off")
            axis.set(xlim=(middle - side / 2, middle + side / 2), ylim=(top + side - 0.5, top - 0.5))
    return page
