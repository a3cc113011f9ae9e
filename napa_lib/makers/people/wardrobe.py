"""What a person looks like: build, skin, hair, clothes and their colours, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napa_lib.makers.people.turns import Array

MATERIALS = ("skin", "hair", "top", "bottom", "shoe", "sock", "hat", "white", "dark", "lip", "brow")
M = {name: i for i, name in enumerate(MATERIALS)}
PATTERNS = ("plain", "rings", "stripes", "checks", "dots", "noise", "blotches", "halves")
PATTERN_ODDS = (0.55, 0.09, 0.07, 0.07, 0.05, 0.08, 0.06, 0.03)
SKIN = (
    np.array(
        [
            (247, 215, 190),
            (240, 197, 165),
            (224, 172, 138),
            (198, 145, 108),
            (160, 110, 78),
            (115, 76, 54),
            (78, 52, 40),
        ]
    )
    / 255
)
HAIR = np.array([
    (25, 20, 18), (50, 34, 26), (88, 56, 34), (130, 88, 50), (190, 150, 90), (215, 190, 140), (150, 60, 30),
    (150, 148, 145), (225, 222, 216),
]) / 255  # fmt: skip


@dataclass(frozen=True, eq=False)
class Outfit:
    """Lengths are parts of a limb (0 shoulder or hip, 1 wrist or ankle) or mm on the average adult; see `paint`."""

    colours: Array  # (len(MATERIALS), 2, 3) sRGB, the pattern's two colours
    patterns: Array  # (len(MATERIALS),) index into PATTERNS
    scales: Array  # (len(MATERIALS),) the pattern's period in mm
    sleeve: float  # below 0: sleeveless
    collar: float  # how far the neckline drops in front, mm
    hem: float  # height where the top ends over the bottom
    waist: float
    legs: float  # how far trousers or shorts reach
    skirt: float | None  # how far a skirt reaches, None without
    flare: float
    boots: float  # shoes reach up to here on the leg; 1 is the ankle
    socks: float
    bare_feet: bool
    loose: tuple[float, float, float]  # mm that top, sleeve's end, trousers stand off
    hair: float  # mm of hair on the scalp; 0 is bald
    hairline: float  # mm on the forehead, up is positive
    long_hair: float  # mm of hair below the ears, 0 for none
    bun: int  # 0 none, 1 on top, 2 behind, 3 pony tail
    beard: float  # mm up from the chin, 0 for none
    hat: int  # 0 none, 1 cap, 2 brim, 3 cone, 4 top hat
    brim: float


def sample_phenotype(rng: np.random.Generator) -> dict[str, float]:
    """Anny's parameters: adults of both sexes mostly, some children and old people, builds from thin to heavy."""
    age = rng.uniform(0.6, 0.95) if rng.random() < 0.8 else rng.uniform(0.22, 0.6)
    gender = rng.uniform(0, 0.25) if rng.random() < 0.5 else rng.uniform(0.75, 1)
    spread = {name: float(np.clip(rng.normal(mean, 0.2), 0.05, 0.95)) for name, mean in
              (("muscle", 0.5), ("weight", 0.48), ("height", 0.5), ("proportions", 0.55))}  # fmt: skip
    return {"gender": float(gender), "age": float(age), **spread}


