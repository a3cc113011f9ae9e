"""Lesson 03: the picture at its top."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from napa_lib.bottleneck import load_pretrained, open_clips, to_pixels
from napa_lib.skeletons import NAPA18
from napa_lib.study.lessons.lesson_03.pictures import first_frames
from napa_lib.study.plots import draw_pose

COUNT = 10


@torch.no_grad()
def hero() -> Figure:
    """Ten people, their skeleton images, and the joints found in them, by a model that never saw a label."""
    model = load_pretrained("ours")
    people = first_frames(open_clips("studio:test", 64), COUNT)
    drawn = model.image_encoder(people)
    found = to_pixels(model.skeleton_encoder(drawn), 64)
    page, axes = plt.subplots(3, COUNT, figsize=(9.6, 3.0), layout="constrained")
    for column in range(COUNT):
        picture = people[column].permute(1, 2, 0).numpy()
        axes[0, column].imshow(picture, interpolation="bilinear")
        axes[1, column].imshow(drawn[column, 0].numpy(), cmap="gray", vmin=0, vmax=1)
        axes[2, column].imshow(picture, interpolation="bilinear")
        draw_pose(axes[2, column], found[column], NAPA18, linewidth=1.2)
        axes[2, column].set(xlim=(-0.5, 63.5), ylim=(63.5, -0.5))
    for axis in axes.flat:
        axis.axis("off")
    return page
