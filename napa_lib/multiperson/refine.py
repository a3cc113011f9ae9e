"""Two stages: the student finds people, and a second H', trained on single figures, looks at each of them again.

The second look gives the pose relative to the pelvis; where the pelvis is, the first has said.

Source: CrossModal, section 5 and fig. 6.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from napa_lib.data.crops import crop, crop_matrices, square_boxes, to_crop
from napa_lib.loop import HERE, Setup
from napa_lib.multiperson.composed import Composed
from napa_lib.multiperson.evaluate import Found
from napa_lib.multiperson.losses import read_people
from napa_lib.multiperson.networks import Lifter, PictureEncoder
from napa_lib.multiperson.scenes import Camera
from napa_lib.multiperson.targets import SHARED
from napa_lib.sampling import PoseAutoencoder

Second = Callable[[Tensor, Tensor], Tensor]
ROOM = 1.3  # sides of a figure's box that a cut has


def figure_boxes(keypoints: Tensor, jitter: Tensor | float = 0.0) -> Tensor:
    """The square that is cut out round each figure.

    Args:
        keypoints: (N, J, 2) px, at least one joint known.
        jitter: (N, 2), shares of the side by which the square is shifted.

    Returns:
        (N, 4) px.
    """
    low = keypoints.nan_to_num(torch.inf).amin(1)
    high = keypoints.nan_to_num(-torch.inf).amax(1).clamp_min(low + 1)
    boxes = square_boxes(torch.cat([low, high], 1))
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, ROOM * (boxes[:, 2:3] - boxes[:, :1]) / 2
    middle = middle + jitter * 2 * half
    return torch.cat([middle - half, middle + half], 1)


def cut_people(pictures: Composed, camera: Camera, generator: torch.Generator) -> Composed:
    """Every person of every picture alone in the middle of a picture, with what else the cut shows: H' learns on these.

    Enlarging a picture s times is, under T_K, coming nearer: the pelvis's depth is divided by s.

    Returns:
        one person a picture, (M, 1, 17, ...).
    """
    scene, person = pictures.present.nonzero().unbind(1)
    keypoints, poses = pictures.keypoints[scene, person], pictures.poses[scene, person]
    jitter = 0.2 * torch.rand(len(scene), 2, generator=generator) - 0.1
    matrices = crop_matrices(figure_boxes(keypoints, jitter), camera.size)
    images = crop(pictures.images[scene].float() / 255, matrices, camera.size)
    flat = to_crop(keypoints, matrices)
    depth = poses[:, 0, 2] * matrices[:, 0, 0]  # matrices shrink by 1 / s
    moved = poses - poses[:, :1] + camera.unproject(flat[:, 0], depth)[:, None]
    return Composed((images.clamp(0, 1) * 255).round().to(torch.uint8), flat[:, None], moved[:, None])


def single_person(
    encoder: PictureEncoder, lifter: Lifter, model: PoseAutoencoder, camera: Camera, setup: Setup = HERE
) -> Second:
    """What `refine` looks with again, by E, H' and M: for pictures (P, 3, S, S) with a person in the middle of each and
    its pelvis (P, 2) px, poses (P, 17, 3) relative to the pelvis."""

    @torch.no_grad()
    def second(images: Tensor, pelvis: Tensor) -> Tensor:
        with setup.autocast():
            maps = lifter(encoder(images.clamp(0, 1)))
        return read_people(maps, pelvis[:, None], camera).relative_poses(model)[:, 0]

    return second


def refine(image: Tensor, found: Found, camera: Camera, second: Second) -> Found:
    """Look again at each person of a picture.

    Args:
        image: (3, S, S) in [0, 1].
        found: what the first stage read.
        camera: of the picture.
        second: see `single_person`; any other network for single figures may stand here.

    Returns:
        the same people at the same places, in the second stage's poses, and with their joints in the picture.
    """
    if not len(found.poses):
        return found
    matrices = crop_matrices(figure_boxes(found.keypoints), camera.size)
    pelvis = to_crop(found.keypoints[:, :1], matrices)[:, 0]
    relative = second(crop(image, matrices, camera.size), pelvis)
    roots = found.poses[:, :1]
    poses = relative - relative[:, :1] + roots
    return Found(poses, camera.project_weakly(poses, roots[:, 0])[:, SHARED])
