"""The penalty that steadies StyleGAN's discriminator, and the perceptual distance that tau is fitted by."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from napa_lib.networks import VGG19Features

# "VGG-net in our experiment" (eq. 5) names no layers; these are one a scale down to an eighth of the picture.
PERCEPTUAL_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2")


def gradient_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """R1: half the mean squared norm of the discriminator's gradient at real pictures.

    Source: Mescheder et al., 2018, eq. 9.
    """
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(1).mean()


def perceptual_loss(features: VGG19Features, drawn: Tensor, wanted: Tensor) -> Tensor:
    """Gamma's distance of skeleton images: the mean squared difference of VGG features, averaged over the layers.

    Args:
        features: the fixed network Gamma.
        drawn: (B, 3 or 1, S, S) in [0, 1], where the gradient flows.
        wanted: the same shape.

    Source: FlexPose, eq. 5.
    """
    with torch.no_grad():
        target = features(wanted.expand(-1, 3, -1, -1), PERCEPTUAL_LAYERS)
    found = features(drawn.expand(-1, 3, -1, -1), PERCEPTUAL_LAYERS)
    return torch.stack([mse_loss(found[layer].float(), target[layer].float()) for layer in PERCEPTUAL_LAYERS]).mean()
