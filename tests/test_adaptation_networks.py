"""Chapter 7: the networks and losses of FlexPose, against independent statements of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napa_lib.adaptation import (
    PRESETS,
    AdaptedGenerator,
    Discriminator,
    GeneratorConfig,
    KeypointRegressor,
    PoseStyleGAN,
    StyleTransfer,
    adaptive_instance_norm,
    alpha,
    fit_square,
    gradient_penalty,
    perceptual_loss,
)
from napa_lib.networks import VGG19Features

SMALL = GeneratorConfig(size=16, latent=8, mapping_layers=2, channels=(12, 8, 6))


def some_poses(count: int, seed: int = 0) -> torch.Tensor:
    return fit_square(torch.randn(count, 15, 2, generator=torch.Generator().manual_seed(seed)))


def test_adain_gives_each_channel_the_styles_mean_and_deviation():
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64)
    style = torch.randn(2, 6, dtype=torch.float64)
    out = adaptive_instance_norm(x, style).numpy()
    mean, deviation = x.numpy().mean((2, 3), keepdims=True), x.numpy().std((2, 3), keepdims=True)
    expected = (x.numpy() - mean) / deviation * style.numpy()[:, :3, None, None] + style.numpy()[:, 3:, None, None]
    np.testing.assert_allclose(out, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (5, 16, 8, 8), (2, 7, 6, 10)])
def test_adain_is_its_equation_in_value_and_gradient(shape):
    batch, channels = shape[:2]
    drawn = torch.Generator().manual_seed(0)
    x = 3 + torch.randn(shape, generator=drawn, dtype=torch.float64)
    style = torch.randn(batch, 2 * channels, generator=drawn, dtype=torch.float64)
    expected = np.empty(shape)
    for b in range(batch):
        for c in range(channels):
            plane = x[b, c].numpy()
            unit = (plane - plane.mean()) / np.sqrt(((plane - plane.mean()) ** 2).mean() + 1e-5)
            expected[b, c] = float(style[b, c]) * unit + float(style[b, channels + c])
    np.testing.assert_allclose(adaptive_instance_norm(x, style), expected, atol=1e-12)
    np.testing.assert_allclose(adaptive_instance_norm(x.float(), style.float()), expected, atol=1e-5)
    layouts = adaptive_instance_norm(x.contiguous(memory_format=torch.channels_last), style)
    np.testing.assert_allclose(layouts, expected, atol=1e-12)
    small = x[:, :2].requires_grad_(), torch.cat([style[:, :2], style[:, channels : channels + 2]], 1).requires_grad_()
    assert torch.autograd.gradcheck(adaptive_instance_norm, small)


@pytest.mark.parametrize(
    "config", [SMALL, GeneratorConfig(size=16, latent=8, mapping_layers=2, channels=(8, 8, 8), color=False)]
)
def test_shapes_and_layers(config):
    network = PoseStyleGAN(config).eval()
    z = network.noise(3, torch.Generator().manual_seed(0))
    styles = network.styles(z)
    assert [style.shape[1] for style in styles] == network.widths
    assert len(styles) == config.layers == len(network.synthesis.convolutions) + 1 == 6
    image = network(z).detach()
    assert image.shape == (3, config.planes, 16, 16)
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    assert Discriminator(config)(image).shape == (3,)
    assert KeypointRegressor(config.planes, 8)(image).shape == (3, 15, 2)


def test_untrained_styles_leave_channels_as_they_are():
    network = PoseStyleGAN(PRESETS["thumb"])
    for style in network.styles(torch.zeros(1, 64)):
        scale, shift = style.detach().chunk(2, 1)
        assert float(scale.mean()) == pytest.approx(1, abs=0.05) and float(shift.mean()) == pytest.approx(0, abs=0.05)


def test_the_papers_size():
    network = PoseStyleGAN(PRESETS["paper"])
    assert network.config.layers == 12
    assert len(network.mapping.layers) == 8
    with torch.no_grad():
        assert network(torch.zeros(1, 512)).shape == (1, 3, 128, 128)


def test_the_picture_depends_on_the_noises_direction_only():
    network = PoseStyleGAN(SMALL).eval()
    z = network.noise(2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(3 * z), network(z), atol=1e-4, rtol=0)


def test_the_discriminator_sees_a_batch_that_is_all_alike():
    """By its last channel, the deviation over the batch, which is next to nothing where all pictures are one."""
    torch.manual_seed(0)
    critic, pictures = Discriminator(SMALL), torch.rand(4, 3, 16, 16)
    alike = pictures[:1].expand(4, -1, -1, -1)
    with torch.no_grad():
        before = critic(alike), critic(pictures)
        critic.last.weight[:, -1] = 0
        change = critic(alike) - before[0], critic(pictures) - before[1]
        assert float(change[1].abs().min()) > 10 * float(change[0].abs().max())


def test_pictures_reach_betas_end_beside_its_context():
    torch.manual_seed(0)
    regressor = KeypointRegressor(3, 8, 1)
    with torch.no_grad():
        for convolution in regressor.context:
            convolution.weight.zero_(), convolution.bias.zero_()
        assert float(regressor(torch.rand(2, 3, 16, 16)).diff(dim=0).abs().max()) > 1e-3


def test_pictures_reach_the_discriminators_end_beside_its_blocks():
    torch.manual_seed(0)
    critic = Discriminator(SMALL)
    with torch.no_grad():
        for convolution in critic.wider:
            convolution.weight.zero_(), convolution.bias.zero_()
        assert float(critic(torch.rand(2, 3, 16, 16)).diff().abs()) > 1e-5


def test_gradient_penalty_of_a_linear_discriminator_is_half_its_squared_norm():
    weight = torch.randn(3 * 4 * 4)
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 1))
    linear[1].weight.data.copy_(weight[None])
    found = gradient_penalty(linear, torch.rand(5, 3, 4, 4))
    assert float(found.detach()) == pytest.approx(0.5 * float(weight.square().sum()), rel=1e-5)


def test_gradient_penalty_is_a_mean_over_pictures_whose_gradients_differ():
    real = np.random.default_rng(0).normal(size=(5, 1, 3, 4))

    class Cubes(torch.nn.Module):
        def forward(self, image):
            return image.pow(3).flatten(1).sum(1, keepdim=True) / 3  # its gradient is the picture, squared

    found = gradient_penalty(Cubes(), torch.from_numpy(real))
    assert float(found.detach()) == pytest.approx(np.mean([0.5 * (picture**4).sum() for picture in real]), rel=1e-12)


def test_perceptual_loss_is_the_mean_square_over_four_layers():
    features = VGG19Features().double()
    drawn, wanted = (alpha(some_poses(2, seed), 32).double() for seed in (0, 5))
    layers = ("relu1_2", "relu2_2", "relu3_2", "relu4_2")
    found, target = (features(images, layers) for images in (drawn, wanted))
    squares = [np.mean((found[layer].numpy() - target[layer].numpy()) ** 2) for layer in layers]
    assert min(squares) > 0.01  # none of them is too small to be missed
    assert float(perceptual_loss(features, drawn, wanted)) == pytest.approx(np.mean(squares), rel=1e-5)
    white, other = (images.amax(1, keepdim=True) for images in (drawn, wanted))
    thrice = [images.repeat(1, 3, 1, 1) for images in (white, other)]
    assert float(perceptual_loss(features, white, other)) == pytest.approx(float(perceptual_loss(features, *thrice)))


def test_perceptual_loss_is_zero_for_the_same_picture_and_its_gradient_flows_to_the_drawn_one():
    features = VGG19Features()
    wanted = alpha(some_poses(2), 32)
    drawn = wanted.clone().requires_grad_(True)
    assert float(perceptual_loss(features, drawn, wanted).detach()) == 0.0
    other = alpha(some_poses(2, 5), 32).requires_grad_(True)
    perceptual_loss(features, other, wanted).backward()
    assert float(other.grad.abs().sum()) > 0


# tau ------------------------------------------------------------------------------------------------------------------


def test_an_untrained_tau_changes_nothing():
    network = PoseStyleGAN(SMALL).eval()
    adapted = AdaptedGenerator(network, StyleTransfer(network.widths, (1, 3)))
    z = network.noise(4, torch.Generator().manual_seed(0))
    assert bool((adapted(z) == network(z)).all())


def test_tau_is_one_block_diagonal_matrix():
    widths = (4, 6, 2, 8)
    tau = StyleTransfer(widths, (2, 4))
    for block in tau.blocks.values():
        torch.nn.init.normal_(block)
    styles = [torch.randn(3, width) for width in widths]
    whole = torch.cat(tau(styles), 1)
    matrix = tau.matrix()
    torch.testing.assert_close(whole.detach(), torch.cat(styles, 1) @ matrix.T)
    outside = matrix.clone()
    for start, width in zip((0, 4, 10, 12), widths, strict=True):
        outside[start : start + width, start : start + width] = 0
    assert float(outside.abs().max()) == 0
    assert bool((matrix[:4, :4] == torch.eye(4)).all())
    assert sum(p.numel() for p in tau.parameters()) == 6 * 6 + 8 * 8


@pytest.mark.parametrize("layers", [(), (0,), (5,), (2, 2)])
def test_layers_that_do_not_exist(layers):
    with pytest.raises(ValueError, match="layers must be"):
        StyleTransfer((4, 6, 2, 8), layers)


def test_styles_of_another_generator():
    with pytest.raises(ValueError, match="styles must be"):
        StyleTransfer((4, 6), (1,))([torch.zeros(1, 4), torch.zeros(1, 5)])
