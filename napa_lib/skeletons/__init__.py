"""Joint sets: which points of a body a pose lists, in which order, and how to go from one list to another."""

from __future__ import annotations

from napa_lib.skeletons.conversion import DERIVED_JOINTS, check_pose, convert, flip
from napa_lib.skeletons.sets import (
    ART14,
    BLAZEPOSE33,
    BODY25,
    COCO17,
    CROSSMODAL15,
    CROSSMODAL17,
    FACE68,
    H36M17,
    H36M32,
    MPI3DHP28,
    MPII16,
    NAPA18,
    OPENPOSE15,
    REGRESSION_BONES,
    SHARED15,
    SKELETONS,
    Skeleton,
    get_skeleton,
    skeleton_from,
    skeleton_text,
)

__all__ = [
    "ART14",
    "BLAZEPOSE33",
    "BODY25",
    "COCO17",
    "CROSSMODAL15",
    "CROSSMODAL17",
    "DERIVED_JOINTS",
    "FACE68",
    "H36M17",
    "H36M32",
    "MPI3DHP28",
    "MPII16",
    "NAPA18",
    "OPENPOSE15",
    "REGRESSION_BONES",
    "SHARED15",
    "SKELETONS",
    "Skeleton",
    "check_pose",
    "convert",
    "flip",
    "get_skeleton",
    "skeleton_from",
    "skeleton_text",
]
