"""NAPA's self supervision: how far the stylised picture is from what is made again of its pose and its style."""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.networks import VGG19Features
from napa_lib.style import cosine_loss, feature_loss, style_loss
from napa_lib.style.losses import CONTENT_LAYER, STYLE_LAYERS


def supervision_losses(features: VGG19Features, reconstruction: Tensor, output: Tensor) -> dict[str, Tensor]:
    """Compare O', made from the bone map, with O, the stylised picture.

        L_style_sup = sum_l || Gram_l(O') - Gram_l(O) ||_F^2     relu1_1 ... relu5_1
        L_cos_sup   = 1 - cos(phi(O'), phi(O))                   relu4_2
        L_feat_sup  = || phi(O') - phi(O) ||^2 / (C H W)         relu4_2

    They share L_style and L_cos with the style transfer. O is the target: no gradient flows into it, so that the losses
    correct the reconstruction, and with it the 2D keypoints, and do not move the picture towards what is drawn of them.

    Args:
        features: VGG', whose weights may be trained along.
        reconstruction: O' (B, 3, H, W) in [0, 1].
        output: O, the same shape.

    Returns:
        the three losses, means over the batch: "style_sup", "cosine_sup", "feature_sup".

    Raises:
        ValueError: if the shapes differ.

    Source: NAPA, section 3.2 (Self Supervision Loss).
    """
    if reconstruction.shape != output.shape:
        raise ValueError(
            f"reconstruction and output must have one shape, got {tuple(reconstruction.shape)}, {tuple(output.shape)}"
        )
    layers = (*STYLE_LAYERS, CONTENT_LAYER)
    with torch.no_grad():
        target = features(output, layers)
    found = features(reconstruction, layers)
    with torch.autocast(output.device.type, enabled=False):  # sums over millions of elements
        return {
            "style_sup": style_loss([found[n] for n in STYLE_LAYERS], [target[n] for n in STYLE_LAYERS]).mean(),
            "cosine_sup": cosine_loss(found[CONTENT_LAYER], target[CONTENT_LAYER]).mean(),
            "feature_sup": feature_loss(found[CONTENT_LAYER], target[CONTENT_LAYER]).mean(),
        }
