"""The confidence's calibration: what is planted is found, and the error of a reliability curve is what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napa_lib.training.calibrate import _art_joints, calibrate, expected_error, fit, reliability


def test_the_fit_finds_planted_weights(rng):
    x = torch.tensor(np.column_stack([rng.normal(size=(40_000, 2)), np.ones(40_000)]), dtype=torch.float32)
    planted = torch.tensor([1.5, -0.7, 0.4])
    right = (torch.tensor(rng.random(40_000)) < (x @ planted).sigmoid()).float()
    np.testing.assert_allclose(fit(x, right), planted, atol=0.06)


def test_a_calibrated_confidence_has_a_small_error_and_an_overconfident_one_has_not(rng):
    chance = torch.tensor(rng.random(20_000))
    right = (torch.tensor(rng.random(20_000)) < chance).float()
    assert expected_error(reliability(chance, right)) < 0.02
    assert expected_error(reliability(chance.clamp_min(0.9), right)) == pytest.approx(0.405, abs=0.02)


def test_what_is_left_out_decides_how_good_it_is():
    """Evidence that tells right joints from wrong ones and people from nobody does so on what was left out, too."""
    generator = torch.Generator().manual_seed(0)
    right = (torch.rand(20, 14, generator=generator) < 0.8).float()
    figures = torch.stack([4 * right - 2, torch.zeros(20, 14), torch.ones(20, 14)], -1)
    figures[..., 0] += 0.5 * torch.randn(20, 14, generator=generator)
    right[0, 3] = torch.nan
    nobody = torch.tensor([-2.0, -8.0, 1.0]).expand(12, 14, 3)
    weights, measured = calibrate(figures, right, nobody)
    assert weights[0] > 1 and weights[1] > 0
    assert measured["expected_calibration_error"] < 0.1
    assert max(measured["mean_confidence_of_nobody"]) < 0.1 < min(measured["mean_confidence_of_figures"])
    assert sum(row["joints"] for row in measured["reliability"]) == 20 * 14 - 1


def test_joints_are_those_of_the_annotation():
    values = torch.arange(18.0)[None, :, None].repeat(1, 1, 3)
    assert _art_joints(values).shape == (1, 14, 3)
    assert _art_joints(values)[0, 0].tolist() == [3.0, 3.0, 3.0]  # the right ankle is NAPA18's fourth
