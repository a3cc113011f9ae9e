"""Make clips: one person, appearance, background and look, eight poses, with exact labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napa_lib.data.shards import LOOKS
from napa_lib.makers.people.backdrop import backdrop, studio
from napa_lib.makers.people.body import Mesh, body_model
from napa_lib.makers.people.drawn import sample_drawn, shade_drawn
from napa_lib.makers.people.dressing import dress, reshape
from napa_lib.makers.people.photo import sample_photo, shade_photo
from napa_lib.makers.people.posing import bone_rotations, joint_positions, label_joints, skin
from napa_lib.makers.people.postures import Directions, captured, captured_singles, sampled
from napa_lib.makers.people.scene import Figure, Surface, person_mask, render, visible_joints
from napa_lib.makers.people.turns import Array
from napa_lib.makers.people.view import View, frame_points, sample_direction
from napa_lib.makers.people.wardrobe import Outfit, sample_outfit, sample_phenotype

FRAMES = 8
SETTINGS = ("anywhere", "studio")
SPLIT_SEED = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class Recipe:
    """What to make: `split` chooses people and motion-capture clips, `movement` the share of movements."""

    size: int = 128
    look: str = "both"  # "photo", "drawn" or "both"
    split: str = "train"
    seed: int = 0
    movement: float = 0.4
    drawn: float = 0.5  # share of drawn clips where the look is "both"
    company: float = 0.15  # share of clips with a second person
    setting: str = "anywhere"  # or "studio": people who stand or walk before a bare wall, seen from about the front

    def __post_init__(self) -> None:
        if self.look not in (*LOOKS, "both"):
            raise ValueError(f"look must be one of {(*LOOKS, 'both')}, got {self.look!r}")
        if self.split not in SPLIT_SEED:
            raise ValueError(f"split must be one of {sorted(SPLIT_SEED)}, got {self.split!r}")
        if self.setting not in SETTINGS:
            raise ValueError(f"setting must be one of {SETTINGS}, got {self.setting!r}")
        if not 16 <= self.size <= 1024:
            raise ValueError(f"size must be from 16 to 1024 pixels, got {self.size}")
        for name in ("movement", "drawn", "company"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Clip:
    """Eight pictures of one person and their labels; person 0 is the main one.

    `images` (8, S, S, 3) uint8; `masks` (8, S, S) bool of person 0; `keypoints` (P, 8, 18, 2) px; `poses` (P, 8, 18, 3)
    mm, camera axes; `visible` (P, 8, 18) bool; `boxes` (P, 8, 4) x0, y0, x1, y1 px of the whole figure; `K` (8, 3, 3).
    """

    images: Array
    masks: Array
    keypoints: Array
    poses: Array
    visible: Array
    boxes: Array
    K: Array
    person: int
    movement: str
    look: str


@dataclass(frozen=True, eq=False)
class _Actor:
    mesh: Mesh
    outfit: Outfit
    eyes: float
    mouth: float

    def act(self, pose: Directions, rng: np.random.Generator) -> list[Figure]:
        rotations = bone_rotations(self.mesh, pose, rng)
        heads = joint_positions(self.mesh, rotations)
        figures = []
        for turn, head in zip(rotations, heads, strict=True):
            vertices, normals = skin(self.mesh, turn, head)
            joints = label_joints(self.mesh, head, vertices)
            figures.append(Figure(self.mesh, self.outfit, vertices, normals, joints, self.eyes, self.mouth))
        return figures


def make_clip(recipe: Recipe, index: int) -> Clip:
    """Clip `index` of a recipe: the same numbers give the same clip, whatever else is made."""
    rng = np.random.default_rng([recipe.seed, SPLIT_SEED[recipe.split], index])
    drawn = recipe.look == "drawn" or (recipe.look == "both" and rng.random() < recipe.drawn)
    indoors = recipe.setting == "studio"
    actor = _actor(rng, drawn, indoors)
    moves = rng.random() < recipe.movement
    pose, movement = _poses(recipe.split, moves, indoors, rng)
    rotation, distance = sample_direction(rng, indoors)
    figures = [[f] for f in _placed(actor.act(pose, rng))]
    if rng.random() < recipe.company:
        _add_company(figures, _actor(rng, drawn, indoors), rotation, rng)
    fill, shift = _framing(rng, indoors)
    views = _views(figures, rotation, distance, moves, recipe.size, fill, shift)
    ground = studio(rng, recipe.size) if indoors else backdrop(rng, recipe.size, drawn)
    style, light = sample_drawn(rng), sample_photo(rng)
    images, masks = [], []
    labels: list[list[tuple[Array, ...]]] = []
    for people, view in zip(figures, views, strict=True):
        surface = render(people, view, recipe.size)
        if drawn:
            picture = shade_drawn(surface, people, style, ground, rng)
        else:
            picture = shade_photo(surface, people, light, ground, view, rng)
        images.append((picture * 255 + 0.5).astype(np.uint8))
        masks.append(person_mask(surface, recipe.size))
        labels.append([_label(figure, surface, view, recipe.size) for figure in people])
    keypoints, poses, visible, boxes = (np.stack(parts, 1) for parts in zip(*map(_by_kind, labels), strict=True))
    person = SPLIT_SEED[recipe.split] * 10_000_000 + index
    return Clip(
        np.stack(images), np.stack(masks), keypoints, poses, visible, boxes, np.stack([v.K for v in views]), person,
        movement, LOOKS[drawn],
    )  # fmt: skip


def _label(figure: Figure, surface: Surface, view: View, size: int) -> tuple[Array, Array, Array, Array]:
    """Keypoints, pose, visibility and box of one person in one picture."""
    camera = view.to_camera(figure.joints)
    seen = view.project(view.to_camera(figure.vertices))[:, :2]
    visible = visible_joints(surface, view, camera, size)
    return view.project(camera)[:, :2], camera, visible, np.concatenate([seen.min(0), seen.max(0)])


def _by_kind(people: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    """The labels of all people in one picture, one array a kind of label."""
    return tuple(np.stack(parts) for parts in zip(*people, strict=True))


def _actor(rng: np.random.Generator, drawn: bool, indoors: bool = False) -> _Actor:
    phenotype = sample_phenotype(rng)
    mesh = body_model().person(phenotype)
    eyes = mouth = 1.0
    if drawn:
        head = rng.uniform(1.1, 1.8) if rng.random() < 0.4 else 1.0
        limbs = float(np.exp(rng.normal(0, 0.28))) if rng.random() < 0.4 else 1.0
        mesh = reshape(mesh, head, min(max(limbs, 0.5), 1.6))
        eyes, mouth = (0.0, 0.0) if rng.random() < 0.12 else (rng.uniform(0.8, 1.9), rng.uniform(0.4, 1.6))
    outfit = sample_outfit(rng, phenotype, drawn)
    if indoors:  # nothing wide: limbs show
        outfit = replace(outfit, skirt=None, hat=0)
    return _Actor(dress(mesh, outfit), outfit, eyes, mouth)


def _poses(split: str, moves: bool, upright: bool, rng: np.random.Generator) -> tuple[Directions, str]:
    if moves:
        return captured(split, FRAMES, rng, upright)
    if upright:
        return sampled(FRAMES, rng, upright), "sampled"
    if rng.random() < 0.15:
        return captured_singles(split, FRAMES, rng), "captured"
    return sampled(FRAMES, rng), "sampled"


def _placed(figures: list[Figure]) -> list[Figure]:
    """Stand on the floor (y = 0) at the origin."""
    return [f.moved(-np.array([f.joints[0, 0], f.vertices[:, 1].min(), f.joints[0, 2]])) for f in figures]


def _add_company(figures: list[list[Figure]], actor: _Actor, rotation: Array, rng: np.random.Generator) -> None:
    """A second person beside, and somewhat before or behind, the first."""
    others = _placed(actor.act(sampled(FRAMES, rng), rng))
    side = rotation[0] * [1, 0, 1] * rng.choice([-1, 1]) * rng.uniform(350, 750)
    back = rotation[2] * [1, 0, 1] * rng.uniform(-300, 700)
    for people, other in zip(figures, others, strict=True):
        people.append(other.moved(side + back))


def _framing(rng: np.random.Generator, indoors: bool) -> tuple[Array, Array]:
    """Which share of each picture its figure fills, (FRAMES,), and how far from the middle it is, (FRAMES, 2)."""
    if indoors:  # anywhere in the picture, whole
        fill = rng.uniform(0.5, 0.95, FRAMES)
        return fill, rng.uniform(-0.5, 0.5, (FRAMES, 2)) * (1 - fill[:, None])
    fill = rng.uniform(0.55, 0.95, FRAMES) + (0.4 if rng.random() < 0.06 else 0.0)
    return fill, rng.normal(0, 0.04, (FRAMES, 2))


def _views(
    figures: list[list[Figure]],
    rotation: Array,
    distance: float,
    moves: bool,
    size: int,
    fill: Array,
    shift: Array,
) -> list[View]:
    """One camera for a movement; where poses are independent each is framed by itself."""
    middles = [(f[0].vertices.min(0) + f[0].vertices.max(0)) / 2 for f in figures]
    if moves:
        middle = np.mean(middles, 0)
        points = np.concatenate([f[0].vertices[::10] for f in figures]) - middle
        return [
            _recentred(frame_points(rotation, distance, points, size, max(fill[0], 0.6), shift[0]), middle)
        ] * FRAMES
    return [
        _recentred(frame_points(rotation, distance, people[0].vertices[::5] - middle, size, part, move), middle)
        for people, middle, part, move in zip(figures, middles, fill, shift, strict=True)
    ]


def _recentred(view: View, middle: Array) -> View:
    return View(view.R, view.offset - view.R @ middle, view.K)
