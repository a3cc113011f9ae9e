"""Geometry against scipy, NumPy loops and closed forms in float64, and the laws it must obey."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napa_lib.geometry import (
    Camera,
    axis_angle_to_matrix,
    canonical_to_local,
    forward_kinematics,
    local_to_canonical,
    look_at,
    procrustes_align,
    project_perspective,
    project_weak_perspective,
    quaternion_to_matrix,
    rotation_from_euler,
    similarity_transform,
    to_canonical,
    triangulate,
    undistort,
)
from napa_lib.skeletons import COCO17, H36M17, NAPA18, SHARED15

SEEDS = st.integers(0, 10_000)
DISTORTION = (-0.046, 0.14, 0.0006, 0.0007)  # of the size of the calibrated videos' lenses


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_rotation(seed: int, *batch: int) -> torch.Tensor:
    return torch.tensor(Rotation.random(int(np.prod(batch)), random_state=seed).as_matrix()).reshape(*batch, 3, 3)


def random_cameras(seed: int, count: int) -> list[Camera]:
    """Cameras three metres or so away from the origin, that look at it, with lenses like the videos'."""
    rng = np.random.default_rng(seed)
    cameras = []
    for _ in range(count):
        position = rng.normal(size=3)
        position *= rng.uniform(2500, 4000) / np.linalg.norm(position)
        origin, up = torch.zeros(3).double(), torch.tensor([0.0, 0.0, 1.0]).double()
        ideal = look_at(torch.tensor(position), origin, up, focal=900.0, size=(640, 480))
        cameras.append(Camera(ideal.K, ideal.R, ideal.t, DISTORTION, ideal.size))
    return cameras


# Rotations --------------------------------------------------------------------------------------------------------


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_rotations_agree_with_scipy(seed):
    angles, quaternion, vector = 3 * normal(seed, 5, 3), normal(seed + 1, 5, 4), 2 * normal(seed + 2, 5, 3)
    np.testing.assert_allclose(rotation_from_euler(angles), Rotation.from_euler("xyz", angles).as_matrix(), atol=1e-12)
    scipy_order = quaternion[:, [1, 2, 3, 0]]  # scipy puts the scalar part last
    np.testing.assert_allclose(
        quaternion_to_matrix(quaternion), Rotation.from_quat(scipy_order).as_matrix(), atol=1e-12
    )
    np.testing.assert_allclose(axis_angle_to_matrix(vector), Rotation.from_rotvec(vector).as_matrix(), atol=1e-12)


@pytest.mark.parametrize("length", [0.0, 1e-12, 9e-5, 1.1e-4, 1e-3, 3.14159265])
def test_axis_angle_is_accurate_at_any_length(length):
    vector = length * torch.nn.functional.normalize(normal(0, 3), dim=0)
    np.testing.assert_allclose(axis_angle_to_matrix(vector), Rotation.from_rotvec(vector).as_matrix(), atol=1e-15)


@pytest.mark.parametrize("function", [rotation_from_euler, axis_angle_to_matrix])
def test_rotation_gradients(function):
    assert torch.autograd.gradcheck(function, normal(3, 2, 3).requires_grad_())
    assert torch.autograd.gradcheck(function, torch.zeros(3, dtype=torch.float64, requires_grad=True))


def test_quaternion_gradients_and_zero():
    assert torch.autograd.gradcheck(quaternion_to_matrix, normal(3, 2, 4).requires_grad_())
    zero = torch.zeros(4, requires_grad=True)
    matrix = quaternion_to_matrix(zero)
    matrix.sum().backward()
    assert torch.equal(matrix, torch.eye(3)) and zero.grad is not None and zero.grad.isfinite().all()


@pytest.mark.parametrize(
    ("function", "name"),
    [(rotation_from_euler, "angles"), (quaternion_to_matrix, "quaternion"), (axis_angle_to_matrix, "vector")],
)
def test_rotations_refuse_shapes(function, name):
    with pytest.raises(ValueError, match=f"{name} must be floating"):
        function(torch.zeros(2, 5))


# Kinematics -------------------------------------------------------------------------------------------------------


def frame_by_hand(parent_bone: np.ndarray) -> np.ndarray:
    """Gram-Schmidt of the parent bone and the canonical x axis, as rows x, y, z."""
    z = parent_bone / np.linalg.norm(parent_bone)
    x = np.array([1.0, 0.0, 0.0])
    x = x - (x @ z) * z
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


