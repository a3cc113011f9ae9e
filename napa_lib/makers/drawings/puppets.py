"""Clip-art people: tapered limbs, clothes, hair and faces, painted from the far parts to the near ones."""

from __future__ import annotations

import numpy as np

from napa_lib.makers.drawings.bodies import LIMBS, SOLE, Body, J, unit
from napa_lib.makers.drawings.clothes import Outfit
from napa_lib.makers.drawings.colors import contrasting, shade
from napa_lib.makers.drawings.heads import HeadStyle, draw_head
from napa_lib.makers.drawings.pens import Canvas, Paint, capsule, circle, ellipse, hull, muscle
from napa_lib.makers.drawings.sticks import trunk


def draw_puppet(canvas: Canvas, body: Body, outfit: Outfit, head: HeadStyle) -> None:
    """Far arm and leg, trunk, near leg, near arm and head, by depth."""
    depth = body.joints[:, 2]
    core = float(depth[[J["thorax"], J["pelvis"]]].mean())
    parts: list[tuple[float, str, int]] = [(core, "trunk", 0)]
    for limb, (_, b, c) in enumerate(LIMBS):
        lead = 0.0 if limb < 2 else 0.06 * body.stature  # a coat hangs over the thighs unless a leg is well in front
        parts.append((float(depth[[b, c]].mean()) + lead, "arm" if limb < 2 else "leg", limb))
    parts.append((float(depth[J["head"]]) - 0.03 * body.stature, "head", 0))
    for _, kind, limb in sorted(parts, key=lambda part: -part[0]):
        if kind == "trunk":
            _draw_trunk(canvas, body, outfit)
        elif kind == "head":
            draw_head(canvas, body, head, outfit.skin)
        else:
            (_draw_arm if kind == "arm" else _draw_leg)(canvas, body, outfit, limb)


def _draw_arm(canvas: Canvas, body: Body, outfit: Outfit, limb: int) -> None:
    points = body.joints[list(LIMBS[limb]), :2]
    shoulder, elbow, wrist = points
    r = outfit.build.arm * body.stature * np.array([1.0, 0.85, 0.65])
    along = unit(wrist - elbow) * body.stature * 0.035 * outfit.build.hand
    across = np.array([-along[1], along[0]]) * 0.6
    hand = ellipse(wrist + along * 0.9, along, across)
    skin = [(muscle(elbow, wrist, r[1], r[2], outfit.build.bulge), outfit.skin), (hand, outfit.skin)]
    if outfit.sleeve < 1:
        skin.insert(0, (muscle(shoulder, elbow, r[0], r[1], outfit.build.bulge / 2), outfit.skin))
    canvas.group(*skin)
    if outfit.sleeve > 0:
        canvas.group(*_covered(points, r * outfit.loose * [1, 1, outfit.ends], outfit.sleeve, outfit.top))


def _covered(points: np.ndarray, radii: np.ndarray, reach: float, paint: Paint) -> list[tuple[np.ndarray, Paint]]:
    """Cloth along a limb: `reach` 1 ends at its middle joint, 2 at its end."""
    shapes = []
    for part in (0, 1):
        t = min(max(reach - part, 0.0), 1.0)
        if t > 0.05:
            end = points[part] + (points[part + 1] - points[part]) * t
            tip = radii[part] + (radii[part + 1] - radii[part]) * t
            shapes.append((capsule(points[part], end, radii[part], tip), paint))
    return shapes


def _draw_leg(canvas: Canvas, body: Body, outfit: Outfit, limb: int) -> None:
    points = body.joints[list(LIMBS[limb]), :2]
    hip, knee, ankle = points
    r = outfit.build.leg * body.stature * np.array([1.15, 0.8, 0.5])
    paint = outfit.bottom if outfit.lower == "tights" else outfit.skin
    calf = muscle(knee, ankle, r[1], r[2], outfit.build.bulge)
    canvas.group((capsule(hip, knee, r[0], r[1]), paint), (calf, paint))
    _draw_shoe(canvas, body, outfit, limb, float(r[2]))
    if outfit.lower in ("trousers", "shorts", "coat"):
        reach = outfit.leg if outfit.lower != "coat" else 1.95
        paint = outfit.bottom if outfit.lower != "coat" else Paint(shade(outfit.shoe.color, 0.8))
        canvas.group(*_covered(points, r * [1.0, outfit.loose, outfit.loose * 1.2], reach, paint))


def _draw_shoe(canvas: Canvas, body: Body, outfit: Outfit, limb: int, r: float) -> None:
    _, knee, ankle = body.joints[list(LIMBS[limb]), :2]
    toe = body.toes[limb - 2, :2]
    down = unit(ankle - knee) * SOLE * body.stature * 0.6
    foot = toe - ankle
    heel = ankle + down - foot * 0.15
    size = max(r, 0.02 * body.stature)
    canvas.group(
        (
            hull(np.concatenate([circle(heel, size), circle(ankle, r), circle(toe + down * 0.6, size * 0.85)])),
            outfit.shoe,
        )
    )


