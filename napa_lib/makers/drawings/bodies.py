"""Bodies to draw: a pose's directions with a drawn figure's proportions, seen by an orthographic camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napa_lib.skeletons import NAPA18

J = {name: i for i, name in enumerate(NAPA18.joints)}
LIMBS = (  # start, middle, end of each limb: right arm, left arm, right leg, left leg
    (J["r_shoulder"], J["r_elbow"], J["r_wrist"]),
    (J["l_shoulder"], J["l_elbow"], J["l_wrist"]),
    (J["r_hip"], J["r_knee"], J["r_ankle"]),
    (J["l_hip"], J["l_knee"], J["l_ankle"]),
)
# Parts of the stature (Drillis and Contini, 1966): chin to crown, shoulders to chin, ankle to toes, ankle to sole.
HEAD, NECK, TOES, SOLE = 0.13, 0.05, 0.11, 0.04
NOSE_DOWN, NOSE_OUT = 0.10, 0.46  # from the head's centre, in heads: down, and forward to the tip of the nose


@dataclass(frozen=True)
class Poses:
    """Poses before a figure's proportions: camera axes (x right, y down, z away), statures of one.

    `joints` (N, 18, 3), of which pelvis, shoulders, hips and limbs are used; `up` (N, 3) from the chin to the crown and
    `face` (N, 3) out of the face, unit vectors; `toes` (N, 2, 3) right and left, unit vectors from the ankle.
    """

    joints: np.ndarray
    up: np.ndarray
    face: np.ndarray
    toes: np.ndarray


@dataclass(frozen=True)
class Body:
    """One figure: `joints` (18, 3), `toes` (2, 3) right and left, `up` and `face` unit 3-vectors, `head` its height.

    x and y in pixels once it is placed, z in the same unit; `stature` is the standing height with usual proportions.
    """

    joints: np.ndarray
    toes: np.ndarray
    up: np.ndarray
    face: np.ndarray
    head: float
    stature: float

    def __getitem__(self, name: str) -> np.ndarray:
        """A joint's (x, y)."""
        return self.joints[J[name], :2]

    @property
    def forward(self) -> np.ndarray:
        """Where the chest points, a unit 3-vector; towards the viewer is (0, 0, -1)."""
        left = self.joints[J["l_shoulder"]] - self.joints[J["r_shoulder"]]
        spine = self.joints[J["thorax"]] - self.joints[J["pelvis"]]
        return unit(np.cross(left, spine))

    @property
    def chin(self) -> np.ndarray:
        """(2,) the head's lower end."""
        return self["head"] - self.up[:2] * self.head

    def moved(self, scale: float, angle: float, shift: np.ndarray) -> Body:
        """Scaled, turned in the picture by `angle` radians, clockwise as seen, then shifted by (x, y)."""
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        offset = np.array([*shift, 0.0])
        return Body(
            self.joints @ turn.T * scale + offset, self.toes @ turn.T * scale + offset, turn @ self.up,
            turn @ self.face, self.head * scale, self.stature * scale,
        )  # fmt: skip


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) scaled to length one; a zero vector stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


@dataclass(frozen=True)
class Proportions:
    """Factors on a usual adult's measures."""

    head: float = 1.0
    neck: float = 1.0
    torso: float = 1.0
    shoulders: float = 1.0
    hips: float = 1.0
    arms: float = 1.0
    legs: float = 1.0


def sample_proportions(rng: np.random.Generator) -> Proportions:
    """Half the figures are built like people, the others like cartoons: large heads, short legs, odd widths."""
    cartoon = rng.random() < 0.5
    spread = 0.22 if cartoon else 0.06
    torso, shoulders, hips, arms, legs = np.exp(rng.normal(0, spread, 5)).clip(0.55, 1.6)
    head = float(np.exp(rng.normal(0.35, 0.3))) if cartoon else float(rng.uniform(0.85, 1.25))
    neck = rng.uniform(0.2, 1.4) if cartoon else rng.uniform(0.7, 1.2)
    return Proportions(min(max(head, 0.8), 2.2), neck, torso, shoulders, hips, arms, legs)


def build_body(poses: Poses, index: int, size: Proportions) -> Body:
    """Give a pose new proportions: every bone keeps its direction and is scaled.

    The pelvis is the origin. The neck label lies half way from the shoulders' middle to the chin, the torso's half way
    up the trunk and the nose's on the face's surface, as `napa_lib.skeletons` defines them.
    """
    old, up, face = poses.joints[index], poses.up[index], poses.face[index]
    new = np.zeros((18, 3))
    middles = [(old[J["l_" + name]] + old[J["r_" + name]]) / 2 for name in ("shoulder", "hip")]
    new[J["thorax"]] = (middles[0] - middles[1]) * size.torso
    for name, anchor, width in (("shoulder", "thorax", size.shoulders), ("hip", "pelvis", size.hips)):
        half = (old[J["l_" + name]] - old[J["r_" + name]]) / 2 * width
        new[J["l_" + name]], new[J["r_" + name]] = new[J[anchor]] + half, new[J[anchor]] - half
    for limb, (first, middle, last) in enumerate(LIMBS):
        factor = size.arms if limb < 2 else size.legs
        new[middle] = new[first] + (old[middle] - old[first]) * factor
        new[last] = new[middle] + (old[last] - old[middle]) * factor
    head = HEAD * size.head
    chin = new[J["thorax"]] + up * NECK * size.neck
    new[J["torso"]] = new[J["thorax"]] / 2
    new[J["neck"]] = (new[J["thorax"]] + chin) / 2
    new[J["head"]] = chin + up * head
    new[J["nose"]] = chin + up * head * (0.5 - NOSE_DOWN) + face * head * NOSE_OUT
    toes = new[[J["r_ankle"], J["l_ankle"]]] + poses.toes[index] * TOES * max(0.75, min(size.legs, 1.3))
    return Body(new, toes, up, face, head, 1.0)
