"""Chapter 3: the networks against the paper's tables, the functions against independent statements of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napa_lib import bottleneck as b
from napa_lib.bottleneck.discriminators import PatchDiscriminator
from napa_lib.bottleneck.hourglass import heatmap_loss, heatmap_targets, peaks
from napa_lib.bottleneck.networks import Downsampling, Upsampling
from napa_lib.bottleneck.train import write_json
from napa_lib.engine import CheckpointError, save_tensors
from napa_lib.networks import VGG19Features
from napa_lib.rendering import render_skeleton
from napa_lib.skeletons import NAPA18, flip

SMALL = b.ModelConfig(size=32, width=4, discriminator_width=4, picture_width=4, discriminator_layers=1)


def poses(count: int, seed: int = 0) -> torch.Tensor:
    return b.mocap_poses(count, torch.Generator().manual_seed(seed))


def pictures(count: int, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


# --- the tables: kernel, stride, channels, size, normalisation, activation -------------------------------------------

ENCODER = [
    (7, 1, 32, 128, "Batch", "ReLU"), (3, 1, 32, 128, "Batch", "ReLU"),
    (3, 2, 64, 64, "Batch", "ReLU"), (3, 1, 64, 64, "Batch", "ReLU"),
    (3, 2, 128, 32, "Batch", "ReLU"), (3, 1, 128, 32, "Batch", "ReLU"),
    (3, 2, 256, 16, "Batch", "ReLU"), (3, 1, 256, 16, "Batch", "ReLU"),
]  # fmt: skip


def decoder(out: int) -> list:
    return [
        (3, 1, 256, 16, "Batch", "ReLU"), (3, 1, 256, 16, "Batch", "ReLU"), ("up", 32),
        (3, 1, 128, 32, "Batch", "ReLU"), (3, 1, 128, 32, "Batch", "ReLU"), ("up", 64),
        (3, 1, 64, 64, "Batch", "ReLU"), (3, 1, 64, 64, "Batch", "ReLU"), ("up", 128),
        (3, 1, 32, 128, "Batch", "ReLU"), (3, 1, out, 128, "None", "None"),
    ]  # fmt: skip


CODE = (1, 1, 256, 16, "None", "None")
FIG17 = [*ENCODER, CODE, *decoder(1)]
FIG19 = [*ENCODER, (1, 1, 18, 16, "None", "None")]
FIG20 = [
    (4, 2, 64, 64, "Instance", "LReLU"), (4, 2, 128, 32, "Instance", "LReLU"), (4, 2, 256, 16, "Instance", "LReLU"),
    (4, 1, 512, 15, "Instance", "LReLU"), (4, 1, 1, 14, "None", "None"),
]  # fmt: skip
# fig. 22 without its rows for the doublings, which are no modules there
FIG22 = [*ENCODER, CODE, *(row for row in decoder(1)[:-1] if row[0] != "up"),
         (3, 1, 32, 128, "Batch", "ReLU"), (3, 1, 1, 128, "None", "None")]  # fmt: skip


def layers_of(network: nn.Module, *inputs: torch.Tensor) -> list:
    """The rows of a network's table, in the order in which its layers run."""
    rows: list[list] = []

    def note(module: nn.Module, _, output: torch.Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            assert module.kernel_size[0] == module.kernel_size[1]
            rows.append([module.kernel_size[0], module.stride[0], *output.shape[1:3], "None", "None"])
        elif isinstance(module, nn.Upsample):
            assert module.mode == "bilinear"
            rows.append(["up", output.shape[2]])
        elif isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d)):
            rows[-1][4] = "Batch" if isinstance(module, nn.BatchNorm2d) else "Instance"
        elif isinstance(module, (nn.ReLU, nn.LeakyReLU)):
            assert not isinstance(module, nn.LeakyReLU) or module.negative_slope == 0.2
            rows[-1][5] = "ReLU" if isinstance(module, nn.ReLU) else "LReLU"

    hooks = [m.register_forward_hook(note) for m in network.modules() if not list(m.children())]
    with torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("network", "channels", "table"),
    [
        (b.ImageEncoder(), 3, FIG17),
        (b.SkeletonEncoder(18), 1, FIG19),
        (PatchDiscriminator(), 1, FIG20),
        (b.SkipImageEncoder(), 3, FIG22),
    ],
    ids=["fig. 17", "fig. 19", "fig. 20", "fig. 22"],
)
def test_layers_are_those_of_the_table(network, channels, table):
    assert layers_of(network, torch.rand(1, channels, 128, 128)) == table


