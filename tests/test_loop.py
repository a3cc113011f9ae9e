"""The training loop: however a run ends, its checkpoint goes on bit for bit, with a whole record."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from napa_lib import loop
from napa_lib.engine import CheckpointError, learning_rate_factor, load_tensors, seed_everything

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Config:
    steps: int = 10
    seed: int = 0
    every: int = 4


def train(config: Config, setup: loop.Setup = loop.HERE, before=lambda number: None) -> tuple[nn.Module, loop.Record]:
    """A tiny network with normalisation, dropout (the global generator) and batches (its own), and an average."""
    generator = seed_everything(config.seed)
    layers = (nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.3), nn.Conv2d(4, 1, 1))
    network = loop.on_device(setup.device, nn.Sequential(*layers))
    average = copy.deepcopy(network)
    optimizer = loop.adam(network.parameters(), 0.01, (0.5, 0.999))

    def step(number: int) -> loop.Losses:
        before(number)
        image = loop.laid_out(torch.randn(3, 2, 6, 6, generator=generator), setup.device)
        with setup.autocast():
            losses = {"square": network(image).square().mean()}
        loop.descend(losses["square"], optimizer, 1.0, losses)
        loop.update_average(average, network, 0.9)
        return losses

    training = loop.Training(
        {"network": network, "average": average}, {"adam": optimizer}, generator,
        loop.settings_of("test", config, setup),
    )  # fmt: skip
    record = loop.run(
        "test", training, step, config.steps, config.every, setup, network,
        lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return network, record


def without_seconds(record: loop.Record) -> loop.Record:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in record]


def same(one: tuple[nn.Module, loop.Record], other: tuple[nn.Module, loop.Record]) -> bool:
    weights = other[0].state_dict()
    equal = all(torch.equal(value, weights[name]) for name, value in one[0].state_dict().items())
    return equal and without_seconds(one[1]) == without_seconds(other[1])


def interrupt(number: int) -> None:
    if number == 5:
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_the_step_and_keeps_it(tmp_path):
    """Between two entries of the record, with the losses counted so far."""
    whole = train(Config())
    setup = loop.Setup(checkpoint=tmp_path / "c.safetensors")
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step 6; .*c.safetensors keeps step 6; the same call"):
        train(Config(), setup, interrupt)
    assert signal.getsignal(signal.SIGINT) is handler
    torch.manual_seed(99)  # whatever happens in between
    assert same(train(Config(), setup), whole) and [e["step"] for e in whole[1]] == [4, 8, 10]
    assert same(train(Config(), setup), whole)  # done already: nothing happens


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    def twice(number: int) -> None:
        if number == 5:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    setup = loop.Setup(checkpoint=tmp_path / "c.safetensors")
    with pytest.raises(KeyboardInterrupt, match="at once"):
        train(Config(), setup, twice)
    assert load_tensors(setup.checkpoint)[1]["step"] == "4"
    assert same(train(Config(), setup), train(Config()))


CODE = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, "tests")
import test_loop as t
from pathlib import Path
with t.loop.command():
    {body}
"""


def start(body: str, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NAPA_PROGRESS_BAR": "off", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", CODE.format(body=body), *arguments], cwd=ROOT, env=environment, text=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(path: Path, process: subprocess.Popen, step: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and not (path.exists() and int(load_tensors(path)[1]["step"]) >= step):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


LONG = "t.train(t.Config(steps=100000), t.loop.Setup(checkpoint=Path(sys.argv[1])), lambda n: t.time.sleep(0.001))"


def test_kill_9_is_as_if_it_had_not_been(tmp_path):
    path = tmp_path / "c.safetensors"
    body = "t.train(t.Config(steps=40), t.loop.Setup(checkpoint=Path(sys.argv[1])), lambda n: t.time.sleep(0.05))"
    with start(body, str(path)) as process:
        wait_for(path, process, 8)
        process.send_signal(signal.SIGKILL)
    assert 8 <= int(load_tensors(path)[1]["step"]) < 40
    assert same(train(Config(steps=40), loop.Setup(checkpoint=path)), train(Config(steps=40)))


def test_a_command_says_how_it_was_stopped(tmp_path):
    path = tmp_path / "c.safetensors"
    with start(LONG, str(path)) as process:
        wait_for(path, process, 4)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1].strip()
    step = load_tensors(path)[1]["step"]
    assert process.returncode == 130
    assert said == f"stopped after step {step}; {path} keeps step {step}; the same call goes on from there"


FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); " + LONG


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are Unix's")
def test_a_full_disk_stops_with_a_sentence_and_the_last_checkpoint(tmp_path):
    path = tmp_path / "c.safetensors"
    setup = loop.Setup(checkpoint=path)
    with pytest.raises(KeyboardInterrupt):
        train(Config(steps=100000), setup, interrupt)
    before = path.read_bytes()
    with start(FULL, str(path)) as process:
        said = process.communicate(timeout=120)[1].strip()
    assert process.returncode == 1 and len(said.splitlines()) == 1, said
    assert said.startswith(f"cannot write {path}: ") and "stopped after step 8, it keeps step 6" in said
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_what_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    setup = loop.Setup(checkpoint=tmp_path / "c.safetensors")

    def run_with(losses, every: int = 2):
        network = nn.Linear(1, 1)
        training = loop.Training({"network": network}, {}, torch.Generator(), {})
        return loop.run("test", training, losses, 9, every, setup)

    def breaks(number: int):
        return {"good": torch.tensor(1.0), "bad": torch.tensor(float("nan") if number == 5 else 1.0)}

    with pytest.raises(FloatingPointError, match=r"good 1, bad nan at step 5; stopped\. .*keeps step 4"):
        run_with(breaks)
    assert load_tensors(setup.checkpoint)[1]["step"] == "4"
    setup = loop.Setup()
    with pytest.raises(FloatingPointError, match="No checkpoint was kept"):
        run_with(breaks)


def test_descend_guards_losses_and_gradients():
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight])
    with pytest.raises(FloatingPointError, match=r"the loss is nan \(a nan, b 2\)"):
        loop.descend(weight.sum() * torch.nan, optimizer, 1.0, {"a": torch.tensor(torch.nan), "b": torch.tensor(2.0)})
    with pytest.raises(FloatingPointError, match="gradient"):
        loop.descend(weight.sqrt().sum(), optimizer, 1.0, {})
    assert weight.item() == 0


def test_gradients_are_clipped_to_the_norm():
    weight = nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    loop.descend((10 * weight).square().sum() / 2, optimizer, 1.0, {})
    np.testing.assert_allclose(weight.detach(), [3 - 0.6, 4 - 0.8], atol=1e-5)
    weight.data = torch.tensor([3.0, 4.0])
    loop.descend((0.1 * weight).square().sum() / 2, optimizer, 1.0, {})  # short enough as it is
    np.testing.assert_allclose(weight.detach(), [2.97, 3.96], atol=1e-6)


def test_other_settings_are_refused_by_name(tmp_path):
    setup = loop.Setup(checkpoint=tmp_path / "c.safetensors")
    train(Config(), setup)
    with pytest.raises(CheckpointError, match=r"another training \(seed is 0, expected 1\)"):
        train(Config(seed=1), setup)
    with pytest.raises(CheckpointError, match=r"half is False, expected True"):
        train(Config(), replace(setup, half=True))
    with pytest.raises(CheckpointError, match="step 10, beyond the 9"):
        train(Config(steps=9), setup)
    with pytest.raises(ValueError, match="at least 1"):
        train(Config(steps=0))


def test_a_lengthened_run_follows_the_longer_schedule(tmp_path):
    """And keeps what was on record; what was trained before is as it was."""
    setup = loop.Setup(checkpoint=tmp_path / "c.safetensors")
    _, short = train(Config(steps=8), setup)
    _, long = train(Config(steps=16), setup)
    assert without_seconds(long[:2]) == without_seconds(short)
    assert [entry["step"] for entry in long] == [4, 8, 12, 16]
    assert all(a["seconds"] <= b["seconds"] for a, b in zip(long, long[1:], strict=False))


def test_rates_are_set_before_each_step():
    weight = nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([{"params": [weight], "lr": 2.0}])
    rates = []

    def step(number: int) -> loop.Losses:
        rates.append(optimizer.param_groups[0]["lr"])
        return {}

    training = loop.Training({}, {"sgd": optimizer}, torch.Generator(), {})
    loop.run("test", training, step, 4, 9, model=nn.Identity(), rate=lambda number: 1 / (1 + number))
    np.testing.assert_allclose(rates, [2, 1, 2 / 3, 0.5])


