"""Chapter 1: each loss against an independent statement of it."""

from __future__ import annotations

import colorsys
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from napa_lib import style
from napa_lib.data import load_paintings
from napa_lib.engine import CheckpointError, load_tensors, save_tensors
from napa_lib.networks import VGG19Features
from napa_lib.networks.vgg import LAYERS, MEAN_ACTIVATION, OXFORD_ACTIVATION, measure_activations
from napa_lib.quantization import dequantize
from napa_lib.style.content import held_out_pictures, random_crops
from napa_lib.style.networks import CHANNELS, style_statistics

SEEDS = st.integers(0, 2**31 - 1)


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.stack(load_paintings(64, ["greatwave", "monalisa", "cassat_summertime"]))


def maps(seed: int, *shape: int, positive: bool = False) -> torch.Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.relu() if positive else x


# --- the terms -------------------------------------------------------------------------------------------------------


def test_gram_matrix_is_the_sum_over_positions():
    f = maps(0, 2, 3, 4, 5).numpy()
    expected = np.zeros((2, 3, 3))
    for b, i, j, y, x in np.ndindex(2, 3, 3, 4, 5):
        expected[b, i, j] += f[b, i, y, x] * f[b, j, y, x] / 60
    np.testing.assert_allclose(style.gram_matrix(torch.tensor(f)), expected, atol=1e-12)


def test_the_gram_matrix_s_gradient_lies_in_memory_as_the_maps_do():
    maps = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    found = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        leaf = maps.clone(memory_format=layout).requires_grad_()
        style.gram_matrix(leaf).pow(3).sum().backward()
        assert leaf.grad is not None and leaf.grad.is_contiguous(memory_format=layout)
        found[layout] = leaf.grad
    torch.testing.assert_close(*found.values())


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_style_forgets_positions(seed):
    f = maps(seed, 1, 4, 6, 6)
    shuffled = f.flatten(2)[..., torch.randperm(36, generator=torch.Generator().manual_seed(seed))].reshape(f.shape)
    assert style.style_loss([f], [shuffled]).item() == pytest.approx(0, abs=1e-20)
    assert torch.linalg.eigvalsh(style.gram_matrix(f)).min() > -1e-12


def test_style_loss_of_two_layers_is_the_sum_of_squared_frobenius_norms():
    a, b = [maps(1, 2, 3, 4, 4), maps(2, 2, 5, 2, 2)], [maps(3, 2, 3, 7, 5), maps(4, 2, 5, 2, 2)]
    gram = [[np.einsum("chw,dhw->cd", f, f) / f.size for f in layer.numpy()] for layer in a + b]
    expected = [sum(np.linalg.norm(gram[k][n] - gram[k + 2][n], "fro") ** 2 for k in range(2)) for n in range(2)]
    np.testing.assert_allclose(style.style_loss(a, b), expected, rtol=1e-12)


def test_feature_content_and_cosine_loss_against_numpy():
    a, b = maps(1, 3, 2, 4, 5), maps(2, 3, 2, 4, 5)
    x, y = a.numpy().reshape(3, -1), b.numpy().reshape(3, -1)
    np.testing.assert_allclose(style.feature_loss(a, b), ((x - y) ** 2).sum(1) / 40, rtol=1e-12)
    np.testing.assert_allclose(style.content_loss(a, b), np.sqrt(((x - y) ** 2).sum(1)), rtol=1e-12)
    cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    np.testing.assert_allclose(style.cosine_loss(a, b), 1 - cosine, rtol=1e-10)


def test_minimising_the_cosine_loss_brings_features_together():
    a, b = maps(1, 1, 2, 3, 3).requires_grad_(), maps(2, 1, 2, 3, 3)
    before = torch.cosine_similarity(a.flatten(1), b.flatten(1))
    (gradient,) = torch.autograd.grad(style.cosine_loss(a, b).sum(), a)
    after = torch.cosine_similarity((a - 0.1 * gradient).flatten(1), b.flatten(1))
    assert after > before


