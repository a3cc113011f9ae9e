"""What the teacher predicts of a picture, and what G reads in its place: heat maps and part affinity fields.

43 maps of 28 x 28 cells: where each of 15 joints is, of anybody, and along each of 14 bones a unit vector field.

Source: CrossModal, section 3.2b and supplement, section 2 (after Cao et al., 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.multiperson.config import CELLS
from napa_lib.multiperson.scenes import Camera, Scene
from napa_lib.rendering import render_people_maps
from napa_lib.sampling import SKELETON, PoseAutoencoder
from napa_lib.skeletons import CROSSMODAL15

JOINTS = CROSSMODAL15  # the joints that the teacher marks
SHARED = tuple(SKELETON.index(name) for name in JOINTS.joints)  # those among a pose's 17
ROOT = JOINTS.root
HEAT, FIELDS = slice(0, 15), slice(15, 43)
SIGMA, LIMB = 1.0, 1.5  # cells: a bump's deviation and a limb's width


def render_targets(keypoints: Tensor, camera: Camera) -> Tensor:
    """m: the maps of people's joints in a picture.

    Args:
        keypoints: (B, P, 15, 2) pixels; NaN for joints and people who are not there.
        camera: whose picture it is.

    Returns:
        (B, 43, CELLS, CELLS): 15 heat maps in [0, 1], then x and y of 14 fields.

    Raises:
        ValueError: for keypoints of another shape.
    """
    if keypoints.ndim != 4 or keypoints.shape[2:] != (JOINTS.num_joints, 2):
        raise ValueError(f"keypoints must be (B, P, {JOINTS.num_joints}, 2), got {tuple(keypoints.shape)}")
    places = (keypoints + 0.5) * CELLS / camera.size - 0.5
    return render_people_maps(places, JOINTS, CELLS, SIGMA, LIMB)


@torch.no_grad()
def scene_targets(scene: Scene, model: PoseAutoencoder, camera: Camera) -> tuple[Tensor, Tensor]:
    """m_syn of artificial scenes, and the poses that it is of.

    Returns:
        maps (B, 43, CELLS, CELLS) and P_syn (B, P, 17, 3) in mm, NaN for absent people.
    """
    poses = scene.poses(model)
    return render_targets(camera.project_weakly(poses, scene.roots)[..., SHARED, :], camera), poses
