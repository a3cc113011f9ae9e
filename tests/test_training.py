"""Training of the pose network: losses against other statements of them, labels that stay true, runs that resume."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from napa_lib.data import load_art_figures
from napa_lib.data.crops import without_figures
from napa_lib.data.paintings import VALIDATION, list_paintings
from napa_lib.data.synthetic import LOOKS, load_synthetic
from napa_lib.engine import load_tensors
from napa_lib.loop import Setup
from napa_lib.networks.pose_net import PoseNet2D
from napa_lib.skeletons import NAPA18
from napa_lib.style import POOL
from napa_lib.training import claim, stylize
from napa_lib.training import pose as training
from napa_lib.training.augment import Augmentation, exchange_sides, figure_boxes, hide_patches, random_crops
from napa_lib.training.echo import EchoBuffer
from napa_lib.training.losses import confidence_loss, heatmap_loss, integral_loss
from napa_lib.training.pictures import PictureSet, draw_batch, read_pictures, write_pictures
from tests.descents import hear_descents

TINY = training.PoseTrainingConfig(width=32, size=64, steps=4, batch=4)


def dots(count: int, size: int = 80, seed: int = 0) -> PictureSet:
    """Pictures with a coloured square round each joint: left ones red, right ones green, others blue."""
    generator = torch.Generator().manual_seed(seed)
    keypoints = (16 + (size - 32) * torch.rand(count, 18, 2, generator=generator)).round()
    images = torch.full((count, 3, size, size), 40, dtype=torch.uint8)
    colour = torch.tensor([{"l": 0, "r": 1}.get(j[0], 2) if "_" in j else 2 for j in NAPA18.joints])
    for b in range(count):
        for j, (x, y) in enumerate(keypoints[b].int().tolist()):
            images[b, int(colour[j]), y - 1 : y + 2, x - 1 : x + 2] = 250
    return PictureSet(images, keypoints)


def test_integral_loss_is_the_mean_distance_of_what_is_labelled():
    generator = np.random.default_rng(0)
    prediction, target = generator.normal(size=(3, 5, 2)), generator.normal(size=(3, 5, 2))
    target[0, 2] = np.nan
    seen = ~np.isnan(target).any(-1)
    expected = np.abs(prediction - target)[seen].mean() / 32
    found = integral_loss(torch.tensor(prediction), torch.tensor(target), 32)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_heatmap_loss_is_a_divergence():
    """Kullback and Leibler's: 0 for the Gaussian itself, and what NumPy says for any other map."""
    target = torch.tensor([[[9.5, 17.5], [torch.nan, torch.nan]]], dtype=torch.float64)
    ys, xs = np.mgrid[:8, :8]
    gauss = np.exp(-((xs - 2.0) ** 2 + (ys - 4.0) ** 2) / 2)
    gauss /= gauss.sum()
    perfect = torch.tensor(np.log(gauss)).expand(1, 2, 8, 8)
    np.testing.assert_allclose(heatmap_loss(perfect, target), 0.0, atol=1e-9)
    scores = np.random.default_rng(1).normal(size=(8, 8))
    log_p = scores - np.log(np.exp(scores).sum())
    expected = (gauss * (np.log(gauss) - log_p)).sum()
    np.testing.assert_allclose(heatmap_loss(torch.tensor(scores).expand(1, 2, 8, 8), target), expected, rtol=1e-9)


