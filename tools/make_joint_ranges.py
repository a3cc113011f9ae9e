"""Write assets/joint_limits/ranges.json: the limits of legs, arms and neck in two body models, in one notation.

    python tools/make_joint_ranges.py humanoid_CMU.xml Model_Pose2Sim_simple.osim

The first is MuJoCo's model of the CMU motion-capture body (PyPI dm-control, Apache-2.0): hinges in a row, each with an
axis and a range. Its hinges do not turn about flexion, abduction and rotation, so they are turned at random within
their ranges, and the four angles of `napa_lib.sampling.anatomy` are read off the limbs: 95 % of them lie in the range
written. The second is Pose2Sim's OpenSim model (PyPI pose2sim, BSD-3-Clause), whose coordinates are those angles.

Legs are taken from Pose2Sim. Its arms cannot be raised above the shoulder by more than 30 degrees; there its ranges of
flexion and abduction are carried up to the CMU body's, and its axial rotation is the wider of the two.
"""

from __future__ import annotations

import json
import math
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.geometry import axis_angle_to_matrix, quaternion_to_matrix
from napa_lib.sampling.anatomy import ANGLES, STRAIGHT, limb_angles

TARGET = Path(__file__).parents[1] / "assets" / "joint_limits" / "ranges.json"
SAMPLES, SHARE = 200_000, 0.95
CMU_LIMBS = {"leg": ("rfemur", "rtibia", "rfoot"), "arm": ("rclavicle", "rhumerus", "rradius", "rwrist")}
CMU_NECK = ("lowerneck", "upperneck", "head")
AXES = {"z": "forward", "y": "up", "x": "left"}  # of the CMU body
POSE2SIM = {  # coordinate of each angle, and -1 where the model counts towards the body
    "leg": (("hip_flexion_r", 1), ("hip_adduction_r", -1), ("hip_rotation_r", 1), ("knee_angle_r", 1)),
    "arm": (("arm_flex_r", 1), ("arm_add_r", -1), ("arm_rot_r", 1), ("elbow_flex_r", 1)),
}


def numbers(text: str) -> Tensor:
    return torch.tensor([float(word) for word in text.split()], dtype=torch.float64)


def hinge_turns(body: ET.Element, generator: torch.Generator) -> Tensor:
    """The body's rotation at rest, and then each of its hinges at random within its range: (SAMPLES, 3, 3)."""
    turn = quaternion_to_matrix(numbers(body.get("quat", "1 0 0 0"))).expand(SAMPLES, 3, 3)
    for joint in body.findall("joint"):
        low, high = numbers(joint.get("range", ""))
        angle = torch.deg2rad(low + (high - low) * torch.rand(SAMPLES, 1, generator=generator, dtype=torch.float64))
        turn = turn @ axis_angle_to_matrix(angle * numbers(joint.get("axis", "")))
    return turn


def cmu_limb(root: ET.Element, chain: tuple[str, ...], limb: str, generator: torch.Generator) -> dict:
    """The central 95 % of each angle of a limb of the CMU body, with its trunk still."""
    bodies = [root.find(f".//body[@name='{name}']") for name in chain]
    turn, vectors = torch.eye(3, dtype=torch.float64).expand(SAMPLES, 3, 3), []
    for body, child in zip(bodies, bodies[1:], strict=False):
        turn = turn @ hinge_turns(body, generator)
        vectors.append(turn @ numbers(child.get("pos")))
    upper, lower = (torch.nn.functional.normalize(v[:, [2, 0, 1]], dim=-1) for v in vectors[-2:])  # x forward, z up
    angles = nearest_notation(limb_angles(upper, lower, limb, "r"))
    bent = angles[:, 3] > STRAIGHT
    tail = torch.tensor([(1 - SHARE) / 2, (1 + SHARE) / 2], dtype=torch.float64)
    columns = [angles[bent, i] if name == "rotation" else angles[:, i] for i, name in enumerate(ANGLES)]
    return {name: torch.quantile(c, tail).round().tolist() for name, c in zip(ANGLES, columns, strict=True)}


def nearest_notation(angles: Tensor) -> Tensor:
    """Of the two sets of angles that give the same pose, the one with the smaller turns."""
    other = torch.stack([angles[:, 0] + 180, 180 - angles[:, 1], angles[:, 2] + 180, angles[:, 3]], -1)
    other = torch.remainder(other + 180, 360) - 180
    return torch.where((angles.abs().sum(1) <= other.abs().sum(1))[:, None], angles, other)


def used_ranges(limbs: dict) -> dict:
    """What the course takes of the two models."""
    cmu, clinical = limbs["humanoid_CMU"]["arm"], limbs["Pose2Sim"]["arm"]
    arm = {**clinical, **{name: [clinical[name][0], cmu[name][1]] for name in ("flexion", "abduction")}}
    arm["rotation"] = [
        min(cmu["rotation"][0], clinical["rotation"][0]),
        max(cmu["rotation"][1], clinical["rotation"][1]),
    ]
    return {"leg": limbs["Pose2Sim"]["leg"], "arm": arm}


def pose2sim_limb(root: ET.Element, limb: str) -> dict:
    ranges = {}
    for angle, (name, sign) in zip(ANGLES, POSE2SIM[limb], strict=True):
        low, high = numbers(root.findtext(f".//Coordinate[@name='{name}']/range") or "")
        ends = sorted(round(sign * math.degrees(float(end)), 1) for end in (low, high))
        ranges[angle] = ends
    return ranges


def main(cmu_file: str, osim_file: str) -> None:
    cmu, osim = ET.parse(cmu_file).getroot(), ET.parse(osim_file).getroot()
    generator = torch.Generator().manual_seed(0)
    limbs = {
        "humanoid_CMU": {limb: cmu_limb(cmu, chain, limb, generator) for limb, chain in CMU_LIMBS.items()},
        "Pose2Sim": {limb: pose2sim_limb(osim, limb) for limb in POSE2SIM},
    }
    neck = [
        {"axis": AXES[joint.get("name")[-1]], "range": numbers(joint.get("range")).tolist()}
        for name in CMU_NECK
        for joint in cmu.find(f".//body[@name='{name}']").findall("joint")
    ]
    document = {"unit": "degrees", "models": limbs, "limbs": used_ranges(limbs), "neck": neck}
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    columns = {**limbs, "used": document["limbs"]}
    for limb in POSE2SIM:
        for angle in ANGLES:
            print(
                f"{limb} {angle:10}", *(f"{name}: {values[limb][angle]}" for name, values in columns.items()), sep="  "
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
