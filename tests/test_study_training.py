"""Lesson 08: what it shows is what the system does; its tables say what the results say."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch

from napa_lib import results
from napa_lib.study.lessons.lesson_08 import checks, live, pictures, tables
from napa_lib.training.objective import SYMBOLS
from napa_lib.training.stages import STAGES

matplotlib.use("agg")


def test_the_reach_that_the_lesson_describes():
    arrives = {row: {name for name, length in found.items() if length > 0} for row, found in live.reach(4).items()}
    assert arrives == {"all style terms": {"F"}, "L_2d": {"F", "G"}, "L_depth": {"G'"},
                       "self supervision": {"F", "G", "F'", "VGG'"}}  # fmt: skip
    cut = live.reach(4, cut=lambda keypoints: keypoints.detach())["self supervision"]
    assert {name for name, length in cut.items() if length > 0} == {"F'", "VGG'"}


def test_the_board_that_the_lesson_describes():
    """L_sent weighs most, L_style and L_2d pull hardest by far, L_depth does not pull at O at all."""
    rows = {row[0]: row for row in live.board()}
    assert max(rows, key=lambda name: rows[name][3]) == "style_entropy"
    pulls = sorted(rows, key=lambda name: -rows[name][4])
    assert set(pulls[:2]) == {"style", "keypoints"} and rows["depth"][4] == 0.0
    assert rows[pulls[1]][4] > 2 * rows[pulls[2]][4] and pulls.index("style_entropy") == 3
    figure = pictures.board_figure(live.board())
    words = [label.get_text().split()[0] for label in figure.axes[0].get_yticklabels()]
    assert words[::-1] == [SYMBOLS[name] for name in pulls]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_pipeline_shows_who_learns(number):
    words = [text.get_text() for text in pictures.pipeline_figure(number).axes[0].texts]
    learning = {text.split("\n")[0] for text in words if text.endswith("learns")}
    assert learning == set(STAGES[number - 1].trained)
    head, whole = (
        sum(p.numel() for p in part.parameters()) / 1e6 for part in (live.system().pose.head, live.system().pose)
    )
    said = f"G\n{head:.1f} of {whole:.1f} M\nlearns"
    assert (said in words) == (number > 1) and head < whole / 5  # the backbone is frozen
    assert any(text.startswith("O\n3 x 96 x 96") for text in words)
    assert ("3 self-supervision terms" in words) == (number == 4)


def test_what_is_shown_went_through_the_system():
    found = live.view(4, 2)
    again = live.system().bone_map(found.passed.keypoints, 96)
    assert torch.equal(again, found.passed.bone_map) and len(pictures.opening_figure(found).axes) == 12
    assert live.view(1).passed.prediction is None


def test_a_resumed_stage_and_a_judge_on_trial(tmp_path):
    assert live.interrupted(tmp_path / "c.safetensors", 1, 2, 0)
    seen = live.judge_on_trial(4, 0)
    assert [entry["step"] for entry in seen] == [0, 1, 2, 3, 4] and seen[0]["own"] == seen[0]["untouched"]
    assert seen[-1]["own"] < 0.7 * seen[0]["own"] and abs(seen[-1]["untouched"] - seen[0]["untouched"]) < 0.05
    assert len(pictures.judge_figure(seen).axes[0].lines) == 2


def test_the_made_up_curve():
    means = np.array(checks.CURVE[:48]).reshape(-1, 4).mean(1)
    np.testing.assert_allclose(means.round(2), [8.85, 7.3, 6.35, 5.9, 5.75, 5.72, 5.72, 5.72, 5.72, 5.72, 5.72, 5.72],
                               atol=0.011)  # fmt: skip
    best, since, lowered = np.inf, 0, []
    for window, mean in enumerate(means, 1):
        best, since = (mean, 0) if mean < 0.99 * best else (best, since + 4)
        lowered += [4 * window] if since == 20 else []
    assert live.lowered_at(list(checks.CURVE)) == lowered[0] == 40
    assert live.lowered_at([1.0 / step for step in range(1, 60)]) is None
    assert len(pictures.curve_figure(checks.CURVE).axes[0].lines) == 2


def run(seed: int, near: float) -> dict:
    joints = dict.fromkeys(("ankle", "knee", "wrist", "elbow", "shoulder", "head", "hip"), near)
    look = {"near": near, "far": 2 * near, "joints": joints, "pa_mpjpe": 200.0 + seed}
    judged = {"style": 1.0, "cosine": near / 100, "content": 1.0}
    return {"real": look, "own": look, "style": {"own": judged, "untouched": judged}}


def test_tables_pair_seed_by_seed():
    runs = {name: [run(seed, 10.0 + 10 * seed) for seed in range(3)] for name in tables.STAGES}
    runs["supervised"] = [run(seed, 11.0 + 10 * seed) for seed in range(3)]
    lines = tables.supervision_table(runs).splitlines()
    assert all("+1.0 ± 0.0" in line for line in lines[1:])  # the seeds differ by 10, the arms by 1
    assert "+4.0" in next(line for line in lines if line.startswith("wrist"))
    stages = tables.stages_table(runs).splitlines()
    assert len(stages) == 1 + len(tables.STAGES) and "20.0 ± 24.8" in stages[1]
    assert "0.200 ± 0.248" in tables.judge_table(runs)


def test_records_as_dots():
    records = {n: [{"step": 1, "style": 2.0, "keypoints": 3.0, "feature_sup": 4.0}] for n in (1, 2, 3, 4)}
    figure = pictures.stages_figure(records)
    assert [line.get_xdata()[0] for line in figure.axes[0].lines] == [1, 2, 3, 4]


def one_style_each(seed: int) -> dict:
    """Two styles' networks, of 40 and 60 + seed per cent; their predictions' mean is better."""

    def entry(rate: float) -> dict:
        looks = {"untouched": rate / 100, "many": rate / 200, "others": 0.1 + 0.01 * seed}
        return {"art": {"0.25": rate, "0.5": rate}, "on": {look: {"near": near} for look, near in looks.items()}}

    rates = {"nothing": 30.0, "untouched": 35.0, "a": 40.0, "b": 60.0 + seed, "many": 70.0}
    counts = {1: 40.0, 3: 61.0, 5: 62.0, 9: 63.0, 12: 64.0 + 2 * seed}
    return {
        "rows": [{"trained_on": name} | entry(rate) for name, rate in rates.items()],
        "averaged": [{"styles": count, "median": {"0.25": rate + 2}} | entry(rate) for count, rate in counts.items()],
    }


def test_one_style_is_the_mean_over_its_networks():
    lines = tables.styles_table({"styles": [one_style_each(seed) for seed in range(3)]}).splitlines()
    assert len(lines) == 1 + len(tables.STYLES)
    assert "50.5 ± 1.2" in lines[3] and "+15.5 ± 1.2" in lines[3] and lines[3].endswith("35.3")
    assert "66.0 ± 5.0" in lines[7] and "68.0 ± 5.0" in lines[8] and "70.0" in lines[9]


def test_people_are_compared_with_the_untouched_arm_look_by_look():
    def longer(seed: int) -> dict:
        looks = {look: {"near": 0.4 + 0.01 * seed} for look in ("untouched", "many", "others")}
        return {"rows": [{"real": 1.0, "on": looks, "art": {"0.25": 50.0}},
                         {"real": 0.0, "on": looks, "art": {"0.25": 51.0 + seed}}]}  # fmt: skip

    runs = {"styles": [one_style_each(seed) for seed in range(3)], "longer": [longer(seed) for seed in range(3)]}
    lines = tables.people_table(runs).splitlines()
    assert len(lines) == 7 and "(" not in lines[2] and "(" not in lines[5]
    assert "50.5 ± 1.2 (+15.5 ± 1.2)" in lines[3] and "25.2 ± 0.6 (+7.8 ± 0.6)" in lines[3]
    assert "35.0 (+17.5 ± 0.0)" in lines[4] and "11.0 ± 2.5 (+0.0 ± 0.0)" in lines[4]
    assert lines[4].endswith("70.0 (+35.0 ± 0.0)        -17.5 ± 0.0")  # 17.5 on the painted, 35 on the others
    assert "52.0 ± 2.5 (+2.0 ± 2.5)" in lines[6] and lines[6].endswith("+0.0 ± 0.0")


def test_labels_are_compared_with_none_seed_by_seed():
    runs = {"pseudo": [
        {
            "labels": {"guess": 90.0, "pseudo": 80.0, "revised": 50.0, "true": 0.0},
            "rest": {"none": 90.0 + seed, "guess": 90.0, "pseudo": 80.0 + seed, "revised": 70.0, "true": 60.0},
            "others": dict.fromkeys(("none", "guess", "pseudo", "revised", "true"), 77.0),
        }
        for seed in range(3)
    ]}  # fmt: skip
    assert tables.labels_errors(runs)["none"] == {"labels": [], "rest": [90.0, 91.0, 92.0], "others": [77.0] * 3}
    lines = tables.labels_table(runs).splitlines()
    assert len(lines) == 6 and "(-10.0 ± 0.0)" in lines[3] and "(+0.0 ± 0.0)" in lines[3]


def test_the_figures_in_art_stand_above_both_of_their_poses():
    stored = results.shipped_runs("training")["art_depths"][0]["figures"]
    page = pictures.depths_figure()
    assert (
        len(page.axes) == 3 * len(stored)
        and len({tuple(axis.images[0].get_array().shape) for axis in page.axes[:3]}) > 1
    )
    said = [axis.get_title() for axis in page.axes[-3:]]
    assert said == [f"with them: {entry['apart']:.0f} mm from it" for entry in stored]
    for entry in stored:
        one, other = (torch.tensor(entry[name], dtype=torch.float64) for name in ("none", "pseudo"))
        assert float((one - other).norm(dim=-1).mean()) == pytest.approx(entry["apart"], abs=1.0)  # whole millimetres


def test_the_table_of_mixtures_pairs_the_seeds():
    def mixed(seed: int) -> dict:
        rows = [
            {"real": share, "on": {"untouched": {"near": 0.2 + 0.01 * seed + 0.1 * share}, "many": {"near": 0.3}},
             "art": {"0.25": 50.0 - seed - share}}
            for share in tables.MIXED
        ]  # fmt: skip
        return {"rows": rows}

    runs = {"mixing": [mixed(seed) for seed in range(3)]}
    rates = tables.mixing_rates(runs)
    np.testing.assert_allclose(rates["untouched"][1.0], [30, 31, 32])
    lines = tables.mixing_table(runs).splitlines()
    half = next(line for line in lines if line.startswith("50 %"))
    assert "(+5.0 ± 0.0)" in half and "(+0.0 ± 0.0)" in half and "(-0.5 ± 0.0)" in half
    none = next(line for line in lines if line.startswith("0 %"))
    assert half.split()[-2:] == ["63.5", "45.5"] and "(" not in none and none.split()[-1] == "82.91"