def _draw_trunk(canvas: Canvas, body: Body, outfit: Outfit) -> None:
    st = body.stature
    neck = capsule(body["thorax"], body.chin + body.up[:2] * body.head * 0.2, st * 0.035, st * 0.028)
    behind = body.forward[2] > 0
    if outfit.cape and not behind:
        canvas.group(_cape(body, outfit))
    canvas.group((neck, outfit.skin))
    girth = outfit.build.girth * st
    chest = trunk(body, girth, girth, outfit.build.waist)
    arm, leg = outfit.build.arm * st, outfit.build.leg * st
    shoulders = capsule(body["l_shoulder"], body["r_shoulder"], arm * 1.05, arm * 1.05)
    hips = capsule(body["l_hip"], body["r_hip"], leg * 1.15, leg * 1.15)
    below = outfit.bottom if outfit.lower != "bare" else outfit.skin
    if outfit.lower == "coat":
        below = outfit.top
    canvas.group((hips, below), (shoulders, outfit.top), (chest, outfit.top))
    if outfit.lower in ("skirt", "dress", "robe", "coat"):
        canvas.group(_skirt(body, outfit, below))
    _draw_details(canvas, body, outfit)
    if outfit.cape and behind:
        canvas.group(_cape(body, outfit))


def _cape(body: Body, outfit: Outfit) -> tuple[np.ndarray, Paint]:
    """From the shoulders down to the knees, behind the back."""
    st, spine = body.stature, unit(body["pelvis"] - body["thorax"])
    back = -body.forward[:2] * st * 0.12
    across = np.array([-spine[1], spine[0]]) * st * (0.1 + outfit.flare)
    low = body["pelvis"] + spine * st * 0.22 + back * 1.5
    shoulders = [circle(body[side + "shoulder"] + back * 0.2, 0.03 * st) for side in ("r_", "l_")]
    return hull(np.concatenate([*shoulders, (low + across)[None], (low - across)[None]])), outfit.shoe


def hangs(body: Body) -> bool:
    """Whether a skirt can hang round both thighs: they point away from the trunk and not far apart."""
    spine = unit(body["pelvis"] - body["thorax"])
    thighs = [unit(body[side + "knee"] - body[side + "hip"]) for side in ("r_", "l_")]
    return bool(min(thigh @ spine for thigh in thighs) > 0.25 and thighs[0] @ thighs[1] > 0.4)


def _skirt(body: Body, outfit: Outfit, paint: Paint) -> tuple[np.ndarray, Paint]:
    """Round the hips and both legs down to the hem, wider below."""
    st = body.stature
    waist = body["pelvis"] + (body["thorax"] - body["pelvis"]) * 0.3
    rings = [circle(body[n], outfit.build.leg * st * 1.2) for n in ("l_hip", "r_hip")]
    rings.append(circle(waist, 0.055 * st))
    for limb in LIMBS[2:]:
        hip, knee, ankle = body.joints[list(limb), :2]
        t = outfit.leg
        end = hip + (knee - hip) * t if t < 1 else knee + (ankle - knee) * (t - 1)
        rings.append(circle(end, st * (outfit.flare * t / 2 + 0.04)))
        if t > 1:
            rings.append(circle(knee, st * (outfit.flare / 2 + 0.04)))
    return hull(np.concatenate(rings)), paint


def _draw_details(canvas: Canvas, body: Body, outfit: Outfit) -> None:
    """Belt, and on the front only tie and buttons."""
    st, spine = body.stature, body["pelvis"] - body["thorax"]
    across = unit(np.array([-spine[1], spine[0]])) * max(
        0.06 * st, abs(float((body["l_hip"] - body["r_hip"])[0])) / 2 + 0.03 * st
    )
    dark = shade(outfit.top.color, 0.45)
    if outfit.belt:
        middle = body["thorax"] + spine * 0.85
        canvas.line(np.stack([middle - across, middle, middle + across]), dark, max(1.0, 0.02 * st))
    if body.forward[2] > -0.5:
        return
    chest = body["thorax"] + body.forward[:2] * 0.05 * st
    if outfit.tie:
        tip = chest + spine * 0.6
        width = unit(across) * 0.02 * st
        canvas.fill(
            np.stack([chest, tip - width, tip + spine * 0.06, tip + width]),
            Paint(contrasting(outfit.top.color, canvas.rng)),
        )
    elif outfit.buttons:
        for t in np.linspace(0.15, 0.85, 4):
            canvas.fill(circle(chest + spine * t, max(0.7, 0.009 * st)), Paint(dark))
