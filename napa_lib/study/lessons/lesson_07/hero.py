"""Lesson 07: the picture at its top."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from napa_lib.adaptation import load_pretrained, load_pretrained_transfer
from napa_lib.adaptation.store import TARGETS
from napa_lib.study.lessons.lesson_07.live import adapted_with
from napa_lib.study.lessons.lesson_07.pictures import draw_picture


def hero() -> Figure:
    """Ten noises: above, what the source draws of them; below, what two adapted generators draw."""
    source, _ = load_pretrained()
    noises = source.noise(10, torch.Generator().manual_seed(4))
    networks = [source, *(adapted_with(source, load_pretrained_transfer(name)) for name in TARGETS)]
    page, axes = plt.subplots(3, 10, figsize=(9.6, 3.0), layout="constrained")
    with torch.no_grad():
        for line, network in zip(axes, networks, strict=True):
            for axis, picture in zip(line, network(noises), strict=True):
                draw_picture(axis, picture)
    return page
