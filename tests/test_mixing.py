"""How many real pictures among the stylised: each share is trained and measured on both looks."""

from __future__ import annotations

import json

import torch

from napa_lib.results import interval, paired_interval
from napa_lib.study.lessons.lesson_08 import tables
from napa_lib.training import mixing
from napa_lib.training.pictures import PictureSet


def some_pictures(seed: int) -> PictureSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (6, 3, 64, 64), generator=generator, dtype=torch.uint8)
    return PictureSet(images, 8 + 48 * torch.rand(6, 18, 2, generator=generator))


def test_every_share_is_trained_with_and_measured_on_both_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPA_PROGRESS_BAR", "off")
    looks = {"train": (some_pictures(0), some_pictures(1)), "validation": (some_pictures(2), some_pictures(3))}
    monkeypatch.setattr(mixing, "both_looks", lambda split, work, setup: looks[split])
    asked = []
    train = mixing.train_pose_net

    def listen(config, sources, shares, *rest, **named):
        asked.append((sources, shares))
        return train(config, sources, shares, *rest, **named)

    monkeypatch.setattr(mixing, "train_pose_net", listen)
    monkeypatch.setattr(mixing, "REAL", (0.0, 0.3, 1.0))
    mixing.main(["--steps", "1", "--size", "32", "--seed", "4", "--results", str(tmp_path)])
    found = json.loads((tmp_path / "mixing_4.json").read_text())
    assert [shares for _, shares in asked] == [(0.0, 1.0), (0.3, 0.7), (1.0, 0.0)]
    assert all(sources is looks["train"] for sources, _ in asked)
    assert [row["real"] for row in found["rows"]] == [0.0, 0.3, 1.0] and found["seed"] == 4
    assert all(set(row["on"]) == {"real", "stylised"} for row in found["rows"])
    assert all(0 <= row["on"]["real"]["near"] <= row["on"]["real"]["far"] <= 1 for row in found["rows"])


def test_the_table_pairs_the_seeds():
    rates = {0.0: [0.10, 0.20, 0.30], 0.3: [0.12, 0.23, 0.31]}
    runs = [
        {
            "rows": [
                {"real": s, "on": {"real": {"far": v[seed]}, "stylised": {"far": 1 - v[seed]}}}
                for s, v in rates.items()
            ]
        }
        for seed in range(3)
    ]
    lines = tables.mixing_table(runs).splitlines()
    change = paired_interval([10, 20, 30], [12, 23, 31])
    assert lines[1].split()[:2] == ["0", "%"] and f"{interval([10, 20, 30]).mean:.1f} ±" in lines[1]
    assert f"{change.mean:+.1f} ± {change.half:.1f}" in lines[2] and f"{-change.mean:+.1f}" in lines[2]
    assert "71.8 mm, 44.5 %" in lines[2] and "mm" not in lines[1]
