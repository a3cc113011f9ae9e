"""What the frozen teacher sees in a set of pictures, computed once: V, V of the moved pictures, and its people.

E never changes while a student learns, and it is most of the cost of a step; so a training looks at each picture, and
at one moved version of it, before it begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.engine import progress
from napa_lib.loop import HERE, Setup, laid_out
from napa_lib.multiperson.composed import Composed
from napa_lib.multiperson.config import CELLS
from napa_lib.multiperson.grouping import group_people
from napa_lib.multiperson.moves import Move, draw_moves
from napa_lib.multiperson.networks import Teacher
from napa_lib.multiperson.scenes import Camera
from napa_lib.multiperson.targets import JOINTS, ROOT, SHARED

CHUNK = 16
MOST = 6  # people of the teacher's that are kept, the strongest


@dataclass(frozen=True, eq=False)
class Seen:
    """N pictures of one camera: latent (N, C, 28, 28) halves, the same of the moved pictures, the moves, the teacher's
    people (N, P, 15, 2) px, NaN for joints and people not found, and, for who is taught with labels, the truth."""

    latent: Tensor
    moved: Tensor
    move: Move
    people: Tensor
    truth: Composed
    camera: Camera

    def __len__(self) -> int:
        return len(self.latent)

    def roots(self, labelled: bool) -> Tensor:
        """(N, P, 2) px: the teacher's pelvises, or the true ones that lie in the picture."""
        if not labelled:
            return self.people[:, :, ROOT]
        true, size = self.truth.keypoints[:, :, 0], self.move.size
        inside = ((true > -0.5) & (true < size - 0.5)).all(-1, keepdim=True)
        return torch.where(inside, true, torch.nan)

    def keypoints(self, labelled: bool) -> Tensor:
        """(N, P, 15, 2) px: the teacher's, or the true ones."""
        return self.truth.keypoints[:, :, SHARED] if labelled else self.people


@torch.no_grad()
def look(teacher: Teacher, pictures: Composed, camera: Camera, generator: torch.Generator, setup: Setup = HERE) -> Seen:
    """See pictures with E, and find their people with F and the grouping.

    Args:
        teacher: E and F.
        pictures: of `camera.size` pixels.
        camera: theirs.
        generator: draws the moves.
        setup: device and precision.
    """
    move = draw_moves(len(pictures), camera.size, generator)
    shape = len(pictures), teacher.config.latent, CELLS, CELLS
    latents, moved = torch.empty(shape, dtype=torch.half), torch.empty(shape, dtype=torch.half)  # gigabytes
    people: list[Tensor] = []
    for rows in progress(list(torch.arange(len(pictures)).split(CHUNK)), "pictures seen", -(-len(pictures) // CHUNK)):
        images = pictures.images[rows].float() / 255
        with setup.autocast():
            latent = teacher.encoder(laid_out(images, setup.device))
            moved[rows] = teacher.encoder(laid_out(move.rows(rows).pictures(images), setup.device)).half().cpu()
            maps = teacher.decoder(latent).float()
        latents[rows] = latent.half().cpu()
        people += group_people(maps, camera)
    return Seen(latents, moved, move, pad(people), pictures, camera)


def pad(people: list[Tensor]) -> Tensor:
    """People of each picture, (P, 15, 2), as one (N, MOST, 15, 2), NaN where there is nobody."""
    whole = torch.full((len(people), MOST, JOINTS.num_joints, 2), torch.nan)
    for row, found in zip(whole, people, strict=True):
        row[: len(found)] = found[:MOST]
    return whole
