"""One network a style: each learns from the same people in its style, all are measured alike, and nothing twice."""

from __future__ import annotations

import json

import torch

from napa_lib.data import load_art_figures
from napa_lib.training import styles
from tests.test_mixing import learned, some_pictures  # noqa: F401


def test_the_mean_of_two_predictions_is_measured_where_both_are_off_to_opposite_sides():
    figures = tuple(load_art_figures()[:3])
    truth = torch.stack([figure.scored_keypoints for figure in figures]).float().nan_to_num(0.0)
    off = torch.tensor([1e4, -1e4])
    poses = dict.fromkeys(styles.STYLES, truth) | {styles.STYLES[0]: truth + off, styles.STYLES[1]: truth - off}
    found = {row["styles"]: row for row in styles.averaged(poses, figures)}
    assert found[1]["art"]["0.5"] == 0.0
    assert found[3]["art"] == found[12]["art"] == {"0.25": 100.0, "0.5": 100.0}


def test_the_median_follows_the_many_where_one_network_is_far_off():
    figures = tuple(load_art_figures()[:3])
    truth = torch.stack([figure.scored_keypoints for figure in figures]).float().nan_to_num(0.0)
    poses = dict.fromkeys(styles.STYLES, truth) | {styles.STYLES[1]: truth + 1e5}
    found = {row["styles"]: row for row in styles.averaged(poses, figures)}
    assert found[12]["art"] == {"0.25": 0.0, "0.5": 0.0}
    assert found[3]["median"] == found[12]["median"] == {"0.25": 100.0, "0.5": 100.0}


def test_the_other_styles_are_none_that_a_network_learns_from():
    assert len(styles.STYLES) == len(styles.OTHERS) == 12
    assert not set(styles.STYLES) & set(styles.OTHERS)


def test_each_style_has_its_network_and_a_training_is_not_made_twice(tmp_path, monkeypatch, learned):  # noqa: F811
    monkeypatch.setattr(styles, "COUNTS", (1, 2))
    asked = ["--steps", "1", "--seed", "4", "--work", str(tmp_path / "work"), "--results", str(tmp_path)]
    styles.main(asked)
    found = json.loads((tmp_path / "styles_4.json").read_text())
    assert [row["trained_on"] for row in found["rows"]] == ["nothing", "untouched", "greatwave", "monalisa", "many"]
    untouched, *painted = (sources[0].pictures for sources in learned)
    assert torch.equal(untouched.images, some_pictures(0).images[[0, 2, 4]])
    for pictures in painted:  # the same people with the same labels, and every time other pixels
        assert torch.equal(pictures.keypoints, untouched.keypoints)
        assert not any(torch.equal(pictures.images, other.images) for other in (untouched, *painted) if
                       other is not pictures)  # fmt: skip
    for row in found["rows"]:
        assert set(row["on"]) == {"untouched", "many", "others"}
        assert 0 <= row["art"]["0.25"] <= row["art"]["0.5"] <= 100
    one, two = found["averaged"]
    assert one["styles"] == 1 and one["art"] == found["rows"][2]["art"] and one["joints"] == found["rows"][2]["joints"]
    assert two["styles"] == 2
    styles.main(asked)
    assert len(learned) == 4 and json.loads((tmp_path / "styles_4.json").read_text())["rows"] == found["rows"]
