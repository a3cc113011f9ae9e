"""Pseudo-3D: depths of a marked figure that keep its projection, bone lengths and joint limits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from napa_lib.annotate import pseudo_depth
from napa_lib.annotate.pseudo_depth import TURNED, in_millimetres, nearest_pose, strained_limbs
from napa_lib.lifting import bone_vectors, lift, load_depth_net
from napa_lib.sampling import SKELETON, global_to_relative, limbs_allowed, mocap_poses, relative_to_canonical
from napa_lib.skeletons import NAPA18, REGRESSION_BONES, convert

JOINTS = NAPA18.joints


@pytest.fixture(scope="module")
def depth_net():
    return load_depth_net()


def test_projection_and_bone_lengths_are_kept(depth_net):
    generator = torch.Generator().manual_seed(0)
    poses = mocap_poses("test")[torch.randint(200, (6,), generator=generator)].float()
    for pose in poses:
        body = convert(pose[None], "CROSSMODAL17", NAPA18)[0]
        keypoints = body[:, [1, 2]] / 4 + 300  # seen from the front, 4 mm to a pixel
        found = pseudo_depth(keypoints, *depth_net)
        moved = found.pose[:, :2] / found.scale
        torch.testing.assert_close(moved - moved[0], keypoints - keypoints[0], atol=1e-3, rtol=1e-4)
        flat = found.scale * bone_vectors(keypoints).norm(dim=-1)
        expected = torch.maximum(depth_net[1].length, flat)
        torch.testing.assert_close(bone_vectors(found.pose).norm(dim=-1), expected, atol=0.05, rtol=1e-4)
        torch.testing.assert_close(found.depths, found.pose[:, 2] / found.scale)


def test_limits_decide_before_the_guess_does(depth_net):
    """Of all 256 ways to turn the bones over: none strains fewer limbs, and of those that strain as few none is nearer
    to the network's guess. Built joint by joint, in NumPy."""
    start = [JOINTS.index(name) for name in ("l_hip", "l_knee", "r_hip", "r_knee", "l_shoulder", "l_elbow",
                                             "r_shoulder", "r_elbow")]  # fmt: skip
    end = [JOINTS.index(name) for name in ("l_knee", "l_ankle", "r_knee", "r_ankle", "l_elbow", "l_wrist",
                                           "r_elbow", "r_wrist")]  # fmt: skip
    assert sorted(REGRESSION_BONES[i] for i in TURNED) == sorted(zip(end, start, strict=True))
    strained = []
    for number, side in itertools.product((0, 40, 60, 70, 150), (1, -1)):  # as guessed, and the opposite
        body = convert(mocap_poses("test")[number][None].float(), "CROSSMODAL17", NAPA18)[0]
        keypoints = body[:, [1, 2]] / 4 + 300
        lifted = lift(keypoints[None], *depth_net).detach()
        found = nearest_pose(keypoints, side * bone_vectors(lifted)[0, :, 2], depth_net[1].length)
        if side == 1:
            assert torch.equal(found.pose, pseudo_depth(keypoints, *depth_net).pose)
        guess = side * lifted[0, :, 2].numpy()
        others = [i for i in range(len(REGRESSION_BONES)) if i not in TURNED]
        ours, theirs = (bone_vectors(p)[others, 2] for p in (found.pose, side * lifted[0]))
        assert bool((ours * theirs >= -1e-3).all())  # hips, shoulders, trunk and head are the guess's
        pose = found.pose.double().numpy()
        size = np.abs(pose[end, 2] - pose[start, 2])
        costs = {}
        for signs in itertools.product((-1, 1), repeat=8):
            other = pose.copy()
            for a, b, step in zip(start, end, np.array(signs) * size, strict=True):
                other[b, 2] = other[a, 2] + step
            same = convert(torch.tensor(other)[None], NAPA18, SKELETON)
            canonical = relative_to_canonical(global_to_relative(same)[0])[0]
            far = np.abs((other[end, 2] - other[start, 2]) - (guess[end] - guess[start])).sum()
            costs[signs] = (int((~limbs_allowed(canonical)).sum()), round(float(far), 1))
        chosen = tuple(np.where(pose[end, 2] >= pose[start, 2], 1, -1).tolist())
        assert costs[chosen] == min(costs.values())
        assert costs[chosen][0] == int((~found.allowed).sum())
        strained.append({cost[0] for cost in costs.values()})
    assert any(len(counts) > 1 for counts in strained)  # the limits had something to decide


