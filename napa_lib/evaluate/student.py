"""Chapter 6's networks that ship, shown squares of any picture."""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.data.crops import crop, crop_matrices, square_boxes
from napa_lib.multiperson import CrossModalNet, Found, group_people, read_pictures
from napa_lib.multiperson.config import CAMERAS

CAMERA = CAMERAS["tiny"]


def load_chapter() -> CrossModalNet:
    """What ships; the student never saw a label."""
    return CrossModalNet.from_pretrained()


def whole_square(picture: Tensor) -> Tensor:
    """The square (1, 4) round all pixels of a picture (3, H, W)."""
    height, width = picture.shape[1:]
    return square_boxes(torch.tensor([[-0.5, -0.5, width - 0.5, height - 0.5]]))


@torch.no_grad()
def read_squares(chapter: CrossModalNet, picture: Tensor, squares: Tensor) -> tuple[list[Found], list[Tensor], Tensor]:
    """What the student and its teacher find in squares of a picture.

    Args:
        chapter: the networks.
        picture: (3, H, W) in [0, 1].
        squares: (B, 4) in its pixels; outside is the colour of its edge.

    Returns:
        of each square the student's people and the teacher's (P, 15, 2), in pixels of the square as it was shown, and
        the maps (B, 2, 3) from there to the picture.
    """
    matrices = crop_matrices(squares, CAMERA.size)
    latent = chapter.teacher.encoder(crop(picture, matrices, CAMERA.size).clamp(0, 1))
    grouped = group_people(chapter.teacher.decoder(latent), CAMERA)
    return read_pictures(latent, chapter.teacher.decoder, chapter.lifter, chapter.model, CAMERA), grouped, matrices
