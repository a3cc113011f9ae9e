"""Poses in 3D that can be turned with the mouse, offline, beside a still picture of them from several sides."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from napa_lib.pose.drawing import side_color
from napa_lib.skeletons import Skeleton
from napa_lib.study.figures import show
from napa_lib.study.poses import draw_pose_3d

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Turnable

GAP = 1200.0  # mm between two poses that stand side by side
ANGLES = {"from the front": 0.0, "half turned": 45.0, "from the side": 90.0}
FAINT = "rgb(150,150,150)"


def show_3d(
    poses: Mapping[str, Tensor], skeleton: Skeleton, *, alt: str, caption: str = "", faint: Sequence[str] = ()
) -> None:
    """Show poses in 3D: first from three sides, with alt text, then once more to be turned with the mouse.

    Where there is no kernel (a rendered notebook, the course's pages) the three sides are what is left.

    Args:
        poses: name -> (J, 3) in mm, camera axes; NaN joints are left out. They stand side by side.
        skeleton: their joint set.
        alt: what a reader who cannot see the figure needs to know, in a sentence.
        caption: printed below the three sides.
        faint: names of poses that are drawn in grey, such as the truth beside an estimate.

    Raises:
        ValueError: if there is no pose, one does not fit the skeleton, or `faint` names none of them.
    """
    from IPython.display import display

    _check(poses, skeleton, faint)
    show(three_sides(poses, skeleton, faint), alt=alt, caption=caption)
    import plotly.io

    renderer = plotly.io.renderers["colab" if "google.colab" in sys.modules else "plotly_mimetype"]
    data = renderer.to_mimebundle(turnable(poses, skeleton, faint).to_dict())
    display(data | {"text/plain": "[the same in 3D, to turn with the mouse]"}, raw=True)


def three_sides(poses: Mapping[str, Tensor], skeleton: Skeleton, faint: Sequence[str] = ()) -> Figure:
    """A row for each pose: from the front, half turned and from the side."""
    page, axes = plt.subplots(len(poses), 3, figsize=(6.0, 2.0 * len(poses)), squeeze=False)
    for row, (name, pose) in zip(axes, poses.items(), strict=True):
        for axis, (view, angle) in zip(row, ANGLES.items(), strict=True):
            draw_pose_3d(axis, pose, skeleton, angle, faint=name in faint)
            axis.set_title(f"{name}\n{view}" if name else view, fontsize=9)
    return page


def turnable(poses: Mapping[str, Tensor], skeleton: Skeleton, faint: Sequence[str] = ()) -> Turnable:
    """The poses side by side in one scene of plotly, on a floor; the joints' names appear under the mouse."""
    from plotly.graph_objects import Figure as Turnable

    placed = {name: _upright(pose, GAP * place) for place, (name, pose) in enumerate(poses.items())}
    traces = [_floor(placed)]
    for name, points in placed.items():
        traces += _bones(points, skeleton, name in faint) + [_joints(points, skeleton, name)]
    hidden = {"visible": False}
    scene = {
        "xaxis": hidden, "yaxis": hidden, "zaxis": hidden, "aspectmode": "data", "dragmode": "turntable",
        "camera": {"eye": {"x": 0.6, "y": -1.7, "z": 0.5}},
    }  # fmt: skip
    layout = {"scene": scene, "height": 420, "margin": dict.fromkeys("lrtb", 0), "showlegend": False}
    return Turnable({"data": traces, "layout": layout})


def _check(poses: Mapping[str, Tensor], skeleton: Skeleton, faint: Sequence[str]) -> None:
    if not poses or set(faint) - set(poses):
        raise ValueError(f"poses must be one or more, those of faint among them, got {list(poses)} and {list(faint)}")
    for name, pose in poses.items():
        if tuple(pose.shape) != (skeleton.num_joints, 3):
            raise ValueError(
                f"poses[{name!r}] must be ({skeleton.num_joints}, 3) for {skeleton.name}, got {pose.shape}"
            )


def _upright(pose: Tensor, shift: float) -> np.ndarray:
    """Camera axes (right, down, away) -> the scene's (right, away, up), standing on the floor at `shift`."""
    x, y, z = pose.detach().cpu().double().unbind(-1)
    middle = torch.nanmean(torch.stack([x, z]), 1)
    floor = y[~y.isnan()].max()
    return torch.stack([x - middle[0] + shift, z - middle[1], floor - y], -1).numpy()


def _bones(points: np.ndarray, skeleton: Skeleton, faint: bool) -> list[dict[str, Any]]:
    traces = []
    for a, b in skeleton.bones:
        if not np.isnan(points[[a, b]]).any():
            color = FAINT if faint else f"rgb{side_color(skeleton, a, b)}"
            x, y, z = points[[a, b]].T.round(1).tolist()
            line = {"color": color, "width": 5 if faint else 9}
            traces.append(
                {"type": "scatter3d", "mode": "lines", "x": x, "y": y, "z": z, "line": line, "hoverinfo": "skip"}
            )
    return traces


def _joints(points: np.ndarray, skeleton: Skeleton, name: str) -> dict[str, Any]:
    there = ~np.isnan(points).any(-1)
    x, y, z = points[there].T.round(1).tolist()
    words = [f"{name}: {joint}" if name else joint for joint, seen in zip(skeleton.joints, there, strict=True) if seen]
    marker = {"size": 4, "color": "black"}
    return {
        "type": "scatter3d",
        "mode": "markers",
        "x": x,
        "y": y,
        "z": z,
        "text": words,
        "hoverinfo": "text",
        "marker": marker,
    }


def _floor(placed: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A pale square below all poses."""
    everything = np.concatenate(list(placed.values()))
    low, high = np.nanmin(everything, 0) - 250, np.nanmax(everything, 0) + 250
    x, y = [low[0], high[0], high[0], low[0]], [low[1], low[1], high[1], high[1]]
    return {
        "type": "mesh3d", "x": x, "y": y, "z": [0.0] * 4, "i": [0, 0], "j": [1, 2], "k": [2, 3], "color": "lightgrey",
        "opacity": 0.5, "hoverinfo": "skip",
    }  # fmt: skip
