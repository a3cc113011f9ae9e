"""Lesson 04: the picture at its top."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from napa_lib.adversarial import geometric_descriptor, open_domain
from napa_lib.data.clips import to_pixels
from napa_lib.skeletons import H36M17
from napa_lib.study.plots import draw_pose

PEOPLE = (("lab:validation", 40), ("wild:validation", 222), ("unseen:validation", 0))


def hero() -> Figure:
    """A person of each world with the pose that is true, and its descriptor: the six channels in two rows."""
    page = plt.figure(figsize=(9.6, 2.1))
    outer = page.add_gridspec(1, 3, wspace=0.08, left=0.01, right=0.99, bottom=0.03, top=0.97)
    for column, (name, row) in enumerate(PEOPLE):
        world = open_domain(name, 64).take(slice(row, row + 1))
        inner = outer[column].subgridspec(3, 3, width_ratios=[3, 1, 1], wspace=0.05, hspace=0.1)
        axis = page.add_subplot(inner[:, 0])
        axis.imshow(world.images[0].permute(1, 2, 0).numpy(), interpolation="bilinear")
        limits = axis.get_xlim(), axis.get_ylim()
        draw_pose(axis, to_pixels(world.keypoints[0], 64), H36M17, linewidth=2.0)
        axis.set(xlim=limits[0], ylim=limits[1])
        axis.axis("off")
        channels = geometric_descriptor(torch.cat([world.keypoints, world.depths[..., None]], -1))[0]
        for i, channel in enumerate(channels):
            small = page.add_subplot(inner[i % 3, 1 + i // 3])
            small.imshow(channel.numpy(), cmap="RdBu_r", vmin=-1.2, vmax=1.2)
            small.axis("off")
    return page
