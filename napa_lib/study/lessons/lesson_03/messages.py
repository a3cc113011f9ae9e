"""Lesson 03: the message that a skeleton image can hold, and what is left when it is wiped."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from napa_lib.bottleneck import Clips
from napa_lib.bottleneck.smuggle import KEYPOINTS, LOUDEST, UNTOUCHED, Smuggler, in_coloured_light, wiped
from napa_lib.data.clips import to_float
from napa_lib.study.guesses import mark_guess
from napa_lib.study.lessons.lesson_03.pictures import picture_grid, show_on


@torch.no_grad()
def message_figure(smuggler: Smuggler, clips: Clips) -> Figure:
    """What a message in the skeleton image carries, and what is left when it is wiped.

    Args:
        smuggler: in evaluation mode.
        clips: a row for each; its first frame.
    """
    plain = to_float(clips.images[:, 0])
    image = in_coloured_light(plain, torch.Generator().manual_seed(0))
    bare, drawn = smuggler.draw(plain, image)
    clean = wiped(smuggler, plain, image)[KEYPOINTS]
    columns = {
        "frame x": image, "y, as Ψ gets it": drawn, "the message\n× 30": 0.5 + (drawn - bare) / (2 * LOUDEST),
        "Ψ(y)": smuggler.generator(drawn), "wiped: β(η(y))": clean, "Ψ(β(η(y)))": smuggler.generator(clean),
    }  # fmt: skip
    page, axes = picture_grid(len(clips), len(columns), 6.0, titled=True)
    for column, (title, pictures) in enumerate(columns.items()):
        axes[0, column].set_title(title, fontsize=9)
        for axis, picture in zip(axes[:, column], pictures.expand(-1, 3, -1, -1), strict=True):
            show_on(axis, picture)
    return page


def hue_left(errors: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Of the hue that is right in the frame drawn again, how many per cent are left after each way to wipe: the mean of
    walls and clothes, squared correlations, in relation to that of the image as drawn."""
    kept = {name: (found["person_hue"] + found["wall_hue"]) / 2 for name, found in errors.items()}
    return {name: 100 * value / kept[UNTOUCHED] for name, value in kept.items()}


def wiping_figure(errors: Mapping[str, Mapping[str, float]], guess: float | None) -> Figure:
    """Bars: how much of the hue is left after each way to wipe the message, and what was predicted of the last.

    Args:
        errors: of a result of `napa_lib.bottleneck.smuggle`.
        guess: in per cent, None if nothing was predicted.
    """
    left = hue_left(errors)
    page, axis = plt.subplots(figsize=(5.6, 2.2))
    axis.bar_label(axis.barh(list(left), list(left.values())), fmt="%.0f %%", padding=3)
    axis.invert_yaxis()
    axis.set(xlabel="hue that is left (%)", xlim=(0, 115))
    mark_guess(axis, guess, None if guess is None else list(left).index(KEYPOINTS))
    return page


def wiping_words(errors: Mapping[str, Mapping[str, float]]) -> str:
    """The numbers behind the bars in two sentences."""
    first, last = errors[UNTOUCHED], errors[KEYPOINTS]
    return (
        f"Squared correlation of hue as drawn: walls {first['wall_hue']:.2f}, clothes {first['person_hue']:.2f}; "
        f"through the keypoints: walls {last['wall_hue']:.2f}, clothes {last['person_hue']:.2f}."
    )
