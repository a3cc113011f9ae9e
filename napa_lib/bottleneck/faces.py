"""The error that papers on faces print."""

from __future__ import annotations

from torch import Tensor

from napa_lib.metrics import normalized_landmark_error


def interocular_error(prediction: Tensor, target: Tensor) -> float:
    """Mean distance of the landmarks in per cent of the distance between the outer corners of the eyes.

    Args:
        prediction: (B, 68, 2) pixels, FACE68.
        target: the same shape.

    Raises:
        ValueError: if the shapes do not fit.

    Source: KeypointGAN, table 3.

    >>> import torch
    >>> target = torch.zeros(1, 68, 2); target[0, 45, 0] = 50.0
    >>> round(interocular_error(target + torch.tensor([3.0, 4.0]), target), 3)
    10.0
    """
    return 100 * float(normalized_landmark_error(prediction, target).total)
