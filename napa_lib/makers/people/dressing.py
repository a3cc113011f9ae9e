"""Clothes, hair and hats as geometry: parts of the body stand off, skirts, long hair and hats are added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napa_lib.makers.people.body import BONES, REGIONS, B, Mesh, vertex_normals
from napa_lib.makers.people.paint import above_hairline, materials
from napa_lib.makers.people.turns import Array
from napa_lib.makers.people.wardrobe import M, Outfit

SKIRT, LOCKS, HAT = (len(REGIONS) + i for i in range(3))  # regions beyond the body's
ANGLES = 28


def dress(mesh: Mesh, outfit: Outfit) -> Mesh:
    """The body with its clothes, hair and hat on, at rest."""
    region = np.zeros(len(mesh.vertices), np.int8)
    region[mesh.faces.ravel()] = np.repeat(mesh.region, 3)
    worn = materials(outfit, region, mesh.canon, mesh.along)
    top, end, legs = outfit.loose
    arm = region == REGIONS.index("arm")
    off = np.where(worn == M["top"], top + np.where(arm, mesh.along**2 * end, 0), 0)
    off = np.where(worn == M["bottom"], legs * (0.4 + mesh.along), off)
    off = np.where(worn == M["shoe"], 5.0, np.where((worn == M["hair"]), hair_depth(outfit, mesh.canon), off))
    off = np.where((worn == M["hat"]), 14.0, off)
    scale = (mesh.canon[mesh.crown] - mesh.heads[B["root"]])[1] / (mesh.canon[mesh.crown, 1] - 169)
    dressed = mesh.moved((mesh.vertices + mesh.normals * (off / max(scale, 1.0))[:, None]).astype(np.float32))
    for part in _additions(dressed, region, outfit):
        dressed = _joined(dressed, *part)
    return dressed


def hair_depth(outfit: Outfit, canon: Array) -> Array:
    """How far hair stands off the scalp, mm, thin at its rim."""
    return outfit.hair * np.clip(above_hairline(outfit, canon) / 45, 0.1, 1)


def reshape(mesh: Mesh, head: float, limbs: float) -> Mesh:
    """A drawing's proportions: the head scaled about the neck, arms and legs thicker or thinner about their bones."""
    vertices, heads = mesh.vertices.astype(np.float64), mesh.heads.copy()
    share = mesh.weights[:, [B["head"], B["neck03"]]].sum(-1, keepdims=True)
    neck = mesh.heads[B["neck02"]]
    vertices = vertices + share * (head - 1) * (vertices - neck)
    for name in ("neck03", "head"):
        heads[B[name]] = neck + head * (mesh.heads[B[name]] - neck)
    for side in "RL":
        for chain, names in (
            (("upperarm01", "lowerarm01", "wrist"), ("upperarm", "lowerarm")),
            (("upperleg01", "lowerleg01", "foot"), ("upperleg", "lowerleg")),
        ):
            joints = [mesh.heads[B[f"{n}.{side}"]].astype(np.float64) for n in chain]
            for start, end, name in zip(joints[:-1], joints[1:], names, strict=True):
                weight = mesh.weights[
                    :, [i for i, b in enumerate(BONES) if b.startswith(name) and b.endswith(side)]
                ].sum(-1)
                axis = (end - start) / np.linalg.norm(end - start)
                out = vertices - start
                out -= (out @ axis)[:, None] * axis
                vertices += weight[:, None] * (limbs - 1) * out
    moved = mesh.moved(vertices.astype(np.float32))
    return replace(moved, heads=heads)


def _additions(mesh: Mesh, region: Array, outfit: Outfit):
    head = region == REGIONS.index("head")
    if outfit.skirt is not None:
        yield _skirt(mesh, region, outfit)
    if outfit.long_hair and outfit.hair:
        yield _long_hair(mesh, head, outfit)
    if outfit.bun and outfit.hair and not outfit.hat:
        yield _bun(mesh, outfit)
    if outfit.hat > 1:
        yield _hat(mesh, head, outfit)


