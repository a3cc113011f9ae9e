"""Lesson 08's pictures: the pipeline as it runs, the balance board, the reach of the gradient, curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from napa_lib.data import load_art_figures
from napa_lib.loop import Record
from napa_lib.results import interval, shipped_runs
from napa_lib.skeletons import ART14, NAPA18
from napa_lib.study.figures import PALETTE, to_array
from napa_lib.study.guesses import mark_guess
from napa_lib.study.lessons.lesson_08 import tables
from napa_lib.study.lessons.lesson_08.live import CONFIG, Board, View, reach, system, view
from napa_lib.study.plots import draw_pose
from napa_lib.study.poses import draw_pose_3d
from napa_lib.training.objective import SYMBOLS
from napa_lib.training.stages import stage_of, trained_in

LEARNS, FIXED, DATA = "#9fd0f0", "#d9d9d9", "#fdf3dc"
PLACES = {  # what the pipeline's picture shows, and where: columns from the left, rows from the top
    "I": (0.0, 0.0), "S": (0.0, 2.0), "F": (1.3, 0.0), "O": (2.6, 0.0), "G": (3.9, 0.0), "Y_2d": (5.2, 0.0),
    "R": (6.5, 0.0), "P": (6.5, 1.1), "G'": (5.2, 1.1), "Y_depth": (3.9, 1.1), "F'": (5.2, 2.2), "O'": (3.9, 2.2),
    "VGG": (1.3, 1.1), "VGG'": (2.6, 2.2),
}  # fmt: skip
WAYS = (("I", "F"), ("S", "F"), ("F", "O"), ("O", "G"), ("G", "Y_2d"), ("Y_2d", "R"), ("R", "P"), ("P", "G'"),
        ("G'", "Y_depth"), ("P", "F'"), ("F'", "O'"), ("O", "VGG"), ("O'", "VGG'"), ("O", "VGG'"))  # fmt: skip
FROM = {"F": 1, "O": 1, "VGG": 1, "I": 1, "S": 1}  # stage in which a thing first takes part; 2 unless said, 4 for F'
LAST = ("F'", "O'", "VGG'")


def opening_figure(found: View) -> Figure:
    """Columns I, S, O, the keypoints on O, P and O', a row a figure."""
    passed = found.passed
    assert passed.keypoints is not None and passed.bone_map is not None and passed.reconstruction is not None
    columns = (
        ("I", found.images), ("S", found.style), ("O = F(I, S)", passed.output), ("Y_2d = G(O)", passed.output),
        ("P = R(Y_2d)", passed.bone_map), ("O' = F'(P, S)", passed.reconstruction),
    )  # fmt: skip
    page, axes = plt.subplots(len(found.images), 6, figsize=(7.2, 1.35 * len(found.images)), squeeze=False)
    for column, (title, pictures) in enumerate(columns):
        for row, picture in enumerate(pictures.detach()):
            axis = axes[row, column]
            axis.imshow(to_array(picture.clamp(0, 1)))
            axis.axis("off")
            if title.startswith("Y_2d"):
                draw_pose(axis, passed.keypoints[row].detach(), NAPA18, linewidth=1.5)
                axis.set(xlim=(0, picture.shape[-1] - 1), ylim=(picture.shape[-1] - 1, 0))
            if row == 0:
                axis.set_title(title, fontsize=8)
    return page


def pipeline_figure(number: int) -> Figure:
    """The system as it stands in a stage: every network with its parameters, what passes, which losses.

    Of a network of which a part is frozen, as of G its backbone, both counts are given: what learns, and all.
    """
    stage, found = stage_of(number), view(number)
    page, axis = plt.subplots(figsize=(7.2, 3.7))
    there = {name for name in PLACES if _since(name) <= number} - ({"VGG"} if number == 2 else set())
    for start, end in WAYS:
        if {start, end} <= there:
            _arrow(axis, PLACES[start], PLACES[end])
    if number == 4:
        axis.plot([0, 0, 5.2, 5.2], [2.4, 3.0, 3.0, 2.6], linestyle="-", color="0.45", linewidth=1)
    networks, shapes = system().networks, _shapes(found)
    trained = system().train_only(trained_in(stage, CONFIG))
    for name, place in PLACES.items():
        if name not in there:
            continue
        if name in networks:
            learns = name in trained
            words = f"{name}\n{_parameters(networks[name])}\n{'learns' if learns else 'fixed'}"
            _box(axis, place, words, LEARNS if learns else FIXED, bold=learns)
        else:
            _box(axis, place, f"{name}\n{shapes.get(name, 'renderer')}", "white" if name == "R" else DATA)
    for words, (x, y) in _losses(number).items():
        axis.text(x, y, words, ha="center", va="center", fontsize=8, color="#8a3b00", style="italic")
    axis.set(xlim=(-0.65, 7.15), ylim=(3.2, -0.85))
    axis.set_title(f"Stage {number}: {stage.title}", fontsize=10)
    axis.axis("off")
    return page