@given(SEEDS, st.sampled_from([NAPA18, H36M17, SHARED15, COCO17]))
@settings(max_examples=20, deadline=None)
def test_canonical_frame_by_hand(seed, skeleton):
    pose = 300 * normal(seed, skeleton.num_joints, 3)
    canonical, rotation = (value.numpy() for value in to_canonical(pose, skeleton))
    point = {name: canonical[i] for i, name in enumerate(skeleton.joints)}
    neck = (point["l_shoulder"] + point["r_shoulder"]) / 2 - (point["l_hip"] + point["r_hip"]) / 2
    np.testing.assert_allclose(neck[:2], 0, atol=1e-9)  # the neck straight above the hips' midpoint
    hips = point["l_hip"] - point["r_hip"]
    assert neck[2] > 0 and hips[1] > 0  # up is up and left is left
    np.testing.assert_allclose(hips[0], 0, atol=1e-9)  # the hips in the plane across the line of sight forward
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-12)
    np.testing.assert_allclose(canonical @ rotation.T + pose[skeleton.root].numpy(), pose, atol=1e-9)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_canonical_pose_does_not_depend_on_the_view(seed):
    pose = 300 * normal(seed, 3, 18, 3)
    canonical, rotation = to_canonical(pose, NAPA18)
    view, shift = random_rotation(seed, 3), 1000 * normal(seed + 1, 3, 1, 3)
    seen, seen_rotation = to_canonical(pose @ view.mT + shift, NAPA18)
    torch.testing.assert_close(seen, canonical, rtol=1e-8, atol=1e-6)
    torch.testing.assert_close(seen_rotation, view @ rotation, rtol=1e-8, atol=1e-8)


def test_a_person_who_faces_us_in_camera_axes():
    """Camera axes: x right, y down, z away. Facing the camera, one's left is at our right and forward is -z."""
    pose = torch.zeros(18, 3)
    pose[NAPA18.index("l_hip")] = torch.tensor([100.0, 0.0, 0.0])
    pose[NAPA18.index("r_hip")] = torch.tensor([-100.0, 0.0, 0.0])
    pose[NAPA18.index("l_shoulder")] = torch.tensor([150.0, -500.0, 0.0])
    pose[NAPA18.index("r_shoulder")] = torch.tensor([-150.0, -500.0, 0.0])
    pose[NAPA18.index("nose")] = torch.tensor([0.0, -700.0, -90.0])
    canonical, rotation = to_canonical(pose, NAPA18)
    torch.testing.assert_close(canonical[NAPA18.index("nose")], torch.tensor([90.0, 0.0, 700.0]))
    torch.testing.assert_close(rotation, torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]]))


@given(SEEDS, st.sampled_from([NAPA18, SHARED15, COCO17]))
@settings(max_examples=20, deadline=None)
def test_local_bones_by_hand_and_back(seed, skeleton):
    canonical = 300 * normal(seed, skeleton.num_joints, 3)
    canonical = canonical - canonical[skeleton.root]
    local = canonical_to_local(canonical, skeleton)
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            expected = np.zeros(3)
        else:
            expected = (canonical[joint] - canonical[parent]).numpy()
            above = skeleton.parents[parent]
            if above >= 0:
                expected = frame_by_hand((canonical[parent] - canonical[above]).numpy()) @ expected
        np.testing.assert_allclose(local[joint], expected, atol=1e-9)
    torch.testing.assert_close(local_to_canonical(local, skeleton), canonical)
    lengths = local.norm(dim=-1)
    torch.testing.assert_close(forward_kinematics(local, skeleton, lengths), canonical)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_forward_kinematics_keeps_lengths_and_gives_the_directions_back(seed):
    directions, lengths = normal(seed, 4, 18, 3), normal(seed + 1, 18).abs() * 100 + 50
    pose = forward_kinematics(directions, NAPA18, lengths)
    child, parent = zip(*[(c, p) for c, p in enumerate(NAPA18.parents) if p >= 0], strict=True)
    bones = pose[:, list(child)] - pose[:, list(parent)]
    torch.testing.assert_close(bones.norm(dim=-1), lengths[list(child)].expand(4, -1))
    local = canonical_to_local(pose, NAPA18)[:, 1:]
    unit = torch.nn.functional.normalize(directions, dim=-1)[:, 1:]
    torch.testing.assert_close(local / lengths[1:, None], unit)
    taller = forward_kinematics(directions, NAPA18, 2 * lengths)
    torch.testing.assert_close(taller, 2 * pose)


