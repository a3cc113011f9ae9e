"""Heads: skull, hair, hats and the face on the side where the head looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napa_lib.makers.drawings.bodies import Body
from napa_lib.makers.drawings.colors import HAIR, sample_color, shade
from napa_lib.makers.drawings.pens import Canvas, Color, Paint, capsule, circle, ellipse, hull

HAIRS = ("bald", "cap", "cap", "long", "long", "bun", "ponytail", "hat", "brim", "helmet", "hood", "curls")


@dataclass(frozen=True)
class HeadStyle:
    """How every head of one drawing looks."""

    hair: str
    color: Color  # of the hair or hat
    eyes: str  # dots, open, lines or none
    mouth: str  # line, open, smile or none
    nose: str  # line, ball, wedge or none
    brows: bool
    width: float  # half the head's width in heads
    line: Color
    beard: bool


def sample_head_style(rng: np.random.Generator, line: Color) -> HeadStyle:
    """Random features; hats may have any colour."""
    hair = str(rng.choice(HAIRS))
    natural = hair in ("cap", "long", "bun", "ponytail", "curls") and rng.random() < 0.85
    return HeadStyle(
        hair, HAIR[rng.integers(len(HAIR))] if natural else sample_color(rng),
        str(rng.choice(["dots", "dots", "open", "lines", "none"], p=[0.25, 0.25, 0.27, 0.13, 0.1])),
        str(rng.choice(["line", "smile", "open", "none"])), str(rng.choice(["line", "ball", "wedge", "none"])),
        bool(rng.random() < 0.5), rng.uniform(0.33, 0.5), line, bool(rng.random() < 0.12),
    )  # fmt: skip


@dataclass(frozen=True)
class _Skull:
    """A head's frame: centre (2,), 3D half axes up, left and ahead, in pixels."""

    centre: np.ndarray
    up: np.ndarray
    left: np.ndarray
    ahead: np.ndarray

    def at(self, up: float, left: float, ahead: float = 0.0) -> np.ndarray:
        """A point inside the skull in half axes, projected."""
        return self.centre + (up * self.up + left * self.left + ahead * self.ahead)[:2]

    def on(self, up: float, left: float) -> tuple[np.ndarray, bool]:
        """A point of the face's surface and whether the viewer sees it."""
        ahead = float(np.sqrt(max(1.0 - up**2 - left**2, 0.0)))
        normal = up * self.up + left * self.left + ahead * self.ahead
        return self.at(up, left, ahead), bool(normal[2] < 0.12 * np.linalg.norm(normal))

    def outline(self, grow: float = 1.0) -> np.ndarray:
        """The projected ellipsoid, (24, 2), the first point towards the crown."""
        axes = np.stack([self.up, self.left, self.ahead])[:, :2] * grow
        values, vectors = np.linalg.eigh(axes.T @ axes)
        main = vectors * np.sqrt(np.maximum(values, 1e-6))
        crown = self.up[:2] if np.hypot(*self.up[:2]) > 1e-6 else np.array([0.0, -1.0])
        first = int(np.argmax(np.abs(crown @ main)))
        along, across = main[:, first], main[:, 1 - first]
        return ellipse(self.centre, along if along @ crown > 0 else -along, across)


def draw_head(canvas: Canvas, body: Body, style: HeadStyle, skin: Paint) -> None:
    """Back hair, skull, face, then what lies on top; from behind, the hair hides the face."""
    h = body.head
    left = np.cross(body.up, body.face)
    skull = _Skull(body["head"] - body.up[:2] * h / 2, body.up * h / 2, left * h * style.width, body.face * h * 0.43)
    behind = body.face[2] > 0.35
    if not behind:
        _draw_hair(canvas, body, skull, style)
    canvas.group((skull.outline(), skin))
    _draw_face(canvas, skull, style, h, skin.color, body["nose"])
    if behind:
        _draw_hair(canvas, body, skull, style)
    _draw_top(canvas, skull, style, behind)


def _draw_hair(canvas: Canvas, body: Body, skull: _Skull, style: HeadStyle) -> None:
    paint, h = Paint(style.color), body.head
    if style.hair in ("bald", "hat", "helmet", "brim"):
        return
    shapes = [(skull.outline(1.1) - body.face[:2] * h * 0.1 + body.up[:2] * h * 0.03, paint)]
    back = skull.at(0.1, 0, -0.9)
    if style.hair == "hood":
        shapes = [(skull.outline(1.28) - body.face[:2] * h * 0.12, paint)]
    elif style.hair == "long":
        ends = circle(body["thorax"] - body.forward[:2] * h * 0.3, h * 0.4)
        shapes.append((hull(np.concatenate([skull.outline(1.08) - body.face[:2] * h * 0.12, ends])), paint))
    elif style.hair == "bun":
        shapes.append((circle(skull.at(0.95, 0, -0.6), h * 0.2), paint))
    elif style.hair == "ponytail":
        shapes.append(
            (capsule(back, back - body.up[:2] * h * 0.7 - body.face[:2] * h * 0.3, h * 0.12, h * 0.07), paint)
        )
    elif style.hair == "curls":
        shapes += [(circle(point, h * 0.16), paint) for point in skull.outline(1.0)[[22, 23, 0, 1, 2, 3, 21]]]
    canvas.group(*shapes)


