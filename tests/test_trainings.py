"""Each of the trainings, killed and started again, ends as if nothing had been, and can be made longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from napa_lib import bottleneck, style
from napa_lib.engine import load_tensors
from napa_lib.lifting import TrainingConfig
from napa_lib.lifting.train import train_depth_net
from napa_lib.loop import HERE, Record, Setup
from napa_lib.style.training import run_training
from napa_lib.training.config import PoseTrainingConfig
from napa_lib.training.pictures import PictureSet
from napa_lib.training.pose import train_pose_net

Outcome = tuple[dict[str, Tensor], Record]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The killed process has one; another number may sum in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def stylizer(setup: Setup, steps: int) -> Outcome:
    config = style.StylizerConfig(("greatwave", "monalisa"), "pool", steps=steps, batch=1, size=16)
    network, record = run_training(config, setup, every=2)
    return network.state_dict(), record


def depth(setup: Setup, steps: int) -> Outcome:
    trained = train_depth_net(TrainingConfig(steps=steps, batch=4), setup, every=2)
    return trained.network.state_dict(), trained.record


def keypoint_gan(setup: Setup, steps: int) -> Outcome:
    sizes = bottleneck.ModelConfig(size=32, width=4, discriminator_width=4, picture_width=4, discriminator_layers=1)
    config = bottleneck.TrainingConfig(sizes, steps=steps, batch=4, every=2, perceptual_size=16)
    generator = torch.Generator().manual_seed(0)
    poses = bottleneck.mocap_poses(20, generator)
    images = torch.randint(256, (4, 4, 3, 32, 32), generator=generator, dtype=torch.uint8)
    clips = bottleneck.Clips(images, torch.full((4, 4, 18, 2), torch.nan))
    torch.manual_seed(1)
    model, record = bottleneck.train_rung(config, clips, poses, bottleneck.SkeletonEncoder(18, 4), setup)
    return model.state_dict(), record


def pose(setup: Setup, steps: int) -> Outcome:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, 3, 80, 80), generator=generator, dtype=torch.uint8)
    pictures = PictureSet(images, 16 + 48 * torch.rand(8, 18, 2, generator=generator))
    config = PoseTrainingConfig(width=32, size=64, steps=steps, batch=4)
    network, record = train_pose_net(config, [pictures], [1.0], setup, validation={"same": pictures}, every=2)
    return network.trained_state(), record


KINDS: dict[str, Callable[[Setup, int], Outcome]] = {f.__name__: f for f in (stylizer, depth, keypoint_gan, pose)}


def train_and_die(kind: str, checkpoint: str) -> None:
    """Killed after four steps, before the second checkpoint: what is left is that of step 2."""

    def die(entry: dict) -> None:
        if entry["step"] == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    KINDS[kind](Setup(checkpoint=Path(checkpoint), tell=die), 5)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is Unix's")
@pytest.mark.parametrize("kind", KINDS)
def test_killed_resumed_and_made_longer(kind, tmp_path):
    path = tmp_path / "c.safetensors"
    code = (
        f"import sys; sys.path.insert(0, 'tests'); from test_trainings import *; train_and_die({kind!r}, sys.argv[1])"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], cwd=Path(__file__).parents[1], timeout=300)
    assert killed.returncode == -signal.SIGKILL and load_tensors(path)[1]["step"] == "2"

    setup = replace(HERE, checkpoint=path)
    weights, record = KINDS[kind](setup, 5)
    whole, expected = KINDS[kind](HERE, 5)
    assert weights.keys() == whole.keys() and all(torch.equal(weights[name], whole[name]) for name in whole)
    assert [entry["step"] for entry in record] == [2, 4, 5]
    for found, entry in zip(record, expected, strict=True):
        assert found.keys() == entry.keys() and all(found[n] == entry[n] for n in entry if n != "seconds")

    assert [entry["step"] for entry in KINDS[kind](setup, 6)[1]] == [2, 4, 5, 6]