def test_a_bent_elbow_by_hand():
    """An upper arm straight out to the left and the forearm raised by 90 degrees."""
    directions = torch.zeros(15, 3)
    directions[SHARED15.index("thorax")] = torch.tensor([0.0, 0.0, 1.0])  # straight up from the pelvis
    # Below a vertical parent bone the local frame is the canonical one: y is the person's left.
    directions[SHARED15.index("l_shoulder")] = torch.tensor([0.0, 1.0, 0.0])
    # Below a bone that points left: z = left, x = forward, y = z cross x = left cross forward = down.
    directions[SHARED15.index("l_elbow")] = torch.tensor([0.0, 0.0, 1.0])
    directions[SHARED15.index("l_wrist")] = torch.tensor([0.0, -1.0, 0.0])
    pose = forward_kinematics(directions, SHARED15, torch.full((15,), 10.0))
    torch.testing.assert_close(pose[SHARED15.index("l_wrist")], torch.tensor([0.0, 20.0, 20.0]))
    assert pose[SHARED15.index("r_knee")].isnan().all()  # a zero direction: no bone, and nothing hangs from it


def test_missing_joints_take_along_what_hangs_from_them_and_nothing_else():
    canonical = 300 * normal(0, 18, 3)
    canonical = canonical - canonical[0]
    holes = canonical.clone().index_fill(0, torch.tensor([NAPA18.index("l_elbow")]), torch.nan).requires_grad_()
    local = canonical_to_local(holes, NAPA18)
    assert local.isnan().any(-1).nonzero().flatten().tolist() == [NAPA18.index("l_elbow"), NAPA18.index("l_wrist")]
    back = local_to_canonical(local, NAPA18)
    kept = [i for i in range(18) if NAPA18.joints[i] not in ("l_elbow", "l_wrist")]
    torch.testing.assert_close(back[kept], canonical[kept])
    assert back.isnan().any(-1).sum() == 2
    back[kept].square().sum().backward()
    assert holes.grad is not None and holes.grad.isfinite().all() and (holes.grad[kept[1:]] != 0).any(-1).all()


def test_a_missing_direction_leaves_shared_bone_lengths_a_gradient():
    directions, lengths = normal(0, 2, 18, 3), normal(1, 18).abs().requires_grad_()
    directions[0, NAPA18.index("l_elbow")] = torch.nan
    directions.requires_grad_()
    pose = forward_kinematics(directions, NAPA18, lengths)
    assert pose.isnan().any(-1).sum() == 2
    pose.nansum().backward()
    for gradient in (directions.grad, lengths.grad):
        assert gradient is not None and gradient.isfinite().all() and gradient.abs().sum() > 0


def test_poses_without_an_orientation_are_nan_and_leave_the_batch_alone():
    pose = 300 * normal(0, 4, 18, 3)
    pose[0, NAPA18.index("l_hip")] = torch.nan
    pose[1] = 7.0  # all joints in one point
    pose[2, NAPA18.index("l_wrist")] = torch.nan
    pose.requires_grad_()
    canonical, rotation = to_canonical(pose, NAPA18)
    assert canonical[:2].isnan().all() and rotation[:2].isnan().all() and rotation[2:].isfinite().all()
    assert canonical[2].isnan().any(-1).nonzero().flatten().tolist() == [NAPA18.index("l_wrist")]
    (canonical.nansum() + rotation.nansum()).backward()
    assert pose.grad is not None and pose.grad.isfinite().all() and pose.grad[3].abs().sum() > 0


def test_bones_along_the_x_axis_and_of_zero_length_have_a_frame():
    canonical = torch.zeros(15, 3, dtype=torch.float64)
    canonical[SHARED15.index("thorax")] = torch.tensor([5.0, 0.0, 0.0], dtype=torch.float64)
    canonical[SHARED15.index("l_shoulder")] = torch.tensor([6.0, 2.0, 0.0], dtype=torch.float64)
    canonical.requires_grad_()
    local = canonical_to_local(canonical, SHARED15)
    torch.testing.assert_close(local_to_canonical(local, SHARED15), canonical)
    local.square().sum().backward()
    assert canonical.grad is not None and canonical.grad.isfinite().all()


