"""Figures of lines and plain shapes: stick people, with or without a body, pictograms and wooden mannequins."""

from __future__ import annotations

import numpy as np

from napa_lib.makers.drawings.bodies import LIMBS, Body, J
from napa_lib.makers.drawings.colors import contrasting, shade
from napa_lib.makers.drawings.heads import draw_head, sample_head_style
from napa_lib.makers.drawings.pens import Canvas, Color, Paint, capsule, circle, curve, ellipse


def draw_stick(canvas: Canvas, body: Body, ground: Color, rng: np.random.Generator) -> None:
    """Lines of one width, a round head, sometimes a blob for a trunk, hands and feet."""
    color = (0, 0, 0) if rng.random() < 0.5 and sum(ground) > 300 else contrasting(ground, rng)
    width = max(0.8, body.stature * float(np.exp(rng.uniform(np.log(0.008), np.log(0.07)))))
    points = body.joints[:, :2]
    bent = curve if rng.random() < 0.2 else np.asarray  # limbs like rubber hoses
    for limb in LIMBS:
        canvas.line(bent(points[list(limb)]), color, width)
    canvas.line(np.stack([body["pelvis"], body["thorax"], body.chin]), color, width)
    canvas.line(np.stack([body["l_shoulder"], body["thorax"], body["r_shoulder"]]), color, width)
    canvas.line(np.stack([body["l_hip"], body["pelvis"], body["r_hip"]]), color, width)
    if rng.random() < 0.15:
        canvas.fill(trunk(body, body.stature * 0.02, body.stature * 0.02), Paint(color))
    if rng.random() < 0.4:
        for toe, ankle in zip(body.toes, ("r_ankle", "l_ankle"), strict=True):
            canvas.line(np.stack([body[ankle], toe[:2]]), color, width)
    if rng.random() < 0.2:
        for wrist in ("r_wrist", "l_wrist"):
            canvas.fill(circle(body[wrist], max(width * 0.8, body.stature * 0.02)), Paint(color))
    _stick_head(canvas, body, color, width, ground, rng)


def _stick_head(
    canvas: Canvas, body: Body, color: Color, width: float, ground: Color, rng: np.random.Generator
) -> None:
    inner = color if rng.random() < 0.5 else ground
    wide = body.head * rng.uniform(0.38, 0.5)
    long = body.up[:2] * body.head / 2
    across = np.array([-long[1], long[0]]) / max(float(np.hypot(*long)), 1e-6) * wide
    centre = body["head"] - long
    canvas.fill(ellipse(centre, long, across), Paint(color))
    if inner != color:
        rim = max(1 - width / max(float(np.hypot(*long)), wide), 0.3)
        canvas.fill(ellipse(centre, long * rim, across * rim), Paint(inner))
        if body.face[2] < -0.2 and rng.random() < 0.5:
            for side in (-0.35, 0.35):
                eye = centre + across * side + body.face[:2] * wide * 0.5
                canvas.fill(circle(eye, body.head * 0.05), Paint(color))


def draw_blob(canvas: Canvas, body: Body, ground: Color, rng: np.random.Generator) -> None:
    """Ovals for trunk, hands, feet and head, and lines between them, as in much clip art; flat or shaded."""
    color = contrasting(ground, rng)
    lines = shade(color, 0.4) if rng.random() < 0.4 else color
    width = max(0.8, body.stature * float(np.exp(rng.uniform(np.log(0.006), np.log(0.03)))))
    shaded, bent = rng.random() < 0.5, curve if rng.random() < 0.6 else np.asarray
    for limb in LIMBS:
        canvas.line(bent(body.joints[list(limb), :2]), lines, width)
    hand, reach, foot = body.stature * rng.uniform(0.018, 0.045), rng.uniform(0.0, 1.0), rng.uniform(0.35, 0.6)
    for _, elbow, wrist in LIMBS[:2]:
        arm = body.joints[wrist, :2] - body.joints[elbow, :2]
        along = arm / max(float(np.hypot(*arm)), 1e-6) * hand
        _oval(canvas, body.joints[wrist, :2] + reach * along, along, 1.0, color, shaded)
    for toe, (_, _, ankle) in zip(body.toes[:, :2], LIMBS[2:], strict=True):
        along = (toe - body.joints[ankle, :2]) * 0.6
        _oval(canvas, body.joints[ankle, :2] + along * 0.6, along, foot, color, shaded)
    spine = body["pelvis"] - body["thorax"]
    oval = rng.uniform(0.3, 0.55), rng.uniform(0.95, 1.15) / 2
    canvas.line(np.stack([body["pelvis"], body["thorax"], body.chin]), lines, width)
    _oval(canvas, body["thorax"] + spine / 2, spine * oval[1], max(oval[0], _breadth(body, spine)), color, shaded)
    half = body.up[:2] * body.head / 2
    _oval(canvas, body["head"] - half, half, rng.uniform(0.8, 1.15), color, shaded)


def _breadth(body: Body, spine: np.ndarray) -> float:
    """Half a trunk's breadth in parts of half its length: a trunk that leans to the viewer stays as broad."""
    return min(body.stature * 0.06 / max(float(np.hypot(*spine)) / 2, 1e-6), 2.0)


