"""KeypointGAN's losses of its own: perceptual reconstruction and l2 on keypoints. Eq. 5 is in `networks/gan.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, mse_loss

from napa_lib.networks import VGG19Features

# The paper says "a perceptual loss" and names no layers; these are those of its predecessor (Jakab et al., 2018, its
# reference 23) and of the authors' released code, and the picture itself is the sixth.
PERCEPTUAL_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")


def keypoint_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance |p - p_true|² over the visible keypoints: the l2 loss of eta's pre-training.

    Args:
        prediction: (B, K, 2) in [-1, 1].
        target: the same shape; a missing keypoint is NaN and does not count.

    Raises:
        ValueError: for other shapes, or a pose without a visible joint.

    Source: KeypointGAN, section 4 ("Training details").

    >>> keypoint_loss(torch.zeros(1, 2, 2), torch.tensor([[[0.6, 0.8], [torch.nan, 0.0]]])).item()
    1.0
    """
    if prediction.shape != target.shape or target.ndim != 3 or target.shape[-1] != 2:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"prediction and target must both be (B, K, 2), got {shapes}")
    missing = target.isnan().any(-1)
    if bool(missing.all(-1).any()):
        raise ValueError(
            f"target must have a visible joint in each pose, pose {int(missing.all(-1).nonzero()[0])} none"
        )
    square = (prediction - target.masked_fill(missing[..., None], 0.0)).square().sum(-1)
    return square.masked_fill(missing, 0.0).sum() / (~missing).sum()


def perceptual_distances(features: VGG19Features, image: Tensor, target: Tensor, size: int) -> Tensor:
    """Mean squared difference of two batches of pictures and of their feature maps, (6,): picture, relu1_2, …, relu5_2.

    Args:
        features: the fixed network.
        image: (B, 3, H, W); the gradient flows here alone.
        target: the same shape.
        size: side of the pictures that the network sees; larger ones are averaged down to it.

    Raises:
        ValueError: if the shapes differ.
    """
    if image.shape != target.shape:
        raise ValueError(f"image and target must have one shape, got {tuple(image.shape)} and {tuple(target.shape)}")
    image = image.to(target.dtype)
    distances = [_mean_square(image, target)]
    with torch.no_grad():
        wanted = features(adaptive_avg_pool2d(target, size), PERCEPTUAL_LAYERS)
    found = features(adaptive_avg_pool2d(image, size), PERCEPTUAL_LAYERS)
    distances += [_mean_square(found[layer], wanted[layer]) for layer in PERCEPTUAL_LAYERS]
    return torch.stack(distances)


def _mean_square(a: Tensor, b: Tensor) -> Tensor:
    # fused, it reads the maps half as often; under autocast it would first copy them to float32
    with torch.autocast(a.device.type, enabled=False):
        return mse_loss(a, b)


class PerceptualLoss(nn.Module):
    """L_perc: the layers' distances, each divided by its running mean, averaged.

    Layers live on scales of their own; divided by what they were of late, all count the same, whatever the network.
    So the loss starts at 1 and stays near it: watch `distances`, not the loss, to see progress. The running means are
    a buffer and travel with checkpoints; the VGG-19 does not.

    Source: KeypointGAN, section 3.3; the running means are those of its reference 23 and of the released code.
    """

    means: Tensor

    def __init__(self, features: VGG19Features, size: int, decay: float = 0.99) -> None:
        super().__init__()
        self._features = [features]  # in a list, so that it is no submodule
        self.size, self.decay = size, decay
        self.register_buffer("means", torch.full((1 + len(PERCEPTUAL_LAYERS),), torch.nan))

    def distances(self, image: Tensor, target: Tensor) -> Tensor:
        """The distances before they are divided, (6,); see `perceptual_distances`."""
        return perceptual_distances(self._features[0], image, target, self.size)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        distances = self.distances(image, target)
        if self.training:
            now = distances.detach()
            self.means.copy_(torch.where(self.means.isnan(), now, self.means.lerp(now, 1 - self.decay)))
        return (distances / (self.means + 1e-8)).mean()