def test_a_skeleton_first_met_in_inference_mode_has_gradients_later():
    met = replace(SHARED15, name="first met here")
    local = normal(3, 15, 3)
    with torch.inference_mode():
        expected = local_to_canonical(local.clone(), met)
    local.requires_grad_()
    canonical = local_to_canonical(local, met)
    canonical.square().sum().backward()
    torch.testing.assert_close(canonical.detach(), expected.clone())
    assert local.grad is not None and local.grad[1:].abs().sum() > 0


def test_kinematics_gradients():
    pose = 3 * normal(5, 15, 3)
    assert torch.autograd.gradcheck(lambda p: to_canonical(p, SHARED15), pose.clone().requires_grad_())
    assert torch.autograd.gradcheck(lambda p: canonical_to_local(p, SHARED15), pose.clone().requires_grad_())
    lengths = normal(6, 15).abs().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda d, n: forward_kinematics(d, SHARED15, n).nan_to_num(), (pose.clone().requires_grad_(), lengths)
    )


def test_kinematics_take_a_joint_set_by_its_name():
    pose = torch.randn(2, 17, 3, generator=torch.Generator().manual_seed(0))
    canonical, rotation = to_canonical(pose, "H36M17")
    local = canonical_to_local(canonical, "h36m17")
    assert torch.equal(canonical, to_canonical(pose, H36M17)[0])
    assert torch.equal(local, canonical_to_local(canonical, H36M17))
    assert torch.equal(local_to_canonical(local, "H36M17"), local_to_canonical(local, H36M17))
    lengths = torch.ones(17)
    assert torch.equal(forward_kinematics(local, "H36M17", lengths), forward_kinematics(local, H36M17, lengths))


def test_kinematics_refuse_bad_input():
    with pytest.raises(ValueError, match="bone_lengths must be a floating tensor, got list"):
        forward_kinematics(torch.ones(18, 3), NAPA18, [1.0] * 18)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pose must be 3D"):
        to_canonical(torch.zeros(18, 2), NAPA18)
    with pytest.raises(ValueError, match="canonical must be floating"):
        canonical_to_local(torch.zeros(17, 3), NAPA18)
    with pytest.raises(ValueError, match=r"bone_lengths must be \(\.\.\., 18\) for NAPA18, got \(17,\)"):
        forward_kinematics(torch.zeros(18, 3), NAPA18, torch.zeros(17))
    assert to_canonical(torch.zeros(0, 18, 3), NAPA18)[0].shape == (0, 18, 3)


# Alignment --------------------------------------------------------------------------------------------------------


def align_by_hand(x: np.ndarray, y: np.ndarray, scale: bool) -> np.ndarray:
    """Umeyama's solution for one pose, by SVD in float64."""
    mx, my = x.mean(0), y.mean(0)
    u, s, vt = np.linalg.svd((y - my).T @ (x - mx))
    d = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(d) @ vt
    size = (s * d).sum() / ((x - mx) ** 2).sum() if scale else 1.0
    return size * (x - mx) @ rotation.T + my


