"""The two people of the video "multi" in space, joined from what networks found in its four views."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from napa_lib.data.assets import asset_path
from napa_lib.data.video import load_cameras
from napa_lib.engine import made_on_cpu
from napa_lib.geometry import Camera, project_perspective, triangulate
from napa_lib.skeletons import NAPA18

PEOPLE = ("man", "woman")  # the woman is computer-generated
AGREE = 8.0  # pixels: views that miss their common point by more do not agree about it
ODD = 0.2  # a bone that differs from the clip's median by more of it has a wrong end


@dataclass(frozen=True, eq=False)
class TwoPeople:
    """V cameras, T frames, two people, the 18 joints of NAPA18.

    Attributes:
        names: of the cameras.
        cameras: these.
        keypoints: (T, V, 2, 18, 2) px, as found in each view.
    """

    names: tuple[str, ...]
    cameras: tuple[Camera, ...]
    keypoints: Tensor

    def points(self) -> Tensor:
        """(T, 2, 18, 3) mm in the world; NaN where fewer than three views agree or a bone's length is odd."""
        points = agreeing_points(self.keypoints.transpose(0, 1), self.cameras, 3)
        return without_odd_bones(points, median_bones(points))

    def points_without(self, view: int) -> Tensor:
        """The same from the other views, of which two must agree: what was found in a view is not judged by itself."""
        kept = [other for other in range(len(self.cameras)) if other != view]
        points = agreeing_points(self.keypoints[:, kept].transpose(0, 1), [self.cameras[other] for other in kept], 2)
        return without_odd_bones(points, median_bones(self.points()))


@made_on_cpu
def load_two_people() -> TwoPeople:
    """What ships. Nobody annotated the video."""
    stored = json.loads(asset_path("two_people/keypoints.json").read_text("utf-8"))
    cameras = load_cameras(stored["video"])
    names = tuple(stored["cameras"])
    return TwoPeople(names, tuple(cameras[name] for name in names), torch.tensor(stored["keypoints in pixels"]))


def agreeing_points(keypoints: Tensor, cameras: Sequence[Camera], least: int) -> Tensor:
    """Triangulate each joint from the largest set of views that agree, of equally large ones from that with the least
    error.

    Args:
        keypoints: (V, ..., 2) px.
        cameras: V cameras.
        least: views that must agree, from 2 to V.

    Returns:
        (..., 3) mm in the world; NaN where no so many views agree to `AGREE` pixels.

    Raises:
        ValueError: for another number of cameras or a `least` out of range.
    """
    if len(cameras) != len(keypoints) or not 2 <= least <= len(cameras):
        raise ValueError(
            f"cameras must be as many as views and least from 2 to that, got {len(cameras)}, {len(keypoints)}, {least}"
        )
    best = keypoints.new_full((*keypoints.shape[1:-1], 3), torch.nan, dtype=torch.float64)
    missed = best.new_full(best.shape[:-1], torch.inf)
    for size in range(len(cameras), least - 1, -1):
        settled = missed.isfinite()
        for views in combinations(range(len(cameras)), size):
            some = [cameras[view] for view in views]
            points = triangulate(keypoints[list(views)].double(), some)
            back = torch.stack([project_perspective(points, camera) for camera in some])
            error = (back - keypoints[list(views)]).norm(dim=-1).amax(0)
            better = ~settled & (error < AGREE) & (error < missed)
            best = torch.where(better[..., None], points, best)
            missed = torch.where(better, error, missed)
    return best


def median_bones(points: Tensor) -> Tensor:
    """Median length over frames of each person's bones: (T, P, 18, 3) -> (P, 17), in the order of `NAPA18.bones`."""
    ends = torch.tensor(NAPA18.bones)
    return (points[:, :, ends[:, 0]] - points[:, :, ends[:, 1]]).norm(dim=-1).nanmedian(0).values


def without_odd_bones(points: Tensor, lengths: Tensor) -> Tensor:
    """Points (T, P, 18, 3), NaN at the far end of each bone that differs from its length (P, 17) by more than `ODD`."""
    ends = torch.tensor(NAPA18.bones)
    seen = (points[:, :, ends[:, 0]] - points[:, :, ends[:, 1]]).norm(dim=-1)
    odd = torch.zeros(points.shape[:-1], dtype=torch.bool)
    odd[:, :, ends[:, 1]] = (seen / lengths - 1).abs() > ODD  # each joint ends one bone
    return points.masked_fill(odd[..., None], torch.nan)
