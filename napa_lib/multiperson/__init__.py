"""Several people in one picture, in 3D, without paired labels (CrossModal): scenes and their representation as maps,
the teacher and its grouping, the networks and losses of the alignment, and how all of it is scored."""

from __future__ import annotations

from napa_lib.multiperson.composed import Composed, Cutouts, compose, load_cutouts
from napa_lib.multiperson.config import CAMERAS, PRESETS, NetworkConfig
from napa_lib.multiperson.evaluate import Found, read_pictures, score_2d, score_3d
from napa_lib.multiperson.grouping import field_support, group_people, match_greedily
from napa_lib.multiperson.losses import (
    adaptation_loss,
    consistency_loss,
    distillation_loss,
    project_people,
    read_people,
    reconstruction_loss,
)
from napa_lib.multiperson.metrics import PeopleResult, box_iou, match_people, pck3d_people
from napa_lib.multiperson.moves import Move, draw_moves
from napa_lib.multiperson.networks import ChannelwiseLinear, Lifter, MapDecoder, MapEncoder, PictureEncoder, Teacher
from napa_lib.multiperson.representation import Representation, decode_scene, encode_scene, find_roots
from napa_lib.multiperson.scenes import Camera, Scene, sample_scenes, turn
from napa_lib.multiperson.store import load_network, save_network
from napa_lib.multiperson.targets import render_targets, scene_targets
from napa_lib.multiperson.whole import CrossModalNet

__all__ = [
    "CAMERAS",
    "PRESETS",
    "Camera",
    "ChannelwiseLinear",
    "Composed",
    "CrossModalNet",
    "Cutouts",
    "Found",
    "Lifter",
    "MapDecoder",
    "MapEncoder",
    "Move",
    "NetworkConfig",
    "PeopleResult",
    "PictureEncoder",
    "Representation",
    "Scene",
    "Teacher",
    "adaptation_loss",
    "box_iou",
    "compose",
    "consistency_loss",
    "decode_scene",
    "distillation_loss",
    "draw_moves",
    "encode_scene",
    "field_support",
    "find_roots",
    "group_people",
    "load_cutouts",
    "load_network",
    "match_greedily",
    "match_people",
    "pck3d_people",
    "project_people",
    "read_people",
    "read_pictures",
    "reconstruction_loss",
    "render_targets",
    "sample_scenes",
    "save_network",
    "scene_targets",
    "score_2d",
    "score_3d",
    "turn",
]
