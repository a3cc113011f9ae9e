"""Chapter 3: clips and poses as data, errors, leaks and colours as measurements, against independent statements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napa_lib import bottleneck as b
from napa_lib.bottleneck.leak import control_leaks
from napa_lib.engine import CheckpointError, save_tensors
from napa_lib.rendering import render_skeleton
from napa_lib.skeletons import NAPA18, convert, flip

SMALL = b.ModelConfig(size=32, width=4, discriminator_width=4, picture_width=4, discriminator_layers=1)


def poses(count: int, seed: int = 0) -> torch.Tensor:
    return b.mocap_poses(count, torch.Generator().manual_seed(seed))


# --- data ------------------------------------------------------------------------------------------------------------


def numbered_clips(count: int = 6, frames: int = 4, size: int = 8) -> b.Clips:
    """Clips whose frames say which they are: red is the clip, green the frame."""
    images = torch.zeros(count, frames, 3, size, size, dtype=torch.uint8)
    images[:, :, 0] = torch.arange(count, dtype=torch.uint8)[:, None, None, None]
    images[:, :, 1] = torch.arange(frames, dtype=torch.uint8)[:, None, None]
    keypoints = torch.rand(count, frames, 18, 2) * (size - 1)
    return b.Clips(images, keypoints, motions=("walk", "run") * (count // 2))


def test_pairs_are_two_frames_of_one_clip():
    x, y = b.frame_pairs(numbered_clips(), 400, torch.Generator().manual_seed(0))
    x, y = ((255 * image[:, :2, 0, 0]).round().int() for image in (x, y))
    assert torch.equal(x[:, 0], y[:, 0]) and bool((x[:, 1] != y[:, 1]).all())
    pairs = {tuple(row) for row in torch.cat([x, y[:, 1:]], 1).tolist()}
    assert len(pairs) == 6 * 4 * 3  # each is drawn sooner or later
    with pytest.raises(ValueError, match="at least 2 frames"):
        b.frame_pairs(numbered_clips(frames=1), 2, torch.Generator())


def test_halves_share_no_clip():
    clips = numbered_clips()
    one, other = b.halves(clips)
    assert set(one.images[:, 0, 0, 0, 0].tolist()) == {0, 1, 2} and len(other) == 3
    np.testing.assert_allclose(b.unpaired_poses(other)[5], 2 * clips.keypoints[4, 1] / 7 - 1, atol=1e-6)
    with pytest.raises(ValueError, match="at least 2"):
        b.halves(numbered_clips(2).take(slice(1)))


def test_clips_come_back_from_their_file(tmp_path):
    clips = numbered_clips()
    b.save_clips(tmp_path / "clips.safetensors", clips)
    back = b.read_clips(tmp_path / "clips.safetensors")
    assert torch.equal(back.images, clips.images) and torch.equal(back.keypoints, clips.keypoints)
    assert back.motions == clips.motions and back.skeleton == "NAPA18"
    save_tensors(tmp_path / "other.safetensors", {"images": clips.images})
    for name in ("other", "none"):
        with pytest.raises(CheckpointError):
            b.read_clips(tmp_path / f"{name}.safetensors")


def test_bad_clips_are_refused():
    clips = numbered_clips()
    with pytest.raises(ValueError, match="uint8"):
        b.Clips(clips.images.float(), clips.keypoints)
    with pytest.raises(ValueError, match="keypoints"):
        b.Clips(clips.images, clips.keypoints[:, :, :17])
    with pytest.raises(ValueError, match="OCTOPUS8"):
        b.Clips(clips.images, clips.keypoints, "OCTOPUS8")
    with pytest.raises(ValueError, match="motions"):
        b.Clips(clips.images, clips.keypoints, motions=("walk",))
    clips.keypoints[4, 2] = torch.nan
    with pytest.raises(ValueError, match="pose 18"):
        b.unpaired_poses(clips)


def test_mocap_poses_lie_in_the_picture_as_figures_lie_in_crops():
    found = b.mocap_poses(500, torch.Generator().manual_seed(0), fill=(0.5, 0.8))
    extent = (found.amax(1) - found.amin(1)).amax(-1) / 2
    middle = (found.amax(1) + found.amin(1)) / 2
    assert bool((found.abs() <= 1 + 1e-5).all()) and 0.13 < middle.abs().max() <= 0.15 + 1e-5
    assert 0.5 <= extent.min() < 0.52 and 0.78 < extent.max() <= 0.8 + 1e-5
    again = b.mocap_poses(500, torch.Generator().manual_seed(0), fill=(0.5, 0.8))
    assert torch.equal(found, again)
    assert b.mocap_poses(3, torch.Generator(), skeleton="H36M17").shape == (3, 17, 2)
    for wrong in ({"fill": (0.0, 0.5)}, {"split": "all"}, {"skeleton": "OCTOPUS8"}):
        with pytest.raises(ValueError):
            b.mocap_poses(3, torch.Generator(), **wrong)


def test_the_real_video_as_clips():
    # a point 90 cm above the middle of the treadmill lies in all four crops
    world = torch.tensor([-900.0, 0.0, 900.0]).expand(20, 18, 3)
    clips = b.video_clips(64, world)
    assert clips.images.shape == (4, 20, 3, 64, 64) and clips.images.float().std() > 30
    assert bool(((clips.keypoints > 0) & (clips.keypoints < 63)).all())
    assert bool(b.video_clips(64).keypoints.isnan().all())
    with pytest.raises(ValueError, match="poses"):
        b.video_clips(64, world[:3])


def test_the_real_video_in_crops_that_move():
    world = torch.tensor([[-900.0, 0.0, 900.0], [-900.0, 0.0, 1300.0]]).repeat(9, 1).expand(20, 18, 3)
    still, moved = b.video_clips(64, world), b.video_clips(64, world, moved=2)
    assert moved.images.shape == (8, 20, 3, 64, 64) and bool(((moved.keypoints > 0) & (moved.keypoints < 63)).all())
    for copy in range(2):
        ratio = [(c[:, :, 1] - c[:, :, 0]).norm(dim=-1) for c in (moved.keypoints[copy::2], still.keypoints)]
        scale = ratio[0] / ratio[1]
        assert 1 / 1.5 - 1e-3 < float(scale.min()) < 0.72 and 0.95 < float(scale.max()) <= 1 + 1e-3
        # the fixed crop lies in the moved one: its first and last pixel are still in the picture
        corner = moved.keypoints[copy::2, :, 0] - scale[..., None] * still.keypoints[:, :, 0]
        assert float(corner.min()) > -1 and float((corner + 63 * scale[..., None]).max()) < 64


class People:
    """What `from_synthetic` looks at of SyntheticClips: five clips of two frames, 8 x 8; the third shows nobody once,
    the last has two people."""

    def __init__(self) -> None:
        self.size, self.look, self.movement = 8, torch.tensor([0, 1, 0, 0, 0]), torch.tensor([-1, 3, 3, 3, 3])
        self.keypoints = torch.rand(5, 2, 18, 2) * 7
        self.poses = torch.rand(5, 2, 18, 3)
        self.other_keypoints = torch.full((5, 2, 18, 2), torch.nan)
        self.other_keypoints[4, 1, 2] = 3.0
        self.keypoints[0, 0, 5] = self.keypoints[2, 1] = torch.nan

    def __len__(self) -> int:
        return 5

    def pictures(self, rows: torch.Tensor) -> torch.Tensor:
        """Black on the left, white on the right; red says which clip it is."""
        found = torch.zeros(len(rows), 2, 3, 8, 8, dtype=torch.uint8)
        found[..., 4:] = 255
        found[:, :, 0] = rows.to(torch.uint8)[:, None, None, None]
        return found


def test_synthetic_people_become_clips():
    people = People()
    clips = b.from_synthetic(people, 4, "both")
    assert clips.images.shape == (3, 2, 3, 4, 4) and clips.motions[0] == "independent" and len(set(clips.motions)) == 2
    assert clips.images[:, 0, 0, 0, 0].tolist() == [0, 1, 3]  # not the clips with an empty frame and with two people
    # the edge between black and white, 3.5 in pixels of 8, lies at 1.5 in pixels of 4
    assert clips.images[0, 0, 1, 0, 0] < 60 and clips.images[0, 0, 1, 0, 3] > 200
    expected = (people.keypoints[[0, 1, 3]] - 3.5) / 2 + 1.5
    np.testing.assert_allclose(clips.keypoints, expected, atol=1e-5)
    assert torch.equal(clips.poses, people.poses[[0, 1, 3]])
    assert len(b.from_synthetic(people, 4, "photo")) == 2 and len(b.from_synthetic(people, 4, "drawn")) == 1
    with pytest.raises(ValueError, match="look"):
        b.from_synthetic(people, 4, "oil")
    people.look[:] = 0
    with pytest.raises(ValueError, match="none among 5"):
        b.from_synthetic(people, 4, "drawn")


def test_clips_are_opened_by_name(tmp_path):
    clips = numbered_clips()
    b.save_clips(tmp_path / "clips.safetensors", clips)
    assert torch.equal(b.open_clips(str(tmp_path / "clips.safetensors"), 8).images, clips.images)
    assert b.open_clips("video", 16).size == 16
    (tmp_path / "empty").mkdir()
    for missing in ("synthetic:all", str(tmp_path), str(tmp_path / "empty"), str(tmp_path / "none")):
        with pytest.raises(ValueError):
            b.open_clips(missing, 8)


# --- measuring -------------------------------------------------------------------------------------------------------


def test_landmark_errors_by_hand(rng):
    target = rng.random((5, 18, 2)) * 63
    prediction = target + rng.normal(size=target.shape)
    target[1, 4] = np.nan
    distance = np.linalg.norm(prediction - target, axis=-1)
    found = b.landmark_errors(torch.tensor(prediction), torch.tensor(target), "NAPA18", 64)
    assert found["px"] == pytest.approx(np.nanmean(distance)) and found["mse"] == pytest.approx(np.nanmean(distance**2))
    for kind in ("", "_flips"):
        assert found[f"percent{kind}"] == pytest.approx(100 * found[f"px{kind}"] / 64)
    fewer = b.landmark_errors(torch.tensor(prediction), torch.tensor(target), "NAPA18", 64, "H36M17")
    assert fewer["px"] == pytest.approx(np.nanmean(distance[:, :17]))  # the 18th is the thorax


def test_flips_forgive_exchanged_sides_and_no_more():
    target = b.to_pixels(poses(6), 64)
    exchanged = flip(target, "NAPA18", None) * torch.tensor([-1.0, 1.0])
    found = b.landmark_errors(exchanged, target, "NAPA18", 64)
    assert found["px_flips"] == pytest.approx(0, abs=1e-4) and found["px"] > 1 and found["mse_flips"] < 1e-6
    assert b.landmark_errors(target + 3, target, "NAPA18", 64)["px_flips"] == pytest.approx(3 * 2**0.5, rel=0.05)


def test_seventeen_joints_of_human36m_are_scored_when_those_of_3dhp_are_found(rng):
    """Section 5.1: "we predict 28 joints, but use 17 joints that are common with Human3.6M"."""
    frames = torch.tensor(rng.uniform(0, 64, (5, 32, 2))).float()
    labels = convert(frames, "H36M32", "MPI3DHP28")
    errors = b.landmark_errors(labels.nan_to_num(0.0) + torch.tensor([3.0, 4.0]), labels, "MPI3DHP28", 64, "H36M17")
    assert errors["px"] == pytest.approx(5.0, abs=1e-4)
    assert torch.equal(convert(labels, "MPI3DHP28", "H36M17"), convert(frames, "H36M32", "H36M17"))


def test_errors_by_motion_split_the_frames():
    clips = numbered_clips()
    prediction = clips.keypoints.flatten(0, 1).clone()
    prediction[:4] += 3.0  # the first clip walks
    found = b.errors_by_motion(prediction, clips)
    assert set(found) == {"all", "run", "walk"} and found["run"]["px"] == 0
    assert found["walk"]["px"] == pytest.approx(3 * 2**0.5 / 3) and found["all"]["px"] == pytest.approx(2**0.5 / 2)


def test_predict_clips_in_pixels():
    clips = numbered_clips(4, 3, 32)
    corner = b.predict_clips(lambda x: torch.ones(len(x), 18, 2) * torch.tensor([1.0, -1.0]), clips, batch=5)
    assert corner.shape == (12, 18, 2)
    np.testing.assert_allclose(corner[0, 0], [31, 0])


def test_mean_pose_leaves_out_what_is_missing():
    p = poses(4)
    p[0, 3] = torch.nan
    expected = np.nanmean(p.numpy(), 0)
    np.testing.assert_allclose(b.mean_pose(p, 2)[1], expected, atol=1e-6)
    p[:, 3] = torch.nan
    with pytest.raises(ValueError, match="at least once"):
        b.mean_pose(p, 2)


@pytest.mark.parametrize(("samples", "features"), [(30, 5), (12, 40)])
def test_ridge_and_its_leave_one_out(rng, samples, features):
    x, y = rng.normal(size=(samples, features)) + 3, rng.normal(size=(samples, 2)) - 1
    penalties = (1e-3, 1e-1, 1.0)
    found = b.fit_ridge(torch.tensor(x), torch.tensor(y), penalties)
    centred = x - x.mean(0)
    unit = (centred**2).mean() * samples

    def solve(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
        """Weights and offset of the normal equations; the offset is not penalised."""
        z = np.c_[x, np.ones(len(x))]
        return np.linalg.solve(z.T @ z + penalty * unit * np.diag([1.0] * features + [0.0]), z.T @ y)

    errors = []
    for penalty in penalties:
        rest = [np.delete(np.arange(samples), i) for i in range(samples)]
        left_out = [np.r_[x[i], 1] @ solve(x[r], y[r], penalty) - y[i] for i, r in enumerate(rest)]
        errors.append(np.mean(np.square(left_out)))
    assert found.penalty == penalties[int(np.argmin(errors))]
    expected = np.c_[x, np.ones(samples)] @ solve(x, y, found.penalty)
    np.testing.assert_allclose(found(torch.tensor(x)), expected, atol=1e-8)


def test_ridge_refuses_what_it_cannot_fit():
    for x, y in ((torch.rand(2, 3), torch.rand(2, 1)), (torch.rand(5, 3), torch.rand(4, 1))):
        with pytest.raises(ValueError, match="N >= 3"):
            b.fit_ridge(x, y)
    with pytest.raises(ValueError, match="missing"):
        b.fit_ridge(torch.full((5, 3), torch.nan), torch.rand(5, 1))


def test_a_regressor_on_top_undoes_a_linear_mistake():
    true = poses(120)
    wrong = 0.5 * true[:, list(range(17, -1, -1))] + 0.2
    missing = true.clone()
    missing[3, 5] = torch.nan
    regress = b.regress_keypoints(wrong, missing)
    np.testing.assert_allclose(regress(wrong), true, atol=1e-2)


def test_colors_are_read_off_the_figure():
    p = torch.tensor([[0.0, 0.0]]).repeat(18, 1)
    for name, x, y in (("head", 0, -0.9), ("neck", 0, -0.5), ("nose", 0, -0.7), ("torso", 0, -0.2), ("r_knee", 0, 0.5),
                       ("l_knee", 0, 0.5), ("r_ankle", 0, 0.9), ("l_ankle", 0, 0.9)):  # fmt: skip
        p[NAPA18.index(name)] = torch.tensor([float(x), float(y)])
    for name in ("l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "thorax"):
        p[NAPA18.index(name)] = torch.tensor([0.0, -0.5])
    image = torch.zeros(1, 3, 65, 65)
    image[:, 0, :33] = 1.0  # red above the hips, blue below
    image[:, 2, 33:] = 0.5
    found = b.figure_colors(image, p[None], "NAPA18")
    # hips lie at the pelvis: two of sixteen bones are points on the border; all others are above or below
    np.testing.assert_allclose(found[0, 3:], [0, 0, 0.5], atol=1e-6)
    assert found[0, 0] > 0.99 and found[0, 2] < 0.01
    p[NAPA18.index("r_knee")] = p[NAPA18.index("l_knee")] = torch.nan
    assert bool(b.figure_colors(image, p[None], "NAPA18")[0, 3:].isnan().all())
    with pytest.raises(ValueError, match="legs"):
        b.figure_colors(image, torch.zeros(1, 68, 2), "FACE68")


class Painter(nn.Module):
    """Stands for a trained model: it draws everybody of one colour on a wall of one colour, those of the looks, or
    what `change` makes of the picture; it finds a pose as wide as the picture."""

    config = b.model_config("tiny")

    def __init__(self, change=lambda picture: picture):
        super().__init__()
        self.change = change

    def image_encoder(self, image):
        return image

    def skeleton_encoder(self, image):
        return 0.9 * poses(len(image), seed=5)

    draw_for_generator = staticmethod(lambda keypoints: keypoints)

    def generate(self, seen, style):
        return self.change(style)


def test_carried_colors_are_those_of_the_looks():
    # people as large as the picture, of one colour each: with wall and person alike every point tells
    colors = torch.rand(12, 3, generator=torch.Generator().manual_seed(3))
    images = (255 * colors)[:, None, :, None, None].round().to(torch.uint8).expand(12, 2, 3, 64, 64)
    clips = b.Clips(images, 31.5 * (poses(24).unflatten(0, (12, 2)) + 1))
    all_of_it = b.carried_colors(Painter(), clips)
    np.testing.assert_allclose(
        [all_of_it.person_light, all_of_it.person_hue, all_of_it.wall_light, all_of_it.wall_hue], 1, atol=1e-4
    )
    grey = b.carried_colors(Painter(lambda picture: picture.mean(1, keepdim=True).expand(-1, 3, -1, -1)), clips)
    np.testing.assert_allclose([grey.person_light, grey.wall_light], 1, atol=1e-4)
    assert max(grey.person_hue, grey.wall_hue) < 1e-3
    strangers = b.carried_colors(Painter(lambda picture: picture.roll(5, 0)), clips)
    assert max(strangers.person_light, strangers.wall_hue) < 0.5
    with pytest.raises(ValueError, match="conditional"):
        b.carried_colors(b.KeypointGAN(replace(SMALL, conditional=False, bottleneck=False)), clips)


def test_looks_are_of_first_frames_and_poses_of_the_next_clip_s_last(monkeypatch):
    seen, clips = [], numbered_clips(6, 4)
    monkeypatch.setattr(Painter, "image_encoder", lambda self, image: seen.append(image) or image)
    b.carried_colors(Painter(lambda style: seen.append(style) or style), clips)
    assert torch.equal(seen[0], clips.images[[1, 2, 3, 4, 5, 0], -1] / 255)
    assert torch.equal(seen[1], clips.images[:, 0] / 255)


def test_large_sets_are_looked_at_in_parts(monkeypatch):
    """43,690 frames of 128 pixels are 8 GB as floats, and several times that in one batch of a network."""
    model, seen = b.KeypointGAN(SMALL).eval(), []
    model.image_encoder.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    pose = poses(150 * 2)
    images = (255 * render_skeleton(pose, NAPA18.bones, 32, 60.0)).to(torch.uint8).expand(-1, 3, -1, -1)
    clips = b.Clips(images.unflatten(0, (150, 2)), b.to_pixels(pose, 32).unflatten(0, (150, 2)))
    b.carried_colors(model, clips)
    assert sum(seen) == 150 and max(seen) <= 64
    monkeypatch.setattr("napa_lib.bottleneck.probes.LEAK_FRAMES", 100)
    seen.clear()
    b.measure_leak(model, clips, clips)
    assert sum(seen) == 200 and max(seen) <= 64


def test_a_control_reads_colours_off_places_that_tell_them_and_off_no_others():
    """People whose colour is where their model says that they are, in true poses that know nothing of it."""
    shade = torch.randint(0, 256, (60, 2), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)
    clips = b.Clips(
        shade[:, :, None, None, None].expand(-1, -1, 3, 32, 32).contiguous(),
        15.5 * (poses(120).unflatten(0, (60, 2)) + 1),
    )
    model = b.KeypointGAN(SMALL).eval()
    model.predict = lambda images: (images.mean((1, 2, 3)) - 0.5)[:, None, None].expand(-1, 18, 2)
    found = control_leaks(model, clips.take(slice(40)), clips.take(slice(40, None)))
    assert found["found keypoints"].r2 > 0.99
    assert found["true keypoints"].r2 < 0.2 and found["true poses"].r2 < 0.2
    hidden = replace(clips, keypoints=clips.keypoints.clone())
    hidden.keypoints[::7, 0, 3] = torch.nan
    assert np.isfinite(control_leaks(model, hidden.take(slice(40)), hidden.take(slice(40, None)))["true keypoints"].r2)


def test_the_probe_finds_a_leak_and_only_a_leak():
    g = torch.Generator().manual_seed(0)
    drawn = render_skeleton(b.mocap_poses(800, g), NAPA18.bones, 32)
    colors = torch.rand(800, 6, generator=g)
    leak = 1e-2 * torch.einsum("be,ehw->bhw", colors, torch.rand(6, 32, 32, generator=g))[:, None]
    held_out = torch.arange(800) >= 600
    tight, leaky = (b.appearance_leak(y, colors, held_out) for y in (drawn, drawn + leak))
    assert abs(tight.r2) < 0.1 and leaky.r2 > 0.4 and leaky.rms < tight.rms
    assert len(leaky.r2_each) == 6 and tight.rms_mean == pytest.approx(1 / 12**0.5, rel=0.1)
    with pytest.raises(ValueError, match="held_out"):
        b.appearance_leak(drawn, colors, torch.zeros(800, dtype=torch.bool))
    with pytest.raises(ValueError, match="one length"):
        b.appearance_leak(drawn[:5], colors, held_out)
