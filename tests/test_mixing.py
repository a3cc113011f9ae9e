"""How many real pictures among the stylised: each share is trained and measured on both looks."""

from __future__ import annotations

import json
from dataclasses import replace

import torch

from napa_lib.data import load_art_figures
from napa_lib.training import mixing
from napa_lib.training.pictures import PictureSet


def some_pictures(seed: int) -> PictureSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (6, 3, 64, 64), generator=generator, dtype=torch.uint8)
    return PictureSet(images, 8 + 48 * torch.rand(6, 18, 2, generator=generator))


def test_every_share_is_trained_with_and_measured_on_both_looks_and_art(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPA_PROGRESS_BAR", "off")
    looks = {"train": (some_pictures(0), some_pictures(1)), "validation": (some_pictures(2), some_pictures(3))}
    monkeypatch.setattr(mixing, "both_looks", lambda split, work, setup: looks[split])
    monkeypatch.setattr(mixing, "load_art_figures", lambda: load_art_figures()[:2])
    monkeypatch.setattr(mixing, "TUNING", replace(mixing.TUNING, batch=2, sizes=(64,)))
    monkeypatch.setattr(mixing, "PEOPLE", 4)
    asked = []
    train = mixing.train_warm_head

    def listen(config, sources, *rest, **named):
        asked.append([(source.pictures, source.share) for source in sources])
        return train(config, sources, *rest, **named)

    monkeypatch.setattr(mixing, "train_warm_head", listen)
    monkeypatch.setattr(mixing, "REAL", (0.0, 0.25, 1.0))
    mixing.main(["--steps", "1", "--seed", "4", "--results", str(tmp_path)])
    found = json.loads((tmp_path / "mixing_4.json").read_text())
    real, stylised = looks["train"]
    assert asked == [[(stylised, 1.0)], [(real, 0.25), (stylised, 0.75)], [(real, 1.0)]]
    assert [row["real"] for row in found["rows"]] == [0.0, 0.25, 1.0] and found["seed"] == 4
    for row in found["rows"]:
        assert set(row["on"]) == {"real", "stylised"} and set(row["art"]) == {"0.25", "0.5"}
        assert 0 <= row["on"]["real"]["near"] <= row["on"]["real"]["far"] <= 1


def test_pictures_are_spread_evenly():
    pictures = some_pictures(0)
    assert torch.equal(mixing.spread(pictures, 3).images, pictures.images[[0, 2, 4]])
    assert torch.equal(mixing.spread(pictures, 9).images, pictures.images)
