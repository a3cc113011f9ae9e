"""Fitting a pose to a bone map by gradient descent through the soft renderer, from coarse to fine."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18, Skeleton, check_pose, convert

Draw = Callable[[Tensor, tuple[int, int], float, float], Tensor]  # (keypoints, size, width, softness) -> (B, C, H, W)


@dataclass(frozen=True)
class Level:
    """One stretch of the descent; lengths are pixels of the full map."""

    shrink: int  # the maps are compared at 1/shrink of their size
    blur: float  # standard deviation of the Gaussian that both maps are seen through
    softness: float  # of the ovals' edge
    steps: int
    step_size: float  # Adam's learning rate: about the pixels that a joint moves in a step


COARSE = Level(shrink=4, blur=4.0, softness=2.0, steps=80, step_size=0.7)
FINE = (
    Level(shrink=2, blur=2.0, softness=1.0, steps=40, step_size=0.4),
    Level(shrink=1, blur=0.0, softness=0.5, steps=60, step_size=0.1),
)


@dataclass(frozen=True)
class Fit:
    """Where the descent ended and how it got there."""

    keypoints: Tensor  # (B, J, 2) in pixels
    trajectory: Tensor  # (steps + 1, B, J, 2), the first is where it began
    loss: Tensor  # (B,) mean squared difference of the two maps at the end


def fit_pose_to_bone_map(target_map: Tensor, initial: Tensor, skeleton: Skeleton, width: float) -> Fit:
    """Move a pose until its bone map is the target.

    The renderer is differentiable, so the difference of two maps says where each joint should go. Three things make
    the descent arrive:

    1. Coarse to fine. Where two ovals do not touch, the gradient of their difference is zero. Small, blurred maps touch
       over longer distances; the last level looks at full size, through hard edges.
    2. Colours far apart. Between two similar colours a bone may settle on its neighbour's place. Every pixel of the
       target is given to the bone of the nearest colour, and the coarse level compares in colours far apart.
    3. Ends turned round. An oval does not say which of its ends is which; where a forearm lies over its upper arm, the
       wrong way round is a minimum too. The last bone of each limb is also tried turned, and the better kept.

    A bone that others hide cannot be found: the loss is then as low as the truth's, and the pose still wrong there.

    Args:
        target_map: (B, 3, H, W) bone maps in [0, 1], hard or soft, as `render_bone_map` draws them.
        initial: (B, J, 2) where to begin, in pixels; a missing (NaN) joint stays missing.
        skeleton: the bones and colours of the maps.
        width: the bones' width in the maps, in pixels.

    Returns:
        the fit. A joint that no bone touches stays where it was, but for NAPA18's thorax: it is the shoulders' mean.

    Raises:
        ValueError: if the shapes do not fit, or the map is smaller than 4 x 4 pixels.

    Source: NAPA, section 3 and appendix I.2 (2b), where this gradient refines the 2D keypoints.
    """
    check_pose(initial, skeleton, "initial")
    if target_map.ndim != 4 or target_map.shape[1] != 3 or min(target_map.shape[2:]) < COARSE.shrink:
        raise ValueError(f"target_map must be (B, 3, H, W) of at least 4 x 4 pixels, got {tuple(target_map.shape)}")
    if initial.ndim != 3 or initial.shape[-1] != 2 or len(initial) != len(target_map):
        raise ValueError(f"initial must be ({len(target_map)}, J, 2), one pose a map, got {tuple(initial.shape)}")
    palettes = distinct_palettes(skeleton)
    coded = torch.cat([repaint(target_map, skeleton, palette) for palette in palettes], 1)
    path, _ = descend(coded, initial, draw_with(palettes), width, COARSE)
    trajectory = [path, _turn_ends(coded, path[-1], skeleton, palettes, width)]
    for level in FINE:
        path, loss = descend(target_map, trajectory[-1][-1], draw_with([skeleton]), width, level)
        trajectory.append(path)
    whole = torch.cat([trajectory[0], *(path[1:] for path in trajectory[1:])])
    if skeleton is NAPA18:
        whole = convert(whole[..., :17, :], "H36M17", NAPA18)
    return Fit(whole[-1], whole, loss)


def descend(target: Tensor, initial: Tensor, draw: Draw, width: float, level: Level) -> tuple[Tensor, Tensor]:
    """Adam on the squared difference between what `draw` makes of the keypoints and the target, on one level.

    Args:
        target: (B, C, H, W) at full size.
        initial: (B, J, 2) in pixels of the full size.
        draw: makes (B, C, h, w) of keypoints in its pixels.
        width: of the bones at full size, in pixels.
        level: how coarse, and how far.

    Returns:
        (steps + 1, B, J, 2) the path from `initial` on, and (B,) the mean squared difference at its end.
    """
    keypoints = initial.clone().requires_grad_()
    optimizer = torch.optim.Adam([keypoints], lr=level.step_size, betas=(0.8, 0.99))
    small = gaussian_blur(avg_pool2d(target, level.shrink), level.blur / level.shrink)
    size = (small.shape[2], small.shape[3])
    path = [initial.detach()]
    for _ in range(level.steps):
        optimizer.zero_grad()
        _difference(draw, keypoints, small, size, width, level).sum().backward()
        optimizer.step()
        path.append(keypoints.detach().clone())
    with torch.no_grad():
        loss = _difference(draw, keypoints, small, size, width, level)
    return torch.stack(path), loss


def draw_with(palettes: Sequence[Skeleton]) -> Draw:
    """Bone maps of one pose in several palettes, one after the other along the channels."""
    return lambda keypoints, size, width, softness: torch.cat(
        [render_bone_map(keypoints, palette, size, width, softness) for palette in palettes], 1
    )


def distinct_palettes(skeleton: Skeleton) -> list[Skeleton]:
    """The skeleton in two (or more) palettes that together tell any two of its colours far apart.

    Every colour becomes a word of 6, 9, ... bits, half of them set: any two words differ in at least two bits, and from
    the black ground in half of all bits. Three bits make a palette.

    >>> [palette.colors[:2] for palette in distinct_palettes(NAPA18)]
    [((255, 255, 255), (255, 255, 0)), ((0, 0, 0), (255, 0, 0))]
    """
    colors = sorted(set(skeleton.colors), key=skeleton.colors.index)
    bits = next(n for n in itertools.count(6, 3) if math.comb(n, n // 2) >= len(colors))
    chosen = itertools.islice(itertools.combinations(range(bits), bits // 2), len(colors))
    word = {color: [255 * (bit in ones) for bit in range(bits)] for color, ones in zip(colors, chosen, strict=True)}
    return [
        replace(skeleton, colors=tuple((w[i], w[i + 1], w[i + 2]) for w in (word[c] for c in skeleton.colors)))
        for i in range(0, bits, 3)
    ]


def repaint(bone_map: Tensor, skeleton: Skeleton, palette: Skeleton) -> Tensor:
    """(B, 3, H, W) in the palette's colours: a pixel belongs to the bone or black ground of nearest colour."""
    black = ((0, 0, 0),)
    old = torch.tensor(skeleton.colors + black, dtype=bone_map.dtype, device=bone_map.device) / 255
    new = torch.tensor(palette.colors + black, dtype=bone_map.dtype, device=bone_map.device) / 255
    pixels = bone_map.permute(0, 2, 3, 1)
    nearest = torch.cdist(pixels.flatten(1, 2), old).argmin(-1)
    return new[nearest].unflatten(1, pixels.shape[1:3]).permute(0, 3, 1, 2)


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur of (B, C, H, W), `sigma` in pixels, black outside the picture; 0 leaves it as it is."""
    if sigma == 0:
        return images
    radius = math.ceil(3 * sigma)
    x = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = (-0.5 * (x / sigma) ** 2).exp()
    channels = images.shape[1]
    kernel = (kernel / kernel.sum()).expand(channels, 1, 1, -1)
    rows = conv2d(images, kernel, padding=(0, radius), groups=channels)
    return conv2d(rows, kernel.mT, padding=(radius, 0), groups=channels)


def _difference(
    draw: Draw, keypoints: Tensor, small: Tensor, size: tuple[int, int], width: float, level: Level
) -> Tensor:
    k = level.shrink
    drawn = draw((keypoints + 0.5) / k - 0.5, size, width / k, level.softness / k)  # pixel centres sit at whole numbers
    return (gaussian_blur(drawn, level.blur / k) - small).square().mean((1, 2, 3))


def _turn_ends(
    coded: Tensor, keypoints: Tensor, skeleton: Skeleton, palettes: Sequence[Skeleton], width: float
) -> Tensor:
    """Descend once more from the pose as it is and from each limb's last bone turned round; keep what helped."""
    touched = [joint for bone in skeleton.bones for joint in bone]
    ends = [list(bone) for bone in skeleton.bones if touched.count(bone[1]) == 1 or touched.count(bone[0]) == 1]
    starts = [keypoints, *(keypoints.clone() for _ in ends)]
    for start, (a, b) in zip(starts[1:], ends, strict=True):
        start[:, [a, b]] = start[:, [b, a]]
    path, loss = descend(
        coded.repeat(len(starts), 1, 1, 1), torch.cat(starts), draw_with(palettes), width, replace(COARSE, steps=40)
    )
    path, loss = path.unflatten(1, (len(starts), -1)), loss.unflatten(0, (len(starts), -1))
    chosen = path[:, 0].clone()
    for index, bone in enumerate(ends, 1):
        helped = (loss[index] < 0.999 * loss[0])[:, None, None]
        chosen[:, :, bone] = torch.where(helped, path[:, index][:, :, bone], chosen[:, :, bone])
    return chosen
