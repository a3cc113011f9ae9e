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
from napa_lib.bottleneck.networks import Downsampling, Upsampling
from napa_lib.engine import CheckpointError, save_tensors
from napa_lib.networks import VGG19Features
from napa_lib.networks.gan import PatchDiscriminator
from napa_lib.networks.hourglass import heatmap_loss, heatmap_targets, peaks
from napa_lib.rendering import render_skeleton
from napa_lib.skeletons import NAPA18

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
    assert b.PerceptualLoss(vgg, 16).decay == 0.99  # as the authors' released code has it


def test_the_perceptual_loss_goes_down_its_distances_and_takes_the_means_for_constants(vgg):
    loss, x, y = b.PerceptualLoss(vgg, 16), pictures(2).requires_grad_(), pictures(2, seed=1)
    (gradient,) = torch.autograd.grad(loss(x, y), x)  # the first means are the distances themselves
    distances = loss.distances(x, y)
    (expected,) = torch.autograd.grad((distances / distances.detach()).mean(), x)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)
    assert float(gradient.abs().max()) > 1e-4


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


def test_each_limb_s_channels_are_masked_by_that_limb_alone(monkeypatch):
    network, seen = b.LimbImageGenerator(16, 4), []
    monkeypatch.setattr(network.up, "forward", lambda code, skips: seen.append(code) or code)
    limbs = torch.zeros(1, 16, 32, 32)
    limbs[:, 3] = 1
    network(limbs, pictures(1))
    channels = seen[0].unflatten(1, (16, -1)).abs().amax((0, 2, 3, 4))
    assert channels[3] > 0 and int((channels > 0).sum()) == 1


def test_the_discriminators_see_smaller_pictures_averaged(monkeypatch):
    critic, seen = b.SkeletonDiscriminator(4, 1), []
    for network in critic.scales:
        network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    y = torch.rand(2, 1, 32, 32)
    critic(y)
    torch.testing.assert_close(seen[1], nn.functional.avg_pool2d(y, 2))
    assert torch.equal(seen[0], y) and seen[2].shape == (2, 1, 8, 8)


def test_blobs_are_as_wide_in_pixels_at_any_size():
    paper, tiny = (b.model_config(preset, skeleton="FACE68") for preset in ("paper", "tiny"))
    assert paper.sigma == pytest.approx(0.02) and tiny.sigma * tiny.size == pytest.approx(paper.sigma * paper.size)


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


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["keypointgan", "hourglass"])
def test_models_come_back_from_their_file(tmp_path, kind):
    config = b.ModelConfig(size=64, width=4, discriminator_layers=2)
    model = (b.KeypointGAN(config) if kind == "keypointgan" else b.HourglassNet(18, 32)).eval()
    b.save_model(tmp_path / "m.safetensors", model, config)
    back = b.load_model(tmp_path / "m.safetensors")
    halves = {name: value.half().float() if value.ndim == 4 else value for name, value in model.state_dict().items()}
    found = back.state_dict()
    assert set(found) == set(halves) and all(torch.equal(found[name], value) for name, value in halves.items())
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
