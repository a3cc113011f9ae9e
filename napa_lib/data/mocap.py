"""Fifteen motion-capture clips as 3D poses: the clip format, the body model and its forward kinematics.

A clip is JSON with `Frames`; a frame is 44 numbers: its duration in seconds, the root's position in metres, the root's
rotation, then the rotations of chest, neck, right hip, right knee, right ankle, right shoulder, right elbow and the
same on the left. Rotations are quaternions (w, x, y, z); a knee or elbow is one angle in radians about its z axis. The
body is the one of `mocap/humanoid.urdf`, which is in units of 0.25 m: at rest it looks along x, y is up, its right is
z, and it stands 1.62 m tall.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.data.assets import asset_path, list_assets
from napa_lib.engine import made_on_cpu
from napa_lib.geometry import quaternion_to_matrix
from napa_lib.skeletons import NAPA18

CLIP_SPLIT = {  # whole clips, so that no frame of a tested movement is ever trained on
    "train": (
        "backflip", "crawl", "dance_b", "getup_facedown", "getup_faceup", "jump", "punch", "roll", "spin", "walk",
    ),
    "validation": ("kick", "spinkick"),
    "test": ("cartwheel", "dance_a", "run"),
}  # fmt: skip

QUATERNIONS = (4, 8, 12, 16, 30, 25, 39)  # root, chest, neck, right and left hip, right and left shoulder start here
BENDS = [20, 34, 29, 43]  # right and left knee, right and left elbow

# Lengths in mm: humanoid.urdf x 250. In a joint's frame x is forward, y up, z right.
CHEST, NECK = 236.151, 223.894  # up from the root to the chest, from there to the neck joint
HEAD_CENTRE, HEAD_RADIUS = 175.0, 102.5  # the sphere that stands for the head, up from the neck joint
LIMB_JOINTS = (  # right leg, left leg, right arm, left arm
    ("r_hip", "l_hip", "r_shoulder", "l_shoulder"),
    ("r_knee", "l_knee", "r_elbow", "l_elbow"),
    ("r_ankle", "l_ankle", "r_wrist", "l_wrist"),
)
LIMB_X = torch.tensor([0.0, 0.0, -24.05, -24.05])[:, None]  # where they start, from the root and from the chest
LIMB_Y = torch.tensor([0.0, 0.0, 243.5, 243.5])[:, None]
LIMB_Z = torch.tensor([84.887, -84.887, 183.11, -183.11])[:, None]
UPPER = torch.tensor([421.546, 421.546, 274.788, 274.788])[:, None]
LOWER = torch.tensor([409.87, 409.87, 258.947, 258.947])[:, None]
CHUNK = 500  # frames at a time: in the cache, and too few for torch to split over threads, which busy cores make slow


@dataclass(frozen=True, eq=False)
class MocapClip:
    """One clip: `poses` (T, 18, 3) in NAPA18 order, mm, world axes with y up; `seconds` (T,) each frame lasts."""

    name: str
    poses: Tensor
    seconds: Tensor
    loops: bool  # the movement starts again where it ends
    frames: Tensor  # (T, 44) float64, the numbers of the file, which `mocap_to_joints` turned into the poses


def list_mocap_clips(split: str | None = None) -> list[str]:
    """Names of the clips, all or those of one part of the fixed split "train", "validation" or "test".

    The split is by whole clip: neighbouring frames are nearly equal, so a split by frame would test on training poses.

    >>> list_mocap_clips("test")
    ['cartwheel', 'dance_a', 'run']
    """
    if split is not None:
        if split not in CLIP_SPLIT:
            raise ValueError(f"split must be one of {sorted(CLIP_SPLIT)}, got {split!r}")
        return list(CLIP_SPLIT[split])
    prefix = "mocap/humanoid3d_"
    return [n[len(prefix) : -len(".txt.gz")] for n in list_assets("mocap") if n.startswith(prefix)]


@made_on_cpu
def load_mocap(clip: str) -> MocapClip:
    """Read one clip and turn it into 3D joints.

    Raises:
        ValueError: if there is no such clip.

    >>> load_mocap("walk").poses.shape
    torch.Size([39, 18, 3])
    """
    if clip not in list_mocap_clips():
        raise ValueError(f"clip must be one of {list_mocap_clips()}, got {clip!r}")
    path = asset_path(f"mocap/humanoid3d_{clip}.txt.gz")
    document = json.loads(gzip.decompress(path.read_bytes()))
    frames = torch.tensor(document["Frames"], dtype=torch.float64)
    return MocapClip(clip, mocap_to_joints(frames).float(), frames[:, 0].float(), document["Loop"] == "wrap", frames)


@made_on_cpu
def load_mocap_poses(split: str) -> Tensor:
    """All poses of one part of the split, (N, 18, 3) in mm, each moved so that its pelvis is the origin.

    Consecutive frames are a sixtieth to a sixteenth of a second apart, so there are fewer different poses than frames:
    turned to face one way and thinned until none is within 50 mm (mean over the joints) of another, 448 of 1,620 stay.

    >>> load_mocap_poses("validation").shape
    torch.Size([125, 18, 3])
    """
    poses = torch.cat([load_mocap(clip).poses for clip in list_mocap_clips(split)])
    return poses - poses[:, :1]


def mocap_to_joints(frames: Tensor) -> Tensor:
    """Forward kinematics: where the joints are, given the root's position and every joint's rotation.

    Going down the tree, a joint's frame is its parent's turned by its own rotation, and a child lies at a fixed offset
    in that frame:

        R_child = R_parent Q_child,  p_child = p_parent + R_parent o_child

    All frames move together; only the tree is walked joint by joint. The joints of NAPA18 that the model does not
    have are taken from its shapes: `torso` is the chest joint, `neck` the lowest, `nose` the foremost and `head` the
    highest point of the head's sphere in the neck's frame, `thorax` the middle of the shoulders. Quaternions are
    normalised first (some in the files are off by up to 40 %).

    Args:
        frames: (T, 44), the numbers of the clip format.

    Returns:
        (T, 18, 3) NAPA18 joints in mm, world axes: y up, the others as in the file.

    Raises:
        ValueError: if `frames` is not (T, 44).

    >>> rest = torch.zeros(1, 44); rest[:, [4, 8, 12, 16, 21, 25, 30, 35, 39]] = 1.0
    >>> mocap_to_joints(rest)[0, NAPA18.index("r_ankle")].tolist()
    [0.0, -831.416015625, 84.88700103759766]
    """
    if frames.ndim != 2 or frames.shape[1] != 44:
        raise ValueError(f"frames must be (T, 44), got {tuple(frames.shape)}")
    return torch.cat([_forward_kinematics(chunk) for chunk in frames.split(CHUNK)])


def _forward_kinematics(frames: Tensor) -> Tensor:
    numbers = frames.T.contiguous()  # (44, T): the batch lies last, so each operation below runs along memory
    turns = torch.stack([numbers[i : i + 4].T for i in QUATERNIONS])
    turns = quaternion_to_matrix(turns).permute(2, 3, 0, 1).contiguous()  # (3, 3, 7, T)
    root, pelvis = turns[:, :, 0], numbers[1:4] * 1000.0
    torso, chest = pelvis + root[:, 1] * CHEST, _compose(root, turns[:, :, 1])
    neck_joint, head = torso + chest[:, 1] * NECK, _compose(chest, turns[:, :, 2])
    centre, radius = neck_joint + head[:, 1] * HEAD_CENTRE, head * HEAD_RADIUS
    joints = {"pelvis": pelvis, "torso": torso}
    joints |= {"neck": centre - radius[:, 1], "nose": centre + radius[:, 0], "head": centre + radius[:, 1]}

    parents = torch.stack([root, root, chest, chest], 2)
    x, y, z, upper, lower = (length.to(numbers) for length in (LIMB_X, LIMB_Y, LIMB_Z, UPPER, LOWER))
    start = torch.stack([pelvis, pelvis, torso, torso], 1) + parents[:, 0] * x + parents[:, 1] * y + parents[:, 2] * z
    limbs, bends = _compose(parents, turns[:, :, 3:]), numbers[BENDS]
    turn = torch.polar(torch.ones_like(bends), bends)  # cos + i sin: one pass, and no thread pool as sin and cos wake
    middle = start - limbs[:, 1] * upper  # a thigh or upper arm hangs along -y
    end = middle + (limbs[:, 0] * turn.imag - limbs[:, 1] * turn.real) * lower  # -y turned about z by the bend
    for names, points in zip(LIMB_JOINTS, (start, middle, end), strict=True):
        joints |= zip(names, points.unbind(1), strict=True)
    joints["thorax"] = (joints["l_shoulder"] + joints["r_shoulder"]) / 2
    return torch.stack([joints[name] for name in NAPA18.joints]).permute(2, 0, 1)


def _compose(parent: Tensor, child: Tensor) -> Tensor:
    """The product of two batches of rotations, (3, 3, ..., T) each."""
    return parent[:, :1] * child[0] + parent[:, 1:2] * child[1] + parent[:, 2:] * child[2]
