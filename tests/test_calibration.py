"""The confidence's calibration: what is planted is found, and the error of a reliability curve is what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napa_lib.training.calibrate import (
    PEOPLE,
    Judged,
    _art_joints,
    calibrate,
    expected_error,
    fit,
    fit_columns,
    measured,
    reliability,
)


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


def some_figures(generator: torch.Generator, column: int, level: float) -> Judged:
    """Figures of which one column tells the right joints; the other says nothing of them."""
    right = (torch.rand(20, 14, generator=generator) < 0.8).float()
    evidence = torch.zeros(20, 14, 4)
    evidence[..., column] = level + 4 * right - 2 + 0.5 * torch.randn(20, 14, generator=generator)
    evidence[..., 2 - column] = -9.0
    evidence[..., 3] = 1.0
    right[0, 3] = torch.nan
    return Judged(evidence, right)


def test_what_is_left_out_decides_how_good_it_is():
    """Evidence that tells right joints from wrong ones and people from nobody does so on what was left out, too."""
    generator = torch.Generator().manual_seed(0)
    people, drawings = some_figures(generator, 0, 0.0), some_figures(generator, 2, -3.0)
    nobody = torch.tensor([-2.0, -8.0, -7.0, 1.0]).expand(12, 14, 4)
    weights, found = calibrate(people, drawings, nobody)
    assert weights[0, 0] > 1 and weights[1, 2] > 1 and weights[0, 2] == 0 and (weights[1, :2] == 0).all()
    assert max(found["mean_confidence_of_nobody"]) < 0.1
    assert found["false_alarms"] == "0 of 6"
    for kind in (found, found["drawings"]):
        assert kind["expected_calibration_error"] < 0.1 < min(kind["mean_confidence_of_figures"])
        assert kind["missed"] == "0 of 20"
        assert sum(row["joints"] for row in kind["reliability"]) == 20 * 14 - 1


def test_a_figure_has_no_say_in_what_it_is_judged_by():
    people = some_figures(torch.Generator().manual_seed(1), 0, 0.0)
    empty = torch.tensor([-4.0, 0.0, 0.0, 1.0]).expand(20, 4)
    _, before = fit_columns(people, PEOPLE, empty)
    people.right[5] = 1 - people.right[5]
    _, after = fit_columns(people, PEOPLE, empty)
    assert torch.equal(before[5], after[5]) and not torch.equal(before[6], after[6])


def test_a_figure_of_whom_nothing_is_seen_is_missed():
    chance = torch.tensor([[0.9, 0.8], [0.1, 0.2]])
    assert measured(chance, torch.tensor([[1.0, 1.0], [0.0, torch.nan]]))["missed"] == "1 of 2"


def test_joints_are_those_of_the_annotation():
    values = torch.arange(18.0)[None, :, None] + torch.tensor([0.0, 0.1, 0.2, 0.3])
    assert _art_joints(values).shape == (1, 14, 4)
    torch.testing.assert_close(_art_joints(values)[0, 0], torch.tensor([3.0, 3.1, 3.2, 3.3]))  # NAPA18's fourth
