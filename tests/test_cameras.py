"""Cameras against NumPy loops and closed forms in float64: projection, its inverse, triangulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from napa_lib.geometry import (
    Camera,
    look_at,
    project_perspective,
    project_weak_perspective,
    triangulate,
    undistort,
)
from tests.test_geometry import DISTORTION, SEEDS, normal, random_cameras


def project_by_hand(point: np.ndarray, camera: Camera) -> np.ndarray:
    """Brown's model in polar words: radial stretch and decentring, then the intrinsics, one point at a time."""
    x, y, z = camera.R.numpy() @ point + camera.t.numpy()
    x, y = x / z, y / z
    k1, k2, p1, p2, *k3 = camera.distortion
    r2 = np.hypot(x, y) ** 2
    shift = np.array([p2, p1]) * r2 + 2 * (p1 * y + p2 * x) * np.array([x, y])
    xd, yd = np.array([x, y]) * (1 + k1 * r2 + k2 * r2**2 + sum(k3) * r2**3) + shift
    u, v, w = camera.K.numpy() @ [xd, yd, 1.0]
    return np.array([u / w, v / w])


@given(SEEDS, st.booleans())
@settings(max_examples=15, deadline=None)
def test_projection_by_hand_and_its_inverse(seed, third):
    camera = random_cameras(seed, 1)[0]
    camera = replace(camera, distortion=(*camera.distortion, 0.05)) if third else camera
    points = 300 * normal(seed, 2, 4, 3)
    pixels = project_perspective(points, camera)
    for index in np.ndindex(2, 4):
        np.testing.assert_allclose(pixels[index], project_by_hand(points[index].numpy(), camera), rtol=1e-10, atol=1e-8)
    in_camera = points @ camera.R.mT + camera.t
    sight = in_camera[..., :2] / in_camera[..., 2:]
    torch.testing.assert_close(undistort(pixels, camera), sight, rtol=1e-9, atol=1e-12)


def test_a_batch_of_cameras_is_each_camera():
    position = torch.tensor([[3000.0, 0.0, 0.0], [0.0, 2000.0, 500.0]])
    cameras = look_at(position, torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]), 500.0, (100, 100))
    points = 200 * torch.randn(2, 18, 3, generator=torch.Generator().manual_seed(0))
    together = project_perspective(points, cameras)
    for i in range(2):
        one = Camera(cameras.K[i], cameras.R[i], cameras.t[i], cameras.distortion, cameras.size)
        torch.testing.assert_close(project_perspective(points[i], one), together[i])


def test_points_behind_the_camera_and_nan_points_are_missing():
    camera = random_cameras(0, 1)[0]
    centre = -camera.R.mT @ camera.t
    points = torch.stack([torch.zeros(3).double(), 2 * centre, 1.01 * centre, torch.full((3,), torch.nan).double()])
    points.requires_grad_()
    pixels = project_perspective(points, camera)
    assert pixels.isnan().any(-1).tolist() == [False, True, True, True]
    pixels.nansum().backward()
    assert points.grad is not None and points.grad.isfinite().all()
    at_the_centre = Camera(torch.eye(3), torch.eye(3), torch.zeros(3), DISTORTION, (9, 9))
    assert project_perspective(torch.tensor([[0.0, 0.0, 0.0], [5.0, 5.0, 0.0]]), at_the_centre).isnan().all()


