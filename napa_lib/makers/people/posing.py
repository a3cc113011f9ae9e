"""Move a body: directions of a pose become rotations of bones, bones move the surface and the 18 joints."""

from __future__ import annotations

import numpy as np

from napa_lib.makers.people.body import PARENTS, B, Mesh
from napa_lib.makers.people.postures import Directions
from napa_lib.makers.people.turns import Array, across, frame, part_way, swing, turn, unit
from napa_lib.skeletons import NAPA18

JOINT_BONES = {
    "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot", "shoulder": "upperarm01", "elbow": "lowerarm01",
    "wrist": "wrist",
}  # fmt: skip


def bone_rotations(mesh: Mesh, pose: Directions, rng: np.random.Generator) -> Array:
    """Global rotations (N, len(BONES), 3, 3) that bring the body at rest into a pose.

    A limb's upper part swings to its direction; where the joint below is bent enough to tell, it is turned about its
    own length so that elbow or knee bends the way the body's does. Half of that twist stays in the bone at the trunk,
    and clavicle and shoulder follow a share of the arm's swing. Hands turn and bend a little at random, feet stand flat
    where the shin allows.
    """
    rotations = np.tile(np.eye(3), (len(pose), len(PARENTS), 1, 1))
    bend = np.swapaxes(pose.pelvis, -1, -2) @ pose.chest
    rotations[:, B["root"]] = pose.pelvis
    for i, share in enumerate((0.1, 0.35, 0.6, 0.85, 1.0)):
        rotations[:, B[f"spine0{5 - i}"]] = pose.pelvis @ part_way(bend, share)
    nod = np.swapaxes(pose.chest, -1, -2) @ pose.head
    for name, share in (("neck01", 0.25), ("neck02", 0.5), ("neck03", 0.75), ("head", 1.0)):
        rotations[:, B[name]] = pose.chest @ part_way(nod, share)
    for limb, side in enumerate("RLRL"):
        (_arm if limb < 2 else _leg)(rotations, mesh, pose, limb, f".{side}", rng)
    return rotations


def _arm(rotations: Array, mesh: Mesh, pose: Directions, limb: int, side: str, rng: np.random.Generator) -> None:
    shoulder, elbow, wrist = (mesh.heads[B[name + side]] for name in ("upperarm01", "lowerarm01", "wrist"))
    rest = unit(elbow - shoulder), unit(wrist - elbow)
    swung, twist, lower = _two_bones(rest, across(rest[1], rest[0]), pose.chest, pose, limb, 1.9)
    follow = swung @ np.swapaxes(pose.chest, -1, -2)
    rotations[:, B["clavicle" + side]] = part_way(follow, 0.15, 0.5) @ pose.chest
    rotations[:, B["shoulder01" + side]] = part_way(follow, 0.4, 1.0) @ pose.chest
    rotations[:, B["upperarm01" + side]] = part_way(twist, 0.5) @ swung
    rotations[:, B["upperarm02" + side]] = twist @ swung
    roll = turn(pose.lower[:, limb], rng.normal(0, 0.6, len(pose)).clip(-1.3, 1.3))
    rotations[:, B["lowerarm01" + side]] = lower
    rotations[:, B["lowerarm02" + side]] = part_way(roll, 0.5) @ lower
    bend = turn(unit(rng.normal(0, 1, (len(pose), 3))), rng.normal(0, 0.3, len(pose)).clip(-0.7, 0.7))
    rotations[:, B["wrist" + side]] = bend @ roll @ lower


def _leg(rotations: Array, mesh: Mesh, pose: Directions, limb: int, side: str, rng: np.random.Generator) -> None:
    hip, knee, ankle = (mesh.heads[B[name + side]] for name in ("upperleg01", "lowerleg01", "foot"))
    rest = unit(knee - hip), unit(ankle - knee)
    swung, twist, lower = _two_bones(rest, across(np.array([0, 0, -1.0]), rest[0]), pose.pelvis, pose, limb, 1.0)
    rotations[:, B["upperleg01" + side]] = part_way(twist, 0.5) @ swung
    rotations[:, B["upperleg02" + side]] = twist @ swung
    rotations[:, B["lowerleg01" + side]] = rotations[:, B["lowerleg02" + side]] = lower
    flat = part_way(swing(lower[..., 1], np.broadcast_to([0.0, 1.0, 0.0], (len(pose), 3))), 1.0, 0.6)
    free = turn(lower[..., 0], rng.normal(0.35, 0.3, len(pose)).clip(-0.3, 0.9))
    stands = (lower[:, 1, 1] > 0.6) & (rng.random(len(pose)) < 0.85)
    rotations[:, B["foot" + side]] = np.where(stands[:, None, None], flat, free) @ lower


def _two_bones(rest: tuple[Array, Array], hinge: Array, trunk: Array, pose: Directions, limb: int, limit: float):
    """Rotations of a limb's upper bone (swing, and twist about the new direction) and of its lower bone."""
    upper, lower = pose.upper[:, limb], pose.lower[:, limb]
    swung = swing(trunk @ rest[0], upper) @ trunk
    bent = across(lower, upper)
    size = np.linalg.norm(bent, axis=-1)
    certain = np.clip((size - 0.15) / 0.3, 0, 1)
    full = frame(upper, bent + 1e-9) @ frame(rest[0], hinge).T
    twist = part_way(full @ np.swapaxes(swung, -1, -2), certain, limit)
    whole = twist @ swung
    return swung, twist, swing(whole @ rest[1], lower) @ whole


def joint_positions(mesh: Mesh, rotations: Array) -> Array:
    """Forward kinematics, (N, len(BONES), 3): bone heads relative to the root's."""
    heads = np.zeros((len(rotations), len(PARENTS), 3))
    for bone, parent in enumerate(PARENTS[1:], 1):
        heads[:, bone] = heads[:, parent] + rotations[:, parent] @ (mesh.heads[bone] - mesh.heads[parent])
    return heads


def skin(mesh: Mesh, rotations: Array, heads: Array) -> tuple[Array, Array]:
    """Linear blend skinning of one pose: vertices (V, 3) in mm and unit normals (V, 3).

    rotations (len(BONES), 3, 3), heads (len(BONES), 3): p = sum_b w_b (R_b (v - rest_b) + head_b).
    """
    shift = heads - (rotations @ mesh.heads[:, :, None])[..., 0]
    moves = np.concatenate([rotations, shift[..., None]], -1).astype(np.float32)
    blend = (mesh.weights @ moves.reshape(len(moves), 12)).reshape(-1, 3, 4)
    vertices = np.einsum("vij,vj->vi", blend[..., :3], mesh.vertices) + blend[..., 3]
    return vertices, unit(np.einsum("vij,vj->vi", blend[..., :3], mesh.normals)).astype(np.float32)


def label_joints(mesh: Mesh, heads: Array, vertices: Array) -> Array:
    """The 18 joints of NAPA18 (18, 3) of a posed body: bone heads, and the surface at nose tip and crown."""
    at = {f"{s.lower()}_{joint}": heads[B[f"{bone}.{s}"]] for joint, bone in JOINT_BONES.items() for s in "RL"}
    at["pelvis"] = (at["l_hip"] + at["r_hip"]) / 2
    at["thorax"] = (at["l_shoulder"] + at["r_shoulder"]) / 2
    at["torso"] = heads[B["spine02"]]
    at["neck"] = heads[B["neck02"]]
    at["nose"], at["head"] = vertices[mesh.nose], vertices[mesh.crown]
    return np.stack([at[name] for name in NAPA18.joints])
