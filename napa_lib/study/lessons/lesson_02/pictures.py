"""Lesson 02's pictures: loops, the film of a fit, what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib import data
from napa_lib.lifting import Fit, bone_loop, place_in_map
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18, Skeleton
from napa_lib.study.figures import pictures
from napa_lib.study.guesses import mark_guess
from napa_lib.study.lessons.lesson_02.tables import stored

QUARTERS = ((0, "t = 0, 1", (-30, -22)), (20, "1/4", (4, -16)), (40, "1/2", (6, 8)), (60, "3/4", (-20, 8)))
LEVELS = ((0, "small and blurred"), (80, "ends turned"), (120, "half size"), (160, "full size"))
CASES = {
    "training_clips": "training clips",
    "clean": "unseen clips",
    "noisy": "2 % noise",
    "incomplete": "4 joints missing",
}


def loops_figure(stick: Skeleton) -> Figure:
    """The oval of one bone and five of its loops, with the times of the outermost.

    Args:
        stick: three joints, the first bone between the first two.
    """
    start, end = torch.tensor([5.0, 26.0]), torch.tensor([55.0, 8.0])
    loops = bone_loop(start, end, width=20.0, n_loops=5, n_points=81)  # (5, 81, 2)
    oval = render_bone_map(torch.stack([start, end, end])[None], stick, (34, 60), width=20.0)[0, 0]
    page, axis = plt.subplots(figsize=(4.4, 2.5))
    axis.imshow(oval, cmap="Oranges", vmax=3)
    for loop in loops:
        axis.plot(*loop.T, "-", color="black", linewidth=1)
    for t, name, shift in QUARTERS:
        axis.plot(*loops[-1, t], "ws", markeredgecolor="black")
        axis.annotate(name, tuple(loops[-1, t].tolist()), shift, textcoords="offset points", fontsize=11)
    axis.set(xlim=(-2, 60), ylim=(33, -1))
    axis.axis("off")
    return page


def bodies_figure(moments: Sequence[tuple[str, int]]) -> Figure:
    """Bone maps of moments of motion capture, each scaled to fill its map.

    Args:
        moments: (clip, frame).
    """
    maps = []
    for clip, frame in moments:
        pose = data.to_camera(data.load_mocap(clip).poses[frame : frame + 1], azimuth=0.8, elevation=0.1)
        placed, _ = place_in_map(pose[..., :2], 224, margin=10.0)
        maps.append(render_bone_map(placed, NAPA18, 224, 20.0)[0])
    return pictures(maps, titles=[clip for clip, _ in moments], columns=6)


def film_figure(fit: Fit, errors: Tensor, steps: Sequence[int]) -> Figure:
    """Frames of a fit, each with its step and its error.

    Args:
        fit: of one pose.
        errors: (steps + 1,) in pixels.
        steps: which to show.
    """
    film = [render_bone_map(fit.trajectory[step], NAPA18, 224, 20.0, softness=1.0)[0] for step in steps]
    return pictures(film, titles=[f"step {step}: {errors[step]:.1f} px" for step in steps], columns=4)


def fit_error_figure(errors: Tensor, guess: float | None = None) -> Figure:
    """A fit's error over its steps, with what happens when, and the reader's prediction of its end in px."""
    page, axis = plt.subplots(figsize=(5.2, 2.4))
    axis.semilogy(errors)
    axis.axhline(1.0, color="black", linestyle=":", linewidth=1)
    for step, name in LEVELS:
        axis.axvline(step, color="black", linewidth=0.5)
        axis.text(step + 2, 24, name, fontsize=8)
    axis.set(xlabel="step", ylabel="mean error (px)", ylim=(0.1, 40))
    mark_guess(axis, y=guess)
    return page


def reach_figure(guess: str | None = None) -> Figure:
    """From how far joints are found: bones and points, in colours and in white, three seeds.

    Args:
        guess: the one that the reader expects to find most from 30 px.
    """
    result = stored("reach")
    page, axis = plt.subplots(figsize=(4.8, 2.7))
    for name, marker in (("bones", "o"), ("points", "s"), ("white bones", "^"), ("white points", "v")):
        x = [row["distance_px"] for row in result[name]]
        y, e = ([row["share_found"][part] for row in result[name]] for part in ("mean", "half_width_95"))
        axis.errorbar(x, y, e, marker=marker, capsize=3, label=name + (" (your prediction)" if name == guess else ""))
    axis.set(xlabel="each joint begins this far off (px)", ylabel="share found", ylim=(0, 1))
    axis.legend()
    return page


def depth_figure(guess: str | None = None) -> Figure:
    """Errors of three inputs in four conditions, beside those of each bone's mean depth.

    Args:
        guess: the input that the reader expects to be best on unseen clips.
    """
    result = stored("depth")
    page, axis = plt.subplots(figsize=(6.4, 3.0))
    for place, (name, marker) in enumerate(zip(result["inputs"], "osD", strict=False)):
        rows = [result["inputs"][name]["summary"][case]["mpjpe"] for case in CASES]
        x = np.arange(len(CASES)) + 0.12 * (place - 1)
        mean, half = ([row[part] for row in rows] for part in ("mean", "half_width_95"))
        axis.errorbar(
            x, mean, half, fmt=marker, capsize=4, label=name + (" (your prediction)" if name == guess else "")
        )
    flat = [result["mean_depth"][case]["all"]["mpjpe"] for case in CASES]
    axis.plot(np.arange(len(CASES)), flat, "k_", markersize=40, label="mean depth")
    axis.set(xticks=range(len(CASES)), xticklabels=CASES.values(), ylabel="MPJPE (mm)", ylim=(0, None))
    axis.legend(ncols=2, fontsize=9, markerscale=0.5)
    return page


def why_figure() -> Figure:
    """Error against what bones hide of each other, for three inputs, and how far bones fall behind points."""
    result, names = stored("why"), stored("depth")["inputs"]
    page, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2))
    x = 100 * np.array(result["hidden_share"])
    for name, marker in zip(names, "osD", strict=False):
        left.plot(x, [row["mean"] for row in result["mpjpe"][name]], marker=marker, label=name)
    left.set(xlabel="hidden by other bones (% of the ovals)", ylabel="MPJPE (mm)", ylim=(0, None))
    left.legend(fontsize=9)
    gap = result["bones_minus_points"]
    right.errorbar(x, [g["mean"] for g in gap], [g["half_width_95"] for g in gap], marker="o", capsize=4)
    right.axhline(0, color="black", linestyle=":", linewidth=1)
    right.set(xlabel="hidden (%)", ylabel="bones minus points (mm)")
    return page


def rounding_words() -> str:
    """What rounding coordinates to the map's pixels costs."""
    exact, rounded = (stored("why")["mpjpe_all"][name]["mean"] for name in ("coordinates", "coordinates rounded"))
    return f"Coordinates {exact:.1f} mm, rounded to pixels of the map {rounded:.1f} mm."


def training_figure(record: Sequence[dict], error: float) -> tuple[Figure, str]:
    """The loss of a training and its alt text.

    Args:
        record: what `train_depth_net` returns of it.
        error: MPJPE on unseen clips in mm, for the title.
    """
    page, axis = plt.subplots(figsize=(5.2, 2.4))
    axis.plot([entry["step"] for entry in record], [entry["depth"] for entry in record])
    axis.set(xlabel="step", ylabel="L_depth", title=f"MPJPE on unseen clips: {error:.0f} mm")
    return page, f"The loss over {record[-1]['step']} steps, a point the mean of a twentieth; it falls."
