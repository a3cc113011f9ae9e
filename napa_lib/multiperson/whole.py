"""The networks of the chapter put together: a picture of several people in, their poses in 3D out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napa_lib.multiperson.config import CAMERAS
from napa_lib.multiperson.evaluate import Found, read_pictures
from napa_lib.multiperson.networks import Lifter, Teacher
from napa_lib.multiperson.scenes import Camera
from napa_lib.multiperson.store import load_lifter, load_teacher
from napa_lib.sampling import PoseAutoencoder, load_pretrained


class CrossModalNet(nn.Module):
    """E, F's heat of the pelvises, H, and M with the autoencoder's Psi.

    Args:
        teacher: E and F.
        lifter: H.
        model: the autoencoder of artificial poses, whose decoder is Psi.
        camera: of the pictures; by default the small preset's.

    Source: CrossModal, section 3.1.2, "Inference": P = M H E(I), pelvises found in F's heat map.
    """

    def __init__(
        self, teacher: Teacher, lifter: Lifter, model: PoseAutoencoder, camera: Camera = CAMERAS["tiny"]
    ) -> None:
        super().__init__()
        self.teacher, self.lifter, self.model, self.camera = teacher, lifter, model, camera

    @classmethod
    def from_pretrained(cls) -> CrossModalNet:
        """What ships, in evaluation mode: a student that never saw a label, and its teacher."""
        return cls(load_teacher(), load_lifter(), load_pretrained("limits")).eval()

    @torch.no_grad()
    def forward(self, image: Tensor) -> list[Found]:
        """The people of each picture (B, 3, S, S) in [0, 1], S the camera's: poses in mm, joints in pixels.

        Raises:
            ValueError: for pictures of another shape.
        """
        return read_pictures(self.teacher.encoder(image), self.teacher.decoder, self.lifter, self.model, self.camera)