def test_jensen_shannon_against_scipy():
    from scipy.spatial.distance import jensenshannon

    a, b = maps(1, 2, 3, 4, 4, positive=True), maps(2, 2, 3, 4, 4, positive=True)
    expected = [
        jensenshannon(p.flatten() + 1e-6, q.flatten() + 1e-6) ** 2 for p, q in zip(a.numpy(), b.numpy(), strict=True)
    ]
    np.testing.assert_allclose(style.jensen_shannon(a, b), expected, rtol=1e-9)


def test_jensen_shannon_does_not_care_how_maps_lie_in_memory():
    a, b = torch.rand(2, 2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        for other in (torch.contiguous_format, torch.channels_last):
            leaf = a.clone(memory_format=layout).requires_grad_()
            value = style.jensen_shannon(leaf, b.contiguous(memory_format=other))
            value.sum().backward()
            found.append((value.detach(), leaf.grad))
    for value, gradient in found[1:]:
        np.testing.assert_allclose(value, found[0][0], rtol=1e-12)
        np.testing.assert_allclose(gradient, found[0][1], rtol=1e-9, atol=1e-15)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.floats(0.1, 50))
def test_jensen_shannon_is_bounded_symmetric_and_blind_to_strength(seed, strength):
    a, b = maps(seed, 2, 3, 4, 4, positive=True) + 1, maps(seed + 1, 2, 3, 4, 4, positive=True) + 1
    value = style.jensen_shannon(a, b)
    assert (value >= 0).all() and (value <= np.log(2)).all()
    np.testing.assert_allclose(value, style.jensen_shannon(b, a), rtol=1e-9)
    np.testing.assert_allclose(value, style.jensen_shannon(strength * a, b), rtol=1e-4)


def test_disjoint_features_are_log_two_apart():
    a, b = torch.zeros(1, 2, 4, 4, dtype=torch.float64), torch.zeros(1, 2, 4, 4, dtype=torch.float64)
    a[:, 0], b[:, 1] = 1e4, 1e4
    assert style.jensen_shannon(a, b).item() == pytest.approx(np.log(2), rel=1e-6)


def test_entropy_losses_are_means_over_the_elements_of_each_layer():
    a, b = (
        [maps(1, 1, 2, 4, 4, positive=True), maps(2, 1, 3, 2, 2, positive=True)],
        [
            maps(3, 1, 2, 4, 4, positive=True),
            maps(4, 1, 3, 2, 2, positive=True),
        ],
    )
    expected = style.jensen_shannon(a[0], b[0]) / 32 + style.jensen_shannon(a[1], b[1]) / 12
    for loss in (style.style_entropy_loss, style.content_entropy_loss):
        np.testing.assert_allclose(loss(a, b), expected, rtol=1e-12)


def test_total_variation_counts_each_neighbour_once():
    image = maps(0, 2, 3, 4, 5)
    expected = np.zeros(2)
    for b, c, y, x in np.ndindex(2, 3, 4, 5):
        value = image[b, c, y, x].item()
        if x + 1 < 5:
            expected[b] += (image[b, c, y, x + 1].item() - value) ** 2
        if y + 1 < 4:
            expected[b] += (image[b, c, y + 1, x].item() - value) ** 2
    np.testing.assert_allclose(style.total_variation_loss(image), expected, rtol=1e-12)
    assert style.total_variation_loss(torch.rand(1, 3, 1, 1)).item() == 0


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3))
@example((20, 3, 9))  # dark: as saturated as when it is bright
@example((1, 0, 0))
def test_hsv_against_colorsys(rgb):
    image = torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1) / 255
    hue, saturation, value, coloured = (float(part) for part in style.rgb_to_hsv(image))
    expected = colorsys.rgb_to_hsv(*(channel / 255 for channel in rgb))
    assert (saturation, value) == pytest.approx(expected[1:], abs=1e-9)
    assert bool(coloured) == (len(set(rgb)) > 1)
    if coloured:
        assert (hue - expected[0] + 0.5) % 1 - 0.5 == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_8_bit_step_is_a_colour_at_every_grey(dtype):
    grey = torch.arange(255, dtype=dtype)
    image = torch.stack([grey, grey, grey + 1]).view(1, 3, 1, 255) / 255
    hue, _, _, coloured = style.rgb_to_hsv(image)
    assert coloured.all() and not style.rgb_to_hsv(image[:, :1].expand(-1, 3, -1, -1))[3].any()
    np.testing.assert_allclose(hue.numpy(), 2 / 3, atol=1e-12)


