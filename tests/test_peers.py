"""Other people's networks, measured on the figures in art: that their answers come back to the picture."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch

from benchmarks import movenet
from napa_lib.data import load_art_figures
from napa_lib.evaluate import score_art
from napa_lib.skeletons import ART14, COCO17


def test_a_peer_that_knows_every_joint_scores_all(monkeypatch):
    """The truth, sent through crops and back, with COCO's joints: all limb joints right, no top of the head."""
    figures = load_art_figures()[:4]
    sides = torch.tensor([max(f.box[2] - f.box[0], f.box[3] - f.box[1]) for f in figures])
    middles = torch.tensor([[(f.box[0] + f.box[2]) / 2, (f.box[1] + f.box[3]) / 2] for f in figures])
    truth = torch.stack([f.keypoints for f in figures])
    known = [ART14.joints.index(name) if name in ART14.joints else 0 for name in COCO17.joints]

    def ask(crops: torch.Tensor, packages: Path) -> torch.Tensor:
        assert crops.shape == (4, 3, 256, 256) and float(crops.min()) >= 0 and float(crops.max()) <= 1
        return ((truth[:, known] - middles[:, None]) / sides[:, None, None] + 0.5) * 256 - 0.5

    monkeypatch.setattr(movenet, "ask", ask)
    score = score_art(movenet.predict(figures, Path(".")), figures)
    assert float(score.pckh(0.25).total) == 1.0
    assert bool(score.errors[:, ART14.joints.index("head_top")].isnan().all())


def test_answers_are_places_in_the_crop(monkeypatch):
    """The network says y before x, as shares of the crop's side; the crops it gets are bytes, row by row."""
    seen = {}

    def run(command, **options):
        seen["bytes"] = Path(command[-1]).read_bytes()
        return subprocess.CompletedProcess(command, 0, json.dumps([[[0.5, 0.25, 0.9]] * 17]))

    monkeypatch.setattr(movenet.subprocess, "run", run)
    crops = torch.zeros(1, 3, 256, 256)
    crops[0, 1, 0, 1] = 1.0  # green, the second pixel of the first row
    found = movenet.ask(crops, Path("."))
    assert found.shape == (1, 17, 2) and found[0, 0].tolist() == pytest.approx([63.5, 127.5])
    assert seen["bytes"][:6] == bytes([0, 0, 0, 0, 255, 0]) and len(seen["bytes"]) == 256 * 256 * 3
