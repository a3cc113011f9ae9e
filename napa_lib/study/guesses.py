"""A prediction that is committed before its result is shown, and then drawn into it; and results that fold."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from napa_lib.study.exercises import Wrong, is_blank, number

GUESS: dict[str, Any] = {"color": "#CC79A7", "linestyle": (0, (1, 1)), "linewidth": 2.5}


def predict(guess: Any, among: Sequence[str] | tuple[float, float], unit: str = "") -> Any:
    """Take the reader's prediction, say that it stands, and hand it to the figure that will show what is true.

    Args:
        guess: a number or one of the words; `...` as long as nobody has predicted anything.
        among: the words to choose from, or the least and the largest number that make sense.
        unit: of a number, as " px" or " %".

    Returns:
        the number as a float, the word as it stands in `among`; None where there is no prediction that makes sense.

    >>> predict(40, (0, 100), " %")
    ◆ Your prediction: 40 %. It will be marked in the result.
    40.0
    >>> predict("Bones", ["bones", "white bones"])
    ◆ Your prediction: bones. It will be marked in the result.
    'bones'
    >>> predict("moved", ["arm mirrored", "moved to the side"])
    ◆ Your prediction: moved to the side. It will be marked in the result.
    'moved to the side'
    >>> predict(..., (0, 100))
    ○ No prediction yet. Replace the `...` by a number from 0 to 100 before you look at the result.
    """
    words = [one for one in among if isinstance(one, str)]
    wanted = f"one of {', '.join(words)}" if words else f"a number from {among[0]:g} to {among[1]:g}{unit}"
    if is_blank(guess):
        print(f"○ No prediction yet. Replace the `...` by {wanted} before you look at the result.")
        return None
    taken = _word(guess, words) if words else _within(guess, among)
    if taken is None:
        print(f"○ {guess!r} is no prediction here: {wanted}, please.")
        return None
    print(f"◆ Your prediction: {taken if words else f'{taken:g}'}{unit}. It will be marked in the result.")
    return taken


def _word(guess: Any, words: Sequence[str]) -> str | None:
    """The word that was meant: the same one, or the only one with these letters in it."""
    said = str(guess).strip().lower()
    meant = [word for word in words if word.lower() == said] or [word for word in words if said in word.lower()]
    return meant[0] if said and len(meant) == 1 else None


def _within(guess: Any, among: Sequence[Any]) -> float | None:
    try:
        value = number(guess)
    except Wrong:
        return None
    return value if among[0] <= value <= among[1] else None


def mark_guess(axis: Axes, x: float | None = None, y: float | None = None) -> None:
    """Draw a prediction into a plot: a point, or a line across it where only one coordinate was predicted.

    Does nothing where there is no prediction (both None). Call it after everything else is drawn: limits that would
    hide the prediction are widened.
    """
    if x is None and y is None:
        return
    if x is not None and y is not None:
        style = {"color": GUESS["color"], "markeredgecolor": "black", "markersize": 10, "clip_on": False}
        axis.plot(x, y, "D", label="your prediction", **style)
    elif x is not None:
        axis.axvline(x, label="your prediction", **GUESS)
    elif y is not None:
        axis.axhline(y, label="your prediction", **GUESS)
    axis.set_xlim(_reaching(axis.get_xlim(), x))
    axis.set_ylim(_reaching(axis.get_ylim(), y))
    axis.legend(fontsize=9)


def _reaching(limits: tuple[float, float], value: float | None) -> tuple[float, float]:
    """An axis's limits, widened to hold a value; an axis that runs backwards still does.

    >>> _reaching((0, 5), 7), _reaching((5, 0), 7), _reaching((0, 5), None)
    ((0, 7), (7, 0), (0, 5))
    """
    if value is None:
        return limits
    low, high = min(*limits, value), max(*limits, value)
    return (low, high) if limits[0] <= limits[1] else (high, low)


def fold(title: str, text: str, *notes: str) -> None:
    """Show a table that only some readers want: folded under its title, below the sentences that explain it."""
    from IPython.display import display

    words = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    table = f'<pre tabindex="0">{html.escape(text)}</pre>'
    page = f"<details><summary>{html.escape(title)}</summary>{words}{table}</details>"
    display({"text/html": page, "text/plain": "\n".join([title, *notes, text])}, raw=True)
