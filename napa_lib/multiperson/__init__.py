"""Several people in one picture, in 3D (CrossModal): scenes, their representation as maps, and how they are scored."""

from __future__ import annotations

from napa_lib.multiperson.metrics import PeopleResult, box_iou, match_people, pck3d_people
from napa_lib.multiperson.representation import Representation, decode_scene, encode_scene, find_roots
from napa_lib.multiperson.scenes import Camera, Scene, sample_scenes, stream_scenes, turn

__all__ = [
    "Camera",
    "PeopleResult",
    "Representation",
    "Scene",
    "box_iou",
    "decode_scene",
    "encode_scene",
    "find_roots",
    "match_people",
    "pck3d_people",
    "sample_scenes",
    "stream_scenes",
    "turn",
]