def _parameters(network: nn.Module) -> str:
    """How many, in millions, and of how many where only a part of them learns."""
    count, learning = (sum(p.numel() for p in network.parameters() if p.requires_grad or not only) / 1e6
                       for only in (False, True))  # fmt: skip
    return f"{learning:.1f} of {count:.1f} M" if 0 < learning < count else f"{count:.1f} M"


def _since(name: str) -> int:
    return 4 if name in LAST else FROM.get(name, 2)


def _shapes(found: View) -> dict[str, str]:
    passed = found.passed
    tensors = {"I": found.images, "S": found.style, "O": passed.output, "Y_2d": passed.keypoints,
               "Y_depth": passed.depths, "P": passed.bone_map, "O'": passed.reconstruction}  # fmt: skip
    shapes = {name: " x ".join(map(str, t.shape[1:])) for name, t in tensors.items() if t is not None}
    return {"P": shapes["I"], **shapes}


def _losses(number: int) -> dict[str, tuple[float, float]]:
    groups = stage_of(number).losses
    found = {}
    if "style" in groups:
        found["8 style terms"] = (1.3, 1.72)
    if "pose" in groups:
        found |= {"L_2d": (5.2, -0.62), "L_depth": (3.0, 1.1)}
    if "supervision" in groups:
        found["3 self-supervision terms"] = (2.4, 2.83)
    return found


def _box(axis: Axes, place: tuple[float, float], words: str, colour: str, bold: bool = False) -> None:
    x, y = place
    patch = FancyBboxPatch((x - 0.5, y - 0.38), 1.0, 0.76, boxstyle="round,pad=0.02", facecolor=colour,
                           edgecolor="0.3", linewidth=2.0 if bold else 0.8)  # fmt: skip
    axis.add_patch(patch)
    axis.text(x, y, words, ha="center", va="center", fontsize=8)


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    (x0, y0), (x1, y1) = start, end
    if abs(x1 - x0) > 0.6:
        x0, x1 = x0 + 0.53 * np.sign(x1 - x0), x1 - 0.53 * np.sign(x1 - x0)
    if abs(y1 - y0) > 0.6:
        y0, y1 = y0 + 0.4 * np.sign(y1 - y0), y1 - 0.4 * np.sign(y1 - y0)
    axis.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "->", "color": "0.45"})


def board_figure(rows: Board) -> Figure:
    """Of each term, what it weighs in the sum and how hard it pulls at O, both on a logarithmic scale."""
    rows = sorted(rows, key=lambda row: row[4])
    page, axis = plt.subplots(figsize=(7.2, 3.4))
    places = np.arange(len(rows))
    axis.barh(places + 0.2, [row[3] for row in rows], 0.38, color="0.75", hatch="//", label="ratio times value")
    axis.barh(places - 0.2, [max(row[4], 1e-3) for row in rows], 0.38, color=PALETTE[0], label="gradient on O, length")
    axis.set(xscale="log", xlim=(0.1, 6e4), yticks=places, xlabel="logarithmic scale")
    axis.set_yticklabels([f"{SYMBOLS[row[0]]}  x {row[2]:g}" for row in rows], fontsize=9)
    for place, row in enumerate(rows):
        axis.text(max(row[3], row[4], 0.1) * 1.2, place, f"{row[3]:.0f}, {row[4]:.1f}", va="center", fontsize=8)
    axis.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return page


def reach_figure(number: int, cut: Callable[[Tensor], Tensor] | None = None) -> Figure:
    """The reach of the gradient: groups of losses down, networks across; darker is longer; a dot where none is."""
    found = reach(number, cut)
    names = list(system().networks)
    page, axis = plt.subplots(figsize=(6.4, 0.6 + 0.42 * len(found)))
    lengths = np.array([[row[name] for name in names] for row in found.values()])
    shades = np.where(lengths > 0, np.log10(np.maximum(lengths, 1e-6)), np.nan)
    axis.imshow(shades, cmap="Blues", vmin=-3, vmax=7, aspect="auto")
    for i, row in enumerate(lengths):
        for j, value in enumerate(row):
            axis.text(j, i, f"{value:.2g}" if value else "·", ha="center", va="center", fontsize=9)
    axis.set(xticks=range(len(names)), yticks=range(len(found)))
    axis.set_xticklabels(names)
    axis.set_yticklabels(list(found))
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    return page


