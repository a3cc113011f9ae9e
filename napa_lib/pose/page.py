"""`pose3d.html`: the pose over the picture, to correct, beside a 3D pose to turn; in one file that asks nothing of the
network."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from napa_lib.pose.drawing import SURE, Cut, side_color
from napa_lib.skeletons import Skeleton

TEMPLATE = Path(__file__).with_name("page.html")
LARGEST = 1000  # pixels, longer side of the picture in the page


def pose_page(record: dict[str, Any], skeleton: Skeleton, picture: Image.Image, cut: Cut) -> str:
    """The page of one figure.

    Args:
        record: its `pose.json`, from `describe`.
        skeleton: its joint set.
        picture: the part of the picture that is shown, without the pose, from `drawing.cut_out`.
        cut: which part that is.
    """
    name = html.escape(record["picture"]["file"], quote=True)
    sure = record["mean_confidence"]
    return Template(TEMPLATE.read_text("utf-8")).substitute(
        title=name,
        heading=f"joint set {html.escape(skeleton.name)}",
        summary=f"Mean confidence {sure:.2f}, joint set {html.escape(skeleton.name)}, "
        f"napa_lib {html.escape(record['versions']['napa_lib'])}.",
        alt=f"{name} with the pose of a figure drawn over it as coloured lines between its joints",
        picture=_webp(picture),
        x=f"{cut.low[0] - 0.5:g}",
        y=f"{cut.low[1] - 0.5:g}",
        width=f"{cut.high[0] - cut.low[0]:g}",
        height=f"{cut.high[1] - cut.low[1]:g}",
        doubtful=html.escape(", ".join(record["doubtful"]) or "none"),
        rows="".join(_row(joint) for joint in record["joints"]),
        data=json.dumps(_drawing(record, skeleton)).replace("<", "\\u003c"),
    )


def _drawing(record: dict[str, Any], skeleton: Skeleton) -> dict[str, Any]:
    """What the page's script draws."""
    joints = record["joints"]
    return {
        "record": record,
        "joints": [joint["position_mm"] for joint in joints],
        "strength": [round(0.28 + 0.72 * min(1.0, joint["confidence"] / SURE), 2) for joint in joints],
        "bones": skeleton.bones,
        "boneColors": [f"rgb{side_color(skeleton, a, b)}" for a, b in skeleton.bones],
        "jointColors": [f"rgb{side_color(skeleton, j)}" for j in range(skeleton.num_joints)],
    }


def _row(joint: dict[str, Any]) -> str:
    numbers = [*(joint["keypoint_px"] or ["–"] * 2), *(joint["position_mm"] or ["–"] * 3)]
    cells = [v if isinstance(v, str) else f"{v:.0f}" for v in numbers] + [f"{joint['confidence']:.2f}"]
    return f'<tr><th scope="row">{html.escape(joint["name"])}</th>{"".join(f"<td>{c}</td>" for c in cells)}</tr>'


def _webp(picture: Image.Image) -> str:
    """The picture in base64, at most `LARGEST` pixels long."""
    small = picture.copy()
    small.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=80, method=2)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
