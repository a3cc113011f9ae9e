"""Chapter 2: oval bone maps, fitting a pose to one, and depth from one."""

from napa_lib.data.views import exchange_limbs, random_views
from napa_lib.lifting.config import TrainingConfig
from napa_lib.lifting.drawing import network_input, render_point_map
from napa_lib.lifting.fitting import Fit, fit_pose_to_bone_map
from napa_lib.lifting.functional import (
    bone_loop,
    bone_vectors,
    depth_loss,
    joints_from_bone_vectors,
    place_in_map,
)
from napa_lib.lifting.lift import BoneStandardizer, compose_pose, lift, load_depth_net, recover_scale
from napa_lib.lifting.networks import CoordinateNet, DepthNet

__all__ = [
    "BoneStandardizer",
    "CoordinateNet",
    "DepthNet",
    "Fit",
    "TrainingConfig",
    "bone_loop",
    "bone_vectors",
    "compose_pose",
    "depth_loss",
    "exchange_limbs",
    "fit_pose_to_bone_map",
    "joints_from_bone_vectors",
    "lift",
    "load_depth_net",
    "network_input",
    "place_in_map",
    "random_views",
    "recover_scale",
    "render_point_map",
]
