"""Coordinates keep their digits: under autocast, on devices without float64, beside other dtypes, and at infinity."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from napa_lib import geometry, metrics, style
from napa_lib.adversarial import geometric_descriptor
from napa_lib.bottleneck import load_pretrained
from napa_lib.bottleneck.probes import fit_ridge
from napa_lib.data.crops import crop, crop_matrices, square_boxes, to_crop, to_picture
from napa_lib.data.mocap import load_mocap_poses
from napa_lib.data.views import mocap_poses, to_camera
from napa_lib.geometry.precision import common_precision, widest
from napa_lib.lifting.functional import bone_vectors, joints_from_bone_vectors
from napa_lib.networks import local_soft_argmax, soft_argmax
from napa_lib.pose import PoseEstimator
from napa_lib.rendering import render_blobs, render_skeleton
from napa_lib.sampling import global_to_relative
from napa_lib.skeletons import NAPA18, SHARED15, convert

DRAW = torch.Generator().manual_seed(0)
POSE = torch.randn(3, 18, 3, generator=DRAW) * 400
TURNED = (POSE @ geometry.axis_angle_to_matrix(torch.tensor([[0.3, 0.2, 0.5]])).mT) * 1.3 + 500
BODY = torch.randn(3, 15, 3, generator=DRAW) * 300
POINTS = torch.rand(3, 18, 2, generator=DRAW) * 128
MATRICES = crop_matrices(torch.tensor([[0.0, 0.0, 3000.0, 3000.0]] * 3), 128, torch.tensor([0.3, 0.0, -2.0]))
PICTURE = torch.rand(3, 3, 90, 70, generator=DRAW)
MAPS = torch.randn(2, 4, 64, 64, generator=DRAW) * 5
UP = torch.tensor([0.0, 0.0, 1.0])
PLACES = torch.tensor([[0.0, -4000.0, 1000.0], [3000.0, -3000.0, 500.0], [-3500.0, 100.0, 900.0]])
CAMERAS = [geometry.look_at(place, torch.zeros(3), UP, 1100.0, (1000, 1000)) for place in PLACES]
LENS = geometry.Camera(CAMERAS[0].K, CAMERAS[0].R, CAMERAS[0].t, (0.1, -0.02, 0.001, 0.001), (1000, 1000))
SEEN = torch.stack([geometry.project_perspective(POSE, camera) for camera in CAMERAS])

FUNCTIONS = {
    "look_at": lambda: geometry.look_at(PLACES[0], torch.zeros(3), UP, 1100.0, (1000, 1000)).t,
    "project_perspective": lambda: geometry.project_perspective(POSE, LENS),
    "undistort": lambda: geometry.undistort(SEEN[0], LENS),
    "triangulate": lambda: geometry.triangulate(SEEN, CAMERAS),
    "triangulate, weighted": lambda: geometry.triangulate(SEEN, CAMERAS, torch.rand_like(SEEN[..., 0]) + 0.1),
    "procrustes_align": lambda: geometry.procrustes_align(POSE, TURNED),
    "similarity_transform": lambda: geometry.similarity_transform(POSE, TURNED)[2],
    "to_canonical": lambda: geometry.to_canonical(POSE, NAPA18)[0],
    "canonical_to_local": lambda: geometry.canonical_to_local(BODY, SHARED15),
    "local_to_canonical": lambda: geometry.local_to_canonical(BODY, SHARED15),
    "forward_kinematics": lambda: geometry.forward_kinematics(BODY, SHARED15, torch.full((15,), 300.0)),
    "to_camera": lambda: to_camera(POSE, 0.7, 0.2),
    "crop_matrices": lambda: crop_matrices(square_boxes(torch.tensor([[3.0, 7.0, 1503.0, 2107.0]])), 128),
    "to_picture": lambda: to_picture(POINTS, MATRICES),
    "to_crop": lambda: to_crop(POINTS * 20, MATRICES),
    "crop": lambda: crop(PICTURE, MATRICES, 32),
    "mpjpe": lambda: metrics.mpjpe(POSE, TURNED, root=0).total,
    "pa_mpjpe": lambda: metrics.pa_mpjpe(POSE[..., [1, 2, 0]], TURNED).total,
    "auc": lambda: metrics.auc(POSE + 30, POSE).total,
    "joints_from_bone_vectors": lambda: joints_from_bone_vectors(bone_vectors(POSE)),
    "soft_argmax": lambda: soft_argmax(MAPS),
    "local_soft_argmax": lambda: local_soft_argmax(MAPS),
    "render_skeleton": lambda: render_skeleton(POINTS / 64 - 1, NAPA18.bones, 32),
    "render_blobs": lambda: render_blobs(POINTS / 64 - 1, 32),
    "convert": lambda: convert(POSE, NAPA18, "H36M17"),
}


def run(name: str) -> torch.Tensor:
    torch.manual_seed(0)
    return FUNCTIONS[name]()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_autocast_does_not_reach_coordinates(name):
    plain = run(name)
    for kind in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", kind):
            torch.testing.assert_close(run(name), plain, rtol=0, atol=0, equal_nan=True)
            assert torch.is_autocast_enabled("cpu")


class AppleGPU(TorchDispatchMode):
    """What `mps` does: it refuses every float64 tensor."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        parts = found if isinstance(found, (tuple, list)) else (found,)
        if any(isinstance(part, torch.Tensor) and part.dtype == torch.float64 for part in parts):
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )
        return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_devices_without_float64_are_served(name):
    plain = run(name)
    with AppleGPU():
        assert widest("cpu") == torch.float32
        found = run(name)
    span = float(plain[plain.isfinite()].abs().amax().clamp(min=1.0))
    torch.testing.assert_close(found, plain, rtol=0, atol=2e-5 * span, equal_nan=True)


