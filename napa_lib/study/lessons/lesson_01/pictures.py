"""Lesson 01's pictures: channels and what fires together, predictions beside what came, and the stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from napa_lib.data import Painting
from napa_lib.results import text_table
from napa_lib.study.guesses import GUESS, mark_guess
from napa_lib.style import StyleLosses, gram_matrix
from napa_lib.style.comparison import shares

# What the terms are called in plots.
LABELS = {"style": "style", "feature": "feat", "total_variation": "tv", "style_entropy": "sent", "srgb": "srgb",
          "hsv": "hsv", "cosine": "cos", "content": "content", "content_entropy": "cent"}  # fmt: skip

BY_NAME = {"Vincent van Gogh": "Van Gogh", "Leonardo da Vinci": "Leonardo", "Pieter Bruegel the Elder": "Bruegel"}


def short_title(painting: Painting) -> str:
    """Artist and title as one says them: "Van Gogh, The Harvest"; "Leonardo, Mona Lisa"."""
    artist = BY_NAME.get(painting.artist, painting.artist.split()[-1])
    return f"{artist}, {painting.title}"


def two_channels_figure(picture: Tensor, maps: Tensor, pairs: Sequence[tuple[int, int]]) -> Figure:
    """Where two channels light up on a picture, where both do, and the number that is left of it in the Gram matrix.

    Args:
        picture: (3, H, W) in [0, 1].
        maps: feature maps of it at one layer, (C, H', W').
        pairs: a row of the figure for each pair of channels.
    """
    gram = gram_matrix(maps[None])[0]
    brightest = max(float((maps[i] * maps[j]).max()) for i, j in pairs)  # one scale for all products
    page, axes = plt.subplots(len(pairs), 4, figsize=(7.2, 1.95 * len(pairs)), squeeze=False)
    for row, (i, j) in zip(axes, pairs, strict=True):
        row[0].imshow(picture.permute(1, 2, 0).cpu().clamp(0, 1))
        for axis, light, title in (
            (row[1], maps[i] / maps[i].max(), f"channel {i}"), (row[2], maps[j] / maps[j].max(), f"channel {j}"),
            (row[3], maps[i] * maps[j] / brightest, f"product: G = {gram[i, j]:.3f}"),
        ):  # fmt: skip
            _light(axis, picture, light.sqrt(), title)
        row[0].set_title("the picture", fontsize=9)
        row[0].axis("off")
    return page


def _light(axis: Axes, picture: Tensor, light: Tensor, title: str) -> None:
    """A darkened grey copy of the picture in which a map glows, where it is 1 the most."""
    height, width = picture.shape[1:]
    grown = torch.nn.functional.interpolate(light[None, None], (height, width), mode="bilinear")[0, 0].detach().cpu()
    glow = grown.clamp(0, 1)[..., None]
    grey = 0.35 * picture.mean(0)[..., None].cpu().expand(-1, -1, 3)
    axis.imshow((grey * (1 - glow) + glow * torch.tensor([1.0, 0.85, 0.1])).clamp(0, 1))
    axis.set_title(title, fontsize=9)
    axis.axis("off")


def placed(picture: Tensor, other: Tensor) -> float:
    """How far two pictures (3, H, W) have their light and dark in the same places: Pearson's correlation of the
    brightness of 8 x 8 cells."""
    light = [adaptive_avg_pool2d(one.detach().mean(0, keepdim=True), 8).flatten() for one in (picture, other)]
    return float(torch.corrcoef(torch.stack(light))[0, 1])


def grown_figure(
    grown: Sequence[Tensor], original: Tensor, losses: Sequence[float], moments: Sequence[int], guess: float | None
) -> Figure:
    """A texture at some moments beside its original, and below what came back of the original and of its places.

    Args:
        grown: pictures (3, H, W), one a step.
        original: (3, H, W).
        losses: L_style of each of the pictures.
        moments: indices into them.
        guess: of the correlation, place by place, with the original at the end; None if there was none.
    """
    page = plt.figure(figsize=(5.2, 3.4))
    grid = page.add_gridspec(2, len(moments) + 1, height_ratios=[1.2, 1.2])
    titles = [*(f"step {moment}" for moment in moments), "the print"]
    for place, (picture, title) in enumerate(zip([*(grown[m] for m in moments), original], titles, strict=True)):
        axis = page.add_subplot(grid[0, place])
        axis.imshow(picture.detach().permute(1, 2, 0).cpu().clamp(0, 1), interpolation="bilinear")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    curves = page.add_subplot(grid[1, :])
    curves.plot([loss / losses[0] for loss in losses], label="L_style (1 at step 0)")
    curves.plot([placed(picture, original) for picture in grown], label="correlation with the print")
    curves.set(xlabel="step", ylim=(-0.4, 1.2))
    curves.xaxis.set_major_locator(MaxNLocator(integer=True))
    mark_guess(curves, y=guess)
    curves.legend(fontsize=8, loc="upper right")
    return page


def halves_figure(distance: Tensor, names: Sequence[str], found: Mapping[str, int], guess: float | None) -> Figure:
    """Style distances of left halves from right halves, and how often the nearest was the own one.

    Args:
        distance: (N, N).
        names: of the N pictures.
        found: how many of N each way of comparing finds, by its name.
        guess: the reader's prediction for the first of them; None if there was none.
    """
    page, (table, bars) = plt.subplots(1, 2, figsize=(7.2, 2.7), width_ratios=[1.25, 1])
    places = range(len(names))
    image = table.imshow(distance.log10())
    table.set(xticks=places, yticks=places, yticklabels=names, xlabel="right half", ylabel="left half")
    table.set_xticklabels(names, rotation=40, ha="right", fontsize=8)
    table.tick_params(axis="y", labelsize=8)
    table.plot(distance.argmin(1), places, "o", markerfacecolor="none", markeredgecolor="white", markersize=10)
    page.colorbar(image, label="log10 of L_style")
    drawn = bars.barh(list(found), list(found.values()), color="C0")
    bars.bar_label(drawn, padding=3)
    bars.invert_yaxis()
    bars.set(xlim=(0, len(names) + 0.8), title=f"own half found, of {len(names)}")
    mark_guess(bars, guess, None if guess is None else 0)
    return page


def film_figure(film: Sequence[tuple[Tensor, StyleLosses]], moments: Sequence[int], guess: str | None) -> Figure:
    """Moments of an optimisation and the terms along its way, with what was said of L_content before.

    Args:
        film: what `optimise_picture` yielded; the first picture of each batch is shown.
        moments: indices into it.
        guess: "rises", "falls" or "stays", or None.
    """
    page = plt.figure(figsize=(5.2, 3.5))
    grid = page.add_gridspec(2, len(moments), height_ratios=[1.5, 1.2])
    for place, moment in enumerate(moments):
        axis = page.add_subplot(grid[0, place])
        axis.imshow(film[moment][0][0].permute(1, 2, 0).cpu().clamp(0, 1), interpolation="bilinear")
        axis.set_title(f"step {moment}", fontsize=9)
        axis.axis("off")
    curves = page.add_subplot(grid[1, :])
    for name in ("style", "content", "total_variation"):
        curves.plot([float(losses.terms[name][0].detach()) for _, losses in film], label=f"L_{LABELS[name]}")
    top = float(film[0][1].terms["style"][0].detach())
    if guess in ("rises", "falls", "stays"):
        end = {"rises": 0.5 * top, "falls": -0.3 * top, "stays": 0.0}[guess]
        curves.plot([0, len(film) - 1], [0, end], label=f"your prediction: it {guess}", **GUESS)
    curves.set(xlabel="step", ylabel="value", ylim=(-0.35 * top if guess == "falls" else 0, None))
    curves.xaxis.set_major_locator(MaxNLocator(integer=True))
    curves.legend(fontsize=8, ncols=3)
    return page


def balance_figure(values: Mapping[str, float], pulls: Mapping[str, float], guess: str | None) -> Figure:
    """Each term's weighted value and the length of its gradient, with the term that was expected to pull most.

    Args:
        values, pulls: by the terms' names.
        guess: a term as `LABELS` calls it; None if there was none.
    """
    page, axes = plt.subplots(1, 2, figsize=(7.2, 3.0), sharey=True)
    order = sorted(pulls, key=lambda name: pulls[name])
    for axis, found, title in zip(axes, (values, pulls), ("value x ratio", "length of its gradient"), strict=True):
        colors = [GUESS["color"] if guess == LABELS[name] else "C0" for name in order]
        bars = axis.barh([LABELS[n] for n in order], [found[n] for n in order], color=colors)
        axis.bar_label(bars, [f"{found[n]:.3g}" for n in order], padding=3, fontsize=8)
        axis.set(xscale="log", title=title, xlim=(min(found.values()) / 3, max(found.values()) * 8))
    axes[1].tick_params(labelleft=False)
    if guess is not None:
        page.suptitle(f"in the other colour your prediction: {guess} pulls most", fontsize=9)
    return page


def knobs_figure(picture: Tensor, pulls: Mapping[str, float]) -> Figure:
    """A picture (3, H, W) and each term's gradient at it."""
    page, (left, right) = plt.subplots(1, 2, figsize=(4.4, 2.0))
    left.imshow(picture.permute(1, 2, 0).cpu().clamp(0, 1), interpolation="bilinear")
    left.axis("off")
    right.barh([LABELS[name] for name in pulls], list(pulls.values()), color="C0")
    right.set(xscale="log", xlim=(0.1, 1e4), title="length of the gradient")
    right.tick_params(labelsize=8)
    return page


