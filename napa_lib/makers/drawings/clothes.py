"""What clip-art people wear and how thick they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napa_lib.makers.drawings.colors import SKIN, contrasting, differs, sample_color, sample_paint
from napa_lib.makers.drawings.pens import Color, Paint

LOWER = ("trousers", "trousers", "shorts", "tights", "skirt", "dress", "robe", "coat", "bare")


HEMS = {"shorts": (0.5, 1.0), "skirt": (0.5, 1.9), "dress": (0.6, 1.95), "robe": (1.7, 2.05), "coat": (0.6, 1.6)}


@dataclass(frozen=True)
class Build:
    """How thick a figure is: half widths in parts of the stature."""

    arm: float
    leg: float
    girth: float  # how far the trunk lies outside shoulders and hips
    waist: float  # as part of a straight trunk's width
    hand: float  # as part of a usual hand's size
    bulge: float  # how far muscles swell, as part of the limb's half width


@dataclass(frozen=True)
class Outfit:
    """One figure's clothes."""

    skin: Paint
    top: Paint
    bottom: Paint
    shoe: Paint
    lower: str
    sleeve: float  # 0 bare, 1 to the elbow, 2 to the wrist
    leg: float  # where trousers, skirts or coats end: 1 at the knee, 2 at the ankle
    build: Build
    loose: float  # how much wider cloth is than the limb
    ends: float  # how much wider sleeves are at the wrist than at the elbow
    flare: float  # how far a hem at the ankles lies outside the legs, in parts of the stature
    cape: bool
    belt: bool
    buttons: bool
    tie: bool


def sample_outfit(
    side: int, ground: Color, one_color: Color | None, outlined: bool, rng: np.random.Generator
) -> Outfit:
    """Random clothes for pictures of `side` pixels.

    `one_color` makes everything of it, for silhouettes and line drawings; without an outline (`outlined`) no cloth nor
    skin has the ground's colour.
    """

    def cloth(patterned: float) -> Paint:
        color = sample_color(rng) if outlined and rng.random() < 0.3 else contrasting(ground, rng)
        return Paint(one_color) if one_color is not None else sample_paint(color, side, rng, patterned)

    skin = SKIN[rng.integers(len(SKIN))]
    if rng.random() < 0.12 or not (outlined or differs(skin, ground)):
        skin = contrasting(ground, rng)
    top, lower = cloth(0.35), str(rng.choice(LOWER))
    same = lower in ("dress", "robe", "coat") or rng.random() < 0.15
    low, high = HEMS.get(lower, (1.7, 2.0))
    return Outfit(
        skin=Paint(one_color or skin),
        top=top,
        bottom=top if same else cloth(0.2),
        shoe=cloth(0.0),
        lower=lower,
        sleeve=float(rng.choice([0, 0.5, 1, 2, 2, 2])),
        leg=rng.uniform(low, high),
        build=sample_build(rng),
        loose=rng.uniform(1.0, 1.5),
        ends=rng.uniform(1.2, 2.8) if rng.random() < 0.2 else 1.0,
        flare=rng.uniform(0.02, 0.16),
        cape=bool(rng.random() < 0.06),
        belt=bool(rng.random() < 0.35),
        buttons=bool(rng.random() < 0.25),
        tie=bool(rng.random() < 0.12),
    )


def sample_build(rng: np.random.Generator) -> Build:
    """Thin to stout; one trunk in five has a belly, half the limbs have muscles."""
    return Build(
        arm=0.03 * float(np.exp(rng.normal(0, 0.25))),
        leg=0.045 * float(np.exp(rng.normal(0, 0.25))),
        girth=rng.uniform(0.02, 0.06),
        waist=rng.uniform(0.65, 1.15) * (1 + (rng.random() < 0.2) * rng.uniform(0, 0.6)),
        hand=rng.uniform(0.6, 1.5),
        bulge=(rng.random() < 0.5) * rng.uniform(0.1, 0.5),
    )
