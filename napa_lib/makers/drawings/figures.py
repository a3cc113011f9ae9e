"""Whole pictures: a ground, perhaps a second figure and props, and one labelled figure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from napa_lib.makers.drawings.bodies import Body, J, Poses, Proportions, build_body, sample_proportions
from napa_lib.makers.drawings.clothes import sample_outfit
from napa_lib.makers.drawings.colors import contrasting, is_busy, sample_color, sample_ground, shade
from napa_lib.makers.drawings.heads import sample_head_style
from napa_lib.makers.drawings.pens import Canvas, Color, Ink, Paint, capsule, circle, ellipse
from napa_lib.makers.drawings.poses import sample_poses
from napa_lib.makers.drawings.puppets import draw_puppet, hangs
from napa_lib.makers.drawings.shading import finish_sheet, shade_figure
from napa_lib.makers.drawings.sticks import draw_blob, draw_mannequin, draw_pictogram, draw_stick
from napa_lib.skeletons import NAPA18

STYLES = ("stick", "blob", "pictogram", "mannequin", "silhouette", "lines", "puppet")
STYLE_SHARES = (0.11, 0.05, 0.06, 0.07, 0.08, 0.17, 0.46)
FACELESS = ("stick", "blob", "pictogram", "mannequin", "silhouette")  # nothing tells their front from their back
SIDES = {
    "shoulder": 3.0,
    "hip": 3.0,
    "elbow": 1.0,
    "wrist": 1.0,
    "knee": 1.0,
    "ankle": 1.0,
}  # weights in `facing_viewer`
SMALLEST = 32  # px; below it a face is a pixel
FEWEST = 8  # joints that a cut figure keeps in the picture
BEHIND = 0.1  # a face that points further away than this hides the nose


@dataclass(frozen=True, eq=False)
class Drawings:
    """Drawn figures: `images` (N, 3, S, S) uint8, `keypoints` (N, 18, 2) px in NAPA18 order, `visible` (N, 18) bool.

    A joint outside the picture is NaN; a nose on the far side of the head is labelled but not visible.
    """

    images: Tensor
    keypoints: Tensor
    visible: Tensor


def draw_figures(count: int, size: int, generator: torch.Generator, alone: bool = False) -> Drawings:
    """Draw people as clip art, cartoons, outlines, silhouettes, pictograms and stick figures, and say where joints are.

    Poses are recorded 2D poses, motion capture of the training split seen from random sides, and random postures; the
    figures' proportions run from natural to cartoon. Left and right are the drawn person's own; where nothing in a
    picture tells them (a stick figure, a silhouette), the person is taken to face the viewer (`facing_viewer`).

    Args:
        count: how many pictures.
        size: their side in pixels.
        generator: where all random numbers come from; a seed always gives the same pictures.
        alone: nobody but the labelled figure is in a picture, also not in a painting behind it.

    Raises:
        ValueError: if `count` is negative or `size` is below 32.

    >>> draw_figures(2, 64, torch.Generator().manual_seed(0)).images.shape
    torch.Size([2, 3, 64, 64])
    """
    if count < 0:
        raise ValueError(f"count must not be negative, got {count}")
    if size < SMALLEST:
        raise ValueError(f"size must be at least {SMALLEST}, got {size}")
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    poses = sample_poses(2 * count, rng)  # every second one for those who stand by
    pictures, bodies = np.empty((count, size, size, 3), np.uint8), []
    joints = np.zeros((count, NAPA18.num_joints, 2))
    for i in range(count):
        body, pictures[i], style = _draw_picture(poses, 2 * i, size, rng, alone)
        bodies.append(body)
        joints[i] = facing_viewer(body.joints[:, :2]) if style in FACELESS else body.joints[:, :2]
    inside = is_inside(joints, size)
    visible = inside.copy()
    for row, body in enumerate(bodies):
        visible[row, J["nose"]] &= bool(body.face[2] < BEHIND)
    keypoints = np.where(inside[..., None], joints, np.nan)
    return Drawings(
        torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(keypoints).float(), torch.from_numpy(visible),
    )  # fmt: skip


def facing_viewer(joints: np.ndarray) -> np.ndarray:
    """Name the sides of a figure as if it faced the viewer: seen upright, its left limbs are on the picture's right.

    A network that is told at random which of two equal legs is the left one can do no better than point between them.

    Args:
        joints: (18, 2).

    Returns:
        the same points; left and right are exchanged if most of the left ones, shoulders and hips before all, lie on
        the left of the trunk's upward direction.
    """
    up = joints[J["thorax"]] - joints[J["pelvis"]]
    across = sum(w * (joints[J[f"l_{name}"]] - joints[J[f"r_{name}"]]) for name, w in SIDES.items())
    if up[0] * across[1] - up[1] * across[0] >= 0:
        return joints
    swapped = joints.copy()
    for left, right in NAPA18.flip_pairs:
        swapped[[left, right]] = joints[[right, left]]
    return swapped


def _draw_picture(
    poses: Poses, index: int, size: int, rng: np.random.Generator, alone: bool
) -> tuple[Body, np.ndarray, str]:
    ground, color = sample_ground(size, rng, alone)
    style = str(rng.choice(STYLES, p=STYLE_SHARES))
    if style in ("stick", "blob", "lines") and is_busy(ground):  # lines would drown in it
        style = "puppet"
    canvas = Canvas(ground, sample_ink(style, color, size, rng), rng)
    if rng.random() < 0.06 and not alone:
        other = build_body(poses, index + 1, _proportions(style, rng))
        draw_figure(canvas, _aside(other, size, rng), style, color, size, rng)
    body = place(build_body(poses, index, _proportions(style, rng)), size, rng)
    if rng.random() < 0.25:
        _draw_floor(canvas, body, size, color, rng)
    if rng.random() < 0.1:
        _draw_prop(canvas, body, rng)
    before = canvas.image.copy() if style in ("puppet", "mannequin") and rng.random() < 0.4 else None
    draw_figure(canvas, body, style, color, size, rng)
    if before is not None:
        shade_figure(before, canvas.image, rng)
    return body, finish_sheet(canvas.finish(), rng), style


def _proportions(style: str, rng: np.random.Generator) -> Proportions:
    """Of a person or cartoon; most stick figures have their arms, or legs, start at (nearly) one point."""
    sizes = sample_proportions(rng)
    if style not in ("stick", "blob"):
        return sizes
    shoulders, hips = (
        rng.choice([0.02, 0.3, 1.0], p=[0.5, 0.2, 0.3]),
        rng.choice([0.02, 0.3, 1.0], p=[0.65, 0.15, 0.2]),
    )
    return replace(sizes, shoulders=float(shoulders), hips=float(hips))


def draw_figure(canvas: Canvas, body: Body, style: str, ground: Color, size: int, rng: np.random.Generator) -> None:
    """Draw one placed figure in one of STYLES."""
    plain = {"stick": draw_stick, "blob": draw_blob, "pictogram": draw_pictogram, "mannequin": draw_mannequin}
    if style in plain:
        plain[style](canvas, body, ground, rng)
        return
    one = contrasting(ground, rng) if style == "silhouette" else ground if style == "lines" else None
    if style == "silhouette" and rng.random() < 0.6 and sum(ground) > 300:
        one = (0, 0, 0)
    outfit = sample_outfit(size, ground, one, canvas.ink.width > 0, rng)
    head = sample_head_style(rng, shade(outfit.skin.color, 0.25) if rng.random() < 0.5 else (25, 20, 20))
    if style == "silhouette":
        assert one is not None
        head = replace(head, eyes="none", mouth="none", brows=False, nose="wedge", color=one, beard=False)
    elif style == "lines" and rng.random() < 0.7:
        head = replace(head, color=ground, line=canvas.ink.color, beard=False)
    if outfit.lower in ("skirt", "dress", "robe", "coat") and not hangs(body):
        outfit = replace(outfit, lower="trousers", leg=1.9)
    draw_puppet(canvas, body, outfit, head)


def sample_ink(style: str, ground: Color, size: int, rng: np.random.Generator) -> Ink:
    """The outline that suits a style: line drawings need one, silhouettes and stick figures have none."""
    width = size / 160 * min(float(np.exp(rng.normal(0.0, 0.45))), 2.2)
    rough = float(rng.choice([0.0, 0.0, 0.3, 0.6, 0.9]) * size / 160)
    color = (0, 0, 0) if rng.random() < 0.7 and sum(ground) > 300 else contrasting(ground, rng)
    strokes = 2 if rng.random() < 0.25 else 1
    if style in ("stick", "blob") or (style == "pictogram" and rng.random() < 0.7):
        return Ink(color, 0.0, rough if style in ("stick", "blob") else 0.0)
    if style == "silhouette" or (style != "lines" and rng.random() < 0.3):
        return Ink(color, 0.0, rough / 2)
    filled = style != "lines" or rng.random() < 0.85
    width = max(width, 0.6) if filled else min(max(width, 0.6), 1.2)
    return Ink(color, width, rough, strokes if style == "lines" else 1, filled)


def place(body: Body, size: int, rng: np.random.Generator) -> Body:
    """Scale, turn and shift a figure into the picture; one in eight is cut by the frame."""
    body = body.moved(1.0, rng.normal(0, 0.06), np.zeros(2))
    reach = body.head * 0.1
    points = np.concatenate([body.joints[:, :2], body.toes[:, :2]])
    low, high = points.min(0) - reach, points.max(0) + reach
    cut = rng.random() < 0.12
    part = rng.uniform(0.9, 1.5) if cut else rng.uniform(0.45, 0.92, 2).max()
    scale = part * size / max(float((high - low).max()), 0.35)
    free = size - (high - low) * scale
    corner = free * rng.uniform(0.0, 1.0, 2) if not cut else free * rng.uniform(-0.1, 1.1, 2)
    placed = body.moved(scale, 0.0, corner - low * scale - 0.5)
    if is_inside(placed.joints[:, :2], size).sum() < FEWEST:
        return body.moved(scale, 0.0, free / 2 - low * scale - 0.5)
    return placed


def is_inside(points: np.ndarray, size: int) -> np.ndarray:
    """Which points (..., 2) lie on the picture, whose first pixel's centre is (0, 0)."""
    return np.all((points > -0.5) & (points < size - 0.5), axis=-1)


