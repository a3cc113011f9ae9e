"""Scenes as maps and back: the neural representation of several 3D poses.

Of each cell of a grid on the picture, 39 numbers: the pose's embedding (32), sine and cosine of its three Euler angles
(6), and the pelvis's depth, from -1 at the room's front to 1 at its back. They are defined in a pelvis's cell alone.
Where the pelvises are, a heat map says: a Gaussian, one cell wide, at each.

The paper counts the heat among the channels and arrives at 39 all the same; 1 + 32 + 6 + 1 are 40. As its network H
has 39 outputs and its heat comes from the teacher's F, ours keeps the two apart.

Source: CrossModal, section 3.1.2, and the module M of fig. 4B.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from napa_lib.multiperson.scenes import Camera, Scene
from napa_lib.rendering import render_heatmaps

CHANNELS = 39
EMBEDDING, ANGLES = slice(0, 32), slice(32, 38)  # and then the depth
SURE = 0.5  # heat of a cell below which it is no pelvis


@dataclass(frozen=True, eq=False)
class Representation:
    """heat (B, 1, H, W) and maps (B, 39, H, W)."""

    heat: Tensor
    maps: Tensor

    def __post_init__(self) -> None:
        if self.maps.ndim != 4 or self.maps.shape[1] != CHANNELS or self.heat.shape[2:] != self.maps.shape[2:]:
            shapes = f"{tuple(self.heat.shape)} and {tuple(self.maps.shape)}"
            raise ValueError(f"heat and maps must be (B, 1, H, W) and (B, {CHANNELS}, H, W), got {shapes}")


def encode_scene(scene: Scene, camera: Camera | None = None, cells: int = 14) -> Representation:
    """Write a batch of scenes into maps.

    Of two people whose pelvises share a cell the nearer one is kept: the maps have room for one.

    Args:
        scene: every present person before the camera, with the pelvis in the picture.
        camera: that of the scenes; None for the defaults.
        cells: along each side.

    Raises:
        ValueError: if someone is behind the camera, out of the picture, or there are more people than cells.
    """
    camera = camera or Camera()
    pixels = camera.project(scene.roots)  # (B, P, 2)
    cell = to_cells(pixels, camera, cells)
    outside = ~((cell > -0.5) & (cell < cells - 0.5)).all(-1) & scene.present  # NaN, too, is outside
    if bool(outside.any()):
        raise ValueError(
            f"scene must have its people before the camera and in the picture, {int(outside.sum())} are not"
        )
    if scene.present.shape[1] > cells * cells:
        raise ValueError(f"scene must have at most {cells * cells} people, one a cell, got {scene.present.shape[1]}")
    column, row = cell.masked_fill(~scene.present[..., None], 0).round().long().unbind(-1)
    depth = 2 * (scene.roots[..., 2:] - camera.nearest) / (camera.farthest - camera.nearest) - 1
    values = torch.cat([scene.embeddings, scene.angles.sin(), scene.angles.cos(), depth], -1)  # (B, P, 39)
    maps = values.new_zeros(len(scene), cells, cells, CHANNELS)
    distance = scene.roots[..., 2].masked_fill(~scene.present, torch.inf)
    scenes = torch.arange(len(scene), device=values.device)
    for person in distance.argsort(1, descending=True).T:  # the farthest first, the nearest last; a handful of turns
        here = scene.present[scenes, person]
        rows, people = scenes[here], person[here]
        maps[rows, row[rows, people], column[rows, people]] = values[rows, people]
    places = torch.where(scene.present[..., None], cell, torch.nan)[:, :, None]  # (B, P, 1, 2)
    return Representation(render_heatmaps(places, cells, 1.0), maps.permute(0, 3, 1, 2))


def to_cells(pixels: Tensor, camera: Camera, cells: int) -> Tensor:
    """Pixels of the picture as coordinates of the grid, the centre of the first cell at 0."""
    return (pixels + 0.5) * cells / camera.size - 0.5


def find_roots(heat: Tensor, people: int = 4, threshold: float = SURE) -> tuple[Tensor, Tensor]:
    """Peaks of a heat map by non-maximum suppression, the strongest first.

    A cell is a peak if none of its eight neighbours is stronger; of neighbours that are equal, as bfloat16 makes them,
    the first one is. Between cells it is placed where the parabola through the logarithms of three neighbours has its
    top: exact for a Gaussian that is alone.

    Args:
        heat: (B, 1, H, W).
        people: most peaks a scene.
        threshold: heat of the least peak.

    Returns:
        roots (B, P, 2) as (x, y) in cells and found (B, P) bool; the roots of what was not found are zero.

    Raises:
        ValueError: for heat of another shape, or `people` below 1 or beyond its cells.
    """
    if heat.ndim != 4 or heat.shape[1] != 1 or not 1 <= people <= heat[0].numel():
        raise ValueError(f"heat must be (B, 1, H, W), people from 1 to its cells, got {tuple(heat.shape)} and {people}")
    width = heat.shape[3]
    _, strongest = max_pool2d(heat, 3, 1, 1, return_indices=True)  # of equal ones the first in the order of rows
    cells = torch.arange(heat[0].numel(), device=heat.device).view(heat.shape[1:])
    peaks = torch.where((strongest == cells) & (heat >= threshold), heat, 0.0)
    strength, place = peaks.flatten(1).topk(people)
    found = strength > 0
    row, column = place // width, place % width
    logs = torch.nn.functional.pad(heat[:, 0].clamp_min(1e-30).log(), (1, 1, 1, 1), mode="replicate")
    scene = torch.arange(len(heat), device=heat.device)[:, None]

    def top(before: Tensor, at: Tensor, after: Tensor) -> Tensor:
        bend = 2 * at - before - after
        return torch.where(bend > 1e-6, (after - before) / (2 * bend.clamp_min(1e-6)), 0.0).clamp(-0.5, 0.5)

    r, c = row + 1, column + 1  # in the padded map
    x = column + top(logs[scene, r, c - 1], logs[scene, r, c], logs[scene, r, c + 1])
    y = row + top(logs[scene, r - 1, c], logs[scene, r, c], logs[scene, r + 1, c])
    return torch.stack([x, y], -1).masked_fill(~found[..., None], 0.0), found


def decode_scene(
    representation: Representation,
    camera: Camera | None = None,
    roots: Tensor | None = None,
    present: Tensor | None = None,
    people: int = 4,
) -> Scene:
    """M up to Psi: read people out of maps, at given pelvises or at the peaks of the heat.

    `Scene.poses` then does the rest (Psi, FK, T_R and T_G); all of it is differentiable with respect to the maps.

    Args:
        representation: heat and maps.
        camera: None for the defaults.
        roots: (B, P, 2) pelvises in pixels of the picture, from a teacher or the truth; None to take the heat's peaks.
        present: (B, P) bool, which of the roots count; None for all.
        people: most people to look for, where roots are not given.

    Returns:
        a `Scene`. Exact, but for rounding, for people whose cells differ if the roots are given; from the heat, the
        pelvises of people four cells apart are found to a thousandth of a cell.
    """
    camera = camera or Camera()
    cells = representation.maps.shape[-1]
    if roots is None:
        cell, present = find_roots(representation.heat, people)
        pixels = (cell + 0.5) * camera.size / cells - 0.5
    else:
        pixels, cell = roots, to_cells(roots, camera, cells)
        present = torch.ones_like(roots[..., 0], dtype=torch.bool) if present is None else present
    column, row = cell.masked_fill(~present[..., None], 0).round().long().clamp(0, cells - 1).unbind(-1)
    scene = torch.arange(len(representation.maps), device=cell.device)[:, None]
    values = representation.maps[scene, :, row, column]  # (B, P, 39)
    sine, cosine = values[..., ANGLES].chunk(2, -1)
    depth = camera.nearest + (values[..., 38] + 1) / 2 * (camera.farthest - camera.nearest)
    pixels = pixels.masked_fill(~present[..., None], camera.centre)
    return Scene(values[..., EMBEDDING], torch.atan2(sine, cosine), camera.unproject(pixels, depth), present)
