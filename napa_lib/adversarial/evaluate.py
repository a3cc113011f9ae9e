"""How far estimated poses are off, limb by limb, and whether a body could take them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from napa_lib.adversarial.domains import Domain
from napa_lib.adversarial.networks import Generator
from napa_lib.data import load_art_figures
from napa_lib.data.clips import to_pixels
from napa_lib.data.crops import crop, crop_matrices, to_picture
from napa_lib.engine import made_on_cpu
from napa_lib.metrics import MetricResult, auc, better_sides, mpjpe, pa_mpjpe, pck3d, pckh
from napa_lib.skeletons import ART14, Skeleton, convert, get_skeleton

LIMBS = {  # both ends of both sides; the paper names the limbs and not their joints
    "upper arms": ("l_shoulder", "l_elbow", "r_shoulder", "r_elbow"),
    "lower arms": ("l_elbow", "l_wrist", "r_elbow", "r_wrist"),
    "upper legs": ("l_hip", "l_knee", "r_hip", "r_knee"),
    "lower legs": ("l_knee", "l_ankle", "r_knee", "r_ankle"),
}
PAIRS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))  # of limbs on both sides
# Smallest and largest angle in degrees, 0 for a straight limb: ordinary ranges of motion of adults, with 15 degrees of
# grace at either end for joint centres that are not where an angle is measured. A knee's is signed: see `joint_angles`.
ANGLE_LIMITS = {"elbow": (0.0, 165.0), "knee": (-20.0, 165.0), "thigh": (0.0, 150.0), "trunk": (0.0, 105.0)}
SIDEWAYS = 30.0  # degrees: a thigh or shank that is nearer than that to the line of the hips turns about it no more


@torch.no_grad()
def estimate_poses(model: Generator, images: Tensor, batch: int = 64, half: bool = False) -> Tensor:
    """Poses (N, P, 3) of pictures: (x, y) in [-1, 1] and the depth in the same unit.

    Args:
        model: in evaluation mode.
        images: (N, 3, S, S), uint8, or floats in [0, 1].
        batch: pictures at a time.
        half: compute in bfloat16 where that is safe.

    Raises:
        ValueError: if there is no picture, or they are not of the model's size.
    """
    if len(images) == 0:
        raise ValueError("images must hold at least one picture, got none")
    device = next(model.parameters()).device
    found = []
    for part in images.split(batch):
        picture = (part / 255 if part.dtype == torch.uint8 else part).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            found.append(model(picture).pose.float().cpu())
    return torch.cat(found)


def measure(pose: Tensor, domain: Domain) -> dict:
    """The errors of estimated poses on pictures with 3D labels.

    Args:
        pose: (N, P, 3) from `estimate_poses`.
        domain: the pictures; the root's true distance makes millimetres of the poses.

    Returns:
        in mm, each of all joints and of each limb: "mpjpe", Protocol #1, the depth of the root aligned; "rigid_mpjpe",
        Protocol #2, each pose turned and moved onto the truth, not scaled; "pa_mpjpe", turned, moved and scaled, as
        later papers have it; and "mpjpe_true_2d", Protocol #1 of the estimated depths at the true (x, y), where the 2D
        module has no part. In per cent "pck" at 150 mm and "auc", roots aligned in all three axes; "pckh" of the
        twelve limb joints, at half of the head's size, `Domain.head_sizes`. And "plausibility"; "actions", `by_action`,
        where the pictures tell them.

    Raises:
        ValueError: without 3D labels, or for other shapes.

    Source: AdvPose, section 5 ("Evaluation protocols") and tables 1 to 4.
    """
    found, body = domain.to_millimetres(pose), get_skeleton(domain.skeleton)
    assert domain.poses is not None
    root = body.root
    depths = domain.to_millimetres(torch.cat([domain.keypoints, pose[..., 2:]], -1))
    errors: dict = {
        "mpjpe": _by_limb(mpjpe(found, domain.poses), body),
        "rigid_mpjpe": _by_limb(pa_mpjpe(found, domain.poses, scale=False), body),
        "pa_mpjpe": _by_limb(pa_mpjpe(found, domain.poses), body),
        "mpjpe_true_2d": _by_limb(mpjpe(depths, domain.poses), body),
        "pck": 100 * float(pck3d(found, domain.poses, 150.0, root).total),
        "auc": 100 * float(auc(found, domain.poses, root).total),
        "pckh": keypoint_rate(pose[..., :2], domain),
        "plausibility": asdict(plausibility(found, body)),
    }
    return errors | {"actions": by_action(found, domain)} if domain.actions else errors


def by_action(found: Tensor, domain: Domain) -> dict[str, dict[str, float]]:
    """Protocols #1 and #2 of each action, "mpjpe" and "rigid_mpjpe" in mm, and under "mean" the actions' mean, which
    papers print: every action counts alike, however many its frames.

    Args:
        found: (N, P, 3) mm, from `Domain.to_millimetres`.
        domain: with poses and actions.

    Source: AdvPose, table 1.
    """
    assert domain.poses is not None
    errors = {}
    for action in sorted(set(domain.actions)):
        rows = torch.tensor([name == action for name in domain.actions])
        here, truth = found[rows], domain.poses[rows]
        protocols = {"mpjpe": mpjpe(here, truth), "rigid_mpjpe": pa_mpjpe(here, truth, scale=False)}
        errors[action] = {name: float(result.total) for name, result in protocols.items()}
    mean = {name: sum(error[name] for error in errors.values()) / len(errors) for name in ("mpjpe", "rigid_mpjpe")}
    return {**errors, "mean": mean}


def keypoint_rate(keypoints: Tensor, domain: Domain) -> float:
    """PCKh@0.5 in per cent of the twelve limb joints, of estimated keypoints (N, P, 2) in [-1, 1].

    Raises:
        ValueError: without head sizes, or for other shapes.
    """
    limbs = limb_joints(get_skeleton(domain.skeleton))
    return 100 * float(pckh(keypoints[:, limbs], domain.keypoints[:, limbs], domain.head_sizes).total)


def limb_joints(body: Skeleton) -> list[int]:
    """The joints that have a side: shoulders, elbows, wrists, hips, knees and ankles."""
    return [j for j, name in enumerate(body.joints) if name[:2] in ("l_", "r_")]


def _by_limb(result: MetricResult, body: Skeleton) -> dict[str, float]:
    parts = {"all": float(result.total)}
    for limb, joints in LIMBS.items():
        parts[limb] = float(result.per_joint[[body.index(name) for name in joints]].mean())
    return parts


@dataclass(frozen=True)
class Plausibility:
    """Whether a body could take the poses; nothing is compared with the truth.

    Attributes:
        impossible: per cent of the joint angles outside of `ANGLE_LIMITS`.
        lopsided: longer limb to its opposite, the mean over poses and four pairs of limbs; 1 on a real body.
    """

    impossible: float
    lopsided: float


def plausibility(pose: Tensor, skeleton: str | Skeleton) -> Plausibility:
    """Angles and limb lengths of poses (N, P, 3), in any unit.

    Raises:
        ValueError: if a joint that is needed is not in the set, or no angle is known.
    """
    body = get_skeleton(skeleton)
    outside, count = 0, 0
    for name, angles in joint_angles(pose, body).items():
        low, high = ANGLE_LIMITS[name]
        known = angles[~angles.isnan()]
        outside, count = outside + int(((known < low) | (known > high)).sum()), count + known.numel()
    if not count:
        raise ValueError(f"pose must have at least one known angle, got {tuple(pose.shape)} without any")
    ratios = []
    for start, end in PAIRS:
        one, other = (_bone(pose, body, f"{side}_{start}", f"{side}_{end}").norm(dim=-1) for side in "lr")
        ratios.append(torch.maximum(one, other) / torch.minimum(one, other).clamp_min(1e-6))
    return Plausibility(100 * outside / count, float(torch.stack(ratios).nanmean()))


def joint_angles(pose: Tensor, body: Skeleton) -> dict[str, Tensor]:
    """Angles in degrees, 0 where the limb is straight: {"elbow": (N, 2), "knee": (N, 2), "thigh": (N, 2), "trunk":
    (N, 1)}; NaN where a joint is missing or a bone has no length.

    A knee bends one way. Its angle is how far the shank is turned from the thigh's direction about the line from hip to
    hip, from -180 to 180 and negative if it is turned forwards. Where thigh or shank lies within `SIDEWAYS` of that
    line, as when sitting cross-legged, there is no such turn: the leg is bent sideways, and the angle is that between
    the two, which is never negative.
    """
    across = _bone(pose, body, "r_hip", "l_hip")
    across = across / across.norm(dim=-1, keepdim=True)
    angles: dict[str, list[Tensor]] = {"elbow": [], "knee": [], "thigh": [], "trunk": []}
    trunk = _bone(pose, body, "neck", "pelvis")
    for side in "lr":
        upper = _bone(pose, body, f"{side}_shoulder", f"{side}_elbow")
        angles["elbow"].append(_angle(upper, _bone(pose, body, f"{side}_elbow", f"{side}_wrist")))
        thigh, shank = (
            _bone(pose, body, f"{side}_{a}", f"{side}_{b}") for a, b in (("hip", "knee"), ("knee", "ankle"))
        )
        angles["knee"].append(_knee(thigh, shank, across))
        angles["thigh"].append(_angle(trunk, thigh))
    spine = _bone(pose, body, "neck", "torso"), _bone(pose, body, "torso", "pelvis")
    angles["trunk"].append(_angle(*spine))
    return {name: torch.stack(parts, -1) for name, parts in angles.items()}


def _bone(pose: Tensor, body: Skeleton, start: str, end: str) -> Tensor:
    return pose[:, body.index(end)] - pose[:, body.index(start)]


def _knee(thigh: Tensor, shank: Tensor, across: Tensor) -> Tensor:
    """The knee's angle of `joint_angles`, (N,), from bones (N, 3) and the direction from right hip to left hip."""
    upper, lower = (bone - (bone * across).sum(-1, keepdim=True) * across for bone in (thigh, shank))
    turn = torch.atan2((torch.linalg.cross(upper, lower) * across).sum(-1), (upper * lower).sum(-1))
    least = math.sin(math.radians(SIDEWAYS))
    sideways = (upper.norm(dim=-1) < least * thigh.norm(dim=-1)) | (lower.norm(dim=-1) < least * shank.norm(dim=-1))
    bend = _angle(thigh, shank)
    return torch.where(sideways | bend.isnan(), bend, torch.rad2deg(turn))


