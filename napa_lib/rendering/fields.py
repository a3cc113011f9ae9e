"""Maps that networks read and predict: heat maps, part affinity fields, depth maps. All smooth, one channel a part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import threshold

from napa_lib.geometry.precision import check_floating
from napa_lib.rendering.inputs import (
    bone_indices,
    check_points,
    check_positive,
    image_size,
    without_missing,
    working_dtype,
)
from napa_lib.rendering.painting import bone_axes
from napa_lib.skeletons import Skeleton

TAIL = 1e-18  # a smaller factor counts as 0: products of such are denormal numbers, which processors are slow with
LEAST = -60.0  # exponents below it are taken for it: its power counts as 0, and exp is slow where its own underflows


def render_heatmaps(keypoints: Tensor, size: int | Sequence[int], sigma: float) -> Tensor:
    """One Gaussian bump a joint, 1 at the joint: the target of heat-map regression.

        S_j(u) = max_p exp(-|u - x_{j,p}|² / (2 sigma²))

    Of several people in one picture the strongest answers, so that two near peaks stay two peaks.

    Args:
        keypoints: (B, J, 2) in pixels of the map, or (B, P, J, 2) for P people; a missing (NaN) joint gives no bump.
        size: side, or (height, width), in pixels.
        sigma: standard deviation in pixels; 1 on AdvPose's 64² maps.

    Returns:
        (B, J, H, W) in [0, 1]; not normalised to sum 1.

    Raises:
        ValueError: if a shape, a size or sigma is not as said.

    Source: AdvPose, section 3.4 (variance 1); CrossModal, section 3.2 (HM, several people, after Cao et al., 2017).

    >>> render_heatmaps(torch.tensor([[[1.0, 0.0]]]), (1, 3), 1.0).log()[0, 0, 0].tolist()
    [-0.5, 0.0, -0.5]
    """
    height, width = image_size(size)
    people = _by_person(keypoints)
    check_positive("sigma", sigma)
    clean, present = without_missing(people.to(working_dtype(people)))
    columns, rows = (_bump(clean[..., i], n, sigma) for i, n in ((0, width), (1, height)))
    rows = rows * present[..., None]  # (B, P, J, H)
    merged = rows[:, 0, :, :, None] * columns[:, 0, :, None]
    for person in range(1, people.shape[1]):  # a handful, one map at a time: all maps at once leave the cache
        merged = torch.maximum(merged, rows[:, person, :, :, None] * columns[:, person, :, None])
    return merged.to(keypoints.dtype)


def _bump(centre: Tensor, length: int, sigma: float) -> Tensor:
    """exp(-(u - centre)² / (2 sigma²)) along one axis, (..., length); what is below `TAIL` is 0."""
    u = torch.arange(length, dtype=centre.dtype, device=centre.device)
    exponent = -0.5 * ((u - centre[..., None]) / sigma) ** 2
    return threshold(torch.exp(exponent.clamp_min(LEAST)), TAIL, 0.0)


def render_part_affinity_fields(
    keypoints: Tensor, skeleton: Skeleton, size: int | Sequence[int], width: float
) -> Tensor:
    """On every limb the unit vector along it, elsewhere zero: which joints belong together.

        L_c(u) = v where 0 <= v · (u - x_1) <= l and |v_perp · (u - x_1)| <= width / 2,  v = (x_2 - x_1) / l

    Where limbs of one kind but of several people overlap, the field is the mean of their vectors. The vectors carry
    gradients to the keypoints, the limbs' outlines do not.

    Args:
        keypoints: (B, J, 2) in pixels of the map, or (B, P, J, 2) for P people.
        skeleton: its bones, from start to end, are the limbs. One with a missing (NaN) end or no length has no field.
        size: side, or (height, width), in pixels.
        width: of a limb in pixels, edge to edge.

    Returns:
        (B, 2 K, H, W): x and y of bone k in channels 2k and 2k + 1.

    Raises:
        ValueError: if a shape, a size or the width is not as said.

    Source: CrossModal, section 3.2 (PAF of K = 14 limbs, 28 channels, after Cao et al., 2017).
    """
    height, across = image_size(size)
    people = _by_person(keypoints, skeleton.num_joints)
    check_positive("width", width)
    clean, present = without_missing(people.to(working_dtype(people)))
    start, end = bone_indices(skeleton.bones, skeleton.num_joints, clean.device)
    axes = bone_axes(clean.flatten(0, 1), present.flatten(0, 1), start, end)
    who, bone = axes.visible.nonzero(as_tuple=True)  # N limbs
    batch, persons = people.shape[:2]
    direction, half = axes.direction[who, bone], axes.length[who, bone].detach() / 2
    limb, cell = _on_limbs(axes.centre[who, bone].detach(), direction.detach(), half, width, (height, across))
    place = (who // persons * len(start) + bone)[limb]  # which of the (B K) fields
    area = height * across
    count, total = (clean.new_zeros(maps * batch * len(start) * area) for maps in (1, 2))
    index = place * area + cell
    count.index_add_(0, index, torch.ones_like(index, dtype=count.dtype))
    share = direction[limb] / count[index, None]
    index = index + place * area  # of x in (B, K, 2, H, W); y is a map further on
    total.index_add_(0, torch.cat([index, index + area]), share.T.flatten())
    return total.view(batch, 2 * len(start), height, across).to(keypoints.dtype)


def _on_limbs(
    centre: Tensor, direction: Tensor, half: Tensor, width: float, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The cells in each limb's rectangle: which of the N limbs, and which cell of the map, row by row; (n,) each.

    A limb covers few cells of a map: only those of a window as large as the largest limb are looked at.
    """
    height, across = size
    reach = direction.abs() * half[:, None] + direction.abs().flip(-1) * width / 2  # (N, 2)
    side = min(int(2 * reach.max()) + 3, max(size)) if len(reach) else 1
    first = (centre - reach).floor().clamp(min=0, max=max(size))
    x, y = (first[:, None] + torch.arange(side, dtype=centre.dtype, device=centre.device)[:, None]).unbind(-1)
    (mx, my), (ex, ey) = centre[:, None].unbind(-1), direction[:, None].unbind(-1)
    along = ((x - mx) * ex)[:, None] + ((y - my) * ey)[..., None]  # (N, side, side)
    off = ((y - my) * ex)[..., None] - ((x - mx) * ey)[:, None]
    inside = (along.abs() <= half[:, None, None]) & (off.abs() <= 0.5 * width)
    inside &= (x < across)[:, None] & (y < height)[..., None]
    limb, row, column = inside.nonzero(as_tuple=True)
    return limb, (y[limb, row] * across + x[limb, column]).long()


