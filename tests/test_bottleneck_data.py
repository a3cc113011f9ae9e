"""Chapter 3's data and stored results: the studio's people, stirred poses, means over seeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib import bottleneck as b
from napa_lib.data.clips import recolour, stir_poses
from napa_lib.data.synthetic import load_synthetic
from napa_lib.makers.people.postures import captured, sampled
from napa_lib.makers.people.view import sample_direction
from napa_lib.skeletons import NAPA18, flip


def bone_shares(poses: torch.Tensor) -> torch.Tensor:
    """Bone vectors in parts of the figure's longer side: what neither place nor size changes."""
    start, end = torch.tensor(NAPA18.bones).T
    side = (poses.amax(1) - poses.amin(1)).amax(-1)
    return (poses[:, end] - poses[:, start]) / side[:, None, None]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_stirred_poses_are_the_same_moved_scaled_or_mirrored(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    poses = b.mocap_poses(16, generator)
    stirred = stir_poses(poses, "NAPA18", generator)
    assert bool((stirred.abs() <= 1 + 1e-5).all())
    same = (bone_shares(stirred) - bone_shares(poses)).abs().amax((1, 2)) < 1e-4
    turned = flip(poses, NAPA18, 1)
    mirrored = (bone_shares(stirred) - bone_shares(turned)).abs().amax((1, 2)) < 1e-4
    assert bool((same ^ mirrored).all())
    ratio = (stirred.amax(1) - stirred.amin(1)).amax(-1) / (poses.amax(1) - poses.amin(1)).amax(-1)
    assert float(ratio.min()) >= 0.8 - 1e-4 and float(ratio.max()) <= 1.2 + 1e-4


def test_stirring_mirrors_half_and_moves_everywhere() -> None:
    generator = torch.Generator().manual_seed(0)
    pose = b.mocap_poses(1, generator).expand(2000, -1, -1)
    stirred = stir_poses(pose, "NAPA18", generator)
    share = ((bone_shares(stirred) - bone_shares(pose)).abs().amax((1, 2)) < 1e-4).float().mean()
    assert abs(float(share) - 0.5) < 0.04
    middle = (stirred.amax(1) + stirred.amin(1)) / 2
    assert float(middle.mean(0).abs().max()) < 0.03 and float(middle.std(0).min()) > 0.05


def test_stirring_keeps_missing_keypoints_missing() -> None:
    generator = torch.Generator().manual_seed(1)
    poses = b.mocap_poses(50, generator)
    poses[:, NAPA18.index("l_wrist")] = torch.nan
    stirred = stir_poses(poses, "NAPA18", generator)
    missing = stirred.isnan().any(-1)
    assert bool((missing.sum(1) == 1).all())
    assert set(missing.nonzero()[:, 1].tolist()) == {NAPA18.index("l_wrist"), NAPA18.index("r_wrist")}  # half mirrored


def test_motion_capture_for_the_studio_stands_and_faces_the_camera() -> None:
    poses = b.mocap_poses(300, torch.Generator().manual_seed(2), studio=True)
    x, y = poses.unbind(-1)
    of = {name: NAPA18.index(name) for name in NAPA18.joints}
    assert bool((y[:, of["thorax"]] < y[:, of["pelvis"]]).all())  # y points down
    assert bool((y[:, of["pelvis"]] < y[:, [of["r_ankle"], of["l_ankle"]]].amax(1)).all())
    right = x[:, [of["r_hip"], of["r_shoulder"]]].sum(1)
    left = x[:, [of["l_hip"], of["l_shoulder"]]].sum(1)
    assert bool((right < left).all())  # who faces the viewer has the right side on the viewer's left
    anywhere = b.mocap_poses(300, torch.Generator().manual_seed(2))
    turned = anywhere[:, [of["r_hip"], of["r_shoulder"]], 0].sum(1) > anywhere[
        :, [of["l_hip"], of["l_shoulder"]], 0
    ].sum(1)
    assert 0.4 < float(turned.float().mean()) < 0.6


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_recolouring_is_one_saturation_and_one_light_a_row(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pair = [
        0.45 + 0.1 * torch.rand(4, 3, 8, 8, generator=generator, dtype=torch.float64) for _ in range(2)
    ]  # unclamped
    grey = torch.full((4, 3, 8, 8), 0.5, dtype=torch.float64)
    first, other, lit = recolour([*pair, grey], generator)
    light = lit[..., :1, :1] / 0.5
    assert float(light.min()) >= 0.6 and float(light.max()) <= 1
    torch.testing.assert_close(lit, (0.5 * light).expand_as(lit))  # a grey has the colour of the light
    for before, after in zip(pair, (first, other), strict=True):
        middle = before.mean(1, keepdim=True)
        torch.testing.assert_close((after / light).mean(1, keepdim=True), middle)  # as bright as it was
        factor = ((after / light - middle) * (before - middle)).sum((1, 2, 3)) / (before - middle).square().sum(
            (1, 2, 3)
        )
        torch.testing.assert_close(after / light - middle, factor[:, None, None, None] * (before - middle))
        assert float(factor.min()) >= 1 and float(factor.max()) <= 3
    bright = recolour([torch.rand(4, 3, 8, 8, generator=generator)], generator)[0]
    assert float(bright.min()) >= 0 and float(bright.max()) <= 1


def test_studio_people_are_whole_and_upright() -> None:
    clips = b.open_clips("studio:validation", 64)
    assert clips.images.shape == (80, 8, 3, 64, 64) and clips.skeleton == "NAPA18"
    assert float(clips.keypoints.isnan().float().mean()) < 0.01
    y = clips.keypoints[..., 1]
    head, pelvis = y[..., NAPA18.index("head")], y[..., NAPA18.index("pelvis")]
    ankles = y[..., [NAPA18.index("r_ankle"), NAPA18.index("l_ankle")]].nan_to_num(99).amax(-1)
    assert float(((head < pelvis) & (pelvis < ankles)).float().mean()) > 0.99
    people = [set(load_synthetic(split, "studio").person.tolist()) for split in ("validation", "test")]
    assert not people[0] & people[1]


def test_studio_pictures_show_the_person_where_the_label_says() -> None:
    people = load_synthetic("validation", "studio")
    masks = people.masks.flatten(0, 1)
    hips = people.keypoints[:, :, NAPA18.index("torso")].flatten(0, 1)
    whole = ~hips.isnan().any(-1)
    at = hips[whole].round().long().clamp(0, people.size - 1)
    assert float(masks[whole, at[:, 1], at[:, 0]].float().mean()) > 0.95


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="setting must be one of"):
        load_synthetic("train", "outdoors")
    with pytest.raises(ValueError, match="split must be one of"):
        b.open_clips("studio:everyone", 64)


def test_upright_poses_stand_and_level_cameras_look_ahead() -> None:
    rng = np.random.default_rng(0)
    upright = sampled(200, rng, upright=True)
    assert upright.pelvis[:, 1, 1].min() > 0.8  # the pelvis' up axis points up
    assert upright.upper[:, 2:, 1].mean() < -0.85  # thighs hang
    assert sampled(400, rng).pelvis[:, 1, 1].min() < 0.0  # others lie or tumble
    names = {captured("test", 8, rng, upright=True)[1] for _ in range(40)}
    assert names == {"run", "dance_a"}
    for _ in range(50):
        rotation, _ = sample_direction(rng, level=True)
        assert abs(rotation[0, 1]) < 1e-9 and rotation[1, 1] < -0.8  # no roll; nearly level
