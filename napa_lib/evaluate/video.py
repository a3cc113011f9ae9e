"""How well the poses that four calibrated cameras give of one man agree: `napa evaluate --video`.

Nobody annotated the video "single", but its cameras are calibrated: joints estimated in four views must meet in space,
and the bones between them keep their lengths. Both are measured, in the first case by projecting the triangulated
joints back. A method that always answers the same pose would keep its bones, too: read both numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.data import list_cameras, load_cameras, load_video_frames
from napa_lib.engine import progress
from napa_lib.geometry import Camera, project_perspective, triangulate
from napa_lib.pose import PoseEstimator
from napa_lib.skeletons import ART14

VIDEO = "single"
JOINTS = tuple(j for j, name in enumerate(ART14.joints) if name[:2] in ("l_", "r_"))  # the twelve of the limbs
BONES = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
    for side in ("l", "r")
) + (("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"))
# Drawn by hand round the man in all twenty frames of a camera, with room to spare: he stays on the treadmill.
BOXES = {
    "cam01": (-6.0, 53.0, 294.0, 353.0),
    "cam02": (2.0, 70.0, 262.0, 330.0),
    "cam03": (-38.0, 74.0, 242.0, 354.0),
    "cam04": (-5.0, 68.0, 305.0, 378.0),
}
HEIGHTS = {"cam01": 204, "cam02": 197, "cam03": 226, "cam04": 232}  # pixels, crown to toes upright in the first frame


@dataclass(frozen=True, eq=False)
class VideoScore:
    """What the views of one person say about each other; V cameras, T frames, J joints."""

    points: Tensor  # (T, J, 3) mm in the world
    errors: Tensor  # (V, T, J) pixels between an estimate and its triangulated point's picture; NaN where unknown
    heights: Tensor  # (V,) pixels: the person's height in each camera
    bones: dict[str, tuple[float, float]]  # bone -> mean length in mm, standard deviation over time / mean

    @property
    def median_error(self) -> float:
        """Median reprojection error in pixels."""
        return self.errors.nanmedian().item()

    @property
    def median_error_of_height(self) -> float:
        """Median reprojection error as a share of the person's height in that camera."""
        return (self.errors / self.heights[:, None, None]).nanmedian().item()

    @property
    def bone_spread(self) -> float:
        """Standard deviation over time / mean, averaged over the bones."""
        spreads = torch.tensor([spread for _, spread in self.bones.values()])
        return spreads.nanmean().item()


def score_video(
    keypoints: Tensor, confidence: Tensor, cameras: Sequence[Camera], heights: Sequence[float]
) -> VideoScore:
    """Triangulate the limb joints, project them back, measure the bones.

    Args:
        keypoints: (V, T, 14, 2) pixels, in the order of `ART14`.
        confidence: (V, T, 14) in [0, 1]: the weight of a view.
        cameras: V cameras.
        heights: of the person in each camera's picture, pixels.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if keypoints.ndim != 4 or keypoints.shape[2:] != (ART14.num_joints, 2) or len(heights) != len(keypoints):
        raise ValueError(f"keypoints must be (V, T, 14, 2) and heights V, got {tuple(keypoints.shape)}, {len(heights)}")
    limbs, sure = keypoints[:, :, JOINTS].double(), confidence[:, :, JOINTS].double()
    points = triangulate(limbs, cameras, sure)
    back = torch.stack([project_perspective(points, camera) for camera in cameras])
    names = [ART14.joints[j] for j in JOINTS]
    bones = {}
    for start, end in BONES:
        length = (points[:, names.index(start)] - points[:, names.index(end)]).norm(dim=-1)
        length = length[~length.isnan()]
        spread = length.std(correction=0) / length.mean()
        bones[f"{start} - {end}"] = (length.mean().item(), spread.item())
    return VideoScore(points, (limbs - back).norm(dim=-1), torch.tensor(heights, dtype=torch.float64), bones)


def predict_video(estimator: PoseEstimator, boxes: bool = True) -> tuple[Tensor, Tensor]:
    """An estimator's poses in all frames of all cameras: keypoints (4, 20, 14, 2) and confidence (4, 20, 14).

    Args:
        estimator: see `PoseEstimator`.
        boxes: one fixed box a camera (`BOXES`), or none.
    """
    points, sure = [], []
    for camera in progress(list_cameras(VIDEO), "cameras"):
        given = [BOXES[camera]] if boxes else None
        results = [estimator.predict(frame, given, ART14)[0] for frame in load_video_frames(VIDEO, camera)]
        points.append(torch.stack([result.keypoints for result in results]))
        sure.append(torch.stack([result.confidence for result in results]))
    return torch.stack(points), torch.stack(sure)


def score_single(keypoints: Tensor, confidence: Tensor) -> VideoScore:
    """`score_video` for the frames of the video "single" that ships."""
    cameras = load_cameras(VIDEO)
    names = sorted(cameras)
    return score_video(keypoints, confidence, [cameras[n] for n in names], [HEIGHTS[n] for n in names])


def format_video(score: VideoScore) -> str:
    """The numbers as text."""
    of_height = 100 * score.median_error_of_height
    lines = [
        f"reprojection error, median   {score.median_error:6.2f} px, {of_height:.2f} % of the figure's height",
        f"bone lengths, std / mean     {100 * score.bone_spread:6.1f} %",
    ]
    lines += [f"  {bone:24} {mean:6.0f} mm {100 * spread:6.1f} %" for bone, (mean, spread) in score.bones.items()]
    return "\n".join(lines)


def video_record(score: VideoScore) -> dict:
    """What the JSON file says."""
    return {
        "video": VIDEO,
        "frames": len(score.points),
        "joints": [ART14.joints[j] for j in JOINTS],
        "reprojection_error_px": round(score.median_error, 3),
        "reprojection_error_percent_of_height": round(100 * score.median_error_of_height, 3),
        "bone_spread_percent": round(100 * score.bone_spread, 2),
        "bones": {
            bone: {"mean_mm": round(mean, 1), "spread_percent": round(100 * spread, 2)}
            for bone, (mean, spread) in score.bones.items()
        },
    }