def test_a_point_in_the_plane_of_the_camera_is_nowhere():
    eye = torch.eye(3, dtype=torch.float64)
    camera = Camera(eye, eye, eye[0] * 0, (0.0, 0.0, 0.0, 0.0), (10, 10))
    points = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1e-3]], dtype=torch.float64).requires_grad_()
    pixels = project_perspective(points, camera)
    assert pixels.isnan().any(-1).tolist() == [True, True, False]
    assert bool(torch.autograd.grad(pixels[2].sum(), points)[0].isfinite().all())


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_look_at_sees_its_target_upright_in_the_middle(seed):
    position, target = 2000 * normal(seed, 3), 500 * normal(seed + 1, 3)
    up = torch.tensor([0.0, 1.0, 0.0]).double()
    camera = look_at(position, target, up, 800.0, (640, 480))
    torch.testing.assert_close(camera.R @ camera.R.T, torch.eye(3).double())
    assert torch.linalg.det(camera.R) > 0
    torch.testing.assert_close(-camera.R.T @ camera.t, position, rtol=1e-9, atol=1e-6)
    middle, above = project_perspective(torch.stack([target, target + 10 * up]), camera)
    torch.testing.assert_close(middle, torch.tensor([319.5, 239.5]).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(above[0], middle[0], rtol=0, atol=1e-6)
    assert above[1] < middle[1]


def test_look_at_straight_down():
    camera = look_at(torch.tensor([0.0, 0.0, 3000.0]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]), 500.0, (11, 11))
    torch.testing.assert_close(camera.R @ camera.R.T, torch.eye(3))
    torch.testing.assert_close(project_perspective(torch.zeros(1, 3), camera), torch.tensor([[5.0, 5.0]]))


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_weak_perspective_is_the_far_limit_of_perspective(seed):
    """From a million metres, focal length grown to match, the perspective picture is the weak one."""
    points, distance = 300 * normal(seed, 18, 3), 1e9
    camera = Camera(
        torch.tensor([[0.3 * distance, 0, 50.0], [0, 0.3 * distance, 40.0], [0, 0, 1]]).double(),
        torch.eye(3).double(), torch.tensor([0, 0, distance]).double(), (0.0, 0.0, 0.0, 0.0), (100, 80),
    )  # fmt: skip
    weak = project_weak_perspective(points, 0.3, torch.tensor([50.0, 40.0]).double())
    torch.testing.assert_close(project_perspective(points, camera), weak, rtol=1e-5, atol=1e-3)


