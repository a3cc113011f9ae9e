"""The geometric descriptor beside a loop over pairs, an adversarial step beside its networks' passes, and inference.

A step cannot do without: the generator forward and backward, and the discriminator forward and backward once for the
generator, where it gives the gradient of its inputs alone, once on true poses and once on estimates. Each is timed
alone; what the step takes above their sum is the descriptor, the maps, decoding, losses, clipping and Adam. Times are
the process's CPU seconds, the least of several interleaved rounds: on a shared machine, others' work then counts less.
On a GPU they are seconds of the clock.

    python -m benchmarks adversarial
    python -m benchmarks.bench_adversarial cuda tiny float32
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.limits import print_table, seconds
from napa_lib.adversarial import (
    PRESETS,
    SOURCES,
    Batch,
    Evidence,
    Generator,
    ModelConfig,
    MultiSourceDiscriminator,
    TrainingConfig,
    adversarial_step,
    evidence_of_pose,
    geometric_descriptor,
)
from napa_lib.engine import keep_freed_memory
from napa_lib.loop import Setup, adam, on_device
from napa_lib.networks import resnet50

BATCH = 12  # the paper's
JOINTS = 17


def fastest(calls: dict[str, Callable[[], object]], device: torch.device, rounds: int) -> dict[str, float]:
    """The least of several rounds in turns, after one that does not count."""
    best = dict.fromkeys(calls, float("inf"))
    for turn in range(rounds + 1):
        for name, call in calls.items():
            spent = seconds(call, device)
            best[name] = min(best[name], spent) if turn else best[name]
    return best


def pairwise(pose: Tensor) -> Tensor:
    """Eq. 1 as one would write it down: a loop over pairs."""
    rows = []
    for i in range(pose.shape[1]):
        columns = []
        for j in range(pose.shape[1]):
            offset = pose[:, i] - pose[:, j]
            columns.append(torch.cat([offset, offset**2], -1))
        rows.append(torch.stack(columns, -1))
    return torch.stack(rows, -2)


def descriptor_calls(device: torch.device, batch: int = 256) -> dict[str, Callable[[], object]]:
    """Both ways, forward and backward."""
    pose = torch.randn(batch, JOINTS, 3, device=device).requires_grad_()
    weight = torch.randn(batch, 6, JOINTS, JOINTS, device=device)
    torch.testing.assert_close(pairwise(pose), geometric_descriptor(pose))

    def both_ways(function: Callable[[Tensor], Tensor]) -> None:
        pose.grad = None
        function(pose).backward(weight)

    return {"descriptor": lambda: both_ways(geometric_descriptor), "loop over pairs": lambda: both_ways(pairwise)}


def step_calls(config: ModelConfig, half: bool, device: torch.device) -> dict[str, Callable[[], object]]:
    """The bare passes of one step, and the whole step."""
    setup, training = Setup(device, half), TrainingConfig(config, batch=BATCH)
    model, critic = on_device(device, Generator(config)), on_device(device, MultiSourceDiscriminator(SOURCES, config))
    adams = {
        "generator": adam(model.parameters(), 1e-4, (0.9, 0.999)),
        "critic": adam(critic.parameters(), 1e-4, (0.5, 0.9)),
    }
    image = torch.rand(BATCH, 3, config.size, config.size)
    pose = 1.2 * torch.rand(BATCH, JOINTS, 3) - 0.6
    pose[BATCH // 2 :, :, 2] = torch.nan
    batch = Batch(image, pose[..., :2], pose[..., 2]).to(device)
    shown = evidence_of_pose(batch.image, batch.pose.nan_to_num())

    def generator() -> None:
        with setup.autocast():
            found = model.hourglass(batch.image)
            depths = model.regressor(found.heatmaps[-1], found.features)
        (sum(maps.float().square().mean() for maps in found.heatmaps) + depths.float().square().mean()).backward()

    def judge(evidence: Evidence, frozen: bool) -> None:
        critic.requires_grad_(not frozen)
        parts = {
            name: getattr(evidence, name).detach().requires_grad_(frozen and name != "picture") for name in SOURCES
        }
        with setup.autocast():
            logits = critic(Evidence(**parts))
        logits.float().square().mean().backward()

    some = shown.take(slice(None, BATCH // 2))
    return {
        "generator": generator,
        "discriminator, for the generator": lambda: judge(shown, True),
        "discriminator, true poses": lambda: judge(some, False),
        "discriminator, estimates": lambda: judge(some, False),
        "step": lambda: adversarial_step(model, critic, adams, batch, training, setup),
    }


def inference_calls(config: ModelConfig, half: bool, device: torch.device) -> dict[str, Callable[[], object]]:
    """A batch of pictures through the estimator, and through ResNet-50's layers."""
    setup = Setup(device, half)
    image = torch.rand(BATCH, 3, config.size, config.size, device=device).to(memory_format=torch.channels_last)
    networks = {"estimator": Generator(config), "ResNet-50": resnet50()}
    ready = {name: on_device(device, network).eval() for name, network in networks.items()}

    def predict(name: str) -> None:
        with torch.no_grad(), setup.autocast():
            ready[name](image)

    return {name: (lambda name=name: predict(name)) for name in ready}


def main(preset: str = "paper", half: bool = True, device: str = "cpu", rounds: int = 2) -> None:
    """Time all three; print the ratios that the project limits."""
    keep_freed_memory()  # as the command that trains does
    where, config = torch.device(device), PRESETS[preset]
    descriptor = fastest(descriptor_calls(where), where, 10)
    small = fastest(descriptor_calls(where, BATCH), where, 10)
    step = fastest(step_calls(config, half, where), where, rounds)
    inference = fastest(inference_calls(config, half, where), where, rounds)
    bare = sum(spent for name, spent in step.items() if name != "step")
    kind = "bfloat16" if half else "float32"
    rows = [{"what": name, "seconds": spent} for name, spent in {**descriptor, **step, **inference}.items()]
    print_table(
        f"AdvPose, {preset}, batch {BATCH} (descriptor 256), {kind}, {where}, {torch.get_num_threads()} threads", rows
    )
    print(f"  loop over pairs / descriptor: {descriptor['loop over pairs'] / descriptor['descriptor']:.1f} (least 20)")
    print(f"  descriptor of a step's batch / step: {small['descriptor'] / step['step']:.4f} (largest allowed 0.01)")
    print(f"  step / networks: {step['step'] / bare:.3f} (largest allowed 1.15)")
    rates = ", ".join(f"{name} {BATCH / spent:.1f}" for name, spent in inference.items())
    print(f"  pictures a second: {rates}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main("tiny" if "tiny" in given else "paper", "float32" not in given, "cuda" if "cuda" in given else "cpu")
