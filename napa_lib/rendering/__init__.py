"""From keypoints to pictures: bone maps, skeleton images, heat maps and the other maps of the five papers.

Every renderer takes a batch, on any device and in any floating dtype (half precision is computed in float32), skips
what is missing (NaN) without spoiling a gradient, and returns an empty picture for an empty batch.
"""

from napa_lib.rendering.distance import render_blobs, render_skeleton
from napa_lib.rendering.fields import (
    render_depth_maps,
    render_heatmaps,
    render_part_affinity_fields,
    render_people_maps,
)
from napa_lib.rendering.ovals import render_bone_map
from napa_lib.rendering.sticks import render_stick_figure

__all__ = [
    "render_blobs",
    "render_bone_map",
    "render_depth_maps",
    "render_heatmaps",
    "render_part_affinity_fields",
    "render_people_maps",
    "render_skeleton",
    "render_stick_figure",
]
