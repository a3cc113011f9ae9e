"""Renderers: ovals against a plain reading of the paper, the skeleton image against the direct broadcast.

    python -m benchmarks rendering

The poses are an upright figure, its joints shaken by 4 pixels, and, as the costly case, joints strewn over the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.limits import best_time, memory_bandwidth, print_table
from napa_lib.rendering import render_bone_map, render_skeleton
from napa_lib.skeletons import NAPA18

SIDE, WIDTH, BATCH = 224, 20.0, 64
FIGURE = [
    *((112, 118), (100, 120), (98, 155), (97, 192), (124, 120), (127, 155), (128, 192)),  # pelvis and legs
    *((112, 95), (112, 70), (112, 60), (112, 42)),  # torso to head
    *((128, 72), (140, 95), (148, 118), (96, 72), (84, 95), (76, 118), (112, 72)),  # arms, thorax
]


def distance_to_line(point: np.ndarray, through: np.ndarray, direction: np.ndarray) -> float:
    """dist((x, y), axis) of the paper, the axis given by a point and a unit vector."""
    offset = point - through
    return float(np.linalg.norm(offset - np.dot(offset, direction) * direction))


def plain_ovals(pose: np.ndarray) -> np.ndarray:
    """(3, SIDE, SIDE): the paper word by word: each bone, each pixel of its window, its distance from both axes."""
    picture = np.zeros((3, SIDE, SIDE), np.float32)
    for (i, j), color in zip(NAPA18.bones, np.array(NAPA18.colors) / 255, strict=True):
        start, end = pose[i], pose[j]
        centre, length = (start + end) / 2, np.linalg.norm(end - start)
        along = (end - start) / length
        across = np.array([-along[1], along[0]])
        low = np.maximum(np.floor(np.minimum(start, end) - WIDTH / 2), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(start, end) + WIDTH / 2), SIDE - 1).astype(int)
        for y in range(low[1], high[1] + 1):
            for x in range(low[0], high[0] + 1):
                point = np.array([x, y])
                perpendicular = distance_to_line(point, centre, along)
                parallel = distance_to_line(point, centre, across)
                if (perpendicular / (WIDTH / 2)) ** 2 + (parallel / (length / 2)) ** 2 < 1:
                    picture[:, y, x] = color
    return picture


def boxed_ovals(pose: np.ndarray) -> np.ndarray:
    """(3, SIDE, SIDE): the same with all pixels of a bone's window at once, as a NumPy user would write it."""
    picture = np.zeros((3, SIDE, SIDE), np.float32)
    for (i, j), color in zip(NAPA18.bones, np.array(NAPA18.colors, np.float32) / 255, strict=True):
        start, end = pose[i], pose[j]
        (cx, cy), length = (start + end) / 2, np.linalg.norm(end - start)
        ex, ey = (end - start) / length
        low = np.maximum(np.floor(np.minimum(start, end) - WIDTH / 2), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(start, end) + WIDTH / 2), SIDE - 1).astype(int)
        x, y = np.arange(low[0], high[0] + 1) - cx, (np.arange(low[1], high[1] + 1) - cy)[:, None]
        inside = ((y * ex - x * ey) / (WIDTH / 2)) ** 2 + ((x * ex + y * ey) / (length / 2)) ** 2 < 1
        picture[:, low[1] : high[1] + 1, low[0] : high[0] + 1][:, inside] = color[:, None]
    return picture


def direct_skeleton(points: Tensor, side: int, gamma: float = 25.0) -> Tensor:
    """KeypointGAN's eq. 1 by broadcasting every pixel against every bone."""
    x = torch.linspace(-1, 1, side)
    y = x[:, None]
    start, end = (points[:, list(ends)][..., None, None].unbind(2) for ends in zip(*NAPA18.bones, strict=True))
    (ax, ay), (dx, dy) = start, (end[0] - start[0], end[1] - start[1])
    r = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
    square = (x - ax - r * dx).square() + (y - ay - r * dy).square()
    return torch.exp(-gamma * square.amin(1, keepdim=True))


def with_gradient(draw: Callable[[Tensor], Tensor], points: Tensor) -> Callable[[], Tensor]:
    """A forward and a backward pass under a fixed gradient of the picture."""
    free = points.clone().requires_grad_()
    weight = torch.ones_like(draw(points))
    return lambda: torch.autograd.grad(draw(free), free, weight)[0]


