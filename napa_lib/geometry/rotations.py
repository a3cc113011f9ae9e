"""Rotation matrices from angles, quaternions and axes. A matrix R turns a column vector: x' = R x."""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.geometry.precision import check_floating


def _check(value: Tensor, name: str, last: int) -> None:
    check_floating(name, value)
    if value.ndim < 1 or value.shape[-1] != last:
        raise ValueError(f"{name} must be floating (..., {last}), got {value.dtype} {tuple(value.shape)}")


def rotation_from_euler(angles: Tensor) -> Tensor:
    """Rotation by three Euler angles about the fixed axes: first x, then y, then z.

        R = R_z(angles[2]) R_y(angles[1]) R_x(angles[0])

    A positive angle turns counter-clockwise as seen from the tip of the axis (right-hand rule).

    Args:
        angles: (..., 3) about x, y and z, in radians.

    Returns:
        (..., 3, 3).

    Raises:
        ValueError: if the last dimension is not 3.

    Source: CrossModal, supplement, T_R (which leaves the order of the axes open).

    >>> quarter_turn_about_z = rotation_from_euler(torch.tensor([0.0, 0.0, torch.pi / 2]))
    >>> (quarter_turn_about_z @ torch.tensor([1.0, 0.0, 0.0])).round().tolist()
    [-0.0, 1.0, 0.0]
    """
    _check(angles, "angles", 3)
    (ca, cb, cc), (sa, sb, sc) = angles.cos().unbind(-1), angles.sin().unbind(-1)
    rows = [
        cc * cb, cc * sb * sa - sc * ca, cc * sb * ca + sc * sa,
        sc * cb, sc * sb * sa + cc * ca, sc * sb * ca - cc * sa,
        -sb, cb * sa, cb * ca,
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """Rotation of a quaternion (w, x, y, z) of any length but zero; q and -q are the same rotation.

    Args:
        quaternion: (..., 4), the scalar part first. It is normalised here; one of zero length gives the identity.

    Returns:
        (..., 3, 3).

    Raises:
        ValueError: if the last dimension is not 4.

    Source: Hamilton's product q v q*, written out.

    >>> quaternion_to_matrix(torch.tensor([2.0, 0.0, 0.0, 0.0])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    _check(quaternion, "quaternion", 4)
    squared = quaternion.square().sum(-1, keepdim=True)
    w, x, y, z = (quaternion * torch.where(squared > 0, squared, 1.0).rsqrt()).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def axis_angle_to_matrix(vector: Tensor) -> Tensor:
    """Rotation about `vector` by its length in radians (Rodrigues' formula); smooth at zero, where it is the identity.

        R = I + sin(a)/a [v]x + (1 - cos(a))/a² [v]x²,  a = |v|

    Args:
        vector: (..., 3).

    Returns:
        (..., 3, 3).

    Raises:
        ValueError: if the last dimension is not 3.

    >>> axis_angle_to_matrix(torch.tensor([torch.pi, 0.0, 0.0])).round().diagonal().tolist()
    [1.0, -1.0, -1.0]
    """
    _check(vector, "vector", 3)
    squared = vector.square().sum(-1, keepdim=True)
    small = squared < 1e-8  # below, the series are exact to rounding and, unlike the square root, have a gradient at 0
    angle = torch.where(small, 1.0, squared).sqrt()
    half_sinc = torch.where(small, 0.5 - squared / 48, (angle / 2).sin() / angle)
    # The quaternion (cos(a/2), v sin(a/2)/a) gives the same matrix with no loss of digits at small angles.
    cosine = torch.where(small, 1 - squared / 8, (angle / 2).cos())
    return quaternion_to_matrix(torch.cat([cosine, vector * half_sinc], -1))