def _draw_top(canvas: Canvas, skull: _Skull, style: HeadStyle, behind: bool) -> None:
    """Fringe, hat or helmet: a chord of the skull's upper part and more."""
    paint = Paint(style.color)
    upper = np.r_[np.arange(20, 24), np.arange(0, 5)]  # the crown's 120 degrees
    if style.hair in ("cap", "long", "bun", "ponytail", "curls") and not behind:
        canvas.group((skull.outline(1.06)[upper] - skull.ahead[:2] * 0.1, paint))
    elif style.hair in ("hat", "helmet"):
        grow = 1.12 if style.hair == "helmet" else 1.2
        wide = np.r_[np.arange(18, 24), np.arange(0, 7)]
        canvas.group((skull.outline(grow)[wide] + skull.up[:2] * 0.12, paint))
        if style.hair == "hat" and not behind:  # a peak over the eyes
            canvas.group((capsule(skull.at(0.35, 0.0, 0.5), skull.at(0.3, 0.0, 1.6), 2.0, 1.0), paint))
    elif style.hair == "brim":
        crown = [skull.at(0.4, 0.9), skull.at(1.35, 0.75), skull.at(1.35, -0.75), skull.at(0.4, -0.9)]
        depth = [skull.at(0.4, 0, 0.9), skull.at(1.35, 0, 0.75), skull.at(0.4, 0, -0.9), skull.at(1.35, 0, -0.75)]
        across = np.array([-skull.up[1], skull.up[0]]) * 0.85
        brim = ellipse(skull.at(0.45, 0), across * 1.7, skull.up[:2] * 0.12)
        canvas.group((hull(np.array(crown + depth)), paint), (brim, Paint(shade(style.color, 0.8))))


def _draw_face(canvas: Canvas, skull: _Skull, style: HeadStyle, h: float, skin: Color, tip: np.ndarray) -> None:
    thin = max(0.6, h * 0.035)
    if style.beard:
        jaw = [
            skull.on(u, s)
            for u, s in ((-0.3, 0.75), (-0.75, 0.6), (-0.98, 0), (-0.75, -0.6), (-0.3, -0.75), (-0.35, 0))
        ]
        if all(seen for _, seen in jaw[2:3]) and sum(seen for _, seen in jaw) > 2:
            canvas.fill(np.array([point for point, _ in jaw]), Paint(style.color))
    for side in (0.42, -0.42):
        point, seen = skull.on(0.02, side)
        if seen and style.eyes != "none":
            _draw_eye(canvas, point, h, style)
        ends = [skull.on(0.24, side * 1.4), skull.on(0.28, side * 0.6)]
        if style.brows and all(s for _, s in ends):
            canvas.line(np.array([p for p, _ in ends]), style.line, thin)
    bridge, seen = skull.on(0.02, 0.0)
    if seen and style.nose != "none":
        if style.nose == "ball":
            ball = circle(tip, h * 0.07)
            canvas.fill(ball, Paint(shade(skin, 0.8)))
            canvas.line(np.concatenate([ball, ball[:1]]), style.line, h * 0.02)
        elif style.nose == "wedge":
            canvas.group((np.array([bridge, tip, skull.at(-0.3, 0, 0.95)]), Paint(shade(skin, 0.85))))
        else:
            canvas.line(np.array([bridge, tip, skull.at(-0.27, 0, 0.97)]), style.line, thin)
    _draw_mouth(canvas, skull, style, thin)


def _draw_eye(canvas: Canvas, point: np.ndarray, h: float, style: HeadStyle) -> None:
    if style.eyes == "open":
        white = circle(point, h * 0.075)
        canvas.fill(white, Paint((255, 255, 255)))
        canvas.line(np.concatenate([white, white[:1]]), style.line, h * 0.02)
        canvas.fill(circle(point, h * 0.035), Paint((20, 20, 20)))
    elif style.eyes == "dots":
        canvas.fill(circle(point, max(h * 0.04, 0.7)), Paint(style.line))
    else:
        step = np.array([h * 0.06, 0.0])
        canvas.line(np.stack([point - step, point + step]), style.line, max(0.6, h * 0.03))


def _draw_mouth(canvas: Canvas, skull: _Skull, style: HeadStyle, thin: float) -> None:
    if style.mouth == "none":
        return
    droop = -0.12 if style.mouth != "line" else 0.0
    points = [skull.on(-0.52 + (droop if s == 0 else 0), s) for s in (0.3, 0.15, 0.0, -0.15, -0.3)]
    seen = np.array([point for point, visible in points if visible])
    if len(seen) < 2:
        return
    if style.mouth == "open" and len(seen) > 2:
        canvas.fill(seen, Paint((150, 30, 30)))
    else:
        canvas.line(seen, style.line, thin)
