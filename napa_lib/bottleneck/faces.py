"""Faces for KeypointGAN: clips of them with 68 landmarks, and the error that papers on faces print."""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.bottleneck.data import Clips
from napa_lib.data import resize
from napa_lib.data.faces import FaceClips
from napa_lib.metrics import normalized_landmark_error

FACES = "FACE68"


def from_faces(faces: FaceClips, size: int) -> Clips:
    """Faces as clips of one size, labelled with FACE68; their frames are of one person who turns and talks.

    Args:
        faces: what was read.
        size: side of the frames in pixels; frames are scaled to it with their landmarks.

    Source: KeypointGAN, section 5.2, where VoxCeleb's videos have this part.
    """
    if size == faces.size:
        return Clips(faces.images, faces.landmarks, FACES)
    parts = [
        (255 * resize(part.flatten(0, 1) / 255, (size, size))).round().clamp(0, 255).to(torch.uint8)
        for part in faces.images.split(16)  # as floats, all frames together would take gigabytes
    ]
    images = torch.cat(parts).unflatten(0, faces.images.shape[:2])
    return Clips(images, (faces.landmarks + 0.5) * size / faces.size - 0.5, FACES)


def interocular_error(prediction: Tensor, target: Tensor) -> float:
    """Mean distance of the landmarks in per cent of the distance between the outer corners of the eyes.

    Args:
        prediction: (B, 68, 2) pixels, FACE68.
        target: the same shape.

    Raises:
        ValueError: if the shapes do not fit.

    Source: KeypointGAN, table 3.

    >>> target = torch.zeros(1, 68, 2); target[0, 45, 0] = 50.0
    >>> round(interocular_error(target + torch.tensor([3.0, 4.0]), target), 3)
    10.0
    """
    return 100 * float(normalized_landmark_error(prediction, target).total)
