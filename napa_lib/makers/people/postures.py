"""Poses as directions: sampled joint angles round common postures, and motion capture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napa_lib.data.mocap import list_mocap_clips, load_mocap
from napa_lib.makers.people.turns import Array, about, frame, unit
from napa_lib.skeletons import NAPA18

LIMBS = tuple(  # right arm, left arm, right leg, left leg
    tuple(NAPA18.index(name) for name in names)
    for names in (
        ("r_shoulder", "r_elbow", "r_wrist"), ("l_shoulder", "l_elbow", "l_wrist"),
        ("r_hip", "r_knee", "r_ankle"), ("l_hip", "l_knee", "l_ankle"),
    )
)  # fmt: skip
SIDE = np.array([-1.0, 1.0, -1.0, 1.0])

# Degrees (forward, outward) of upper, then lower part. Forward: 0 hangs down, 90 points ahead, 180 up. Outward: 90 is
# sideways, negative across the body.
ARMS = {
    "hanging": (0, 8, 12, 4), "behind": (-20, 14, 10, -25), "on hip": (-18, 48, 5, -42),
    "half raised": (30, 20, 60, 10),
    "overhead": (172, 12, 175, 6), "raised bent": (150, 35, 185, -35), "sideways": (0, 88, 0, 88),
    "flexed": (0, 82, 0, 168), "ahead": (88, 4, 90, 2), "waving": (10, 60, 20, 158), "crossed": (28, 12, 62, -72),
    "to face": (45, 18, 152, -18), "carrying": (12, 8, 88, 4), "pointing": (75, 40, 75, 45),
    "behind head": (140, 55, 165, -60),
    "running": (-40, 12, 50, -5), "low v": (5, 38, 8, 36), "on thigh": (35, 12, 60, -5),
    "throwing": (10, 100, 130, 120),
    "praying": (32, 15, 115, -42), "back": (-55, 18, -60, 15), "guard": (35, 10, 125, -15),
}  # fmt: skip
ARM_ODDS = {"hanging": 6.0, "on hip": 2.0, "low v": 2.0, "running": 2.0, "overhead": 1.5, "carrying": 1.5}
LEGS = {  # one leg, the other
    "standing": (0, 5, -2, 3, 0, 5, -2, 3), "astride": (0, 16, 0, 14, 0, 16, 0, 14),
    "one leg rests": (14, 6, -4, 4, -2, 6, -2, 2),
    "step": (24, 3, 14, 2, -16, 3, -30, 2), "stride": (34, 3, 6, 2, -22, 3, -50, 2),
    "run": (62, 4, -18, 2, -20, 3, -85, 2),
    "kick": (85, 6, 75, 5, -4, 4, -8, 3), "sitting": (86, 9, 2, 4, 86, 9, 2, 4),
    "legs crossed": (92, 4, 20, -14, 84, 6, 0, 2),
    "floor": (80, 48, 30, -58, 80, 48, 30, -58), "stretched": (86, 8, 84, 6, 86, 8, 84, 6),
    "kneeling": (2, 8, -88, 4, 2, 8, -88, 4),
    "one knee": (86, 8, 0, 4, 2, 5, -86, 3), "squat": (105, 28, -25, 12, 105, 28, -25, 12),
    "heels": (70, 10, -105, 6, 70, 10, -105, 6),
    "side lunge": (10, 48, 2, 6, 0, 32, 0, 32), "lunge": (75, 5, -8, 3, -32, 4, -48, 3),
    "stork": (60, 12, -40, 2, 0, 3, 0, 2),
    "arabesque": (-60, 8, -68, 6, 4, 3, 2, 2), "side kick": (5, 72, 5, 76, 0, 4, 0, 3),
    "skating": (12, 8, -32, 4, -20, 22, -42, 20),
    "tree": (40, 62, -10, -48, 0, 3, 0, 2), "hurdle": (85, 5, 60, 4, -30, 30, -70, 20),
    "split": (60, 12, 55, 10, -55, 12, -60, 10),
}  # fmt: skip
LEG_ODDS = {
    "standing": 9.0,
    "astride": 4.0,
    "one leg rests": 4.0,
    "step": 5.0,
    "stride": 3.0,
    "run": 2.5,
    "sitting": 3.0,
}
LOW = ("crawl", "getup_facedown", "getup_faceup", "roll", "backflip")  # clips near the floor, rarer in art
TUMBLING = (*LOW, "cartwheel", "spinkick")
UPRIGHT = ("standing", "astride", "one leg rests", "step", "stride", "stork")  # what one does before a studio's camera
FLOOR = ("floor", "stretched", "sitting", "legs crossed", "heels", "kneeling")  # whoever sits or kneels does not topple


@dataclass(frozen=True, eq=False)
class Directions:
    """N poses without a body, world axes with y up.

    `pelvis`, `chest`, `head` (N, 3, 3): columns point to the body's left, up and ahead. `upper`, `lower` (N, 4, 3):
    unit vectors along thighs, upper arms and the parts below, in the order of `LIMBS`.
    """

    pelvis: Array
    chest: Array
    head: Array
    upper: Array
    lower: Array

    def __len__(self) -> int:
        return len(self.pelvis)

    def turned(self, rotation: Array) -> Directions:
        """All of it turned by (3, 3) or (N, 3, 3)."""
        limbs = np.swapaxes(rotation, -1, -2)
        return Directions(
            rotation @ self.pelvis, rotation @ self.chest, rotation @ self.head, self.upper @ limbs, self.lower @ limbs
        )


def directions_of(poses: Array) -> Directions:
    """What NAPA18 joints (N, 18, 3) with y up say of a body's directions, whatever its proportions."""
    at = {name: poses[:, i] for i, name in enumerate(NAPA18.joints)}
    head_up = at["head"] - at["neck"]
    ahead = at["nose"] - (at["head"] + at["neck"]) / 2
    limbs = np.array(LIMBS)
    return Directions(
        frame(at["l_hip"] - at["r_hip"], at["torso"] - at["pelvis"]),
        frame(at["l_shoulder"] - at["r_shoulder"], at["thorax"] - at["torso"]),
        frame(np.cross(head_up, ahead), head_up),
        unit(poses[:, limbs[:, 1]] - poses[:, limbs[:, 0]]),
        unit(poses[:, limbs[:, 2]] - poses[:, limbs[:, 1]]),
    )


