"""How many real pictures among the stylised: each share is trained and measured, and what styles trained is taken."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from napa_lib.data import load_art_figures
from napa_lib.training import mixing, styles, whole
from napa_lib.training.pictures import PictureSet, spread


def some_pictures(seed: int) -> PictureSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (6, 3, 64, 64), generator=generator, dtype=torch.uint8)
    return PictureSet(images, 8 + 48 * torch.rand(6, 18, 2, generator=generator))


@pytest.fixture
def learned(monkeypatch):
    """What each training of a small comparison learned from: six figures, two in art, crops of 64 pixels."""
    monkeypatch.setattr(styles, "photo_pictures", lambda split: some_pictures(0 if split == "train" else 1))
    monkeypatch.setattr(styles, "load_art_figures", lambda: load_art_figures()[:2])
    monkeypatch.setattr(styles, "PEOPLE", 3)
    for module in (styles, mixing):
        monkeypatch.setattr(module, "WHOLE", replace(whole.WHOLE, batch=2, size=64))
        monkeypatch.setattr(module, "STYLES", ("greatwave", "monalisa"))
    sources: list = []
    train = whole.train_whole

    def listen(config, given, *rest, **named):
        sources.append(given)
        return train(config, given, *rest, **named)

    monkeypatch.setattr(whole, "train_whole", listen)
    return sources


def test_every_share_is_trained_with_and_measured_once(tmp_path, learned):
    places = ["--work", str(tmp_path / "work"), "--results", str(tmp_path)]
    asked = [*["--shares", "0", "0.25", "1", "--steps", "1", "--seed", "4"], *places]
    mixing.main(asked)
    found = json.loads((tmp_path / "mixing_4.json").read_text())
    (stylised,), (real, less), (alone,) = learned
    assert (stylised.share, real.share, less.share, alone.share) == (1.0, 0.25, 0.75, 1.0)
    untouched = some_pictures(0).images[[0, 2, 4]]
    assert torch.equal(real.pictures.images, untouched) and torch.equal(alone.pictures.images, untouched)
    assert torch.equal(stylised.pictures.images, less.pictures.images)
    assert not torch.equal(stylised.pictures.images, untouched)
    assert [row["real"] for row in found["rows"]] == [0.0, 0.25, 1.0] and found["seed"] == 4
    for row in found["rows"]:
        assert set(row["on"]) == {"untouched", "many", "others"} and set(row["art"]) == {"0.25", "0.5"}
        assert 0 <= row["on"]["many"]["near"] <= row["on"]["many"]["far"] <= 1
    mixing.main(asked)
    assert len(learned) == 3 and json.loads((tmp_path / "mixing_4.json").read_text())["rows"] == found["rows"]


def test_two_shares_of_less_than_a_percent_are_two_trainings(tmp_path, learned):
    places = ["--work", str(tmp_path / "work"), "--results", str(tmp_path)]
    mixing.main([*["--shares", "0.001", "0.004", "--steps", "1"], *places])
    assert [real.share for real, _ in learned] == [0.001, 0.004]


def test_trainings_of_the_comparison_of_styles_are_taken(tmp_path, learned):
    asked = ["--steps", "1", "--work", str(tmp_path / "work"), "--results", str(tmp_path)]
    styles.main(asked)
    assert len(learned) == 4
    mixing.main([*asked, "--shares", "0", "1", "--name", "ends"])
    assert len(learned) == 4
    by_styles, mixed = (json.loads((tmp_path / f"{name}_0.json").read_text())["rows"] for name in ("styles", "ends"))
    assert [row["art"] for row in mixed] == [by_styles[-1]["art"], by_styles[1]["art"]]


def test_a_share_beyond_all_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(SystemExit, match="shares must be from 0 to 1"):
        mixing.main(["--shares", "50", "--work", str(tmp_path / "work"), "--results", str(tmp_path)])
    assert not (tmp_path / "work").exists()


def test_pictures_are_spread_evenly():
    pictures = some_pictures(0)
    assert torch.equal(spread(pictures, 3).images, pictures.images[[0, 2, 4]])
    assert torch.equal(spread(pictures, 9).images, pictures.images)