def test_hue_is_an_angle():
    """Two reds on either side of hue 0 are neighbours."""
    left, right = (torch.tensor(colorsys.hsv_to_rgb(h, 1, 1)).view(1, 3, 1, 1) for h in (0.98, 0.02))
    assert style.hsv_loss(left, right).item() == pytest.approx(0.04, abs=1e-5)


def test_srgb_loss_against_numpy(pictures):
    x, y = (p.numpy().astype(np.float64).ravel() for p in pictures[:2])
    expected = 1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert style.srgb_loss(pictures[:1], pictures[1:2]).item() == pytest.approx(expected, rel=1e-4)


# --- gradients -------------------------------------------------------------------------------------------------------

FEATURE_TERMS = [style.feature_loss, style.content_loss, style.cosine_loss]
LAYER_TERMS = [style.style_loss, style.style_entropy_loss, style.content_entropy_loss]


@pytest.mark.parametrize("term", FEATURE_TERMS + LAYER_TERMS, ids=lambda f: f.__name__)
def test_gradients_of_feature_terms(term):
    a, b = (maps(seed, 2, 3, 3, 3, positive=True) + 0.1 for seed in (1, 2))
    wrapped = term if term in FEATURE_TERMS else lambda x, y: term([x], [y])
    assert torch.autograd.gradcheck(wrapped, (a.requires_grad_(), b.requires_grad_()))
    assert torch.autograd.gradcheck(style.gram_matrix, (a,))  # entry by entry, where no symmetry hides a transposition


@pytest.mark.parametrize("term", [style.srgb_loss, style.hsv_loss], ids=lambda f: f.__name__)
def test_gradients_of_picture_terms(term):
    a, b = (torch.rand(1, 3, 3, 3, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in (1, 2))
    assert torch.autograd.gradcheck(lambda x: term(x, b), (a.requires_grad_(),))
    assert torch.autograd.gradcheck(style.total_variation_loss, (a,))


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_every_loss_has_finite_gradients_on_flat_pictures(vgg, shade):
    """Black, grey and white have no hue, no variation, and features that are zero nearly everywhere."""
    flat = torch.full((1, 3, 32, 32), shade).requires_grad_()
    other = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for target in (other, flat.detach()):
        losses = style.StylizationLoss(vgg, style.LossRatios(feature=1))(flat, target, target)
        assert set(losses.terms) == set(vars(losses.ratios))
        for name, value in losses.terms.items():
            (gradient,) = torch.autograd.grad(value.sum(), flat, retain_graph=True)
            assert torch.isfinite(value).all() and torch.isfinite(gradient).all(), name


# --- VGG -------------------------------------------------------------------------------------------------------------


def test_every_layer_has_the_same_mean_activation(vgg):
    measured = measure_activations(vgg)
    for layer in LAYERS:
        assert measured[layer] == pytest.approx(MEAN_ACTIVATION, rel=0.01), layer
    assert list(OXFORD_ACTIVATION) == list(LAYERS)


def test_vgg_against_plain_convolutions_with_oxfords_weights(vgg, pictures):
    """Undoing the rescaling gives what the unscaled network computes on pictures in 0-255, divided by 255."""
    from napa_lib.data import asset_path

    weights = dequantize(load_tensors(asset_path("weights/vgg19_q8.safetensors"))[0])
    x = pictures[:1] * 255 - torch.tensor((123.68, 116.779, 103.939)).view(1, 3, 1, 1)
    ours = vgg(pictures[:1])
    for layer in LAYERS:
        name = f"conv{layer[4:]}"
        if layer.endswith("_1") and layer != "relu1_1":
            x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
        x = torch.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1).clamp_min(0)
        undone = ours[layer] * OXFORD_ACTIVATION[layer] / MEAN_ACTIVATION * 255
        torch.testing.assert_close(undone, x, rtol=2e-3, atol=2e-3 * float(x.max()))