def test_image_generator_is_two_encoders_and_one_decoder():
    network = b.ImageGenerator()
    rows = layers_of(network, torch.rand(1, 1, 128, 128), torch.rand(1, 3, 128, 128))
    assert rows == [*ENCODER, CODE, *ENCODER, CODE, *decoder(3)]  # section 4: "outputs are then concatenated"
    assert network.up.layers[0].in_channels == 512
    assert len(layers_of(b.ImageGenerator(conditional=False), torch.rand(1, 1, 128, 128))) == 9 + len(decoder(3))


def test_three_scales_of_skeleton_discriminators():
    network = b.SkeletonDiscriminator()
    rows = layers_of(network, torch.rand(1, 1, 128, 128))
    assert [row[2] for row in rows] == [64, 128, 256, 512, 1] * 3
    assert [row[3] for row in rows] == [64, 32, 16, 15, 14, 32, 16, 8, 7, 6, 16, 8, 4, 3, 2]
    seen = []
    for scale in network.scales:
        scale.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    picture = torch.rand(2, 1, 64, 64)
    with pytest.raises(ValueError, match="multiples of 8"):
        network(picture[..., :-4])
    network(torch.nn.functional.interpolate(picture, scale_factor=2))
    np.testing.assert_allclose(seen[1], picture, atol=1e-6)  # half of the doubled picture


def test_image_discriminator_is_siamese_and_its_condition_can_be_left_out():
    network = b.ImageDiscriminator(width=8)
    x, y = pictures(2, 64), pictures(2, 64, seed=1)
    (score,) = network(x, y)
    assert score.shape == (2, 1, 4, 4)
    passes = []
    network.branch.register_forward_hook(lambda *_: passes.append(1))
    network(x, y)
    assert len(passes) == 2  # one set of layers, used twice
    kinds = {type(m) for m in network.modules()}
    assert nn.InstanceNorm2d in kinds and nn.BatchNorm2d not in kinds
    assert b.ImageDiscriminator(False, 8)(x)[0].shape == score.shape
    for wrong in (lambda: network(x), lambda: b.ImageDiscriminator(False, 8)(x, y), lambda: network(x, y[..., :32])):
        with pytest.raises(ValueError):
            wrong()


