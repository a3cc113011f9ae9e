"""Seeds, devices, files: what a training relies on when it is stopped, resumed or handed the wrong file."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

from napa_lib import engine


def a_model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator, steps: int) -> None:
    for _ in range(steps):
        x = torch.randn(8, 3, generator=generator)
        loss = (model(x) + torch.rand(8, 1)).square().mean()  # torch.rand draws from the global generator
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RMSprop, torch.optim.SGD])
def test_a_checkpoint_resumes_exactly(tmp_path, kind):
    generator = engine.seed_everything(0)
    model = a_model()
    optimizer = kind(model.parameters(), lr=0.1, **({} if kind is torch.optim.Adam else {"momentum": 0.9}))
    train(model, optimizer, generator, 3)
    engine.save_checkpoint(tmp_path / "c.safetensors", 3, {"m": model}, {"o": optimizer}, generator)
    train(model, optimizer, generator, 4)

    other = engine.seed_everything(99)
    again = a_model()
    optimizer2 = kind(again.parameters(), lr=0.5, **({} if kind is torch.optim.Adam else {"momentum": 0.1}))
    assert engine.load_checkpoint(tmp_path / "c.safetensors", {"m": again}, {"o": optimizer2}, other) == 3
    train(again, optimizer2, other, 4)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "w.safetensors"
    engine.save_tensors(path, {"a": torch.ones(2)}, {"note": "first"})
    with pytest.raises(TypeError):
        engine.save_tensors(path, {"a": torch.zeros(2)}, {"note": 5})  # type: ignore[dict-item]
    tensors, metadata = engine.load_tensors(path)
    assert tensors["a"].tolist() == [1, 1] and metadata == {"note": "first"}
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_truncated_corrupt_missing_or_foreign_file_is_named(tmp_path):
    good, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    engine.save_tensors(good, {"a": torch.ones(100)})
    bad.write_bytes(good.read_bytes()[:-7])
    for path in (bad, tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(engine.CheckpointError, match=path.name):
            engine.load_tensors(path)
    bad.write_bytes(b"\x80\x04pickle")
    with pytest.raises(engine.CheckpointError, match=r"bad.safetensors is not a readable safetensors file"):
        engine.load_tensors(bad)
    with pytest.raises(engine.CheckpointError, match="is no checkpoint of napa"):
        engine.load_checkpoint(good, {}, {}, torch.Generator())


def test_a_checkpoint_of_another_model_changes_nothing(tmp_path):
    path, generator = tmp_path / "c.safetensors", engine.seed_everything(0)
    model = a_model()
    optimizer = torch.optim.Adam(model.parameters())
    train(model, optimizer, generator, 1)
    engine.save_checkpoint(path, 1, {"m": model}, {"o": optimizer}, generator)

    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(engine.CheckpointError, match=r"2.bias is \(1,\), expected \(2,\)"):
        engine.load_checkpoint(path, {"m": other}, {"o": torch.optim.Adam(other.parameters())}, generator)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())
    with pytest.raises(engine.CheckpointError, match=r"holds models \['m'\] and optimizers \['o'\], expected \['x'\]"):
        engine.load_checkpoint(path, {"x": model}, {"o": optimizer}, generator)
    fewer = torch.optim.Adam([{"params": model[0].parameters()}, {"params": model[2].parameters()}])
    with pytest.raises(engine.CheckpointError, match="does not fit optimizer 'o'"):
        engine.load_checkpoint(path, {"m": model}, {"o": fewer}, generator)


def test_weights_that_are_nan_are_refused_and_change_nothing():
    model = torch.nn.Linear(2, 1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(engine.CheckpointError, match=r"x.safetensors holds numbers that are NaN: 1 tensors \['bias'\]"):
        engine.load_weights(model, {"weight": torch.ones(1, 2), "bias": torch.full((1,), torch.nan)}, "x.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    engine.load_weights(model, {"weight": torch.full((1, 2), torch.inf), "bias": torch.ones(1)}, "x")  # as a buffer is


def test_seeds_repeat_and_are_checked():
    first = engine.seed_everything(7), torch.rand(3)
    second = engine.seed_everything(7), torch.rand(3)
    assert torch.equal(first[1], second[1])
    assert torch.equal(torch.rand(3, generator=first[0]), torch.rand(3, generator=second[0]))
    with pytest.raises(ValueError, match="seed must be"):
        engine.seed_everything(-1)


def test_fresh_memory_is_not_filled_and_training_is_the_same_bit_for_bit():
    def trained(fill: bool) -> torch.Tensor:
        engine.seed_everything(0)
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
        torch.utils.deterministic.fill_uninitialized_memory = fill
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.GroupNorm(8, 8), torch.nn.ReLU(inplace=True),
            torch.nn.MaxPool2d(2), torch.nn.Upsample(scale_factor=2, mode="bilinear"), torch.nn.Conv2d(8, 3, 3),
        )  # fmt: skip
        adam = torch.optim.Adam(network.parameters(), 0.01)
        for _ in range(4):
            adam.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = network(torch.randn(4, 3, 12, 12)).float().square().mean()
            loss.backward()
            adam.step()
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    assert torch.equal(trained(True), trained(False))
    engine.seed_everything(0)


def test_devices():
    assert engine.choose_device("cpu") == torch.device("cpu")
    assert engine.choose_device().type in ("cpu", "cuda", "mps")
    with pytest.raises(ValueError, match="got 'toaster'"):
        engine.choose_device("toaster")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="'cuda' is not on this machine"):
            engine.choose_device("cuda")


def test_progress_yields_everything_and_can_be_hidden(monkeypatch, capfd):
    monkeypatch.delenv("NAPA_PROGRESS_BAR", raising=False)
    assert list(engine.progress(range(3), "counting")) == [0, 1, 2]
    assert "counting" in capfd.readouterr().err
    monkeypatch.setenv("NAPA_PROGRESS_BAR", "off")
    assert list(engine.progress(range(3), "counting")) == [0, 1, 2]
    assert capfd.readouterr().err == ""


FILL_MEMORY = """
import resource, sys, torch
from napa_lib.engine import keep_freed_memory

def fill():
    a = torch.ones(64 << 20, dtype=torch.uint8)
    b = a + 1

if "keep" in sys.argv:
    assert keep_freed_memory()
for _ in range(20):
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_kept():
    def faults(*arguments: str) -> int:  # pages that the system had to bring
        done = subprocess.run([sys.executable, "-c", FILL_MEMORY, *arguments], capture_output=True, check=True)
        return int(done.stdout)

    assert faults("keep") < faults() / 10


@pytest.mark.parametrize(
    "said, spins", [({}, "5000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "a"}, "None")]
)
def test_threads_do_not_spin_where_others_need_the_cores(said, spins):
    """Unless the user says how they wait; it must be said before torch is there."""
    code = "import napa_lib, os, sys; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    told = subprocess.run([sys.executable, "-c", code], env=kept | said, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [spins, "False"]