def _oval(canvas: Canvas, centre: np.ndarray, along: np.ndarray, breadth: float, color: Color, shaded: bool) -> None:
    """An oval with one half axis `along`, the other `breadth` times as long; shaded like a ball or flat."""
    across = np.array([-along[1], along[0]]) * breadth
    canvas.group((ellipse(centre, along, across), Paint(color)))
    if shaded:
        for inner in (0.75, 0.5, 0.25):
            lit = centre - 0.3 * (1 - inner) * float(np.hypot(*across))
            canvas.fill(ellipse(lit, along * inner, across * inner), Paint(shade(color, 1.6 - 0.75 * inner)))


def draw_pictogram(canvas: Canvas, body: Body, ground: Color, rng: np.random.Generator) -> None:
    """Signage: thick capsules of one colour, or their common outline, and a detached disc for a head."""
    color = (0, 0, 0) if rng.random() < 0.4 and sum(ground) > 300 else contrasting(ground, rng)
    paint = Paint(ground if canvas.ink.width > 0 else color)
    r, taper = body.stature * rng.uniform(0.025, 0.05), rng.uniform(0.75, 1.0)
    bones = [(a, b, r, r * taper) for limb in LIMBS for a, b in zip(limb[:2], limb[1:], strict=True)]
    bones += [(J["l_" + name], J["r_" + name], r, r) for name in ("shoulder", "hip")]
    shapes = [(capsule(body.joints[a, :2], body.joints[b, :2], ra, rb), paint) for a, b, ra, rb in bones]
    size = body.head / 2
    canvas.group(*shapes, (trunk(body, r, r), paint), (circle(body["head"] - body.up[:2] * size, size), paint))


def draw_mannequin(canvas: Canvas, body: Body, ground: Color, rng: np.random.Generator) -> None:
    """One oval a limb's part, in wood, grey or any colour, the far ones first; shaded like a solid or flat."""
    color = (222, 184, 135) if rng.random() < 0.4 else contrasting(ground, rng)
    shaded, thick = rng.random() < 0.6, body.stature * rng.uniform(0.03, 0.05)
    parts: list[tuple[float, int, int, float]] = []
    for part, (a, b, c) in enumerate(LIMBS):
        r = thick if part > 1 else thick * 0.75
        parts += [
            (float(body.joints[[a, b], 2].mean()), a, b, r),
            (float(body.joints[[b, c], 2].mean()), b, c, r * 0.8),
        ]
        parts.append((float(body.joints[c, 2]), c, c, r * 0.85))
    parts.append((float(body.joints[[J["thorax"], J["pelvis"]], 2].mean()), J["thorax"], J["pelvis"], -1.0))
    for _, a, b, r in sorted(parts, key=lambda part: -part[0]):
        if r < 0:
            canvas.group((trunk(body, thick, thick), Paint(color)))
        else:
            _solid(canvas, body.joints[a, :2], body.joints[b, :2], r, color, shaded)
    if rng.random() < 0.4:
        draw_head(canvas, body, sample_head_style(rng, shade(color, 0.3)), Paint(color))
    else:
        centre = body["head"] - body.up[:2] * body.head / 2
        canvas.group((capsule(body["thorax"], body.chin, thick * 0.6, thick * 0.6), Paint(color)))
        _solid(canvas, centre, centre, body.head / 2, color, shaded)


def _solid(canvas: Canvas, a: np.ndarray, b: np.ndarray, r: float, color: Color, shaded: bool) -> None:
    canvas.group((capsule(a, b, r, r), Paint(color)))
    if shaded:
        for inner in (0.75, 0.5, 0.25):
            shift = np.array([-0.3, -0.3]) * r * (1 - inner)
            lit = Paint(shade(color, 1.6 - 0.75 * inner))
            canvas.fill(capsule(a + shift, b + shift, r * inner, r * inner), lit)


def trunk(body: Body, shoulder: float, hip: float, waist: float = 0.8) -> np.ndarray:
    """The trunk's outline (2 K, 2): through shoulders and hips, never thinner than a chest seen from the side.

    Args:
        body: the figure.
        shoulder: how far the outline lies outside the shoulder joints, px.
        hip: the same at the hips.
        waist: the waist's width, as part of the width there of a straight trunk.
    """
    spine = body["pelvis"] - body["thorax"]
    axis = spine / max(float(np.hypot(*spine)), 1e-6)
    across = np.array([-axis[1], axis[0]])
    spans = [abs(float((body["l_" + n] - body["r_" + n]) @ across)) / 2 for n in ("shoulder", "hip")]
    top = max(spans[0] + shoulder * 0.6, body.stature * 0.055)
    low = max(spans[1] + hip * 0.9, body.stature * 0.05)
    t = np.array([-0.08, 0.0, 0.15, 0.35, 0.6, 0.8, 1.0, 1.12])
    straight = top + (low - top) * t.clip(0, 1)
    shape = np.array([0.5, 0.95, 1.0, 1.0 - (1 - waist) * 0.3, waist, 1.0 - (1 - waist) * 0.4, 1.0, 0.75])
    centre = body["thorax"] + t[:, None] * spine
    edge = (straight * shape)[:, None] * across
    return np.concatenate([centre + edge, (centre - edge)[::-1]])