def _joined(mesh: Mesh, vertices: Array, faces: Array, weights: Array, region: int) -> Mesh:
    count = len(vertices)
    return replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, vertices]).astype(np.float32),
        normals=np.concatenate([mesh.normals, vertex_normals(vertices, faces)]),
        faces=np.concatenate([mesh.faces, faces + len(mesh.vertices)]).astype(np.int32),
        weights=np.concatenate([mesh.weights, weights]).astype(np.float32),
        canon=np.concatenate([mesh.canon, vertices]).astype(np.float32),
        along=np.concatenate([mesh.along, np.linspace(0, 1, count, dtype=np.float32)]),
        region=np.concatenate([mesh.region, np.full(len(faces), region, np.int8)]),
        open=np.concatenate([mesh.open, np.ones(len(faces), bool)]),
    )


def _grid(rings: int, angles: int, closed: bool) -> Array:
    """Faces of `rings` rings of `angles` points, top ring first; outside is the front."""
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(angles if closed else angles - 1), indexing="ij")
    a, b = i * angles + j, i * angles + (j + 1) % angles
    c, d = a + angles, b + angles
    return np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])


def _hull(points: Array, heights: Array, centre: Array, angles: Array, window: float) -> Array:
    """How far points near each height reach from a vertical axis in each direction: (K, A) support radii in mm."""
    out = np.broadcast_to(np.stack([np.sin(angles), np.cos(angles)], -2), (len(heights), 2, angles.shape[-1]))
    radius = np.zeros((len(heights), out.shape[-1]))
    for k, height in enumerate(heights):
        near = points[np.abs(points[:, 1] - height) < window]
        radius[k] = ((near[:, [0, 2]] - centre) @ out[k]).max(0) if len(near) else radius[k - 1]
    return radius


def _rings(heights: Array, radius: Array, centre: Array, angles: Array) -> Array:
    x, z = centre[0] + radius * np.sin(angles), centre[1] + radius * np.cos(angles)
    return np.stack([x, np.broadcast_to(heights[:, None], x.shape), z], -1).reshape(-1, 3).astype(np.float32)


def _smooth(value: Array) -> Array:
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def _skirt(mesh: Mesh, region: Array, outfit: Outfit):
    """Rings round hips and legs; the sides follow their own leg, the upper rings the pelvis."""
    assert outfit.skirt is not None
    joints = {n: mesh.heads[B[n]] for n in ("spine03", "upperleg01.L", "lowerleg01.L", "foot.L")}
    hip, knee, ankle = (joints[n][1] for n in ("upperleg01.L", "lowerleg01.L", "foot.L"))
    down = [joints["spine03"][1] - 15, hip, knee, ankle]
    heights = np.interp(np.linspace(-0.35, outfit.skirt, 14), [-0.35, 0, 0.5, 1.05], down[:3] + [ankle - 20])
    angles = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    rows = np.isin(region, [REGIONS.index("trunk"), REGIONS.index("leg")])
    centre = np.array([0.0, float(mesh.heads[B["root"], 2])])
    radius = np.maximum.accumulate(_hull(mesh.vertices[rows][::3], heights, centre, angles, 45.0), 0)
    fall = np.clip((hip + 60 - heights) / 900, 0, 1)[:, None]
    radius = radius * (1 + outfit.flare * fall) + 9 + 25 * fall * (1 + 0.5 * np.sin(angles * 6))
    points = _rings(heights, radius, centre, angles)
    weights = np.zeros((len(points), len(BONES)))
    leg = _smooth((hip + 40 - points[:, 1]) / (0.55 * (hip - knee)))
    shin = _smooth(0.5 - (points[:, 1] - knee) / 160)
    left = _smooth(0.5 + points[:, 0] / 240)
    for side, share in (("L", left), ("R", 1 - left)):
        weights[:, B[f"upperleg02.{side}"]] = share * leg * (1 - shin)
        weights[:, B[f"lowerleg01.{side}"]] = share * leg * shin
    weights[:, B["root"]] = 1 - weights.sum(-1)
    waist = points[:, 1] > joints["spine03"][1] - 60
    weights[waist, B["root"]], weights[waist, B["spine04"]] = (
        weights[waist, B["root"]] / 2,
        weights[waist, B["root"]] / 2,
    )
    return points, _grid(14, ANGLES, True), weights, SKIRT


