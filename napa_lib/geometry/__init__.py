"""Rotations, kinematics, cameras and alignment: batched, differentiable, torch alone."""

from __future__ import annotations

from napa_lib.geometry.alignment import procrustes_align, similarity_transform
from napa_lib.geometry.cameras import (
    Camera,
    look_at,
    project_perspective,
    project_weak_perspective,
    triangulate,
    undistort,
)
from napa_lib.geometry.kinematics import (
    assemble_bones,
    canonical_to_local,
    forward_kinematics,
    local_to_canonical,
    to_canonical,
)
from napa_lib.geometry.rotations import axis_angle_to_matrix, quaternion_to_matrix, rotation_from_euler

__all__ = [
    "Camera",
    "assemble_bones",
    "axis_angle_to_matrix",
    "canonical_to_local",
    "forward_kinematics",
    "local_to_canonical",
    "look_at",
    "procrustes_align",
    "project_perspective",
    "project_weak_perspective",
    "quaternion_to_matrix",
    "rotation_from_euler",
    "similarity_transform",
    "to_canonical",
    "triangulate",
    "undistort",
]
