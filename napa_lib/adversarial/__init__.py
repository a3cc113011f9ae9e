"""3D poses that a discriminator takes for true ones: AdvPose, chapter 4."""

from __future__ import annotations

from napa_lib.adversarial.config import FIXED_ROWS, PRESETS, ROWS, SOURCES, ModelConfig, Row, TrainingConfig
from napa_lib.adversarial.discriminator import (
    Evidence,
    MultiSourceDiscriminator,
    evidence_of_estimate,
    evidence_of_pose,
)
from napa_lib.adversarial.domains import (
    Batch,
    Domain,
    batches,
    domain_from_annotations,
    domain_from_synthetic,
    open_domain,
)
from napa_lib.adversarial.evaluate import (
    ANGLE_LIMITS,
    LIMBS,
    Plausibility,
    art_rate,
    estimate_poses,
    joint_angles,
    keypoint_rate,
    measure,
    plausibility,
)
from napa_lib.adversarial.functional import geometric_descriptor, keypoints_from_heatmaps, pose_maps
from napa_lib.adversarial.losses import AdversarialLosses, PoseLosses, adversarial_losses, pose_losses
from napa_lib.adversarial.networks import DepthRegressor, Estimate, Generator
from napa_lib.adversarial.store import load_model, load_pretrained, save_model
from napa_lib.adversarial.train import CollapseError, adversarial_step, pretrain_2d, supervised_step, train_estimator
from napa_lib.networks.hourglass import StackedHourglass

__all__ = [
    "ANGLE_LIMITS",
    "FIXED_ROWS",
    "LIMBS",
    "PRESETS",
    "ROWS",
    "SOURCES",
    "AdversarialLosses",
    "Batch",
    "CollapseError",
    "DepthRegressor",
    "Domain",
    "Estimate",
    "Evidence",
    "Generator",
    "ModelConfig",
    "MultiSourceDiscriminator",
    "Plausibility",
    "PoseLosses",
    "Row",
    "StackedHourglass",
    "TrainingConfig",
    "adversarial_losses",
    "adversarial_step",
    "art_rate",
    "batches",
    "domain_from_annotations",
    "domain_from_synthetic",
    "estimate_poses",
    "evidence_of_estimate",
    "evidence_of_pose",
    "geometric_descriptor",
    "joint_angles",
    "keypoint_rate",
    "keypoints_from_heatmaps",
    "load_model",
    "load_pretrained",
    "measure",
    "open_domain",
    "plausibility",
    "pose_losses",
    "pose_maps",
    "pretrain_2d",
    "save_model",
    "supervised_step",
    "train_estimator",
]
