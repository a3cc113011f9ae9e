"""The losses of H and G: what they say of a batch, one function each, in a picture's pixels or in metres.

L_adapt is the teacher's squared error; the others are mean absolute differences over what is there. Each has an Adam of
its own, so that their weights do not matter.

Source: CrossModal, sections 3.2, 3.3 and 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.multiperson.representation import Representation, decode_scene
from napa_lib.multiperson.scenes import Camera, Scene
from napa_lib.multiperson.targets import SHARED
from napa_lib.sampling import PoseAutoencoder

METRE = 1000.0


def mean_difference(one: Tensor, other: Tensor) -> Tensor:
    """|one - other|, the mean over all numbers that neither lacks (NaN); 0 where there is none."""
    known = ~(one.isnan() | other.isnan())
    difference = torch.where(known, one, 0.0) - torch.where(known, other, 0.0)
    return difference.abs().sum() / known.sum().clamp_min(1)


def read_people(maps: Tensor, roots: Tensor, camera: Camera) -> Scene:
    """M up to Psi at given pelvises.

    Args:
        maps: (B, 39, 14, 14) from H.
        roots: (B, P, 2) pixels; NaN for nobody.
        camera: of the pictures.
    """
    present = ~roots.isnan().any(-1)
    heat = maps.new_zeros(len(maps), 1, *maps.shape[2:])  # not looked at where the roots are given
    return decode_scene(Representation(heat, maps), camera, roots.nan_to_num(camera.centre), present)


def project_people(scene: Scene, model: PoseAutoencoder, camera: Camera) -> Tensor:
    """T_K after the rest of M: the 15 joints that the teacher marks, (B, P, 15, 2) pixels, NaN for nobody."""
    placed = scene.relative_poses(model) + scene.roots[..., None, :]  # without NaN, which would spoil the gradient
    flat = camera.project_weakly(placed, scene.roots)[..., SHARED, :]
    return torch.where(scene.present[..., None, None], flat, torch.nan)


def distillation_loss(scene: Scene, teacher: Tensor, model: PoseAutoencoder, camera: Camera) -> Tensor:
    """L_distl = |k_p - k_q|, and with true keypoints in place of the teacher's L_2D.

    Args:
        scene: what the student reads at the people's pelvises.
        teacher: (B, P, 15, 2) pixels of the same people, NaN for joints and people that it did not find.
        model: decodes embeddings.
        camera: of the pictures.

    Returns:
        pixels, mean over coordinates.
    """
    return mean_difference(project_people(scene, model, camera), teacher)


def reconstruction_loss(scene: Scene, poses: Tensor, model: PoseAutoencoder) -> Tensor:
    """L_recon = |P_syn - P|, and with a picture's true poses L_3D: in the camera's room, metres.

    Args:
        scene: what is read at the true pelvises.
        poses: (B, P, 17, 3) mm, NaN for nobody.
        model: decodes embeddings.
    """
    return mean_difference(scene.poses(model) / METRE, poses / METRE)


def adaptation_loss(found: Tensor, maps: Tensor) -> Tensor:
    """L_adapt = |F(G(m)) - m|: low where what G makes looks to F like what E makes. (B, 43, H, W) each.

    The paper's bars are read as the error that F itself was trained with, as in `maps_loss`: squared, a sum over maps
    and the mean over cells and pictures. Read as a mean of absolute values they ask for nothing: nearly all cells of m
    are zero, and what is least on average is the median. After 400 steps G scored 0.0110 in that reading where maps of
    zeros have 0.0101, and at the true joints F saw 0.0007 of heat (200 new scenes, seed 0).
    """
    if found.shape != maps.shape:
        raise ValueError(f"found and maps must have one shape, got {tuple(found.shape)} and {tuple(maps.shape)}")
    return (found.float() - maps).square().sum(1).mean()


def consistency_loss(moved_after: Tensor, moved_before: Tensor) -> Tensor:
    """L_ss = |T_s(k(I)) - k(T_s(I))|: a picture moved and its pose moved must agree. (B, P, 15, 2) pixels each."""
    return mean_difference(moved_after, moved_before)