def _aside(body: Body, size: int, rng: np.random.Generator) -> Body:
    """A second figure that stands half outside the picture."""
    placed = place(body, size, rng)
    side = float(rng.choice([-1.0, 1.0]))
    goal = size / 2 + side * size * rng.uniform(0.42, 0.55)
    return placed.moved(1.0, 0.0, np.array([goal - placed["pelvis"][0], 0.0]))


def _draw_floor(canvas: Canvas, body: Body, size: int, ground: Color, rng: np.random.Generator) -> None:
    """A ground line or a shadow under the lowest foot."""
    level = float(max(body.toes[:, 1].max(), body["l_ankle"][1], body["r_ankle"][1])) + body.stature * 0.03
    if rng.random() < 0.5:
        canvas.line(
            np.array([[0.0, level], [size / 2, level], [float(size), level]]), canvas.ink.color, rng.uniform(0.6, 2.5)
        )
    else:
        half = body.stature * rng.uniform(0.12, 0.3)
        middle = np.array([body["pelvis"][0], level])
        canvas.fill(ellipse(middle, np.array([half, 0]), np.array([0, half * 0.2])), Paint(shade(ground, 0.75)))


def _draw_prop(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """A stick, ball or bag at a hand, or a seat under the hips."""
    paint, st = Paint(sample_color(rng)), body.stature
    hand = body[str(rng.choice(["r_wrist", "l_wrist"]))]
    kind = rng.choice(4)
    if kind == 0:
        angle = rng.uniform(0, np.pi)
        step = np.array([np.cos(angle), np.sin(angle)]) * st * rng.uniform(0.2, 0.6)
        canvas.group((capsule(hand - step * rng.uniform(0, 1), hand + step, st * 0.012, st * 0.012), paint))
    elif kind == 1:
        canvas.group((circle(hand + np.array([0, st * 0.05]), st * rng.uniform(0.04, 0.1)), paint))
    elif kind == 2:
        w, h = st * rng.uniform(0.05, 0.12, 2)
        canvas.group((hand + np.array([[-w, 0.02 * st], [w, 0.02 * st], [w, h * 2], [-w, h * 2]]), paint))
    else:
        x, y = (body["l_hip"] + body["r_hip"]) / 2 + np.array([0, st * 0.05])
        w, low = st * rng.uniform(0.08, 0.16), max(y + st * 0.05, float(body.toes[:, 1].max()))
        canvas.group((np.array([[x - w, y], [x + w, y], [x + w, low], [x - w, low]]), paint))
