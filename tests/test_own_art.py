"""Figures as on painted rocks, and fine-tuning on a few figures of a folder: what is learned is never measured."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib.data import asset_path, load_art_figures
from napa_lib.data.crops import to_crop
from napa_lib.makers.rock.__main__ import main as draw_folder
from napa_lib.makers.rock.__main__ import seen_poses
from napa_lib.makers.rock.figures import PARTS, draw_rock_art
from napa_lib.networks.warm_pose_net import load_warm_pose_net
from napa_lib.skeletons import ART14, NAPA18, convert
from napa_lib.training import own_art
from napa_lib.training.losses import heatmap_loss

SHIPPED = asset_path("own_art/figures.json")


@pytest.fixture(scope="module")
def figures():
    return load_art_figures(SHIPPED)


def test_rock_art_lies_where_its_joints_are():
    """Paint covers every limb's middle, and stone the corners, whatever stone and pigment were drawn."""
    generator = torch.Generator().manual_seed(0)
    poses = seen_poses(6, "test", generator)
    drawn = draw_rock_art(poses, 128, generator)
    assert drawn.images.shape == (6, 3, 128, 128) and drawn.images.dtype == torch.uint8
    assert bool(((drawn.keypoints >= 0) & (drawn.keypoints <= 127)).all())
    bare = draw_rock_art(poses, 128, torch.Generator().manual_seed(5))
    assert not torch.equal(bare.images, drawn.images)
    again = draw_rock_art(seen_poses(6, "test", g := torch.Generator().manual_seed(0)), 128, g)
    assert torch.equal(again.images, drawn.images)
    for image, joints in zip(drawn.images.float(), drawn.keypoints, strict=True):
        stone = image[:, [0, 0, 127, 127], [0, 127, 0, 127]].mean(1)
        middles = torch.stack([joints[[NAPA18.index(a), NAPA18.index(b)]].mean(0) for a, b, *_ in PARTS])
        x, y = middles.round().long().T
        far = (image[:, y, x] - stone[:, None]).norm(dim=0)
        assert float((far > 25).float().mean()) > 0.6  # the rest is worn, or its pigment like its stone


def test_a_pose_keeps_its_shape_in_the_picture():
    poses = seen_poses(3, "test", torch.Generator().manual_seed(1))
    found = draw_rock_art(poses, 96, torch.Generator().manual_seed(2)).keypoints
    for pose, placed in zip(poses, found, strict=True):
        pose, placed = pose - pose[0], placed - placed[0]
        ratio = (placed * pose).sum() / pose.square().sum()
        assert float(ratio) > 0 and torch.allclose(placed, ratio * pose, atol=1e-2)


@pytest.mark.parametrize("bad", [torch.zeros(2, 17, 2), torch.full((1, 18, 2), torch.nan), torch.zeros(1, 18, 2)])
def test_poses_that_cannot_be_drawn(bad):
    with pytest.raises(ValueError, match="pose"):
        draw_rock_art(bad, 64, torch.Generator())


def test_the_folder_that_ships_is_what_the_command_makes(tmp_path):
    draw_folder(["--out", str(tmp_path), "--count", "60"])
    made, ships = (json.loads((f / "figures.json").read_text()) for f in (tmp_path, SHIPPED.parent))
    assert [f["file"] for f in made["figures"]] == [f["file"] for f in ships["figures"]]
    for one, other in zip(made["figures"], ships["figures"], strict=True):
        np.testing.assert_allclose(one["joints"], other["joints"], atol=0.11)
    with pytest.raises(SystemExit, match="count must be positive"):
        draw_folder(["--out", str(tmp_path), "--count", "0"])


