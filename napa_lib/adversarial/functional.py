"""What the discriminator is shown of a pose: the geometric descriptor, and heat maps beside depth maps."""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.geometry.precision import check_floating
from napa_lib.networks.heatmaps import STRIDE, cells_to_pixels, local_soft_argmax

FAINT = 1e-3  # what a heat map's cell counts at least: the logarithm of less has a gradient that throws training off


def geometric_descriptor(pose: Tensor) -> Tensor:
    """Where every joint lies as seen from every other, and the squares of that.

        d(z_i, z_j) = [dx, dy, dz, dx², dy², dz²],  dx = x_i - x_j, dy = y_i - y_j, dz = z_i - z_j

    It does not change when the pose is moved. The last three channels do not change when the pose is mirrored; their
    sum is the squared distance of the two joints, which does not change when it is turned.

    Args:
        pose: (B, J, 3), J >= 2, in any unit; a network wants one in which limbs are about 1 long, not millimetres
            (nor would float16 hold squares above 65504).
            A missing joint is NaN: all its pairs are 0 in all six channels, as is every joint's with itself.

    Returns:
        (B, 6, J, J), [b, :, i, j] = d(z_i, z_j), in the pose's unit and its square.

    Raises:
        ValueError: if `pose` is not floating (B, J, 3) with at least two joints.

    Source: AdvPose, eq. 1.

    >>> pose = torch.tensor([[[0.0, 0.0, 0.0], [3.0, 0.0, -4.0]]])
    >>> geometric_descriptor(pose)[0, :, 1, 0].tolist()
    [3.0, 0.0, -4.0, 9.0, 0.0, 16.0]
    """
    check_floating("pose", pose)
    if pose.ndim != 3 or pose.shape[1] < 2 or pose.shape[2] != 3:
        raise ValueError(f"pose must be floating (B, J, 3) with J >= 2, got {tuple(pose.shape)}")
    missing = pose.isnan().any(-1)
    known = pose.masked_fill(missing[..., None], 0.0).mT.contiguous()  # (B, 3, J): pairs then lie along memory
    return _Descriptor.apply(known, ~missing if bool(missing.any()) else None)


class _Descriptor(torch.autograd.Function):
    """Offsets of all pairs and their squares, with one way back over the pairs in place of one for each operation."""

    @staticmethod
    def forward(known: Tensor, there: Tensor | None) -> Tensor:  # type: ignore[override]
        """(B, 3, J) joints, and (B, J) which are there if some are not, to (B, 6, J, J)."""
        batch, _, joints = known.shape
        both = known.new_empty(batch, 6, joints, joints)
        offsets = torch.sub(known[..., :, None], known[..., None, :], out=both[:, :3])
        if there is not None:
            offsets.mul_(_pairs(there))
        torch.mul(offsets, offsets, out=both[:, 3:])
        return both

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor | None], output: Tensor) -> None:
        ctx.there = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        """What pulls at dx, 1 and 2 dx for dx², pulls at the one joint and pushes at the other."""
        (both,) = ctx.saved_tensors
        pull = torch.addcmul(grad[:, :3], both[:, :3], grad[:, 3:], value=2)
        if ctx.there is not None:
            pull = pull * _pairs(ctx.there)
        return pull.sum(-1) - pull.sum(-2), None


def _pairs(there: Tensor) -> Tensor:
    return (there[:, :, None] & there[:, None, :])[:, None]


def pose_maps(heatmaps: Tensor, depths: Tensor) -> Tensor:
    """Heat maps, and for each a depth map: the joint's depth where the joint is.

    The paper says only that a depth map holds "the depth of a body joint at the corresponding location"; here the depth
    is spread as the heat map is, z_j S_j(u).

    Args:
        heatmaps: (B, J, H, W), rendered from a true pose or predicted.
        depths: (B, J) relative to the root.

    Returns:
        (B, 2 J, H, W).

    Raises:
        ValueError: if the shapes do not fit.

    Source: AdvPose, section 3.2.1, the third information source.
    """
    if heatmaps.ndim != 4 or depths.shape != heatmaps.shape[:2]:
        shapes = f"{tuple(heatmaps.shape)} and {tuple(depths.shape)}"
        raise ValueError(f"heatmaps must be (B, J, H, W) and depths (B, J), got {shapes}")
    return torch.cat([heatmaps, heatmaps * depths[..., None, None]], 1)


def keypoints_from_heatmaps(heatmaps: Tensor) -> Tensor:
    """The centre of each map's highest bump, differentiably: the mean of the cells round its peak, weighed by S².

        x = sum_u S(u)² u / sum_u S(u)²  over the 5 x 5 cells round the peak

    The square of a Gaussian bump is one as well, and so narrow that the 5 x 5 cells hold it: a clean map gives its
    keypoint back to a hundredth of a cell. The paper does not say how its descriptor gets x and y from the heat maps.

    Args:
        heatmaps: (B, J, H, W), near 1 at a joint and near 0 elsewhere.

    Returns:
        (B, J, 2) as (x, y) in [-1, 1], the centres of the outermost pixels of the picture.
    """
    cells = local_soft_argmax(2 * heatmaps.float().clamp_min(FAINT).log())  # softmax(2 log S) = S² / sum S²
    height, width = heatmaps.shape[2:]
    return 2 * cells_to_pixels(cells) / (cells.new_tensor([width, height]) * STRIDE - 1) - 1
