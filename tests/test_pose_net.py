"""The pose network: soft-argmax is an expectation, shapes, what is saved, and what is trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napa_lib.engine import save_tensors
from napa_lib.networks.heatmaps import cells_to_pixels, soft_argmax
from napa_lib.networks.pose_net import PoseNet2D, load_pose_net, save_pose_net
from napa_lib.skeletons import NAPA18, flip


def test_soft_argmax_is_an_expectation():
    scores = np.random.default_rng(0).normal(size=(2, 3, 6, 8))
    p = np.exp(scores) / np.exp(scores).sum((2, 3), keepdims=True)
    ys, xs = np.mgrid[:6, :8]
    expected = np.stack([(p * xs).sum((2, 3)), (p * ys).sum((2, 3))], -1)
    np.testing.assert_allclose(soft_argmax(torch.tensor(scores)), expected, atol=1e-12)


def test_soft_argmax_has_the_right_gradient():
    scores = torch.randn(
        1, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    assert torch.autograd.gradcheck(soft_argmax, scores)


def test_soft_argmax_moves_with_the_map():
    scores = torch.full((1, 1, 12, 12), -1e4)
    scores[0, 0, 3:6, 2:5] = torch.randn(3, 3, generator=torch.Generator().manual_seed(1))
    moved = scores.roll((4, 5), (2, 3))
    np.testing.assert_allclose(soft_argmax(moved) - soft_argmax(scores), [[[5.0, 4.0]]], atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 2, 0, 4)])
def test_soft_argmax_refuses(shape):
    with pytest.raises(ValueError, match="heatmaps must be"):
        soft_argmax(torch.zeros(shape))


def test_cells_are_four_pixels():
    assert cells_to_pixels(torch.tensor([0.0, 31.0])).tolist() == [1.5, 125.5]  # the middles of 0..3 and 124..127


@pytest.fixture(scope="module")
def network() -> PoseNet2D:
    torch.manual_seed(0)
    return PoseNet2D(width=32).eval()


def test_shapes_and_consistency(network):
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = network(images)
    assert found.heatmaps.shape == (2, 18, 24, 24)
    assert found.confidence.shape == (2, 18)
    p = found.heatmaps.double().flatten(2).softmax(-1).numpy().reshape(2, 18, 24, 24)
    for b, j in np.ndindex(2, 18):  # the peak's 5 x 5 cells, cut off at the map's edge
        row, column = np.unravel_index(p[b, j].argmax(), (24, 24))
        ys, xs = np.mgrid[max(row - 2, 0) : min(row + 3, 24), max(column - 2, 0) : min(column + 3, 24)]
        weight = p[b, j][ys, xs] / p[b, j][ys, xs].sum()
        expected = [(weight * (4 * xs + 1.5)).sum(), (weight * (4 * ys + 1.5)).sum()]
        np.testing.assert_allclose(found.keypoints[b, j], expected, atol=1e-3)


def test_pictures_of_a_batch_do_not_mix(network):
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together, alone = network(images), network(images[1:2])
    np.testing.assert_allclose(together.keypoints[1], alone.keypoints[0], atol=1e-3)


def test_only_the_head_and_what_is_tuned_learns():
    network = PoseNet2D(width=32, tuned=("conv4_4",))
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert {n for n in trained if n.startswith("vgg")} == {
        "vgg.convolutions.conv4_4.weight",
        "vgg.convolutions.conv4_4.bias",
    }
    assert trained == set(network.trained_state())
    network(torch.rand(1, 3, 64, 64)).keypoints.sum().backward()
    gradients = [p.grad for name, p in network.named_parameters() if name in trained]
    assert all(g is not None and bool(g.isfinite().all()) for g in gradients)


def test_resnet50_goes_the_same_way():
    network = PoseNet2D("resnet50", width=32).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 64, 64)).keypoints.shape == (1, 18, 2)
    own = {n for n in network.state_dict() if n.startswith("resnet.")}
    assert own <= set(network.trained_state())  # nothing of it ships otherwise


def test_saved_in_8_bits_and_loaded(tmp_path, network):
    save_pose_net(tmp_path / "n.safetensors", network, {"steps": "3"})
    again = load_pose_net(tmp_path / "n.safetensors")
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        np.testing.assert_allclose(again(images).keypoints, network(images).keypoints, atol=0.5)
    assert (tmp_path / "n.safetensors").stat().st_size < 1.25 * sum(p.numel() for p in network.head.parameters()) + 4e4


def test_foreign_and_corrupt_files_are_refused(tmp_path, network):
    save_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(1)})
    with pytest.raises(ValueError, match="no pose network"):
        load_pose_net(tmp_path / "other.safetensors")
    save_pose_net(tmp_path / "n.safetensors", network)
    content = (tmp_path / "n.safetensors").read_bytes()
    (tmp_path / "n.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="not a readable"):
        load_pose_net(tmp_path / "n.safetensors")


@pytest.mark.parametrize("shape", [(1, 3, 64, 96), (1, 3, 60, 60), (3, 64, 64), (1, 1, 64, 64)])
def test_pictures_of_a_wrong_shape(network, shape):
    with pytest.raises(ValueError, match="images must be"):
        network(torch.zeros(shape))


def test_wrong_settings():
    with pytest.raises(ValueError, match="backbone"):
        PoseNet2D("vgg11")
    with pytest.raises(ValueError, match="width"):
        PoseNet2D(width=20)
    with pytest.raises(ValueError, match="tuned"):
        PoseNet2D(width=32, tuned=("conv9_1",))


def test_with_mirror_images_the_mirrored_picture_gives_the_mirrored_pose(network):
    """An exact symmetry, whatever the weights: sides exchange and x turns about the middle."""
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found, turned = network(images, mirror=True), network(images.flip(-1), mirror=True)
    np.testing.assert_allclose(turned.keypoints, flip(found.keypoints, NAPA18, 64), atol=1e-2)
    other = {"l": "r", "r": "l"}
    names = [other[j[0]] + j[1:] if j[1] == "_" else j for j in NAPA18.joints]
    order = [NAPA18.index(name) for name in names]
    np.testing.assert_allclose(turned.confidence, found.confidence[:, order], atol=1e-3)


def test_two_opinions_are_multiplied(network):
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        plain, both = network(images), network(images, mirror=True)
        turned = network(images.flip(-1))
    knee, other = NAPA18.index("l_knee"), NAPA18.index("r_knee")
    p, q = (m.double().flatten().softmax(0).view(16, 16) for m in (plain.heatmaps[0, knee], turned.heatmaps[0, other]))
    product = (p * q.flip(-1)).sqrt()
    found = both.heatmaps[0, knee].double().exp()
    np.testing.assert_allclose(found, product, rtol=2e-3)
