"""Pictures that a pose network is for, on which `napa_lib.quantization.compress` measures what rounding does."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from napa_lib.data.synthetic import load_synthetic
from napa_lib.makers.drawings import draw_figures


def figures(size: int = 192) -> Tensor:
    """16 people of the training split and 16 drawn figures, (32, 3, size, size) in [0, 1]."""
    clips = load_synthetic("train")
    people = clips.pictures(torch.linspace(0, len(clips) - 1, 16).long())[:, 0].float() / 255
    drawn = draw_figures(16, size, torch.Generator().manual_seed(0)).images.float() / 255
    return torch.cat([interpolate(people, (size, size), mode="bilinear", antialias=True), drawn])
