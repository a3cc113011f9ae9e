"""From a picture to the pose of its figures: `PoseEstimator`, and what the command `napa pose` is made of."""

from napa_lib.pose.estimator import PoseEstimator, PoseResult
from napa_lib.pose.pictures import Picture, open_picture

__all__ = ["Picture", "PoseEstimator", "PoseResult", "open_picture"]
