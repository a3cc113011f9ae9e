"""Chapter 1, neural style transfer: Gatys' optimisation, Johnson's network, and NAPA's losses."""

from napa_lib.networks import VGG19Features
from napa_lib.style.functional import (
    content_entropy_loss,
    content_loss,
    cosine_loss,
    feature_loss,
    gram_matrix,
    hsv_loss,
    jensen_shannon,
    rgb_to_hsv,
    srgb_loss,
    style_entropy_loss,
    style_loss,
    total_variation_loss,
)
from napa_lib.style.gatys import optimise_picture
from napa_lib.style.losses import JOHNSON, LossRatios, Measured, StyleLosses, StylizationLoss, gradient_norms
from napa_lib.style.networks import TransformNet
from napa_lib.style.pretrained import POOL, load_stylizer, save_stylizer, stylize
from napa_lib.style.training import StylizerConfig, train_stylizer

__all__ = [
    "JOHNSON",
    "POOL",
    "LossRatios",
    "Measured",
    "StyleLosses",
    "StylizationLoss",
    "StylizerConfig",
    "TransformNet",
    "VGG19Features",
    "content_entropy_loss",
    "content_loss",
    "cosine_loss",
    "feature_loss",
    "gradient_norms",
    "gram_matrix",
    "hsv_loss",
    "jensen_shannon",
    "load_stylizer",
    "optimise_picture",
    "rgb_to_hsv",
    "save_stylizer",
    "srgb_loss",
    "style_entropy_loss",
    "style_loss",
    "stylize",
    "total_variation_loss",
    "train_stylizer",
]
