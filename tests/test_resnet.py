"""The residual networks against torchvision's, and torchvision itself beside a CPU torch."""

from __future__ import annotations

import subprocess
import sys
from urllib.error import URLError

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napa_lib.networks import (
    VGG19Features,
    imagenet_resnet50,
    imagenet_vgg19,
    import_torchvision,
    resnet18,
    resnet50,
)
from napa_lib.networks.torchvision_compat import non_maximum_suppression

BUILDERS = {"resnet18": resnet18, "resnet50": resnet50}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_same_outputs_as_torchvision(name, training, dtype):
    theirs = getattr(import_torchvision().models, name)(weights=None, num_classes=7).to(dtype)
    _disturb_statistics(theirs)
    ours = BUILDERS[name](num_outputs=7).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(1), dtype=dtype)
    a, b = ours.train(training)(images), theirs.train(training)(images)
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    for (name_a, buffer_a), (name_b, buffer_b) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert name_a == name_b
        torch.testing.assert_close(buffer_a, buffer_b, rtol=0, atol=0)


def _disturb_statistics(network: torch.nn.Module) -> None:
    """Running means and scales away from 0 and 1, so that a forgotten batch norm shows."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
            module.weight.data.uniform_(0.5, 1.0, generator=generator)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_fresh_weights_have_the_scale_of_torchvisions(name):
    theirs = getattr(import_torchvision().models, name)(weights=None).state_dict()
    for key, value in BUILDERS[name]().state_dict().items():
        if value.ndim == 4:
            assert value.std().item() == pytest.approx(theirs[key].std().item(), rel=0.1)


def test_narrow_network_takes_other_channels_and_odd_sizes():
    network = resnet18(num_outputs=5, in_channels=4, width=8).eval()
    assert network(torch.zeros(3, 4, 1, 1)).shape == (3, 5)
    assert network(torch.zeros(0, 4, 33, 17)).shape == (0, 5)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 3, 0, 8)])
def test_bad_images_are_named(shape):
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\)"):
        resnet18(width=8)(torch.zeros(shape))


@pytest.mark.parametrize("name", ["num_outputs", "in_channels", "width"])
def test_bad_sizes_are_named(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        resnet18(**{name: 0})


# torchvision beside a CPU torch ------------------------------------------------------------------------------------


def run_python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_import_in_every_order():
    """First through us; after an import of the reader's own that failed or went well; twice; models and boxes work."""
    done = run_python(
        "try:\n    import torchvision as before\nexcept RuntimeError as error:\n    before = None\n"
        "from napa_lib.networks import import_torchvision\n"
        "a, b = import_torchvision(), import_torchvision()\n"
        "import torchvision, torch\n"
        "assert a is b is torchvision and before in (None, a)\n"
        "from torchvision.transforms import v2\n"
        "from torchvision import ops, tv_tensors\n"
        "boxes = torch.tensor([[0., 0., 4., 4.], [0., 0., 4., 3.9], [8., 8., 9., 9.]])\n"
        "scores = torch.tensor([.1, .9, .5])\n"
        "assert ops.nms(boxes, scores, .5).tolist() == [1, 2]\n"
        "assert ops.batched_nms(boxes, scores, torch.tensor([0, 1, 0]), .5).tolist() == [1, 2, 0]\n"
        "assert ops.roi_align(torch.ones(1, 2, 9, 9), [boxes], 2).shape == (3, 2, 2, 2)\n"
        "wrapped = tv_tensors.BoundingBoxes(boxes, format='XYXY', canvas_size=(10, 20))\n"
        "assert v2.functional.horizontal_flip(wrapped)[0].tolist() == [16, 0, 20, 4]\n"
        "print('fine')"
    )
    assert done.stdout.strip() == "fine", done.stderr


def test_napa_lib_alone_does_not_import_torchvision():
    done = run_python("import sys, napa_lib.networks\nassert 'torchvision' not in sys.modules\nprint('fine')")
    assert done.stdout.strip() == "fine", done.stderr


