"""Motion-capture forward kinematics, 10,000 frames in float32, beside a plain NumPy walk down the tree, frame by frame.

The loop is timed on the first 500 frames and scaled up; the places of both are compared on those. The limits: 44
numbers read and 54 written a frame (memory), and about 800 operations: seven quaternions to matrices, six products of
rotations, twenty rotated offsets (arithmetic).
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.limits import arithmetic_rate, best_time, memory_bandwidth, print_table
from napa_lib.data import load_mocap, mocap_to_joints
from napa_lib.data import mocap as body
from napa_lib.skeletons import NAPA18

FRAMES, LOOPED, OPERATIONS = 10_000, 500, 800


def matrix(quaternion: np.ndarray) -> np.ndarray:
    """3 x 3 rotation of one quaternion (w, x, y, z)."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def kinematics_loop(frames: np.ndarray) -> np.ndarray:
    """The same joints, one frame and one joint at a time."""
    offsets = torch.cat([body.LIMB_X, body.LIMB_Y, body.LIMB_Z], 1).numpy()
    upper, lower = body.UPPER[:, 0].numpy(), body.LOWER[:, 0].numpy()
    poses = []
    for frame in frames:
        root, chest, neck, *limbs = (matrix(frame[i : i + 4]) for i in body.QUATERNIONS)
        joints = {"pelvis": 1000 * frame[1:4]}
        joints["torso"] = joints["pelvis"] + root @ [0, body.CHEST, 0]
        chest = root @ chest
        neck_joint, neck = joints["torso"] + chest @ [0, body.NECK, 0], chest @ neck
        joints["neck"] = neck_joint + neck @ [0, body.HEAD_CENTRE - body.HEAD_RADIUS, 0]
        joints["nose"] = neck_joint + neck @ [body.HEAD_RADIUS, body.HEAD_CENTRE, 0]
        joints["head"] = neck_joint + neck @ [0, body.HEAD_CENTRE + body.HEAD_RADIUS, 0]
        for i, (turn, bend) in enumerate(zip(limbs, body.BENDS, strict=True)):
            place, parent = (joints["pelvis"], root) if i < 2 else (joints["torso"], chest)
            start = place + parent @ offsets[i]
            middle = start + parent @ turn @ [0, -upper[i], 0]
            end = middle + parent @ turn @ [lower[i] * np.sin(frame[bend]), -lower[i] * np.cos(frame[bend]), 0]
            joints |= {names[i]: point for names, point in zip(body.LIMB_JOINTS, (start, middle, end), strict=True)}
        joints["thorax"] = (joints["l_shoulder"] + joints["r_shoulder"]) / 2
        poses.append([joints[name] for name in NAPA18.joints])
    return np.array(poses)


def main() -> None:
    """Time both, check that they agree and print one table."""
    frames = torch.randn(FRAMES, 44, generator=torch.Generator().manual_seed(0))
    few = frames[:LOOPED].numpy()
    difference = np.abs(mocap_to_joints(frames[:LOOPED]).numpy() - kinematics_loop(few.astype(np.float64))).max()

    bandwidth, rate = memory_bandwidth(), arithmetic_rate()
    loop = best_time(lambda: kinematics_loop(few), repeats=3) * FRAMES / LOOPED
    timings = {}
    threads = torch.get_num_threads()
    for count in sorted({threads, 1}, reverse=True):
        torch.set_num_threads(count)
        timings[f"mocap_to_joints, threads: {count}"] = best_time(lambda: mocap_to_joints(frames), 30, warmup=3)
    torch.set_num_threads(threads)
    clip = best_time(lambda: load_mocap("dance_b"), repeats=3)
    ours = min(timings.values())
    timings[f"NumPy, frame by frame (x {FRAMES // LOOPED})"] = loop
    timings[f"memory limit at {bandwidth / 1e9:.1f} GB/s"] = (44 + 54) * 4 * FRAMES / bandwidth
    timings[f"arithmetic limit at {rate / 1e9:.0f} Gflop/s"] = OPERATIONS * FRAMES / rate
    rows = [
        {"what": what, "seconds": t, "us a pose": t / FRAMES * 1e6, "x the best": t / ours}
        for what, t in timings.items()
    ]
    print_table(f"Forward kinematics, {FRAMES} frames, float32", rows)
    print(f"  largest difference to the float64 loop: {difference:.2g} mm; target: under 2 us a pose")
    print(f"  reading one clip (dance_b, 153 frames) from its file: {clip * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
