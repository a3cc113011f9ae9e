"""Weights in 8 bits: how far off they may be, what is left alone, and what is refused."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from napa_lib.engine import load_tensors, save_tensors
from napa_lib.quantization import compress, dequantize, quantize

FINITE = st.floats(-1e4, 1e4, width=32)
WEIGHTS = arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=4, max_side=4), elements=FINITE)


@given(WEIGHTS, st.integers(2, 8))
def test_a_weight_is_off_by_at_most_half_a_step_of_its_channel(weights, bits):
    back = dequantize(quantize({"w": torch.from_numpy(weights)}, bits))["w"].numpy()
    for channel, found in zip(weights, back, strict=True):
        step = np.abs(channel).max() / {2: 1, 3: 3, 4: 7, 5: 15, 6: 31, 7: 63, 8: 127}[bits]
        np.testing.assert_allclose(found, channel, rtol=0, atol=1.0001 * step / 2 + 1e-12)


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_that_there_are_not(bits):
    with pytest.raises(ValueError, match=f"bits must be from 2 to 8, got {bits}"):
        quantize({"w": torch.ones(2, 2)}, bits)


@given(WEIGHTS, st.integers(-8, 8))
def test_a_channel_that_is_scaled_keeps_its_integers(weights, power):
    weights[np.abs(weights).max(tuple(range(1, weights.ndim))) < 1e-3] = 1  # the smallest scale there is
    scaled = weights.copy()
    scaled[0] *= 2.0**power
    one, other = (quantize({"w": torch.from_numpy(w)}) for w in (weights, scaled))
    assert torch.equal(one["w"], other["w"])
    assert torch.equal(one["w.scale"][0] * 2.0**power, other["w.scale"][0])


def test_what_was_read_is_written_again_as_it_was():
    first = quantize({"w": torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))})
    assert torch.equal(quantize(dequantize(first))["w"], first["w"])


def test_all_else_stays():
    tensors = {"bias": torch.randn(3), "count": torch.tensor(7), "table": torch.ones(2, 2, dtype=torch.int64)}
    stored = quantize(tensors | {"norm.scale": torch.randn(4)})  # a name that a scale could have
    assert set(stored) == {*tensors, "norm.scale"}
    back = dequantize(stored)
    assert all(back[name].dtype == stored[name].dtype and torch.equal(back[name], stored[name]) for name in stored)


def test_a_file_of_halves_is_read_too():
    half = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).half()
    assert torch.equal(dequantize({"w": half})["w"], half.float())


def test_weights_that_have_no_scale_are_refused():
    with pytest.raises(ValueError, match="'w' holds values that are not finite"):
        quantize({"w": torch.tensor([[1.0, torch.nan]])})
    with pytest.raises(ValueError, match=r"'w\.scale'"):
        quantize({"w": torch.ones(2, 2), "w.scale": torch.ones(2)})


def test_integers_that_were_not_deflated_are_read_too():
    integers, scale = torch.randint(-127, 128, (3, 4), dtype=torch.int8), torch.rand(3, 1)
    assert torch.equal(dequantize({"w": integers, "w.scale": scale})["w"], integers * scale)


def test_the_bytes_are_the_integers(tmp_path):
    """Read with zlib and NumPy alone, out of a file."""
    weights = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    save_tensors(tmp_path / "w.safetensors", quantize({"w": weights}))
    stored, _ = load_tensors(tmp_path / "w.safetensors")
    integers = np.frombuffer(zlib.decompress(stored["w"].numpy().tobytes()), np.int8).reshape(6, 5, 3, 3)
    steps = np.abs(weights.numpy()).max((1, 2, 3), keepdims=True) / 127
    np.testing.assert_allclose(stored["w.scale"], steps, rtol=1e-6)
    np.testing.assert_array_equal(integers, np.rint(weights.numpy() / steps))


@pytest.mark.parametrize("damage", [lambda b: b[:-6], lambda b: b.flip(0)])
def test_damaged_integers_are_named(damage):
    stored = quantize({"w": torch.ones(30, 30)})
    with pytest.raises(ValueError, match="'w' in 8 bits is damaged"):
        dequantize(stored | {"w": damage(stored["w"])})
    with pytest.raises(ValueError, match="'w' in 8 bits is damaged"):
        dequantize(stored | {"w.shape": torch.tensor([31, 30])})


class Two(nn.Module):
    """Two layers with a bias, one without between them, and one that is not asked."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 5, 1)
        self.plain, self.idle = nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.plain(self.first(x).relu_()))


def _said(state: dict[str, torch.Tensor], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What both layers say, by hand in float64, (N, C, H, W)."""
    w = {name: value.double().numpy() for name, value in state.items()}

    def patches(x):
        return np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))

    first = np.einsum("nchwij,ocij->nohw", patches(x), w["first.weight"]) + w["first.bias"][:, None, None]
    plain = np.einsum("nchwij,cij->nchw", patches(first.clip(0)), w["plain.weight"][:, 0])
    return first, np.einsum("nchw,oc->nohw", plain, w["second.weight"][..., 0, 0]) + w["second.bias"][:, None, None]


def test_biases_make_up_for_what_rounding_does_to_a_channels_mean(rng):
    torch.manual_seed(0)
    network, x = Two().eval(), rng.random((6, 3, 9, 8))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    stored = compress(
        network, lambda name: {"first.weight": 3, "plain.weight": 16}.get(name, 4), torch.tensor(x).float()
    )
    after = dequantize(stored)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    steps = {"first.weight": 3, "second.weight": 7, "idle.weight": 7}
    for name, levels in steps.items():
        channels = before[name].abs().amax((1, 2, 3), keepdim=True)
        assert ((after[name] - before[name]).abs() <= 1.001 * channels / levels / 2).all() and name + ".scale" in stored
        assert not torch.allclose(after[name], before[name], atol=1e-3)
    assert torch.equal(stored["plain.weight"], before["plain.weight"].half())
    assert torch.equal(stored["idle.bias"], before["idle.bias"].half())
    uncorrected = after | {name: value for name, value in before.items() if name.endswith("bias")}
    for ours, theirs, rounded in zip(_said(after, x), _said(before, x), _said(uncorrected, x), strict=True):
        np.testing.assert_allclose(ours.mean((0, 2, 3)), theirs.mean((0, 2, 3)), atol=5e-4)  # halves of the biases
        assert np.abs(rounded.mean((0, 2, 3)) - theirs.mean((0, 2, 3))).max() > 0.005
