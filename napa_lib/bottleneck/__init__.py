"""Chapter 3, KeypointGAN: landmarks from unlabelled frames and unpaired poses, through a skeleton bottleneck."""

from napa_lib.bottleneck.config import PRESETS, RUNGS, ModelConfig, TrainingConfig, model_config
from napa_lib.bottleneck.discriminators import ImageDiscriminator, SkeletonDiscriminator
from napa_lib.bottleneck.evaluate import errors_by_motion, landmark_errors, mean_pose, predict_clips
from napa_lib.bottleneck.faces import interocular_error
from napa_lib.bottleneck.functional import draw_in_pose, local_contrast_normalize, move_keypoints, swap_appearance
from napa_lib.bottleneck.ladder import train_rung
from napa_lib.bottleneck.limb_masks import LimbImageGenerator, SkipImageEncoder, draw_limbs
from napa_lib.bottleneck.losses import PerceptualLoss, keypoint_loss, perceptual_distances
from napa_lib.bottleneck.model import Critics, KeypointGAN, Reconstruction
from napa_lib.bottleneck.networks import ImageEncoder, ImageGenerator, SkeletonEncoder, expected_position
from napa_lib.bottleneck.pretraining import pretrain
from napa_lib.bottleneck.probes import (
    appearance_leak,
    carried_colors,
    figure_colors,
    fit_ridge,
    measure_leak,
    regress_keypoints,
    skeleton_images,
)
from napa_lib.bottleneck.store import load_model, load_pretrained, save_model
from napa_lib.bottleneck.supervised import train_hourglass, train_supervised
from napa_lib.data.clips import (
    Clips,
    frame_pairs,
    halves,
    read_clips,
    save_clips,
    to_pixels,
    to_unit,
    unpaired_poses,
    video_clips,
)
from napa_lib.data.sources import from_faces, from_synthetic, open_clips
from napa_lib.data.views import mocap_poses
from napa_lib.loop import Setup
from napa_lib.networks.gan import lsgan_discriminator_loss as discriminator_loss
from napa_lib.networks.gan import lsgan_generator_loss as generator_loss
from napa_lib.networks.hourglass import HourglassNet

__all__ = [
    "PRESETS",
    "RUNGS",
    "Clips",
    "Critics",
    "HourglassNet",
    "ImageDiscriminator",
    "ImageEncoder",
    "ImageGenerator",
    "KeypointGAN",
    "LimbImageGenerator",
    "ModelConfig",
    "PerceptualLoss",
    "Reconstruction",
    "Setup",
    "SkeletonDiscriminator",
    "SkeletonEncoder",
    "SkipImageEncoder",
    "TrainingConfig",
    "appearance_leak",
    "carried_colors",
    "discriminator_loss",
    "draw_in_pose",
    "draw_limbs",
    "errors_by_motion",
    "expected_position",
    "figure_colors",
    "fit_ridge",
    "frame_pairs",
    "from_faces",
    "from_synthetic",
    "generator_loss",
    "halves",
    "interocular_error",
    "keypoint_loss",
    "landmark_errors",
    "load_model",
    "load_pretrained",
    "local_contrast_normalize",
    "mean_pose",
    "measure_leak",
    "mocap_poses",
    "model_config",
    "move_keypoints",
    "open_clips",
    "perceptual_distances",
    "predict_clips",
    "pretrain",
    "read_clips",
    "regress_keypoints",
    "save_clips",
    "save_model",
    "skeleton_images",
    "swap_appearance",
    "to_pixels",
    "to_unit",
    "train_hourglass",
    "train_rung",
    "train_supervised",
    "unpaired_poses",
    "video_clips",
]