def captured(split: str, count: int, rng: np.random.Generator, upright: bool = False) -> tuple[Directions, str]:
    """`count` frames spread over a piece of one random clip of a split, and the clip's name."""
    names = list_mocap_clips(split)
    rarer, share = (TUMBLING, 0.0) if upright else (LOW, 0.4)
    odds = np.array([share if name in rarer else 1.0 for name in names])
    name = names[int(rng.choice(len(names), p=odds / odds.sum()))]
    poses = load_mocap(name).poses.double().numpy()
    span = rng.uniform(0.3, 1.0) * (len(poses) - 1)
    first = rng.uniform(0, len(poses) - 1 - span)
    rows = np.round(np.linspace(first, first + span, count)).astype(int)
    found = directions_of(poses[rows])
    return found.turned(about(1, np.array(-_heading(found).mean()))), name


def captured_singles(split: str, count: int, rng: np.random.Generator) -> Directions:
    """`count` frames of random clips, with limbs stirred by about 10 degrees."""
    poses = np.concatenate([load_mocap(name).poses.double().numpy() for name in list_mocap_clips(split)])
    found = directions_of(poses[rng.integers(len(poses), size=count)])
    found = found.turned(about(1, -_heading(found)))
    stir = [unit(limb + rng.normal(0, 0.1, limb.shape)) for limb in (found.upper, found.lower)]
    return Directions(found.pelvis, found.chest, found.head @ _head_turn(count, rng), *stir)


def _heading(poses: Directions) -> Array:
    """Which way people look, (N,) radians about y from z towards x; unwrapped from one to the next."""
    ahead = poses.pelvis[:, :, 2] + poses.chest[:, :, 2]
    return np.unwrap(np.arctan2(ahead[:, 0], ahead[:, 2]))


def sampled(count: int, rng: np.random.Generator, upright: bool = False) -> Directions:
    """Random poses round the postures above, without hands inside the trunk where a few tries can avoid it.

    `upright` people stand or walk, and neither bend far nor tumble.
    """
    poses = _draw(4 * count, rng, upright)
    inside = _hands_inside(poses)
    keep = np.sort(np.argsort(inside, kind="stable")[:count])
    return Directions(*(getattr(poses, name)[keep] for name in Directions.__annotations__))


