"""The tree of joints: marginals as if every arrangement were counted, offsets as they are, and what ships."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napa_lib.engine import CheckpointError, save_tensors
from napa_lib.makers.drawings.figures import draw_figures
from napa_lib.networks.heatmaps import local_soft_argmax
from napa_lib.networks.pose_tree import (
    ANYWHERE,
    APART,
    CELLS,
    KEPT,
    LIMBS,
    OTHERS,
    RADIUS,
    ROUNDS,
    TOGETHER,
    PoseTree,
    count_offsets,
    left_over,
    load_pose_tree,
    save_pose_tree,
    tree_marginals,
)
from napa_lib.skeletons import NAPA18
from napa_lib.training import pose_tree as counting
from napa_lib.training.pictures import PictureSet, write_pictures


def counted_out(log_p: np.ndarray, offsets: np.ndarray, parents: list[int]) -> np.ndarray:
    """Marginals (J, H, W) in float64, by going through every arrangement of the joints.

    A joint keeps to a recorded offset, or, with a chance of ANYWHERE, is in any cell.
    """
    joints, height, width = log_p.shape
    radius = offsets.shape[-1] // 2
    cells = list(itertools.product(range(height), range(width)))
    total = np.zeros_like(log_p, dtype=np.float64)
    for places in itertools.product(range(len(cells)), repeat=joints):
        chance = 1.0
        for j, parent in enumerate(parents):
            y, x = cells[places[j]]
            chance *= np.exp(log_p[j, y, x])
            if parent >= 0:
                dy, dx = y - cells[places[parent]][0], x - cells[places[parent]][1]
                inside = abs(dy) <= radius and abs(dx) <= radius
                recorded = offsets[j, radius + dy, radius + dx] if inside else 0.0
                chance *= (1 - ANYWHERE) * recorded + ANYWHERE / len(cells)
        for j, place in enumerate(places):
            total[j][cells[place]] += chance
    return total / total.sum((1, 2), keepdims=True)


@given(seed=st.integers(0, 2**32 - 1), parents=st.sampled_from([[-1], [-1, 0, 1], [1, -1, 1], [2, 0, -1], [-1, 0, 0]]),
       size=st.sampled_from([(2, 3), (3, 2), (1, 4)]), radius=st.integers(1, 2))  # fmt: skip
def test_marginals_count_every_arrangement(seed, parents, size, radius):
    rng = np.random.default_rng(seed)
    log_p = rng.normal(0, 3, (2, len(parents), *size))
    offsets = rng.random((len(parents), 2 * radius + 1, 2 * radius + 1)) ** 4
    offsets /= offsets.sum((1, 2), keepdims=True)
    found = tree_marginals(torch.tensor(log_p), torch.tensor(offsets), parents).exp()
    expected = np.stack([counted_out(maps, offsets, parents) for maps in log_p])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_far_apart_maps_stay_finite_and_sharp():
    """What nobody's offset allows is decided by the maps themselves, in float32 as well."""
    log_p = torch.full((1, 18, CELLS, CELLS), -300.0)
    places = torch.randint(CELLS, (18, 2), generator=torch.Generator().manual_seed(3))
    log_p[0, torch.arange(18), places[:, 1], places[:, 0]] = 0.0
    found = load_pose_tree()(log_p)
    assert bool(found.isfinite().all())
    torch.testing.assert_close(local_soft_argmax(found)[0], places.float())


def test_what_is_left_over_follows_its_formula():
    log_p = np.random.default_rng(1).normal(0, 4, (1, 2, 5, 7))
    chance = np.exp(log_p) / np.exp(log_p).sum((2, 3), keepdims=True)
    expected = np.zeros_like(log_p)
    for (_, j, y, x), _ in np.ndenumerate(log_p):
        near = sum(
            chance[0, j, v, u] * np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * APART**2))
            for v, u in np.ndindex(log_p.shape[2:])
        )
        expected[0, j, y, x] = np.log(1 - (1 - TOGETHER) * near)
    np.testing.assert_allclose(left_over(torch.tensor(log_p)), expected, rtol=1e-9)