@given(SEEDS, st.booleans(), st.sampled_from([1e-3, 0.3, 3.0]), st.booleans(), st.sampled_from([3, 4, 17]))
@settings(max_examples=30, deadline=None)
def test_alignment_agrees_with_svd(seed, scale, noise, mirrored, joints):
    target = 300 * normal(seed, 4, joints, 3) + 4000
    prediction = 1.7 * target @ random_rotation(seed, 4).mT + 300 * noise * normal(seed + 1, 4, joints, 3)
    if mirrored:
        prediction = prediction * torch.tensor([-1.0, 1.0, 1.0])
    aligned = procrustes_align(prediction, target, scale)
    for i in range(4):
        expected = align_by_hand(prediction[i].numpy(), target[i].numpy(), scale)
        np.testing.assert_allclose(aligned[i], expected, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("spread", [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 0.0])
@pytest.mark.parametrize("kind", ["ball mirrored", "line", "plane"])
def test_alignment_is_optimal_where_the_answer_is_hard_or_not_unique(kind, spread, scale):
    """No unique rotation, or nearly so: compare the residual, which is unique, with SVD's."""
    shape = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    extent = {"ball mirrored": [1.0, 1.0, 1.0], "line": [1.0, 0.0, 0.0], "plane": [1.0, 1.0, 0.0]}[kind]
    shape = shape * torch.tensor(extent).double()
    target = 300 * (shape + spread * 0.1 * normal(1, 50, 6, 3))
    prediction = -target @ random_rotation(0, 50).mT + 300 * spread * 0.1 * normal(2, 50, 6, 3)
    size, rotation, _ = similarity_transform(prediction, target, scale)
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).double().expand(50, 3, 3), rtol=0, atol=1e-9)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(50).double(), rtol=0, atol=1e-9)
    residual = (procrustes_align(prediction, target, scale) - target).square().sum((-2, -1))
    for i in range(50):
        best = align_by_hand(prediction[i].numpy(), target[i].numpy(), scale)
        np.testing.assert_allclose(residual[i], ((best - target[i].numpy()) ** 2).sum(), rtol=1e-8, atol=1e-6)
    if scale:
        assert (size >= 0).all()


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_alignment_undoes_any_similarity_and_never_mirrors(seed):
    target = 300 * normal(seed, 3, 17, 3)
    moved = 0.4 * target @ random_rotation(seed, 3).mT + 500 * normal(seed + 1, 3, 1, 3)
    torch.testing.assert_close(procrustes_align(moved, target), target, rtol=1e-8, atol=1e-7)
    mirror = target * torch.tensor([1.0, -1.0, 1.0])
    assert (procrustes_align(mirror, target) - target).norm(dim=-1).mean() > 1.0
    assert (torch.linalg.det(similarity_transform(mirror, target)[1]) > 0.999).all()


@given(SEEDS, st.integers(0, 17))
@settings(max_examples=20, deadline=None)
def test_alignment_ignores_missing_joints(seed, holes):
    target, prediction = 300 * normal(seed, 17, 3), 300 * normal(seed + 1, 17, 3)
    rng = np.random.default_rng(seed)
    lost = rng.permutation(17)[:holes]
    half = holes // 2
    target[lost[:half]], prediction[lost[half:]] = torch.nan, torch.nan
    aligned = procrustes_align(prediction, target)
    kept = np.setdiff1d(np.arange(17), lost)
    assert aligned.isnan().any(-1).nonzero().flatten().tolist() == sorted(lost[half:].tolist())
    if len(kept) >= 3:
        expected = align_by_hand(prediction[kept].numpy(), target[kept].numpy(), True)
        np.testing.assert_allclose(aligned[kept], expected, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("joints", [0, 1, 2, 3])
@pytest.mark.parametrize("scale", [True, False])
def test_too_few_or_equal_joints_align_finitely_with_finite_gradients(joints, scale):
    target = 300 * normal(0, 2, 5, 3)
    prediction = 300 * normal(1, 2, 5, 3)
    target[0, joints:] = torch.nan
    prediction[1], target[1] = 7.0, 9.0
    prediction.requires_grad_()
    aligned = procrustes_align(prediction, target, scale)
    assert aligned.isfinite().all()
    torch.testing.assert_close(aligned[1], target[1])
    if joints in (1, 2) and scale:
        torch.testing.assert_close(aligned[0, :joints], target[0, :joints])
    if joints == 0:
        torch.testing.assert_close(aligned[0], prediction[0])
    aligned.square().sum().backward()
    assert prediction.grad is not None and prediction.grad.isfinite().all()


@pytest.mark.parametrize("scale", [True, False])
def test_alignment_gradients_also_where_singular_values_are_equal(scale):
    target, prediction = normal(0, 2, 5, 3), normal(1, 2, 5, 3)
    both = (prediction.requires_grad_(), target.requires_grad_())
    assert torch.autograd.gradcheck(lambda p, t: procrustes_align(p, t, scale), both)
    cube = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    turned = (cube @ random_rotation(0, 1)[0].T).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: procrustes_align(p, cube, scale), turned)


