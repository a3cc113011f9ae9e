"""Frames of synchronised, calibrated video: one person seen from four sides, and the cameras that saw him.

"single" shows a man on a treadmill from four cameras; in "multi" a computer-generated woman has been added; "street"
is one uncalibrated camera and two people. Frames are a twelfth of a second apart (in "street" 0.77 s).
"""

from __future__ import annotations

import json

import torch
from torch import Tensor

from napa_lib.data.assets import asset_path, list_assets
from napa_lib.data.images import load_image
from napa_lib.engine import made_on_cpu
from napa_lib.geometry import Camera
from napa_lib.skeletons import NAPA18

VIDEOS = ("multi", "single", "street")


def _check_video(video: str) -> None:
    if video not in VIDEOS:
        raise ValueError(f"video must be one of {VIDEOS}, got {video!r}")


def list_cameras(video: str) -> list[str]:
    """Names of the cameras that filmed a video.

    >>> list_cameras("single")
    ['cam01', 'cam02', 'cam03', 'cam04']
    """
    _check_video(video)
    return sorted({name.split("/")[2] for name in list_assets(f"video/{video}")})


def load_video_frames(video: str, camera: str = "cam01") -> Tensor:
    """The frames of one camera, in order; frame i of every camera of a video was taken at the same moment.

    Args:
        video: "single", "multi" or "street".
        camera: one of `list_cameras(video)`.

    Returns:
        (T, 3, H, W) in [0, 1], sRGB; the longer side is 480 pixels.

    Raises:
        ValueError: if there is no such video or camera.

    >>> load_video_frames("single", "cam03").shape
    torch.Size([20, 3, 480, 272])
    """
    if camera not in list_cameras(video):
        raise ValueError(f"camera must be one of {list_cameras(video)}, got {camera!r}")
    return torch.stack([load_image(asset_path(name)) for name in list_assets(f"video/{video}/{camera}")])


@made_on_cpu
def load_cameras(video: str) -> dict[str, Camera]:
    """The calibrated cameras of "single" or "multi", for the frames as `load_video_frames` gives them.

    The world is in millimetres with z up; z = 0 is about the treadmill's surface. Rotation, position, focal length and
    distortion are the published calibration; the principal point is corrected by up to 5 pixels, found from nine points
    picked by hand in all views (`tools/make_video.py`). Without it, points triangulated from the views miss their own
    pictures by 2.6 pixels (rms), with it by 0.14; by 0.22 on screws of the treadmill that were not used to find it,
    by 0.09 on screws picked in "multi".

    Raises:
        ValueError: if the video is not calibrated.

    >>> sorted(load_cameras("single"))
    ['cam01', 'cam02', 'cam03', 'cam04']
    """
    _check_video(video)
    calibration = json.loads(asset_path("video/cameras.json").read_text("utf-8"))
    if video not in calibration:
        raise ValueError(f"video {video!r} has no calibrated cameras; only {sorted(calibration)} have")
    return {
        name: Camera(
            K=torch.tensor(camera["K"]), R=torch.tensor(camera["R"]), t=torch.tensor(camera["t"]),
            distortion=tuple(camera["distortion"]), size=tuple(camera["size"]),
        )
        for name, camera in calibration[video].items()
    }  # fmt: skip


@made_on_cpu
def load_video_poses(video: str = "single") -> Tensor:
    """Where the man of "single" is in each frame, triangulated from what a trained network found in the four views.

    Nobody annotated the video. Projected back, the points miss that network's own keypoints by 3.1 pixels (median) of
    the frames' 480: trust them no further (`tools/make_video_poses.py`).

    Returns:
        (20, 18, 3) mm in the world of `load_cameras`, in the order of NAPA18: the twelve joints of the limbs, pelvis
        and thorax as the middles of hips and shoulders, NaN for neck, head, nose and torso.

    Raises:
        ValueError: for another video.
    """
    stored = json.loads(asset_path("video/triangulated.json").read_text("utf-8"))
    if video != stored["video"]:
        raise ValueError(f"video must be {stored['video']!r}, the only one with triangulated poses, got {video!r}")
    points = torch.tensor(stored["points in mm"])
    poses = points.new_full((len(points), NAPA18.num_joints, 3), torch.nan)
    for column, name in enumerate(stored["joints"]):
        poses[:, NAPA18.index(name)] = points[:, column]
    for middle, joint in (("pelvis", "hip"), ("thorax", "shoulder")):
        sides = [NAPA18.index(f"{side}_{joint}") for side in "lr"]
        poses[:, NAPA18.index(middle)] = poses[:, sides].mean(1)
    return poses