def test_marked_depths_are_as_large_as_a_body_round_its_pelvis_or_its_middle(depth_net):
    length, joints = depth_net[1].length, 20 * torch.randn(18, 3, generator=torch.Generator().manual_seed(0))
    whole = in_millimetres(joints[:, :2], joints[:, 2], length)
    bones = bone_vectors(joints).square().sum()
    torch.testing.assert_close(whole, (joints - joints[0]) * (length.square().sum() / bones).sqrt())
    unsaid = joints[:, 2].clone()
    unsaid[0] = torch.nan
    found = in_millimetres(joints[:, :2], unsaid, length)
    torch.testing.assert_close(found.nanmean(0), torch.zeros(3), atol=1e-2, rtol=0)
    assert found.isnan().sum() == 1


def test_limbs_that_strain_are_named_and_unknown_ones_are_not(depth_net):
    body = convert(mocap_poses("test")[:200].float(), "CROSSMODAL17", NAPA18)
    ankle, knee = JOINTS.index("l_ankle"), JOINTS.index("l_knee")
    turned = body.clone()
    turned[:, ankle] = 2 * turned[:, knee] - turned[:, ankle]  # the lower leg folded back over the knee
    fine = [i for i, pose in enumerate(body) if not strained_limbs(pose)]
    named = [strained_limbs(turned[i]) for i in fine]
    assert len(fine) > 100 and all(limbs in ([], ["left leg"]) for limbs in named)
    broken = fine[named.index(["left leg"])]
    for missing, known in (("l_wrist", ["left leg"]), ("l_ankle", []), ("r_hip", [])):
        pose = turned[broken].clone()
        pose[JOINTS.index(missing)] = torch.nan
        assert strained_limbs(pose) == known, missing


def test_a_bone_that_is_drawn_too_long_is_told(depth_net):
    keypoints = convert(mocap_poses("test")[40][None].float(), "CROSSMODAL17", NAPA18)[0][:, [1, 2]] / 4
    wrist, elbow = JOINTS.index("l_wrist"), JOINTS.index("l_elbow")
    keypoints[wrist] = keypoints[elbow] + torch.tensor([0.0, 200.0])
    found = pseudo_depth(keypoints, *depth_net)
    share = found.scale * bone_vectors(keypoints).norm(dim=-1) / depth_net[1].length
    assert bool(found.too_long[REGRESSION_BONES.index((wrist, elbow))])
    assert bool(found.too_long[share > 1.06].all()) and not bool(found.too_long[share < 1.04].any())
    assert bool((share < 1).any())


def test_missing_joints_poison_nothing_and_a_point_is_refused(depth_net):
    keypoints = torch.rand(18, 2, generator=torch.Generator().manual_seed(1)) * 200
    keypoints[JOINTS.index("l_wrist")] = torch.nan
    found = pseudo_depth(keypoints, *depth_net)
    missing = found.pose.isnan().any(-1)
    assert missing.nonzero().flatten().tolist() == [JOINTS.index("l_wrist")]
    with pytest.raises(ValueError, match="both joints of some bone"):
        pseudo_depth(torch.full((18, 2), torch.nan), *depth_net)
    with pytest.raises(ValueError, match="18, 2"):
        pseudo_depth(torch.zeros(17, 2), *depth_net)


# ---- what comes out