def test_weak_perspective_batched_scale_and_missing_points():
    points = torch.ones(2, 3, 3)
    points[0, 1] = torch.nan
    out = project_weak_perspective(points, torch.tensor([2.0, 3.0]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert out[1, 0].tolist() == [3.0, 4.0] and out[0, 0].tolist() == [3.0, 2.0] and out[0, 1].isnan().all()


@given(SEEDS, st.integers(2, 5))
@settings(max_examples=15, deadline=None)
def test_triangulation_undoes_projection(seed, views):
    cameras = random_cameras(seed, views)
    points = 300 * normal(seed, 2, 6, 3)
    pixels = torch.stack([project_perspective(points, camera) for camera in cameras])
    torch.testing.assert_close(triangulate(pixels, cameras), points, rtol=1e-5, atol=1e-3)


def test_triangulation_leaves_out_missing_views():
    cameras = random_cameras(1, 3)
    points = 300 * normal(0, 4, 3)
    pixels = torch.stack([project_perspective(points, camera) for camera in cameras])
    pixels[0, 0] = pixels[:2, 1] = pixels[:, 2] = torch.nan
    found = triangulate(pixels, cameras)
    torch.testing.assert_close(found[[0, 3]], points[[0, 3]], rtol=1e-5, atol=1e-3)
    assert found[1:3].isnan().all()
    twice = triangulate(pixels[[2, 2]], [cameras[2], cameras[2]])  # two views from one place: no depth
    assert twice.isnan().all()


@pytest.mark.parametrize("far", [torch.inf, -torch.inf, 1e200, 1e300])
def test_a_pixel_far_out_takes_no_other_point_along(far):
    cameras = random_cameras(1, 3)
    points = 300 * normal(0, 4, 3)
    pixels = torch.stack([project_perspective(points, camera) for camera in cameras])
    pixels[0, 1, 0] = pixels[1, 2] = far
    found = triangulate(pixels, cameras)
    torch.testing.assert_close(found[[0, 3]], points[[0, 3]], rtol=1e-5, atol=1e-3)
    if abs(far) == torch.inf:  # left out like a missing one: two views are left
        torch.testing.assert_close(found, points, rtol=1e-5, atol=1e-3)


def test_triangulation_with_noise_is_near_the_best_reprojection():
    cameras = random_cameras(2, 4)
    point = 300 * normal(0, 1, 3)
    pixels = torch.stack([project_perspective(point, camera) for camera in cameras])
    pixels = pixels + normal(1, *pixels.shape)

    def cost(x: np.ndarray) -> float:
        pairs = zip(cameras, pixels[:, 0].numpy(), strict=True)
        return sum(float(((project_by_hand(x, camera) - pixel) ** 2).sum()) for camera, pixel in pairs)

    best = minimize(cost, point[0].numpy(), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
    found = triangulate(pixels, cameras)[0].numpy()
    assert cost(found) < 1.01 * best.fun
    assert np.linalg.norm(found - best.x) < 0.1 * np.linalg.norm(best.x - point[0].numpy())


def test_camera_gradients():
    camera = random_cameras(0, 1)[0]
    points = (100 * normal(0, 3, 3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: project_perspective(p, camera), points)
    cameras = random_cameras(3, 3)
    pixels = torch.stack([project_perspective(points.detach(), c) for c in cameras]).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: triangulate(p, cameras), pixels, atol=1e-3)


def test_a_missing_pixel_spoils_no_gradient():
    camera = random_cameras(0, 1)[0]
    assert any(camera.distortion)
    pixels = 300 * normal(0, 3, 2)
    pixels[0] = torch.nan
    rays = undistort(pixels.requires_grad_(), camera)
    assert rays.isnan().any(-1).tolist() == [True, False, False]
    gradient = torch.autograd.grad(rays[1:].sum(), pixels)[0]
    assert bool(gradient[0].eq(0).all()) and bool(gradient[1:].ne(0).all())


def test_cameras_refuse_bad_input():
    eye, zero = torch.eye(3), torch.zeros(3)
    none = (0.0, 0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match=r"R must end in \(3, 3\), got \(3,\)"):
        Camera(eye, zero, zero, none, (10, 10))
    with pytest.raises(ValueError, match="distortion must be"):
        Camera(eye, eye, zero, (0.0,), (10, 10))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="size must be"):
        Camera(eye, eye, zero, none, (0, 10))
    camera = Camera(eye, eye, zero, none, (10, 10))
    with pytest.raises(ValueError, match="points must be floating"):
        project_perspective(torch.zeros(4, 2), camera)
    with pytest.raises(ValueError, match="points must be floating"):
        project_weak_perspective(torch.zeros(4, 2), 1.0)
    with pytest.raises(ValueError, match="pixels must be floating"):
        undistort(torch.zeros(4, 3), camera)
    with pytest.raises(ValueError, match="cameras must be as many as views"):
        triangulate(torch.zeros(2, 4, 2), [camera])
    with pytest.raises(ValueError, match="position and target must differ"):
        look_at(zero, zero, torch.ones(3), 1.0, (10, 10))
    with pytest.raises(ValueError, match="focal must be positive, got 0"):
        look_at(torch.ones(3), zero, torch.ones(3), 0.0, (10, 10))
    for focal in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"focal must be positive, got {focal}"):
            look_at(torch.ones(3), zero, torch.ones(3), focal, (10, 10))
    with pytest.raises(ValueError, match="position must be floating, got torch.int64"):
        look_at(torch.tensor([0, 0, 5]), zero, torch.ones(3), 1.0, (10, 10))
    with pytest.raises(ValueError, match=r"K must end in \(3, 3\), got list"):
        Camera(eye.tolist(), eye, zero, none, (10, 10))  # type: ignore[arg-type]
    many = Camera(eye.expand(4, 3, 3), eye.expand(4, 3, 3), zero.expand(4, 3), none, (10, 10))
    with pytest.raises(ValueError, match="cameras must not be batches"):
        triangulate(torch.zeros(2, 4, 2), [many, many])
    for trust, words in ((torch.full((2, 4), torch.inf), "finite and not negative"), (torch.ones(2, 0, 2), "must be")):
        with pytest.raises(ValueError, match=f"confidence .*{words}"):
            triangulate(torch.zeros(2, trust.shape[1], 2), [camera, camera], trust)