def test_two_legs_that_every_map_names_go_to_a_side_each():
    """Maps of knees and ankles that name both legs, one of them a little rather, for both sides the same."""
    cells = counting.whole_figures(draw_figures(40, 96, torch.Generator().manual_seed(7)).keypoints)
    legs = [[NAPA18.index(f"{side}_{joint}") for joint in ("knee", "ankle")] for side in "lr"]
    apart = (cells[:, legs[0]] - cells[:, legs[1]]).norm(dim=-1).amin(1) > 2.5 * APART
    cells = cells[apart & ((cells > 2) & (cells < CELLS - 3)).all(-1).all(-1)].round().long()
    assert len(cells) >= 4
    maps = torch.full((len(cells), 18, CELLS, CELLS), -12.0)
    figures, joints = torch.arange(len(cells))[:, None], torch.arange(18)
    maps[figures, joints, cells[..., 1], cells[..., 0]] = 0.0
    for own, other in (legs, legs[::-1]):
        maps[figures, own, cells[:, other, 1], cells[:, other, 0]] = 0.0
    maps[figures, legs[0], cells[:, legs[0], 1], cells[:, legs[0], 0]] += 0.4
    maps[figures, legs[1], cells[:, legs[0], 1], cells[:, legs[0], 0]] += 0.3
    tree = load_pose_tree()
    torch.testing.assert_close(local_soft_argmax(maps)[:, legs[1]], cells[:, legs[0]].float(), atol=0.1, rtol=0)
    alone = local_soft_argmax(tree_marginals(maps, tree.offsets, NAPA18.parents))
    on_one = (alone[:, legs[0]] - alone[:, legs[1]]).norm(dim=-1) < APART
    assert on_one.float().mean() > 0.4  # what the tree alone makes of them
    found = local_soft_argmax(tree(maps))
    assert (found[:, legs[0]] - found[:, legs[1]]).norm(dim=-1).min() > APART
    everyone = torch.stack([cells[:, legs[0]], cells[:, legs[1]]], 1).float()  # (N, 2 legs, 2 joints, 2)
    for side in legs:
        assert (found[:, side, None] - everyone.transpose(1, 2)).norm(dim=-1).amin(2).max() < 1


def test_a_side_does_not_hear_its_own_words_again():
    """The rounds one joint after the other: what the other side is told is a joint's belief without what that said."""
    tree = load_pose_tree()
    log_p = torch.randn(1, 18, CELLS, CELLS, generator=torch.Generator().manual_seed(2)) * 3
    told = {j: torch.zeros(CELLS, CELLS) for j in LIMBS}
    for _ in range(ROUNDS):
        maps = log_p.clone()
        for j, words in told.items():
            maps[0, j] += words
        belief = tree_marginals(maps, tree.offsets, NAPA18.parents)[0]
        new = {
            j: left_over((belief[other] - told[other])[None, None])[0, 0]
            for j, other in zip(LIMBS, OTHERS, strict=True)
        }
        told = {j: KEPT * told[j] + (1 - KEPT) * new[j] for j in told}
    for j, words in told.items():
        log_p[0, j] += words
    expected = tree_marginals(log_p, tree.offsets, NAPA18.parents)
    for j, words in told.items():
        log_p[0, j] -= words
    torch.testing.assert_close(tree(log_p), expected, rtol=1e-3, atol=1e-3)
    names = [(NAPA18.joints[j], NAPA18.joints[other]) for j, other in zip(LIMBS, OTHERS, strict=True)]
    assert len(names) == 8 and all({a[:2], b[:2]} == {"l_", "r_"} and a[2:] == b[2:] for a, b in names)


def test_offsets_are_counted_joint_by_joint():
    """Without a blur to speak of, each offset's chance is the share of figures that have it; with one, mass stays."""
    rng = np.random.default_rng(0)
    parents, radius = [1, -1, 0], 3
    cells = rng.uniform(-3, 3, (50, 3, 2))
    expected = np.zeros((3, 7, 7))
    for figure in cells:
        for j, parent in enumerate(parents):
            dx, dy = np.round(figure[j] - figure[parent if parent >= 0 else j]).clip(-radius, radius).astype(int)
            expected[j, radius + dy, radius + dx] += 1 / len(cells)
    tensor = torch.tensor(cells)
    np.testing.assert_allclose(count_offsets(tensor, parents, radius, 0.05), expected, atol=1e-7)
    blurred = count_offsets(tensor, parents, radius, 1.5)
    np.testing.assert_allclose(blurred.sum((1, 2)), 1.0, rtol=1e-6)
    assert blurred.amax() < expected.max()