def test_losses_have_right_gradients():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 3, 5, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    points = torch.randn(1, 3, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    target = torch.tensor([[[3.0, 4.0], [torch.nan, torch.nan], [10.0, 8.0]]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda m: heatmap_loss(m, target), maps)
    assert torch.autograd.gradcheck(lambda p: integral_loss(p, target, 20), points)


def test_nothing_labelled_is_no_loss_and_no_nan():
    nothing = torch.full((2, 18, 2), torch.nan)
    maps = torch.zeros(2, 18, 4, 4, requires_grad=True)
    loss = heatmap_loss(maps, nothing) + integral_loss(torch.zeros(2, 18, 2), nothing, 16)
    loss.backward()
    assert loss.item() == 0.0
    assert bool((maps.grad == 0).all())


def test_confidence_is_asked_of_near_joints_alone():
    target = torch.tensor([[[10.0, 10.0], [10.0, 10.0], [torch.nan, torch.nan]]])
    prediction = torch.tensor([[[14.0, 10.0], [16.0, 10.0], [0.0, 0.0]]])  # within 5 of 100 pixels, farther, not there
    logits = torch.tensor([[2.0, 2.0, 2.0]])
    expected = (math.log1p(math.exp(-2.0)) + 2 * math.log1p(math.exp(2.0))) / 3
    np.testing.assert_allclose(confidence_loss(logits, prediction, target, 100), expected, rtol=1e-6)


def test_labels_follow_the_picture():
    """Wherever a crop is cut or turned, joints lie on their squares; mirrored, a left (red) hand is a right one."""
    pictures = dots(12)
    settings = Augmentation(upside_down=0.5)
    crops, keypoints = random_crops(
        pictures.images.float() / 255, pictures.keypoints, 160, settings, torch.Generator().manual_seed(3)
    )
    assert int((~keypoints.isnan().any(-1)).sum()) > 60
    colours = []
    for channels in ({"l": 0, "r": 1}, {"l": 1, "r": 0}):
        matches = torch.ones(12, dtype=torch.bool)
        for j, name in enumerate(NAPA18.joints):
            channel = channels.get(name[0], 2) if "_" in name else 2
            x, y = keypoints[:, j].nan_to_num(0.0).round().long().unbind(-1)
            hit = crops[torch.arange(12), channel, y, x] > 0.5
            matches &= hit | keypoints[:, j].isnan().any(-1)
        colours.append(matches)
    assert bool((colours[0] ^ colours[1]).all())
    assert bool(colours[0].any()) and bool(colours[1].any())


def test_joints_outside_the_crop_are_missing():
    pictures = dots(6)
    _, keypoints = random_crops(
        pictures.images.float() / 255, pictures.keypoints, 64, Augmentation(smallest=0.3, largest=0.4),
        torch.Generator().manual_seed(0),
    )  # fmt: skip
    inside = keypoints[~keypoints.isnan().any(-1)]
    assert bool(keypoints.isnan().any())
    assert inside.min() >= 0 and inside.max() <= 63


def test_exchanging_sides_twice_is_nothing():
    points = torch.randn(2, 18, 2, generator=torch.Generator().manual_seed(0))
    swapped = exchange_sides(points)
    np.testing.assert_allclose(swapped[:, NAPA18.index("l_knee")], points[:, NAPA18.index("r_knee")])
    np.testing.assert_allclose(exchange_sides(swapped), points)


def test_boxes_are_the_protocols():
    points = torch.full((1, 18, 2), torch.nan)
    points[0, 0], points[0, 1] = torch.tensor([10.0, 20.0]), torch.tensor([30.0, 100.0])
    assert figure_boxes(points).tolist() == [[-30.0, 10.0, 70.0, 110.0]]
    with pytest.raises(ValueError, match="at least one joint"):
        figure_boxes(torch.full((1, 18, 2), torch.nan))


def test_shuffled_tiles_keep_the_colours():
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    shuffled = without_figures(images, torch.Generator().manual_seed(1))
    assert not torch.equal(shuffled, images)
    np.testing.assert_array_equal(shuffled.flatten(2).sort().values, images.flatten(2).sort().values)
    with pytest.raises(ValueError, match="divides"):
        without_figures(torch.rand(1, 3, 18, 16), torch.Generator())


def test_patches_hide_only_a_part():
    images = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    changed = (hide_patches(images, 1.0, torch.Generator().manual_seed(2)) != images).any(1).float().mean((1, 2))
    assert 0.02 < changed.mean() < 0.5


def test_shares_are_kept():
    black = PictureSet(torch.zeros(5, 3, 8, 8, dtype=torch.uint8), torch.zeros(5, 18, 2))
    white = PictureSet(torch.full((5, 3, 8, 8), 255, dtype=torch.uint8), torch.zeros(5, 18, 2))
    images, _ = draw_batch([black, white], [3.0, 1.0], 2000, torch.Generator().manual_seed(0))
    assert abs(images.mean().item() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 2000)


def test_shards(tmp_path):
    pictures = dots(3)
    hidden = replace(pictures, keypoints=pictures.keypoints.clone())
    hidden.keypoints[1, 4:] = torch.nan  # four joints: too few to train on
    write_pictures(tmp_path / "b.safetensors", pictures)
    write_pictures(tmp_path / "a.safetensors", hidden)
    both = read_pictures(tmp_path)
    assert len(both) == 5
    assert torch.equal(both.images[2:], pictures.images)
    with pytest.raises(ValueError, match="holds no shard"):
        (tmp_path / "empty").mkdir()
        read_pictures(tmp_path / "empty")
    with pytest.raises(ValueError, match="uint8"):
        PictureSet(torch.zeros(1, 3, 8, 8), torch.zeros(1, 18, 2))


def test_training_lowers_its_loss():
    config = replace(TINY, steps=30, batch=8, learning_rate=3e-3, average=0.5, empty=0.0)
    _, record = training.train_pose_net(config, [dots(8)], [1.0], every=10)
    first, last = record[0]["heatmaps"], record[-1]["heatmaps"]
    assert last < first - 0.1


def test_a_step_descends_the_heat_maps_and_twice_more_by_their_weights(monkeypatch):
    seen = hear_descents(monkeypatch, training)
    training.train_pose_net(replace(TINY, steps=2, integral=3.0, confidence=0.7), [dots(8)], [1.0])
    assert len(seen) == 2
    for total, _, clip, losses in seen:
        expected = losses["heatmaps"] + 3 * losses["integral"] + 0.7 * losses["confidence"]
        assert total == pytest.approx(expected, rel=1e-5) and clip == 1.0 and min(losses.values()) > 0


def test_a_checkpoint_holds_no_embedded_weights_and_is_this_trainings(tmp_path):
    setup = Setup(checkpoint=tmp_path / "c.safetensors")
    training.train_pose_net(replace(TINY, steps=1), [dots(8)], [1.0], setup)
    assert not any("vgg" in name for name in load_tensors(setup.checkpoint)[0])
    with pytest.raises(ValueError, match="another training"):
        training.train_pose_net(replace(TINY, batch=5), [dots(8)], [1.0], setup)


def test_a_broken_loss_stops_the_run(monkeypatch):
    monkeypatch.setattr("napa_lib.training.losses.integral_loss", lambda *_: torch.tensor(torch.nan))
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        training.train_pose_net(TINY, [dots(4)], [1.0])


def test_echoed_batches_hold_what_was_pushed_last():
    buffer = EchoBuffer(6)
    with pytest.raises(ValueError, match="pushed"):
        buffer.draw(1, torch.Generator())
    for start in (0, 4, 8):
        number = torch.arange(start, start + 4).float()
        buffer.push((number.view(4, 1, 1, 1).expand(4, 2, 3, 3), 10 * number.view(4, 1, 1, 1)), number.view(4, 1, 1))
    assert len(buffer) == 6
    (maps, other), targets = buffer.draw(500, torch.Generator().manual_seed(0))
    assert set(targets.flatten().tolist()) == {6.0, 7.0, 8.0, 9.0, 10.0, 11.0}
    assert torch.equal(maps[:, 1, 2, 2], targets.flatten())
    assert torch.equal(other.flatten(), 10 * targets.flatten())


def test_echo_needs_a_frozen_backbone():
    with pytest.raises(ValueError, match="echo"):
        replace(TINY, echo=2, tuned="conv4_4")
    with pytest.raises(ValueError, match="echo"):
        replace(TINY, echo=0)


def test_training_with_echoes_lowers_its_loss():
    config = replace(TINY, steps=30, batch=8, learning_rate=3e-3, average=0.5, empty=0.0, echo=3, kept=24)
    _, record = training.train_pose_net(config, [dots(8)], [1.0], every=10)
    assert record[-1]["heatmaps"] < record[0]["heatmaps"] - 0.1


PROCESS = """
import os, sys, torch
from torch import nn
from napa_lib.processes import average_gradients, join_processes
rank, world = join_processes(torch.device("cpu"))
weight, bias = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(1))
((rank + 1.0) * weight.sum() + 10.0 * rank * bias.sum()).backward()
average_gradients([weight, bias], world)
assert torch.equal(weight.grad, torch.full((2, 3), 1.5)) and bias.grad.item() == 5.0, (weight.grad, bias.grad)
open(f"{sys.argv[1]}/{rank}.done", "w").write(str(world))
"""


def test_processes_share_their_mean_gradient(tmp_path):
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
        str(tmp_path),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert {f.name: f.read_text() for f in tmp_path.glob("*.done")} == {"0.done": "2", "1.done": "2"}, run.stderr


def test_shards_are_shared_out_between_processes(tmp_path):
    for i in range(3):
        write_pictures(tmp_path / f"{i}.safetensors", dots(2, seed=i))
    parts = [read_pictures(tmp_path, part, 2) for part in range(2)]
    assert [len(part) for part in parts] == [4, 2]
    assert torch.equal(
        torch.cat([parts[0].images[:2], parts[1].images, parts[0].images[2:]]), read_pictures(tmp_path).images
    )
    with pytest.raises(ValueError, match="too few for 4"):
        read_pictures(tmp_path, 3, 4)


def test_stylised_copies_keep_labels_and_differ(tmp_path):
    pictures = dots(3, size=64)
    write_pictures(tmp_path / "raw" / "a.safetensors", pictures)
    stylize.main(["--data", str(tmp_path / "raw"), "--out", str(tmp_path / "styled")])
    styled = read_pictures(tmp_path / "styled")
    assert torch.equal(styled.keypoints, pictures.keypoints)
    assert 5 < (styled.images.float() - pictures.images.float()).abs().mean() < 150
    before = (tmp_path / "styled" / "a.safetensors").read_bytes()
    (tmp_path / "styled" / "a.safetensors").unlink()
    stylize.main(["--data", str(tmp_path / "raw"), "--out", str(tmp_path / "styled")])
    assert (tmp_path / "styled" / "a.safetensors").read_bytes() == before


def test_each_shard_has_styles_of_its_own_and_none_of_a_painting_that_measures(tmp_path):
    for name in "ab":
        write_pictures(tmp_path / "raw" / f"{name}.safetensors", dots(3, size=64))
    stylize.main(["--data", str(tmp_path / "raw"), "--out", str(tmp_path / "styled")])
    one, other = (read_pictures(tmp_path / "styled" / f"{name}.safetensors").images.float() for name in "ab")
    assert float((one - other).abs().mean()) > 2
    assert not set(stylize.STYLES) & {painting.name for painting in list_paintings() if painting.kept_aside}
    assert len(stylize.STYLES) == len(POOL) - len(VALIDATION)


def test_of_the_original_at_most_half_shows_through():
    class Black(torch.nn.Linear):
        def forward(self, content, code):
            return torch.zeros_like(content)

    white = PictureSet(torch.full((200, 3, 4, 4), 255, dtype=torch.uint8), torch.zeros(200, 18, 2))
    images = stylize.stylize_pictures(white, Black(1, 1), torch.zeros(2, 8), torch.Generator().manual_seed(0)).images
    assert images.min() < 10 and 118 < images.max() <= 128


@pytest.mark.parametrize(("words", "said"), [
    (["--data", "nowhere"], "nowhere"), (["--stylizer", "nobody"], "stylizer_nobody"),
    (["--stylizer", "none.safetensors"], "none.safetensors"), (["--device", "abacus"], "device must be"),
])  # fmt: skip
def test_what_cannot_be_stylised_is_one_line(words, said, tmp_path):
    write_pictures(tmp_path / "raw" / "a.safetensors", dots(1, size=64))
    with pytest.raises(SystemExit, match=said) as stop:
        stylize.main(["--data", str(tmp_path / "raw"), "--out", str(tmp_path / "styled"), *words])
    assert "\n" not in str(stop.value) and not (tmp_path / "styled").exists()


def test_the_claim_trains_on_what_it_says(tmp_path, monkeypatch):
    """Shares in the order of the sources, the seed that is listed, each validation set under its name."""
    asked, judged = [], []
    monkeypatch.setattr(claim, "photo_pictures", lambda split: dots(4))
    monkeypatch.setattr(
        claim,
        "train_pose_net",
        lambda config, sources, shares, *_, **__: (asked.append((config.seed, sources, shares)), [{"seconds": 1}]),
    )
    monkeypatch.setattr(claim, "measure", lambda network, size, figures, sets: judged.append(sets) or {})
    arguments = ["--out", str(tmp_path / "claim.json"), "--work", str(tmp_path), "--seeds", "3", "5", "--size", "64"]
    claim.main(arguments)
    runs = json.loads((tmp_path / "claim.json").read_text())["runs"]
    wanted = {"raw": {"raw"}, "stylised": {"stylised"}, "mixed": {"raw", "stylised"}}
    for run, (seed, (raw, stylised), shares) in zip(runs, asked, strict=True):
        assert torch.equal(raw.images, dots(4).images) and not torch.equal(stylised.images, raw.images)
        used = {name for name, share in zip(("raw", "stylised"), shares, strict=True) if share > 0}
        assert used == wanted[run["trained on"]] and run["seed"] == seed and sum(shares) == 1.0
    assert torch.equal(judged[0]["raw"].images, dots(4).images)
    assert not torch.equal(judged[0]["stylised"].images, dots(4).images)
    with pytest.raises(SystemExit, match="name another --out"):
        claim.main([*arguments, "--steps", "7"])


def test_the_claims_pictures_are_lit_like_photographs_and_kinds_are_told_apart(monkeypatch):
    clips = load_synthetic("validation")
    people = claim.photo_pictures("validation")
    photo = [row for row, look in enumerate(clips.look.tolist()) if LOOKS[look] == "photo"]
    assert 0 < len(photo) < len(clips.look) and torch.equal(
        people.images[0], clips.pictures(torch.tensor(photo[:1]))[0, 0]
    )
    figures = [f for kind in ("drawing", "painting") for f in [f for f in load_art_figures() if f.kind == kind][:2]]
    exact = {f.name: f.keypoints + (500 if f.kind == "painting" else 0) for f in figures}
    monkeypatch.setattr(claim, "predict_art", lambda *_: exact)
    found = claim.measure(PoseNet2D(width=32), 64, figures, {})["art"]
    assert found["drawing @0.5"] == 100 and found["painting @0.5"] == 0 and 0 < found["all @0.25"] < 100


def test_the_claim_is_measured_run_by_run(tmp_path, monkeypatch):
    """Three mixtures a seed are listed with their scores; what is listed is not trained again."""
    monkeypatch.setattr(claim, "load_art_figures", lambda: load_art_figures()[:2])
    monkeypatch.setattr(claim, "photo_pictures", lambda split: dots(4))
    out = tmp_path / "results" / "claim.json"
    arguments = ["--out", str(out), "--work", str(tmp_path), "--steps", "2", "--size", "64", "--seeds"]
    claim.main([*arguments, "3"])
    runs = json.loads(out.read_text())["runs"]
    assert [(run["trained on"], run["seed"]) for run in runs] == [("raw", 3), ("stylised", 3), ("mixed", 3)]
    assert all(0 <= run["art"]["all @0.5"] <= 100 for run in runs)
    before = out.read_bytes()
    claim.main([*arguments, "3"])
    assert out.read_bytes() == before
