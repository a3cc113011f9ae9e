"""What networks say of pictures that do not fit them."""

from __future__ import annotations

from torch import Tensor


def check_image(name: str, image: Tensor, channels: int) -> Tensor:
    """The picture, if it is (B, channels, H, W) with sides that are multiples of 8.

    Raises:
        ValueError: if it is not.
    """
    if image.ndim != 4 or image.shape[1] != channels or 0 in image.shape or image.shape[2] % 8 or image.shape[3] % 8:
        expected = f"(B, {channels}, H, W) with B >= 1 and H, W multiples of 8"
        raise ValueError(f"{name} must be {expected}, got {tuple(image.shape)}")
    return image


def check_same_size(one: str, first: Tensor, other: str, second: Tensor) -> None:
    """Raise ValueError unless both hold equally many pictures of one size."""
    if first.shape[0] != second.shape[0] or first.shape[2:] != second.shape[2:]:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"{one} and {other} must hold equally many pictures of one size, got {shapes}")
