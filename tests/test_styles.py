"""One network a style: each learns from the same people in its style, all are measured alike, and nothing twice."""

from __future__ import annotations

import json
from dataclasses import replace

import torch

from napa_lib.data import load_art_figures
from napa_lib.evaluate.art import GROUPS
from napa_lib.training import styles
from tests.test_mixing import some_pictures


def test_the_mean_of_two_predictions_is_measured_where_both_are_off_to_opposite_sides():
    figures = tuple(load_art_figures()[:3])
    truth = torch.stack([figure.scored_keypoints for figure in figures]).float().nan_to_num(0.0)
    off = torch.tensor([1e4, -1e4])
    poses = dict.fromkeys(styles.STYLES, truth) | {styles.STYLES[0]: truth + off, styles.STYLES[1]: truth - off}
    found = {row["styles"]: row for row in styles.averaged(poses, styles.Looked(figures, torch.empty(3, 2, 3), ()))}
    assert found[1]["art"]["0.5"] == 0.0
    assert found[3]["art"] == found[12]["art"] == {"0.25": 100.0, "0.5": 100.0}


def test_each_style_has_its_network_and_a_training_is_not_made_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPA_PROGRESS_BAR", "off")
    monkeypatch.setattr(styles, "photo_pictures", lambda split: some_pictures(0 if split == "train" else 1))
    monkeypatch.setattr(styles, "load_art_figures", lambda: load_art_figures()[:2])
    monkeypatch.setattr(styles, "TUNING", replace(styles.TUNING, batch=2, sizes=(64,)))
    monkeypatch.setattr(styles, "PEOPLE", 3)
    monkeypatch.setattr(styles, "STYLES", ("greatwave", "monalisa"))
    monkeypatch.setattr(styles, "COUNTS", (1, 2))
    learned = []
    train = styles.train_warm_head

    def listen(config, sources, *rest, **named):
        learned.append(sources[0].pictures)
        return train(config, sources, *rest, **named)

    monkeypatch.setattr(styles, "train_warm_head", listen)
    asked = ["--steps", "1", "--seed", "4", "--work", str(tmp_path / "work"), "--results", str(tmp_path)]
    styles.main(asked)
    found = json.loads((tmp_path / "styles_4.json").read_text())
    assert [row["trained_on"] for row in found["rows"]] == ["nothing", "untouched", "greatwave", "monalisa", "pool"]
    untouched, *painted = learned
    assert torch.equal(untouched.images, some_pictures(0).images[[0, 2, 4]])
    for pictures in painted:  # the same people with the same labels, and every time other pixels
        assert torch.equal(pictures.keypoints, untouched.keypoints)
        assert not any(torch.equal(pictures.images, other.images) for other in learned if other is not pictures)
    for row in found["rows"]:
        assert set(row["on"]) == {"untouched", "pool"} and set(row["joints"]) == set(GROUPS)
        assert 0 <= row["art"]["0.25"] <= row["art"]["0.5"] <= 100
    one, two = found["averaged"]
    assert one["styles"] == 1 and one["art"] == found["rows"][2]["art"] and one["joints"] == found["rows"][2]["joints"]
    assert two["styles"] == 2 and set(two["joints"]) == set(GROUPS)
    styles.main(asked)
    assert len(learned) == 4 and json.loads((tmp_path / "styles_4.json").read_text())["rows"] == found["rows"]
