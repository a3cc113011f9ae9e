"""A training step of the paper's KeypointGAN beside the bare passes of its networks, and the renderer's share of it.

A step cannot do without: Phi, Psi and eta forward and backward, the VGG-19 on the picture and, forward and backward, on
its reconstruction, the skeleton discriminator forward and backward once for the generators and twice for itself. Each
is timed alone; what the whole step takes above their sum is the renderer, losses, clipping and Adam. What a step does
not need is not counted: a frozen eta and the discriminator in the generators' turn give the gradient of their input
alone. Times are the process's CPU seconds, the least of several interleaved rounds: on a shared machine,
others' work then counts less.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.limits import print_table
from napa_lib.bottleneck import PRESETS, Critics, KeypointGAN, PerceptualLoss, Setup, TrainingConfig, mocap_poses
from napa_lib.bottleneck.ladder import adversarial_step
from napa_lib.bottleneck.loop import adam, laid_out, on_device
from napa_lib.engine import keep_freed_memory
from napa_lib.networks import VGG19Features

CPU = torch.device("cpu")


def cpu_seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def passes(preset: str, half: bool, batch: int = 16) -> tuple[dict[str, Callable[[], object]], Callable[[], object]]:
    """The bare passes of one step by name, the renderer among them, and the whole step."""
    config = replace(TrainingConfig(), model=PRESETS[preset], perceptual_size=128 if preset == "paper" else 32)
    size, generator, setup = config.model.size, torch.Generator().manual_seed(0), Setup(half=half)
    model, critics = on_device(CPU, KeypointGAN(config.model)), on_device(CPU, Critics(config.model))
    model.freeze_encoder()
    perceptual = PerceptualLoss(on_device(CPU, VGG19Features()), config.perceptual_size)
    adams = {
        "generators": adam([*model.image_encoder.parameters(), *model.image_generator.parameters()], config),
        "critics": adam(critics.parameters(), config),
    }
    image, style = (laid_out(torch.rand(batch, 3, size, size, generator=generator), CPU) for _ in range(2))
    pose = mocap_poses(batch, generator)
    drawn = model.draw(pose)

    def both_ways(call: Callable[[Tensor], Tensor], x: Tensor, wants_input: bool, frozen: bool = False) -> None:
        x = x.detach().requires_grad_(wants_input)
        critics.requires_grad_(not frozen)
        with setup.autocast():
            found = call(x)
        (found.float().square().mean()).backward()

    def critic(x: Tensor) -> Tensor:
        return torch.cat([score.flatten() for score in critics.skeletons(x)])

    networks: dict[str, Callable[[], object]] = {
        "Phi": lambda: both_ways(model.image_encoder, image, False),
        "eta": lambda: both_ways(model.skeleton_encoder, drawn, True),
        "Psi": lambda: both_ways(lambda y: model.image_generator(y, style), drawn, True),
        "VGG-19": lambda: both_ways(lambda x: perceptual(x, image), style, True),
        "discriminator, for the generators": lambda: both_ways(critic, drawn, True, frozen=True),
        "discriminator, real": lambda: both_ways(critic, drawn, False),
        "discriminator, generated": lambda: both_ways(critic, drawn, False),
        "renderer": lambda: (both_ways(model.draw, pose, True), model.draw(pose)),
    }
    batch_ = image, style, pose
    return networks, lambda: adversarial_step(model, critics, perceptual, adams, batch_, config, setup)


def main(preset: str = "paper", half: bool = True, rounds: int = 2) -> None:
    """Time the passes and the step in turns; print the two ratios that the project limits."""
    keep_freed_memory()  # as the command that trains does
    networks, step = passes(preset, half)
    best = dict.fromkeys([*networks, "step"], float("inf"))
    for _ in range(rounds + 1):
        for name, call in [*networks.items(), ("step", step)]:
            best[name] = min(best[name], cpu_seconds(call))
    bare = sum(seconds for name, seconds in best.items() if name not in ("step", "renderer"))
    rows: list[dict[str, object]] = [
        {"what": name, "CPU s": seconds, "share of the step": seconds / best["step"]} for name, seconds in best.items()
    ]
    rows.append({"what": "sum of the networks' passes", "CPU s": bare, "share of the step": bare / best["step"]})
    kind = "bfloat16" if half else "float32"
    print_table(f"KeypointGAN, {preset}, batch 16, {kind}, {torch.get_num_threads()} threads", rows)
    print(f"  step / networks: {best['step'] / bare:.3f} (largest allowed 1.1)")
    print(f"  renderer / step: {best['renderer'] / best['step']:.4f} (largest allowed 0.03)")


if __name__ == "__main__":
    main(*sys.argv[1:2], half="float32" not in sys.argv)
