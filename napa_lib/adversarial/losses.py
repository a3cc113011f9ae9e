"""The losses: squared errors of heat maps and depths, and the game of estimator and discriminator."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from napa_lib.adversarial.networks import Estimate
from napa_lib.networks.gan import bce_discriminator_loss, bce_generator_loss
from napa_lib.networks.hourglass import stacks_loss


class PoseLosses(NamedTuple):
    """The two parts of eq. 2, unweighted."""

    heatmaps: Tensor
    depths: Tensor


def pose_losses(estimate: Estimate, keypoints: Tensor, depths: Tensor) -> PoseLosses:
    """Squared errors of the heat maps, of all pictures, and of the depths, of those that have any.

        L_pose = sum_j (sum_{n in N} |S_n^j - S^_n^j|² + sum_{n in N_3D} |z_n^j - z^_n^j|²)

    Here both are means, over cells and over joints, so that a loss does not depend on the batch and the picture's size;
    the depths then need a weight w, `TrainingConfig.depth`. Every stack's heat maps are supervised.

    Lambda of eq. 5 means something else beside means than beside sums. There the judge of N pictures counts lambda N
    times its mean, and the depths of N_3D pictures count N_3D P times theirs, so that as much beside depths of weight w
    is w lambda N / (N_3D P): with w = 0.1, P = 17 and half of the pictures from the lab, 1.2e-6 for the paper's 1e-4.
    The paper does not say in which unit its depths are, nor whether its code sums.

    Args:
        estimate: what the generator says of B pictures.
        keypoints: (B, P, 2) in [-1, 1], NaN where a joint is not labelled.
        depths: (B, P) in the same unit, NaN where a depth is not labelled: of pictures in the wild, all.

    Raises:
        ValueError: if the shapes do not fit, or no joint is labelled.

    Source: AdvPose, eq. 2.
    """
    if keypoints.shape != estimate.keypoints.shape or depths.shape != estimate.depths.shape:
        shapes = f"{tuple(keypoints.shape)} and {tuple(depths.shape)}"
        raise ValueError(
            f"keypoints must be {tuple(estimate.keypoints.shape)} and depths without the last, got {shapes}"
        )
    known = ~depths.isnan()
    squares = (estimate.depths - depths.masked_fill(~known, 0.0)).square().masked_fill(~known, 0.0)
    return PoseLosses(stacks_loss(estimate.heatmaps, keypoints), squares.sum() / known.sum().clamp_min(1))


class AdversarialLosses(NamedTuple):
    """What each side minimises."""

    discriminator: Tensor  # eq. 3
    generator: Tensor  # eq. 4


def adversarial_losses(real: Tensor, fake: Tensor) -> AdversarialLosses:
    """Both sides of the game, from the discriminator's logits.

        L_D = L_cls(D(real), 1) + L_cls(D(fake), 0),  L_G = L_cls(D(fake), 1),
        L_cls(p, y) = -(y log p + (1 - y) log(1 - p)),  p the sigmoid of the logit

    Sums in the paper, means here. In a training step the two sides need logits of their own: those of `fake` must not
    lead back to the estimator in the discriminator's turn.

    Args:
        real: logits of true poses, any shape.
        fake: logits of estimated poses.

    Raises:
        ValueError: if one of them is empty.

    Source: AdvPose, eq. 3 and 4; eq. 5 weighs the second with lambda and adds `pose_losses`.

    >>> import torch
    >>> [round(loss.item(), 3) for loss in adversarial_losses(torch.zeros(2), torch.zeros(3))]
    [1.386, 0.693]
    """
    return AdversarialLosses(bce_discriminator_loss(real, fake), bce_generator_loss(fake))
