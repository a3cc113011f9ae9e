"""Teach G and H without paired labels, in two phases: `python -m napa_lib.multiperson.experiments` has the command.

Source: CrossModal, sections 3.2, 3.3 and 4.1; supplement, section 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napa_lib import loop
from napa_lib.engine import learning_rate_factor, seed_everything
from napa_lib.loop import HERE, Losses, Record, Setup, Training, adam, descend, on_device, settings_of
from napa_lib.multiperson.config import PRESETS
from napa_lib.multiperson.losses import (
    adaptation_loss,
    consistency_loss,
    distillation_loss,
    project_people,
    read_people,
    reconstruction_loss,
)
from napa_lib.multiperson.networks import Lifter, MapDecoder, MapEncoder
from napa_lib.multiperson.scenes import Camera, sample_scenes
from napa_lib.multiperson.seen import Seen
from napa_lib.multiperson.targets import scene_targets
from napa_lib.sampling import PoseAutoencoder

SUPERVISION = ("none", "2d", "3d")


@dataclass(frozen=True)
class StudentConfig:
    """One training of G and H.

    The paper's steps are 15 thousand of pre-training, 450 thousand of phase 1 and the rest of 600 thousand in phase 2,
    at 1e-4 and, after 100 thousand, 1e-5, with batches of pictures and of scenes in turn. A step here is one of each.
    """

    preset: str = "tiny"
    poses: str = "limits"  # the embedding: "limits" (Psi_arti) or "mocap" (Psi_mocap)
    supervision: str = "none"  # "2d" and "3d": true keypoints in place of the teacher's; "3d": true poses as well
    recon: bool = True  # L_recon, on artificial scenes
    adapt: bool = True  # L_adapt
    consistency: bool = True  # L_ss, and with it phase 2
    pretraining: int = 40  # steps of L_distl alone
    first: int = 280  # last step of phase 1
    steps: int = 400
    batch: int = 8
    learning_rate: float = 2e-3  # of each loss's Adam, at its peak
    people: int = 4  # most in a scene
    pictures: int = 1000  # unlabelled ones to learn from
    clip: float = 1.0  # largest norm of a gradient
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS or self.supervision not in SUPERVISION:
            raise ValueError(f"preset must be in {tuple(PRESETS)} and supervision in {SUPERVISION}, got {self}")
        if (self.adapt or self.consistency) and not self.recon:
            raise ValueError("adapt and consistency need recon: without artificial scenes there is no G")
        if (
            not 0 <= self.pretraining <= self.first <= self.steps
            or min(self.batch, self.people, self.steps, self.pictures) < 1
        ):
            raise ValueError(f"pretraining <= first <= steps must hold and sizes be positive, got {self}")

    def phase(self, step: int) -> int:
        """0: pre-training; 1: all losses but L_ss; 2: G frozen, L_recon and L_ss alone."""
        if step < self.pretraining:
            return 0
        return 2 if self.consistency and step >= self.first else 1


@dataclass(frozen=True, eq=False)
class Student:
    """All that a step needs: H and G are trained, F and Psi are not."""

    lifter: Lifter
    encoder: MapEncoder
    decoder: MapDecoder
    model: PoseAutoencoder
    camera: Camera


def train_student(
    config: StudentConfig,
    seen: Seen,
    decoder: MapDecoder,
    model: PoseAutoencoder,
    every: int = 100,
    setup: Setup = HERE,
) -> tuple[Student, Record]:  # fmt: skip
    """Train H, and G where there are artificial scenes, on pictures that the teacher has seen.

    Args:
        config: what to train.
        seen: unlabelled pictures; their truth is looked at only with supervision.
        decoder: F, which stays as it is.
        model: Psi, which stays as it is.
        every: steps between two entries of the record.
        setup: where and how to compute.

    Returns:
        the student in evaluation mode, and the record.

    Raises:
        ValueError: if the checkpoint does not fit, or nobody is in the pictures.
        FloatingPointError: if a loss is not finite; the last checkpoint is kept.
    """
    generator = seed_everything(config.seed)
    sizes = PRESETS[config.preset]
    lifter, encoder = on_device(setup.device, Lifter(sizes)), on_device(setup.device, MapEncoder(sizes))
    student = Student(
        lifter, encoder, on_device(setup.device, decoder).requires_grad_(False).eval(),
        model.to(setup.device).requires_grad_(False).eval(), seen.camera,
    )  # fmt: skip
    both = [*lifter.parameters(), *encoder.parameters()]
    adams = {
        name: adam(parameters, config.learning_rate, (0.9, 0.999))
        for name, parameters in {
            "distl": lifter.parameters(), "recon": both, "recon_2": lifter.parameters(),
            "adapt": encoder.parameters(), "ss": lifter.parameters(), "poses": lifter.parameters(),
        }.items()
    }  # fmt: skip
    roots, keypoints = seen.roots(config.supervision != "none"), seen.keypoints(config.supervision != "none")
    if bool(roots.isnan().all()):
        raise ValueError("seen must hold a picture with a pelvis, nobody was found in any: another teacher is needed")

    def step(number: int) -> Losses:
        phase = config.phase(number)
        rows = torch.randint(len(seen), (config.batch,), generator=generator)
        if phase == 2:
            losses = consistency_step(student, adams, config, seen, roots, rows, setup)
        else:
            losses = picture_step(student, adams, config, seen, roots[rows], keypoints[rows], rows, setup)
        if not config.recon or phase == 0:
            return losses
        return {**losses, **scene_step(student, adams, config, phase == 1, generator, setup)}

    training = Training({"lifter": lifter, "encoder": encoder}, adams, generator, settings_of("student", config, setup))
    record = loop.run(
        "student", training, step, config.steps, every, setup, lifter,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    lifter.eval()
    encoder.eval()
    return student, record


def read_latent(student: Student, latent: Tensor, roots: Tensor, setup: Setup):
    """M after H: the people at some pelvises, in full precision."""
    with setup.autocast():
        maps = student.lifter(latent)
    return read_people(maps.float(), roots, student.camera)


def picture_step(
    student: Student, adams, config: StudentConfig, seen: Seen, roots: Tensor, keypoints: Tensor, rows: Tensor,
    setup: Setup = HERE,
) -> Losses:  # fmt: skip
    """H down L_distl (or L_2D) on a batch of pictures, every second one under T_s; with 3D supervision, then down L_3D.

    The paper says of no such enlargement of its data; with a thousand pictures H learns them by heart without it.
    """
    half = torch.arange(len(rows)) % 2 == 0
    move = seen.move.rows(rows)
    latent = torch.where(half[:, None, None, None], seen.latent[rows], seen.moved[rows]).to(setup.device).float()
    roots = torch.where(half[:, None, None], roots, move.points(roots)).to(setup.device)
    keypoints = torch.where(half[:, None, None, None], keypoints, move.poses(keypoints)).to(setup.device)
    scene = read_latent(student, latent, roots, setup)
    losses = {"distl": distillation_loss(scene, keypoints, student.model, student.camera)}
    descend(losses["distl"], adams["distl"], config.clip, losses)
    if config.supervision == "3d":
        scene = read_latent(student, latent, roots, setup)
        poses = torch.where(half[:, None, None, None], seen.truth.poses[rows], torch.nan)  # labels are not moved
        losses["poses"] = reconstruction_loss(scene, poses.to(setup.device), student.model)
        descend(losses["poses"], adams["poses"], config.clip, losses)
    return losses


def scene_step(
    student: Student, adams, config: StudentConfig, first: bool, generator: torch.Generator, setup: Setup = HERE
) -> Losses:
    """Draw artificial scenes; H and, in phase 1, G down L_recon; then in phase 1 G down L_adapt."""
    scene = sample_scenes(config.batch, student.model, generator, config.people, student.camera)
    maps, poses = scene_targets(scene, student.model, student.camera)
    roots = student.camera.project(scene.roots).masked_fill(~scene.present[..., None], torch.nan)
    with torch.set_grad_enabled(first), setup.autocast():
        latent = student.encoder(maps)
    losses = {"recon": reconstruction_loss(read_latent(student, latent, roots, setup), poses, student.model)}
    descend(losses["recon"], adams["recon" if first else "recon_2"], config.clip, losses)
    if first and config.adapt:
        with setup.autocast():
            found = student.decoder(student.encoder(maps))
        losses["adapt"] = adaptation_loss(found, maps)
        losses["empty"] = adaptation_loss(torch.zeros_like(maps), maps)  # on record beside it: what says nothing has
        descend(losses["adapt"], adams["adapt"], config.clip, losses)
    return losses


def consistency_step(
    student: Student, adams, config: StudentConfig, seen: Seen, roots: Tensor, rows: Tensor, setup: Setup = HERE
) -> Losses:
    """H down L_ss: T_s of the 2D poses in a batch of pictures, against the 2D poses in the pictures under T_s."""
    move = seen.move.rows(rows).to(setup.device)
    before = roots[rows].to(setup.device)
    after = move.points(before)  # NaN for who has left the picture: such a person is in no difference

    def seen_at(latent: Tensor, places: Tensor) -> Tensor:
        scene = read_latent(student, latent[rows].to(setup.device).float(), places, setup)
        return project_people(scene, student.model, student.camera)

    losses = {"ss": consistency_loss(move.poses(seen_at(seen.latent, before)), seen_at(seen.moved, after))}
    descend(losses["ss"], adams["ss"], config.clip, losses)
    return losses


def trained_parts(student: Student) -> dict[str, nn.Module]:
    """H and G by the names that `store` knows."""
    return {"lifter": student.lifter, "encoder": student.encoder}
