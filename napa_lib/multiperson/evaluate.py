"""Read the people of pictures with a trained student, or with its teacher, and score them.

Source: CrossModal, section 4.3 (3DPCK), supplement, section 4 (MPJPE, PMPJPE, IoU, 2D-MPJPE, 2D-PCK).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.loop import HERE, Setup
from napa_lib.metrics import mpjpe, pa_mpjpe
from napa_lib.multiperson.composed import Composed
from napa_lib.multiperson.metrics import box_iou, match_people, pck3d_people
from napa_lib.multiperson.networks import Lifter, MapDecoder
from napa_lib.multiperson.representation import Representation, decode_scene, find_roots
from napa_lib.multiperson.scenes import Camera
from napa_lib.multiperson.targets import ROOT, SHARED
from napa_lib.sampling import SKELETON, PoseAutoencoder

REACH = 0.2  # of the picture's side: farther apart, on average over joints, two people are not the same
SIDE = 224  # pixels a side of the picture in which 2D distances are told: the paper does not say which
CORRECT = 25.0  # of these pixels: 2D-PCK
STRICTER = (15, 10)  # and closer, for a measure in which a guess may be near enough
SURE = 0.3  # heat of the least pelvis
MOST = 6  # people looked for
GROUPS = {  # of table 4
    "head": ("head", "nose"), "neck": ("thorax", "neck"), "shoulder": ("l_shoulder", "r_shoulder"),
    "elbow": ("l_elbow", "r_elbow"), "wrist": ("l_wrist", "r_wrist"), "hip": ("l_hip", "r_hip"),
    "knee": ("l_knee", "r_knee"), "ankle": ("l_ankle", "r_ankle"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Found:
    """The people of one picture: poses (P, 17, 3) mm in the camera's axes and their joints (P, 15, 2) px."""

    poses: Tensor
    keypoints: Tensor


@torch.no_grad()
def read_pictures(
    latent: Tensor, decoder: MapDecoder, lifter: Lifter, model: PoseAutoencoder, camera: Camera, setup: Setup = HERE
) -> list[Found]:
    """M H E at the pelvises of F's heat map: the student's whole way from V on.

    Args:
        latent: (B, C, 28, 28) from E.
        decoder, lifter, model: F, H and Psi.
        camera: of the pictures.
        setup: precision.
    """
    with setup.autocast():
        heat, maps = decoder.heat(latent)[:, ROOT : ROOT + 1], lifter(latent)
    return read_maps(heat.float(), maps, model, camera)


@torch.no_grad()
def read_maps(heat: Tensor, maps: Tensor, model: PoseAutoencoder, camera: Camera) -> list[Found]:
    """M: the people at the pelvises of a heat map (B, 1, 28, 28), out of H's maps (B, 39, 14, 14)."""
    cell, present = find_roots(heat, MOST, SURE)
    roots = (cell + 0.5) * camera.size / heat.shape[-1] - 0.5
    scene = decode_scene(Representation(maps.new_zeros(len(maps), 1, *maps.shape[2:]), maps), camera, roots, present)
    poses = scene.poses(model)
    flat = camera.project_weakly(poses, scene.roots)[..., SHARED, :]
    return [Found(p[there], k[there]) for p, k, there in zip(poses, flat, present, strict=True)]


def mean_pose(known: Composed) -> Tensor:
    """The mean of all people's poses, relative to the pelvis, (17, 3) mm."""
    truth = known.poses[known.present]
    return (truth - truth[:, :1]).nanmean(0)


def with_pose(found: list[Found], pose: Tensor, camera: Camera) -> list[Found]:
    """The same pelvises in the pictures, at each of them one pose (17, 3), in mid-room."""
    people = []
    for one in found:
        roots = camera.unproject(
            one.keypoints[:, 0], torch.full((len(one.poses),), (camera.nearest + camera.farthest) / 2)
        )
        poses = pose + roots[:, None]
        people.append(Found(poses, camera.project_weakly(poses, roots)[:, SHARED]))
    return people


