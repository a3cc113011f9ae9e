"""Joint limits: the ranges of two angles in which each bone may point, seen from the bone it hangs from.

A bone's direction in its local frame (see `napa_lib.geometry.kinematics`) is written in two angles:

- the *elevation* gamma, 0 to 180 degrees, between the bone and its parent: 0 goes straight on, 180 folds back;
- the *azimuth* theta, which way it leaves the parent bone: 0 is the local y axis, 90 away from the chest's side (-x).

    direction = (-sin(gamma) sin(theta), sin(gamma) cos(theta), cos(gamma))

In the trunk's frame y is the person's left, so the left hip is at theta = 0 and the right hip at theta = 180 degrees,
as in the paper, which gives the right hip theta = pi and the right shoulder a range of 120 degrees from 120 on. A range
that crosses 180 degrees is written beyond it: (120, 240), not (120, -120).

Source: CrossModal, supplement, section 3.1. It publishes the right hip's ranges and the right shoulder's azimuth. That
the shoulder's elevation is the hip's, 60 to 120 degrees, is our assumption; `derivation.py` finds the other joints'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from napa_lib.skeletons import CROSSMODAL17

SKELETON = CROSSMODAL17
MIRRORED = {"l_" + name[2:]: name for name in SKELETON.joints if name.startswith("r_")}
# The midpoints: pelvis and thorax halve hips and shoulders, so these left joints follow from the right ones.
OPPOSITE = {"l_hip": "r_hip", "l_shoulder": "r_shoulder"}
FREE = tuple(name for name in SKELETON.joints if name not in ("pelvis", "thorax", *OPPOSITE))
ROUNDING = 1e-3  # degrees by which a pose on a limit may leave it


@dataclass(frozen=True)
class JointLimits:
    """Where one bone may point, in degrees.

    Attributes:
        theta1, theta2: azimuth from theta1, in (-180, 180], to theta2, which may lie beyond 180 (240 is -120).
        gamma1, gamma2: elevation, within 0 to 180.

    Raises:
        ValueError: if a range runs backwards, is wider than the circle, or leaves its bounds.

    >>> JointLimits(120, 240, 60, 120).mirrored()
    JointLimits(theta1=-60, theta2=60, gamma1=60, gamma2=120)
    """

    theta1: float
    theta2: float
    gamma1: float
    gamma2: float

    def __post_init__(self) -> None:
        if not -180 < self.theta1 <= 180:
            raise ValueError(f"theta1 must be above -180 and at most 180 degrees, got {self.theta1}")
        if not self.theta1 <= self.theta2 <= self.theta1 + 360:
            raise ValueError(
                f"theta2 must lie from theta1 to theta1 + 360 degrees, got {self.theta1} to {self.theta2}; "
                "a range across 180 is written beyond it: (120, 240) for 120 to -120"
            )
        if not 0 <= self.gamma1 <= self.gamma2 <= 180:
            raise ValueError(f"gamma1 <= gamma2 must lie within 0 to 180 degrees, got {self.gamma1} to {self.gamma2}")

    def mirrored(self) -> JointLimits:
        """The same limits on the body's other side."""
        start = 180 - self.theta2 % 360
        start = start if start > -180 else 180  # the rest of a tiny negative angle rounds to 360
        width = min(self.theta2 - self.theta1, 360)  # a full circle's may be rounded upwards
        return JointLimits(start, start + width, self.gamma1, self.gamma2)

    def contain(self, directions: Tensor) -> Tensor:
        """Which directions (..., 3) in the local frame lie inside; a NaN does not.

        A bone that runs along its parent to a hundredth of a degree has no azimuth: there, gamma alone decides.
        """
        theta, gamma = angles_of(directions)
        turned = torch.remainder(theta - self.theta1 + ROUNDING, 360) <= self.theta2 - self.theta1 + 2 * ROUNDING
        no_azimuth = (gamma < 0.01) | (gamma > 179.99)
        return (turned | no_azimuth) & (gamma >= self.gamma1 - ROUNDING) & (gamma <= self.gamma2 + ROUNDING)


def direction_of(theta: Tensor, gamma: Tensor) -> Tensor:
    """Unit vectors (..., 3) in the local frame from azimuth and elevation in degrees.

    To the person's right, as the right hip of someone who stands straight:

    >>> direction_of(torch.tensor(180.0), torch.tensor(90.0)).round().tolist()
    [0.0, -1.0, -0.0]
    """
    theta, gamma = torch.deg2rad(theta), torch.deg2rad(gamma)
    return torch.stack([-gamma.sin() * theta.sin(), gamma.sin() * theta.cos(), gamma.cos()], -1)


