"""What is written of a figure: `pose.json`, whose form `schema.json` states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napa_lib import __version__
from napa_lib.files import sha256
from napa_lib.pose.drawing import SURE
from napa_lib.pose.estimator import PoseResult

SCHEMA_VERSION = "1.1"  # the first number changes when a reader of the old form would go wrong


def describe(result: PoseResult, picture: dict[str, Any], found: bool) -> dict[str, Any]:
    """The document of one figure, ready for `json.dumps`; what is missing is null.

    Args:
        result: the figure.
        picture: from `describe_picture`.
        found: whether its box was looked for rather than given.
    """
    joints = [
        {"name": name, "keypoint_px": _numbers(point, 2), "position_mm": _numbers(place, 1), "confidence": sure}
        for name, point, place, sure in zip(
            result.skeleton.joints,
            result.keypoints,
            result.pose,
            [round(c, 4) for c in result.confidence.tolist()],
            strict=True,
        )
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "versions": {"napa_lib": __version__, "torch": torch.__version__},
        "picture": picture,
        "joint_set": result.skeleton.name,
        "box": {"px": [round(v, 2) for v in result.box], "source": "found" if found else "given"},
        "mean_confidence": round(result.mean_confidence, 4),
        "doubtful": [joint["name"] for joint in joints if joint["keypoint_px"] and joint["confidence"] < SURE],
        "joints": joints,
        "bones": [[result.skeleton.joints[a], result.skeleton.joints[b]] for a, b in result.skeleton.bones],
    }


def describe_picture(path: Path, size: Sequence[int]) -> dict[str, Any]:
    """A picture's entry: the name of its file without its folder, what is in it, and its size upright."""
    name = path.name.encode("utf-8", "replace").decode()  # a name on disk need not be text
    return {"file": name, "sha256": sha256(path), "width": size[0], "height": size[1]}


def _numbers(values: Tensor, digits: int) -> list[float] | None:
    """A point's coordinates, rounded; None if one is missing."""
    numbers = [round(v, digits) for v in values.tolist()]
    return numbers if all(map(math.isfinite, numbers)) else None
