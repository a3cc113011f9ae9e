"""Pose metrics that say what they counted and what they divided by.

Every function takes predictions and targets of the same shape (..., J, D), one pose in each of the leading dimensions,
and leaves out each joint that is NaN on either side. `total` is the mean over all joints that were counted, so that a
pose with many visible joints weighs more than one with few; `per_joint.mean()` weighs the joints equally,
`per_pose.nanmean()` the poses. Leaving a joint out is no error, so compare `counted` before you compare two methods. If
nothing at all was counted, `counted` is 0 and `total` is NaN.
"""

from __future__ import annotations

from napa_lib.metrics.errors import better_sides, mpjpe, mse_with_flips, normalized_landmark_error, pa_mpjpe
from napa_lib.metrics.rates import auc, pck, pck3d, pckh
from napa_lib.metrics.results import MetricResult, bootstrap_interval

__all__ = [
    "MetricResult",
    "auc",
    "better_sides",
    "bootstrap_interval",
    "mpjpe",
    "mse_with_flips",
    "normalized_landmark_error",
    "pa_mpjpe",
    "pck",
    "pck3d",
    "pckh",
]
