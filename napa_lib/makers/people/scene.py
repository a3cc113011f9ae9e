"""One picture's geometry: posed people in front of a camera, rasterised, and what each pixel of them is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napa_lib.makers.people.body import Mesh
from napa_lib.makers.people.paint import materials, paint_face
from napa_lib.makers.people.raster import Buffers, rasterize
from napa_lib.makers.people.turns import Array, unit
from napa_lib.makers.people.view import View
from napa_lib.makers.people.wardrobe import Outfit

FINE = 2  # samples a pixel and axis
# How far, in mm on an adult of 1.65 m, a joint may lie behind the surface that shows it: about half its limb's
# thickness, twice over for an oblique view. Order of NAPA18.
DEEP = np.array([210, 170, 110, 100, 170, 110, 100, 210, 150, 45, 60, 130, 90, 90, 130, 90, 90, 190], float)


@dataclass(frozen=True, eq=False)
class Figure:
    """A posed person: `vertices`, `normals` (V, 3) and `joints` (18, 3), world mm; `eyes`, `mouth` scale those."""

    mesh: Mesh
    outfit: Outfit
    vertices: Array
    normals: Array
    joints: Array
    eyes: float = 1.0
    mouth: float = 1.0

    def moved(self, shift: Array) -> Figure:
        """The same figure elsewhere."""
        return Figure(
            self.mesh, self.outfit, self.vertices + shift.astype(np.float32), self.normals, self.joints + shift,
            self.eyes, self.mouth,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Surface:
    """The P covered pixels at FINE x FINE samples a pixel of the picture, and what they show."""

    buffers: Buffers
    person: Array  # (P,)
    region: Array
    material: Array
    canon: Array  # (P, 3)
    along: Array
    normal: Array  # (P, 3) camera axes, towards the viewer


def render(figures: list[Figure], view: View, size: int) -> Surface:
    """Rasterise people: size x size pixels, FINE x FINE samples each."""
    start = [0]
    points: list[Array] = []
    faces: list[Array] = []
    open_faces: list[Array] = []
    for figure in figures:
        fine = view.project(view.to_camera(figure.vertices))
        fine[:, :2] = fine[:, :2] * FINE + (FINE - 1) / 2
        faces.append(figure.mesh.faces + sum(len(part) for part in points))
        points.append(fine)
        open_faces.append(figure.mesh.open)
        start.append(start[-1] + len(figure.mesh.faces))
    buffers = rasterize(
        np.concatenate(points), np.concatenate(faces), (size * FINE, size * FINE), np.concatenate(open_faces)
    )
    person = np.searchsorted(start, buffers.face, side="right") - 1
    parts = [_attributes(figure, buffers, person == i, start[i], view) for i, figure in enumerate(figures)]
    region, material, canon, along, normal = (
        _scatter([part[k] for part in parts], [person == i for i in range(len(figures))]) for k in range(5)
    )
    return Surface(buffers, person, region, material, canon, along, normal)


def _scatter(parts: list[Array], rows: list[Array]) -> Array:
    whole = np.zeros((len(rows[0]), *parts[0].shape[1:]), parts[0].dtype)
    for part, where in zip(parts, rows, strict=True):
        whole[where] = part
    return whole


def _attributes(figure: Figure, buffers: Buffers, rows: Array, start: int, view: View):
    face, weight, mesh = buffers.face[rows] - start, buffers.weight[rows], figure.mesh
    corners = mesh.faces[face]
    canon, normal = (np.einsum("pk,pkc->pc", weight, values[corners]) for values in (mesh.canon, figure.normals))
    along = np.einsum("pk,pk->p", weight, mesh.along[corners])
    region = mesh.region[face]
    material = paint_face(materials(figure.outfit, region, canon, along), region, canon, figure.eyes, figure.mouth)
    normal = unit(normal @ view.R.T.astype(np.float32))
    back = mesh.open[face] & (normal[:, 2] > 0)
    return region, material, canon, along, np.where(back[:, None], -normal, normal)


def visible_joints(surface: Surface, view: View, joints: Array, size: int) -> Array:
    """Which of (18, 3) joints (camera axes, mm) show: inside the picture, and not far behind the nearest surface.

    A joint lies inside the body, so the surface that shows it is nearer by up to about the thickness of its limb
    (`DEEP`, scaled by the person's size); anything nearer than that hides it.
    """
    height, width = surface.buffers.size
    near = surface.buffers.image(surface.buffers.depth, np.inf)
    xy = view.project(joints)[:, :2]
    inside = ((xy > -0.5) & (xy < size - 0.5)).all(-1)
    column, row = np.round(np.clip(xy * FINE + (FINE - 1) / 2, 0, [width - 1, height - 1])).astype(int).T
    legs = np.linalg.norm(joints[[2, 5]] - joints[[1, 4]], axis=-1).mean()  # thigh: 430 mm at 1.65 m
    return inside & (joints[:, 2] - near[row, column] < DEEP * (legs / 430))


def person_mask(surface: Surface, size: int) -> Array:
    """Pixels (size, size) bool at least half of whose samples show person 0."""
    main = surface.buffers.image(surface.person == 0, False)
    return average(main.astype(np.float32)) >= 0.5


def average(fine: Array) -> Array:
    """The mean of each pixel's FINE x FINE samples, (FINE S, FINE S, ...) to (S, S, ...)."""
    total = fine[0::FINE, 0::FINE].copy()
    for i in range(FINE):
        for j in range(FINE):
            if i or j:
                total += fine[i::FINE, j::FINE]
    return total / FINE**2