def test_tiny_is_the_same_at_half_the_size_and_width():
    config = b.model_config("tiny")
    model, x = b.KeypointGAN(config).eval(), pictures(1, 64)
    halved = [row if row[0] == "up" else (*row[:2], max(1, row[2] // 2), *row[3:]) for row in FIG17]
    halved = [("up", row[1] // 2) if row[0] == "up" else (*row[:3], row[3] // 2, *row[4:]) for row in halved]
    assert layers_of(model.image_encoder, x) == halved
    with torch.no_grad():
        found = model(x, x)
        scores = b.Critics(config).skeletons(found.skeleton)
    assert found.image.shape == (1, 3, 64, 64) and found.keypoints.shape == (1, 18, 2)
    assert [tuple(s.shape[2:]) for s in scores] == [(14, 14), (6, 6), (2, 2)]


def test_modules_take_other_channels():
    assert Downsampling(5, 7, 4)(torch.rand(2, 5, 16, 24)).shape == (2, 7, 2, 3)
    assert Upsampling(6, 2, 4)(torch.rand(2, 6, 2, 3)).shape == (2, 2, 16, 24)


# --- keypoints -------------------------------------------------------------------------------------------------------


def test_expected_position_is_an_expectation(rng):
    scores = rng.normal(size=(2, 3, 6, 8)) * 3
    p = np.exp(scores) / np.exp(scores).sum((2, 3), keepdims=True)
    ys, xs = np.meshgrid(np.linspace(-1, 1, 6), np.linspace(-1, 1, 8), indexing="ij")
    expected = np.stack([(p * xs).sum((2, 3)), (p * ys).sum((2, 3))], -1)
    np.testing.assert_allclose(b.expected_position(torch.tensor(scores)), expected, atol=1e-12)
    assert torch.autograd.gradcheck(b.expected_position, torch.tensor(scores[:1, :1, :3, :4], requires_grad=True))
    with pytest.raises(ValueError, match="heatmaps"):
        b.expected_position(torch.zeros(2, 3, 4))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_keypoints_stay_in_the_picture(seed):
    scores = 50 * torch.randn(1, 4, 5, 7, generator=torch.Generator().manual_seed(seed))
    assert bool((b.expected_position(scores).abs() <= 1 + 1e-6).all())


def test_hourglass_reads_what_it_is_taught():
    true = poses(8)
    found = peaks(heatmap_targets(true, 32))
    cell = 4 * 2 / 127
    assert bool(((found - true).abs() <= 0.26 * cell + 1e-6)[true.abs().amax(-1) < 0.9].all())
    network = b.HourglassNet(18, 32)
    maps = network(pictures(2, 64))
    assert maps.shape == (2, 18, 16, 16) and network.predict(pictures(2, 64)).shape == (2, 18, 2)
    hidden = true[:2].clone()
    hidden[:, 3] = torch.nan
    expected = (maps.detach() - heatmap_targets(hidden, 16))[:, [j for j in range(18) if j != 3]].square().mean()
    assert heatmap_loss(maps, hidden).item() == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(ValueError, match="multiples of 64"):
        network(pictures(1, 32))
    with pytest.raises(ValueError, match="visible"):
        heatmap_loss(maps, torch.full_like(hidden, torch.nan))


# --- losses ----------------------------------------------------------------------------------------------------------


def test_lsgan_losses(rng):
    real, fake = [rng.normal(size=(2, 1, n, n)) for n in (4, 2)], [rng.normal(size=(2, 1, n, n)) for n in (4, 2)]
    as_tensors = [[torch.tensor(x, requires_grad=True) for x in side] for side in (real, fake)]
    expected = np.mean([np.mean((1 - x) ** 2) for x in real]) + np.mean([np.mean(x**2) for x in fake])
    np.testing.assert_allclose(b.discriminator_loss(*as_tensors).item(), expected, rtol=1e-12)
    np.testing.assert_allclose(
        b.generator_loss(as_tensors[1]).item(), np.mean([np.mean((1 - x) ** 2) for x in fake]), rtol=1e-12
    )
    assert torch.autograd.gradcheck(lambda a, c: b.discriminator_loss([a], [c]), (as_tensors[0][1], as_tensors[1][1]))
    assert torch.autograd.gradcheck(lambda a: b.generator_loss([a]), (as_tensors[1][1],))
    for wrong in (lambda: b.generator_loss([]), lambda: b.discriminator_loss(as_tensors[0], [])):
        with pytest.raises(ValueError, match="scale"):
            wrong()


def test_keypoint_loss_leaves_out_what_is_missing(rng):
    p, t = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 4, 2))
    t[0, 1, 0] = t[2, 3] = np.nan
    seen = ~np.isnan(t).any(-1)
    expected = ((p - t) ** 2).sum(-1)[seen].mean()
    prediction = torch.tensor(p, requires_grad=True)
    np.testing.assert_allclose(b.keypoint_loss(prediction, torch.tensor(t)).item(), expected, rtol=1e-12)
    assert torch.autograd.gradcheck(lambda x: b.keypoint_loss(x, torch.tensor(t)), (prediction,))
    t[1] = np.nan
    with pytest.raises(ValueError, match="pose 1"):
        b.keypoint_loss(prediction, torch.tensor(t))
    with pytest.raises(ValueError, match="both be"):
        b.keypoint_loss(prediction, torch.zeros(3, 5, 2))


@pytest.fixture(scope="module")
def vgg() -> VGG19Features:
    return VGG19Features()


def test_perceptual_distances(vgg):
    x, y = pictures(2, 32).double(), pictures(2, 32, seed=1).double()
    double = VGG19Features().double()
    small = [p.unflatten(2, (16, 2)).unflatten(4, (16, 2)).mean((3, 5)) for p in (x, y)]
    layers = ["relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2"]
    maps = [double(p, layers) for p in small]
    expected = [np.mean((x - y).numpy() ** 2)]
    expected += [np.mean((maps[0][name] - maps[1][name]).numpy() ** 2) for name in layers]
    np.testing.assert_allclose(b.perceptual_distances(double, x, y, 16), expected, rtol=1e-10)
    np.testing.assert_allclose(b.perceptual_distances(vgg, x.float(), y.float(), 16), expected, rtol=1e-4)
    with pytest.raises(ValueError, match="one shape"):
        b.perceptual_distances(vgg, x, y[:1], 16)


def test_perceptual_distances_have_the_right_gradient():
    double, y = VGG19Features().double(), pictures(1, 16, seed=1).double()
    x, direction = pictures(1, 16).double().requires_grad_(), torch.randn(1, 3, 16, 16, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(b.perceptual_distances(double, x, y, 16).sum(), x)
    step = 1e-6 * direction
    with torch.no_grad():
        ends = [b.perceptual_distances(double, x + s, y, 16).sum() for s in (step, -step)]
    assert float((ends[0] - ends[1]) / 2e-6) == pytest.approx(float((gradient * direction).sum()), rel=1e-4)


def test_perceptual_loss_weighs_layers_by_their_running_mean(vgg):
    loss = b.PerceptualLoss(vgg, 16, decay=0.9)
    y, first, second = pictures(2), pictures(2, seed=1), pictures(2, seed=2)
    assert loss(first, y).item() == pytest.approx(1, abs=1e-4)
    before, now = loss.distances(first, y), loss.distances(second, y)
    assert loss(second, y).item() == pytest.approx(float((now / (0.9 * before + 0.1 * now)).mean()), rel=1e-5)
    loss.eval()
    means = loss.means.clone()
    loss(first, y)
    assert torch.equal(loss.means, means)
    assert set(loss.state_dict()) == {"means"}  # the VGG-19 stays out of checkpoints


# --- the model -------------------------------------------------------------------------------------------------------


def test_the_bottleneck_lets_keypoints_through_and_nothing_else():
    model = b.KeypointGAN(SMALL)
    x, y = pictures(2), pictures(2, seed=1)
    found = model(x, y)
    torch.testing.assert_close(found.keypoints, model.predict(x))
    torch.testing.assert_close(found.seen, render_skeleton(found.keypoints, NAPA18.bones, 32))
    torch.testing.assert_close(found.image, model.image_generator(found.seen, y))
    found.image.sum().backward()
    assert all(p.grad is not None for p in model.image_encoder.parameters())


@pytest.mark.parametrize(
    ("rung", "conditional", "bottleneck", "second_cycle"),
    [
        ("cyclegan", False, False, True),
        ("conditional", True, False, True),
        ("bottleneck", True, True, True),
        ("ours", True, True, False),
    ],
)
def test_rungs_of_table_5(rung, conditional, bottleneck, second_cycle):
    config = b.model_config("tiny", rung)
    assert (config.conditional, config.bottleneck, config.second_cycle) == (conditional, bottleneck, second_cycle)
    model, critics = b.KeypointGAN(config), b.Critics(config)
    x, y, z = (pictures(2, 64, seed) for seed in range(3))
    with torch.no_grad():
        one, other = model(x, y), model(x, z)
    assert (one.seen is one.skeleton) != bottleneck and (one.keypoints is None) != bottleneck
    assert torch.equal(one.image, other.image) != conditional
    assert (critics.pictures is not None) == second_cycle
    if second_cycle:
        assert critics.pictures.conditional == conditional
    else:
        with pytest.raises(ValueError, match="second_cycle"):
            critics.judge_pictures(x, y)


def test_a_frozen_encoder_stays_as_it_is():
    model = b.KeypointGAN(SMALL).train()
    model.freeze_encoder()
    before = {k: v.clone() for k, v in model.skeleton_encoder.state_dict().items()}
    model.train()
    model(pictures(4), pictures(4)).image.sum().backward()
    assert all(torch.equal(v, before[k]) for k, v in model.skeleton_encoder.state_dict().items())
    assert all(p.grad is None for p in model.skeleton_encoder.parameters()) and model.image_encoder.training


def test_limbs_are_the_skeleton_taken_apart():
    p = poses(3)
    limbs = b.draw_limbs(p, NAPA18.bones, 32)
    torch.testing.assert_close(limbs.amax(1, keepdim=True), render_skeleton(p, NAPA18.bones, 32))
    network = b.LimbImageGenerator(16, 4)
    x = pictures(3)
    with torch.no_grad():
        dark = network(torch.zeros_like(limbs), x)
        nn.init.normal_(network.parts.weight)
        torch.testing.assert_close(network(torch.zeros_like(limbs), x), dark)  # what is masked out counts for nothing
        assert not torch.allclose(network(limbs, x), dark)
    config = replace(SMALL, limb_masks=True)
    model = b.KeypointGAN(config)
    found = model(x, x)
    assert found.seen.shape == (3, 16, 32, 32) and found.image.shape == x.shape
    found.image.sum().backward()
    assert all(w.grad is not None for w in model.image_encoder.parameters())


def test_faces_are_drawn_as_blobs():
    config = replace(SMALL, skeleton="FACE68", renderer="blobs")
    model = b.KeypointGAN(config)
    drawn = model.draw(torch.zeros(1, 68, 2))
    assert model(pictures(2), pictures(2)).keypoints.shape == (2, 68, 2) and drawn.shape == (1, 1, 32, 32)
    centre = np.exp(-(2 * (1 / 31) ** 2) / (2 * 0.02**2)) * 68  # the four middle pixels lie half a pixel off, each way
    assert drawn.max().item() == pytest.approx(centre, rel=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"skeleton": "OCTOPUS8"}, {"renderer": "oil"}, {"size": 30}, {"size": 36}, {"width": 0}, {"gamma": 0.0},
        {"discriminator_layers": 4}, {"limb_masks": True, "bottleneck": False},
    ],
)  # fmt: skip
def test_configurations_that_cannot_be(change):
    with pytest.raises(ValueError):
        b.ModelConfig(**{"size": 64, **change})


def test_bad_pictures_are_refused():
    model = b.KeypointGAN(SMALL)
    with pytest.raises(ValueError, match="32, 32"):
        model.predict(pictures(1, 64))
    with pytest.raises(ValueError, match="one size"):
        model(pictures(2), pictures(2, 64))
    with pytest.raises(ValueError, match="style"):
        b.ImageGenerator(False, 4)(torch.rand(1, 1, 32, 32), pictures(1))
    with pytest.raises(ValueError, match="num_keypoints"):
        b.SkeletonEncoder(0)
    for wrong in (("huge", "ours"), ("tiny", "theirs")):
        with pytest.raises(ValueError, match="must be one of"):
            b.model_config(*wrong)
    for change in ({"batch": 1}, {"clip": 0.0}, {"adversarial": -1.0}, {"perceptual_size": 48}):
        with pytest.raises(ValueError):
            b.TrainingConfig(b.model_config("tiny"), **{"perceptual_size": 64, **change})


# --- leak, swap, edit ------------------------------------------------------------------------------------------------


def test_local_contrast_by_hand(rng):
    x = rng.random((1, 1, 9, 11))
    y = b.local_contrast_normalize(torch.tensor(x), 5, 1e-3)
    padded = np.pad(x[0, 0], 2, mode="reflect")
    for i, j in [(0, 0), (4, 5), (8, 10), (2, 9)]:
        patch = padded[i : i + 5, j : j + 5]
        assert y[0, 0, i, j].item() == pytest.approx((x[0, 0, i, j] - patch.mean()) / (patch.std() + 1e-3), rel=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 100), st.floats(-5, 5))
def test_local_contrast_forgets_gain_and_offset(gain, offset):
    x = torch.rand(1, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain = b.local_contrast_normalize(x, floor=1e-12)
    torch.testing.assert_close(b.local_contrast_normalize(gain * x + offset, floor=1e-12), plain)


def test_local_contrast_shows_a_leak_a_thousand_times_fainter_than_the_bones():
    drawn = render_skeleton(0.2 * poses(1) - 0.7, NAPA18.bones, 64)
    empty = torch.nn.functional.max_pool2d((drawn > 1e-4).float(), 17, 1, 8)[0, 0] == 0  # far from all bones
    assert int(empty.sum()) > 100
    leak = 1e-3 * torch.sin(torch.arange(64.0))[None, None, None]
    shown = [b.local_contrast_normalize(x)[0, 0][empty].abs().mean() for x in (drawn, drawn + leak)]
    assert shown[0] < 0.2 and shown[1] > 0.6
    for wrong in ({"window": 4}, {"floor": 0.0}, {"window": 200 + 1}):
        with pytest.raises(ValueError):
            b.local_contrast_normalize(drawn, **wrong)


def test_swap_and_edit():
    model = b.KeypointGAN(SMALL)
    x, y = pictures(2), pictures(2, seed=1)
    swapped = b.swap_appearance(model, x, y)
    torch.testing.assert_close(b.draw_in_pose(model, model.predict(x), y), swapped)
    assert bool((swapped >= 0).all()) and not swapped.requires_grad
    p = poses(2)
    moved = b.move_keypoints(p, [3, 6], torch.tensor([0.1, -0.2]))
    difference = (moved - p).numpy()
    np.testing.assert_allclose(difference[:, [3, 6]], np.broadcast_to([0.1, -0.2], (2, 2, 2)), atol=1e-6)
    assert np.abs(np.delete(difference, [3, 6], 1)).max() == 0
    with pytest.raises(ValueError, match="joints"):
        b.move_keypoints(p, [18], torch.zeros(2))
    plain = b.KeypointGAN(b.ModelConfig(size=32, width=4, discriminator_layers=1, conditional=False))
    with pytest.raises(ValueError, match="conditional"):
        b.swap_appearance(plain, x, y)


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
    for missing in ("synthetic:all", str(tmp_path), str(tmp_path / "none")):
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
    assert found["percent"] == pytest.approx(100 * found["px"] / 64)
    fewer = b.landmark_errors(torch.tensor(prediction), torch.tensor(target), "NAPA18", 64, "H36M17")
    assert fewer["px"] == pytest.approx(np.nanmean(distance[:, :17]))  # the 18th is the thorax


def test_flips_forgive_exchanged_sides_and_no_more():
    target = b.to_pixels(poses(6), 64)
    exchanged = flip(target, "NAPA18", None) * torch.tensor([-1.0, 1.0])
    found = b.landmark_errors(exchanged, target, "NAPA18", 64)
    assert found["px_flips"] == pytest.approx(0, abs=1e-4) and found["px"] > 1 and found["mse_flips"] < 1e-6
    assert b.landmark_errors(target + 3, target, "NAPA18", 64)["px_flips"] == pytest.approx(3 * 2**0.5, rel=0.05)


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


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["keypointgan", "hourglass"])
def test_models_come_back_from_their_file(tmp_path, kind):
    config = b.ModelConfig(size=64, width=4, discriminator_layers=2)
    model = (b.KeypointGAN(config) if kind == "keypointgan" else b.HourglassNet(18, 32)).eval()
    b.save_model(tmp_path / "m.safetensors", model, config)
    back = b.load_model(tmp_path / "m.safetensors")
    x = pictures(2, 64)
    with torch.no_grad():
        np.testing.assert_allclose(back.predict(x), model.predict(x), atol=0.05 if kind == "keypointgan" else 2)
    assert not back.training
    save_tensors(tmp_path / "other.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="no KeypointGAN"):
        b.load_model(tmp_path / "other.safetensors")


def test_models_in_eight_bits_are_half_as_large_and_off_by_half_a_step(tmp_path):
    config = b.ModelConfig(size=64, width=8, discriminator_layers=2)
    model = b.KeypointGAN(config).eval()
    for small in (False, True):
        b.save_model(tmp_path / f"{small}.safetensors", model, config, small)
    assert (tmp_path / "True.safetensors").stat().st_size < 0.62 * (tmp_path / "False.safetensors").stat().st_size
    back = b.load_model(tmp_path / "True.safetensors").state_dict()
    for name, value in model.state_dict().items():
        if value.ndim == 4:
            step = value.abs().amax((1, 2, 3), keepdim=True) / 127
            assert bool(((back[name] - value).abs() <= step * 0.501).all()) and not torch.equal(back[name], value)
        else:
            assert torch.equal(back[name], value)


def test_results_are_written_whole(tmp_path):
    write_json(tmp_path / "new" / "r.json", {"a": 1})
    assert (tmp_path / "new" / "r.json").read_text() == '{\n "a": 1\n}\n'
    assert len(list((tmp_path / "new").iterdir())) == 1
