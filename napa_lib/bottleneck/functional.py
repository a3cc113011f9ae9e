"""Looking at a trained KeypointGAN: the leak made visible, appearances swapped, keypoints moved."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from napa_lib.bottleneck.model import KeypointGAN


def local_contrast_normalize(image: Tensor, window: int = 9, floor: float = 1e-4) -> Tensor:
    """Each pixel in units of its surroundings' deviation: what is hidden in a skeleton image comes to light.

        (y - mean(y)) / (deviation(y) + floor),  mean and deviation over a window round the pixel

    A leak too faint to see beside the bright bones is all there is where nothing is drawn, and fills the range there.

    Args:
        image: (B, C, H, W).
        window: odd side of the square window in pixels; at the border the picture is continued by reflection.
        floor: contrast below which nothing is shown, in the picture's units.

    Returns:
        (B, C, H, W), about -3 to 3; 0 where the picture is flat.

    Raises:
        ValueError: for a shape, window or floor that does not fit.

    Source: KeypointGAN, fig. 2 ("LCN"), which does not give the window; ours.

    >>> local_contrast_normalize(torch.full((1, 1, 16, 16), 0.3)).abs().max().item() < 0.01
    True
    """
    if image.ndim != 4 or window < 3 or window % 2 == 0 or min(image.shape[2:]) <= window // 2:
        raise ValueError(
            f"image must be (B, C, H, W) larger than an odd window >= 3, got {tuple(image.shape)}, {window}"
        )
    if floor <= 0:
        raise ValueError(f"floor must be positive, got {floor}")

    def average(x: Tensor) -> Tensor:
        return avg_pool2d(pad(x, (window // 2,) * 4, mode="reflect"), window, stride=1)

    # About the picture's own mean first: squares of a large constant would swallow the faint contrast.
    image = image - image.mean((2, 3), keepdim=True)
    mean = average(image)
    variance = (average(image.square()) - mean.square()).clamp_min(0)
    return (image - mean) / (variance.sqrt() + floor)


@torch.no_grad()
def swap_appearance(model: KeypointGAN, image: Tensor, style: Tensor) -> Tensor:
    """One person in another's pose: Psi(beta(eta(Phi(x))), x').

    Args:
        model: in evaluation mode.
        image: x, whose pose is taken, (B, 3, S, S) in [0, 1].
        style: x', whose appearance is taken, the same shape.

    Returns:
        (B, 3, S, S) in [0, 1].

    Raises:
        ValueError: for pictures of another size, or a generator that takes no appearance.

    Source: KeypointGAN, fig. 8 and 9.
    """
    if not model.config.conditional:
        raise ValueError("model must have a conditional generator to swap appearances")
    return model(image, style).image.clamp(0, 1)


def move_keypoints(keypoints: Tensor, joints: list[int], offset: Tensor) -> Tensor:
    """The pose with some keypoints moved, (B, K, 2); `offset` is (2,) or (B, len(joints), 2) in [-1, 1]'s units.

    Raises:
        ValueError: if a joint is not in the pose.

    Source: KeypointGAN, fig. 10 ("manip. kpts").

    >>> move_keypoints(torch.zeros(1, 3, 2), [1], torch.tensor([0.5, 0.0])).tolist()
    [[[0.0, 0.0], [0.5, 0.0], [0.0, 0.0]]]
    """
    if not joints or min(joints) < 0 or max(joints) >= keypoints.shape[1]:
        raise ValueError(f"joints must be indices from 0 to {keypoints.shape[1] - 1}, got {joints}")
    moved = keypoints.clone()
    moved[:, joints] = moved[:, joints] + offset
    return moved


@torch.no_grad()
def draw_in_pose(model: KeypointGAN, keypoints: Tensor, style: Tensor) -> Tensor:
    """The person of a picture in any pose: Psi(beta(p), x'), (B, 3, S, S) in [0, 1].

    Args:
        model: in evaluation mode.
        keypoints: (B, K, 2) in [-1, 1], such as predicted ones that were moved.
        style: (B, 3, S, S) in [0, 1].

    Source: KeypointGAN, fig. 10.
    """
    return model.generate(model.draw_for_generator(keypoints), style).clamp(0, 1)
