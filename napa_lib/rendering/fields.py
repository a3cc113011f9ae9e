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
    working_dtype,
)
from napa_lib.rendering.painting import SHORTEST
from napa_lib.skeletons import Skeleton, get_skeleton

TAIL = 1e-18  # a smaller factor counts as 0: products of such are denormal numbers, which processors are slow with
AWAY = 1e9  # pixels: where a missing joint's bump is 0 on every map
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
    people = _by_person(keypoints)
    check_positive("sigma", sigma)
    return _strongest_bumps(people.to(working_dtype(people)), image_size(size), sigma).to(keypoints.dtype)


def _strongest_bumps(people: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Heat maps (B, J, H, W) of (B, P, J, 2)."""
    bumps = _bump(people.nan_to_num(AWAY, AWAY, AWAY), max(size), sigma)
    columns, rows = bumps[..., 0, : size[1]], bumps[..., 1, : size[0]]  # (B, P, J, W) and (B, P, J, H)
    merged = rows[:, 0, :, :, None] * columns[:, 0, :, None]
    for person in range(1, people.shape[1]):  # a handful, one map at a time: all maps at once leave the cache
        merged = torch.maximum(merged, rows[:, person, :, :, None] * columns[:, person, :, None])
    return merged


def _bump(centre: Tensor, length: int, sigma: float) -> Tensor:
    """exp(-(u - centre)² / (2 sigma²)) along one axis, (..., length); what is below `TAIL` is 0."""
    u = torch.arange(length, dtype=centre.dtype, device=centre.device)
    exponent = -0.5 * ((u - centre[..., None]) / sigma) ** 2
    return threshold(torch.exp(exponent.clamp_min(LEAST)), TAIL, 0.0)


def render_part_affinity_fields(
    keypoints: Tensor, skeleton: str | Skeleton, size: int | Sequence[int], width: float
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
    skeleton = get_skeleton(skeleton)
    people = _by_person(keypoints, skeleton.num_joints)
    check_positive("width", width)
    people, size = people.to(working_dtype(people)), image_size(size)
    fields = people.new_zeros(len(people), 2 * len(skeleton.bones), *size)
    return _add_fields(fields, people, skeleton.bones, width).to(keypoints.dtype)


def render_people_maps(
    keypoints: Tensor, skeleton: str | Skeleton, size: int | Sequence[int], sigma: float, width: float
) -> Tensor:
    """`render_heatmaps` and `render_part_affinity_fields` in one tensor: what a bottom-up network learns to predict.

    Args:
        keypoints: (B, J, 2) in pixels of the map, or (B, P, J, 2) for P people; missing joints are NaN.
        skeleton: its joints have bumps, its bones fields.
        size: side, or (height, width), in pixels.
        sigma: standard deviation of a bump in pixels.
        width: of a limb in pixels, edge to edge.

    Returns:
        (B, J + 2 K, H, W): the heat maps, then x and y of each bone's field.

    Raises:
        ValueError: if a shape, a size, sigma or the width is not as said.

    Source: CrossModal, section 3.2 (28 x 28 x 43).
    """
    skeleton = get_skeleton(skeleton)
    people = _by_person(keypoints, skeleton.num_joints)
    check_positive("sigma", sigma)
    check_positive("width", width)
    people, size, joints = people.to(working_dtype(people)), image_size(size), skeleton.num_joints
    maps = people.new_empty(len(people), joints + 2 * len(skeleton.bones), *size)
    maps[:, :joints], maps[:, joints:] = _strongest_bumps(people, size, sigma), 0.0
    return _add_fields(maps, people, skeleton.bones, width).to(keypoints.dtype)


def _add_fields(maps: Tensor, people: Tensor, bones: Sequence[tuple[int, int]], width: float) -> Tensor:
    """Write the fields of (B, P, J, 2) into the last 2 K of (B, C, H, W) maps, which are zero there."""
    batch, channels, *size = maps.shape
    ends = people[:, :, torch.stack(bone_indices(bones, people.shape[2], people.device), 1)]  # (B, P, K, 2, 2)
    length = torch.hypot(*(ends[..., 1, :] - ends[..., 0, :]).detach().unbind(-1))
    picture, person, bone = ((length > SHORTEST) & (length < torch.inf)).nonzero(as_tuple=True)  # N limbs; NaN is none
    begin, finish = ends[picture, person, bone].unbind(1)
    direction = finish - begin
    length = torch.hypot(*direction.unbind(-1))
    direction = direction / length[:, None]
    centre = 0.5 * (begin + finish).detach()
    limb, cell = _on_limbs(centre, direction.detach(), length.detach() / 2, width, (size[0], size[1]))
    area, kinds = size[0] * size[1], len(bones)
    count = maps.new_zeros(batch * kinds * area)  # limbs of one kind on a cell
    shared = ((picture * kinds + bone) * area)[limb] + cell
    count.index_add_(0, shared, count.new_ones(()).expand(len(shared)))
    share = direction[limb] / count[shared, None]
    x = ((picture * channels + channels - 2 * kinds + 2 * bone) * area)[limb] + cell  # y is a map further on
    maps.view(-1).index_add_(0, torch.cat([x, x + area]), share.T.flatten())
    return maps


def _on_limbs(
    centre: Tensor, direction: Tensor, half: Tensor, width: float, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The cells in each limb's rectangle: which of the N limbs, and which cell of the map, row by row; (n,) each.

    A limb covers few cells of a map: only those of a window as large as the largest limb are looked at.
    """
    if not len(centre):
        return (centre.new_zeros(0, dtype=torch.long),) * 2
    (ex, ey), (cx, cy) = direction.T, centre.T
    across, down = ex.abs() * half + ey.abs() * width / 2, ey.abs() * half + ex.abs() * width / 2  # to either side
    left, x = _window(cx, across, size[1])
    top, y = _window(cy, down, size[0])
    along = x * ex + (y * ey)[:, None]  # (rows, columns, N): the limbs last, where memory is walked along
    off = (y * ex)[:, None] - x * ey
    inside = (along.abs_() <= half) & (off.abs_() <= 0.5 * width)
    row, column, limb = inside.nonzero(as_tuple=True)
    return limb, (top * size[1] + left)[limb] + row * size[1] + column


def _window(centre: Tensor, reach: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Where N windows on an axis begin, each over its limb, and their cells' distances from the centres (cells, N)."""
    side = min(int(2 * reach.max().clamp_max(length)) + 3, length)
    first = (centre - reach).floor_().clamp_(0, length - side)
    cells = torch.arange(side, dtype=centre.dtype, device=centre.device)
    return first.long(), cells[:, None] + (first - centre)


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