def test_nothing_is_declared_where_the_extension_loads(monkeypatch):
    """With an extension that loads, the operators are left to it."""
    from napa_lib.networks import torchvision_compat as compat

    import_torchvision()
    loaded = []
    monkeypatch.setattr(torch.ops, "load_library", loaded.append)
    monkeypatch.setattr(compat, "_declare_operators", lambda: pytest.fail("declared beside a working extension"))
    assert compat.import_torchvision().__name__ == "torchvision"
    assert len(loaded) == 1 and "torchvision" in loaded[0]


def test_missing_torchvision_is_said_plainly(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install torchvision"):
        import_torchvision()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 25), threshold=st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_nms_against_the_definition(seed, count, threshold):
    """Greedy in float64 NumPy, one pair at a time; the torch operator gives the same."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 12, size=(count, 2))
    boxes = np.concatenate([corners, corners + rng.integers(1, 8, size=(count, 2))], 1).astype(float)
    scores = rng.permutation(count).astype(float)
    kept: list[int] = []
    for i in sorted(range(count), key=lambda i: -scores[i]):
        if all(_iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    result = non_maximum_suppression(torch.tensor(boxes), torch.tensor(scores), threshold)
    assert result.dtype == torch.int64 and result.tolist() == kept
    import_torchvision()
    assert torch.ops.torchvision.nms(torch.tensor(boxes), torch.tensor(scores), threshold).tolist() == kept


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    cells = {(x, y) for x in range(int(a[0]), int(a[2])) for y in range(int(a[1]), int(a[3]))}
    other = {(x, y) for x in range(int(b[0]), int(b[2])) for y in range(int(b[1]), int(b[3]))}
    return len(cells & other) / len(cells | other)


def test_nms_names_bad_shapes():
    with pytest.raises(ValueError, match=r"boxes must be \(N, 4\) and scores \(N,\), got \(2, 3\) and \(2,\)"):
        non_maximum_suppression(torch.zeros(2, 3), torch.zeros(2), 0.5)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def test_weights_come_from_the_cache(cache):
    models = import_torchvision().models
    network = resnet50()
    torch.save(network.state_dict(), cache / models.ResNet50_Weights.IMAGENET1K_V2.url.rsplit("/", 1)[-1])
    other = resnet50()
    other.load_state_dict(imagenet_resnet50())
    assert torch.equal(other.layer4[2].conv3.weight, network.layer4[2].conv3.weight)


def test_vgg19_with_torchvisions_weights(cache):
    """Our feature maps from torchvision's state dict are torchvision's own, up to one factor a layer."""
    models = import_torchvision().models
    theirs = models.vgg.make_layers(models.vgg.cfgs["E"])
    state = {f"features.{name}": tensor for name, tensor in theirs.state_dict().items()}
    name = models.VGG19_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[-1]
    torch.save(state | {"classifier.0.bias": torch.rand(4096)}, cache / name)
    assert set(imagenet_vgg19()) == set(state)
    image = torch.rand(2, 3, 32, 32)
    standardised = models.VGG19_Weights.IMAGENET1K_V1.transforms(resize_size=32, crop_size=32)(image)
    ours = VGG19Features(weights="imagenet")(image, ["relu4_2"])["relu4_2"]
    expected = theirs[:23](standardised)
    torch.testing.assert_close(ours / ours.mean(), expected / expected.mean(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("fetch, name", [(imagenet_resnet50, "resnet50-"), (imagenet_vgg19, "vgg19-")])
def test_no_network_says_what_to_do(cache, monkeypatch, fetch, name):
    def unplugged(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", unplugged)
    with pytest.raises(ConnectionError, match=rf"{name}\w+\.pth .*no route to host.*put a copy of .*checkpoints"):
        fetch()


@pytest.mark.parametrize("content", [b"", b"not a state dict", b"PK\x03\x04cut off"])
def test_a_broken_file_in_the_cache_is_named(cache, content):
    name = import_torchvision().models.ResNet50_Weights.IMAGENET1K_V2.url.rsplit("/", 1)[-1]
    (cache / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"checkpoints/{name} is not the state dict"):
        imagenet_resnet50()