def _head_weights(points: Array, chin: float) -> Array:
    weights = np.zeros((len(points), len(BONES)))
    weights[:, B["spine01"]] = 0.6 * _smooth((chin - points[:, 1]) / 180)
    weights[:, B["head"]] = 1 - weights[:, B["spine01"]]
    return weights


def _measures(mesh: Mesh) -> tuple[float, float, Array]:
    """The head's joint and crown heights and its middle (x, z)."""
    low, high = float(mesh.heads[B["head"], 1]), float(mesh.vertices[mesh.crown, 1])
    return low, high, np.array([0.0, mesh.heads[B["head"], 2] + 8.0])


def _long_hair(mesh: Mesh, head: Array, outfit: Outfit):
    """A curtain from above the ears down behind them, open in front."""
    low, high, centre = _measures(mesh)
    top = low + 0.72 * (high - low)
    heights = np.concatenate([np.linspace(top, low, 8), low - np.linspace(0.2, 1, 5) * outfit.long_hair])
    opening = np.pi * np.linspace(0.4, 0.56, 13).clip(max=0.53)[:, None]
    angles = opening + np.linspace(0, 1, ANGLES) * (2 * np.pi - 2 * opening)
    scalp = mesh.vertices[head & (mesh.vertices[:, 1] > low - 10)][::2]
    radius = _hull(scalp, heights[:8], centre, angles[:8], 16.0) + 4
    lower = np.maximum(radius[5] * np.linspace(1.0, 0.9 + outfit.flare, 5)[:, None], 60)
    points = _rings(heights, np.concatenate([radius, lower]), centre, angles)
    return points, _grid(13, ANGLES, False), _head_weights(points, low), LOCKS


def _bun(mesh: Mesh, outfit: Outfit):
    low, high, centre = _measures(mesh)
    size = (high - low) * (0.22 + 0.15 * outfit.flare)
    place = {1: (high + size * 0.5, 0.0), 2: (low + 0.55 * (high - low), -0.62), 3: (low + 0.35 * (high - low), -0.68)}[
        outfit.bun
    ]
    tall = 2.8 if outfit.bun == 3 else 1.0
    around = np.linspace(0, np.pi, 8)
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    middle = centre + [0.0, place[1] * (high - low)]
    heights = place[0] + np.cos(around) * size * tall - (tall - 1) * size * 0.8
    points = _rings(heights, np.sin(around)[:, None] * np.full(14, size), middle, angles)
    return points, _grid(8, 14, True), _head_weights(points, low - 150), LOCKS


def _hat(mesh: Mesh, head: Array, outfit: Outfit):
    """Brim, side and top: a round hat, a cone or a cylinder."""
    low, high, centre = _measures(mesh)
    band = low + 0.68 * (high - low)
    angles = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    rows = head & (mesh.vertices[:, 1] > band - 25)
    round_head = _hull(mesh.vertices[rows][::2], np.array([band]), centre, angles, 30.0)[0] + 8
    tall = high - band
    rise, width = {
        2: ([0.9, 0.85, 0.5, 0.0], [0.0, 0.75, 0.95, 1.0]), 3: ([1.9, 1.3, 0.7, 0.0], [0.0, 0.35, 0.7, 1.0]),
        4: ([1.6, 1.6, 0.8, 0.0], [0.0, 1.0, 0.95, 1.0]),
    }[outfit.hat]  # fmt: skip
    heights = np.array([band + 1.25 * tall * r for r in rise] + [band - 4.0, band - 12.0])
    radius = np.concatenate([np.outer(width, round_head), [round_head * outfit.brim, round_head * outfit.brim]])
    points = _rings(heights, radius, centre, angles)
    return points, _grid(6, ANGLES, True), _head_weights(points, low - 500), HAT