def ovals(bandwidth: float) -> None:
    """The table of the oval renderer."""
    generator = torch.Generator().manual_seed(0)
    figures = torch.tensor(FIGURE, dtype=torch.float32) + 4 * torch.randn(BATCH, 18, 2, generator=generator)
    strewn = SIDE * torch.rand(BATCH, 18, 2, generator=generator)
    few = figures[:2].numpy().astype(np.float64)
    ours = render_bone_map(figures[:2], NAPA18, SIDE, WIDTH).numpy()
    for name, theirs in (("plain", plain_ovals), ("boxed", boxed_ovals)):
        if np.abs(np.stack([theirs(p) for p in few]) - ours).mean() > 1e-4:
            raise AssertionError(f"the {name} ovals differ from the library's")
    plain = best_time(lambda: [plain_ovals(p) for p in few], 5) / len(few)
    picture = 3 * SIDE * SIDE * 4 / bandwidth  # seconds to write one

    def row(work: str, seconds: float, pictures: int) -> dict[str, object]:
        limit = pictures * picture
        return {
            "ovals, 16 bones, 224 x 224": work,
            "ms a pose": 1e3 * seconds,
            "times faster": plain / seconds,
            "memory limit, ms": 1e3 * limit,
            "times the limit": seconds / limit,
        }

    def hard(poses: Tensor) -> Tensor:
        return render_bone_map(poses, NAPA18, SIDE, WIDTH)

    def soft(poses: Tensor) -> Tensor:
        return render_bone_map(poses, NAPA18, SIDE, WIDTH, softness=1.0)

    def timed(fn: Callable[[], object], batch: int = BATCH) -> float:
        return best_time(fn, 30, warmup=3) / batch

    print_table(
        f"Ovals, batch {BATCH}, {torch.get_num_threads()} threads (limit: write a picture, read its gradient)",
        [
            row("word by word, NumPy", plain, 1),
            row("a bone at a time, NumPy", best_time(lambda: [boxed_ovals(p) for p in few], 30) / len(few), 1),
            row("torch.zeros, an empty picture", timed(lambda: torch.zeros(BATCH, 3, SIDE, SIDE)), 1),
            row("hard", timed(lambda: hard(figures)), 1),
            row("hard, joints strewn", timed(lambda: hard(strewn)), 1),
            row("soft", timed(lambda: soft(figures)), 1),
            row("soft, forward and backward", timed(with_gradient(soft, figures)), 2),
            row("soft, f. and b., joints strewn", timed(with_gradient(soft, strewn)), 2),
            row("soft, f. and b., batch 1", timed(with_gradient(soft, figures[:1]), 1), 2),
        ],
    )


def skeletons(bandwidth: float, side: int = 128, batch: int = 16) -> None:
    """The table of the skeleton renderer."""
    generator = torch.Generator().manual_seed(0)
    points = torch.tensor(FIGURE) / 112 - 1 + 0.035 * torch.randn(batch, 18, 2, generator=generator)
    if (direct_skeleton(points, side) - render_skeleton(points, NAPA18.bones, side)).abs().max() > 1e-5:
        raise AssertionError("the direct broadcast differs from the library's picture")
    draws = {
        "direct broadcast": lambda p: direct_skeleton(p, side),
        "the library": lambda p: render_skeleton(p, NAPA18.bones, side),
    }
    rows = []
    for work, pictures in (("forward", 1), ("forward and backward", 2)):
        limit, direct = pictures * side * side * 4 / bandwidth, None
        for name, draw in draws.items():
            call = (lambda d=draw: d(points)) if pictures == 1 else with_gradient(draw, points)
            seconds = best_time(call, 60, warmup=3) / batch
            direct = direct or seconds
            rows.append(
                {
                    "skeleton image, 16 bones, 128 x 128": f"{name}, {work}",
                    "ms a pose": 1e3 * seconds,
                    "times faster": direct / seconds,
                    "memory limit, ms": 1e3 * limit,
                    "times the limit": seconds / limit,
                }
            )
    print_table(f"KeypointGAN's eq. 1, batch {batch}, float32, {torch.get_num_threads()} threads", rows)


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(2)
    bandwidth = memory_bandwidth()
    print(f"memory {bandwidth / 1e9:.1f} GB/s")
    ovals(bandwidth)
    skeletons(bandwidth)


if __name__ == "__main__":
    main()
