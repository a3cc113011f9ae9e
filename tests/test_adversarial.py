"""Chapter 4: descriptor, networks and losses against independent statements of them, and what they say of bad input."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napa_lib import adversarial as a
from napa_lib.engine import CheckpointError, save_tensors
from napa_lib.geometry import rotation_from_euler
from napa_lib.networks.hourglass import Residual, heatmap_targets
from napa_lib.rendering import render_depth_maps
from napa_lib.skeletons import H36M17, flip

SMALL = a.ModelConfig(size=64, channels=8, critic_channels=4, embedding=16)
JOINTS = H36M17.num_joints


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pictures(count: int, size: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def poses(count: int, seed: int = 0) -> torch.Tensor:
    """(count, 17, 3) with all joints well inside of the picture."""
    return (0.3 * numbers(count, JOINTS, 3, seed=seed)).clamp(-0.8, 0.8).float()


# --- the descriptor ---------------------------------------------------------------------------------------------------


def test_the_descriptor_is_eq_1_pair_by_pair():
    pose = numbers(3, 5, 3)
    expected = np.empty((3, 6, 5, 5))
    for b, i, j in np.ndindex(3, 5, 5):
        offset = pose[b, i].numpy() - pose[b, j].numpy()
        expected[b, :, i, j] = [*offset, *offset**2]
    np.testing.assert_allclose(a.geometric_descriptor(pose), expected, atol=1e-14)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.floats(0.1, 4.0))
def test_what_the_descriptor_does_when_a_pose_is_moved_turned_mirrored_and_scaled(seed, scale):
    pose, where = numbers(2, 6, 3, seed=seed), numbers(1, 1, 3, seed=seed + 1)
    plain = a.geometric_descriptor(pose)
    offsets, squares = plain.split(3, 1)
    torch.testing.assert_close(a.geometric_descriptor(pose + where), plain)
    torch.testing.assert_close(offsets, -offsets.mT)
    turn = rotation_from_euler(numbers(1, 3, seed=seed + 2))[0]
    turned = a.geometric_descriptor(pose @ turn.mT)
    torch.testing.assert_close(turned[:, :3], torch.einsum("ck,bkij->bcij", turn, offsets))
    torch.testing.assert_close(turned[:, 3:].sum(1), squares.sum(1))
    mirror = pose.new_tensor([-1.0, 1.0, 1.0])
    mirrored = a.geometric_descriptor(pose * mirror)
    torch.testing.assert_close(mirrored[:, :3], offsets * mirror[:, None, None])
    torch.testing.assert_close(mirrored[:, 3:], squares)
    scaled = a.geometric_descriptor(scale * pose)
    torch.testing.assert_close(scaled, torch.cat([scale * offsets, scale**2 * squares], 1))
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(a.geometric_descriptor(pose[:, order]), plain[:, :, order][:, :, :, order])


def test_the_descriptor_has_the_gradient_of_its_values():
    assert torch.autograd.gradcheck(a.geometric_descriptor, numbers(2, 4, 3).requires_grad_())


def test_a_missing_joint_takes_its_pairs_with_it_and_nothing_else():
    pose = numbers(2, 5, 3)
    pose[0, 2, 1] = torch.nan  # one coordinate is enough
    pose.requires_grad_()
    found = a.geometric_descriptor(pose)
    whole = a.geometric_descriptor(pose.detach().nan_to_num(7.0))
    kept = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    kept[0, :, 2] = kept[0, :, :, 2] = False
    torch.testing.assert_close(found, whole * kept)
    found.square().sum().backward()
    assert pose.grad.isfinite().all() and not pose.grad[0, 2].any() and pose.grad[0, 1].all()


@pytest.mark.parametrize("shape", [(5, 3), (2, 1, 3), (2, 0, 3), (2, 5, 2), (1, 2, 5, 3)])
def test_the_descriptor_refuses_what_is_no_pose(shape):
    with pytest.raises(ValueError, match="pose must be floating"):
        a.geometric_descriptor(torch.zeros(shape))
    with pytest.raises(ValueError, match="int64"):
        a.geometric_descriptor(torch.zeros(2, 5, 3, dtype=torch.int64))


# --- maps -------------------------------------------------------------------------------------------------------------


def test_pose_maps_are_the_heat_maps_and_the_renderers_depth_maps():
    keypoints, depths = 3 + 10 * torch.rand(2, 4, 2, dtype=torch.float64), numbers(2, 4)
    heatmaps = a.pose_maps(render_depth_maps(keypoints, torch.ones_like(depths), 16, 1.0), depths)
    torch.testing.assert_close(heatmaps[:, 4:], render_depth_maps(keypoints, depths, 16, 1.0))
    with pytest.raises(ValueError, match="depths"):
        a.pose_maps(heatmaps[:, :4], depths[:, :3])


@settings(deadline=None, max_examples=25)
@given(st.floats(-0.75, 0.75), st.floats(-0.75, 0.75))
def test_a_clean_heat_map_gives_its_keypoint_back(x, y):
    point = torch.tensor([[[x, y]]])
    found = a.keypoints_from_heatmaps(heatmap_targets(point, 16))
    assert (found - point).abs().max() * 31.5 / 4 < 0.02  # cells


def test_a_keypoint_pulls_its_heat_map_towards_where_it_should_be():
    maps = heatmap_targets(torch.tensor([[[0.0, 0.0]]]), 16).requires_grad_()
    a.keypoints_from_heatmaps(maps)[0, 0, 0].backward()
    assert maps.grad[0, 0, :, 8:10].sum() > 0 > maps.grad[0, 0, :, 6:8].sum()


# --- networks ---------------------------------------------------------------------------------------------------------


def test_the_paper_s_generator():
    model = a.Generator(a.PRESETS["paper"])
    assert len(model.hourglass.bodies) == 2 and len(a.Generator(a.PRESETS["paper-4"]).hourglass.bodies) == 4
    modules = list(model.regressor.layers)
    assert [type(m) for m in modules[:6]] == [Residual, nn.MaxPool2d] * 3
    assert isinstance(model.regressor.depths, nn.Linear) and model.regressor.depths.out_features == JOINTS
    with torch.no_grad():
        found = model.eval()(pictures(1, 256))
    assert [tuple(maps.shape) for maps in found.heatmaps] == [(1, JOINTS, 64, 64)] * 2
    assert found.pose.shape == (1, JOINTS, 3) and found.depths.shape == (1, JOINTS)


def test_depths_come_from_heat_maps_and_features():
    regressor = a.DepthRegressor(5, 8).eval()
    heatmaps, features = numbers(2, 5, 16, 16).float().requires_grad_(), numbers(2, 8, 16, 16).float().requires_grad_()
    regressor(heatmaps, features).sum().backward()
    assert heatmaps.grad.abs().sum() > 0 and features.grad.abs().sum() > 0
    for one, other in ((heatmaps[:, :, :8], features), (heatmaps[:, :, :4, :4], features[:, :, :4, :4])):
        with pytest.raises(ValueError, match="heatmaps"):
            regressor(one, other)


def test_a_frozen_2d_module_stays_as_it_is():
    torch.manual_seed(0)
    model = a.Generator(SMALL)
    model.freeze_2d()
    model.train()
    before = {name: value.clone() for name, value in model.hourglass.state_dict().items()}
    found = model(pictures(4))
    (found.depths.square().sum() + found.depths.sum()).backward()
    assert all(p.grad is None for p in model.hourglass.parameters())
    assert all(p.grad is not None for p in model.regressor.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.hourglass.state_dict().items())
    assert model.regressor.training and not model.hourglass.training


def test_the_generator_refuses_other_pictures():
    with pytest.raises(ValueError, match=r"image must be \(B, 3, 64, 64\)"):
        a.Generator(SMALL)(pictures(1, 128))


def evidence(count: int = 3, seed: int = 0) -> a.Evidence:
    return a.evidence_of_pose(pictures(count, seed=seed), poses(count, seed))


@pytest.mark.parametrize("sources", [s for n in (1, 2, 3) for s in combinations(a.SOURCES, n)])
def test_the_discriminator_hears_its_sources_and_no_other(sources):
    torch.manual_seed(0)
    critic = a.MultiSourceDiscriminator(sources, SMALL)
    shown = evidence()
    inputs = {name: getattr(shown, name).clone().requires_grad_() for name in a.SOURCES}
    logits = critic(a.Evidence(**inputs))
    assert logits.shape == (3,)
    logits.sum().backward()
    assert {name for name, value in inputs.items() if value.grad is not None and value.grad.any()} == set(sources)
    decide = [layer for layer in critic.decide if isinstance(layer, nn.Linear)]
    assert len(decide) == 3 and decide[0].in_features == len(sources) * SMALL.embedding


def test_the_order_of_the_sources_does_not_matter():
    torch.manual_seed(0)
    one = a.MultiSourceDiscriminator(("maps", "picture"), SMALL)
    torch.manual_seed(0)
    other = a.MultiSourceDiscriminator(("picture", "maps"), SMALL)
    assert torch.equal(one(evidence()), other(evidence()))


@pytest.mark.parametrize("sources", [(), ("picture", "picture"), ("colour",)])
def test_the_discriminator_needs_sources_that_exist(sources):
    with pytest.raises(ValueError, match="sources must be some of"):
        a.MultiSourceDiscriminator(sources, SMALL)


@pytest.mark.parametrize("name", a.SOURCES)
def test_a_source_of_another_size_is_named(name):
    shown = evidence()
    parts = {n: getattr(shown, n) for n in a.SOURCES}
    parts[name] = parts[name][:, :-1]
    with pytest.raises(ValueError, match=f"{name} must be"):
        a.MultiSourceDiscriminator(a.SOURCES, SMALL)(a.Evidence(**parts))


def test_gradients_flow_from_the_score_to_heat_maps_and_depths_until_they_are_cut():
    torch.manual_seed(0)
    model, critic = a.Generator(SMALL), a.MultiSourceDiscriminator(("descriptor",), SMALL)
    image = pictures(2)
    shown = a.evidence_of_estimate(image, model(image))
    critic(shown).sum().backward()
    assert model.regressor.depths.weight.grad.abs().sum() > 0
    assert model.hourglass.heads[-1].weight.grad.abs().sum() > 0
    assert not any(value.requires_grad for value in vars(shown.detach()).values())


def test_true_evidence_is_what_a_perfect_estimate_would_show():
    image, pose = pictures(2), poses(2)
    perfect = a.Estimate((heatmap_targets(pose[..., :2], 16),), pose[..., :2], pose[..., 2])
    real, fake = a.evidence_of_pose(image, pose), a.evidence_of_estimate(image, perfect)
    for name in a.SOURCES:
        torch.testing.assert_close(getattr(real, name), getattr(fake, name))
    with pytest.raises(ValueError, match="pose"):
        a.evidence_of_pose(image, pose[:1])


def test_a_missing_joint_shows_nowhere():
    image, pose = pictures(1), poses(1)
    whole = a.evidence_of_pose(image, pose)
    pose[0, 4] = torch.nan
    seen, there = a.evidence_of_pose(image, pose), torch.arange(JOINTS) != 4
    assert not seen.maps[0, [4, JOINTS + 4]].any() and torch.equal(
        seen.maps[:, there.repeat(2)], whole.maps[:, there.repeat(2)]
    )
    assert bool(seen.descriptor.isfinite().all())


def test_mirroring_a_pose_changes_its_evidence():
    pose = poses(1)
    mirrored = flip(pose, H36M17, None)
    assert not torch.allclose(a.geometric_descriptor(pose), a.geometric_descriptor(mirrored), atol=0.05)


# --- losses -----------------------------------------------------------------------------------------------------------


def test_the_pose_losses_are_eq_2_in_means():
    keypoints, depths = poses(3)[..., :2].double(), numbers(3, JOINTS)
    maps = (numbers(3, JOINTS, 16, 16), numbers(3, JOINTS, 16, 16, seed=1))
    found = a.Estimate(maps, keypoints, numbers(3, JOINTS, seed=2))
    depths[2] = torch.nan  # a picture in the wild
    keypoints[1, 4] = torch.nan
    losses = a.pose_losses(found, keypoints, depths)
    cells = (np.arange(16) * 4 + 1.5) / 31.5 - 1
    expected = 0.0
    for stack in maps:
        errors = []
        for b, j in np.ndindex(3, JOINTS):
            x, y = keypoints[b, j].numpy()
            if np.isnan(x):
                continue
            off = ((cells[None] - x) * 31.5 / 4) ** 2 + ((cells[:, None] - y) * 31.5 / 4) ** 2
            errors.append((stack[b, j].float().numpy() - np.exp(-off / 2)) ** 2)
        expected += np.mean(errors)
    assert float(losses.heatmaps) == pytest.approx(expected, rel=1e-5)
    off = found.depths[:2].numpy() - depths[:2].numpy()
    assert float(losses.depths) == pytest.approx(np.mean(off**2))


def test_without_any_depth_the_loss_of_depths_is_zero_and_so_is_its_gradient():
    depths = numbers(2, JOINTS).requires_grad_()
    found = a.Estimate((torch.zeros(2, JOINTS, 16, 16),), poses(2)[..., :2], depths)
    losses = a.pose_losses(found, poses(2)[..., :2], torch.full((2, JOINTS), torch.nan))
    losses.depths.backward()
    assert losses.depths == 0 and not depths.grad.any()
    with pytest.raises(ValueError, match="keypoints must be"):
        a.pose_losses(found, poses(3)[..., :2], torch.zeros(3, JOINTS))


def test_the_adversarial_losses_are_cross_entropies():
    real, fake = numbers(7), numbers(5, seed=1)
    losses = a.adversarial_losses(real, fake)
    p, q = (1 / (1 + np.exp(-x.numpy())) for x in (real, fake))
    assert float(losses.discriminator) == pytest.approx(-np.log(p).mean() - np.log(1 - q).mean())
    assert float(losses.generator) == pytest.approx(-np.log(q).mean())
    sure = a.adversarial_losses(torch.tensor([-1e4]), torch.tensor([1e4]))
    assert sure.discriminator == 2e4 and sure.generator == 0
    with pytest.raises(ValueError, match="fake"):
        a.adversarial_losses(real, fake[:0])


# --- files and configurations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("small", [False, True])
def test_a_model_comes_back_from_its_file(tmp_path, small):
    torch.manual_seed(0)
    model, critic = a.Generator(SMALL).eval(), a.MultiSourceDiscriminator(("picture", "maps"), SMALL).eval()
    a.save_model(tmp_path / "m.safetensors", model, critic, small=small)
    again, judge = a.load_model(tmp_path / "m.safetensors")
    assert again.config == SMALL and judge.sources == ("picture", "maps") and not again.training
    with torch.no_grad():
        off = (model(pictures(2)).heatmaps[-1] - again(pictures(2)).heatmaps[-1]).abs().max()
        assert off == 0 if not small else 0 < off < 0.2
        assert torch.allclose(critic(evidence()), judge(evidence()), atol=0.1 if small else 1e-7)
    a.save_model(tmp_path / "alone.safetensors", model)
    assert a.load_model(tmp_path / "alone.safetensors")[1] is None


def test_a_file_that_holds_no_model_is_named(tmp_path):
    save_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(1)}, {"format": "other"})
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for name in ("other", "broken", "missing"):
        with pytest.raises(CheckpointError, match=name):
            a.load_model(tmp_path / f"{name}.safetensors")
    with pytest.raises(ValueError, match="row must be one of"):
        a.load_pretrained("fulll")


@pytest.mark.parametrize(
    "change", [{"size": 96}, {"size": 0}, {"channels": 6}, {"stacks": 0}, {"embedding": 0}, {"skeleton": "H36M"}]
)
def test_sizes_that_cannot_be_are_refused(change):
    with pytest.raises(ValueError):
        a.ModelConfig(**change)


@pytest.mark.parametrize(
    "change", [{"batch": 6}, {"steps": 0}, {"adversarial": -1.0}, {"clip": 0.0}, {"sources": ("eyes",)}]
)
def test_trainings_that_cannot_be_are_refused(change):
    with pytest.raises(ValueError):
        a.TrainingConfig(**change)


def test_the_rows_of_table_2():
    assert [row.label for row in a.ROWS.values()] == [
        "Baseline (fix 2D)", "Baseline", "Map", "Geo", "Full (fix 2D)", "Full (w/o pretrain)", "Full",
    ]  # fmt: skip
    assert a.ROWS["geo"].sources == ("picture", "descriptor") and a.ROWS["full"].sources == a.SOURCES
    assert [name for name, row in a.ROWS.items() if row.fix_2d] == ["baseline_fix_2d", "full_fix_2d"]
    assert all(row.fix_2d and row.sources for row in a.FIXED_ROWS.values())


def test_the_descriptor_s_own_gradient_is_that_of_its_definition_twice_and_with_a_missing_joint():
    pose = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(a.geometric_descriptor, (pose.clone().requires_grad_(),))
    assert torch.autograd.gradgradcheck(a.geometric_descriptor, (pose.clone().requires_grad_(),))
    pose[0, 1, 2] = torch.nan
    weight = torch.randn(2, 6, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, theirs = pose.clone().requires_grad_(), pose.clone().requires_grad_()
    (a.geometric_descriptor(ours) * weight).sum().backward()
    terms = [
        (weight[b, :3, i, j] * (d := theirs[b, i] - theirs[b, j])).sum() + (weight[b, 3:, i, j] * d * d).sum()
        for b in range(2) for i in range(4) for j in range(4) if not (b == 0 and 1 in (i, j))
    ]  # fmt: skip
    torch.stack(terms).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad.nan_to_num())