def test_alignment_in_float32_and_batches():
    target = (300 * normal(0, 2, 3, 17, 3) + 3000).float()
    prediction = target @ random_rotation(1, 2, 3).float().mT + 50 * normal(1, 2, 3, 17, 3).float()
    aligned = procrustes_align(prediction, target)
    assert aligned.dtype == torch.float32 and aligned.shape == target.shape
    exact = procrustes_align(prediction.double(), target.double())
    torch.testing.assert_close(aligned.double(), exact, rtol=1e-5, atol=2e-2)
    assert procrustes_align(torch.zeros(0, 17, 3), torch.zeros(0, 17, 3)).shape == (0, 17, 3)


def test_alignment_refuses_bad_input():
    with pytest.raises(ValueError, match=r"same shape, got \(17, 3\) and \(16, 3\)"):
        procrustes_align(torch.zeros(17, 3), torch.zeros(16, 3))
    with pytest.raises(ValueError, match="prediction must be floating"):
        procrustes_align(torch.zeros(17, 2), torch.zeros(17, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_function_keeps_the_dtype(dtype):
    """Low precision in, low precision out, with nothing lost to overflow; float32 also agrees with float64."""
    exact, camera = normal(0, 15, 3), random_cameras(0, 1)[0]
    views = random_cameras(1, 2)
    pixels = torch.stack([project_perspective(100 * exact, view) for view in views])
    up = torch.tensor([0.0, 0.0, 1.0])
    calls = [
        (rotation_from_euler, exact),
        (axis_angle_to_matrix, exact),
        (quaternion_to_matrix, normal(1, 15, 4)),
        (lambda p: to_canonical(p, SHARED15)[0], exact),
        (lambda p: local_to_canonical(canonical_to_local(p, SHARED15), SHARED15), exact),
        (lambda p: forward_kinematics(p, SHARED15, torch.ones(15, dtype=p.dtype)), exact),
        (lambda p: project_perspective(p, camera), exact),
        (lambda p: project_weak_perspective(p, 2.0), exact),
        (lambda p: undistort(p, camera), pixels[0]),
        (lambda p: procrustes_align(p, p.flip(0)), exact),
        (lambda p: look_at(p, p + 1, up.to(p), 1.0, (3, 3)).R, exact),
        (lambda p: triangulate(p, views), pixels),
    ]
    for call, value in calls:
        out = call(value.to(dtype))
        assert out.dtype == dtype and out.isfinite().all()
        if dtype == torch.float32:
            torch.testing.assert_close(out.double(), call(value), rtol=1e-3, atol=1e-2)


def test_a_joint_that_ran_away_does_not_take_its_pose_along():
    """Squares of 1e19 and more overflow float32: the pose came back as NaN, which metrics take for not annotated."""
    target = 300 * normal(0, 2, 17, 3).float()
    prediction = target @ rotation_from_euler(torch.tensor([0.3, 0.2, 0.1])).mT + 100
    for far in (1e19, 1e30, -3e38):
        prediction[0, 4] = far
        aligned = procrustes_align(prediction, target)
        others = [j for j in range(17) if j != 4]
        torch.testing.assert_close(aligned[:, others], target[:, others], rtol=1e-4, atol=0.1)
        assert bool(aligned[0, 4].isinf().all())


def test_the_frame_below_a_bone_along_the_chest_is_right_handed():
    """There the canonical y axis takes the place of x: y = z cross x, for a bone forwards and one backwards."""
    for sign in (1.0, -1.0):
        pose = torch.zeros(15, 3, dtype=torch.float64)
        hip, knee, ankle = (SHARED15.index(f"l_{name}") for name in ("hip", "knee", "ankle"))
        pose[hip] = torch.tensor([0.0, 1.0, 0.0])
        pose[knee] = pose[hip] + torch.tensor([2.0 * sign, 0.0, 0.0])
        pose[ankle] = pose[knee] + torch.tensor([0.3, 0.5, 0.7])
        z, x = torch.tensor([sign, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
        frame = torch.stack([x, torch.linalg.cross(z, x), z]).double()
        torch.testing.assert_close(canonical_to_local(pose, SHARED15)[ankle], frame @ (pose[ankle] - pose[knee]))


def test_small_turns_keep_their_digits():
    vector = np.array([[9e-5, 0.0, 0.0], [5e-5, -5e-5, 5e-5], [1e-4, 1e-6, 0.0], [2e-4, 0.0, 0.0]])
    expected = Rotation.from_rotvec(vector).as_matrix()
    np.testing.assert_allclose(axis_angle_to_matrix(torch.tensor(vector)), expected, rtol=0, atol=4e-16)