def test_a_leg_that_lies_on_the_other_is_put_back():
    """The maps of a figure that stands with its legs apart; its left ankle's has a higher peak far off, by its hand."""
    tree, drawn = load_pose_tree(), draw_figures(60, 96, torch.Generator().manual_seed(5)).keypoints
    ankle, hand = NAPA18.index("l_ankle"), NAPA18.index("r_wrist")
    cells = counting.whole_figures(drawn)
    apart = (cells[:, ankle] - cells[:, hand]).norm(dim=1) > 20
    cells = cells[apart & ((cells > 2) & (cells < CELLS - 3)).all(-1).all(-1)].round().long()
    assert len(cells) >= 5
    maps = torch.full((len(cells), 18, CELLS, CELLS), -12.0)
    figures, joints = torch.arange(len(cells))[:, None], torch.arange(18)
    maps[figures, joints, cells[..., 1], cells[..., 0]] = 0.0
    maps[figures[:, 0], ankle, cells[:, hand, 1], cells[:, hand, 0]] = 1.0
    assert (local_soft_argmax(maps)[:, ankle] - cells[:, hand]).norm(dim=1).max() < 1
    found = local_soft_argmax(tree(maps))
    assert ((found - cells).norm(dim=-1) < 1).float().mean() > 0.98
    assert ((found - cells)[:, ankle].norm(dim=-1) < 1).float().mean() > 0.8  # before the tree, none


def test_what_ships_is_of_people_and_of_their_mirror_images():
    offsets = load_pose_tree().offsets
    assert offsets.shape == (18, 2 * RADIUS + 1, 2 * RADIUS + 1)
    sums = offsets.sum((1, 2))
    torch.testing.assert_close(sums, torch.ones(18), rtol=0, atol=2e-3)
    left, right = NAPA18.index("l_knee"), NAPA18.index("r_knee")
    torch.testing.assert_close(offsets[left], offsets[right].flip(-1), rtol=0, atol=1e-4)
    rows = torch.arange(-RADIUS, RADIUS + 1)
    below = [float((offsets[NAPA18.index(name)].sum(1) * rows).sum()) for name in ("l_knee", "l_ankle", "neck", "head")]
    assert below[0] > 3 and below[1] > 3 and below[2] < -2 and below[3] < -2


def test_wrong_maps_and_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"heat maps must be \(B, 18, 56, 56\), got \(1, 18, 48, 48\)"):
        PoseTree()(torch.zeros(1, 18, 48, 48))
    save_tensors(tmp_path / "other.safetensors", {"offsets": torch.zeros(1)}, {"format": "something"})
    with pytest.raises(CheckpointError, match="is no tree of joints: its format is 'something'"):
        load_pose_tree(tmp_path / "other.safetensors")
    tree = PoseTree()
    save_pose_tree(tmp_path / "tree.safetensors", tree)
    torch.testing.assert_close(load_pose_tree(tmp_path / "tree.safetensors").offsets, tree.offsets, rtol=1e-3, atol=0)


def test_the_command_counts_people_and_folders_alike(tmp_path, monkeypatch):
    sets = [draw_figures(n, 96, torch.Generator().manual_seed(n)) for n in (6, 9)]
    monkeypatch.setattr(counting, "photo_pictures", lambda split: sets[0])
    (tmp_path / "drawn").mkdir()
    write_pictures(tmp_path / "drawn/a.safetensors", PictureSet(sets[1].images, sets[1].keypoints))
    out = tmp_path / "tree.safetensors"
    counting.main(["--data", str(tmp_path / "drawn"), "--out", str(out)])
    people, drawn = (
        count_offsets(counting.whole_figures(s.keypoints), NAPA18.parents, RADIUS, counting.BLUR) for s in sets
    )
    torch.testing.assert_close(load_pose_tree(out).offsets, (people + drawn) / 2, rtol=2e-3, atol=1e-7)
    write_pictures(tmp_path / "drawn/a.safetensors", PictureSet(sets[1].images, sets[1].keypoints * torch.nan))
    with pytest.raises(SystemExit, match="no figure with all of its joints|holds no"):
        counting.main(["--data", str(tmp_path / "drawn"), "--out", str(out)])
