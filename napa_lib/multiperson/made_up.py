"""What G and H have learned of made-up scenes alone, on scenes that no training has drawn.

A student that fails on pictures may have failed before that: H may not read poses out of G's V either, or F find nobody
in it.

Source: CrossModal, section 3.2 (L_recon, L_adapt).
"""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.loop import HERE, Setup
from napa_lib.metrics import pck3d
from napa_lib.multiperson.losses import adaptation_loss, read_people
from napa_lib.multiperson.scenes import Scene, sample_scenes
from napa_lib.multiperson.targets import HEAT, scene_targets
from napa_lib.multiperson.train import Student
from napa_lib.sampling import SKELETON

SCENES = 200
KNOWN, NEW = 97, 98  # seeds: of scenes whose mean pose is taken, and of those that are read; no training has them
HOT = 0.8  # of a heat map's 1: the cells of a joint


def scene_poses(student: Student, scene: Scene) -> Tensor:
    """The poses of all people of a batch of scenes, (N, 17, 3) mm in the camera's room."""
    return scene.poses(student.model)[scene.present]


def draw(student: Student, seed: int) -> Scene:
    """Scenes such as the student's trainings draw."""
    generator = torch.Generator().manual_seed(seed)
    return sample_scenes(SCENES, student.model, generator, camera=student.camera)


@torch.no_grad()
def score_scenes(student: Student, setup: Setup = HERE) -> dict[str, float]:
    """Read new scenes through G and H, at the true pelvises, and through G and F.

    Returns:
        "pck": 3DPCK of the people, per cent, relative to the pelvis, which counts; "mean_pose": the same of the mean
        pose of other scenes in everybody's place; "adapt" and "empty": L_adapt of F's maps and of maps of zeros;
        "heat": F's mean heat in the cells of the true joints, where the true maps have 0.8 to 1.
    """
    scene = draw(student, NEW)
    maps, _ = scene_targets(scene, student.model, student.camera)
    roots = student.camera.project(scene.roots).masked_fill(~scene.present[..., None], torch.nan)
    with setup.autocast():
        latent = student.encoder(maps)
        written, found = student.lifter(latent), student.decoder(latent).float()
    truth = scene_poses(student, scene)
    known = scene_poses(student, draw(student, KNOWN))
    mean = (known - known[:, :1]).mean(0)
    read = scene_poses(student, read_people(written.float(), roots, student.camera))
    return {
        "pck": 100 * float(pck3d(read, truth, root=SKELETON.root).total),
        "mean_pose": 100 * float(pck3d(mean.expand_as(truth), truth, root=SKELETON.root).total),
        "adapt": float(adaptation_loss(found, maps)),
        "empty": float(adaptation_loss(torch.zeros_like(maps), maps)),
        "heat": float(found[:, HEAT][maps[:, HEAT] > HOT].mean()),
    }
