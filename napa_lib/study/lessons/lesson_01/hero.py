"""Lesson 01: the picture at its top."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from napa_lib.data import crop_square, load_paintings, load_video_frames
from napa_lib.networks import VGG19Features
from napa_lib.style import JOHNSON, StylizationLoss, optimise_picture

STYLES = ("greatwave", "gogh_harvest", "kandinky", "hokusaipoppies")
SIZE, STEPS = 96, 24


def hero() -> Figure:
    """One frame of video, and the same frame optimised towards the style of four paintings."""
    frame = crop_square(load_video_frames("single", "cam01")[10], SIZE)
    styles, loss = torch.stack(load_paintings(SIZE, STYLES)), StylizationLoss(VGG19Features(), JOHNSON)
    *_, (painted, _) = optimise_picture(frame.expand_as(styles), styles, loss, STEPS, learning_rate=0.04)
    page, axes = plt.subplots(1, len(STYLES) + 1, figsize=(9.6, 2.0), layout="constrained")
    for axis, picture in zip(axes, (frame, *painted), strict=True):
        axis.imshow(picture.permute(1, 2, 0), interpolation="bilinear")
        axis.axis("off")
    for axis, style in zip(axes[1:], styles, strict=True):
        corner = axis.inset_axes((0.66, 0.0, 0.34, 0.34))
        corner.imshow(style.permute(1, 2, 0), interpolation="bilinear")
        corner.set(xticks=[], yticks=[])
    return page