def test_vgg_computes_only_what_is_asked(vgg):
    assert list(vgg(torch.rand(1, 3, 1, 1), ["relu1_1"])) == ["relu1_1"]
    assert vgg(torch.rand(2, 3, 32, 48), ["relu5_4"])["relu5_4"].shape == (2, 512, 2, 3)


@pytest.mark.parametrize(
    ("image", "layers", "message"),
    [
        (torch.rand(1, 3, 8, 8), ["relu5_1"], r"16 x 16, got \(1, 3, 8, 8\)"),
        (torch.rand(1, 1, 8, 8), ["relu1_1"], r"\(B, 3, H, W\), got \(1, 1, 8, 8\)"),
        (torch.rand(0, 3, 8, 8), ["relu1_1"], "at least one picture"),
        (torch.rand(1, 3, 8, 8), ["relu6_1"], "relu6_1"),
    ],
)
def test_vgg_refuses(vgg, image, layers, message):
    with pytest.raises(ValueError, match=message):
        vgg(image, layers)


def test_vgg_is_one_graph_for_a_compiler(vgg):
    compiled = torch.compile(vgg, backend="eager", fullgraph=True)
    picture = torch.rand(1, 3, 32, 32)
    assert torch.equal(compiled(picture, ("relu2_1",))["relu2_1"], vgg(picture, ("relu2_1",))["relu2_1"])


def test_vgg_refuses_a_foreign_weight_file(tmp_path):
    save_tensors(tmp_path / "other.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"other.safetensors holds no VGG-19: 'conv1_1.weight'"):
        VGG19Features(tmp_path / "other.safetensors")


# --- all terms together ----------------------------------------------------------------------------------------------


def test_stylization_loss_is_the_weighted_sum_of_the_terms(vgg, pictures):
    output, target, content = pictures[:1], pictures[1:2], pictures[2:3]
    losses = style.StylizationLoss(vgg, style.LossRatios(feature=2.0))(output, target, content)
    o, s, c = (vgg(p) for p in (output, target, content))

    def at(m, *layers):
        return [m[layer] for layer in layers]

    five = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    low, high = ("relu1_1", "relu1_2", "relu2_1"), ("relu5_2", "relu5_3", "relu5_4")
    expected = (
        1.0 * style.style_loss(at(o, *five), at(s, *five))
        + 2.0 * style.feature_loss(o["relu4_2"], c["relu4_2"])
        + 1.0 * style.total_variation_loss(output)
        + 1e9 * style.style_entropy_loss(at(o, *low), at(s, *low))
        + 200 * style.srgb_loss(output, target)
        + 300 * style.hsv_loss(output, target)
        + 1000 * style.cosine_loss(o["relu4_2"], s["relu4_2"])
        + 1.0 * style.content_loss(o["relu4_2"], c["relu4_2"])
        + 1e6 * style.content_entropy_loss(at(o, *high), at(c, *high))
    )
    torch.testing.assert_close(losses.total, expected, rtol=1e-4, atol=1e-2)


def test_a_measured_picture_stands_for_the_picture(vgg, pictures):
    loss = style.StylizationLoss(vgg)
    once = loss(pictures[:1], pictures[1:2], pictures[2:3]).total
    again = loss(
        pictures[:1], loss.measure_style(pictures)[torch.tensor([1])], loss.measure_content(pictures[2:3])
    ).total
    torch.testing.assert_close(once, again, rtol=1e-4, atol=1e-2)


def test_a_term_without_ratio_is_not_computed(vgg, pictures):
    losses = style.StylizationLoss(vgg, style.JOHNSON)(*pictures[:, None])
    assert set(losses.terms) == {"style", "total_variation", "content"}
    none = style.LossRatios(0, 0, 0, 0, 0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="every loss ratio is 0"):
        style.StylizationLoss(vgg, none)(*pictures[:, None])


@pytest.mark.parametrize("ratio", [-1.0, float("nan"), float("inf")])
def test_ratios_must_be_finite_and_positive(ratio):
    with pytest.raises(ValueError, match="ratio hsv"):
        style.LossRatios(hsv=ratio)


def test_pictures_of_different_size_are_refused(vgg, pictures):
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3, 64, 64\), \(1, 3, 32, 32\)"):
        style.StylizationLoss(vgg)(pictures[:1], pictures[:1, :, :32, :32], pictures[:1])


