"""Networks and losses that several chapters share: hourglasses, adversarial losses, the patch discriminator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napa_lib.networks import StackedHourglass, soft_argmax
from napa_lib.networks.gan import (
    PatchDiscriminator,
    bce_discriminator_loss,
    bce_generator_loss,
    lsgan_discriminator_loss,
    lsgan_generator_loss,
)
from napa_lib.networks.hourglass import Hourglass, HourglassNet, Residual, heatmap_loss, heatmap_targets, stacks_loss
from napa_lib.networks.hourglass import peaks as peaks_of


def scores(rng: np.random.Generator) -> list[list[np.ndarray]]:
    return [[rng.normal(size=(2, 1, n, n)) * 3 for n in (4, 2)] for _ in range(2)]


def test_lsgan_losses(rng):
    real, fake = scores(rng)
    as_tensors = [[torch.tensor(x, requires_grad=True) for x in side] for side in (real, fake)]
    expected = np.mean([np.mean((1 - x) ** 2) for x in real]) + np.mean([np.mean(x**2) for x in fake])
    np.testing.assert_allclose(lsgan_discriminator_loss(*as_tensors).item(), expected, rtol=1e-12)
    np.testing.assert_allclose(
        lsgan_generator_loss(as_tensors[1]).item(), np.mean([np.mean((1 - x) ** 2) for x in fake]), rtol=1e-12
    )
    pair = as_tensors[0][1], as_tensors[1][1]
    assert torch.autograd.gradcheck(lambda a, c: lsgan_discriminator_loss([a], [c]), pair)
    assert torch.autograd.gradcheck(lsgan_generator_loss, pair[1:])


def test_bce_losses_are_cross_entropies(rng):
    real, fake = scores(rng)
    as_tensors = [[torch.tensor(x, requires_grad=True) for x in side] for side in (real, fake)]

    def likely(x):
        return 1 / (1 + np.exp(-x))

    expected = -np.mean([np.mean(np.log(likely(x))) for x in real])
    expected -= np.mean([np.mean(np.log(1 - likely(x))) for x in fake])
    np.testing.assert_allclose(bce_discriminator_loss(*as_tensors).item(), expected, rtol=1e-10)
    np.testing.assert_allclose(
        bce_generator_loss(as_tensors[1]).item(), -np.mean([np.mean(np.log(likely(x))) for x in fake]), rtol=1e-10
    )
    pair = as_tensors[0][1], as_tensors[1][1]
    assert torch.autograd.gradcheck(lambda a, c: bce_discriminator_loss(a, c), pair)
    assert torch.autograd.gradcheck(bce_generator_loss, pair[1:])
    sure = torch.tensor([[-200.0]], requires_grad=True)  # where a sigmoid is 0 in float32, its logarithm is not finite
    loss = bce_generator_loss(sure)
    loss.backward()
    assert loss.item() == pytest.approx(200) and sure.grad.item() == pytest.approx(-1)


def test_a_tensor_is_one_scale_and_half_precision_does_not_round():
    real, fake = torch.full((300, 1), 1.0039, dtype=torch.bfloat16), torch.zeros(300, 1, dtype=torch.bfloat16)
    for loss in (lsgan_discriminator_loss, bce_discriminator_loss):
        assert loss(real, fake).dtype == torch.float32
        torch.testing.assert_close(loss(real, fake), loss([real.float()], [fake.float()]))


@pytest.mark.parametrize("loss", [lsgan_discriminator_loss, bce_discriminator_loss])
def test_discriminator_losses_refuse(loss):
    one = torch.zeros(2, 1)
    with pytest.raises(ValueError, match="equally many scales, got 1 and 2"):
        loss([one], [one, one])
    with pytest.raises(ValueError, match="real must hold at least one scale"):
        loss([], [])
    with pytest.raises(ValueError, match="fake must hold"):
        loss(one, one[:0])


@pytest.mark.parametrize("loss", [lsgan_generator_loss, bce_generator_loss])
def test_generator_losses_refuse(loss):
    with pytest.raises(ValueError, match="fake must hold"):
        loss([])


def test_a_patch_score_sees_seventy_pixels():
    network = PatchDiscriminator(3, 4)
    for module in network.modules():  # what couples all places or stops a gradient
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda x: x
    picture = torch.rand(1, 3, 192, 192, requires_grad=True)
    found = network(picture)
    found[0, 0, found.shape[2] // 2, found.shape[3] // 2].backward()
    reached = picture.grad.abs().sum((0, 1)).nonzero()
    assert (reached.amax(0) - reached.amin(0) + 1).tolist() == [70, 70]  # Isola et al., 2017


def test_patch_discriminators_refuse_what_leaves_no_patch():
    network = PatchDiscriminator(1, 4, layers=2)
    assert network(torch.rand(2, 1, 12, 12)).shape == (2, 1, 1, 1)
    for wrong in (torch.rand(2, 1, 8, 12), torch.rand(2, 3, 12, 12), torch.rand(1, 12, 12)):
        with pytest.raises(ValueError, match=r"image must be \(B, 1, H, W\)"):
            network(wrong)
    with pytest.raises(ValueError, match="at least 1"):
        PatchDiscriminator(0)


# --- hourglasses -----------------------------------------------------------------------------------------------------


def weights_of(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side**2 + outputs


def residual_of(channels: int, out: int) -> int:
    half = out // 2
    convolutions = weights_of(channels, half, 1) + weights_of(half, half, 3) + weights_of(half, out, 1)
    return 2 * (channels + 2 * half) + convolutions + (weights_of(channels, out, 1) if channels != out else 0)


@pytest.mark.parametrize("stacks", [1, 2, 4])
def test_stacked_hourglasses_have_the_papers_layers(stacks):
    """One residual module a resolution and 256 channels, counted by hand: 6.6 M parameters in two stacks of 16 maps."""
    network, c, joints = StackedHourglass(16, stacks), 256, 16
    stem = weights_of(3, 64, 7) + 2 * 64 + residual_of(64, 128) + residual_of(128, 128) + residual_of(128, c)
    stack = (3 * 4 + 1 + 1) * residual_of(c, c) + weights_of(c, c, 1) + 2 * c + weights_of(c, joints, 1)
    between = weights_of(c, c, 1) + weights_of(joints, c, 1)
    assert sum(p.numel() for p in network.parameters()) == stem + stacks * stack + (stacks - 1) * between
    residuals = [m for m in network.bodies[0][0].modules() if isinstance(m, Residual)]
    assert len(residuals) == 3 * 4 + 1  # beside, down and up at each of four resolutions, one at the lowest
    assert sum(isinstance(m, Hourglass) and not isinstance(m.inner, Hourglass) for m in network.modules()) == stacks


def test_stacks_refine_what_the_one_before_found():
    torch.manual_seed(0)
    network = StackedHourglass(5, 3, 8).double().eval()
    picture = torch.rand(2, 3, 128, 64, dtype=torch.float64)
    found = network(picture)
    assert [tuple(maps.shape) for maps in found.heatmaps] == [(2, 5, 32, 16)] * 3
    x, expected = network.stem(picture), []
    for i in range(3):
        features = network.bodies[i](x)
        expected.append(network.heads[i](features))
        if i < 2:
            x = x + network.feature_returns[i](features) + network.heatmap_returns[i](expected[-1])
    torch.testing.assert_close(found.heatmaps[2], expected[2])
    torch.testing.assert_close(network.heads[2](found.features), found.heatmaps[2])
    seen = torch.autograd.grad(found.heatmaps[2].sum(), network.heatmap_returns[0].weight, retain_graph=True)[0]
    assert bool(seen.abs().sum() > 0)  # the last stack sees the first one's heat maps
    everything = torch.stack([maps.sum() for maps in found.heatmaps]).sum()
    used = torch.autograd.grad(everything, list(network.parameters()), allow_unused=True)
    assert all(gradient is not None for gradient in used)  # no weight that nothing trains


def test_each_stack_is_supervised():
    network = StackedHourglass(5, 2, 8)
    found = network(torch.rand(2, 3, 64, 64)).heatmaps
    keypoints = torch.rand(2, 5, 2) - 0.5
    keypoints[1, 3] = torch.nan
    loss = stacks_loss(found, keypoints)
    expected = sum(heatmap_loss(maps, keypoints).item() for maps in found)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    loss.backward()
    assert all(float(head.weight.grad.abs().sum()) > 0 for head in network.heads)
    with pytest.raises(ValueError, match="at least one stack"):
        stacks_loss([], keypoints)


def test_a_stacked_hourglass_learns_two_pictures_by_heart():
    torch.manual_seed(0)
    network = StackedHourglass(1, 2, 8)
    picture, keypoints = torch.rand(2, 3, 64, 64), torch.tensor([[[-0.5, 0.3]], [[0.6, -0.2]]])
    adam = torch.optim.Adam(network.parameters(), 2e-2)
    for _ in range(40):
        adam.zero_grad()
        stacks_loss(network(picture).heatmaps, keypoints).backward()
        adam.step()
    found = peaks_of(network(picture).heatmaps[-1].detach())
    assert float((found - keypoints).abs().amax()) < 4 * 2 / 63  # a cell


def test_stacked_hourglasses_refuse():
    with pytest.raises(ValueError, match="multiple of 4"):
        StackedHourglass(16, 2, 30)
    with pytest.raises(ValueError, match="at least 1"):
        StackedHourglass(16, 0)
    with pytest.raises(ValueError, match="multiples of 64"):
        StackedHourglass(16, 1, 8)(torch.rand(1, 3, 96, 64))
    with pytest.raises(ValueError, match=r"\(B, K, S, S\)"):
        peaks_of(torch.rand(1, 2, 4, 6))


def test_stored_hourglasses_keep_their_names():
    names = list(HourglassNet(3, 8).state_dict())
    assert names[0] == "stem.0.weight" and names[-1] == "head.4.bias"
    assert {name.split(".")[0] for name in names} == {"stem", "body", "head"}


def test_positions_are_not_rounded_by_autocast():
    maps = heatmap_targets(torch.rand(2, 4, 2), 64) * 100
    plain = soft_argmax(maps)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(soft_argmax(maps), plain)
    assert soft_argmax(maps.bfloat16()).dtype == torch.float32
