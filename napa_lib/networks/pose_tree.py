"""Joints hang together, and limbs keep apart: from a map of each joint by itself to what the whole figure says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fft import irfft2, rfft2

from napa_lib.data import asset_path
from napa_lib.engine import made_on_cpu, save_tensors
from napa_lib.networks.pose_net import MIRRORED
from napa_lib.quantization import load_network
from napa_lib.skeletons import NAPA18

FORMAT = "napa-pose-tree-1"
WEIGHTS = "weights/pose_tree.safetensors"
CELLS = 56  # side of the maps of a crop; the figure's box is 1 / 1.25 of it
RADIUS = CELLS // 2  # cells; no joint of a figure that fills its box is farther from its parent
ANYWHERE = 0.01  # chance that a joint keeps to no recorded offset at all
LIMBS = tuple(j for j, name in enumerate(NAPA18.joints) if name.endswith(("knee", "ankle", "elbow", "wrist")))
OTHERS = tuple(MIRRORED[j] for j in LIMBS)  # the same joints of the other side
APART, TOGETHER = 6.0, 0.003  # cells that two sides keep, and how likely they are in one place; chosen on validation
ROUNDS, KEPT = 4, 0.3  # of messages between the sides, and what each leaves of the one before
TINY = 1e-30  # keeps the logarithm of a message finite


class PoseTree(nn.Module):
    """A pictorial structure (Felzenszwalb & Huttenlocher, 2005) whose parts are the joints' heat maps.

        p(x) ~ prod_j p_j(x_j) prod_{j not the root} k_j(x_j - x_parent(j))
                prod_{(l, r)} 1 - (1 - TOGETHER) exp(-|x_l - x_r|^2 / (2 APART^2))

    with (l, r) the left and the right knees, ankles, elbows and wrists. `forward` gives log p(x_j) of each joint.
    Without the last product the sum over all arrangements is exact (`tree_marginals`); with it, the two sides tell each
    other ROUNDS times where they are, as in loopy belief propagation. Of a stick man, and of whoever wears a robe, each
    map of a leg names both legs; here one of them goes to each side.

    Attributes:
        offsets: (18, 2 RADIUS + 1, 2 RADIUS + 1) k_j, the chance that a joint of `NAPA18` is so many cells below and to
            the right of its parent, the middle meaning none; the root's is not used.
    """

    offsets: Tensor

    def __init__(self) -> None:
        super().__init__()
        side = 2 * RADIUS + 1
        self.register_buffer("offsets", torch.full((NAPA18.num_joints, side, side), 1 / side**2))

    def forward(self, log_p: Tensor) -> Tensor:
        """(B, 18, CELLS, CELLS) logarithms of chances, up to a constant a map -> log p(x_j), the same shape.

        Raises:
            ValueError: if the maps have another size.
        """
        if log_p.shape[1:] != (NAPA18.num_joints, CELLS, CELLS):
            raise ValueError(f"heat maps must be (B, 18, {CELLS}, {CELLS}), got {tuple(log_p.shape)}")
        log_p, left = log_p.float(), torch.zeros_like(log_p, dtype=torch.float32)
        spectra = _spectra(self.offsets, log_p.shape[2:])
        for _ in range(ROUNDS):
            known = _marginals(log_p + left, spectra, NAPA18.parents) - left  # but what it was told
            left[:, LIMBS] = KEPT * left[:, LIMBS] + (1 - KEPT) * left_over(known[:, OTHERS])
        return _marginals(log_p + left, spectra, NAPA18.parents)


def tree_marginals(log_p: Tensor, offsets: Tensor, parents: Sequence[int]) -> Tensor:
    """Sum-product on a tree of joints, all joints of the same depth at once.

    What a joint tells its parent is its own map and all that its children told it, each place shifted by every offset
    (a correlation with k_j); what it is told is what its parent knows without it (a convolution).

    Args:
        log_p: (B, J, H, W) logarithms of chances, up to a constant a map.
        offsets: (J, K, K), K odd, chances of a joint's offset from its parent in cells; the root's is not used.
        parents: the index of each joint's parent, -1 for the root.

    Returns:
        (B, J, H, W) log marginals; each map's exponentials sum to one.

    >>> near = torch.zeros(2, 3, 3); near[1, 1, 2] = 1.0  # always one cell to the right of its parent
    >>> told = tree_marginals(torch.tensor([[9.0, 0, 0, 0], [0, 0, 0, 5.0]]).view(1, 2, 1, 4), near, [-1, 0])
    >>> told[0, :, 0].argmax(-1).tolist()
    [0, 1]
    """
    return _marginals(log_p, _spectra(offsets, log_p.shape[2:]), parents)


def _marginals(log_p: Tensor, spectra: Tensor, parents: Sequence[int]) -> Tensor:
    """`tree_marginals` with the offsets' spectra."""
    levels = _levels(parents)
    above = torch.tensor(parents, device=log_p.device)
    known = log_p.clone()  # what each joint and those below it say
    said = torch.zeros_like(log_p)  # of that, what each tells its parent
    for level in reversed(levels[1:]):
        said[:, level] = _message(known[:, level], spectra[level].conj())
        known.index_add_(1, above[level], said[:, level])
    whole = known.clone()
    for level in levels[1:]:
        whole[:, level] += _message(whole[:, above[level]] - said[:, level], spectra[level])
    return whole.flatten(2).log_softmax(-1).view_as(whole)


