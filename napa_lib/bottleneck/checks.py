"""Which clips can train a model."""

from __future__ import annotations

from napa_lib.bottleneck.config import ModelConfig
from napa_lib.data.clips import Clips, check_poses
from napa_lib.skeletons import get_skeleton


def check_clips(clips: Clips, model: ModelConfig, labelled: bool) -> None:
    """Raise ValueError unless the clips can train this model: by size, number of frames, and labels where needed."""
    if clips.size != model.size:
        raise ValueError(f"clips must hold frames of {model.size} pixels, got {clips.size}")
    if not labelled and clips.images.shape[1] < 2:
        raise ValueError(f"clips must have at least 2 frames to make pairs of, got {clips.images.shape[1]}")
    wanted, found = get_skeleton(model.skeleton), get_skeleton(clips.skeleton)
    if labelled and found != wanted:
        raise ValueError(f"clips must be labelled with {wanted.name}, got {found.name}")
    if labelled:
        check_poses(clips.keypoints.flatten(0, 1))
