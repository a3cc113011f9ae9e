"""People from the Anny body model: rest shapes, joints and their motion.

Needs the package `anny` (extra `synthesis`).
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from napa_lib.makers.people.turns import Array, unit

ARM = ("clavicle", "shoulder01", "upperarm01", "upperarm02", "lowerarm01", "lowerarm02", "wrist")
LEG = ("upperleg01", "upperleg02", "lowerleg01", "lowerleg02", "foot")
TRUNK = ("root", "spine05", "spine04", "spine03", "spine02", "spine01", "neck01", "neck02", "neck03", "head")
BONES = TRUNK + tuple(f"{name}.{side}" for side in "RL" for name in ARM + LEG)
B = {name: i for i, name in enumerate(BONES)}
PARENTS = tuple(
    -1 if name == "root"
    else B[TRUNK[i - 1]] if i < len(TRUNK)
    else B["spine01"] if name[:-2] == "clavicle"
    else B["root"] if name[:-2] == "upperleg01"
    else i - 1
    for i, name in enumerate(BONES)
)  # fmt: skip
REGIONS = ("trunk", "head", "arm", "hand", "leg", "foot")
MEAN = dict(gender=0.5, age=0.7, muscle=0.5, weight=0.5, height=0.5, proportions=0.5)


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface that bones move. Lengths in mm; axes x to the body's left, y up, z ahead.

    `vertices` (V, 3) at rest; `normals` (V, 3); `faces` (F, 3); `weights` (V, len(BONES)), rows sum to 1; `heads`
    (len(BONES), 3) joints at rest; `canon` (V, 3) the same vertex on the average adult, and `along` (V,) how far down
    its limb it lies (0 shoulder or hip, 1 wrist or ankle), which textures follow; `region` (F,) index into REGIONS or
    beyond for garments; `open` (F,) faces that are seen from both sides; `nose`, `crown`: vertices that are labelled.
    """

    vertices: Array
    normals: Array
    faces: Array
    weights: Array
    heads: Array
    canon: Array
    along: Array
    region: Array
    open: Array
    nose: int
    crown: int

    def moved(self, vertices: Array) -> Mesh:
        """The same surface with other rest vertices."""
        return replace(self, vertices=vertices, normals=vertex_normals(vertices, self.faces))


def vertex_normals(vertices: Array, faces: Array) -> Array:
    """Unit normals (V, 3): the mean of the normals of the faces round a vertex, by area."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    index, count = faces.ravel(), len(vertices)
    total = np.stack([np.bincount(index, np.repeat(across[:, c], 3), count) for c in range(3)], -1)
    return unit(total).astype(np.float32)


class BodyModel:
    """Anny with its fingers, toes, eyes and tongue merged into hands, feet and head."""

    def __init__(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            import anny  # a tool-time dependency, imported where it is needed

            self.model = anny.Anny(skinning_method="lbs")
        labels, parents = list(self.model.bone_labels), list(self.model.bone_parents)
        self.rows = [labels.index(name) for name in BONES]
        merged = np.zeros((len(labels), len(BONES)), np.float32)
        for bone in range(len(labels)):
            merged[bone, _kept(bone, labels, parents)] = 1.0
        dense = self.model.dense_vertex_bone_weights.numpy().astype(np.float32)
        self.weights = dense @ merged
        self.faces = self.model.get_triangular_faces().numpy().astype(np.int32)
        self.canon, heads = self._rest(MEAN)
        self.eyes = dense[:, [labels.index("eye.L"), labels.index("eye.R")]].sum(-1) > 0.9
        self.along = _along(self.canon, self.weights, heads)
        self.region = _regions(self.weights)[self.faces[:, 0]]
        middle = np.abs(self.canon[:, 0]) < 5
        face = np.where(middle & (self.weights[:, B["head"]] > 0.9), self.canon[:, 2], -np.inf)
        self.nose, self.crown = int(face.argmax()), int(self.canon[:, 1].argmax())

    def _rest(self, phenotype: dict[str, float]) -> tuple[Array, Array]:
        rest = self.model(phenotype_kwargs=phenotype)
        points = rest["rest_vertices"][0].numpy(), rest["rest_bone_poses"][0, self.rows, :3, 3].numpy()
        vertices, heads = ((p[:, [0, 2, 1]] * [1000.0, 1000.0, -1000.0]).astype(np.float32) for p in points)
        return vertices, heads

    def person(self, phenotype: dict[str, float]) -> Mesh:
        """The undressed body for Anny's parameters gender, age, muscle, weight, height, proportions in [0, 1]."""
        vertices, heads = self._rest(phenotype)
        return Mesh(
            vertices, vertex_normals(vertices, self.faces), self.faces, self.weights, heads, self.canon, self.along,
            self.region, np.zeros(len(self.faces), bool), self.nose, self.crown,
        )  # fmt: skip


@cache
def body_model() -> BodyModel:
    """The model, loaded once a process (some seconds)."""
    return BodyModel()


def _kept(bone: int, labels: list[str], parents: list[int]) -> int:
    while labels[bone] not in B:
        bone = parents[bone]
    return B[labels[bone]]


def _along(canon: Array, weights: Array, heads: Array) -> Array:
    along = np.zeros(len(canon), np.float32)
    for chain, start, middle, end in (
        (ARM, "upperarm01", "lowerarm01", "wrist"),
        (LEG, "upperleg01", "lowerleg01", "foot"),
    ):
        for side in "RL":
            a, b, c = (heads[B[f"{name}.{side}"]] for name in (start, middle, end))
            first, second = ((canon - p) @ (q - p) / ((q - p) @ (q - p)) for p, q in ((a, b), (b, c)))
            share = weights[:, [B[f"{name}.{side}"] for name in chain]].sum(-1) > 0.5
            value = np.where(second > 0, 0.5 + second / 2, np.minimum(first, 1) / 2)
            along = np.where(share, value, along)
    return along.astype(np.float32)


def _regions(weights: Array) -> Array:
    """(V,) the region that most of a vertex's weight belongs to."""
    groups = [
        [n for n in TRUNK if n not in ("head", "neck03")]
        + [f"{n}.{s}" for n in ("clavicle", "shoulder01") for s in "RL"],
        ["head", "neck03"],
        [f"{n}.{s}" for n in ("upperarm01", "upperarm02", "lowerarm01", "lowerarm02") for s in "RL"],
        [f"wrist.{s}" for s in "RL"],
        [f"{n}.{s}" for n in LEG[:-1] for s in "RL"],
        [f"foot.{s}" for s in "RL"],
    ]
    return np.stack([weights[:, [B[n] for n in names]].sum(-1) for names in groups], -1).argmax(-1).astype(np.int8)
