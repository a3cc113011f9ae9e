"""Figures to compose scenes of, made up: a red block before grey, with joints on its corners and inside."""

from __future__ import annotations

import torch

from napa_lib.multiperson.composed import Cutouts

SIZE, SCALE = 112, 0.05  # px; px a mm, so that a figure of 80 px is 1.6 m high


def some_cutouts(count: int = 3) -> Cutouts:
    """`count` figures of 17 joints, 20 to 40 px wide and 80 px high."""
    images = torch.full((count, 3, SIZE, SIZE), 128, dtype=torch.uint8)
    masks = torch.zeros(count, SIZE, SIZE, dtype=torch.bool)
    keypoints = torch.empty(count, 17, 2)
    for i in range(count):
        x0, x1 = 46 - 5 * i, 66 + 5 * i
        masks[i, 16:97, x0 : x1 + 1] = True
        keypoints[i] = torch.stack([torch.linspace(x0, x1, 17), torch.linspace(16, 96, 17).roll(9)], 1)
    images[:, 0][masks], images[:, 1][masks], images[:, 2][masks] = 255, 0, 0
    relative = torch.cat([(keypoints - keypoints[:, :1]) / SCALE, torch.zeros(count, 17, 1)], -1)
    return Cutouts(images, masks, keypoints, relative, torch.full((count,), SCALE))
