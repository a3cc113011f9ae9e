"""Artificial poses beside pytorch_kinematics, and the steps between coordinate systems, as microseconds a pose.

pytorch_kinematics (PyPI, not needed by the course) takes a URDF; the chain it is given has the same bones, two hinges
for each joint with freedom, in a tree as deep as ours. Its time holds forward kinematics alone, ours the drawing of the
angles, the kinematics and a random rotation. Targets: a million poses in 4 s, five times faster a pose than it, and at
most 2 us a pose from canonical to local and back. On a busy machine, read the ratios.
"""

from __future__ import annotations

import torch

from benchmarks.limits import best_time, memory_bandwidth, print_table
from napa_lib.geometry import canonical_to_local, local_to_canonical, to_canonical
from napa_lib.sampling import BONE_LENGTHS, FREE, SKELETON, sample_canonical, sample_poses

POSES, CHAIN_POSES = 1_000_000, 1000


def urdf() -> str:
    """The skeleton as a URDF: a fixed joint for each bone without freedom, two hinges for each other one."""
    links, joints = ['<link name="pelvis"/>'], []
    for j, name in enumerate(SKELETON.joints):
        if j == SKELETON.root:
            continue
        parent, length = SKELETON.joints[SKELETON.parents[j]], float(BONE_LENGTHS[j]) / 1000
        start = parent
        for axis in ("1 0 0", "0 0 1") if name in FREE else ():
            hinge = f"{name}_{axis[0]}"
            links.append(f'<link name="{hinge}"/>')
            joints.append(
                f'<joint name="turn_{hinge}" type="revolute"><parent link="{start}"/><child link="{hinge}"/>'
                f'<axis xyz="{axis}"/><limit lower="-3.2" upper="3.2" effort="1" velocity="1"/></joint>'
            )
            start = hinge
        links.append(f'<link name="{name}"/>')
        joints.append(
            f'<joint name="bone_{name}" type="fixed"><parent link="{start}"/><child link="{name}"/>'
            f'<origin xyz="0 0 {length}"/></joint>'
        )
    return f'<robot name="body">{"".join(links + joints)}</robot>'


def peer_time() -> float | None:
    """Seconds a pose that pytorch_kinematics takes for the chain; None where it is not installed."""
    try:
        import pytorch_kinematics
    except ImportError:
        return None
    chain = pytorch_kinematics.build_chain_from_urdf(urdf().encode())
    angles = torch.rand(CHAIN_POSES, len(chain.get_joint_parameter_names()))
    return best_time(lambda: chain.forward_kinematics(angles), 10, warmup=2) / CHAIN_POSES


def main() -> None:
    """Time all and print one table."""
    generator = torch.Generator().manual_seed(0)
    few = sample_canonical(50_000, generator=generator)
    local = canonical_to_local(few, SKELETON)
    peer = peer_time()
    timings = {
        f"sample_poses, of {POSES:,}": best_time(lambda: sample_poses(POSES, generator=generator), 3) / POSES,
        "to_canonical": best_time(lambda: to_canonical(few, SKELETON), 5) / len(few),
        "canonical_to_local": best_time(lambda: canonical_to_local(few, SKELETON), 5) / len(few),
        "local_to_canonical": best_time(lambda: local_to_canonical(local, SKELETON), 5) / len(few),
        "limit: 51 numbers written": 51 * 4 / memory_bandwidth(),
    }
    if peer is not None:
        timings["pytorch_kinematics, batches of 1,000"] = peer
    ours = next(iter(timings.values()))
    rows = [{"what": what, "us a pose": t * 1e6, "x sample_poses": t / ours} for what, t in timings.items()]
    print_table("Artificial poses, 17 joints, float32", rows)
    print(f"  a million poses: {ours * 1e6:.2f} s (target 4)")
    if peer is None:
        print("  pytorch_kinematics is not installed: pip install pytorch-kinematics")


if __name__ == "__main__":
    main()