def test_a_loss_that_not_every_step_has_is_averaged_over_those_that_have_it(tmp_path):
    """As in phases: one loss ends where another begins. A stop between two entries changes nothing."""

    def run(stop: int | None, file: Path) -> loop.Record:
        def step(number: int) -> loop.Losses:
            if number == stop:
                os.kill(os.getpid(), signal.SIGINT)
            return {"first" if number < 3 else "second": torch.tensor(float(number))}

        training = loop.Training({"network": nn.Linear(1, 1)}, {}, torch.Generator(), {})
        return loop.run("test", training, step, 8, 4, loop.Setup(checkpoint=file))

    whole = run(None, tmp_path / "whole.safetensors")
    assert [entry.get("first") for entry in whole] == [1.0, None]
    assert [entry["second"] for entry in whole] == [3.0, 5.5]
    with pytest.raises(KeyboardInterrupt):
        run(2, tmp_path / "cut.safetensors")
    assert without_seconds(run(None, tmp_path / "cut.safetensors")) == without_seconds(whole)


def test_measurements_see_evaluation_mode_and_leave_every_mode_as_it_was():
    network = nn.Sequential(nn.Dropout(), nn.Dropout())
    network[1].eval()  # frozen
    seen, told = [], []
    setup = loop.Setup(
        measure=lambda model: seen.append((model.training, torch.is_grad_enabled())) or {"error": 1.0},
        tell=told.append,
    )
    training = loop.Training({"network": network}, {}, torch.Generator(), {})
    settled = []
    record = loop.run(
        "test", training, lambda n: {"a": torch.tensor(float(n))}, 5, 2, setup, settle=lambda: settled.append(1)
    )
    assert seen == [(False, False)] * 3 and network.training and network[0].training and not network[1].training
    assert [(e["step"], e["a"], e["error"]) for e in record] == [(2, 0.5, 1.0), (4, 2.5, 1.0), (5, 4.0, 1.0)]
    assert told == record and len(settled) == 4


def test_the_average_follows_trained_weights_and_copies_buffers():
    network, average = (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)) for _ in range(2))
    network[1].weight.requires_grad_(False)
    with torch.no_grad():
        network[1].weight.fill_(7.0)
        network[1].running_mean.fill_(3.0)
    expected = 0.8 * average[0].weight.detach().numpy() + 0.2 * network[0].weight.detach().numpy()
    loop.update_average(average, network, 0.8)
    np.testing.assert_allclose(average[0].weight.detach(), expected, rtol=1e-6)
    assert average[1].weight[0] == 1.0 and average[1].running_mean[0] == 3.0


PROCESSES = """
import sys, torch
from pathlib import Path
from torch import nn
from napa_lib import loop
from napa_lib.processes import join_processes
rank, _ = join_processes(torch.device("cpu"))
out = Path(sys.argv[1])
for steps in (2, 5):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    seen = []
    def step(number):
        x = torch.randn(4, 2, generator=generator)
        seen.append(x)
        losses = {"a": network(x).square().mean()}
        loop.descend(losses["a"], optimizer, 1.0, losses)
        return losses
    training = loop.Training({"network": network}, {"sgd": optimizer}, generator, {})
    loop.run("two", training, step, steps, 2, loop.Setup(checkpoint=out / "c.safetensors"))
    torch.distributed.barrier()
torch.save((network.weight.detach(), torch.stack(seen)), out / f"{rank}.pt")
"""


def test_processes_draw_their_own_batches_and_keep_one_network(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(PROCESSES)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run([*command, str(tmp_path)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (one, first), (other, second) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert torch.equal(one, other) and not torch.equal(first, second)
    assert len(first) == 3  # it went on from step 2


def test_a_package_that_is_missing_is_named_in_a_sentence():
    with (
        pytest.raises(SystemExit, match=r"^the package anny is missing: pip install 'napa_lib\[synthesis\]'$"),
        loop.command(),
    ):
        raise ModuleNotFoundError("No module named 'anny'", name="anny")
    with pytest.raises(ModuleNotFoundError), loop.command():
        raise ModuleNotFoundError("No module named 'napa_lib.nothing'", name="napa_lib.nothing")