def _angle(one: Tensor, other: Tensor) -> Tensor:
    """Degrees between two vectors (N, 3), NaN where one has no length."""
    cosine = (one * other).sum(-1) / (one.norm(dim=-1) * other.norm(dim=-1))
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))


@made_on_cpu
def art_rate(model: Generator) -> float:
    """PCKh@0.5 in per cent of the twelve limb joints of the sixty figures in art, each cut by its box.

    A head's size is here 0.6 times the diagonal of its box; figures whose sides cannot be told may exchange them.
    """
    figures, size = load_art_figures(), model.config.size
    matrices = crop_matrices(torch.tensor([figure.box for figure in figures]), size)
    cuts = torch.cat([crop(figure.load(), m[None], size) for figure, m in zip(figures, matrices, strict=True)])
    found = to_pixels(estimate_poses(model, cuts.clamp(0, 1))[..., :2], size)
    found = convert(to_picture(found, matrices), model.config.body, ART14)
    truth = torch.stack([figure.scored_keypoints for figure in figures])
    found = better_sides(found, truth, ART14, torch.tensor([figure.sides_ambiguous for figure in figures]))
    limbs = limb_joints(ART14)
    heads = torch.tensor([figure.head_size for figure in figures])
    return 100 * float(pckh(found[:, limbs], truth[:, limbs], heads).total)
