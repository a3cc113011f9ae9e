"""PA-MPJPE on 100,000 poses of 17 joints, beside the per-pose SVD that most evaluation scripts loop over.

The loop is timed on the first 2,000 poses and scaled up; the result of both is compared on those. The limits: the two
inputs must be read once (memory), and centring, the covariance, the alignment and the distances take about 80
operations a joint (arithmetic); neither counts what the rotation itself costs, so no program reaches them.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.limits import arithmetic_rate, best_time, memory_bandwidth, print_table
from napa_lib.geometry.alignment import _best_rotation
from napa_lib.metrics import pa_mpjpe

POSES, JOINTS, LOOPED = 100_000, 17, 2_000


def procrustes_loop(prediction: np.ndarray, target: np.ndarray) -> float:
    """PA-MPJPE one pose at a time, with NumPy's SVD."""
    errors = []
    for x, y in zip(prediction, target, strict=True):
        mean_x, mean_y = x.mean(0), y.mean(0)
        x, y = x - mean_x, y - mean_y
        u, s, vt = np.linalg.svd(y.T @ x)
        if np.linalg.det(u @ vt) < 0:
            u[:, -1], s[-1] = -u[:, -1], -s[-1]
        aligned = s.sum() / (x**2).sum() * x @ (u @ vt).T
        errors.append(np.linalg.norm(aligned - y, axis=1).mean())
    return float(np.mean(errors))


def main() -> None:
    """Time both, check that they agree and print one table."""
    generator = torch.Generator().manual_seed(0)
    target = 300 * torch.randn(POSES, JOINTS, 3, generator=generator)
    prediction = 0.9 * target[..., [1, 2, 0]] + 100 * torch.randn(POSES, JOINTS, 3, generator=generator)
    few = prediction[:LOOPED].numpy(), target[:LOOPED].numpy()
    difference = abs(pa_mpjpe(prediction[:LOOPED], target[:LOOPED]).total.item() - procrustes_loop(*few))

    bandwidth, rate = memory_bandwidth(), arithmetic_rate()
    h = torch.randn(3, 3, POSES, generator=generator, dtype=torch.float64)
    matrices = h.permute(2, 0, 1).contiguous()
    ours = best_time(lambda: pa_mpjpe(prediction, target), repeats=5)
    loop = best_time(lambda: procrustes_loop(*few), repeats=3) * POSES / LOOPED
    rotation = best_time(lambda: _best_rotation(h), repeats=5)
    svd = best_time(lambda: torch.linalg.svd(matrices), repeats=3)
    memory, arithmetic = 2 * target.numel() * 4 / bandwidth, 80 * POSES * JOINTS / rate
    rows: list[dict[str, object]] = [
        {"what": "pa_mpjpe", "seconds": ours, "us a pose": ours / POSES * 1e6, "x pa_mpjpe": 1.0},
        {"what": f"NumPy, one SVD a pose (x {POSES // LOOPED})", "seconds": loop, "us a pose": loop / POSES * 1e6,
         "x pa_mpjpe": loop / ours},
        {"what": "  of which the rotations, closed form", "seconds": rotation, "us a pose": rotation / POSES * 1e6,
         "x pa_mpjpe": rotation / ours},
        {"what": "  the same by torch.linalg.svd, batched", "seconds": svd, "us a pose": svd / POSES * 1e6,
         "x pa_mpjpe": svd / ours},
        {"what": f"memory limit at {bandwidth / 1e9:.1f} GB/s", "seconds": memory, "us a pose": memory / POSES * 1e6,
         "x pa_mpjpe": memory / ours},
        {"what": f"arithmetic limit at {rate / 1e9:.0f} Gflop/s", "seconds": arithmetic,
         "us a pose": arithmetic / POSES * 1e6, "x pa_mpjpe": arithmetic / ours},
    ]  # fmt: skip
    threads = torch.get_num_threads()
    print_table(f"PA-MPJPE, {POSES:,} poses of {JOINTS} joints, float32, {threads} threads", rows)
    print(f"  largest allowed: 1 s. Difference to the loop on {LOOPED:,} poses: {difference:.1e} mm")


if __name__ == "__main__":
    main()
