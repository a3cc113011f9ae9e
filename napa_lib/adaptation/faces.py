"""Faces as poses of 68 points: a source that looks ahead, and targets that look elsewhere.

Source: FlexPose, section 4.2 (there 300-VW and WFLW; here two populations of rendered faces).
"""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.adaptation.sticks import fit_square
from napa_lib.adaptation.targets import Target
from napa_lib.data.faces import FaceClips, load_faces
from napa_lib.skeletons import FACE68, flip

AHEAD = (10.0, 8.0, 6.0)  # degrees: largest yaw, pitch and roll of the source's heads
TURNED = {  # a target's heads: which angle, its sign, and what it is more than, in degrees
    "face_left": (0, 1, 20.0),
    "face_right": (0, -1, 20.0),
    "face_down": (1, 1, 10.0),
    "face_up": (1, -1, 10.0),
    "face_tilted_left": (2, 1, 8.0),
    "face_tilted_right": (2, -1, 8.0),
}


def face_target(name: str) -> Target:
    """Faces turned one way, one of `TURNED`: shots are people of the training split, held out are all others.

    Raises:
        ValueError: for another name.
    """
    if name not in TURNED:
        raise ValueError(f"name must be one of {tuple(TURNED)}, got {name!r}")
    angle, sign, least = TURNED[name]

    def turned(*splits: str) -> Tensor:
        found = [landmarks[sign * turns[:, angle] > least] for landmarks, turns in map(_pictures, splits)]
        return fit_square(torch.cat(found))

    return Target(name, turned("train"), turned("validation", "test"))


def source_faces(count: int, generator: torch.Generator, split: str = "train") -> Tensor:
    """Faces that look ahead, drawn from those of a split and their mirror images, (count, 68, 2) in [-1, 1]."""
    landmarks, turns = _pictures(split)
    ahead = landmarks[(turns.abs() <= torch.tensor(AHEAD)).all(1)]
    chosen = ahead[torch.randint(len(ahead), (count,), generator=generator)]
    mirrored = torch.rand(count, 1, 1, generator=generator) < 0.5
    return fit_square(torch.where(mirrored, flip(chosen, FACE68, None), chosen))


def _pictures(split: str) -> tuple[Tensor, Tensor]:
    """Landmarks (N, 68, 2) and turns (N, 3) of all pictures of a split."""
    clips: FaceClips = load_faces(split)
    return clips.landmarks.flatten(0, 1), clips.turns.flatten(0, 1)