def added_table(rows: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Terms after optimisation under more and more losses, relative to Johnson's: geometric mean over pictures."""
    terms, johnson = ("style", "content", "total_variation", "hsv", "cosine", "srgb"), rows["Johnson"]
    lines: list[list[object]] = [["minimised", *(f"L_{LABELS[term]}" for term in terms)]]
    for name, row in rows.items():
        change = [(torch.tensor(row[term]) / torch.tensor(johnson[term])).log().mean().exp() for term in terms]
        lines.append([name, *(f"{float(value):.2f}" for value in change)])
    return text_table(lines)


def norms_table(norms: Mapping[str, Any]) -> str:
    """Training loss of either normalisation at some steps and on held-out pictures; a stored result, means of seeds."""
    every, kinds = norms["every"], ("instance", "batch")
    curves = {kind: torch.tensor(norms["training_total"][kind]).mean(0) for kind in kinds}  # (points,)
    count = len(curves["batch"])
    places = [0, count // 3, 2 * count // 3, count - 1]
    lines: list[list[object]] = [["", *(f"step {every * (place + 1)}" for place in places), "held out, 95 %"]]
    for kind in kinds:
        mean = norms["mean"][kind]
        lines.append([kind, *(f"{float(curves[kind][place]):.0f}" for place in places),
                      f"{mean['mean']:.0f} ± {mean['half_width_95']:.0f}"])  # fmt: skip
    return text_table(lines)


def closed_rows(held: Mapping[str, Any], places: Mapping[str, Any]) -> dict[str, tuple[float, float, list[float]]]:
    """Per cent of the way to Gatys by candidate: mean, half the width of its interval, values; from stored results."""
    found = {"the style picture itself": held["closed"]["copy"], "pixels, places hidden": places["closed"],
             "pool network": held["closed"]["pool"], "single styles": held["closed"]["single"]}  # fmt: skip
    return {
        name: (100 * entry["mean"], 100 * entry["half_width_95"], [100 * value for value in entry["values"]])
        for name, entry in found.items()
    }


def closed_figure(rows: Mapping[str, tuple[float, float, list[float]]], guess: float | None) -> Figure:
    """A mark for each pair of pictures, a diamond for their mean; what was guessed of the first row beside it."""
    page, axis = plt.subplots(figsize=(6.4, 2.6))
    for place, (mean, half, values) in enumerate(rows.values()):
        axis.plot(values, [place] * len(values), "vso^"[place], color="C0", linestyle="none", alpha=0.5, markersize=7)
        axis.errorbar(mean, place + 0.28, xerr=half, fmt="D", color="black", capsize=4)
    for at, line in ((0, "-"), (100, "--")):
        axis.axvline(at, color="black", linewidth=1, linestyle=line)
    axis.set(yticks=range(len(rows)), yticklabels=list(rows), ylim=(len(rows) - 0.4, -0.6))
    axis.set(xlabel="% of the way from the untouched content (0) to Gatys (100)")
    mark_guess(axis, guess, None if guess is None else -0.3)
    return page


def held_out_table(held: Mapping[str, Any]) -> str:
    """Mean weighted terms over the pairs: untouched, copied, by the pool network and by Gatys; a stored result."""
    pool = [row for row in held["rows"] if row["network"] == "pool"]
    copies = [row for row in held["rows"] if row["network"] == "copy"]
    columns = {"content itself": (pool, "before"), "style itself": (copies, "stylized"), "pool": (pool, "stylized"),
               "Gatys": (pool, "gatys")}  # fmt: skip
    lines: list[list[object]] = [["term x ratio", *columns]]
    for term in ("style", "total_variation", "style_entropy", "hsv", "cosine", "content", "total"):
        means = [sum(row[stage][term] for row in rows) / len(rows) for rows, stage in columns.values()]
        lines.append([LABELS.get(term, term), *(f"{mean:.0f}" for mean in means)])
    return text_table(lines)


def strokes_table(held: Mapping[str, Any]) -> str:
    """Per cent of the way to Gatys without the terms that compare places, by style and candidate; a stored result."""
    rows = held["strokes"]["rows"]
    styles = list(dict.fromkeys(row["style"] for row in rows))
    kinds = {"the style picture itself": "copy", "pool network": "pool", "single styles": "single"}
    by_style = {style: shares([row for row in rows if row["style"] == style]) for style in styles}
    lines: list[list[object]] = [["% of the way", *styles, "all"]]
    for title, kind in kinds.items():
        entry = held["strokes"]["closed"][kind]
        whole = f"{100 * entry['mean']:.0f} +- {100 * entry['half_width_95']:.0f}"
        lines.append([title, *(f"{100 * by_style[style][kind]['mean']:.0f}" for style in styles), whole])
    return text_table(lines)
