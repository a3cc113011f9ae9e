"""Poses out of joint limits, what a body cannot do, and an autoencoder whose every embedding is a pose (CrossModal)."""

from __future__ import annotations

from napa_lib.sampling.anatomy import (
    CAPSULES,
    intersects_itself,
    limb_allowed,
    limb_angles,
    limb_directions,
    limb_ranges,
    limbs_allowed,
    segment_distance,
)
from napa_lib.sampling.coordinates import (
    canonical_to_relative,
    global_to_local,
    global_to_relative,
    local_to_global,
    relative_to_canonical,
    relative_to_global,
)
from napa_lib.sampling.derivation import anatomical_poses, derive_limits, enclosing_limits
from napa_lib.sampling.evaluate import (
    clip_poses,
    implausible_share,
    local_directions,
    measure_autoencoder,
    mocap_poses,
    nearest_distances,
    random_directions,
    share_inside,
)
from napa_lib.sampling.limits import (
    FREE,
    JOINT_LIMITS,
    SKELETON,
    JointLimits,
    angles_of,
    complete_limits,
    direction_of,
    inside_limits,
)
from napa_lib.sampling.networks import PoseAutoencoder, TreeDecoder, TreeEncoder, draw_embeddings
from napa_lib.sampling.sample import BONE_LENGTHS, join_local, sample_canonical, sample_poses
from napa_lib.sampling.store import load_autoencoder, load_pretrained, save_autoencoder

__all__ = [
    "BONE_LENGTHS",
    "CAPSULES",
    "FREE",
    "JOINT_LIMITS",
    "SKELETON",
    "JointLimits",
    "PoseAutoencoder",
    "TreeDecoder",
    "TreeEncoder",
    "anatomical_poses",
    "angles_of",
    "canonical_to_relative",
    "clip_poses",
    "complete_limits",
    "derive_limits",
    "direction_of",
    "draw_embeddings",
    "enclosing_limits",
    "global_to_local",
    "global_to_relative",
    "implausible_share",
    "inside_limits",
    "intersects_itself",
    "join_local",
    "limb_allowed",
    "limb_angles",
    "limb_directions",
    "limb_ranges",
    "limbs_allowed",
    "load_autoencoder",
    "load_pretrained",
    "local_directions",
    "local_to_global",
    "measure_autoencoder",
    "mocap_poses",
    "nearest_distances",
    "random_directions",
    "relative_to_canonical",
    "relative_to_global",
    "sample_canonical",
    "sample_poses",
    "save_autoencoder",
    "segment_distance",
    "share_inside",
]