def angles_of(directions: Tensor) -> tuple[Tensor, Tensor]:
    """Azimuth in (-180, 180] and elevation in [0, 180] degrees of vectors (..., 3); their length does not matter.

    The azimuth of a vector along z is 0.

    Raises:
        ValueError: for vectors that are not (..., 3).
    """
    if directions.shape[-1] != 3:
        raise ValueError(f"directions must be (..., 3), got {tuple(directions.shape)}")
    x, y, z = directions.unbind(-1)
    gamma = torch.atan2(torch.hypot(x, y), z)
    return torch.rad2deg(torch.atan2(-x, y)), torch.rad2deg(gamma)


# The right side and the middle; the left side is their mirror image. `thorax` has no freedom: in the canonical frame it
# stands straight above the pelvis. Hip and the shoulder's azimuth are the paper's; that the shoulder's elevation is
# the hip's is our assumption; the others are what `derive_limits` finds.
JOINT_LIMITS: MappingProxyType[str, JointLimits] = MappingProxyType(
    {
        "r_hip": JointLimits(180, 180, 60, 120),
        "r_knee": JointLimits(130, 330, 30, 120),
        "r_ankle": JointLimits(15, 365, 0, 155),
        "neck": JointLimits(130, 410, 5, 125),
        "head": JointLimits(-75, 255, 5, 30),
        "nose": JointLimits(115, 425, 130, 140),
        "r_shoulder": JointLimits(120, 240, 60, 120),
        "r_elbow": JointLimits(-20, 340, 0, 180),
        "r_wrist": JointLimits(90, 450, 0, 150),
    }
)


def complete_limits(limits: Mapping[str, JointLimits] | None = None) -> dict[str, JointLimits]:
    """Limits of all joints in `FREE`: those given, the left ones mirrored from the right where they are not given.

    Args:
        limits: by joint; None for `JOINT_LIMITS`. To change one joint: `JOINT_LIMITS | {"r_knee": JointLimits(…)}`.

    Raises:
        ValueError: if a joint is missing, is not free or unknown, has something else than `JointLimits`, or r_hip is
            not in its plane (theta 180).
    """
    given = dict(JOINT_LIMITS if limits is None else limits)
    if odd := [name for name, limit in given.items() if not isinstance(limit, JointLimits)]:
        raise ValueError(f"limits must be JointLimits, that of {odd[0]} is {given[odd[0]]!r}")
    if unknown := sorted(given.keys() - set(FREE)):
        raise ValueError(f"limits must be of {', '.join(FREE)}; got {', '.join(unknown)}")
    full = {}
    for name in FREE:
        if name not in given and MIRRORED.get(name) not in given:
            wanted = f"{name} or {MIRRORED[name]}" if name in MIRRORED else name
            raise ValueError(f"limits must have {wanted}, got {', '.join(given)}")
        full[name] = given[name] if name in given else given[MIRRORED[name]].mirrored()
    if (full["r_hip"].theta1, full["r_hip"].theta2) != (180, 180):
        raise ValueError(f"limits of r_hip must have theta 180 to 180, which defines the frame; got {full['r_hip']}")
    return full


def inside_limits(directions: Tensor, limits: Mapping[str, JointLimits] | None = None) -> Tensor:
    """Which bones keep their limits.

    Args:
        directions: (..., 17, 3) local directions or bone vectors of `SKELETON`.
        limits: as for `complete_limits`.

    Returns:
        (..., 17) bool; true for the root and the thorax. l_hip and l_shoulder are held to the mirror image of the right
        side's limits.
    """
    if directions.shape[-2:] != (SKELETON.num_joints, 3):
        raise ValueError(f"directions must be (..., {SKELETON.num_joints}, 3), got {tuple(directions.shape)}")
    full = complete_limits(limits)
    full |= {left: full[right].mirrored() for left, right in OPPOSITE.items()}
    always = torch.ones_like(directions[..., 0, 0], dtype=torch.bool)
    columns = [
        full[name].contain(directions[..., j, :]) if name in full else always for j, name in enumerate(SKELETON.joints)
    ]
    return torch.stack(columns, -1)