def render_depth_maps(keypoints: Tensor, depths: Tensor, size: int | Sequence[int], sigma: float) -> Tensor:
    """The depth of each joint at the joint's place, beside its heat map: a pose as pictures, for a discriminator.

    The paper says only that a map holds "the depth of a body joint at the corresponding location"; here the depth is
    spread as the heat map is, z_j S_j(u), so that the two sources agree on where and both are differentiable.

    Args:
        keypoints: (B, J, 2) in pixels of the map.
        depths: (B, J), relative to the root, in any unit. A joint with a missing (NaN) coordinate or depth gives 0.
        size: side, or (height, width), in pixels.
        sigma: standard deviation in pixels.

    Returns:
        (B, J, H, W) in the unit of `depths`.

    Raises:
        ValueError: if a shape, a size or sigma is not as said.

    Source: AdvPose, section 3.2.2, the third information source.

    >>> render_depth_maps(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[-120.0]]), (1, 2), 0.05)[0, 0, 0].tolist()
    [-0.0, -120.0]
    """
    check_points("keypoints", keypoints)
    check_floating("depths", depths)
    if depths.shape != keypoints.shape[:2]:
        raise ValueError(f"depths must be floating (B, J) = {tuple(keypoints.shape[:2])}, got {tuple(depths.shape)}")
    known = torch.where(depths.isfinite(), depths, torch.zeros_like(depths))
    maps = render_heatmaps(keypoints.to(working_dtype(keypoints)), size, sigma) * known[..., None, None]
    return maps.to(keypoints.dtype)


def _by_person(keypoints: Tensor, joints: int | None = None) -> Tensor:
    """(B, P, J, 2) of poses (B, J, 2), which are one person, or (B, P, J, 2)."""
    if isinstance(keypoints, Tensor) and keypoints.ndim == 3:
        check_points("keypoints", keypoints, "(B, J, 2)", joints)
        return keypoints[:, None]
    check_points("keypoints", keypoints, "(B, P, J, 2)", joints)
    if keypoints.shape[1] == 0:
        raise ValueError(f"keypoints must hold at least one person, got {tuple(keypoints.shape)}")
    return keypoints