def test_whole_numbers_are_refused_where_they_would_wrap_round():
    """In bytes 0 - 1 is 255: a picture as it comes from a file would give a wrong loss without a word."""
    picture = torch.randint(0, 2, (1, 3, 4, 4), dtype=torch.uint8)
    for loss in (style.total_variation_loss, style.gram_matrix):
        with pytest.raises(ValueError, match=r"must be floating, got torch\.uint8"):
            loss(picture)
    for loss in (style.srgb_loss, style.jensen_shannon, style.feature_loss):
        with pytest.raises(ValueError, match=r"must be floating, got torch\.uint8"):
            loss(picture, picture)


def test_the_ratios_balance_the_gradients(vgg):
    """Under our reductions every term of table 2 but L_srgb moves the picture within a factor 100 of the strongest."""
    picture, target = torch.stack(load_paintings(128, ["cassat_summertime", "greatwave"]))[:, None]
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    output = (0.7 * picture + 0.3 * target + 0.03 * noise).clamp(0, 1)
    norms = style.gradient_norms(style.StylizationLoss(vgg), output, target, picture)
    strongest = max(norms.values())
    assert {name for name, norm in norms.items() if norm < strongest / 100} <= {"srgb"}, norms


def test_optimising_a_picture_lowers_the_loss(vgg, pictures):
    steps = list(style.optimise_picture(pictures[:1], pictures[1:2], style.StylizationLoss(vgg), steps=6))
    assert len(steps) == 7
    first, last = steps[0][1].total.item(), steps[-1][1].total.item()
    assert last < 0.9 * first
    assert steps[-1][0].min() >= 0 and steps[-1][0].max() <= 1
    torch.testing.assert_close(steps[0][0], pictures[:1])


# --- networks --------------------------------------------------------------------------------------------------------


def test_transform_net_has_johnsons_layers():
    net = style.TransformNet("instance")
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions] == [
        (3, 32, 9, 1), (32, 64, 3, 2), (64, 128, 3, 2), *[(128, 128, 3, 1)] * 10,
        (128, 64, 3, 1), (64, 32, 3, 1), (32, 3, 9, 1),
    ]  # fmt: skip
    assert sum(CHANNELS) == 1600 and len(net.norms) == len(CHANNELS)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_stylize_keeps_the_size(norm):
    torch.manual_seed(0)
    net = style.TransformNet(norm).eval()
    for height, width in ((16, 16), (17, 30), (33, 64)):
        out = style.stylize(torch.rand(1, 3, height, width), net)
        assert out.shape == (1, 3, height, width) and out.min() >= 0 and out.max() <= 1


def test_instance_norm_looks_at_one_picture_and_batch_norm_at_the_batch(pictures):
    """NAPA, section 4.1.1: with batch normalisation in training, a picture's output depends on its neighbours."""
    torch.manual_seed(0)
    for norm in ("instance", "batch"):
        net = style.TransformNet(norm)
        beside_one, beside_other = net(pictures[[0, 1]])[0], net(pictures[[0, 2]])[0]
        apart = (beside_one - beside_other).abs().max().item()
        assert apart < 1e-5 if norm == "instance" else apart > 1e-3, (norm, apart)


def test_pool_network_follows_its_second_input(vgg, pictures):
    torch.manual_seed(0)
    net = style.TransformNet("pool").eval()
    both = style.stylize(pictures[:1].repeat(2, 1, 1, 1), net, pictures[1:3], vgg)
    assert (both[0] - both[1]).abs().max() > 1e-3
    single = net.for_style(pictures[1:2], vgg).eval()
    torch.testing.assert_close(style.stylize(pictures[:1], single), both[:1], rtol=1e-4, atol=1e-4)


def test_style_statistics_do_not_depend_on_where_things_are(vgg):
    tile = torch.rand(1, 3, 1, 1).expand(1, 3, 32, 32)
    code = style_statistics(tile, vgg)
    assert code.shape == (1, 1920) and torch.isfinite(code).all()