@settings(deadline=None)  # on a busy machine one case can take a while
@given(st.integers(0, 59), st.integers(0, 5))
def test_nothing_that_is_learned_is_measured(shots, seed):
    figures = load_art_figures(SHIPPED)
    few, rest = own_art.split(figures, shots, seed)
    assert len(few) == shots and sorted(few + rest) == list(range(60))
    smaller, _ = own_art.split(figures, shots // 2, seed)
    assert set(smaller) <= set(few)  # so that what no training of a seed has seen is the same for all of them


def test_figures_of_one_picture_stay_together(figures):
    shared = [replace(figure, outside=figures[i // 2].path) for i, figure in enumerate(figures[:10])]
    few, rest = own_art.split(shared, 3, 0)
    assert len(few) == 4 and not {shared[i].path for i in few} & {shared[i].path for i in rest}
    for shots in (10, -1):
        with pytest.raises(ValueError, match="shots"):
            own_art.split(shared, shots, 0)


def test_cut_out_figures_keep_their_joints(figures):
    """A joint of the cut-out, taken back through box and room, is where the picture has it."""
    some = figures[:3]
    joints = torch.stack([figure.scored_keypoints for figure in some])
    source = own_art.cut_out(some, joints)
    for row, figure in enumerate(some):
        low, high = source.boxes[row].view(2, 2)
        torch.testing.assert_close(
            (high - low).max() * own_art.ROUND, torch.tensor(float(own_art.SIDE)), rtol=1e-3, atol=0
        )
        x0, y0, x1, y1 = figure.box
        share = (source.pictures.keypoints[row][NAPA18.index("l_knee")] - low) / (high - low)
        wanted = (figure.keypoints[ART14.index("l_knee")] - torch.tensor([x0, y0])) / torch.tensor([x1 - x0, y1 - y0])
        torch.testing.assert_close(share, wanted, atol=2e-3, rtol=0)
    assert not source.complete and bool(source.pictures.keypoints[:, NAPA18.index("nose")].isnan().all())


def test_sides_that_cannot_be_told_follow_the_network(figures):
    network = load_warm_pose_net()
    some = figures[:4]
    poses = own_art.poses_in(network, own_art.look(network, some))
    settled = own_art.settled_joints(network, some)
    order = list(range(14))
    for left, right in ART14.flip_pairs:
        order[left], order[right] = right, left
    for figure, pose, joints in zip(some, poses, settled, strict=True):
        as_is = (figure.keypoints - pose).norm(dim=-1).mean()
        other = (figure.keypoints[order] - pose).norm(dim=-1).mean()
        assert torch.equal(joints, figure.keypoints if as_is <= other else figure.keypoints[order])
    certain = [replace(figure, sides_ambiguous=False) for figure in some]
    assert torch.equal(own_art.settled_joints(network, certain), torch.stack([f.keypoints for f in some]))


def test_a_few_steps_change_the_head_alone_and_fit_what_they_see(figures, monkeypatch):
    monkeypatch.setenv("NAPA_PROGRESS_BAR", "off")
    network, some = load_warm_pose_net(), figures[:4]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    config = replace(own_art.TUNING, steps=24, batch=4, average=0.0)
    tuned = own_art.fine_tune(network, some, config)
    after = tuned.state_dict()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(torch.equal(before[n], after[n]) for n in before if n.startswith("backbone."))
    assert any(not torch.equal(before[n], after[n]) for n in before if n.startswith("head."))
    assert torch.equal(before["calibration"], after["calibration"]) and float(after["calibration"][1]) != 0.0
    seen = own_art.look(network, some)
    joints = own_art.settled_joints(network, some)
    target = to_crop(convert(joints, ART14, NAPA18), seen.matrices)
    with torch.no_grad():
        surprise = [float(heatmap_loss(n.predict(seen.features).heatmaps, target)) for n in (network, tuned)]
    assert surprise[1] < surprise[0]
    with pytest.raises(ValueError, match="at least one"):
        own_art.fine_tune(network, [], config)


def test_joints_that_cannot_be_seen_teach_nothing(figures):
    visible = torch.ones(14, dtype=torch.bool)
    visible[ART14.index("l_wrist")] = False
    hidden = [replace(figure, visible=visible, sides_ambiguous=False) for figure in figures[:2]]
    missing = own_art.settled_joints(load_warm_pose_net(), hidden).isnan().any(-1)
    assert missing.tolist() == [(~visible).tolist()] * 2


def test_what_is_measured_is_the_tuned_network_on_the_others(monkeypatch, figures):
    seen, judged = [], []
    other = load_warm_pose_net()
    monkeypatch.setattr(own_art, "PEOPLE", 4)
    monkeypatch.setattr(own_art, "fine_tune", lambda network, few, *_: seen.append({f.name for f in few}) or other)
    monkeypatch.setattr(own_art, "validate", lambda network, *_: judged.append(network) or {})
    score = own_art.score
    monkeypatch.setattr(
        own_art, "score", lambda network, held, setup: judged.append(held) or score(network, held, setup)
    )
    own_art.measure(figures[:8], [3], own_art.TUNING)
    assert judged[0] is other and len(seen[0]) == 3
    assert not seen[0] & {figure.name for figure in judged[1].figures} and len(judged[1].figures) == 5


def test_the_command_measures_on_what_no_training_saw(tmp_path, monkeypatch, figures):
    monkeypatch.setenv("NAPA_PROGRESS_BAR", "off")
    monkeypatch.setattr(own_art, "PEOPLE", 4)
    monkeypatch.setattr(own_art, "TUNING", replace(own_art.TUNING, batch=2))
    own_art.main(["--shots", "0", "2", "--steps", "1", "--results", str(tmp_path)])
    rows = json.loads((tmp_path / "own_art_0.json").read_text())["rows"]
    assert [row["shots"] for row in rows] == [0, 2] and {row["held_out"] for row in rows} == {58}
    network = load_warm_pose_net()
    _, rest = own_art.split(figures, 2, 0)
    expected = own_art.rates(own_art.score(network, own_art.look(network, [figures[i] for i in rest])))
    assert rows[0]["pckh"] == expected
