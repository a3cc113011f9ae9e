"""Make clips of faces: one person before one background, eight turns of the head and expressions, 68 exact points."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napa_lib.makers.faces.features import colour_features, paint_features, sample_features
from napa_lib.makers.faces.head import Head, head_model
from napa_lib.makers.people.backdrop import backdrop
from napa_lib.makers.people.dressing import dress
from napa_lib.makers.people.photo import PhotoStyle, sample_photo, shade_photo
from napa_lib.makers.people.scene import Figure, person_mask, render
from napa_lib.makers.people.turns import Array, about, unit
from napa_lib.makers.people.view import View, frame_points
from napa_lib.makers.people.wardrobe import sample_outfit, sample_phenotype

FRAMES = 8
SPLIT_SEED = {"train": 0, "validation": 1, "test": 2}
FACES = 68  # marks the random numbers as those of faces
UPRIGHT = np.diag([1.0, -1.0, -1.0])  # a camera in front of a person that looks along z
LIMITS = np.radians([35.0, 20.0, 18.0])  # largest yaw, pitch and roll
MARGIN = 0.1  # share of the picture's side that the landmarks' box leaves free at least


@dataclass(frozen=True)
class Recipe:
    """What to make; `split` chooses the people."""

    size: int = 64
    split: str = "train"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split not in SPLIT_SEED:
            raise ValueError(f"split must be one of {sorted(SPLIT_SEED)}, got {self.split!r}")
        if not 16 <= self.size <= 1024:
            raise ValueError(f"size must be from 16 to 1024 pixels, got {self.size}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")


@dataclass(frozen=True, eq=False)
class FaceClip:
    """`images` (8, S, S, 3) uint8; `masks` (8, S, S) bool; `landmarks` (8, 68, 2) px; `turns` (8, 3) degrees."""

    images: Array
    masks: Array
    landmarks: Array
    turns: Array
    person: int


def make_clip(recipe: Recipe, index: int) -> FaceClip:
    """Clip `index` of a recipe: the same numbers give the same clip, whatever else is made."""
    rng = np.random.default_rng([FACES, recipe.seed, SPLIT_SEED[recipe.split], index])
    model, size = head_model(), recipe.size
    phenotype = sample_phenotype(rng)
    outfit = replace(sample_outfit(rng, phenotype, drawn=False), hat=0, skirt=None)
    features = sample_features(rng, phenotype["gender"] > 0.5)
    colour_features(outfit, features)
    bare = model.skin_of(phenotype, rng)
    head = Head(bare, dress(bare, outfit))
    light, ground = sample_light(rng), backdrop(rng, size, drawn=False)
    turns = sample_turns(rng)
    camera = about(0, np.array(rng.normal(0, 0.06)))
    distance, fill = rng.uniform(700, 2500), rng.uniform(0.44, 0.62)
    images, masks, landmarks = [], [], []
    for yaw, pitch, roll in turns:
        turn = about(1, yaw) @ about(0, pitch) @ about(2, -roll)
        vertices, normals, points = model.pose(head, turn, sample_expression(rng))
        share = fill * rng.uniform(0.85, 1.15)
        shift = rng.uniform(-0.5, 0.5, 2) * (1 - MARGIN - share)
        view = _view(UPRIGHT @ camera, points, distance, size, share, shift)
        figure = Figure(head.dressed, outfit, vertices, normals, points, eyes=0.0, mouth=0.0)  # painted here
        surface = render([figure], view, size)
        gaze = unit(np.array([rng.normal(0, 0.2), rng.normal(0, 0.1), 1.0]))
        material = paint_features(surface.material, surface.region, surface.canon, model, features, gaze)
        picture = shade_photo(replace(surface, material=material), [figure], light, ground, view, rng)
        images.append((picture * 255 + 0.5).astype(np.uint8))
        masks.append(person_mask(surface, size))
        landmarks.append(view.project(view.to_camera(points))[:, :2])
    person = SPLIT_SEED[recipe.split] * 10_000_000 + recipe.seed * 100_000 + index
    return FaceClip(np.stack(images), np.stack(masks), np.stack(landmarks), np.degrees(turns), person)


def sample_light(rng: np.random.Generator) -> PhotoStyle:
    """Light from in front or the side, not from behind, and no shadow on a floor that is not in the picture."""
    style = sample_photo(rng)
    sun = unit(style.sun - [0, 0, 0.5] if style.sun[2] < 0 else style.sun * [1, 1, -1] - [0, 0, 0.5])
    return replace(style, sun=sun, shadow=0.0)


def sample_turns(rng: np.random.Generator) -> Array:
    """Yaw, pitch and roll of the head in each picture (8, 3), radians: a person who looks about while talking."""
    usual = rng.normal(0, [0.15, 0.06, 0.04])
    return (usual + rng.normal(0, [0.3, 0.12, 0.09], (FRAMES, 3))).clip(-LIMITS, LIMITS)


def sample_expression(rng: np.random.Generator) -> dict[str, float]:
    """Weights of a few facial actions, much the same on both sides."""
    weights: dict[str, float] = {}

    def both(name: str, weight: float) -> None:
        for side in ("Left", "Right"):
            weights[name + side] = weight * rng.uniform(0.8, 1.0)

    if rng.random() < 0.55:
        weights["jawOpen"] = 0.75 * rng.beta(1.2, 2.0)
    mood = rng.random()
    if mood < 0.35:
        both("mouthSmile", rng.uniform(0.2, 1.0))
    elif mood < 0.5:
        both("mouthFrown", rng.uniform(0.2, 0.9))
    elif mood < 0.6:
        weights["mouthPucker"] = rng.uniform(0.2, 0.9)
    elif mood < 0.7:
        weights["mouthFunnel"] = rng.uniform(0.2, 0.8)
    elif mood < 0.8:
        both("mouthStretch", rng.uniform(0.2, 0.8))
    if rng.random() < 0.2:
        both("mouthUpperUp", rng.uniform(0.1, 0.7))
    if rng.random() < 0.2:
        weights[f"mouth{rng.choice(['Left', 'Right'])}"] = rng.uniform(0.1, 0.5)
    brow = rng.random()
    if brow < 0.25:
        weights["browInnerUp"] = rng.uniform(0.2, 0.9)
        both("browOuterUp", rng.uniform(0.0, 0.9))
    elif brow < 0.45:
        both("browDown", rng.uniform(0.2, 0.9))
    blink = rng.random()
    both("eyeBlink", rng.uniform(0.8, 0.95) if blink < 0.1 else 0.3 * rng.beta(1, 2))
    if blink > 0.85:
        both("eyeWide", rng.uniform(0.2, 0.9))
    return weights


def _view(rotation: Array, points: Array, distance: float, size: int, fill: float, shift: Array) -> View:
    """The camera whose picture the landmarks fill to a share, their box's centre moved by `shift` sides."""
    middle = (points.min(0) + points.max(0)) / 2
    view = frame_points(rotation, distance, points - middle, size, fill, shift)
    return View(view.R, view.offset - view.R @ middle, view.K)
