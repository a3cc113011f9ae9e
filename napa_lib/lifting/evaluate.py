"""How far off a depth network is on clips it never saw."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napa_lib.data import list_mocap_clips, load_mocap
from napa_lib.data.views import random_views
from napa_lib.lifting.config import TrainingConfig
from napa_lib.lifting.drawing import network_input
from napa_lib.lifting.functional import PELVIS
from napa_lib.lifting.lift import BoneStandardizer, compose_pose, recover_scale
from napa_lib.metrics import mpjpe, pa_mpjpe


def evaluate(
    network: nn.Module,
    standardizer: BoneStandardizer,
    config: TrainingConfig,
    split: str = "test",
    views: int = 4,
    jitter: float = 0.0,
    missing: int = 0,
) -> dict[str, dict[str, float]]:
    """MPJPE and PA-MPJPE on the clips of a split, each frame seen by `views` random cameras, always the same ones.

    The pelvis lies at the origin in both poses; the scale is recovered, not given. All 18 joints count.

    Args:
        network: `DepthNet` or `CoordinateNet`, in `eval()` mode.
        standardizer: the bone statistics it was trained with.
        config: what it was trained to see, and the bounds of the cameras.
        split: "train", "validation" or "test".
        views: cameras a frame.
        jitter: standard deviation of Gaussian noise on the 2D keypoints, in hundredths of the figure's longer side.
        missing: how many keypoints of each figure, never the pelvis, are not given; they are not scored either.

    Returns:
        {clip: {"mpjpe": mm, "pa_mpjpe": mm, "frames": n}, ..., "all": the mean over all views}.
    """
    scores: dict[str, dict[str, float]] = {}
    for clip in list_mocap_clips(split):
        generator = torch.Generator().manual_seed(1)
        poses = load_mocap(clip).poses
        keypoints, truth = random_views(poses.repeat_interleave(views, 0), config, generator)
        side = (keypoints.amax(1) - keypoints.amin(1)).amax(-1)[:, None, None]
        keypoints = keypoints + jitter / 100 * side * torch.randn(keypoints.shape, generator=generator)
        order = torch.rand(keypoints.shape[:2], generator=generator).index_fill_(1, torch.tensor(PELVIS), 2.0)
        hidden = order.argsort(1).argsort(1) < missing
        keypoints = keypoints.masked_fill(hidden[..., None], torch.nan)
        estimate = estimate_poses(network, standardizer, config, keypoints)
        scores[clip] = {
            "mpjpe": mpjpe(estimate, truth, root=PELVIS).total.item(),
            "pa_mpjpe": pa_mpjpe(estimate, truth).total.item(),
            "frames": len(poses),
        }
    frames = sum(score["frames"] for score in scores.values())
    scores["all"] = {
        name: sum(s[name] * s["frames"] for s in scores.values()) / frames for name in ("mpjpe", "pa_mpjpe")
    } | {"frames": frames}
    return scores


@torch.no_grad()
def estimate_poses(
    network: nn.Module, standardizer: BoneStandardizer, config: TrainingConfig, keypoints: Tensor
) -> Tensor:
    """The 3D poses that a depth network sees in 2D keypoints, shown to it in any of the ways of `config.sees`.

    As `lift`, but for one repair: `lift` draws a missing torso or nose between its neighbours (`fill_between`), here
    it stays away, so that every input lacks the same joints.

    Args:
        network: in `eval()` mode.
        standardizer: the bone statistics it was trained with.
        config: what it was trained to see.
        keypoints: (N, 18, 2) NAPA18, pixels; missing joints NaN.

    Returns:
        (N, 18, 3) mm, camera axes, the pelvis at the origin; see `compose_pose` for missing joints.
    """
    z = torch.cat([network(network_input(part, config)) for part in keypoints.split(64)])
    depths = z * standardizer.std[:, 2] + standardizer.mean[:, 2]
    return compose_pose(keypoints, depths, recover_scale(keypoints, depths, standardizer.length))