def left_over(log_p: Tensor) -> Tensor:
    """What a joint leaves of each place to the same joint of the other side.

        log(1 - (1 - TOGETHER) sum_y p(y) exp(-|x - y|^2 / (2 APART^2)))

    Args:
        log_p: (B, J, H, W) logarithms of chances, up to a constant a map.

    Returns:
        (B, J, H, W), from log TOGETHER where the joint is to nearly 0 far from it.
    """
    p = log_p.flatten(2).softmax(-1).view_as(log_p)
    near_y, near_x = (_gaussian(n, APART).to(p) for n in log_p.shape[2:])
    return torch.log1p((TOGETHER - 1) * (near_y @ p @ near_x).clamp(max=1.0))


def count_offsets(cells: Tensor, parents: Sequence[int], radius: int, blur: float) -> Tensor:
    """How often joints have each offset from their parents, spread by a Gaussian.

    Args:
        cells: (N, J, 2) x, y of joints in cells, finite.
        parents: the index of each joint's parent, -1 for the root.
        radius: largest offset to either side; those that are larger count as the largest.
        blur: standard deviation of the Gaussian in cells.

    Returns:
        (J, 2 radius + 1, 2 radius + 1) chances, rows for y; the root's are all at no offset.
    """
    above = torch.tensor([parent if parent >= 0 else j for j, parent in enumerate(parents)])
    shift = (cells - cells[:, above]).round().long().clamp(-radius, radius) + radius
    side = 2 * radius + 1
    place = torch.arange(len(parents)) * side**2 + shift[..., 1] * side + shift[..., 0]
    counts = torch.bincount(place.flatten(), minlength=len(parents) * side**2).view(-1, side, side).double()
    spread = _gaussian(side, blur)
    spread = spread / spread.sum(0)  # what would fall over the edge stays inside
    return (spread @ counts @ spread.T / len(cells)).float()


def _gaussian(side: int, deviation: float) -> Tensor:
    """(side, side) float64: exp(-(i - j)^2 / (2 deviation^2))."""
    distance = torch.arange(side)[:, None] - torch.arange(side)
    return torch.exp(-distance.double().square() / (2 * deviation**2))


def _levels(parents: Sequence[int]) -> list[Tensor]:
    """Indices of the joints by their distance from the root, the root's own first."""
    levels, joints = [], [parents.index(-1)]
    while joints:
        levels.append(torch.tensor(joints))
        joints = [j for j, parent in enumerate(parents) if parent in joints]
    return levels


def _spectra(offsets: Tensor, size: Sequence[int]) -> Tensor:
    """Spectra of the offsets for maps of a size, with room for every offset, none of which comes round to the map."""
    side = offsets.shape[-1]
    rows, columns = (max(n + side // 2, side) for n in size)
    table = offsets.new_zeros(len(offsets), rows, columns + columns % 2)  # even, so that `_message` can tell the width
    table[:, :side, :side] = offsets
    return rfft2(table.roll((-(side // 2), -(side // 2)), (1, 2)))


def _message(log_p: Tensor, spectrum: Tensor) -> Tensor:
    """Log of (1 - ANYWHERE) p shifted by every offset + ANYWHERE times p's mean, up to a constant."""
    height, width = log_p.shape[2:]
    room = spectrum.shape[1], 2 * (spectrum.shape[2] - 1)
    p = (log_p - log_p.amax((2, 3), keepdim=True)).exp()
    shifted = irfft2(rfft2(p, s=room) * spectrum, s=room)[:, :, :height, :width]
    return ((1 - ANYWHERE) * shifted + ANYWHERE * p.mean((2, 3), keepdim=True)).clamp_min(TINY).log()


def save_pose_tree(path: str | Path, tree: PoseTree, metadata: Mapping[str, str] | None = None) -> None:
    """Write the offsets' chances in 16 bits, atomically."""
    save_tensors(path, {"offsets": tree.offsets.half()}, {**(metadata or {}), "format": FORMAT})


@made_on_cpu
def load_pose_tree(path: str | Path | None = None) -> PoseTree:
    """The tree that ships, or one that `save_pose_tree` wrote.

    Raises:
        ValueError: if the file is missing, corrupt or holds something else.
    """
    return load_network(PoseTree(), asset_path(WEIGHTS) if path is None else path, FORMAT, "tree of joints")