def judge_figure(seen: Record, guess: float | None = None) -> Figure:
    """L_cos while the VGG learns along: as it sees it itself, and as an untouched one does, and a guess of this."""
    page, axis = plt.subplots(figsize=(5.6, 2.6))
    steps = [entry["step"] for entry in seen]
    axis.plot(steps, [entry["untouched"] for entry in seen], marker="s", label="an untouched VGG")
    axis.plot(steps, [entry["own"] for entry in seen], marker="o", label="the VGG that learns along")
    axis.set(xlabel="steps of stage 1", ylabel="L_cos")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylim(0, 1.15 * max(max(entry["own"], entry["untouched"], guess or 0) for entry in seen))
    mark_guess(axis, y=guess)
    axis.legend(fontsize=9)
    return page


def curve_figure(curve: Sequence[float]) -> Figure:
    """A loss over its steps, and the means of every four."""
    window = 4
    page, axis = plt.subplots(figsize=(6.4, 2.6))
    axis.plot(range(1, len(curve) + 1), curve, linestyle="-", color="0.6", linewidth=1.2, label="loss")
    whole = len(curve) // window
    means = np.array(curve[: whole * window]).reshape(whole, window).mean(1)
    axis.plot(window * np.arange(1, whole + 1), means, "o", color=PALETTE[1], label=f"mean of {window} steps")
    axis.set(xlabel="step", ylabel="loss", xticks=range(0, len(curve) + 1, 2 * window))
    axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize=9)
    return page


def stages_figure(records: Mapping[int, Record]) -> Figure:
    """L_style, L_2d and L_feat_sup at the steps of all stages, one after the other: dots, as each step sees others."""
    page, axes = plt.subplots(1, 3, figsize=(7.2, 2.4), layout="constrained")
    for axis, name in zip(axes, ("style", "keypoints", "feature_sup"), strict=True):
        done = 0
        for number, record in records.items():
            steps = [done + entry["step"] for entry in record]
            if name in record[0]:
                values = [entry[name] for entry in record]
                colour = PALETTE[number - 1]
                axis.plot(steps, values, "os^D"[number - 1], color=colour, label=f"stage {number}")
            done = steps[-1]
        axis.set(xlim=(0, done + 1), title=SYMBOLS[name])
        axis.set_xlabel("steps")
        axis.locator_params("x", integer=True)
        axis.set_ylim(0, 1.15 * axis.dataLim.y1)
    page.legend(*_handles(axes), fontsize=8, loc="outside lower center", ncols=4)
    return page


def labels_figure(guess: float | None = None) -> Figure:
    """How wrong depth is on poses like the pictures', by what their labels were; a guess for the made-up ones."""
    errors = tables.labels_errors()
    page, axis = plt.subplots(figsize=(6.6, 2.6))
    for row, (name, found) in enumerate(errors.items()):
        mean, half = interval(found["rest"])
        axis.barh(row, mean, xerr=half, color=PALETTE[1] if name == "pseudo" else "0.75", capsize=3)
        if found["labels"]:
            wrong = f"labels {interval(found['labels']).mean:.0f} mm off"
            axis.text(2, row, wrong, va="center", fontsize=9)
    axis.set_yticks(range(len(errors)), [tables.LABELS[name] for name in errors])
    axis.invert_yaxis()
    axis.set(xlabel="PA-MPJPE on what follows in the same clips (mm)", xlim=(0, 100))
    if guess is not None:
        mark_guess(axis, x=guess)
        axis.legend(fontsize=9, loc="lower right")  # where no bar is
    return page


def depths_figure() -> Figure:
    """Figures in art, and their poses half turned as two depth networks see them: without and with made-up labels."""
    found = shipped_runs("training")["art_depths"][0]["figures"]
    art = {figure.name: figure for figure in load_art_figures()}
    page, axes = plt.subplots(3, len(found), figsize=(2.4 * len(found), 6.0), layout="constrained")
    for column, entry in zip(axes.T, found, strict=True):
        figure = art[entry["name"]]
        x0, y0, x1, y1 = figure.box
        column[0].imshow(to_array(figure.load()))
        draw_pose(column[0], figure.keypoints, ART14, linewidth=2.0)
        column[0].set(xlim=(x0, x1), ylim=(y1, y0))
        column[0].axis("off")
        for axis, name in zip(column[1:], ("none", "pseudo"), strict=True):
            draw_pose_3d(axis, torch.tensor(entry[name], dtype=torch.float32), NAPA18, 50.0)
            axis.set_aspect("equal", adjustable="datalim")
        column[1].set_title("without such labels", fontsize=9)
        column[2].set_title(f"with them: {entry['apart']:.0f} mm from it", fontsize=9)
    return page


def _handles(axes: Sequence[Axes]) -> tuple[list, list]:
    """One entry of the legend a stage, whichever of the plots has it."""
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    names = sorted(found)
    return [found[name] for name in names], names