def test_ridge_regression_without_float64():
    x, y = torch.randn(40, 5, generator=DRAW), torch.randn(40, 2, generator=DRAW)
    plain = fit_ridge(x, y)(x)
    with AppleGPU():
        torch.testing.assert_close(fit_ridge(x, y)(x), plain, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_default_dtype_of_float64_changes_nothing(name):
    plain = run(name)
    torch.set_default_dtype(torch.float64)
    try:
        found = run(name)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(found.to(plain.dtype), plain, rtol=1e-5, atol=1e-3, equal_nan=True)


def test_motion_capture_under_a_default_dtype_of_float64():
    torch.set_default_dtype(torch.float64)
    try:
        assert load_mocap_poses("test").isfinite().all()
        assert mocap_poses(4, torch.Generator().manual_seed(0)).shape == (4, 18, 2)
    finally:
        torch.set_default_dtype(torch.float32)


def test_networks_under_a_default_dtype_of_float64():
    picture = torch.rand(3, 80, 60, generator=DRAW)
    plain = PoseEstimator.from_pretrained(device="cpu").predict(picture, [[5.0, 5.0, 55.0, 75.0]])[0]
    torch.set_default_dtype(torch.float64)
    try:
        found = PoseEstimator.from_pretrained(device="cpu").predict(picture, [[5.0, 5.0, 55.0, 75.0]])[0]
        assert load_pretrained().predict(torch.rand(1, 3, 64, 64, dtype=torch.float32)).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(found.keypoints.float(), plain.keypoints, rtol=0, atol=0.05)


def test_crops_take_two_dtypes():
    wide = MATRICES.double()
    for forth, back in ((to_picture, to_crop), (to_crop, to_picture)):
        torch.testing.assert_close(back(forth(POINTS, wide), MATRICES), POINTS.double(), rtol=0, atol=1e-2)


@pytest.mark.parametrize("kinds", [(torch.float32, torch.float64), (torch.float64, torch.float32),
                                   (torch.float16, torch.float32), (torch.bfloat16, torch.float64)])  # fmt: skip
def test_metrics_take_two_dtypes(kinds):
    one, other = kinds
    prediction, target = (POSE / 10).to(one), (TURNED / 10).to(other)
    flat, truth = prediction[..., :2], target[..., :2]
    found = {
        "mpjpe": metrics.mpjpe(prediction, target, root=0),
        "pa": metrics.pa_mpjpe(prediction, target),
        "pck": metrics.pck(flat, truth, 0.5, 100.0),
        "pckh": metrics.pckh(flat, truth, torch.full((3,), 50.0)),
        "pck3d": metrics.pck3d(prediction, target, root=0),
        "auc": metrics.auc(prediction, target, root=0),
        "flips": metrics.mse_with_flips(flat, truth, NAPA18),
    }
    expected = {
        "mpjpe": metrics.mpjpe(prediction.double(), target.double(), root=0),
        "pa": metrics.pa_mpjpe(prediction.double(), target.double()),
        "pck": metrics.pck(flat.double(), truth.double(), 0.5, 100.0),
        "pckh": metrics.pckh(flat.double(), truth.double(), torch.full((3,), 50.0)),
        "pck3d": metrics.pck3d(prediction.double(), target.double(), root=0),
        "auc": metrics.auc(prediction.double(), target.double(), root=0),
        "flips": metrics.mse_with_flips(flat.double(), truth.double(), NAPA18),
    }
    for name, result in found.items():
        assert result.total.item() == pytest.approx(
            expected[name].total.item(), rel=2e-2 if one == torch.bfloat16 else 1e-3
        )
        assert result.counted == expected[name].counted
    assert geometry.procrustes_align(prediction, target).dtype == torch.promote_types(one, other)
    assert [x.dtype for x in common_precision(prediction, target)] == [torch.promote_types(*kinds)] * 2


# --- infinities ------------------------------------------------------------------------------------------------------


def test_an_infinite_joint_is_wrong_not_missing():
    prediction = POSE + 20 * torch.randn(POSE.shape, generator=DRAW)
    away = prediction.clone()
    away[0, 3] = torch.inf
    away[1, 4, 2] = -torch.inf
    finite, found = metrics.pa_mpjpe(prediction, POSE), metrics.pa_mpjpe(away, POSE)
    assert found.total.isinf() and found.counted == finite.counted == 54
    assert found.per_pose.isinf().tolist() == [True, True, False]
    others = [j for j in range(18) if j not in (3, 4)]
    assert bool(found.per_joint[others].isfinite().all()) and bool(found.per_joint[[3, 4]].isinf().all())
    lost = prediction.clone()  # the others are aligned as if the joint were not there
    lost[0, 3] = lost[1, 4] = torch.nan
    torch.testing.assert_close(found.per_joint[others], metrics.pa_mpjpe(lost, POSE).per_joint[others])


def test_a_pose_that_ran_away_as_a_whole_counts():
    away = POSE.clone()
    away[0] = torch.inf
    flat, truth = away[..., :2], POSE[..., :2]
    for result in (
        metrics.mpjpe(away, POSE), metrics.mpjpe(away, POSE, root=0), metrics.pa_mpjpe(away, POSE),
        metrics.mse_with_flips(flat, truth, NAPA18), metrics.mpjpe(away, torch.where(away.isinf(), away, POSE)),
    ):  # fmt: skip
        assert result.total.isinf() and result.counted == 54
    for rate in (metrics.pck(flat, truth, 5.0), metrics.pck3d(away, POSE, root=0), metrics.auc(away, POSE, root=0)):
        assert rate.counted == 54 and rate.per_pose[0] == 0
    missing = POSE.clone()
    missing[0, 0] = torch.nan  # a missing root still leaves its pose out
    missing[0, 1] = torch.inf
    assert metrics.mpjpe(missing, POSE, root=0).counted == 36


@pytest.mark.parametrize("odd", [torch.inf, -1.0, 0.0])
def test_what_is_divided_by_is_positive_and_finite(odd):
    sizes = torch.tensor([50.0, odd, 50.0])
    with pytest.raises(ValueError, match="head_size must be (positive|finite), got"):
        metrics.pckh(POSE[..., :2], POSE[..., :2], sizes)
    with pytest.raises(ValueError, match="scale must be (positive|finite), got"):
        metrics.pck(POSE[..., :2], POSE[..., :2], 0.5, sizes)
    for call in (metrics.pck, metrics.pck3d):
        with pytest.raises(ValueError, match="threshold must be (positive|finite), got"):
            call(POSE, POSE, odd)


def test_infinite_eyes_do_not_make_a_face_right():
    target = torch.rand(2, 68, 2, generator=DRAW) * 100
    target[0, 45] = torch.inf
    result = metrics.normalized_landmark_error(target.nan_to_num(posinf=0.0) + 1, target)
    assert result.total.isinf() and result.counted == 136


def test_intervals_of_infinite_errors_are_infinite():
    values = torch.tensor([1.0, torch.inf, 2.0, torch.nan])
    mean, low, high = metrics.bootstrap_interval(values, torch.Generator().manual_seed(0))
    assert mean == high == float("inf") and low == low


UNFIT = {
    "8 bits": (lambda x: x.to(torch.float8_e4m3fn), "16 bits or more, got torch.float8_e4m3fn"),
    "whole numbers": (lambda x: x.int(), "must be floating, got torch.int32"),
    "sparse": (lambda x: x.to_sparse(), "dense tensor.*torch.sparse_coo"),
    "without numbers": (lambda x: x.to("meta"), "of numbers.*on meta"),
    "a list": (lambda x: x.tolist(), "floating tensor, got list"),
}
TAKERS = {
    "metrics": lambda x: metrics.mpjpe(x, x),
    "alignment": lambda x: geometry.procrustes_align(x, x),
    "kinematics": lambda x: geometry.to_canonical(x, NAPA18),
    "cameras": lambda x: geometry.project_perspective(x, CAMERAS[0]),
    "rotations": geometry.rotation_from_euler,
    "renderers": lambda x: render_blobs(x, 8),
    "descriptor": geometric_descriptor,
    "sampling": global_to_relative,
    "style": style.total_variation_loss,
}


@pytest.mark.parametrize("kind", UNFIT)
@pytest.mark.parametrize("taker", TAKERS)
def test_tensors_that_nothing_can_be_computed_with_are_told(taker, kind):
    change, words = UNFIT[kind]
    with pytest.raises(ValueError, match=words):
        TAKERS[taker](change(POSE))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_millimetres_in_half_precision_keep_their_frame(dtype):
    """Squares of millimetres are beyond 65504, where float16 ends."""
    pose = BODY.double() + torch.tensor([100.0, -50.0, 4000.0], dtype=torch.float64)
    coarse = pose.to(dtype)
    step = 4 * 4000 * torch.finfo(dtype).eps  # a few roundings
    canonical, rotation = geometry.to_canonical(coarse, SHARED15)
    expected, turn = geometry.to_canonical(coarse.double(), SHARED15)
    assert (canonical - expected).abs().max() < step and (rotation - turn).abs().max() < 8 * torch.finfo(dtype).eps
    back = geometry.local_to_canonical(geometry.canonical_to_local(canonical, SHARED15), SHARED15)
    assert (back - expected).abs().max() < step


def test_losses_of_half_precision_maps_are_those_of_the_numbers_in_them():
    """A layer's sums, and squares of differences above 255, are beyond 65504."""
    draw = torch.Generator().manual_seed(0)
    one, other = (400 * torch.rand(2, 48, 40, 40, generator=draw).half() for _ in range(2))
    picture, second = (torch.rand(1, 3, 500, 500, generator=draw).half() for _ in range(2))
    losses = {
        "style": (lambda a, b: style.style_loss([a], [b]), one, other),
        "feature": (style.feature_loss, one, other),
        "content": (style.content_loss, 60 * one, other),
        "cosine": (style.cosine_loss, one, other),
        "style entropy": (lambda a, b: style.style_entropy_loss([a], [b]), one, other),
        "total variation": (lambda a, b: style.total_variation_loss(a), picture, second),
        "srgb": (style.srgb_loss, picture, second),
        "hsv": (style.hsv_loss, picture, second),
    }
    for name, (loss, a, b) in losses.items():
        found, exact = loss(a, b), loss(a.double(), b.double())
        assert found.dtype == torch.float32, name
        torch.testing.assert_close(found.double(), exact, rtol=1e-3, atol=1e-9, msg=name)
    gradient = torch.autograd.grad(style.style_loss([one.requires_grad_()], [other]).sum(), one)[0]
    assert gradient.dtype == torch.float16 and bool(gradient.isfinite().all())
