"""How good the landmarks are: the paper's errors, with and without flips, and the pose that looks at nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from napa_lib.bottleneck.faces import interocular_error
from napa_lib.data.clips import Clips, to_float, to_pixels
from napa_lib.data.sources import FACES
from napa_lib.metrics import better_sides, mpjpe, mse_with_flips
from napa_lib.skeletons import Skeleton, convert


@torch.no_grad()
def predict_clips(
    predict: Callable[[Tensor], Tensor], clips: Clips, batch: int = 64, device: torch.device | str = "cpu"
) -> Tensor:
    """Keypoints of every frame, (N T, K, 2) in pixels.

    Args:
        predict: pictures (B, 3, S, S) in [0, 1] to keypoints (B, K, 2) in [-1, 1]; a model in evaluation mode.
        clips: what to look at.
        batch: frames at a time.
        device: where the model is.
    """
    frames = clips.images.flatten(0, 1).split(batch)
    found = [predict(to_float(part.to(device))).float().cpu() for part in frames]
    return to_pixels(torch.cat(found), clips.size)


def landmark_errors(
    prediction: Tensor, target: Tensor, skeleton: str | Skeleton, size: int, scored: str | Skeleton | None = None
) -> dict[str, float]:
    """The paper's errors of some poses, in pixels and in per cent of the picture's side.

    "Flips" lets each pose choose between its two side assignments, by the smaller mean distance. The papers call what
    they print MSE and the mean error in pixels; the authors' released code averages distances, so these are distances,
    and the squared ones stand beside them.

    Args:
        prediction: (B, K, 2) pixels.
        target: the same shape; NaN where missing.
        skeleton: joint set of both.
        size: side of the pictures in pixels.
        scored: joint set to score instead, such as H36M17 for 17 joints of a larger set.

    Returns:
        `px`, `px_flips`, `percent`, `percent_flips`, and in px² `mse`, `mse_flips`; for faces `interocular`, too, in
        per cent of the distance between the eyes' outer corners. NaN if no joint was counted.

    Raises:
        ValueError: for shapes or joint sets that do not fit.

    Source: KeypointGAN, section 5.1, tables 1 and 2; for faces section 5.2 and table 3.
    """
    if scored is not None:
        prediction, target = (convert(pose, skeleton, scored) for pose in (prediction, target))
        skeleton = scored
    plain = mpjpe(prediction, target)
    best = mpjpe(better_sides(prediction, target, skeleton), target)
    squared = (prediction - target).square().sum(-1).nanmean()
    errors = {
        "px": float(plain.total),
        "px_flips": float(best.total),
        "percent": 100 * float(plain.total) / size,
        "percent_flips": 100 * float(best.total) / size,
        "mse": float(squared),
        "mse_flips": float(mse_with_flips(prediction, target, skeleton).total),
    }
    return errors | {"interocular": interocular_error(prediction, target)} if skeleton == FACES else errors


def errors_by_motion(prediction: Tensor, clips: Clips, scored: str | None = None) -> dict[str, dict[str, float]]:
    """`landmark_errors` of all frames, under "all", and of each motion's.

    Args:
        prediction: (N T, K, 2) pixels, as `predict_clips` gives them.
        clips: with keypoints, and motions where known.
        scored: as in `landmark_errors`.
    """
    target = clips.keypoints.flatten(0, 1)
    found = {"all": landmark_errors(prediction, target, clips.skeleton, clips.size, scored)}
    frames = clips.images.shape[1]
    for motion in sorted(set(clips.motions)):
        here = torch.tensor([name == motion for name in clips.motions]).repeat_interleave(frames)
        found[motion] = landmark_errors(prediction[here], target[here], clips.skeleton, clips.size, scored)
    return found


def mean_pose(poses: Tensor, count: int) -> Tensor:
    """The baseline that looks at nothing: the mean of the unpaired poses, `count` times, (count, K, 2).

    Raises:
        ValueError: if a keypoint is missing in all poses.
    """
    mean = poses.nanmean(0)
    if bool(mean.isnan().any()):
        raise ValueError("poses must show each keypoint at least once to have a mean")
    return mean.expand(count, -1, -1)
