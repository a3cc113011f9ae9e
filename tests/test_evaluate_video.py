"""Scoring of calibrated video, on made-up predictions with known answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napa_lib.data import load_cameras
from napa_lib.evaluate import (
    score_video,
)
from napa_lib.evaluate.video import BONES, HEIGHTS, video_record
from napa_lib.geometry import project_perspective, triangulate
from napa_lib.skeletons import ART14


@pytest.fixture(scope="module")
def cameras():
    found = load_cameras("single")
    return [found[name] for name in sorted(found)]


def body(rng: np.random.Generator, frames: int = 5) -> torch.Tensor:
    """Points (T, 14, 3) in mm about where the man of the video stands."""
    return torch.from_numpy(rng.normal(size=(frames, 14, 3)) * 300 + [0, 0, 900])


def test_triangulation_is_exact_and_robust_to_missing_views(rng, cameras):
    points = body(rng)
    pixels = torch.stack([project_perspective(points, camera) for camera in cameras])
    assert not pixels.isnan().any()
    sure = torch.from_numpy(rng.uniform(0.05, 1, pixels.shape[:-1]))
    torch.testing.assert_close(triangulate(pixels, cameras, sure), points, atol=1e-4, rtol=0)
    pixels[0, 0, 0] = pixels[1, 0, 0] = torch.nan  # two views are left
    pixels[:3, 1, 1] = torch.nan  # one
    sure[:, 2, 2] = 0
    found = triangulate(pixels, cameras, sure)
    lost = found.isnan().any(-1)
    assert lost.nonzero().tolist() == [[1, 1], [2, 2]]
    torch.testing.assert_close(found[~lost], points[~lost], atol=1e-4, rtol=0)


def test_equal_weights_are_the_unweighted_solution(rng, cameras):
    pixels = torch.stack([project_perspective(body(rng), camera) for camera in cameras])
    pixels = pixels + torch.from_numpy(rng.normal(size=pixels.shape)) * 2
    sure = torch.full(pixels.shape[:-1], 0.37, dtype=torch.float64)
    expected = triangulate(pixels, cameras)
    torch.testing.assert_close(triangulate(pixels, cameras, sure), expected, atol=1e-6, rtol=0)


def test_weights_are_those_of_least_squares(rng, cameras):
    """The weighted sum of squared errors on the image plane is about as small as SciPy-free descent can make it."""
    pixels = torch.stack([project_perspective(body(rng, 1), camera) for camera in cameras])
    pixels = pixels + torch.from_numpy(rng.normal(size=pixels.shape)) * 2
    sure = torch.from_numpy(rng.uniform(0.1, 1, pixels.shape[:-1]))

    def cost(points: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for view, trust, camera in zip(pixels, sure, cameras, strict=True):
            error = (project_perspective(points, camera) - view) / camera.K[0, 0]
            total = total + (trust**2 * error.square().sum(-1)).sum()
        return total

    found = triangulate(pixels, cameras, sure)
    unweighted = triangulate(pixels, cameras)
    assert cost(found) < 0.97 * cost(unweighted)
    better = found.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([better], max_iter=100, tolerance_grad=1e-14, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = 1e4 * cost(better)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert cost(found) <= 1.01 * cost(better.detach())


def test_video_score_of_exact_views(rng, cameras):
    points = body(rng)
    points[1:] = points[:1] + torch.arange(1, 5)[:, None, None] * 10.0  # the same body elsewhere: rigid
    pixels = torch.stack([project_perspective(points, camera) for camera in cameras])
    score = score_video(pixels, torch.ones(4, 5, 14), cameras, list(HEIGHTS.values()))
    assert score.median_error < 1e-5 and score.bone_spread < 1e-6
    for start, end in BONES:
        expected = np.linalg.norm(points[0, ART14.index(start)] - points[0, ART14.index(end)])
        assert score.bones[f"{start} - {end}"][0] == pytest.approx(expected, abs=1e-3)


def test_bone_spread_and_error_of_known_size(rng, cameras):
    """A body that is scaled by 0.9 and 1.1 in turn has bones that spread by a tenth; noise shows as error."""
    points = body(rng, 1) * torch.tensor([0.9, 1.1, 0.9, 1.1])[:, None, None].double()
    pixels = torch.stack([project_perspective(points, camera) for camera in cameras])
    score = score_video(pixels, torch.ones(4, 4, 14), cameras, [100.0] * 4)
    assert score.bone_spread == pytest.approx(0.1, abs=1e-6)
    noisy = pixels + torch.from_numpy(rng.normal(size=pixels.shape)) * 3
    score = score_video(noisy, torch.ones(4, 4, 14), cameras, [100.0] * 4)
    assert 1.5 < score.median_error < 4
    assert score.median_error_of_height == pytest.approx(score.median_error / 100)
    assert json.loads(json.dumps(video_record(score)))["reprojection_error_px"] == round(score.median_error, 3)


def test_video_score_refuses_what_does_not_fit(cameras):
    with pytest.raises(ValueError, match=r"keypoints must be \(V, T, 14, 2\).*\(4, 5, 18, 2\)"):
        score_video(torch.zeros(4, 5, 18, 2), torch.ones(4, 5, 18), cameras, [100.0] * 4)
    with pytest.raises(ValueError, match="confidence must be"):
        triangulate(torch.zeros(2, 5, 2), cameras[:2], torch.ones(2, 4))
