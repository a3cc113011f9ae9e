"""Chapter 1's measurements, small: each measures what its name and the lesson say, of the pairs that are stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napa_lib import results
from napa_lib.data import asset_path, load_paintings
from napa_lib.style import JOHNSON, LossRatios, StylizationLoss, TransformNet, evaluate, optimise_picture, stylize
from napa_lib.style.content import held_out_pictures

SIDE = 32  # px
STORED = asset_path("results/style/gatys.json").parent


def paired(index: int, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    return held_out_pictures(SIDE)[index : index + 1], torch.stack(load_paintings(SIDE, [name]))


def ended(vgg, content, style, ratios: LossRatios) -> torch.Tensor:
    """The picture after two steps of Gatys' optimisation."""
    *_, (picture, _) = optimise_picture(content, style, StylizationLoss(vgg, ratios), 2)
    return picture


def test_gatys_is_measured_at_the_content_itself_and_at_the_end(vgg, monkeypatch):
    pairs = evaluate.pairs()
    assert pairs == [(row["content"], row["style"]) for row in results.read(STORED / "gatys.json")["pairs"]]
    monkeypatch.setattr(evaluate, "pairs", lambda: pairs[:1])
    (row,) = evaluate.measure_gatys(SIDE, 2)["pairs"]
    content, style = paired(*pairs[0])
    loss = StylizationLoss(vgg)
    for kind, picture in (("before", content), ("gatys", ended(vgg, content, style, LossRatios()))):
        with torch.no_grad():
            assert row[kind]["total"] == pytest.approx(float(loss(picture, style, content).total), rel=1e-3)


@pytest.mark.parametrize("row", [1, 5], ids=["frame", "painting"])
def test_held_out_content_is_that_of_the_stored_results(vgg, row):
    pair = results.read(STORED / "gatys.json")["pairs"][row]
    content, style = held_out_pictures(128)[pair["content"]][None], torch.stack(load_paintings(128, [pair["style"]]))
    with torch.no_grad():
        total = StylizationLoss(vgg)(content, style, content).total
    assert float(total) == pytest.approx(pair["before"]["total"], rel=3e-3)


def test_strokes_are_measured_in_the_balance_of_the_single_styles(vgg):
    rows = evaluate.measure_strokes(SIDE, 2)["pairs"]
    stored = results.read(STORED / "strokes.json")["pairs"]
    assert [(row["content"], row["style"]) for row in rows] == [(row["content"], row["style"]) for row in stored]
    content, style = paired(rows[0]["content"], rows[0]["style"])
    found = rows[0]["gatys"]
    end = ended(vgg, content, style, evaluate.STROKES)
    with torch.no_grad():
        terms = StylizationLoss(vgg, JOHNSON)(end, style, content).terms  # the same three, before their ratios
    for term, ratio in (("style", 20), ("total_variation", 0.2), ("content", 2)):
        assert found[term] == pytest.approx(ratio * float(terms[term]), rel=1e-3, abs=0.02)
    assert set(found) == {"total", "style", "total_variation", "content"} == set(rows[0]["before"])


def test_each_set_of_losses_is_judged_by_all_terms_before_their_ratios(vgg, monkeypatch):
    sets = {"Johnson": JOHNSON, "+ hsv": replace(JOHNSON, hsv=300.0)}
    monkeypatch.setattr(evaluate, "ADDED_LOSSES", sets)
    rows = evaluate.measure_added_losses(SIDE, 2)["terms_before_their_ratios"]
    contents = held_out_pictures(SIDE)[[0, 4, 11]]
    styles = torch.stack(load_paintings(SIDE, ["greatwave", "kandinky", "gogh_harvest"]))
    for name, ratios in sets.items():
        picture = ended(vgg, contents, styles, ratios)
        with torch.no_grad():
            terms = StylizationLoss(vgg, LossRatios(*[1.0] * 9))(picture, styles, contents).terms
        assert set(rows[name]) == set(terms)
        for term in ("style", "hsv", "cosine", "content"):
            assert rows[name][term] == pytest.approx(terms[term].tolist(), rel=2e-3)


def test_norms_are_compared_on_held_out_content_in_the_wave_s_style(vgg, monkeypatch):
    asked = []

    def trained(config, every):
        asked.append((config.norm, config.seed, config.styles, config.ratios))
        torch.manual_seed(config.seed)
        return TransformNet(config.norm).eval(), [{"total": 7.0}]

    monkeypatch.setattr(evaluate, "run_training", trained)
    found = evaluate.measure_norms(SIDE, 1, (0, 1))
    kinds = [(norm, seed, ("greatwave",), JOHNSON) for seed in (0, 1) for norm in ("instance", "batch")]
    assert asked == kinds and found["training_total"] == {"instance": [[7.0], [7.0]], "batch": [[7.0], [7.0]]}
    contents, style = held_out_pictures(SIDE), torch.stack(load_paintings(SIDE, ["greatwave"])).expand(12, -1, -1, -1)
    torch.manual_seed(1)
    output = stylize(contents, TransformNet("batch").eval())
    with torch.no_grad():
        total = StylizationLoss(vgg, JOHNSON)(output, style, contents).total
    assert found["held_out_total"]["batch"][1] == pytest.approx(float(total.mean()), rel=1e-3)


def test_networks_are_compared_on_the_pairs_that_gatys_was_run_on(monkeypatch):
    asked = []

    def noted(networks, pairs, size, ratios=None):
        asked.append((len(pairs), size, ratios))
        one = {"total": 4.0, "style": 2.0}
        return [{**pair, "network": "pool", "before": one, "stylized": one, "gatys": {"total": 0.0, "style": 0.0}}
                for pair in pairs]  # fmt: skip

    monkeypatch.setattr(evaluate, "compare", noted)
    found = evaluate.measure_held_out(STORED)
    assert asked == [(14, 128, None), (8, 256, evaluate.STROKES), (4, 256, None)]
    assert set(found["closed"]) == {"pool"} and found["closed"]["pool"]["mean"] == 0
    monkeypatch.setattr(evaluate, "without_places", lambda pairs, size, steps, half: [
        {**pair, "reached": {"total": pair["before"]["total"] - (n + 1) * 0.25 * (pair["before"]["total"]
         - pair["gatys"]["total"])}} for n, pair in enumerate(pairs)])  # fmt: skip
    places = evaluate.measure_without_places(STORED)
    stored = results.shipped("style/without_places")
    assert [row["content"] for row in places["rows"]] == [row["content"] for row in stored["rows"]]
    assert places["closed"]["values"] == pytest.approx([0.25, 0.5, 0.75])
