"""Explorables: a pure function, a few controls, and the picture that follows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from napa_lib.console import describe_missing
from napa_lib.study.figures import bundle, to_protocol

try:
    import ipywidgets
    from IPython.display import display
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(f"the lessons need it: {describe_missing(missing)}", name=missing.name) from None

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CONTROLS = "napa-controls"  # class of every box of controls
# JupyterLab takes keys that are pressed on a control for commands of the notebook: an "r" makes the cell raw text, and
# the control is gone. It leaves alone what carries this attribute.
KEEP_KEYS = f"""window.addEventListener("keydown", event => {{
  const box = event.target.closest && event.target.closest(".{CONTROLS}");
  if (box) event.target.setAttribute("data-lm-suppress-shortcuts", "true");
}}, true);"""
_WIDE = {"style": {"description_width": "12em"}, "layout": {"width": "32em"}}


def slider(label: str, value: float, low: float, high: float, step: float) -> ipywidgets.Widget:
    """A labelled slider for numbers, whole or not; it acts when it is let go, and the arrow keys move it."""
    whole = all(float(number).is_integer() for number in (value, low, high, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    number = int if whole else float
    return kind(
        value=number(value), min=number(low), max=number(high), step=number(step), description=label,
        continuous_update=False, **_WIDE,
    )  # fmt: skip


def choice(label: str, options: Sequence[str], value: str | None = None) -> ipywidgets.Widget:
    """A labelled row of buttons; `value` is chosen at first (the first option if left out)."""
    wide = {**_WIDE, "layout": {"width": "auto"}}
    return ipywidgets.ToggleButtons(options=list(options), value=value or options[0], description=label, **wide)


class Explorable:
    """A picture that follows its controls: `controls` by argument name, `picture` the HTML widget that shows it."""

    def __init__(
        self, function: Callable[..., Any], alt: Callable[..., str], controls: Mapping[str, ipywidgets.Widget]
    ) -> None:
        self.function, self.alt, self.controls = function, alt, dict(controls)
        self.picture = ipywidgets.HTML()
        self.bundle: dict[str, Any] = {}
        for control in self.controls.values():
            control.observe(self._update, names="value")
        self._update()
        self.box = ipywidgets.VBox([*self.controls.values(), self.picture])

    def _update(self, change: object = None) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        picture, alt = self.function(**values), self.alt(**values)
        self.bundle = bundle(picture, alt, caption=alt)
        if isinstance(picture, Figure):
            plt.close(picture)
        self.picture.value = self.bundle["text/html"]


def explore(function: Callable[..., Any], *, alt: Callable[..., str], **controls: ipywidgets.Widget) -> Explorable:
    """Show `function(**values)` beside its controls, and again whenever one of them changes.

    Where there is no kernel (a rendered notebook, the course's pages) the picture for the first values stands in.

    Args:
        function: pure; takes the controls' values by name, returns what `show` takes.
        alt: takes the same values, returns the picture's alt text; it is printed below the picture, too.
        controls: by argument name, made with `slider` and `choice`.

    Returns:
        The explorable; setting `explorable.controls["width"].value` does what moving the slider does.

    Raises:
        ValueError: if there is no control.
    """
    if not controls:
        raise ValueError("controls must be at least one slider or choice, got none")
    explorable = Explorable(function, alt, controls)
    show_live(explorable.box, explorable.bundle)
    return explorable


def show_live(box: ipywidgets.Widget, static: Mapping[str, Any]) -> None:
    """Display a widget with its static twin in one output: front ends without a kernel fall back to the twin."""
    box.add_class(CONTROLS)
    live = {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": box.model_id}}
    display({**to_protocol(dict(static)), **live}, raw=True)


def keep_keys() -> None:
    """Have JupyterLab leave the keys to the control that has them; does nothing outside a notebook."""
    from IPython.core.interactiveshell import InteractiveShell

    if InteractiveShell.initialized():
        display({"application/javascript": KEEP_KEYS}, raw=True)