def sample_outfit(rng: np.random.Generator, phenotype: dict[str, float], drawn: bool) -> Outfit:
    """Clothes for either sex; more skirts and long hair for women, beards for men."""
    long = rng.uniform(40, 330) if rng.random() < (0.65 if phenotype["gender"] > 0.5 else 0.08) else 0.0
    woman, child = phenotype["gender"] > 0.5, phenotype["age"] < 0.5
    dress = rng.random() < (0.4 if woman else 0.1)
    skirt = float(rng.choice([0.35, 0.5, 0.7, 0.9, 1.02])) + rng.normal(0, 0.04) if dress else None
    beard = 0.0 if woman or child or rng.random() > 0.35 else rng.uniform(20, 55)
    hat = int(rng.integers(1, 5)) if rng.random() < 0.2 else 0
    robe = dress and rng.random() < 0.3
    loose = (rng.uniform(1, 14), rng.uniform(25, 80) if robe else rng.uniform(1, 16), rng.uniform(1, 16))
    trousers = float(rng.choice([0.2, 0.4, 0.55, 0.97], p=[0.1, 0.15, 0.05, 0.7]))
    nude = rng.random() < 0.05  # swimwear, as studies and statues show people
    return Outfit(
        *_colours(rng, drawn, dress),
        sleeve=-1.0 if nude else float(rng.choice([-0.02, 0.12, 0.28, 0.5, 0.97], p=[0.1, 0.1, 0.3, 0.1, 0.4])),
        collar=float(rng.choice([5, 25, 60, 120], p=[0.4, 0.35, 0.18, 0.07])),
        hem=1e3 if nude and not woman else float(rng.choice([300, 240, 160, 60], p=[0.25, 0.3, 0.3, 0.15])),
        waist=float(rng.choice([270, 310], p=[0.6, 0.4])), legs=0.06 if nude else trousers,
        skirt=None if nude else skirt,
        flare=float(rng.uniform(0.0, 0.5)), boots=float(rng.choice([1.1, 0.85, 0.6], p=[0.75, 0.17, 0.08])),
        socks=float(rng.choice([1.1, 0.85, 0.6], p=[0.6, 0.25, 0.15])), bare_feet=bool(nude or rng.random() < 0.12),
        loose=loose, hair=0.0 if not woman and rng.random() < 0.1 else float(rng.uniform(5, 38)),
        hairline=float(rng.normal(0, 7)), long_hair=float(long),
        bun=int(rng.integers(1, 4)) if woman and rng.random() < 0.25 else 0, beard=float(beard), hat=hat,
        brim=float(rng.uniform(1.25, 2.1)),
    )  # fmt: skip


def _colours(rng: np.random.Generator, drawn: bool, dress: bool) -> tuple[Array, Array, Array]:
    count = len(MATERIALS)
    hue, value = rng.random((count, 2)), rng.uniform(0.08, 0.98, (count, 2))
    saturation = rng.beta(2.5, 1.5, (count, 2)) if drawn else rng.beta(1.3, 2.2, (count, 2))
    colours = from_hsv(hue, saturation, np.sqrt(value) if drawn else value)
    if drawn and rng.random() < 0.2:  # one hue for everything, as in prints
        colours = from_hsv(np.full_like(hue, hue[0, 0]), saturation * 0.6, value)
    tone = rng.uniform(0, len(SKIN) - 1.001)
    skin = SKIN[int(tone)] * (1 - tone % 1) + SKIN[int(tone) + 1] * (tone % 1)
    colours[M["skin"]] = skin * rng.uniform(0.94, 1.03) if not drawn or rng.random() < 0.7 else colours[M["skin"]]
    colours[M["hair"]] = HAIR[rng.integers(len(HAIR))] * rng.uniform(0.8, 1.1)
    colours[M["brow"]] = colours[M["hair"]] * 0.7
    colours[M["white"]], colours[M["dark"]] = 0.95, colours[M["dark"]] * 0.35
    colours[M["lip"]] = colours[M["skin"]] * [0.85, 0.55, 0.55]
    if dress and rng.random() < 0.7 or rng.random() < 0.1:
        colours[M["bottom"]] = colours[M["top"]]
    if rng.random() < 0.5:
        colours[M["shoe"]] *= 0.35
    patterns = rng.choice(len(PATTERNS), count, p=PATTERN_ODDS)
    patterns[[M[n] for n in ("skin", "hair", "white", "dark", "lip", "brow")]] = 0
    return colours.clip(0, 1), patterns, rng.uniform(40, 190, count)


def from_hsv(hue: Array, saturation: Array, value: Array) -> Array:
    """Hue, saturation and value in [0, 1] to sRGB (..., 3)."""
    k = (np.array([5.0, 3.0, 1.0]) + hue[..., None] * 6) % 6
    return value[..., None] * (1 - saturation[..., None] * np.minimum(k, 4 - k).clip(0, 1))
