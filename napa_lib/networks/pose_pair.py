"""Two networks that look at the same crop, and their answers multiplied: the estimator that ships."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate

from napa_lib.networks.heatmaps import cells_to_pixels, local_soft_argmax
from napa_lib.networks.pose_net import PoseNet2D, PosePrediction, load_pose_net
from napa_lib.networks.warm_pose_net import WarmPoseNet, load_warm_pose_net

WEIGHT = 0.5  # exponent of the second network's heat maps; chosen on validation figures
SECOND_SIZE = 128  # pixels of the crops that the second network was trained on


class PosePair(nn.Module):
    """The warm-started network, and the one over frozen ImageNet features, which knows drawn and stick figures better.

    Their errors are not the same ones. Where one is sure and the other in doubt, the product of their heat maps follows
    the sure one; where both name several places, it takes what they share. The mean of two points would be neither.

        log p = log p_warm + WEIGHT log p_second

    Args:
        warm: whose confidence, calibrated for this answer, counts.
        second: its opinion is asked where all views are.
    """

    def __init__(self, warm: WarmPoseNet, second: PoseNet2D) -> None:
        super().__init__()
        self.warm, self.second = warm, second

    def forward(self, images: Tensor, mirror: bool = False) -> PosePrediction:
        """As `WarmPoseNet.forward`; without `mirror` it is the warm-started network's answer alone."""
        found = self.warm(images, mirror)
        if not mirror:
            return found
        shown = interpolate(images, (SECOND_SIZE, SECOND_SIZE), mode="bilinear", align_corners=False, antialias=True)
        other = self.second(shown).heatmaps
        other = other.flatten(2).log_softmax(-1).view_as(other)
        other = interpolate(other, found.heatmaps.shape[2:], mode="bilinear", align_corners=False)
        heatmaps = found.heatmaps + WEIGHT * other
        return PosePrediction(cells_to_pixels(local_soft_argmax(heatmaps)), found.confidence, heatmaps)


def load_pose_pair() -> PosePair:
    """The pair that ships, in `eval()` mode."""
    return PosePair(load_warm_pose_net(), load_pose_net()).eval()
