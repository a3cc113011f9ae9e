"""Chapter 1's comparison of stylizers with Gatys' optimisation, and what is trained on."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from napa_lib.data import load_paintings
from napa_lib.networks import VGG19Features
from napa_lib.style import LossRatios, StylizationLoss, StylizerConfig, TransformNet, gram_matrix, stylize
from napa_lib.style.comparison import MOVES, closed, compare, shares, without_places
from napa_lib.style.content import held_out_pictures
from napa_lib.style.evaluate import STROKES
from napa_lib.style.train import parse_ratios
from napa_lib.style.training import style_windows

PAIR = {"content": 1, "style": "greatwave"}


def test_the_share_is_0_for_the_content_and_1_for_gatys():
    assert (closed(50.0, 50.0, 20.0), closed(50.0, 20.0, 20.0), closed(50.0, 65.0, 20.0)) == (0.0, 1.0, -0.5)


def test_moves_change_places_and_keep_what_fires_together():
    style = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    for move in MOVES[1:]:
        assert not torch.equal(move(style), style)
        torch.testing.assert_close(gram_matrix(move(style)), gram_matrix(style))


def test_candidates_are_the_networks_and_a_copy():
    torch.manual_seed(0)
    networks = {"pool": TransformNet("pool").eval(), "greatwave": TransformNet("instance").eval()}
    rows = compare(networks, [PAIR, {"content": 2, "style": "monalisa"}], 32)
    assert [row["network"] for row in rows] == ["copy", "pool", "greatwave", "copy", "pool"]
    copy, _, single = rows[:3]
    assert all(copy["stylized"][term] == 0 for term in ("style", "style_entropy", "srgb", "hsv", "cosine"))
    content, style = held_out_pictures(32)[1:2], torch.stack(load_paintings(32, ["greatwave"]))
    with torch.no_grad():
        losses = StylizationLoss(VGG19Features())(stylize(content, networks["greatwave"]), style, content)
    assert single["stylized"]["total"] == pytest.approx(float(losses.total), abs=0.01)
    assert copy["before"] == single["before"] and copy["before"]["content"] == 0


def test_candidates_are_measured_under_the_ratios_asked_for():
    networks = {"pool": TransformNet("pool").eval()}
    (copy, pool), ratios = compare(networks, [PAIR], 32, STROKES), asdict(STROKES)
    assert set(pool["stylized"]) == {"total", *(name for name, ratio in ratios.items() if ratio)}
    assert copy["stylized"]["style"] == 0 and pool["before"]["content"] == 0
    (_, table) = compare(networks, [PAIR], 32)
    assert pool["before"]["style"] == pytest.approx(STROKES.style * table["before"]["style"], rel=1e-3)


def test_shares_are_means_over_the_pairs_of_each_kind():
    def row(network, total):
        return {"network": network, "before": {"total": 10.0}, "stylized": {"total": total}, "gatys": {"total": 0.0}}

    found = shares([row("copy", 2.0), row("pool", 10.0), row("pool", 5.0), row("kandinky", 12.0)])
    assert found["pool"]["values"] == [0.0, 0.5] and found["pool"]["mean"] == 0.25
    assert found["single"]["values"] == [-0.2] and found["copy"]["values"] == [0.8]


def test_pixels_descend_without_places():
    before, after = (without_places([PAIR], 32, steps)[0]["reached"]["total"] for steps in (1, 8))
    assert after < before


def test_windows_of_a_style_picture_are_its_quarters():
    windows = style_windows(StylizerConfig(("greatwave", "monalisa"), size=16, windows=2))
    whole = torch.stack(load_paintings(32, ["greatwave", "monalisa"]))
    assert windows.shape == (8, 3, 16, 16)
    assert torch.equal(windows[1], whole[0, :, :16, 16:]) and torch.equal(windows[6], whole[1, :, 16:, :16])


def test_ratios_from_the_command_line():
    assert parse_ratios([]) == LossRatios()
    assert parse_ratios(["style=5", "content=0.5"]) == LossRatios(style=5, content=0.5)
    for wrong in ("styel=5", "style", "style=much", "style=-1"):
        with pytest.raises(ValueError, match="NAME=NUMBER"):
            parse_ratios([wrong])