def match_all(found: list[Tensor], truth: Composed, camera: Camera) -> list[list[tuple[int, int]]]:
    """Of each picture the pairs (found, true), by their joints in the picture."""
    present = truth.present
    return [
        match_people(one, true[there][:, SHARED], REACH * camera.size)
        for one, true, there in zip(found, truth.keypoints, present, strict=True)
    ]


def score_3d(found: list[Found], truth: Composed, camera: Camera) -> dict:
    """3DPCK relative and absolute over all people and over the matched, by joint; MPJPE and PMPJPE of the matched."""
    poses = [one.poses for one in found]
    true = [pose[there] for pose, there in zip(truth.poses, truth.present, strict=True)]
    pairs = match_all([one.keypoints for one in found], truth, camera)
    relative = pck3d_people(poses, true, pairs, SKELETON.root)
    absolute = pck3d_people(poses, true, pairs, SKELETON.root, absolute=True)
    one, other = _paired(poses, true, pairs)
    return {
        "pck": 100 * relative.over_all,
        "pck_matched": 100 * relative.over_matched,
        "pck_absolute": 100 * absolute.over_all,
        "pck_absolute_matched": 100 * absolute.over_matched,
        "joints": {name: 100 * _mean(relative.per_joint, joints) for name, joints in GROUPS.items()},
        "mpjpe": float(mpjpe(one, other, SKELETON.root).total),
        "pmpjpe": float(pa_mpjpe(one, other).total) if len(one) else float("nan"),
        "people": relative.people,
        "matched": relative.matched,
        "false": relative.false,
    }


def score_2d(found: list[Tensor], truth: Composed, camera: Camera) -> dict:
    """IoU of boxes, 2D-MPJPE and 2D-PCK, the measures of table 7.

    A joint is correct within 25 pixels. The paper does not say of which size of frame; that they are of its network's
    224 is our choice, and the closer it is the fewer guesses pass, so 15 and 10 of them are measured, too.

    Args:
        found: of each picture (P, 15, 2) px; NaN joints, which a grouping did not find, count as wrong in 2D-PCK and
            are left out of IoU and 2D-MPJPE.
        truth: of the same pictures; NaN joints are not counted.
        camera: theirs.

    Returns:
        the three over matched people; "pck_all" with the joints of people who were not found as wrong; "pck_15" and
        "pck_10".
    """
    true = [points[there][:, SHARED] for points, there in zip(truth.keypoints, truth.present, strict=True)]
    one, other = _paired(found, true, match_all(found, truth, camera))
    every = sum(int(_known(points).sum()) for points in true)
    if not len(one):
        nothing = dict.fromkeys(("iou", "mpjpe", "pck", *(f"pck_{reach}" for reach in STRICTER)), float("nan"))
        return {**nothing, "pck_all": 0.0}
    distance = (one - other).norm(dim=-1) * SIDE / camera.size
    right, known = {reach: int((distance < reach).sum()) for reach in (CORRECT, *STRICTER)}, int(_known(other).sum())
    both = torch.where(one.isnan() | other.isnan(), torch.nan, torch.stack([one, other]))
    return {
        "iou": 100 * float(box_iou(*both).nanmean()),
        "mpjpe": float(distance.nanmean()),
        "pck": 100 * right[CORRECT] / known,
        "pck_all": 100 * right[CORRECT] / every,
        **{f"pck_{reach}": 100 * right[reach] / known for reach in STRICTER},
    }


def _known(points: Tensor) -> Tensor:
    return ~points.isnan().any(-1)


def _paired(found: list[Tensor], true: list[Tensor], pairs: list[list[tuple[int, int]]]) -> tuple[Tensor, Tensor]:
    """The matched people of all pictures, side by side."""
    one = [f[i] for f, matches in zip(found, pairs, strict=True) for i, _ in matches]
    other = [t[j] for t, matches in zip(true, pairs, strict=True) for _, j in matches]
    if not one:
        return true[0].new_zeros(0, *true[0].shape[1:]), true[0].new_zeros(0, *true[0].shape[1:])
    return torch.stack(one), torch.stack(other)


def _mean(per_joint: Tensor, names: tuple[str, ...]) -> float:
    return float(per_joint[[SKELETON.index(name) for name in names]].mean())