def _draw(count: int, rng: np.random.Generator, upright: bool) -> Directions:
    arms = np.array(list(ARMS.values()), float)
    odds = np.array([ARM_ODDS.get(name, 1.0) for name in ARMS])
    right, left = rng.choice(len(arms), (2, count), p=odds / odds.sum())
    left = np.where(rng.random(count) < 0.5, right, left)
    leg_odds = np.array([LEG_ODDS.get(name, 1.0) if not upright or name in UPRIGHT else 0.0 for name in LEGS])
    kind = rng.choice(len(LEGS), count, p=leg_odds / leg_odds.sum())
    legs = np.array(list(LEGS.values()), float)[kind].reshape(count, 2, 4)
    legs = np.where((rng.random(count) < 0.5)[:, None, None], legs[:, ::-1], legs)
    angles = np.concatenate([arms[right][:, None], arms[left][:, None], legs], 1)
    wild = np.where(rng.random((count, 1, 1)) < 0.25, 1.8, 1.0)
    angles = np.radians(angles + rng.normal(0, 1, angles.shape) * np.array([15.0, 15, 7, 7])[:, None] * wild)
    local = _limb_directions(angles)
    pelvis, chest = _trunk(count, rng, 0.0 if upright else 0.14)
    upper, lower = (
        np.concatenate([part[:, :2] @ np.swapaxes(chest, -1, -2), part[:, 2:]], 1)
        for part in (local[..., 0, :], local[..., 1, :])
    )
    seated = np.isin(kind, [i for i, name in enumerate(LEGS) if name in FLOOR])
    pose = Directions(pelvis, chest, chest @ _head_turn(count, rng), upper, lower)
    return pose if upright else pose.turned(_stance(seated, rng))


def _limb_directions(angles: Array) -> Array:
    """(N, 4, 4) angles to (N, 4, 2, 3) unit vectors."""
    forward, outward = angles[..., 0::2], angles[..., 1::2]
    x = SIDE[:, None] * np.sin(outward)
    return np.stack([x, -np.cos(outward) * np.cos(forward), np.cos(outward) * np.sin(forward)], -1)


def _trunk(count: int, rng: np.random.Generator, far: float) -> tuple[Array, Array]:
    """Frames of pelvis and chest: mostly upright, a share `far` bent far."""
    bend = rng.normal(0.06, 0.13, count) + np.where(rng.random(count) < far, rng.uniform(0.2, 1.4, count), 0.0)
    side, twist = rng.normal(0, 0.1, count), rng.normal(0, 0.2, count)
    pelvis = about(1, rng.normal(0, 0.1, count)) @ about(0, 0.5 * bend) @ about(2, rng.normal(0, 0.05, count))
    return pelvis, pelvis @ about(1, twist) @ about(0, 0.5 * bend) @ about(2, side)


def _head_turn(count: int, rng: np.random.Generator) -> Array:
    yaw, nod, tilt = rng.normal(0, 0.35, count), rng.normal(0.05, 0.2, count), rng.normal(0, 0.12, count)
    return about(1, yaw.clip(-1.1, 1.1)) @ about(0, nod.clip(-0.6, 0.7)) @ about(2, tilt)


def _stance(seated: Array, rng: np.random.Generator) -> Array:
    """Most stand as they are; some lean or tumble, lie on back, front or side, or are upside down."""
    count = len(seated)
    lying = about(0, rng.choice([-0.5, 0.5], count) * np.pi) @ about(1, rng.choice([0, 0, 1.57, -1.57], count))
    tumbled = about(2, rng.uniform(-np.pi, np.pi, count)) @ about(0, rng.uniform(-0.6, 0.6, count))
    inverted = about(2, np.pi + rng.normal(0, 0.15, count))
    still = about(2, rng.normal(0, 0.04, count))
    kind = np.where(seated, 0, rng.choice(4, count, p=[0.85, 0.07, 0.05, 0.03]))
    return np.stack([still, lying, tumbled, inverted], 1)[np.arange(count), kind]


def _hands_inside(poses: Directions) -> Array:
    """How deep wrists or elbows are in the trunk or head, in the chest's frame and parts of the stature."""
    up = np.swapaxes(poses.chest, -1, -2)[:, None]
    depth = np.zeros(len(poses))
    for arm, side in ((0, -1.0), (1, 1.0)):
        shoulder = np.array([side * 0.115, 0.0, 0.0])
        elbow = shoulder + (up @ poses.upper[:, arm, None, :, None])[:, 0, :, 0] * 0.17
        wrist = elbow + (up @ poses.lower[:, arm, None, :, None])[:, 0, :, 0] * 0.15
        hand = wrist + (wrist - elbow) * 0.6
        for point in (elbow, wrist, hand):
            trunk = np.hypot(point[:, 0] / 0.12, (point[:, 2] - 0.005) / 0.085)
            below = (point[:, 1] < 0.02) & (point[:, 1] > -0.42)
            head = np.linalg.norm((point - [0, 0.14, 0.03]) / [0.055, 0.08, 0.065], axis=-1)
            depth += np.where(below, np.maximum(1 - trunk, 0), 0) + np.maximum(1 - head, 0)
    return depth
