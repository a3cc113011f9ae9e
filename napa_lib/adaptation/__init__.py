"""Chapter 7, FlexPose: a pose distribution moved to another one by a handful of examples."""

from napa_lib.adaptation.adapt import Adapted, Pool, adapt, draw_pool, read_poses, sample_poses
from napa_lib.adaptation.config import PRESETS, AdaptationConfig, GeneratorConfig, SourceConfig
from napa_lib.adaptation.functional import (
    coverage,
    energy_distance,
    maximum_mean_discrepancy,
    nearest_pairs,
    pose_mixup,
)
from napa_lib.adaptation.losses import gradient_penalty, perceptual_loss
from napa_lib.adaptation.networks import (
    Discriminator,
    KeypointRegressor,
    PoseStyleGAN,
    adaptive_instance_norm,
    read_images,
)
from napa_lib.adaptation.sticks import STICKS, alpha, fit_square
from napa_lib.adaptation.store import (
    load_pretrained,
    load_pretrained_faces,
    load_pretrained_reader,
    load_pretrained_transfer,
)
from napa_lib.adaptation.targets import (
    Target,
    choose_shots,
    labelled_poses,
    labelled_target,
    recorded_target,
    source_poses,
    union_target,
)
from napa_lib.adaptation.transfer import AdaptedGenerator, StyleTransfer

__all__ = [
    "PRESETS",
    "STICKS",
    "AdaptationConfig",
    "Adapted",
    "AdaptedGenerator",
    "Discriminator",
    "GeneratorConfig",
    "KeypointRegressor",
    "Pool",
    "PoseStyleGAN",
    "SourceConfig",
    "StyleTransfer",
    "Target",
    "adapt",
    "adaptive_instance_norm",
    "alpha",
    "choose_shots",
    "coverage",
    "draw_pool",
    "energy_distance",
    "fit_square",
    "gradient_penalty",
    "labelled_poses",
    "labelled_target",
    "load_pretrained",
    "load_pretrained_faces",
    "load_pretrained_reader",
    "load_pretrained_transfer",
    "maximum_mean_discrepancy",
    "nearest_pairs",
    "perceptual_loss",
    "pose_mixup",
    "read_images",
    "read_poses",
    "recorded_target",
    "sample_poses",
    "source_poses",
    "union_target",
]
