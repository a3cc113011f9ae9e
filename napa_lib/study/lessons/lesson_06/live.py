"""Lesson 06's own computing: what the shipped networks see in pictures, and a short training."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.checkpoints import steps_after
from napa_lib.loop import Setup
from napa_lib.multiperson import CrossModalNet, Found, read_pictures
from napa_lib.multiperson.composed import Composed, compose, load_cutouts
from napa_lib.multiperson.config import CAMERAS
from napa_lib.multiperson.experiments import LEAN, LOOK
from napa_lib.multiperson.grouping import group_people
from napa_lib.multiperson.seen import look
from napa_lib.multiperson.store import load_teacher
from napa_lib.multiperson.targets import HEAT, SHARED, render_targets
from napa_lib.multiperson.train import StudentConfig, train_student
from napa_lib.sampling import load_pretrained

CAMERA = CAMERAS["tiny"]


@cache
def networks() -> CrossModalNet:
    """Those that ship: a student that never saw a label, and its teacher."""
    return CrossModalNet.from_pretrained()


@cache
def test_pictures(count: int = 24, seed: int = 7) -> Composed:
    """Composed pictures of drawn people whom no network was trained on."""
    return compose(load_cutouts("test", LOOK, LEAN), count, CAMERA, torch.Generator().manual_seed(seed))


@torch.no_grad()
def see(pictures: Composed) -> tuple[Tensor, Tensor, list[Tensor], list[Found]]:
    """V (B, C, 28, 28), the teacher's maps and its people, and the student's people."""
    parts = networks()
    with torch.autocast("cpu", torch.bfloat16):
        latent = parts.teacher.encoder(pictures.images.float() / 255).float()
        maps = parts.teacher.decoder(latent).float()
    found = read_pictures(latent, parts.teacher.decoder, parts.lifter, parts.model, CAMERA)
    return latent, maps, group_people(maps, CAMERA), found


@torch.no_grad()
def both_latents(pictures: Composed, encoders: dict[str, torch.nn.Module]) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean over cells of E's V of pictures, (B, C), and of each G's V of the same pictures' true maps."""
    latent = see(pictures)[0]
    maps = render_targets(pictures.keypoints[:, :, SHARED], CAMERA)
    return latent.mean((2, 3)), {name: encoder(maps).mean((2, 3)) for name, encoder in encoders.items()}


@torch.no_grad()
def heat_of(pictures: Composed, encoders: dict[str, torch.nn.Module]) -> dict[str, Tensor]:
    """Heat of all joints, (B, 28, 28): of the true maps m, of F(G(m)) with each G, and of F(E(I)) of the pictures."""
    maps, decoder = render_targets(pictures.keypoints[:, :, SHARED], CAMERA), networks().teacher.decoder
    seen = {f"F of {name}": decoder(encoder(maps)) for name, encoder in encoders.items()}
    every = {"true maps": maps, **seen, "F of E": see(pictures)[1]}
    return {name: found[:, HEAT].amax(1) for name, found in every.items()}


def train_on(
    checkpoint: Path, more: int, seed: int = 0, pictures: int = 12, device: torch.device | str = "cpu"
) -> list[dict]:
    """Train a student in phase 1 for some steps more from where a checkpoint stands, else from the start; the record.

    Raises:
        ValueError: if `more` is less than 1.
    """
    steps = steps_after(checkpoint, more)
    drawn = compose(load_cutouts("validation", LOOK, LEAN), pictures, CAMERA, torch.Generator().manual_seed(seed))
    setup = Setup(torch.device(device), torch.device(device).type == "cpu", checkpoint)
    teacher = load_teacher().to(setup.device)  # one of its own: that of `networks` stays where it is
    seen = look(teacher, drawn, CAMERA, torch.Generator().manual_seed(seed), setup)
    config = StudentConfig(pretraining=0, first=0, steps=steps, consistency=False, batch=4, seed=seed)
    return train_student(config, seen, teacher.decoder, load_pretrained("limits"), max(1, more // 5), setup)[1]