def test_the_loss_network_is_at_hand_where_the_losses_are(vgg):
    assert isinstance(vgg, style.VGG19Features) and "VGG19Features" in style.__all__


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: style.TransformNet("layer"), "norm must be"),
        (lambda: style.stylize(torch.rand(1, 3, 8, 64), style.TransformNet()), "at least 16, got"),
        (lambda: style.stylize(torch.rand(0, 3, 64, 64), style.TransformNet()), "B >= 1"),
        (lambda: style.stylize(torch.rand(1, 3, 32, 32), style.TransformNet("pool")), "needs a style picture"),
        (lambda: style.TransformNet()(torch.rand(1, 3, 30, 32)), "multiples of 4"),
        (lambda: style.TransformNet()(torch.rand(0, 3, 32, 32)), r"B >= 1, .* got \(0, 3, 32, 32\)"),
        (lambda: style.gram_matrix(torch.rand(3, 4, 4)), r"got \(3, 4, 4\)"),
        (lambda: style.style_loss([torch.rand(1, 2, 4, 4)], []), "same layers, got 1 and 0"),
        (lambda: style.style_loss(torch.rand(1, 2, 4, 4), [torch.rand(1, 2, 4, 4)]), "output_features must be a list"),
        (lambda: style.style_loss([torch.rand(1, 2, 4, 4)], {"a": torch.rand(1, 2, 4, 4)}), "a list .*, got a dict"),
        (lambda: style.hsv_loss(torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4)), r"\(B, 3, H, W\)"),
        (lambda: style.content_loss(torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 5)), "one shape"),
        (lambda: style.StylizerConfig(styles=("a", "b"), norm="instance"), "2 styles need norm='pool'"),
        (lambda: style.StylizerConfig(steps=0), "at least 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- training --------------------------------------------------------------------------------------------------------


def test_training_lowers_the_loss(tmp_path):
    config = style.StylizerConfig(("greatwave",), "instance", steps=20, batch=1, size=32)
    style.train_stylizer(config, tmp_path, "cpu", every=10)
    totals = [entry["total"] for entry in json.loads((tmp_path / "record.json").read_text())]
    assert len(totals) == 2 and totals[1] < totals[0]
    reread = style.load_stylizer(tmp_path / "network.safetensors")
    assert style.stylize(torch.rand(1, 3, 32, 32), reread).isfinite().all()
    with pytest.raises(ValueError, match="belongs to another training"):
        style.train_stylizer(
            style.StylizerConfig(("greatwave",), "instance", steps=20, batch=2, size=32), tmp_path, "cpu"
        )


def test_a_foreign_file_is_no_stylizer(tmp_path):
    path = tmp_path / "other.safetensors"
    save_tensors(path, {"a": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="is no stylizer"):
        style.load_stylizer(path)
    path.write_bytes(b"not a tensor file")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        style.load_stylizer(path)


def test_content_crops_are_drawn_from_the_generator():
    pictures = load_paintings(names=["greatwave", "monalisa"])
    one, two = (random_crops(pictures, 4, 32, torch.Generator().manual_seed(5)) for _ in range(2))
    assert one.shape == (4, 3, 32, 32) and torch.equal(one, two)


def test_pictures_in_0_to_255_are_refused(vgg):
    good, bad = torch.rand(1, 3, 32, 32), 255 * torch.rand(1, 3, 32, 32)
    loss = style.StylizationLoss(vgg)
    for content, other, name in ((bad, good, "content"), (good, bad, "style"), (good, good * torch.nan, "style")):
        with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\]"):
            style.optimise_picture(content, other, loss)
    with pytest.raises(ValueError, match=r"image must lie in \[0, 1\]"):
        style.stylize(bad, style.TransformNet("instance"))


def test_the_library_reads_no_asset_at_import(tmp_path):
    code = "import napa_lib.style, napa_lib.pose, napa_lib.evaluate, napa_lib.training, napa_lib.bottleneck"
    environment = {**os.environ, "NAPA_ASSETS": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert run.returncode == 0, run.stderr


def test_held_out_content_is_disjoint_from_the_pool():
    from napa_lib.data import list_paintings

    assert tuple(painting.name for painting in list_paintings() if not painting.in_art_figures) == style.POOL
    assert len(style.POOL) == 24
    assert held_out_pictures(32).shape == (12, 3, 32, 32)
